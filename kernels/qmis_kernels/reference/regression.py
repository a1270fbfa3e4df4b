"""Least squares with a Gaussian design, drawn from its sufficient statistics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels import _model_checks as model_checks
from qmis_kernels.reference.arrays import Key, Matrix
from qmis_kernels.reference.chi_square import chi_square_numbers
from qmis_kernels.reference.gaussian import add_product
from qmis_kernels.reference.generator import draws_from, replicate_numbers
from qmis_kernels.reference.normal import quantile


def regression_factors(
    key: Key,
    stream: int,
    first: int,
    count: int,
    n: int,
    coefficients: ArrayLike,
    transform: ArrayLike,
    noise_std: float,
) -> tuple[Matrix, Matrix, Matrix]:
    """Return the results of :func:`regression_sums` and the triangles A behind them.

    In whitened coordinates x = F u, that is u = F⁻¹ x and γ = Fᵀ β, the matrix of squares of the design is A Aᵀ: the
    arguments of :func:`rank_one_updates` are A, the estimates times F (γ̂ᵀ = β̂ᵀ F) and fresh points u ~ N(0, I).
    If F is lower triangular, F A is the Cholesky factor of XᵀX itself.

    Parameters
    ----------
    key, stream, first, count, n, coefficients, transform, noise_std
        See :func:`regression_sums`, also for errors and the layout.

    Returns
    -------
    estimates : ndarray of float64, shape (count, d)
    residual_squares : ndarray of float64, shape (count,)
    factors : ndarray of float64, shape (count, d, d)
        Lower triangular with a positive diagonal.

    Examples
    --------
    >>> estimates, _, factors = regression_factors((0, 0), 0, 0, 1, 4, [0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]], 1.0)
    >>> estimates.shape, factors.shape
    ((1, 2), (1, 2, 2))
    """
    size, centre, matrix, noise = model_checks.regression(n, coefficients, transform, noise_std)
    d = centre.size
    _, count = checks.replicates(first, count)
    checks.room("regression_factors", (count, d, d), "count")
    numbers = replicate_numbers(first, count)
    rows, columns = np.nonzero(np.tri(d, d, -1))
    draws = quantile(draws_from(key, stream, numbers, 0, rows.size + d))
    block = (rows.size + d + 1) // 2
    factors = np.zeros((count, d, d))
    factors[:, rows, columns] = draws[:, : rows.size]
    for i in range(d):
        factors[:, i, i] = np.sqrt(chi_square_numbers(key, stream, numbers, size - i, block + i, d + 1))
    z = draws[:, rows.size :].copy()
    for k in range(d - 1, -1, -1):
        z[:, k] /= factors[:, k, k]
        z[:, :k] -= factors[:, k, :k] * z[:, k, None]
    total = np.zeros((count, d))
    add_product(total, matrix, z)
    residual_squares = np.zeros(count)
    if size > d:
        residual_squares = noise * noise * chi_square_numbers(key, stream, numbers, size - d, block + d, d + 1)
    return centre + noise * total, residual_squares, factors


def regression_sums(
    key: Key,
    stream: int,
    first: int,
    count: int,
    n: int,
    coefficients: ArrayLike,
    transform: ArrayLike,
    noise_std: float,
) -> tuple[Matrix, Matrix]:
    """Return least-squares estimates and residual sums of squares of n points with a Gaussian design.

    Points are x ~ N(0, F Fᵀ), y = xᵀβ + τ ε.  With A Bartlett's lower triangle for n degrees of freedom (A[i, i]²
    chi-square with n - i, normals below) XᵀX = F A Aᵀ Fᵀ, and Xᵀε given X is F A z, z ~ N(0, I): hence β̂ = β + τ F⁻ᵀ
    A⁻ᵀ z, by back substitution.  The residual sum of squares is τ² times an independent chi-square number with n - d
    degrees of freedom.  With T = d (d - 1) / 2, draws 0 to T - 1 are the entries of A below its diagonal, row by row,
    draws T to T + d - 1 are z; attempt a at A[i, i]² uses block ceil((T + d) / 2) + i + a (d + 1), and i = d stands for
    the residuals.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    n : int
        At least d and 1, below 2^53.
    coefficients : array_like, shape (d,)
        The vector β.
    transform : array_like, shape (d, d)
        F⁻ᵀ, where Σ = F Fᵀ is the covariance of x.
    noise_std : float
        τ, not negative.

    Returns
    -------
    estimates : ndarray of float64, shape (count, d)
    residual_squares : ndarray of float64, shape (count,)
        0 when n = d.

    Raises
    ------
    ValueError
        If an argument is out of its range or not finite.

    Examples
    --------
    >>> estimates, residual_squares = regression_sums((0, 0), 0, 0, 1, 10, [2.0], [[1.0]], 0.5)
    >>> estimates.round(4), residual_squares.round(4)
    (array([[2.1397]]), array([2.7111]))
    """
    _, count = checks.replicates(first, count)
    checks.room("regression_sums", (count, np.size(coefficients)), "count")
    return regression_factors(key, stream, first, count, n, coefficients, transform, noise_std)[:2]
