"""Logarithms of normal probabilities of half lines and intervals, accurate in tails and when narrow."""

from __future__ import annotations

import numpy as np

from qmis_kernels._compile import compiled
from qmis_kernels._constants import (
    ERF_DENOMINATOR,
    ERF_NUMERATOR,
    ERFCX_DENOMINATOR,
    ERFCX_FAR_DENOMINATOR,
    ERFCX_FAR_NUMERATOR,
    ERFCX_NUMERATOR,
    INVERSE_SQRT_PI,
    LOG_SQRT_2PI,
    SQRT_2PI,
    SQRT_HALF,
    SQRT_HALF_PI,
)
from qmis_kernels.elementary import exp, log, log1p

_NARROW = 0.25
_SERIES_LENGTH = 16


@compiled
def erfcx(x: float) -> float:
    """Return exp(x²) erfc(x), x >= 0.

    W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969).
    """
    if x <= 0.46875:
        z = x * x
        a, b = ERF_NUMERATOR, ERF_DENOMINATOR
        top = (((a[4] * z + a[0]) * z + a[1]) * z + a[2]) * z + a[3]
        bottom = (((z + b[0]) * z + b[1]) * z + b[2]) * z + b[3]
        return (1.0 - x * top / bottom) / exp(-z)
    if x <= 4.0:
        c, d = ERFCX_NUMERATOR, ERFCX_DENOMINATOR
        top = c[8] * x
        bottom = x
        for i in range(7):
            top = (top + c[i]) * x
            bottom = (bottom + d[i]) * x
        return (top + c[7]) / (bottom + d[7])
    p, q = ERFCX_FAR_NUMERATOR, ERFCX_FAR_DENOMINATOR
    z = 1.0 / (x * x)
    top = p[5] * z
    bottom = z
    for i in range(4):
        top = (top + p[i]) * z
        bottom = (bottom + q[i]) * z
    return (INVERSE_SQRT_PI - (top + p[4]) / (bottom + q[4]) * z) / x


@compiled
def mills(x: float) -> float:
    """Return Mills' ratio (1 - Phi(x)) / phi(x), x >= 0."""
    return SQRT_HALF_PI * erfcx(x * SQRT_HALF)


@compiled
def upper_tail(x: float) -> float:
    """Return 1 - Phi(x), x >= 0."""
    return exp(-0.5 * x * x) * mills(x) / SQRT_2PI


@compiled
def log_normal_cdf(x: float) -> float:
    """Return log Phi(x)."""
    if x == np.inf:
        return 0.0
    if x > 0.0:
        return log1p(-upper_tail(x))
    return -0.5 * x * x - LOG_SQRT_2PI + log(mills(-x))


@compiled
def _log_narrow(middle: float, half: float) -> float:
    """Return log(Phi(m + h) - Phi(m - h)) for h max(1, |m|) <= 1/4.

    The integral of phi over the interval is 2 h phi(m) times the sum over even k of He_k(m) h^k / (k + 1)!.
    """
    step = middle * half
    square = half * half
    before, term, total = 1.0, step, 1.0
    for k in range(1, _SERIES_LENGTH):
        before, term = term, (step * term - square * before) / (k + 1)
        if k % 2:
            total += term / (k + 2)
    return log(2.0 * half * total) - 0.5 * middle * middle - LOG_SQRT_2PI


@compiled
def log_normal_interval(a: float, b: float) -> float:
    """Return log(Phi(b) - Phi(a)), -inf <= a <= b <= inf; -inf for an empty interval.

    By symmetry the interval is moved to the side where its middle is at most 0.  Then it is narrow (a series
    about the middle, without cancellation), lies in the tail (a difference of Mills' ratios), or contains 0
    (a sum of two tails).
    """
    if a == b:
        return -np.inf
    if a == -np.inf:
        return log_normal_cdf(b)
    if b == np.inf:
        return log_normal_cdf(-a)
    if a + b > 0.0:
        a, b = -b, -a
    middle = 0.5 * (a + b)
    half = 0.5 * (b - a)
    if half * max(1.0, -middle) <= _NARROW:
        return _log_narrow(middle, half)
    if b <= 0.0:
        ratio = exp(2.0 * half * middle)  # phi(a) / phi(b)
        return log(mills(-b) - mills(-a) * ratio) - 0.5 * b * b - LOG_SQRT_2PI
    return log1p(-(upper_tail(-a) + upper_tail(b)))
