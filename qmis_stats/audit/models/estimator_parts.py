"""What scikit-learn estimators are made of: the heads inside, their weights, and what cannot be audited, by name."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError

__all__ = [
    "core",
    "forget_times",
    "head_arrays",
    "heads",
    "put_arrays",
    "refuse_by_name",
    "searched",
    "seeds",
]

_SEVERAL = "one for a single target, as that of a data set is: give the estimator that it holds"
_REFUSED = {
    "MultiOutputRegressor": _SEVERAL,
    "MultiOutputClassifier": _SEVERAL,
    "RegressorChain": _SEVERAL,
    "ClassifierChain": _SEVERAL,
    "OneVsOneClassifier": "one with scores, not counts of votes: OneVsRestClassifier has scores",
    "OutputCodeClassifier": "one with scores, not distances to codes: OneVsRestClassifier has scores",
}
_FROZEN = "trained on the training subset: a FrozenEstimator keeps what it was fitted on before; give what it holds"
_WEIGHTLESS = "one whose prediction is made of weights (coef_ or coefs_ after fit)"


def refuse_by_name(estimator: Any) -> None:
    """Refuse what cannot be audited whatever it is fitted to, by the name of what is to blame.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.multioutput import MultiOutputRegressor
    >>> refuse_by_name(MultiOutputRegressor(Ridge()))
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: estimator = 'MultiOutputRegressor': must be one for a single target, as that of a ...
    """
    for part in (estimator, *estimator.get_params().values()):
        name = type(part).__name__
        allowed = _REFUSED.get(name)
        if name == "VotingClassifier" and part.voting != "soft":
            allowed = "one with voting='soft': votes are no scores"
        elif name.endswith("SearchCV") and part.refit is False:
            allowed = "one with refit=True: the best estimator is what is released"
        if allowed is not None:
            raise InputError("estimator", _inside(type(estimator).__name__, name), allowed)


def _inside(outer: str, name: str) -> str:
    return f"{name} in {outer}" if outer not in ("", name) else name


def _inner(estimator: Any) -> tuple[str, Any] | None:
    """Return the name of the parameter that holds the one estimator inside, and this estimator."""
    if hasattr(estimator, "steps"):
        return estimator.steps[-1]  # type: ignore[no-any-return]
    parameters = estimator.get_params(deep=False)
    return next(((k, parameters[k]) for k in ("estimator", "regressor") if hasattr(parameters.get(k), "fit")), None)


def core(estimator: Any) -> tuple[str, Any]:
    """Return the innermost estimator, and what its parameters are prefixed by in the outermost one.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> core(make_pipeline(Ridge()))
    ('ridge__', Ridge())
    """
    prefix = ""
    while (step := _inner(estimator)) is not None:
        prefix, estimator = f"{prefix}{step[0]}__", step[1]
    return prefix, estimator


def searched(fitted: Any) -> Any:
    """Return the best estimator of a search, which was fitted to all points, and any other estimator as it is."""
    while hasattr(fitted, "best_estimator_"):
        fitted = fitted.best_estimator_
    return fitted


def seeds(estimator: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Return parameters that fix all that is random: states of ``None``, also of what splits points into folds."""
    found: dict[str, Any] = {}
    for name, value in sorted(estimator.get_params().items()):
        if name.split("__")[-1] == "random_state" and value is None:
            found[name] = int(rng.integers(2**31))
        elif not hasattr(value, "get_params") and getattr(value, "random_state", 0) is None:
            found[name] = copy.copy(value)
            found[name].random_state = int(rng.integers(2**31))
    return found


def heads(fitted: Any, outer: str = "") -> list[Any]:
    """Return the fitted estimators with weights of their own that an estimator is made of, in their order.

    Transformers are not heads: they are released as they are.

    Raises
    ------
    InputError
        If a part has no weights: it is named.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> heads(make_pipeline(Ridge()).fit([[0.0], [1.0]], [0.0, 1.0]))
    [Ridge()]
    """
    name = type(fitted).__name__
    if name == "FrozenEstimator":
        raise InputError("estimator", _inside(outer, name), _FROZEN)
    if hasattr(fitted, "coefs_") or hasattr(fitted, "coef_"):
        return [fitted]
    parts = _parts(fitted)
    if not parts:
        raise InputError("estimator", _inside(outer, name), _WEIGHTLESS)
    return [head for part in parts for head in heads(part, outer or name)]


def _parts(fitted: Any) -> list[Any]:
    if hasattr(fitted, "steps"):
        return [fitted.steps[-1][1]]
    if hasattr(fitted, "calibrated_classifiers_"):
        return [one.estimator for one in fitted.calibrated_classifiers_]
    if hasattr(fitted, "estimators_"):  # before estimator_, which is not fitted where there are several
        last = [fitted.final_estimator_] if hasattr(fitted, "final_estimator_") else []
        return [one for one in [*np.ravel(np.array(fitted.estimators_, dtype=object)), *last] if hasattr(one, "fit")]
    inside = ("best_estimator_", "regressor_", "estimator_")
    return next(([part] for name in inside if hasattr(part := getattr(fitted, name, None), "fit")), [])


def head_arrays(head: Any) -> list[FloatArray]:
    """Return matrices (outputs, inputs) and intercepts of a fitted linear model or perceptron, in turn."""
    if hasattr(head, "coefs_"):
        pairs = zip(head.coefs_, head.intercepts_, strict=True)
        return [np.array(a.T, dtype=np.float64) for pair in pairs for a in pair]
    coef = head.coef_
    coef = np.atleast_2d(np.array(coef.toarray() if hasattr(coef, "toarray") else coef, dtype=np.float64))
    return [coef, np.atleast_1d(np.array(getattr(head, "intercept_", 0.0), dtype=np.float64))]


def put_arrays(head: Any, arrays: Sequence[FloatArray]) -> None:
    """Give a head other weights."""
    if hasattr(head, "coefs_"):
        head.coefs_ = [W.T for W in arrays[::2]]
        head.intercepts_ = list(arrays[1::2])
        return
    head.coef_ = np.reshape(arrays[0], np.shape(head.coef_))
    if hasattr(head, "intercept_"):
        shape = np.shape(head.intercept_)
        head.intercept_ = np.reshape(arrays[1], shape) if shape else float(arrays[1][0])


def forget_times(fitted: Any) -> None:
    """Drop what searches keep of their course, which contains how long they took."""
    for name in ("cv_results_", "refit_time_"):
        vars(fitted).pop(name, None)
    for part in _parts(fitted):
        forget_times(part)
