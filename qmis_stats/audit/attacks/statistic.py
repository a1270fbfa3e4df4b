"""What an attack measures of a point under released weights: logit-scaled confidence, residual, or minus the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.game import Shown
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.calls import losses_of, losses_of_each, predictions_of
from qmis_stats.errors import InputError

__all__ = ["STATISTICS", "Statistic", "chosen_statistic", "logit_confidence", "of_losses", "under_each"]

Statistic: TypeAlias = Callable[[Model, Weights, FloatArray, FloatArray], FloatArray]
"""``(model, weights, X, y)`` to one number per point."""

STATISTICS = ("auto", "logit", "residual", "loss")
"""Names of statistics."""

_SMALLEST_LOSS = 1e-300


def logit_confidence(losses: FloatArray) -> FloatArray:
    """Return log(p/(1 − p)) from losses −log p, without cancellation at either end.

    Examples
    --------
    >>> logit_confidence(-np.log([0.5, 0.9])).round(6).tolist(), logit_confidence(np.array([1e-30])).round(2).tolist()
    ([0.0, 2.197225], [69.08])
    """
    loss = np.maximum(losses, _SMALLEST_LOSS)
    return np.asarray(-loss - np.log(-np.expm1(-loss)))


def _logit(model: Model, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
    return logit_confidence(losses_of(model, weights, X, y))


def _residual(model: Model, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
    return np.asarray(y - predictions_of(model, weights, X))


def _loss(model: Model, weights: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
    return -losses_of(model, weights, X, y)


def _has_residuals(model: Model, shown: Shown) -> bool:
    """Return whether the loss of a regression is the square of the residual: it then has the sign as well."""
    prediction = predictions_of(model, shown.weights[0], shown.points[0])
    return bool(np.allclose((shown.y[0] - prediction) ** 2, shown.losses[0], rtol=1e-8, atol=1e-12))


def chosen_statistic(name: str | Statistic, model: Model, shown: Shown, *, signed: bool) -> Statistic:
    """Return a statistic by its name, or as it is.

    ``"auto"`` is the logit-scaled confidence for a classification; for a regression the residual where signs are
    wanted and the loss is its square, else minus the loss.

    Raises
    ------
    InputError
        If there is no such statistic, or the logit is asked for a regression.
    """
    if callable(name):
        return name
    if not isinstance(name, str) or name not in STATISTICS:
        raise InputError("statistic", name, f"a function, or one of {', '.join(STATISTICS)}")
    regression = model.task == "regression"
    if name == "logit" and regression:
        raise InputError("statistic", name, "'residual' or 'loss' for a regression")
    if name == "auto":
        name = "logit" if not regression else "residual" if signed and _has_residuals(model, shown) else "loss"
    found: dict[str, Statistic] = {"logit": _logit, "residual": _residual, "loss": _loss}
    return found[name]


def of_losses(measure: Statistic) -> Callable[[FloatArray], FloatArray] | None:
    """Return what a statistic is of losses that are there already; ``None`` where it takes more than these."""
    return logit_confidence if measure is _logit else np.negative if measure is _loss else None


def under_each(
    measure: Statistic, model: Model, weights: Sequence[Weights], X: FloatArray, y: FloatArray
) -> list[FloatArray]:
    """Return the statistic of the points under each of several weights, by one pass over them where it can be."""
    found = of_losses(measure)
    return (
        [measure(model, one, X, y) for one in weights]
        if found is None
        else list(found(losses_of_each(model, weights, X, y)))
    )
