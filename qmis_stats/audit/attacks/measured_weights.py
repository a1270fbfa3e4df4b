"""Released weights of a linear head as noisy measurements of the weights themselves (Statement S16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qmis_stats.audit.attacks.game import INSIDE, Flags, Known
from qmis_stats.audit.attacks.member_law import contrasts
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.head_leak import head_fit
from qmis_stats.audit.models.base import Weights
from qmis_stats.audit.models.calls import checkpoints_of
from qmis_stats.audit.run import generator
from qmis_stats.errors import DomainError
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.leak.retained import scatter
from qmis_stats.scores.base import FloatArray

__all__ = ["MeasuredWeights", "Units"]

_DRAWS = 400
_EXACT = 1e-9
_INFORMATIVE = 0.2


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


class MeasuredWeights:
    """What the releases of one procedure tell of the weights of a linear head.

    All is in the units of the first shadow training: locations and scales are released as they are, and nothing that
    follows from them is noise. Parameters are flat, class by class with the intercept of each, KD of them.

    Parameters
    ----------
    known : Known
        Of a game with a data set.
    fits : int
        Shadow fits whose second moments are averaged.

    Attributes
    ----------
    covariance, response : (KD, KD) ndarray
        C in the game's pool, and G, whose mean leverage is that of the fits.
    inverse : (KD, KD) ndarray
        K⁻¹, K = C + Λ⁻¹ the covariance of the measurements.
    plain : (T, K, D) ndarray
        The weights of the shadow trainings before quantization.
    """

    def __init__(self, known: Known, fits: int) -> None:
        self.known = known
        data, trained = known.source, known.shadow.trained
        assert isinstance(data, Dataset)
        assert trained is not None
        plain = [_last(known, data, rows) for rows in trained]
        self.units = Units.of(plain[0])
        if len({w[0].shape for w in plain} | {w[0].shape for w in known.shadow.shown.weights}) > 1:
            raise DomainError("read-out", "a training has a class missing", "use a larger n")
        self.plain = np.array([self._common(w) for w in plain])
        self._moments(data, trained[:fits])
        self._gains([Units.of(w) for w in plain])

    def _common(self, weights: Weights) -> FloatArray:
        own = Units.of(weights)
        return np.column_stack([weights[0] * own.ratio(self.units), own.intercept(self.units, weights[0], weights[1])])

    def _moments(self, data: Dataset, trained: Flags) -> None:
        """Average C in the game's pool, and G, over some shadow fits."""
        covariance, response, values = [], [], []
        game = Game("pool", self.known.n / data.rows)
        along = contrasts(self.plain.shape[1])
        for rows in trained:
            fit = head_fit(self.known.model, data.X[rows], data.y[rows])
            found = leave_one_out(fit)
            spread = scatter(fit, found)
            covariance.append(spread.covariance * game.variance_share(found.inflation))
            response.append(spread.response)
            # No gradient points along the sum of the classes: how far it would move them says nothing.
            own = along.T @ found.leverage @ along
            values.append(float(np.mean(np.trace(own, axis1=1, axis2=2))) / spread.trace(spread.response))
        self.covariance = np.mean(covariance, axis=0)
        # The equivalents are scaled to the leverages that the fits had.
        self.response = np.mean(response, axis=0) * float(np.mean(values))

    def _gains(self, units: list[Units]) -> None:
        """Find gain and error of each released value as a measurement of its weight, by releasing draws."""
        rng = generator(self.known.seed, INSIDE, 1)
        self.mean = self.plain.mean(axis=0)
        errors = np.sqrt(np.diag(self.covariance)).reshape(self.mean.shape)
        noise = rng.standard_normal((_DRAWS, *errors.shape))
        noise -= noise.mean(axis=0)
        drawn = [self._released(theta, units[k % len(units)]) for k, theta in enumerate(self.mean + noise * errors)]
        W, b = np.s_[:, :-1], np.s_[:, -1]
        codes = _Gains.of(np.array([self._codes(w) for w in drawn]), noise[:, :, :-1], errors[W])
        self.codes = codes
        # How far a code is followed, one by one, to move its intercept to the common units.
        self.kept = codes.precision / (codes.precision + 1.0 / errors[W] ** 2)
        self.free = _Gains.of(np.array([self._intercept(w) for w in drawn]), noise[:, :, -1], errors[b])
        root = np.sqrt(np.column_stack([codes.precision, self.free.precision]).ravel())
        inner = np.linalg.inv(np.eye(root.size) + root[:, None] * self.covariance * root)
        self.inverse = root[:, None] * inner * root

    def _released(self, theta: FloatArray, own: Units) -> Weights:
        """Return what a training with these units releases of weights in the common ones."""
        W = theta[:, :-1] * self.units.ratio(own)
        b = self.units.intercept(own, theta[:, :-1], theta[:, -1])
        return (*self.known.release((W, b)), own.location, own.scale, np.array([own.centre, own.unit]))

    def _codes(self, weights: Weights) -> FloatArray:
        return np.asarray(weights[0] * Units.of(weights).ratio(self.units))

    def _intercept(self, weights: Weights) -> FloatArray:
        """Return the intercept in the common units, for which the weights are de-quantized one by one."""
        own = Units.of(weights)
        best = self.mean[:, :-1] + self.kept * self.codes.measured(self._codes(weights))
        return own.intercept(self.units, best / own.ratio(self.units), weights[1])

    def read(self, weights: Weights) -> FloatArray:
        """Return K⁻¹ times the measurement of the weights about their mean, shape (KD,)."""
        W, b = self.codes.measured(self._codes(weights)), self.free.measured(self._intercept(weights))
        return np.asarray(self.inverse @ np.column_stack([W, b]).ravel())


@dataclass(frozen=True, eq=False)
class _Gains:
    """Released values as measurements: centre + gain·(deviation + error); an infinite gain where nothing is told."""

    centre: FloatArray
    gain: FloatArray
    precision: FloatArray

    @classmethod
    def of(cls, released: FloatArray, noise: FloatArray, errors: FloatArray) -> _Gains:
        """Regress what was released of draws on their deviations, noise·errors."""
        centre = released.mean(axis=0)
        away = released - centre
        gain = np.sum(away * noise, axis=0) / np.sum(noise**2, axis=0) / errors
        rest = np.sum((away - gain * noise * errors) ** 2, axis=0) / (_DRAWS - 2.0)
        told = (gain != 0.0) & (np.abs(gain) * errors > _INFORMATIVE * np.sqrt(rest))
        with np.errstate(divide="ignore"):
            precision = np.minimum(np.where(told, gain, 1.0) ** 2 / rest, 1.0 / (_EXACT * errors**2))
        return cls(centre, np.where(told, gain, np.inf), np.where(told, precision, 0.0))

    def measured(self, released: FloatArray) -> FloatArray:
        """Return the deviations that were measured; 0 where nothing is told."""
        return np.asarray((released - self.centre) / self.gain)


def _last(known: Known, data: Dataset, rows: NDArray[np.bool_]) -> Weights:
    *_, last = checkpoints_of(known.model, data.X[rows], data.y[rows], np.random.default_rng(0))
    return last
