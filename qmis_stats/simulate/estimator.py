"""Δ_n from simulated sums and fresh points: cross-fitted halves, Hoeffding variance (Statement S10).

For weights w_r on R sums and q_m on M fresh points, ``p̂_k(z_m) = Σ_r w_r 1{T(S_r, z_m) = k}`` estimates
P(T = k | Z_1 = z_m). The plug-in ``½ Σ_k Σ_m q_m |p̂_k(z_m) − p̂_k|`` is biased upwards, because an absolute value is
convex. Here one half of the sums gives the signs and the other half the magnitudes, the halves change places, and the
two numbers are averaged: each is linear in its own half given the other, so it has no upward bias; what remains is a
downward bias of second order from signs misread where p_k(z) is close to p_k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qmis_stats.scores.base import FloatArray, PointRule

__all__ = ["Estimate", "SumSample", "cross_fitted_delta", "rival_probabilities", "rival_rows"]


@dataclass(frozen=True)
class SumSample:
    """Simulated sums of n − 1 points with importance weights, in two halves of equal design.

    Attributes
    ----------
    scores : (R, K) array
        Sums of scores relative to the best cell.
    log_weights : (R,) array
        Logarithms of the importance weights (zero for plain simulation).
    stratum : (R,) int array
        Mixture component of each sum; the components have equal shares.
    half : (R,) int array
        0 or 1; each half holds the same number of sums of every stratum.
    """

    scores: FloatArray
    log_weights: FloatArray
    stratum: NDArray[np.int64]
    half: NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """Estimate of Δ_n with its parts.

    Attributes
    ----------
    log_delta : float
        Logarithm of the cross-fitted estimate; −inf when it is not positive.
    std_error : float
        Standard error of ``log_delta`` (relative standard error of Δ); infinite when nothing was seen.
    log_plug_in : float
        Logarithm of the uncorrected estimate, for comparison.
    sums_share : float
        Share of the variance that comes from the sums; the rest comes from the fresh points.
    effective_sums : float
        Effective number of sums that carry the estimate, (Σ|c_r|)²/Σ c_r² over contributions c_r.
    delta_scaled, std_error_scaled : float
        Estimate and standard error of Δ times ``exp(−log_scale)``.
    log_scale : float
        Common logarithmic scale of the last two.
    """

    log_delta: float
    std_error: float
    log_plug_in: float
    sums_share: float
    effective_sums: float
    delta_scaled: float
    std_error_scaled: float
    log_scale: float


def rival_probabilities(
    kernels: ModuleType, sums: FloatArray, weights: FloatArray, points: FloatArray, best: int
) -> FloatArray:
    """Return ``Σ_r weights[r] 1{argmin_k(sums[r] + points[m]) = k}`` for every point and rival k, shape (M, K−1).

    Two cells need no pairing: sorting the sums costs O((R + M) log R).
    """
    if sums.shape[1] != 2:
        return np.delete(kernels.all_pairs_wins(sums, weights, points), best, axis=1)
    gap_sums, gap_points, side = _two_cell_gaps(sums, points, best)
    order = np.argsort(gap_sums, kind="stable")
    cumulative = np.concatenate(([0.0], np.cumsum(weights[order])))
    return np.asarray(cumulative[np.searchsorted(gap_sums[order], -gap_points, side=side)])[:, None]


def rival_rows(
    kernels: ModuleType, sums: FloatArray, points: FloatArray, coefficients: FloatArray, best: int
) -> FloatArray:
    """Return ``Σ_m coefficients[m, T(sums[r], points[m])]`` for every sum, shape (R,); the best cell counts zero.

    ``coefficients`` has one column a rival, shape (M, K−1).
    """
    if sums.shape[1] != 2:
        rows: FloatArray = kernels.all_pairs_rows(sums, points, np.insert(coefficients, best, 0.0, axis=1))
        return rows
    gap_sums, gap_points, side = _two_cell_gaps(sums, points, best)
    order = np.argsort(gap_points, kind="stable")
    cumulative = np.concatenate(([0.0], np.cumsum(coefficients[order, 0])))
    return np.asarray(cumulative[np.searchsorted(gap_points[order], -gap_sums, side=side)])


def _two_cell_gaps(
    sums: FloatArray, points: FloatArray, best: int
) -> tuple[FloatArray, FloatArray, Literal["left", "right"]]:
    """Return rival minus best for sums and points; a tie crosses only towards the lower index."""
    rival = 1 - best
    side: Literal["left", "right"] = "left" if rival > best else "right"
    return sums[:, rival] - sums[:, best], points[:, rival] - points[:, best], side


def cross_fitted_delta(kernels: ModuleType, sample: SumSample, points: PointRule, best: int) -> Estimate:
    """Return the cross-fitted estimate of Δ_n with its standard error.

    Parameters
    ----------
    kernels : module
        Table of compiled functions.
    sample : SumSample
        Sums of n − 1 points.
    points : PointRule
        Fresh points, in the same units as the sums.
    best : int
        Index of the best cell; its deviation is minus the sum of the others', which keeps precision in the tail.

    Returns
    -------
    Estimate
    """
    q = points.weights / points.weights.sum()
    crossing = _crosses_somewhere(sample.scores, points.scores, best)
    if not crossing.any():
        return Estimate(-math.inf, math.inf, -math.inf, 0.0, 0.0, 0.0, math.inf, 0.0)
    log_scale = float(np.max(sample.log_weights[crossing]))
    weights = np.where(crossing, np.exp(np.where(crossing, sample.log_weights - log_scale, 0.0)), 0.0)

    # Sums that cross nowhere return the best cell for every point: they count in R and drop out of the pairing.
    active = np.flatnonzero(crossing)
    halves = [active[sample.half[active] == h] for h in (0, 1)]
    sizes = [int(np.sum(sample.half == h)) for h in (0, 1)]
    deviations = []
    for rows, size in zip(halves, sizes, strict=True):
        p = rival_probabilities(kernels, sample.scores[rows], weights[rows], points.scores, best) / size
        deviations.append(p - q @ p)

    coefficients = [_sign_coefficients(d, q) for d in deviations]
    estimates, sum_variances, point_terms, contributions = [], [], [], []
    for own, other in ((0, 1), (1, 0)):
        a = coefficients[other]
        rows = halves[own]
        contribution = weights[rows] * rival_rows(kernels, sample.scores[rows], points.scores, a * q[:, None], best)
        estimates.append(float(np.sum(contribution)) / sizes[own])
        sum_variances.append(_stratified_variance(contribution, sample.stratum[rows], sample, own))
        contributions.append(contribution)
        point_terms.append(np.sum(a * deviations[own], axis=1))
    delta = 0.5 * (estimates[0] + estimates[1])
    from_sums = 0.25 * (sum_variances[0] + sum_variances[1])
    from_points = 0.0
    if not points.exact:
        influence = q * (0.5 * (point_terms[0] + point_terms[1]) - delta)
        from_points = float(np.sum(influence**2)) * q.size / max(q.size - 1, 1)
    variance = from_sums + from_points
    pooled = sum(d * s for d, s in zip(deviations, sizes, strict=True)) / sum(sizes)
    plug_in = 0.5 * float(q @ (np.abs(pooled).sum(axis=1) + np.abs(pooled.sum(axis=1))))
    joined = np.abs(np.concatenate(contributions))
    square = float(np.sum(joined**2))
    error = math.sqrt(variance)
    return Estimate(
        log_delta=math.log(delta) + log_scale if delta > 0.0 else -math.inf,
        std_error=error / delta if delta > 0.0 else math.inf,
        log_plug_in=math.log(plug_in) + log_scale if plug_in > 0.0 else -math.inf,
        sums_share=from_sums / variance if variance > 0.0 else 0.0,
        effective_sums=float(np.sum(joined)) ** 2 / square if square > 0.0 else 0.0,
        delta_scaled=delta,
        std_error_scaled=error,
        log_scale=log_scale,
    )


def _crosses_somewhere(sums: FloatArray, points: FloatArray, best: int) -> NDArray[np.bool_]:
    """Return which sums could return a rival for some point; a superset, since cells are compared one by one."""
    gaps = points - points[:, best : best + 1]
    lowest = gaps.min(axis=0)
    possible = sums - sums[:, best : best + 1] + lowest <= 0.0
    possible[:, best] = False
    return np.asarray(possible.any(axis=1), dtype=np.bool_)


def _sign_coefficients(deviations: FloatArray, q: FloatArray) -> FloatArray:
    """Return a_{m,k} with Δ = Σ_m q_m Σ_k a_{m,k} p_k(z_m) over rivals k when the signs are right, shape (M, K−1).

    Δ = ½ Σ_m q_m [Σ_k s_{m,k} d_{m,k} + s_{m,0} d_{m,0}], with d_0 = −Σ_k d_k the best cell's deviation, and every
    deviation is centred under q.
    """
    signs = np.sign(deviations)
    best_sign = np.sign(-deviations.sum(axis=1))
    raw = 0.5 * (signs - best_sign[:, None])
    return np.asarray(raw - q @ raw, dtype=np.float64)


def _stratified_variance(contribution: FloatArray, stratum: NDArray[np.int64], sample: SumSample, half: int) -> float:
    """Return the variance of the mean over one half, whose strata have fixed equal shares.

    Sums that cross nowhere contribute zeros and are counted without being listed.
    """
    strata = int(sample.stratum.max()) + 1
    total = int(np.sum(sample.half == half))
    variance = 0.0
    for s in range(strata):
        size = int(np.sum((sample.half == half) & (sample.stratum == s)))
        values = contribution[stratum == s]
        if size < 2:
            continue
        first = float(np.sum(values))
        centred = float(np.sum((values - first / size) ** 2)) + (size - values.size) * (first / size) ** 2
        variance += (size / total) ** 2 * centred / (size - 1) / size
    return variance
