"""What an attacker reads who knows every point of the pool, from the points themselves (Proposition S17.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.leak.fits import FREE, Fit, hessian_solver
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import LeaveOneOut, forms
from qmis_stats.leak.losses import contrasts, in_basis, proximal
from qmis_stats.leak.pool import expected_squares
from qmis_stats.leak.pool_law import PoolLaw
from qmis_stats.leak.retained import ReadOut, Retained, Scatter, read_out
from qmis_stats.leak.signal import Directions
from qmis_stats.validation import finite_array

__all__ = ["KnownPool", "pool_points"]

_KEPT = 1.0 - 1e-6
"""Share of its variance that a weight retains at most: taking one point out of the pool loses all digits beyond."""


def pool_points(fit: Fit, X: FloatArray, y: FloatArray) -> Fit:
    """Return a fit with all points of its pool, its own first, for what they are: its weights are no minimum of theirs.

    Parameters
    ----------
    fit : Fit
        Of the points that were drawn.
    X : (m, p) ndarray
        Features of the others, as the weights meet them.
    y : (m,) ndarray
        Targets of the others.

    Raises
    ------
    InputError
        If they are not like those of the fit.
    """
    width = fit.X.shape[1]
    features, targets = finite_array("pool", X, 2, f"(m, {width})"), finite_array("pool", y, 1, "(m,)")
    if features.shape[1] != width or targets.size != len(features):
        raise InputError("pool", (features.shape, targets.shape), f"of shapes (m, {width}) and (m,)")
    whole = replace(fit, X=np.concatenate([fit.X, features]), y=np.concatenate([fit.y, targets]))
    fit.loss.check(whole.y)
    if fit.outputs > 1 and fit.loss.outputs(whole.y) > fit.outputs:
        raise InputError("pool", float(targets.max()), f"of the {fit.outputs} classes of the fit")
    return whole


@dataclass(frozen=True, eq=False)
class KnownPool:
    """A pool of which all points are given: what each sees of the others is found, and not only expected.

    Attributes
    ----------
    spread : Scatter
        C and G over subsets of the pool, with the second moment of its points.
    directions : Directions
        Of the training points.
    law : PoolLaw
        Of all points, those of the fit first, along the contrasts.
    """

    spread: Scatter
    directions: Directions
    law: PoolLaw

    @classmethod
    def of(cls, fit: Fit, spread: Scatter, found: LeaveOneOut, game: Game, whole: Fit) -> KnownPool:
        """Return it, with C as large as the jackknife of the fit says.

        Points that were not drawn see the fit as the drawn ones do that are left out of it: with such a point the
        fitted value moves to its proximal one.

        Parameters
        ----------
        fit : Fit
            To the points that were drawn.
        spread : Scatter
            Its covariance in the game, as a population has it.
        found : LeaveOneOut
            Its leave-one-out quantities.
        game : Game
            With the share that is drawn.
        whole : Fit
            From :func:`pool_points`.
        """
        n, basis, design = fit.points, contrasts(fit.outputs), whole.design
        others = design[n:]
        inverse = hessian_solver(fit, found.curvature)(np.eye(fit.outputs * design.shape[1]))
        q = forms(others, inverse, fit.outputs)
        y = whole.y[n:]
        values = proximal(fit.loss, y, others @ fit.parameters.T, q)
        variance = forms(others, spread.covariance, fit.outputs)
        seen = replace(
            found,
            leverage=np.concatenate([found.leverage, q]),
            variance=np.concatenate([found.variance, variance]),
            gradient=np.concatenate([found.gradient, fit.loss.gradient(y, values)]),
            curvature=np.concatenate([found.curvature, fit.loss.curvature(y, values)]),
        )
        curvature, squares, leverage = (
            basis.T @ part @ basis for part in (seen.curvature, expected_squares(seen, game), seen.leverage)
        )
        law = PoolLaw.of(design, curvature, squares, fit.penalties, game.fraction, leverage)
        wanted = float(np.trace(found.variance, axis1=1, axis2=2).mean()) * game.variance_share(found.inflation)
        scale = wanted / float(np.trace(law.left_out.variance[:n], axis1=1, axis2=2).mean())
        law = replace(law, covariance=scale * law.covariance, squares=scale * law.squares)
        covariance, response = (in_basis(m, basis.T) for m in (law.covariance, law.response))
        # Features that no point of the pool has: their weights do not vary.
        covariance = covariance + FREE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        moment = design.T @ design / len(design)
        pool = replace(spread, covariance=covariance, response=response, second_moment=moment, rows=design)
        variance, leverage = (basis @ m[:n] @ basis.T for m in (law.left_out.variance, law.left_out.leverage))
        sizes = tuple(float(np.trace(m, axis1=1, axis2=2).mean()) for m in (variance, leverage))
        return cls(pool, Directions(variance, leverage, (sizes[0], sizes[1]), 1.0, True), law)

    def read_out(self, kept: Retained) -> ReadOut:
        """Return what codes tell of the directions of each training point, as the other points of the pool have them.

        Parameters
        ----------
        kept : Retained
            What they tell of each weight.
        """
        basis, n = contrasts(self.spread.outputs), len(self.directions.variance)
        found = read_out(self.spread, replace(kept, share=np.minimum(kept.share, _KEPT)), each=True)
        grams, _ = self.law.left_out.seen(*(basis.T @ found.along @ basis))
        along = basis @ grams[:, :n] @ basis.T
        whole, own, size = (
            float(np.trace(m, axis1=1, axis2=2).mean()) for m in (found.along[0], along[0], self.directions.variance)
        )
        missed = whole / self.spread.trace(self.spread.covariance) - found.share
        share = float(np.clip(own / size - missed, 0.0, 1.0))
        expected = np.trace(along, axis1=2, axis2=3).mean(axis=1) * (share * size / max(own, 1e-300))
        return replace(found, share=share, along=along, expected=expected)
