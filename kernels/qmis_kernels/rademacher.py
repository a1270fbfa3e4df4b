"""Sums with random signs: eight points at a time, from tables of all their signed sums.

Eight signs are a byte, and of the 256 sums that eight values can have each serves many replicates (the method of the
four Russians): an addition then does the work of eight multiplications and eight additions.  A tile is eight
statistics, one vector.  A step is 64 points: a word of signs for each replicate and eight tables, which stay in the
second-level cache; the sum of a replicate stays in a register for a step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange
from qmis_kernels._constants import LANES, SIGN_GROUP, SIGN_STRETCH
from qmis_kernels._vectors import add, aligned, load, spread, store, subtract
from qmis_kernels.philox import HALF, MASK, philox
from qmis_kernels.uniform import Source

Vector = NDArray[np.float64]
Words = NDArray[np.uint64]

STEP = 64
"""Points of one word of signs."""
BAND = 4096
"""Points whose signs are drawn once and serve all tiles of a task."""
REPLICATES = 2048
"""Most replicates that share tables: enough to pay for them, few enough that their sums stay near."""
TILES = 32
"""Most tiles that share signs."""
TASKS = 8
"""Replicates are shared out more finely until there are so many tasks, as long as a task keeps a quarter of them."""

_GROUPS = STEP // SIGN_GROUP
_ROWS = 2**SIGN_GROUP
_TABLE = _ROWS * LANES
_BYTE = np.uint64(_ROWS - 1)
_BITS = np.uint64(SIGN_GROUP)


@compiled
def draw_signs(words: Words, source: Source, first: np.uint64, block: np.uint64) -> None:
    """Write word t of replicate first + r to ``words[t, r]``; there are two words of 64 signs to a block."""
    for pair in range(words.shape[0] // 2):
        for r in range(words.shape[1]):
            number = first + np.uint64(r)
            w0, w1, w2, w3 = philox(
                number & MASK, number >> HALF, block + np.uint64(pair), source[2], source[0], source[1]
            )
            words[2 * pair, r] = w0 | (w1 << HALF)
            words[2 * pair + 1, r] = w2 | (w3 << HALF)


@compiled
def take_columns(columns: Vector, values: Vector, m: int, i: int) -> None:
    """Write the values of a tile at the points of a step, statistics side by side; beyond the last are zeros."""
    points = min(STEP, values.shape[1] - i)
    columns[:] = 0.0
    for lane in range(min(LANES, values.shape[0] - m)):
        for t in range(points):
            columns[t * LANES + lane] = values[m + lane, i + t]


@compiled
def fill_tables(tables: Vector, columns: Vector) -> None:
    """Write the 256 signed sums of each of eight groups; row b has the signs that are the bits of b."""
    for group in range(_GROUPS):
        table = group * _TABLE
        place = group * SIGN_GROUP * LANES
        x = load(columns, place)
        store(tables, table, subtract(spread(0.0), x))
        store(tables, table + LANES, x)
        for j in range(1, SIGN_GROUP):
            x = load(columns, place + j * LANES)
            half = LANES << j
            for row in range(table, table + half, LANES):
                left = load(tables, row)
                store(tables, row, subtract(left, x))
                store(tables, row + half, add(left, x))


@compiled
def add_step(sums: Vector, tables: Vector, words: Words) -> None:
    """Add to the sums of each replicate the rows of the eight tables that its word picks."""
    for r in range(words.size):
        word = words[r]
        total = load(sums, r * LANES)
        for group in range(_GROUPS):
            row = np.int64((word >> (_BITS * np.uint64(group))) & _BYTE)
            total = add(total, load(tables, group * _TABLE + row * LANES))
        store(sums, r * LANES, total)


@compiled
def add_band(
    totals: Vector, stretch: Vector, tables: Vector, columns: Vector, words: Words, values: Vector, m: int, begin: int
) -> None:
    """Add the signed values of a tile at the points of a band to the totals of the replicates."""
    steps = (min(BAND, values.shape[1] - begin) + STEP - 1) // STEP
    a_stretch = SIGN_STRETCH // STEP
    for first in range(0, steps, a_stretch):
        stretch[:] = 0.0
        for step in range(first, min(steps, first + a_stretch)):
            take_columns(columns, values, m, begin + step * STEP)
            fill_tables(tables, columns)
            add_step(stretch, tables, words[step])
        totals += stretch


@compiled
def add_signed(out: Vector, source: Source, first: np.uint64, block: np.uint64, values: Vector) -> None:
    """Write the signed sums of some replicates and statistics."""
    count, statistics = out.shape
    points = values.shape[1]
    blocks = (min(BAND, points) + 2 * STEP - 1) // (2 * STEP)
    words = np.empty((2 * blocks, count), dtype=np.uint64)
    totals, stretch = aligned(count * LANES), aligned(count * LANES)
    tables, columns = aligned(_GROUPS * _TABLE), aligned(STEP * LANES)
    if points == 0:
        out[:, :] = 0.0
    for begin in range(0, points, BAND):
        drawn = (min(BAND, points - begin) + 2 * STEP - 1) // (2 * STEP)
        draw_signs(words[: 2 * drawn], source, first, block + np.uint64(begin // (2 * STEP)))
        for m in range(0, statistics, LANES):
            width = min(LANES, statistics - m)
            totals[:] = 0.0
            if begin > 0:
                for r in range(count):
                    for lane in range(width):
                        totals[r * LANES + lane] = out[r, m + lane]
            add_band(totals, stretch, tables, columns, words, values, m, begin)
            for r in range(count):
                for lane in range(width):
                    out[r, m + lane] = totals[r * LANES + lane]


@compiled
def share(total: int, part: int, parts: int) -> int:
    """Return where a part begins when a total is divided as evenly as possible."""
    return total * part // parts


@parallel
def rademacher_rows(out: Vector, source: Source, first: np.uint64, block: np.uint64, values: Vector) -> None:
    """Write the signed sums of every replicate and statistic."""
    count, statistics = out.shape
    tiles = (statistics + LANES - 1) // LANES
    ranges = max(1, (tiles + TILES - 1) // TILES)
    chunks = (count + REPLICATES - 1) // REPLICATES
    wanted = (TASKS + ranges - 1) // ranges
    chunks = max(1, chunks, min(wanted, (4 * count + REPLICATES - 1) // REPLICATES))
    for task in prange(ranges * chunks):
        part = task // chunks
        chunk = task - part * chunks
        low, high = share(count, chunk, chunks), share(count, chunk + 1, chunks)
        left = share(tiles, part, ranges) * LANES
        right = min(statistics, share(tiles, part + 1, ranges) * LANES)
        add_signed(out[low:high, left:right], source, first + np.uint64(low), block, values[left:right])
