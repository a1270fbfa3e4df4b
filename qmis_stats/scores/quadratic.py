"""Scores quadratic in a standard normal vector: least squares with Gaussian design (Statement S4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qmis_stats.increments import Increment, QuadraticIncrement
from qmis_stats.scores.base import Draw, FloatArray, PointRule, ScoreModel, fixed_order_dot

__all__ = ["QuadraticScores"]

_ZERO_EIGENVALUE = 1e-14


@dataclass(frozen=True, eq=False)
class QuadraticScores(ScoreModel):
    """Scores ``wᵀ matrices[k] w`` with w ~ N(0, I_q).

    Parameters
    ----------
    matrices : (K, q, q) array
        Symmetric matrices relative to the best cell.
    mean : (K,) array
        Their traces, computed from the parameters without cancellation.
    best : int
        Index of the best cell, whose matrix is zero.

    Examples
    --------
    >>> m = np.zeros((2, 2, 2)); m[1] = np.diag([2.0, -1.0])
    >>> s = QuadraticScores(m, np.array([0.0, 1.0]), best=0)
    >>> round(s.increment(1, 0).moderate_deviation_rate, 12)
    0.05
    """

    matrices: FloatArray
    mean: FloatArray
    best: int

    @property
    def cells(self) -> int:
        """Number of cells K."""
        return int(self.mean.size)

    @property
    def rank(self) -> int:
        """Number of standard normals q."""
        return int(self.matrices.shape[1])

    def means(self) -> FloatArray:
        """Return E scores."""
        return self.mean

    def increment(self, cell: int, other: int) -> Increment:
        """Return the law of the quadratic form, through its eigenvalues."""
        return QuadraticIncrement(self.eigenvalues(cell, other))

    def eigenvalues(self, cell: int, other: int) -> tuple[float, ...]:
        """Return the non-zero eigenvalues of ``matrices[cell] − matrices[other]``, ascending."""
        values = np.linalg.eigvalsh(self.matrices[cell] - self.matrices[other])
        scale = float(np.max(np.abs(values), initial=0.0))
        kept = values[np.abs(values) > _ZERO_EIGENVALUE * scale * max(values.size, 1)]
        if kept.size == 2 and kept[0] < 0.0 < kept[1]:
            return self._balanced_pair(kept, float(self.mean[cell] - self.mean[other]))
        return tuple(float(v) for v in kept)

    @staticmethod
    def _balanced_pair(pair: FloatArray, delta: float) -> tuple[float, float]:
        """Return the two eigenvalues with their sum equal to the mean, which is known more precisely."""
        product = -float(pair[0] * pair[1])
        root = float(np.hypot(0.5 * delta, np.sqrt(product)))
        high = 0.5 * delta + root if delta >= 0.0 else product / (root - 0.5 * delta)
        return -product / high, high

    def same(self, cell: int, other: int) -> bool:
        """Whether the two matrices agree."""
        return bool(np.array_equal(self.matrices[cell], self.matrices[other]))

    def _tilted_covariance(self, cell: int, lam: float) -> FloatArray:
        q = self.matrices.shape[1]
        covariance: FloatArray = np.linalg.inv(np.eye(q) + 2.0 * lam * self.matrices[cell])
        return 0.5 * (covariance + covariance.T)

    def _tilted_factor(self, tilt: tuple[int, float] | None) -> FloatArray:
        if tilt is None:
            return np.eye(self.rank)
        return np.asarray(np.linalg.cholesky(self._tilted_covariance(*tilt)), dtype=np.float64)

    def tilted_moments(self, cell: int, lam: float) -> tuple[FloatArray, FloatArray]:
        """Return the moments under w ~ N(0, (I + 2λ matrices[cell])⁻¹)."""
        covariance = self._tilted_covariance(cell, lam)
        products = self.matrices @ covariance
        means = np.trace(products, axis1=1, axis2=2)
        variances = 2.0 * np.einsum("kij,kji->k", products, products)
        return means, np.sqrt(np.maximum(variances, 0.0))

    def sample(
        self, draw: Draw, first: int, count: int, *, terms: int = 1, tilt: tuple[int, float] | None = None
    ) -> FloatArray:
        """Draw the Wishart matrix Σ_j w_j w_jᵀ by Bartlett's decomposition: O(q²) a replicate, whatever ``terms``."""
        q = self.rank
        factor = self._tilted_factor(tilt)
        wishart = draw.kernels.wishart_sums(draw.key, draw.stream, first, count, terms, factor)
        return fixed_order_dot(wishart.reshape(count, q * q), self.matrices.reshape(self.cells, q * q))

    def points_from_normals(
        self, normals: FloatArray, weights: FloatArray, tilt: tuple[int, float] | None = None
    ) -> PointRule:
        """Return the quadratic forms at transformed nodes."""
        nodes = fixed_order_dot(normals, self._tilted_factor(tilt))
        squares = (nodes[:, :, None] * nodes[:, None, :]).reshape(nodes.shape[0], -1)
        scores = fixed_order_dot(squares, self.matrices.reshape(self.cells, -1))
        return PointRule(scores, weights, exact=False)

    def describe(self) -> dict[str, Any]:
        """Return the representation's name and size."""
        return {
            "scores": "quadratic in a standard normal vector",
            "cells": self.cells,
            "rank": self.matrices.shape[1],
        }
