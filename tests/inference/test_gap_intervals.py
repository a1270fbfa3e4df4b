"""Intervals of one gap: exact noncentral t, the bootstrap of SciPy, the delta method by hand."""

import mpmath
import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, chi2

from qmis_stats import InputError
from qmis_stats.inference.gap_intervals import INTERVALS, GapInterval, _below, _below_by_nodes, gap_interval

RNG = np.random.default_rng(21)
SKEWED = RNG.exponential(size=400) - 0.6


def gap(x):
    return np.mean(x) / np.std(x, ddof=1)


def noncentral_t(statistic, dof, centre):
    """P(T ≤ statistic) by integration over the χ² in the denominator."""
    with mpmath.workdps(25):
        half = mpmath.mpf(dof) / 2

        def term(v):
            density = mpmath.exp((half - 1) * mpmath.log(v) - v / 2 - half * mpmath.log(2) - mpmath.loggamma(half))
            return density * mpmath.ncdf(statistic * mpmath.sqrt(v / dof) - centre)

        edges = [0, dof / 4, dof / 2, dof, 1.5 * dof, 2 * dof, 4 * dof, 20 * dof]
        return float(mpmath.quad(term, edges))


@pytest.mark.parametrize(
    ("centre", "points", "level"), [(0.3, 12, 0.95), (-0.5, 40, 0.9), (8.0, 10, 0.99), (0.0, 150, 0.8)]
)
def test_noncentral_t_against_integration(centre, points, level):
    x = np.random.default_rng(points).normal(centre, 1.0, points)
    found = gap_interval(x, level, method="noncentral_t")
    statistic, root = np.sqrt(points) * gap(x), np.sqrt(points)
    tail = 0.5 * (1.0 - level)
    assert noncentral_t(statistic, points - 1, root * found.low) == pytest.approx(1.0 - tail, rel=1e-7)
    assert noncentral_t(statistic, points - 1, root * found.high) == pytest.approx(tail, rel=1e-7)


@pytest.mark.parametrize("centre", [-300.0, 300.0])
def test_noncentral_t_of_huge_gaps_finds_its_limits(centre):
    found = gap_interval(np.random.default_rng(0).normal(centre, 1.0, 10), 0.999, method="noncentral_t")
    assert found.low < found.estimate < found.high


@pytest.mark.parametrize("points", [10, 60, 5000])
def test_noncentral_t_of_steep_gaps(points):
    """Either side of 3 there are two ways to the distribution function; far above it the law is that of 1/χ."""
    for centre in (2.0, 3.0, 5.0, 30.0):
        statistic = centre * np.sqrt(points)
        for mu in statistic + np.linspace(-5.0, 5.0, 11) * (1.0 + centre):
            assert _below_by_nodes(statistic, points - 1, mu) == pytest.approx(
                _below(statistic, points - 1, mu), abs=1e-11
            )
    x = np.random.default_rng(points).normal(1.0, 1e-6, points)
    found, mirrored = gap_interval(x, method="noncentral_t"), gap_interval(-x, method="noncentral_t")
    limits = gap(x) * np.sqrt(chi2.ppf([0.025, 0.975], points - 1) / (points - 1))
    assert [found.low, found.high] == pytest.approx(limits, rel=1e-9)
    assert (mirrored.low, mirrored.high) == (-found.high, -found.low)


@pytest.mark.parametrize("method", INTERVALS)
@pytest.mark.parametrize("power", [-1030, -600, 600, 1015])
def test_a_gap_has_no_unit(method, power):
    x = np.ldexp(np.round(np.ldexp(SKEWED, 20)), -20)  # no digit is lost among the smallest floats
    assert gap_interval(np.ldexp(x, power), method=method) == gap_interval(x, method=method)


@pytest.mark.statistical
def test_noncentral_t_is_exact_for_normal_increments_only():
    """Coverage at N = 15 within an exact test at 1e-9, and outside for exponential increments with s = 2."""
    runs = 250
    rng = np.random.default_rng(22)
    normal = wrong = 0
    for _ in range(runs):
        found = gap_interval(rng.normal(0.8, 1.0, 15), 0.9, method="noncentral_t")
        normal += found.low <= 0.8 <= found.high
        found = gap_interval(3.0 - rng.exponential(size=60), 0.9, method="noncentral_t")
        wrong += found.low <= 2.0 <= found.high
    assert binomtest(normal, runs, 0.9).pvalue > 1e-9
    assert binomtest(wrong, runs, 0.9).pvalue < 1e-9


@pytest.mark.statistical
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_bca_against_scipy(sign):
    """Both are Monte Carlo: limits differ by a few standard errors of bootstrap quantiles, |z| < 6."""
    x = sign * (SKEWED[:60] + 0.6)
    draws = 60_000
    found = gap_interval(x, 0.9, method="bca", draws=draws, seed=4)
    rng = np.random.default_rng(5)
    expected = bootstrap(
        (x,),
        lambda v, axis: np.mean(v, axis=axis) / np.std(v, ddof=1, axis=axis),
        n_resamples=draws,
        confidence_level=0.9,
        method="BCa",
        rng=rng,
        batch=1000,
    )
    spread = float(np.std(expected.bootstrap_distribution))
    # A 5 % quantile has the error √(0.05·0.95/draws)/density ≈ 2.1 spread/√draws; z₀ adds √(π/2)(1 + …) of it.
    error = np.sqrt(2.0) * 2.5 * spread / np.sqrt(draws)
    low, high = expected.confidence_interval
    assert abs(found.low - low) < 6.0 * error
    assert abs(found.high - high) < 6.0 * error
    wider = gap_interval(x, 0.92, method="bca", draws=draws, seed=4)
    assert max(abs(wider.low - low), abs(wider.high - high)) > 6.0 * error  # the control: another level


@pytest.mark.parametrize("points", [10, 100])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_bca_where_resamples_are_constant(points, value):
    """One value drawn N times has an infinite gap or none: limits are numbers, or infinite, and never NaN."""
    x = np.full(points, value)
    x[3] = 2.0
    found = gap_interval(x, method="bca", draws=999)
    assert found.low <= found.high
    assert not np.isnan([found.low, found.high]).any()


def test_delta_by_hand():
    z = (SKEWED - SKEWED.mean()) / SKEWED.std()
    s = gap(SKEWED)
    variance = 1.0 - s * np.mean(z**3) + 0.25 * s**2 * (np.mean(z**4) - 1.0)
    half = 1.959963984540054 * np.sqrt(variance / SKEWED.size)
    found = gap_interval(SKEWED, method="delta")
    assert (found.low, found.high) == pytest.approx((s - half, s + half), rel=1e-12)
    assert found.estimate == pytest.approx(s, rel=1e-13)
    normal = 1.959963984540054 * np.sqrt((1.0 + 0.5 * s**2) / SKEWED.size)
    assert found.high != pytest.approx(s + normal, abs=1e-3)  # the control: without third and fourth moments


@pytest.mark.parametrize("method", INTERVALS)
def test_units_and_reflection(method):
    base = gap_interval(SKEWED, method=method)
    scaled = gap_interval(2.0**20 * SKEWED, method=method)
    assert (scaled.low, scaled.high) == pytest.approx((base.low, base.high), rel=1e-10)
    mirrored = gap_interval(-SKEWED, method=method)
    tolerance = 0.02 if method == "bca" else 1e-9
    assert (-mirrored.high, -mirrored.low) == pytest.approx((base.low, base.high), abs=tolerance)
    wider = gap_interval(SKEWED, 0.99, method=method)
    assert wider.low < base.low < base.estimate < base.high < wider.high


def test_many_points_make_all_methods_agree():
    x = np.random.default_rng(6).normal(0.4, 1.0, 50_000)
    limits = [(f.low, f.high) for f in (gap_interval(x, method=m, draws=4000) for m in INTERVALS)]
    assert np.ptp(limits, axis=0) == pytest.approx([0.0, 0.0], abs=1e-3)


def test_rates():
    found = GapInterval(0.4, -0.1, 0.6, "delta", 0.95)
    assert found.rate == pytest.approx(0.08)
    assert found.rate_interval == pytest.approx((0.0, 0.18))
    below = GapInterval(-0.4, -0.6, -0.1, "delta", 0.95)
    assert (below.rate, below.rate_interval) == (0.0, (0.0, 0.0))


def test_seeds():
    same = [gap_interval(SKEWED, method="bca", seed=s) for s in (1, 1, 2)]
    assert same[0] == same[1]
    assert same[0] != same[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SKEWED[:9],), r"increments = \(9,\): must be at least 10 numbers"),
        ((np.full(20, 0.1),), "increments = 0.1: must be not the same at every point"),
        ((np.append(SKEWED, np.nan),), "must be finite"),
        ((SKEWED[None],), r"of shape \(N,\)"),
        ((["a"] * 20,), "must be an array of numbers"),
        ((SKEWED, 0.5), "level = 0.5: must be a confidence level above 0.5 and below 1"),
        ((SKEWED, 95), "level = 95"),
        ((SKEWED, True), "level = True"),
        ((SKEWED, float("nan")), "level = nan"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        gap_interval(*arguments)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="method = 'wald': must be one of adjusted, delta"):
        gap_interval(SKEWED, method="wald")
