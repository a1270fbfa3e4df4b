"""Numbers, intervals and lists in the sentences and tables of an audit."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["interval", "listed", "metric_name", "narrow", "number", "percent"]

_NAMES = {"auroc": "AUROC", "r2": "R²", "mae": "MAE"}
_SHOWN = 6


def metric_name(metric: str) -> str:
    """Return the name of a score in a sentence.

    Examples
    --------
    >>> metric_name("r2"), metric_name("accuracy")
    ('R²', 'accuracy')
    """
    return _NAMES.get(metric, metric)


def listed(names: Sequence[str], most: int = _SHOWN) -> str:
    """Return names with commas, the first few where there are many.

    Examples
    --------
    >>> listed(["a", "b", "c"], 2), listed([])
    ('a, b and 1 more', 'none')
    """
    if len(names) > most:
        return ", ".join(names[:most]) + f" and {len(names) - most} more"
    return ", ".join(names) or "none"


def number(value: float) -> str:
    """Return three decimals, never a negative zero.

    Examples
    --------
    >>> number(-0.0001), number(0.9934), number(float("nan"))
    ('0.000', '0.993', '-')
    """
    if not math.isfinite(value):
        return "-" if math.isnan(value) else ("inf" if value > 0.0 else "-inf")
    text = f"{value:.3f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def narrow(value: float) -> str:
    """Return three decimals, or three digits of a large number: a row has to fit into 80 characters.

    Examples
    --------
    >>> narrow(0.9934), narrow(-150.558)
    ('0.993', '-151')
    """
    return number(value) if not 10.0 <= abs(value) < math.inf else f"{value:.3g}"


def interval(ends: tuple[float, float]) -> str:
    """Return an interval with three decimals.

    Examples
    --------
    >>> interval((0.0, 1.25))
    '[0.000, 1.250]'
    """
    return f"[{number(ends[0])}, {number(ends[1])}]"


def percent(share: float) -> str:
    """Return a share in whole per cent, never a negative zero.

    Examples
    --------
    >>> percent(0.436), percent(-0.001)
    ('44', '0')
    """
    return f"{round(100.0 * share) + 0:.0f}"
