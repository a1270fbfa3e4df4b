"""Memberships of a pool as the unknowns of linear equations with normal errors (Proposition S17.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.blas import dsyrk
from scipy.optimize import brentq
from scipy.special import expit, logit

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.leak.fits import row_blocks

__all__ = ["ROUNDS", "Memberships", "chances", "counted", "settles"]

ROUNDS = (1, 3, 8)
"""Rounds after which memberships are read."""

_COUNTED = 10.0
"""Inverse error of the number of members, which is known."""

_OFTEN = 2e7

_LEAST_LEFT = 1e-12
_REPEATED = 1e-12
_SURE = 1e-4
"""Nearest to 0 and 1 that the probability of a membership comes between rounds."""

_KEPT = 0.5
"""Share of its message that a membership keeps from one round to the next."""

_LEAST_PRECISION = 1.0


@dataclass(frozen=True, eq=False)
class Memberships:
    """Equations Σⱼ mⱼsⱼ + error = what is seen, with independent memberships m, 1 with their probabilities and else 0.

    In one round memberships are taken as normal numbers. More rounds are those of expectation propagation (Minka, UAI
    2001): each membership sends the normal message that, together with what the others tell of it, has the mean and
    the variance of a number that is 0 or 1. Where this does not settle later rounds tell less. Solved in the smaller of
    the two dimensions of S.

    Attributes
    ----------
    moves : (E, N) ndarray
        sⱼ, what each member adds, in standard deviations of the errors.
    chance : (N,) ndarray
        Probabilities, strictly between 0 and 1.
    """

    moves: FloatArray
    chance: FloatArray

    def read(self, seen: FloatArray, places: Indices, rounds: Sequence[int] = (1,)) -> tuple[FloatArray, FloatArray]:
        """Return means of all memberships, (N,), and log likelihood ratios of some after so many rounds, (R, n).

        The means are those of the first round. Of one membership all others are free; its own probability does not
        enter its ratio.

        Parameters
        ----------
        seen : (E,) ndarray
            The right-hand side.
        places : (n,) ndarray of int
            Of which memberships.
        rounds : sequence of int
            Rising.
        """
        mean, variance, factor = self.chance, self._varied, self._first
        everyone, ratios, first = np.arange(mean.size), [], mean
        for k in range(1, max(rounds) + 1):
            some = places if k == max(rounds) else everyone
            told = self._told(factor, variance, seen - self.moves @ mean)
            known = k == 1 and some.size == mean.size
            size = self._first_sizes[some] if known else self._sizes(factor, variance, some)
            left = np.maximum(1.0 - variance[some] * size, _LEAST_LEFT)
            # Of what the others tell of each: its precision, and this times its mean.
            precision, pulled = size / left, (told[some] + mean[some] * size) / left
            ratio = pulled - 0.5 * precision
            if k == 1:
                first = mean + variance * told
            if k in rounds:
                ratios.append(ratio if some is places else ratio[places])
            if some is everyone:
                mean, variance = self._answered(mean, variance, precision, pulled)
                factor = self._factor(variance)
        return first, np.array(ratios)

    def _answered(
        self, mean: FloatArray, variance: FloatArray, precision: FloatArray, pulled: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return means and variances of the messages of the next round."""
        chance = np.clip(expit(logit(self.chance) + pulled - 0.5 * precision), _SURE, 1.0 - _SURE)
        whole = 1.0 / (chance * (1.0 - chance))
        weak = whole - precision < _LEAST_PRECISION
        own = np.where(weak, _LEAST_PRECISION, whole - precision)
        shift = np.where(weak, _LEAST_PRECISION * chance, whole * chance - pulled)
        kept = 1.0 / (_KEPT / variance + (1.0 - _KEPT) * own)
        return kept * (_KEPT * mean / variance + (1.0 - _KEPT) * shift), kept

    @property
    def _varied(self) -> FloatArray:
        return self.chance * (1.0 - self.chance)

    @cached_property
    def _first(self) -> FloatArray:
        return self._factor(self._varied)

    @cached_property
    def _first_sizes(self) -> FloatArray:
        return self._sizes(self._first, self._varied, np.arange(self.chance.size))

    @cached_property
    def _by_points(self) -> FloatArray | None:
        """Return SᵀS where there are fewer points than equations."""
        return self.moves.T @ self.moves if self.moves.shape[1] <= self.moves.shape[0] else None

    def _factor(self, variance: FloatArray) -> FloatArray:
        """Return the lower Cholesky factor of 1 + SVSᵀ, or of 1 + V^½SᵀSV^½."""
        deviation = np.sqrt(variance)
        if self._by_points is None:
            inner = np.zeros((len(self.moves), len(self.moves)), order="F")
            for part in row_blocks(variance.size):
                some = self.moves[:, part] * deviation[part]
                inner = dsyrk(1.0, some, beta=1.0, c=inner, lower=1, overwrite_c=1)
        else:
            inner = deviation[:, None] * self._by_points * deviation
        # Equations that repeat each other, to rounding, tell no more than one of them.
        inner.flat[:: len(inner) + 1] += max(1.0, _REPEATED * float(inner.diagonal().max()))
        return np.asarray(cholesky(inner, lower=True, overwrite_a=True, check_finite=False))

    def _told(self, factor: FloatArray, variance: FloatArray, missed: FloatArray) -> FloatArray:
        """Return Sᵀ(1 + SVSᵀ)⁻¹ times what is missed, (N,)."""
        if self._by_points is None:
            return np.asarray(self.moves.T @ cho_solve((factor, True), missed))
        deviation = np.sqrt(variance)
        return np.asarray(cho_solve((factor, True), deviation * (self.moves.T @ missed)) / deviation)

    def _sizes(self, factor: FloatArray, variance: FloatArray, places: Indices) -> FloatArray:
        """Return some of the diagonal of Sᵀ(1 + SVSᵀ)⁻¹S, (n,)."""
        by_points, parts = self._by_points is not None, np.empty(places.size)
        for part in row_blocks(places.size):
            few = places[part]
            some = 1.0 * (np.arange(self.chance.size)[:, None] == few) if by_points else self.moves[:, few]
            solved = solve_triangular(factor, some, lower=True, check_finite=False)
            parts[part] = np.einsum("en,en->n", solved, solved)
        return np.asarray((1.0 - parts) / variance[places] if by_points else parts)


def counted(moves: FloatArray, seen: FloatArray, members: float) -> tuple[FloatArray, FloatArray]:
    """Return equations and what is seen with one more: how many members there are.

    Examples
    --------
    >>> counted(np.array([[0.5, 2.0, 1.0]]), np.array([1.5]), 2)
    (array([[ 0.5,  2. ,  1. ],
           [10. , 10. , 10. ]]), array([ 1.5, 20. ]))
    """
    return np.vstack([moves, np.full(moves.shape[1], _COUNTED)]), np.append(seen, _COUNTED * members)


def settles(equations: int, points: int) -> bool:
    """Return whether a system is small enough to be solved in many rounds."""
    few, many = sorted((equations, points))
    return few**2 * many <= _OFTEN


def chances(fraction: float, log_odds: FloatArray) -> FloatArray:
    """Return probabilities with log odds up to a constant, and a mean.

    Examples
    --------
    >>> chances(0.25, np.zeros(3)).round(6).tolist()
    [0.25, 0.25, 0.25]
    """
    low, high = logit(fraction) - np.max(log_odds) - 1.0, logit(fraction) - np.min(log_odds) + 1.0
    return np.asarray(expit(log_odds + brentq(lambda c: float(np.mean(expit(log_odds + c))) - fraction, low, high)))
