"""Binomial numbers by inversion, searching outwards from the mode."""

from __future__ import annotations

import numpy as np

from qmis_kernels import _constants as constants
from qmis_kernels.reference.arrays import Integers, Matrix
from qmis_kernels.reference.elementary import exp, log, log1p


def _stirling_error(n: Integers) -> Matrix:
    """Return log n! - (n log n - n + log(2 pi n) / 2)."""
    x = np.maximum(n, 16).astype(np.float64)
    square = x * x
    s0, s1, s2, s3, s4 = constants.STIRLING_SERIES
    series = (s0 - (s1 - (s2 - (s3 - s4 / square) / square) / square) / square) / x
    return np.where(n < 16, np.array(constants.STIRLING_TABLE)[np.minimum(n, 15)], series)


def _deviance(x: Matrix, mean: Matrix) -> Matrix:
    """Return x log(x / mean) + mean - x."""
    v = (x - mean) / (x + mean)
    total = (x - mean) * v
    term = 2.0 * x * v
    for j in range(1, 9):
        term = term * (v * v)
        total = total + term / (2 * j + 1)
    return np.where(np.abs(v) < 0.1, total, x * log(x / mean) + mean - x)


def _binomial_probability(n: Integers, x: Integers, p: Matrix, q: Matrix) -> Matrix:
    """Return the binomial probability of x (C. Loader's saddle-point form)."""
    inside = np.clip(x, 1, np.maximum(n - 1, 1))
    size, successes = np.maximum(n, 2).astype(np.float64), inside.astype(np.float64)
    failures = np.maximum(n - inside, 1)
    exponent = _stirling_error(np.maximum(n, 2)) - _stirling_error(inside) - _stirling_error(failures)
    exponent = exponent - _deviance(successes, size * p) - _deviance(failures.astype(np.float64), size * q)
    root = np.sqrt(size / (2.0 * np.pi * successes * failures))
    ends = np.where(x == 0, exp(n * log1p(-p)), exp(n * log(p)))
    return np.where((x == 0) | (x == n), ends, exp(exponent) * root)


def binomials(n: Integers, p: float, q: float, u: Matrix) -> Integers:
    """Return the value on which each u falls when mode, mode + 1, mode - 1, ... are laid side by side."""
    if p > q:
        return n - binomials(n, q, p, u)
    mode = np.minimum(((n + 1) * p).astype(np.int64), n)
    probability = _binomial_probability(n, mode, np.full(n.shape, p), np.full(n.shape, q))
    odds = p / q
    value, total = mode.copy(), probability.copy()
    above = np.where(mode < n, probability, 0.0)
    below = np.where(mode > 0, probability, 0.0)
    both = np.minimum(mode, n - mode)
    step = 1
    while True:
        going = (u >= total) & ((above > constants.NEGLIGIBLE) | (below > constants.NEGLIGIBLE))
        if not going.any():
            return np.where(u < total, value, mode)
        alternate = np.where(step % 2, mode + (step + 1) // 2, mode - step // 2)
        one_sided = np.where(mode < n - mode, mode + step - both, mode - step + both)
        value = np.where(going, np.where(step > 2 * both, one_sided, alternate), value)
        up, down = going & (value > mode), going & (value < mode)
        above = np.where(up, above * (odds * (n - value + 1) / np.maximum(value, 1)), above)
        below = np.where(down, below * ((value + 1) / (odds * np.maximum(n - value, 1))), below)
        total = total + np.where(up, above, 0.0) + np.where(down, below, 0.0)
        above, below = np.where(up & (value == n), 0.0, above), np.where(down & (value == 0), 0.0, below)
        step += 1
