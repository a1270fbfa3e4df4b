"""Log likelihood ratios of a product quantizer, with the normal probabilities of SciPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels.reference.arrays import Key, Matrix
from qmis_kernels.reference.normal import normals


def _log_interval(a: Matrix, b: Matrix) -> Matrix:
    """Return log(Phi(b) - Phi(a)), computed in the tail on whose side the interval lies."""
    from scipy.special import log_ndtr, ndtr

    flip = b > -a
    left, right = np.where(flip, -b, a), np.where(flip, -a, b)
    lower, upper = log_ndtr(left), log_ndtr(right)
    around = np.log1p(-(ndtr(left) + ndtr(-right)))
    with np.errstate(divide="ignore"):
        beside = upper + np.log1p(-np.exp(lower - upper))
    result: Matrix = np.where((left < -1.0) & (right > 1.0), around, beside)
    return result


def product_log_ratios(
    key: Key, stream: int, first: int, count: int, n: int, edges: ArrayLike, offsets: ArrayLike
) -> Matrix:
    """Return the log likelihood ratio of a product quantizer on the mean of n Gaussian vectors.

    Coordinates are independent and standardised.  Given its member w the mean is N(w / n, (n - 1) / n²); the
    log likelihood ratio is the sum over coordinates of log P(cell | w) - log P(cell).  With d coordinates,
    draw 2 i is w of coordinate i, draw 2 i + 1 the normal g of the joint law's mean w / n + g √(n - 1) / n,
    draw 2 d + i the normal h of the product law's mean h / √n.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    n : int
        Sample size, at least 2.
    edges : array_like, shape (E,)
        Thresholds (t - mean) / (standard deviation of one sample), increasing within each coordinate.
    offsets : array_like of int, shape (d + 1,)
        The thresholds of coordinate i are edges[offsets[i]:offsets[i + 1]].

    Returns
    -------
    ndarray of float64, shape (count, 2)
        Column 0: under the product law (w independent of the cell); column 1: under the joint law.  The
        columns share w.

    Examples
    --------
    >>> product_log_ratios((0, 0), 0, 0, 1, 10, [0.0], [0, 1]).round(4)
    array([[0.2665, 0.2665]])
    """
    size = checks.integer("n", n, 2, 2**53)
    flat, parts = checks.partition(edges, offsets)
    _, count = checks.replicates(first, count)
    checks.room("product_log_ratios", (count, 2), "count")
    d = parts.size - 1
    z = normals(key, stream, first, count, 3 * d)
    result = np.zeros((count, 2))
    sharpness = size / np.sqrt(size - 1.0)
    for i in range(d):
        own = flat[parts[i] : parts[i + 1]]
        ends = np.concatenate([[-np.inf], own, [np.inf]])
        shift = z[:, 2 * i] / size
        means = (
            z[:, 2 * d + i] / np.sqrt(float(size)),
            shift + np.sqrt(size - 1.0) / size * z[:, 2 * i + 1],
        )
        for column, mean in enumerate(means):
            cell = np.searchsorted(own, mean, side="right")
            a, b = ends[cell], ends[cell + 1]
            given = _log_interval((a - shift) * sharpness, (b - shift) * sharpness)
            result[:, column] += given - _log_interval(a * np.sqrt(float(size)), b * np.sqrt(float(size)))
    return result
