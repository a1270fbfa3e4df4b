"""Wishart sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels.reference.arrays import Key, Matrix
from qmis_kernels.reference.chi_square import chi_square_numbers
from qmis_kernels.reference.generator import draws_from, replicate_numbers
from qmis_kernels.reference.normal import quantile


def wishart_sums(key: Key, stream: int, first: int, count: int, dof: int, factor: ArrayLike) -> Matrix:
    """Return draws of the Wishart law with ``dof`` degrees of freedom and scale factor factorᵀ.

    Bartlett's decomposition: W = (F A)(F A)ᵀ, A lower trapezoidal of width m = min(q, dof), A[i, i]²
    chi-square with dof - i degrees of freedom, normals below.  With T entries below the diagonal, these are
    draws 0 to T - 1, row by row, and attempt a at A[i, i]² uses block ceil(T / 2) + i + a m.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    dof : int
        At least 1; W is singular when dof < q.
    factor : array_like, shape (q, q)

    Returns
    -------
    ndarray of float64, shape (count, q, q)

    Examples
    --------
    >>> wishart_sums((0, 0), 0, 0, 1, 1, [[1.0]]).round(4)
    array([[[1.3867]]])
    """
    square = checks.array("factor", factor, (None, None))
    q = checks.array("factor", square, (square.shape[1], None)).shape[0]
    width = min(q, checks.integer("dof", dof, 1, 2**53))
    _, count = checks.replicates(first, count)
    checks.room("wishart_sums", (count, q, q), "count")
    numbers = replicate_numbers(first, count)
    rows, columns = np.nonzero(np.tri(q, width, -1))
    a = np.zeros((count, q, width))
    a[:, rows, columns] = quantile(draws_from(key, stream, numbers, 0, rows.size))
    for i in range(width):
        a[:, i, i] = np.sqrt(chi_square_numbers(key, stream, numbers, dof - i, (rows.size + 1) // 2 + i, width))
    b = np.zeros((count, q, width))
    for k in range(q):
        b += square[:, k, None] * a[:, k, None, :]
    w = np.zeros((count, q, q))
    for k in range(width):
        w += b[:, :, None, k] * b[:, None, :, k]
    return w
