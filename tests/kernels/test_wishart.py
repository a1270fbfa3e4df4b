"""Chi-square and Wishart draws against their exact distributions and moments."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend

COUNT = 100_000


@pytest.mark.statistical
@pytest.mark.parametrize("dof", [1, 2, 3, 4, 7, 50, 10_000, 10_000_000])
def test_chi_square_distribution(dof: int, alpha: float) -> None:
    draws = backend().wishart_sums((1, dof), 0, 0, COUNT, dof, [[1.0]])[:, 0, 0]
    assert stats.kstest(draws, "chi2", args=(dof,)).pvalue > alpha


@pytest.mark.statistical
@pytest.mark.parametrize("dof", [2, 3])
def test_chi_square_without_rejection_is_caught(dof: int, alpha: float) -> None:
    """Negative control: the proposal d (1 + c x)³ is not a gamma number before rejection."""
    d = dof / 2 - 1 / 3
    proposal = 1 + backend().normals((1, dof), 0, 0, COUNT, 1)[:, 0] / np.sqrt(9 * d)
    assert stats.kstest(2 * d * proposal[proposal > 0] ** 3, "chi2", args=(dof,)).pvalue < alpha


def z_scores(draws: np.ndarray, dof: int, sigma: np.ndarray) -> np.ndarray:
    """Return the z scores of the mean dof Σ and of the covariances dof (Σ_ik Σ_jl + Σ_il Σ_jk)."""
    centred = draws - dof * sigma
    entries = list(combinations_with_replacement(range(sigma.shape[0]), 2))
    errors = [centred[:, i, j] for i, j in entries]
    for (i, j), (k, m) in combinations_with_replacement(entries, 2):
        exact = dof * (sigma[i, k] * sigma[j, m] + sigma[i, m] * sigma[j, k])
        errors.append(centred[:, i, j] * centred[:, k, m] - exact)
    return np.array([e.mean() / (e.std() / np.sqrt(e.size)) for e in errors])


@pytest.mark.statistical
@pytest.mark.parametrize("dof", [1, 2, 3, 8, 60])
def test_mean_and_covariance(dof: int, factor: np.ndarray, largest_z: float) -> None:
    draws = backend().wishart_sums((2, dof), 0, 0, COUNT, dof, factor)
    assert np.abs(z_scores(draws, dof, factor @ factor.T)).max() < largest_z


@pytest.mark.statistical
def test_equal_degrees_of_freedom_on_the_diagonal_are_caught(factor: np.ndarray, largest_z: float) -> None:
    """Negative control: Bartlett's diagonal must lose one degree of freedom a row."""
    dof = 8
    rng = np.random.default_rng(0)
    a = np.tril(rng.standard_normal((COUNT, 3, 3)), -1)
    for i in range(3):
        a[:, i, i] = np.sqrt(rng.chisquare(dof, COUNT))
    b = factor @ a
    assert np.abs(z_scores(b @ b.transpose(0, 2, 1), dof, factor @ factor.T)).max() > largest_z


@pytest.mark.statistical
@pytest.mark.parametrize("dof", [3, 5, 40])
def test_exact_laws_of_a_quadratic_form_and_of_the_inverse(dof: int, factor: np.ndarray, alpha: float) -> None:
    """Check a'Wa / a'Σa ~ chi² with dof, and a'Σ⁻¹a / a'W⁻¹a ~ chi² with dof - q + 1 degrees of freedom."""
    sigma = factor @ factor.T
    a = np.array([1.0, -2.0, 0.5])
    draws = backend().wishart_sums((3, dof), 0, 0, COUNT, dof, factor)
    form = np.einsum("i,rij,j->r", a, draws, a) / (a @ sigma @ a)
    assert stats.kstest(form, "chi2", args=(dof,)).pvalue > alpha
    inverse = (a @ np.linalg.solve(sigma, a)) / (np.linalg.solve(draws, a[None, :, None])[:, :, 0] @ a)
    assert stats.kstest(inverse, "chi2", args=(dof - 2,)).pvalue > alpha
    assert stats.kstest(inverse, "chi2", args=(dof - 1,)).pvalue < alpha


def test_symmetric_and_of_the_right_rank(factor: np.ndarray) -> None:
    for dof in (1, 2, 3, 9):
        draws = backend().wishart_sums((4, 0), 0, 0, 20, dof, factor)
        np.testing.assert_array_equal(draws, draws.transpose(0, 2, 1))
        assert (np.linalg.matrix_rank(draws) == min(dof, 3)).all()


def test_singular_factor() -> None:
    draws = backend().wishart_sums((4, 1), 0, 0, 5, 4, [[1.0, 0.0], [0.0, 0.0]])
    assert (draws[:, 0, 0] > 0).all()
    assert (draws[:, 1] == 0).all()
