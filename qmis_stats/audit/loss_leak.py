"""What one trained model leaks by its losses: for models that cannot be trained again (Yeom et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.audit.attacks.attack_result import ATTACK_FPR
from qmis_stats.audit.attacks.attacking import accuracy_threshold, rate_threshold
from qmis_stats.audit.attacks.measured_leak import MeasuredLeak
from qmis_stats.audit.calibration import released_weights
from qmis_stats.audit.models.calls import last_weights, losses_of, mask_of
from qmis_stats.audit.quantizers import IDENTITY
from qmis_stats.audit.training_run import RunPlan, calibration_points
from qmis_stats.errors import InputError
from qmis_stats.inference.areas import cluster_sums, delong
from qmis_stats.validation import checked_level

__all__ = ["LEAST_LOSSES", "LossLeak", "loss_leak", "trained_leak"]

LEAST_LOSSES = 20
"""Independent training points, and held-out ones, that it takes."""


@dataclass(frozen=True, eq=False, repr=False)
class LossLeak(MeasuredLeak):
    """Leak of one trained model under each quantizer and without one: small losses say "member". A lower bound.

    Beside what :class:`~qmis_stats.leak.releases.ReleaseLeak` tells:

    Attributes
    ----------
    non_members : int
        Held-out points.
    """

    non_members: int

    def source(self) -> str:
        """Return where the figures come from, a clause."""
        return (
            f"Measured on this one model by the losses of its {self.points} training points and of {self.non_members} "
            "held-out ones, a weak lower bound: attacks that train models of their own find more"
        )

    def title(self) -> str:
        """Return the caption of the table."""
        return f"What the losses of {self.points} training points and {self.non_members} others tell"

    def remarks(self) -> list[str]:
        """Return what has to be known to read the numbers."""
        return [f"{self.source()}. Both kinds of points must come from one population."]


def loss_leak(
    members: Mapping[str, FloatArray],
    non_members: Mapping[str, FloatArray],
    bits: Mapping[str, float],
    groups: tuple[Indices, Indices] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> LossLeak:
    """Return what the losses of training points and of others tell of membership under each release.

    The AUC is that of all pairs, with DeLong's covariance over releases. Thresholds for Δ and true positive rates are
    fixed on one half of the points and used on the other, and the other way round.

    Parameters
    ----------
    members, non_members : dict of str to (n,) and (m,) ndarray
        Losses under each quantizer, on the same points; the last without quantization (``"identity"``).
    bits : dict of str to float
        Bits per weight.
    groups : pair of (n,) and (m,) ndarray, optional
        Groups of the points, whose members are dependent; by default all points are independent.
    level : float
        Of intervals.
    seed : int
        Of the halves.

    Raises
    ------
    InputError
        If there are fewer than 20 independent points of either kind.
    """
    inside, outside = (-np.array(list(part.values())) for part in (members, non_members))
    n, m = inside.shape[1], outside.shape[1]
    own, other = groups if groups is not None else (np.arange(n), n + np.arange(m))
    codes = np.unique(np.concatenate([own, other]), return_inverse=True)[1]
    own, other = codes[:n], codes[n:]
    count, least = int(codes.max()) + 1, min(np.unique(own).size, np.unique(other).size)
    if least < LEAST_LOSSES:
        raise InputError("points", least, f"at least {LEAST_LOSSES} independent training points and held-out ones")
    areas, of_areas = delong(inside, outside, own, other)
    order = np.lexsort((np.random.default_rng([seed, 0x1055]).permutation(count), ~np.isin(np.arange(count), own)))
    half = np.empty(count, dtype=np.intp)
    half[order] = np.arange(count) % 2  # in turn, members first: both halves have both kinds
    called = [_called(inside, outside, half[own], half[other], rule) for rule in (None, *ATTACK_FPR)]
    caught = [_by_half(hits, half[own], own, count) for hits, _ in called]
    alarms = _by_half(called[0][1], half[other], other, count)
    estimates = [caught[0][0] - alarms[0], areas, *(share for share, _ in caught[1:])]
    errors = [caught[0][1] - alarms[1], *(error for _, error in caught[1:])]
    of_advantage, *of_rates = (count / (count - 1.0) * (error @ error.T) for error in errors)
    names = tuple(members)
    return LossLeak(
        names=names,
        bits=tuple(bits.get(name, np.nan) for name in names),
        estimates=np.column_stack(estimates),
        covariance=np.array([of_advantage, of_areas, *of_rates]),
        dof=least - 1,
        reasons=tuple(() for _ in names),
        points=n,
        level=checked_level(level),
        non_members=m,
    )


def trained_leak(plan: RunPlan, bits: Mapping[str, float]) -> LossLeak | None:
    """Return what the losses of a model that was trained elsewhere tell; ``None`` where points are too few."""
    data, model = plan.dataset, plan.model
    weights = last_weights(model, data.X[plan.pool], data.y[plan.pool], np.random.default_rng(0))
    mask, points = mask_of(model, weights), calibration_points(plan, plan.pool, 0)
    inside: dict[str, FloatArray] = {}
    outside: dict[str, FloatArray] = {}
    for quantizer in (*plan.quantizers, None):
        name = IDENTITY if quantizer is None else quantizer.name
        released = released_weights(quantizer, model, weights, mask, points)
        for losses, rows in ((inside, plan.pool), (outside, plan.held)):
            losses[name] = losses_of(model, released, data.X[rows], data.y[rows], f" under {name!r}")
    groups = None if data.groups is None else (data.groups[plan.pool], data.groups[plan.held])
    units = (plan.pool, plan.held) if groups is None else groups
    if min(np.unique(part).size for part in units) < LEAST_LOSSES:
        return None
    return loss_leak(inside, outside, bits, groups, seed=plan.seed)


def _called(
    inside: FloatArray, outside: FloatArray, first: Indices, second: Indices, rate: float | None
) -> tuple[FloatArray, FloatArray]:
    """Return which members and non-members are called members, by thresholds of the other half, (Q, n) and (Q, m)."""
    hits, alarms = np.zeros(inside.shape), np.zeros(outside.shape)
    for part in (0, 1):
        for q in range(len(inside)):
            scores = np.concatenate([inside[q, first != part], outside[q, second != part]])
            member = np.arange(scores.size) < np.sum(first != part)
            cut = accuracy_threshold(scores, member) if rate is None else rate_threshold(scores[~member], rate)[0]
            hits[q, first == part] = inside[q, first == part] >= cut
            alarms[q, second == part] = outside[q, second == part] >= cut
    return hits, alarms


def _by_half(values: FloatArray, half: Indices, clusters: Indices, count: int) -> tuple[FloatArray, FloatArray]:
    """Return the mean over halves of their means, and what each cluster adds to its error, (Q,) and (Q, count).

    Halves have thresholds of their own: one that calls everybody must not count for more members than non-members.
    """
    mean, errors = np.zeros(len(values)), np.zeros((len(values), count))
    for part in (0, 1):
        here = half == part
        share = values[:, here].mean(axis=1)
        mean += 0.5 * share
        errors += 0.5 * cluster_sums(values[:, here] - share[:, None], clusters[here], count) / np.sum(here)
    return mean, errors
