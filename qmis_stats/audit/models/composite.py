"""Fitted scikit-learn estimators as they are, but for the weights of the heads inside, which come from outside."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import logit

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.data import Task
from qmis_stats.audit.models.base import output_prediction
from qmis_stats.audit.models.estimator_parts import forget_times, head_arrays, heads, put_arrays, searched
from qmis_stats.errors import InputError

__all__ = ["Carrier", "Composite", "carrying", "marked", "reading"]


def reading(fitted: Any, Z: FloatArray, task: Task, margins: bool) -> str:
    """Return the method whose values are the outputs of an estimator.

    Parameters
    ----------
    fitted : estimator
        Of the task.
    Z : (N, p) ndarray
        Some points.
    task : str
        Decides between numbers and classes.
    margins : bool
        Whether the loss of classifiers is of scores, not of probabilities.

    Raises
    ------
    InputError
        If a classifier gives classes alone.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> Z = np.array([[0.0], [1.0], [2.0]])
    >>> reading(LogisticRegression().fit(Z, [0, 0, 1]), Z, "binary", False)
    'decision_function'
    """
    if task == "regression":
        return "predict"
    scores, chances = (hasattr(fitted, name) for name in ("decision_function", "predict_proba"))
    if not scores and (margins or not chances):
        allowed = f"one with decision_function{'' if margins else ' or predict_proba'}"
        raise InputError("estimator", type(fitted).__name__, allowed)
    if not chances or margins:
        return "decision_function"
    own = fitted.predict_proba(Z)
    if scores:  # the same but for rounding, which probabilities near 0 and 1 do not survive
        found = np.asarray(fitted.decision_function(Z)).reshape(len(Z), -1)
        implied = output_prediction(found, task).reshape(len(Z), -1)
        if implied.shape == (own := own[:, -implied.shape[1] :]).shape and np.allclose(implied, own, rtol=0, atol=1e-9):
            return "decision_function"
    return "predict_proba"


def marked(value: Any) -> str:
    """Return a hash of an object, 32 digits, that is the same in every process.

    Functions count by their code, so that lambdas have one too, and changed functions another one.

    Examples
    --------
    >>> marked([lambda x: x + 1]) == marked([lambda x: x + 1]), marked([lambda x: x + 1]) == marked([lambda x: x + 2])
    (True, False)
    """
    return hashlib.blake2b(_spelt(value).encode(), digest_size=16).hexdigest()


def _spelt(value: Any) -> str:
    import joblib

    if hasattr(value, "__code__"):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        return _spelt([value.__code__, held, value.__defaults__])
    if hasattr(value, "co_code"):
        return _spelt([value.co_code, value.co_names, *value.co_consts])
    try:
        return str(joblib.hash(value))
    except Exception:  # of many kinds, where a function is inside that has no name to be found by
        parts = vars(value) if hasattr(value, "__dict__") else value
        inside = [*parts.items()] if isinstance(parts, dict) else parts if isinstance(parts, (list, tuple)) else []
        return f"{type(value).__qualname__}({', '.join(map(_spelt, inside))})"


class Composite:
    """A fitted estimator that predicts by its own code, with weights that are put into its heads.

    Parameters
    ----------
    fitted : estimator
        It is copied.
    task : str
        Decides what its outputs are.
    reads : str
        See :func:`reading`.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> Z = np.array([[0.0], [1.0], [2.0]])
    >>> made = Composite(make_pipeline(Ridge(alpha=0.0)).fit(Z, [1.0, 3.0, 5.0]), "regression", "predict")
    >>> W, b, _ = made.released()
    >>> made.outputs([W, b], Z).round(6).ravel().tolist(), made.outputs([2.0 * W, b], Z).round(6).ravel().tolist()
    ([1.0, 3.0, 5.0], [1.0, 5.0, 9.0])
    """

    def __init__(self, fitted: Any, task: Task, reads: str) -> None:
        self.fitted = copy.deepcopy(searched(fitted))
        forget_times(self.fitted)
        self.heads = heads(self.fitted)
        self.task = task
        self.reads = reads
        self._arrays = [head_arrays(head) for head in self.heads]

    def released(self) -> list[FloatArray]:
        """Return matrices and intercepts of all heads, in turn, and a mark of all else."""
        arrays = [array for own in self._arrays for array in own]
        self._put([np.zeros_like(array) for array in arrays])
        mark = marked(self.fitted)
        self._put(arrays)
        return [*arrays, np.array([int(mark[place : place + 8], 16) for place in range(0, 32, 8)], dtype=np.float64)]

    def outputs(self, arrays: Sequence[FloatArray], Z: FloatArray) -> FloatArray:
        """Return predictions of regressors, and scores or log-odds of classifiers, shape (N, C)."""
        self._put(arrays)
        found = np.asarray(getattr(self.fitted, self.reads)(Z), dtype=np.float64)
        if self.reads != "predict_proba":
            return found.reshape(len(Z), -1)
        least = np.finfo(np.float64).eps
        chances = np.clip(found, least, 1.0 - least)
        return np.asarray(logit(chances[:, 1:]) if self.task == "binary" else np.log(chances))

    def _put(self, arrays: Sequence[FloatArray]) -> None:
        """Give the heads other weights."""
        rest = list(arrays)
        for head, own in zip(self.heads, self._arrays, strict=True):
            put_arrays(head, rest[: len(own)])
            del rest[: len(own)]


class Carrier(np.ndarray[Any, np.dtype[np.float64]]):
    """An array that carries a composite estimator through whatever is done to arrays of weights.

    Examples
    --------
    >>> scale = carrying(np.ones(2), "anything")
    >>> (scale + 0.5).carried, np.asarray(scale).tolist()
    ('anything', [1.0, 1.0])
    """

    carried: Any

    def __array_finalize__(self, origin: Any) -> None:
        """Carry on what the array that this one is made of carries."""
        self.carried = getattr(origin, "carried", None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Carry it to other processes too."""
        made: Any = super().__reduce__()
        return (*made[:2], (made[2], self.carried))

    def __setstate__(self, state: Any) -> None:
        """Take up what was carried."""
        super().__setstate__(state[0])
        self.carried = state[1]


def carrying(array: FloatArray, carried: Any) -> Carrier:
    """Return the array with what it is to carry."""
    made = array.view(Carrier)
    made.carried = carried
    return made
