"""scikit-learn estimators whose predictions are made of weights: ``coef_``, or ``coefs_`` of perceptrons."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.data import TASKS, Task
from qmis_stats.audit.models.base import (
    Standardise,
    Weights,
    check_standardise,
    output_losses,
    output_prediction,
    scaling,
)
from qmis_stats.audit.models.composite import Carrier, Composite, carrying, marked, reading
from qmis_stats.audit.models.estimator_losses import deviance, own_losses, power_of
from qmis_stats.audit.models.estimator_parts import head_arrays, heads, refuse_by_name, searched, seeds
from qmis_stats.audit.models.estimator_path import earlier, path_of, settled
from qmis_stats.audit.models.units import Units
from qmis_stats.errors import InputError
from qmis_stats.validation import one_of, whole_number

__all__ = ["SklearnModel"]

_ACTIVATIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0.0),
    "tanh": np.tanh,
    "logistic": expit,
}
_TOLERANCE = 1e-6
_CHECKED = 200


class SklearnModel:
    """A scikit-learn estimator as a model: it is cloned, and never fitted itself.

    Linear models and perceptrons, and what is made of them: pipelines, searches (the search is part of every training
    run, and its best estimator is released), calibration, one against the rest, ensembles, transformed targets. The
    last checkpoint is what ``fit`` returns. The path before it is made of, in this order of preference:

    - ``partial_fit``, where the estimator has it: epochs over the training subset, at geometric numbers of them (not
      with early stopping or balanced classes, which ``partial_fit`` refuses);
    - fits with increasing ``max_iter``, where it is a number (logistic regression, support vector machines);
    - a regularisation path, from a thousand times the strength (``alpha``, or 1/``C``) down to that of the estimator;
    - fits on growing parts of the training subset, in random order (ordinary least squares).

    Settings are those of the innermost estimator, and of a search those that it has found. Fits before the last that
    the estimator refuses (too few points, too few iterations) are left out.

    Released are the coefficients of every estimator inside, each of which is quantized by itself, and all else as it
    is: intercepts, fitted transformers and calibration, location and scale of the features.

    Parameters
    ----------
    estimator : scikit-learn estimator
        A regressor or classifier whose weights are ``coef_`` or ``coefs_`` after ``fit``, of its own or of what it is
        made of; a ``random_state`` of ``None`` is replaced by one from the seed of the run. Classes are the numbers 0,
        1, ... of the data set, in ``class_weight`` too.
    task : str, optional
        By default regression for regressors, binary for classifiers; several classes have to be named.
    checkpoints : int
        Length of the path, the final fit included.
    epochs : int, optional
        Of ``partial_fit``; by default ``max_iter`` of the estimator, at most 100.
    loss : {"log", "hinge", "squared", "deviance"}, optional
        Of classifiers minus the log-likelihood of their own probabilities, or of their scores as if these were
        log-odds where they have none; by default hinge for estimators that are trained by it. Of regressors the squared
        error of the prediction; by default the unit deviance of generalised linear models.
    standardise : {"auto", "all", "none", "public"}
        Features that are standardised by the training subset; none by default where there is a pipeline, which has
        transformers of its own.

    Raises
    ------
    InputError
        If the estimator has no coefficients, cannot be fitted to a training subset, or its own prediction is not that
        of its coefficients; what is to blame is named.

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
        if task is not None:
            one_of("task", task, TASKS)
        chosen: Task = task or ("regression" if regressor else "binary")
        if (chosen == "regression") != regressor:
            raise InputError("task", chosen, f"that of {type(estimator).__name__}")
        refuse_by_name(estimator)
        losses = own_losses(estimator, regressor)
        if loss is not None and loss not in losses:
            raise InputError("loss", loss, f"one of {', '.join(losses)} for {type(estimator).__name__}")
        check_standardise(standardise)
        self.estimator = estimator
        self._task = chosen
        self.checkpoints = whole_number("checkpoints", checkpoints, 1)
        self.epochs = None if epochs is None else whole_number("epochs", epochs, 1)
        self.standardise: Standardise = standardise
        self.loss = loss or losses[0]
        self._activation = str(estimator.get_params().get("activation", "identity"))
        self._last: Composite | None = None

    @property
    def task(self) -> Task:
        """Kind of the target."""
        return self._task

    @property
    def transforms(self) -> bool:
        """Whether it has transformers of its own, fitted to the training points: those of a pipeline."""
        return any(hasattr(part, "steps") for part in (self.estimator, *self.estimator.get_params().values()))

    @property
    def path(self) -> str:
        """What the checkpoints before the last are."""
        estimator = self.estimator
        while type(estimator).__name__.endswith("SearchCV"):
            estimator = estimator.estimator
        return path_of(estimator)

    def fit_path(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Iterator[Weights]:
        """Train clones of the estimator, and yield the weights at each checkpoint."""
        from sklearn.exceptions import ConvergenceWarning

        location, scale = self._scaling(X)
        settings = seeds(self.estimator, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            # First: an estimator that cannot be used is refused for what it is.
            final, Z, target, reads = self._fitted(X, y, settings)

            def release(fitted: Any) -> Weights:
                if reads is None:
                    return (*_plain(searched(fitted)), location, scale)
                made = Composite(fitted, self._task, reads)
                return (*made.released(), location, carrying(scale, made))

            last = release(final)
            if self.checkpoints > 1:
                best = searched(final)
                estimator = settled(self.estimator, settings) if best is final else best
                given: dict[str, Any] = {"count": self.checkpoints - 1, "epochs": self.epochs, "rng": rng}
                with self._refusals():
                    yield from earlier(estimator, Z, target, **given, release=release)
        yield last

    def fitted(self, X: FloatArray, y: FloatArray) -> tuple[Any, FloatArray, Any]:
        """Return a fitted clone of the estimator, and the features and targets that it was given."""
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return self._fitted(X, y, seeds(self.estimator, np.random.default_rng(0)))[:3]

    def units(self, X: FloatArray, y: FloatArray) -> Units:
        """Return the units in which it trains on these points: the target is left to the estimator."""
        return Units(*self._scaling(X))

    def released_units(self, weights: Weights) -> Units:
        """Return the units that a training run released."""
        return Units(weights[-2], np.asarray(weights[-1]))

    def _scaling(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        return scaling(X, "none" if self.standardise == "auto" and self.transforms else self.standardise)

    def _fitted(
        self, X: FloatArray, y: FloatArray, settings: dict[str, Any]
    ) -> tuple[Any, FloatArray, Any, str | None]:
        location, scale = self._scaling(X)
        Z = (X - location) / scale
        target = y if self._task == "regression" else y.astype(np.int64)
        with self._refusals():
            self._check_classes(target)
            final = settled(self.estimator, settings).fit(Z, target)
            reads = self._reading(searched(final), Z[:_CHECKED])
        return final, Z, target, reads

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
        if self._task == "regression":
            return
        classes = np.unique(y).tolist()
        if absent := set(range(classes[-1])) - set(classes):
            allowed = "one with every class: ask for more points"
            raise InputError("training subset", f"without class {min(absent)}", allowed)
        for name, weights in self.estimator.get_params().items():
            named = name.split("__")[-1] == "class_weight" and isinstance(weights, Mapping)
            if named and not set(weights) <= set(classes):
                allowed = f"weights of {', '.join(map(str, classes))}: classes are numbered, as data.classes lists them"
                raise InputError(f"estimator: {name}", dict(weights), allowed)

    def _reading(self, fitted: Any, Z: FloatArray) -> str | None:
        """Return how the estimator's own code gives outputs, or None where its weights are all that is needed."""
        name = type(fitted).__name__
        alone = heads(fitted)[0] is fitted
        if alone and self.loss != "deviance" and self._agrees(fitted, _plain(fitted), Z):
            return None
        reads = reading(fitted, Z, self._task, self.loss == "hinge")
        made = Composite(fitted, self._task, reads)
        try:
            arrays = made.released()[:-1]
        except AttributeError:
            parts = ", ".join(sorted({type(head).__name__ for head in made.heads}))
            who = name if alone else f"{parts} in {name}"
            allowed = "one whose coef_ is what it predicts by: LinearSVC, LinearSVR and SGDClassifier are"
            raise InputError("estimator", who, allowed) from None
        scores = made.outputs(arrays, Z)
        if scores.shape[1] != (wanted := self._columns(fitted)):
            who = f"{name} with {scores.shape[1]} columns of scores"
            raise InputError("estimator", who, f"one with {wanted} for a {self._task} task")
        without = made.outputs([W * (place % 2) for place, W in enumerate(arrays)], Z)
        moved = not np.array_equal(scores, without) or np.ptp(scores) == 0.0
        if not moved:
            raise InputError("estimator", name, "one whose predictions follow from its coefficients")
        if not self._same_classes(fitted, scores, Z):
            raise InputError("estimator", name, f"one whose classes are those of the largest {reads}: its own differ")
        return reads

    def _columns(self, fitted: Any) -> int:
        return 1 if self._task != "multiclass" else len(fitted.classes_)

    def _same_classes(self, fitted: Any, scores: FloatArray, Z: FloatArray) -> bool:
        if self._task == "regression":
            return True
        found = scores[:, 0] > 0.0 if self._task == "binary" else np.argmax(scores, axis=1)
        return bool(np.mean(np.ravel(fitted.predict(Z)) == found) > 0.99)

    def _agrees(self, fitted: Any, arrays: Sequence[FloatArray], Z: FloatArray) -> bool:
        """Return whether an estimator predicts by its weights as this adapter does."""
        scores = self._outputs(arrays, Z)
        if scores.shape[1] != self._columns(fitted) or not self._same_classes(fitted, scores, Z):
            return False
        pairs = []
        if self._task == "regression":
            pairs.append((fitted.predict(Z), scores))
        else:
            if hasattr(fitted, "decision_function"):
                pairs.append((fitted.decision_function(Z), scores))
            if self.loss == "log" and hasattr(fitted, "predict_proba"):
                pairs.append((fitted.predict_proba(Z)[:, -scores.shape[1] :], output_prediction(scores, self._task)))
        return all(_close(np.ravel(own), np.ravel(found)) for own, found in pairs)

    def quantizable(self, weights: Weights) -> tuple[bool, ...]:
        """Return that matrices are quantized; intercepts, locations and scales are not."""
        released = len(weights) - len(weights) % 2 - 2
        return tuple(place < released and place % 2 == 0 for place in range(len(weights)))

    def _outputs(self, layers: Sequence[FloatArray], Z: FloatArray) -> FloatArray:
        active = Z
        for place in range(0, len(layers), 2):
            if place:
                active = _ACTIVATIONS[self._activation](active)
            active = active @ layers[place].T + layers[place + 1]
        return np.asarray(active)

    def layer_inputs(self, weights: Weights, X: FloatArray) -> dict[str, FloatArray]:
        """Return what each matrix of an estimator with weights of its own is given.

        Raises
        ------
        InputError
            If the estimator is made of others: what these are given is inside of its own code.
        """
        if len(weights) % 2:
            allowed = "a linear model or a perceptron by itself: what estimators inside others are given is not known"
            raise InputError("estimator", type(self.estimator).__name__, allowed)
        *layers, location, scale = weights
        active = np.asarray((X - location) / scale)
        found = {"layer 1": active}
        for place in range(2, len(layers), 2):
            active = _ACTIVATIONS[self._activation](active @ layers[place - 2].T + layers[place - 1])
            found[f"layer {place // 2 + 1}"] = active
        return found

    def _scores(self, weights: Weights, X: FloatArray) -> FloatArray:
        *layers, location, scale = weights
        if len(weights) % 2:
            # Means of the releases of several training runs carry nothing: they are read as the latest release was.
            self._last = scale.carried if isinstance(scale, Carrier) and scale.carried else self._last
            if self._last is None:
                raise InputError("weights", "arrays alone", "those that a training run of this model released")
            return self._last.outputs(layers[:-1], (X - location) / np.asarray(scale))
        W = layers[0] / scale
        return self._outputs([W, layers[1] - W @ location, *layers[2:]], X)

    def losses(self, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return the loss of each point, shape (N,)."""
        scores = self._scores(weights, X)
        if self.loss == "deviance":
            assert self._last is not None
            return deviance(y, scores[:, 0], power_of(self._last.heads[0]))
        if self.loss in ("log", "squared"):
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
            "parameters": {name: _told(value) for name, value in sorted(self.estimator.get_params().items())},
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


def _told(value: Any) -> str:
    """Return what tells a parameter apart in any process: where it lies in memory does not."""
    shown = repr(value)
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", shown) + f" {marked(value)}" if " at 0x" in shown else shown


def _plain(fitted: Any) -> list[FloatArray]:
    """Return matrices and intercepts of an estimator with weights of its own, an intercept for each output."""
    arrays = head_arrays(fitted)
    arrays[1] = np.broadcast_to(arrays[1], arrays[0].shape[:1]).copy()
    return arrays


def _close(own: Any, found: FloatArray) -> bool:
    return own.shape == found.shape and np.allclose(
        own, found, rtol=_TOLERANCE, atol=_TOLERANCE * (1.0 + np.abs(own).max())
    )
