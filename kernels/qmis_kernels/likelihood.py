"""Exact log likelihood ratios of a product quantizer on a Gaussian mean with independent coordinates.

Given its member w, the standardised mean of n points has mean w / n and standard deviation √(n - 1) / n.  For each cell
of each coordinate the log likelihood ratio g(w) = log P(cell | w) - log P(cell) is a smooth function of w alone.  It is
tabulated once as a polynomial of degree 13 on each of a few pieces of [-8.25, 8.25], which holds every normal of the
generator; a replicate then costs one polynomial a coordinate instead of two logarithms of normal
probabilities.

The complex zeros of Φ(b - x) - Φ(a - x) stay 2.7 or more away from the real axis, and a piece reaches at most 0.4 to
each side of its middle in units of x = w / √(n - 1): Chebyshev's interpolant converges like 13^-degree, and degree 13
is below rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange
from qmis_kernels._constants import DEGREE, REACH
from qmis_kernels._interpolation import NODES, POWERS, TERMS, TO_CHEBYSHEV
from qmis_kernels.normal import uniforms_to_normals
from qmis_kernels.normal_cell import log_normal_interval
from qmis_kernels.uniform import Source, fill_uniform_columns

Vector = NDArray[np.float64]
Offsets = NDArray[np.int64]

_ROWS = 128  # replicates that are worked on together
_FEW_EDGES = 32  # up to here counting beats searching
_FEW_POLYNOMIALS = 6  # up to here all of them on vectors beat each replicate's own


@compiled
def find_cell(edges: Vector, low: int, high: int, x: float) -> int:
    """Return how many of edges[low:high], in increasing order, are at most x."""
    start = low
    while low < high:
        middle = (low + high) // 2
        if edges[middle] <= x:
            low = middle + 1
        else:
            high = middle
    return low - start


@compiled
def log_cell(edges: Vector, low: int, high: int, cell: int, shift: float, scale: float) -> float:
    """Return log P(shift + G / scale in the cell), G standard normal; cell c lies above c of the edges."""
    a = -np.inf if cell == 0 else (edges[low + cell - 1] - shift) * scale
    b = np.inf if cell == high - low else (edges[low + cell] - shift) * scale
    return log_normal_interval(a, b)


@compiled
def cell_polynomial(out: Vector, edges: Vector, low: int, high: int, cell: int, n: int) -> None:
    """Write the coefficients of g on each piece, lowest degree first: shape (pieces, DEGREE + 1).

    Values at Chebyshev's nodes give the coefficients of Chebyshev's polynomials, and these the powers: with
    coefficients that fall like 13^-k neither step amplifies rounding.
    """
    marginal = log_cell(edges, low, high, cell, 0.0, np.sqrt(np.float64(n)))
    sharpness = n / np.sqrt(n - 1.0)
    half = REACH / out.shape[0]
    value = np.empty(TERMS)
    for piece in range(out.shape[0]):
        middle = (2 * piece + 1) * half - REACH
        for j in range(TERMS):
            w = middle + half * NODES[j]
            value[j] = log_cell(edges, low, high, cell, w / n, sharpness) - marginal
        out[piece, :] = 0.0
        for k in range(TERMS):
            coefficient = 0.0
            for j in range(TERMS):
                coefficient += TO_CHEBYSHEV[k, j] * value[j]
            for j in range(k + 1):
                out[piece, j] += coefficient * POWERS[k, j]


@parallel
def cell_polynomials(out: Vector, edges: Vector, offsets: Offsets, n: int) -> None:
    """Write the polynomials of all cells; the cells of coordinate i start at offsets[i] + i."""
    for i in prange(offsets.size - 1):
        low, high = offsets[i], offsets[i + 1]
        for cell in range(high - low + 1):
            cell_polynomial(out[low + i + cell], edges, low, high, cell, n)


@compiled
def find_cells(cell: NDArray[np.int64], edges: Vector, x: Vector) -> None:
    """Write, for each x, how many of the edges are at most x: few by counting, which runs on vectors."""
    if edges.size > _FEW_EDGES:
        for r in range(x.size):
            cell[r] = find_cell(edges, 0, edges.size, x[r])
        return
    cell[:] = 0
    for edge in edges:
        for r in range(x.size):
            cell[r] += 1 if edge <= x[r] else 0


@compiled
def add_log_ratios(total: Vector, table: Vector, cell: NDArray[np.int64], w: Vector, t: Vector) -> None:
    """Add to each replicate's total the log likelihood ratio of its cell, given its member w; ``t`` is work space.

    With few polynomials every replicate goes through all of them and keeps its own: wasted work, but on vectors, and
    adding zero changes nothing.
    """
    parts = table.shape[1]
    inverse = parts / REACH
    terms = table.reshape((table.shape[0] * parts, TERMS))
    for r in range(total.size):
        u = w[r] * inverse
        piece = min(int(0.5 * (u + parts)), parts - 1)
        t[r] = u - np.float64(2 * piece + 1 - parts)
        cell[r] = cell[r] * parts + piece
    if len(terms) <= _FEW_POLYNOMIALS:
        for c in range(len(terms)):
            own = terms[c]
            for r in range(total.size):
                value = own[DEGREE]
                for k in range(DEGREE - 1, -1, -1):
                    value = value * t[r] + own[k]
                total[r] += value if cell[r] == c else 0.0
    else:
        for r in range(total.size):
            own = terms[cell[r]]
            value = own[DEGREE]
            for k in range(DEGREE - 1, -1, -1):
                value = value * t[r] + own[k]
            total[r] += value


@parallel
def log_ratio_rows(
    out: Vector, source: Source, first: np.uint64, n: int, edges: Vector, offsets: Offsets, tables: Vector
) -> None:
    """Write the two log likelihood ratios of each replicate: under the product law and under the joint law.

    With d coordinates, draw 2 i is the member w of coordinate i, draw 2 i + 1 the rest of its sample, draw 2 d + i
    the mean of a sample without it.
    """
    count = out.shape[0]
    d = offsets.size - 1
    root = np.sqrt(np.float64(n))
    spread = np.sqrt(n - 1.0) / n
    for group in prange((count + _ROWS - 1) // _ROWS):
        start = group * _ROWS
        size = min(_ROWS, count - start)
        begin = first + np.uint64(start)
        draws = np.empty((6, size))
        mean, t, cell = np.empty(size), np.empty(size), np.empty(size, dtype=np.int64)
        product, joint = np.zeros(size), np.zeros(size)
        for i in range(0, d, 2):
            fill_uniform_columns(draws[0:4], source, begin, np.uint64(i))
            fill_uniform_columns(draws[4:6], source, begin, np.uint64(d + i // 2))
            uniforms_to_normals(draws.reshape(draws.size))
            for own in range(min(2, d - i)):
                low, high = offsets[i + own], offsets[i + own + 1]
                table = tables[low + i + own : high + i + own + 1]
                w, rest, other = draws[2 * own], draws[2 * own + 1], draws[4 + own]
                for r in range(size):
                    mean[r] = other[r] / root
                find_cells(cell, edges[low:high], mean)
                add_log_ratios(product, table, cell, w, t)
                for r in range(size):
                    mean[r] = w[r] / n + spread * rest[r]
                find_cells(cell, edges[low:high], mean)
                add_log_ratios(joint, table, cell, w, t)
        for r in range(size):
            out[start + r, 0] = product[r]
            out[start + r, 1] = joint[r]
