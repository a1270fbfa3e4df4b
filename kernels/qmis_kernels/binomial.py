"""Binomial numbers by inversion of one uniform, searching outwards from the mode.

The probability of the mode is computed as in C. Loader, Fast and accurate computation of binomial
probabilities (2000).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined
from qmis_kernels._constants import NEGLIGIBLE, STIRLING_SERIES, STIRLING_TABLE, TWO_PI
from qmis_kernels.elementary import exp, log, log1p

Vector = NDArray[np.float64]

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


@inlined
def upwards(step: int, n: int, mode: int) -> bool:
    """Tell whether a step goes above the mode: the first, the third, ..., and all where nothing below is left."""
    return step % 2 == 1 if step <= 2 * min(mode, n - mode) else mode < n - mode


@inlined
def steps_above(steps: int, n: int, mode: int) -> int:
    """Return how many of the first steps go above the mode."""
    both = min(mode, n - mode)
    if steps <= 2 * both:
        return (steps + 1) // 2
    return steps - both if mode < n - mode else both


@inlined
def value_after(step: int, n: int, p: float, q: float) -> int:
    """Return the value of Binomial(n, p), 0 < p < 1, q = 1 - p, that a search reaches in so many steps."""
    mode = min(int((n + 1) * min(p, q)), n)
    above = steps_above(step, n, mode)
    value = mode + above if upwards(step, n, mode) else mode - (step - above)
    return value if p <= q else n - value


@compiled
def search(n: int, p: float, q: float, u: float, sums: Vector, states: Vector, place: int) -> int:
    """Search for the value on which a uniform u falls and return how many steps it is from the mode; n >= 1.

    The values are laid side by side in the order mode, mode + 1, mode - 1, mode + 2, ...: the distribution is exact up
    to rounding (about 1e-12 in total variation at n = 1e7) and the search takes about one standard deviation of steps.
    When rounding leaves a rest (probability below 1e-12) the answer is the mode.

    ``sums[place]`` keeps the partial sums for the next search with the same n and p, as many as it has room for, at
    least one; ``states[place]`` how many they are, and the last probabilities above and below the mode.  Zeros stand
    for no knowledge.  A search goes on from there: where u is less than the last sum, it need not be called.
    """
    p, q = min(p, q), max(p, q)
    mode = min(int((n + 1) * p), n)
    if states[place, 0] == 0.0:
        at_mode = binomial_probability(n, mode, p, q)
        sums[place, 0] = at_mode
        states[place, 0] = 1.0
        states[place, 1] = at_mode if mode < n else 0.0
        states[place, 2] = at_mode if mode > 0 else 0.0
    step = int(states[place, 0])
    total = sums[place, step - 1]
    above, below = states[place, 1], states[place, 2]
    odds = p / q
    high = mode + steps_above(step - 1, n, mode)
    low = high - (step - 1)
    found = 0
    while u >= total and (above > NEGLIGIBLE or below > NEGLIGIBLE):
        if upwards(step, n, mode):
            above *= odds * (n - high) / (high + 1)
            high += 1
            total += above
            if high == n:
                above = 0.0
        else:
            below *= low / (odds * (n - low + 1))
            low -= 1
            total += below
            if low == 0:
                below = 0.0
        if step < sums.shape[1]:
            sums[place, step] = total
            states[place, 0] = step + 1.0
            states[place, 1] = above
            states[place, 2] = below
        found = step if u < total else 0
        step += 1
    return found
