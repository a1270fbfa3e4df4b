"""What an attacker reads who knows the pool: how weights vary over subsets of these very points (Proposition S17.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.linalg import cholesky

from qmis_stats.arrays import FloatArray
from qmis_stats.leak.fits import FREE, Fit
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import LeaveOneOut, forms
from qmis_stats.leak.retained import ReadOut, Retained, Scatter, equivalents, read_out

__all__ = ["DrawnPools"]

_COLUMNS = 512
_MOST = 8


@dataclass(frozen=True, eq=False)
class DrawnPools:
    """Pools as large as the one that the points are from, each with its own covariance and response.

    Over subsets of a pool C = G T G with T = Σ_j τ_j x_j x_jᵀ, and G too is made of the points of the pool. A fresh
    point sees other angles in them than in their expectations. How large they are on average the fit itself says.

    Attributes
    ----------
    spread : Scatter
        Expectations, with C as large as in the game.
    drawn : sequence of Scatter
        Those of each pool, with the traces of the expectations; none in a population.
    """

    spread: Scatter
    drawn: Sequence[Scatter]

    @classmethod
    def of(cls, fit: Fit, spread: Scatter, found: LeaveOneOut, game: Game, seed: int) -> DrawnPools:
        """Return pools of n/f points with the second moment of the fit's points, and with their squared gradients.

        Parameters
        ----------
        fit : Fit
            Of which each pool has the loss and the penalty.
        spread : Scatter
            Its covariance in the game.
        found : LeaveOneOut
            Its leave-one-out quantities.
        game : Game
            Whether there is a pool, and its share f that is drawn.
        seed : int
            Of the draws.
        """
        if game.kind == "population":
            return cls(spread, ())
        rng = np.random.default_rng([seed, 0x900A])
        width, moment = len(spread.second_moment), spread.second_moment
        points = round(fit.points / game.fraction)
        # G = (Σ_j f w/(1 + (1 − f)wq) x_j x_jᵀ + P)⁻¹: what a member itself adds to a pool's G is left to it.
        shrunk = np.eye(fit.outputs) + (1.0 - game.fraction) * found.curvature @ found.leverage.mean(axis=0)
        stiffness = np.linalg.solve(shrunk, found.curvature).sum(axis=0)
        upper = cholesky(moment + FREE * np.trace(moment) * np.eye(width))
        sizes, drawn = _sizes(found, game), []
        for _ in range(int(np.clip(_COLUMNS // width, 1, _MOST))):
            rows = rng.standard_normal((points, width)) @ upper
            squares = rng.choice(sizes, points)
            own = rows.T @ rows / points, (rows.T * squares) @ rows / points
            one = equivalents(fit, found, moment, stiffness, own)
            covariance = one.covariance * (spread.trace(spread.covariance) / one.trace(one.covariance))
            response = one.response * (spread.trace(spread.response) / one.trace(one.response))
            drawn.append(replace(spread, covariance=covariance, response=response))
        return cls(spread, drawn)

    @property
    def widened(self) -> float:
        """Return by what factor tr ΣC tr ΣGC⁻¹G is larger in a pool: the squared secant of the angle of Cx and Gx."""
        return float(np.mean([_secant(one) for one in self.drawn])) / _secant(self.spread) if self.drawn else 1.0

    def read_out(self, kept: Retained) -> ReadOut:
        """Return what codes tell of the directions of each point, on average over the pools.

        Parameters
        ----------
        kept : Retained
            What they tell of each weight.
        """
        if not self.drawn:
            return read_out(self.spread, kept)
        usual, found = _variances(self.spread), []
        for one in self.drawn:
            reading = read_out(one, kept)
            # Beside the variances of points that all pools have on average.
            found.append(replace(reading, along=reading.along * (usual / _variances(one))[:, None, None]))
        return ReadOut(**{part.name: np.mean([getattr(one, part.name) for one in found], axis=0) for part in _PARTS})


_PARTS = fields(ReadOut)


def _sizes(found: LeaveOneOut, game: Game) -> FloatArray:
    """Return (y − a)² + s² of each point beside its mean, from r², of which φ is the share of s²."""
    gradient = found.gradient + np.einsum("nab,nb->na", found.curvature, found.value_moved)
    strength = np.sum(gradient**2, axis=1)
    scattered = found.inflation * game.variance_share(found.inflation)
    return np.asarray((1.0 - scattered) * strength / strength.mean() + scattered)


def _secant(one: Scatter) -> float:
    little = FREE * float(np.trace(one.covariance)) * np.eye(len(one.covariance)) / len(one.covariance)
    return one.trace(one.response @ np.linalg.solve(one.covariance + little, one.response))


def _variances(one: Scatter) -> FloatArray:
    return np.asarray(np.trace(forms(one.rows, one.covariance, one.outputs), axis1=1, axis2=2))
