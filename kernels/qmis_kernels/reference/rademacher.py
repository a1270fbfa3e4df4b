"""Sums with random signs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _bootstrap_checks as bootstrap_checks
from qmis_kernels import _checks as checks
from qmis_kernels._constants import SIGN_GROUP, SIGN_STRETCH
from qmis_kernels.reference.arrays import Key, Matrix, Words
from qmis_kernels.reference.generator import replicate_numbers, words_from

_SIGNS_A_BLOCK = bootstrap_checks.SIGNS_A_BLOCK
_WORD = 32


def _signs(key: Key, stream: int, replicates: Words, block: int, points: int) -> Matrix:
    """Return the signs of some points from the first of a block on, shape (replicates, points)."""
    blocks = np.arange(block, block + -(-points // _SIGNS_A_BLOCK), dtype=np.uint64)
    words = np.stack(words_from(key, stream, replicates, blocks), axis=-1)
    bits = (words[..., None] >> np.arange(_WORD, dtype=np.uint64)) & np.uint64(1)
    return np.where(bits == 1, 1.0, -1.0).reshape(replicates.size, blocks.size * _SIGNS_A_BLOCK)[:, :points]


def rademacher_sums(key: Key, stream: int, first: int, count: int, values: ArrayLike, point: int = 0) -> Matrix:
    """Return sums of the values at all points with random signs.

    Entry (r, m) is the sum over i of e(first + r, point + i) values[m, i] with independent signs e = ±1: centred values
    divided by N make it one draw of the multiplier bootstrap of their mean, the same signs for all statistics.  The
    sign of point i is bit i % 32 of word (i // 32) % 4 of block i // 128; a set bit is a plus.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    values : array_like, shape (M, N)
        One row for each statistic.
    point : int, optional
        Number of the first column, a multiple of 128; point + N is at most 2^39.  Columns can so be given in parts,
        whose sums are those of the whole to rounding.

    Returns
    -------
    ndarray of float64, shape (count, M)
        Eight consecutive points are a group, added from left to right; sums of groups are added from left to right
        within stretches of 512 points, the stretches in order.  A last incomplete group is filled with zeros.

    Raises
    ------
    ValueError
        If an argument is out of its range or a value is not finite.

    Examples
    --------
    >>> rademacher_sums((0, 0), 0, 0, 3, [[1.0, 2.0, 4.0], [1.0, 1.0, 1.0]])
    array([[ 3.,  1.],
           [ 1., -1.],
           [-5., -1.]])
    """
    matrix, block = bootstrap_checks.signed(values, point)
    _, count = checks.replicates(first, count)
    statistics, points = matrix.shape
    checks.source(key, stream)
    total = np.zeros(checks.room("rademacher_sums", (count, statistics), "count"))
    numbers = replicate_numbers(first, count)
    for begin in range(0, points, SIGN_STRETCH):
        size = min(SIGN_STRETCH, points - begin)
        whole = -(-size // SIGN_GROUP) * SIGN_GROUP
        padded = np.zeros((statistics, whole))
        padded[:, :size] = matrix[:, begin : begin + size]
        signs = _signs(key, stream, numbers, block + begin // _SIGNS_A_BLOCK, whole)
        stretch = np.zeros_like(total)
        for i in range(0, whole, SIGN_GROUP):
            group = signs[:, i, None] * padded[:, i]
            for j in range(i + 1, i + SIGN_GROUP):
                group += signs[:, j, None] * padded[:, j]
            stretch += group
        total += stretch
    return total
