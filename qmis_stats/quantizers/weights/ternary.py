"""Three levels −α, 0, α: by the mean magnitude, or by a share of zeros."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.quantizers.weights.base import WeightQuantizer, mean_within
from qmis_stats.quantizers.weights.faces import Faces, threshold_faces
from qmis_stats.quantizers.weights.sign import sign_faces
from qmis_stats.quantizers.weights.swaps import candidate_swaps, nearest_swaps
from qmis_stats.validation import checked_share

__all__ = ["AbsmeanTernary", "SparseTernary", "TernaryWeightNetwork"]


class _Ternary(WeightQuantizer):
    """Signs and zeros, times the mean magnitude of the weights that are not zeroed where nothing else is said."""

    @property
    def levels(self) -> int:
        """3."""
        return 3

    def _scale(self, weights: FloatArray) -> float:
        return _kept_mean(weights, self._encode(weights)[0])

    def _combinations(self, weights: FloatArray) -> FloatArray:
        return _kept_row(self._encode(weights)[0])


@dataclass(frozen=True)
class AbsmeanTernary(_Ternary):
    """1.58 bits: ``Q(w) = γ·clip(round(w/γ), −1, 1)`` with γ = mean |w| of the group (BitNet b1.58, Ma et al. 2024).

    The authors' code adds a small ε to γ against division by zero; here a group of zeros stays zero instead.

    Notes
    -----
    *Cells*: thresholds ±γ/2 on every weight. A weight with |w| = γ/2 becomes zero (round half to even). *Faces*:
    ``|w_i| − γ/2`` of a weight that is not zeroed and ``γ/2 ∓ w_i`` of one that is, gradients ``sgn(w_i)·e_i − ½∇γ``
    and ``½∇γ ∓ e_i`` with ``∇γ = sgn(w)/d``. The released γ is a continuous function of all weights, and the cells are
    those of the codes.

    *Not idempotent*: Q(w) has mean magnitude γ(1 − z), z the share of zeros, so that a second pass keeps the codes and
    multiplies the values by 1 − z. *Odd*; scale-equivariant.

    Examples
    --------
    >>> AbsmeanTernary().quantize([2.0, 0.5, -1.0, 0.1])
    array([ 0.9,  0.9, -0.9,  0. ])
    """

    @property
    def stem(self) -> str:
        """``"ternary-absmean"``."""
        return "ternary-absmean"

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        gamma = mean_within(np.abs(weights))
        codes = _beyond(weights, 0.5 * gamma)
        return codes, np.asarray(codes * gamma, dtype=np.float64)

    def _scale(self, weights: FloatArray) -> float:
        return mean_within(np.abs(weights))

    def _combinations(self, weights: FloatArray) -> FloatArray:
        return np.sign(weights)[None] / weights.size

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        return _both_sides(0.5 * mean_within(np.abs(weights))), []

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        return _mean_faces(weights, 0.5, self._positive(mean_within(np.abs(weights))))


@dataclass(frozen=True)
class TernaryWeightNetwork(_Ternary):
    """``Q(w) = α·sgn(w)`` where ``|w| > c·mean|w|``, else 0; α is the mean of the magnitudes above (Li et al. 2016).

    Parameters
    ----------
    factor : float
        c, strictly between 0 and 1. The authors give 0.7 for normal weights, and 0.75 in later versions.

    Notes
    -----
    *Cells*: thresholds ±t on every weight, t = c·mean|w|. A weight with |w| = t becomes zero. *Faces*: as of
    :class:`AbsmeanTernary` with c in the place of ½. The released α is a continuous function of the weights above t,
    and the cells are those of the codes.

    *Idempotent*: the threshold of Q(w) is below α, and α is the mean of its own copies. *Odd*; scale-equivariant.

    Examples
    --------
    >>> TernaryWeightNetwork(0.7).quantize([2.0, 0.5, -1.0, 0.1])
    array([ 1.5,  0. , -1.5,  0. ])
    """

    factor: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_share("factor", self.factor)

    @property
    def stem(self) -> str:
        """``"twn-"`` and the factor."""
        return f"twn-{self.factor:.15g}"

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        size = np.abs(weights)
        return _scaled(weights, _beyond(weights, self.factor * mean_within(size)))

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        return _both_sides(self.factor * mean_within(np.abs(weights))), []

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        return _mean_faces(weights, self.factor, self._positive(mean_within(np.abs(weights))))


@dataclass(frozen=True)
class SparseTernary(_Ternary):
    """The smallest magnitudes become zero, the others ``α·sgn(w)`` with α the mean of their magnitudes.

    Parameters
    ----------
    sparsity_target : float
        Share q of zeros, strictly between 0 and 1: k = ⌊q·d⌋ of the d weights of a group are zeroed, at most d − 1.

    Notes
    -----
    Magnitude pruning (Han et al. 2015) with the scale of ternary weight networks (Li et al. 2016).

    *Cells*: which weights are kept, and their signs. Weights as large as the smallest kept one are kept too, so that
    ties make fewer zeros and a constant tensor none; zeros stay zero. *Faces*: for every kept j and dropped i both
    ``|w_j| − w_i`` and ``|w_j| + w_i``, gradients ``sgn(w_j)·e_j ∓ e_i``. The second, on which w_i grows on the far
    side of zero, is the farther one, and yet has the smaller g²/(2 ∇gᵀV∇g) when the difference varies little and the
    sum a lot. A kept weight cannot change its sign without passing zero, where it would be dropped; when k = 0 the
    faces are the signs'. The released α is a continuous function of the kept weights, and the cells are those of the
    codes.

    Of the 2k(d − k) faces ``faces`` returns the nearest. The minimum of g²/(2 ∇gᵀV∇g) need not be among them when
    variances differ; ``candidate_faces`` finds it among all faces that the bound g²/(2 (sd_i + sd_j)²) does not
    exclude.

    *Idempotent*. *Odd*; scale-equivariant.

    Examples
    --------
    >>> SparseTernary(0.5).quantize([2.0, 0.5, -1.0, 0.1])
    array([ 1.5,  0. , -1.5,  0. ])
    """

    sparsity_target: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_share("sparsity_target", self.sparsity_target)

    @property
    def stem(self) -> str:
        """``"sparse-"`` and the share in per cent."""
        return f"sparse-{100.0 * self.sparsity_target:.15g}"

    def _zeros(self, size: int) -> int:
        # 29 % of 100 weights are 29, whatever 0.29·100 is in binary.
        return min(math.floor(self.sparsity_target * size * (1.0 + 1e-12)), size - 1)

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        size = np.abs(weights)
        k = self._zeros(weights.size)
        return _scaled(weights, np.where(size >= np.partition(size, k)[k], np.sign(weights), 0.0).astype(np.int64))

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        size, k = np.sort(np.abs(weights)), self._zeros(weights.size)
        return _both_sides(float(0.5 * (size[k - 1] + size[k])) if k else 0.0), []

    def _split(self, weights: FloatArray) -> tuple[IntArray, IntArray]:
        """Return the d − k kept and k dropped weights; ties show as faces of margin zero between them."""
        self._positive(float(np.max(np.abs(weights))))
        order, k = np.argsort(np.abs(weights), kind="stable"), self._zeros(weights.size)
        return order[k:], order[:k]

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        kept, dropped = self._split(weights)
        return nearest_swaps(weights, kept, dropped, nearest) if dropped.size else sign_faces(weights)

    def _candidates(self, weights: FloatArray, covariance: FloatArray) -> tuple[Faces, int, int]:
        kept, dropped = self._split(weights)
        if dropped.size:
            return candidate_swaps(weights, kept, dropped, covariance)
        return sign_faces(weights), weights.size, weights.size


def _both_sides(threshold: float) -> FloatArray:
    return np.array([-threshold, threshold]) if threshold > 0.0 else np.zeros(1)


def _beyond(weights: FloatArray, threshold: float) -> IntArray:
    return (weights > threshold).astype(np.int64) - (weights < -threshold).astype(np.int64)


def _scaled(weights: FloatArray, codes: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the codes times the mean magnitude of the weights that are not zeroed."""
    return codes, np.asarray(codes * _kept_mean(weights, codes), dtype=np.float64)


def _kept_mean(weights: FloatArray, codes: IntArray) -> float:
    kept = np.abs(weights[codes != 0])
    return mean_within(kept) if kept.size else 0.0


def _kept_row(codes: IntArray) -> FloatArray:
    """Return the mean magnitude of the weights that are not zeroed as a row; none where all are."""
    kept = np.count_nonzero(codes)
    return codes[None] / kept if kept else np.zeros((0, codes.size))


def _mean_faces(weights: FloatArray, factor: float, mean: float) -> Faces:
    """Return the faces of thresholds ±factor·mean|w|; a weight that is exactly zero does not move the mean."""
    codes = _beyond(weights, factor * mean)
    lower = np.where(codes > 0, factor, np.where(codes == 0, -factor, -np.inf))
    upper = np.where(codes < 0, -factor, np.where(codes == 0, factor, np.inf))
    return threshold_faces(weights, lower, upper, mean, np.sign(weights) / weights.size)
