"""A learned discriminator: a classifier of members on features of (released weights, point)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.base import Scorer
from qmis_stats.audit.attacks.game import Known, Shown
from qmis_stats.audit.attacks.statistic import chosen_statistic, of_losses
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.calls import losses_of
from qmis_stats.errors import InputError
from qmis_stats.threads import one_thread

__all__ = ["Discriminator", "Features", "default_features"]

Features: TypeAlias = Callable[[Model, Weights, Weights, FloatArray, FloatArray], FloatArray]
"""``(model, weights, reference, X, y)`` to (points, features); the reference is the mean of other released weights."""

_STEP = 0.05


def default_features(model: Model, weights: Weights, reference: Weights, X: FloatArray, y: FloatArray) -> FloatArray:
    """Return loss, margin, loss at the reference, their difference, and a gradient inner product.

    The inner product is that of the gradient of the loss at the released weights w with u = w − reference, by a central
    difference along u: a member pulls weights towards a smaller loss of its own. The difference of the losses is the
    integral of the same inner product along the way. The margin is the statistic of LiRA.

    Parameters
    ----------
    model : Model
        What was trained.
    weights, reference : Weights
        Released; and the mean of what other training runs released.
    X, y : ndarray
        Points.

    Returns
    -------
    (N, 5) ndarray
    """
    loss, away = losses_of(model, weights, X, y), losses_of(model, reference, X, y)
    ahead, behind = (
        losses_of(model, tuple(w + s * (w - r) for w, r in zip(weights, reference, strict=True)), X, y)
        for s in (_STEP, -_STEP)
    )
    shown = Shown((weights,), X[None], y[None], loss[None], None, 0)
    statistic = chosen_statistic("auto", model, shown, signed=True)
    of_loss = of_losses(statistic)
    margin = statistic(model, weights, X, y) if of_loss is None else of_loss(loss)
    return np.column_stack([loss, margin, away, loss - away, (ahead - behind) / (2.0 * _STEP)])


@dataclass(frozen=True)
class Discriminator:
    """A classifier fitted on the points of the shadow runs, whose membership is known.

    Parameters
    ----------
    estimator : {"logistic", "boosting"} or scikit-learn classifier
        Logistic regression on standardised features, their squares and products; gradient boosted trees; or an own
        classifier with ``predict_proba`` or ``decision_function``, which is cloned.
    features : callable
        See :func:`default_features`.
    name : str
        For tables.

    Examples
    --------
    >>> Discriminator("boosting").name
    'discriminator, boosting'
    """

    estimator: Any = "logistic"
    features: Features = default_features
    name: str = ""
    threshold: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if isinstance(self.estimator, str) and self.estimator not in ("logistic", "boosting"):
            raise InputError("estimator", self.estimator, "'logistic', 'boosting' or a scikit-learn classifier")
        if not self.name:
            kind = self.estimator if isinstance(self.estimator, str) else type(self.estimator).__name__
            object.__setattr__(self, "name", f"discriminator, {kind}")

    def _classifier(self, seed: int) -> Any:
        from sklearn.base import clone
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import PolynomialFeatures, StandardScaler

        if self.estimator == "logistic":
            return make_pipeline(
                StandardScaler(),
                PolynomialFeatures(2, include_bias=False),
                StandardScaler(),
                LogisticRegression(C=1.0, max_iter=2000),
            )
        if self.estimator == "boosting":
            return HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=8, random_state=seed % 2**31)
        return clone(self.estimator)

    def fit(self, known: Known) -> Scorer:
        """Return the fitted log odds of membership."""
        released = known.shadow.shown.weights
        count, total = len(released), _total(released)
        mean = tuple(t / count for t in total)
        own = (tuple((t - w) / (count - 1.0) for t, w in zip(total, ws, strict=True)) for ws in released)
        classifier = self._classifier(known.seed)
        with one_thread():
            classifier.fit(self._table(known, known.shadow.shown, own), known.shadow.member.ravel())

        def score(shown: Shown) -> FloatArray:
            table = self._table(known, shown, [mean] * shown.trainings)
            with one_thread():
                if hasattr(classifier, "decision_function"):
                    odds = classifier.decision_function(table)
                else:
                    odds = classifier.predict_proba(table)[:, 1]
            return np.asarray(odds, dtype=np.float64).reshape(shown.y.shape)

        return score

    def _table(self, known: Known, shown: Shown, references: Iterable[Weights]) -> FloatArray:
        """Return the features of the points that are shown; none of them depends on who was trained on."""

        def made() -> tuple[object, FloatArray]:
            rows = [
                self.features(known.model, w, r, X, y)
                for w, r, X, y in zip(shown.weights, references, shown.points, shown.y, strict=True)
            ]
            return (known.shadow.shown, self.features), np.concatenate(rows)

        # What the table is made of goes with it, so that the ids belong to nothing else.
        return shown.once(("discriminator", id(known.shadow.shown), id(self.features)), made)[1]


def _total(released: Sequence[Weights]) -> Weights:
    """Return the sums of the arrays of several releases, one of which is there at a time."""
    total = [np.array(array) for array in released[0]]
    for weights in islice(released, 1, None):
        for so_far, array in zip(total, weights, strict=True):
            so_far += array
    return tuple(total)
