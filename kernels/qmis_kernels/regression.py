"""Least squares with a Gaussian design, drawn from its sufficient statistics by back substitution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange
from qmis_kernels.chi_square import fill_chi_square_rows
from qmis_kernels.normal import fill_normal_rows
from qmis_kernels.sums import add_product
from qmis_kernels.uniform import Source

Vector = NDArray[np.float64]

_FEWEST_ROWS = 32  # replicates whose chi-square numbers are worth drawing side by side,
_MOST_ROWS = 128  # and beyond which there is no more gain
_NUMBERS = 16384  # normals that are drawn together in between


@compiled
def solve_transposed(z: Vector, below: Vector, diagonal: Vector) -> None:
    """Replace z by A⁻ᵀ z; ``below`` holds the entries of the lower triangle A under its diagonal, row by row."""
    for k in range(z.size - 1, -1, -1):
        z[k] /= diagonal[k]
        weight = z[k]
        start = k * (k - 1) // 2
        for i in range(k):
            z[i] -= below[start + i] * weight


@compiled
def write_factor(out: Vector, below: Vector, diagonal: Vector) -> None:
    """Write the lower triangle A as a square matrix."""
    out[:, :] = 0.0
    for i in range(diagonal.size):
        start = i * (i - 1) // 2
        for j in range(i):
            out[i, j] = below[start + j]
        out[i, i] = diagonal[i]


@compiled
def regression_group(
    estimates: Vector,
    residual_squares: Vector,
    factors: Vector,
    keep_factors: bool,
    source: Source,
    first: np.uint64,
    n: int,
    coefficients: Vector,
    columns: Vector,
    noise_std: float,
) -> None:
    """Write the estimates, residual sums of squares and, when wanted, triangles A of a few replicates."""
    count, d = estimates.shape
    entries = d * (d - 1) // 2
    draws = np.empty((count, entries + d))
    fill_normal_rows(draws, source, first)
    wanted = min(d + 1, n)
    chi_squares = np.empty((count, wanted))
    dof = np.float64(n) - np.arange(wanted)
    fill_chi_square_rows(chi_squares, dof, source, first, (entries + d + 1) // 2, d + 1)
    diagonal = np.empty(d)
    total = np.empty(d)
    for r in range(count):
        for i in range(d):
            diagonal[i] = np.sqrt(chi_squares[r, i])
        below = draws[r, :entries]
        z = draws[r, entries:]
        solve_transposed(z, below, diagonal)
        total[:] = 0.0
        add_product(total, columns, z)
        for i in range(d):
            estimates[r, i] = coefficients[i] + noise_std * total[i]
        residual_squares[r] = noise_std * noise_std * chi_squares[r, d] if n > d else 0.0
        if keep_factors:
            write_factor(factors[r], below, diagonal)


@parallel
def regression_rows(
    estimates: Vector,
    residual_squares: Vector,
    factors: Vector,
    keep_factors: bool,
    source: Source,
    first: np.uint64,
    n: int,
    coefficients: Vector,
    columns: Vector,
    noise_std: float,
) -> None:
    """Write the least squares of each replicate; ``columns`` is the transposed transform."""
    count, d = estimates.shape
    rows = max(_FEWEST_ROWS, min(_MOST_ROWS, _NUMBERS // max(1, d * (d + 1) // 2)))
    for group in prange((count + rows - 1) // rows):
        start = group * rows
        stop = min(count, start + rows)
        regression_group(
            estimates[start:stop],
            residual_squares[start:stop],
            factors[start:stop],
            keep_factors,
            source,
            first + np.uint64(start),
            n,
            coefficients,
            columns,
            noise_std,
        )
