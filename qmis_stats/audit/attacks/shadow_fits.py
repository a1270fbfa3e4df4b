"""The law of the weights of a linear head before any quantization, from its shadow runs (Statement S16)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.game import Known
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.head_leak import head_fit
from qmis_stats.audit.models.base import Weights
from qmis_stats.audit.models.units import Units
from qmis_stats.errors import DomainError
from qmis_stats.leak.fits import FREE
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.leak.losses import Loss, contrasts, in_basis
from qmis_stats.leak.pool_law import PoolLaw

__all__ = ["ShadowFits", "posterior"]

_PRIORS = (0.0, 16.0)
"""Logarithms of the degrees of freedom of a prior, beside the number of weights."""

_LEFT_OUT = 0.03
"""Share of sums of gradients that varies like the Hessian: 0.3 and 1 find no more on the molecular sets, 0 less."""


@dataclass(frozen=True, eq=False)
class ShadowFits:
    """Shadow training runs of a linear head, the same for every quantizer.

    All is in the units of the first: locations and scales are released as they are, and nothing that follows from them
    is noise. Parameters are flat, class by class with the intercept of each, KD of them.

    Attributes
    ----------
    units : tuple of Units
        Of each of the T training runs.
    plain : (T, K, D) ndarray
        Their weights before quantization.
    loss : Loss
        What they minimise.
    y : (R,) ndarray
        Targets of the rows that laws are of.
    basis : (K, k) ndarray
        From :func:`~qmis_stats.leak.losses.contrasts`.
    penalties : (D,) ndarray
        Of the parameters of each class.
    law : PoolLaw
        How weights vary over subsets of this very pool, along the contrasts.
    """

    units: tuple[Units, ...]
    plain: FloatArray
    loss: Loss
    y: FloatArray
    basis: FloatArray
    penalties: FloatArray
    law: PoolLaw

    @property
    def covariance(self) -> FloatArray:
        """C of the parameters, shape (KD, KD)."""
        return in_basis(self.law.covariance, self.basis.T)

    @classmethod
    def of(cls, known: Known, data: Dataset) -> ShadowFits:
        """Return those of a game, with gradients and curvatures of each row over the runs that trained on it.

        Raises
        ------
        DomainError
            If the fits have no law to read by: they stop short of the minimum, interpolate, or lack a class.
        """
        found, trained, rows = known.plain.shown.weights, known.plain.trained, known.rows
        assert trained is not None
        assert rows is not None
        units = tuple(Units.of_head(weights) for weights in found)
        if len({weights[0].shape for weights in found}) > 1:
            raise DomainError("read-out", "a training run has a class missing", "use a larger n")
        plain = np.array([_common(w, own, units[0]) for w, own in zip(found, units, strict=True)])
        fit = head_fit(known.model, data.X[trained[0]], data.y[trained[0]], found[0])
        leave_one_out(fit)  # refuses points that decide their fitted values
        design = np.column_stack([(data.X[rows] - units[0].location) / units[0].scale, np.ones(rows.size)])
        y, basis = (data.y[rows] - units[0].centre) / units[0].unit, contrasts(plain.shape[1])
        squares, curvature = np.zeros((2, rows.size, basis.shape[1], basis.shape[1]))
        for theta, inside in zip(plain, trained[:, rows], strict=True):
            values = design[inside] @ theta.T
            psi = fit.loss.gradient(y[inside], values) @ basis
            squares[inside] += psi[:, :, None] * psi[:, None, :]
            curvature[inside] += basis.T @ fit.loss.curvature(y[inside], values) @ basis
        count = trained[:, rows].sum(axis=0)
        for total in (squares, curvature):
            total[count == 0] = total.sum(axis=0) / count.sum()
            total /= np.maximum(count, 1)[:, None, None]
        law = PoolLaw.of(
            design, curvature, squares, fit.penalties, known.n / data.rows, stands_for=data.rows / rows.size
        )
        away = (basis.T @ (plain - plain.mean(axis=0))).reshape(len(plain), -1)
        return cls(units, plain, fit.loss, y, basis, fit.penalties, posterior(law, away))


def posterior(law: PoolLaw, away: FloatArray) -> PoolLaw:
    """Return the law with the mean of C given the shadow runs, where what theory says is the mean of a prior.

    First order leaves something out in all directions, which decides where C has almost none: a share of the sums of
    gradients is taken to vary like the Hessian. The scale of C is that of the runs. Where there are more runs than
    weights they also tell of its form: the prior is inverse Wishart, with the degrees of freedom of the largest
    evidence. With equal curvatures theory is right and C stays; with curvatures that vary from run to run it does not.

    Parameters
    ----------
    law : PoolLaw
        As theory has it.
    away : (T, kD) ndarray
        Weights of the runs less their mean, along the contrasts.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import multigammaln

    law, (width, runs) = law.mixed(_LEFT_OUT), (away.shape[1], len(away) - 1)
    covariance = law.covariance * (float(np.sum(away**2)) / runs / float(np.trace(law.covariance)))
    if runs <= width:
        return replace(law, covariance=covariance)
    lower = cholesky(covariance + FREE * np.trace(covariance) / width * np.eye(width), lower=True)
    sizes = np.linalg.svd(solve_triangular(lower, away.T, lower=True), compute_uv=False) ** 2

    def missed(log: float) -> float:
        prior = np.exp(log)
        nu = prior + width + 1.0
        told = multigammaln(0.5 * (nu + runs), width) - multigammaln(0.5 * nu, width)
        return float(0.5 * runs * width * log + 0.5 * (nu + runs) * float(np.sum(np.log1p(sizes / prior))) - told)

    prior = float(np.exp(minimize_scalar(missed, bounds=_PRIORS, method="bounded").x))
    return replace(law, covariance=(prior * covariance + away.T @ away) / (prior + runs))


def _common(weights: Weights, own: Units, units: Units) -> FloatArray:
    return np.column_stack([weights[0] * own.ratio(units), own.intercept(units, weights[0], weights[1])])
