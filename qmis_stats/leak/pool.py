"""What an attacker reads who knows the pool: how weights vary over subsets of these very points (Proposition S17.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from scipy.linalg import cholesky

from qmis_stats.arrays import FloatArray
from qmis_stats.leak.fits import FREE, Fit, row_blocks
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import LeaveOneOut, forms
from qmis_stats.leak.losses import contrasts, in_basis
from qmis_stats.leak.pool_law import PoolLaw
from qmis_stats.leak.retained import ReadOut, Retained, Scatter, read_out
from qmis_stats.leak.stacks import between, turned

__all__ = ["DrawnPools", "expected_squares"]

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
        points, basis = round(fit.points / game.fraction), contrasts(fit.outputs)
        upper = cholesky(moment + FREE * np.trace(moment) * np.eye(width))
        curvature, squares, leverage = (
            basis.T @ part @ basis for part in (found.curvature, expected_squares(found, game), found.leverage)
        )
        drawn = []
        for _ in range(int(np.clip(_COLUMNS // (width * basis.shape[1]), 1, _MOST))):
            rows = np.empty((points, width))
            for part in row_blocks(points):
                rows[part] = rng.standard_normal((part.stop - part.start, width)) @ upper
            own = rng.integers(fit.points, size=points)
            law = PoolLaw.of(rows, curvature[own], squares[own], fit.penalties, game.fraction, leverage[own])
            covariance, response = (in_basis(m, basis.T) for m in (law.covariance, law.response))
            covariance = covariance * (spread.trace(spread.covariance) / spread.trace(covariance))
            response = response * (spread.trace(spread.response) / spread.trace(response))
            drawn.append(replace(spread, covariance=covariance, response=response))
        return cls(spread, drawn)

    @property
    def widened(self) -> float | None:
        """By what factor tr ΣC tr ΣGC⁻¹G is larger in a pool: the squared secant of the angle of Cx and Gx."""
        return float(np.mean([one.secant for one in self.drawn])) / self.spread.secant if self.drawn else None

    @cached_property
    def _turns(self) -> list[FloatArray]:
        """What takes the fitted values of each point in each pool to those in expectation, the same for all codes."""
        usual = _variances(self.spread)
        return [between(_variances(one), usual) for one in self.drawn]

    def read_out(self, kept: Retained) -> ReadOut:
        """Return what codes tell of the directions of each point, on average over the pools.

        Parameters
        ----------
        kept : Retained
            What they tell of each weight.
        """
        if not self.drawn:
            return read_out(self.spread, kept)
        readings = [read_out(one, kept) for one in self.drawn]
        found = [replace(one, along=turned(turn, one.along)) for one, turn in zip(readings, self._turns, strict=True)]
        return ReadOut(**{part.name: np.mean([getattr(one, part.name) for one in found], axis=0) for part in _PARTS})


_PARTS = fields(ReadOut)


def expected_squares(found: LeaveOneOut, game: Game) -> FloatArray:
    """Return E ψψᵀ of each point over subsets with it, times a factor, shape (n, K, K).

    Of the gradients of one fit a share φ is what its own scatter adds, (1 + wq)⁻¹wSw(1 + qw)⁻¹ on average.

    Parameters
    ----------
    found : LeaveOneOut
        Of all points that are meant.
    game : Game
        With the share of a pool that is drawn.
    """
    scattered = found.inflation * game.variance_share(found.inflation)
    own = found.gradient[:, :, None] * found.gradient[:, None, :]
    shrunk = np.linalg.solve(np.eye(own.shape[1]) + found.curvature @ found.leverage, found.curvature)
    usual = shrunk @ found.variance @ shrunk.transpose(0, 2, 1)
    usual *= np.trace(own, axis1=1, axis2=2).sum() / np.trace(usual, axis1=1, axis2=2).sum()
    return np.asarray((1.0 - scattered) * own + scattered * usual)


def _variances(one: Scatter) -> FloatArray:
    return forms(one.rows, one.covariance, one.outputs)
