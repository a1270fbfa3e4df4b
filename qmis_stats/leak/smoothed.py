"""Leave-one-out leverages and variances with the noise taken out that other training points put on them (S17)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.leak.leave_one_out import LeaveOneOut

__all__ = ["smoothed"]

_TINY = 1e-300
_STEPS = 50


def smoothed(found: LeaveOneOut, leverage: FloatArray, variance: FloatArray) -> LeaveOneOut:
    """Return leave-one-out quantities whose q and S vary over points only as far as the points differ.

    A leverage xᵀH₋ᵢ⁻¹x varies around xᵀGx with the other training points, and a variance more. Their logarithms less
    those of the estimated xᵀGx and xᵀCx are noise of a known variance and a rest, that of what the estimates miss; only
    the share of the rest is kept. The mean of S stays. Of q the mean of wq/(1 + wq) stays, the share of its fitted
    value that a point decides: it is what enters the law of a member, and is concave in q.

    Parameters
    ----------
    found : LeaveOneOut
        With one fitted value per point.
    leverage, variance : (n, 1, 1) ndarray
        xᵀGx and xᵀCx.

    Examples
    --------
    >>> q, ones = np.array([1.0, 3.0])[:, None, None], np.ones((2, 1, 1))
    >>> given = LeaveOneOut(ones[:, 0], q, q, ones[:, 0], ones, 0.1, np.zeros(2), 10.0, np.zeros(2), np.ones(2))
    >>> less = smoothed(given, ones, ones)
    >>> less.leverage.ravel().round(3), less.variance.ravel()
    (array([1.667, 1.667]), array([2., 2.]))
    """
    shapes, own = (leverage, variance), (found.leverage, found.variance)
    apart = [_log_ratio(one, shape) for one, shape in zip(own, shapes, strict=True)]
    rest = max(float(apart[0].var()) - found.leverage_noise, 0.0)
    q, s = (
        shape * np.exp(min(rest / max(float(one.var()), _TINY), 1.0) * one)
        for one, shape in zip(apart, shapes, strict=True)
    )
    s *= found.variance.mean() / s.mean()
    wanted, moved = float(found.pull.mean()), found.curvature * q
    factor = 1.0
    for _ in range(_STEPS):  # Newton's method in the logarithm, where the mean is nearly straight
        pull = factor * moved / (1.0 + factor * moved)
        step = (wanted - float(pull.mean())) / max(float(np.mean(pull * (1.0 - pull))), _TINY)
        factor *= float(np.exp(np.clip(step, -1.0, 1.0)))
        if abs(step) < 1e-10:
            break
    return replace(found, leverage=factor * q, variance=s)


def _log_ratio(own: FloatArray, shape: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(own, _TINY)) - np.log(np.maximum(shape, _TINY)))
