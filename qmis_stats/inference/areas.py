"""AUCs with the covariance of DeLong, DeLong and Clarke-Pearson, for points that share a training run.

An AUC is a two-sample U-statistic: the share of (member, non-member) pairs in which the member's score is larger, ties
counting half. Its variance comes from the placements of each score among those of the other kind (DeLong et al. 1988).
Points of one training run share its weights; Obuchowski (1997) sums placements within clusters, and adds the covariance
of the members and non-members of one cluster. With a cluster for every point it is DeLong's covariance.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.validation import (
    LARGEST_SIZE,
    checked_level,
    finite_number,
    labels_of,
    nonnegative_number,
    score_array,
    whole_number,
)

__all__ = ["area_interval", "cluster_sums", "delong", "placements"]


def placements(scores: ArrayLike, among: ArrayLike) -> FloatArray:
    """Return the share of ``among`` below each score, ties counting half.

    Examples
    --------
    >>> placements(np.array([0.5, 1.0]), np.array([0.0, 1.0])).tolist()
    [0.5, 0.75]
    """
    scores, ordered = score_array("scores", scores), np.sort(score_array("among", among).ravel())
    below = np.searchsorted(ordered, scores, side="left") + np.searchsorted(ordered, scores, side="right")
    return np.asarray(below / (2.0 * ordered.size))


def delong(
    members: ArrayLike,
    non_members: ArrayLike,
    member_clusters: ArrayLike | None = None,
    non_member_clusters: ArrayLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the areas under the ROC curves of K scores of the same points, and their (K, K) covariance.

    Parameters
    ----------
    members : (K, M) or (M,) array_like
        Scores of members; large means "member".
    non_members : (K, N) or (N,) array_like
        Scores of non-members.
    member_clusters : (M,) array_like of int, optional
        Training run of each member; without clusters all points are independent.
    non_member_clusters : (N,) array_like of int, optional
        Training run of each non-member, in the numbering of ``member_clusters``.

    Returns
    -------
    areas : (K,) ndarray
    covariance : (K, K) ndarray

    Raises
    ------
    InputError
        If shapes disagree, a score is NaN, or there are fewer than two members, non-members or clusters of either.

    Examples
    --------
    >>> area, covariance = delong([0.9, 0.8, 0.4], [0.7, 0.3, 0.2])
    >>> area.round(4).tolist(), covariance.round(4).tolist()
    ([0.8889], [[0.0247]])
    """
    given = (("members", members), ("non_members", non_members))
    high, low = (np.atleast_2d(score_array(field, scores)) for field, scores in given)
    if high.ndim != 2 or low.ndim != 2 or high.shape[0] != low.shape[0] or min(high.shape[1], low.shape[1]) < 2:
        raise InputError("members, non_members", (high.shape, low.shape), "of shapes (K, M) and (K, N), with M, N ≥ 2")
    if (member_clusters is None) != (non_member_clusters is None):
        raise InputError("clusters", None, "given for members and non-members, or for neither")
    of_high, of_low = (
        (np.arange(high.shape[1]), high.shape[1] + np.arange(low.shape[1]))
        if member_clusters is None
        else (score_array("member_clusters", member_clusters), score_array("non_member_clusters", non_member_clusters))
    )
    if of_high.shape != high.shape[1:] or of_low.shape != low.shape[1:]:
        raise InputError("clusters", (of_high.shape, of_low.shape), f"{high.shape[1:]} and {low.shape[1:]}")
    codes = np.unique(np.concatenate([of_high, of_low]), return_inverse=True)[1]
    of_high, of_low = codes[: of_high.size], codes[of_high.size :]
    high_places = np.array([placements(h, w) for h, w in zip(high, low, strict=True)])
    low_places = np.array([1.0 - placements(w, h) for h, w in zip(high, low, strict=True)])
    areas = high_places.mean(axis=1)
    clusters = int(codes.max()) + 1
    high_sums = cluster_sums(high_places - areas[:, None], of_high, clusters)
    low_sums = cluster_sums(low_places - areas[:, None], of_low, clusters)
    with_high, with_low = np.unique(of_high).size, np.unique(of_low).size
    if min(with_high, with_low) < 2:
        raise InputError("clusters", (with_high, with_low), "at least two with members and two with non-members")
    m, n = high.shape[1], low.shape[1]
    own = with_high / (with_high - 1.0) * (high_sums @ high_sums.T) / m**2
    other = with_low / (with_low - 1.0) * (low_sums @ low_sums.T) / n**2
    shared = clusters / (clusters - 1.0) * (high_sums @ low_sums.T) / (m * n)
    return areas, np.asarray(own + other + shared + shared.T)


def cluster_sums(values: FloatArray, clusters: IntArray, count: int) -> FloatArray:
    """Return sums over the points of each cluster, (..., count) of values (..., N).

    Parameters
    ----------
    values : (..., N) ndarray
        Finite numbers.
    clusters : (N,) ndarray of int
        Cluster of each point, from 0 to ``count`` − 1.
    count : int
        Number of clusters.

    Raises
    ------
    InputError
        If shapes disagree, a value or a sum is no finite number, or a point is of no cluster.

    Examples
    --------
    >>> cluster_sums(np.array([[1.0, 2.0, 4.0]]), np.array([0, 1, 0]), 3).tolist()
    [[5.0, 2.0, 0.0]]
    """
    values, count = np.atleast_1d(score_array("values", values)), whole_number("count", count, 1, 10**9)
    clusters = labels_of("clusters", clusters)
    if clusters.shape != values.shape[-1:] or clusters.dtype.kind not in "iu":
        raise InputError("clusters", clusters, f"{values.shape[-1]} integers, one per value")
    if clusters.min() < 0 or clusters.max() >= count:
        raise InputError("clusters", (int(clusters.min()), int(clusters.max())), f"from 0 to {count - 1}")
    found = np.zeros((*values.shape[:-1], count))
    for row, out in zip(values.reshape(-1, values.shape[-1]), found.reshape(-1, count), strict=True):
        out[:] = np.bincount(clusters, weights=row, minlength=count)
    if not np.all(np.isfinite(found)):
        raise InputError(
            "values", float(np.max(np.abs(values))), "finite, and of magnitudes whose sums are finite numbers"
        )
    return found


def area_interval(area: float, variance: float, clusters: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval for an AUC: Student's with ``clusters − 1`` degrees of freedom, within [0, 1].

    A variance of zero comes from scores that separate perfectly, or not at all; the interval then ends where as many
    successes as clusters, in as many trials, end by Clopper and Pearson.

    Parameters
    ----------
    area, variance : float
        From :func:`delong`.
    clusters : int
        Independent training runs.
    level : float
        Confidence level.

    Examples
    --------
    >>> [round(v, 4) for v in area_interval(1.0, 0.0, 50)]
    [0.9289, 1.0]
    """
    tail = 0.5 * (1.0 - checked_level(level))
    area = finite_number("area", area)
    if not 0.0 <= area <= 1.0:
        raise InputError("area", area, "a number from 0 to 1")
    variance = nonnegative_number("variance", variance)
    clusters = whole_number("clusters", clusters, 2, LARGEST_SIZE)
    if variance <= 0.0:
        if area in (0.0, 1.0):
            reach = tail ** (1.0 / clusters)
            return (reach, 1.0) if area == 1.0 else (0.0, 1.0 - reach)
        return area, area
    half = float(stdtrit(clusters - 1.0, 1.0 - tail)) * math.sqrt(variance)
    return max(0.0, area - half), min(1.0, area + half)
