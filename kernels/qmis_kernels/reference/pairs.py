"""All pairs of sums and fresh points."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels import _constants as constants
from qmis_kernels.reference.arrays import Matrix


def all_pairs_wins(sum_scores: ArrayLike, weights: ArrayLike, point_scores: ArrayLike) -> Matrix:
    """Return, for each point m and cell k, the total weight of the sums r with which the cell wins.

    That is the sum over r of weights[r] 1{argmin_j (sum_scores[r, j] + point_scores[m, j]) = k}.

    Parameters
    ----------
    sum_scores : array_like, shape (R, K)
    weights : array_like, shape (R,)
    point_scores : array_like, shape (M, K)

    Returns
    -------
    ndarray of float64, shape (M, K)
        The lowest index wins a tie.  Terms are added in order within blocks of 1024, the blocks in order.

    Examples
    --------
    >>> all_pairs_wins([[0.0, 1.0], [0.0, -1.0]], [2.0, 3.0], [[0.0, 0.0], [0.0, 1.0]])
    array([[2., 3.],
           [5., 0.]])
    """
    sums, points = checks.pairs(sum_scores, point_scores)
    weight = checks.array("weights", weights, (sums.shape[0],))
    checks.room("all_pairs_wins", points.shape, "the number of points")
    everyone = np.arange(points.shape[0])
    total = np.zeros(points.shape)
    for begin in range(0, sums.shape[0], constants.PAIR_BLOCK):
        block = np.zeros(points.shape)
        for r in range(begin, min(begin + constants.PAIR_BLOCK, sums.shape[0])):
            block[everyone, np.argmin(sums[r] + points, axis=1)] += weight[r]
        total += block
    return total


def all_pairs_rows(sum_scores: ArrayLike, point_scores: ArrayLike, coefficients: ArrayLike) -> Matrix:
    """Return, for each sum r, the total over m of the coefficient of the winning cell.

    That is the sum over m of coefficients[m, argmin_j (sum_scores[r, j] + point_scores[m, j])].

    Parameters
    ----------
    sum_scores : array_like, shape (R, K)
    point_scores : array_like, shape (M, K)
    coefficients : array_like, shape (M, K)

    Returns
    -------
    ndarray of float64, shape (R,)
        Ties and order of addition as in :func:`all_pairs_wins`.

    Examples
    --------
    >>> all_pairs_rows([[0.0, 1.0], [0.0, -1.0]], [[0.0, 0.0], [0.0, 1.0]], [[1.0, 10.0], [100.0, 1000.0]])
    array([101., 110.])
    """
    sums, points = checks.pairs(sum_scores, point_scores)
    coefficient = checks.array("coefficients", coefficients, points.shape)
    checks.room("all_pairs_rows", sums.shape[:1], "the number of sums")
    total = np.zeros(sums.shape[0])
    for begin in range(0, points.shape[0], constants.PAIR_BLOCK):
        block = np.zeros(sums.shape[0])
        for m in range(begin, min(begin + constants.PAIR_BLOCK, points.shape[0])):
            block += coefficient[m, np.argmin(sums + points[m], axis=1)]
        total += block
    return total
