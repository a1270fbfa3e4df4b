"""Scores linear in a standard normal vector: the Gaussian mean, and the local limit of every regular problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.increments import GaussianIncrement, Increment
from qmis_stats.scores.base import Draw, LinearScores, PointRule, fixed_order_dot, rotation_to

__all__ = ["GaussianScores", "reduce_rank"]

_RANK_TOLERANCE = 1e-12


def reduce_rank(linear: FloatArray) -> FloatArray:
    """Return (K, q) coefficients whose rows have the same inner products, q the numerical rank.

    A linear form in a standard normal vector is determined in law by its inner products, so a codebook of K
    codewords needs at most K − 1 normals however large the dimension is.

    Examples
    --------
    >>> reduce_rank(np.array([[0.0, 0.0, 0.0], [3.0, 4.0, 0.0]])).shape
    (2, 1)
    """
    if not linear.size or not linear.any():
        return np.zeros((linear.shape[0], 0))
    scale = float(np.max(np.abs(linear)))
    u, s, _ = np.linalg.svd(linear / scale, full_matrices=False)
    rank = int(np.sum(s > _RANK_TOLERANCE * s[0]))
    return np.asarray(scale * u[:, :rank] * s[:rank], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class GaussianScores(LinearScores):
    """Scores ``constant + linear @ w`` with w ~ N(0, I_q).

    Parameters
    ----------
    constant : (K,) array
        Means relative to the best cell.
    linear : (K, q) array
        Coefficients relative to the best cell.
    best : int
        Index of the best cell; its constant and coefficients are zero.

    Examples
    --------
    >>> s = GaussianScores(np.array([0.0, 0.5]), np.array([[0.0], [1.0]]), best=0)
    >>> s.increment(1, 0).tilt().exponent
    0.125
    """

    constant: FloatArray
    linear: FloatArray
    best: int

    def means(self) -> FloatArray:
        """Return E scores."""
        return self.constant

    def increment(self, cell: int, other: int) -> Increment:
        """Return the normal law of the difference."""
        direction = self.linear[cell] - self.linear[other]
        return GaussianIncrement(float(self.constant[cell] - self.constant[other]), float(direction @ direction))

    def tilted_moments(self, cell: int, lam: float) -> tuple[FloatArray, FloatArray]:
        """Return the moments under w ~ N(−λ linear[cell], I)."""
        means = self.constant - lam * self.linear @ self.linear[cell]
        return means, np.linalg.norm(self.linear, axis=1)

    def sample(
        self, draw: Draw, first: int, count: int, *, terms: int = 1, tilt: tuple[int, float] | None = None
    ) -> FloatArray:
        """Draw sums directly: they are normal with ``terms`` times the mean and covariance."""
        mean = self.constant if tilt is None else self.tilted_moments(*tilt)[0]
        if not self.linear.shape[1]:
            return np.tile(terms * mean, (count, 1))
        sums: FloatArray = draw.kernels.gaussian_sums(
            draw.key, draw.stream, first, count, terms * mean, np.sqrt(terms) * self.linear
        )
        return sums

    def sum_normals(self, terms: int) -> int:
        """Return the rank."""
        return self.rank

    def sums_from_normals(
        self, normals: FloatArray, terms: int, tilt: tuple[int, float] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return normal sums; no weights are needed."""
        mean, linear = self.constant, self.linear
        if tilt is not None:
            mean = self.tilted_moments(*tilt)[0]
            linear = linear @ rotation_to(linear[tilt[0]])
        sums = terms * mean + fixed_order_dot(normals, np.sqrt(terms) * linear)
        return sums, np.zeros(normals.shape[0])

    def points_from_normals(
        self, normals: FloatArray, weights: FloatArray, tilt: tuple[int, float] | None = None
    ) -> PointRule:
        """Return scores ``constant + linear @ w`` at shifted nodes."""
        mean = self.constant if tilt is None else self.tilted_moments(*tilt)[0]
        return PointRule(mean + fixed_order_dot(normals, self.linear), weights, exact=False)

    def describe(self) -> dict[str, Any]:
        """Return the representation's name and size."""
        return {
            "scores": "linear in a standard normal vector",
            "cells": self.cells,
            "rank": self.linear.shape[1],
        }
