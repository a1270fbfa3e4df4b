"""What a law offers to a procedure (Statement S2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from qmis_stats.by_value import ByValue
from qmis_stats.errors import DomainError, InputError
from qmis_stats.increments import Increment, check_scale
from qmis_stats.scores import CanonicalScores, FiniteScores, GaussianScores, MixtureScores, QuadraticScores

__all__ = [
    "MAX_CELLS",
    "Law",
    "ParametricLaw",
    "ProductCells",
    "Scores",
    "Thresholds",
    "best_cell",
    "check_cells",
    "product_index",
    "unique_rows",
]

from qmis_stats.arrays import FloatArray

Scores = GaussianScores | QuadraticScores | FiniteScores | MixtureScores | CanonicalScores
Thresholds = tuple[FloatArray, ...]

MAX_CELLS = 4096
"""Largest number of product cells that are enumerated as cells of one argmin."""

_TIE_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class ProductCells(ByValue):
    """Cells of a quantizer that acts on each coordinate, in units of one sample's standard deviation.

    Attributes
    ----------
    edges : tuple of d sorted arrays
        ``(t − θ*_i)/σ_i`` for the thresholds t of coordinate i; an array may be empty.
    independent : bool
        Whether the coordinates of the estimate are independent.
    influence : {"gaussian", "gaussian_times_noise", "gaussian_times_residual", "other"}
        Law of a fresh point's influence: normal (Gaussian mean), a normal direction times one common noise
        (linear regression) or the residual of a response (generalized linear laws), or anything else.
    """

    edges: Thresholds
    independent: bool
    influence: Literal["gaussian", "gaussian_times_noise", "gaussian_times_residual", "other"]

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return len(self.edges)


class Law(ByValue, ABC):
    """A law of one point Z together with the loss that the learner minimises."""

    kind: ClassVar[str]


class ParametricLaw(Law):
    """A law with a parameter θ in ℝ^d, so that codebooks and thresholds make sense."""

    @property
    @abstractmethod
    def parameter(self) -> FloatArray:
        """The population minimiser θ*, shape (d,)."""

    @property
    @abstractmethod
    def parameter_covariance(self) -> FloatArray:
        """The sandwich covariance V of √n (θ̂ − θ*), shape (d, d)."""

    @property
    def dimension(self) -> int:
        """Dimension d of the parameter."""
        return int(self.parameter.size)

    def standard_errors(self, n: int) -> FloatArray:
        """Return the standard errors √(V_ii/n) of the estimate's coordinates, shape (d,)."""
        return np.sqrt(np.diag(self.parameter_covariance) / n)

    @abstractmethod
    def erm_scores(self, codebook: FloatArray) -> Scores:
        """Return the scores of empirical risk minimisation over a codebook (K, d)."""

    @abstractmethod
    def threshold_scores(self, thresholds: Thresholds) -> Scores | None:
        """Return the scores whose argmin is the estimate's product cell, or ``None`` when there are none."""

    @abstractmethod
    def threshold_increment(self, coordinate: int, threshold: float, upper: bool) -> tuple[Increment, bool]:
        """Return the increment of one threshold and whether it is exact (not linearised)."""

    @abstractmethod
    def product_cells(self, thresholds: Thresholds) -> ProductCells:
        """Return the standardised product cells."""

    def _check_codebook(self, codebook: FloatArray) -> None:
        if codebook.shape[1] != self.dimension:
            raise InputError(
                "procedure.codebook",
                codebook.tolist(),
                f"of shape (K, {self.dimension}), one row a codeword, not {codebook.shape}",
            )
        if not np.all(np.abs(codebook) < 1e150) or not np.all(np.abs(self.parameter) < 1e150):
            raise DomainError("any", "squared losses of this codebook overflow", "rescale the problem")


def best_cell(means: FloatArray, scale: float) -> int:
    """Return the lowest index among the minimisers of ``means``, ties judged at rounding error of ``scale``.

    Examples
    --------
    >>> best_cell(np.array([1.0, 0.5, 0.5]), 1.0)
    1
    """
    return int(np.flatnonzero(means <= means.min() + _TIE_TOLERANCE * scale)[0])


def check_cells(steps: FloatArray, sizes: FloatArray) -> None:
    """Refuse cells that differ from the best, with nonzero ``steps``, by increments too large or too small.

    Examples
    --------
    >>> check_cells(np.array([[0.0], [1e-200]]), np.array([0.0, 1e-200]))
    Traceback (most recent call last):
    ...
    qmis_stats.errors.DomainError: method = 'any': increments of the loss reach 1e-200, outside 1e-150 to 1e+150; ...
    """
    moved = steps.reshape(len(steps), -1).any(axis=1)
    if moved.any():
        check_scale((float(sizes[moved].min()), float(sizes[moved].max())))


def unique_rows(rows: FloatArray) -> tuple[FloatArray, np.ndarray]:
    """Return the distinct rows in order of first appearance, and for each row the index of its representative.

    Examples
    --------
    >>> unique_rows(np.array([[2.0], [1.0], [2.0]]))[1]
    array([0, 1, 0])
    """
    positions: dict[bytes, int] = {}
    inverse = np.array([positions.setdefault((row + 0.0).tobytes(), len(positions)) for row in rows])
    first = [int(np.flatnonzero(inverse == i)[0]) for i in range(len(positions))]
    return rows[first], inverse


def product_index(thresholds: Thresholds) -> np.ndarray | None:
    """Return the cell indices of all product cells, shape (K, d), last coordinate fastest; ``None`` if too many.

    Examples
    --------
    >>> product_index((np.array([0.0]), np.array([-1.0, 1.0]))).tolist()
    [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    """
    sizes = [t.size + 1 for t in thresholds]
    total = 1
    for size in sizes:
        total *= size
        if total > MAX_CELLS:
            return None
    return np.stack(np.unravel_index(np.arange(total), sizes), axis=1)
