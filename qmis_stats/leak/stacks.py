"""Stacks of small matrices, one per point: products, inverses, and square roots that depend on the matrices alone."""

from __future__ import annotations

import numpy as np

from qmis_stats.arrays import FloatArray

__all__ = [
    "applied",
    "between",
    "inverses",
    "log_dets",
    "positive",
    "products",
    "root",
    "solved",
    "turned",
    "with_values",
]

_NOTHING = 1e-9


def applied(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return M v for the matrix (n, A, B) of each point and its vectors (..., n, B), shape (..., n, A).

    Examples
    --------
    >>> applied(np.array([[[0.0, 2.0], [1.0, 0.0]]]), np.array([[[1.0, 3.0]], [[2.0, 4.0]]])).tolist()
    [[[6.0, 1.0]], [[8.0, 2.0]]]
    """
    n, rows, columns = matrices.shape
    each = vectors.reshape(-1, n, columns).transpose(1, 0, 2) @ matrices.transpose(0, 2, 1)
    return each.transpose(1, 0, 2).reshape(*vectors.shape[:-1], rows)


def products(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the products of matrices (..., A, B) and (..., B, C), of the smallest without a call for each.

    Examples
    --------
    >>> products(np.array([[[1.0, 2.0]]]), np.array([[[3.0], [4.0]]])).tolist()
    [[[11.0]]]
    """
    if first.shape[-1] > 2:
        return np.asarray(first @ second)
    found = first[..., :1] * second[..., :1, :]
    if first.shape[-1] == 2:
        found += first[..., 1:] * second[..., 1:, :]
    return np.asarray(found)


def inverses(matrices: FloatArray) -> FloatArray:
    """Return the inverses of matrices (..., K, K), of the smallest without a call of LAPACK for each.

    Examples
    --------
    >>> inverses(np.array([[[2.0, 1.0], [0.0, 4.0]]])).tolist()
    [[[0.5, -0.125], [-0.0, 0.25]]]
    """
    size = matrices.shape[-1]
    if size == 1:
        return np.asarray(1.0 / matrices)
    if size > 2:
        return np.asarray(np.linalg.inv(matrices), dtype=np.float64)
    turned_round = np.array([[1.0, -1.0], [-1.0, 1.0]]) * np.swapaxes(matrices[..., ::-1, ::-1], -1, -2)
    return np.asarray(turned_round / _det(matrices)[..., None, None])


def log_dets(matrices: FloatArray) -> FloatArray:
    """Return the logarithms of the sizes of the determinants of matrices (..., K, K), shape (...).

    Examples
    --------
    >>> log_dets(np.array([[[2.0, 1.0], [0.0, -4.0]]])).round(6).tolist()
    [2.079442]
    """
    if matrices.shape[-1] > 2:
        return np.asarray(np.linalg.slogdet(matrices)[1])
    return np.asarray(np.log(np.abs(_det(matrices))))


def _det(matrices: FloatArray) -> FloatArray:
    """Return the determinants of matrices of one or two rows."""
    if matrices.shape[-1] == 1:
        return np.asarray(matrices[..., 0, 0])
    return np.asarray(matrices[..., 0, 0] * matrices[..., 1, 1] - matrices[..., 0, 1] * matrices[..., 1, 0])


def solved(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return M⁻¹v for matrices (..., K, K) and vectors (..., K).

    Examples
    --------
    >>> solved(np.array([[[4.0]]]), np.array([[2.0]])).tolist()
    [[0.5]]
    """
    if matrices.shape[-1] == 1:
        return np.asarray(vectors / matrices[..., 0])
    return np.asarray(np.linalg.solve(matrices, vectors[..., None])[..., 0])


def with_values(values: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return V diag(λ) Vᵀ, which depends on neither the signs nor the order of the eigenvectors.

    Parameters
    ----------
    values : (..., K) ndarray
        λ.
    vectors : (..., K, K) ndarray
        V, of orthonormal columns.
    """
    return np.asarray((vectors * values[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def positive(matrices: FloatArray) -> FloatArray:
    """Return the nearest positive semidefinite matrices, (..., K, K).

    Examples
    --------
    >>> positive(np.array([[0.0, 2.0], [2.0, 0.0]])).round(6).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    values, vectors = np.linalg.eigh(matrices)
    return with_values(np.maximum(values, 0.0), vectors)


def root(matrices: FloatArray) -> FloatArray:
    """Return the symmetric square roots of matrices (..., K, K); what rounding makes negative is zero.

    Examples
    --------
    >>> root(np.array([[2.0, 2.0], [2.0, 2.0]])).round(6).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    values, vectors = np.linalg.eigh(matrices)
    return with_values(np.sqrt(np.maximum(values, 0.0)), vectors)


def between(own: FloatArray, usual: FloatArray) -> FloatArray:
    """Return T with T·own·Tᵀ = usual for each pair of matrices (n, K, K) of the same null space.

    Examples
    --------
    >>> between(np.array([[[4.0]]]), np.array([[[1.0]]])).tolist()
    [[[0.5]]]
    """
    if own.shape[-1] == 1:
        return np.sqrt(usual / own)
    return np.asarray(root(usual) @ np.linalg.pinv(root(own), rcond=_NOTHING, hermitian=True))


def turned(turn: FloatArray, matrices: FloatArray) -> FloatArray:
    """Return T M Tᵀ for each T (n, K, K) and its matrices (..., n, K, K).

    Examples
    --------
    >>> turned(np.array([[[2.0]]]), np.array([[[3.0]]])).tolist()
    [[[12.0]]]
    """
    if turn.shape[-1] == 1:  # of many points stacks of numbers are slow
        return matrices * turn**2
    return np.asarray(turn @ matrices @ np.swapaxes(turn, -1, -2))
