"""Normal quantiles and normal numbers."""

from __future__ import annotations

import numpy as np

from qmis_kernels import _checks as checks
from qmis_kernels import _constants as constants
from qmis_kernels.reference.arrays import Key, Matrix
from qmis_kernels.reference.elementary import log
from qmis_kernels.reference.generator import uniforms


def _rational(x: Matrix, numerator: tuple[float, ...], denominator: tuple[float, ...]) -> Matrix:
    top, bottom = np.full(x.shape, numerator[-1]), np.full(x.shape, denominator[-1])
    for a, b in zip(numerator[-2::-1], denominator[-2::-1], strict=True):
        top, bottom = a + x * top, b + x * bottom
    ratio: Matrix = top / bottom
    return ratio


def quantile(u: Matrix) -> Matrix:
    """Return standard normal quantiles (M. J. Wichura, Algorithm AS 241)."""
    q = u - 0.5
    central = q * _rational(0.180625 - q * q, constants.CENTRAL_NUMERATOR, constants.CENTRAL_DENOMINATOR)
    r = np.sqrt(-log(np.minimum(u, 1.0 - u)))
    near = _rational(r - 1.6, constants.TAIL_NUMERATOR, constants.TAIL_DENOMINATOR)
    far = _rational(r - 5.0, constants.FAR_NUMERATOR, constants.FAR_DENOMINATOR)
    tail = np.where(r <= 5.0, near, far)
    return np.where(np.abs(q) <= 0.425, central, np.where(u < 0.5, -tail, tail))


def normals(key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
    """Return standard normals: the quantiles of :func:`uniforms`.

    Returns
    -------
    ndarray of float64, shape (count, draws)

    Examples
    --------
    >>> normals((0, 0), 0, 0, 1, 2).round(4)
    array([[1.1776, 0.2676]])
    """
    _, count = checks.replicates(first, count)
    checks.room("normals", (count, checks.integer("draws", draws, 0, 2**33)), "count or draws")
    return quantile(uniforms(key, stream, first, count, draws))
