"""Levels of least squared error for the very values of a tensor: Lloyd's iteration, and the exact optimum."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import DomainError
from qmis_stats.quantizers.weights.base import WeightQuantizer, mean_within, midpoints
from qmis_stats.validation import whole_number

__all__ = ["KMeansCodebook", "LloydMaxCodebook"]

_Choices = NDArray[np.integer[Any]]

_MAX_ITERATIONS = 100_000
_MAX_CELLS = 1 << 28
_FEW = 256


@dataclass(frozen=True)
class _OwnLevels(WeightQuantizer):
    """2^b levels, each the mean of the weights of its cell."""

    width: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("bits", self.width, 1, 8)

    @property
    def levels(self) -> int:
        """2^b."""
        return int(2**self.width)

    def _encode(self, weights: FloatArray) -> tuple[IntArray, FloatArray]:
        values, inverse, counts = np.unique(weights, return_inverse=True, return_counts=True)
        if values.size <= self.levels:
            return inverse.astype(np.int64), weights
        ends = self._ends(values, counts)
        ordered = np.repeat(values, counts)
        at = np.concatenate(([0], np.cumsum(counts)))[ends]
        means = np.array([mean_within(ordered[a:b]) for a, b in pairwise(at)])
        codes = np.repeat(np.arange(ends.size - 1), np.diff(ends))[inverse]
        return codes, means[codes]

    def _cells(self, weights: FloatArray) -> tuple[FloatArray, list[int]]:
        return midpoints(np.unique(self._encode(weights)[1])), []

    def _combinations(self, weights: FloatArray) -> FloatArray:
        codes = self._encode(weights)[0]
        inside = codes == np.unique(codes)[:, None]
        return np.asarray(inside / inside.sum(axis=1, keepdims=True))

    def _ends(self, values: FloatArray, counts: IntArray) -> IntArray:
        """Return where the cells begin among the sorted distinct values, and their number at the end."""
        raise NotImplementedError


@dataclass(frozen=True)
class LloydMaxCodebook(_OwnLevels):
    """2^b levels by Lloyd's iteration from quantiles: a local optimum of the squared error, the same on every machine.

    Parameters
    ----------
    width : int
        b, from 1 to 8.

    Notes
    -----
    Lloyd (1982), Max (1960), on the empirical law of the weights. The first levels are the quantiles (i + ½)/2^b;
    then thresholds are midpoints of levels and levels are means of cells, in turn, until no weight changes its cell. A
    weight on a threshold belongs to the lower cell; a cell that empties is dropped. At most 2^b different values are
    left as they are. :class:`KMeansCodebook` finds the global optimum of the same error, in more time.

    *Cells*: all levels depend on all weights through the iteration, so that the faces are not given. *Idempotent*: Q(w)
    has at most 2^b different values. *Odd* up to ties; equivariant to scaling, and to shifts up to rounding.

    Examples
    --------
    >>> LloydMaxCodebook(1).quantize([0.0, 1.0, 5.0, 6.0])
    array([0.5, 0.5, 5.5, 5.5])
    """

    @property
    def stem(self) -> str:
        """``"lloyd-max-"`` and b."""
        return f"lloyd-max-{self.width}"

    def _ends(self, values: FloatArray, counts: IntArray) -> IntArray:
        centred, sums, _, numbers = _prefix_sums(values, counts)
        place = (np.arange(self.levels) + 0.5) / self.levels * numbers[-1]
        levels = np.unique(centred[np.searchsorted(numbers[1:], place, side="left")])
        ends = np.zeros(0, dtype=np.int64)
        for _ in range(_MAX_ITERATIONS):
            inner = np.searchsorted(centred, 0.5 * (levels[1:] + levels[:-1]), side="right")
            # Equal ends hold an empty cell between them.
            found = np.unique(np.concatenate(([0], inner, [values.size])))
            if np.array_equal(found, ends):
                break
            ends = found
            levels = np.diff(sums[ends]) / np.diff(numbers[ends])
        return ends


@dataclass(frozen=True)
class KMeansCodebook(_OwnLevels):
    """2^b levels of least squared error for the weights: k-means on a line, solved exactly.

    Parameters
    ----------
    width : int
        b, from 1 to 8: there are 2^b levels, not b.

    Notes
    -----
    Cells of the optimum are intervals of the sorted weights, which leaves a dynamic programme over their ends (Wang and
    Song 2011, Ckmeans.1d.dp). The best end moves one way with the number of weights, and a programme that halves the
    range takes O(2^b m log m) steps for m different weights (Grønlund et al. 2017). Of several optima the one with
    the smallest ends is taken. At most 2^b different values are left as they are.

    *Cells*: all levels depend on all weights through the optimum, so that the faces are not given. *Idempotent*: Q(w)
    has at most 2^b different values. *Odd* where the optimum is unique; equivariant to scaling, and to shifts up to
    rounding.

    Examples
    --------
    >>> KMeansCodebook(1).quantize([0.0, 1.0, 5.0, 6.0])
    array([0.5, 0.5, 5.5, 5.5])
    """

    @property
    def stem(self) -> str:
        """``"kmeans-"`` and b."""
        return f"kmeans-{self.width}"

    def _ends(self, values: FloatArray, counts: IntArray) -> IntArray:
        if values.size * self.levels > _MAX_CELLS:
            raise DomainError(
                self.name,
                f"{values.size} different weights and {self.levels} levels take more than {_MAX_CELLS} table entries",
                f"use lloyd-max-{self.width}, or quantize per channel",
            )
        return _optimal_ends(values, counts, self.levels)


def _prefix_sums(values: FloatArray, counts: IntArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the centred values and the running sums of them, of their squares and of their number."""
    centred = values - np.average(values, weights=counts)
    sums, squares, numbers = np.zeros(values.size + 1), np.zeros(values.size + 1), np.zeros(values.size + 1)
    np.cumsum(counts * centred, out=sums[1:])
    np.cumsum(counts * centred**2, out=squares[1:])
    np.cumsum(counts, out=numbers[1:])
    return centred, sums, squares, numbers


def _optimal_ends(values: FloatArray, counts: IntArray, cells: int) -> IntArray:
    """Return the ends of the intervals with the least sum of squares about their means."""
    prefixes = _prefix_sums(values, counts)[1:]
    choices = (_from_table if values.size <= _FEW else _by_halving)(*prefixes, cells)
    ends = [values.size]
    for choice in reversed(choices):
        ends.append(int(choice[ends[-1]]))
    return np.array([0, *reversed(ends)])


def _from_table(sums: FloatArray, squares: FloatArray, numbers: FloatArray, cells: int) -> list[_Choices]:
    """Return the best left end for each right end, for two cells and more, from the costs of all pairs of ends."""
    left, right = np.triu_indices(sums.size, 1)
    sum_of, square_of, number_of = (of[right] - of[left] for of in (sums, squares, numbers))
    cost = np.full((sums.size, sums.size), np.inf)
    cost[right, left] = np.maximum(square_of - sum_of * sum_of / number_of, 0.0)
    best = cost[:, 0]
    choices: list[_Choices] = []
    for _ in range(2, cells + 1):
        total = cost + best
        choices.append(np.argmin(total, axis=1))
        best = total.min(axis=1)
    return choices


def _by_halving(sums: FloatArray, squares: FloatArray, numbers: FloatArray, cells: int) -> list[_Choices]:
    """Do the same for many values: best ends grow with right ends, which are halved."""
    m = sums.size - 1
    best = np.full(m + 1, np.inf)
    best[1:] = np.maximum(squares[1:] - sums[1:] ** 2 / numbers[1:], 0.0)
    choices: list[_Choices] = []
    for used in range(2, cells + 1):
        previous, best = best, np.full(m + 1, np.inf)
        choice = np.zeros(m + 1, dtype=np.int32)
        # Ranges of right ends that are still open, with the range that their best left ends are in.
        first, last = np.array([used if used < cells else m]), np.array([m - cells + used])
        low, high = np.array([used - 1]), np.array([m - 1])
        while first.size:
            middle = (first + last) // 2
            lengths = np.minimum(high, middle - 1) - low + 1
            begins = np.cumsum(lengths) - lengths
            left = np.arange(int(lengths.sum())) - np.repeat(begins - low, lengths)
            sum_of, square_of, number_of = (
                np.repeat(of[middle], lengths) - of.take(left) for of in (sums, squares, numbers)
            )
            sum_of *= sum_of  # in place: what is allocated here takes half of the time
            sum_of /= number_of
            square_of -= sum_of
            total = np.maximum(square_of, 0.0, out=square_of)
            total += previous.take(left)
            least = np.minimum.reduceat(total, begins)
            hits = np.flatnonzero(total == np.repeat(least, lengths))
            found = left[hits[np.searchsorted(hits, begins)]]
            best[middle], choice[middle] = least, found
            first, last = np.concatenate((first, middle + 1)), np.concatenate((middle - 1, last))
            low, high = np.concatenate((low, found)), np.concatenate((found, high))
            keep = first <= last
            first, last, low, high = first[keep], last[keep], low[keep], high[keep]
        choices.append(choice)
    return choices
