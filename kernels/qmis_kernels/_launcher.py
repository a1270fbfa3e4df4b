"""What every function on a device needs: launches, memory within a budget, random numbers, sums in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qmis_kernels import _checks as checks
from qmis_kernels._constants import PAIR_BLOCK
from qmis_kernels.device import Device

Matrix = NDArray[np.float64]
Integers = NDArray[np.int64]
Key = tuple[int, int]
Source = tuple[int, int, int]
Buffer = Any
Result = TypeVar("Result", Matrix, Integers)

BYTES = 8  # of every number in device memory
_BLOCK = 128  # threads
_MOST_BLOCKS = 2**20  # of threads in a grid; a thread takes several items beyond
_LARGEST_BUDGET = 2**30
_ENOUGH_THREADS = 2**18  # to keep a GPU busy


def spans(count: int, bytes_each: int, budget: int) -> Iterator[tuple[int, int]]:
    """Yield the start and the length of consecutive parts of ``count`` items, each within the budget.

    A part has at least one item, whatever the budget.

    Examples
    --------
    >>> list(spans(10, 8, 32))
    [(0, 4), (4, 4), (8, 2)]
    """
    size = max(1, budget // max(1, bytes_each))
    for begin in range(0, count, size):
        yield begin, min(size, count - begin)


def transposed(matrix: Matrix) -> Matrix:
    """Return the transpose of the last two axes, contiguous."""
    return np.ascontiguousarray(np.swapaxes(matrix, -1, -2))


def source_words(key: Key, stream: int) -> Source:
    """Return the seed, the experiment and the stream as Python numbers, which devices take."""
    seed, experiment, purpose = checks.source(key, stream)
    return int(seed), int(experiment), int(purpose)


class Launcher(ModuleType):
    """A device and the budget of memory on it; :class:`~qmis_kernels.gpu.Table` is made of these methods."""

    def __init__(self, device: Device, budget: int | None = None) -> None:
        super().__init__(f"{type(self).__module__}.{device.name}")
        self.device = device
        self._given_budget = budget

    @property
    def budget(self) -> int:
        """Bytes that a call may use for what it has to hold at a time."""
        if self._given_budget is not None:
            return self._given_budget
        return min(_LARGEST_BUDGET, self.device.free_bytes() // 2)

    def _launch(self, kernel: str, items: int, *arguments: Any) -> None:
        """Start a kernel with about one thread for each item."""
        if items:
            self.device.launch(kernel, min(-(-items // _BLOCK), _MOST_BLOCKS), _BLOCK, arguments)

    def _in_parts(self, out: Result, numbers: int, part: Callable[[int, int], Buffer]) -> Result:
        """Fill ``out`` by its first axis with what ``part(begin, rows)`` returns, and return it.

        ``numbers`` is how many numbers a row needs on the device; all of them are freed before the next part.
        """
        self._all_in_parts((out,), numbers, lambda begin, rows: (part(begin, rows),))
        return out

    def _all_in_parts(
        self, outs: Sequence[NDArray[Any]], numbers: int, part: Callable[[int, int], Sequence[Buffer]]
    ) -> None:
        """Fill several arrays of the same length by their first axes; ``part`` returns a buffer for each."""
        for begin, rows in spans(outs[0].shape[0], BYTES * numbers, self.budget):
            self._download(part(begin, rows), [out[begin : begin + rows] for out in outs])

    def _download(self, buffers: Sequence[Buffer], outs: Sequence[NDArray[Any]]) -> None:
        for buffer, out in zip(buffers, outs, strict=True):
            self.device.download(buffer, out)

    def _random_rows(self, name: str, key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
        """Return uniforms or normals; a row beyond the budget is split between blocks."""
        start, count = checks.replicates(first, count)
        width = checks.integer("draws", draws, 0, 2**33)
        source = source_words(key, stream)
        out = np.empty(checks.room(name, (count, width), "count or draws"))
        kernel = {"uniforms": "uniform_rows", "normals": "normal_rows"}[name]
        budget = self.budget
        widest = max(2, budget // BYTES // 2 * 2)
        for begin, rows in spans(count, BYTES * min(width, widest), budget):
            for column in range(0, width, widest):
                size = min(widest, width - column)
                self.device.download(
                    self._draws(kernel, source, int(start) + begin, rows, size, column // 2),
                    out[begin : begin + rows, column : column + size],
                )
        return out

    def _draws(self, kernel: str, source: Source, first: int, rows: int, draws: int, block: int) -> Buffer:
        part = self.device.allocate((rows, draws), np.float64)
        self._launch(kernel, rows * (-(-draws // 2)), part, rows, draws, *source, first, block)
        return part

    def _normals(self, source: Source, first: int, rows: int, draws: int, block: int = 0) -> Buffer:
        """Return a buffer of normals, rows x draws."""
        return self._draws("normal_rows", source, first, rows, draws, block)

    def _counts(self, source: Source, first: int, rows: int, law: tuple[int, int, Buffer, Buffer]) -> Buffer:
        """Return a buffer of multinomial counts; the law is categories, trials, p and its tails."""
        part = self.device.allocate((rows, law[0]), np.int64)
        self._launch("multinomial_rows", rows, part, rows, *law, *source, first)
        return part

    def _add_blocks(self, total: Buffer, items: int, blocks: int, partial: Buffer, *, fresh: bool) -> None:
        """Add partial sums to totals in the order of the blocks; fresh totals start at 0."""
        self._launch("add_blocks", items, total, items, blocks, partial, int(fresh))

    def _chi_squares(
        self, source: Source, first: int, rows: int, dof: Buffer, count: int, block: int, stride: int
    ) -> Buffer:
        """Return a buffer of chi-square numbers, rows x count; attempt a at entry i uses block + i + a stride."""
        part = self.device.allocate((rows, count), np.float64)
        self._launch("chi_square_rows", rows * count, part, rows, count, dof, *source, first, block, stride)
        return part

    def _all_pairs(
        self,
        out: Result,
        kernel: str,
        ours: Matrix,
        others: Sequence[Matrix],
        *more: Any,
        scratch: int | None = None,
    ) -> Result:
        """Fill ``out``, one row for each of ours, with totals over the rows of the others, and return it.

        Threads take one of our rows and one block of the others.  As many blocks run at a time as keep the
        device busy and fit: half of the budget holds the others, half our rows, their partial sums and the
        ``scratch`` numbers that a thread needs, for a kernel that takes such work space.  ``more`` are last
        arguments of the kernel.
        """
        count, width = ours.shape
        outputs = out.shape[1]
        half = self.budget // 2
        together = min(
            max(1, -(-_ENOUGH_THREADS // max(1, count))),
            max(1, half // (BYTES * PAIR_BLOCK * max(1, sum(math.prod(some.shape[1:]) for some in others)))),
            max(1, -(-others[0].shape[0] // PAIR_BLOCK)),
        )
        each = width + outputs * (together + 2) + (scratch or 0) * together
        for begin, rows in spans(count, BYTES * each, half):
            own = slice(begin, begin + rows)
            out[own] = self._one_tile(kernel, ours[own], others, outputs, together, scratch, more)
        return out

    def _one_tile(
        self,
        kernel: str,
        ours: Matrix,
        others: Sequence[Matrix],
        outputs: int,
        together: int,
        scratch: int | None,
        more: Sequence[Any],
    ) -> Matrix:
        """Return the totals of rows that fit, over all other rows, ``together`` blocks of them at a time."""
        rows, width = ours.shape
        columns = self.device.upload(transposed(ours))
        total = self.device.allocate((outputs, rows), np.float64)
        partial = self.device.allocate((together, outputs, rows), np.float64)
        work = [] if scratch is None else [self.device.allocate((together, scratch, rows), np.float64)]
        self._add_blocks(total, outputs * rows, 0, partial, fresh=True)
        for begin, size in spans(others[0].shape[0], 1, together * PAIR_BLOCK):
            blocks = -(-size // PAIR_BLOCK)
            read = [self.device.upload(some[begin : begin + size]) for some in others]
            self._launch(kernel, blocks * rows, partial, rows, size, width, columns, *read, *work, *more)
            self._add_blocks(total, outputs * rows, blocks, partial, fresh=False)
            del read  # before the next ones are made
        found = np.empty((outputs, rows))
        self.device.download(total, found)
        return found.T
