"""A multilayer perceptron head in NumPy: one or two hidden layers, ReLU, Adam; the same bits from the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.data import TASKS, Task
from qmis_stats.audit.models.base import (
    Standardise,
    Weights,
    check_standardise,
    checkpoint_steps,
    output_losses,
    output_prediction,
    scaling,
    target_scaling,
)
from qmis_stats.audit.models.units import Units
from qmis_stats.errors import InputError
from qmis_stats.validation import nonnegative_number, one_of, positive_number, whole_number

__all__ = ["MLP"]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class MLP:
    """Multilayer perceptron with ReLU units, trained by Adam on mini-batches.

    Released are, for each layer, the matrix (outputs, inputs) and the bias, then location and scale of the features,
    and location and scale of the target. Quantizers act on the matrices.

    Parameters
    ----------
    task : str
        ``"regression"``, ``"binary"`` or ``"multiclass"``.
    hidden : tuple of int
        Units of the one or two hidden layers.
    alpha : float
        Strength of the penalty ``alpha``/(2n) |W|² on the matrices, as in scikit-learn.
    learning_rate : float
        Of Adam.
    epochs : int
        Passes over the training subset.
    batch : int
        Size of the mini-batches.
    checkpoints : int
        At most so many, at the ends of geometric epochs; the last are the final weights.
    standardise : {"auto", "all", "none", "public"}
        Features that are standardised by the training subset; with ``"public"`` the target is not either.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(300, 2))
    >>> model = MLP("regression", hidden=(8,), epochs=20, checkpoints=4)
    >>> path = list(model.fit_path(X, X[:, 0] ** 2, rng))
    >>> len(path), [w.shape for w in path[-1][:4]]
    (4, [(8, 2), (8,), (1, 8), (1,)])
    """

    task: Task
    hidden: tuple[int, ...] = (64,)
    alpha: float = 1e-4
    learning_rate: float = 1e-3
    epochs: int = 60
    batch: int = 32
    checkpoints: int = 20
    standardise: Standardise = "auto"

    def __post_init__(self) -> None:
        """Check the settings."""
        one_of("task", self.task, TASKS)
        if not isinstance(self.hidden, tuple) or not 1 <= len(self.hidden) <= 2:
            raise InputError("hidden", self.hidden, "a tuple with the units of one or two hidden layers")
        for units in self.hidden:
            whole_number("hidden", units, 1)
        for field in ("epochs", "batch", "checkpoints"):
            whole_number(field, getattr(self, field), 1)
        positive_number("learning_rate", self.learning_rate)
        nonnegative_number("alpha", self.alpha)
        check_standardise(self.standardise)

    @property
    def _layers(self) -> int:
        return len(self.hidden) + 1

    def fit_path(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Iterator[Weights]:
        """Train, and yield the weights at each checkpoint."""
        units = self.units(X, y)
        Z = (X - units.location) / units.scale
        t = (y - units.centre) / units.unit
        fixed = (units.location, units.scale, np.array([units.centre, units.unit]))
        parameters = self._start(X.shape[1], int(y.max()) + 1 if self.task == "multiclass" else 1, rng)
        first = [np.zeros_like(p) for p in parameters]
        second = [np.zeros_like(p) for p in parameters]
        size = min(self.batch, y.size)
        steps = set(checkpoint_steps(self.epochs, self.checkpoints))
        count = 0
        for epoch in range(1, self.epochs + 1):
            order = rng.permutation(y.size)
            for begin in range(0, y.size, size):
                rows = order[begin : begin + size]
                count += 1
                _, gradient = self.value_and_gradient(parameters, Z[rows], t[rows], self.alpha / y.size)
                rate = self.learning_rate * np.sqrt(1.0 - _BETA2**count) / (1.0 - _BETA1**count)
                for p, g, m, v in zip(parameters, gradient, first, second, strict=True):
                    m += (1.0 - _BETA1) * (g - m)
                    v += (1.0 - _BETA2) * (g * g - v)
                    p -= rate * m / (np.sqrt(v) + _EPSILON)
            if epoch in steps:
                yield (*(p.T.copy() for p in parameters), *fixed)

    def units(self, X: FloatArray, y: FloatArray) -> Units:
        """Return the units in which it trains on these points."""
        scaled = self.task == "regression" and self.standardise != "public"
        return Units(*scaling(X, self.standardise), *(target_scaling(y) if scaled else (0.0, 1.0)))

    def released_units(self, weights: Weights) -> Units:
        """Return the units that a training run released."""
        location, scale, (centre, unit) = weights[-3:]
        return Units(location, scale, float(centre), float(unit))

    def _start(self, inputs: int, outputs: int, rng: np.random.Generator) -> list[FloatArray]:
        """Return weights by He's rule, and biases of zero."""
        widths = [inputs, *self.hidden, outputs]
        found: list[FloatArray] = []
        for i, o in pairwise(widths):
            found += [rng.normal(0.0, np.sqrt(2.0 / i), size=(i, o)), np.zeros(o)]
        return found

    def value_and_gradient(
        self, parameters: list[FloatArray], Z: FloatArray, y: FloatArray, ridge: float
    ) -> tuple[float, list[FloatArray]]:
        """Return the training objective and its gradient by backpropagation.

        Parameters
        ----------
        parameters : list of ndarray
            Matrix (inputs, outputs) and bias of each layer in turn.
        Z : (n, p) ndarray
            Standardised features.
        y : (n,) ndarray
            Target, standardised for a regression.
        ridge : float
            Factor of ½ |W|².
        """
        matrices, biases = parameters[::2], parameters[1::2]
        active = [Z]
        for W, b in zip(matrices[:-1], biases[:-1], strict=True):
            active.append(np.maximum(active[-1] @ W + b, 0.0))
        outputs = active[-1] @ matrices[-1] + biases[-1]
        half = 0.5 if self.task == "regression" else 1.0
        value = half * float(np.mean(output_losses(outputs, y, self.task)))
        value += 0.5 * ridge * sum(float(np.sum(W * W)) for W in matrices)
        signal = self._residual(outputs, y) / y.size
        gradient: list[FloatArray] = []
        for layer in reversed(range(self._layers)):
            gradient += [signal.sum(axis=0), active[layer].T @ signal + ridge * matrices[layer]]
            if layer:
                signal = (signal @ matrices[layer].T) * (active[layer] > 0.0)
        return value, gradient[::-1]

    def _residual(self, outputs: FloatArray, y: FloatArray) -> FloatArray:
        if self.task == "regression":
            return outputs - y[:, None]
        if self.task == "binary":
            return np.asarray(expit(outputs) - y[:, None])
        return np.asarray(softmax(outputs, axis=1) - (y[:, None] == np.arange(outputs.shape[1])))

    def quantizable(self, weights: Weights) -> tuple[bool, ...]:
        """Return that the matrices are quantized; biases, locations and scales are not."""
        layers = 2 * self._layers
        return tuple(place < layers and place % 2 == 0 for place in range(len(weights)))

    def layer_inputs(self, weights: Weights, X: FloatArray) -> dict[str, FloatArray]:
        """Return what each matrix is given: the standardised features, then what the layer before it makes of them."""
        layers = 2 * self._layers
        active = np.asarray((X - weights[layers]) / weights[layers + 1])
        found = {"layer 1": active}
        for place in range(2, layers, 2):
            active = np.maximum(active @ weights[place - 2].T + weights[place - 1], 0.0)
            found[f"layer {place // 2 + 1}"] = active
        return found

    def _scores(self, weights: Weights, X: FloatArray) -> FloatArray:
        layers = 2 * self._layers
        location, scale, (centre, unit) = weights[layers:]
        folded = (weights[0] / scale).T
        # The first layer reads the features as they are: no standardised copy of the evaluation points is made.
        active = X @ folded + (weights[1] - location @ folded)
        for W, b in zip(weights[2:layers:2], weights[3:layers:2], strict=True):
            active = np.maximum(active, 0.0) @ W.T + b
        return np.asarray(centre + unit * active)

    def losses(self, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return the loss of each point, shape (N,)."""
        return output_losses(self._scores(weights, X), y, self.task)

    def predict(self, weights: Weights, X: FloatArray) -> FloatArray:
        """Return predictions: numbers or probabilities."""
        return output_prediction(self._scores(weights, X), self.task)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model."""
        return {"model": "MLP", **asdict(self)}
