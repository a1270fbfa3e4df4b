"""Sums of powers, of values drawn with replacement and of deviations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _bootstrap_checks as bootstrap_checks
from qmis_kernels import _checks as checks
from qmis_kernels._constants import POWER_BLOCK
from qmis_kernels.reference.arrays import Key, Matrix
from qmis_kernels.reference.generator import uniforms
from qmis_kernels.reference.lanes import lanes_sum


def _power_sums(x: Matrix) -> Matrix:
    """Return the sums of the powers 1 to 6 over the last axis, shape (rows, 6)."""
    total = np.zeros((x.shape[0], 6))
    for begin in range(0, x.shape[1], POWER_BLOCK):
        v = x[:, begin : begin + POWER_BLOCK]
        v2 = v * v
        v3, v4 = v2 * v, v2 * v2
        for power, values in enumerate((v, v2, v3, v4, v4 * v, v3 * v3)):
            total[:, power] += lanes_sum(values)
    return total


def resampled_power_sums(key: Key, stream: int, first: int, count: int, values: ArrayLike) -> Matrix:
    """Return the sums of the powers 1 to 6 of N values that are drawn with replacement from N.

    Draw t of a replicate is values[min(floor(u N), N - 1)], u the uniform number t of the replicate as in
    :func:`uniforms`.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    values : array_like, shape (N,)
        At least one, fewer than 2^33.

    Returns
    -------
    ndarray of float64, shape (count, 6)
        With v2 = v v the powers are v, v2, v2 v, v2 v2, (v2 v2) v and (v2 v) (v2 v).  Sums run within blocks of 1024
        draws in eight interleaved partial sums, which are added in a fixed tree, and over the blocks in order.

    Raises
    ------
    ValueError
        If an argument is out of its range or a value is not finite.

    Examples
    --------
    >>> resampled_power_sums((0, 0), 0, 0, 2, [1.0, 2.0])
    array([[  4.,   8.,  16.,  32.,  64., 128.],
           [  2.,   2.,   2.,   2.,   2.,   2.]])
    """
    vector = bootstrap_checks.resampled(values)
    _, count = checks.replicates(first, count)
    checks.room("resampled_power_sums", (count, 6), "count")
    draws = uniforms(key, stream, first, count, vector.size)
    picked = np.minimum((draws * vector.size).astype(np.int64), vector.size - 1)
    return _power_sums(vector[picked])


def centred_power_sums(values: ArrayLike, reference: ArrayLike, centres: ArrayLike) -> Matrix:
    """Return the sums of the powers 2 to 6 of the deviations of each row.

    The deviations of row k are d = (values[k, i] - reference[i]) - centres[k].

    Parameters
    ----------
    values : array_like, shape (K, N)
    reference : array_like, shape (N,)
        Taken from every row.
    centres : array_like, shape (K,)

    Returns
    -------
    ndarray of float64, shape (K, 5)
        Powers and order of addition as in :func:`resampled_power_sums`, for points in place of draws.  What is not
        finite goes into the sums.

    Examples
    --------
    >>> centred_power_sums([[1.0, 2.0, 6.0]], [0.0, 1.0, 2.0], [2.0])
    array([[ 6.,  6., 18., 30., 66.]])
    """
    rows, common, centre = bootstrap_checks.centred(values, reference, centres)
    checks.room("centred_power_sums", (rows.shape[0], 5), "the number of rows")
    return _power_sums((rows - common) - centre[:, None])[:, 1:]
