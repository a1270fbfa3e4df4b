"""Standard normal numbers by the inverse distribution function of one uniform (AS 241).

M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied Statistics 37
(1988).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels._constants import (
    CENTRAL_DENOMINATOR,
    CENTRAL_NUMERATOR,
    FAR_DENOMINATOR,
    FAR_NUMERATOR,
    TAIL_DENOMINATOR,
    TAIL_NUMERATOR,
)
from qmis_kernels.elementary import log
from qmis_kernels.uniform import Source, fill_uniforms

_MARK = 2.0**100
_UNMARK = 2.0**-100
_LARGEST_CENTRAL = 2.0


@inlined
def _polynomial(x: float, c: tuple[float, ...]) -> float:
    y = c[6] + x * c[7]
    y = c[5] + x * y
    y = c[4] + x * y
    y = c[3] + x * y
    y = c[2] + x * y
    y = c[1] + x * y
    return c[0] + x * y


@inlined
def _central(q: float) -> float:
    """Return the quantile at 1/2 + q, |q| <= 0.425."""
    r = 0.180625 - q * q
    return q * (_polynomial(r, CENTRAL_NUMERATOR) / _polynomial(r, CENTRAL_DENOMINATOR))


@compiled
def _tail(u: float) -> float:
    """Return the quantile at u, |u - 1/2| > 0.425."""
    r = np.sqrt(-log(min(u, 1.0 - u)))
    if r <= 5.0:
        x = _polynomial(r - 1.6, TAIL_NUMERATOR) / _polynomial(r - 1.6, TAIL_DENOMINATOR)
    else:
        x = _polynomial(r - 5.0, FAR_NUMERATOR) / _polynomial(r - 5.0, FAR_DENOMINATOR)
    return -x if u < 0.5 else x


@compiled
def normal(u: float) -> float:
    """Return the standard normal quantile at the uniform u."""
    q = u - 0.5
    return _central(q) if abs(q) <= 0.425 else _tail(u)


@compiled
def uniforms_to_normals(out: NDArray[np.float64]) -> None:
    """Replace every uniform in the vector by its normal quantile.

    Two passes: the central formula without branches, which vectorises, leaving a uniform of the tails marked
    by a factor 2^100 (exact); then the tails, 15 % of the numbers, one by one.
    """
    for t in range(out.size):
        u = out[t]
        q = u - 0.5
        x = _central(q)
        out[t] = x if abs(q) <= 0.425 else u * _MARK
    for t in range(out.size):
        if out[t] > _LARGEST_CENTRAL:
            out[t] = _tail(out[t] * _UNMARK)


@compiled
def fill_normals(out: NDArray[np.float64], source: Source, replicate: np.uint64, block: np.uint64) -> None:
    """Write the normals of the draws 2 block, 2 block + 1, ... of the replicate into the vector ``out``."""
    fill_uniforms(out, source, replicate, block)
    uniforms_to_normals(out)


@parallel
def normal_rows(out: NDArray[np.float64], source: Source, first: np.uint64) -> None:
    """Fill each row of ``out`` with the first normals of its replicate."""
    for r in prange(out.shape[0]):
        fill_normals(out[r], source, first + np.uint64(r), np.uint64(0))
