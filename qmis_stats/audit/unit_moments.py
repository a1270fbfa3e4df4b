"""What locations and scales tell of the points that they are of, whatever is done to weights (Proposition S17.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.audit.models.base import Model
from qmis_stats.audit.models.units import Standardising, Units
from qmis_stats.leak.shifts import shift_figures
from qmis_stats.results import REPORTED_FPR

__all__ = ["UnitMoments", "UnitsLeak", "units_leak"]

_SAME = 1e-9
_LEAST = 1e-10


@dataclass(frozen=True, eq=False)
class UnitMoments:
    """Which moments of features and target units are, as sums over points.

    Attributes
    ----------
    means, squares : (M,), (S,) ndarray of int
        Columns of (features, target) whose location, and whose scale too, is that of the points.
    centre, spread : (p + 1,) ndarray
        Of all columns, in which sums are taken.
    """

    means: Indices
    squares: Indices
    centre: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, units: Units, X: FloatArray, y: FloatArray, most: int) -> UnitMoments:
        """Return at most so many of those that units are, in terms of some points.

        A scale of 1, that of a constant column, was not made of points.
        """
        location, scale = units.moments
        made = np.flatnonzero(units.made)[:most]
        centre, spread = np.zeros(location.size), np.zeros(location.size)
        for column in made:
            values = _column(X, y, column)
            centre[column], spread[column] = values.mean(), values.std()
        made = made[spread[made] > _SAME * np.abs(centre[made])]
        return cls(made, made[scale[made] != 1.0][: most - made.size], centre, spread)

    def columns(self, X: FloatArray, y: FloatArray) -> FloatArray:
        """Return what each point adds to the sums, shape (N, M + S)."""
        found = np.empty((len(X), self.means.size + self.squares.size), order="F")
        for place, column in enumerate([*self.means, *self.squares]):
            values = (_column(X, y, column) - self.centre[column]) / self.spread[column]
            found[:, place] = values if place < self.means.size else values**2
        return found

    def averages(self, units: Units) -> FloatArray:
        """Return the averages of the columns over the points that units are of, shape (M + S,)."""
        location, scale = units.moments
        means = (location - self.centre)[self.means] / self.spread[self.means]
        away = (location - self.centre)[self.squares] / self.spread[self.squares]
        return np.concatenate([means, away**2 + (scale[self.squares] / self.spread[self.squares]) ** 2])


@dataclass(frozen=True)
class UnitsLeak:
    """What locations and scales leak by themselves, by theory.

    Attributes
    ----------
    features : int
        Features that are standardised by the training points.
    target : bool
        Whether the target is too.
    equations : int
        Moments that the figures are of: fewer than there are where points are few, which makes them lower bounds.
    delta, auc, tpr : float
        Advantage, AUC and true positive rate at a false one of 1 % of the best attack on them.
    """

    features: int
    target: bool
    equations: int
    delta: float
    auc: float
    tpr: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return dict(vars(self))


def _column(X: FloatArray, y: FloatArray, column: int) -> FloatArray:
    return y if column == X.shape[1] else X[:, column]


def units_leak(model: Model, X: FloatArray, y: FloatArray, fraction: float = 0.0) -> UnitsLeak | None:
    """Return what locations and scales of some training points leak, or ``None`` where none are released.

    Parameters
    ----------
    model : Model
        That works in units of its training points: linear heads, perceptrons and estimators do.
    X, y : ndarray
        Training points; in the game of a known pool all of its points.
    fraction : float
        Share of a known pool that is trained on; 0 is the game against fresh points of the population.

    Examples
    --------
    >>> from qmis_stats.audit import MLP, bundled, head_for
    >>> data = bundled("breast_cancer")
    >>> found = units_leak(head_for(data), data.X, data.y)
    >>> found.features, found.target, found.equations, round(found.auc, 2)
    (30, False, 60, 0.58)
    >>> units_leak(MLP("binary", standardise="public"), data.X, data.y)
    """
    if not isinstance(model, Standardising):
        return None
    units = model.units(X, y)
    most = len(X) // 2
    moments = UnitMoments.of(units, X, y, most)
    if moments.means.size == 0:
        return None
    columns = moments.columns(X, y)
    columns -= columns.mean(axis=0)
    share = _leverages(columns)
    # Of a known pool the others are a share of points that stay; in the population they are as many fresh ones.
    squares = share / (fraction * (1.0 - fraction) * np.maximum(1.0 - share, _LEAST)) if fraction else share
    delta, auc, *rates = map(float, shift_figures(np.sqrt(squares)))
    *features, target = units.made.tolist()
    return UnitsLeak(sum(features), target, columns.shape[1], delta, auc, rates[REPORTED_FPR.index(0.01)])


def _leverages(columns: FloatArray) -> FloatArray:
    """Return xᵀ(XᵀX)⁺x of each row."""
    values, vectors = np.linalg.eigh(columns.T @ columns)
    kept = values > _LEAST * values[-1]
    turned = columns @ (vectors[:, kept] / np.sqrt(values[kept]))
    return np.asarray(np.einsum("ne,ne->n", turned, turned))
