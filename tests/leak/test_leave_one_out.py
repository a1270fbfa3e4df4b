"""Leave-one-out quantities: exact for least squares, unbiased over data sets, refused where they mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from qmis_stats import leakage
from qmis_stats.audit.models import Logistic
from qmis_stats.errors import DomainError, InputError
from qmis_stats.leak.fits import Fit, fit_from, newton_step
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import aspect, leave_one_out
from qmis_stats.leak.losses import loss_named
from qmis_stats.leak.sources import fit_of

LARGEST_Z = 6.0


def minimised(X: np.ndarray, y: np.ndarray, loss: str, penalty: float, classes: int = 1) -> np.ndarray:
    """Return the weights at the minimum, by plain Newton steps from zero."""
    fit = Fit(
        loss_named(loss),
        X,
        y,
        np.zeros((classes, X.shape[1])),
        None,
        np.full(X.shape[1], penalty),
        (classes, X.shape[1]),
    )
    for _ in range(100):
        step, _ = newton_step(fit)
        fit = fit.with_parameters(fit.parameters + np.clip(step, -1.0, 1.0))
        if np.max(np.abs(step)) < 1e-12:
            break
    return fit.weights


def sample(loss: str, n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    eta = X @ np.linspace(-1.0, 1.0, d) / np.sqrt(d / 3.0)
    if loss == "squared":
        return X, eta + rng.normal(size=n)
    if loss == "logistic":
        return X, (rng.random(n) < expit(eta)) * 1.0
    if loss == "poisson":
        return X, rng.poisson(np.exp(0.5 * eta)) * 1.0
    return X, np.argmax(eta[:, None] * [1.0, -1.0, 0.5] + rng.gumbel(size=(n, 3)), axis=1) * 1.0


@pytest.mark.parametrize(("n", "d", "penalty"), [(40, 5, 0.0), (40, 5, 3.0), (12, 30, 2.0)])
def test_least_squares_without_each_point(n: int, d: int, penalty: float) -> None:
    X, y = sample("squared", n, d, 1)
    found = leave_one_out(fit_from(X, y, minimised(X, y, "squared", penalty)[0], "squared", penalty))
    for i in range(0, n, 5):
        keep = np.arange(n) != i
        hessian = X[keep].T @ X[keep] + penalty * np.eye(d)
        np.testing.assert_allclose(found.value[i, 0], X[i] @ np.linalg.solve(hessian, X[keep].T @ y[keep]), rtol=1e-7)
        np.testing.assert_allclose(found.leverage[i, 0, 0], X[i] @ np.linalg.solve(hessian, X[i]), rtol=1e-7)


@pytest.mark.parametrize("loss", ["logistic", "poisson", "softmax"])
def test_other_losses_without_each_point_to_one_newton_step(loss: str) -> None:
    X, y = sample(loss, 150, 6, 2)
    classes = 3 if loss == "softmax" else 1
    weights = minimised(X, y, loss, 2.0, classes)
    found = leave_one_out(fit_from(X, y, weights if classes > 1 else weights[0], loss, 2.0))
    for i in range(0, 150, 15):
        keep = np.arange(150) != i
        without = X[i] @ minimised(X[keep], y[keep], loss, 2.0, classes).T
        here = X[i] @ weights.T
        moved = np.linalg.norm(without - here)
        assert np.linalg.norm(found.value[i] - without) < 0.05 * moved + 1e-6
        # Without the correction the fitted value itself would stand for it.
        assert np.linalg.norm(here - without) >= moved


@pytest.mark.parametrize(
    ("n", "d", "loss", "penalty"), [(20, 6, "squared", 2.0), (9, 14, "squared", 3.0), (40, 5, "softmax", 1.0)]
)
def test_pulls_add_up_to_less_without_each_point(n: int, d: int, loss: str, penalty: float) -> None:
    """tr H⁻¹XᵀWX with the curvatures of the fit, of all points and of all but one; without a penalty it stays."""
    X, y = sample(loss, n, d, seed=3)
    classes = 3 if loss == "softmax" else 1
    fit = fit_from(X, y, minimised(X, y, loss, penalty, classes), loss, penalty)
    found = leave_one_out(fit)

    def total(rows: np.ndarray) -> float:
        blocks = [np.kron(w, np.outer(x, x)) for w, x in zip(found.curvature[rows], X[rows], strict=True)]
        middle = np.sum(blocks, axis=0)
        return float(np.trace(np.linalg.solve(middle + penalty * np.eye(classes * d), middle))) / classes

    everyone = np.arange(n)
    lost = [total(everyone) - total(np.delete(everyone, j)) for j in range(n)]
    np.testing.assert_allclose(found.pull_lost, lost, atol=1e-9)
    assert found.pull.sum() == pytest.approx(total(everyone), rel=1e-9)
    if loss == "squared" and n > d:
        free = fit_from(X, y, minimised(X, y, loss, 0.0), loss)
        np.testing.assert_allclose(leave_one_out(free).pull_lost, 0.0, atol=1e-12)


def test_wide_and_tall_algebra_agree() -> None:
    X, y = sample("logistic", 30, 29, 3)
    wide = np.column_stack([X, np.zeros((30, 3))])  # three columns that change nothing
    theta = minimised(X, y, "logistic", 1.5)[0]
    tall = leave_one_out(fit_from(X, y, theta, "logistic", 1.5))
    other = leave_one_out(fit_from(wide, y, np.append(theta, np.zeros(3)), "logistic", 1.5))
    for name in ("value", "leverage", "variance"):
        np.testing.assert_allclose(getattr(other, name), getattr(tall, name), rtol=1e-8, atol=1e-12)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("d", "n", "penalty"), [(40, 80, 0.0), pytest.param(40, 60, 8.0, marks=pytest.mark.long), (60, 40, 15.0)]
)
def test_variance_is_that_over_training_sets(d: int, n: int, penalty: float) -> None:
    """The corrected jackknife has the right mean; the plain one, too large by 1/(1 − φ), fails."""
    rng = np.random.default_rng(5)
    beta = rng.normal(size=d) / np.sqrt(d)
    fresh = rng.normal(size=(200, d))

    def trained(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        one = np.random.default_rng([7, seed])
        X = one.normal(size=(n - 1, d))
        y = X @ beta + one.normal(size=n - 1)
        return X, y, np.linalg.solve(X.T @ X + penalty * np.eye(d), X.T @ y)

    values = np.array([fresh @ trained(k)[2] for k in range(300)])
    truth = np.mean(np.var(values, axis=0, ddof=1))
    estimates, inflations = [], []
    for k in range(400, 600):
        X, y, theta = trained(k)
        found = leave_one_out(fit_from(X, y, theta, "squared", penalty))
        # Points of the sample have another mean length than the fresh ones.
        ratio = np.mean(np.sum(fresh**2, axis=1)) / np.mean(np.sum(X**2, axis=1))
        estimates.append(float(found.variance.mean()) * ratio)
        inflations.append(found.inflation)
    error = np.hypot(np.std(estimates) / np.sqrt(200), truth * np.sqrt(2.0 / (300 * min(d, n))))
    # A trace of d terms fixes the mean to about 2/d: the equivalents are asymptotic.
    assert abs(np.mean(estimates) - truth) < LARGEST_Z * error + 2.5 * truth / d
    plain = np.mean(np.array(estimates) / (1.0 - np.array(inflations)))
    assert plain - truth > LARGEST_Z * error + 2.5 * truth / d


@pytest.mark.statistical
def test_a_pool_varies_less_and_not_by_its_fraction_alone() -> None:
    d, n, pool = 40, 80, 160
    rng = np.random.default_rng(11)
    beta = rng.normal(size=d) / np.sqrt(d)
    variances, predictions, naive = [], [], []
    for _ in range(24):
        X = rng.normal(size=(pool, d))
        y = X @ beta + rng.normal(size=pool)
        values = np.full((60, pool), np.nan)
        for r in range(60):
            rows = rng.permutation(pool)[:n]
            theta = np.linalg.lstsq(X[rows], y[rows])[0]
            rest = np.setdiff1d(np.arange(pool), rows)
            values[r, rest] = X[rest] @ theta
        found = leave_one_out(fit_from(X[rows], y[rows], theta, "squared"))
        variances.append(np.nanmean(np.nanvar(values, axis=0, ddof=1)))
        predictions.append(found.variance.mean() * Game("pool", 0.5).variance_share(found.inflation))
        naive.append(found.variance.mean() * 0.5)
    error = np.std(np.subtract(variances, predictions), ddof=1) / np.sqrt(24)
    assert abs(np.mean(variances) - np.mean(predictions)) < LARGEST_Z * error
    error = np.std(np.subtract(variances, naive), ddof=1) / np.sqrt(24)
    assert np.mean(variances) - np.mean(naive) > LARGEST_Z * error


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"weights": np.zeros(3)}, InputError, "weights = 'off by .* standard errors': must be those that minimise"),
        ({"penalty": -1.0}, InputError, "penalty = -1.0: must be finite and at least 0"),
        ({"y": np.full(30, np.nan)}, InputError, "y = .*finite"),
        ({"loss": "logistic"}, InputError, "y = .*0 and 1"),
        ({"loss": "hinge"}, InputError, "loss = 'hinge': must be one of squared, logistic, poisson, softmax"),
        ({"weights": np.zeros(4)}, InputError, "weights = .*of shape"),
        ({"y": np.zeros(29)}, InputError, "y = .*one target per row"),
    ],
)
def test_bad_input_gets_one_line(changed: dict, error: type[Exception], message: str) -> None:
    X, y = sample("squared", 30, 3, 4)
    given = {"X": X, "y": y, "weights": np.linalg.lstsq(X, y)[0], "loss": "squared", "penalty": 0.0} | changed
    with pytest.raises(error, match=message) as caught:
        fit_from(**given)
    assert "\n" not in str(caught.value)


def test_fits_without_a_unique_minimum_are_refused() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20, 30))
    with pytest.raises(DomainError, match="30 weights without a penalty and 20 points"):
        fit_from(X, rng.normal(size=20), np.zeros(30), "squared")
    X = rng.normal(size=(40, 2))
    with pytest.raises((DomainError, InputError), match=r"separable|minimise"):
        fit_from(X, (X[:, 0] > 0.0) * 1.0, [300.0, 0.0], "logistic")
    twice = np.column_stack([X[:, 0], X[:, 0]])
    with pytest.raises(DomainError, match="singular"):
        fit_from(twice, rng.normal(size=40), [0.0, 0.0], "squared")


def test_very_unequal_leverages_have_an_angle_too():
    """No equal curvature has the mean of w/(1 + wq) of rows whose sizes differ by orders of magnitude."""
    rng = np.random.default_rng(0)
    n, p = 120, 300
    X = (rng.random((n, p)) < rng.beta(0.3, 3.0, p)) * np.exp(1.5 * rng.normal(size=(n, 1)))
    y = (X @ rng.normal(size=p) / 3.0 + rng.logistic(size=n) > 0.0).astype(float)
    fit = fit_of(Logistic(alpha=0.3, standardise="none"), X, y)
    found = leave_one_out(fit)
    q, w = found.leverage[:, 0, 0], found.curvature[:, 0, 0]
    assert np.mean(w / (1.0 + w * q)) * q.mean() > 1.0
    assert 1.0 <= aspect(fit, found) < np.inf
    assert np.isfinite(leakage(fit, ["sign"]).estimates).all()
