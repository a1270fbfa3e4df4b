"""Released weights of a linear head as noisy measurements of the weights themselves (Statement S16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.game import INSIDE, Known
from qmis_stats.audit.attacks.shadow_fits import ShadowFits
from qmis_stats.audit.models.base import Weights
from qmis_stats.audit.models.units import Units
from qmis_stats.audit.training_run import generator
from qmis_stats.quantizers.weights.base import to_be_calibrated

__all__ = ["MeasuredWeights"]

_DRAWS = 400
_EXACT = 1e-9
_INFORMATIVE = 0.2


class MeasuredWeights:
    """What the releases of one procedure tell of the weights of a linear head, in the units of the shadow fits.

    Parameters
    ----------
    known : Known
        Of a game with a data set.
    fits : ShadowFits
        Of the same game.

    Attributes
    ----------
    mean : (K, D) ndarray
        Of the weights, over the shadow runs.
    kept : (K, p) ndarray
        ρ, the share of the variance of each weight that its code retains.
    root : (KD,) ndarray
        Λ^½, inverse errors of the measurements.
    inverse : (KD, KD) ndarray
        K⁻¹, K = C + Λ⁻¹ the covariance of the measurements.
    alike : (KD, KD) ndarray
        Correlations of the errors of the measurements: none for quantizers that see no data.
    """

    def __init__(self, known: Known, fits: ShadowFits) -> None:
        self.known, self.fits, self.units = known, fits, fits.units[0]
        self._gains()

    def _gains(self) -> None:
        """Find gain and error of each released value as a measurement of its weight, by releasing draws."""
        rng = generator(self.known.seed, INSIDE, 1)
        units, covariance = self.fits.units, self.fits.covariance
        self.mean = self.fits.plain.mean(axis=0)
        errors = np.sqrt(np.diag(covariance)).reshape(self.mean.shape)
        noise = rng.standard_normal((_DRAWS, *errors.shape))
        noise -= noise.mean(axis=0)
        points = self.known.calibrating(self.known.shadow)
        drawn = [
            self._released(theta, units[k % len(units)], points[k % len(points)])
            for k, theta in enumerate(self.mean + noise * errors)
        ]
        W, b = np.s_[:, :-1], np.s_[:, -1]
        codes = _Gains.of(np.array([self._codes(w) for w in drawn]), noise[:, :, :-1], errors[W])
        self.codes = codes
        # How far a code is followed, one by one, to move its intercept to the common units.
        told = codes.precision * errors[W] ** 2
        self.kept = told / (told + 1.0)
        self.free = _Gains.of(np.array([self._intercept(w) for w in drawn]), noise[:, :, -1], errors[b])
        self.root = root = np.sqrt(np.column_stack([codes.precision, self.free.precision]).ravel())
        self.alike = np.eye(root.size)
        if to_be_calibrated(self.known.quantizer):  # errors of one weight are made up for by others
            measured = [np.column_stack(self._measured(w)) for w in drawn]
            self.alike = _correlation((np.array(measured) - noise * errors).reshape(_DRAWS, -1))
        inner = np.linalg.inv(self.alike + root[:, None] * covariance * root)
        self.inverse = root[:, None] * inner * root

    def _released(self, theta: FloatArray, own: Units, points: FloatArray | None) -> Weights:
        """Return what a run with these units and points to calibrate on releases of weights in the common units."""
        W = theta[:, :-1] * self.units.ratio(own)
        b = self.units.intercept(own, theta[:, :-1], theta[:, -1])
        released = self.known.release((W, b, own.location, own.scale), points)
        return (*released, np.array([own.centre, own.unit]))

    def _codes(self, weights: Weights) -> FloatArray:
        return np.asarray(weights[0] * Units.of_head(weights).ratio(self.units))

    def _intercept(self, weights: Weights) -> FloatArray:
        """Return the intercept in the common units, for which the weights are de-quantized one by one."""
        own = Units.of_head(weights)
        best = self.mean[:, :-1] + self.kept * self.codes.measured(self._codes(weights))
        return own.intercept(self.units, best / own.ratio(self.units), weights[1])

    def read(self, weights: Weights) -> FloatArray:
        """Return K⁻¹ times the measurement of the weights about their mean, shape (KD,)."""
        return np.asarray(self.inverse @ self.deviation(weights))

    def deviation(self, weights: Weights) -> FloatArray:
        """Return the measurement of the weights about their mean, shape (KD,); 0 where nothing is told."""
        return np.column_stack(self._measured(weights)).ravel()

    def _measured(self, weights: Weights) -> tuple[FloatArray, FloatArray]:
        return self.codes.measured(self._codes(weights)), self.free.measured(self._intercept(weights))


def _correlation(errors: FloatArray) -> FloatArray:
    """Return the correlations of errors of weights, estimated as Ledoit and Wolf (2004) do."""
    from sklearn.covariance import ledoit_wolf

    spread = errors.std(axis=0)
    standard = (errors - errors.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    found = np.asarray(ledoit_wolf(standard, assume_centered=True)[0])
    found.flat[:: len(found) + 1] = 1.0
    return found


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
        varies = errors > 0.0
        size = np.where(varies, errors, 1.0)
        gain = np.where(varies, np.sum(away * noise, axis=0) / np.sum(noise**2, axis=0) / size, 0.0)
        rest = np.sum((away - gain * noise * errors) ** 2, axis=0) / (_DRAWS - 2.0)
        told = (gain != 0.0) & (np.abs(gain) * errors > _INFORMATIVE * np.sqrt(rest))
        with np.errstate(divide="ignore"):
            precision = np.minimum(np.where(told, gain, 1.0) ** 2 / rest, 1.0 / (_EXACT * size**2))
        return cls(centre, np.where(told, gain, np.inf), np.where(told, precision, 0.0))

    def measured(self, released: FloatArray) -> FloatArray:
        """Return the deviations that were measured; 0 where nothing is told."""
        return np.asarray((released - self.centre) / self.gain)
