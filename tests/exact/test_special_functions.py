"""The special functions under the oracles against mpmath."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy.special import logsumexp

from qmis_stats.numerics import (
    gauss_legendre_panels,
    log_bessel_profile,
    log_beta_half,
    log_ndtr_difference,
    log_ndtr_ratio,
    log_sum_exp,
)


@pytest.mark.parametrize("start", [-450.0, -37.0, -1.0, 0.0, 5.0])
@pytest.mark.parametrize("shift", [-300.0, -1.001, -0.999, -1e-12, 1e-5, 1.0, 1.001, 30.0])
def test_log_ndtr_ratio(start: float, shift: float) -> None:
    with mp.workdps(400 if start + shift > 8 else 60):
        expected = float(mp.log(mp.ncdf(mp.mpf(start) + mp.mpf(shift))) - mp.log(mp.ncdf(mp.mpf(start))))
        larger = float(-mp.log(mp.ncdf(min(start, start + shift))))
    # Beyond a shift of one the two logarithms are subtracted.
    rounding = 4e-16 * larger if abs(shift) > 1 else 0.0
    assert float(log_ndtr_ratio(start, shift)) == pytest.approx(expected, rel=2e-14, abs=rounding)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        (-1.0, 2.0),
        (3.0, 3.5),
        (-40.0, -39.0),
        (20.0, math.inf),
        (-math.inf, -20.0),
        (-1e-9, 1e-9),
        (-9.0, 30.0),
    ],
)
def test_log_ndtr_difference(lower: float, upper: float) -> None:
    with mp.workdps(400):
        expected = float(mp.log(mp.ncdf(upper) - mp.ncdf(lower)))
    assert float(log_ndtr_difference(lower, upper)) == pytest.approx(expected, rel=1e-13, abs=1e-14)
    assert float(log_ndtr_difference(-upper, -lower)) == pytest.approx(expected, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize("size", [1, 2, 3, 40])
def test_log_sum_exp_has_the_bits_of_scipy(size: int) -> None:
    rng = np.random.default_rng(size)
    for spread in (1e-9, 1.0, 50.0, 1e4):
        terms = spread * rng.normal(size=size)
        for values in (terms, np.round(terms), np.zeros(size)):  # the largest may be there several times
            assert log_sum_exp(values) == logsumexp(values)


@pytest.mark.parametrize("a", [0.5, 1.0, 3.5, 19.9, 20.0, 1e4, 1e9])
def test_log_beta_half(a: float) -> None:
    with mp.workdps(30):
        expected = float(mp.log(mp.beta(a, mp.mpf(1) / 2)))
    assert log_beta_half(a) == pytest.approx(expected, abs=2e-15)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.5, 5.0, 19.5, 20.5, 90.0, 300.0])
def test_log_bessel_profile(order: float) -> None:
    z = np.array([0.0, 1e-9, 1e-3, 0.7, 7.0, 49.0, 400.0])
    with mp.workdps(30):
        scale = mp.mpf(2) ** (order - 1) * mp.gamma(order)
        expected = [
            0.0,
            *(float(mp.log(mp.mpf(x) ** order * mp.besselk(order, x) / scale)) for x in z[1:].tolist()),
        ]
    assert log_bessel_profile(order, z) == pytest.approx(expected, rel=1e-14, abs=5e-15)


def test_log_bessel_profile_of_large_order() -> None:
    # log of E exp(−z²/(4Y)), Y ~ Gamma(ν), expanded in the cumulants of 1/Y to the order ν^(−3).
    nu, z = 1e6, 300.0
    first, second = 1.0 / (nu - 1.0), 1.0 / ((nu - 1.0) ** 2 * (nu - 2.0))
    expected = -(z**2) / 4.0 * first + (z**2 / 4.0) ** 2 * second / 2.0
    assert float(log_bessel_profile(nu, z)) == pytest.approx(expected, abs=3e-14)


def test_panels_are_exact_for_polynomials_and_keep_leading_axes() -> None:
    edges = np.array([[0.0, 1.0, 4.0], [-2.0, 0.5, 1.0]])
    nodes, weights = gauss_legendre_panels(edges, order=5)
    assert nodes.shape == (2, 10)
    expected = (edges[:, -1] ** 10 - edges[:, 0] ** 10) / 10
    assert np.sum(weights * nodes**9, axis=1) == pytest.approx(expected, rel=1e-13)
