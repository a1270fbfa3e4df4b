"""All pairs of sums and fresh points: the cell of smallest total score, counted without storing the pairs.

The lowest index wins a tie.  Sums run over blocks of ``PAIR_BLOCK`` in order, each block in order, so
that they do not depend on tiles or threads and rounding stays that of a short sum.

A tile of :data:`TILE` points (or sums) meets the others one at a time; tile, scores and counts of the tile stay in the
nearest cache.  Three or four cells, the usual case, are compared and added up on vectors of the tile, without an
address that depends on the cell.  Others are compared eight at a time, so that the best score and its cell are kept in
registers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels._constants import PAIR_BLOCK

Matrix = NDArray[np.float64]
Cells = NDArray[np.int64]
Step = Callable[[Matrix, Cells, Matrix, Matrix, int], None]

TILE = 128


def _step(width: int) -> Step:
    """Return the comparison of a tile with ``width`` more cells; the constant lets the compiler unroll the loop."""

    @inlined
    def step(best: Matrix, cell: Cells, columns: Matrix, row: Matrix, begin: int) -> None:
        for t in range(TILE):
            smallest = best[t]
            winner = cell[t]
            for j in range(width):
                score = columns[begin + j, t] + row[begin + j]
                closer = score < smallest
                smallest = score if closer else smallest
                winner = begin + j if closer else winner
            best[t] = smallest
            cell[t] = winner

    return step


def _nearest(width: int) -> Callable[[Matrix, Matrix, int], tuple[float, int]]:
    """Return what finds the smallest of ``width`` scores of one t, and its cell; the constant unrolls the loop."""

    @inlined
    def nearest(columns: Matrix, row: Matrix, t: int) -> tuple[float, int]:
        smallest = columns[0, t] + row[0]
        winner = 0
        for j in range(1, width):
            score = columns[j, t] + row[j]
            closer = score < smallest
            smallest = score if closer else smallest
            winner = j if closer else winner
        return smallest, winner

    return nearest


def _opening(width: int) -> Callable[[Matrix, Cells, Matrix, Matrix], None]:
    """Return the comparison of a tile with the first ``width`` cells."""
    nearest = _nearest(width)

    @inlined
    def opening(best: Matrix, cell: Cells, columns: Matrix, row: Matrix) -> None:
        for t in range(TILE):
            best[t], cell[t] = nearest(columns, row, t)

    return opening


_first_eight, _first_four, _first = _opening(8), _opening(4), _opening(1)
_eight, _four, _two, _one = _step(8), _step(4), _step(2), _step(1)


@inlined
def smallest(best: Matrix, cell: Cells, columns: Matrix, row: Matrix) -> None:
    """Write, for each t of a tile, the first j at which columns[j, t] + row[j] is smallest."""
    cells = row.size
    if cells >= 8:
        _first_eight(best, cell, columns, row)
        j = 8
    elif cells >= 4:
        _first_four(best, cell, columns, row)
        j = 4
    else:
        _first(best, cell, columns, row)
        j = 1
    while j + 8 <= cells:
        _eight(best, cell, columns, row, j)
        j += 8
    if j + 4 <= cells:
        _four(best, cell, columns, row, j)
        j += 4
    if j + 2 <= cells:
        _two(best, cell, columns, row, j)
        j += 2
    if j < cells:
        _one(best, cell, columns, row, j)


def _wins_of(width: int) -> Callable[[Matrix, Matrix, Matrix, float], None]:
    """Return what adds one weight to the winners of a tile, of ``width`` cells."""
    nearest = _nearest(width)

    @inlined
    def add(block: Matrix, columns: Matrix, row: Matrix, weight: float) -> None:
        for t in range(TILE):
            winner = nearest(columns, row, t)[1]
            for j in range(width):
                block[j, t] += weight if winner == j else 0.0

    return add


def _rows_of(width: int) -> Callable[[Matrix, Matrix, Matrix, Matrix], None]:
    """Return what adds the coefficients of the winners to the sums of a tile, of ``width`` cells."""

    @inlined
    def add(block: Matrix, columns: Matrix, row: Matrix, values: Matrix) -> None:
        for t in range(TILE):
            smallest = columns[0, t] + row[0]
            value = values[0]
            for j in range(1, width):
                score = columns[j, t] + row[j]
                other = values[j]
                closer = score < smallest
                smallest = score if closer else smallest
                value = other if closer else value
            block[t] += value

    return add


_wins_of_three, _wins_of_four, _rows_of_three, _rows_of_four = _wins_of(3), _wins_of(4), _rows_of(3), _rows_of(4)


@compiled
def tile_columns(scores: Matrix, start: int) -> Matrix:
    """Return the rows start, ..., start + TILE - 1 as columns; rows beyond the last are zero."""
    columns = np.zeros((scores.shape[1], TILE))
    for t in range(min(TILE, scores.shape[0] - start)):
        for j in range(scores.shape[1]):
            columns[j, t] = scores[start + t, j]
    return columns


@compiled
def wins_of_tile(total: Matrix, sums: Matrix, weights: Matrix, columns: Matrix) -> None:
    """Write the weights won by each cell at the points of one tile, given as columns."""
    best = np.empty(TILE)
    cell = np.empty(TILE, dtype=np.int64)
    total[:, :] = 0.0
    block = np.empty_like(total)
    cells = total.shape[0]
    flat = block.reshape(block.size)
    for begin in range(0, weights.size, PAIR_BLOCK):
        block[:, :] = 0.0
        for r in range(begin, min(begin + PAIR_BLOCK, weights.size)):
            weight = weights[r]
            if cells == 3:
                _wins_of_three(block, columns, sums[r], weight)
            elif cells == 4:
                _wins_of_four(block, columns, sums[r], weight)
            else:
                smallest(best, cell, columns, sums[r])
                for t in range(TILE):
                    flat[cell[t] * TILE + t] += weight
        total += block


@parallel
def wins(out: Matrix, sums: Matrix, weights: Matrix, points: Matrix) -> None:
    """Add up, for each point and cell, the weights of the sums with which the point falls into the cell."""
    count, cells = points.shape
    for tile in prange((count + TILE - 1) // TILE):
        start = tile * TILE
        total = np.empty((cells, TILE))
        wins_of_tile(total, sums, weights, tile_columns(points, start))
        stop = min(count, start + TILE)
        out[start:stop] = total[:, : stop - start].T


@compiled
def rows_of_tile(total: Matrix, columns: Matrix, points: Matrix, coefficients: Matrix) -> None:
    """Write the total coefficients of the sums of one tile, given as columns."""
    best = np.empty(TILE)
    cell = np.empty(TILE, dtype=np.int64)
    total[:] = 0.0
    block = np.empty(TILE)
    cells = points.shape[1]
    for begin in range(0, points.shape[0], PAIR_BLOCK):
        block[:] = 0.0
        for m in range(begin, min(begin + PAIR_BLOCK, points.shape[0])):
            values = coefficients[m]
            if cells == 3:
                _rows_of_three(block, columns, points[m], values)
            elif cells == 4:
                _rows_of_four(block, columns, points[m], values)
            else:
                smallest(best, cell, columns, points[m])
                for t in range(TILE):
                    block[t] += values[cell[t]]
        total += block


@parallel
def rows(out: Matrix, sums: Matrix, points: Matrix, coefficients: Matrix) -> None:
    """Add up, for each sum, the coefficients of the cells into which the points fall."""
    count = sums.shape[0]
    for tile in prange((count + TILE - 1) // TILE):
        start = tile * TILE
        total = np.empty(TILE)
        rows_of_tile(total, tile_columns(sums, start), points, coefficients)
        stop = min(count, start + TILE)
        out[start:stop] = total[: stop - start]
