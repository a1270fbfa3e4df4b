"""Logarithm and exponential made only of IEEE-exact operations and bit moves.

The platform's ``log`` and ``exp`` differ between libraries and devices in the last bit; these give the same
bits everywhere.
"""

from __future__ import annotations

import numpy as np

from qmis_kernels._compile import inlined
from qmis_kernels._constants import EXP, INVERSE_LN2, LN2_HIGH, LN2_LOW, LOG_EVEN, LOG_ODD, LOG_SPLIT, TO_INTEGER

_G1, _G3, _G5, _G7 = LOG_ODD
_G2, _G4, _G6 = LOG_EVEN
_P1, _P2, _P3, _P4, _P5 = EXP
_BITS = int(np.float64(TO_INTEGER).view(np.int64))


@inlined
def whole(x: float) -> int:
    """Return a whole number below 2^51 in size as an integer: vectors of 256 bits have no instruction for it."""
    return np.float64(x + TO_INTEGER).view(np.int64) - _BITS  # type: ignore[return-value]


@inlined
def log(x: float) -> float:
    """Return log x for a positive normal x, within one unit in the last place.

    With x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)), and s = f / (2 + f), log(1 + f) = f - f²/2 + s (f²/2
    + R(s²)).
    """
    bits = np.float64(x).view(np.int64)
    exponent = (bits - LOG_SPLIT) >> 52
    f = np.int64(bits - (exponent << 52)).view(np.float64) - 1.0
    k = np.int64(exponent + _BITS).view(np.float64) - TO_INTEGER
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    remainder = z * (_G1 + w * (_G3 + w * (_G5 + w * _G7))) + w * (_G2 + w * (_G4 + w * _G6))
    half_square = 0.5 * f * f
    return s * (half_square + remainder) + k * LN2_LOW - half_square + f + k * LN2_HIGH


@inlined
def log1p(x: float) -> float:
    """Return log(1 + x) for -1 < x <= 1: the rounding of 1 + x is put back to first order."""
    u = 1.0 + x
    return log(u) + (x - (u - 1.0)) / u


@inlined
def exp(x: float) -> float:
    """Return e^x for x <= 0, within one unit in the last place; 0 below the normal numbers.

    With x = k log 2 + r, |r| <= log(2) / 2, e^r = 1 + r + r c / (2 - c), c = r - r² P(r²).
    """
    if x < -708.0:
        return 0.0
    k = np.floor(x * INVERSE_LN2 + 0.5)
    high = x - k * LN2_HIGH
    low = k * LN2_LOW
    r = high - low
    t = r * r
    c = r - t * (_P1 + t * (_P2 + t * (_P3 + t * (_P4 + t * _P5))))
    y = 1.0 - ((low - (r * c) / (2.0 - c)) - high)
    return y * np.int64((whole(k) + 1023) << 52).view(np.float64)  # type: ignore[no-any-return]
