"""The window: a tilted sum drawn mostly within reach of its face, whatever n is (Statement S10).

Under its tilt the sum of a rival's scores spreads like σ̃√n, but only sums within a few units of σ̃ + 1/λ of zero cross
the face for some points and not for others. The first normal of a sum, which moves that score, is therefore drawn from
the mixture (1 − ε) Logistic(b) + ε N(0, 1), b the width of the window in units of σ̃√n. The second part bounds the
weights by 1/ε: what the window leaves out is still seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from qmis_stats.arrays import FloatArray
from qmis_stats.simulate.design import Component

__all__ = ["Window"]

_DEFENSIVE = 0.125  # a power of two: each part receives whole blocks of a net
_REACH = 0.4
_WIDEST = 0.5
_LOG_SCALE = math.log1p(-_DEFENSIVE) + 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True)
class Window:
    """The law g of the first normal of a tilted sum.

    Attributes
    ----------
    width : float
        Scale b of the logistic part; 0 for the standard normal law itself.
    scale : float
        σ̃√terms, the spread of the tilted score: a sum s has its first normal near s/scale.

    Examples
    --------
    >>> u = (np.arange(4000) + 0.5) / 4000
    >>> window = Window(0.05, 1.0)
    >>> x = window.quantile(u)
    >>> bool(abs(np.mean(np.exp(-window.log_ratio(x))) - 1.0) < 1e-3)
    True
    """

    width: float
    scale: float

    @classmethod
    def of(cls, component: Component, terms: int) -> Window:
        """Return the window of a component; none for the law itself, and none where it would not be narrow."""
        scale = component.spread * math.sqrt(terms)
        if not (component.lam > 0.0 and scale > 0.0):
            return cls(0.0, 0.0)
        width = _REACH * (component.spread + 1.0 / component.lam) / scale
        return cls(width if width < _WIDEST else 0.0, scale)

    def quantile(self, u: FloatArray) -> FloatArray:
        """Return draws of g from uniforms, by composition."""
        if self.width == 0.0:
            return np.asarray(ndtri(u))
        defended = u < _DEFENSIVE
        rest = (np.where(defended, 0.5, u) - _DEFENSIVE) / (1.0 - _DEFENSIVE)
        rest = np.maximum(rest, 2.0**-53)
        normal = ndtri(np.where(defended, u / _DEFENSIVE, 0.5))
        return np.where(defended, normal, self.width * np.log(rest / (1.0 - rest)))

    def log_ratio(self, x: FloatArray) -> FloatArray:
        """Return log g(x)/φ(x)."""
        if self.width == 0.0:
            return np.zeros_like(x)
        return np.logaddexp(self._log_logistic(x) + 0.5 * x * x, math.log(_DEFENSIVE))

    def log_ratio_of_sums(self, sums: FloatArray) -> FloatArray:
        """Return about log g/φ at the first normal that a tilted score's sum stands for.

        It only divides the work among components, so that it may be rough, but it must not promise draws where there
        are none. The first normal is known from a sum of normals alone; for other laws the factor exp(x²/2) of the far
        tails would be a gross error, and near the window it is one.
        """
        if self.width == 0.0:
            return np.zeros_like(sums)
        return np.logaddexp(self._log_logistic(sums / self.scale), math.log(_DEFENSIVE))

    def _log_logistic(self, x: FloatArray) -> FloatArray:
        """Return the log of the logistic part's density times √(2π)."""
        t = np.abs(x) / self.width
        return np.asarray(_LOG_SCALE - math.log(self.width) - t - 2.0 * np.log1p(np.exp(-t)), dtype=np.float64)
