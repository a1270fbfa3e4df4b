"""Rank-one updates against fits from scratch, and the points that cannot be left out."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_kernels import backend


def samples(rng: np.random.Generator, R: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return designs, responses, Cholesky factors of the designs' squares and least-squares estimates."""
    x, y = rng.normal(size=(R, n, d)), rng.normal(size=(R, n))
    factors = np.linalg.cholesky(x.transpose(0, 2, 1) @ x)
    estimates = np.array([np.linalg.lstsq(a, b)[0] for a, b in zip(x, y, strict=True)]).reshape(R, d)
    return x, y, factors, estimates


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize(("R", "n", "d"), [(1, 40, 3), (5, 6, 5), (3, 9, 1), (2, 60, 12)])
def test_leave_one_out(name: str, R: int, n: int, d: int) -> None:
    x, y, factors, estimates = samples(np.random.default_rng(n), R, n, d)
    updated, leverage, solvable = backend(name).rank_one_updates(factors, estimates, x, y, -1)
    assert solvable.all()
    for r in range(R):
        hat = x[r] @ np.linalg.pinv(x[r])
        np.testing.assert_allclose(leverage[r], np.diag(hat), rtol=1e-9)
        for j in range(n):
            kept = np.arange(n) != j
            expected = np.linalg.lstsq(x[r][kept], y[r][kept])[0]
            np.testing.assert_allclose(updated[r, j], expected, rtol=1e-7, atol=1e-9)
    without_leverage = estimates[:, None] - (updated - estimates[:, None]) * -(1.0 - leverage[:, :, None])
    assert not np.allclose(without_leverage, updated)


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize(("R", "m", "d"), [(1, 40, 3), (5, 1, 2), (4, 17, 1), (2, 33, 12)])
def test_add_one(name: str, R: int, m: int, d: int) -> None:
    rng = np.random.default_rng(m)
    x, y, factors, estimates = samples(rng, R, d + 7, d)
    design, response = rng.normal(size=(R, m, d)), rng.normal(size=(R, m))
    updated, leverage, solvable = backend(name).rank_one_updates(factors, estimates, design, response, 1)
    assert solvable.all()
    for r in range(R):
        inverse = np.linalg.inv(x[r].T @ x[r])
        np.testing.assert_allclose(leverage[r], np.einsum("mi,ij,mj->m", design[r], inverse, design[r]), rtol=1e-9)
        for j in range(m):
            a, b = np.vstack([x[r], design[r, j]]), np.append(y[r], response[r, j])
            np.testing.assert_allclose(updated[r, j], np.linalg.lstsq(a, b)[0], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("d", [1, 2, 6])
def test_no_point_of_a_saturated_fit_can_be_left_out(seed: int, d: int) -> None:
    x, y, factors, estimates = samples(np.random.default_rng(seed), 20, d, d)
    updated, leverage, solvable = backend().rank_one_updates(factors, estimates, x, y, -1)
    assert not solvable.any()
    assert np.isnan(updated).all()
    np.testing.assert_allclose(leverage, 1.0, rtol=1e-4)


def test_the_only_point_of_a_group_cannot_be_left_out() -> None:
    rng = np.random.default_rng(1)
    x, y, _, _ = samples(rng, 1, 30, 4)
    x[:, :, 3] = 0.0
    x[:, 11, 3] = 1.0
    factors = np.linalg.cholesky(x.transpose(0, 2, 1) @ x)
    estimates = np.linalg.lstsq(x[0], y[0])[0][None]
    updated, _, solvable = backend().rank_one_updates(factors, estimates, x, y, -1)
    assert np.nonzero(~solvable[0])[0].tolist() == [11]
    assert np.isnan(updated[0, 11]).all()
    assert np.isfinite(np.delete(updated[0], 11, axis=0)).all()


@pytest.mark.parametrize("rest", [1e-3, 1e-6])
def test_a_point_that_is_nearly_alone_can_be_left_out(rest: float) -> None:
    """The other points of the group have entries of size ``rest``: 1 - h is about 3 rest²."""
    x = np.array([[[1.0, 1.0], [1.0, rest], [1.0, -rest], [1.0, rest], [1.0, 0.0]]])
    y = np.array([[2.0, 1.0, 0.5, 0.25, 1.0]])
    factors = np.linalg.cholesky(x.transpose(0, 2, 1) @ x)
    estimates = np.linalg.lstsq(x[0], y[0])[0][None]
    updated, leverage, solvable = backend().rank_one_updates(factors, estimates, x, y, -1)
    assert solvable.all()
    assert 0.0 < 1.0 - leverage[0, 0] < 4.0 * rest**2
    expected = np.linalg.lstsq(x[0, 1:], y[0, 1:])[0]
    np.testing.assert_allclose(updated[0, 0], expected, rtol=1e-13 / rest**2, atol=1e-13 / rest**2)


def test_simulated_regressions_with_fresh_points(factor: np.ndarray) -> None:
    """In whitened coordinates: adding a point and leaving it out again gives the estimate back."""
    table, beta = backend(), np.array([1.0, -2.0, 0.5])
    transform = np.linalg.inv(factor).T
    estimates, _, factors = table.regression_factors((1, 2), 0, 0, 50, 9, beta, transform, 0.7)
    whitened = estimates @ factor
    fresh = table.normals((1, 2), 1, 0, 50, 6).reshape(50, 2, 3)
    response = fresh @ (beta @ factor) + 0.3
    added, leverage, _ = table.rank_one_updates(factors, whitened, fresh, response, 1)
    for j in range(2):
        point = fresh[:, j : j + 1]
        grown = np.linalg.cholesky(factors @ factors.transpose(0, 2, 1) + point.transpose(0, 2, 1) @ point)
        back, smaller, solvable = table.rank_one_updates(grown, added[:, j], point, response[:, j : j + 1], -1)
        assert solvable.all()
        np.testing.assert_allclose(back[:, 0], whitened, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(smaller[:, 0], leverage[:, j] / (1.0 + leverage[:, j]), rtol=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("R", "m", "d"), [(0, 3, 2), (2, 0, 2), (2, 3, 0), (1, 1, 1), (1, 50, 4), (40, 1, 3), (7, 33, 9)]
)
def test_bits_equal_the_reference_for_any_number_of_threads(
    sign: int, R: int, m: int, d: int, one_and_all_threads
) -> None:
    rng = np.random.default_rng(R + m + d)
    factors = np.tril(rng.normal(size=(R, d, d)), -1) + np.eye(d) * rng.uniform(1.0, 5.0, size=(R, 1, d))
    arguments = (factors, rng.normal(size=(R, d)), rng.normal(size=(R, m, d)), rng.normal(size=(R, m)), sign)
    expected = backend("reference").rank_one_updates(*arguments)
    for _ in one_and_all_threads():
        for found, exact in zip(backend().rank_one_updates(*arguments), expected, strict=True):
            assert found.dtype == exact.dtype
            np.testing.assert_array_equal(found, exact)
