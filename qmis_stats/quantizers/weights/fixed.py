"""Levels of a fixed shape that are not equally spaced: normal quantiles, four-bit floats, powers of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import WeightQuantizer, midpoints, within_largest
from qmis_stats.quantizers.weights.faces import Faces, threshold_faces
from qmis_stats.validation import whole_number

_LARGEST_POWER = 1023
_CODE_OF_ONE = 1100  # above −log₂ of the smallest number, so that codes of powers are positive

__all__ = ["FP4_LEVELS", "NF4_LEVELS", "Float4", "NormalFloat4", "PowersOfTwo"]

NF4_LEVELS = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""The 16 levels of NormalFloat4, in single precision (Dettmers et al. 2023, appendix E)."""

_FP4_POSITIVE = (0.0, 0.0625, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)

FP4_LEVELS = tuple(x / 12.0 for x in (*(-p for p in _FP4_POSITIVE[:0:-1]), *_FP4_POSITIVE))
"""The 15 values of a float with two bits of exponent and one of mantissa, as bitsandbytes has them: 16 codes, two of
them zero."""


@dataclass(frozen=True)
class _OfLargest(WeightQuantizer):
    """Nearest of fixed levels from −1 to 1 times the largest magnitude."""

    _shape: ClassVar[tuple[float, ...]]

    @property
    def levels(self) -> int:
        """Number of different levels."""
        return len(self._shape)

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        levels, largest = np.array(self._shape), self._scale(weights)
        relative = weights / largest if largest > 0.0 else weights
        codes = np.searchsorted(midpoints(levels), relative, side="left")
        return codes, levels[codes] * largest

    def _scale(self, weights: FloatArray) -> float:
        return float(np.max(np.abs(weights)))

    def _bounds(self, weights: FloatArray) -> tuple[float, float]:
        return within_largest(weights)

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        largest = int(np.argmax(np.abs(weights)))
        return midpoints(np.array(self._shape)) * abs(float(weights[largest])), [largest]

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        edges = np.concatenate(([-np.inf], midpoints(np.array(self._shape)), [np.inf]))
        codes = self._encode(weights)[0]
        m = int(np.argmax(np.abs(weights)))
        largest = self._positive(float(np.abs(weights[m])))
        gradient = np.zeros(weights.size)
        gradient[m] = np.sign(weights[m])
        lower, upper = edges[codes], edges[codes + 1]
        lower[m], upper[m] = -np.inf, np.inf
        return threshold_faces(weights, lower, upper, largest, gradient)


@dataclass(frozen=True)
class NormalFloat4(_OfLargest):
    """Nearest of 16 levels that are normal quantiles, scaled to the largest magnitude (QLoRA, Dettmers et al. 2023).

    Parameters
    ----------
    block : int, optional
        Every run of so many weights of the flattened tensor has its own scale, the last one may be shorter; QLoRA uses
        64. One scale for the tensor, or for each channel, when omitted.

    Notes
    -----
    ``Q(w) = M·nearest(w/M)``, M = max |w| of the group. *Codes* are 0 to 15. *Cells*: thresholds at M times the
    midpoints of consecutive levels; a weight on one goes to the lower level. The largest magnitude has the code 0 or 15
    whatever it is, and so no face. *Faces*: ``w_i − t·M`` and ``t'·M − w_i`` for the midpoints t, t' around the code,
    gradients ``e_i − t∇M`` and ``t'∇M − e_i``, with ``∇M = sgn(w_m)·e_m``. The released M is a continuous function of
    the largest weight, and the cells are those of the codes. QLoRA's second quantization, of the scales, is made by
    ``nf4:g64:double``.

    *Idempotent*, exactly. *Not odd*: there are 7 negative and 8 positive levels. Scale-equivariant.

    Examples
    --------
    >>> NormalFloat4().quantize([2.0, -1.0, 0.1])
    array([ 2.       , -1.0501461,  0.1591606])
    """

    block: int | None = None

    _shape: ClassVar[tuple[float, ...]] = NF4_LEVELS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block is not None:
            whole_number("block", self.block, 1, 2**40)
            if self.per_channel:
                raise InputError("per_channel", True, "False where blocks are given")

    @property
    def stem(self) -> str:
        """``"nf4"``, with the length of blocks where there are blocks."""
        return "nf4" if self.block is None else f"nf4-{self.block}"

    @property
    def _own_blocks(self) -> bool:
        return self.block is not None

    def _group_size(self, array: FloatArray) -> int:
        return self.block or super()._group_size(array)


@dataclass(frozen=True)
class Float4(_OfLargest):
    """Nearest value of a four-bit float, scaled to the largest magnitude (bitsandbytes).

    Notes
    -----
    ``Q(w) = M·nearest(w/M)``, M = max |w| of the group, over 0, ±1/192, ±1/6, ±1/4, ±1/3, ±1/2, ±2/3, ±1. *Codes* are 0
    to 14, in the order of the levels; the library spends a sixteenth on minus zero. *Cells*, *faces* and ties are those
    of :class:`NormalFloat4` at these levels.

    *Idempotent*, exactly. *Odd* up to ties. Scale-equivariant.

    Examples
    --------
    >>> Float4().quantize([12.0, 3.4, 0.05])
    array([12.    ,  3.    ,  0.0625])
    """

    _shape: ClassVar[tuple[float, ...]] = FP4_LEVELS

    @property
    def stem(self) -> str:
        """``"fp4"``."""
        return "fp4"


@dataclass(frozen=True)
class PowersOfTwo(WeightQuantizer):
    """Nearest of 0, ±2^n₂, …, ±2^n₁: multiplications become shifts (INQ, Zhou et al. 2017).

    ``n₁ = ⌊log₂(4·max|w|/3)⌋`` and ``n₂ = n₁ + 1 − 2^(b−2)``.

    Parameters
    ----------
    width : int
        b, from 3 to 8 bits of storage, one of which the authors count for zero: 2^(b−1) + 1 levels. With 2 bits there
        would be one power, and n₁ would move the cells of all weights.

    Notes
    -----
    *Codes* increase with the value and name the power itself, whatever n₁ is. *Cells*: thresholds on |w| at ``1.5·2^e``
    between 2^e and its double and at ``2^(n₂−1)`` between 0 and 2^n₂; a weight on one goes to the larger
    magnitude. They do not move with the weights: n₁ changes when the largest magnitude meets a threshold on it.
    *Faces*: distances of the weights to the thresholds around them, gradients ``±e_i``. The released values
    are discrete.

    *Idempotent*, exactly. *Odd*. Equivariant to scaling by powers of two only.

    Examples
    --------
    >>> PowersOfTwo(4).quantize([1.0, 0.8, -0.7, 0.05])
    array([ 1. ,  1. , -0.5,  0. ])
    """

    width: int = 4

    _absolute: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("bits", self.width, 3, 8)

    @property
    def stem(self) -> str:
        """``"log2-"`` and b."""
        return f"log2-{self.width}"

    @property
    def discrete(self) -> bool:
        """True: powers of two."""
        return True

    @property
    def levels(self) -> int:
        """2^(b−1) + 1."""
        return 2 * self._powers + 1

    @property
    def _powers(self) -> int:
        return int(2 ** (self.width - 2))

    def _exponents(self, weights: FloatArray) -> tuple[IntArray, int, int]:
        """Return the nearest power of two of each magnitude, and n₂ and n₁."""
        fraction, exponent = np.frexp(np.abs(weights))
        powers = np.minimum(exponent - (fraction < 0.75), _LARGEST_POWER).astype(np.int64)
        top = int(powers[np.argmax(np.abs(weights))])
        return powers, top + 1 - self._powers, top

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        powers, bottom, _ = self._exponents(weights)
        powers = np.maximum(powers, bottom)
        sign = np.where(np.abs(weights) >= np.ldexp(1.0, bottom - 1), np.sign(weights), 0.0)
        return (sign * (powers + _CODE_OF_ONE)).astype(np.int64), sign * np.ldexp(1.0, powers)

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        if not np.any(weights):
            return np.zeros(0), []
        _, bottom, top = self._exponents(weights)
        outer = np.concatenate(([np.ldexp(1.0, bottom - 1)], np.ldexp(1.5, np.arange(bottom, top + 1))))
        return np.concatenate((-outer[::-1], outer)), []

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        self._positive(float(np.max(np.abs(weights))))
        powers, bottom, top = self._exponents(weights)
        size, half = np.abs(weights), np.ldexp(1.0, bottom - 1)
        powers = np.clip(powers, bottom, top)
        inner = np.where(powers == bottom, half, np.ldexp(0.75, powers))
        outer = np.ldexp(1.5, powers)
        zero = size < half
        lower = np.where(zero, -half, np.where(weights > 0.0, inner, -outer))
        upper = np.where(zero, half, np.where(weights > 0.0, outer, -inner))
        return threshold_faces(weights, lower, upper, 1.0, None)
