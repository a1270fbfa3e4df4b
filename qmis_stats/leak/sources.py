"""From what people have to a fit: scikit-learn estimators, statsmodels results, heads of an audit (Statement S15)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.foreign import raised_by
from qmis_stats.leak.fits import Fit, fit_from
from qmis_stats.validation import float_array, labels_of

__all__ = ["fit_of", "fit_of_weights", "points_like"]

_HEADS = {"Linear": "squared", "Logistic": "logistic", "Softmax": "softmax"}

_ALLOWED = (
    "a Fit, a fitted LinearRegression, Ridge, LogisticRegression, PoissonRegressor, SGDClassifier or SGDRegressor, a "
    "pipeline that ends in one, statsmodels OLS or GLM results, or a linear head of the package"
)


def fit_of(fitted: Any, X: ArrayLike | None = None, y: ArrayLike | None = None) -> Fit:
    """Return the fit that an object holds.

    Parameters
    ----------
    fitted : object
        A ``Fit``, a fitted scikit-learn estimator or pipeline, statsmodels results, or a linear head of the package,
        which is trained on X and y.
    X, y : array_like, optional
        What it was trained on.

    Raises
    ------
    InputError
        If the object is not one of these, or its settings are not those of a ridge penalised fit.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> rng = np.random.default_rng(1)
    >>> X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    >>> fit_of(Ridge(alpha=2.0).fit(X, y), X, y).penalty
    array([2., 2., 2.])
    """
    if isinstance(fitted, Fit):
        return fitted
    if hasattr(fitted, "model") and hasattr(fitted, "params") and hasattr(fitted.model, "exog"):
        return _from_statsmodels(fitted)
    if X is None or y is None:
        raise InputError("X" if X is None else "y", None, "what the model was trained on")
    fitted, features, targets = _last_step(fitted, X, y)
    if hasattr(fitted, "fit_path") and hasattr(fitted, "alpha"):
        return _from_head(fitted, features, targets)
    name = type(fitted).__name__
    if name not in _ESTIMATORS:
        raise InputError("fitted", name, _ALLOWED)
    if not hasattr(fitted, "coef_"):
        raise InputError("fitted", name, "fitted: call its fit(X, y) first")
    return _ESTIMATORS[name](fitted, features, targets)


def points_like(fitted: Any, X: ArrayLike, y: ArrayLike, trained_on: tuple[Any, Any]) -> tuple[FloatArray, FloatArray]:
    """Return features and targets of other points as those of the training points are in the fit that an object holds.

    Parameters
    ----------
    fitted : object
        As for :func:`fit_of`.
    X, y : array_like
        Of the other points, as the object was given its own.
    trained_on : tuple
        X and y of the training points.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0]], ["no", "yes", "no"])
    >>> points_like(model, [[5.0]], ["yes"], (None, None))[1]
    array([1.])
    """
    if isinstance(fitted, Fit):
        return _features(X), _numbers(y)
    if hasattr(fitted, "model") and hasattr(fitted.model, "exog"):
        return _like_exog(_features(X), fitted.model.exog), _numbers(y)
    fitted, features, targets = _last_step(fitted, X, y)
    if hasattr(fitted, "fit_path"):
        _, own, of_own = _last_step(fitted, *trained_on)
        return _in_units(fitted, _trained(fitted, own, of_own), features, targets)
    return features, _classes(fitted, targets) if hasattr(fitted, "classes_") else _numbers(targets)


def _last_step(fitted: Any, X: ArrayLike, y: ArrayLike) -> tuple[Any, FloatArray, Any]:
    """Return what has the weights, in a pipeline its last step, with the features and targets that it is given."""
    features, targets = _features(X), labels_of("y", y)
    if targets.ndim != 1 or targets.size != features.shape[0]:
        raise InputError("y", targets.shape, f"one target per row of X, which has {features.shape[0]}")
    if not hasattr(fitted, "steps"):
        return fitted, features, targets
    with raised_by(f"fitted, a {type(fitted).__name__},"):
        made = fitted[:-1].transform(X)
    return fitted.steps[-1][1], _features(made.toarray() if hasattr(made, "toarray") else made), targets


def _features(X: ArrayLike) -> FloatArray:
    found = float_array("X", X, "an array of numbers of shape (n, p)")
    if found.ndim != 2:
        raise InputError("X", found.shape, "of shape (n, p)")
    return found


def _numbers(y: Any) -> FloatArray:
    return float_array("y", y, "numbers")


def _intercept(fitted: Any) -> FloatArray | None:
    return np.atleast_1d(np.asarray(fitted.intercept_, dtype=np.float64)) if fitted.fit_intercept else None


def _refuse(fitted: Any, **allowed: Any) -> None:
    """Refuse settings whose objective is another one."""
    for field, values in allowed.items():
        value = getattr(fitted, field, None)
        if value not in values:
            shown = " or ".join(repr(v) for v in values)
            raise InputError(f"{type(fitted).__name__}.{field}", value, f"{shown}: the objective has to be known")


def _least_squares(fitted: Any, X: FloatArray, y: Any) -> Fit:
    if np.ndim(fitted.coef_) != 1:
        raise InputError("y", np.shape(y), "one target per point")
    _refuse(fitted, positive=(False,))
    penalty = getattr(fitted, "alpha", 0.0)
    return fit_from(X, _numbers(y), fitted.coef_, "squared", penalty, _intercept(fitted))


def _classes(fitted: Any, y: Any) -> FloatArray:
    """Return the number of each point's class."""
    classes = np.asarray(fitted.classes_)
    if not np.isin(y, classes).all():
        raise InputError("y", np.setdiff1d(y, classes)[:3].tolist(), f"the classes {classes[:8].tolist()} of the fit")
    return np.asarray(np.searchsorted(classes, y), dtype=np.float64)


def _logistic(fitted: Any, X: FloatArray, y: Any) -> Fit:
    _refuse(fitted, class_weight=(None,), dual=(False, None))
    ratio = getattr(fitted, "l1_ratio", None)
    kind = getattr(fitted, "penalty", "l2")
    if kind in ("l1", "elasticnet") or ratio not in (None, 0.0, 0):
        raise InputError("LogisticRegression.penalty", kind, "a ridge penalty, or none")
    if fitted.solver == "liblinear" and fitted.fit_intercept:
        raise InputError("LogisticRegression.solver", "liblinear", "another one: this one penalises the intercept")
    chosen = fitted.C_ if hasattr(fitted, "C_") else fitted.C  # C_ is what cross-validation has chosen
    penalty = 1.0 / float(np.ravel(chosen)[0]) if kind is not None else 0.0
    targets = _classes(fitted, y)
    if len(fitted.classes_) == 2:
        return fit_from(X, targets, np.ravel(fitted.coef_), "logistic", penalty, _intercept(fitted))
    return fit_from(X, targets, fitted.coef_, "softmax", penalty, _intercept(fitted))


def _poisson(fitted: Any, X: FloatArray, y: Any) -> Fit:
    # Its objective is a mean over the points.
    return fit_from(X, _numbers(y), fitted.coef_, "poisson", fitted.alpha * X.shape[0], _intercept(fitted))


def _tweedie(fitted: Any, X: FloatArray, y: Any) -> Fit:
    loss, link = {0: ("squared", "identity"), 1: ("poisson", "log")}.get(fitted.power, ("", ""))
    if not loss or fitted.link not in ("auto", link):
        raise InputError("fitted", type(fitted).__name__, _ALLOWED)
    return fit_from(X, _numbers(y), fitted.coef_, loss, fitted.alpha * X.shape[0], _intercept(fitted))


def _stochastic(fitted: Any, X: FloatArray, y: Any) -> Fit:
    classifier = hasattr(fitted, "classes_")
    loss = {"log_loss": "logistic", "squared_error": "squared"}.get(fitted.loss)
    if loss is None or (loss == "logistic") != classifier or (classifier and len(fitted.classes_) != 2):
        raise InputError(f"{type(fitted).__name__}.loss", fitted.loss, "log_loss for two classes, or squared_error")
    _refuse(fitted, penalty=("l2",), class_weight=(None,))
    targets = _classes(fitted, y) if classifier else _numbers(y)
    note = "Stochastic gradients stop short of the minimum: the figures are those of the exact fit."
    return refitted(X, targets, loss, fitted.alpha * X.shape[0], fitted.fit_intercept, (note,))


def refitted(
    X: FloatArray, y: FloatArray, loss: str, penalty: float, intercept: bool, notes: tuple[str, ...] = ()
) -> Fit:
    """Return the exact fit for one output, by scikit-learn's solvers."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if loss == "squared":
        model = Ridge(alpha=penalty, fit_intercept=intercept).fit(X, y)
    else:
        model = LogisticRegression(C=1.0 / penalty, fit_intercept=intercept, tol=1e-10, max_iter=10_000).fit(X, y)
    return fit_from(X, y, np.ravel(model.coef_), loss, penalty, _intercept(model), notes=notes)


_ESTIMATORS: dict[str, Callable[[Any, FloatArray, Any], Fit]] = {
    "LinearRegression": _least_squares,
    "Ridge": _least_squares,
    "RidgeCV": lambda fitted, X, y: fit_from(
        X, _numbers(y), fitted.coef_, "squared", fitted.alpha_, _intercept(fitted)
    ),
    "LogisticRegression": _logistic,
    "LogisticRegressionCV": _logistic,
    "PoissonRegressor": _poisson,
    "TweedieRegressor": _tweedie,
    "SGDClassifier": _stochastic,
    "SGDRegressor": _stochastic,
}


def _from_statsmodels(results: Any) -> Fit:
    """Return OLS or a GLM with its canonical link; a constant column is the intercept."""
    model = results.model
    family = getattr(model, "family", None)
    if family is None and type(model).__name__ not in ("OLS", "Logit", "Poisson"):
        raise InputError("fitted", type(model).__name__, _ALLOWED)
    kind = type(model).__name__ if family is None else type(family).__name__
    link = None if family is None else type(family.link).__name__
    loss = {
        ("OLS", None): "squared",
        ("Logit", None): "logistic",
        ("Poisson", None): "poisson",
        ("Gaussian", "Identity"): "squared",
        ("Binomial", "Logit"): "logistic",
        ("Poisson", "Log"): "poisson",
    }.get((kind, link))
    if loss is None:
        raise InputError("fitted", f"{kind} with link {link}", "a family with its canonical link")
    for field in ("offset", "exposure", "freq_weights"):
        value = getattr(model, field, None)
        if value is not None and np.size(value) and np.ptp(np.asarray(value, dtype=np.float64)) > 0.0:
            raise InputError(f"fitted.model.{field}", "given", "left out")
    exog, theta = np.asarray(model.exog, dtype=np.float64), np.asarray(results.params, dtype=np.float64)
    y = np.asarray(model.endog, dtype=np.float64)
    constant = _constant(exog)
    if constant is None:
        return fit_from(exog, y, theta, loss)
    return fit_from(
        np.delete(exog, constant, axis=1), y, np.delete(theta, constant), loss, 0.0, theta[constant] * exog[0, constant]
    )


def _like_exog(X: FloatArray, exog: Any) -> FloatArray:
    own = np.asarray(exog, dtype=np.float64)
    if X.shape[1] != own.shape[1]:
        raise InputError("X", X.shape, f"of {own.shape[1]} columns, those of exog")
    constant = _constant(own)
    return X if constant is None else np.delete(X, constant, axis=1)


def _constant(exog: FloatArray) -> int | None:
    """Return which column is the same number for all points, not 0: it is the intercept."""
    found = np.flatnonzero(np.all(exog == exog[0], axis=0) & (exog[0] != 0.0))
    return int(found[0]) if found.size else None


def _from_head(head: Any, X: FloatArray, y: Any) -> Fit:
    """Train a linear head of an audit, without the checkpoints on its way."""
    if type(head).__name__ not in _HEADS:
        raise InputError("fitted", type(head).__name__, _ALLOWED)
    return fit_of_weights(head, _trained(head, X, y), X, y)


def _trained(head: Any, X: FloatArray, y: Any) -> tuple[FloatArray, ...]:
    *_, weights = replace(head, checkpoints=1).fit_path(X, _numbers(y), np.random.default_rng(0))
    return tuple(weights)


def fit_of_weights(head: Any, weights: tuple[FloatArray, ...], X: FloatArray, y: Any) -> Fit:
    """Return the fit of a linear head that was trained: its weights act on features, and on a target, in their units.

    Parameters
    ----------
    head : Linear, Logistic or Softmax
        Its settings.
    weights : tuple of ndarray
        What its training on X and y released.
    X, y : ndarray
        Of shapes (n, p) and (n,).

    Raises
    ------
    InputError
        If the weights are not at the minimum.
    """
    features, targets = _in_units(head, weights, X, y)
    return fit_from(features, targets, weights[0], _HEADS[type(head).__name__], head.alpha, weights[1])


def _in_units(head: Any, weights: tuple[FloatArray, ...], X: FloatArray, y: Any) -> tuple[FloatArray, FloatArray]:
    """Return features and targets in the units of the weights."""
    targets = _numbers(y)
    if _HEADS[type(head).__name__] == "squared":
        targets = (targets - weights[4][0]) / weights[4][1]
    return (X - weights[2]) / weights[3], targets
