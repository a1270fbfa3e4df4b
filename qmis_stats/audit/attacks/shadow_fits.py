"""The law of the weights of a linear head before any quantization, from its shadow runs (Statement S16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.game import Known
from qmis_stats.audit.attacks.member_law import contrasts
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.head_leak import head_fit
from qmis_stats.audit.models.base import Weights
from qmis_stats.errors import DomainError
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.leak.retained import scatter

__all__ = ["ShadowFits", "Units"]

_ENOUGH = 100_000
"""Points, over all fits, that second moments are taken from: more tell nothing new of a pool."""


@dataclass(frozen=True, eq=False)
class Units:
    """Units that the weights of one training are in: those of its standardised features and target.

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
    def of(cls, weights: Weights) -> Units:
        """Return the units of what a linear head releases."""
        target = weights[4] if len(weights) > 4 else (0.0, 1.0)
        return cls(weights[2], weights[3], float(target[0]), float(target[1]))

    def ratio(self, other: Units) -> FloatArray:
        """Return what weights in these units are multiplied by to have them in others."""
        return np.asarray(other.scale / self.scale * (self.unit / other.unit))

    def intercept(self, other: Units, W: FloatArray, b: FloatArray) -> FloatArray:
        """Return the intercept in other units of the weights W and intercept b in these."""
        moved = b + W @ ((other.location - self.location) / self.scale)
        return np.asarray((self.centre + self.unit * moved - other.centre) / other.unit)


@dataclass(frozen=True, eq=False)
class ShadowFits:
    """Shadow training runs of a linear head, the same for every quantizer.

    All is in the units of the first: locations and scales are released as they are, and nothing that follows from them
    is noise. Parameters are flat, class by class with the intercept of each, KD of them.

    Attributes
    ----------
    units : tuple of Units
        Of each of the T training runs.
    plain : (T, K, D) ndarray
        Their weights before quantization.
    covariance, response : (KD, KD) ndarray
        C in the game's pool, and G, whose mean leverage is that of the fits.
    """

    units: tuple[Units, ...]
    plain: FloatArray
    covariance: FloatArray
    response: FloatArray

    @classmethod
    def of(cls, known: Known, data: Dataset, fits: int) -> ShadowFits:
        """Return those of a game, with second moments that are averaged over some fits, fewer where these are large.

        Raises
        ------
        DomainError
            If the fits have no law to read by: they stop short of the minimum, interpolate, or lack a class.
        """
        found, trained = known.plain.shown.weights, known.plain.trained
        assert trained is not None
        units = tuple(Units.of(weights) for weights in found)
        if len({weights[0].shape for weights in found}) > 1:
            raise DomainError("read-out", "a training has a class missing", "use a larger n")
        plain = np.array([_common(w, own, units[0]) for w, own in zip(found, units, strict=True)])
        covariance, response, values = [], [], []
        game = Game("pool", known.n / data.rows)
        along = contrasts(plain.shape[1])
        for rows, weights in zip(trained[: min(fits, -(-_ENOUGH // known.n))], found, strict=False):
            fit = head_fit(known.model, data.X[rows], data.y[rows], weights)
            left_out = leave_one_out(fit)
            spread = scatter(fit, left_out)
            covariance.append(spread.covariance * game.variance_share(left_out.inflation))
            response.append(spread.response)
            # No gradient points along the sum of the classes: how far it would move them says nothing.
            own = along.T @ left_out.leverage @ along
            values.append(float(np.mean(np.trace(own, axis1=1, axis2=2))) / spread.trace(spread.response))
        # The equivalents are scaled to the leverages that the fits had.
        return cls(units, plain, np.mean(covariance, axis=0), np.mean(response, axis=0) * float(np.mean(values)))


def _common(weights: Weights, own: Units, units: Units) -> FloatArray:
    return np.column_stack([weights[0] * own.ratio(units), own.intercept(units, weights[0], weights[1])])
