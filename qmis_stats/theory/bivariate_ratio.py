"""The likelihood ratio of two centred normal laws that differ in two directions (Statement S16).

In coordinates where the first law is standard the second has variance ``1 + gain`` in one direction, ``1 − loss`` in
another, and one in all others, which say nothing. The log ratio is then a constant plus a quadratic form in two
standard normals. In polar coordinates the radius integrates in closed form, and every probability is an integral over
an angle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from qmis_stats.arrays import FloatArray
from qmis_stats.results import REPORTED_FPR, ROCCurve
from qmis_stats.validation import checked_share, positive_number

__all__ = ["BivariateRatio"]

_HALF_RANGE = 4.0
_STEP = 1.0 / 32.0
_IMHOF_STEP = 0.2
_IMHOF_LEFT, _IMHOF_RIGHT = 40.0, 25.0
_CURVE_REACH = 25.0
_CURVE_POINTS = 200


@dataclass(frozen=True)
class BivariateRatio:
    """The log likelihood ratio L of N(0, diag(1 + gain, 1 − loss)) to N(0, I) in two dimensions.

    Parameters
    ----------
    gain : float
        Positive.
    loss : float
        In (0, 1).

    Examples
    --------
    >>> ratio = BivariateRatio(0.3, 0.2)
    >>> round(ratio.total_variation, 6), round(ratio.auc, 6)
    (0.077872, 0.560489)
    """

    gain: float
    loss: float

    def __post_init__(self) -> None:
        positive_number("gain", self.gain)
        checked_share("loss", self.loss)

    @property
    def constant(self) -> float:
        """The value of L at the origin: minus half the log determinant of the second law."""
        return -0.5 * (math.log1p(self.gain) + math.log1p(-self.loss))

    @property
    def _plain(self) -> tuple[float, float]:
        """The form's coefficients under the first law: 2(L − constant) = high·x₁² − low·x₂² with standard normals."""
        return self.gain / (1.0 + self.gain), self.loss / (1.0 - self.loss)

    @cached_property
    def total_variation(self) -> float:
        """The total variation distance, to about 1e−13 relative to itself however small it is.

        Per angle θ the densities cross at one radius; with ``η(θ)`` the form on the unit circle, c the constant and
        the sign of c choosing the side, ``(2/π) ∫ e^{−|c|/|η|} |η|/(1 − η) dθ`` over a quarter: nothing is subtracted.
        """
        high, low = self._plain
        if self.constant > 0.0:
            form, weights = _arc(low, high)
            denominator = 1.0 + form
        else:
            form, weights = _arc(high, low)
            denominator = 1.0 - form
        return float(weights @ (np.exp(-abs(self.constant) / form) * form / denominator)) * 2.0 / math.pi

    @cached_property
    def auc(self) -> float:
        """Area under the ROC curve: P(L₁ > L₀) of independent copies, a form in four normals, by Imhof's integral."""
        high, low = self._plain
        coefficients = np.array([self.gain, -self.loss, -high, low])
        size = np.log(np.abs(coefficients))
        v = np.arange(-float(size.max()) - _IMHOF_LEFT, -float(size.min()) + _IMHOF_RIGHT, _IMHOF_STEP)
        u = np.exp(v)[:, None] * coefficients
        angle = 0.5 * np.sum(np.arctan(u), axis=1)
        # Σ log(1 + u²)/4 with hypot, which does not overflow.
        decay = np.exp(-0.5 * np.sum(np.log(np.hypot(1.0, u)), axis=1))
        return 0.5 + _IMHOF_STEP * float(np.sum(np.sin(angle) * decay)) / math.pi

    def false_positive_rate(self, threshold: ArrayLike) -> FloatArray:
        """Return P(L > threshold) under the first law.

        Examples
        --------
        >>> ratio = BivariateRatio(0.3, 0.2)
        >>> gap = ratio.true_positive_rate(0.0) - ratio.false_positive_rate(0.0)
        >>> bool(abs(gap - ratio.total_variation) < 1e-12)
        True
        """
        return _exceedance(*self._plain, np.asarray(threshold, dtype=np.float64) - self.constant)

    def true_positive_rate(self, threshold: ArrayLike) -> FloatArray:
        """Return P(L > threshold) under the second law."""
        return _exceedance(self.gain, self.loss, np.asarray(threshold, dtype=np.float64) - self.constant)

    def threshold(self, fpr: float) -> float:
        """Return the threshold that non-members exceed with probability ``fpr``, in (0, 1).

        Examples
        --------
        >>> ratio = BivariateRatio(0.3, 0.2)
        >>> round(float(ratio.false_positive_rate(ratio.threshold(1e-4))), 12)
        0.0001
        """
        high, low = self._plain
        above = float(_share(high, low, np.zeros(1))[0])
        sign, rate = (1.0, fpr) if fpr <= above else (-1.0, 1.0 - fpr)
        first, second = (high, low) if sign > 0.0 else (low, high)
        # The share of a level is at most e^{−level/first}: the root lies below −first·log(rate).
        end = -first * math.log(rate)
        level = brentq(lambda x: math.log(_share(first, second, np.array([x]))[0] / rate), 0.0, end, xtol=1e-15 * end)
        return self.constant + sign * float(level)

    def roc(self) -> ROCCurve:
        """Return the ROC curve of the most powerful test of the second law against the first."""
        high, low = self._plain
        right = np.geomspace(1e-6 * high, _CURVE_REACH * high, _CURVE_POINTS)
        left = np.geomspace(1e-6 * self.loss, _CURVE_REACH * low, _CURVE_POINTS)
        cuts = self.constant + np.concatenate((right[::-1], [0.0], -left))
        cuts = np.sort(np.concatenate((cuts, [0.0])))[::-1]  # zero, where the distance is attained
        fpr, tpr = (_curve(rate(cuts)) for rate in (self.false_positive_rate, self.true_positive_rate))
        at = {f: float(self.true_positive_rate(self.threshold(f))) for f in REPORTED_FPR}
        return ROCCurve(fpr, tpr, self.auc, {f: (v, v, v) for f, v in at.items()})


def _curve(rates: FloatArray) -> tuple[float, ...]:
    """Return rates from 0 to 1, made monotone against rounding."""
    return (0.0, *(float(x) for x in np.minimum(np.maximum.accumulate(rates), 1.0)), 1.0)


def _arc(high: float, low: float) -> tuple[FloatArray, FloatArray]:
    """Return ``high·cos²θ − low·sin²θ`` at nodes θ of the quarter's arc where it is positive, and their weights.

    The nodes are those of the double exponential rule: integrands vanish at the arc's end with all derivatives, or have
    a layer of any width there, and are smooth in the logarithm of the distance from it.
    """
    arc = math.atan2(math.sqrt(high), math.sqrt(low))
    s = np.arange(-_HALF_RANGE, _HALF_RANGE + 0.5 * _STEP, _STEP)
    u = 0.5 * math.pi * np.sinh(s)
    distance = arc / (1.0 + np.exp(-2.0 * u))
    weights = arc * _STEP * 0.25 * math.pi * np.cosh(s) / np.cosh(u) ** 2
    return (high + low) * np.sin(distance) * np.sin(2.0 * arc - distance), weights


def _share(high: float, low: float, level: FloatArray) -> FloatArray:
    """Return P(high·x₁² − low·x₂² > 2·level) of standard normals at levels of at least zero, shape of ``level``."""
    form, weights = _arc(high, low)
    return np.asarray(np.exp(-level[..., None] / form) @ weights * (2.0 / math.pi))


def _exceedance(high: float, low: float, level: FloatArray) -> FloatArray:
    """Return P(high·x₁² − low·x₂² > 2·level) at any levels."""
    above = _share(high, low, np.maximum(level, 0.0))
    below = _share(low, high, np.maximum(-level, 0.0))
    return np.asarray(np.where(level >= 0.0, above, 1.0 - below))
