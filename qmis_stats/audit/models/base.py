"""What an audit needs of a model, and what the models here share: standardisation, checkpoints, losses of outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
from scipy.special import expit, log_softmax, softmax

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.data import Task
from qmis_stats.errors import InputError
from qmis_stats.validation import one_of

__all__ = [
    "Model",
    "Standardise",
    "Weights",
    "check_standardise",
    "checkpoint_steps",
    "output_losses",
    "output_prediction",
    "scaling",
    "target_scaling",
]

_AT_ONCE = 32
"""Columns whose location and scale are computed at once."""

Weights: TypeAlias = tuple[FloatArray, ...]
"""All that is released of a model, quantizable or not."""

Standardise = Literal["auto", "all", "none", "public"]
"""What is standardised: features that are not 0 or 1 throughout, all, none; public: neither features nor target."""


@runtime_checkable
class Model(Protocol):
    """A model with a training procedure, seen through its weights.

    Matrices of weights are (outputs, inputs), as in PyTorch: a row is a channel. Predictions are numbers for a
    regression, the probability of class 1 for a binary task, and (N, classes) probabilities for a multiclass task.

    Attributes
    ----------
    task : str
        What it is for.
    """

    @property
    def task(self) -> Task:
        """Kind of the target."""
        ...

    def fit_path(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Iterator[Weights]:
        """Train, and yield the weights at each checkpoint; the last are the final ones."""
        ...

    def quantizable(self, weights: Weights) -> tuple[bool, ...]:
        """Return which of the arrays a quantizer acts on; the others are released as they are."""
        ...

    def losses(self, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return the loss of each point, shape (N,)."""
        ...

    def predict(self, weights: Weights, X: FloatArray) -> FloatArray:
        """Return predictions: (N,), or (N, classes) for a multiclass task."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return JSON-ready data that identifies the model and its training: stored results belong to it."""
        ...


def check_standardise(value: str) -> None:
    """Refuse what is no way to standardise.

    Examples
    --------
    >>> check_standardise("some")
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: standardise = 'some': must be one of auto, all, none, public
    """
    one_of("standardise", value, get_args(Standardise))


def scaling(X: FloatArray, standardise: Standardise) -> tuple[FloatArray, FloatArray]:
    """Return location and scale of each feature in a training subset, shapes (p,).

    Raises
    ------
    InputError
        If points have more than one dimension.

    Examples
    --------
    >>> location, scale = scaling(np.array([[0.0, 1.0], [1.0, 5.0]]), "auto")
    >>> location.tolist(), scale.tolist()
    ([0.0, 3.0], [1.0, 2.0])
    """
    if X.ndim != 2:
        raise InputError("X", X.shape, "of shape (N, p): points of more dimensions are for PyTorch modules")
    location, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
    if standardise in ("none", "public"):
        return location, scale
    room = np.empty((_AT_ONCE, len(X)))  # a copy of all columns would take as much memory as the points
    for begin in range(0, X.shape[1], _AT_ONCE):
        columns = room[: X.shape[1] - begin].T
        columns[:] = X[:, begin : begin + _AT_ONCE]
        mean, flags = columns.mean(axis=0), np.isin(columns[0], (0.0, 1.0))
        if standardise == "auto" and flags.any():
            some = columns[:, flags]
            flags[flags] = np.all((some == 0.0) | (some == 1.0), axis=0)
        columns -= mean
        columns *= columns
        spread = np.sqrt(columns.mean(axis=0))
        chosen = spread > 1e-12 * np.abs(mean)
        if standardise == "auto":
            mean, chosen = np.where(flags, 0.0, mean), chosen & ~flags
        location[begin : begin + _AT_ONCE], scale[begin : begin + _AT_ONCE] = mean, np.where(chosen, spread, 1.0)
    return location, scale


def target_scaling(y: FloatArray) -> tuple[float, float]:
    """Return location and scale of a target of a regression in a training subset.

    Examples
    --------
    >>> target_scaling(np.array([1.0, 3.0])), target_scaling(np.array([2.0, 2.0]))
    ((2.0, 1.0), (2.0, 1.0))
    """
    spread = float(np.std(y))
    return float(np.mean(y)), spread if spread > 0.0 else 1.0


def checkpoint_steps(iterations: int, checkpoints: int) -> list[int]:
    """Return the steps of the checkpoints: geometric, since training moves most at the beginning; the last is the end.

    Examples
    --------
    >>> checkpoint_steps(100, 5)
    [1, 3, 10, 32, 100]
    """
    if checkpoints == 1:
        return [iterations]
    return sorted({int(step) for step in np.rint(np.geomspace(1, iterations, checkpoints))})


def output_losses(outputs: FloatArray, y: FloatArray, task: Task) -> FloatArray:
    """Return the loss of each point from (N, C) outputs: squared error, or minus the log-likelihood of the class.

    Examples
    --------
    >>> output_losses(np.array([[0.0], [2.0]]), np.array([1.0, 1.0]), "binary").round(4)
    array([0.6931, 0.1269])
    """
    if task == "regression":
        return np.asarray((y - outputs[:, 0]) ** 2)
    if task == "binary":
        return np.asarray(np.logaddexp(0.0, np.where(y == 1.0, -outputs[:, 0], outputs[:, 0])))
    return np.asarray(-log_softmax(outputs, axis=1)[np.arange(y.size), y.astype(np.intp)])


def output_prediction(outputs: FloatArray, task: Task) -> FloatArray:
    """Return predictions from (N, C) outputs: numbers, the probability of class 1, or those of all classes."""
    if task == "regression":
        return np.ascontiguousarray(outputs[:, 0])
    if task == "binary":
        return np.asarray(expit(outputs[:, 0]))
    return np.asarray(softmax(outputs, axis=1))
