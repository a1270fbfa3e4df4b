"""One point added to, or left out of, each of many least-squares fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange
from qmis_kernels._constants import ROUNDING

Vector = NDArray[np.float64]
Flags = NDArray[np.bool_]

TILE = 16  # points of one regression that are worked on side by side
_TILES = 16  # groups of points that share one set of work arrays


@compiled
def solve_lower(v: Vector, factor: Vector) -> None:
    """Replace each column of v by L⁻¹ times it."""
    d, size = v.shape
    for j in range(d):
        pivot = factor[j, j]
        for t in range(size):
            v[j, t] /= pivot
        for i in range(j + 1, d):
            weight = factor[i, j]
            for t in range(size):
                v[i, t] -= weight * v[j, t]


@compiled
def solve_upper(w: Vector, factor: Vector) -> None:
    """Replace each column of w by L⁻ᵀ times it."""
    d, size = w.shape
    for k in range(d - 1, -1, -1):
        pivot = factor[k, k]
        for t in range(size):
            w[k, t] /= pivot
        for i in range(k):
            weight = factor[k, i]
            for t in range(size):
                w[i, t] -= weight * w[k, t]


@compiled
def leverage_rounding(out: Vector, w: Vector, factor: Vector, row: Vector) -> None:
    """Write (4 d + 8) 2^-52 times the squared length of |Lᵀ| |w| for each column of w."""
    d, size = w.shape
    out[:] = 0.0
    for i in range(d):
        row[:] = 0.0
        for k in range(i, d):
            weight = abs(factor[k, i])
            for t in range(size):
                row[t] += weight * abs(w[k, t])
        for t in range(size):
            out[t] += row[t] * row[t]
    for t in range(size):
        out[t] *= (4 * d + 8) * ROUNDING


@compiled
def update_tile(
    updated: Vector,
    leverage: Vector,
    solvable: Flags,
    factor: Vector,
    estimate: Vector,
    design: Vector,
    response: Vector,
    sign: float,
    v: Vector,
    w: Vector,
    residual: Vector,
    bound: Vector,
    row: Vector,
) -> None:
    """Write the updates of one regression by a few points, each by itself."""
    size, d = design.shape
    residual[:] = 0.0
    for i in range(d):
        for t in range(size):
            v[i, t] = design[t, i]
            residual[t] += design[t, i] * estimate[i]
    solve_lower(v, factor)
    leverage[:] = 0.0
    for i in range(d):
        for t in range(size):
            leverage[t] += v[i, t] * v[i, t]
            w[i, t] = v[i, t]
    solve_upper(w, factor)
    if sign < 0.0:
        leverage_rounding(bound, w, factor, row)
    for t in range(size):
        solvable[t] = 1.0 - leverage[t] > bound[t] if sign < 0.0 else leverage[t] < np.inf
        step = (response[t] - residual[t]) / (1.0 + sign * leverage[t])
        for i in range(d):
            updated[t, i] = estimate[i] + sign * (w[i, t] * step) if solvable[t] else np.nan


@parallel
def update_rows(
    updated: Vector,
    leverage: Vector,
    solvable: Flags,
    factors: Vector,
    estimates: Vector,
    design: Vector,
    response: Vector,
    sign: float,
) -> None:
    """Write the update of every regression by each of its points."""
    regressions, points, d = design.shape
    tiles = (points + TILE - 1) // TILE
    total = regressions * tiles
    for group in prange((total + _TILES - 1) // _TILES):
        width = min(points, TILE)
        v = np.empty((d, width))
        w = np.empty((d, width))
        work = np.empty((3, width))
        for tile in range(group * _TILES, min(total, (group + 1) * _TILES)):
            r = tile // tiles
            start = (tile - r * tiles) * TILE
            stop = min(points, start + TILE)
            size = stop - start
            update_tile(
                updated[r, start:stop],
                leverage[r, start:stop],
                solvable[r, start:stop],
                factors[r],
                estimates[r],
                design[r, start:stop],
                response[r, start:stop],
                sign,
                v[:, :size],
                w[:, :size],
                work[0, :size],
                work[1, :size],
                work[2, :size],
            )
