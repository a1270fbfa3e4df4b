"""Calls of a user's model: what it raises, and what it returns that cannot be used, becomes one line that names it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.data import READ_BY, Dataset
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.linear import last_by, last_only, losses_together
from qmis_stats.errors import InputError, QmisError
from qmis_stats.foreign import blamed, raised_by, returned_numbers, steps_of

__all__ = [
    "checked_model",
    "checkpoints_of",
    "description_of",
    "last_weights",
    "losses_of",
    "losses_of_each",
    "mask_of",
    "predictions_of",
]

_DIVERGED = "finite: did training diverge?"
_NEEDED = ("task", "fit_path", "quantizable", "losses", "predict", "describe")


def _who(model: object) -> str:
    return f"model {type(model).__name__}"


def checked_model(model: Any, dataset: Dataset) -> None:
    """Refuse what is no data set, no model, or a model for another task than that of the data set.

    Examples
    --------
    >>> from qmis_stats.audit.tables import bundled
    >>> checked_model("ridge", bundled("diabetes"))
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: model = 'ridge': must be an object with task, fit_path, quantizable, losses, ...
    """
    if not isinstance(dataset, Dataset):  # here, since a data set is handed on to few functions
        raise InputError("dataset", dataset, f"a Dataset; {READ_BY}")
    with raised_by(_who(model), but=(QmisError,)):
        whole = not isinstance(model, type) and all(hasattr(model, name) for name in _NEEDED)
        task = model.task if whole else None
    if not whole:
        allowed = f"an object with {', '.join(_NEEDED)}; SklearnModel and TorchModel are, of an estimator or a module"
        raise InputError("model", model, allowed)
    if task != dataset.task:
        raise InputError("model", f"a model for a {task} task", f"one for {dataset.name}, a {dataset.task} task")


def _kind(array: Any) -> str:
    return str(array.dtype.kind) if isinstance(array, (np.ndarray, np.generic)) else "O"


def checkpoints_of(model: Model, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Iterator[Weights]:
    """Yield the weights at each checkpoint of a training run, at least one."""
    who, count = f"fit_path of {_who(model)}", 0
    for weights in steps_of(who, lambda: model.fit_path(X, y, rng), but=(QmisError,)):
        if not isinstance(weights, (tuple, list)) or not weights or any(_kind(w) not in "fiub" for w in weights):
            allowed = "a tuple of arrays of real numbers"
            raise InputError(f"{who}, checkpoint {count}", type(weights).__name__, allowed)
        if not all(np.isfinite(w).all() for w in weights):
            raise InputError(f"weights of {_who(model)}, checkpoint {count}", float("nan"), _DIVERGED)
        count += 1
        yield tuple(weights)
    if not count:
        raise InputError("model", f"{type(model).__name__} without checkpoints", "one whose fit_path yields weights")


def last_weights(
    model: Model, X: FloatArray, y: FloatArray, rng: np.random.Generator, products: FloatArray | None = None
) -> Weights:
    """Return the weights at the end of a training run.

    Inner products of the points in units of more points, where there are such, save time.
    """
    last = None if products is None else last_by(model, products, X, y)
    if last is None:
        *_, last = checkpoints_of(last_only(model), X, y, rng)
    return last


def mask_of(model: Model, weights: Weights) -> tuple[bool, ...]:
    """Return which of the arrays are quantized."""
    try:
        mask = tuple(map(bool, model.quantizable(weights)))
    except QmisError:
        raise
    except Exception as error:
        raise blamed(f"quantizable of {_who(model)}", error) from error
    if len(mask) != len(weights):
        allowed = f"{len(weights)} truth values, one an array of weights"
        raise InputError(f"quantizable of {_who(model)}", mask, allowed)
    return mask


def losses_of(model: Model, weights: Weights, X: FloatArray, y: FloatArray, where: str = "") -> FloatArray:
    """Return the finite loss of each point; ``where`` tells which weights these are."""
    field = f"losses of {_who(model)}{where}"
    try:
        returned = np.asarray(model.losses(weights, X, y))
    except QmisError:
        raise
    except Exception as error:
        raise blamed(field, error) from error
    return returned_numbers(field, returned, y.shape, "one number per point", _DIVERGED)


def losses_of_each(
    model: Model, weights: Sequence[Weights], X: FloatArray, y: FloatArray, where: Sequence[str] | None = None
) -> FloatArray:
    """Return the finite loss of each point under each of several weights, shape (R, N)."""
    places = [""] * len(weights) if where is None else where
    found = losses_together(model, weights, X, y)
    if found is None:
        return np.array([losses_of(model, one, X, y, place) for one, place in zip(weights, places, strict=True)])
    for row, place in zip(found, places, strict=True):
        returned_numbers(f"losses of {_who(model)}{place}", row, y.shape, "one number per point", _DIVERGED)
    return found


def predictions_of(model: Model, weights: Weights, X: FloatArray, classes: int | None = None) -> FloatArray:
    """Return the finite predictions: (N,), or (N, classes) for a multiclass task."""
    field = f"predictions of {_who(model)}"
    with raised_by(field, but=(QmisError,)):
        returned = np.asarray(model.predict(weights, X))
    shape = (len(X),) if classes is None else (len(X), classes)
    what = "one number per point" if classes is None else "one number per point and class"
    return returned_numbers(field, returned, shape, what, _DIVERGED)


def description_of(model: Model) -> dict[str, Any]:
    """Return what identifies the model."""
    with raised_by(f"describe of {_who(model)}", but=(QmisError,)):
        return dict(model.describe())
