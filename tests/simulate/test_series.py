"""Estimates at several n: common numbers, their covariance, and what it does to a slope."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import f as f_law

from qmis_stats import (
    CodebookERM,
    DomainError,
    FiniteLaw,
    GaussianMean,
    InputError,
    LinearRegression,
    LossTable,
    Problem,
)
from qmis_stats.exact import exact
from qmis_stats.inference.rates import fit_exponent, lack_of_fit, slope_test
from qmis_stats.simulate import tilted, tilted_series

pytestmark = pytest.mark.grid(2)

GAUSS = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
REGRESSION = Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [2.0]]))
COIN = Problem(FiniteLaw(["3/5", "2/5"]), LossTable([[0, 1], [1, 0]]))
SIZES = (60, 100, 150, 220, 300, 400)
T = 8.0  # Student's law with 31 degrees of freedom: 5e-9


def scores(series, problem):
    truth = np.array([exact(problem, int(n)).log_delta for n in series.n])
    return (series.log_delta - truth) / series.std_error


@pytest.mark.statistical
@pytest.mark.parametrize("problem", [GAUSS, REGRESSION])
@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize("sampling", ["sobol", pytest.param("random", marks=pytest.mark.long)])
def test_estimates_agree_with_the_oracle(problem, common, sampling):
    replicates = 4000 if sampling == "sobol" else 128_000
    found = tilted_series(problem, SIZES, replicates=replicates, seed=1, sampling=sampling, common=common)
    assert found.in_domain, found.domain
    assert found.dof == 31
    assert np.all(np.abs(scores(found, problem)) < T)
    assert np.all(np.abs(scores(found, problem) + 0.5 / found.std_error) > T)  # 50 % off is seen
    off = found.correlation[np.triu_indices(6, 1)]
    assert off.min() > 0.4 if common else np.max(np.abs(off)) < 0.8


def test_separate_numbers_at_one_n_are_those_of_one_result():
    """The estimate has the law of `tilted`'s, from other numbers; its standard error is computed alike."""
    one = tilted_series(GAUSS, (100,), replicates=4000, seed=5)
    result = tilted(GAUSS, 100, replicates=4000, seed=5)
    assert one.covariance.shape == (1, 1)
    assert one.std_error[0] == pytest.approx(result.std_error, rel=1.0)
    assert abs(one.log_delta[0] - result.log_delta) < T * math.hypot(one.std_error[0], result.std_error)
    assert one.log_delta[0] != result.log_delta


def test_reproducible_and_seeded():
    first, second = (tilted_series(GAUSS, (50, 100), replicates=4000, seed=2) for _ in range(2))
    assert np.array_equal(first.log_delta, second.log_delta)
    assert np.array_equal(first.covariance, second.covariance)
    assert tilted_series(GAUSS, (50, 100), replicates=4000, seed=3).log_delta[0] != first.log_delta[0]
    assert list(first.to_frame().columns) == ["n", "log_delta", "std_error"]


@pytest.mark.long
@pytest.mark.statistical
def test_random_sums_correlate_as_computed():
    """Sums alone would give 2(nn')^¼/(√n + √n'), 0.93 and 0.82 here; the fresh points, all shared, add to it."""
    found = [
        tilted_series(GAUSS, (50, 200, 800), replicates=64_000, seed=s, sampling="random", batches=64) for s in range(6)
    ]
    z = np.arctanh(np.mean([s.correlation[0, 1:] for s in found], axis=0))
    computed = np.array([2.0 * k**0.25 / (1.0 + math.sqrt(k)) for k in (4, 16)])
    assert computed == pytest.approx([0.943, 0.8], abs=1e-3)
    assert np.all(z - np.arctanh(computed) > -6.0 / math.sqrt(6 * 61))
    separate = tilted_series(
        GAUSS, (50, 200, 800), replicates=64_000, seed=0, sampling="random", batches=64, common=False
    )
    assert np.all(np.abs(np.arctanh(separate.correlation[0, 1:])) < 6.0 / math.sqrt(61))


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("problem", "least", "seeds"),
    [
        (GAUSS, 10.0, 40),
        pytest.param(GAUSS, 10.0, 120, marks=pytest.mark.long),
        pytest.param(REGRESSION, 4.0, 120, marks=pytest.mark.long),
    ],
)
def test_slope_gains_and_its_interval_is_honest(problem, least, seeds):
    """Student's intervals cover 95 % over the seeds, and common numbers divide the variance."""
    slopes = {True: [], False: []}
    for common in (True, False):
        covered = naive = 0
        p_form = []
        for seed in range(seeds):
            s = tilted_series(problem, SIZES, replicates=4000, seed=seed, common=common)
            fit = fit_exponent(s.n, s.log_delta, covariance=s.covariance, dof=s.dof, correction=2)
            slopes[common].append(fit.params[1])
            covered += slope_test(fit, problem.exponent)[1] >= 0.05
            p_form.append(lack_of_fit(fit).pvalue)
            wrong = fit_exponent(s.n, s.log_delta, covariance=s.covariance, dof=s.dof, prefactor=False)
            naive += slope_test(wrong, problem.exponent)[1] >= 0.05
        assert binomtest(covered, seeds, 0.95).pvalue > 1e-9
        assert binomtest(naive, seeds, 0.95).pvalue < 1e-9
        assert binomtest(sum(p < 0.05 for p in p_form), seeds, 0.05).pvalue > 1e-9
    ratio = np.var(slopes[False], ddof=1) / np.var(slopes[True], ddof=1)
    assert f_law.cdf(ratio / least, seeds - 1, seeds - 1) > 1e-9
    assert f_law.sf(ratio, seeds - 1, seeds - 1) < 1e-9


def test_laws_without_nets_use_batches():
    found = tilted_series(COIN, (51, 101, 151), replicates=10_000, seed=1, batches=16)
    assert found.dof == 15
    assert np.all(np.abs(scores(found, COIN)) < 12.0)
    with pytest.raises(DomainError):
        tilted_series(COIN, (51, 101), sampling="sobol")


def test_doubts_are_passed_on():
    found = tilted_series(COIN, (51, 101), replicates=1000, seed=1, batches=10)
    assert not found.in_domain
    assert found.domain.startswith("n = 51: ")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"n": ()}, "n"),
        ({"n": (100, 50)}, "n"),
        ({"n": (100, 100)}, "n"),
        ({"n": tuple(range(10, 43))}, "n"),
        ({"n": (1, 100)}, "n"),
        ({"n": (50, 100), "batches": 4}, "batches"),
        ({"n": (50, 100), "batches": 8.0}, "batches"),
        ({"n": (50, 100), "sampling": "halton"}, "sampling"),
        ({"n": (50, 100), "seed": -1}, "seed"),
    ],
)
def test_bad_input(options, field):
    with pytest.raises(InputError) as caught:
        tilted_series(GAUSS, options.pop("n"), **options)
    assert caught.value.field == field


def test_nothing_leaks():
    with pytest.raises(InputError):
        tilted_series(Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0]])), (50, 100))
