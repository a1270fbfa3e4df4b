"""Equally spaced levels between the extremes of the weights, symmetric or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.quantizers.weights.base import WeightQuantizer, within_largest
from qmis_stats.quantizers.weights.faces import Faces, threshold_faces
from qmis_stats.validation import whole_number

__all__ = ["UniformAsymmetric", "UniformSymmetric"]


@dataclass(frozen=True)
class UniformSymmetric(WeightQuantizer):
    """``Q(w) = Δ·round(w/Δ)`` with ``Δ = max|w|/L``, ``L = 2^(b−1) − 1``: 2^b − 1 levels, zero among them.

    Parameters
    ----------
    width : int
        b, from 2 to 8 bits of storage.

    Notes
    -----
    Symmetric quantization in the restricted range (Nagel et al. 2021, A White Paper on Neural Network Quantization).

    *Cells*: thresholds (k ± ½)Δ around the code k of every weight; ties go to the even code. The largest magnitude has
    code ±L whatever it is, and so no face. *Faces*: ``w_i − (k − ½)Δ`` and ``(k + ½)Δ − w_i``, gradients
    ``e_i − (k − ½)∇Δ`` and ``(k + ½)∇Δ − e_i`` with ``∇Δ = sgn(w_m)·e_m/L`` at the largest magnitude m. The released Δ
    is a continuous function of the largest weight, and the cells are those of the codes.

    *Idempotent*, exactly. *Odd*; scale-equivariant.

    Examples
    --------
    >>> UniformSymmetric(3).quantize([3.0, 1.2, -0.4])
    array([3., 1., 0.])
    """

    width: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("bits", self.width, 2, 8)

    @property
    def stem(self) -> str:
        """``"uniform-"`` and b."""
        return f"uniform-{self.width}"

    @property
    def levels(self) -> int:
        """2^b − 1."""
        return 2 * self._top + 1

    @property
    def _top(self) -> int:
        return int(2 ** (self.width - 1)) - 1

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        top, largest = self._top, float(np.max(np.abs(weights)))
        if largest == 0.0:
            return np.zeros(weights.size, dtype=np.int64), np.zeros(weights.size)
        codes = np.rint(weights / largest * top).astype(np.int64)
        return codes, largest * (codes / top)

    def _scale(self, weights: FloatArray) -> float:
        return float(np.max(np.abs(weights))) / self._top

    def _bounds(self, weights: FloatArray) -> tuple[float, float]:
        return within_largest(weights)

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        largest = int(np.argmax(np.abs(weights)))
        steps = np.arange(-self._top, self._top) + 0.5
        return np.asarray(steps * (abs(float(weights[largest])) / self._top)), [largest]

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        codes, top = self._encode(weights)[0], self._top
        m = int(np.argmax(np.abs(weights)))
        largest = self._positive(float(np.abs(weights[m])))
        gradient = np.zeros(weights.size)
        gradient[m] = np.sign(weights[m]) / top
        lower, upper = _around(codes, -top, top)
        lower[m], upper[m] = -np.inf, np.inf
        return threshold_faces(weights, lower, upper, largest / top, gradient)


@dataclass(frozen=True)
class UniformAsymmetric(WeightQuantizer):
    """``Q(w) = s·(clip(round(w/s) + z, 0, L) − z)``: 2^b levels from the smallest to the largest weight.

    With ``L = 2^b − 1``, ``lo = min(0, min w)``, ``hi = max(0, max w)``: ``s = (hi − lo)/L`` and the integer zero point
    ``z = round(−lo/s)``, which makes zero a level (Jacob et al. 2018).

    Parameters
    ----------
    width : int
        b, from 2 to 8 bits of storage.

    Notes
    -----
    *Codes* are ``round(w/s)`` clipped to [−z, L − z]. *Cells*: thresholds (k ± ½)s around the code k of every weight,
    without a lower one at −z or an upper one at L − z; ties go to the even code. Where lo < 0 < hi the zero point moves
    when lo meets (−z ± ½)s, and then the code of the largest weight, which has no other face, moves too. *Faces*:
    ``w_i − (k − ½)s`` and ``(k + ½)s − w_i``, gradients ``e_i − (k − ½)∇s`` and ``(k + ½)∇s − e_i`` with
    ``∇s = (e_max − e_min)/L``; an end that is 0 because all weights are on one side of it does not move. The released
    s is a continuous function of the two ends, and the cells are those of the codes.

    *Idempotent* up to rounding. *Odd* up to ties. Scale-equivariant; not invariant to shifts, since zero is a level.

    Examples
    --------
    >>> UniformAsymmetric(2).quantize([2.0, 0.9, -1.0])
    array([ 2.,  1., -1.])
    """

    width: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("bits", self.width, 2, 8)

    @property
    def stem(self) -> str:
        """``"uniform-asym-"`` and b."""
        return f"uniform-asym-{self.width}"

    @property
    def levels(self) -> int:
        """2^b."""
        return int(2**self.width)

    def _codes(self, weights: FloatArray) -> tuple[IntArray, float, int]:
        """Return the codes, the range hi − lo and the zero point."""
        low, high = min(0.0, float(np.min(weights))), max(0.0, float(np.max(weights)))
        if high == low:
            return np.zeros(weights.size, dtype=np.int64), 0.0, 0
        steps = self.levels - 1
        zero = round(-low / (high - low) * steps)
        return np.clip(np.rint(weights / (high - low) * steps), -zero, steps - zero).astype(np.int64), high - low, zero

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        codes, span, _ = self._codes(weights)
        return codes, span * (codes / (self.levels - 1))

    def _scale(self, weights: FloatArray) -> float:
        return self._codes(weights)[1] / (self.levels - 1)

    def _bounds(self, weights: FloatArray) -> tuple[float, float]:
        return min(0.0, float(np.min(weights))), max(0.0, float(np.max(weights)))

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        _, span, zero = self._codes(weights)
        ends = {int(np.argmin(weights)), int(np.argmax(weights))}
        edges = (np.arange(self.levels - 1) - zero + 0.5) * (span / (self.levels - 1))
        return np.asarray(edges), sorted(ends)

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        codes, span, zero = self._codes(weights)
        steps = self.levels - 1
        scale = self._positive(span) / steps
        smallest, largest = int(np.argmin(weights)), int(np.argmax(weights))
        gradient = np.zeros(weights.size)
        lower, upper = _around(codes, -zero, steps - zero)
        if weights[smallest] < 0.0:
            gradient[smallest] = -1.0 / steps
            lower[smallest], upper[smallest] = -zero - 0.5, -zero + 0.5
        if weights[largest] > 0.0:
            gradient[largest] = 1.0 / steps
            lower[largest], upper[largest] = -np.inf, np.inf
        if weights[largest] <= 0.0:
            lower[smallest], upper[smallest] = -np.inf, np.inf
        return threshold_faces(weights, lower, upper, scale, gradient)


def _around(codes: IntArray, bottom: int, top: int) -> tuple[FloatArray, FloatArray]:
    """Return the thresholds half a step around each code, none beyond the ends."""
    return np.where(codes == bottom, -np.inf, codes - 0.5), np.where(codes == top, np.inf, codes + 0.5)
