"""Logistic regression against statsmodels, linear programming and asymptotic theory."""

from __future__ import annotations

import shutil
from itertools import product

import mpmath
import numpy as np
import pytest
from scipy import optimize, special, stats
from statsmodels.discrete.discrete_model import Logit

from qmis_kernels import FitStatus, backend
from qmis_kernels.logistic import chances, step_size

SETTINGS = (1e-9, 60)
LINE = np.arange(8.0) - 3.5


def names(status: np.ndarray) -> list[str]:
    return [FitStatus(code).name for code in status]


def with_intercept(*columns: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(columns[0])), *columns])


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-9, 0.3465, 0.3466, 1.0, 30.0, 700.0, 708.0])
def test_both_probabilities_of_a_predictor(size: float) -> None:
    with mpmath.workdps(40):
        exact = [1 / (1 + mpmath.exp(sign * mpmath.mpf(size))) for sign in (-1, 1)]
        assert all(abs(found / value - 1) < 2.0**-51 for found, value in zip(chances(size), exact, strict=True))


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize(("n", "d"), [(20, 1), (60, 3), (200, 8)])
def test_agrees_with_statsmodels(name: str, n: int, d: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.normal(size=(6, n, d))
    x[:, :, 0] = 1.0
    y = (rng.random((6, n)) < special.expit(0.5 * x.sum(axis=2))).astype(int)
    estimates, status = backend(name).logistic_fits(x, y, *SETTINGS)
    assert names(status) == ["CONVERGED"] * 6
    for r in range(6):
        expected = Logit(y[r], x[r]).fit(disp=0, tol=1e-14, maxiter=100).params
        np.testing.assert_allclose(estimates[r], expected, rtol=1e-9, atol=1e-10)


DEGENERATE = {
    "a threshold": ("SEPARABLE", with_intercept(LINE), LINE > 0.2),
    "all ones": ("SEPARABLE", with_intercept(LINE), LINE > -9),
    "all zeros": ("SEPARABLE", with_intercept(LINE), LINE > 9),
    "all ones without an intercept": ("CONVERGED", LINE[:, None], LINE > -9),
    "a dummy column that predicts": ("DIVERGING", with_intercept(LINE > 1), (LINE > 1) | (LINE % 2 < 1)),
    "a threshold with both outcomes on it": (
        "DIVERGING",
        with_intercept(np.array([0, 1, 2, 2, 3, 4.0])),
        [0, 0, 0, 1, 1, 1],
    ),
    "equal columns": ("SINGULAR", with_intercept(LINE, LINE), LINE % 2 < 1),
    "a zero column": ("SINGULAR", with_intercept(0 * LINE), LINE % 2 < 1),
    "fewer points than columns": ("SINGULAR", np.array([[1.0, 2.0]]), [1]),
    "no points": ("SINGULAR", np.zeros((0, 2)), []),
    "a far point on the right side": ("CONVERGED", with_intercept(np.append(LINE, 1e6)), np.append(LINE % 2 < 1, 1)),
    "columns of very different sizes": ("CONVERGED", with_intercept(1e12 * LINE, 1e-9 * LINE**2), LINE % 3 < 1),
    "numbers that overflow": ("SINGULAR", with_intercept(1e200 * LINE), LINE % 2 < 1),
}


@pytest.mark.parametrize("name", ["numba", "reference", "host"])
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_data_end_with_their_status(name: str, case: str) -> None:
    if name == "host" and shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    expected, x, y = DEGENERATE[case]
    estimates, status = backend(name).logistic_fits(x[None], np.asarray(y, dtype=float)[None], *SETTINGS)
    assert names(status) == [expected]
    assert np.isnan(estimates).all() if expected != "CONVERGED" else np.isfinite(estimates).all()


def test_too_few_steps() -> None:
    x, y = with_intercept(LINE), LINE % 2 < 1
    estimates, status = backend().logistic_fits(x[None], y[None], 1e-9, 2)
    assert names(status) == ["ITERATIONS"]
    assert np.isnan(estimates).all()


def existence(x: np.ndarray, y: np.ndarray) -> FitStatus:
    """Return by linear programming how the likelihood behaves: the most points that a weak separator separates."""
    n, d = x.shape
    signed = (2 * y - 1)[:, None] * x
    cost = np.concatenate([np.zeros(d), -np.ones(n)])
    constraints = np.hstack([-signed, np.eye(n)])
    bounds = [(None, None)] * d + [(0, 1)] * n
    separated = -optimize.linprog(cost, A_ub=constraints, b_ub=np.zeros(n), bounds=bounds).fun
    if separated < 0.5:
        return FitStatus.CONVERGED
    return FitStatus.SEPARABLE if separated > n - 0.5 else FitStatus.DIVERGING


@pytest.mark.parametrize(
    "design",
    [
        with_intercept(np.array([0, 0, 1, 1, 2, 2.0])),
        with_intercept(np.array([0, 1, 2, 2, 3, 5.0]), np.array([0, 0, 0, 1, 1, 1.0])),
        np.array([[1, 0], [0, 1], [1, 1], [1, -1], [-1, 2], [2, 1.0]]),
    ],
)
def test_every_response_to_small_designs_against_linear_programming(design: np.ndarray) -> None:
    responses = np.array(list(product([0, 1], repeat=len(design))))
    expected = [existence(design, y) for y in responses]
    assert len(set(expected)) >= 2
    x = np.broadcast_to(design, (len(responses), *design.shape))
    _, status = backend().logistic_fits(x, responses, *SETTINGS)
    assert names(status) == names(np.array(expected))


def newton(x: np.ndarray, y: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient of the likelihood and Newton's step."""
    p, q = special.expit(x @ beta), special.expit(-x @ beta)
    gradient = x.T @ np.where(y == 1, q, -p)
    return gradient, np.linalg.solve(x.T @ ((p * q)[:, None] * x), gradient)


def test_steps_stay_long_where_no_maximum_exists() -> None:
    """The lemma behind the test of convergence, and the tests of convergence that it replaces as a control."""
    x, y = with_intercept(LINE > 1, LINE), ((LINE > 1) | (LINE % 2 < 1)).astype(int)
    y[-1] = 1
    rng = np.random.default_rng(0)
    assert existence(x, y) is FitStatus.DIVERGING
    for _ in range(200):
        _, step = newton(x, y, rng.normal(size=3) * 3.0)
        assert ((2 * y - 1) * (x @ step)).max() > 1.0 - 1e-6
    beta = np.zeros(3)
    for _ in range(25):
        gradient, step = newton(x, y, beta)
        beta += step
    assert np.abs(gradient).max() < 1e-8
    assert gradient @ step < 1e-8
    assert np.abs(x @ step).max() > 0.99


def test_halved_steps_arrive_where_full_ones_do_not() -> None:
    """Few ones and far points: without halving the steps of some of these fits run away."""
    rng = np.random.default_rng(7)
    x = rng.standard_cauchy(size=(1000, 100, 2))[:200]
    x = np.sign(x) * x**2
    x[:, :, 0] = 1.0
    y = (rng.random((1000, 100))[:200] < 0.03).astype(int)
    estimates, status = backend().logistic_fits(x, y, 1e-8, 100)
    good = status == FitStatus.CONVERGED
    assert good.mean() > 0.9
    p = special.expit(np.einsum("rni,ri->rn", x[good], estimates[good]))
    score = np.abs(np.einsum("rni,rn->ri", x[good], y[good] - p))
    size = np.einsum("rni,rn->ri", np.abs(x[good]), np.abs(y[good] - p))
    assert (score < 1e-6 * (size + 1.0)).all()
    assert not all(arrives_by_full_steps(x[r], y[r]) for r in np.nonzero(good)[0])


def arrives_by_full_steps(x: np.ndarray, y: np.ndarray) -> bool:
    beta = np.zeros(x.shape[1])
    with np.errstate(all="ignore"):
        for _ in range(40):
            try:
                beta += newton(x, y, beta)[1]
            except np.linalg.LinAlgError:
                return False
    return bool(np.isfinite(beta).all())


def test_a_step_is_halved_until_the_likelihood_does_not_fall() -> None:
    def size(predictors: list[float], moves: list[float]) -> float:
        padded = np.zeros((4, 8))
        padded[0, :2], padded[1, :2], padded[2, :2] = (1.0, -1.0), predictors, moves
        return step_size(padded[3], padded[0], 2, padded[1], padded[2])

    assert size([0.0, 0.0], [10.0, 10.0]) == 1.0 / 8.0
    assert size([0.0, 0.0], [1.5, -1.5]) == 1.0
    assert size([0.0, 0.0], [9.0, -9.0]) == 1.0
    assert size([-9.0, 0.0], [16.0, 5.0]) == 1.0
    assert size([-9.0, 0.0], [64.0, 64.0]) == 1.0 / 8.0


def test_first_steps_and_steps_that_move_no_predictor_far_never_lower_the_likelihood() -> None:
    """The bound behind the steps that are taken without a look at the likelihood, and that it is needed."""
    rng = np.random.default_rng(2)
    lowered = {True: 0, False: 0}
    for _ in range(3000):
        x, y = rng.normal(size=(6, 2)), rng.integers(0, 2, 6)
        beta = rng.normal(size=2) * 3.0
        step = newton(x, y, beta)[1]
        before, after = (np.logaddexp(0.0, (1 - 2 * y) * (x @ b)).sum() for b in (beta, beta + step))
        lowered[bool(np.abs(x @ step).max() <= 1.5)] += after > before * (1.0 + 1e-12)
        first = newton(x, y, np.zeros(2))[1]
        assert np.logaddexp(0.0, (1 - 2 * y) * (x @ first)).sum() <= 6.0 * np.log(2.0) * (1.0 + 1e-12)
    assert lowered[True] == 0
    assert lowered[False] > 0


@pytest.mark.parametrize(("n", "d"), [(5, 1), (40, 2), (33, 3), (100, 6)])
def test_simulated_data_are_found_again_from_the_uniforms(n: int, d: int) -> None:
    rng = np.random.default_rng(d)
    beta, factor = rng.normal(size=d), rng.normal(size=(d, d))
    table, address = backend(), ((d, 1), 2, 2**35, 50)
    blocks = (d + 2) // 2
    u = table.uniforms(*address, 2 * blocks * n).reshape(50, n, 2 * blocks)
    x = special.ndtri(u[:, :, :d]) @ factor.T
    y = u[:, :, d] < special.expit(x @ beta)
    expected, status = table.logistic_fits(x, y, *SETTINGS)
    found, found_status = table.logistic_sums(*address, n, beta, factor, *SETTINGS)
    np.testing.assert_array_equal(found_status, status)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.statistical
def test_moments_without_an_effect(largest_z: float) -> None:
    """At β = 0 the estimate is symmetric about 0, and its covariance tends to 4 Σ⁻¹ / n."""
    count, n, factor = 10_000, 4000, np.array([[1.0, 0.0], [0.5, 1.2]])
    estimates, status = backend().logistic_sums((1, 0), 0, 0, count, n, [0.0, 0.0], factor, 1e-6, 30)
    assert (status == FitStatus.CONVERGED).all()
    z = np.sqrt(n / 4.0) * estimates @ factor
    terms = np.column_stack([z, z[:, 0] * z[:, 1], z[:, 0] ** 2 - 1.0, z[:, 1] ** 2 - 1.0])
    assert (np.abs(terms.mean(axis=0)) < largest_z * terms.std(axis=0) / np.sqrt(count)).all()
    unwhitened = np.sqrt(n / 4.0) * estimates
    wrong = unwhitened[:, 0] * unwhitened[:, 1]
    assert abs(wrong.mean()) > largest_z * wrong.std() / np.sqrt(count)


@pytest.mark.statistical
def test_studentized_estimates_are_normal(alpha: float) -> None:
    """With the observed information of each data set, at a size where the bias is a small part of the error."""
    count, n, beta = 400, 3000, np.array([0.8, -0.5])
    table, address = backend(), ((2, 0), 0, 0, 400)
    estimates, _ = table.logistic_sums(*address, n, beta, np.eye(2), *SETTINGS)
    x = table.normals(*address, 4 * n).reshape(count, n, 4)[:, :, :2]
    p = special.expit(np.einsum("rni,ri->rn", x, estimates))
    observed = np.einsum("rn,rni,rnj->rij", p * (1.0 - p), x, x)

    def p_value(centre: np.ndarray) -> float:
        errors = estimates - centre
        z = np.einsum("rji,rj->ri", np.linalg.cholesky(observed), errors)
        return stats.kstest(z.ravel(), "norm").pvalue

    assert p_value(beta) > alpha
    assert p_value(beta + 0.05) < alpha


@pytest.mark.parametrize("seed", range(6))
def test_bits_equal_the_reference_on_random_problems(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table, oracle = backend(), backend("reference")
    R, d = int(rng.integers(0, 60)), int(rng.integers(1, 6))
    n = int(rng.integers(1, 45))
    x = rng.normal(size=(R, n, d)) * 10.0 ** rng.uniform(-3.0, 3.0, size=(R, 1, 1))
    x[::2, :, 0] = 1.0
    x[::3] = np.round(x[::3])
    y = rng.integers(0, 2, (R, n))
    address = ((seed, 9), 1, int(rng.integers(0, 2**40)), 41)
    calls = {
        "logistic_fits": (x, y, *SETTINGS),
        "logistic_sums": (*address, n, rng.normal(size=d), rng.normal(size=(d, d)), *SETTINGS),
    }
    for name, arguments in calls.items():
        expected = getattr(oracle, name)(*arguments)
        for found, exact in zip(getattr(table, name)(*arguments), expected, strict=True):
            np.testing.assert_array_equal(found, exact)


def test_fits_do_not_depend_on_threads(one_and_all_threads) -> None:
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(300, 20, 3)), rng.integers(0, 2, (300, 20))
    results = [backend().logistic_fits(x, y, *SETTINGS) for _ in one_and_all_threads()]
    for left, right in zip(*results, strict=True):
        np.testing.assert_array_equal(left, right)


def test_statuses_are_small_integers_with_names() -> None:
    assert [status.value for status in FitStatus] == [0, 1, 2, 3, 4]
