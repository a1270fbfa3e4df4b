"""What releases leak as attacks measure it: the strongest attack on each, with a covariance over releases (S1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.attack_result import ATTACK_FPR, AttackResult
from qmis_stats.audit.attacks.measured_groups import MeasuredGroups, measured_groups
from qmis_stats.audit.attacks.measured_leak import MeasuredLeak
from qmis_stats.errors import InputError
from qmis_stats.inference.areas import delong
from qmis_stats.leak.groups import group_names
from qmis_stats.validation import checked_level

__all__ = ["AttackLeak", "attack_leak"]

_AHEAD = 3.0


@dataclass(frozen=True, eq=False, repr=False)
class AttackLeak(MeasuredLeak):
    """Leak of a model under each quantizer and without one, measured by attacks: a lower bound.

    Δ is the advantage of the strongest attack, true less false positive rate at a threshold that was fixed on other
    training runs. Beside what :class:`~qmis_stats.leak.releases.ReleaseLeak` tells:

    Attributes
    ----------
    results : tuple of AttackResult
        The attack on each release, chosen where thresholds are fixed.
    pool : int or None
        Rows of the data set that training points are subsets of, where they are known.
    """

    results: tuple[AttackResult, ...]
    pool: int | None = None

    @property
    def attacks(self) -> tuple[str, ...]:
        """Name of the attack on each release."""
        return tuple(result.name for result in self.results)

    @property
    def trainings(self) -> int:
        """Training runs that were attacked."""
        return self.results[0].trainings

    def by_group(self, labels: ArrayLike, level: float | None = None) -> MeasuredGroups:
        """Return what attacks measure of groups of records, to an attacker who knows the group.

        Δ and AUC are those of members and non-members of one group; the threshold for Δ was fixed on other training
        runs. Intervals hold together, with training runs as clusters.

        Parameters
        ----------
        labels : (N,) array_like
            Group of each row of the data set, of any type; a missing one is a group of its own. At most 50 different
            ones. Groups of fewer than 50 rows, or of which attacks judged fewer than 50 members or non-members, or in
            fewer than 20 training runs, have no figures, and are named as too small.
        level : float, optional
            Of intervals; by default the result's.

        Raises
        ------
        InputError
            If there is not one label per row of the data set, or there are too many different ones.

        Examples
        --------
        >>> from qmis_stats.audit import bundled, head_for
        >>> from qmis_stats.audit.attacks import LossThreshold, audit_attacks
        >>> data, loss = bundled("breast_cancer"), [LossThreshold()]
        >>> leak = audit_attacks(data, head_for(data), [], n=50, trainings=48, attacks=loss, seed=1).leak()
        >>> found = leak.by_group(data.y)
        >>> found.groups, found.records, found.exposed("identity").empty
        (('0', '1'), (212, 357), True)
        """
        if self.pool is None:
            raise InputError("pool", None, "that of attacks on a data set")
        names = group_names("labels", labels, self.pool)
        return measured_groups(self.results, names, self.names, self.level if level is None else level)

    def source(self) -> str:
        """Return where the figures come from, a clause."""
        return (
            f"Measured by attacks ({', '.join(dict.fromkeys(self.attacks))}) on {self.trainings} training runs with "
            f"{self.points} rows of a known pool, a lower bound: a better attack may find more"
        )

    def sample(self) -> tuple[int, str]:
        """Return of how many independent things they are, and what these are called."""
        return self.trainings, "trainings"

    def to_dict(self, level: float | None = None) -> dict[str, Any]:
        """Return JSON-ready data; infinities and NaN become ``None``."""
        found = super().to_dict(level)
        for row, attack in zip(found["quantizers"], self.attacks, strict=True):
            row["attack"] = attack
        return {"trainings": self.trainings, **found}

    def title(self) -> str:
        """Return the caption of the table."""
        return f"What {self.points} training points leak to attacks, over {self.trainings} training runs"

    def remarks(self) -> list[str]:
        """Return what has to be known to read the numbers."""
        return [
            "Lower bounds, measured: a better attack may find more. Training points are subsets of a known pool.",
            f"Attacks, chosen on other training runs: {', '.join(dict.fromkeys(self.attacks))}.",
        ]

    def _columns(self) -> dict[str, list[str]]:
        return {"attack": list(self.attacks)}


def attack_leak(
    found: Mapping[str, Sequence[AttackResult]],
    bits: Mapping[str, float],
    points: int,
    level: float = 0.95,
    pool: int | None = None,
) -> AttackLeak:
    """Return what the strongest of some attacks measure of each release, paired over releases.

    The attack on a release is the first, unless another has an AUC on the calibration runs that is larger by more
    than three standard errors: then the one with the largest. Its figures are those of the target runs, which had
    no part in the choice; runs are independent, and all releases are of the same ones, so that their means have a
    joint covariance. That of AUCs is DeLong's, with training runs as clusters.

    Parameters
    ----------
    found : dict of str to sequence of AttackResult
        By quantizer, on the same target runs; the last without quantization (``"identity"``). Thresholds must have
        been fixed for the false positive rates 0.1, 0.01 and 0.001.
    bits : dict of str to float
        Bits per weight, as far as they are known.
    points : int
        Training points.
    level : float
        Of intervals.
    pool : int, optional
        Rows of the data set, for groups of them.

    Raises
    ------
    InputError
        If a threshold is missing, or there are fewer than two training runs.
    """
    best = [_strongest(results) for results in found.values()]
    first = best[0]
    if first.trainings < 2:
        raise InputError("trainings", first.trainings, "at least 2")
    for result in best:
        if tuple(rate for rate, _, _ in result.cuts) != ATTACK_FPR:
            raise InputError(
                "rates", [rate for rate, _, _ in result.cuts], f"{', '.join(f'{r:g}' for r in ATTACK_FPR)}"
            )
    member, count = first.member, first.trainings
    where = [np.nonzero(kind)[0] for kind in (member, ~member)]
    areas, of_areas = delong(*(np.array([r.scores[kind] for r in best]) for kind in (member, ~member)), *where)
    shares = [np.array([2.0 * result.correct - 1.0 for result in best])]
    for k in range(len(ATTACK_FPR)):
        shares.append(np.array([_caught(result, result.cuts[k][1]) for result in best]))
    advantage, *rates = (share.mean(axis=1) for share in shares)
    of_advantage, *of_rates = (np.atleast_2d(np.cov(share)) / count for share in shares)
    return AttackLeak(
        names=tuple(found),
        bits=tuple(bits.get(name, np.nan) for name in found),
        estimates=np.column_stack([advantage, areas, *rates]),
        covariance=np.array([of_advantage, of_areas, *of_rates]),
        dof=count - 1,
        reasons=tuple(() for _ in found),
        points=points,
        level=checked_level(level),
        results=tuple(best),
        pool=pool,
    )


def _strongest(results: Sequence[AttackResult]) -> AttackResult:
    """Return the first attack, or the best of those that were ahead of it on the calibration training runs."""
    first = results[0].rehearsal
    ahead: list[tuple[float, AttackResult]] = []
    for result in results[1:]:
        if first is not None and result.rehearsal is not None:
            gap, error = result.rehearsal.versus(first)
            if gap > _AHEAD * error:
                ahead.append((gap, result))
    return max(ahead, key=lambda one: one[0])[1] if ahead else results[0]


def _caught(result: AttackResult, cut: float) -> FloatArray:
    """Return the share of members that are called so in each training run."""
    members = result.scores[result.member].reshape(result.trainings, -1)
    return np.asarray(np.mean(members >= cut, axis=1))
