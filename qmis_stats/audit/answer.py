"""An audit in words: which quantizer, at what cost, how sure; and the rows of its table, for screens and pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qmis_stats.audit.quantizers import IDENTITY
from qmis_stats.audit.splits import further
from qmis_stats.errors import InputError

if TYPE_CHECKING:
    from qmis_stats.audit.results import AuditResult

__all__ = [
    "MARGIN",
    "Answer",
    "Line",
    "answer",
    "checked_margin",
    "chosen_names",
    "interval",
    "metric_name",
    "number",
    "table_lines",
]

MARGIN = 0.02
"""Performance that may be given up unless told otherwise."""

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


@dataclass(frozen=True)
class Line:
    """One quantizer in the table of an audit.

    Attributes
    ----------
    name : str
        The quantizer.
    bits : float
        Bits a weight.
    rank : int or None
        By the estimates, 1 the most private; ``None`` of the reference and where there is no estimate.
    rank_set : (int, int) or None
        Simultaneous confidence set of the rank.
    indicator : float or None
        r̂.
    interval : (float, float) or None
        Of the indicator.
    score, price : float
        Performance, and how much worse it is than without quantization.
    score_interval, price_interval : (float, float)
        Of both.
    pareto, best : bool
        Whether no other one is at least as private and as good; whether it may be the most private at the level.
    reference : bool
        Whether this is the model without quantization.
    """

    name: str
    bits: float
    rank: int | None
    rank_set: tuple[int, int] | None
    indicator: float | None
    interval: tuple[float, float] | None
    score: float
    score_interval: tuple[float, float]
    price: float
    price_interval: tuple[float, float]
    pareto: bool
    best: bool
    reference: bool


@dataclass(frozen=True)
class Answer:
    """What an audit says.

    Attributes
    ----------
    choice : str or None
        The quantizer of the largest indicator among those that lose less than the margin.
    affordable : tuple of str
        Quantizers whose price is below the margin, each with confidence.
    which, cost, sure : str
        Plain sentences.
    """

    choice: str | None
    affordable: tuple[str, ...]
    which: str
    cost: str
    sure: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "choice": self.choice,
            "affordable": list(self.affordable),
            "which": self.which,
            "cost": self.cost,
            "sure": self.sure,
        }


def table_lines(result: AuditResult, level: float = 0.95) -> tuple[Line, ...]:
    """Return the rows of the table: the most private quantizer first, then single codewords, then the reference.

    Parameters
    ----------
    result : AuditResult
        From :func:`~qmis_stats.audit.algorithm.audit`.
    level : float
        Confidence level.
    """
    scores = result.scores.to_frame(level).to_dict("index")
    metric = result.metric
    front = result.pareto()
    ranked: dict[str, dict[str, Any]] = {}
    best: Sequence[str] = ()
    if result.ranking is not None:
        best = result.ranking.best_set(1, level)
        sets, interval = result.ranking.rank_sets(level), result.ranking.conf_int(level)
        for q in result.ranking.order():
            ranked[result.ranking.names[q]] = {
                "rank": int(result.ranking.ranks[q]),
                "rank_set": (int(sets[q, 0]), int(sets[q, 1])),
                "indicator": float(result.ranking.params[q]),
                "interval": (float(interval[q, 0]), float(interval[q, 1])),
            }
    nothing = dict.fromkeys(("rank", "rank_set", "indicator", "interval"))
    lines = []
    for name in [*ranked, *result.single, IDENTITY]:
        row = {str(key): float(value) for key, value in scores[name].items()}
        lines.append(
            Line(
                name=name,
                bits=float(result.bits[name]),
                **ranked.get(name, nothing),
                score=row[metric],
                score_interval=(row[f"{metric}_low"], row[f"{metric}_high"]),
                price=row[f"{metric}_price"],
                price_interval=(row[f"{metric}_price_low"], row[f"{metric}_price_high"]),
                pareto=name in front,
                best=name in best,
                reference=name == IDENTITY,
            )
        )
    return tuple(lines)


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


def answer(result: AuditResult, level: float = 0.95, margin: float = MARGIN) -> Answer:
    """Return which quantizer to take, at what cost, and how sure that is.

    Parameters
    ----------
    result : AuditResult
        From :func:`~qmis_stats.audit.algorithm.audit`.
    level : float
        Confidence level.
    margin : float
        Performance that may be given up, in units of the first score.

    Raises
    ------
    InputError
        If the margin is negative or not finite.
    """
    checked_margin(margin)
    *lines, reference = table_lines(result, level)
    affordable = tuple(line.name for line in lines if line.price_interval[1] <= margin)
    ranked = [line for line in lines if line.rank is not None]
    pool = [line for line in ranked if line.name in affordable]
    chosen = max(pool, key=lambda line: (line.indicator or 0.0, line.score), default=None)
    percent = f"{100.0 * level:g} %"
    return Answer(
        choice=None if chosen is None else chosen.name,
        affordable=affordable,
        which=_which(result, lines, ranked, chosen, len(affordable), percent, margin),
        cost=_cost(result, lines, reference, chosen, affordable, margin),
        sure=_sure(result, ranked, chosen, percent, level),
    )


def chosen_names(result: AuditResult, found: Answer) -> tuple[str, ...]:
    """Return the quantizers of first interest: the choice, the Pareto set, and the reference."""
    return tuple(dict.fromkeys([*([found.choice] if found.choice else []), *result.pareto(), IDENTITY]))


def _which(
    result: AuditResult,
    lines: Sequence[Line],
    ranked: Sequence[Line],
    chosen: Line | None,
    affordable: int,
    percent: str,
    margin: float,
) -> str:
    metric = metric_name(result.metric)
    front = f"Pareto set, where none is both more private and better: {_listed(result.pareto())}."
    sure = f"lose at most {margin:g} in {metric} ({percent} confidence each)"
    if chosen is not None and affordable == 1:
        return (
            f"{chosen.name}, r = {chosen.indicator:.3g}, is the only one of {len(lines)} quantizers that is shown to "
            f"{sure}. {front}"
        )
    if chosen is not None:
        return (
            f"{chosen.name} has the largest indicator, r = {chosen.indicator:.3g}, among the {affordable} of "
            f"{len(lines)} quantizers that {sure}. {front}"
        )
    if not ranked:
        return "No indicator can be estimated: of no quantizer two codewords of different losses were seen."
    return f"No ranked quantizer is shown to {sure}. {front}"


def _cost(
    result: AuditResult,
    lines: Sequence[Line],
    reference: Line,
    chosen: Line | None,
    affordable: Sequence[str],
    margin: float,
) -> str:
    metric = metric_name(result.metric)
    shown = chosen if chosen is not None else min(lines, key=lambda line: line.price)
    text = (
        f"{shown.name} {'costs' if chosen is not None else 'costs least:'} {number(shown.price)} in {metric} "
        f"{interval(shown.price_interval)}: "
        f"{number(shown.score)} against {number(reference.score)} without quantization."
    )
    dear = [line for line in lines if line.name not in affordable and line.price > margin]
    open_ = [line for line in lines if line.name not in affordable and line.price <= margin]
    if dear:
        named = [f"{line.name} ({number(line.price)})" for line in sorted(dear, key=lambda line: line.price)]
        text += f" More than {margin:g}: {_listed(named)}."
    if open_ and chosen is not None:
        text += f" Not shown to stay within {margin:g}: {_listed([line.name for line in open_])}."
    return text


def _sure(result: AuditResult, ranked: Sequence[Line], chosen: Line | None, percent: str, level: float) -> str:
    parts = []
    ranking = result.ranking
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
                f"{_listed(best)}."
            )
            if chosen is not None and not chosen.best:
                parts.append(f"{chosen.name} is not among them.")
        needed = {entry.name: entry.points_needed(level) for entry in ranking.indicators}
        unclear = {name for name, points in needed.items() if points > ranking.points}
        if unclear:
            which = "any indicator" if len(unclear) == len(ranked) else f"{len(unclear)} of the indicators"
            parts.append(f"{ranking.points} evaluation points do not tell {which} from 0.")
        if chosen is not None and chosen.name in unclear and chosen.indicator:
            parts.append(f"For r = {chosen.indicator:.3g} it takes about {_rounded(needed[chosen.name])} points.")
        parts += _runs(result, level)
    if result.single and ranked:
        parts.append(f"Without an estimate, neither ranked nor in the Pareto set: {_listed(result.single)}.")
    return " ".join(parts) or f"Nothing could be ranked; {further(result.specification['subsets'])}."


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


def _listed(names: Sequence[str]) -> str:
    if len(names) > _SHOWN:
        return ", ".join(names[:_SHOWN]) + f" and {len(names) - _SHOWN} more"
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


def interval(ends: tuple[float, float]) -> str:
    """Return an interval with three decimals.

    Examples
    --------
    >>> interval((0.0, 1.25))
    '[0.000, 1.250]'
    """
    return f"[{number(ends[0])}, {number(ends[1])}]"
