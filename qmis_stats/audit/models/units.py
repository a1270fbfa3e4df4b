"""Units that a model trains in: locations and scales of features and target, which it releases with its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from qmis_stats.arrays import Flags, FloatArray
from qmis_stats.audit.models.base import Weights

__all__ = ["Standardising", "Units"]


@dataclass(frozen=True, eq=False)
class Units:
    """Units that the weights of one training run are in: those of its standardised features and target.

    Attributes
    ----------
    location, scale : (p,) ndarray
        Of the features.
    centre, unit : float
        Of the target; 0 and 1 where it is a class.
    """

    location: FloatArray
    scale: FloatArray
    centre: float = 0.0
    unit: float = 1.0

    @classmethod
    def of_head(cls, weights: Weights) -> Units:
        """Return the units of what a linear head releases."""
        target = weights[4] if len(weights) > 4 else (0.0, 1.0)
        return cls(weights[2], weights[3], float(target[0]), float(target[1]))

    @property
    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Locations and scales of all columns, the target last."""
        return np.append(self.location, self.centre), np.append(self.scale, self.unit)

    @property
    def made(self) -> Flags:
        """Which columns, the target last, have those of points, shape (p + 1,): 0 with a scale of 1 is not."""
        location, scale = self.moments
        return np.asarray((location != 0.0) | (scale != 1.0))

    def apply(self, X: FloatArray) -> FloatArray:
        """Return features in these units, shape (N, p)."""
        return np.asarray((X - self.location) / self.scale)

    def ratio(self, other: Units) -> FloatArray:
        """Return what weights in these units are multiplied by to have them in others."""
        return np.asarray(other.scale / self.scale * (self.unit / other.unit))

    def intercept(self, other: Units, W: FloatArray, b: FloatArray) -> FloatArray:
        """Return the intercept in other units of the weights W and intercept b in these."""
        moved = b + W @ ((other.location - self.location) / self.scale)
        return np.asarray((self.centre + self.unit * moved - other.centre) / other.unit)


@runtime_checkable
class Standardising(Protocol):
    """A model that trains in units of its own, by the points that it is trained on."""

    def units(self, X: FloatArray, y: FloatArray) -> Units:
        """Return the units in which it trains on these points."""
        ...

    def released_units(self, weights: Weights) -> Units:
        """Return the units that a training run released."""
        ...
