"""Scores on finitely many atoms, in exact rational arithmetic (Statements S2 and S9c)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import DomainError
from qmis_stats.increments import DiscreteIncrement, Increment, check_scale
from qmis_stats.scores.base import Draw, PointRule, ScoreModel

__all__ = ["FiniteScores"]

_EXACT_FLOAT = 2**53
_SMALLEST_PROBABILITY = 1e-300


@dataclass(frozen=True, eq=False)
class FiniteScores(ScoreModel):
    """Losses on the atoms of a finite law.

    Parameters
    ----------
    losses : tuple of K tuples of Fraction
        ``losses[k][z]``, the loss of codeword k on atom z.
    probabilities : tuple of Fraction
        Positive, summing to one.
    best : int
        Index of the best codeword, the lowest among ties.

    Examples
    --------
    >>> half, one = Fraction(1, 2), Fraction(1)
    >>> s = FiniteScores(((one, 0 * one), (0 * one, one)), (Fraction(1, 4), Fraction(3, 4)), best=0)
    >>> s.means()
    array([0. , 0.5])
    """

    losses: tuple[tuple[Fraction, ...], ...]
    probabilities: tuple[Fraction, ...]
    best: int

    @property
    def cells(self) -> int:
        """Number of codewords K."""
        return len(self.losses)

    @property
    def unit_scale(self) -> float:
        """Loss units of one unit of :meth:`sample`."""
        return float(self.unit)

    @cached_property
    def relative(self) -> tuple[tuple[Fraction, ...], ...]:
        """Losses minus those of the best codeword, exactly."""
        reference = self.losses[self.best]
        return tuple(tuple(x - b for x, b in zip(row, reference, strict=True)) for row in self.losses)

    @cached_property
    def integers(self) -> IntArray:
        """Relative losses in units of :attr:`unit`, shape (K, atoms)."""
        scaled = [[int(x / self.unit) for x in row] for row in self.relative]
        if max(abs(v) for row in scaled for v in row) >= _EXACT_FLOAT:
            raise DomainError(
                "crude/tilted",
                "the losses have no common unit that fits a 64-bit number",
                "use method = exact",
            )
        return np.array(scaled, dtype=np.int64)

    @cached_property
    def unit(self) -> Fraction:
        """The largest rational of which every relative loss is an integer multiple."""
        values = [x for row in self.relative for x in row]
        denominator = math.lcm(*(x.denominator for x in values))
        numerator = math.gcd(*(int(x * denominator) for x in values))
        return Fraction(max(numerator, 1), denominator)

    @cached_property
    def _floats(self) -> tuple[FloatArray, FloatArray]:
        check_scale(abs(x) for row in self.relative for x in row if x)
        if min(self.probabilities) < _SMALLEST_PROBABILITY:
            raise DomainError("any", f"an atom has a probability below {_SMALLEST_PROBABILITY:g}", "use method = exact")
        relative = np.array([[float(x) for x in row] for row in self.relative])
        return relative, np.array([float(p) for p in self.probabilities])

    def means(self) -> FloatArray:
        """Return the exact means, rounded once."""
        check_scale(abs(x) for row in self.relative for x in row if x)
        rows = ((x * p for x, p in zip(row, self.probabilities, strict=True)) for row in self.relative)
        return np.array([float(sum(row, Fraction(0))) for row in rows])

    def increment(self, cell: int, other: int) -> Increment:
        """Return the rational law of the difference; a tie counts as crossed when ``cell`` has the lower index."""
        found = self._increments.get((cell, other))
        if found is None:
            found = self._increments[cell, other] = self._increment(cell, other)
        return found

    @cached_property
    def _increments(self) -> dict[tuple[int, int], Increment]:
        """Increments that were asked for, with the tilts that they have found."""
        return {}

    def _increment(self, cell: int, other: int) -> Increment:
        masses: dict[Fraction, Fraction] = {}
        for x, y, p in zip(self.losses[cell], self.losses[other], self.probabilities, strict=True):
            masses[x - y] = masses.get(x - y, Fraction(0)) + p
        ordered = sorted(masses.items())
        return DiscreteIncrement(tuple(v for v, _ in ordered), tuple(p for _, p in ordered), strict=cell > other)

    def same(self, cell: int, other: int) -> bool:
        """Whether the two codewords lose the same on every atom."""
        return self.losses[cell] == self.losses[other]

    def tilted_probabilities(self, cell: int, lam: float) -> FloatArray:
        """Return the atoms' probabilities under the tilt; at λ = ∞ the law given that the score is smallest."""
        relative, p = self._floats
        if np.isinf(lam):
            lowest = np.where(relative[cell] == relative[cell].min(), p, 0.0)
            return np.asarray(lowest / lowest.sum(), dtype=np.float64)
        exponents = -lam * relative[cell]
        weights = p * np.exp(exponents - exponents.max())
        return np.asarray(weights / weights.sum(), dtype=np.float64)

    def tilted_moments(self, cell: int, lam: float) -> tuple[FloatArray, FloatArray]:
        """Return the moments of all scores under the tilt."""
        relative, _ = self._floats
        p = self.tilted_probabilities(cell, lam)
        means = relative @ p
        return means, np.sqrt(((relative - means[:, None]) ** 2) @ p)

    def sample(
        self, draw: Draw, first: int, count: int, *, terms: int = 1, tilt: tuple[int, float] | None = None
    ) -> FloatArray:
        """Draw multinomial counts; sums are exact integers in units of :attr:`unit`, so ties are seen as ties."""
        if int(np.max(np.abs(self.integers), initial=0)) * (terms + 1) >= _EXACT_FLOAT:
            raise DomainError(
                "crude/tilted",
                f"sums of {terms} losses do not fit a 64-bit number exactly",
                "use method = exact",
            )
        p = self._floats[1] if tilt is None else self.tilted_probabilities(*tilt)
        counts = draw.kernels.multinomial_sums(draw.key, draw.stream, first, count, terms, p)
        return np.asarray(counts @ self.integers.T, dtype=np.float64)

    def enumerate_points(self) -> PointRule:
        """Return the atoms with their probabilities, in units of :attr:`unit` like the sums."""
        return PointRule(self.integers.T.astype(np.float64), self._floats[1], exact=True)

    def describe(self) -> dict[str, Any]:
        """Return the representation's name and size."""
        return {
            "scores": "rational losses on atoms",
            "cells": self.cells,
            "atoms": len(self.probabilities),
            "unit": str(self.unit),
        }
