"""GPTQ: weights of one input after the other are rounded, and those that follow make up for the error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky

from qmis_stats.arrays import FloatArray
from qmis_stats.quantizers.calibrated.base import CalibratedQuantizer, Grid, second_moment
from qmis_stats.validation import checked_share

__all__ = ["GPTQ"]


@dataclass(frozen=True)
class GPTQ(CalibratedQuantizer):
    """Rounding to the nearest level column by column, each error made up for by the columns that follow.

    With H = XᵀX + λI, λ a share of the mean diagonal, and F the columns that are left, the error e of column j moves
    the weights of F by −e (H_FF⁻¹)_{F,j}/(H_FF⁻¹)_{jj}: the optimal brain surgeon in a fixed order. All of these come
    from one Cholesky factor of H⁻¹.

    Parameters
    ----------
    grid : WeightQuantizer
        As for every :class:`CalibratedQuantizer`.
    damping : float
        Share of the mean diagonal of XᵀX that is added to it.

    Notes
    -----
    Frantar et al. 2022, arXiv:2210.17323; Frantar and Alistarh 2022, arXiv:2208.11580. Scales are those of the weights
    before any is rounded (the published code can do that too: static groups), and columns come in their own order.
    Inputs that are orthogonal make it rounding to the nearest level. The error of the layer on the inputs is mostly
    smaller than that of rounding, but need not be.

    Examples
    --------
    >>> from qmis_stats.quantizers.weights.names import quantizer
    >>> inputs = np.random.default_rng(1).normal(size=(40, 1)) + 0.1 * np.random.default_rng(2).normal(size=(40, 4))
    >>> weights = np.array([0.3, 0.3, 0.3, 1.0])
    >>> quantizer("gptq-2").calibrate(weights, inputs).quantize(weights)
    array([0., 0., 1., 1.])
    >>> quantizer("gptq-2").quantize(weights)
    Traceback (most recent call last):
    ...
    qmis_stats.errors.DomainError: method = 'gptq-2': its codes follow the inputs of the layer, and none are given; ...
    """

    damping: float = 0.01

    prefix: ClassVar[str] = "gptq-"

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_share("damping", self.damping)

    def _learned(self, weights: FloatArray, grid: Grid, inputs: FloatArray) -> FloatArray:
        """Return the upper Cholesky factor of H⁻¹."""
        hessian = second_moment(inputs)
        size = float(np.mean(np.diag(hessian)))
        hessian.flat[:: len(hessian) + 1] += self.damping * size if size > 0.0 else 1.0
        return np.asarray(cholesky(cho_solve(cho_factor(hessian), np.eye(len(hessian)))))

    def _rounded(self, weights: FloatArray, learned: FloatArray) -> tuple[FloatArray, FloatArray]:
        grid = self._grid(weights)
        left = weights.reshape(grid.largest.shape).copy()
        codes, values = np.empty_like(left), np.empty_like(left)
        for j in range(len(learned)):
            codes[:, j] = grid.nearest(left[:, j], j)
            values[:, j] = grid.values(codes[:, j], j)
            error = (left[:, j] - values[:, j]) / learned[j, j]
            left[:, j + 1 :] -= np.outer(error, learned[j, j + 1 :])
        return codes, values
