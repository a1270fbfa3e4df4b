"""Checkpoints of a scikit-learn estimator before its final fit, from partial fits or from fits that are weaker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.models.base import Weights, checkpoint_steps
from qmis_stats.audit.models.estimator_parts import core

__all__ = ["earlier", "path_of", "settled"]

_STRONGER = 1000.0


def settled(estimator: Any, settings: dict[str, Any]) -> Any:
    """Return a clone of an estimator with some parameters set."""
    from sklearn.base import clone

    return clone(estimator).set_params(**settings)


def path_of(estimator: Any) -> str:
    """Return what the checkpoints of an estimator before the last are.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression, Ridge
    >>> path_of(LinearRegression()), path_of(Ridge())
    ('growing', 'regularisation')
    """
    parameters = core(estimator)[1].get_params()
    refused = parameters.get("early_stopping") is True or parameters.get("class_weight") == "balanced"
    if hasattr(estimator, "partial_fit") and not refused:
        return "partial_fit"
    if isinstance(parameters.get("max_iter"), int) and parameters["max_iter"] > 0:
        return "max_iter"
    return "regularisation" if _strength(parameters) is not None else "growing"


def _strength(parameters: dict[str, Any]) -> str | None:
    """Return the name of the parameter that sets the regularisation."""
    for field in ("alpha", "C"):
        value = parameters.get(field)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0.0:
            return field
    return None


def earlier(
    estimator: Any,
    Z: FloatArray,
    y: Any,
    *,
    count: int,
    epochs: int | None,
    rng: np.random.Generator,
    release: Callable[[Any], Weights],
) -> Iterator[Weights]:
    """Yield what is released of the estimator before its final fit, which went through.

    Parameters
    ----------
    estimator : estimator
        With all that is random fixed; it is cloned.
    Z, y : ndarray
        What it is fitted to.
    count : int
        Most checkpoints.
    epochs : int, optional
        Of partial fits.
    rng : Generator
        Order of the points.
    release : callable
        From a fitted estimator to weights.
    """
    prefix, inside = core(estimator)
    parameters = inside.get_params()
    path = path_of(estimator)
    if path == "partial_fit":
        yield from _epochs(settled(estimator, {}), Z, y, count, epochs or _most(parameters), rng, release)
        return
    changes: list[dict[str, Any]] = [{}]
    parts: list[Any] = [slice(None)]
    if path == "max_iter":
        most = parameters["max_iter"]
        changes = [{f"{prefix}max_iter": step} for step in checkpoint_steps(most, count + 1) if step < most]
    elif path == "regularisation":
        field = str(_strength(parameters))
        factors = np.geomspace(_STRONGER, 1.0, count + 1)[:-1]
        values = [parameters[field] / f if field == "C" else parameters[field] * f for f in factors]
        changes = [{f"{prefix}{field}": float(value)} for value in values]
    else:
        order = rng.permutation(len(y))
        least = min(len(y), max(2, Z.shape[1] + 2))
        parts = [order[: int(size)] for size in np.linspace(least, len(y), count + 1)[:-1]]
        if y.dtype.kind == "i":  # classes, all of which are needed
            parts = [rows for rows in parts if np.unique(y[rows]).size == np.unique(y).size]
    for change in changes:
        for rows in parts:
            try:
                weights = release(settled(estimator, change).fit(Z[rows], y[rows]))
            except Exception:  # whatever it says: the final fit, of the estimator as it is, went through
                continue
            yield weights


def _most(parameters: dict[str, Any]) -> int:
    return min(100, int(parameters.get("max_iter") or 100))


def _epochs(
    fitted: Any,
    Z: FloatArray,
    y: Any,
    count: int,
    epochs: int,
    rng: np.random.Generator,
    release: Callable[[Any], Weights],
) -> Iterator[Weights]:
    """Yield the weights at geometric numbers of epochs of partial fits."""
    extra = {"classes": np.unique(y)} if y.dtype.kind == "i" else {}
    steps = set(checkpoint_steps(epochs, count))
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(y))
        fitted.partial_fit(Z[order], y[order], **(extra if epoch == 1 else {}))
        if epoch in steps:
            yield release(fitted)
