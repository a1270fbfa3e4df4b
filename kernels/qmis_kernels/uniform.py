"""Uniform numbers: addressed by (key, stream, replicate, draw), strictly between 0 and 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange, wide
from qmis_kernels.philox import HALF, MASK, philox

Source = tuple[np.uint64, np.uint64, np.uint64]
"""Seed, experiment and stream of a call: what all its replicates share."""

_LOST = np.uint64(11)  # bits of a word that a number has no room for
_COARSE = np.uint64(0x4130000000000000)  # bits of 2^20, whose neighbour is 2^-32 away
_FINE = np.uint64(0x3FE0000000000001)  # bits of 1/2 + 2^-53

_MANY_DRAWS = 32  # from here on a replicate's numbers fill vectors by themselves
GROUP = 1024
"""Numbers that are worked on at once."""


@inlined
def uniform(low: np.uint64, high: np.uint64) -> float:
    """Return ((word >> 11) | 1) 2^-53 for a word of two 32-bit halves.

    The high half becomes the fraction of a number from 2^20 on, the low one that of a number from 1/2 on, and what was
    too much is taken away: all exact.  There is no conversion from integers, which many processors cannot do on
    vectors, and the halves are not shifted together, since compilers merge that shift with the multiplication that made
    the half, into a slower one.
    """
    coarse = np.uint64(high | _COARSE).view(np.float64) - 1048576.5
    return coarse + np.uint64((low >> _LOST) | _FINE).view(np.float64)


@inlined
def uniform_pair(source: Source, replicate: np.uint64, block: np.uint64) -> tuple[float, float]:
    """Return the two uniforms of a block: draws 2 block and 2 block + 1 of the replicate."""
    w0, w1, w2, w3 = philox(replicate & MASK, replicate >> HALF, block & MASK, source[2], source[0], source[1])
    return uniform(w0, w1), uniform(w2, w3)


@compiled
def fill_uniforms(out: NDArray[np.float64], source: Source, replicate: np.uint64, block: np.uint64) -> None:
    """Write the draws 2 block, 2 block + 1, ... of the replicate into the vector ``out``."""
    wide()
    for pair in range(out.size // 2):
        u0, u1 = uniform_pair(source, replicate, block + np.uint64(pair))
        out[2 * pair] = u0
        out[2 * pair + 1] = u1
    if out.size % 2:
        out[out.size - 1] = uniform_pair(source, replicate, block + np.uint64(out.size // 2))[0]


@compiled
def fill_uniform_columns(out: NDArray[np.float64], source: Source, first: np.uint64, block: np.uint64) -> None:
    """Write draw 2 block + t of replicate first + r to ``out[t, r]``: the loop over replicates runs on vectors."""
    wide()
    draws, count = out.shape
    for pair in range(draws // 2):
        for r in range(count):
            u0, u1 = uniform_pair(source, first + np.uint64(r), block + np.uint64(pair))
            out[2 * pair, r] = u0
            out[2 * pair + 1, r] = u1
    if draws % 2:
        for r in range(count):
            out[draws - 1, r] = uniform_pair(source, first + np.uint64(r), block + np.uint64(draws // 2))[0]


@compiled
def write_rows(out: NDArray[np.float64], columns: NDArray[np.float64]) -> None:
    """Write the transpose of ``columns``, eight rows at a time, so that lines of the cache are used whole."""
    count, draws = out.shape
    for begin in range(0, count, 8):
        end = min(begin + 8, count)
        for t in range(draws):
            for r in range(begin, end):
                out[r, t] = columns[t, r]


@compiled
def fill_uniform_rows(out: NDArray[np.float64], source: Source, first: np.uint64) -> None:
    """Fill each row of the contiguous ``out`` with the first draws of its replicate, along whichever axis is longer."""
    count, draws = out.shape
    if draws == 1:
        fill_uniform_columns(out.reshape((1, count)), source, first, np.uint64(0))
    elif draws < _MANY_DRAWS:
        columns = np.empty((draws, count))
        fill_uniform_columns(columns, source, first, np.uint64(0))
        write_rows(out, columns)
    else:
        for r in range(count):
            fill_uniforms(out[r], source, first + np.uint64(r), np.uint64(0))


@compiled
def rows_a_group(draws: int) -> int:
    """Return how many replicates to work on at once: enough numbers for vectors, few enough for the nearest cache."""
    return max(1, GROUP // max(1, draws))


@parallel
def uniform_rows(out: NDArray[np.float64], source: Source, first: np.uint64) -> None:
    """Fill each row of ``out`` with the first draws of its replicate."""
    count = out.shape[0]
    rows = rows_a_group(out.shape[1])
    for group in prange((count + rows - 1) // rows):
        start = group * rows
        fill_uniform_rows(out[start : start + rows], source, first + np.uint64(start))
