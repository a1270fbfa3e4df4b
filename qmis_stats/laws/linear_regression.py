"""Linear regression with Gaussian design and noise, least squares (Statements S2 and S4)."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.increments import Increment, QuadraticIncrement
from qmis_stats.laws.base import ParametricLaw, ProductCells, Thresholds, best_cell, check_cells, unique_rows
from qmis_stats.scores import QuadraticScores, reduce_rank
from qmis_stats.validation import covariance_matrix, finite_array, positive_number

__all__ = ["LinearRegression"]


class LinearRegression(ParametricLaw):
    """x ~ N(0, covariance), y = xᵀcoefficients + noise_std·N(0, 1), loss (y − xᵀθ)².

    Parameters
    ----------
    coefficients : (d,) array_like
        The true coefficients β.
    covariance : (d, d) array_like
        The covariance Σ of the design, symmetric positive definite.
    noise_std : float
        The standard deviation τ > 0 of the noise.

    Raises
    ------
    InputError
        If shapes disagree, an entry is not finite, Σ is not positive definite or τ is not positive.

    Examples
    --------
    >>> law = LinearRegression([1.0], [[2.0]], 0.5)
    >>> scores = law.erm_scores(np.array([[1.0], [1.5]]))
    >>> round(scores.increment(1, 0).mean, 12)
    0.5
    """

    kind: ClassVar[str] = "linear_regression"

    def __init__(self, coefficients: ArrayLike, covariance: ArrayLike, noise_std: float) -> None:
        self.coefficients = finite_array("law.coefficients", coefficients, 1, "(d,)")
        self.covariance = covariance_matrix("law.covariance", covariance, self.coefficients.size)
        self.noise_std = positive_number("law.noise_std", noise_std)
        self._factor = np.linalg.cholesky(self.covariance)

    @property
    def parameter(self) -> FloatArray:
        """The coefficients β."""
        return self.coefficients

    @property
    def parameter_covariance(self) -> FloatArray:
        """The asymptotic covariance τ²Σ⁻¹ of √n (θ̂ − β)."""
        inverse = np.linalg.inv(self.covariance)
        return np.asarray(self.noise_std**2 * 0.5 * (inverse + inverse.T), dtype=np.float64)

    def erm_scores(self, codebook: FloatArray) -> QuadraticScores:
        """Return the increments u_k² − u_b² of the residuals u_k = y − xᵀθ_k, reduced to their span."""
        self._check_codebook(codebook)
        rows, inverse = unique_rows(codebook)
        errors = (rows - self.coefficients) @ self._factor
        reach = max(float(np.max(np.abs(errors))), self.noise_std)
        check_cells(np.ones(1), np.array([reach * reach]))
        risks = np.sum(errors**2, axis=1)
        best = best_cell(risks, float(risks.min()))
        spread = np.abs(errors - errors[best]).max(axis=1)
        check_cells(rows - rows[best], spread * reach)
        check_cells(rows - rows[best], spread * self.noise_std)
        mean = np.sum((errors - errors[best]) * (errors + errors[best]), axis=1)
        residuals = np.column_stack([np.full(len(rows), self.noise_std), -errors])
        reduced = reduce_rank(residuals)
        squares = reduced[:, :, None] * reduced[:, None, :]
        matrices = (squares - squares[best])[inverse]
        first = int(np.flatnonzero(inverse == best)[0])
        return QuadraticScores(matrices, mean[inverse], best=first, residuals=residuals[inverse])

    def threshold_scores(self, thresholds: Thresholds) -> QuadraticScores | None:
        """Return cumulative sums of x(xt − y) for d = 1; for d > 1 the cells are not an argmin of sums."""
        if self.dimension != 1:
            return None
        gaps = thresholds[0] - self.coefficients[0]
        variance = float(self.covariance[0, 0])
        steps = np.arange(gaps.size + 1, dtype=np.float64)
        means = variance * np.concatenate(([0.0], np.cumsum(gaps)))
        best = best_cell(means, 0.0)
        matrices = np.zeros((steps.size, 2, 2))
        cross = -0.5 * math.sqrt(variance) * self.noise_std * (steps - steps[best])
        matrices[:, 0, 1] = matrices[:, 1, 0] = cross
        matrices[:, 1, 1] = means - means[best]
        return QuadraticScores(matrices, means - means[best], best=best)

    def threshold_increment(self, coordinate: int, threshold: float, upper: bool) -> tuple[Increment, bool]:
        """Return ±x(xt − y), exact for d = 1, and the linearised ±(t − β_i) ± (Σ⁻¹x)_i ε for d > 1."""
        gap = threshold - float(self.coefficients[coordinate])
        delta = gap if upper else -gap
        if self.dimension == 1:
            variance = float(self.covariance[0, 0])
            mean, product = variance * delta, 0.25 * variance * self.noise_std**2
            root = math.hypot(0.5 * mean, math.sqrt(product))
            high = 0.5 * mean + root
            return QuadraticIncrement((-product / high, high)), True
        half = 0.5 * math.sqrt(float(self.parameter_covariance[coordinate, coordinate]))
        return QuadraticIncrement((-half, half), constant=delta), False

    def product_cells(self, thresholds: Thresholds) -> ProductCells:
        """Return cells in units of τ√(Σ⁻¹)_ii; independent (asymptotically) when Σ is diagonal."""
        scale = np.sqrt(np.diag(self.parameter_covariance))
        edges = tuple((t - b) / s for t, b, s in zip(thresholds, self.coefficients, scale, strict=True))
        diagonal = bool(np.count_nonzero(self.covariance - np.diag(np.diag(self.covariance))) == 0)
        return ProductCells(edges, independent=diagonal, influence="gaussian_times_noise")
