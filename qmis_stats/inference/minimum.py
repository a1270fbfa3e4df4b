"""The smallest of many standardised gaps: which rivals may attain it, and an interval for it (Statement S13).

For m = min_k s_k the two limits need different care. Below, m < min_k L_k implies that the lower limit of the one rival
that attains m is too high: a pointwise quantile serves. Above, some upper limit is below m ≤ s_k: a simultaneous
quantile over the rivals is needed, but only over those that may attain the minimum (Chernozhukov, Lee and Rosen 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from qmis_kernels import backend
from qmis_stats.arrays import Flags, FloatArray, Indices
from qmis_stats.inference.adjusted import GapStatistics
from qmis_stats.inference.losses import Losses
from qmis_stats.inference.moments import Gaps, gap_statistics, influences
from qmis_stats.validation import checked_level

__all__ = ["SCREENING_SHARE", "UNSETTLED", "NearMinimum", "bootstrap_quantile", "near_minimum"]

SCREENING_SHARE = 0.001
"""Probability with which screening may lose the rival that attains the minimum, or one of several such rivals that
are compared: taken off the confidence level."""

UNSETTLED = 0.005
"""One-sided level at which a rival has to lie above the best candidate for the best to be settled."""

ROUNDING = 1e-12
"""Of levels: less is no level at all."""

_STREAM = 11

_WIDEST = 1e6
"""Factor on draws where the standard error is infinite: nothing can be decided then."""


@dataclass(frozen=True)
class NearMinimum:
    """The rivals of one quantizer that may attain its smallest gap.

    Attributes
    ----------
    places : (M,) ndarray of int
        Places in ``Gaps.rivals``.
    statistics : GapStatistics
        Of these rivals.
    draws : (M, B) ndarray
        Errors of ŝ in B bootstrap draws, of Student's variance about the jackknife's; those of different quantizers
        share their random signs.
    share : float
        Bound on the probability that screening left out the rival that attains the minimum; zero for a single rival.
    unsettled : (M,) ndarray of bool
        The rivals whose mean loss is not significantly above the best: any of them may be the best candidate.
    """

    places: Indices
    statistics: GapStatistics
    draws: FloatArray
    share: float
    unsettled: Flags

    @property
    def minimum(self) -> float:
        """The smallest ŝ."""
        return float(np.min(self.statistics.s))

    def interval(self, level: float) -> tuple[float, float]:
        """Return the interval for the smallest standardised gap.

        Where the best candidate is not settled the gap is at most that between the true and the apparent best, which
        is one of the unsettled: the upper limit is the largest of theirs.
        """
        tail = 0.5 * (1.0 - checked_level(level) - self.share)
        if tail <= ROUNDING:
            return -np.inf, np.inf
        lower = float(np.min(self.statistics.limits(float(ndtri(tail)))))
        limits = self.statistics.limits(self.upper_quantile(tail))
        upper = float(np.max(limits[self.unsettled]) if self.unsettled.any() else np.min(limits))
        return lower, upper

    def upper_quantile(self, tail: float) -> float:
        """Return c with P(some (ŝ_k − s_k)/se_k < −c) = ``tail`` over all M rivals; never below the pointwise one."""
        pointwise = float(-ndtri(tail))
        if len(self.places) == 1:
            return pointwise
        scale = np.sqrt(np.mean(self.draws**2, axis=1, keepdims=True))
        return max(pointwise, bootstrap_quantile(np.max(-self.draws / scale, axis=0), tail))


def bootstrap_quantile(maxima: FloatArray, tail: float) -> float:
    """Return the order statistic that a further draw exceeds with probability at most ``tail``.

    Examples
    --------
    >>> bootstrap_quantile(np.arange(1.0, 20.0), 0.05), bootstrap_quantile(np.arange(1.0, 19.0), 0.05)
    (19.0, inf)
    """
    place = int(np.ceil((1.0 - tail) * (maxima.size + 1) - 1e-9))
    if place > maxima.size:
        return np.inf
    return float(np.partition(maxima, place - 1)[place - 1])


def near_minimum(losses: Losses, found: Gaps, *, draws: int, seed: int, share: float = SCREENING_SHARE) -> NearMinimum:
    """Return the rivals that may attain the smallest gap, with bootstrap draws of their errors.

    A rival is left out when it exceeds the smallest ŝ by more than the Bonferroni quantile of level ``share`` of their
    paired difference, and the best candidate is settled against it.

    Parameters
    ----------
    losses : Losses
        What ``found`` was computed from.
    found : Gaps
        Gaps of all rivals.
    draws : int
        Number of bootstrap draws.
    seed : int
        In [0, 2³²).
    share : float
        Probability with which the rival that attains the minimum may be lost.
    """
    quantile = float(-ndtri(share / found.rivals.size))
    s, error = found.s, found.std_error
    unsettled = s * np.sqrt(found.points) < -ndtri(UNSETTLED)
    # Standard errors of differences are at most the sums: few rivals are left for the pass that pairs them.
    chosen = np.flatnonzero((s - quantile * error <= np.min(s + quantile * error)) | unsettled)
    statistics, covariances = gap_statistics(losses, found, chosen)
    smallest = int(np.argmin(statistics.s))
    variance = found.points * error[chosen] ** 2
    paired = np.sqrt(np.maximum(variance + variance[smallest] - 2.0 * covariances, 0.0) / found.points)
    kept = (statistics.s - statistics.s[smallest] <= quantile * paired) | unsettled[chosen]
    kept[smallest] = True
    places = chosen[kept]
    of_kept = statistics.take(np.flatnonzero(kept))
    return NearMinimum(
        places,
        of_kept,
        _widened(_draws(losses, found, places, draws, seed), of_kept),
        share if found.rivals.size > 1 else 0.0,
        unsettled[places],
    )


def _widened(draws: FloatArray, statistics: GapStatistics) -> FloatArray:
    """Return draws with the variance of Student's errors about jackknife standard errors.

    Signs keep the plug-in variance, which is too small where ψ has heavy tails, and its own error is not in the draws.
    """
    plug_in = np.sqrt(np.mean(draws**2, axis=1))
    spread = statistics.std_error * np.sqrt(statistics.dof / (statistics.dof - 2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = spread / plug_in
    factor = np.where(plug_in > 0.0, np.minimum(factor, _WIDEST), 1.0)
    return np.asarray(draws * factor[:, None])


def _draws(losses: Losses, found: Gaps, places: Indices, draws: int, seed: int) -> FloatArray:
    """Return Σ ε_i ψ(i) / N for random signs ε: the multiplier bootstrap of the errors of ŝ, shape (M, B)."""
    kernels = backend("numba")
    total = np.zeros((draws, places.size))
    point = 0
    for psi in influences(losses, found, places):
        total += kernels.rademacher_sums((seed, 0), _STREAM, 0, draws, psi, point)
        point += psi.shape[1]
    return np.ascontiguousarray(total.T) / found.points
