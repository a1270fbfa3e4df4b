"""AWQ: inputs that are large get finer levels, by scales of the columns of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.quantizers.calibrated.base import CalibratedQuantizer, Grid, second_moment

__all__ = ["AWQ"]

_POWERS = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True)
class AWQ(CalibratedQuantizer):
    """Rounding of W·diag(s) to nearest, released as its values times diag(s)⁻¹, with s_j = (mean |x_j|)^α.

    Of 21 powers α from 0 to 1 the one with the smallest squared error of the layer's output on the inputs is taken; 0
    is rounding to nearest, so that the error never exceeds it. An input that is 0 throughout keeps the scale of the
    smallest other one.

    Parameters
    ----------
    grid : WeightQuantizer
        As for every :class:`CalibratedQuantizer`; largest magnitudes are those after scaling.

    Notes
    -----
    Lin et al. 2023, arXiv:2306.00978, without its clipping of weights. Once calibrated, the scales of columns are
    fixed, for other weights too. They are released: they tell the mean magnitude of every input.

    Examples
    --------
    >>> from qmis_stats.quantizers.weights.names import quantizer
    >>> inputs = np.random.default_rng(1).normal(size=(40, 3)) * [9.0, 1.0, 1.0]
    >>> weights = np.array([0.4, 1.0, -0.9])
    >>> quantizer("awq-2").calibrate(weights, inputs).quantize(weights).round(3)
    array([ 0.4  ,  1.019, -1.027])
    >>> quantizer("uniform-2").quantize(weights)
    array([ 0.,  1., -1.])
    """

    prefix: ClassVar[str] = "awq-"

    def _learned(self, weights: FloatArray, grid: Grid, inputs: FloatArray) -> FloatArray:
        """Return the scale of each column."""
        size = np.mean(np.abs(inputs), axis=0)
        used = size > 1e-150 * size.max(initial=0.0)  # what vanishes beside the others counts as unused
        if not used.any():
            return np.ones(size.size)
        size = np.where(used, size, size[used].min())
        moment = second_moment(inputs)
        tried = [(size / size.max()) ** power for power in _POWERS]
        errors = []
        for scales in tried:
            away = self._rounded(weights, scales)[1] - weights
            errors.append(float(np.sum((away @ moment) * away)))
        return np.asarray(tried[int(np.argmin(errors))])

    def _rounded(self, weights: FloatArray, learned: FloatArray) -> tuple[FloatArray, FloatArray]:
        rows = weights.reshape(-1, learned.size) * learned
        grid = self._grid(rows.reshape(weights.shape))
        codes = grid.nearest(rows)
        return codes, grid.values(codes) / learned
