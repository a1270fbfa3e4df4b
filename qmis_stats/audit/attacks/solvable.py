"""Solvable problems as games, with the exact likelihood ratio of the released weights (S9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.game_settings import Sampler
from qmis_stats.audit.attacks.simple import LogRatio
from qmis_stats.audit.data import Task
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.quantizers import Quantizer
from qmis_stats.errors import DomainError
from qmis_stats.exact import exact, finite
from qmis_stats.laws import FiniteLaw, GaussianMean
from qmis_stats.numerics import log_ndtr_difference
from qmis_stats.problem import Problem
from qmis_stats.procedures import LossTable
from qmis_stats.validation import instance_of, sample_size

__all__ = ["CellQuantizer", "MeanModel", "Solvable", "TableModel", "solvable"]


@dataclass(frozen=True)
class MeanModel:
    """The sample mean; the loss of a point is its squared distance. Targets are not used.

    Examples
    --------
    >>> model = MeanModel()
    >>> *_, weights = model.fit_path(np.array([[0.0], [2.0]]), np.zeros(2), np.random.default_rng(1))
    >>> weights[0].tolist(), model.losses(weights, np.array([[3.0]]), np.zeros(1)).tolist()
    ([1.0], [4.0])
    """

    task: Task = "regression"

    def fit_path(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Iterator[Weights]:
        """Yield the mean."""
        yield (X.mean(axis=0),)

    def quantizable(self, weights: Weights) -> tuple[bool, ...]:
        """Return that all is quantized."""
        return (True,)

    def losses(self, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return squared distances."""
        return np.asarray(np.sum((X - weights[0]) ** 2, axis=1))

    def predict(self, weights: Weights, X: FloatArray) -> FloatArray:
        """Return minus the squared distances: there is no target to predict."""
        return -self.losses(weights, X, np.zeros(len(X)))

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {"model": "MeanModel"}


@dataclass(frozen=True, eq=False)
class TableModel:
    """Empirical risk minimisation over a table of losses: points are atoms, the weights the index of a codeword.

    Examples
    --------
    >>> model = TableModel(np.array([[0, 1], [1, 0]]))
    >>> *_, weights = model.fit_path(np.array([[1.0], [1.0], [0.0]]), np.zeros(3), np.random.default_rng(1))
    >>> weights[0].tolist()
    [1.0]
    """

    table: NDArray[Any]
    task: Task = "regression"

    def fit_path(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Iterator[Weights]:
        """Yield the index of the codeword with the smallest total loss, the first of several."""
        counts = np.bincount(X[:, 0].astype(np.intp), minlength=self.table.shape[1]).astype(self.table.dtype)
        yield (np.array([float(np.argmin(self.table @ counts))]),)

    def quantizable(self, weights: Weights) -> tuple[bool, ...]:
        """Return that nothing has to be quantized."""
        return (False,)

    def losses(self, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return losses, in the units of the table; those of the nearest index for weights in between."""
        codeword = int(np.clip(np.rint(weights[0][0]), 0, len(self.table) - 1))
        return np.asarray(self.table[codeword, X[:, 0].astype(np.intp)], dtype=np.float64)

    def predict(self, weights: Weights, X: FloatArray) -> FloatArray:
        """Return minus the losses: there is no target to predict."""
        return -self.losses(weights, X, np.zeros(len(X)))

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {"model": "TableModel", "table": [[str(v) for v in row] for row in self.table]}


@dataclass(frozen=True, eq=False)
class CellQuantizer:
    """Thresholds and levels of each coordinate; a weight on a threshold belongs to the lower cell.

    Attributes
    ----------
    thresholds, levels : tuple of ndarray
        Of each coordinate, m and m + 1 of them.

    Examples
    --------
    >>> CellQuantizer((np.zeros(1),), (np.array([-1.0, 1.0]),)).quantize([0.3]).tolist()
    [1.0]
    """

    thresholds: tuple[FloatArray, ...]
    levels: tuple[FloatArray, ...]
    name: str = "cells"

    @property
    def bits(self) -> float:
        """Bits per weight."""
        return float(np.mean([np.log2(level.size) for level in self.levels]))

    def quantize(self, weights: ArrayLike, /) -> FloatArray:
        """Return the level of each coordinate."""
        values = np.asarray(weights, dtype=np.float64)
        cells = [int(np.searchsorted(t, w, side="left")) for t, w in zip(self.thresholds, values, strict=True)]
        return np.array([level[cell] for level, cell in zip(self.levels, cells, strict=True)])


@dataclass(frozen=True, eq=False)
class Solvable:
    """A problem whose most powerful attack is known.

    Attributes
    ----------
    sampler, model, quantizer, n
        For :func:`~qmis_stats.audit.attacks.playing.play`.
    log_ratio : callable
        For :class:`~qmis_stats.audit.attacks.simple.BayesOptimal`.
    delta : float or None
        Exact Δ_n; ``None`` where there is no oracle (several coordinates).
    """

    sampler: Sampler
    model: Model
    quantizer: Quantizer | None
    n: int
    log_ratio: LogRatio
    delta: float | None


def solvable(problem: Problem, n: int) -> Solvable:
    """Return a problem as a game with the exact likelihood ratio of its released weights (S9a, S9c, S9e).

    Parameters
    ----------
    problem : Problem
        A Gaussian mean with diagonal covariance under post-training quantization, or on a line over a codebook; or a
        finite law with a table of losses.
    n : int
        Sample size, at least 2.

    Returns
    -------
    Solvable

    Raises
    ------
    DomainError
        If the likelihood ratio has no closed form.

    Examples
    --------
    >>> from qmis_stats import GaussianMean, Sign, ThresholdPTQ
    >>> case = solvable(Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign())), 10)
    >>> round(case.delta, 4)
    0.1024
    >>> case.log_ratio((np.array([0.25]),), np.array([[1.0], [-1.0]]), np.zeros(2)).round(4).tolist()
    [0.232, -0.3026]
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    problem = problem.at(n)
    if isinstance(problem.law, FiniteLaw) and isinstance(problem.procedure, LossTable):
        return _finite(problem, problem.law, problem.procedure, n)
    if isinstance(problem.law, GaussianMean):
        if problem.product is not None and problem.product.independent:
            assert problem.thresholds is not None
            return _gaussian(problem, problem.law, problem.thresholds, None, n)
        if problem.codebook is not None and problem.law.dimension == 1:
            levels = np.unique(problem.codebook[:, 0])
            middles = np.asarray(0.5 * (levels[:-1] + levels[1:]))
            return _gaussian(problem, problem.law, (middles,), (levels,), n)
    raise DomainError(
        "solvable",
        "the likelihood ratio has no closed form for this law and procedure",
        "use product cells on a Gaussian mean with diagonal covariance, a codebook on a line, or a finite law",
    )


def _centroids(thresholds: FloatArray, mean: float, error: float) -> FloatArray:
    """Return the mean of N(mean, error²) in each cell; the middle of cells that are hardly ever reached."""
    edges = np.concatenate([[-np.inf], (thresholds - mean) / error, [np.inf]])
    low, high = edges[:-1], edges[1:]
    inner = np.clip(edges, -1e9, 1e9)
    reach = np.maximum(inner[:-1], np.where(np.isinf(low), inner[1:] - 1.0, -np.inf))
    ends = np.minimum(inner[1:], np.where(np.isinf(high), reach + 1.0, np.inf))
    with np.errstate(divide="ignore", invalid="ignore"):
        mass = ndtr(high) - ndtr(low)
        centre = (np.exp(-0.5 * low**2) - np.exp(-0.5 * high**2)) / (np.sqrt(2.0 * np.pi) * mass)
    likely = (mass > 1e-6) & (centre > low) & (centre < high)
    return np.asarray(mean + error * np.where(likely, centre, 0.5 * (reach + ends)))


def _gaussian(
    problem: Problem,
    law: GaussianMean,
    thresholds: tuple[FloatArray, ...],
    levels: tuple[FloatArray, ...] | None,
    n: int,
) -> Solvable:
    d, mean, scale = law.dimension, law.mean, np.sqrt(np.diag(law.covariance))
    if levels is None:
        errors = scale / np.sqrt(n)
        levels = tuple(_centroids(t, m, e) for t, m, e in zip(thresholds, mean, errors, strict=True))
    edges = [
        np.concatenate([[-np.inf], (t - m) / s, [np.inf]]) for t, m, s in zip(thresholds, mean, scale, strict=True)
    ]

    def sampler(rng: np.random.Generator, k: int) -> tuple[FloatArray, FloatArray]:
        return mean + scale * rng.normal(size=(k, d)), np.zeros(k)

    def log_ratio(weights: Weights, X: FloatArray, _y: FloatArray) -> FloatArray:
        cells = [int(np.searchsorted(t, w, side="left")) for t, w in zip(thresholds, weights[0], strict=True)]
        low = np.array([e[c] for e, c in zip(edges, cells, strict=True)])
        high = np.array([e[c + 1] for e, c in zip(edges, cells, strict=True)])
        centre, precision = (X - mean) / scale / n, n / np.sqrt(n - 1.0)
        member = log_ndtr_difference(precision * (low - centre), precision * (high - centre), precision * (high - low))
        non_member = log_ndtr_difference(np.sqrt(n) * low, np.sqrt(n) * high, np.sqrt(n) * (high - low))
        return np.asarray((member - non_member).sum(axis=1))

    delta = exact(problem, n).delta if d == 1 else None
    return Solvable(sampler, MeanModel(), CellQuantizer(thresholds, levels), n, log_ratio, delta)


def _finite(problem: Problem, law: FiniteLaw, procedure: LossTable, n: int) -> Solvable:
    given = finite.conditional_cell_probabilities(law.probabilities, procedure.losses, n)
    average = finite.cell_probabilities(law.probabilities, procedure.losses, n)
    table = np.array(
        [
            [finite.log_fraction(row[k] / average[k]) if average[k] > 0 else 0.0 for k in range(len(average))]
            for row in given
        ]
    )
    chances = np.array([float(p) for p in law.probabilities])
    unit = int(np.lcm.reduce([loss.denominator for row in procedure.losses for loss in row]))
    whole = [[int(loss * unit) for loss in row] for row in procedure.losses]
    fits = n * max(abs(v) for row in whole for v in row) < 2**53
    model = TableModel(np.array(whole, dtype=np.float64 if fits else object))

    def sampler(rng: np.random.Generator, k: int) -> tuple[FloatArray, FloatArray]:
        return rng.choice(chances.size, size=(k, 1), p=chances).astype(np.float64), np.zeros(k)

    def log_ratio(weights: Weights, X: FloatArray, _y: FloatArray) -> FloatArray:
        return np.asarray(table[X[:, 0].astype(np.intp), int(weights[0][0])])

    return Solvable(sampler, model, None, n, log_ratio, exact(problem, n).delta)
