"""The table that an audit is read from: what leaks under each quantizer or its indicator, performance and price."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qmis_stats.audit.lines import Line
from qmis_stats.audit.quantizers import release_name
from qmis_stats.audit.wording import metric_name, narrow, number, percent
from qmis_stats.leak.releases import ReleaseLeak
from qmis_stats.reporting.tables import Table, rank_set
from qmis_stats.validation import checked_level

__all__ = ["first_table", "legend", "whole_table"]

_PARETO = "P"
"""Heads and marks the column of the Pareto set, on a terminal and on a page; the legend explains it."""


def first_table(lines: Sequence[Line], dataset: str, metric: str, level: float) -> Table:
    """Return a row per quantizer, the most private first and no quantization last.

    Parameters
    ----------
    lines : sequence of Line
        The rows, of :meth:`~qmis_stats.audit.audit_result.AuditResult.table_lines`.
    dataset, metric : str
        What was audited, and the score that is shown.
    level : float
        Of sets and intervals, for the caption.
    """
    by_leak = lines[-1].leak is not None
    privacy = ("Δ", "low", "high", "AUC", "TPR", "less") if by_leak else ("r", "low", "high")
    score = (metric_name(metric), *(() if by_leak else ("low", "high")))
    rows = [
        (
            release_name(line.name),
            _set(line),
            *(_leak(line) if by_leak else _indicator(line)),
            *map(narrow, (line.score,) if by_leak else (line.score, *line.score_interval)),
            "" if line.reference else narrow(line.price),
            _PARETO if line.pareto else "",
        )
        for line in lines
    ]
    return Table(_caption(dataset, level), ("quantizer", "set", *privacy, *score, "price", _PARETO), rows)


def whole_table(lines: Sequence[Line], dataset: str, metric: str, level: float) -> Table:
    """Return the same with bits, ranks and all intervals, for a page; arguments as for :func:`first_table`."""
    by_leak = lines[-1].leak is not None
    rows = []
    for line in lines:
        value, low, high, *rest = _leak(line) if by_leak else _indicator(line)
        if by_leak and line.leak is not None and line.leak.reduction_interval is not None:
            rest[-1] = rest[-1] and _with(rest[-1], *map(_share, line.leak.reduction_interval))
        unknown = "" if line.reference else "?"
        rows.append(
            (
                release_name(line.name),
                str(line.rank or unknown),
                _set(line),
                f"{line.bits:.3g}",
                _with(value, low, high) if value else unknown,
                *rest,
                _with(*map(number, (line.score, *line.score_interval))),
                "" if line.reference else _with(*map(number, (line.price, *line.price_interval))),
                _PARETO if line.pareto else "",
            )
        )
    privacy = ("Δ", "AUC", "TPR", "less, %") if by_leak else ("r",)
    heads = ("quantizer", "rank", "set", "bits", *privacy, metric_name(metric), "price", _PARETO)
    return Table(_caption(dataset, level), heads, rows)


def _caption(dataset: str, level: float) -> str:
    return f"Audit of {dataset}: {100.0 * checked_level(level):g} % sets and intervals"


def _set(line: Line) -> str:
    return "" if line.rank_set is None else rank_set(*line.rank_set)


def _with(value: str, low: str, high: str) -> str:
    return f"{value} [{low},\N{NO-BREAK SPACE}{high}]"  # where space is short the interval goes below


def _share(end: float) -> str:
    return percent(end) if math.isfinite(end) else "−∞"


def _leak(line: Line) -> tuple[str, ...]:
    if line.leak is None:
        return ("",) * 6
    leak = line.leak
    less = "" if leak.reduction is None else percent(leak.reduction)
    delta = number(leak.delta) + "*" * (not leak.in_domain)
    return (delta, *map(number, (*leak.interval, leak.auc, leak.tpr)), less)


def _indicator(line: Line) -> tuple[str, ...]:
    ends = ("", "") if line.interval is None else tuple(f"{end:.2g}" for end in line.interval)
    return ("" if line.indicator is None else f"{line.indicator:.2g}", *ends)


def legend(leak: ReleaseLeak | None) -> str:
    """Return what the columns mean.

    Parameters
    ----------
    leak : ReleaseLeak or None
        Of the releases; ``None`` where indicators are shown.
    """
    privacy = "r: indicator"
    if leak is not None:
        attack, of = ("strongest attack that was run", "of 2 AUC - 1 ") if leak.measured else ("best attack", "")
        privacy = f"Δ: advantage of the {attack} on the weights; AUC and TPR (at FPR 1 %): of it; less: how much less "
        privacy += f"{of}than no quantization, in %" + "; *: outside of the theory's domain" * (not leak.measured)
    price = "price: loss against no quantization"
    return f"set: possible ranks, 1 the most private; {privacy}; {price}; {_PARETO}: Pareto set"
