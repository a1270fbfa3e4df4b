"""The law of the membership likelihood ratio over points: exposures, and masses that hold the ROC (Statement S16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray, Indices, IntArray
from qmis_stats.backends import kernels_of
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.posterior import Points
from qmis_stats.leak.signal import PointSignal, statistics
from qmis_stats.leak.softmax_law import softmax_exposures
from qmis_stats.results import REPORTED_FPR

__all__ = ["RATES", "Exposures", "exposures", "figures", "figures_without_each", "whole_figures"]

RATES = REPORTED_FPR
"""False positive rates at which true positive rates are reported."""

_UNIT = 2.0**-40


@dataclass(frozen=True, eq=False)
class Exposures:
    """Total variation of each point, and the pooled law of the log likelihood ratio.

    Attributes
    ----------
    exposure : (n, Q) ndarray
        TV of the read-out with and without the point among the members, averaged over the nodes.
    deviation : (n, Q) ndarray
        Its standard deviation over the nodes.
    members, non_members : (groups, Q, bins) ndarray
        Masses of the log ratio under membership and without, by groups of points.
    """

    exposure: FloatArray
    deviation: FloatArray
    members: FloatArray
    non_members: FloatArray


def exposures(
    fit: Fit, points: Points, signals: Sequence[PointSignal], group: Indices, backend: str = "auto"
) -> Exposures:
    """Return exposures under each quantizer.

    Parameters
    ----------
    fit : Fit
        Loss and targets.
    points : Points
        Means, variances and leverages.
    signals : sequence of PointSignal
        What each quantizer tells of each point.
    group : (n,) ndarray of int
        Groups of points, numbered from 0, for standard errors.
    backend : str
        Of the kernels.
    """
    centre, weight = points.nodes()
    nodes, n = centre.shape[:2]
    groups = int(group.max()) + 1
    if fit.outputs > 1:
        tv, members, non_members = softmax_exposures(fit, points, signals, group, groups)
    else:
        kernels = kernels_of(backend)
        own = (np.sqrt(points.variance[:, 0, 0]), points.leverage[:, 0, 0], fit.y, fit.loss.code)
        moments = [kernels.proximal_moments(here, *own) for here in centre[:, :, 0]]
        repeat, together = np.tile(np.arange(n), nodes), np.concatenate(moments)
        c, e, f = np.array([statistics(one, together, repeat) for one in signals]).transpose(1, 2, 0)
        tv = np.empty((nodes, n, len(signals)))
        masses: IntArray = np.zeros((2, 1, 1, 1), dtype=np.int64)
        for k, here in enumerate(centre[:, :, 0]):
            given = (here, *own, moments[k], c, e, np.full(n, weight[k]), group, groups, f)
            tv[k], inside, outside = kernels.exposure_integrals(*given)
            masses = masses + np.array([inside, outside])
        members, non_members = np.asarray(masses * _UNIT, dtype=np.float64)
    mean: FloatArray = np.tensordot(weight, tv, axes=1)
    tv -= mean  # in place: of many points this is the largest array
    tv *= tv
    spread = np.sqrt(np.maximum(np.tensordot(weight, tv, axes=1), 0.0))
    return Exposures(mean, spread, members, non_members)


def figures(delta: FloatArray, members: FloatArray, non_members: FloatArray) -> FloatArray:
    """Return Δ, the area under the ROC curve, and true positive rates at RATES, from masses (..., bins).

    The attack calls members the points of the largest ratios, over all points together (Neyman and Pearson).

    Parameters
    ----------
    delta : (...) ndarray
        Mean exposures.
    members, non_members : (..., bins) ndarray
        Masses of the log ratio.

    Returns
    -------
    (..., 2 + len(RATES)) ndarray

    Examples
    --------
    >>> figures(np.array(0.5), np.array([0.25, 0.75]), np.array([0.75, 0.25]))[:2]
    array([0.5 , 0.75])
    """
    inside = members / members.sum(axis=-1, keepdims=True)
    outside = non_members / non_members.sum(axis=-1, keepdims=True)
    below = np.cumsum(outside, axis=-1) - outside
    area = np.sum(inside * (below + 0.5 * outside), axis=-1)
    rates = np.empty((*np.shape(delta), len(RATES)))
    for at in np.ndindex(*np.shape(delta)):
        fpr = np.concatenate(([0.0], np.cumsum(outside[at][::-1])))
        tpr = np.concatenate(([0.0], np.cumsum(inside[at][::-1])))
        rates[at] = np.interp(RATES, fpr, tpr)
    return np.concatenate([np.asarray(delta)[..., None], area[..., None], rates], axis=-1)


def whole_figures(law: Exposures) -> FloatArray:
    """Return the figures of all points, (Q, F)."""
    return figures(law.exposure.mean(axis=0), law.members.sum(axis=0), law.non_members.sum(axis=0))


def figures_without_each(law: Exposures, group: Indices) -> FloatArray:
    """Return the figures without each group of points, (G, Q, F)."""
    count = law.members.shape[0]
    size = np.bincount(group, minlength=count).astype(np.float64)
    total = np.array([np.bincount(group, column, count) for column in law.exposure.T]).T
    means = (total.sum(axis=0) - total) / (size.sum() - size)[:, None]
    return figures(means, law.members.sum(axis=0) - law.members, law.non_members.sum(axis=0) - law.non_members)
