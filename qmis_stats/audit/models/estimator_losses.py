"""Losses of scikit-learn estimators: which ones an estimator has, and the deviance of generalised linear models."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import xlogy

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.models.estimator_parts import core

__all__ = ["deviance", "own_losses", "power_of"]

_POWERS = {"PoissonRegressor": 1.0, "GammaRegressor": 2.0, "TweedieRegressor": None}
"""Of the variance function of generalised linear models; None where a parameter says it."""


def own_losses(estimator: Any, regressor: bool) -> tuple[str, ...]:
    """Return the losses that an estimator may have, its own first.

    Examples
    --------
    >>> from sklearn.svm import LinearSVC
    >>> own_losses(LinearSVC(), regressor=False)
    ('hinge', 'log')
    """
    inside = core(estimator)[1]
    name = type(inside).__name__
    around = {type(part).__name__ for part in (estimator, *estimator.get_params().values())}
    if regressor:
        own = name in _POWERS and "TransformedTargetRegressor" not in around
        return ("deviance", "squared") if own else ("squared",)
    margin = "hinge" in str(inside.get_params().get("loss", "")) or name in ("SVC", "NuSVC", "Perceptron")
    return ("hinge", "log") if margin and "CalibratedClassifierCV" not in around else ("log", "hinge")


def power_of(head: Any) -> float:
    """Return of which power of the mean the variance is in a fitted generalised linear model."""
    own = _POWERS[type(head).__name__]
    return float(head.power if own is None else own)


def deviance(y: FloatArray, mean: FloatArray, power: float) -> FloatArray:
    """Return the unit deviance of each point, for a variance that is a power of the mean.

    Examples
    --------
    >>> deviance(np.array([1.0, 0.0]), np.array([1.0, 2.0]), 1.0).tolist()
    [0.0, 4.0]
    """
    if power == 0.0:
        return np.asarray((y - mean) ** 2)
    if power == 1.0:
        return np.asarray(2.0 * (xlogy(y, y / mean) - y + mean))
    if power == 2.0:
        return np.asarray(2.0 * (np.log(mean / y) + y / mean - 1.0))
    first = np.maximum(y, 0.0) ** (2.0 - power) / (1.0 - power)
    second = y * mean ** (1.0 - power) / (1.0 - power)
    return np.asarray(2.0 * (first / (2.0 - power) - second + mean ** (2.0 - power) / (2.0 - power)))
