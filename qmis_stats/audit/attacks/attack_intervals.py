"""Intervals for shares and means: exact for independent trials, adjusted for trials that share a training run (S1)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit, xlogy

from qmis_stats.arrays import FloatArray
from qmis_stats.inference.shares import clopper_pearson
from qmis_stats.validation import checked_level

__all__ = ["clustered_share", "excess_p_value", "mean_bounds", "student"]


def clustered_share(hits: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Return a share with its interval from trials in equal clusters, one row a cluster.

    One trial a cluster: Clopper and Pearson's interval, exact for independent clusters. More: theirs at the effective
    number of trials (Korn and Graubard 1998), which is approximate; never more trials than there are, and as many as
    clusters when all agree.

    Parameters
    ----------
    hits : (T, m) array_like of bool
        Successes.
    level : float
        Confidence level.

    Examples
    --------
    >>> [round(v, 3) for v in clustered_share([[True], [False], [True], [True]])]
    [0.75, 0.194, 0.994]
    >>> wide = clustered_share([[True, True], [False, False], [True, True], [True, True]])
    >>> [round(v, 3) for v in wide]
    [0.75, 0.037, 1.0]
    """
    table = np.asarray(hits, dtype=np.float64)
    clusters, width = table.shape
    share, trials = float(table.mean()), float(table.size)
    if width > 1:
        if not 0.0 < share < 1.0 or clusters < 2:
            trials = float(clusters)
        else:
            variance = float(np.var(table.mean(axis=1), ddof=1)) / clusters
            effective = share * (1.0 - share) / variance if variance > 0.0 else trials
            tail = 0.5 + 0.5 * checked_level(level)
            wider = float(stdtrit(trials - 1.0, tail) / stdtrit(clusters - 1.0, tail))
            trials = min(trials, effective * wider**2)
    low, high = clopper_pearson(share * trials, trials, level)
    return share, low, high


def student(values: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Return Student's interval for the mean of independent values.

    Examples
    --------
    >>> [round(v, 3) for v in student(np.array([0.0, 1.0, 0.5, 0.5]))]
    [-0.15, 1.15]
    """
    mean = float(np.mean(values))
    if values.size < 2:
        return -math.inf, math.inf
    error = float(np.std(values, ddof=1)) / math.sqrt(values.size)
    half = float(stdtrit(values.size - 1.0, 0.5 + 0.5 * checked_level(level))) * error
    return mean - half, mean + half


def _divergence(a: float, b: float) -> float:
    """Return the Kullback-Leibler divergence of two coins with probabilities a and b."""
    if (b <= 0.0 and a > 0.0) or (b >= 1.0 and a < 1.0):
        return math.inf
    return float(xlogy(a, a / b if b > 0.0 else 1.0) + xlogy(1.0 - a, (1.0 - a) / (1.0 - b) if b < 1.0 else 1.0))


def excess_p_value(mean: float, count: int, bound: float) -> float:
    """Return a p-value of "the expectation is at most ``bound``" from independent numbers in [0, 1].

    Hoeffding's (1963) exp(−count·kl(mean, bound)): it holds at every level and every count, whatever the law of the
    numbers.

    Parameters
    ----------
    mean : float
        Of the numbers.
    count : int
        How many.
    bound : float
        The largest expectation under the null hypothesis.

    Examples
    --------
    >>> excess_p_value(0.5, 100, 0.6), round(excess_p_value(0.7, 100, 0.6), 3)
    (1.0, 0.115)
    """
    return math.exp(-count * _divergence(mean, bound)) if mean > bound else 1.0


def mean_bounds(mean: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Return limits for the expectation of independent numbers in [0, 1] that hold at every count (Hoeffding 1963).

    Wider than Student's interval, in return for a level that is guaranteed.

    Parameters
    ----------
    mean : float
        Of the numbers.
    count : int
        How many.
    level : float
        Confidence level.

    Examples
    --------
    >>> [round(v, 3) for v in mean_bounds(0.5, 100)]
    [0.367, 0.633]
    """
    from scipy.optimize import brentq  # slow to load

    tail = 0.5 * (1.0 - checked_level(level))

    def beyond(bound: float) -> float:
        return math.exp(-count * _divergence(mean, bound)) - tail

    low, high = (end if mean == end else float(brentq(beyond, mean, end, xtol=1e-15)) for end in (0.0, 1.0))
    return low, high
