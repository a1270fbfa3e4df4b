"""Faces of the cell that holds a weight tensor: margins, gradients, and their variances under a covariance.

A face is one or two weights and a multiple of a scale that is computed from the weights, so that its gradient is kept
as these few numbers and d faces of d weights take O(d) memory, not d².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.validation import finite_array

__all__ = ["Faces", "covariance_of", "joined", "pair_faces", "threshold_faces"]

_ASYMMETRY = 1e-8
_ROUNDING = 64.0 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of one cell, each a margin that is positive inside and its gradient.

    The gradient of face f is ``a_f·e_i + b_f·e_j + c_f·∇s``, where i and j are its weights and s is the scale of its
    group (the tensor, a channel or a block).

    Attributes
    ----------
    margins : (F,) array
        Values g_f(w) ≥ 0 at the weights.
    dimension : int
        Number of weights d.
    first, second : (F,) integer arrays
        The weights i and j by their place in the flattened tensor; j is −1 where there is one weight only.
    first_coefficient, second_coefficient, slope : (F,) arrays
        The numbers a, b and c.
    thresholds : (F,) array
        Where the weight i meets the face; NaN for a swap.
    group : (F,) integer array
        The group that each face belongs to.
    scales : tuple of (int, array)
        For each group the place of its first weight, and ∇s on the weights of the group.

    Examples
    --------
    >>> from qmis_stats.quantizers.weights import quantizer
    >>> faces = quantizer("ternary-absmean").faces([2.0, 0.5])
    >>> faces.margins
    array([1.375, 1.125, 0.125])
    >>> faces.gradients
    array([[ 0.75, -0.25],
           [ 0.25,  1.25],
           [ 0.25, -0.75]])
    >>> faces.describe(2)
    'weight 1 above 0.625'
    """

    margins: FloatArray
    dimension: int
    first: IntArray
    first_coefficient: FloatArray
    second: IntArray
    second_coefficient: FloatArray
    slope: FloatArray
    thresholds: FloatArray
    group: IntArray
    scales: tuple[tuple[int, FloatArray], ...] = field(repr=False)

    def __len__(self) -> int:
        return int(self.margins.size)

    @property
    def gradients(self) -> FloatArray:
        """The gradients as one (F, d) array; :meth:`variances` does without it."""
        dense = np.zeros((len(self), self.dimension))
        rows = np.arange(len(self))
        for number, (start, gradient) in enumerate(self.scales):
            chosen = rows[self.group == number]
            dense[chosen, start : start + gradient.size] = self.slope[chosen, None] * gradient
        dense[rows, self.first] += self.first_coefficient
        paired = rows[self.second >= 0]
        dense[paired, self.second[paired]] += self.second_coefficient[paired]
        return dense

    def variances(self, covariance: ArrayLike) -> FloatArray:
        """Return ``∇g_fᵀ V ∇g_f`` of every face.

        Parameters
        ----------
        covariance : (d, d) or (d,) array_like
            V, or its diagonal when the weights are uncorrelated.

        Returns
        -------
        (F,) array

        Raises
        ------
        InputError
            If the covariance has another shape or is seen not to be positive semi-definite.

        Examples
        --------
        >>> from qmis_stats.quantizers.weights import quantizer
        >>> quantizer("sign").faces([2.0, -1.0]).variances([[4.0, 1.0], [1.0, 9.0]])
        array([4., 9.])
        """
        return self.checked_variances(covariance_of(covariance, self.dimension))

    def checked_variances(self, v: FloatArray) -> FloatArray:
        """Return :meth:`variances` for a covariance that has been checked."""
        diagonal = v if v.ndim == 1 else np.diagonal(v)
        a, b, c, i = self.first_coefficient, self.second_coefficient, self.slope, self.first
        paired = self.second >= 0
        j = np.where(paired, self.second, i)
        result = a * a * diagonal[i]
        size = np.abs(a) * np.sqrt(diagonal[i]) + np.where(paired, np.abs(b) * np.sqrt(diagonal[j]), 0.0)
        cross = np.zeros(len(self)) if v.ndim == 1 else v[i, j]
        result += np.where(paired, b * b * diagonal[j] + 2.0 * a * b * cross, 0.0)
        along, own = self._scale_covariances(v)
        result += 2.0 * c * (a * along[i] + np.where(paired, b * along[j], 0.0)) + c * c * own[self.group]
        size += np.abs(c) * np.sqrt(np.maximum(own[self.group], 0.0))
        if np.any(result < -_ROUNDING * size * size):
            raise InputError("covariance", v, "positive semi-definite")
        return np.where(result <= _ROUNDING * size * size, 0.0, result)

    def _scale_covariances(self, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the covariance of each weight with the scale of its group, and the variance of each scale."""
        along, own = np.zeros(self.dimension), np.zeros(len(self.scales))
        for number, (start, gradient) in enumerate(self.scales):
            inside = slice(start, start + gradient.size)
            along[inside] = v[inside] * gradient if v.ndim == 1 else v[inside, inside] @ gradient
            own[number] = gradient @ along[inside]
        return along, own

    def describe(self, face: int) -> str:
        """Say what happens when the weights leave through a face."""
        i, j = int(self.first[face]), int(self.second[face])
        if j >= 0:
            return f"weight {i}, kept, changes places with weight {j}, dropped"
        side = "below" if self.first_coefficient[face] > 0.0 else "above"
        return f"weight {i} {side} {self.thresholds[face]:.6g}"


def threshold_faces(
    weights: FloatArray, lower: FloatArray, upper: FloatArray, scale: float, gradient: FloatArray | None
) -> Faces:
    """Return the faces of weights that each lie between two multiples of one scale.

    Parameters
    ----------
    weights : (d,) array
        The weights of one group.
    lower, upper : (d,) arrays
        Thresholds of each weight in units of the scale; infinite where there is none.
    scale : float
        The scale s.
    gradient : (d,) array or None
        ∇s; ``None`` where the scale is fixed.
    """
    below, above = np.flatnonzero(np.isfinite(lower)), np.flatnonzero(np.isfinite(upper))
    first = np.concatenate((below, above))
    sign = np.concatenate((np.ones(below.size), -np.ones(above.size)))
    multiple = np.concatenate((lower[below], upper[above]))
    thresholds = multiple * scale
    zero = np.zeros(first.size)
    return Faces(
        margins=np.maximum(sign * (weights[first] - thresholds), 0.0),
        dimension=weights.size,
        first=first,
        first_coefficient=sign,
        second=np.full(first.size, -1),
        second_coefficient=zero,
        slope=zero if gradient is None else -sign * multiple,
        thresholds=thresholds,
        group=np.zeros(first.size, dtype=np.int64),
        scales=((0, np.zeros(weights.size) if gradient is None else gradient),),
    )


def pair_faces(weights: FloatArray, kept: IntArray, dropped: IntArray, side: FloatArray) -> Faces:
    """Return the faces ``|w_j| ∓ w_i`` between kept and dropped weights.

    Parameters
    ----------
    weights : (d,) array
        The weights of one group.
    kept, dropped : (F,) integer arrays
        The pair of each face.
    side : (F,) array
        The coefficient of the dropped weight, ±1: on which side of zero it grows.
    """
    sign = np.where(weights[kept] < 0.0, -1.0, 1.0)
    return Faces(
        margins=np.maximum(np.abs(weights[kept]) + side * weights[dropped], 0.0),
        dimension=weights.size,
        first=kept,
        first_coefficient=sign,
        second=dropped,
        second_coefficient=side,
        slope=np.zeros(kept.size),
        thresholds=np.full(kept.size, np.nan),
        group=np.zeros(kept.size, dtype=np.int64),
        scales=((0, np.zeros(weights.size)),),
    )


def joined(parts: Sequence[Faces], exponents: Sequence[int]) -> Faces:
    """Return the faces of consecutive groups as those of one tensor, margins multiplied by powers of two."""
    starts = np.concatenate(([0], np.cumsum([p.dimension for p in parts])))
    return Faces(
        margins=np.concatenate([np.ldexp(p.margins, e) for p, e in zip(parts, exponents, strict=True)]),
        dimension=int(starts[-1]),
        first=np.concatenate([p.first + s for p, s in zip(parts, starts[:-1], strict=True)]),
        first_coefficient=np.concatenate([p.first_coefficient for p in parts]),
        second=np.concatenate(
            [np.where(p.second < 0, -1, p.second + s) for p, s in zip(parts, starts[:-1], strict=True)]
        ),
        second_coefficient=np.concatenate([p.second_coefficient for p in parts]),
        slope=np.concatenate([p.slope for p in parts]),
        thresholds=np.concatenate([np.ldexp(p.thresholds, e) for p, e in zip(parts, exponents, strict=True)]),
        group=np.repeat(np.arange(len(parts)), [len(p) for p in parts]),
        scales=tuple((int(s), p.scales[0][1]) for p, s in zip(parts, starts[:-1], strict=True)),
    )


def covariance_of(covariance: ArrayLike, dimension: int) -> FloatArray:
    """Return a (d, d) covariance or a (d,) diagonal as a checked float array.

    Whether a matrix is positive semi-definite is seen only where it is used: a factorisation would take O(d³).
    """
    try:
        ndim = 1 if np.ndim(covariance) == 1 else 2
    except ValueError:  # rows of different lengths, refused below
        ndim = 2
    shape = (dimension,) * ndim
    v = finite_array("covariance", covariance, ndim, f"({dimension}, {dimension}) or ({dimension},)")
    if v.shape != shape:
        raise InputError(
            "covariance", covariance, f"of shape ({dimension}, {dimension}) or ({dimension},), not {v.shape}"
        )
    if np.any((v if ndim == 1 else np.diagonal(v)) < 0.0):
        raise InputError("covariance", covariance, "positive semi-definite: its diagonal has a negative entry")
    if ndim == 2 and np.max(np.abs(v - v.T)) > _ASYMMETRY * np.max(np.abs(v)):
        raise InputError("covariance", covariance, "symmetric")
    return v
