"""Statement S9b against the definition of Δ_n, with the law of the sum obtained in three unrelated ways.

The oracles use neither the Bessel profile nor the integration by parts: a race of Poisson processes (odd n),
the polar form of the plane (n = 2) and contour integrals of the characteristic function (any n).
"""

import math
from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import k0e
from scipy.stats import binom, nbinom, poisson
from scipy.stats import f as fisher

from qmis_stats.errors import InputError
from qmis_stats.exact.quadratic_form import log_crossing_probability, log_delta

pytestmark = pytest.mark.grid(3)

Array = NDArray[np.float64]
Tail = Callable[[Array], Array]


def mean_absolute_gap(alpha: float, gamma: float, gap: Tail) -> float:
    """E|gap(X)| for a monotone function of X = α w_1² − γ w_2², by graded panels split at its zero."""
    reach = 100.0 * min(alpha, gamma)
    zero = brentq(lambda x: float(gap(np.array([x]))[0]), -reach, reach, xtol=1e-300, rtol=1e-14)
    graded = np.concatenate([[0.0], np.geomspace(1e-15, 1.0, 60), np.arange(1.5, 80.5, 0.5)])
    fine = graded * 2 * min(alpha, gamma)
    edges = np.unique(np.concatenate([-graded * 2 * gamma, graded * 2 * alpha, -fine, fine, [zero]]))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half * (1 + nodes)).ravel()
    mass = (half * weights).ravel() / (2 * math.pi * math.sqrt(alpha * gamma))
    scale = (1 / gamma + 1 / alpha) / 4 * np.abs(x)
    decay = np.where(x > 0, x / (2 * alpha), -x / (2 * gamma))
    return float(mass * np.exp(-decay) * k0e(scale) @ np.abs(gap(x)))


def race(alpha: float, gamma: float, k: int) -> Tail:
    """P(αA − γB < −x) for independent χ²_{2k} variables, as a race between two Poisson processes.

    For x ≥ 0 fewer than k arrivals of B fall before x + αA; for x < 0 at least k of A before |x| + γB.
    """
    i = np.arange(k)[:, None]
    share = gamma / (alpha + gamma)
    before = nbinom.cdf(k - 1 - i, k, share)
    # At least k − i of A among the first 2k − 1 − i arrivals.
    after = binom.sf(k - 1 - i, 2 * k - 1 - i, share)

    def tail(x: Array) -> Array:
        up, down = np.maximum(x, 0) / (2 * gamma), np.maximum(-x, 0) / (2 * alpha)
        positive = np.sum(poisson.pmf(i, up) * before, axis=0)
        negative = np.sum(poisson.pmf(i, down) * after, axis=0) + poisson.sf(k - 1, down)
        return np.where(x >= 0, positive, negative)

    return tail


@pytest.mark.parametrize(
    ("alpha", "gamma", "n"),
    [
        (2.0, 1.0, 3),
        (1.0, 2.0, 3),
        (1.0, 1.0, 3),
        (3.0, 0.2, 5),
        (1.2, 1.0, 21),
        (2.0, 1.9, 41),
        (1.0, 1e-4, 7),
        (1.0, 1e-9, 33),
        (1.0, 0.9999, 301),
        (5.0, 1.0, 301),
    ],
)
def test_odd_sizes_against_a_poisson_race(alpha: float, gamma: float, n: int) -> None:
    tail, p = race(alpha, gamma, (n - 1) // 2), float(fisher.cdf(gamma / alpha, n, n))
    expected = math.log(p) + math.log(mean_absolute_gap(alpha, gamma, lambda x: tail(x) / p - 1))
    assert log_delta(alpha, gamma, n) == pytest.approx(expected, abs=1e-11)


def contour_gap(alpha: float, gamma: float, n: int) -> tuple[Tail, float]:
    """(P(S_{n−1} < −x) − P(S_n < 0)) e^{(n−1)I} on the line Re s = −λ, and I."""
    delta, d, m = alpha - gamma, alpha * gamma, n - 1
    lam, exponent = delta / (4 * d), 0.5 * math.log1p(delta * delta / (4 * d))
    spread = 2 * d / (1 + delta * delta / (4 * d))  # |e^{K(−λ+iu)}| = e^{−I} (1 + 2 spread u²)^{−1/2}
    span = math.sqrt((10.0 ** (36 / m) - 1) / (2 * spread))
    u = np.linspace(-span, span, 801)
    s = -lam + 1j * u
    kernel = (1 + 2 * spread * u * u) ** (-m / 2) / -s * (u[1] - u[0]) / (2 * math.pi)
    step = math.exp(-exponent) / np.sqrt(1 + 2 * spread * u * u)

    def gap(x: Array) -> Array:
        blocks = np.array_split(x, max(1, len(x) // 500))
        return np.concatenate([((np.exp(np.outer(b, s)) - step) @ kernel).real for b in blocks])

    return gap, exponent


@pytest.mark.parametrize(
    ("alpha", "gamma", "n"),
    [(2.0, 1.0, 30), (2.0, 1.0, 500), (2.0, 1.0, 100_000), (1.01, 1.0, 1000), (7.0, 1.0, 64)],
)
def test_any_size_against_a_contour_integral(alpha: float, gamma: float, n: int) -> None:
    gap, exponent = contour_gap(alpha, gamma, n)
    expected = math.log(mean_absolute_gap(alpha, gamma, gap)) - (n - 1) * exponent
    assert log_delta(alpha, gamma, n) == pytest.approx(expected, abs=2e-11)


def polar(large: float, small: float, x: Array) -> Array:
    """P(large · w_1² − small · w_2² > x) for x ≥ 0: an exponential tail averaged over the angle."""
    end = math.atan(math.sqrt(large / small))
    edges = end * np.concatenate([[0.0], np.geomspace(1e-12, 1.0, 60)])
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges)[:, None] / 2
    v = (edges[:-1, None] + half * (1 + nodes)).ravel()
    form = (large + small) * np.sin(v) * np.sin(2 * end - v)  # large cos² − small sin² at the angle end − v
    return np.asarray(np.exp(np.outer(x, -0.5 / form)) @ (half * weights).ravel() * 2 / math.pi)


@pytest.mark.parametrize(("alpha", "gamma"), [(2.0, 1.0), (1.0, 1.0), (1.0, 30.0), (1.0, 1e-3)])
def test_two_observations_in_polar_coordinates(alpha: float, gamma: float) -> None:
    p = float(polar(gamma, alpha, np.zeros(1))[0]) if alpha == gamma else gamma / (alpha + gamma)

    def gap(x: Array) -> Array:
        above = polar(gamma, alpha, np.maximum(x, 0))
        below = 1 - polar(alpha, gamma, np.maximum(-x, 0))
        return np.where(x >= 0, above, below) - p

    expected = math.log(mean_absolute_gap(alpha, gamma, gap))
    assert log_delta(alpha, gamma, 2) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize(
    ("alpha", "gamma"),
    [
        *(pytest.param(*case, marks=pytest.mark.long) for case in ((2.0, 1.0), (1.0, 7.0))),
        (1.0, 1e-4),
    ],
)
def test_three_observations_against_mpmath(alpha: float, gamma: float) -> None:
    # S_2 is an asymmetric Laplace variable, so that only the law of X is left to integrate.
    a, g = mp.mpf(alpha), mp.mpf(gamma)
    with mp.workdps(16):
        p = mp.betainc(mp.mpf(3) / 2, mp.mpf(3) / 2, 0, g / (a + g), regularized=True)
        at_zero = g / (a + g)
        zero = 2 * g * mp.log(at_zero / p) if p < at_zero else 2 * a * mp.log((1 - p) / (1 - at_zero))

        def integrand(x: mp.mpf) -> mp.mpf:
            tail = at_zero * mp.exp(-x / (2 * g)) if x >= 0 else 1 - (1 - at_zero) * mp.exp(x / (2 * a))
            density = mp.exp((1 / g - 1 / a) / 4 * x) * mp.besselk(0, (1 / g + 1 / a) / 4 * abs(x))
            return density * abs(tail - p) / p

        ends = sorted({mp.mpf(0), zero, *(q for s in (1, 10, 100) for q in (-s * g, s * a))})
        expected = float(mp.log(p * mp.quad(integrand, ends) / (2 * mp.pi * mp.sqrt(a * g))))
    assert log_delta(alpha, gamma, 3) == pytest.approx(expected, abs=1e-13)


def sharp_log_delta(alpha: float, gamma: float, n: int) -> float:
    """The sharp form of Statement S4, its E|e^{−λX+I} − 1| by the polar form of X."""
    delta, d = alpha - gamma, alpha * gamma
    lam, exponent = delta / (4 * d), 0.5 * math.log1p(delta * delta / (4 * d))
    variance = 4 * d / (1 + delta * delta / (4 * d))
    nodes, weights = np.polynomial.legendre.leggauss(300)
    split = math.atan(math.sqrt(alpha / gamma))  # the sign of X changes here
    angle = np.concatenate([(nodes + 1) / 2 * split, split + (nodes + 1) / 2 * (math.pi / 2 - split)])
    weights = np.concatenate([weights * split, weights * (math.pi / 2 - split)]) / math.pi
    k = lam * (alpha * np.cos(angle) ** 2 - gamma * np.sin(angle) ** 2)
    mean = math.exp(exponent) / (1 + 2 * k)
    zero = np.where(k > 0, exponent / np.where(k > 0, k, 1.0), np.inf)
    above = mean * -np.expm1(-(k + 0.5) * zero) + np.expm1(-zero / 2)
    total = np.sum(weights * (2 * above - (mean - 1)))
    return -n * exponent - math.log(lam * math.sqrt(2 * math.pi * n * variance)) + math.log(total)


@pytest.mark.parametrize(("n", "ratio"), [(20, 0.973), (100, 0.9945), (500, 0.99891), (10**4, 0.999945)])
def test_sharp_form_ratio(n: int, ratio: float) -> None:
    measured = math.exp(sharp_log_delta(2.0, 1.0, n) - log_delta(2.0, 1.0, n))
    assert measured == pytest.approx(ratio, rel=0.02 * (1 - ratio))


@pytest.mark.parametrize("n", [10**5, 10**7])
def test_sharp_form_error_decays_like_one_over_n(n: int) -> None:
    # The constant, 0.54724 for these weights, does not depend on n; log Δ_n = −5.9e5 at the larger n, rounded
    # to 1e-10 by either side.
    constant = n * -math.expm1(sharp_log_delta(2.0, 1.0, n) - log_delta(2.0, 1.0, n))
    assert constant == pytest.approx(0.54724, abs=2e-5 + 4e-10 * n)


def test_critical_scale() -> None:
    # ψ is Σ⁻¹ x ε and the sign of the Gaussian limit is released: √n Δ_n → (2/π)/√(2π).
    for n in (10**4, 10**6, 10**9):
        limit = 2.0 / math.pi / math.sqrt(2.0 * math.pi)
        value = log_delta(1.0, 1.0, n) + 0.5 * math.log(n)
        assert value == pytest.approx(math.log(limit), abs=0.7 / n + 1e-12)


def test_continuity_at_equal_weights_and_symmetry() -> None:
    for n in (3, 50):
        assert log_delta(1.0, 1.0 - 1e-13, n) == pytest.approx(log_delta(1.0, 1.0, n), abs=1e-12)
        assert log_delta(0.3, 2.0, n) == log_delta(2.0, 0.3, n)
        assert log_delta(2e200, 1e200, n) == pytest.approx(log_delta(2e-200, 1e-200, n), abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 20])
def test_extreme_ratio_leaks_twice_the_crossing_probability(n: int) -> None:
    # As γ/α → 0 the crossing is known from X alone, so that Δ_n → 2p(1 − p).
    for ratio in (1e-60, 1e-100):
        assert log_delta(1.0, ratio, n) == pytest.approx(
            math.log(2.0) + log_crossing_probability(1.0, ratio, n), abs=1e-3
        )


@pytest.mark.parametrize("n", [1, 2, 3, 10, 77, 1000])
@pytest.mark.parametrize("ratio", [1e-30, 1e-3, 0.4, 0.99, 1.0, 1.7, 50.0])
def test_crossing_probability_against_mpmath(ratio: float, n: int) -> None:
    with mp.workdps(30):
        x = mp.mpf(ratio) / (1 + mp.mpf(ratio))
        # betainc cancels for tiny complements: use the smaller tail and log1p.
        tail = mp.betainc(mp.mpf(n) / 2, mp.mpf(n) / 2, 0, min(x, 1 - x), regularized=True)
        expected = float(mp.log(tail) if x <= 0.5 else mp.log1p(-tail))
    assert log_crossing_probability(1.0, ratio, n) == pytest.approx(expected, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_refuses_weights(value: float) -> None:
    with pytest.raises(InputError, match="alpha = "):
        log_delta(value, 1.0, 5)
    with pytest.raises(InputError, match="gamma = "):
        log_crossing_probability(1.0, value, 5)


def test_refuses_ratios_and_sample_sizes() -> None:
    with pytest.raises(InputError, match="within a factor"):
        log_delta(1.0, 1e-101, 5)
    with pytest.raises(InputError, match="an integer of at least 2"):
        log_delta(1.0, 1.0, 1)
