"""The empirical Chernoff exponent: against minimisation in 40 digits, its bias by simulation, and its domain."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmis_stats import InputError
from qmis_stats.inference.chernoff import ChernoffEstimate, empirical_chernoff, smallest_chernoff
from qmis_stats.inference.losses import Losses
from qmis_stats.inference.moments import gaps

RNG = np.random.default_rng(31)


def by_mpmath(x):
    """Exponent and tilt from the zero of the tilted mean, by bisection in 40 digits."""
    with mpmath.workdps(40):
        x = [mpmath.mpf(float(v)) for v in x]

        def slope(tilt):
            return mpmath.fsum(v * mpmath.exp(-tilt * v) for v in x)

        low, high = mpmath.mpf(0), mpmath.mpf(1)
        while slope(high) > 0:
            high *= 2
        for _ in range(120):
            middle = (low + high) / 2
            low, high = (middle, high) if slope(middle) > 0 else (low, middle)
        return float(-mpmath.log(mpmath.fsum(mpmath.exp(-low * v) for v in x) / len(x))), float(low)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-30, 60), min_size=10, max_size=25), st.integers(-8, 8))
def test_against_forty_digits(values, power):
    x = np.array(values) * 2.0**power
    if np.ptp(x) == 0.0 or x.mean() <= 0.0 or x.min() >= 0.0:
        return
    found = empirical_chernoff(x)
    exponent, tilt = by_mpmath(x)
    assert found.exponent == pytest.approx(exponent, rel=1e-9, abs=1e-14)
    assert found.tilt == pytest.approx(tilt, rel=1e-8)
    assert found.exponent <= math.log(x.size) + 1e-12


def test_two_values_in_closed_form():
    """P(X = -1) = p: I = -log(2√(p(1 - p))) and the tilt is ½ log((1 - p)/p)."""
    x = np.repeat([1.0, -1.0], [80, 20])
    found = empirical_chernoff(x)
    assert found.exponent == pytest.approx(-math.log(2.0 * math.sqrt(0.8 * 0.2)), rel=1e-12)
    assert found.tilt == pytest.approx(0.5 * math.log(4.0), rel=1e-10)
    w = np.exp(-found.tilt * x)
    assert found.effective_points == pytest.approx(w.sum() ** 2 / (w @ w), rel=1e-9)
    assert found.std_error == pytest.approx(w.std() / w.mean() / 10.0, rel=1e-9)


@pytest.mark.statistical
def test_bias_and_standard_error_by_simulation():
    """Normal increments with s = 1, I = ½; the linear part of the error, of mean zero, is taken off first: |z| < 6."""
    runs, points = 3000, 1000
    draws = RNG.normal(1.0, 1.0, (runs, points))
    found = [empirical_chernoff(x) for x in draws]
    plain, corrected = (np.array([getattr(f, name) for f in found]) for name in ("exponent", "corrected"))
    linear = 1.0 - np.exp(0.5 - draws).mean(axis=1)
    error = (plain - linear).std() / math.sqrt(runs)
    # By the formula with m = e^(-1/2), Ew² = 1 and E[x²w²] = 2: (e - 1 + 2e)/(2N).
    bias = (3.0 * math.e - 1.0) / (2.0 * points)
    assert error < 0.05 * bias
    assert abs((plain - linear).mean() - 0.5 - bias) < 6.0 * error
    assert abs((plain - linear).mean() - 0.5 - (math.e - 1.0) / (2.0 * points)) > 6.0 * error  # without the second term
    assert abs((corrected - linear).mean() - 0.5) < 6.0 * error
    formula = math.sqrt((math.e - 1.0) / points)
    assert plain.std() == pytest.approx(formula, rel=6.0 / math.sqrt(2.0 * runs) + 0.03)
    inside = np.mean([f.interval()[0] <= 0.5 <= f.interval()[1] for f in found])
    assert 0.92 < inside < 0.97


def test_domain():
    easy = empirical_chernoff(RNG.normal(0.3, 1.0, 5000))
    assert easy.in_domain
    assert easy.corrected < easy.exponent
    hard = empirical_chernoff(RNG.normal(4.0, 1.0, 5000))  # I = 8 and log N = 8.5
    assert not hard.in_domain
    assert hard.effective_points < 50.0


def test_increments_that_are_never_negative():
    positive = empirical_chernoff(RNG.exponential(size=50) + 0.1)
    assert (positive.exponent, positive.in_domain, positive.interval()) == (math.inf, False, (0.0, math.inf))
    zeros = empirical_chernoff(np.repeat([0.0, 1.0], [5, 45]))
    assert zeros.exponent == pytest.approx(math.log(10.0))
    assert not zeros.in_domain


def test_a_mean_that_is_not_positive_has_exponent_zero():
    assert empirical_chernoff(np.array([-1.0, 1.0, -2.0])).exponent == 0.0
    assert empirical_chernoff(np.array([-1.0, 1.0])).exponent == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_means_that_are_zero_to_rounding(seed):
    """Ties leave a mean of either sign near 1e-18, and sums of other orders disagree on the sign."""
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=1000 + seed)
    found = empirical_chernoff(x - rng.permutation(x))
    assert found.exponent == pytest.approx(0.0, abs=1e-15)
    entry = Losses("q", np.vstack([x, rng.permutation(x)]))
    assert smallest_chernoff(entry, gaps(entry)).exponent == pytest.approx(0.0, abs=1e-15)


def test_interval_starts_at_zero():
    found = ChernoffEstimate(0.01, 0.005, 0.01, 1.0, 100.0, True)
    assert found.interval()[0] == 0.0
    assert found.interval(0.99)[1] > found.interval()[1]


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0] * 12, "not all the same"), ([1.0, np.inf], "finite"), ([[1.0, 2.0]], r"of shape \(N,\)"), ([], "array")],
)
def test_bad_input(values, message):
    with pytest.raises(InputError, match=message):
        empirical_chernoff(values)


def skewed_losses(seed, rivals=8, points=6000):
    rng = np.random.default_rng(seed)
    base = rng.exponential(size=points)
    gap = rng.uniform(0.2, 0.6, rivals)[:, None]
    noise = np.where(rng.random((rivals, 1)) < 0.5, -1.0, 1.0) * (rng.exponential(size=(rivals, points)) - 1.0)
    return np.vstack([base, base + gap + noise])


@pytest.mark.parametrize("seed", range(6))
def test_pruning_finds_the_smallest_of_all(seed):
    losses = Losses("q", skewed_losses(seed))
    found = gaps(losses)
    matrix = np.hstack(list(losses.blocks()))
    every = {int(row): empirical_chernoff(matrix[row] - matrix[found.best]).exponent for row in found.rivals}
    smallest = smallest_chernoff(losses, found)
    assert smallest.exponent == min(every.values())
    assert smallest.rival == min(every, key=every.__getitem__)


def test_the_indicator_and_the_exponent_choose_different_rivals():
    """A right tail makes r small and I large: a control that pruning by r alone would fail."""
    rng = np.random.default_rng(7)
    base = rng.exponential(size=20_000)
    losses = np.vstack(
        [base, base + rng.exponential(size=20_000) - 0.5, base + 0.55 - (rng.exponential(size=20_000) - 1.0)]
    )
    entry = Losses("q", losses)
    found = gaps(entry)
    assert found.rivals[np.argmin(found.s)] == 1
    assert smallest_chernoff(entry, found).rival == 2


def test_all_increments_positive_for_all_rivals():
    base = RNG.exponential(size=100)
    entry = Losses("q", np.vstack([base, base + RNG.random((2, 100)) + 0.1]))
    found = smallest_chernoff(entry, gaps(entry))
    assert found.exponent == math.inf
    assert not found.in_domain
