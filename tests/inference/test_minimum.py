"""The smallest gap: screening keeps what may attain it, quantiles lie where they must, ties and extreme levels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from qmis_stats import indicator
from qmis_stats.inference.gap_intervals import gap_interval
from qmis_stats.inference.losses import Losses
from qmis_stats.inference.minimum import SCREENING_SHARE, bootstrap_quantile, near_minimum
from qmis_stats.inference.moments import gaps


def losses_with(gap_values, seed, points=600, correlation=0.0):
    rng = np.random.default_rng(seed)
    base, common = rng.exponential(size=(2, points))
    own = rng.normal(size=(len(gap_values), points))
    noise = np.sqrt(correlation) * (common - 1.0) + np.sqrt(1.0 - correlation) * own
    return np.vstack([base, base + np.asarray(gap_values)[:, None] + noise])


def near_of(losses, draws=400, **options):
    entry = Losses("q", losses)
    found = gaps(entry)
    return near_minimum(entry, found, draws=draws, seed=1, **options), found


def standardised(x):
    return (x - x.mean()) / x.std(ddof=1)


def paired_error(x, y):
    """Standard error of the difference of two standardised gaps, from their influence functions by hand."""
    parts = []
    for v in (x, y):
        z = (v - v.mean()) / v.std()
        parts.append(z - 0.5 * v.mean() / v.std(ddof=1) * (z**2 - 1.0))
    return np.sqrt(np.mean((parts[0] - parts[1]) ** 2) / x.size)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0.0, 0.9))
def test_screening_never_loses_the_smallest(seed, rivals, correlation):
    gap_values = np.random.default_rng(seed).uniform(0.2, 1.5, rivals)
    near, found = near_of(losses_with(gap_values, seed, 200, correlation), draws=200)
    assert int(np.argmin(found.s)) in near.places
    assert near.minimum == np.min(found.s)
    assert np.array_equal(near.statistics.s, found.s[near.places])


@pytest.mark.parametrize("seed", range(4))
def test_screening_by_force(seed):
    """What is kept: differences to the smallest within the Bonferroni quantile of their paired error."""
    losses = losses_with([0.3, 0.32, 0.45, 0.5, 0.55, 1.0], seed, 800, 0.5)
    near, found = near_of(losses)
    x = losses[found.rivals] - losses[found.best]
    s = x.mean(axis=1) / x.std(axis=1, ddof=1)
    quantile = norm.isf(SCREENING_SHARE / len(x))
    smallest = int(np.argmin(s))
    expected = [
        k for k in range(len(x)) if k == smallest or s[k] - s[smallest] <= quantile * paired_error(x[k], x[smallest])
    ]
    assert near.places.tolist() == expected
    assert len(expected) < len(x)


def test_smaller_shares_keep_more_and_are_charged():
    losses = losses_with(np.linspace(0.3, 0.6, 20), 5, 900)
    loose, strict = near_of(losses, share=1e-6)[0], near_of(losses, share=0.02)[0]
    assert set(strict.places) < set(loose.places)
    assert (loose.share, strict.share) == (1e-6, 0.02)
    assert near_of(losses[:2])[0].share == 0.0


def test_upper_quantile_between_pointwise_and_bonferroni():
    for correlation in (0.0, 0.5, 0.99):
        near, _ = near_of(losses_with(np.full(15, 0.4), 3, 1500, correlation), draws=20_000)
        quantile = near.upper_quantile(0.025)
        count = len(near.places)
        assert norm.isf(0.025) <= quantile <= norm.isf(0.025 / count) + 0.12
        if correlation == 0.0:
            assert quantile > norm.isf(0.025) + 0.4  # the control: many nearly independent rivals cost something


def test_upper_quantile_against_draws_by_numpy():
    losses = losses_with([0.40, 0.42, 0.44], 7, 1000)
    near, found = near_of(losses, draws=40_000)
    x = losses[found.rivals[near.places]] - losses[found.best]
    z = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    psi = z - 0.5 * (x.mean(axis=1) / x.std(axis=1, ddof=1))[:, None] * (z**2 - 1.0)
    assert near.draws @ near.draws.T / 40_000 == pytest.approx(
        psi @ psi.T / 1000**2, abs=6.0 * 1.1e-3 * np.sqrt(2.0 / 40_000)
    )
    signs = np.random.default_rng(8).choice([-1.0, 1.0], (20_000, 1000))
    own = signs @ psi.T / 1000
    expected = np.quantile(np.max(-own / own.std(axis=0), axis=1), 0.975)
    assert near.upper_quantile(0.025) == pytest.approx(expected, abs=0.06)


def test_one_rival_is_the_adjusted_interval():
    losses = losses_with([0.35], 9)
    near, _ = near_of(losses)
    expected = gap_interval(losses[1] - losses[0], 0.9)
    assert near.interval(0.9) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert near.interval(0.9) != pytest.approx((expected.low, expected.high + 1e-3), rel=1e-6)
    low, high = indicator(losses).conf_int(0.9)
    assert (low, high) == pytest.approx(expected.rate_interval, rel=1e-12)


def test_the_share_comes_off_the_level():
    """Limits of the nearest of two distant rivals are those of one rival at the level plus the share."""
    losses = losses_with([0.3, 2.0], 10, 2000)
    near, _ = near_of(losses)
    assert near.places.tolist() == [0]
    expected = gap_interval(losses[1] - losses[0], 0.95 + SCREENING_SHARE)
    assert near.interval(0.95) == pytest.approx((expected.low, expected.high), rel=1e-9)


@pytest.mark.parametrize("level", [0.999, 0.9995, 0.999999])
def test_levels_that_the_share_uses_up(level):
    near, _ = near_of(losses_with([0.3, 0.31], 11))
    assert near.interval(level) == (-np.inf, np.inf)
    assert indicator(losses_with([0.3, 0.31], 11)).conf_int(level) == (0.0, np.inf)


@pytest.mark.parametrize(
    ("size", "tail", "place"), [(19, 0.05, 19), (18, 0.05, None), (199, 0.025, 195), (999, 0.1, 900), (1, 0.5, 1)]
)
def test_bootstrap_quantile(size, tail, place):
    values = np.random.default_rng(size).permutation(np.arange(1.0, size + 1.0))
    assert bootstrap_quantile(values, tail) == (np.inf if place is None else place)


@pytest.mark.statistical
def test_bootstrap_quantile_is_exceeded_at_most_at_its_tail():
    """A further draw of the same law exceeds it with probability at most the tail, exactly; one place lower fails."""
    rng = np.random.default_rng(12)
    runs, tail = 40_000, 0.1
    draws = rng.random((runs, 20))
    quantiles = np.sort(draws[:, :19], axis=1)[:, 17]
    assert np.array_equal(quantiles[:50], [bootstrap_quantile(row, tail) for row in draws[:50, :19]])
    exceeded = int(np.sum(draws[:, 19] > quantiles))
    assert binom.sf(exceeded - 1, runs, tail) > 1e-9
    lower = int(np.sum(draws[:, 19] > np.sort(draws[:, :19], axis=1)[:, 16]))
    assert binom.sf(lower - 1, runs, tail) < 1e-9


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_near_ties_start_at_zero(level):
    rng = np.random.default_rng(13)
    base, noise = rng.exponential(size=(2, 400))
    noise = standardised(noise)
    near_tie = indicator([base, base + noise + 1.5 / 20.0])  # s √N = 1.5
    assert near_tie.near_ties == (1,)
    assert near_tie.conf_int(level)[0] == 0.0
    clear = indicator([base, base + noise + 4.0 / 20.0])
    assert clear.near_ties == ()
    assert clear.conf_int(level)[0] > 0.0


@pytest.mark.statistical
@pytest.mark.parametrize("gap", [0.0, pytest.param(0.02, marks=pytest.mark.long), 0.06])
def test_two_candidates_near_a_tie_are_covered(gap):
    """At least 95 % at any distance from the tie, though the wrong one may look best; a one-sided claim would fail."""
    rng = np.random.default_rng(14)
    runs, missed, wrong = 600, 0, 0
    for _ in range(runs):
        base = rng.exponential(size=400)
        found = indicator([base, base + rng.normal(gap, 1.0, 400)], draws=199)
        low, high = found.conf_int()
        missed += not low <= 0.5 * gap**2 <= high
        wrong += found.gaps.best == 1
    assert binom.sf(missed - 1, runs, 0.05) > 1e-9
    assert binom.sf(wrong - 1, runs, 0.05) < 1e-9  # the wrong candidate does look best


def test_best_row_of_a_part_of_the_codebook():
    """Fewer rivals cannot lower the minimum while the best stays; without the best they can."""
    losses = losses_with([0.3, 0.35, 0.9, 0.95], 15)
    whole = indicator(losses).indicator
    assert indicator(losses[[0, 2, 3]]).indicator >= whole
    assert indicator(losses[[0, 2, 4]]).distinct == 3
    assert indicator(losses[[3, 4]]).indicator < whole
