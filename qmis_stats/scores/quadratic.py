"""Scores quadratic in a standard normal vector: least squares with Gaussian design (Statement S4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.increments import Increment, QuadraticIncrement
from qmis_stats.scores.base import Draw, PointRule, ScoreModel, fixed_order_dot, rotation_to
from qmis_stats.scores.chi_square import chi_square_from_normals

__all__ = ["QuadraticScores"]

_LARGEST_MOVE = 1e-4
_UNRESOLVED = "the noise is so small beside the distance of the codewords that rounding changes the tilted law"


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
    residuals : (K, p) array, optional
        Vectors u with ``matrices[k] = u_k u_kᵀ − u_best u_bestᵀ`` up to a rotation. Without them the matrices are
        (2, 2), with a zero in the first entry.

    Examples
    --------
    >>> m = np.zeros((2, 2, 2)); m[1] = [[0.0, 2.0**0.5], [2.0**0.5, 1.0]]
    >>> s = QuadraticScores(m, np.array([0.0, 1.0]), best=0)
    >>> round(s.increment(1, 0).moderate_deviation_rate, 12)
    0.05
    """

    matrices: FloatArray
    mean: FloatArray
    best: int
    residuals: FloatArray | None = None

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
        if self.same(cell, other):
            return ()
        root = self._root_product(cell, other)
        delta = float(self.mean[cell] - self.mean[other])
        size = 0.5 * abs(delta) + float(np.hypot(0.5 * delta, root))
        pair = (root * (root / size), size)
        return (-pair[0], pair[1]) if delta >= 0.0 else (-pair[1], pair[0])

    def _root_product(self, cell: int, other: int) -> float:
        """Return √(−e₁e₂) of the two eigenvalues, the area that the two residual vectors span.

        Eigenvalues of the rounded matrix would lose the smaller one, and with it every crossing, where the noise is
        small beside the distance of the codewords.
        """
        if self.residuals is None:
            return abs(float(self.matrices[cell, 0, 1] - self.matrices[other, 0, 1]))
        u, step = self.residuals[cell], self.residuals[cell] - self.residuals[other]
        length = float(np.linalg.norm(step))
        unit = step / length
        return length * float(np.linalg.norm(u - (u @ unit) * unit))

    def same(self, cell: int, other: int) -> bool:
        """Whether the two matrices agree."""
        return bool(np.array_equal(self.matrices[cell], self.matrices[other]))

    def _tilted_covariance(self, cell: int, lam: float) -> FloatArray:
        """Return (I + 2λ matrices[cell])⁻¹, or refuse where rounding has moved the tilted mean.

        The mean and the deviation of the score are known from its two eigenvalues, which the matrix has to reproduce.
        """
        q = self.matrices.shape[1]
        try:
            covariance: FloatArray = np.linalg.inv(np.eye(q) + 2.0 * lam * self.matrices[cell])
            np.linalg.cholesky(0.5 * (covariance + covariance.T))
        except np.linalg.LinAlgError:
            raise DomainError("tilted", _UNRESOLVED, "use method = exact") from None
        values = np.array(self.eigenvalues(cell, self.best))
        parts = values / (1.0 + 2.0 * lam * values)
        moved = float(np.sum(self.matrices[cell] * covariance)) - float(np.sum(parts))
        if not abs(moved) <= _LARGEST_MOVE * float(np.linalg.norm(parts)):
            raise DomainError("tilted", _UNRESOLVED, "use method = exact")
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

    def sum_normals(self, terms: int) -> int:
        """Return the number of entries of Bartlett's lower trapezoid."""
        width = min(self.rank, terms)
        return width * (width + 1) // 2 + (self.rank - width) * width

    def sums_from_normals(
        self, normals: FloatArray, terms: int, tilt: tuple[int, float] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return quadratic forms of a Wishart matrix made by Bartlett's decomposition; the weights are its diagonal's.

        The chi-squares take the first normals. In the eigenbasis of the tilted cell's own form they alone determine
        its score but for a share 1/terms of the variance, and a rotation makes the first normal their common gradient.
        """
        q, width = self.rank, min(self.rank, terms)
        factor = self._tilted_factor(tilt)
        if tilt is not None:
            eigenvalues, basis = np.linalg.eigh(factor.T @ self.matrices[tilt[0]] @ factor)
            factor = factor @ basis
            # A chi-square with m degrees of freedom has the derivative √(2m − 4/3) in its normal at the origin.
            slopes = eigenvalues[:width] * np.sqrt(2.0 * (terms - np.arange(width)) - 4.0 / 3.0)
            normals = normals.copy()
            normals[:, :width] = fixed_order_dot(normals[:, :width], rotation_to(slopes))
        forms = factor.T @ self.matrices @ factor
        triangle, log_weights = _bartlett(normals, q, terms)
        rows, columns = np.tril_indices(q)
        coefficients = forms[:, rows, columns] * np.where(rows == columns, 1.0, 2.0)
        entries = np.empty((normals.shape[0], rows.size))
        for e, (i, j) in enumerate(zip(rows, columns, strict=True)):
            entries[:, e] = sum(a * b for a, b in zip(triangle[i], triangle[j], strict=False))
        return fixed_order_dot(entries, coefficients), log_weights

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


def _bartlett(normals: FloatArray, size: int, dof: int) -> tuple[list[list[FloatArray]], FloatArray]:
    """Return the rows of Bartlett's lower trapezoid, entry by entry, and the log weights of its chi-squares."""
    width = min(size, dof)
    log_weights = np.zeros(normals.shape[0])
    used = width
    triangle = []
    for i in range(size):
        below = min(i, width)
        row = [normals[:, used + j] for j in range(below)]
        used += below
        if i < width:
            square, weights = chi_square_from_normals(normals[:, i], dof - i)
            log_weights += weights
            row.append(np.sqrt(square))
        triangle.append(row)
    return triangle, log_weights
