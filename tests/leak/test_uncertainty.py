"""Errors of what all points share (S17)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import chi2, linregress
from sklearn.linear_model import LogisticRegression

from qmis_stats.leak import Fit, fit_from
from qmis_stats.leak.leave_one_out import LeaveOneOut, leave_one_out
from qmis_stats.leak.retained import ReadOut, Scatter, cell_share, read_out, retained, scatter, share_covariance
from qmis_stats.quantizers.weights import quantizer

FITS = 500
ALARM = 1e-9
LARGEST_Z = 6.0


def least_squares(rng: np.random.Generator, n: int, beta: np.ndarray) -> tuple[Fit, LeaveOneOut]:
    X = rng.normal(size=(n, beta.size))
    y = X @ beta + rng.normal(size=n)
    fit = fit_from(X, y, np.linalg.lstsq(X, y)[0], "squared")
    return fit, leave_one_out(fit)


@pytest.mark.long
def test_the_scale_of_the_covariance_varies_as_it_says() -> None:
    """Least squares, d/n = 1/2: residuals have n − d degrees of freedom, and the scale varies by 1/(1 − φ) more."""
    d, n = 32, 64
    rng = np.random.default_rng(8)
    scales, stated, inflation = np.empty(FITS), np.empty(FITS), np.empty(FITS)
    for k in range(FITS):
        fit, found = least_squares(rng, n, np.zeros(d))
        scales[k], inflation[k] = np.log(found.variance.mean()), found.inflation
        stated[k] = scatter(fit, found).influence.errors[0]
    # The log of a scaled chi-square is a little wider than its first-order error.
    wider = 1.1
    spread, mean = scales.var(ddof=1) * (FITS - 1.0), float(np.mean(stated))
    assert chi2.cdf(spread / mean**2, FITS - 1) > ALARM
    assert chi2.sf(spread / (wider * mean) ** 2, FITS - 1) > ALARM
    plain = mean * np.sqrt(1.0 - inflation.mean())
    assert chi2.sf(spread / (wider * plain) ** 2, FITS - 1) < ALARM


@pytest.mark.parametrize(("n", "fits"), [(64, 250), *(pytest.param(n, 400, marks=pytest.mark.long) for n in (64, 128))])
def test_the_scale_beside_the_squared_residuals_varies_as_it_says(n: int, fits: int) -> None:
    """Least squares: figures without quantization depend on s² over the mean of r², which points of long reach move."""
    d = 32
    rng = np.random.default_rng(n)
    ratios, stated, whole = np.empty(fits), np.empty(fits), np.empty(fits)
    for k in range(fits):
        fit, found = least_squares(rng, n, np.zeros(d))
        ratios[k] = np.log(found.variance.mean() / np.mean((fit.y - found.value[:, 0]) ** 2))
        stated[k], whole[k] = found.relative.std() / np.sqrt(n), scatter(fit, found).influence.errors[0]
    spread = ratios.var(ddof=1) * (fits - 1.0)
    wider = 1.1
    assert chi2.cdf(spread / np.mean(stated) ** 2 * wider**2, fits - 1) > ALARM
    assert chi2.sf(spread / np.mean(stated) ** 2 / wider**2, fits - 1) > ALARM
    assert chi2.cdf(spread / np.mean(whole) ** 2 * wider**2, fits - 1) < ALARM


@pytest.mark.parametrize("laws", [100, pytest.param(150, marks=pytest.mark.long)])
def test_errors_of_the_share_of_a_sign_are_those_over_laws(laws: int) -> None:
    """Normal weights, known errors: which means lie near the threshold is chance, as the training set is."""
    d, n = 48, 192
    error = 1.0 / np.sqrt(n - d - 1.0)
    rng = np.random.default_rng(10)
    off, stated, fixed = np.empty(laws), np.empty(laws), np.empty(laws)
    for k in range(laws):
        beta = 0.2 * rng.normal(size=d)
        fit, left_out = least_squares(rng, n, beta)
        spread = scatter(fit, left_out)
        found = read_out(spread, retained(fit, spread, [quantizer("sign")], seed=k)[0])
        off[k] = found.share - cell_share(np.zeros(1), beta[None], np.full(d, error)).mean()
        stated[k] = np.sqrt(share_covariance([found])[0, 0])
        fixed[k] = np.sqrt(np.mean(found.varied[0] ** 2))
    spread_of = np.sum((off - off.mean()) ** 2)
    wider = 1.1
    assert chi2.cdf(spread_of / np.mean(stated**2) * wider**2, laws - 1) > ALARM
    assert chi2.sf(spread_of / np.mean(stated**2) / wider**2, laws - 1) > ALARM
    assert chi2.sf(spread_of / np.mean(fixed**2) / wider**2, laws - 1) < ALARM


@pytest.mark.statistical
def test_errors_of_shares_count_training_sets_and_what_the_means_happen_to_be() -> None:
    """Of two quantizers, with the parts known: estimates, ρ itself, and what an estimate misses on average."""
    draws = 40_000
    rng = np.random.default_rng(9)
    sizes = {"estimate": (0.03, 0.05), "truth": (0.02, 0.01), "missed": (0.04, 0.02)}
    first, second = (rng.normal(size=(2, draws)) * np.array(sizes["estimate"])[:, None] for _ in range(2))
    truth, again = (rng.normal(size=(2, draws)) * np.array(sizes["truth"])[:, None] for _ in range(2))
    common = rng.normal(size=draws)
    missed = np.array(sizes["missed"])[:, None] * common + 0.5 * (first + second - truth - again)
    nothing = np.zeros((3, 1, 1, 1))
    varied = ((first - second) / np.sqrt(2.0), (truth - again) / np.sqrt(2.0), missed - missed.mean(axis=1)[:, None])
    found = share_covariance(
        [ReadOut(0.5, np.array([part[q] for part in varied]), np.zeros(2), nothing, np.ones(3)) for q in (0, 1)]
    )
    between = np.outer(sizes["missed"], sizes["missed"])
    expected = np.diag(np.square(sizes["estimate"])) + between
    error = LARGEST_Z * 3.0 * np.max(expected) * np.sqrt(2.0 / draws)
    np.testing.assert_allclose(found, expected, atol=error)
    assert np.all(np.abs(between) > error)


@pytest.mark.parametrize(("d", "n", "ridge"), [(32, 96, 3.0), (48, 192, 1.0)])
def test_what_a_point_moves_of_what_all_share_is_how_much_it_varies(d: int, n: int, ridge: float) -> None:
    """Logistic fits: scale of C, leverages and length over training sets; gradients and curvatures alone miss them.

    With little penalty gradients, curvatures and the scale move each other.

    Estimated means are shorter than the true ones and lie beside them, so that the length is stated somewhat too wide.
    """
    fits = 250
    rng = np.random.default_rng(11)
    beta = 1.5 * rng.normal(size=d) / np.sqrt(d)
    weights, logs, stated = np.empty((fits, d)), np.empty((fits, 2)), np.empty((fits, 3))
    alone, pairs, follows = np.empty(fits), np.empty((fits, 2)), np.empty(fits)
    for k in range(fits):
        X = rng.normal(size=(n, d))
        y = (rng.random(n) < expit(X @ beta)).astype(float)
        model = LogisticRegression(C=1.0 / ridge, fit_intercept=False, tol=1e-8, max_iter=500).fit(X, y)
        fit = fit_from(X, y, model.coef_[0], "logistic", ridge)
        found = leave_one_out(fit)
        influence = scatter(fit, found).influence
        weights[k] = fit.weights[0]
        hessian = (X.T * found.curvature[:, 0, 0]) @ X + ridge * np.eye(d)
        logs[k] = np.log(found.variance.mean()), np.log(np.trace(np.linalg.inv(hessian)))
        stated[k] = influence.errors
        stiffness = found.curvature[:, 0, 0] / (1.0 + found.curvature[:, 0, 0] * found.leverage.mean())
        alone[k] = stiffness.std() / stiffness.mean() / np.sqrt(n)
        pairs[k] = [np.corrcoef(influence.leverage, one)[0, 1] for one in (influence.length, influence.scale)]
        follows[k] = influence.scale_per_length
    mean = weights.mean(axis=0)
    length = weights @ mean / (mean @ mean)
    seen = np.column_stack([logs, length])
    sums, errors = np.var(seen, axis=0, ddof=1) * (fits - 1.0), np.sqrt(np.mean(stated**2, axis=0))
    wider = 1.35
    assert np.all(chi2.cdf(sums / errors**2 * wider**2, fits - 1) > ALARM), (seen.std(axis=0), errors)
    assert np.all(chi2.sf(sums / errors**2 / wider**2, fits - 1) > ALARM), (seen.std(axis=0), errors)
    assert chi2.sf(sums[1] / np.mean(alone**2) / wider**2, fits - 1) < ALARM  # points enter the curvature: no more
    # By Fisher's z leverages go with the length, and with the scale, as much in one fit as over training sets.
    for stated_pair, one in zip(pairs.mean(axis=0), (length, logs[:, 0]), strict=True):
        apart = np.arctanh(np.corrcoef(logs[:, 1], one)[0, 1]) - np.arctanh(stated_pair)
        assert abs(apart) < LARGEST_Z / np.sqrt(fits - 3.0) + 0.3
    # So does the scatter of the weights about their mean, across it.
    across = np.log(np.sum((weights - np.outer(length, mean)) ** 2, axis=1))
    slope = linregress(np.log(length), across)
    assert abs(slope.slope - follows.mean()) < LARGEST_Z * slope.stderr
    assert ridge > 1.0 or slope.slope > LARGEST_Z * slope.stderr


def test_drawn_training_sets_have_the_length_of_their_means() -> None:
    """What a longer fit moves in ρ counts with the length of all points: draws leave it out, by as much as theory says.

    The share of the sign depends on the weights by their squared length: of its variance over draws a part of about
    aᵀCa/(aᵀCa + tr C²/2) is along the means a.
    """
    d, n = 48, 384
    rng = np.random.default_rng(12)
    beta = 2.0 * rng.normal(size=d) / np.sqrt(d)
    X = rng.normal(size=(n, d))
    y = (rng.random(n) < expit(X @ beta)).astype(float)
    model = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8, max_iter=500).fit(X, y)
    fit = fit_from(X, y, model.coef_[0], "logistic", 1.0)
    spread = scatter(fit, leave_one_out(fit))
    free = replace(spread, influence=replace(spread.influence, length=np.zeros(n)))
    held, whole = (np.mean([_variance_over_draws(fit, one, seed) for seed in range(6)]) for one in (spread, free))
    C = spread.covariance
    along = float(fit.weights[0] @ C @ fit.weights[0])
    part = along / (along + 0.5 * float(np.sum(C**2)))
    assert held < (1.0 - 0.5 * part) * whole
    assert held > 0.2 * whole


def _variance_over_draws(fit: Fit, spread: Scatter, seed: int) -> float:
    return float(np.mean(read_out(spread, retained(fit, spread, [quantizer("sign")], seed=seed)[0]).varied[0] ** 2))
