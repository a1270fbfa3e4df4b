"""One point added to, or left out of, each of many least-squares fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _checks as checks
from qmis_kernels import _model_checks as model_checks
from qmis_kernels._constants import ROUNDING
from qmis_kernels.reference.arrays import Matrix


def rank_one_updates(
    factors: ArrayLike, estimates: ArrayLike, design: ArrayLike, response: ArrayLike, sign: int
) -> tuple[Matrix, Matrix, NDArray[np.bool_]]:
    """Return least-squares estimates after one point is added, or one of the points is left out.

    Each of the m points updates its regression by itself.  With L Lᵀ = XᵀX and h = |L⁻¹x|² (J. Sherman and W. J.
    Morrison 1950), β̂± = β̂ ± L⁻ᵀ L⁻¹ x (y - xᵀβ̂) / (1 ± h).  R = 1 with the m = n points of the sample and sign -1
    is the leave-one-out.

    A point whose removal leaves no unique estimate has h = 1.  The computed h belongs to a matrix that differs from
    L Lᵀ by at most (3 d + 1) 2^-53 |L| |Lᵀ| entry by entry, the error of a Cholesky factor included; with
    w = L⁻ᵀ L⁻¹ x this and the rounding of the squared length move h by less than b = (4 d + 8) 2^-52 times the squared
    length of |Lᵀ| |w|, to first order.  A point with 1 - h <= b is reported as not solvable.

    Parameters
    ----------
    factors : array_like, shape (R, d, d)
        Lower triangles L with positive diagonals; what lies above is ignored.
    estimates : array_like, shape (R, d)
    design : array_like, shape (R, m, d)
        The points x.
    response : array_like, shape (R, m)
        Their y.
    sign : {1, -1}
        1 adds a point, -1 leaves one out.

    Returns
    -------
    updated : ndarray of float64, shape (R, m, d)
        NaN where not solvable.
    leverage : ndarray of float64, shape (R, m)
        h.
    solvable : ndarray of bool, shape (R, m)
        Always true when a point is added, unless h overflows.

    Raises
    ------
    ValueError
        If shapes do not fit, an entry is not finite, a diagonal is not positive or the sign is another number.

    Examples
    --------
    >>> updated, leverage, solvable = rank_one_updates([[[2.0]]], [[1.0]], [[[1.0], [2.0]]], [[3.0, 2.0]], -1)
    >>> updated[0, 0].round(4), leverage, solvable
    (array([0.3333]), array([[0.25, 1.  ]]), array([[ True, False]]))
    """
    triangles, old, points, values, direction = model_checks.updates(factors, estimates, design, response, sign)
    d = points.shape[2]
    checks.room("rank_one_updates", points.shape, "the number of points")
    v = points.copy()
    residual = np.zeros(values.shape)
    for i in range(d):
        residual += points[:, :, i] * old[:, i, None]
    for j in range(d):
        v[:, :, j] /= triangles[:, j, j, None]
        for i in range(j + 1, d):
            v[:, :, i] -= triangles[:, i, j, None] * v[:, :, j]
    leverage = np.zeros(values.shape)
    for i in range(d):
        leverage += v[:, :, i] * v[:, :, i]
    w = v
    for k in range(d - 1, -1, -1):
        w[:, :, k] /= triangles[:, k, k, None]
        for i in range(k):
            w[:, :, i] -= triangles[:, k, i, None] * w[:, :, k]
    adding = direction > 0.0
    solvable = leverage < np.inf if adding else 1.0 - leverage > _leverage_rounding(triangles, w)
    step = np.full(values.shape, np.nan)
    np.divide(values - residual, 1.0 + direction * leverage, out=step, where=solvable)
    return old[:, None, :] + direction * (w * step[:, :, None]), leverage, solvable


def _leverage_rounding(factors: Matrix, w: Matrix) -> Matrix:
    """Return the bound b on the rounding of the leverages."""
    d = w.shape[2]
    bound = np.zeros(w.shape[:2])
    for i in range(d):
        row = np.zeros(w.shape[:2])
        for k in range(i, d):
            row += np.abs(factors[:, k, i, None]) * np.abs(w[:, :, k])
        bound += row * row
    bound *= (4 * d + 8) * ROUNDING
    return bound
