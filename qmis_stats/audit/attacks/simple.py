"""Two attacks that fit nothing: the loss, and the exact likelihood ratio where a model is solvable (S1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.base import Scorer
from qmis_stats.audit.attacks.game import Known, Shown
from qmis_stats.audit.models.base import Weights
from qmis_stats.errors import InputError

__all__ = ["BayesOptimal", "LogRatio", "LossThreshold"]

LogRatio: TypeAlias = Callable[[Weights, FloatArray, FloatArray], FloatArray]
"""``(weights, X, y)`` to log Λ of each point, −∞ where a member could not have led to these weights."""

_ABOVE_ZERO = float(np.nextafter(0.0, 1.0))


@dataclass(frozen=True)
class LossThreshold:
    """A small loss says "member", with one threshold for all points (Yeom et al. 2018).

    Examples
    --------
    >>> LossThreshold().name
    'loss threshold'
    """

    name: str = "loss threshold"
    threshold: float | None = None

    def fit(self, known: Known) -> Scorer:
        """Return minus the loss."""

        def score(shown: Shown) -> FloatArray:
            return -shown.losses

        return score


@dataclass(frozen=True)
class BayesOptimal:
    """The most powerful attack: the exact log likelihood ratio, a member where it is positive (Statement S1).

    Parameters
    ----------
    log_ratio : callable
        ``(weights, X, y)`` to log P(weights | the point is a member) − log P(weights), for instance that of
        :func:`~qmis_stats.audit.attacks.solvable.solvable`.
    name : str
        For tables.

    Examples
    --------
    >>> BayesOptimal(lambda weights, X, y: weights[0] * X[:, 0]).threshold > 0.0
    True
    """

    log_ratio: LogRatio
    name: str = "optimal"
    threshold: float | None = _ABOVE_ZERO

    def fit(self, known: Known) -> Scorer:
        """Return log Λ."""

        def score(shown: Shown) -> FloatArray:
            found = np.array(
                [self.log_ratio(w, X, y) for w, X, y in zip(shown.weights, shown.points, shown.y, strict=True)],
                dtype=np.float64,
            )
            if found.shape != shown.y.shape:
                raise InputError("log_ratio", found.shape, f"one number per point, of shape {shown.y.shape} in all")
            return found

        return score
