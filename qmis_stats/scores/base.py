"""What every procedure is in the end: T = argmin over cells of a sum of scores (Statement S2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.increments import Increment

__all__ = ["Draw", "LinearScores", "PointRule", "ScoreModel", "fixed_order_dot", "rotation_to"]


class Draw(NamedTuple):
    """The address of random numbers: who draws what, independent of threads and blocks.

    Attributes
    ----------
    kernels : module
        A table of compiled functions from :func:`qmis_kernels.backend`.
    key : (int, int)
        Seed and experiment, each in [0, 2³²).
    stream : int
        Separates the purposes within one experiment.
    """

    kernels: ModuleType
    key: tuple[int, int]
    stream: int


@dataclass(frozen=True)
class PointRule:
    """Weighted fresh points: ``Σ_m weights[m] f(scores[m])`` stands for E f(scores of Z).

    Attributes
    ----------
    scores : (M, K) array
        Scores of each point relative to the best cell.
    weights : (M,) array
        Non-negative weights; they sum to one up to the rule's own error.
    exact : bool
        Whether the rule enumerates the law, so that it adds no error.
    """

    scores: FloatArray
    weights: FloatArray
    exact: bool


class ScoreModel(ABC):
    """The joint law of the cells' scores relative to the best cell, whose column is zero.

    The quantized parameter is ``T = argmin_k Σ_j scores_k(Z_j)``, ties to the lowest index.
    """

    best: int

    @property
    @abstractmethod
    def cells(self) -> int:
        """Number of cells K."""

    @property
    def rank(self) -> int:
        """Number of standard normals that one point needs; 0 when the points are enumerated."""
        return 0

    @property
    def unit_scale(self) -> float:
        """Loss units of one unit of :meth:`sample`: sums are drawn as integers where ties must be exact."""
        return 1.0

    @abstractmethod
    def means(self) -> FloatArray:
        """Return E scores, shape (K,)."""

    @abstractmethod
    def increment(self, cell: int, other: int) -> Increment:
        """Return the law of ``scores[cell] − scores[other]``."""

    @abstractmethod
    def same(self, cell: int, other: int) -> bool:
        """Whether the two cells have the same score almost surely."""

    @abstractmethod
    def tilted_moments(self, cell: int, lam: float) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations of all scores under the tilt exp(−λ scores[cell])."""

    @abstractmethod
    def sample(
        self, draw: Draw, first: int, count: int, *, terms: int = 1, tilt: tuple[int, float] | None = None
    ) -> FloatArray:
        """Return sums of ``terms`` i.i.d. scores for replicates ``first .. first + count − 1``, shape (count, K).

        ``tilt = (cell, λ)`` draws from the law reweighted by exp(−λ scores[cell]) instead.
        """

    def enumerate_points(self) -> PointRule | None:
        """Return the law's own atoms when it has finitely many, else ``None``."""
        return None

    def points_from_normals(
        self, normals: FloatArray, weights: FloatArray, tilt: tuple[int, float] | None = None
    ) -> PointRule:
        """Map a rule for N(0, I_rank), nodes (M, rank) and weights (M,), to a rule for the scores of one point."""
        raise NotImplementedError(f"{type(self).__name__} enumerates its points")  # pragma: no cover

    def sum_normals(self, terms: int) -> int:
        """Return how many standard normals determine a sum of ``terms`` points; 0 when no fixed number does."""
        return 0

    def sums_from_normals(
        self, normals: FloatArray, terms: int, tilt: tuple[int, float] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Map normals (R, sum_normals(terms)) to sums (R, K) and log weights (R,) of the law of :meth:`sample`.

        The weights make the map exact where it is not the quantile transformation; their mean is one. With a tilt the
        first normal moves the tilted cell's score: the others do not change it at the origin, to first order.
        """
        raise NotImplementedError(f"{type(self).__name__} draws its sums by counts")  # pragma: no cover

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return a small JSON-ready description of the representation, for reports."""


class LinearScores(ScoreModel):
    """Scores ``constant + linear @ z`` with one vector z for all cells."""

    constant: FloatArray
    linear: FloatArray

    @property
    def cells(self) -> int:
        """Number of cells K."""
        return int(self.constant.size)

    @property
    def rank(self) -> int:
        """Number of standard normals of z."""
        return int(self.linear.shape[1])

    def same(self, cell: int, other: int) -> bool:
        """Whether constants and coefficients agree."""
        return bool(
            self.constant[cell] == self.constant[other] and np.array_equal(self.linear[cell], self.linear[other])
        )


def fixed_order_dot(features: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Return ``features @ coefficients.T`` with the summation order fixed.

    BLAS may reorder a sum with the shape of the block or the number of threads; results from a seed must not.

    Parameters
    ----------
    features : (R, p) array
    coefficients : (K, p) array

    Returns
    -------
    (R, K) array

    Examples
    --------
    >>> fixed_order_dot(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]]))
    array([[11., 17.]])
    """
    columns = np.ascontiguousarray(features.T)
    if columns.shape[1] < coefficients.shape[0]:
        out = np.zeros((columns.shape[1], coefficients.shape[0]))
        for column, factors in zip(columns, coefficients.T, strict=True):
            out += column[:, None] * factors
        return out
    out = np.zeros((coefficients.shape[0], columns.shape[1]))  # long rows are added up faster than short ones
    for cell, factors in zip(out, coefficients, strict=True):
        for column, factor in zip(columns, factors, strict=True):
            cell += column * factor
    return np.ascontiguousarray(out.T)


def rotation_to(direction: FloatArray) -> FloatArray:
    """Return the symmetric orthogonal matrix whose first column is a vector's direction, a Householder reflection.

    Examples
    --------
    >>> np.round(rotation_to(np.array([3.0, 4.0])), 12)
    array([[ 0.6,  0.8],
           [ 0.8, -0.6]])
    """
    size = direction.size
    unit = direction / np.linalg.norm(direction)
    mirror = np.eye(size)[0] - unit
    length = float(mirror @ mirror)
    return np.eye(size) - (2.0 / length) * np.outer(mirror, mirror) if length > 0.0 else np.eye(size)
