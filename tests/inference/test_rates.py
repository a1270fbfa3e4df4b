"""Rate regressions: recovered slopes, known covariance, refusals."""

import math

import numpy as np
import pytest
from scipy.stats import chi2

from qmis_stats import CodebookERM, GaussianMean, InputError, MISResult, Problem
from qmis_stats.exact import exact
from qmis_stats.inference.rates import fit_exponent, fit_power, lack_of_fit, series, slope_interval, slope_test
from qmis_stats.simulate import conditional

N = np.array([100.0, 150.0, 220.0, 330.0, 500.0])


def test_slope_and_naive_slope_on_exact_values():
    problem = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    values = np.array([exact(problem, int(n)).log_delta for n in N])
    errors = np.full(N.size, 1e-4)
    fit = fit_exponent(N, values, errors)
    assert fit.params[1] == pytest.approx(-0.125, abs=1e-7)
    assert type(fit).__name__ == "RegressionResultsWrapper"
    naive = fit_exponent(N, values, errors, prefactor=False)
    low, high = slope_interval(naive)
    assert not low <= -0.125 <= high
    assert slope_test(naive, 0.125)[1] < 1e-9


@pytest.mark.statistical
def test_known_covariance_gives_known_standard_errors():
    """Simulated errors with a known covariance: z-scores of the slope have χ² within 1e-9 limits."""
    rng = np.random.default_rng(2)
    root = 0.02 * np.tril(np.ones((5, 5)))
    covariance = root @ root.T
    scores = []
    for _ in range(200):
        response = 1.0 - 0.1 * N - 0.5 * np.log(N) + root @ rng.normal(size=5)
        fit = fit_exponent(N, response, covariance=covariance, correction=False)
        scores.append((fit.params[1] + 0.1) / fit.bse[1])
    assert 1e-9 < chi2.sf(np.sum(np.square(scores)), 200) < 1 - 1e-9


def test_lack_of_fit_sees_a_wrong_form():
    right = 1.0 - 0.1 * N - 0.5 * np.log(N)
    good = lack_of_fit(fit_exponent(N, right, np.full(5, 0.01)))
    bad = lack_of_fit(fit_exponent(N, right + 1e-5 * (N - 250) ** 2, np.full(5, 0.01)))
    assert good.df == 2
    assert good.pvalue == pytest.approx(1.0)
    assert bad.pvalue < 1e-9
    assert lack_of_fit(fit_exponent(N[:3], right[:3], np.full(3, 0.01))).pvalue == 1.0


def test_power_at_the_critical_scale():
    fit = fit_power(N, -0.5 * np.log(N) - 1.0 + 2.0 / N, np.full(5, 0.01))
    assert fit.params[1] == pytest.approx(-0.5, abs=1e-9)


def test_series_of_results():
    problem = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    n, log_delta, errors = series([conditional(problem, int(n), replicates=500, backend="reference") for n in N])
    assert np.array_equal(n, N)
    assert np.all(errors > 0)
    assert abs(slope_test(fit_exponent(n, log_delta, errors), 0.125)[0]) < 6
    with pytest.raises(InputError, match="Monte Carlo"):
        series([exact(problem, 10)])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"n": N, "log_delta": N[:3], "std_error": N}, "log_delta"),
        ({"n": N, "log_delta": -N}, "std_error"),
        ({"n": N, "log_delta": -N, "std_error": -N}, "std_error"),
        ({"n": N, "log_delta": -N, "std_error": N, "covariance": np.eye(5)}, "std_error"),
        ({"n": N, "log_delta": -N, "covariance": -np.eye(5)}, "covariance"),
        ({"n": N, "log_delta": -N, "covariance": np.eye(4)}, "covariance"),
        ({"n": N[:2], "log_delta": -N[:2], "std_error": N[:2]}, "n"),
        ({"n": N, "log_delta": np.full(5, math.nan), "std_error": N}, "log_delta"),
    ],
)
def test_bad_input(arguments, field):
    with pytest.raises(InputError) as caught:
        fit_exponent(**arguments)
    assert caught.value.field == field


def test_series_enlarges_errors_with_few_degrees_of_freedom():
    """To the standard deviation of Student's law; normal errors are left alone."""
    plain = MISResult("tilted", 10, -1.0, 0.1)
    few = MISResult("tilted", 20, -2.0, 0.1, dof=31)
    assert series([plain, few])[2] == pytest.approx([0.1, 0.1 * math.sqrt(31 / 29)])
    with pytest.raises(InputError):
        series([MISResult("tilted", 20, -2.0, 0.1, dof=2)])
