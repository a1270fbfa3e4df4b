"""Records that nearly repeat another one: what each leaks alone is understated."""

from __future__ import annotations

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray

__all__ = ["NEAR", "near_duplicates"]

NEAR = 0.1
"""A nearest neighbour this much closer than the median one is a near duplicate."""

_MOST_WORK = 2e10
_REPEAT = 1e-9


def near_duplicates(X: FloatArray) -> IntArray | None:
    """Return for each row the row that it nearly repeats, −1 where there is none; ``None`` where it takes too long.

    Features are standardised. A row nearly repeats its nearest neighbour where their distance is at most ``NEAR`` times
    the median distance of rows from their nearest neighbours, rows that repeat another one exactly left out of the
    median. Of random rows with ten directions of scatter one in 10¹⁰ would. More than 2·10¹⁰ products, n²p, are not
    computed.

    Parameters
    ----------
    X : (n, p) ndarray
        Features, at least two rows.

    Examples
    --------
    >>> X = np.random.default_rng(1).normal(size=(50, 12))
    >>> X[7] = X[30] + 0.01
    >>> near_duplicates(X)[[6, 7, 30]]
    array([-1, 30,  7])
    """
    if float(X.shape[0]) ** 2 * X.shape[1] > _MOST_WORK:
        return None
    from sklearn.neighbors import NearestNeighbors

    spread = X.std(axis=0)
    some = spread > 0.0
    Z = (X[:, some] - X[:, some].mean(axis=0)) / spread[some]
    if not Z.shape[1]:
        return np.full(len(X), -1, dtype=np.int64)
    distance, place = NearestNeighbors(n_neighbors=1).fit(Z).kneighbors()
    apart = distance[:, 0] > _REPEAT * np.sqrt(Z.shape[1])
    limit = NEAR * float(np.median(distance[apart, 0])) if apart.any() else 0.0
    return np.where(~apart | (distance[:, 0] <= limit), place[:, 0], -1).astype(np.int64)
