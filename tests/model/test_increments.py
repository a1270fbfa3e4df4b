"""Increments against mpmath: generating functions, derivatives and tilts."""

import copy
import math
import pickle
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad

from qmis_stats import FiniteLaw, LossTable, Problem
from qmis_stats.errors import DomainError, InputError
from qmis_stats.increments import (
    DiscreteIncrement,
    GaussianIncrement,
    Increment,
    MixtureIncrement,
    QuadraticIncrement,
)
from qmis_stats.theory.total_variation import log_mean_tilt_distance
from qmis_stats.tilting import solve_tilt

REL = 1e-11


def oracle_cgf(x, s):
    """The generating function from the definition, by mpmath or quadrature, sharing no code with the package."""
    s = mp.mpf(s)
    if isinstance(x, GaussianIncrement):
        return mp.log(mp.exp(s * x.mean + s * s * mp.mpf(x.variance) / 2))
    if isinstance(x, DiscreteIncrement):
        terms = zip(x.values, x.probabilities, strict=True)
        return mp.log(
            mp.fsum(
                mp.mpf(p.numerator) / p.denominator * mp.exp(s * mp.mpf(v.numerator) / v.denominator) for v, p in terms
            )
        )
    if isinstance(x, MixtureIncrement):
        parts = zip(x.weights, x.means, x.variances, strict=True)
        return mp.log(mp.fsum(w * mp.exp(s * m + s * s * mp.mpf(v) / 2) for w, m, v in parts))
    total = float(s) * x.constant
    linear = x.linear or (0.0,) * len(x.eigenvalues)
    for e, b in zip(x.eigenvalues, linear, strict=True):
        # Far beyond the tilted bulk the integrand underflows; the break point keeps the adaptive rule on it.
        value, _ = quad(
            lambda w, e=e, b=b: math.exp(float(s) * (e * w * w + b * w) - 0.5 * w * w) / math.sqrt(2 * math.pi),
            -40.0,
            40.0,
            points=[-3.0, 0.0, 3.0],
            epsabs=0.0,
            epsrel=1e-12,
            limit=400,
        )
        total += math.log(value)
    return mp.mpf(total)


CASES = [
    GaussianIncrement(0.4, 2.5),
    QuadraticIncrement((-0.7, 1.3)),
    QuadraticIncrement((-0.5, 0.5), constant=0.3),
    QuadraticIncrement((-0.3, 0.2, 0.9), linear=(0.4, -1.0, 0.2), constant=-0.1),
    DiscreteIncrement(
        (Fraction(-2), Fraction(1, 3), Fraction(2)),
        (Fraction(1, 6), Fraction(1, 3), Fraction(1, 2)),
        strict=True,
    ),
    MixtureIncrement((0.3, 0.7), (-0.5, 1.0), (0.5, 1.5)),
]


@pytest.mark.parametrize("x", CASES, ids=lambda x: type(x).__name__)
def test_generating_function_and_derivatives(x):
    h = 1e-5
    for s in (-0.3, -0.05, 0.2):
        value, first, second = x.cgf(s)
        assert value == pytest.approx(float(oracle_cgf(x, s)), rel=1e-10, abs=1e-13)
        above, below = x.cgf(s + h), x.cgf(s - h)
        assert first == pytest.approx((above[0] - below[0]) / (2 * h), rel=1e-7, abs=1e-9)
        assert second == pytest.approx((above[1] - below[1]) / (2 * h), rel=1e-7)
        skewness, kurtosis = x.shape(s)
        assert skewness * second**1.5 == pytest.approx((above[2] - below[2]) / (2 * h), rel=1e-6, abs=1e-8)
        thirds = [x.shape(at)[0] * x.cgf(at)[2] ** 1.5 for at in (s - h, s + h)]
        assert kurtosis * second**2 == pytest.approx((thirds[1] - thirds[0]) / (2 * h), rel=1e-6, abs=1e-7)
    assert x.cgf(0.0)[1] == pytest.approx(x.mean, rel=1e-13)
    assert x.cgf(0.0)[2] == pytest.approx(x.variance, rel=1e-13)


@pytest.mark.parametrize("x", CASES, ids=lambda x: type(x).__name__)
def test_tilt_minimises_the_generating_function(x):
    tilt = x.tilt()
    generic = x.numerical_tilt()
    assert tilt.lam == pytest.approx(generic.lam, rel=1e-10)
    assert tilt.exponent == pytest.approx(generic.exponent, rel=1e-10)
    assert tilt.variance == pytest.approx(generic.variance, rel=1e-9)
    assert tilt.exponent == pytest.approx(-float(oracle_cgf(x, -tilt.lam)), rel=1e-10)
    for step in (0.99, 1.01):
        assert float(oracle_cgf(x, -tilt.lam * step)) > -tilt.exponent


def test_closed_and_generic_tilts_agree_on_random_quadratics():
    rng = np.random.default_rng(11)
    for _ in range(200):
        low, high = -np.exp(rng.uniform(-4, 2)), np.exp(rng.uniform(-4, 2))
        if low + high <= 0:
            low, high = -high, -low
        x = QuadraticIncrement((float(low), float(high)))
        closed, generic = x.tilt(), x.numerical_tilt()
        assert closed.lam == pytest.approx(generic.lam, rel=REL)
        assert closed.exponent == pytest.approx(generic.exponent, rel=1e-9, abs=1e-15)
        assert closed.variance == pytest.approx(generic.variance, rel=1e-8)


def test_regression_closed_form_from_its_parameters():
    """I = ½ log(1 + δ²/(4D)), λ = δ/(4D), r = δ²/(8D + 4δ²) from the covariances of the residuals."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        a, b = rng.normal(size=2) * 2, rng.normal(size=2) * 0.2
        cuu, cvv, cuv = 1 + a @ a, 1 + b @ b, 1 + a @ b
        delta, big = cuu - cvv, cuu * cvv - cuv**2
        if delta <= 0:
            continue
        root = math.sqrt(delta**2 + 4 * big)
        x = QuadraticIncrement(((delta - root) / 2, (delta + root) / 2))
        assert x.tilt().exponent == pytest.approx(0.5 * math.log1p(delta**2 / (4 * big)), rel=1e-10)
        assert x.tilt().lam == pytest.approx(delta / (4 * big), rel=1e-10)
        assert x.moderate_deviation_rate == pytest.approx(delta**2 / (8 * big + 4 * delta**2), rel=1e-10)
        assert x.moderate_deviation_rate < 0.25


def test_faces_that_cannot_be_crossed():
    third = Fraction(1, 3)
    never = DiscreteIncrement((Fraction(0), Fraction(1)), (third, 1 - third), strict=True)
    assert never.tilt().exponent == math.inf
    by_ties = DiscreteIncrement((Fraction(0), Fraction(1)), (third, 1 - third), strict=False)
    assert by_ties.tilt().exponent == pytest.approx(math.log(3))
    assert QuadraticIncrement((0.5, 1.0)).tilt().exponent == math.inf
    assert GaussianIncrement(1.0, 0.0).tilt().exponent == math.inf
    assert GaussianIncrement(0.0, 0.0).tilt().exponent == 0.0
    assert not never.tilt().proper


def test_tie_has_no_tilt():
    tie = DiscreteIncrement((Fraction(-1), Fraction(1)), (Fraction(1, 2), Fraction(1, 2)))
    assert tie.tilt().lam == 0.0
    assert tie.tilt().exponent == 0.0


@pytest.mark.parametrize(
    ("values", "span"),
    [
        ((Fraction(-1), Fraction(1)), Fraction(2)),
        ((Fraction(0), Fraction(1, 2), Fraction(1, 3)), Fraction(1, 6)),
        ((Fraction(5), Fraction(5)), Fraction(0)),
    ],
)
def test_lattice_span(values, span):
    p = tuple(Fraction(1, len(values)) for _ in values)
    assert DiscreteIncrement(values, p).span == span


def test_negative_mean_is_refused():
    with pytest.raises(InputError, match="best codeword"):
        solve_tilt(lambda s: (-s, -1.0, 1.0), (-math.inf, math.inf), mean=-1.0, variance=1.0)


@pytest.mark.parametrize("denominator", [10**3, 10**6, 10**12])
def test_a_rare_loss_has_its_exponent(denominator):
    """A first guess far too strong leaves a single atom without variance; I = −½ log(4p(1 − p)) for ±1."""
    p = Fraction(1, denominator)
    tilt = DiscreteIncrement((Fraction(1), Fraction(-1)), (1 - p, p)).tilt()
    assert tilt.exponent == pytest.approx(-0.5 * math.log(4.0 * p * (1 - p)), rel=1e-12)
    assert tilt.lam == pytest.approx(0.5 * math.log((1 - p) / p), rel=1e-9)


@pytest.mark.parametrize("scale", [1e-120, 1e-8, 1e8, 1e120])
def test_scaled_increments_keep_their_exponent(scale):
    for x, y in (
        (GaussianIncrement(0.4, 2.5), GaussianIncrement(0.4 * scale, 2.5 * scale * scale)),
        (QuadraticIncrement((-0.7, 1.3)), QuadraticIncrement((-0.7 * scale, 1.3 * scale))),
    ):
        assert y.tilt().exponent == pytest.approx(x.tilt().exponent, rel=1e-12)
        assert y.moderate_deviation_rate == pytest.approx(x.moderate_deviation_rate, rel=1e-12)
        assert y.tilt().lam * scale == pytest.approx(x.tilt().lam, rel=1e-12)


class OwnGaussian(Increment):
    """A normal law that the package does not recognise as one."""

    mean, variance, domain = 0.5, 1.0, (-math.inf, math.inf)
    cgf, shape = GaussianIncrement(0.5, 1.0).cgf, GaussianIncrement(0.5, 1.0).shape


def test_an_increment_from_outside_brings_its_quadrature():
    with pytest.raises(DomainError, match="no quadrature of OwnGaussian is known"):
        log_mean_tilt_distance(OwnGaussian())

    class WithNodes(OwnGaussian):
        def quadrature(self):
            x = np.linspace(-9.0, 9.0, 20001)
            return 0.5 + x, np.exp(-0.5 * x**2) * (x[1] - x[0]) / math.sqrt(2.0 * math.pi)

    expected = log_mean_tilt_distance(GaussianIncrement(0.5, 1.0))
    assert log_mean_tilt_distance(WithNodes()) == pytest.approx(expected, rel=1e-6)


def test_the_increment_of_two_codewords_and_its_tilt_are_found_once(monkeypatch):
    problem = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 2], [1, 0, 1], [2, 1, 0]]))
    scores = problem.scores
    first = scores.increment(2, 0)
    tilt = first.tilt()
    monkeypatch.setattr("qmis_stats.increments.solve_tilt", lambda *_, **__: pytest.fail("solved again"))
    assert scores.increment(2, 0).tilt() is tilt
    assert scores.increment(0, 2) != first
    assert copy.deepcopy(first) == first
    assert pickle.loads(pickle.dumps(problem)) == problem
