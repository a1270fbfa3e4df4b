"""Constants of the limits: against derivatives of the functional on reweighted points; the cubic and its inverse."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from qmis_stats.inference.adjusted import GapStatistics, influence
from qmis_stats.inference.moments import accumulated_statistics

pytestmark = pytest.mark.grid(2)


def sample(seed, points=40, shift=0.7):
    return np.random.default_rng(seed).gamma(1.5, size=points) - 1.5 + shift


def standardised(x):
    z = (x - x.mean()) / x.std()
    return z, np.array([x.mean() / x.std() * np.sqrt((x.size - 1.0) / x.size)])


def statistics_of(x):
    z, s = standardised(x)
    moments = np.array([[np.mean(z**3)], [np.mean(z**4)]])
    return accumulated_statistics([z[None, :]], x.size, s, moments)[0]


def functional(x, weights):
    """δ/σ of a reweighted sample, σ with the factor of N - 1 that the estimate has."""
    n = len(x)
    total = mpmath.fsum(weights)
    mean = mpmath.fsum(w * v for w, v in zip(weights, x, strict=True)) / total
    variance = mpmath.fsum(w * (v - mean) ** 2 for w, v in zip(weights, x, strict=True)) / total
    return mean / mpmath.sqrt(variance * n / (n - 1))


def derivatives(x):
    """First derivatives U_i towards each point, second ones along a direction and towards each point, by mpmath."""
    with mpmath.workdps(40):
        x = [mpmath.mpf(float(v)) for v in x]
        n = len(x)
        flat = [mpmath.mpf(1) / n] * n
        step = mpmath.mpf(10) ** -12

        def towards(i, t):
            return functional(x, [(1 - t) * w + (t if j == i else 0) for j, w in enumerate(flat)])

        def along(direction, t):
            return functional(x, [w + t * d for w, d in zip(flat, direction, strict=True)])

        middle = functional(x, flat)
        first = [(towards(i, step) - towards(i, -step)) / (2 * step) for i in range(n)]
        second = [(towards(i, step) + towards(i, -step) - 2 * middle) / step**2 for i in range(n)]
        squares = mpmath.fsum(u**2 for u in first)
        sigma = mpmath.sqrt(squares) / n
        direction = [u / (n**2 * sigma) for u in first]
        bent = (along(direction, step) + along(direction, -step) - 2 * middle) / step**2
        acceleration = mpmath.fsum(u**3 for u in first) / (6 * squares ** mpmath.mpf("1.5"))
        # The functional has N - 1 in its variance: bias of the estimate with the second derivatives, σ's factor kept.
        bias = mpmath.fsum(second) / (2 * mpmath.mpf(n) ** 2)
        return (
            np.array([float(u) for u in first]),
            float(acceleration),
            float(bent / (2 * sigma)),
            float(bias),
            float(sigma),
        )


@pytest.mark.parametrize(
    ("seed", "shift"),
    [(1, 0.7), *(pytest.param(*case, marks=pytest.mark.long) for case in ((2, 0.0), (3, 2.5), (4, -0.6)))],
)
def test_constants_against_derivatives_of_the_functional(seed, shift):
    x = sample(seed, 160, shift)
    n = x.size
    z, s = standardised(x)
    first, acceleration, curvature, bias, sigma = derivatives(x)
    # In units of σ with N - 1: ψ shrinks by √((N - 1)/N), and (z² - 1)s/2 is in these units already.
    psi = np.sqrt((n - 1) / n) * (z - 0.5 * (s[0] * np.sqrt(n / (n - 1))) * (z**2 - 1.0))
    assert first == pytest.approx(psi, abs=1e-9)
    found = statistics_of(x)
    se = found.std_error[0]
    # The package mixes factors √((N - 1)/N), of no consequence to first order: agreement to 1/N.
    tolerance = 0.5 / n
    # Of the plug-in's bias the denominator N - 1 removes s/(2N).
    bias -= float(s[0]) / (2 * n)
    slope = 2.0 * acceleration + curvature
    shift_ = acceleration + curvature - bias / se
    scale = abs(acceleration) + abs(curvature) + abs(bias / se)
    assert found.slope[0] == pytest.approx(slope, abs=tolerance * scale)
    assert found.shift[0] == pytest.approx(shift_, abs=tolerance * scale)
    assert sigma == pytest.approx(np.sqrt(np.mean(psi**2) / n), rel=1e-9)


def parts(z, s, jackknife=0.1):
    """Slope and shift for a law on points z of mean 0 and variance 1, at N = 1."""
    psi = influence(z[None, :], np.array([s]))
    sums = np.array([np.mean(psi**p, axis=1) for p in (2, 3, 4)])
    cross = np.array([[np.mean(z**3)], [np.mean(z**4)]])
    return GapStatistics.from_moments(1, np.array([s]), sums, cross, np.array([jackknife]))


@pytest.mark.parametrize("seed", [5, 6])
def test_at_zero_gap_it_is_halls_transformation_of_students_statistic(seed):
    """With t Student's and T = t + γt²/(2√N), g(T) = t + γ(t²/3 + 1/6)/√N to first order."""
    z, _ = standardised(sample(seed, 300))
    gamma = float(np.mean(z**3))
    found = parts(z, 0.0, jackknife=1.0)
    # With N = 1 the constants are those that stand before 1/√N.
    assert found.slope[0] + 0.5 * gamma == pytest.approx(gamma / 3.0, rel=1e-12)
    assert found.shift[0] == pytest.approx(gamma / 6.0, rel=1e-12)


def test_a_mean_gives_halls_constants():
    """Without curvature and bias a₁ = 2a and b₁ = a are Hall's γ/3 and γ/6; here a₁ - b₁ = a + b/se, b/se = -γ/2."""
    z, _ = standardised(sample(7, 300))
    gamma = float(np.mean(z**3))
    found = parts(z, 0.0, jackknife=1.0)
    assert found.slope[0] - found.shift[0] + 0.5 * gamma == pytest.approx(gamma / 6.0, rel=1e-12)


def one(s, error, slope, shift, dof=1e12):
    return GapStatistics(*(np.array([float(v)]) for v in (s, error, slope, shift, dof)))


reasonable = st.floats(-0.4, 0.4)


@settings(max_examples=300, deadline=None)
@given(reasonable, reasonable, st.floats(-3.5, 3.5), st.floats(5.0, 1e9))
def test_limits_invert_the_cubic(slope, shift, quantile, dof):
    """T at the limit solves g(T) = -c, with the polynomial g; Student's quantile c is tested by itself below."""
    limit = one(0.3, 0.05, slope, shift, dof).limits(quantile)[0]
    t = (0.3 - limit) / 0.05
    plain = one(0.0, 1.0, 0.0, 0.0, dof).limits(quantile)[0]  # Student's quantile
    assert t + slope * t**2 + slope**2 * t**3 / 3.0 + shift == pytest.approx(-plain, abs=2e-6)


@pytest.mark.parametrize(("dof", "quantile"), [(4.0, 1.96), (30.0, -2.5), (1000.0, 0.3)])
def test_students_quantile_against_mpmath(dof, quantile):
    found = one(0.0, 1.0, 0.0, 0.0, dof).limits(quantile)[0]
    with mpmath.workdps(30):
        density = mpmath.gamma((dof + 1) / 2) / mpmath.sqrt(dof * mpmath.pi) / mpmath.gamma(mpmath.mpf(dof) / 2)
        tail = density * mpmath.quad(lambda t: (1 + t**2 / dof) ** (-(dof + 1) / 2), [0, abs(found)])
        assert float(tail) == pytest.approx(float(mpmath.ncdf(abs(quantile)) - 0.5), rel=1e-10)
    assert np.sign(found) == np.sign(quantile)


@settings(max_examples=200, deadline=None)
@given(st.floats(-3.0, 3.0), reasonable, st.lists(st.floats(-4.0, 4.0), min_size=2, max_size=8))
def test_limits_increase_with_the_quantile(slope, shift, quantiles):
    limits = [one(0.2, 0.1, slope, shift, 50.0).limits(q)[0] for q in sorted(quantiles)]
    assert np.all(np.diff(limits) >= -1e-12)


@pytest.mark.parametrize("slope", [0.0, 1e-9, -1e-9, 0.3, -0.3])
def test_infinite_quantiles_give_infinite_limits(slope):
    found = one(0.2, 0.1, slope, 0.01)
    assert found.limits(np.inf)[0] == np.inf
    assert found.limits(-np.inf)[0] == -np.inf


def test_small_slopes_join_the_others():
    around = [one(0.2, 0.1, slope, 0.01).limits(2.0)[0] for slope in (0.9e-7, 1.1e-7)]
    assert around[0] == pytest.approx(around[1], abs=1e-8)


def test_degrees_of_freedom():
    """For normal increments N - 1 at most and about N at s = 0; at least 4 when a few points carry all."""
    z = np.random.default_rng(8).normal(size=100_000)
    z, _ = standardised(z)
    found = statistics_of(z)
    assert found.dof[0] == pytest.approx(1e5, rel=0.05)
    rare = np.zeros(1000)
    rare[0] = 1.0
    assert statistics_of(rare).dof[0] == 4.0


def test_two_values_without_variation_of_the_influence():
    """On two values ψ can vanish (s at its largest for the law): limits stay finite, error to rounding."""
    x = np.repeat([1.0, 3.0], 500)
    found = statistics_of(x)
    assert np.isfinite(found.limits(1.96)[0])


@pytest.mark.statistical
def test_lower_limits_err_at_their_rate_for_skewed_increments():
    """Exponential tail to the left, s = 1, N = 200: exact binomial tests at 1e-9; the plain normal limit fails them."""
    rng = np.random.default_rng(9)
    runs, tail = 3000, 0.025
    adjusted = plain = 0
    for _ in range(runs):
        x = 2.0 - rng.exponential(size=200)
        z, s = standardised(x)
        error = np.sqrt(np.mean(influence(z[None, :], s) ** 2) / 200)
        adjusted += statistics_of(x).limits(-1.959964)[0] > 1.0
        plain += s[0] - 1.959964 * error > 1.0
    assert binomtest(adjusted, runs, tail).pvalue > 1e-9
    assert binomtest(plain, runs, tail).pvalue < 1e-9
