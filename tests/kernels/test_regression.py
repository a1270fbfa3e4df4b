"""Least squares drawn from sufficient statistics against the exact laws of the estimate and the residuals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend

COUNT = 100_000
BETA = np.array([1.0, -2.0, 0.5])
NOISE = 0.7


@pytest.fixture
def transform(factor: np.ndarray) -> np.ndarray:
    return np.linalg.inv(factor).T


def t_p_value(estimates: np.ndarray, n: int, factor: np.ndarray) -> float:
    """Return the smallest p-value of the coordinates against t with n - d + 1 degrees of freedom."""
    d = len(BETA)
    scale = NOISE * np.sqrt(np.diag(np.linalg.inv(factor @ factor.T)))
    statistics = (estimates - BETA) / scale * np.sqrt(n - d + 1)
    return min(stats.kstest(statistics[:, i], "t", args=(n - d + 1,)).pvalue for i in range(d))


@pytest.mark.statistical
@pytest.mark.parametrize("n", [3, 200, *(pytest.param(n, marks=pytest.mark.long) for n in (4, 8))])
def test_coordinates_follow_student(n: int, factor: np.ndarray, transform: np.ndarray, alpha: float) -> None:
    estimates, _ = backend().regression_sums((1, n), 0, 0, COUNT, n, BETA, transform, NOISE)
    assert t_p_value(estimates, n, factor) > alpha
    assert t_p_value(BETA + 1.1 * (estimates - BETA), n, factor) < alpha


@pytest.mark.statistical
def test_equal_degrees_of_freedom_on_the_diagonal_are_caught(
    factor: np.ndarray, transform: np.ndarray, alpha: float
) -> None:
    n, rng = 8, np.random.default_rng(0)
    a = np.tril(rng.standard_normal((COUNT, 3, 3)), -1)
    a[:, range(3), range(3)] = np.sqrt(rng.chisquare(n, (COUNT, 3)))
    whitened = np.linalg.solve(a.transpose(0, 2, 1), rng.standard_normal((COUNT, 3, 1)))[:, :, 0]
    assert t_p_value(BETA + NOISE * whitened @ transform.T, n, factor) < alpha


@pytest.mark.statistical
@pytest.mark.parametrize("n", [4, 5, 60])
def test_residuals_follow_chi_square(n: int, transform: np.ndarray, alpha: float) -> None:
    _, residual_squares = backend().regression_sums((2, n), 0, 0, COUNT, n, BETA, transform, NOISE)
    assert stats.kstest(residual_squares / NOISE**2, "chi2", args=(n - 3,)).pvalue > alpha
    assert stats.kstest(residual_squares / NOISE**2, "chi2", args=(n - 2,)).pvalue < alpha


@pytest.mark.statistical
def test_covariance_of_the_estimate(factor: np.ndarray, transform: np.ndarray, largest_z: float) -> None:
    n = 16
    estimates, _ = backend().regression_sums((3, 0), 0, 0, COUNT, n, BETA, transform, NOISE)
    errors = estimates - BETA

    def z(divisor: int) -> float:
        exact = NOISE**2 * np.linalg.inv(factor @ factor.T) / divisor
        terms = (errors[:, :, None] * errors[:, None, :] - exact).reshape(COUNT, 9)
        terms = np.concatenate([errors, terms], axis=1)
        return np.abs(terms.mean(axis=0) / (terms.std(axis=0) / np.sqrt(COUNT))).max()

    assert z(n - 3 - 1) < largest_z
    assert z(n - 3) > largest_z


@pytest.mark.statistical
def test_whitened_direction_is_uniform(factor: np.ndarray, transform: np.ndarray, alpha: float) -> None:
    """A coordinate of a uniform point of the sphere in three dimensions is uniform (Archimedes)."""
    estimates, _ = backend().regression_sums((4, 0), 0, 0, COUNT, 5, BETA, transform, NOISE)

    def p_value(errors: np.ndarray) -> float:
        directions = errors / np.linalg.norm(errors, axis=1, keepdims=True)
        return min(stats.kstest(directions[:, i], "uniform", args=(-1, 2)).pvalue for i in range(3))

    assert p_value((estimates - BETA) @ factor) > alpha
    assert p_value(estimates - BETA) < alpha


@pytest.mark.statistical
def test_residuals_are_independent_of_the_estimate(transform: np.ndarray, largest_z: float) -> None:
    estimates, residual_squares = backend().regression_sums((5, 0), 0, 0, COUNT, 6, BETA, transform, NOISE)
    ranks = stats.rankdata(residual_squares) / COUNT - 0.5

    def z(values: np.ndarray) -> float:
        terms = ranks * (stats.rankdata(values) / COUNT - 0.5)
        return abs(terms.mean()) / (terms.std() / np.sqrt(COUNT))

    errors = estimates - BETA
    for i in range(3):
        assert z(errors[:, i]) < largest_z
        assert z(np.abs(errors[:, i])) < largest_z
        assert z(np.abs(errors[:, i]) * np.sqrt(residual_squares)) > largest_z


@pytest.mark.statistical
def test_errors_given_the_design_are_normal(factor: np.ndarray, transform: np.ndarray, alpha: float) -> None:
    """Given the triangle A, Aᵀ Fᵀ (β̂ - β) / τ is standard normal, and F A Aᵀ Fᵀ is a Wishart matrix."""
    n = 5
    estimates, _, factors = backend().regression_factors((6, 0), 0, 0, COUNT, n, BETA, transform, NOISE)
    z = np.einsum("rji,rj->ri", factors, (estimates - BETA) @ factor) / NOISE
    for i in range(3):
        assert stats.kstest(z[:, i], "norm").pvalue > alpha
    form = np.einsum("j,rji->ri", np.array([1.0, -2.0, 0.5]) @ factor, factors)
    scale = np.sum((np.array([1.0, -2.0, 0.5]) @ factor) ** 2)
    assert stats.kstest(np.sum(form**2, axis=1) / scale, "chi2", args=(n,)).pvalue > alpha
    assert stats.kstest(np.sum(form**2, axis=1) / scale, "chi2", args=(n + 1,)).pvalue < alpha


@pytest.mark.parametrize(("d", "n"), [(0, 3), (1, 1), (1, 9), (2, 2), (5, 5), (6, 40), (23, 30)])
def test_layout_and_algebra(d: int, n: int) -> None:
    """The results follow from the addressed normals and the triangles by LAPACK's solver."""
    rng = np.random.default_rng(d)
    beta, transform = rng.normal(size=d), rng.normal(size=(d, d))
    table = backend()
    address = ((d, n), 3, 2**33, 40)
    estimates, residual_squares, factors = table.regression_factors(*address, n, beta, transform, 0.3)
    entries = d * (d - 1) // 2
    draws = table.normals(*address, entries + d)
    np.testing.assert_array_equal(factors[:, *np.tril_indices(d, -1)], draws[:, :entries])
    assert (factors[:, *np.triu_indices(d, 1)] == 0.0).all()
    assert (factors[:, range(d), range(d)] > 0.0).all()
    whitened = np.linalg.solve(factors.transpose(0, 2, 1), draws[:, entries:, None])[:, :, 0]
    expected = whitened @ transform.T
    np.testing.assert_allclose(
        (estimates - beta) / 0.3, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max(initial=1)
    )
    assert (residual_squares > 0.0).all() if n > d else (residual_squares == 0.0).all()


@pytest.mark.parametrize("count", [0, 1, 70])
@pytest.mark.parametrize(("d", "n"), [(0, 2), (1, 1), (1, 2), (4, 4), (7, 25), (20, 21)])
def test_bits_equal_the_reference(d: int, n: int, count: int) -> None:
    rng = np.random.default_rng(d)
    arguments = ((7, d), 1, 2**32 - 10, count, n, rng.normal(size=d), rng.normal(size=(d, d)), 1.7)
    table, oracle = backend(), backend("reference")
    expected = oracle.regression_factors(*arguments)
    for found, exact in zip(table.regression_factors(*arguments), expected, strict=True):
        np.testing.assert_array_equal(found, exact)
    for name in ("numba", "reference"):
        for found, exact in zip(backend(name).regression_sums(*arguments), expected[:2], strict=True):
            np.testing.assert_array_equal(found, exact)


def test_without_noise_the_estimate_is_exact(transform: np.ndarray) -> None:
    estimates, residual_squares = backend().regression_sums((8, 0), 0, 0, 20, 9, BETA, transform, 0.0)
    assert (estimates == BETA).all()
    assert (residual_squares == 0.0).all()
