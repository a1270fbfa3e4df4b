"""The law of ridge estimates against exact moments and against trainings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qmis_stats import LinearRegression
from qmis_stats.errors import DomainError
from qmis_stats.theory import estimate_law


def decaying(correlation: float, d: int) -> np.ndarray:
    return correlation ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))


def test_without_a_penalty_the_moments_are_exact():
    sigma, n, d = decaying(0.6, 10), 40, 10
    law = LinearRegression(np.arange(10.0), sigma, 0.5)
    found = estimate_law(law, n)
    assert found.mean == pytest.approx(law.coefficients, rel=1e-12)
    assert found.covariance == pytest.approx(0.25 * np.linalg.inv(sigma) / (n - d - 1), rel=1e-10)
    assert found.leverage == pytest.approx(d / n, rel=1e-14)
    assert found.noise == 0.25
    assert found.spread == pytest.approx(0.25 * d / (n - d - 1), rel=1e-12)


@pytest.mark.parametrize("ridge", [1e-6, 3.0, 1e4])
@pytest.mark.parametrize("n", [20, 400])
def test_identities(ridge, n):
    sigma, d = decaying(0.8, 40), 40
    found = estimate_law(LinearRegression(np.linspace(-1.0, 1.0, d), sigma, 1.3), n, ridge)
    q = float(np.sum(sigma * found.response))
    assert found.leverage == pytest.approx(q / (1.0 + q), rel=1e-9)
    assert found.share == pytest.approx(1.0 / (1.0 + q), rel=1e-9)
    assert found.spread == pytest.approx(float(np.sum(sigma * found.covariance)), rel=1e-9)
    shape = found.response @ sigma @ found.response
    assert found.covariance == pytest.approx(found.scale * shape, rel=1e-8, abs=1e-12 * found.scale * shape.max())
    inverse = n / (1.0 + q) * sigma + ridge * np.eye(d)
    assert found.response @ inverse == pytest.approx(np.eye(d), abs=1e-9)


@pytest.mark.statistical
@pytest.mark.parametrize(("n", "ridge"), [(160, 8.0), (60, 8.0)])
def test_trainings(n, ridge):
    d, runs = 80, 400
    sigma = decaying(0.7, d)
    law = LinearRegression(np.random.default_rng(4).normal(size=d) / math.sqrt(d), sigma, 1.0)
    found = estimate_law(law, n, ridge)
    factor, rng = np.linalg.cholesky(sigma).T, np.random.default_rng(5)
    weights, leverage = np.empty((runs, d)), np.empty(runs)
    for k in range(runs):
        X = rng.normal(size=(n, d)) @ factor
        hessian = X.T @ X + ridge * np.eye(d)
        weights[k] = np.linalg.solve(hessian, X.T @ (X @ law.coefficients + rng.normal(size=n)))
        leverage[k] = np.trace(np.linalg.solve(hessian, X.T @ X)) / n
    # The equivalents have errors of order 1/n beside those of the simulation.
    assert leverage.mean() == pytest.approx(found.leverage, rel=1.0 / n)
    deviations = np.einsum("ri,ij,rj->r", weights - found.mean, sigma, weights - found.mean)
    error = deviations.std(ddof=1) / math.sqrt(runs)
    assert abs(deviations.mean() - found.spread) < 6.0 * error + found.spread / n
    z = (weights.mean(axis=0) - found.mean) / (found.standard_errors / math.sqrt(runs))
    assert np.max(np.abs(z)) < 6.0
    # Without the penalty's bias the means are seen to be wrong.
    assert np.max(np.abs((weights.mean(axis=0) - law.coefficients) / found.standard_errors)) * math.sqrt(runs) > 6.0


def test_no_finite_variance():
    law = LinearRegression(np.zeros(5), np.eye(5), 1.0)
    with pytest.raises(DomainError, match="at n = 6 with 5 coefficients; use ridge > 0, or n of at least 7"):
        estimate_law(law, 6)
    assert estimate_law(law, 7).spread == 5.0
    with pytest.raises(DomainError, match="interpolates"):
        estimate_law(law, 5, 1e-12)
