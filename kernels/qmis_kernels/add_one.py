"""All pairs of regressions and fresh points: the cell of the estimate after the point is added."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange
from qmis_kernels.likelihood import find_cell
from qmis_kernels.rank_one import TILE, update_tile

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]


@compiled
def product_cell(point: Vector, edges: Vector, offsets: Integers) -> int:
    """Return the number of a point's cell: cells of the coordinates are digits, the first the most significant."""
    cell = 0
    for i in range(point.size):
        low, high = offsets[i], offsets[i + 1]
        cell = cell * (high - low + 1) + find_cell(edges, low, high, point[i])
    return cell


@compiled
def add_one_tile(
    out: Integers,
    factors: Vector,
    estimates: Vector,
    design: Vector,
    response: Vector,
    edges: Vector,
    offsets: Integers,
) -> None:
    """Count the cells of the points of one tile over all regressions."""
    size, d = design.shape
    updated = np.empty((size, d))
    solvable = np.empty(size, dtype=np.bool_)
    v = np.empty((d, size))
    w = np.empty((d, size))
    work = np.empty((4, size))
    out[:, :] = 0
    for r in range(factors.shape[0]):
        update_tile(
            updated,
            work[0],
            solvable,
            factors[r],
            estimates[r],
            design,
            response,
            1.0,
            v,
            w,
            work[1],
            work[2],
            work[3],
        )
        for t in range(size):
            if solvable[t]:
                out[t, product_cell(updated[t], edges, offsets)] += 1


@parallel
def add_one(
    out: Integers,
    factors: Vector,
    estimates: Vector,
    design: Vector,
    response: Vector,
    edges: Vector,
    offsets: Integers,
) -> None:
    """Count, for each point and cell, the regressions that the point moves into the cell."""
    points = design.shape[0]
    for tile in prange((points + TILE - 1) // TILE):
        start = tile * TILE
        stop = min(points, start + TILE)
        add_one_tile(out[start:stop], factors, estimates, design[start:stop], response[start:stop], edges, offsets)
