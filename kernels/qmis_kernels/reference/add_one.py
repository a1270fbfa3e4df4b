"""All pairs of regressions and fresh points: the cell of the estimate after the point is added."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels import _model_checks as model_checks
from qmis_kernels.reference.arrays import Integers
from qmis_kernels.reference.rank_one import rank_one_updates


def add_one_wins(
    factors: ArrayLike,
    estimates: ArrayLike,
    x: ArrayLike,
    response: ArrayLike,
    edges: ArrayLike,
    offsets: ArrayLike,
) -> Integers:
    """Return, for each fresh point and product cell, how many regressions the point moves into the cell.

    That is, over all pairs of a regression r and a point m, the cell of the estimate that :func:`rank_one_updates`
    gives when m is added to r.  Memory is that of the arguments and the result.

    Parameters
    ----------
    factors : array_like, shape (R, d, d)
        Lower triangles L, L Lᵀ = XᵀX, in the coordinates of the cells.
    estimates : array_like, shape (R, d)
    x : array_like, shape (M, d)
    response : array_like, shape (M,)
    edges : array_like, shape (E,)
        Thresholds, increasing within each coordinate.
    offsets : array_like of int, shape (d + 1,)
        The thresholds of coordinate i are edges[offsets[i]:offsets[i + 1]]; its digit is how many are at most the
        estimate.  The digit of the first coordinate is the most significant of the cell's number.

    Returns
    -------
    ndarray of int64, shape (M, cells)
        Rows sum to R, less the pairs whose leverage overflows.

    Raises
    ------
    ValueError
        As in :func:`rank_one_updates`, or if the offsets do not fit.

    Examples
    --------
    >>> add_one_wins([[[1.0]], [[2.0]]], [[0.0], [0.5]], [[1.0], [0.0]], [1.0, 0.0], [0.2], [0, 1])
    array([[0, 2],
           [1, 1]])
    """
    triangles, old, points, values, flat, parts, cells = model_checks.all_updates(
        factors, estimates, x, response, edges, offsets
    )
    everyone = np.arange(points.shape[0])
    counts = np.zeros(checks.room("add_one_wins", (points.shape[0], cells), "the number of cells"), dtype=np.int64)
    for r in range(triangles.shape[0]):
        updated, _, solvable = rank_one_updates(triangles[r : r + 1], old[r : r + 1], points[None], values[None], 1)
        cell = np.zeros(points.shape[0], dtype=np.int64)
        for i in range(points.shape[1]):
            own = flat[parts[i] : parts[i + 1]]
            cell = cell * (own.size + 1) + np.searchsorted(own, updated[0, :, i], side="right")
        counts[everyone[solvable[0]], cell[solvable[0]]] += 1
    return counts
