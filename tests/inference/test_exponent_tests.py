"""Slope = −I against slope = −r where they differ."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from qmis_stats import CodebookERM, GaussianMean, InputError, LinearRegression, Problem
from qmis_stats.exact import exact
from qmis_stats.inference.exponent_tests import exponent_against_indicator
from qmis_stats.inference.rates import fit_exponent, slope_test
from qmis_stats.simulate import tilted_series

SIZES = (25, 40, 60, 90, 130, 180)


def regression(gap, exponent=0.0):
    return Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [gap]], exponent=exponent))


@pytest.mark.parametrize("gap", [1.0, 4.0, 16.0])
def test_rates_in_closed_form(gap):
    problem = regression(gap)
    assert problem.exponent == pytest.approx(0.5 * math.log1p(gap**2 / 4.0), rel=1e-9)
    assert problem.indicator == pytest.approx(gap**2 / (4.0 * gap**2 + 8.0), rel=1e-12)


@pytest.mark.statistical
@pytest.mark.parametrize("gap", [2.0, 8.0])
def test_simulated_slopes_follow_the_exponent(gap):
    problem = regression(gap)
    s = tilted_series(problem, SIZES, replicates=4000, seed=3)
    fit = fit_exponent(s.n, s.log_delta, covariance=s.covariance, dof=s.dof, correction=2)
    found = exponent_against_indicator(fit, problem)
    assert found.exponent_pvalue > 1e-9
    assert found.indicator_pvalue < 1e-9
    assert (found.exponent_statistic, found.exponent_pvalue) == slope_test(fit, problem.exponent)
    assert found.power > 1.0 - 1e-12
    assert found.dof == 29.0
    assert list(found.to_frame()["rate"]) == [found.exponent, found.indicator]
    assert "t(29)" in str(found)


def test_power_with_known_errors_is_the_normal_formula():
    problem = regression(0.3)
    y = [exact(problem, n).log_delta for n in SIZES]
    found = exponent_against_indicator(fit_exponent(SIZES, y, np.full(6, 0.01)), problem, level=0.01)
    shift = (found.exponent - found.indicator) / found.fitted_std_error
    assert found.power == pytest.approx(norm.sf(norm.isf(0.005) - shift) + norm.cdf(-norm.isf(0.005) - shift))
    assert 0.0 < found.power < 1.0
    assert "Statistics are z" in found.summary()


@pytest.mark.statistical
@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_power_with_an_estimated_covariance_by_simulation(noise):
    """Exact without residual degrees of freedom, where the standard error does not depend on the fit."""
    problem, n = regression(1.0), np.array([60.0, 75.0, 90.0])
    rng = np.random.default_rng(7)
    truth = -problem.exponent * n - 0.5 * np.log(n)
    rejected, power = 0, []
    for _ in range(400):
        rows = noise * rng.normal(size=(12, 3))
        fit = fit_exponent(n, truth + noise * rng.normal(size=3), covariance=rows.T @ rows / 12, dof=12)
        rejected += exponent_against_indicator(fit, problem).indicator_pvalue < 0.05
    ideal = fit_exponent(n, truth, covariance=noise**2 * np.eye(3), dof=12)
    power = exponent_against_indicator(ideal, problem).power
    assert abs(rejected - 400 * power) < 6.0 * math.sqrt(400 * power * (1.0 - power))


def test_separated_needs_both():
    problem = regression(4.0)
    n = np.array(SIZES, dtype=float)
    for rate, separated in ((problem.exponent, True), (problem.indicator, False), (0.5, False)):
        fit = fit_exponent(n, -rate * n - 0.5 * np.log(n), np.full(6, 0.01))
        assert exponent_against_indicator(fit, problem).separated is separated


@pytest.mark.parametrize(
    ("problem", "level", "field"),
    [
        (Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]])), 0.05, "problem"),
        (regression(1.0, exponent=0.2), 0.05, "problem"),
        (regression(1.0), 0.0, "level"),
        (regression(1.0), 1.0, "level"),
    ],
)
def test_bad_input(problem, level, field):
    fit = fit_exponent(SIZES, -0.1 * np.array(SIZES), np.full(6, 0.01))
    with pytest.raises(InputError) as caught:
        exponent_against_indicator(fit, problem, level=level)
    assert caught.value.field == field
