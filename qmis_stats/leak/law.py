"""The law of the membership likelihood ratio over points: exposures, and masses that hold the ROC (Statement S16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qmis_stats.leak.fits import Fit, Indices
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import LeaveOneOut
from qmis_stats.leak.signal import PointSignal, best_direction
from qmis_stats.leak.softmax_law import softmax_exposures
from qmis_stats.results import REPORTED_FPR
from qmis_stats.scores.base import FloatArray

__all__ = ["RATES", "Exposures", "Points", "exposures", "figures", "points_of"]

RATES = REPORTED_FPR
"""False positive rates at which true positive rates are reported."""

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
_UNIT = 2.0**-40
_SETTLED = 1e-3


@dataclass(frozen=True, eq=False)
class Points:
    """What is known of each point, at nodes of what is not known.

    Attributes
    ----------
    centre : (A, n, K) ndarray
        a, the mean fitted values over training sets without the point, at A nodes of its posterior given u.
    weight : (A,) ndarray
        Of the nodes, summing to 1.
    variance : (n, K, K) ndarray
        S, of the fitted values about a in the game that is played.
    leverage : (n, K, K) ndarray
        q.
    settled : float
        Smallest share of the variance of u over points that is the variance of a.
    """

    centre: FloatArray
    weight: FloatArray
    variance: FloatArray
    leverage: FloatArray
    settled: float

    def some(self, rows: Indices) -> Points:
        """Return some of the points."""
        return Points(self.centre[:, rows], self.weight, self.variance[rows], self.leverage[rows], self.settled)


def points_of(fit: Fit, found: LeaveOneOut, game: Game) -> Points:
    """Return the posterior of the mean fitted values given the ones that this training had (Statement S17).

    The leave-one-out value is u = a + √S ξ, and taking it for its mean would add its scatter to the residuals of all
    points. Residuals y − a of a squared loss, and standardised means a/s given the target otherwise, are taken as
    normal over points, with the variance that is left when that of u is taken away.
    """
    variance = found.variance * game.variance_share(found.inflation)
    if fit.outputs > 1:
        mean, factor, settled = _joint_posterior(fit, found.value, variance)
    else:
        mean, deviation, settled = _scalar_posterior(fit, found.value[:, 0], variance[:, 0, 0])
        mean, factor = mean[:, None], deviation[:, None, None]
    if 1.0 - settled < _SETTLED:
        return Points(mean[None], np.ones(1), variance, found.leverage, settled)
    directions = _directions(fit.outputs)
    centre = mean + np.einsum("nab,kb->kna", factor, directions)
    weights = _NODE_WEIGHTS if fit.outputs == 1 else np.full(len(directions), 1.0 / len(directions))
    return Points(centre, weights, variance, found.leverage, settled)


def _directions(outputs: int) -> FloatArray:
    if outputs == 1:
        return np.asarray(_NODES[:, None])
    # Plus and minus the axes, of the length that gives unit covariance.
    axes = np.sqrt(float(outputs)) * np.eye(outputs)
    return np.concatenate([axes, -axes])


def _scalar_posterior(fit: Fit, u: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    if fit.loss.name == "squared":
        residual = fit.y - u
        centre = float(residual.mean())
        scale = max(float(np.mean((residual - centre) ** 2 - variance)), 0.0)
        keep = scale / (scale + variance)
        return fit.y - centre - keep * (residual - centre), np.sqrt(keep * variance), float(keep.min())
    spread = np.sqrt(variance)
    z = u / spread
    expected, left = _given_target(fit, z)
    prior = np.maximum(left - 1.0, 0.0)
    keep = prior / (prior + 1.0)
    return spread * (expected + keep * (z - expected)), spread * np.sqrt(keep), float(keep.min())


def _given_target(fit: Fit, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of standardised values given the target of each point."""
    if fit.loss.name == "logistic":
        expected, left = np.empty_like(z), np.empty_like(z)
        for value in (0.0, 1.0):
            chosen = fit.y == value
            expected[chosen] = z[chosen].mean()
            left[chosen] = z[chosen].var()
        return expected, left
    terms = np.column_stack([np.ones_like(z), np.sqrt(fit.y), fit.y])
    expected = terms @ np.linalg.lstsq(terms, z, rcond=None)[0]
    return expected, np.full(z.size, float(np.mean((z - expected) ** 2)))


def _joint_posterior(fit: Fit, u: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    mean, factor = np.empty_like(u), np.empty_like(variance)
    least = 1.0
    for value in np.unique(fit.y):
        chosen = fit.y == value
        centre = u[chosen].mean(axis=0)
        moved = u[chosen] - centre
        total = moved.T @ moved / max(chosen.sum(), 1)
        noise = variance[chosen].mean(axis=0)
        basis, back, values = _relative(total, noise)
        keep = np.maximum(values - 1.0, 0.0) / np.maximum(values, 1e-300)
        mean[chosen] = centre + moved @ (basis * keep) @ back
        factor[chosen] = _square(back.T * np.sqrt(keep))
        least = min(least, float(keep.min()))
    return mean, factor, least


def _relative(total: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (K, k) coordinates in which noise is the identity and the total diagonal, their inverse, and the diagonal.

    Directions without noise are left out: in them the value is its own mean.
    """
    sizes, vectors = np.linalg.eigh(noise)
    kept = sizes > 1e-6 * sizes[-1]
    root, vectors = np.sqrt(sizes[kept]), vectors[:, kept]
    values, turn = np.linalg.eigh((vectors / root).T @ total @ (vectors / root))
    return (vectors / root) @ turn, ((vectors * root) @ turn).T, values


def _square(factor: FloatArray) -> FloatArray:
    return np.pad(factor, ((0, 0), (0, factor.shape[0] - factor.shape[1])))


@dataclass(frozen=True, eq=False)
class Exposures:
    """Total variation of each point, and the pooled law of the log likelihood ratio.

    Attributes
    ----------
    exposure : (n, Q) ndarray
        TV of the read-out with and without the point among the members, averaged over the nodes.
    deviation : (n, Q) ndarray
        Its standard deviation over the nodes.
    members, strangers : (groups, Q, bins) ndarray
        Masses of the log ratio under membership and without, by groups of points.
    """

    exposure: FloatArray
    deviation: FloatArray
    members: FloatArray
    strangers: FloatArray


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
    nodes, n = points.centre.shape[:2]
    groups = int(group.max()) + 1
    if fit.outputs > 1:
        tv, members, strangers = softmax_exposures(fit, points, signals, group, groups)
    else:
        from qmis_kernels import backend as table

        kernels = table(backend)
        repeat = np.tile(np.arange(n), nodes)
        arguments = (
            points.centre[:, :, 0].ravel(),
            np.sqrt(points.variance[repeat, 0, 0]),
            points.leverage[repeat, 0, 0],
            fit.y[repeat],
            fit.loss.code,
        )
        moments = kernels.proximal_moments(*arguments)
        found = [best_direction(one, moments, repeat) for one in signals]
        c, e = (np.array(part).T[repeat] for part in zip(*found, strict=True))
        tv, inside, outside = kernels.exposure_integrals(
            *arguments, moments, c, e, np.repeat(points.weight, n), group[repeat], groups
        )
        tv = tv.reshape(nodes, n, -1)
        members, strangers = inside * _UNIT, outside * _UNIT
    mean = np.tensordot(points.weight, tv, axes=1)
    spread = np.sqrt(np.maximum(np.tensordot(points.weight, (tv - mean) ** 2, axes=1), 0.0))
    return Exposures(mean, spread, members, strangers)


def figures(delta: FloatArray, members: FloatArray, strangers: FloatArray) -> FloatArray:
    """Return Δ, the area under the ROC curve, and true positive rates at RATES, from masses (..., bins).

    The attack calls members the points of the largest ratios, over all points together (Neyman and Pearson).

    Parameters
    ----------
    delta : (...) ndarray
        Mean exposures.
    members, strangers : (..., bins) ndarray
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
    outside = strangers / strangers.sum(axis=-1, keepdims=True)
    below = np.cumsum(outside, axis=-1) - outside
    area = np.sum(inside * (below + 0.5 * outside), axis=-1)
    rates = np.empty((*np.shape(delta), len(RATES)))
    for at in np.ndindex(*np.shape(delta)):
        fpr = np.concatenate(([0.0], np.cumsum(outside[at][::-1])))
        tpr = np.concatenate(([0.0], np.cumsum(inside[at][::-1])))
        rates[at] = np.interp(RATES, fpr, tpr)
    return np.concatenate([np.asarray(delta)[..., None], area[..., None], rates], axis=-1)
