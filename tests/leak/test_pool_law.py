"""How weights vary over subsets of a pool: what a point sees of the other points, and losses that are not squared."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_stats.leak.fits import fit_from
from qmis_stats.leak.leave_one_out import forms
from qmis_stats.leak.losses import contrasts, loss_named
from qmis_stats.leak.pool_law import PoolLaw

LARGEST_Z = 5.0


def law_of(rng: np.random.Generator, points: int, width: int, size: int) -> PoolLaw:
    design = rng.normal(size=(points, width))
    roots = rng.normal(size=(2, points, size, size))
    curvature, squares = roots @ roots.transpose(0, 1, 3, 2)
    return PoolLaw.of(design, curvature, squares, np.ones(width), 0.4)


@pytest.mark.parametrize("size", [1, 3])
def test_a_point_sees_the_pool_without_it(size: int) -> None:
    """All that ``left_out`` takes out again is what sums over the other points do not have."""
    rng = np.random.default_rng(size)
    law, point = law_of(rng, 60, 5, size), 7
    noise = rng.normal(size=(law.covariance.shape[0],) * 2)
    noise = noise @ noise.T / len(noise) * np.trace(law.covariance) / len(noise)
    found = law.left_out
    grams, turned = found.seen(*law.products(np.linalg.inv(law.covariance + noise)))

    X = np.kron(np.eye(size), law.design[point][:, None])
    G = np.linalg.inv(np.linalg.inv(law.response) - X @ law.stiffness[point] @ X.T)
    back = np.linalg.inv(law.response)
    C = G @ (back @ law.covariance @ back - X @ law.squares[point] @ X.T) @ G
    inverse = np.linalg.inv(C + noise)
    k, d = C @ X, G @ X
    np.testing.assert_allclose(found.variance[point], X.T @ k)
    np.testing.assert_allclose(found.leverage[point], X.T @ d)
    for got, wanted in zip(grams, (k.T @ inverse @ k, k.T @ inverse @ d, d.T @ inverse @ d), strict=True):
        np.testing.assert_allclose(got[point], wanted)
    z = rng.normal(size=len(C))
    read = np.concatenate([law.covariance @ X, law.response @ X], axis=1).T @ np.linalg.inv(law.covariance + noise) @ z
    np.testing.assert_allclose(turned[point] @ read, np.concatenate([k, d], axis=1).T @ inverse @ z)


def test_a_sample_stands_for_its_pool() -> None:
    rng = np.random.default_rng(1)
    law = law_of(rng, 50, 4, 1)
    whole = [np.repeat(part, 2, axis=0) for part in (law.design, np.ones((50, 1, 1)), np.ones((50, 1, 1)))]
    sample = [part[::2] for part in whole]
    one, two = PoolLaw.of(*sample, np.ones(4), 0.4, stands_for=2.0), PoolLaw.of(*whole, np.ones(4), 0.4)
    # The points of the sample count for two: without one of them two are missing, a difference of order 1/n.
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=0.05, atol=0.02 * np.trace(two.covariance))


@pytest.mark.statistical
@pytest.mark.parametrize("kind", ["logistic", pytest.param("softmax", marks=pytest.mark.long)])
def test_covariance_over_subsets_for_other_losses(kind: str) -> None:
    points, width, runs, ridge, f = 300, 12, 400, 3.0, 0.5
    rng, loss, outputs = np.random.default_rng(2), loss_named(kind), 1 if kind == "logistic" else 3
    X = rng.normal(size=(points, width))
    scores = X @ rng.normal(size=(width, outputs)) / 3.0
    if outputs == 1:
        y = (rng.random(points) < 1.0 / (1.0 + np.exp(-scores[:, 0]))) * 1.0
    else:
        y = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1) * 1.0
    basis, start = contrasts(outputs), np.zeros((outputs, width))
    squares, curvature = np.zeros((2, points, basis.shape[1], basis.shape[1]))
    count, weights = np.zeros(points), np.empty((runs, basis.shape[1] * width))
    for k in range(runs):
        rows = rng.permutation(points)[: int(f * points)]
        theta = minimum(X[rows], y[rows], loss, ridge, start)
        start = theta if k == 0 else start
        values = X[rows] @ theta.T
        psi = loss.gradient(y[rows], values) @ basis
        squares[rows] += psi[:, :, None] * psi[:, None, :]
        curvature[rows] += basis.T @ loss.curvature(y[rows], values) @ basis
        count[rows] += 1.0
        weights[k] = (basis.T @ theta).ravel()
    law = PoolLaw.of(X, *(part / count[:, None, None] for part in (curvature, squares)), np.full(width, ridge), f)
    own, wanted = (forms(X, m, basis.shape[1]) for m in (np.cov(weights.T), law.covariance))
    ratio = np.trace(own, axis1=1, axis2=2) / np.trace(wanted, axis1=1, axis2=2)
    # First order in the curvatures, which vary from subset to subset: 10 % is what the attack scales by.
    assert abs(ratio.mean() - 1.0) < 0.1
    assert np.all(np.abs(ratio / ratio.mean() - 1.0) < LARGEST_Z * np.sqrt(2.0 / runs))


def minimum(X: np.ndarray, y: np.ndarray, loss, ridge: float, start: np.ndarray) -> np.ndarray:
    from scipy.optimize import minimize

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        theta = flat.reshape(start.shape)
        v = X @ theta.T
        if loss.name == "logistic":
            cost = float(np.sum(np.logaddexp(0.0, v[:, 0]) - y * v[:, 0]))
        else:
            cost = float(np.sum(np.logaddexp.reduce(v, axis=1) - v[np.arange(len(y)), y.astype(int)]))
        slope = loss.gradient(y, v).T @ X + ridge * theta
        return cost + 0.5 * ridge * float(np.sum(theta**2)), slope.ravel()

    theta = minimize(value, start.ravel(), jac=True, method="L-BFGS-B", options={"ftol": 1e-13, "gtol": 1e-8}).x
    fitted = fit_from(X, y, theta.reshape(start.shape), loss, ridge)
    return fitted.weights
