"""Holm's procedure. That of statsmodels collects garbage at every call, which takes longer than what it computes."""

from __future__ import annotations

import numpy as np

from qmis_stats.arrays import Flags, FloatArray

__all__ = ["adjusted", "decided"]


def adjusted(pvalues: FloatArray) -> FloatArray:
    """Return p-values (m,) adjusted by Holm's procedure: those below α are decided together at the rate α.

    >>> adjusted(np.array([0.01, 0.04, 0.03])).round(3)
    array([0.03, 0.06, 0.06])
    """
    order = np.argsort(pvalues)
    found = np.empty_like(pvalues)
    found[order] = np.minimum(1.0, np.maximum.accumulate(pvalues[order] * _left(pvalues.size)))
    return found


def decided(pvalues: FloatArray, rate: float) -> Flags:
    """Return which of the p-values (m,) Holm's procedure rejects, with no wrong rejection but at this rate.

    >>> decided(np.array([0.01, 0.04, 0.03]), 0.05)
    array([ True, False, False])
    """
    order = np.argsort(pvalues)
    found = np.empty(pvalues.size, dtype=bool)
    found[order] = np.logical_and.accumulate(pvalues[order] <= rate / _left(pvalues.size))
    return found


def _left(count: int) -> FloatArray:
    """Return how many are not decided yet, one after the other."""
    return np.arange(count, 0.0, -1.0)
