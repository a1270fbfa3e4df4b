"""Binomial numbers by inversion of one uniform, searching outwards from the mode.

The probability of the mode is computed as in C. Loader, Fast and accurate computation of binomial
probabilities (2000).
"""

from __future__ import annotations

import numpy as np

from qmis_kernels._compile import compiled
from qmis_kernels._constants import NEGLIGIBLE, STIRLING_SERIES, STIRLING_TABLE, TWO_PI
from qmis_kernels.elementary import exp, log, log1p

_TABLE = np.array(STIRLING_TABLE)
_S0, _S1, _S2, _S3, _S4 = STIRLING_SERIES


@compiled
def stirling_error(n: int) -> float:
    """Return log n! - (n log n - n + log(2 pi n) / 2), n >= 1."""
    if n < 16:
        return float(_TABLE[n])
    x = np.float64(n)
    square = x * x
    return (_S0 - (_S1 - (_S2 - (_S3 - _S4 / square) / square) / square) / square) / x


@compiled
def deviance(x: float, mean: float) -> float:
    """Return x log(x / mean) + mean - x, without cancellation where x is close to the mean."""
    v = (x - mean) / (x + mean)
    if abs(v) >= 0.1:
        return x * log(x / mean) + mean - x
    total = (x - mean) * v
    term = 2.0 * x * v
    square = v * v
    for j in range(1, 9):
        term *= square
        total += term / (2 * j + 1)
    return total


@compiled
def binomial_probability(n: int, x: int, p: float, q: float) -> float:
    """Return P(X = x), X ~ Binomial(n, p), q = 1 - p, for 0 < p < 1."""
    if x == 0:
        return exp(n * log1p(-p))
    if x == n:
        return exp(n * log(p))
    exponent = stirling_error(n) - stirling_error(x) - stirling_error(n - x)
    exponent = exponent - deviance(x, n * p) - deviance(n - x, n * q)
    root = np.sqrt(n / (TWO_PI * x * (n - x)))
    return exp(exponent) * root  # type: ignore[no-any-return]


@compiled
def binomial(n: int, p: float, q: float, u: float) -> int:
    """Return the Binomial(n, p) number that the uniform u selects; 0 < p < 1, q = 1 - p, n >= 1.

    The values are laid side by side in the order mode, mode + 1, mode - 1, mode + 2, ... and u falls on one
    of them: the distribution is exact up to rounding (about 1e-12 in total variation at n = 1e7) and the
    search takes about one standard deviation of steps. When rounding leaves a rest (probability below 1e-12)
    the answer is the mode.
    """
    reflected = p > 0.5
    if reflected:
        p, q = q, p
    mode = min(int((n + 1) * p), n)
    odds = p / q
    at_mode = binomial_probability(n, mode, p, q)
    value = mode
    rest = u - at_mode
    above = below = at_mode
    high = low = mode
    searching = rest >= 0.0
    while searching:
        searching = False
        if high < n and above > NEGLIGIBLE:
            above *= odds * (n - high) / (high + 1)
            high += 1
            rest -= above
            if rest < 0.0:
                value = high
                break
            searching = True
        if low > 0 and below > NEGLIGIBLE:
            below *= low / (odds * (n - low + 1))
            low -= 1
            rest -= below
            if rest < 0.0:
                value = low
                break
            searching = True
    return n - value if reflected else value
