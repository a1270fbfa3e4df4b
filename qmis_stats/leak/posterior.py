"""What one fit knows of the mean fitted value of each point: its posterior given the leave-one-out value (S17)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import LeaveOneOut

__all__ = ["Points", "points_of"]

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
_SETTLED = 1e-3


@dataclass(frozen=True, eq=False)
class Points:
    """What is known of each point, and how sure.

    Attributes
    ----------
    mean : (n, K) ndarray
        Posterior mean of a, the mean fitted values over training sets without the point.
    factor : (n, K, K) ndarray
        A square root of the posterior covariance of a.
    variance : (n, K, K) ndarray
        S, of the fitted values about a in the game.
    leverage : (n, K, K) ndarray
        q.
    settled : float
        Smallest share of the variance of u over points that is the variance of a.
    """

    mean: FloatArray
    factor: FloatArray
    variance: FloatArray
    leverage: FloatArray
    settled: float

    def some(self, rows: Indices) -> Points:
        """Return some of the points."""
        return Points(self.mean[rows], self.factor[rows], self.variance[rows], self.leverage[rows], self.settled)

    def moved(self, mean: FloatArray, factor: FloatArray, log_scale: float, log_leverage: float) -> Points:
        """Return the points with means and factors moved, and all variances and leverages larger by factors."""
        return replace(
            self,
            mean=self.mean + mean,
            factor=self.factor + factor,
            variance=self.variance * np.exp(log_scale),
            leverage=self.leverage * np.exp(log_leverage),
        )

    def nodes(self) -> tuple[FloatArray, FloatArray]:
        """Return (A, n, K) values of a at nodes of its posterior, and their weights, which sum to 1."""
        outputs = self.mean.shape[1]
        if 1.0 - self.settled < _SETTLED:
            return self.mean[None], np.ones(1)
        if outputs == 1:
            directions, weights = _NODES[:, None], _NODE_WEIGHTS
        else:  # plus and minus the axes, of the length that gives unit covariance
            axes = np.sqrt(float(outputs)) * np.eye(outputs)
            directions = np.concatenate([axes, -axes])
            weights = np.full(2 * outputs, 0.5 / outputs)
        return self.mean + np.einsum("nab,kb->kna", self.factor, directions), weights


def points_of(fit: Fit, found: LeaveOneOut, game: Game, kept: Indices | None = None, log_scale: float = 0.0) -> Points:
    """Return the posterior of the mean fitted values given the ones that this training run had (Statement S17).

    The leave-one-out value is u = a + √S ξ, and taking it for its mean would add its scatter to the residuals of all
    points. As the mean over several training runs it errs by less. Residuals y − a of a squared loss, and standardised
    means a/s given the target otherwise, are taken as normal over points, with the variance that is left when that of
    the error is taken away.

    Parameters
    ----------
    fit : Fit
        Loss and targets.
    found : LeaveOneOut
        Leave-one-out values, leverages and variances.
    game : Game
        Decides the variance.
    kept : (m,) ndarray of int, optional
        Points from which the law over points is estimated; by default all.
    log_scale : float
        Logarithm of a factor of all variances.
    """
    variance = found.variance * (game.variance_share(found.inflation) * np.exp(log_scale))
    some = np.arange(fit.points) if kept is None else kept
    if fit.outputs > 1:
        errors = variance * found.value_error[:, None, None]
        mean, factor, settled = _joint_posterior(fit, found.value, errors, some)
        return Points(mean, factor, variance, found.leverage, settled)
    mean, deviation, settled = _scalar_posterior(fit, found.value[:, 0], variance[:, 0, 0], found.value_error, some)
    return Points(mean[:, None], deviation[:, None, None], variance, found.leverage, settled)


def _scalar_posterior(
    fit: Fit, u: FloatArray, variance: FloatArray, error: FloatArray, some: Indices
) -> tuple[FloatArray, FloatArray, float]:
    if fit.loss.name == "squared":
        residual, errors = fit.y - u, variance * error
        centre = float(residual[some].mean())
        scale = max(float(np.mean(((residual - centre) ** 2 - errors)[some])), 0.0)
        keep = scale / (scale + errors)
        return fit.y - centre - keep * (residual - centre), np.sqrt(keep * errors), float(keep.min())
    spread = np.sqrt(variance)
    z = u / spread
    expected, left = _given_target(fit, z, some)
    prior = np.maximum(left - error[some].mean(), 0.0)
    keep = prior / (prior + error)
    return spread * (expected + keep * (z - expected)), spread * np.sqrt(keep * error), float(keep.min())


def _given_target(fit: Fit, z: FloatArray, some: Indices) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of standardised values given the target of each point."""
    if fit.loss.name == "logistic":
        expected, left = np.empty_like(z), np.empty_like(z)
        for value in (0.0, 1.0):
            chosen, known = fit.y == value, z[some[fit.y[some] == value]]
            expected[chosen] = known.mean()
            left[chosen] = known.var()
        return expected, left
    terms = np.column_stack([np.ones_like(z), np.sqrt(fit.y), fit.y])
    expected = terms @ np.linalg.lstsq(terms[some], z[some])[0]
    return expected, np.full(z.size, float(np.mean(((z - expected) ** 2)[some])))


def _joint_posterior(
    fit: Fit, u: FloatArray, errors: FloatArray, some: Indices
) -> tuple[FloatArray, FloatArray, float]:
    mean, factor = np.empty_like(u), np.empty_like(errors)
    least = 1.0
    for value in np.unique(fit.y):
        chosen, known = fit.y == value, some[fit.y[some] == value]
        centre = u[known].mean(axis=0)
        moved = u[known] - centre
        total = moved.T @ moved / max(known.size, 1)
        noise = errors[chosen].mean(axis=0)
        basis, back, values = _relative(total, noise)
        keep = np.maximum(values - 1.0, 0.0) / np.maximum(values, 1e-300)
        mean[chosen] = centre + (u[chosen] - centre) @ (basis * keep) @ back
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
