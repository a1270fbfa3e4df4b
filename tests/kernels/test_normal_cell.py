"""Normal probabilities of intervals in log space against 60-digit arithmetic."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from qmis_kernels.normal_cell import erfcx, log_normal_cdf, log_normal_interval

TOLERANCE = 1e-13


@pytest.fixture(autouse=True)
def _digits():
    with mpmath.workdps(60):
        yield


def exact_log_cdf(x: float) -> mpmath.mpf:
    return mpmath.log(mpmath.erfc(-mpmath.mpf(x) / mpmath.sqrt(2)) / 2)


def exact_log_interval(a: float, b: float) -> mpmath.mpf:
    """Integrate over the side of 0 on which the interval lies, so that nothing cancels."""
    if a + b > 0:
        a, b = -b, -a
    root = mpmath.sqrt(2)
    return mpmath.log((mpmath.erfc(-mpmath.mpf(b) / root) - mpmath.erfc(-mpmath.mpf(a) / root)) / 2)


def close(found: float, exact: mpmath.mpf) -> bool:
    """Compare probabilities to TOLERANCE; where the logarithm is large its own rounding is the limit."""
    return abs(mpmath.mpf(found) - exact) <= TOLERANCE * max(1, abs(exact) / 100)


@pytest.mark.parametrize("x", [0.0, 1e-8, 0.3, 0.46875, 0.47, 1.0, 3.99, 4.01, 10.0, 100.0, 1e5])
def test_erfcx(x: float) -> None:
    exact = 1 / (x * mpmath.sqrt(mpmath.pi)) if x > 1e4 else mpmath.exp(mpmath.mpf(x) ** 2) * mpmath.erfc(x)
    assert abs(erfcx(x) / exact - 1) < (1e-10 if x > 1e4 else 1e-15)


@pytest.mark.parametrize("x", [-1000.0, -40.0, -6.0, -1.0, -0.1, 0.0, 1e-3, 0.5, 2.0, 6.0, 8.0, 30.0])
def test_log_cdf_keeps_its_relative_accuracy(x: float) -> None:
    with mpmath.workdps(300):
        exact = exact_log_cdf(x)
        assert abs(log_normal_cdf(x) / exact - 1) < TOLERANCE


def test_log_cdf_at_infinity() -> None:
    assert log_normal_cdf(np.inf) == 0.0
    assert log_normal_interval(-np.inf, np.inf) == 0.0
    assert log_normal_interval(1.5, 1.5) == -np.inf


@pytest.mark.parametrize("a", [-40.0, -12.3, -5.0, -1.0, -0.26, -0.1, 0.0, 0.2, 1.0, 7.0, 39.0])
@pytest.mark.parametrize("width", [1e-12, 1e-6, 1e-3, 0.03, 0.1, 0.2, 0.49, 0.51, 1.0, 3.0, 80.0])
def test_intervals_in_the_middle_and_in_both_tails(a: float, width: float) -> None:
    b = a + width
    exact = exact_log_interval(a, b)
    found = log_normal_interval(a, b)
    assert close(found, exact)
    assert found == log_normal_interval(-b, -a)


def test_naive_difference_fails_where_the_interval_is_narrow() -> None:
    """Negative control: the difference of two logarithms of distribution functions is not accurate enough."""
    a, b = -12.0, -12.0 + 1e-6
    lower, upper = log_normal_cdf(a), log_normal_cdf(b)
    assert not close(upper + np.log1p(-np.exp(lower - upper)), exact_log_interval(a, b))
