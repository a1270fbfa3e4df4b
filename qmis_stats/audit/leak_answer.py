"""An audit in words where theory says how much each release leaks: which quantizer, and how sure."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from scipy.special import stdtrit

from qmis_stats.audit.lines import Line
from qmis_stats.audit.quantizers import IDENTITY, release_name
from qmis_stats.audit.wording import interval, listed, number, percent
from qmis_stats.leak.releases import ReleaseLeak
from qmis_stats.validation import checked_level

if TYPE_CHECKING:
    from qmis_stats.audit.attacks.side_by_side import AttackAudit, Compared
    from qmis_stats.audit.unit_moments import UnitsLeak
    from qmis_stats.inference.rank_results import RankResults

__all__ = ["attacks_and_theory", "beside_weights", "leak_sure", "leak_which", "may_leak_least"]

_EXPOSED = 0.8
_FEW = 3


def may_leak_least(
    ranking: RankResults, affordable: Collection[str], protecting: Collection[str], level: float
) -> tuple[str, ...]:
    """Return who may leak least of those that may be taken, protecting ones first; none where none of them protects.

    A quantizer drops out where one that protects is shown to leak less. That it is not itself shown to protect does not
    show that it leaks more than one that is.

    Parameters
    ----------
    ranking : RankResults
        By the leak.
    affordable, protecting : collection of str
        Quantizers that lose little, and those that are shown to leak less than no quantization.
    level : float
        Confidence level.

    Examples
    --------
    >>> import numpy as np
    >>> from qmis_stats.inference.rank_results import rank_estimates
    >>> ranking = rank_estimates([-0.1, -0.2, -0.1], np.diag([1e-6, 1e-6, 1e-2]), ["a", "b", "c"])
    >>> may_leak_least(ranking, ["a", "b", "c"], ["a", "b"], 0.95), may_leak_least(ranking, ["c"], ["a"], 0.95)
    (('a', 'c'), ())
    """
    below, names = ranking.significantly_below(level), ranking.names
    there = [q for q in ranking.order() if names[q] in affordable]
    by = [q for q in there if names[q] in protecting]
    left = [q for q in there if not below[q, by].any()]
    return tuple(names[q] for q in sorted(left, key=lambda q: q not in by)) if set(left) & set(by) else ()


def leak_which(
    lines: Sequence[Line], reference: Line, affordable: Sequence[str], candidates: Sequence[str], limit: str
) -> str:
    """Return which quantizer leaks least among those that may be taken: only what is shown.

    Parameters
    ----------
    lines : sequence of Line
        Of the quantizers.
    reference : Line
        Of no quantization.
    affordable : sequence of str
        Quantizers that lose little.
    candidates : sequence of str
        Those of them that may leak least, see :func:`may_leak_least`.
    limit : str
        What they lose at most, in words.
    """
    assert reference.leak is not None
    plain = f"Δ = {number(reference.leak.delta)} {interval(reference.leak.interval)}"
    pool = [line for line in lines if line.name in affordable]
    least = min((line.leak.interval[0] for line in [*pool, reference] if line.leak is not None), default=0.0)
    if least > _EXPOSED:
        many = f"under each of the {len(pool)} quantizers that {limit}" if pool else "without quantization"
        many = f"under {pool[0].name}, which alone is shown to {limit}" if len(pool) == 1 else many
        return (
            f"Membership is almost fully exposed {many}: Δ of the best attack is at least {number(least)}. No "
            f"quantization has {plain}."
        )
    chosen = [line for line in pool if line.name in candidates]
    if chosen:
        return " ".join([_least(chosen, len(pool), limit, plain), *_rest(pool)])
    outside = [line.name for line in lines if line.leak is not None and line.leak.protects]
    text = f"None of the {len(pool)} quantizers that {limit} is shown to leak less than no quantization, {plain}."
    if len(pool) == 1:
        text = f"Only {pool[0].name} is shown to {limit}; it is not shown to leak less than no quantization, {plain}."
    elif not pool:
        text = f"No quantizer is shown to {limit}. No quantization has {plain}."
    if outside:
        text += f" What protects costs more: {listed([_reduced(line) for line in lines if line.name in outside], 4)}."
    return text


def _reduced(line: Line) -> str:
    """Return the name and how much less it leaks."""
    leak = line.leak
    assert leak is not None
    assert leak.reduction is not None
    assert leak.reduction_interval is not None
    low, high = leak.reduction_interval
    return f"{line.name} {percent(leak.reduction)} % [{percent(low)}, {percent(high)}]"


def _least(chosen: Sequence[Line], count: int, limit: str, plain: str) -> str:
    if len(chosen) == 1:
        [line] = chosen
        assert line.leak is not None
        others = (
            f"least of the {count} quantizers that {limit}" if count > 1 else f"less, and alone is shown to {limit}"
        )
        return (
            f"{line.name} leaks {others}: Δ = {number(line.leak.delta)} {interval(line.leak.interval)}, "
            f"{_reduced(line).removeprefix(line.name).strip()} less than no quantization with {plain}."
        )
    told = [line for line in chosen if line.leak is not None and line.leak.protects]
    text = f"The least leaking of the {count} quantizers that {limit} is one of {len(chosen)}"
    text += (
        ", which leak"
        if len(told) == len(chosen)
        else f", of which {len(told)} {'leaks' if len(told) == 1 else 'leak'}"
    )
    return f"{text} less than no quantization, {plain}, by: {listed([_reduced(line) for line in told], 4)}."


def _rest(pool: Sequence[Line]) -> list[str]:
    """Return which of the affordable ones are not shown to protect."""
    nothing = [line.name for line in pool if line.leak is not None and not line.leak.protects]
    return [f"No protection is shown for {listed(nothing)}."] if nothing else []


def beside_weights(units: UnitsLeak | None, leak: ReleaseLeak | None, attacks: AttackAudit | None = None) -> list[str]:
    """Return what is released beside the weights and no quantizer changes, in at most one paragraph.

    Parameters
    ----------
    units : UnitsLeak or None
        Of locations and scales by theory, in the population; ``None`` where none are released.
    leak : ReleaseLeak or None
        Of the weights.
    attacks : AttackAudit, optional
        What attacks achieved: told of where the leak of the weights is measured.

    Examples
    --------
    >>> from qmis_stats.audit.unit_moments import UnitsLeak
    >>> beside_weights(UnitsLeak(0, True, 2, 0.02, 0.51, 0.012), None)[0].split('. ')[0]
    'Not counted: location and scale of the target, which every release holds as they are'
    """
    if units is None:
        return []
    who = f"locations and scales of {units.features} feature{'s'[: units.features != 1]}"
    who = "location and scale of the target" if not units.features else who + " and the target" * units.target
    verb, found, auc = "leak", f"Δ = {number(units.delta)} (AUC {number(units.auc)})", units.auc
    if leak is not None and leak.measured and attacks is not None and attacks.beside is not None:
        measured = attacks.beside.results[0]
        verb, found = "gave an attack", f"an AUC of {number(measured.auc)} {interval(measured.auc_interval())}"
        auc = measured.auc
    than = ""
    if leak is not None:
        plain = float(leak.auc[leak.names.index(IDENTITY)])
        than = f", {'more' if auc > plain else 'less'} than the weights without quantization"
    return [
        f"Not counted: {who}, which every release holds as they are. By themselves they {verb} {found}{than}. "
        f"{_together(attacks)}Standardised by public ones, a model releases its weights alone."
    ]


def _together(attacks: AttackAudit | None) -> str:
    """Return what an attack on all that is released reached in the known pool, over releases."""
    if attacks is None or not attacks.whole:
        return ""
    areas = {release_name(name): report.results[0].auc for name, report in attacks.whole.items()}
    (least, low), (most, high) = (chosen(areas.items(), key=lambda one: one[1]) for chosen in (min, max))
    ends = f"{number(low)} ({least}) to {number(high)} ({most})" if len(areas) > 1 else number(high)
    return f"Together with the weights they gave an attack that knows the pool an AUC of {ends}. "


def leak_sure(
    leak: ReleaseLeak,
    candidates: Sequence[str],
    level: float,
    attacks: AttackAudit | None = None,
    no_theory: str = "",
) -> list[str]:
    """Return how sure the leaks are: the domain of the theory, pairs that are told apart, attacks, what would decide.

    Parameters
    ----------
    leak : ReleaseLeak
        Of all quantizers.
    candidates : sequence of str
        Those that may leak least.
    level : float
        Confidence level.
    attacks : AttackAudit, optional
        What attacks achieved.
    no_theory : str
        Why theory has no answer, where the leak was measured.
    """
    told, pairs = leak.told_apart(checked_level(level))
    parts = [f"Theory has no answer: {no_theory}."] if no_theory else []
    parts.append(
        f"{leak.source()}; {told} of {pairs} pairs of quantizers are told apart ({100.0 * level:g} %, all together)."
    )
    if leak.measured and not leak.found:
        parts.append(
            "It finds no leak without quantization either, and so tells nothing of what quantization protects."
        )
    outside: dict[str, list[str]] = {}
    for name, reasons in zip(leak.names, leak.reasons, strict=True):
        for reason in reasons:
            outside.setdefault(reason, []).append(release_name(name))
    for reason, names in outside.items():
        which = "all releases" if len(names) == len(leak.names) else listed(names, _FEW)
        parts.append(f"Outside of its domain for {which}: {reason}.")
    if attacks is not None:
        parts += attacks_and_theory(attacks, level)
    if len(candidates) > 1:
        parts += _needed(leak, candidates, level)
    return parts


def attacks_and_theory(attacks: AttackAudit, level: float) -> list[str]:
    """Return whether attacks agree with the theory for the game of the attacks, in at most two sentences.

    Parameters
    ----------
    attacks : AttackAudit
        What attacks achieved.
    level : float
        Confidence level, for all releases together.
    """
    compared = attacks.compared(checked_level(level))
    found = [_inside_domain(attacks, compared, level)] if compared else []
    beyond = [one for one in attacks.compared(level, inside=False) if not one.agree and one.attacked > one.predicted]
    if beyond:
        beyond.sort(key=lambda one: one.predicted - one.attacked)
        beside = (
            "; in brackets what one training run simulates" if any(one.solved is not None for one in beyond) else ""
        )
        what = f"in a known pool attacks find more than its formulas (AUC{beside})"
        found.append(f"Outside of the domain of theory, {what}: {_read_for_said(beyond)}.")
    return found


def _inside_domain(attacks: AttackAudit, compared: Sequence[Compared], level: float) -> str:
    game, theory = next(iter(attacks.reports.values())).game, attacks.predicted
    where = f"Attacks on training runs with {game['n']} rows of a known pool"
    if theory is not None and theory.in_domain[-1]:  # no quantization: the game of the pool has a leak of its own
        low, high = theory.conf_int(level)[-1]
        where += f", in which Δ without quantization is {number(theory.delta[-1])} {interval((low, high))} by theory,"
    apart = [one for one in compared if not one.agree]
    if not apart:
        inside = f"all {len(compared)} releases"
        if len(compared) < len(attacks.reports):
            inside = f"the {len(compared)} of {len(attacks.reports)} releases inside its domain"
        return f"{where} agree with the theory for it under {inside}."
    above = [one for one in apart if one.attacked > one.predicted]
    if above:
        return f"{where} reach MORE than the theory says, so trust the attacks (AUC): {_read_for_said(above)}."
    return f"{where} reach less than the theory's best attack would (AUC): {_read_for_said(apart)}."


def _read_for_said(some: Sequence[Compared]) -> str:
    shown = []
    for one in some:
        solved = "" if one.solved is None else f" ({number(one.solved)})"
        shown.append(f"{release_name(one.name)} {number(one.attacked)} for {number(one.predicted)}{solved}")
    return listed(shown, 4)


def _needed(leak: ReleaseLeak, candidates: Sequence[str], level: float) -> list[str]:
    """Return how many points, or training runs, would tell the first two candidates apart, in at most one sentence.

    A leak and its standard error fall alike with n at first order; their ratio grows as its root. The standard error of
    a measured one falls as the root of what was measured.
    """
    values, matrix = leak.ordered_by
    first, second = sorted(candidates, key=lambda name: values[leak.names.index(name)])[:2]
    a, b = leak.names.index(first), leak.names.index(second)
    gap = float(values[b] - values[a])
    error = math.sqrt(max(matrix[a, a] + matrix[b, b] - 2.0 * matrix[a, b], 0.0))
    if gap <= 0.0 or error == 0.0:
        return []
    pairs = leak.told_apart(level)[1]
    bound = float(stdtrit(leak.dof, 1.0 - 0.5 * (1.0 - level) / pairs))
    there, what = leak.sample()
    wanted = there * (bound * error / gap) ** 2
    if wanted <= there:
        return []
    if wanted > 1000.0 * there:
        return [f"{first} and {second} leak so nearly the same that no sample of reasonable size tells them apart."]
    return [f"About {float(f'{wanted:.2g}'):.0f} {what} would tell {first} from {second}."]
