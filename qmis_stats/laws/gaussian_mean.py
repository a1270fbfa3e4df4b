"""The Gaussian mean: Z ~ N(μ, Σ), squared loss, estimate = sample mean (Statements S2 and S4)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.increments import GaussianIncrement, Increment
from qmis_stats.laws.base import (
    ParametricLaw,
    ProductCells,
    Thresholds,
    best_cell,
    check_cells,
    product_index,
    unique_rows,
)
from qmis_stats.scores import GaussianScores, reduce_rank
from qmis_stats.validation import covariance_matrix, finite_array

__all__ = ["GaussianMean"]


class GaussianMean(ParametricLaw):
    """Z ~ N(mean, covariance) with loss |θ − Z|².

    Parameters
    ----------
    mean : (d,) array_like
        The mean μ.
    covariance : (d, d) array_like
        The covariance Σ, symmetric positive definite.

    Raises
    ------
    InputError
        If shapes disagree, an entry is not finite, or the covariance is not positive definite.

    Examples
    --------
    >>> law = GaussianMean([0.0], [[4.0]])
    >>> law.standard_errors(100)
    array([0.2])
    """

    kind: ClassVar[str] = "gaussian_mean"

    def __init__(self, mean: ArrayLike, covariance: ArrayLike) -> None:
        self.mean = finite_array("law.mean", mean, 1, "(d,)")
        self.covariance = covariance_matrix("law.covariance", covariance, self.mean.size)
        self._factor = np.linalg.cholesky(self.covariance)

    @property
    def parameter(self) -> FloatArray:
        """The mean μ."""
        return self.mean

    @property
    def parameter_covariance(self) -> FloatArray:
        """The covariance Σ: the sample mean has covariance Σ/n exactly."""
        return self.covariance

    def erm_scores(self, codebook: FloatArray) -> GaussianScores:
        """Return the increments 2(θ_b − θ_k)ᵀZ + |θ_k|² − |θ_b|², normal, reduced to their rank."""
        self._check_codebook(codebook)
        rows, inverse = unique_rows(codebook)
        distances = np.sum((rows - self.mean) ** 2, axis=1)
        best = best_cell(distances, float(distances.min()))
        steps = rows - rows[best]
        constant = np.sum(steps * (rows + rows[best] - 2.0 * self.mean), axis=1)
        coefficients = -2.0 * steps @ self._factor
        check_cells(steps, np.abs(coefficients).max(axis=1))
        check_cells(steps, np.maximum(np.abs(coefficients).max(axis=1), np.abs(constant)))
        linear = reduce_rank(coefficients)
        return GaussianScores(constant[inverse], linear[inverse], best=int(np.flatnonzero(inverse == best)[0]))

    def threshold_scores(self, thresholds: Thresholds) -> GaussianScores | None:
        """Return cumulative sums of the threshold scores t − Z_i over the cells of each coordinate."""
        index = product_index(thresholds)
        if index is None:
            return None
        cumulative = [np.concatenate(([0.0], np.cumsum(t - m))) for t, m in zip(thresholds, self.mean, strict=True)]
        constant = sum(c[index[:, i]] for i, c in enumerate(cumulative))
        best = best_cell(np.asarray(constant), 0.0)
        steps = index - index[best]
        linear = reduce_rank(-steps.astype(np.float64) @ self._factor)
        return GaussianScores(np.asarray(constant - constant[best]), linear, best=best)

    def threshold_increment(self, coordinate: int, threshold: float, upper: bool) -> tuple[Increment, bool]:
        """Return the exact normal increment ±(t − Z_i)."""
        gap = threshold - self.mean[coordinate]
        delta = gap if upper else -gap
        return GaussianIncrement(float(delta), float(self.covariance[coordinate, coordinate])), True

    def product_cells(self, thresholds: Thresholds) -> ProductCells:
        """Return cells in units of √Σ_ii; independent when Σ is diagonal."""
        scale = np.sqrt(np.diag(self.covariance))
        edges = tuple((t - m) / s for t, m, s in zip(thresholds, self.mean, scale, strict=True))
        diagonal = bool(np.count_nonzero(self.covariance - np.diag(np.diag(self.covariance))) == 0)
        return ProductCells(edges, independent=diagonal, influence="gaussian")
