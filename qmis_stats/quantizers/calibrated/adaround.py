"""AdaRound: every weight goes to the level below or above it, whichever is better for the output of the layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.quantizers.calibrated.base import CalibratedQuantizer, Grid, second_moment

__all__ = ["AdaRound"]

_SETTLED = 1e-12


@dataclass(frozen=True)
class AdaRound(CalibratedQuantizer):
    """Rounding up or down such that ‖(W − Ŵ)Xᵀ‖² is small, by exact coordinate descent from the nearest levels.

    In each row the weight whose other level lowers the squared error most goes there, until none does: no single change
    of rounding then makes the output of the layer better, and the error never exceeds that of rounding to nearest.

    Parameters
    ----------
    grid : WeightQuantizer
        As for every :class:`CalibratedQuantizer`.

    Notes
    -----
    The objective of Nagel et al. 2020, arXiv:2004.10568, for a linear layer. The paper minimises a relaxation of it by
    stochastic gradients; the descent here is deterministic, and minimises the quadratic form itself.

    Examples
    --------
    >>> from qmis_stats.quantizers.weights.names import quantizer
    >>> inputs = np.random.default_rng(1).normal(size=(40, 1)) + 0.1 * np.random.default_rng(2).normal(size=(40, 4))
    >>> weights = np.array([0.3, 0.3, 0.3, 1.0])
    >>> quantizer("adaround-2").calibrate(weights, inputs).quantize(weights)
    array([0., 1., 0., 1.])
    """

    prefix: ClassVar[str] = "adaround-"

    def _learned(self, weights: FloatArray, grid: Grid, inputs: FloatArray) -> FloatArray:
        """Return XᵀX/rows."""
        return second_moment(inputs)

    def _rounded(self, weights: FloatArray, learned: FloatArray) -> tuple[FloatArray, FloatArray]:
        grid = self._grid(weights)
        rows = weights.reshape(grid.largest.shape)
        place, codes = grid.position(rows), grid.nearest(rows)
        other = np.clip(np.where(codes > place, codes - 1.0, codes + 1.0), -grid.top, grid.top)
        other = np.where(codes == place, codes, other)
        step = grid.values(other) - grid.values(codes)
        slope = (grid.values(codes) - rows) @ learned
        curvature = np.diag(learned)
        floor = _SETTLED * np.sum(curvature * grid.values(np.ones_like(codes)) ** 2, axis=1)
        every = np.arange(len(rows))
        while every.size:  # each change lowers the error of its row: it ends
            gain = step[every] * (2.0 * slope[every] + step[every] * curvature)
            best = np.argmin(gain, axis=1)
            better = gain[np.arange(every.size), best] < -floor[every]
            every, best = every[better], best[better]
            slope[every] += step[every, best, None] * learned[best]
            codes[every, best], other[every, best] = other[every, best], codes[every, best]
            step[every, best] *= -1.0
        return codes, grid.values(codes)
