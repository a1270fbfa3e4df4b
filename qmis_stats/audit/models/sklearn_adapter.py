"""scikit-learn estimators whose prediction is linear in ``coef_``, and its multilayer perceptrons (``coefs_``)."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy.special import expit

from qmis_stats.audit.data import TASKS, Task
from qmis_stats.audit.models.base import (
    Standardise,
    Weights,
    checked_count,
    checkpoint_steps,
    output_losses,
    output_prediction,
    scaling,
)
from qmis_stats.errors import InputError
from qmis_stats.scores.base import FloatArray

__all__ = ["LOSSES", "SklearnModel"]

LOSSES = ("log", "hinge")
"""Losses of classifiers: minus the log-likelihood of the scores, or the hinge loss of a support vector machine."""

_ACTIVATIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0.0),
    "tanh": np.tanh,
    "logistic": expit,
}
_STRONGER = 1000.0
_TOLERANCE = 1e-6


class SklearnModel:
    """A scikit-learn estimator as a model: it is cloned, and never fitted itself.

    The last checkpoint is what ``fit`` returns. The path before it is made of, in this order of preference:

    - ``partial_fit``, where the estimator has it: epochs over the training subset, at geometric numbers of them (not
      with early stopping or balanced classes, which ``partial_fit`` refuses);
    - fits with increasing ``max_iter``, where it is a number (logistic regression, support vector machines);
    - a regularisation path, from a thousand times the strength (``alpha``, or 1/``C``) down to that of the estimator;
    - fits on growing parts of the training subset, in random order (ordinary least squares).

    Fits before the last that the estimator refuses (too few points, too few iterations) are left out.

    Released are the coefficients, which are quantized, the intercepts, and location and scale of the features.

    Parameters
    ----------
    estimator : scikit-learn estimator
        A regressor or classifier with ``coef_`` or ``coefs_`` after ``fit``; a ``random_state`` of ``None`` is replaced
        by one from the seed of the run. Classes are the numbers 0, 1, ... of the data set, in ``class_weight`` too.
    task : str, optional
        By default regression for regressors, binary for classifiers; several classes have to be named.
    checkpoints : int
        Length of the path, the final fit included.
    epochs : int, optional
        Of ``partial_fit``; by default ``max_iter`` of the estimator, at most 100.
    loss : {"log", "hinge"}, optional
        Of classifiers; by default hinge for estimators that are trained by it.
    standardise : {"auto", "all", "none"}
        Features that are standardised by the training subset.

    Raises
    ------
    InputError
        If the estimator has no coefficients, cannot be fitted to a training subset, or its own prediction is not that
        of its coefficients.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(100, 3))
    >>> model = SklearnModel(Ridge(alpha=1.0), checkpoints=5)
    >>> path = list(model.fit_path(X, X[:, 0], rng))
    >>> len(path), path[-1][0].shape, model.task
    (5, (1, 3), 'regression')
    """

    def __init__(
        self,
        estimator: Any,
        *,
        task: Task | None = None,
        checkpoints: int = 10,
        epochs: int | None = None,
        loss: str | None = None,
        standardise: Standardise = "auto",
    ) -> None:
        regressor = _is_regressor(estimator)
        if task is not None and task not in TASKS:
            raise InputError("task", task, f"one of {', '.join(TASKS)}")
        chosen: Task = task or ("regression" if regressor else "binary")
        if (chosen == "regression") != regressor:
            raise InputError("task", chosen, f"that of {type(estimator).__name__}")
        if loss is not None and loss not in LOSSES:
            raise InputError("loss", loss, f"one of {', '.join(LOSSES)}")
        if standardise not in ("auto", "all", "none"):
            raise InputError("standardise", standardise, "one of auto, all, none")
        self.estimator = estimator
        self._task = chosen
        self.checkpoints = checked_count("checkpoints", checkpoints)
        self.epochs = None if epochs is None else checked_count("epochs", epochs)
        self.standardise: Standardise = standardise
        self.loss = loss or ("hinge" if chosen != "regression" and _margin(estimator) else "log")
        self._activation = str(estimator.get_params().get("activation", "identity"))

    @property
    def task(self) -> Task:
        """Kind of the target."""
        return self._task

    @property
    def path(self) -> str:
        """What the checkpoints before the last are."""
        parameters = self.estimator.get_params()
        refused = parameters.get("early_stopping") is True or parameters.get("class_weight") == "balanced"
        if hasattr(self.estimator, "partial_fit") and not refused:
            return "partial_fit"
        if isinstance(parameters.get("max_iter"), int) and parameters["max_iter"] > 0:
            return "max_iter"
        if _strength(parameters) is not None:
            return "regularisation"
        return "growing"

    def fit_path(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Iterator[Weights]:
        """Train clones of the estimator, and yield the weights at each checkpoint."""
        from sklearn.exceptions import ConvergenceWarning

        location, scale = scaling(X, self.standardise)
        settings = self._settings(rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            # First: an estimator that cannot be used is refused for what it is.
            final, Z, target = self._fitted(X, y, settings)
            last = self._weights(final)
            if self.checkpoints > 1:
                for weights in self._before(Z, target, settings, rng):
                    yield (*weights, location, scale)
        yield (*last, location, scale)

    def fitted(self, X: FloatArray, y: FloatArray) -> tuple[Any, FloatArray, Any]:
        """Return a fitted clone of the estimator, and the features and targets that it was given."""
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return self._fitted(X, y, self._settings(np.random.default_rng(0)))

    def _settings(self, rng: np.random.Generator) -> dict[str, Any]:
        if self.estimator.get_params().get("random_state", 0) is None:
            return {"random_state": int(rng.integers(2**31))}
        return {}

    def _fitted(self, X: FloatArray, y: FloatArray, settings: dict[str, Any]) -> tuple[Any, FloatArray, Any]:
        location, scale = scaling(X, self.standardise)
        Z = (X - location) / scale
        target = y if self._task == "regression" else y.astype(np.int64)
        with self._refusals():
            self._check_classes(target)
            final = self._clone(settings).fit(Z, target)
            self._check(final, (*self._weights(final), np.zeros(Z.shape[1]), np.ones(Z.shape[1])), Z)
        return final, Z, target

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what an estimator raises into one line."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            reason = f"one that can be fitted to a training subset ({error})"
            raise InputError("estimator", type(self.estimator).__name__, reason) from error

    def _check_classes(self, y: Any) -> None:
        weights = self.estimator.get_params().get("class_weight")
        classes = [] if self._task == "regression" else np.unique(y).tolist()
        if isinstance(weights, Mapping) and not set(weights) <= set(classes):
            allowed = f"weights of {', '.join(map(str, classes))}: classes are numbered, as data.classes lists them"
            raise InputError("estimator: class_weight", dict(weights), allowed)

    def _clone(self, settings: dict[str, Any]) -> Any:
        from sklearn.base import clone

        return clone(self.estimator).set_params(**settings)

    def _before(
        self, Z: FloatArray, y: Any, settings: dict[str, Any], rng: np.random.Generator
    ) -> Iterator[list[FloatArray]]:
        """Yield the weights before the final ones."""
        parameters = self.estimator.get_params()
        count = self.checkpoints - 1
        if self.path == "partial_fit":
            fitted = self._clone(settings)
            extra = {} if self._task == "regression" else {"classes": np.unique(y)}
            epochs = self.epochs or min(100, int(parameters.get("max_iter") or 100))
            steps = set(checkpoint_steps(epochs, count))
            for epoch in range(1, epochs + 1):
                order = rng.permutation(len(y))
                with self._refusals():
                    fitted.partial_fit(Z[order], y[order], **(extra if epoch == 1 else {}))
                if epoch in steps:
                    yield self._weights(fitted)
        elif self.path == "max_iter":
            steps_before = [
                s for s in checkpoint_steps(parameters["max_iter"], count + 1) if s < parameters["max_iter"]
            ]
            for step in steps_before:
                yield from self._tried({**settings, "max_iter": step}, Z, y)
        elif self.path == "regularisation":
            field = _strength(parameters)
            assert field is not None
            for factor in np.geomspace(_STRONGER, 1.0, count + 1)[:-1]:
                value = parameters[field] / factor if field == "C" else parameters[field] * factor
                yield from self._tried({**settings, field: float(value)}, Z, y)
        else:
            order = rng.permutation(len(y))
            least = min(len(y), max(2, Z.shape[1] + 2))
            sizes = [int(s) for s in np.linspace(least, len(y), count + 1)[:-1]]
            for size in sizes:
                rows = order[:size]
                if self._task == "regression" or np.unique(y[rows]).size == np.unique(y).size:
                    yield from self._tried(settings, Z[rows], y[rows])

    def _tried(self, settings: dict[str, Any], Z: FloatArray, y: Any) -> Iterator[list[FloatArray]]:
        """Yield the weights of a fit before the last, unless the estimator refuses it."""
        try:
            fitted = self._clone(settings).fit(Z, y)
        except Exception:  # whatever it says: the final fit, of the estimator as it is, went through
            return
        yield self._weights(fitted)

    def _weights(self, fitted: Any) -> list[FloatArray]:
        """Return matrices (outputs, inputs) and intercepts, in turn."""
        if hasattr(fitted, "coefs_"):
            pairs = zip(fitted.coefs_, fitted.intercepts_, strict=True)
            return [np.array(a.T, dtype=np.float64) for pair in pairs for a in pair]
        if not hasattr(fitted, "coef_"):
            raise InputError("estimator", type(fitted).__name__, "one with coef_ or coefs_ after fit")
        coef = fitted.coef_
        coef = np.atleast_2d(np.asarray(coef.toarray() if hasattr(coef, "toarray") else coef, dtype=np.float64))
        intercept = np.atleast_1d(np.asarray(getattr(fitted, "intercept_", 0.0), dtype=np.float64))
        return [coef.copy(), np.broadcast_to(intercept, (coef.shape[0],)).copy()]

    def _check(self, fitted: Any, weights: Weights, Z: FloatArray) -> None:
        """Check that the estimator predicts by its coefficients as this adapter does."""
        rows = Z[:200]
        own = np.asarray(fitted.predict(rows), dtype=np.float64).ravel()
        scores = self._scores(weights, rows)
        wanted = 1 if self._task != "multiclass" else len(fitted.classes_)
        if scores.shape[1] != wanted:
            what = f"{type(self.estimator).__name__} with {scores.shape[1]} columns of coefficients"
            raise InputError("estimator", what, f"one with {wanted} for a {self._task} task")
        if self._task == "regression":
            same = bool(np.allclose(own, scores[:, 0], rtol=_TOLERANCE, atol=_TOLERANCE * (1.0 + np.abs(own).max())))
        else:
            found = scores[:, 0] > 0.0 if self._task == "binary" else np.argmax(scores, axis=1)
            same = bool(np.mean(own == found) > 0.99)
        if not same:
            raise InputError("estimator", type(self.estimator).__name__, "one whose prediction is linear in coef_")

    def quantizable(self, weights: Weights) -> tuple[bool, ...]:
        """Return that matrices are quantized; intercepts, locations and scales are not."""
        return tuple(place < len(weights) - 2 and place % 2 == 0 for place in range(len(weights)))

    def _scores(self, weights: Weights, X: FloatArray) -> FloatArray:
        *layers, location, scale = weights
        active = X
        for place in range(0, len(layers), 2):
            W, b = layers[place], layers[place + 1]
            if place == 0:
                W = W / scale
                b = b - W @ location
            else:
                active = _ACTIVATIONS[self._activation](active)
            active = active @ W.T + b
        return np.asarray(active)

    def losses(self, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return the loss of each point: squared error, minus the log-likelihood, or hinge loss."""
        scores = self._scores(weights, X)
        if self._task == "regression" or self.loss == "log":
            return output_losses(scores, y, self._task)
        if self._task == "binary":
            return np.asarray(np.maximum(0.0, 1.0 - np.where(y == 1.0, 1.0, -1.0) * scores[:, 0]))
        signs = np.where(y[:, None] == np.arange(scores.shape[1]), 1.0, -1.0)
        return np.asarray(np.maximum(0.0, 1.0 - signs * scores).sum(axis=1))

    def predict(self, weights: Weights, X: FloatArray) -> FloatArray:
        """Return predictions; scores of classifiers as if they were log-odds."""
        return output_prediction(self._scores(weights, X), self._task)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the model: the estimator's class and parameters."""
        kind = type(self.estimator)
        return {
            "model": f"{kind.__module__}.{kind.__qualname__}",
            "parameters": {name: repr(value) for name, value in sorted(self.estimator.get_params().items())},
            "task": self._task,
            "path": self.path,
            "checkpoints": self.checkpoints,
            "epochs": self.epochs,
            "loss": self.loss,
            "standardise": self.standardise,
        }


def _is_regressor(estimator: Any) -> bool:
    """Return whether an estimator is a regressor and not a classifier; refuse what is neither."""
    from sklearn.base import is_classifier, is_regressor

    try:
        found = bool(is_regressor(estimator)), bool(is_classifier(estimator))
    except Exception:  # of objects that have no tags, or estimators made of such
        found = False, False
    if isinstance(estimator, type) or not any(found):
        raise InputError("estimator", estimator, "a scikit-learn regressor or classifier with coef_")
    return found[0]


def _margin(estimator: Any) -> bool:
    """Return whether a classifier is trained by a hinge loss."""
    loss = str(estimator.get_params().get("loss", ""))
    return "hinge" in loss or type(estimator).__name__ in ("SVC", "NuSVC", "Perceptron")


def _strength(parameters: dict[str, Any]) -> str | None:
    """Return the name of the parameter that sets the regularisation."""
    for field in ("alpha", "C"):
        value = parameters.get(field)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0.0:
            return field
    return None
