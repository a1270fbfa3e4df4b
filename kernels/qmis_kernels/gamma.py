"""Rows of gamma numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange, wide
from qmis_kernels.chi_square import fill_chi_square_columns
from qmis_kernels.elementary import exp, log
from qmis_kernels.uniform import Source, fill_uniform_columns, rows_a_group, write_rows

Vector = NDArray[np.float64]

_FEWEST_ROWS = 512  # replicates that are worth drawing side by side


@compiled
def boost(out: Vector, u: Vector, shape: float) -> None:
    """Multiply each number by a power of a uniform."""
    wide()
    for r in range(out.size):
        out[r] *= exp(log(u[r]) / shape)


@parallel
def gamma_rows(out: Vector, source: Source, first: np.uint64, shape: Vector) -> None:
    """Write one gamma number for each entry of ``shape``.

    It is half a chi-square number with twice as many degrees of freedom.  A shape below 1 is raised by 1, and the
    number multiplied by U^(1 / shape), U the draw number of the entry.
    """
    count, m = out.shape
    dof = 2.0 * np.where(shape < 1.0, shape + 1.0, shape)
    rows = max(_FEWEST_ROWS, rows_a_group(m))
    for group in prange((count + rows - 1) // rows):
        part = out[group * rows : (group + 1) * rows]
        size = part.shape[0]
        begin = first + np.uint64(group * rows)
        columns, u = np.empty((m, size)), np.empty((2, size))
        fill_chi_square_columns(columns, dof, source, begin, (m + 1) // 2, m)
        for i in range(m):
            if shape[i] < 1.0:
                fill_uniform_columns(u, source, begin, np.uint64(i // 2))
                boost(columns[i], u[i % 2], shape[i])
            for r in range(size):
                columns[i, r] *= 0.5
        write_rows(part, columns)
