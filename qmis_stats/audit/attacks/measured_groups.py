"""What attacks measure of groups of records: scores within each group, with training runs as clusters (S1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import Flags, FloatArray
from qmis_stats.audit.attacks.attack_result import AttackResult
from qmis_stats.audit.attacks.attacking import accuracy_threshold
from qmis_stats.errors import InputError
from qmis_stats.inference.areas import cluster_sums, placements
from qmis_stats.leak.group_results import GroupLeak
from qmis_stats.leak.groups import FEWEST_PARTS, FEWEST_RECORDS
from qmis_stats.validation import checked_level

__all__ = ["MeasuredGroups", "measured_groups"]


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredGroups(GroupLeak):
    """Leak of groups of records as an attack measured it, a lower bound.

    The attacker knows the group: members are told from non-members of the same group, at a threshold that was fixed on
    those of other training runs. Groups are compared by twice the AUC above chance, 2·AUC − 1: it needs no threshold.
    """

    figures: ClassVar[tuple[str, ...]] = ("delta", "auc")
    lows: ClassVar[Mapping[str, float]] = {"delta": -1.0, "auc": 0.0}

    @property
    def compared_by(self) -> tuple[FloatArray, FloatArray]:
        """What groups are compared by, with its covariance: twice the AUC above chance."""
        return np.asarray(2.0 * self.auc - 1.0), np.asarray(4.0 * self.covariance[1])

    def title(self) -> str:
        """Return the caption of the table."""
        return f"{super().title()} to attacks"

    def remarks(self) -> list[str]:
        """Return what is shown, which groups are too small, and what has to be known to read the intervals."""
        return [
            *super().remarks(),
            "Lower bounds, measured: a better attack may find more. Differences are of twice the AUC above chance.",
        ]


def measured_groups(
    results: Sequence[AttackResult], labels: NDArray[np.str_], quantizers: Sequence[str], level: float
) -> MeasuredGroups:
    """Return what attacks measure of each group; see :meth:`~qmis_stats.audit.attacks.attack_leak.AttackLeak.by_group`.

    Parameters
    ----------
    results : sequence of AttackResult
        Of each release, on the same training runs of a game with a data set.
    labels : (N,) ndarray of str
        Group of each row of the data set.
    quantizers : sequence of str
        The releases.
    level : float
        Of intervals.

    Raises
    ------
    InputError
        If the attacks were not on a data set.
    """
    first, wide = results[0], len(results)
    known, sizes = np.unique(labels, return_counts=True)
    runs = [_runs_judged(first, labels == name) for name in known]
    large = [g for g in range(known.size) if sizes[g] >= FEWEST_RECORDS and runs[g] >= FEWEST_PARTS]
    estimates, influences = np.zeros((len(large), wide, 2)), np.zeros((len(large), wide, 2, first.trainings))
    for place, g in enumerate(large):
        for q, result in enumerate(results):
            estimates[place, q], influences[place, q] = _figures(result, labels == known[g])
    flat = influences.reshape(-1, 2, first.trainings)
    covariance = np.einsum("aft,bft->fab", flat, flat) * first.trainings / max(first.trainings - 1, 1)
    # Runs that all agree are not certain: one more could say the opposite.
    diagonal = np.einsum("faa->fa", covariance)
    diagonal[:] = np.where(diagonal > 0.0, diagonal, np.repeat([runs[g] ** -2.0 for g in large], wide))
    return MeasuredGroups(
        groups=tuple(str(known[g]) for g in large),
        records=tuple(int(sizes[g]) for g in large),
        small={str(known[g]): int(sizes[g]) for g in range(known.size) if g not in large},
        quantizers=tuple(quantizers),
        in_domain=(True,) * wide,
        estimates=estimates,
        covariance=covariance,
        dof=min((runs[g] for g in large), default=2) - 1,
        level=checked_level(level),
    )


def _inside(result: AttackResult, chosen: Flags) -> Flags:
    """Return which of the points that an attack judged are some of the rows of the data set, (T, 2m)."""
    if result.rows is None:
        raise InputError("rows", None, "those of attacks on a data set")
    return np.asarray(chosen[result.rows])


def _runs_judged(result: AttackResult, chosen: Flags) -> int:
    """Return how many training runs show members and non-members of a group; 0 where they are too few points in all."""
    inside = _inside(result, chosen)
    kinds = np.array([inside & result.member, inside & ~result.member])
    if kinds.sum(axis=(1, 2)).min() < FEWEST_RECORDS:
        return 0
    if result.rehearsal is not None and _runs_judged(result.rehearsal, chosen) == 0:
        return 0
    return int(np.sum(np.all(kinds.any(axis=2), axis=0)))


def _figures(result: AttackResult, chosen: Flags) -> tuple[FloatArray, FloatArray]:
    """Return Δ and AUC within a group, (2,), and how far each training run moves them, (2, T)."""
    inside, cut = _inside(result, chosen), result.threshold
    if result.rehearsal is not None:
        before = _inside(result.rehearsal, chosen)
        cut = accuracy_threshold(result.rehearsal.scores[before], result.rehearsal.member[before])
    scores, member, run = result.scores[inside], result.member[inside], np.nonzero(inside)[0]
    high, low = scores[member], scores[~member]
    right = (
        np.array([high >= cut, placements(high, low)], dtype=np.float64),
        np.array([low < cut, 1.0 - placements(low, high)], dtype=np.float64),
    )
    moves = sum(
        cluster_sums(values - values.mean(axis=1, keepdims=True), of_kind, result.trainings) / of_kind.size
        for values, of_kind in zip(right, (run[member], run[~member]), strict=True)
    )
    called, kept = (values.mean(axis=1) for values in right)
    return np.array([called[0] + kept[0] - 1.0, called[1]]), np.asarray(moves)
