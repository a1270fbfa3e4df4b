"""Uniform numbers: addressed by (key, stream, replicate, draw), strictly between 0 and 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels.philox import HALF, MASK, philox

Source = tuple[np.uint64, np.uint64, np.uint64]
"""Seed, experiment and stream of a call: what all its replicates share."""

_SHIFT = np.uint64(12)
_ONE = np.uint64(0x3FF0000000000000)  # bits of 1.0
_BELOW_ONE = 1.0 - 2.0**-53


@inlined
def uniform(word: np.uint64) -> float:
    """Return ((word >> 11) | 1) 2^-53.

    The upper 52 bits become the fraction of a number in [1, 2), from which 1 - 2^-53 is taken away: exact,
    and no conversion from integers, which many processors cannot do on vectors.
    """
    one_to_two = np.uint64((word >> _SHIFT) | _ONE).view(np.float64)
    return one_to_two - _BELOW_ONE


@inlined
def uniform_pair(source: Source, replicate: np.uint64, block: np.uint64) -> tuple[float, float]:
    """Return the two uniforms of a block: draws 2 block and 2 block + 1 of the replicate."""
    w0, w1, w2, w3 = philox(replicate & MASK, replicate >> HALF, block, source[2], source[0], source[1])
    return uniform(w0 | (w1 << HALF)), uniform(w2 | (w3 << HALF))


@compiled
def fill_uniforms(out: NDArray[np.float64], source: Source, replicate: np.uint64, block: np.uint64) -> None:
    """Write the draws 2 block, 2 block + 1, ... of the replicate into the vector ``out``."""
    for pair in range(out.size // 2):
        u0, u1 = uniform_pair(source, replicate, block + np.uint64(pair))
        out[2 * pair] = u0
        out[2 * pair + 1] = u1
    if out.size % 2:
        out[out.size - 1] = uniform_pair(source, replicate, block + np.uint64(out.size // 2))[0]


@parallel
def uniform_rows(out: NDArray[np.float64], source: Source, first: np.uint64) -> None:
    """Fill each row of ``out`` with the first draws of its replicate."""
    for r in prange(out.shape[0]):
        fill_uniforms(out[r], source, first + np.uint64(r), np.uint64(0))
