"""Logarithm and exponential made only of IEEE-exact operations and bit moves."""

from __future__ import annotations

import numpy as np

from qmis_kernels import _constants as constants
from qmis_kernels.reference.arrays import Matrix


def log(x: Matrix) -> Matrix:
    """Return log x of positive normal numbers by IEEE-exact operations only."""
    bits = x.view(np.int64)
    exponent = (bits - constants.LOG_SPLIT) >> 52
    f = (bits - (exponent << 52)).view(np.float64) - 1.0
    k = exponent.astype(np.float64)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    g1, g3, g5, g7 = constants.LOG_ODD
    g2, g4, g6 = constants.LOG_EVEN
    remainder = z * (g1 + w * (g3 + w * (g5 + w * g7))) + w * (g2 + w * (g4 + w * g6))
    half_square = 0.5 * f * f
    return s * (half_square + remainder) + k * constants.LN2_LOW - half_square + f + k * constants.LN2_HIGH


def log1p(x: Matrix) -> Matrix:
    """Return log(1 + x), -1 < x <= 1."""
    u = 1.0 + x
    return log(u) + (x - (u - 1.0)) / u


def exp(x: Matrix) -> Matrix:
    """Return e^x, x <= 0, by IEEE-exact operations only."""
    clipped = np.maximum(x, -708.0)
    k = np.floor(clipped * constants.INVERSE_LN2 + 0.5)
    high = clipped - k * constants.LN2_HIGH
    low = k * constants.LN2_LOW
    r = high - low
    t = r * r
    p1, p2, p3, p4, p5 = constants.EXP
    c = r - t * (p1 + t * (p2 + t * (p3 + t * (p4 + t * p5))))
    y = 1.0 - ((low - (r * c) / (2.0 - c)) - high)
    power: Matrix = ((k.astype(np.int64) + 1023) << 52).view(np.float64)
    return np.where(x < -708.0, 0.0, y * power)
