"""Differences of all pairs of rows of different groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _bootstrap_checks as bootstrap_checks
from qmis_kernels import _checks as checks
from qmis_kernels.reference.arrays import Matrix
from qmis_kernels.reference.lanes import lanes_sum


def _ratios(differences: Matrix, inverse: Matrix) -> Matrix:
    """Return scaled differences; where a scale is 0, 0 if there is no difference and else infinite."""
    infinite = np.where(differences > 0.0, np.inf, -np.inf)
    without_scale = np.where(differences == 0.0, 0.0, infinite)
    return np.where(inverse > 0.0, differences * inverse, without_scale)


def group_contrasts(estimates: ArrayLike, draws: ArrayLike, offsets: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return by how much some row of a group lies below all rows of another one, and draws that bound the noise.

    Rows i and j are compared on their own scale s(i, j), the root mean square of draws[j] - draws[i].

    Parameters
    ----------
    estimates : array_like, shape (M,)
    draws : array_like, shape (M, B)
        Bootstrap replicates of the errors of the estimates, with mean zero; at least one.
    offsets : array_like of int, shape (G + 1,)
        Group g holds the rows offsets[g] to offsets[g + 1] - 1; there is no empty group.

    Returns
    -------
    statistics : ndarray of float64, shape (G, G, 2)
        Entry (g, h, 0) is the max over i in g of the min over j in h of (estimates[j] - estimates[i]) / s(i, j), entry
        (g, h, 1) the max over both.
    maxima : ndarray of float64, shape (G, G, B)
        Entry (g, h, b) is the max over i in g and j in h of (draws[j, b] - draws[i, b]) / s(i, j).

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite or not below 2^500 in size, or a group is empty.

    Notes
    -----
    Squares are added in eight interleaved partial sums over b, added in a fixed tree; with s = sqrt(sum / B) a division
    by s is a multiplication by 1 / s.  Where s is 0 the draws contribute 0, and the estimates 0 if they are equal and
    else an infinity.  On the diagonal everything is 0, and there is no minus zero.

    Examples
    --------
    >>> statistics, maxima = group_contrasts([0.0, 3.0], [[1.0, -1.0], [-2.0, 2.0]], [0, 1, 2])
    >>> statistics[:, :, 0]
    array([[ 0.,  1.],
           [-1.,  0.]])
    >>> maxima[0, 1]
    array([-1.,  1.])
    """
    centre, rows, parts = bootstrap_checks.grouped(estimates, draws, offsets)
    groups, replicates = parts.size - 1, rows.shape[1]
    shape = checks.room("group_contrasts", (groups, groups, replicates), "the number of groups or of replicates")
    checks.room("group_contrasts", bootstrap_checks.largest_pair(parts), "the sizes of the groups")
    statistics, maxima = np.zeros((groups, groups, 2)), np.zeros(shape)
    for g in range(groups):
        for h in range(groups):
            if g == h:
                continue
            most_of_least = most_of_all = -np.inf
            most = np.full(replicates, -np.inf)
            theirs = slice(parts[h], parts[h + 1])
            for i in range(parts[g], parts[g + 1]):
                differences = rows[theirs] - rows[i]
                scale = np.sqrt(lanes_sum(differences * differences) / replicates)
                inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0.0)
                ratios = _ratios(centre[theirs] - centre[i], inverse)
                most_of_least = max(most_of_least, ratios.min())
                most_of_all = max(most_of_all, ratios.max())
                most = np.maximum(most, (differences * inverse[:, None]).max(axis=0))
            statistics[g, h] = most_of_least + 0.0, most_of_all + 0.0
            maxima[g, h] = most + 0.0
    return statistics, maxima
