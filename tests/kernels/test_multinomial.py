"""Binomial inversion and multinomial counts against exact probabilities."""

from __future__ import annotations

from itertools import product
from math import comb

import mpmath
import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend
from qmis_kernels.binomial import binomial_probability, search, value_after
from qmis_kernels.reference import binomial as reference


def alone(n: int, p: float, u: float) -> int:
    """Return the number of a search that knows nothing."""
    return value_after(search(n, p, 1.0 - p, u, np.empty((1, 1)), np.zeros((1, 3)), 0), n, p, 1.0 - p)


SMALLEST, LARGEST = 2.0**-53, 1.0 - 2.0**-53


@pytest.mark.parametrize("n", [1, 2, 7, 16, 40, 1000, 10_000_000])
@pytest.mark.parametrize("p", [1e-12, 1e-7, 0.003, 0.1, 0.4, 0.5])
def test_probability_of_the_mode(n: int, p: float) -> None:
    mode = min(int((n + 1) * p), n)
    with mpmath.workdps(40):
        exact = mpmath.binomial(n, mode) * mpmath.mpf(p) ** mode * (1 - mpmath.mpf(p)) ** (n - mode)
        assert abs(binomial_probability(n, mode, p, 1.0 - p) / exact - 1) < 1e-13


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("p", [0.01, 0.2, 0.5, 0.73, 0.999])
def test_each_value_gets_its_share_of_the_unit_interval(n: int, p: float) -> None:
    size = 4001
    values = [alone(n, p, (i + 0.5) / size) for i in range(size)]
    shares = np.bincount(values, minlength=n + 1)
    exact = np.array([comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(n + 1)])
    assert np.abs(shares - size * exact).max() <= 1.0 + 1e-9


@pytest.mark.parametrize("n", [1, 2, 100, 10_000_000, 2**40])
@pytest.mark.parametrize("p", [5e-324, 1e-300, 1e-15, 1e-6, 0.5, 1.0 - 1e-6, 1.0 - 2.0**-53])
@pytest.mark.parametrize("u", [SMALLEST, 0.5, LARGEST])
def test_extreme_arguments_stay_in_range(n: int, p: float, u: float) -> None:
    value = alone(n, p, u)
    assert 0 <= value <= n
    deviation = np.sqrt(n * p * (1.0 - p))
    assert abs(value - n * p) <= 40.0 * (1.0 + deviation)


@pytest.mark.parametrize("room", [1, 2, 16, 400])
@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (7, 0.2), (40, 0.97), (300, 0.5), (300, 0.01)])
def test_what_a_search_remembers_changes_no_number(n: int, p: float, room: int) -> None:
    sums, states = np.empty((1, room)), np.zeros((1, 3))
    for u in [LARGEST, SMALLEST, *np.random.default_rng(room).random(300), LARGEST]:
        known = sums[0, : int(states[0, 0])].copy()
        value = value_after(search(n, p, 1.0 - p, u, sums, states, 0), n, p, 1.0 - p)
        if known.size and u < known[-1]:
            value = value_after(int(np.sum(known <= u)), n, p, 1.0 - p)
        assert value == alone(n, p, u)
        np.testing.assert_array_equal(sums[0, : known.size], known)
    assert 1 <= states[0, 0] <= room


@pytest.mark.parametrize(("trials", "p"), [(3, [0.3, 0.3, 0.4]), (200, [0.2, 0.5, 0.0, 0.3]), (4000, [0.97, 0.03])])
def test_many_replicates_have_the_bits_of_the_reference(trials: int, p: list[float]) -> None:
    """Most searches find what others have added up; sizes that share a place push each other out."""
    call = ((5, 0), 0, 0, 3000, trials, p)
    np.testing.assert_array_equal(backend().multinomial_sums(*call), backend("reference").multinomial_sums(*call))


def outcomes(trials: int, cells: int) -> np.ndarray:
    return np.array([c for c in product(range(trials + 1), repeat=cells) if sum(c) == trials])


@pytest.mark.statistical
def test_counts_follow_the_exact_law(alpha: float) -> None:
    trials, p = 6, np.array([0.5, 0.2, 0.3])
    values = outcomes(trials, 3)
    exact = stats.multinomial.pmf(values, trials, p)

    def p_value(counts: np.ndarray) -> float:
        code = counts @ [49, 7, 1]
        observed = [(code == v @ [49, 7, 1]).sum() for v in values]
        return stats.chisquare(observed, exact * len(counts)).pvalue

    counts = backend().multinomial_sums((1, 0), 0, 0, 100_000, trials, p)
    assert p_value(counts) > alpha
    wrong = counts.copy()  # negative control: the second binomial ignores that the first category is gone
    rest = trials - counts[:, 0]
    wrong[:, 1] = np.random.default_rng(0).binomial(rest, p[1])
    wrong[:, 2] = rest - wrong[:, 1]
    assert p_value(wrong) < alpha


@pytest.mark.statistical
@pytest.mark.parametrize(("trials", "p"), [(300, 0.02), (10_000, 0.4), (10_000_000, 0.3), (10_000_000, 0.999)])
def test_large_binomials_by_their_distribution_function(trials: int, p: float, alpha: float) -> None:
    """A uniform number between P(X < x) and P(X <= x) is uniform exactly when X has the law."""
    table = backend()
    counts = table.multinomial_sums((2, 0), 0, 0, 20_000, trials, [p, 1.0 - p])[:, 0]
    v = table.uniforms((2, 1), 0, 0, 20_000, 1)[:, 0]

    def p_value(x: np.ndarray) -> float:
        below, upto = stats.binom.cdf(x - 1, trials, p), stats.binom.cdf(x, trials, p)
        return stats.kstest(below + v * (upto - below), "uniform").pvalue

    assert p_value(counts) > alpha
    assert p_value(counts + max(1, int(0.1 * np.sqrt(trials * p * (1 - p))))) < alpha


@pytest.mark.parametrize(
    ("trials", "p"),
    [
        (0, [0.5, 0.5]),
        (9, [0.0, 1.0, 0.0]),
        (9, [1.0]),
        (9, [0.0, 0.3, 0.0, 0.7, 0.0]),
        (10**7, [1e-300, 1.0, 1e-300]),
        (10**7, [0.1] * 10),
        (50, [3.0, 1.0]),
    ],
)
def test_counts_sum_to_the_trials_and_spare_impossible_cells(trials: int, p: list[float]) -> None:
    counts = backend().multinomial_sums((3, 0), 1, 0, 200, trials, p)
    assert counts.dtype == np.int64
    assert (counts >= 0).all()
    assert (counts.sum(axis=1) == trials).all()
    assert (counts[:, np.array(p) == 0.0] == 0).all()


@pytest.mark.parametrize(("n", "p"), [(40, 0.3), (1000, 0.02), (10**7, 0.5)])
def test_the_reference_has_the_bits_of_every_probability(n: int, p: float) -> None:
    """Counts alone would hide what is wrong by less than the distance between two uniforms."""
    x = np.unique(np.clip(np.round(n * p + np.linspace(-6.0, 6.0, 60) * np.sqrt(n * p)), 0, n).astype(np.int64))
    found = reference._binomial_probability(np.full(x.size, n), x, np.full(x.size, p), np.full(x.size, 1.0 - p))
    np.testing.assert_array_equal(found, [binomial_probability(n, int(k), p, 1.0 - p) for k in x])
