"""Tables of the interpolation of log likelihood ratios, made of exact integers and fifteen cosines.

A smooth function g on [-1, 1] is replaced by the polynomial that agrees with it at the zeros of Chebyshev's polynomial
T_14.  Its values there give the coefficients of T_0, ..., T_13, and these the coefficients of the powers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._constants import COSINES, DEGREE, REACH

Vector = NDArray[np.float64]

TERMS = DEGREE + 1
SPAN = 0.4
"""Largest half width of a piece, in units of w / sqrt(n - 1): a seventh of the distance of the nearest complex zero."""


def pieces(n: int) -> int:
    """Return into how many pieces [-REACH, REACH] is divided.

    Examples
    --------
    >>> pieces(2), pieces(100), pieces(500)
    (21, 3, 1)
    """
    return math.ceil(REACH / (SPAN * math.sqrt(n - 1.0)))


def _cosine(m: int) -> float:
    """Return cos(m pi / 28)."""
    m %= 4 * TERMS
    m = min(m, 4 * TERMS - m)
    return COSINES[m] if m <= TERMS else -COSINES[2 * TERMS - m]


def _powers() -> Vector:
    """Return the coefficients of t^j in T_k, by T_k = 2 t T_(k-1) - T_(k-2)."""
    rows = np.zeros((TERMS, TERMS))
    rows[0, 0] = rows[1, 1] = 1.0
    for k in range(2, TERMS):
        rows[k, 1:] = 2.0 * rows[k - 1, :-1]
        rows[k] -= rows[k - 2]
    return rows


NODES = np.array([_cosine(2 * j + 1) for j in range(TERMS)])
"""Zeros of T_14, shape (14,)."""
TO_CHEBYSHEV = np.array(
    [[(1.0 if k == 0 else 2.0) / TERMS * _cosine(k * (2 * j + 1)) for j in range(TERMS)] for k in range(TERMS)]
)
"""From values at the nodes to coefficients of T_0, ..., T_13, shape (14, 14)."""
POWERS = _powers()
"""Coefficients of the powers in T_0, ..., T_13, integers, shape (14, 14)."""
