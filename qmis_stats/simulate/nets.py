"""Scrambled Sobol' nets: low-discrepancy points in independent randomisations, each point uniform (Statement S10)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import Flags, FloatArray
from qmis_stats.scores import Draw
from qmis_stats.simulate.sobol import MAX_DIMENSION, sobol_generators

__all__ = ["MAX_DIMENSION", "scrambled_uniforms"]

_DIGITS = 52

Words = NDArray[np.uint64]


@lru_cache(maxsize=64)
def _digits(dimension: int, log2_size: int) -> Flags:
    """Return the generating matrices of Sobol's net, shape (dimension, log2_size, log2_size).

    Entry [d, j, c] is binary digit c + 1 after the point of coordinate d at the point with index 2^j.
    """
    shifts = np.arange(log2_size - 1, -1, -1)
    return np.asarray((sobol_generators(dimension, log2_size)[:, :, None] >> shifts) & 1, dtype=np.bool_)


def scrambled_uniforms(draw: Draw, first: int, count: int, dimension: int, log2_size: int) -> FloatArray:
    """Return independently scrambled Sobol' nets, shape (count, dimension, 2**log2_size).

    Each coordinate is multiplied by a random unit lower triangular binary matrix and shifted by a random binary vector
    (Matoušek's affine scrambling, 52 digits). Every point is uniform on the open unit cube, so that averages are
    unbiased, and their variance is that of Owen's nested scrambling.

    Parameters
    ----------
    draw : Draw
        Address of the random digits; scrambling number i uses replicate ``first + i``.
    first, count : int
        Numbers of the scramblings.
    dimension : int
        At most :data:`~qmis_stats.simulate.sobol.MAX_DIMENSION`.
    log2_size : int
        Binary logarithm of the number of points, from 1 to 26.

    Examples
    --------
    >>> import qmis_kernels
    >>> u = scrambled_uniforms(Draw(qmis_kernels.backend("reference"), (1, 2), 0), 0, 3, 2, 4)
    >>> u.shape, np.array_equal(np.sort(np.floor(16 * u), axis=2)[2, 1], np.arange(16))
    ((3, 2, 16), True)
    """
    uniforms = draw.kernels.uniforms(draw.key, draw.stream, first, count, dimension * (log2_size + 1))
    # The kernels' uniforms are odd multiples of 2^−53: the digits above the last are 52 random bits.
    bits: Words = (uniforms * 2.0**53).astype(np.uint64) >> np.uint64(1)
    bits = bits.reshape(count, dimension, log2_size + 1)
    shift, columns = bits[:, :, 0], bits[:, :, 1:]
    # Column c of the triangular matrix: nothing above digit c, one at it, random digits below.
    places = np.uint64(_DIGITS - 1) - np.arange(log2_size, dtype=np.uint64)
    columns = (columns & ((np.uint64(1) << places) - np.uint64(1))) | (np.uint64(1) << places)
    digits = _digits(dimension, log2_size)
    generators = np.zeros((count, dimension, log2_size), dtype=np.uint64)
    for c in range(log2_size):
        generators ^= np.where(digits[None, :, :, c], columns[:, :, None, c], np.uint64(0))
    points: Words = np.empty((count, dimension, 2**log2_size), dtype=np.uint64)
    points[:, :, 0] = shift
    for j in range(log2_size):
        half = 2**j
        np.bitwise_xor(points[:, :, :half], generators[:, :, j, None], out=points[:, :, half : 2 * half])
    return ((points << np.uint64(1)) | np.uint64(1)).astype(np.float64) * 2.0**-53
