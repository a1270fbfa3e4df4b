"""Codes of a quantizer that gives none: its released values up to the scales that follow the weights.

A scale that depends continuously on the weights makes new numbers at every checkpoint; told apart by these, codewords
would hardly ever be visited twice. Which scales a quantizer has is found by asking it. Where groups of weights that are
multiplied by factors of their own come out multiplied by the same factors, the released values have a positive scale in
each group, and released values that differ by these scales alone are one codeword. The groups looked for are blocks of
8, 16, 32, ... weights, along rows or the whole tensor, rows of axis 0, and the tensor; the finest that fit are taken.

The code of a weight is its value divided by the step of its group, an integer, where the values of the group are
multiples of a step with at most 255 of them up to the largest; else its share of the largest value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import Flags, FloatArray, IntArray

__all__ = ["VALUES", "DerivedCodes", "derived_codes"]

_SMALLEST_BLOCK = 8
_STEPS = np.arange(1.0, 256.0)
_WHOLE = 5e-5
"""How far from an integer a value in steps may be: single precision has 1.5e-5 at 255."""

_SAME = 1e-5
_ALL_BUT_FEW = 0.999
_MOVE, _MOVES = 100.0, 4
"""By how many times what is told apart weights are moved, and how often: levels that move change each time, a code of
eight bits in single precision in a third of the moves."""


@dataclass(frozen=True, eq=False)
class DerivedCodes:
    """How the codes of an array follow from its released values.

    Attributes
    ----------
    groups : ndarray of int or None
        Group of each weight, in the shape of the array; ``None`` where the values are the codes.
    digits : int
        To which shares of the largest value are told apart.
    settled : bool
        Whether the codes stay as they are when the weights move a little. Otherwise they contain scales or levels that
        could not be told from codes.
    """

    groups: IntArray | None
    digits: int
    settled: bool

    def of(self, values: FloatArray) -> FloatArray:
        """Return the codes of released values."""
        return values if self.groups is None else _codes(values, self.groups, self.digits)


VALUES = DerivedCodes(None, 9, True)
"""The values are the codes."""


def derived_codes(quantize: Callable[[FloatArray], FloatArray], shape: tuple[int, ...]) -> DerivedCodes:
    """Return how codes follow from released values, by a few calls on fixed numbers of the shape of the weights.

    Parameters
    ----------
    quantize : callable
        From an array to what is released of it.
    shape : tuple of int
        Of the weights.

    Examples
    --------
    >>> def sign(w):
    ...     return np.where(w > 0.0, 1.0, -1.0)
    >>> def by_row(w):
    ...     return sign(w) * np.abs(w).mean(axis=1, keepdims=True)
    >>> found = derived_codes(by_row, (2, 3))
    >>> found.groups.tolist(), found.settled, found.of(np.array([[0.3, -0.3, 0.3], [7.0, 7.0, -7.0]])).tolist()
    ([[0, 0, 0], [1, 1, 1]], True, [[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    >>> derived_codes(sign, (2, 3)).groups is None
    True
    """
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=shape)
    values = quantize(numbers)
    digits = 4 if np.array_equal(values, values.astype(np.float32)) else 9

    def follow(groups: IntArray) -> bool:
        powers = rng.uniform(0.2, 0.7, groups.max() + 1) * rng.choice([-1.0, 1.0], groups.max() + 1)
        factors = np.exp(powers)[groups]
        away = np.abs(quantize(numbers * factors) - factors * values)
        return bool(np.mean(away <= _SAME * np.abs(factors * values)) > _ALL_BUT_FEW)

    whole = np.zeros(shape, dtype=np.int64)
    groups = None
    if values.any() and follow(whole):
        groups = next((finer for finer in _partitions(shape) if follow(finer)), whole)
    found = DerivedCodes(groups, digits, True)
    codes = found.of(values)
    moves = (1.0 + _MOVE * 0.1**digits * rng.normal(size=shape) for _ in range(_MOVES))
    changed = np.all([found.of(quantize(numbers * move)) != codes for move in moves], axis=0)
    return DerivedCodes(groups, digits, not bool(np.mean(changed[_inner(codes, groups)]) > 0.5))


def _inner(codes: FloatArray, groups: IntArray | None) -> Flags:
    """Return which codes are not the largest of their group, which cannot change where scales are divided out."""
    if groups is None:
        return np.ones(codes.shape, dtype=bool)
    largest = np.zeros(groups.max() + 1)
    np.maximum.at(largest, groups.ravel(), np.abs(codes).ravel())
    inner = np.abs(codes) < largest[groups]
    return inner if inner.any() else np.ones(codes.shape, dtype=bool)


def _partitions(shape: tuple[int, ...]) -> Iterator[IntArray]:
    """Yield groups finer than the whole tensor, the finest first."""
    size = int(np.prod(shape))
    rows = shape[0] if len(shape) > 1 else 1
    width = size // rows
    places = np.arange(size)
    blocks = [2**k for k in range(_SMALLEST_BLOCK.bit_length() - 1, size.bit_length()) if 2**k < size]
    for block in (b for b in blocks if b < width):
        yield (places // width * -(-width // block) + places % width // block).reshape(shape)
        if width % block and rows > 1:
            yield (places // block).reshape(shape)
    if rows > 1 and width > 1:
        yield (places // width).reshape(shape)
    for block in (b for b in blocks if b > width):
        yield (places // block).reshape(shape)


def _codes(values: FloatArray, groups: IntArray, digits: int) -> FloatArray:
    flat, labels = values.ravel(), groups.ravel()
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels))[:-1]
    codes = np.empty(flat.size)
    for places in np.split(order, ends):
        codes[places] = _within_group(flat[places], digits)
    return codes.reshape(values.shape)


def _within_group(values: FloatArray, digits: int) -> FloatArray:
    """Return values in steps, or as shares of the largest."""
    largest = float(np.max(np.abs(values)))
    if largest == 0.0:
        return values
    share = values / largest
    levels = np.unique(share)
    if levels.size <= 2 * _STEPS.size + 1:
        counts = levels[:, None] * _STEPS
        fitting = np.flatnonzero(np.all(np.abs(counts - np.rint(counts)) <= _WHOLE, axis=0))
        if fitting.size:
            return np.asarray(np.rint(share * _STEPS[fitting[0]]))
    unit = 10.0 ** (digits - 1.0 - np.floor(np.log10(np.where(share == 0.0, 1.0, np.abs(share)))))
    return np.asarray(np.rint(share * unit) / unit)
