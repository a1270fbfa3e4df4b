"""Blocks of consecutive weights that each have a scale of their own, kept in few bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import WeightQuantizer, blocks_of_rows, weight_tensor
from qmis_stats.quantizers.weights.faces import Faces
from qmis_stats.validation import whole_number

__all__ = ["SCALES", "Grouped"]

SCALES: dict[str, type[np.float16] | type[np.float32]] = {"f16": np.float16, "f32": np.float32}
"""Formats that scales are kept in, by the suffix of the name."""


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
    scale : {"f16", "f32"}, optional
        Format in which the scale of a block is kept, or each level where levels are not multiples of a scale. Codes are
        those of the scale before it is rounded. Scales are float64 when omitted.

    Notes
    -----
    Cells, faces, properties and ties of a block are those of the inner quantizer. A scale that is the largest magnitude
    gives one weight of each block away, one that is a mean gives a combination away.

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
        whole_number("block", self.block, 1, 2**40)
        if self.per_channel or self.inner.per_channel:
            raise InputError("per_channel", True, "False where blocks are given: blocks never leave their row")
        if self.inner._own_blocks:
            raise InputError("inner", self.inner.name, "a quantizer without blocks of its own")
        if self.scale is not None and self.scale not in SCALES:
            raise InputError("scale", self.scale, f"one of {', '.join(SCALES)}")

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
        array, flat = weight_tensor(weights), values.reshape(-1)
        kind = SCALES[self.scale]
        for inside, group, exponent in self._groups(array):
            step = self.inner._scale(group)
            exact = flat[inside] if step is None else np.ldexp(np.array([step]), exponent)
            with np.errstate(over="ignore", under="ignore"):
                kept = exact.astype(kind).astype(np.float64)
            if not np.all(np.isfinite(kept)):
                largest = float(np.max(np.abs(exact)))
                raise InputError("weights", f"a scale of {largest:g}", f"with scales up to {np.finfo(kind).max:g}")
            if step is None:
                flat[inside] = kept
            elif step > 0.0:
                flat[inside] *= kept / exact
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
