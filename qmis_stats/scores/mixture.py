"""Scores linear in a Gaussian mixture (Statement S2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.increments import Increment, MixtureIncrement
from qmis_stats.scores.base import Draw, LinearScores, PointRule, fixed_order_dot

__all__ = ["MixtureScores"]


@dataclass(frozen=True, eq=False)
class MixtureScores(LinearScores):
    """Scores ``constant + linear @ z`` with z from a mixture of normal laws.

    Parameters
    ----------
    constant : (K,) array
        Constants relative to the best cell.
    linear : (K, d) array
        Coefficients relative to the best cell.
    weights : (C,) array
        Positive component weights.
    component_means : (C, d) array
        Component means.
    factors : (C, d, d) array
        Square roots of the component covariances, ``cov_c = factors[c] @ factors[c].T``.
    best : int
        Index of the best cell.

    Examples
    --------
    >>> s = MixtureScores(np.array([0.0, 1.0]), np.array([[0.0], [-2.0]]), np.array([0.5, 0.5]),
    ...                   np.array([[-1.0], [1.0]]), np.ones((2, 1, 1)), best=0)
    >>> s.increment(1, 0).mean
    1.0
    """

    constant: FloatArray
    linear: FloatArray
    weights: FloatArray
    component_means: FloatArray
    factors: FloatArray
    best: int

    def means(self) -> FloatArray:
        """Return E scores."""
        return np.asarray(self.constant + self.linear @ (self.weights @ self.component_means), dtype=np.float64)

    def increment(self, cell: int, other: int) -> Increment:
        """Return the mixture of normal laws of the difference."""
        direction = self.linear[cell] - self.linear[other]
        shift = float(self.constant[cell] - self.constant[other])
        means = tuple(float(shift + m @ direction) for m in self.component_means)
        variances = tuple(float(np.sum((f.T @ direction) ** 2)) for f in self.factors)
        return MixtureIncrement(tuple(float(w) for w in self.weights), means, variances)

    def _tilted_components(self, cell: int, lam: float) -> tuple[FloatArray, FloatArray]:
        """Return weights and means of the tilted mixture; the covariances do not change."""
        direction = self.linear[cell]
        projected = np.einsum("cij,i->cj", self.factors, direction)
        logs = (
            np.log(self.weights)
            - lam * (self.component_means @ direction)
            + 0.5 * lam**2 * np.sum(projected**2, axis=1)
        )
        weights = np.exp(logs - logs.max())
        means = self.component_means - lam * np.einsum("cij,cj->ci", self.factors, projected)
        return weights / weights.sum(), means

    def tilted_moments(self, cell: int, lam: float) -> tuple[FloatArray, FloatArray]:
        """Return the moments of all scores under the tilt."""
        weights, means = self._tilted_components(cell, lam)
        score_means = self.constant + means @ self.linear.T
        component_variances = np.sum(np.einsum("cij,ki->ckj", self.factors, self.linear) ** 2, axis=2)
        mean = weights @ score_means
        return mean, np.sqrt(weights @ (component_variances + (score_means - mean) ** 2))

    def sample(
        self, draw: Draw, first: int, count: int, *, terms: int = 1, tilt: tuple[int, float] | None = None
    ) -> FloatArray:
        """Draw the sum of ``terms`` points: component counts are multinomial, the rest is one normal vector each."""
        weights, means = (self.weights, self.component_means) if tilt is None else self._tilted_components(*tilt)
        sums = draw.kernels.mixture_sums(draw.key, draw.stream, first, count, terms, weights, means, self.factors)
        return terms * self.constant + fixed_order_dot(sums, self.linear)

    def points_from_normals(
        self, normals: FloatArray, weights: FloatArray, tilt: tuple[int, float] | None = None
    ) -> PointRule:
        """Return the union of the components' nodes, each with its component's weight."""
        shares, means = (self.weights, self.component_means) if tilt is None else self._tilted_components(*tilt)
        scores = [
            self.constant + fixed_order_dot(mean + fixed_order_dot(normals, factor), self.linear)
            for mean, factor in zip(means, self.factors, strict=True)
        ]
        return PointRule(np.concatenate(scores), np.concatenate([s * weights for s in shares]), exact=False)

    def describe(self) -> dict[str, Any]:
        """Return the representation's name and size."""
        return {
            "scores": "linear in a Gaussian mixture",
            "cells": self.cells,
            "components": self.weights.size,
        }
