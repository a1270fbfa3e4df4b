"""Losses of a quantizer's candidates on the evaluation points: checked, and read in blocks of points.

Whatever holds the numbers (an array, a memory map, a stream that can be started again), the statistics see the same
blocks, so that they depend neither on where the losses are kept nor on how a stream was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError, QmisError, setting
from qmis_stats.foreign import steps_of
from qmis_stats.validation import instance_of, labels_of

__all__ = ["FEWEST_POINTS", "LossBlocks", "Losses", "check_shapes", "losses_of"]

FEWEST_POINTS = 10
"""Fewer evaluation points carry no information on a variance, let alone on a fourth moment."""

_NUMBERS_A_BLOCK = 2**19
_WIDEST_BLOCK = 4096
_MULTIPLE = 128
_ALLOWED = setting("check_axes", False)
_TRANSPOSED = f"more rows than columns are probably (N, K), to be transposed; {_ALLOWED} allows them"


def _width(candidates: int) -> int:
    """Return how many points a block holds: a multiple of 128 that depends on the number of candidates alone."""
    width = min(_WIDEST_BLOCK, _NUMBERS_A_BLOCK // candidates)
    return max(_MULTIPLE, width - width % _MULTIPLE)


class LossBlocks:
    """Losses that are computed or read block by block, as often as they are asked for.

    Parameters
    ----------
    blocks : callable
        Called without arguments, it returns an iterable of arrays of shape (K, points of the block): all points in the
        same order at every call. The blocks may have any sizes.

    Examples
    --------
    >>> halves = np.split(np.arange(80.0).reshape(2, 40), 2, axis=1)
    >>> [block.shape for block in LossBlocks(lambda: halves)()]
    [(2, 20), (2, 20)]
    """

    def __init__(self, blocks: Callable[[], Iterable[ArrayLike]]) -> None:
        if not callable(blocks):
            raise InputError("blocks", blocks, "a function without arguments that returns an iterable of arrays")
        self._blocks = blocks

    def __call__(self) -> Iterator[ArrayLike]:
        """Start again from the first point."""
        yield from self._blocks()


class Losses:
    """The (K, N) losses of one quantizer: candidates by evaluation points.

    Parameters
    ----------
    name : str
        Name of the quantizer, for messages.
    value : array_like or LossBlocks
        Shape (K, N): integers, booleans or floats; memory maps are read in blocks.

    Raises
    ------
    InputError
        If the losses are not numbers, or have another number of dimensions.

    Examples
    --------
    >>> losses = Losses("sign", [[0.1] * 20, [0.2] * 20])
    >>> losses.candidates, losses.points, [block.shape for block in losses.blocks()]
    (2, 20, [(2, 20)])
    """

    def __init__(self, name: str, value: ArrayLike | LossBlocks) -> None:
        instance_of(str, "name", name)
        self.name = name
        self.field = f"losses[{name!r}]"
        if isinstance(value, LossBlocks):
            self._stream: LossBlocks | None = value
            self.candidates, self.points = self._measure(value)
        else:
            self._stream = None
            self._array = _numeric(self.field, value)
            if self._array.ndim != 2:
                raise InputError(self.field, self._array.shape, "of shape (K, N): candidates by evaluation points")
            self.candidates, self.points = self._array.shape

    def blocks(self) -> Iterator[FloatArray]:
        """Yield (K, n) blocks of float64, all of the same width but the last."""
        width = _width(self.candidates)
        if self._stream is None:
            for start in range(0, self.points, width):
                yield _block(self._array[:, start : start + width])
            return
        seen = 0
        for block in _recut(self._checked(self._stream), width):
            seen += block.shape[1]
            yield block
        if seen != self.points:
            raise InputError(f"{self.field}: number of points", seen, f"the same at every pass, {self.points}")

    def _checked(self, stream: LossBlocks) -> Iterator[FloatArray]:
        rows = None
        for value in steps_of(f"{self.field}: the function of its blocks", stream, but=(QmisError,)):
            block = _numeric(self.field, value)
            if block.ndim != 2 or (rows is not None and block.shape[0] != rows):
                allowed = "a block of shape (K, n)" if rows is None else f"a block of shape ({rows}, n)"
                raise InputError(self.field, block.shape, allowed)
            rows = block.shape[0]
            yield _block(block)

    def _measure(self, stream: LossBlocks) -> tuple[int, int]:
        rows, points = 0, 0
        for block in self._checked(stream):
            rows, points = block.shape[0], points + block.shape[1]
        return rows, points


def _numeric(field: str, value: ArrayLike) -> np.ndarray[Any, np.dtype[Any]]:
    array = labels_of(field, value, "an array of numbers of shape (K, N)")
    if array.dtype.kind not in "fiub":
        raise InputError(field, f"array of {array.dtype}", "an array of real numbers of shape (K, N)")
    return array


def _block(values: np.ndarray[Any, np.dtype[Any]]) -> FloatArray:
    """Return contiguous aligned float64; memory maps of files need not be aligned."""
    return np.require(values, np.float64, ["C", "A"])


def _recut(blocks: Iterator[FloatArray], width: int) -> Iterator[FloatArray]:
    """Yield the same columns in blocks of ``width``."""
    kept: list[FloatArray] = []
    size = 0
    for block in blocks:
        begin = 0
        while size + block.shape[1] - begin >= width:
            end = begin + width - size
            yield np.ascontiguousarray(np.hstack([*kept, block[:, begin:end]]))
            kept, size, begin = [], 0, end
        kept.append(block[:, begin:])
        size += block.shape[1] - begin
    if size:
        yield np.ascontiguousarray(np.hstack(kept))


def losses_of(losses: Mapping[str, ArrayLike | LossBlocks], *, check_axes: bool = True) -> list[Losses]:
    """Return the checked losses of every quantizer, all on the same evaluation points.

    Raises
    ------
    InputError
        If a matrix is refused, or the numbers of points differ.

    Examples
    --------
    >>> [entry.name for entry in losses_of({"a": np.eye(2, 12), "b": np.eye(3, 12)})]
    ['a', 'b']
    """
    if not isinstance(losses, Mapping) or not losses:
        raise InputError("losses", losses, "a mapping from names of quantizers to arrays of shape (K, N), not empty")
    for name in losses:
        if not isinstance(name, str) or not name.strip():
            raise InputError("losses", name, "named by strings that are not empty")
    found = [Losses(name, value) for name, value in losses.items()]
    check_shapes([(entry.field, entry.candidates, entry.points) for entry in found], check_axes=check_axes)
    return found


def check_shapes(shapes: list[tuple[str, int, int]], *, check_axes: bool = True) -> None:
    """Check the (field, rows, columns) of loss matrices before any of them is read.

    Parameters
    ----------
    shapes : list of (str, int, int)
        Field, number of candidates K and number of points N of each matrix.
    check_axes : bool
        Refuse more candidates than points: most often the two axes have been exchanged.

    Raises
    ------
    InputError
        If the numbers of points differ, the axes seem to be exchanged, or there are too few rows or columns.

    Examples
    --------
    >>> check_shapes([("losses['a']", 3, 50), ("losses['b']", 4, 50)])
    >>> check_shapes([("losses['a']", 50, 3)])
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: losses['a'] = (50, 3): must be of shape (K, N), candidates by points: ...
    """
    instance_of(bool, "check_axes", check_axes)
    for field, rows, columns in shapes:
        if check_axes and rows > columns:
            raise InputError(field, (rows, columns), f"of shape (K, N), candidates by points: {_TRANSPOSED}")
        if rows < 2:
            raise InputError(field, (rows, columns), "of at least two candidates: the best is compared with the others")
        if columns < FEWEST_POINTS:
            raise InputError(field, (rows, columns), f"on at least {FEWEST_POINTS} evaluation points")
    if len({columns for _, _, columns in shapes}) > 1:
        (first, _, most), (other, _, fewer) = max(shapes, key=lambda s: s[2]), min(shapes, key=lambda s: s[2])
        allowed = "on the same number of points N, in shapes (K, N)"
        line = f"{first} has {most} points (columns), {other} has {fewer}: all must be {allowed}"
        raise InputError("losses", {first: most, other: fewer}, allowed, line=line)
