"""What every quantizer of a weight tensor offers: codes, released values, faces."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import DomainError, InputError
from qmis_stats.quantizers.weights.faces import Faces, joined
from qmis_stats.validation import instance_of, labels_of, whole_number

__all__ = [
    "GroupCells",
    "WeightQuantizer",
    "WithoutCodes",
    "blocks_of_rows",
    "mean_within",
    "midpoints",
    "weight_tensor",
    "within_largest",
]


@dataclass(frozen=True, eq=False)
class GroupCells:
    """The cells that the weights of one group can fall into, at the scale which the group itself gives.

    Attributes
    ----------
    inside : slice
        Place of the group in the flattened tensor.
    edges : (m,) ndarray
        Sorted thresholds between neighbouring levels, in units of the weights.
    known : (k,) ndarray of int
        Places within the group of weights that the released scale gives away exactly, such as the largest magnitude.
    bounds : (float, float)
        Between which the scale of a block says that all its weights lie; infinite for the one scale of a tensor.
    """

    inside: slice
    edges: FloatArray
    known: IntArray
    bounds: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class WeightQuantizer(ABC):
    """A map from a float tensor to one with few different values in each group.

    A *group* shares its scale and its levels: the whole tensor, or one channel (row of axis 0) when ``per_channel``
    and the tensor has two dimensions or more. The *codes* say which level each weight takes.

    Parameters
    ----------
    per_channel : bool
        Whether each row of axis 0 is quantized by itself.

    Notes
    -----
    Of the weights in one group, a larger one never gets a smaller value. Multiplying a group by a power of two
    multiplies its values by it without error, unless the levels are absolute.
    """

    per_channel: bool = field(default=False, kw_only=True)

    _absolute: ClassVar[bool] = False
    """Whether levels do not follow the scale of the weights, so that groups must not be normalised."""

    def __post_init__(self) -> None:
        instance_of(bool, "per_channel", self.per_channel)

    @property
    @abstractmethod
    def stem(self) -> str:
        """The canonical name without the suffix ``":channel"``."""

    @property
    @abstractmethod
    def levels(self) -> int:
        """Number of levels a weight can take within its group."""

    @property
    def discrete(self) -> bool:
        """Whether the released values come from a fixed countable set.

        Where they do not, a scale that depends continuously on the weights is released too, and cells, faces and
        the indicator are those of the codes alone.
        """
        return False

    @property
    def name(self) -> str:
        """The canonical name, understood by :func:`~qmis_stats.quantizers.weights.names.quantizer`."""
        return f"{self.stem}:channel" if self.per_channel else self.stem

    @property
    def bits(self) -> float:
        """Binary logarithm of the number of levels; scales are not counted."""
        return math.log2(self.levels)

    def quantize(self, weights: ArrayLike) -> FloatArray:
        """Return the quantized tensor.

        Parameters
        ----------
        weights : array_like
            Finite real numbers, at least one; they are not changed.

        Returns
        -------
        array of float64
            Same shape.

        Raises
        ------
        InputError
            If the weights are empty, not real numbers, or not finite.
        """
        return self.encode(weights)[1]

    def codes(self, weights: ArrayLike) -> IntArray:
        """Return the code of each weight: integers in the order of the levels, the same integer for the same level.

        Parameters
        ----------
        weights : array_like
            As for :meth:`quantize`.

        Returns
        -------
        array of int64
            Same shape.
        """
        return self.encode(weights)[0]

    def encode(self, weights: ArrayLike) -> tuple[IntArray, FloatArray]:
        """Return :meth:`codes` and :meth:`quantize` at once: quantizers that search their levels do it a single time.

        Parameters
        ----------
        weights : array_like
            As for :meth:`quantize`.

        Returns
        -------
        codes : array of int64
        values : array of float64
        """
        array = weight_tensor(weights)
        codes, values = np.empty(array.size, dtype=np.int64), np.empty(array.size)
        for inside, group, exponent in self._groups(array):
            codes[inside], found = self._encode(group)
            values[inside] = np.ldexp(found, exponent)
        return codes.reshape(array.shape), values.reshape(array.shape)

    def sparsity(self, weights: ArrayLike) -> float:
        """Return the share of weights whose quantized value is zero."""
        return float(np.mean(self.quantize(weights) == 0.0))

    def faces(self, weights: ArrayLike, *, nearest: int = 4096) -> Faces:
        """Return the faces of the cell that holds the weights, the dependence of scales on the weights included.

        Parameters
        ----------
        weights : array_like
            As for :meth:`quantize`; the faces are those of the flattened tensor.
        nearest : int
            Where faces are pairs of weights, at most this many a group are returned, those of smallest margin.

        Returns
        -------
        Faces

        Raises
        ------
        DomainError
            If the faces are not known, or a group of zeros has no cell with an interior.
        """
        whole_number("nearest", nearest, 1, 2**40)
        groups = list(self._groups(weight_tensor(weights)))
        with np.errstate(over="ignore"):
            found = joined([self._faces(group, nearest) for _, group, _ in groups], [e for _, _, e in groups])
        if not np.all(np.isfinite(found.margins)):
            largest = float(np.max(np.abs(weight_tensor(weights))))
            raise InputError("weights", f"a magnitude of {largest:g}", "smaller: margins overflow")
        return found

    def cells(self, weights: ArrayLike) -> list[GroupCells]:
        """Return the thresholds of each group, its scale held where these weights put it.

        Parameters
        ----------
        weights : array_like
            As for :meth:`quantize`.

        Returns
        -------
        list of GroupCells
            In the order of the flattened tensor.

        Raises
        ------
        DomainError
            If the thresholds are not known.

        Examples
        --------
        >>> from qmis_stats.quantizers import quantizer
        >>> [found] = quantizer("uniform-2").cells([0.4, -1.0, 0.2])
        >>> found.edges, found.known
        (array([-0.5,  0.5]), array([1]))
        """
        found = []
        groups = self._groups(weight_tensor(weights))
        for inside, group, exponent in groups:
            edges, known = self._cells(group)
            low, high = np.ldexp(self._bounds(group), exponent) if len(groups) > 1 else (-math.inf, math.inf)
            places = np.asarray(known, dtype=np.int64)
            found.append(GroupCells(inside, np.ldexp(edges, exponent), places, (float(low), float(high))))
        return found

    def combinations(self, weights: ArrayLike) -> list[tuple[slice, FloatArray]]:
        """Return the linear combinations of weights that the scales of the groups give away besides single weights.

        A scale that is a mean of magnitudes is a known combination of its group once the codes are known. Where the
        whole tensor is one group this is one number among all, and is left out.

        Parameters
        ----------
        weights : array_like
            As for :meth:`quantize`.

        Returns
        -------
        list of (slice, (c, m) ndarray)
            Place of a group in the flattened tensor, and its combinations as rows.

        Examples
        --------
        >>> from qmis_stats.quantizers import quantizer
        >>> for _, rows in quantizer("sign-scaled:g2").combinations([0.5, -1.0, 0.25, 0.75]):
        ...     print(rows)
        [[ 0.5 -0.5]]
        [[0.5 0.5]]
        """
        groups = self._groups(weight_tensor(weights))
        if len(groups) == 1:
            return []
        found = [(inside, self._combinations(group)) for inside, group, _ in groups if np.any(group)]
        return [(inside, rows) for inside, rows in found if rows.size]

    def candidate_faces(self, weights: FloatArray, covariance: FloatArray) -> tuple[Faces, int, int]:
        """Return faces among which the smallest g²/(2 ∇gᵀV∇g) is, the number looked at, and the number that exist.

        Parameters
        ----------
        weights : array
            A checked tensor.
        covariance : (d, d) or (d,) array
            A checked covariance of the flattened tensor.
        """
        parts, exponents, looked, total = [], [], 0, 0
        for inside, group, exponent in self._groups(weights):
            v = covariance[inside] if covariance.ndim == 1 else covariance[inside, inside]
            part, seen, exist = self._candidates(group, v)
            parts.append(part)
            exponents.append(exponent)
            looked, total = looked + seen, total + exist
        return joined(parts, exponents), looked, total

    def _groups(self, array: FloatArray) -> list[tuple[slice, FloatArray, int]]:
        """Return place, values divided by a power of two, and its exponent, of each group."""
        return self._divided(array, self._parts(array))

    def _divided(self, array: FloatArray, parts: list[slice]) -> list[tuple[slice, FloatArray, int]]:
        groups, flat = [], array.reshape(-1)
        for inside in parts:
            group = flat[inside]
            exponent = 0 if self._absolute else int(np.frexp(np.max(np.abs(group)))[1])
            groups.append((inside, np.ldexp(group, -exponent), exponent))
        return groups

    def _parts(self, array: FloatArray) -> list[slice]:
        """Return the places of the groups in the flattened tensor."""
        size = self._group_size(array)
        return [slice(start, min(start + size, array.size)) for start in range(0, array.size, size)]

    @property
    def _own_blocks(self) -> bool:
        """Whether groups are blocks within the rows already."""
        return False

    def _group_size(self, array: FloatArray) -> int:
        return array.size // array.shape[0] if self.per_channel and array.ndim >= 2 else array.size

    @abstractmethod
    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return the codes and values of one group."""

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        """Return the sorted thresholds of one group, and the weights that its scale gives away."""
        raise DomainError(
            self.name, "its thresholds are not known", "define _cells, or leave it to draws of the weights"
        )

    def _bounds(self, weights: FloatArray) -> tuple[float, float]:
        """Return the interval in which the scale of one group says that its weights lie."""
        return -math.inf, math.inf

    def _combinations(self, weights: FloatArray) -> FloatArray:
        """Return the combinations of the weights of one group that its scale gives away, as rows."""
        return np.zeros((0, weights.size))

    def _scale(self, weights: FloatArray) -> float | None:
        """Return what the levels of one group are multiples of; ``None`` where levels are released one by one."""
        return None

    def _faces(self, weights: FloatArray, nearest: int) -> Faces:
        raise DomainError(
            self.name, "the faces of its cells are not known", "use the indicator from losses: qmis_stats.indicator"
        )

    def _candidates(self, weights: FloatArray, covariance: FloatArray) -> tuple[Faces, int, int]:
        faces = self._faces(weights, 1)
        return faces, len(faces), len(faces)

    def _positive(self, scale: float) -> float:
        """Return a scale, or say that zeros have no cell."""
        if scale == 0.0:
            raise DomainError(
                self.name,
                "weights that are all zero lie in no cell with an interior",
                "leave such tensors or channels out",
            )
        return scale


def midpoints(levels: FloatArray) -> FloatArray:
    """Return the middles between neighbouring levels."""
    return np.asarray(0.5 * (levels[1:] + levels[:-1]))


@dataclass(frozen=True)
class WithoutCodes(WeightQuantizer):
    """A quantizer that has to be told more than weights before it has codes; everything that asks for them says so."""

    @property
    @abstractmethod
    def _wanting(self) -> tuple[str, str]:
        """Return what is missing, and what to do instead."""

    def encode(self, weights: ArrayLike) -> tuple[IntArray, FloatArray]:
        """Refuse: weights alone have no codes.

        Raises
        ------
        DomainError
            Always.
        """
        raise DomainError(self.name, *self._wanting)

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        return self.encode(weights)


def weight_tensor(weights: ArrayLike) -> FloatArray:
    """Return weights as a float64 array of any shape, a copy only where needed.

    Raises
    ------
    InputError
        If they are empty, not real numbers, or not finite.

    Examples
    --------
    >>> weight_tensor([[1, 2]])
    array([[1., 2.]])
    """
    given = labels_of("weights", weights, "an array of real numbers")
    if given.dtype.kind not in "fiuO":
        raise InputError("weights", weights, "an array of real numbers")
    try:
        array = given.astype(np.float64, order="C", copy=False)
    except (TypeError, ValueError, OverflowError):
        raise InputError("weights", weights, "an array of real numbers") from None
    if array.size == 0:
        raise InputError("weights", weights, "an array with at least one entry")
    if not np.all(np.isfinite(array)):
        raise InputError("weights", weights, "finite, without NaN or infinite entries")
    return array


def to_be_calibrated(quantizer: object) -> bool:
    """Return whether a quantizer, or one that it is made of, has no codes before it is calibrated on data."""
    return hasattr(quantizer, "calibrate") or any(map(to_be_calibrated, getattr(quantizer, "parts", ())))


def within_largest(weights: FloatArray) -> tuple[float, float]:
    """Return the interval in which weights lie whose largest magnitude is known."""
    largest = float(np.max(np.abs(weights)))
    return -largest, largest


def mean_within(values: FloatArray) -> float:
    """Return a mean that does not depend on the order of the values and lies between the smallest and the largest.

    Examples
    --------
    >>> mean_within(np.array([0.1, 0.1, 0.1]))
    0.1
    """
    mean = math.fsum(values.tolist()) / values.size
    return min(max(mean, float(np.min(values))), float(np.max(values)))


def blocks_of_rows(array: FloatArray, block: int) -> list[slice]:
    """Return the places of blocks along the rows of axis 0, in the flattened tensor.

    Examples
    --------
    >>> blocks_of_rows(np.zeros((2, 3)), 2)
    [slice(0, 2, None), slice(2, 3, None), slice(3, 5, None), slice(5, 6, None)]
    """
    rows = array.shape[0] if array.ndim >= 2 else 1
    width = array.size // rows
    starts = range(0, width, block)
    return [slice(r * width + a, r * width + min(a + block, width)) for r in range(rows) for a in starts]
