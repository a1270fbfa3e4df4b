"""All pairs of rows of different groups: the scale of their difference, and its extremes over a pair of groups.

A pair of groups is looked at once: with the groups exchanged all differences change their signs, so that the largest
becomes minus the smallest.  Pairs of groups go in batches whose inverse scales fit into :data:`ROOM` numbers.  Threads
share the rows of a batch for the scales and its replicates for the extremes, so that two large groups keep them all at
work, and so do many small ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels._constants import LANES
from qmis_kernels._vectors import add, aligned, larger, load, multiply, smaller, spread, store, subtract, total

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

ROOM = 2**22
"""Inverse scales of a batch (32 MiB); a larger pair of groups is a batch by itself."""
STRIP = 16
"""Rows that meet the rows of the other group while they are in a near cache."""
COLUMNS = 2 * LANES
"""Replicates whose extremes are found at once, in registers."""


@inlined
def inverse_scale(squares: float, replicates: int) -> float:
    """Return the inverse of the root of the mean square, 0 if that is 0."""
    scale = np.sqrt(squares / replicates)
    return 1.0 / scale if scale > 0.0 else 0.0


@compiled
def padded_rows(draws: Vector) -> Vector:
    """Return a copy whose rows are filled with zeros up to whole tiles of replicates."""
    rows, replicates = draws.shape
    width = (replicates + COLUMNS - 1) // COLUMNS * COLUMNS
    copy = aligned(rows * width).reshape(rows, width)
    for i in range(rows):
        copy[i, :replicates] = draws[i]
        copy[i, replicates:] = 0.0
    return copy


@compiled
def strip_scales(inverse: Vector, draws: Vector, rows: Integers, others: Integers, first: int, replicates: int) -> None:
    """Write the inverse scales of the rows first, ..., first + STRIP - 1 of a group against all of another.

    ``rows`` and ``others`` hold the first row of the group and the one after its last.  Two rows meet two at a time.
    """
    width = draws.shape[1]
    high = min(rows[1], first + STRIP)
    count = others[1] - others[0]
    for j in range(others[0], others[1], 2):
        j1 = min(j + 1, others[1] - 1)
        for i in range(first, high, 2):
            i1 = min(i + 1, high - 1)
            s00, s01, s10, s11 = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
            for b in range(0, width, LANES):
                x0, x1 = load(draws, i * width + b), load(draws, i1 * width + b)
                y0, y1 = load(draws, j * width + b), load(draws, j1 * width + b)
                d = subtract(y0, x0)
                s00 = add(s00, multiply(d, d))
                d = subtract(y1, x0)
                s01 = add(s01, multiply(d, d))
                d = subtract(y0, x1)
                s10 = add(s10, multiply(d, d))
                d = subtract(y1, x1)
                s11 = add(s11, multiply(d, d))
            place, place1 = (i - rows[0]) * count - others[0], (i1 - rows[0]) * count - others[0]
            inverse[place + j] = inverse_scale(total(s00), replicates)
            inverse[place + j1] = inverse_scale(total(s01), replicates)
            inverse[place1 + j] = inverse_scale(total(s10), replicates)
            inverse[place1 + j1] = inverse_scale(total(s11), replicates)


@parallel
def scales(
    inverse: Vector, draws: Vector, replicates: int, left: Integers, right: Integers, starts: Integers, strips: Integers
) -> None:
    """Write the inverse scales of a batch; pair p has the groups left[p] and right[p] and begins at starts[p].

    Its strips of rows are the numbers strips[p], ..., strips[p + 1] - 1.
    """
    for strip in prange(strips[-1]):
        p = np.searchsorted(strips, strip, side="right") - 1
        first = left[p, 0] + (strip - strips[p]) * STRIP
        strip_scales(inverse[starts[p] : starts[p + 1]], draws, left[p], right[p], first, replicates)


@compiled
def tile_extremes(most: Vector, least: Vector, ours: Vector, theirs: Vector, inverse: Vector) -> None:
    """Write the largest and smallest scaled difference of two groups for each replicate of a tile."""
    count = theirs.size // COLUMNS
    most0, most1 = spread(-np.inf), spread(-np.inf)
    least0, least1 = spread(np.inf), spread(np.inf)
    for i in range(ours.size // COLUMNS):
        x0, x1 = load(ours, i * COLUMNS), load(ours, i * COLUMNS + LANES)
        for j in range(count):
            factor = spread(inverse[i * count + j])
            ratio = multiply(subtract(load(theirs, j * COLUMNS), x0), factor)
            most0, least0 = larger(most0, ratio), smaller(least0, ratio)
            ratio = multiply(subtract(load(theirs, j * COLUMNS + LANES), x1), factor)
            most1, least1 = larger(most1, ratio), smaller(least1, ratio)
    store(most, 0, most0)
    store(most, LANES, most1)
    store(least, 0, least0)
    store(least, LANES, least1)


@compiled
def tile_of(draws: Vector, rows: Integers, begin: int) -> Vector:
    """Return the replicates of a tile of all rows of a group, side by side."""
    width = draws.shape[1]
    tile = aligned((rows[1] - rows[0]) * COLUMNS)
    for i in range(rows[0], rows[1]):
        place = (i - rows[0]) * COLUMNS
        for b in range(0, COLUMNS, LANES):
            store(tile, place + b, load(draws, i * width + begin + b))
    return tile


@parallel
def extremes(
    maxima: Vector,
    draws: Vector,
    inverse: Vector,
    groups: Integers,
    left: Integers,
    right: Integers,
    starts: Integers,
) -> None:
    """Write the maxima of the pairs of a batch, whose groups have the numbers ``groups``."""
    replicates = maxima.shape[2]
    tiles = draws.shape[1] // COLUMNS
    for task in prange(groups.shape[0] * tiles):
        p = task // tiles
        begin = (task - p * tiles) * COLUMNS
        most, least = np.empty(COLUMNS), np.empty(COLUMNS)
        ours, theirs = tile_of(draws, left[p], begin), tile_of(draws, right[p], begin)
        tile_extremes(most, least, ours, theirs, inverse[starts[p] : starts[p + 1]])
        g, h = groups[p]
        for b in range(min(COLUMNS, replicates - begin)):
            maxima[g, h, begin + b] = most[b] + 0.0  # no minus zero
            maxima[h, g, begin + b] = 0.0 - least[b]


@inlined
def estimate_ratio(difference: float, inverse: float) -> float:
    """Return the scaled difference; where the scale is 0, 0 if there is no difference and else infinite."""
    if inverse > 0.0:
        return difference * inverse
    return difference * np.inf if difference != 0.0 else 0.0


@compiled
def pair_statistics(estimates: Vector, others: Vector, inverse: Vector) -> tuple[float, float, float, float]:
    """Return the max over ours of the min over the others of the ratios, the max over both, and both exchanged."""
    forth, largest, smallest = -np.inf, -np.inf, np.inf
    most = np.full(others.size, -np.inf)
    for i in range(estimates.size):
        least = np.inf
        for j in range(others.size):
            ratio = estimate_ratio(others[j] - estimates[i], inverse[i * others.size + j])
            least = min(least, ratio)
            most[j] = max(most[j], ratio)
        forth = max(forth, least)
        smallest = min(smallest, least)
    back = -np.inf
    for j in range(others.size):
        back = max(back, 0.0 - most[j])
        largest = max(largest, most[j])
    return forth + 0.0, largest + 0.0, back, 0.0 - smallest  # no minus zero


@parallel
def statistics_of_pairs(
    out: Vector,
    estimates: Vector,
    inverse: Vector,
    groups: Integers,
    left: Integers,
    right: Integers,
    starts: Integers,
) -> None:
    """Write the statistics of the pairs of a batch."""
    for p in prange(groups.shape[0]):
        ours, others = estimates[left[p, 0] : left[p, 1]], estimates[right[p, 0] : right[p, 1]]
        found = pair_statistics(ours, others, inverse[starts[p] : starts[p + 1]])
        g, h = groups[p]
        out[g, h, 0], out[g, h, 1], out[h, g, 0], out[h, g, 1] = found


def contrasts(statistics: Vector, maxima: Vector, estimates: Vector, draws: Vector, offsets: Integers) -> None:
    """Write the statistics and the maxima of all pairs of groups."""
    diagonal = np.arange(statistics.shape[0])
    statistics[diagonal, diagonal] = 0.0
    maxima[diagonal, diagonal] = 0.0
    groups = np.stack(np.triu_indices(diagonal.size, 1), axis=1)
    ends = np.stack((offsets[:-1], offsets[1:]), axis=1)
    sizes = np.diff(offsets)
    starts = np.concatenate(([0], np.cumsum(sizes[groups[:, 0]] * sizes[groups[:, 1]])))
    padded = padded_rows(draws)
    begin = 0
    while begin < groups.shape[0]:
        end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + ROOM, side="right")) - 1)
        batch = groups[begin:end]
        left, right = ends[batch[:, 0]], ends[batch[:, 1]]
        own = starts[begin : end + 1] - starts[begin]
        strips = np.concatenate(([0], np.cumsum((sizes[batch[:, 0]] + STRIP - 1) // STRIP)))
        inverse = np.empty(own[-1])
        scales(inverse, padded, draws.shape[1], left, right, own, strips)
        extremes(maxima, padded, inverse, batch, left, right, own)
        statistics_of_pairs(statistics, estimates, inverse, batch, left, right, own)
        begin = end
