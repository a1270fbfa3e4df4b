"""Exact log likelihood ratios of a product quantizer on a Gaussian mean with independent coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange
from qmis_kernels.normal import fill_normals
from qmis_kernels.normal_cell import log_normal_interval
from qmis_kernels.uniform import Source

Vector = NDArray[np.float64]
Offsets = NDArray[np.int64]


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
def log_marginals(edges: Vector, offsets: Offsets, n: int) -> Vector:
    """Return log P(cell) of every cell; the cells of coordinate i start at offsets[i] + i."""
    d = offsets.size - 1
    root = np.sqrt(np.float64(n))
    marginal = np.empty(edges.size + d)
    for i in range(d):
        for cell in range(offsets[i + 1] - offsets[i] + 1):
            marginal[offsets[i] + i + cell] = log_cell(edges, offsets[i], offsets[i + 1], cell, 0.0, root)
    return marginal


@compiled
def log_ratios(z: Vector, n: int, edges: Vector, offsets: Offsets, marginal: Vector) -> tuple[float, float]:
    """Return the log likelihood ratio under the product law and under the joint law, from 3 d normals.

    Given its member w, the standardised mean of n has mean w / n and standard deviation sqrt(n - 1) / n.
    With d coordinates, z[2 i] is the member w of coordinate i, z[2 i + 1] the rest of its sample, z[2 d + i]
    the mean of a sample without it.
    """
    d = offsets.size - 1
    root = np.sqrt(np.float64(n))
    spread = np.sqrt(n - 1.0) / n
    sharpness = n / np.sqrt(n - 1.0)
    product = 0.0
    joint = 0.0
    for i in range(d):
        low, high = offsets[i], offsets[i + 1]
        shift = z[2 * i] / n
        cell = find_cell(edges, low, high, z[2 * d + i] / root)
        product += log_cell(edges, low, high, cell, shift, sharpness) - marginal[low + i + cell]
        cell = find_cell(edges, low, high, shift + spread * z[2 * i + 1])
        joint += log_cell(edges, low, high, cell, shift, sharpness) - marginal[low + i + cell]
    return product, joint


@parallel
def log_ratio_rows(
    out: Vector, source: Source, first: np.uint64, n: int, edges: Vector, offsets: Offsets, marginal: Vector
) -> None:
    """Write the two log likelihood ratios of each replicate."""
    for r in prange(out.shape[0]):
        z = np.empty(3 * (offsets.size - 1))
        fill_normals(z, source, first + np.uint64(r), np.uint64(0))
        out[r, 0], out[r, 1] = log_ratios(z, n, edges, offsets, marginal)
