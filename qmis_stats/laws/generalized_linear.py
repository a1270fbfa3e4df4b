"""Generalized linear laws with Gaussian design and the canonical link (Statement S18)."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError, InputError
from qmis_stats.increments import Increment
from qmis_stats.laws.base import ParametricLaw, ProductCells, Thresholds, best_cell, unique_rows
from qmis_stats.numerics import gauss_legendre_panels
from qmis_stats.scores import CodewordScores, ThresholdScores, codeword_increment, reduce_rank, threshold_increment
from qmis_stats.scores.families import BERNOULLI, POISSON, Family
from qmis_stats.validation import covariance_matrix, finite_array, real_number

__all__ = ["GeneralizedLinear", "LogisticRegression", "PoissonRegression"]

_REACH = 9.5
_PANELS = 400
_LARGEST_PREDICTOR = 100.0
"""Standard deviations of predictors beyond it leave the responses certain, and the quadrature without nodes enough."""
_RARE = 1e-18
_BINS = 800
_LEAST_STEP = 1e-7
"""Closer codewords, in standard deviations of a predictor, would be told apart by rounding."""


class GeneralizedLinear(ParametricLaw):
    """x ~ N(0, covariance), y from a family with natural parameter intercept + xᵀcoefficients; loss −log likelihood.

    Parameters
    ----------
    coefficients : (d,) array_like
        The true coefficients β.
    covariance : (d, d) array_like
        The covariance Σ of the design, symmetric positive definite.
    intercept : float
        β₀, known to the learner and the attacker: neither fitted nor quantized.

    Raises
    ------
    InputError
        If shapes disagree, an entry is not finite, Σ is not positive definite, or the predictor's standard deviation or
        the intercept is beyond what can be integrated.
    """

    family: ClassVar[Family]
    largest_predictor: ClassVar[float]

    def __init__(self, coefficients: ArrayLike, covariance: ArrayLike, intercept: float = 0.0) -> None:
        self.coefficients = finite_array("law.coefficients", coefficients, 1, "(d,)")
        self.covariance = covariance_matrix("law.covariance", covariance, self.coefficients.size)
        self._factor = np.linalg.cholesky(self.covariance)
        limit = self.largest_predictor
        allowed = f"a number from {-limit:g} to {limit:g}"
        self.intercept = real_number("law.intercept", intercept, allowed)
        if not abs(self.intercept) <= limit:
            raise InputError("law.intercept", intercept, allowed)
        self._truth = self.coefficients @ self._factor
        spread = float(np.linalg.norm(self._truth))
        if not spread <= limit:
            allowed = f"such that the standard deviation of the linear predictor, {spread:.3g}, is at most {limit:g}"
            raise InputError("law.coefficients", self.coefficients.tolist(), allowed)

    @property
    def parameter(self) -> FloatArray:
        """The coefficients β."""
        return self.coefficients

    @property
    def predictor_std(self) -> float:
        """Standard deviation of xᵀβ."""
        return float(np.linalg.norm(self._truth))

    def predictor_rule(self) -> tuple[FloatArray, FloatArray]:
        """Return nodes and weights of the law of η = β₀ + xᵀβ, for expectations of smooth functions of it.

        Examples
        --------
        >>> nodes, weights = LogisticRegression([2.0], [[1.0]], 0.5).predictor_rule()
        >>> round(float(weights @ nodes), 12), round(float(weights @ nodes**2), 10)
        (0.5, 4.25)
        """
        w, mass = gauss_legendre_panels(np.linspace(-_REACH, _REACH, _PANELS + 1), 8)
        weights = mass * np.exp(-0.5 * w**2) / math.sqrt(2.0 * math.pi)
        return self.intercept + self.predictor_std * w, weights

    @property
    def information(self) -> FloatArray:
        """The Fisher information E[A''(η) x xᵀ] of one point, shape (d, d), by Stein's identity."""
        eta, weights = self.predictor_rule()
        across = float(weights @ self.family.cumulants(eta)[0])
        along = self.covariance @ self.coefficients
        spread = self.predictor_std
        if spread == 0.0:
            return np.asarray(across * self.covariance)
        # E[A''(η)(w² − 1)] for the standardised predictor w is Var(η) E A''''(η).
        w = (eta - self.intercept) / spread
        extra = float(weights @ (self.family.cumulants(eta)[0] * (w * w - 1.0))) / spread**2
        return np.asarray(across * self.covariance + extra * np.outer(along, along))

    @property
    def parameter_covariance(self) -> FloatArray:
        """The asymptotic covariance of √n (θ̂ − β): the inverse information, which the sandwich is under the law."""
        inverse = np.linalg.inv(self.information)
        return np.asarray(0.5 * (inverse + inverse.T), dtype=np.float64)

    def erm_scores(self, codebook: FloatArray) -> CodewordScores:
        """Return the differences of the negative log likelihoods, in coordinates of the codewords' span."""
        self._check_codebook(codebook)
        rows, inverse = unique_rows(codebook)
        vectors = rows @ self._factor
        if float(np.linalg.norm(vectors, axis=1).max()) > self.largest_predictor:
            raise DomainError(
                "any", "a codeword's linear predictor varies too much for the quadrature", "use smaller codewords"
            )
        risks = np.array([self._excess(row - self.coefficients) for row in rows])
        best = best_cell(risks, float(risks.min()))
        steps = (rows - rows[best]) @ self._factor
        sizes = np.linalg.norm(np.delete(steps, best, axis=0), axis=1)
        if sizes.size and sizes.min() < _LEAST_STEP:
            raise DomainError(
                "any", f"two codewords differ by {sizes.min():.2g} deviations of a predictor", "merge or part them"
            )
        truth = (self.coefficients - rows[best]) @ self._factor
        vectors = np.vstack((vectors[best], truth, steps))
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        reduced = norms * reduce_rank(vectors / np.where(norms > 0.0, norms, 1.0))
        if not reduced.shape[1]:
            reduced = np.zeros((len(vectors), 1))
        first = int(np.flatnonzero(inverse == best)[0])
        return CodewordScores(self.family, self.intercept, first, reduced[0], reduced[2:][inverse], reduced[1])

    def _excess(self, step: FloatArray) -> float:
        """Return the expected loss of coefficients less that of the true ones."""
        return codeword_increment(
            self.family, self.intercept, self._truth, step @ self._factor, np.zeros(self.dimension)
        ).mean

    def threshold_scores(self, thresholds: Thresholds) -> ThresholdScores | None:
        """Return cumulative sums of (A'(β₀ + xt) − y)x for d = 1; for d > 1 the cells are not an argmin of sums."""
        if self.dimension != 1:
            return None
        home = int(np.searchsorted(thresholds[0], self.coefficients[0], side="left"))
        slope, deviation = float(self.coefficients[0]), float(self._factor[0, 0])
        if float(np.abs(thresholds[0]).max(initial=0.0)) * deviation > self.largest_predictor:
            raise DomainError(
                "any", "a threshold's linear predictor varies too much for the quadrature", "use smaller thresholds"
            )
        return ThresholdScores(self.family, self.intercept, home, slope, deviation, thresholds[0])

    def threshold_increment(self, coordinate: int, threshold: float, upper: bool) -> tuple[Increment, bool]:
        """Return ±(A'(β₀ + xt) − y)x, exact for d = 1, and along the least favourable line for d > 1."""
        gap = threshold - float(self.coefficients[coordinate])
        gap = gap if upper else -gap
        sign = 1.0 if upper else -1.0
        unit, direction = 1.0, np.array([1.0])
        if self.dimension > 1:
            covariance = self.parameter_covariance
            unit = float(covariance[coordinate, coordinate])
            direction = covariance[coordinate] / unit
        line = sign * direction @ self._factor
        if gap * float(np.linalg.norm(line)) > 2.0 * self.largest_predictor:
            raise DomainError(
                "any", "a threshold's linear predictor varies too much for the quadrature", "use smaller thresholds"
            )
        found = threshold_increment(self.family, self.intercept, self._truth, line, np.array([gap]), unit)
        return found, self.dimension == 1

    def product_cells(self, thresholds: Thresholds) -> ProductCells:
        """Return cells in units of √V_ii; independent, but for correlations of order 1/d, when Σ is diagonal."""
        covariance = self.parameter_covariance
        scale = np.sqrt(np.diag(covariance))
        edges = tuple((t - b) / s for t, b, s in zip(thresholds, self.coefficients, scale, strict=True))
        diagonal = bool(np.count_nonzero(self.covariance - np.diag(np.diag(self.covariance))) == 0)
        return ProductCells(edges, independent=diagonal, influence="gaussian_times_residual")

    @property
    def leverages(self) -> FloatArray:
        """The variances of (Vx)_i/√V_ii, what a unit of the residual moves a standardised coordinate, shape (d,)."""
        covariance = self.parameter_covariance
        moved = np.einsum("ij,jk,ik->i", covariance, self.covariance, covariance)
        return np.asarray(moved / np.diag(covariance))

    def residual_rule(self) -> tuple[FloatArray, FloatArray]:
        """Return nodes and weights of the law of |y − A'(η)|, at most 800: the means of narrow bins."""
        eta, weights = self.predictor_rule()
        rows, y, probabilities = self.family.enumerate(eta)
        size, mass = np.abs(y - self.family.mean(eta)[rows]), weights[rows] * probabilities
        kept = mass > _RARE
        size, mass = size[kept], mass[kept]
        edges = np.sinh(np.linspace(0.0, math.asinh(float(size.max())), _BINS + 1))
        place = np.clip(np.searchsorted(edges, size) - 1, 0, _BINS - 1)
        total = np.asarray(np.bincount(place, mass, _BINS), dtype=np.float64)
        seen = total > 0.0
        return np.bincount(place, mass * size, _BINS)[seen] / total[seen], total[seen]


class LogisticRegression(GeneralizedLinear):
    """x ~ N(0, covariance), P(y = 1 | x) = 1/(1 + exp(−intercept − xᵀcoefficients)), loss −log likelihood.

    Parameters
    ----------
    coefficients, covariance, intercept
        As in :class:`GeneralizedLinear`.

    Examples
    --------
    >>> law = LogisticRegression([1.0], [[1.0]])
    >>> scores = law.erm_scores(np.array([[1.0], [2.0]]))
    >>> round(scores.increment(1, 0).tilt().exponent, 6)
    0.011857
    """

    kind: ClassVar[str] = "logistic_regression"
    family: ClassVar[Family] = BERNOULLI
    largest_predictor: ClassVar[float] = _LARGEST_PREDICTOR


class PoissonRegression(GeneralizedLinear):
    """x ~ N(0, covariance), y Poisson with mean exp(intercept + xᵀcoefficients), loss −log likelihood.

    Parameters
    ----------
    coefficients, covariance, intercept
        As in :class:`GeneralizedLinear`; the standard deviation of a predictor is at most 3 and so is the
        intercept's size: beyond, moments are those of means that no sample shows.

    Examples
    --------
    >>> law = PoissonRegression([0.5], [[1.0]])
    >>> scores = law.erm_scores(np.array([[0.5], [1.0]]))
    >>> round(scores.increment(1, 0).tilt().exponent, 6)
    0.04991
    """

    kind: ClassVar[str] = "poisson_regression"
    family: ClassVar[Family] = POISSON
    largest_predictor: ClassVar[float] = 3.0
