"""Laplace's method for the law of a member's read-out, against closed forms and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal

from qmis_stats.audit.attacks.member_law import MemberLaw
from qmis_stats.leak.losses import contrasts, loss_named, proximal

FLAT = 0.5 * np.log(2.0 * np.pi)


def matrices(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    factor = rng.normal(size=(count, size, size)) / np.sqrt(size) + 0.5 * np.eye(size)
    return factor @ factor.transpose(0, 2, 1)


def law_of(kind: str, outputs: int, count: int, seed: int, told: float = 0.6) -> tuple[MemberLaw, np.ndarray]:
    """Return a law with two read-outs for each fitted value, and the covariance S."""
    rng = np.random.default_rng(seed)
    basis = contrasts(outputs)
    k = basis.shape[1]
    S, q = matrices(rng, count, k), matrices(rng, count, k)
    # R with I − RSRᵀ positive: a contraction times S^{-1/2}.
    turn = np.linalg.qr(rng.normal(size=(count, 2 * k, k)))[0]
    root = np.linalg.cholesky(np.linalg.inv(S)).transpose(0, 2, 1)
    R = told * turn @ root
    push = R @ q + 0.2 * rng.normal(size=R.shape)
    y = rng.normal(size=count) if kind == "squared" else rng.integers(0, max(outputs, 2), count) * 1.0
    noise = np.eye(2 * k) - R @ S @ R.transpose(0, 2, 1)
    law = MemberLaw(loss_named(kind), basis, y, rng.normal(size=(count, k)), np.linalg.inv(S), q, R, push, noise)
    return law, S


def test_it_is_the_normal_law_of_a_linear_proximal_map() -> None:
    law, S = law_of("squared", 1, 6, 1)
    v = np.random.default_rng(2).normal(size=(6, 2))
    found = law.log_density(v, 0.8, np.full(6, 0.1))
    for i in range(6):
        q, R, push = 0.8 * law.leverage[i], law.seen[i], 0.8 * law.push[i]
        # ψ = (u − y)/(1 + q), u = a + t.
        slope = 1.0 / (1.0 + q)
        move = push @ (slope[0] * (law.mean[i] - law.y[i]))
        seen = R - push @ slope
        covariance = seen @ S[i] @ seen.T + law.noise[i] + (0.1 + 1e-6) * np.eye(2)
        assert found[i] == pytest.approx(multivariate_normal(-move, covariance).logpdf(v[i]) + 2.0 * FLAT, abs=1e-7)


def test_without_quantization_it_is_the_change_of_variables() -> None:
    rng = np.random.default_rng(3)
    basis = contrasts(3)
    S, q, a = matrices(rng, 5, 2), matrices(rng, 5, 2), rng.normal(size=(5, 2))
    y = rng.integers(0, 3, 5) * 1.0
    unit = np.linalg.cholesky(np.linalg.inv(S)).transpose(0, 2, 1)
    law = MemberLaw(loss_named("softmax"), basis, y, a, np.linalg.inv(S), q, unit, unit @ q, np.zeros((5, 2, 2)))
    m = a + rng.normal(size=(5, 2))
    psi = (softmax(m @ basis.T, axis=1) - np.eye(3)[y.astype(int)]) @ basis
    t = m + np.einsum("nab,nb->na", q, psi) - a
    curved = basis.T @ loss_named("softmax").curvature(y, m @ basis.T) @ basis
    exact = np.linalg.slogdet(np.eye(2) + q @ curved)[1] - 0.5 * np.einsum("na,nab,nb->n", t, np.linalg.inv(S), t)
    found = law.log_density(np.einsum("nab,nb->na", unit, m - a), 1.0, np.zeros(5))
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-3)


def member_gradients(law: MemberLaw, i: int, u: np.ndarray) -> np.ndarray:
    """Return gradients of point i, (m, k), at the proximal values of u, (m, k)."""
    basis, y = law.basis, np.full(len(u), law.y[i])
    q = np.broadcast_to(basis @ law.leverage[i] @ basis.T, (len(u), len(basis), len(basis)))
    return law.loss.gradient(y, proximal(law.loss, y, u @ basis.T, q)) @ basis


@pytest.mark.parametrize(("kind", "outputs"), [("logistic", 1), ("softmax", 3)])
def test_it_is_close_to_the_integral_over_fitted_values_of_members(kind: str, outputs: int) -> None:
    law, S = law_of(kind, outputs, 8, 5)
    rng = np.random.default_rng(6)
    k = law.mean.shape[1]
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    grid = np.stack(np.meshgrid(*[nodes] * k), axis=-1).reshape(-1, k)
    weight = np.prod(np.stack(np.meshgrid(*[weights] * k), axis=-1).reshape(-1, k), axis=1)
    v, exact = np.empty((8, 2 * k)), np.empty(8)
    for i in range(8):
        z = np.concatenate([rng.normal(size=(1, k)), grid]) @ np.linalg.cholesky(S[i]).T
        centre = z @ law.seen[i].T - member_gradients(law, i, law.mean[i] + z) @ law.push[i].T
        covariance = law.noise[i] + (0.05 + 1e-6) * np.eye(2 * k)
        v[i] = rng.multivariate_normal(centre[0], covariance)
        heights = multivariate_normal(np.zeros(2 * k), covariance).logpdf(v[i] - centre[1:])
        exact[i] = np.log(np.sum(weight * np.exp(heights)) / weight.sum()) + 2.0 * k * FLAT
    error = np.abs(law.log_density(v, 1.0, np.full(8, 0.05)) - exact)
    assert error.max() < 0.25
    assert error.mean() < 0.07


def test_contrasts_are_orthonormal_and_sum_to_zero() -> None:
    basis = contrasts(5)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=0), 0.0, atol=1e-12)
