"""What one fit says of its own law, against averages over many independent designs (S17)."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_stats.leak.fits import Fit, fit_from
from qmis_stats.leak.leave_one_out import aspect, leave_one_out
from qmis_stats.leak.retained import scatter
from qmis_stats.leak.smoothed import smoothed

LARGEST_Z = 6.0


def ridge_fit(X: np.ndarray, y: np.ndarray, ridge: float) -> Fit:
    return fit_from(X, y, np.linalg.solve(X.T @ X + ridge * np.eye(X.shape[1]), X.T @ y), "squared", ridge)


def uneven(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Return features of which a fifth of the points has five times the length."""
    return rng.normal(size=(n, d)) * rng.permutation(np.where(np.arange(n) < n // 5, 2.5, 0.5))[:, None]


@pytest.mark.statistical
def test_variances_are_right_where_leverages_differ() -> None:
    """Least squares: C = E (XᵀX)⁻¹. One factor 1 − φ of the jackknife makes less of it."""
    n, d, fits, designs = 60, 20, 120, 1000
    rng = np.random.default_rng(21)
    truth = np.zeros((d, d))
    for _ in range(designs):
        X = uneven(n, d, rng)[1:]
        truth += np.linalg.inv(X.T @ X) / designs
    gaps, common = np.empty(fits), np.empty(fits)
    for k in range(fits):
        X, y = uneven(n, d, rng), rng.normal(size=n)
        found = leave_one_out(ridge_fit(X, y, 0.0))
        h = np.einsum("ij,ij->i", X @ np.linalg.inv(X.T @ X), X)
        r = (y - X @ np.linalg.lstsq(X, y)[0]) / (1.0 - h)
        cross = (X @ np.linalg.solve(X.T @ X, X.T) / (1.0 - h)[:, None]) ** 2
        np.fill_diagonal(cross, 0.0)
        plain = cross @ r**2
        scatter_share = plain.sum() / np.sum(r**2)
        # The noise as it was found, without bias: its own scatter would hide the rest.
        noise = np.sum((r * (1.0 - h)) ** 2) / (n - d)
        right = noise * np.mean(np.einsum("ij,ij->i", X @ truth, X))
        gaps[k] = found.variance.mean() / right - 1.0
        common[k] = plain.mean() / (1.0 + scatter_share) / right - 1.0
    error = np.std(gaps) / np.sqrt(fits)
    assert abs(gaps.mean()) < LARGEST_Z * error + 0.5 / d
    less = common - gaps
    assert less.mean() < -LARGEST_Z * np.std(less) / np.sqrt(fits) - 0.5 / d


@pytest.mark.statistical
def test_noise_of_leverages_and_what_is_left_of_it() -> None:
    n, d, fits, designs = 100, 40, 40, 2000
    rng = np.random.default_rng(22)
    x = rng.normal(size=d)
    log_q = []
    for _ in range(designs):
        X = rng.normal(size=(n - 1, d))
        log_q.append(np.log(x @ np.linalg.solve(X.T @ X, x)))
    stated, raw, left, pulls = [], [], [], []
    for _ in range(fits):
        X, y = rng.normal(size=(n, d)), rng.normal(size=n)
        fit = ridge_fit(X, y, 0.0)
        found = leave_one_out(fit)
        spread = scatter(fit, found)
        shapes = (np.einsum("ij,jk,ik->i", X, m, X)[:, None, None] for m in (spread.response, spread.covariance))
        less = smoothed(found, *shapes)
        size = np.log(np.sum(X**2, axis=1))  # all that differs between points of isotropic features
        stated.append(found.leverage_noise)
        for kept, one in ((raw, found), (left, less)):
            kept.append(np.var(np.log(one.leverage.ravel()) - size))
        pulls.append(less.pull.mean() - d / n)
    truth = np.var(log_q)
    # 1/(1 − φ) of the jackknife and of q is right for many features.
    error = np.sqrt(2.0 / designs + np.var(stated) / truth**2 / fits)
    assert abs(np.mean(stated) / truth - 1.0) < LARGEST_Z * error + 3.0 / d
    assert np.mean(raw) > 0.7 * truth
    assert np.mean(left) < 0.2 * truth
    np.testing.assert_allclose(pulls, 0.0, atol=1e-9)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("n", "ridge", "correlation", "slack", "least"), [(100, 10.0, 0.7, 4.0, 0.0), (400, 1.0, 0.95, 1.0, 0.0025)]
)
def test_aspect_and_variances_of_weights_of_correlated_features(
    n: int, ridge: float, correlation: float, slack: float, least: float
) -> None:
    """Both from E H⁻¹ and Cov θ̂ over designs; Ledoit and Wolf's second moments alone miss them.

    With many points these shrink correlations by one per cent, and variances of weights by ten; aspects are
    then 1 but for a part of 1/n.
    """
    d, fits = 50, 40
    rng = np.random.default_rng(23)
    sigma = correlation ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    root = np.linalg.cholesky(sigma).T
    beta = rng.normal(size=d) / np.sqrt(d)
    response, weights = np.zeros((d, d)), np.empty((1000, d))
    for k in range(1000):
        X = rng.normal(size=(n, d)) @ root
        inverse = np.linalg.inv(X.T @ X + ridge * np.eye(d))
        response += inverse / 1000
        weights[k] = inverse @ X.T @ (X @ beta + rng.normal(size=n))
    product = sigma @ response
    truth = d * np.sum(product * product.T) / np.trace(product) ** 2
    total = np.trace(np.cov(weights.T)) / np.sum(sigma * np.cov(weights.T))
    aspects, shrunk, totals = np.empty(fits), np.empty(fits), np.empty(fits)
    for k in range(fits):
        X = rng.normal(size=(n, d)) @ root
        fit = ridge_fit(X, X @ beta + rng.normal(size=n), ridge)
        found = leave_one_out(fit)
        spread = scatter(fit, found)
        aspects[k], totals[k] = aspect(fit, found), np.sum(spread.errors**2) / found.variance.mean()
        shrunk[k] = _by_shrinking(X, ridge, spread.response)
    for estimates, right in ((aspects - 1.0, truth - 1.0), (totals, total)):
        error = LARGEST_Z * np.std(estimates) / np.sqrt(fits)
        assert abs(estimates.mean() - right) < error + max(slack * right / d, least)
    assert abs(shrunk.mean() - total) > LARGEST_Z * np.std(shrunk) / np.sqrt(fits) + slack * total / d


def _by_shrinking(X: np.ndarray, ridge: float, response: np.ndarray) -> float:
    """Return tr C/tr ΣC with the second moments of Ledoit and Wolf, at the curvature that the fit has."""
    from sklearn.covariance import ledoit_wolf

    moment, _ = ledoit_wolf(X)
    curvature = (np.trace(np.linalg.inv(response)) - ridge * len(moment)) / np.trace(moment)
    G = np.linalg.inv(curvature * moment + ridge * np.eye(len(moment)))
    C = G @ moment @ G
    return float(np.trace(C) / np.sum(moment * C))
