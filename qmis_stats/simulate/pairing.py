"""Who wins when every sum meets every point (Statement S10)."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

import numpy as np

from qmis_stats.arrays import Flags, FloatArray

__all__ = [
    "crosses_somewhere",
    "rival_probabilities",
    "rival_rows",
    "sign_coefficients",
    "two_cell_probabilities",
]


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

    ``coefficients`` has one column per rival, shape (M, K−1).
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


def two_cell_probabilities(sums: FloatArray, weights: FloatArray, points: FloatArray, best: int) -> FloatArray:
    """Return :func:`rival_probabilities` of two cells for a stack of samples, shape (..., M, 1).

    One sort of sums (..., N, 2) and points (..., M, 2) together serves the whole stack.
    """
    rival = 1 - best
    gap_sums, gap_points = sums[..., rival] - sums[..., best], points[..., best] - points[..., rival]
    no_weight = np.zeros_like(gap_points)
    # The sort is stable: what comes first among equals decides whether a tie is crossed, towards the lower index only.
    strict = rival > best
    values, joined = [gap_sums, gap_points], [weights, no_weight]
    if strict:
        values, joined = values[::-1], joined[::-1]
    order = np.argsort(np.concatenate(values, axis=-1), axis=-1, kind="stable")
    cumulative = np.cumsum(np.take_along_axis(np.concatenate(joined, axis=-1), order, axis=-1), axis=-1)
    ranked = np.empty_like(cumulative)
    np.put_along_axis(ranked, order, cumulative, axis=-1)
    size = gap_points.shape[-1]
    return (ranked[..., :size] if strict else ranked[..., -size:])[..., None]


def crosses_somewhere(sums: FloatArray, points: FloatArray, best: int) -> Flags:
    """Return which sums could return a rival for some point; a superset, since cells are compared one by one.

    Shapes (..., N, K) and (..., M, K), result (..., N).
    """
    lowest = (points - points[..., best, None]).min(axis=-2, keepdims=True)
    possible = sums - sums[..., best, None] + lowest <= 0.0
    possible[..., best] = False
    return np.asarray(possible.any(axis=-1), dtype=np.bool_)


def sign_coefficients(deviations: FloatArray) -> FloatArray:
    """Return a_{m,k} with Δ = Σ_m q_m Σ_k a_{m,k} d_{m,k} over rivals k when the signs are right, shape (..., M, K−1).

    Δ = ½ Σ_m q_m [Σ_k s_{m,k} d_{m,k} + s_{m,0} d_{m,0}], with d_0 = −Σ_k d_k the best cell's deviation.
    """
    best_sign = np.sign(-deviations.sum(axis=-1, keepdims=True))
    return np.asarray(0.5 * (np.sign(deviations) - best_sign), dtype=np.float64)
