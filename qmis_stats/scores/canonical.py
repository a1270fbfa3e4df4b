"""Scores of generalized linear laws: losses of codewords, and score functions at thresholds (Statement S18)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.increments import Increment
from qmis_stats.scores.base import Draw, PointRule, ScoreModel, fixed_order_dot
from qmis_stats.scores.canonical_draws import Envelope, accepted_sums
from qmis_stats.scores.canonical_faces import codeword_increment, threshold_increment
from qmis_stats.scores.canonical_increment import grid
from qmis_stats.scores.families import BERNOULLI, Family

__all__ = ["CanonicalScores", "CodewordScores", "ThresholdScores"]

_REACH = 9.5
_STEPS = {1: 0.02, 2: 0.1}
_LOG2_SOBOL, _SOBOL_SEED = 13, 20250
_POINTS = 1 << 13
_RARE = 1e-16
_ENVELOPE_STEP, _ENVELOPE_REACH = 1e-3, 20.0
_SLACK = 1e-4


@dataclass(frozen=True, eq=False)
class CanonicalScores(ScoreModel):
    """Scores f_k(x) − y g_k(x) relative to the best cell, y from an exponential family.

    Parameters
    ----------
    family : Family
        Law of the response.
    intercept : float
        β₀.
    best : int
        Index of the best cell.
    """

    family: Family
    intercept: float
    best: int
    _known: dict[tuple[int, int], Increment] = field(default_factory=dict, init=False, repr=False)

    @abstractmethod
    def eta(self, w: FloatArray) -> FloatArray:
        """Return the natural parameter at coordinates (M, q), shape (M,)."""

    @abstractmethod
    def conditional(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return E[scores | x] and the slopes g_k, shapes (M, K)."""

    @abstractmethod
    def values(self, w: FloatArray, y: FloatArray) -> FloatArray:
        """Return the scores of points, shape (M, K)."""

    @abstractmethod
    def _increment(self, cell: int, other: int) -> Increment: ...

    @abstractmethod
    def envelope(self, cell: int, lam: float) -> Envelope:
        """Return a Gaussian mixture above the tilted density of x."""

    def increment(self, cell: int, other: int) -> Increment:
        """Return the law of the difference; its integrals are computed once."""
        if (cell, other) not in self._known:
            self._known[cell, other] = self._increment(cell, other)
        return self._known[cell, other]

    def means(self) -> FloatArray:
        """Return E scores."""
        return np.array([self.increment(k, self.best).mean for k in range(self.cells)])

    def tilted_exponent(self, w: FloatArray, cell: int, lam: float) -> FloatArray:
        """Return log E[exp(−λ score) | x], shape (M,)."""
        mean, slope = self.conditional(w)
        return np.asarray(-lam * mean[:, cell] + self.family.divergence(self.eta(w), lam * slope[:, cell]))

    def _rule(self) -> tuple[FloatArray, FloatArray]:
        if self.rank <= 2:
            return grid(((-_REACH, _REACH),) * self.rank, _STEPS[self.rank])
        from scipy.special import ndtri
        from scipy.stats import qmc  # slow to load, and needed only here

        uniforms = qmc.Sobol(self.rank, rng=np.random.default_rng(_SOBOL_SEED)).random_base2(_LOG2_SOBOL)
        nodes = ndtri(np.clip(uniforms, 2.0**-31, 1.0 - 2.0**-31))
        return np.asarray(nodes), np.full(len(nodes), 1.0 / len(nodes))

    def tilted_moments(self, cell: int, lam: float) -> tuple[FloatArray, FloatArray]:
        """Return the moments under the tilt; the response has the natural parameter η + λ g there."""
        w, mass = self._rule()
        mean, slope = self.conditional(w)
        eta, shift = self.eta(w), lam * slope[:, cell]
        exponent = -lam * mean[:, cell] + self.family.divergence(eta, shift)
        weights = mass * np.exp(exponent - exponent.max())
        weights /= weights.sum()
        means = mean - self.family.mean_step(eta, shift)[:, None] * slope
        spread = self.family.cumulants(eta + shift)[0][:, None] * slope**2
        first = weights @ means
        return first, np.sqrt(weights @ (spread + (means - first) ** 2))

    def sample(
        self, draw: Draw, first: int, count: int, *, terms: int = 1, tilt: tuple[int, float] | None = None
    ) -> FloatArray:
        """Draw every point of every sum: no statistic of fixed size is sufficient. Tilted points by rejection."""
        return accepted_sums(self, draw, first, count, terms, tilt)

    def log_acceptance(self, cell: int, lam: float) -> float:
        """Return the logarithm of the probability that a candidate of :meth:`envelope` is accepted."""
        return self.increment(cell, self.best).cgf(-lam)[0] - self.envelope(cell, lam).log_mass

    def points_from_normals(
        self, normals: FloatArray, weights: FloatArray, tilt: tuple[int, float] | None = None
    ) -> PointRule:
        """Return the nodes with every response that matters; a tilt changes the weights and not the nodes."""
        log_mass = 0.0 if tilt is None else self.increment(tilt[0], self.best).cgf(-tilt[1])[0]
        scores, masses = [], []
        for start in range(0, len(weights), _POINTS):
            w, mass = normals[start : start + _POINTS], weights[start : start + _POINTS]
            rows, y, probabilities = self.family.enumerate(self.eta(w), min(_RARE / float(mass.max()), 1e-9))
            mass = mass[rows] * probabilities
            kept = mass > _RARE
            rows, mass = rows[kept], mass[kept]
            mean, slope = self.conditional(w)
            response = self.family.mean(self.eta(w))
            values = mean[rows] - (y[kept] - response[rows])[:, None] * slope[rows]
            if tilt is not None:
                mass = mass * np.exp(-tilt[1] * values[:, tilt[0]] - log_mass)
            scores.append(values)
            masses.append(mass)
        return PointRule(np.concatenate(scores), np.concatenate(masses), exact=False)

    def describe(self) -> dict[str, Any]:
        """Return the representation's name and size."""
        return {
            "scores": f"losses of a {self.family.name} regression",
            "cells": self.cells,
            "rank": self.rank,
        }


@dataclass(frozen=True, eq=False)
class CodewordScores(CanonicalScores):
    """Losses of codewords less that of the best one.

    Parameters
    ----------
    base : (q,) array
        The best codeword.
    steps : (K, q) array
        The codewords less the best one.
    truth : (q,) array
        The true coefficients less the best codeword.

    Examples
    --------
    >>> s = CodewordScores(BERNOULLI, 0.0, 0, np.array([1.0]), np.array([[0.0], [0.5]]), np.array([0.0]))
    >>> 0.0 < s.increment(1, 0).tilt().lam < 1.0
    True
    """

    base: FloatArray
    steps: FloatArray
    truth: FloatArray

    @property
    def cells(self) -> int:
        """Number of cells K."""
        return len(self.steps)

    @property
    def rank(self) -> int:
        """Number of standard normals q."""
        return int(self.base.size)

    def same(self, cell: int, other: int) -> bool:
        """Whether two codewords agree."""
        return bool(np.array_equal(self.steps[cell], self.steps[other]))

    def _fitted(self, w: FloatArray) -> FloatArray:
        return self.intercept + fixed_order_dot(w, self.base[None, :])[:, 0]

    def eta(self, w: FloatArray) -> FloatArray:
        """Return β₀ + xᵀβ."""
        return self._fitted(w) + fixed_order_dot(w, self.truth[None, :])[:, 0]

    def conditional(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the mean excess losses and the differences of the predictors."""
        fitted, slope = self._fitted(w)[:, None], fixed_order_dot(w, self.steps)
        off = fixed_order_dot(w, self.truth[None, :])
        return self.family.divergence(fitted, slope) - self.family.mean_step(fitted, off) * slope, slope

    def values(self, w: FloatArray, y: FloatArray) -> FloatArray:
        """Return A(u_k) − A(u_b) − y(u_k − u_b)."""
        fitted, slope = self._fitted(w)[:, None], fixed_order_dot(w, self.steps)
        return self.family.log_partition(fitted + slope) - self.family.log_partition(fitted) - y[:, None] * slope

    def _increment(self, cell: int, other: int) -> Increment:
        best = self.base + self.steps[other]
        step, truth = self.steps[cell] - self.steps[other], self.truth - self.steps[other]
        return codeword_increment(self.family, self.intercept, best, step, truth)

    def envelope(self, cell: int, lam: float) -> Envelope:
        """Return the law itself if the best codeword is the truth, else a mixture of its shifts (Proposition S18.5)."""
        if not self.truth.any() and lam <= 1.0:
            return Envelope(np.zeros((1, self.rank)), 0.0)
        if self.family is BERNOULLI:
            a, e = lam * self.steps[cell], self.truth
            rest = max(lam - 1.0, 0.0) * self.steps[cell]
            wide = Envelope(np.stack((a, -a)), 0.0)
            shifts = (e, -e) if lam <= 1.0 else (e + rest, e - rest, rest - e, -e - rest)
            near = Envelope(np.stack(shifts), 0.0)
            return min(wide, near, key=lambda envelope: envelope.log_mass)
        return _line_envelope(self.rank, lambda w: self.tilted_exponent(w, cell, lam))


@dataclass(frozen=True, eq=False)
class ThresholdScores(CanonicalScores):
    """Cumulative sums of the score functions at thresholds of one coefficient: their argmin is the estimate's cell.

    Parameters
    ----------
    truth, deviation : float
        The true coefficient and the standard deviation of x.
    thresholds : (m,) array
        Increasing.

    Examples
    --------
    >>> s = ThresholdScores(BERNOULLI, 0.0, 1, 1.0, 1.0, np.array([0.5, 2.0]))
    >>> round(s.increment(2, 1).tilt().lam, 12), round(s.increment(0, 1).tilt().lam, 12)
    (1.0, 0.5)
    """

    truth: float
    deviation: float
    thresholds: FloatArray

    @property
    def cells(self) -> int:
        """Number of cells K."""
        return int(self.thresholds.size) + 1

    @property
    def rank(self) -> int:
        """One normal makes x."""
        return 1

    def same(self, cell: int, other: int) -> bool:
        """Whether two cells are one."""
        return cell == other

    def eta(self, w: FloatArray) -> FloatArray:
        """Return β₀ + xβ."""
        return np.asarray(self.intercept + self.truth * self.deviation * w[:, 0])

    def _cumulative(self, steps: FloatArray) -> FloatArray:
        """Return sums over the thresholds below each cell, relative to the best cell, of columns (M, m)."""
        sums = np.concatenate((np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)), axis=1)
        return np.asarray(sums - sums[:, [self.best]])

    def conditional(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the mean scores and x times the number of thresholds between the cell and the best one."""
        x, gaps = self.deviation * w, self.thresholds - self.truth
        mean = self._cumulative(self.family.mean_step(self.eta(w)[:, None], x * gaps) * x)
        return mean, x * (np.arange(self.cells) - self.best)

    def values(self, w: FloatArray, y: FloatArray) -> FloatArray:
        """Return Σ (A'(β₀ + xt) − y) x."""
        x = self.deviation * w
        return self._cumulative((self.family.mean(self.intercept + x * self.thresholds) - y[:, None]) * x)

    def _increment(self, cell: int, other: int) -> Increment:
        low, high = min(cell, other), max(cell, other)
        sign = 1.0 if cell > other else -1.0
        truth, direction = np.array([self.truth * self.deviation]), np.array([sign * self.deviation])
        if low == high:
            return codeword_increment(self.family, self.intercept, truth, np.zeros(1), np.zeros(1))
        gaps = sign * (self.thresholds[low:high] - self.truth)
        return threshold_increment(self.family, self.intercept, truth, direction, gaps)

    def envelope(self, cell: int, lam: float) -> Envelope:
        """Return the law itself for a neighbouring cell (Proposition S18.3), times a constant beyond."""
        if abs(cell - self.best) == 1:
            return Envelope(np.zeros((1, 1)), 0.0)
        return _line_envelope(1, lambda w: self.tilted_exponent(w, cell, lam))


def _line_envelope(rank: int, exponent: Callable[[FloatArray], FloatArray]) -> Envelope:
    """Return the law of x times the largest density ratio, found on a fine line."""
    if rank != 1:
        raise DomainError(
            "tilted",
            "no bound on the density ratio of the tilted law is known",
            "put the true coefficients into the codebook",
        )
    w = np.arange(-_ENVELOPE_REACH, _ENVELOPE_REACH, _ENVELOPE_STEP)[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.nan_to_num(exponent(w), nan=-math.inf)
    return Envelope(np.zeros((1, 1)), max(float(values.max()), 0.0) + _SLACK)
