"""Memberships of a pool as the unknowns of linear equations with normal errors (Proposition S17.3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.blas import dsyrk

from qmis_stats.arrays import FloatArray, Indices

__all__ = ["Memberships"]

_LEAST_LEFT = 1e-12


@dataclass(frozen=True, eq=False)
class Memberships:
    """Equations Σⱼ mⱼsⱼ + error = what is seen, with independent memberships m of mean f, taken as normal numbers.

    Solved in the smaller of the two dimensions of S.

    Attributes
    ----------
    moves : (E, N) ndarray
        sⱼ, what each member adds, in standard deviations of the errors.
    fraction : float
        f; memberships have the variance f(1 − f).
    """

    moves: FloatArray
    fraction: float

    @property
    def varied(self) -> float:
        """The variance of a membership."""
        return self.fraction * (1.0 - self.fraction)

    @property
    def _by_points(self) -> bool:
        return bool(self.moves.shape[1] <= self.moves.shape[0])

    @cached_property
    def _inner(self) -> tuple[FloatArray, bool]:
        size = min(self.moves.shape)
        rows = self.moves.T if self._by_points else self.moves
        factor, _ = cho_factor(np.eye(size) + dsyrk(self.varied, rows, lower=1), lower=True)
        return factor, True

    def told(self, missed: FloatArray) -> FloatArray:
        """Return Sᵀ(1 + vSSᵀ)⁻¹ times what is missed where a share f of each is a member, (E,), for each point."""
        if self._by_points:
            return np.asarray(cho_solve(self._inner, self.moves.T @ missed))
        return np.asarray(self.moves.T @ cho_solve(self._inner, missed))

    def left(self, places: Indices) -> FloatArray:
        """Return what is left of the variance of some memberships, as a share."""
        if self._by_points:
            some = np.zeros((self.moves.shape[1], places.size))
            some[places, np.arange(places.size)] = 1.0
            return np.asarray(cho_solve(self._inner, some)[places, np.arange(places.size)])
        moves = self.moves[:, places]
        return np.asarray(1.0 - self.varied * np.sum(moves * cho_solve(self._inner, moves), axis=0))

    def log_ratio(self, told: FloatArray, left: FloatArray) -> FloatArray:
        """Return the log likelihood ratio of one membership, all others being free, of what they are told and left."""
        size = (1.0 - left) / self.varied
        return np.asarray((told + (self.fraction - 0.5) * size) / np.maximum(left, _LEAST_LEFT))
