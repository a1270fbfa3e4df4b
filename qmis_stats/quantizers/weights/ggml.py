"""The plain block types of GGUF files: 32 weights of a row share a scale in float16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import WeightQuantizer, blocks_of_rows, within_largest
from qmis_stats.validation import instance_of, one_of

__all__ = ["GGML_TYPES", "GgmlBlocks"]

GGML_TYPES = {"q4_0": 4, "q4_1": 4, "q5_0": 5, "q5_1": 5, "q8_0": 8}
"""Bits of the code of each type."""

_BLOCK = 32
_F32 = NDArray[np.float32]


@dataclass(frozen=True)
class GgmlBlocks(WeightQuantizer):
    """Blocks of 32 weights of a row as llama.cpp quantizes them, in its single-precision arithmetic.

    Parameters
    ----------
    kind : {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0"}
        With B bits: ``qB_0`` has a scale, ``qB_1`` a scale and a smallest value, per block.

    Notes
    -----
    * ``q4_0``, ``q5_0``: d = m/(−2^(B−1)) with m the weight of largest magnitude, sign included; code
      k = min(⌊w/d + 2^(B−1) + ½⌋, 2^B − 1), value d(k − 2^(B−1)). *Codes* here are (k − 2^(B−1))·sgn d, which increase
      with the weight.
    * ``q8_0``: d = max |w|/127, code round(w/d), half away from zero, value d·code.
    * ``q4_1``, ``q5_1``: d = (max − min)/(2^B − 1), code ⌊(w − min)/d + ½⌋, value d·code + min.

    Codes are those of d in single precision; d and min are released in float16. The last block of a row may be shorter:
    it is as if it were filled up with copies of one of its weights.

    *Cells*: thresholds at half steps of d; d gives the weight of largest magnitude away, d and min both ends. *Faces*
    are not given. Not idempotent, since scales are rounded.

    Examples
    --------
    >>> q4 = GgmlBlocks("q4_0")
    >>> q4.codes([0.9, -2.0, 0.1]), q4.quantize([0.9, -2.0, 0.1])
    (array([ 4, -8,  0]), array([ 1., -2.,  0.]))
    """

    kind: str

    _absolute: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        instance_of(str, "kind", self.kind)
        one_of("kind", self.kind, GGML_TYPES)
        if self.per_channel:
            raise InputError("per_channel", True, "False: blocks never leave their row")

    @property
    def stem(self) -> str:
        """The name of the type, in small letters."""
        return self.kind

    @property
    def levels(self) -> int:
        """2^B; 255 of ``q8_0``."""
        return 255 if self.kind == "q8_0" else int(2 ** GGML_TYPES[self.kind])

    @property
    def _own_blocks(self) -> bool:
        return True

    def _parts(self, array: FloatArray) -> list[slice]:
        return blocks_of_rows(array, _BLOCK)

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            _, codes, step, lowest = self._scaled(weights)
            kept, least = (np.float32(np.float16(x)) for x in (step, lowest))
            values = kept * codes.astype(np.float32) + least
        forward = -1 if step < 0.0 else 1
        return codes.astype(np.int64) * forward, values.astype(np.float64) + 0.0

    def _scaled(self, weights: FloatArray) -> tuple[_F32, _F32, np.float32, np.float32]:
        """Return the weights in single precision, and :meth:`_rounded`, of weights whose scales float16 can hold."""
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            w = weights.astype(np.float32)
            codes, step, lowest = self._rounded(w)
            held = np.isfinite(np.float16(step)) and np.isfinite(np.float16(lowest)) and np.all(np.isfinite(w))
        if not held:
            largest = float(np.max(np.abs(weights)))
            raise InputError("weights", f"a magnitude of {largest:g}", "smaller: scales are kept in float16")
        return w, codes, step, lowest

    def _rounded(self, w: _F32) -> tuple[_F32, np.float32, np.float32]:
        """Return the codes about zero, the step and the smallest value, before these are rounded."""
        zero = np.float32(0.0)
        if self.kind == "q8_0":
            step = np.max(np.abs(w)) / np.float32(127.0)
            scaled = np.abs(w * _inverse(step))
            whole = np.floor(scaled)
            return np.sign(w) * (whole + np.floor(np.float32(2.0) * (scaled - whole))), step, zero
        top = np.float32(2 ** GGML_TYPES[self.kind] - 1)
        if self.kind.endswith("_1"):
            lowest = np.min(w)
            step = (np.max(w) - lowest) / top
            return np.minimum(np.trunc((w - lowest) * _inverse(step) + np.float32(0.5)), top), step, lowest
        half = np.float32(2 ** (GGML_TYPES[self.kind] - 1))
        step = w[np.argmax(np.abs(w))] / -half
        return np.minimum(np.trunc(w * _inverse(step) + (half + np.float32(0.5))), top) - half, step, zero

    def _bounds(self, weights: FloatArray) -> tuple[float, float]:
        if self.kind.endswith("_1"):
            return float(np.min(weights)), float(np.max(weights))
        return within_largest(weights)

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        w, _, step, lowest = self._scaled(weights)
        if self.kind == "q8_0":
            places, known = np.arange(-127, 127) + 0.5, [int(np.argmax(np.abs(w)))]
        elif self.kind.endswith("_1"):
            places, known = np.arange(self.levels - 1) + 0.5, sorted({int(np.argmin(w)), int(np.argmax(w))})
        else:
            places, known = np.arange(1, self.levels) - 0.5 * (self.levels + 1), [int(np.argmax(np.abs(w)))]
        return np.sort(float(lowest) + places * float(step)), known


def _inverse(step: np.float32) -> np.float32:
    """Return 1/step; 0 of a step of zero, or so small that its inverse overflows."""
    return np.float32(1.0) / step if abs(step) > np.float32(1e-38) else np.float32(0.0)
