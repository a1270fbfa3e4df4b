"""Values as JSON holds them: one rule for results, reports and commands."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["json_ready", "json_text"]


def json_ready(value: Any, digits: int | None = None, *, unknown: bool = True) -> Any:
    """Return a value in plain types; ``None`` for infinities and NaN, of which JSON has none.

    Parameters
    ----------
    value : Any
        A number, a text, or mappings, lists, tuples and arrays of such.
    digits : int, optional
        Significant digits of floats; by default all.
    unknown : bool
        Whether NaN stands for what is not known; else it is refused.

    Raises
    ------
    ArithmeticError
        If a number is NaN that has to be known.

    Examples
    --------
    >>> json_ready({"log_delta": -math.inf, "n": np.int64(7), "ci": (np.float64(0.5), math.nan)})
    {'log_delta': None, 'n': 7, 'ci': [0.5, None]}
    >>> json_ready([1 / 3, 3], digits=4)
    [0.3333, 3]
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(entry, digits, unknown=unknown) for key, entry in value.items()}
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [json_ready(entry, digits, unknown=unknown) for entry in value]
    if not isinstance(value, float):
        return value
    if math.isnan(value) and not unknown:
        raise ArithmeticError("a computed number is not a number; please report this problem")
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")


def json_text(value: Any, *, indent: int = 1, ensure_ascii: bool = False) -> str:
    r"""Return the text of a JSON file.

    Parameters
    ----------
    value : Any
        As for :func:`json_ready`.
    indent : int
        Spaces of each level.
    ensure_ascii : bool
        Whether other letters are escaped.

    Examples
    --------
    >>> json_text({"Δ": math.inf})
    '{\n "Δ": null\n}\n'
    """
    return json.dumps(json_ready(value), indent=indent, ensure_ascii=ensure_ascii, allow_nan=False) + "\n"
