"""Blocks of consecutive weights that each have a scale of their own, kept in few bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import WeightQuantizer, blocks_of_rows, weight_tensor
from qmis_stats.quantizers.weights.faces import Faces
from qmis_stats.quantizers.weights.scales import DOUBLE, SCALES, kept
from qmis_stats.validation import instance_of, one_of, whole_number

__all__ = ["Grouped"]


@dataclass(frozen=True)
class Grouped(WeightQuantizer):
    """Another quantizer on each block of so many weights of a row, with a scale per block.

    Blocks follow each other along the rows of axis 0, and never reach into the next row; the last block of a row may be
    shorter. A vector is one row.

    Parameters
    ----------
    inner : WeightQuantizer
        What happens to one block.
    block : int
        Weights in a block.
    scale : {"f16", "f32", "double"}, optional
        Format in which the scale of a block is kept, or each level where levels are not multiples of a scale (not in
        ``"double"``, where scales are quantized to eight bits by :func:`~qmis_stats.quantizers.weights.scales.kept`).
        Codes are those of the scale before it is rounded. Scales are float64 when omitted.

    Notes
    -----
    Cells, faces, properties and ties of a block are those of the inner quantizer. A scale that is the largest magnitude
    gives one weight of each block away, one that is a mean gives a combination away: exactly, as cells and combinations
    have it, or up to the rounding of the scale.

    Examples
    --------
    >>> from qmis_stats.quantizers import quantizer
    >>> quantizer("sign-scaled:g2").quantize([0.5, -1.0, 0.25, 0.75, 2.0])
    array([ 0.75, -0.75,  0.5 ,  0.5 ,  2.  ])
    >>> quantizer("uniform-4:g2:f16").quantize([0.1, 0.3]).round(6)
    array([0.085693, 0.299927])
    """

    inner: WeightQuantizer
    block: int
    scale: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        instance_of(WeightQuantizer, "inner", self.inner, "such as quantizer('uniform-4')")
        whole_number("block", self.block, 1, 2**40)
        if self.per_channel or self.inner.per_channel:
            raise InputError("per_channel", True, "False where blocks are given: blocks never leave their row")
        if self.inner._own_blocks:
            raise InputError("inner", self.inner.name, "a quantizer without blocks of its own")
        if self.scale is not None:
            one_of("scale", self.scale, SCALES)
        if self.scale == DOUBLE and self.inner._scale(np.ones(1)) is None:
            raise InputError("scale", self.scale, f"f16 or f32 for {self.inner.name}, whose levels are kept one by one")

    @property
    def stem(self) -> str:
        """The inner name, ``":g"`` and the block, and the format of scales where there is one."""
        return f"{self.inner.stem}:g{self.block}" + (f":{self.scale}" if self.scale else "")

    @property
    def levels(self) -> int:
        """Those of the inner quantizer."""
        return self.inner.levels

    @property
    def _own_blocks(self) -> bool:
        return True

    @property
    def discrete(self) -> bool:
        """As the inner quantizer."""
        return self.inner.discrete

    def encode(self, weights: ArrayLike) -> tuple[IntArray, FloatArray]:
        """Return codes and released values, the scales rounded to their format.

        Raises
        ------
        InputError
            If the weights cannot be used, or a scale is too large for its format.
        """
        codes, values = super().encode(weights)
        if self.scale is None:
            return codes, values
        flat, groups = values.reshape(-1), self._groups(weight_tensor(weights))
        steps = [self.inner._scale(group) for _, group, _ in groups]
        if any(step is None for step in steps):
            flat[:] = kept(flat, self.scale)
            return codes, values
        exact = np.ldexp(np.array(steps, dtype=np.float64), [exponent for _, _, exponent in groups])
        for (inside, _, _), one, released in zip(groups, exact, kept(exact, self.scale), strict=True):
            if one > 0.0:
                flat[inside] *= released / one
        return codes, values

    def _parts(self, array: FloatArray) -> list[slice]:
        return blocks_of_rows(array, self.block)

    def _groups(self, array: FloatArray) -> list[tuple[slice, FloatArray, int]]:
        return self.inner._divided(array, self._parts(array))

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        return self.inner._encode(weights)

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        return self.inner._cells(weights)

    def _bounds(self, weights: FloatArray) -> tuple[float, float]:
        return self.inner._bounds(weights)

    def _combinations(self, weights: FloatArray) -> FloatArray:
        return self.inner._combinations(weights)

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        return self.inner._faces(weights, nearest)

    def _candidates(self, weights: FloatArray, covariance: FloatArray) -> tuple[Faces, int, int]:
        return self.inner._candidates(weights, covariance)
