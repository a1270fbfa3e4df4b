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

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.scores.base import PointRule
from qmis_stats.simulate.pairing import crosses_somewhere, rival_probabilities, rival_rows, sign_coefficients

__all__ = ["Estimate", "SumSample", "cross_fitted_delta", "log_crossing_probability"]


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
    stratum: IntArray
    half: IntArray


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
        Common logarithmic scale of the last two, and of ``crossings``.
    crossings : (M,) ndarray
        For each fresh point, the mean weight of the sums that it leads out of the best cell.
    """

    log_delta: float
    std_error: float
    log_plug_in: float
    sums_share: float
    effective_sums: float
    delta_scaled: float
    std_error_scaled: float
    log_scale: float
    crossings: FloatArray


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
    crossing = crosses_somewhere(sample.scores, points.scores, best)
    if not crossing.any():
        return Estimate(-math.inf, math.inf, -math.inf, 0.0, 0.0, 0.0, math.inf, 0.0, np.zeros(q.size))
    log_scale = float(np.max(sample.log_weights[crossing]))
    weights = np.where(crossing, np.exp(np.where(crossing, sample.log_weights - log_scale, 0.0)), 0.0)

    # Sums that cross nowhere return the best cell for every point: they count in R and drop out of the pairing.
    active = np.flatnonzero(crossing)
    halves = [active[sample.half[active] == h] for h in (0, 1)]
    sizes = [int(np.sum(sample.half == h)) for h in (0, 1)]
    deviations, crossings = [], np.zeros(q.size)
    for rows, size in zip(halves, sizes, strict=True):
        p = rival_probabilities(kernels, sample.scores[rows], weights[rows], points.scores, best) / size
        deviations.append(p - q @ p)
        crossings += p.sum(axis=1) * (size / sum(sizes))

    # Centred, because the sums below meet probabilities and not deviations, which are centred already.
    coefficients = [a - q @ a for a in map(sign_coefficients, deviations)]
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
        crossings=crossings,
    )


def log_crossing_probability(
    kernels: ModuleType, sample: SumSample, points: PointRule, best: int, crossings: FloatArray
) -> tuple[float, float]:
    """Return log P(T_n ≠ θ_1) from the pairs of sums and points, with the standard error of the logarithm.

    ``crossings`` of the estimate from the same pairs tell how much of the error comes from the points.
    """
    q = points.weights / points.weights.sum()
    crossing = crosses_somewhere(sample.scores, points.scores, best)
    if not crossing.any():
        return -math.inf, math.inf
    log_scale = float(np.max(sample.log_weights[crossing]))
    rows = np.flatnonzero(crossing)
    weights = np.exp(sample.log_weights[rows] - log_scale)
    every_rival = np.repeat(q[:, None], sample.scores.shape[1] - 1, axis=1)
    contribution = weights * rival_rows(kernels, sample.scores[rows], points.scores, every_rival, best)
    value = float(np.sum(contribution)) / sample.half.size
    halves = [sample.half[rows] == h for h in (0, 1)]
    variance = 0.25 * sum(
        _stratified_variance(contribution[h], sample.stratum[rows][h], sample, i) for i, h in enumerate(halves)
    )
    if not points.exact:
        variance += float(np.sum((q * (crossings - value)) ** 2))
    return (math.log(value) + log_scale, math.sqrt(variance) / value) if value > 0.0 else (-math.inf, math.inf)


def _stratified_variance(contribution: FloatArray, stratum: IntArray, sample: SumSample, half: int) -> float:
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
