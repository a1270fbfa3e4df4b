"""Faces of magnitude sparsity: pairs of a kept and a dropped weight, 2k(d − k) of them, and how to do with few."""

from __future__ import annotations

import math

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.quantizers.weights.faces import Faces, pair_faces

__all__ = ["candidate_swaps", "nearest_swaps", "rates"]

_FIRST = 64
_AT_ONCE = 1 << 18


def nearest_swaps(weights: FloatArray, kept: IntArray, dropped: IntArray, nearest: int) -> Faces:
    """Return the faces of smallest margin, sorted.

    Parameters
    ----------
    weights : (d,) array
        The weights of one group.
    kept, dropped : integer arrays
        Their indices, both sorted by magnitude.
    nearest : int
        How many at most.
    """
    # The pair of ranks (p, q), counted from the nearest, has (p + 1)(q + 1) − 1 pairs before it.
    p, q = _hyperbola(min(nearest, kept.size), min(nearest, dropped.size), nearest)
    size = np.abs(weights)
    towards = np.where(weights < 0.0, 1.0, -1.0)
    i = np.concatenate((dropped[::-1][q], dropped[q]))
    side = np.concatenate((towards[dropped[::-1][q]], -towards[dropped[q]]))
    j = np.concatenate((kept[p], kept[p]))
    first = np.argsort(size[j] + side * weights[i], kind="stable")[:nearest]
    return pair_faces(weights, j[first], i[first], side[first])


def _hyperbola(rows: int, columns: int, most: int) -> tuple[IntArray, IntArray]:
    """Return all p < rows and q < columns with (p + 1)(q + 1) ≤ most."""
    lengths = np.minimum(most // np.arange(1, rows + 1), columns)
    p = np.repeat(np.arange(rows), lengths)
    return p, np.arange(p.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def rates(margins: FloatArray, variances: FloatArray) -> FloatArray:
    """Return g²/(2v): 0 on the face, infinite where v = 0."""
    safe = np.where(variances > 0.0, variances, 1.0)
    with np.errstate(over="ignore"):
        rate = np.where(variances > 0.0, margins / safe * margins / 2.0, np.inf)
    return np.where(margins > 0.0, rate, 0.0)


def candidate_swaps(
    weights: FloatArray, kept: IntArray, dropped: IntArray, covariance: FloatArray
) -> tuple[Faces, int, int]:
    """Return the face of smallest rate, the number of faces looked at, and the number that exist.

    The standard deviation of a margin is at most sd_i + sd_j. With r the smallest rate so far, a pair can do better
    only if ``|w_j| − c·sd_j < |w_i| + c·sd_i``, c = √(2r): a comparison of two sorted lists.

    Parameters
    ----------
    weights : (d,) array
        The weights of one group.
    kept, dropped : integer arrays
        Their indices, both sorted by magnitude.
    covariance : (d, d) or (d,) array
        Checked covariance of the group.
    """
    size = np.abs(weights)
    deviation = np.sqrt(covariance if covariance.ndim == 1 else np.diagonal(covariance))
    search = _Search(weights, covariance)
    search.look(np.repeat(kept[:_FIRST], dropped[-_FIRST:].size), np.tile(dropped[-_FIRST:], kept[:_FIRST].size))
    low, high = search.reach(size, deviation)
    j = kept[np.argsort(low[kept], kind="stable")][:_FIRST]
    i = dropped[np.argsort(-high[dropped], kind="stable")][:_FIRST]
    search.look(np.repeat(j, i.size), np.tile(i, j.size))

    low, high = search.reach(size, deviation)
    j = kept[np.argsort(low[kept], kind="stable")]
    i = dropped[np.argsort(-high[dropped], kind="stable")]
    counts = np.searchsorted(-high[i], -low[j], side="left")
    start = 0
    while start < j.size and counts[start] > 0:
        # As many kept weights as fit, one at least; those that a smaller rate has excluded since are left out.
        stop = start + max(1, int(np.searchsorted(np.cumsum(counts[start:]), _AT_ONCE, side="right")))
        lengths = counts[start:stop]
        rival = i[np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)]
        mine = np.repeat(j[start:stop], lengths)
        low, high = search.reach(size, deviation)
        open_ = low[mine] < high[rival]
        search.look(mine[open_], rival[open_])
        start = stop
    return search.best, search.looked, 2 * kept.size * dropped.size


class _Search:
    """The best face so far."""

    def __init__(self, weights: FloatArray, covariance: FloatArray) -> None:
        self._weights = weights
        self._covariance = covariance
        self._rate = math.inf
        self.best = pair_faces(weights, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))
        self.looked = 0

    def look(self, kept: IntArray, dropped: IntArray) -> None:
        """Look at both faces of each pair."""
        for side in (-1.0, 1.0):
            towards = side * np.where(self._weights[dropped] < 0.0, -1.0, 1.0)
            faces = pair_faces(self._weights, kept, dropped, towards)
            found = rates(faces.margins, faces.checked_variances(self._covariance))
            self.looked += found.size
            if found.size and (found.min() < self._rate or len(self.best) == 0):
                at = int(np.argmin(found))
                self._rate = float(found[at])
                self.best = pair_faces(self._weights, kept[at : at + 1], dropped[at : at + 1], towards[at : at + 1])

    def reach(self, size: FloatArray, deviation: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return how far down kept and how far up dropped weights could come into play."""
        slack = math.sqrt(2.0 * self._rate) * (1.0 + 1e-9) * deviation if math.isfinite(self._rate) else np.inf
        return size - slack, size + slack
