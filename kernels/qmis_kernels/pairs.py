"""All pairs of sums and fresh points: the cell of smallest total score, counted without storing the pairs.

The lowest index wins a tie.  Sums run over blocks of :data:`PAIR_BLOCK` in order, each block in order, so
that they do not depend on tiles or threads and rounding stays that of a short sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange
from qmis_kernels._constants import PAIR_BLOCK

Matrix = NDArray[np.float64]

_TILE = 128


@compiled
def smallest(best: Matrix, cell: NDArray[np.int64], columns: Matrix, row: Matrix) -> None:
    """Write, for each t, the first j at which columns[j, t] + row[j] is smallest."""
    shift = row[0]
    for t in range(best.size):
        best[t] = columns[0, t] + shift
        cell[t] = 0
    for j in range(1, row.size):
        shift = row[j]
        for t in range(best.size):
            score = columns[j, t] + shift
            closer = score < best[t]
            best[t] = score if closer else best[t]
            cell[t] = j if closer else cell[t]


@compiled
def transposed(scores: Matrix, start: int, size: int) -> Matrix:
    """Return the rows start, ..., start + size - 1 as columns."""
    columns = np.empty((scores.shape[1], size))
    for t in range(size):
        for j in range(scores.shape[1]):
            columns[j, t] = scores[start + t, j]
    return columns


@compiled
def wins_of_tile(out: Matrix, sums: Matrix, weights: Matrix, columns: Matrix) -> None:
    """Write the weights won by each cell at the points of one tile, given as columns."""
    size = out.shape[0]
    best = np.empty(size)
    cell = np.empty(size, dtype=np.int64)
    out[:, :] = 0.0
    block = np.empty_like(out)
    for begin in range(0, weights.size, PAIR_BLOCK):
        block[:, :] = 0.0
        for r in range(begin, min(begin + PAIR_BLOCK, weights.size)):
            smallest(best, cell, columns, sums[r])
            weight = weights[r]
            for t in range(size):
                block[t, cell[t]] += weight
        out += block


@parallel
def wins(out: Matrix, sums: Matrix, weights: Matrix, points: Matrix) -> None:
    """Add up, for each point and cell, the weights of the sums with which the point falls into the cell."""
    count = points.shape[0]
    for tile in prange((count + _TILE - 1) // _TILE):
        start = tile * _TILE
        stop = min(count, start + _TILE)
        wins_of_tile(out[start:stop], sums, weights, transposed(points, start, stop - start))


@compiled
def rows_of_tile(out: Matrix, columns: Matrix, points: Matrix, coefficients: Matrix) -> None:
    """Write the total coefficients of the sums of one tile, given as columns."""
    size = out.size
    best = np.empty(size)
    cell = np.empty(size, dtype=np.int64)
    out[:] = 0.0
    block = np.empty(size)
    for begin in range(0, points.shape[0], PAIR_BLOCK):
        block[:] = 0.0
        for m in range(begin, min(begin + PAIR_BLOCK, points.shape[0])):
            smallest(best, cell, columns, points[m])
            for t in range(size):
                block[t] += coefficients[m, cell[t]]
        out += block


@parallel
def rows(out: Matrix, sums: Matrix, points: Matrix, coefficients: Matrix) -> None:
    """Add up, for each sum, the coefficients of the cells into which the points fall."""
    count = sums.shape[0]
    for tile in prange((count + _TILE - 1) // _TILE):
        start = tile * _TILE
        stop = min(count, start + _TILE)
        rows_of_tile(out[start:stop], transposed(sums, start, stop - start), points, coefficients)
