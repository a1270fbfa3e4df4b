"""No quantization, and one bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import DomainError
from qmis_stats.quantizers.weights.base import WeightQuantizer, mean_within
from qmis_stats.quantizers.weights.faces import Faces, threshold_faces
from qmis_stats.validation import instance_of

__all__ = ["IdentityWeights", "SignWeights", "sign_faces"]


@dataclass(frozen=True)
class IdentityWeights(WeightQuantizer):
    """``Q(w) = w``: the reference without quantization.

    It has no codes and no cells. Its bits are those of the float32 in which weights are usually kept.

    Examples
    --------
    >>> IdentityWeights().quantize([0.1, -2.0])
    array([ 0.1, -2. ])
    """

    _absolute: ClassVar[bool] = True

    @property
    def stem(self) -> str:
        """``"identity"``."""
        return "identity"

    @property
    def levels(self) -> int:
        """2³²."""
        return 2**32

    def codes(self, weights: ArrayLike) -> IntArray:
        """Refuse: weights that are not quantized have no codes."""
        raise self._no_cells()

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        return np.zeros(weights.size, dtype=np.int64), weights

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        return np.zeros(0), list(range(weights.size))

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        raise self._no_cells()

    def _no_cells(self) -> DomainError:
        return DomainError(self.name, "weights that are not quantized have no cells", "choose a quantizer")


@dataclass(frozen=True)
class SignWeights(WeightQuantizer):
    """One bit: ``Q(w) = α·sgn(w)``, zero counted as negative.

    Parameters
    ----------
    scaled : bool
        α = mean |w| of the group (XNOR-Net, Rastegari et al. 2016), the scale of least squared error; otherwise α = 1
        (BinaryConnect, Courbariaux et al. 2015). That zero is negative is the convention of BitNet (Wang et al. 2023).

    Notes
    -----
    *Cells*: orthants. *Faces*: ``g_i = |w_i|``, gradient ``sgn(w_i)·e_i``, one per weight. With ``scaled`` the released
    α is a continuous function of all weights, and the cells are those of the signs alone.

    *Idempotent*, exactly. *Odd* except at zero. Scale-equivariant when scaled, invariant otherwise.

    Examples
    --------
    >>> SignWeights().quantize([0.5, -3.0, 0.0])
    array([ 1., -1., -1.])
    >>> SignWeights(scaled=True).quantize([0.5, -1.0])
    array([ 0.75, -0.75])
    """

    scaled: bool = False

    _absolute: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        instance_of(bool, "scaled", self.scaled)

    @property
    def stem(self) -> str:
        """``"sign"`` or ``"sign-scaled"``."""
        return "sign-scaled" if self.scaled else "sign"

    @property
    def discrete(self) -> bool:
        """Whether ±1 is released."""
        return not self.scaled

    @property
    def levels(self) -> int:
        """2."""
        return 2

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        codes = np.where(weights > 0.0, 1, -1)
        if not self.scaled:
            return codes, codes.astype(np.float64)
        return codes, codes * self._scale(weights) + 0.0

    def _scale(self, weights: FloatArray) -> float:
        if not self.scaled:
            return 1.0
        # Normalised for the sum alone: the sign of a tiny weight must not be lost in it.
        exponent = int(np.frexp(np.max(np.abs(weights)))[1])
        return float(np.ldexp(mean_within(np.abs(np.ldexp(weights, -exponent))), exponent))

    def _combinations(self, weights: FloatArray) -> FloatArray:
        return (
            np.where(weights > 0.0, 1.0, -1.0)[None] / weights.size if self.scaled else super()._combinations(weights)
        )

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        return np.zeros(1), []

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        return sign_faces(weights)


def sign_faces(weights: FloatArray) -> Faces:
    """Return the faces ``|w_i|``; a weight at zero is on the negative side."""
    positive = weights > 0.0
    lower, upper = np.where(positive, 0.0, -np.inf), np.where(positive, np.inf, 0.0)
    return threshold_faces(weights, lower, upper, 1.0, None)
