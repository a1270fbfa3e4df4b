"""Standard normal numbers by the inverse distribution function of one uniform (AS 241).

M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied Statistics 37
(1988).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange, wide
from qmis_kernels._constants import (
    CENTRAL_DENOMINATOR,
    CENTRAL_NUMERATOR,
    FAR_DENOMINATOR,
    FAR_NUMERATOR,
    TAIL_DENOMINATOR,
    TAIL_NUMERATOR,
)
from qmis_kernels.elementary import log
from qmis_kernels.uniform import Source, fill_uniform_columns, fill_uniform_rows, fill_uniforms, rows_a_group

CENTRAL_HALF = 0.425
"""The central formula serves uniforms within this distance of 1/2."""

_STRETCH = 512
_STAGED_FROM = 32  # shorter vectors are not worth the three work arrays


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


@inlined
def _tail_radius(u: float) -> float:
    """Return sqrt(-log min(u, 1 - u)), the argument of both tail formulas."""
    return np.sqrt(-log(min(u, 1.0 - u)))  # type: ignore[no-any-return]


@inlined
def _near_tail(u: float, radius: float) -> float:
    """Return the quantile at u, |u - 1/2| > 0.425, for a radius up to 5."""
    x = _polynomial(radius - 1.6, TAIL_NUMERATOR) / _polynomial(radius - 1.6, TAIL_DENOMINATOR)
    return -x if u < 0.5 else x


@inlined
def _far_tail(u: float, radius: float) -> float:
    """Return the quantile at u for a radius above 5: u or 1 - u below 1.4e-11."""
    x = _polynomial(radius - 5.0, FAR_NUMERATOR) / _polynomial(radius - 5.0, FAR_DENOMINATOR)
    return -x if u < 0.5 else x


@compiled
def normal(u: float) -> float:
    """Return the standard normal quantile at the uniform u."""
    q = u - 0.5
    if abs(q) <= CENTRAL_HALF:
        return _central(q)
    radius = _tail_radius(u)
    return _near_tail(u, radius) if radius <= 5.0 else _far_tail(u, radius)


@compiled
def uniforms_to_normals(out: NDArray[np.float64]) -> None:
    """Replace every uniform in the vector by its normal quantile.

    In stages over short stretches, each a loop without branches that runs on vectors: the tails, 15 % of the numbers,
    are set aside; the central formula is applied to all; the tail formula is applied to those set aside, and they go
    back to their places.  A far tail (three numbers in 1e11) is computed again by itself.
    """
    wide()
    if out.size < _STAGED_FROM:
        for t in range(out.size):
            out[t] = normal(out[t])
        return
    place = np.empty(_STRETCH, dtype=np.int64)
    tail = np.empty(_STRETCH)
    value = np.empty(_STRETCH)
    for begin in range(0, out.size, _STRETCH):
        part = out[begin : begin + _STRETCH]
        tails = 0
        for t in range(part.size):
            u = part[t]
            place[tails] = t
            tail[tails] = u
            tails += 1 if abs(u - 0.5) > CENTRAL_HALF else 0
        for t in range(part.size):
            part[t] = _central(part[t] - 0.5)
        far = 0
        for j in range(tails):
            radius = _tail_radius(tail[j])
            far += 1 if radius > 5.0 else 0
            value[j] = _near_tail(tail[j], radius)
        if far:
            for j in range(tails):
                value[j] = normal(tail[j])
        for j in range(tails):
            part[place[j]] = value[j]


@compiled
def fill_normals(out: NDArray[np.float64], source: Source, replicate: np.uint64, block: np.uint64) -> None:
    """Write the normals of the draws 2 block, 2 block + 1, ... of the replicate into the vector ``out``."""
    fill_uniforms(out, source, replicate, block)
    uniforms_to_normals(out)


@compiled
def fill_normal_rows(out: NDArray[np.float64], source: Source, first: np.uint64) -> None:
    """Fill each row of the contiguous ``out`` with the first normals of its replicate."""
    fill_uniform_rows(out, source, first)
    uniforms_to_normals(out.reshape(out.size))


@compiled
def fill_normal_columns(out: NDArray[np.float64], source: Source, first: np.uint64, block: np.uint64) -> None:
    """Write the normal of draw 2 block + t of replicate first + r to ``out[t, r]``, ``out`` contiguous."""
    fill_uniform_columns(out, source, first, block)
    uniforms_to_normals(out.reshape(out.size))


@parallel
def normal_rows(out: NDArray[np.float64], source: Source, first: np.uint64) -> None:
    """Fill each row of ``out`` with the first normals of its replicate."""
    count = out.shape[0]
    rows = rows_a_group(out.shape[1])
    for group in prange((count + rows - 1) // rows):
        start = group * rows
        fill_normal_rows(out[start : start + rows], source, first + np.uint64(start))
