"""Gaussian sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels.reference.arrays import Key, Matrix
from qmis_kernels.reference.normal import normals


def add_product(total: Matrix, factor: Matrix, z: Matrix) -> None:
    """Add factor z to each row of ``total``, column by column."""
    for k in range(factor.shape[1]):
        total += factor[:, k] * z[:, k, None]


def gaussian_sums(key: Key, stream: int, first: int, count: int, mean: ArrayLike, factor: ArrayLike) -> Matrix:
    """Return draws of N(mean, factor factorᵀ): mean + factor z, added by columns, z the :func:`normals`.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    mean : array_like, shape (d,)
    factor : array_like, shape (d, p)

    Returns
    -------
    ndarray of float64, shape (count, d)

    Examples
    --------
    >>> gaussian_sums((0, 0), 0, 0, 1, [10.0], [[1.0, 2.0]]).round(4)
    array([[11.7127]])
    """
    centre = checks.array("mean", mean, (None,))
    matrix = checks.array("factor", factor, (centre.size, None))
    _, count = checks.replicates(first, count)
    checks.room("gaussian_sums", (count, centre.size), "count")
    z = normals(key, stream, first, count, matrix.shape[1])
    total = np.zeros((count, centre.size))
    add_product(total, matrix, z)
    return centre + total
