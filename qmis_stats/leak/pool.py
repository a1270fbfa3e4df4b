"""What an attacker who knows the pool reads: the covariance of the weights over subsets of these very points (S17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import LeaveOneOut, forms
from qmis_stats.leak.retained import ReadOut, Retained, Scatter, equivalents, read_out

__all__ = ["DrawnPools"]

_COLUMNS = 512
_MOST = 8


@dataclass(frozen=True, eq=False)
class DrawnPools:
    """Pools like the one that the points are from, each with its own covariance and response.

    Over subsets of a pool C = G T G with T = Σ_j τ_j x_j x_jᵀ, where G has the points of the pool in it too. One fit
    shows n of the N points: which features the others have is drawn from Σ, and their squares from those of the fit.

    Attributes
    ----------
    spread : Scatter
        Of the population, with C as large as in the game.
    drawn : sequence of Scatter
        Of each pool.
    """

    spread: Scatter
    drawn: Sequence[Scatter]

    @classmethod
    def of(cls, fit: Fit, spread: Scatter, found: LeaveOneOut, game: Game, seed: int) -> DrawnPools:
        """Return pools drawn for a fit; none in a population.

        Parameters
        ----------
        fit, spread, found
            The fit, its covariance in the game, and its leave-one-out quantities.
        game : Game
            Of which the fraction is used.
        seed : int
            Of the draws.
        """
        if game.kind == "population":
            return cls(spread, ())
        rng = np.random.default_rng([seed, 0x900A])
        width = len(spread.second_moment)
        others, q = 1.0 - game.fraction, found.leverage.mean(axis=0)
        left = np.eye(fit.outputs) + others * found.curvature @ q
        damped = np.linalg.solve(left, found.curvature).sum(axis=0)
        strength = np.sum((found.gradient + np.einsum("nab,nb->na", found.curvature, found.value_moved)) ** 2, axis=1)
        share = found.inflation * game.variance_share(found.inflation)
        sizes = (1.0 - share) * strength / strength.mean() + share
        upper = np.linalg.cholesky(spread.second_moment + 1e-9 * np.trace(spread.second_moment) / width * np.eye(width)).T
        count, drawn = round(fit.points / game.fraction), []
        for _ in range(int(np.clip(_COLUMNS // width, 1, _MOST))):
            rows = rng.standard_normal((count, width)) @ upper
            squares = sizes[rng.integers(fit.points, size=count)]
            moments = rows.T @ rows / count, (rows.T * squares) @ rows / count
            one = equivalents(fit, found, spread.second_moment, damped, moments)
            scale = spread.trace(spread.covariance) / one.trace(one.covariance)
            turn = spread.trace(spread.response) / one.trace(one.response)
            drawn.append(
                replace(spread, covariance=one.covariance * scale, response=one.response * turn)
            )
        return cls(spread, drawn)

    @property
    def widened(self) -> float:
        """Return by what factor tr ΣC tr ΣGC⁻¹G, the squared secant of the angle of Cx and Gx, is larger in the pool."""
        if not self.drawn or self.spread.outputs > 1:
            return 1.0

        def secant(one: Scatter) -> float:
            return one.trace(one.response @ np.linalg.solve(one.covariance, one.response))

        return float(np.mean([secant(one) for one in self.drawn])) / secant(self.spread)

    def read_out(self, kept: Retained) -> ReadOut:
        """Return what codes tell of the directions of each point, on average over the pools."""
        if not self.drawn:
            return read_out(self.spread, kept)
        found = []
        usual = forms(self.spread.rows, self.spread.covariance, self.spread.outputs)
        for one in self.drawn:
            reading = read_out(one, kept)
            here = forms(one.rows, one.covariance, one.outputs)
            sizes = np.trace(usual, axis1=1, axis2=2) / np.trace(here, axis1=1, axis2=2)
            found.append(replace(reading, along=reading.along * sizes[:, None, None]))
        return ReadOut(**{
            part.name: np.mean([getattr(one, part.name) for one in found], axis=0) for part in fields(ReadOut)
        })
