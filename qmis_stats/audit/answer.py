"""An audit in words: which quantizer, at what cost, how sure; and the rows of its table, for screens and pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qmis_stats.audit.leak_answer import beside_weights, leak_sure, leak_which, may_leak_least
from qmis_stats.audit.lines import Line
from qmis_stats.audit.quantizers import IDENTITY
from qmis_stats.audit.splits import further
from qmis_stats.audit.wording import interval, listed, metric_name, number
from qmis_stats.errors import InputError
from qmis_stats.json_values import json_ready
from qmis_stats.validation import instance_of

if TYPE_CHECKING:
    from qmis_stats.audit.attacks.side_by_side import AttackAudit
    from qmis_stats.audit.audit_result import AuditResult
    from qmis_stats.inference.rank_results import RankResults

__all__ = [
    "MARGIN",
    "Answer",
    "Line",
    "answer",
    "checked_margin",
    "checked_result",
    "chosen_names",
]

MARGIN = 0.02
"""Performance that may be given up unless told otherwise."""

_PRICED = 3


@dataclass(frozen=True)
class Answer:
    """What an audit says.

    Attributes
    ----------
    choice : str or None
        The most private of the quantizers that lose less than the margin, where it is shown to be.
    candidates : tuple of str
        Those of them that may be the most private; the choice alone where there is one.
    affordable : tuple of str
        Quantizers whose price is below the margin, each with confidence.
    which, cost, sure : str
        Plain sentences.
    """

    choice: str | None
    candidates: tuple[str, ...]
    affordable: tuple[str, ...]
    which: str
    cost: str
    sure: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return dict(json_ready(vars(self)))


def checked_margin(margin: float) -> float:
    """Return the margin, or raise :class:`~qmis_stats.errors.InputError`.

    Examples
    --------
    >>> checked_margin(0.02)
    0.02
    """
    if not (math.isfinite(margin) and margin >= 0.0):
        raise InputError("margin", margin, "a finite number of at least 0")
    return margin


def answer(
    result: AuditResult, level: float = 0.95, margin: float = MARGIN, attacks: AttackAudit | None = None
) -> Answer:
    """Return which quantizer to take, at what cost, and how sure that is.

    A quantizer is named where it is shown to be the most private of those that lose less than the margin: by the leak
    of its release where theory knows it (S17) or attacks measured it, else by the indicator (S13).

    Parameters
    ----------
    result : AuditResult
        From :func:`~qmis_stats.audit.algorithm.audit`.
    level : float
        Confidence level.
    margin : float
        Performance that may be given up, in units of the first score.
    attacks : AttackAudit, optional
        What attacks achieved: held against the theory, and the answer where it has none.

    Raises
    ------
    InputError
        If the margin is negative or not finite.
    """
    checked_margin(margin)
    checked_result(result)
    result = result.with_attacks(attacks)
    *lines, reference = result.table_lines(level)
    affordable = tuple(line.name for line in lines if line.price_interval[1] <= margin)
    percent = f"{100.0 * level:g} %"
    limit = f"lose at most {margin:g} in {metric_name(result.metric)} ({percent} confidence each)"
    ranking = result.privacy_ranking
    if result.leak is not None and ranking is not None:
        protecting = [line.name for line in lines if line.leak is not None and line.leak.protects]
        candidates = may_leak_least(ranking, affordable, protecting, level)
        which = leak_which(lines, reference, affordable, candidates, limit)
        if result.leak.measured:
            which += " This is what was measured: more may leak, under each of them."
        sure = " ".join(leak_sure(result.leak, candidates, level, attacks, result.no_leak))
    else:
        candidates = _not_beaten(ranking, affordable, level)
        which = _which(lines, candidates, affordable, limit)
        sure = _sure(result, lines, candidates, percent, level)
    which = " ".join([which, *beside_weights(result.units, result.leak, attacks)])
    return Answer(
        choice=candidates[0] if len(candidates) == 1 else None,
        candidates=candidates,
        affordable=affordable,
        which=which,
        cost=_cost(result, lines, reference, candidates, affordable, margin),
        sure=sure,
    )


def _not_beaten(ranking: RankResults | None, names: Sequence[str], level: float) -> tuple[str, ...]:
    """Return those of the names that are not shown to be less private than another of them, the most private first."""
    if ranking is None:
        return ()
    below = ranking.significantly_below(level)
    places = [q for q in ranking.order() if ranking.names[q] in names]
    return tuple(ranking.names[q] for q in places if not below[q, places].any())


def checked_result(result: AuditResult) -> None:
    """Refuse what is no result of an audit, such as the name of its report.

    Raises
    ------
    InputError
        If it is another object.
    """
    from qmis_stats.audit.audit_result import AuditResult

    instance_of(AuditResult, "result", result, "audit returns one")


def chosen_names(result: AuditResult, found: Answer) -> tuple[str, ...]:
    """Return the quantizers of first interest: the candidates, the Pareto set, and the reference."""
    return tuple(dict.fromkeys([*found.candidates, *result.pareto(), IDENTITY]))


def _which(lines: Sequence[Line], candidates: Sequence[str], affordable: Sequence[str], limit: str) -> str:
    ranked = [line for line in lines if line.rank is not None]
    if not ranked:
        return "No indicator can be estimated: of no quantizer two codewords of different losses were seen."
    pool = [line for line in ranked if line.name in affordable]
    if not pool:
        return f"No ranked quantizer is shown to {limit}."
    if len(candidates) == 1:
        [line] = [line for line in ranked if line.name == candidates[0]]
        if len(pool) == 1:
            return f"{line.name}, r = {line.indicator:.3g}, is the only one of {len(lines)} that is shown to {limit}."
        return (
            f"{line.name} has the largest indicator of the {len(pool)} quantizers that {limit}: r = "
            f"{line.indicator:.3g}."
        )
    if len(candidates) == len(pool):
        return f"The {len(pool)} quantizers that {limit} are not told apart: no one is shown to be the most private."
    return (
        f"The most private of the {len(pool)} quantizers that {limit} is one of {len(candidates)}: "
        f"{listed(candidates)}."
    )


def _cost(
    result: AuditResult,
    lines: Sequence[Line],
    reference: Line,
    candidates: Sequence[str],
    affordable: Sequence[str],
    margin: float,
) -> str:
    metric = metric_name(result.metric)
    shown = [line for line in lines if line.name in candidates][:_PRICED]
    least = min(lines, key=lambda line: line.price)
    prices = [f"{line.name} costs {number(line.price)} {interval(line.price_interval)}" for line in shown]
    if not shown:
        prices = [f"{least.name} costs least: {number(least.price)} {interval(least.price_interval)}"]
    text = f"{', '.join(prices)} in {metric}; without quantization it is {number(reference.score)}."
    dear = [line for line in lines if line.name not in affordable and line.price > margin]
    open_ = [line for line in lines if line.name not in affordable and line.price <= margin]
    if dear:
        named = [f"{line.name} ({number(line.price)})" for line in sorted(dear, key=lambda line: line.price)]
        text += f" More than {margin:g}: {listed(named)}."
    if open_ and shown:
        text += f" Not shown to stay within {margin:g}: {listed([line.name for line in open_])}."
    return text


def _sure(result: AuditResult, lines: Sequence[Line], candidates: Sequence[str], percent: str, level: float) -> str:
    parts = [f"Theory has no answer: {result.no_leak}."] if result.no_leak else []
    ranking = result.ranking
    ranked = [line for line in lines if line.rank is not None]
    if ranking is not None:
        best = [line.name for line in ranked if line.best]
        if len(ranked) == 1:
            parts.append("There is a single quantizer to rank.")
        elif len(best) == len(ranked):
            parts.append(
                f"The ranking is open: any of the {len(ranked)} quantizers may be the most private "
                f"({percent} confidence)."
            )
        elif len(best) == 1:
            parts.append(f"{best[0]} is the most private of the {len(ranked)} ranked, with {percent} confidence.")
        else:
            parts.append(
                f"The most private is one of {len(best)} of the {len(ranked)}, with {percent} confidence: "
                f"{listed(best)}."
            )
        needed = {entry.name: entry.points_needed(level) for entry in ranking.indicators}
        unclear = {name for name, points in needed.items() if points > ranking.points}
        if unclear:
            which = "any indicator" if len(unclear) == len(ranked) else f"{len(unclear)} of the indicators"
            parts.append(f"{ranking.points} evaluation points do not tell {which} from 0.")
        for line in ranked:
            if candidates[:1] == (line.name,) and line.name in unclear and line.indicator:
                parts.append(f"For r = {line.indicator:.3g} it takes about {_rounded(needed[line.name])} points.")
        parts += _runs(result, level)
    if result.single and ranked:
        parts.append(f"Without an estimate, neither ranked nor in the Pareto set: {listed(result.single)}.")
    if not ranked:
        parts.append(f"Nothing could be ranked; {further(result.specification['subsets'])}.")
    return " ".join(parts)


def _runs(result: AuditResult, level: float) -> list[str]:
    """Return whether the runs agree on an order, beside what the evaluation points decide, in at most one sentence."""
    runs, ranking = result.over_runs, result.ranking
    if runs is None or ranking is None:
        return []
    apart = runs.told_apart(level)
    places = [ranking.names.index(name) for name in runs.means.names if name in ranking.names]
    by_points = int(ranking.significantly_below(level)[np.ix_(places, places)].sum())
    pairs = len(runs.means.names) * (len(runs.means.names) - 1) // 2
    return [
        f"{runs.means.runs} runs agree on the order of {apart} of {pairs} pairs on these evaluation points; "
        f"{by_points} orders are shown to hold for other points too."
    ]


def _rounded(value: float) -> str:
    """Return a number rounded up to two significant digits, in full: never less than it is.

    Examples
    --------
    >>> _rounded(466.4), _rounded(1234567.0), _rounded(281.0)
    ('470', '1300000', '290')
    """
    unit = 10 ** max(len(str(math.ceil(value))) - 2, 0)
    return str(math.ceil(value / unit) * unit)
