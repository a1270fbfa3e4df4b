"""The mean of a Gaussian mixture, squared loss (Statement S2): a law without a closed-form tilt."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.increments import Increment, MixtureIncrement
from qmis_stats.laws.base import ParametricLaw, ProductCells, Thresholds, best_cell, check_cells, product_index
from qmis_stats.scores import MixtureScores
from qmis_stats.validation import covariance_matrix, finite_array

__all__ = ["GaussianMixture"]

_WEIGHT_TOLERANCE = 1e-12


class GaussianMixture(ParametricLaw):
    """Z from a mixture of normal laws with loss |θ − Z|²; the estimate is the sample mean.

    Parameters
    ----------
    weights : (C,) array_like
        Positive, summing to one.
    means : (C, d) array_like
        Component means.
    covariances : (C, d, d) array_like
        Component covariances, each symmetric positive definite.

    Raises
    ------
    InputError
        If shapes disagree, weights are not positive or do not sum to one, or a covariance is not positive definite.

    Examples
    --------
    >>> law = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
    >>> law.parameter_covariance
    array([[2.]])
    """

    kind: ClassVar[str] = "gaussian_mixture"

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        self.weights = finite_array("law.weights", weights, 1, "(C,)")
        if np.any(self.weights <= 0.0) or abs(float(self.weights.sum()) - 1.0) > _WEIGHT_TOLERANCE:
            raise InputError("law.weights", weights, "positive and summing to one")
        self.means = finite_array("law.means", means, 2, "(C, d)")
        if self.means.shape[0] != self.weights.size:
            raise InputError("law.means", means, f"of shape ({self.weights.size}, d), one row a component")
        stack = finite_array("law.covariances", covariances, 3, "(C, d, d)")
        if stack.shape[0] != self.weights.size:
            raise InputError("law.covariances", covariances, f"{self.weights.size} matrices, one a component")
        dimension = self.means.shape[1]
        self.covariances = np.stack([covariance_matrix("law.covariances", c, dimension) for c in stack])
        self._factors = np.asarray(np.linalg.cholesky(self.covariances), dtype=np.float64)
        self._mean = np.asarray(self.weights @ self.means, dtype=np.float64)

    @property
    def parameter(self) -> FloatArray:
        """The mean of the mixture."""
        return self._mean

    @property
    def parameter_covariance(self) -> FloatArray:
        """The covariance of one point."""
        spread = self.means - self._mean
        within = np.einsum("c,cij->ij", self.weights, self.covariances)
        return np.asarray(within + np.einsum("c,ci,cj->ij", self.weights, spread, spread), dtype=np.float64)

    def _scores(self, constant: FloatArray, linear: FloatArray, best: int) -> MixtureScores:
        centred = self.means - self._mean
        return MixtureScores(constant, linear, self.weights, centred, self._factors, best)

    def erm_scores(self, codebook: FloatArray) -> MixtureScores:
        """Return the increments, linear in the centred point."""
        self._check_codebook(codebook)
        distances = np.sum((codebook - self._mean) ** 2, axis=1)
        best = best_cell(distances, float(distances.min()))
        steps = codebook - codebook[best]
        constant = np.sum(steps * (codebook + codebook[best] - 2.0 * self._mean), axis=1)
        for factor in self._factors:
            coefficients = np.abs(steps @ factor).max(axis=1)
            check_cells(steps, coefficients)
            check_cells(steps, np.maximum(coefficients, np.abs(constant)))
        return self._scores(constant, -2.0 * steps, best)

    def threshold_scores(self, thresholds: Thresholds) -> MixtureScores | None:
        """Return cumulative sums of the threshold scores t − Z_i over the cells of each coordinate."""
        index = product_index(thresholds)
        if index is None:
            return None
        cumulative = [np.concatenate(([0.0], np.cumsum(t - m))) for t, m in zip(thresholds, self._mean, strict=True)]
        constant = np.asarray(sum(c[index[:, i]] for i, c in enumerate(cumulative)))
        best = best_cell(constant, 0.0)
        return self._scores(constant - constant[best], -(index - index[best]).astype(np.float64), best)

    def threshold_increment(self, coordinate: int, threshold: float, upper: bool) -> tuple[Increment, bool]:
        """Return the mixture of normal increments ±(t − Z_i)."""
        sign = 1.0 if upper else -1.0
        means = tuple(float(sign * (threshold - m)) for m in self.means[:, coordinate])
        variances = tuple(float(c[coordinate, coordinate]) for c in self.covariances)
        return MixtureIncrement(tuple(float(w) for w in self.weights), means, variances), True

    def product_cells(self, thresholds: Thresholds) -> ProductCells:
        """Return standardised cells; the influence of a fresh point is a mixture, not normal."""
        scale = np.sqrt(np.diag(self.parameter_covariance))
        edges = tuple((t - m) / s for t, m, s in zip(thresholds, self._mean, scale, strict=True))
        return ProductCells(edges, independent=self.dimension == 1, influence="other")
