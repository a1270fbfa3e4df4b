"""Rows of chi-square and gamma numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange
from qmis_kernels.chi_square import chi_square, fill_chi_square_rows
from qmis_kernels.elementary import exp, log
from qmis_kernels.uniform import Source, rows_a_group, uniform_pair

Vector = NDArray[np.float64]


@parallel
def chi_square_rows(out: Vector, source: Source, first: np.uint64, dof: Vector) -> None:
    """Write one chi-square number for each entry of ``dof``; attempt a at entry i uses block i + a m."""
    count, m = out.shape
    rows = rows_a_group(m)
    for group in prange((count + rows - 1) // rows):
        start = group * rows
        fill_chi_square_rows(out[start : start + rows], dof, source, first + np.uint64(start), 0, m)


@compiled
def gamma(shape: float, source: Source, replicate: np.uint64, entry: int, m: int) -> float:
    """Return one gamma number: half a chi-square number with twice as many degrees of freedom.

    A shape below 1 is raised by 1, and the number multiplied by U^(1 / shape), U the draw number ``entry``.
    """
    block = (m + 1) // 2 + entry
    boosted = shape < 1.0
    dof = 2.0 * (shape + 1.0 if boosted else shape)
    number = 0.5 * chi_square(dof, source, replicate, block, m)
    if boosted:
        pair = uniform_pair(source, replicate, np.uint64(entry // 2))
        number *= exp(log(pair[0] if entry % 2 == 0 else pair[1]) / shape)
    return number


@parallel
def gamma_rows(out: Vector, source: Source, first: np.uint64, shape: Vector) -> None:
    """Write one gamma number for each entry of ``shape``."""
    count, m = out.shape
    for r in prange(count):
        for i in range(m):
            out[r, i] = gamma(shape[i], source, first + np.uint64(r), i, m)
