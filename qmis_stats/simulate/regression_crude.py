"""Crude simulation of linear regression under product cells: real regressions meet fresh points (Statement S10)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qmis_stats.errors import DomainError
from qmis_stats.laws import LinearRegression, Thresholds
from qmis_stats.laws.base import MAX_CELLS
from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.simulate.memory import fit_regressions
from qmis_stats.simulate.settings import Settings
from qmis_stats.simulate.verdict import doubts

__all__ = ["BATCHES", "countable_cells", "cross_fitted_counts", "crude_regression"]

_STREAM = 2_400_000
_REGRESSIONS, _POINTS = range(_STREAM, _STREAM + 2)
BATCHES = 32  # a half; their spread gives the standard error
_BUDGET = 2_000_000_000
_FEWEST_POINTS, _MOST_POINTS = 64, 50_000
_COUNTS = 1 << 18
_NUMBERS = 1 << 20
_REMEDY = "raise replicates or use method = likelihood_ratio"


def crude_regression(law: LinearRegression, thresholds: Thresholds, n: int, settings: Settings) -> MISResult:
    """Estimate Δ_n by adding fresh points to regressions of n − 1 points, all pairs (Statement S10).

    ``p̂_k(z)`` is the share of the regressions that the point z moves into cell k. Signs of the deviations come from one
    half of the regressions and magnitudes from the other, as for sums; the error from the regressions is that of the
    means of 32 batches a half.

    Parameters
    ----------
    law : LinearRegression
        Any covariance.
    thresholds : tuple of d arrays
        Thresholds of the coefficients, at most 4096 cells in all.
    n : int
        Sample size, at least d + 1.
    settings : Settings
        Replicates, seed, backend and block.

    Raises
    ------
    DomainError
        If there are too many cells, or n < d + 1.

    Examples
    --------
    >>> law = LinearRegression([0.0, 0.0], np.eye(2), 1.0)
    >>> settings = Settings(2000, 1, "reference")
    >>> r = crude_regression(law, (np.array([0.0]), np.array([0.0])), 20, settings)
    >>> 0.05 < r.delta < 0.12
    True
    """
    d, cells = law.dimension, countable_cells(thresholds, n, "likelihood_ratio, or ")
    share = -(-settings.replicates // (2 * BATCHES))
    points = _points(2 * BATCHES * share, d, cells)
    fit_regressions(settings, 2 * BATCHES * points * cells, min(share * d * d, _NUMBERS))
    counts = _counts(law, thresholds, n, settings, share, points, cells)
    return cross_fitted_counts(counts, share, n, settings, _REMEDY)


def countable_cells(thresholds: Thresholds, n: int, otherwise: str = "") -> int:
    """Return the number of product cells, or raise where they are too many to count or n points give no estimate."""
    d, cells = len(thresholds), math.prod(t.size + 1 for t in thresholds)
    if cells > MAX_CELLS:
        remedy = f"use {otherwise}at most {MAX_CELLS} cells"
        raise DomainError("crude", f"{cells} product cells are too many to count", remedy)
    if n <= d:
        raise DomainError("crude", f"n = {n} points do not determine {d} coefficients", f"use n of at least {d + 1}")
    return cells


def _points(regressions: int, dimension: int, cells: int) -> int:
    """Return the number of fresh points: as many as regressions while the budgets of time and memory allow."""
    affordable = _BUDGET // (regressions * (2 * dimension**2 + 8))
    wanted = min(regressions, affordable, _MOST_POINTS, _COUNTS // cells)
    return max(_FEWEST_POINTS, wanted)


def _counts(
    law: LinearRegression, thresholds: Thresholds, n: int, settings: Settings, share: int, points: int, cells: int
) -> NDArray[np.int32]:
    """Return how many regressions of each batch each point moves into each cell, shape (2 · 32, M, K)."""
    kernels, key, d = settings.kernels(), settings.key("crude", n), law.dimension
    factor = np.linalg.cholesky(law.covariance)
    transform = np.linalg.inv(factor).T
    normals = kernels.normals(key, _POINTS, settings.block * points, points, d + 1)
    design = normals[:, :d] @ factor.T
    response = design @ law.coefficients + law.noise_std * normals[:, d]
    edges = np.concatenate(thresholds)
    offsets = np.concatenate(([0], np.cumsum([t.size for t in thresholds]))).astype(np.int64)
    counts = np.zeros((2 * BATCHES, points, cells), dtype=np.int32)
    size = max(1, _NUMBERS // (d * d))
    for batch in range(2 * BATCHES):
        first = (2 * BATCHES * settings.block + batch) * share
        for start in range(0, share, size):
            rows = min(size, share - start)
            drawn = kernels.regression_factors(
                key, _REGRESSIONS, first + start, rows, n - 1, law.coefficients, transform, law.noise_std
            )
            counts[batch] += kernels.add_one_wins(factor @ drawn[2], drawn[0], design, response, edges, offsets)
    return counts


def cross_fitted_counts(counts: NDArray[np.int32], share: int, n: int, settings: Settings, remedy: str) -> MISResult:
    """Return the cross-fitted estimate from counts (2 · 32, M, K) of ``share`` regressions a batch."""
    batches, points, _ = counts.shape
    per_half = batches // 2
    halves = [counts[:per_half], counts[per_half:]]
    probabilities = [half.sum(axis=0) / (per_half * share) for half in halves]
    deviations = [p - p.mean(axis=0) for p in probabilities]
    signs = [0.5 * np.sign(deviation) for deviation in deviations]
    estimates, variance, point_terms = [], 0.0, np.zeros(points)
    for own, other in ((0, 1), (1, 0)):
        centred = (signs[other] - signs[other].mean(axis=0)) / (points * share)
        means = np.array([float(np.sum(centred * batch)) for batch in halves[own]])
        estimates.append(float(means.mean()))
        variance += 0.25 * float(means.var(ddof=1)) / per_half
        point_terms += 0.5 * np.sum(signs[other] * deviations[own], axis=1)
    delta = 0.5 * (estimates[0] + estimates[1])
    total_variance = variance + float(point_terms.var(ddof=1)) / points
    pooled = 0.5 * (deviations[0] + deviations[1])
    plug_in = 0.5 * float(np.mean(np.sum(np.abs(pooled), axis=1)))
    typical = 0.5 * float(np.max((probabilities[0] + probabilities[1]).mean(axis=0)))
    effective = batches * share * (1.0 - typical)
    error = math.sqrt(total_variance)
    linear = LinearEstimate(delta, error, 0.0, gap=plug_in - delta, effective=effective)
    reasons = doubts(linear, remedy, balanced=False)
    return MISResult(
        "crude",
        n,
        math.log(delta) if delta > 0.0 else -math.inf,
        error / delta if delta > 0.0 else math.inf,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else "enough regressions cross a face for a normal interval",
        seed=settings.seed,
        replicates=batches * share,
        details={
            "bias_correction": "two halves: signs from one, magnitudes from the other",
            "log_plug_in": math.log(plug_in) if plug_in > 0.0 else None,
            "fresh_points": points,
            "effective_sums": effective,
            "variance_share_of_sums": variance / total_variance if total_variance > 0.0 else 0.0,
        },
        linear=linear,
    )
