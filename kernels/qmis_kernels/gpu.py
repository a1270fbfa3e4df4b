"""The CUDA backends: the table of functions on a device, written once for a GPU and for this processor.

Arguments and results are described in :mod:`qmis_kernels.reference`.  A problem that does not fit into the
budget of device memory is split; results do not depend on the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _checks as checks
from qmis_kernels import _interpolation as interpolation
from qmis_kernels._constants import PAIR_BLOCK
from qmis_kernels.device import CupyDevice, Device, HostDevice

__all__ = ["Table", "spans", "table"]

Matrix = NDArray[np.float64]
Integers = NDArray[np.int64]
Key = tuple[int, int]
Source = tuple[int, int, int]
Buffer = Any
Result = TypeVar("Result", Matrix, Integers)

_BYTES = 8  # of every number in device memory
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


def _columns(matrix: Matrix) -> Matrix:
    """Return the transpose of the last two axes, contiguous."""
    return np.ascontiguousarray(np.swapaxes(matrix, -1, -2))


def _source(key: Key, stream: int) -> Source:
    seed, experiment, purpose = checks.source(key, stream)
    return int(seed), int(experiment), int(purpose)


class Table(ModuleType):
    """The functions of the table on one device.

    A backend is a module; this is one that is made, not imported.

    Parameters
    ----------
    device : Device
        Where the kernels run.
    budget : int, optional
        Bytes of device memory that one call may use for what it has to hold at a time, by default half of what
        is free, at most 1 GiB.  Parameters (matrices, edges) and single rows that are larger are held anyway.

    Examples
    --------
    >>> from qmis_kernels import BackendUnavailable, backend
    >>> key, reference = (1, 2), backend("reference")
    >>> try:
    ...     device = HostDevice()
    ... except BackendUnavailable:
    ...     found = reference.normals(key, 0, 0, 5, 3)
    ... else:
    ...     found = Table(device, budget=64).normals(key, 0, 0, 5, 3)
    >>> bool((found == reference.normals(key, 0, 0, 5, 3)).all())
    True
    """

    def __init__(self, device: Device, budget: int | None = None) -> None:
        super().__init__(f"{__name__}.{device.name}")
        self.device = device
        self._given_budget = budget

    @property
    def budget(self) -> int:
        """Bytes that a call may use for what it has to hold at a time."""
        if self._given_budget is not None:
            return self._given_budget
        return min(_LARGEST_BUDGET, self.device.free_bytes() // 2)

    def uniforms(self, key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
        """Return ``draws`` uniforms for each replicate, shape (count, draws)."""
        return self._random_rows("uniform_rows", key, stream, first, count, draws)

    def normals(self, key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
        """Return ``draws`` standard normals for each replicate, shape (count, draws)."""
        return self._random_rows("normal_rows", key, stream, first, count, draws)

    def gaussian_sums(
        self, key: Key, stream: int, first: int, count: int, mean: ArrayLike, factor: ArrayLike
    ) -> Matrix:
        """Return draws of N(mean, factor factorᵀ), shape (count, d)."""
        start, count = checks.replicates(first, count)
        centre = checks.array("mean", mean, (None,))
        columns = _columns(checks.array("factor", factor, (centre.size, None)))
        p, d = columns.shape
        source = _source(key, stream)
        out = np.empty((count, d))
        fixed = self.device.upload(centre), self.device.upload(columns)

        def part(begin: int, rows: int) -> Buffer:
            z = self._normals(source, int(start) + begin, rows, p)
            result = self.device.allocate((rows, d), np.float64)
            self._launch("gaussian_rows", rows * d, result, rows, d, p, *fixed, z)
            return result

        return self._in_parts(out, p + d, part)

    def wishart_sums(self, key: Key, stream: int, first: int, count: int, dof: int, factor: ArrayLike) -> Matrix:
        """Return draws of the Wishart law with scale factor factorᵀ, shape (count, q, q)."""
        start, count = checks.replicates(first, count)
        square = checks.array("factor", factor, (None, None))
        columns = self.device.upload(_columns(checks.array("factor", square, (square.shape[1], None))))
        source = _source(key, stream)
        degrees = checks.integer("dof", dof, 1, 2**53)
        q = square.shape[1]
        width = min(q, degrees)
        below = width * (width - 1) // 2 + (q - width) * width  # normals of a replicate
        out = np.empty((count, q, q))

        def part(begin: int, rows: int) -> Buffer:
            number = int(start) + begin
            z = self._normals(source, number, rows, below)
            diagonal = self.device.allocate((rows, width), np.float64)
            attempts = *source, number, (below + 1) // 2
            self._launch("wishart_diagonal", rows * width, diagonal, rows, width, degrees, *attempts)
            b = self.device.allocate((rows, q, width), np.float64)
            self._launch("wishart_factor", rows * q * width, b, rows, q, width, below, columns, z, diagonal)
            result = self.device.allocate((rows, q, q), np.float64)
            self._launch("wishart_product", rows * q * q, result, rows, q, width, b)
            return result

        return self._in_parts(out, below + width + q * width + q * q, part)

    def multinomial_sums(
        self, key: Key, stream: int, first: int, count: int, trials: int, probabilities: ArrayLike
    ) -> Integers:
        """Return multinomial counts, shape (count, m)."""
        start, count = checks.replicates(first, count)
        p, tails = checks.probabilities("probabilities", probabilities)
        source = _source(key, stream)
        size = checks.integer("trials", trials, 0, 2**53)
        out = np.empty((count, p.size), dtype=np.int64)
        law = p.size, size, self.device.upload(p), self.device.upload(tails)
        return self._in_parts(out, p.size, lambda begin, rows: self._counts(source, int(start) + begin, rows, law))

    def mixture_sums(
        self,
        key: Key,
        stream: int,
        first: int,
        count: int,
        trials: int,
        weights: ArrayLike,
        means: ArrayLike,
        factors: ArrayLike,
    ) -> Matrix:
        """Return sums of ``trials`` independent draws of a Gaussian mixture, shape (count, d)."""
        start, count = checks.replicates(first, count)
        p, tails = checks.probabilities("weights", weights)
        centres = checks.array("means", means, (p.size, None))
        d = centres.shape[1]
        columns = _columns(checks.array("factors", factors, (p.size, d, d)))
        source = _source(key, stream)
        size = checks.integer("trials", trials, 0, 2**53)
        stride = d + d % 2  # every component starts with a new block of two draws
        out = np.empty((count, d))
        law = p.size, size, self.device.upload(p), self.device.upload(tails)
        fixed = self.device.upload(centres), self.device.upload(columns)

        def part(begin: int, rows: int) -> Buffer:
            number = int(start) + begin
            counts = self._counts(source, number, rows, law)
            z = self._normals(source, number, rows, p.size * stride, block=(p.size + 1) // 2)
            result = self.device.allocate((rows, d), np.float64)
            self._launch("mixture_rows", rows * d, result, rows, d, p.size, stride, *fixed, counts, z)
            return result

        return self._in_parts(out, p.size + p.size * stride + d, part)

    def all_pairs_wins(self, sum_scores: ArrayLike, weights: ArrayLike, point_scores: ArrayLike) -> Matrix:
        """Return, for each point and cell, the weight of the sums with which the cell wins, shape (M, K)."""
        sums, points = checks.pairs(sum_scores, point_scores)
        weight = checks.array("weights", weights, (sums.shape[0],))
        cells = points.shape[1]
        return self._all_pairs("pair_wins", points, sums, weight, cells)

    def all_pairs_rows(self, sum_scores: ArrayLike, point_scores: ArrayLike, coefficients: ArrayLike) -> Matrix:
        """Return, for each sum, the total coefficient of the cells that win at the points, shape (R,)."""
        sums, points = checks.pairs(sum_scores, point_scores)
        coefficient = checks.array("coefficients", coefficients, points.shape)
        return self._all_pairs("pair_rows", sums, points, coefficient, 1)[:, 0]

    def product_log_ratios(
        self, key: Key, stream: int, first: int, count: int, n: int, edges: ArrayLike, offsets: ArrayLike
    ) -> Matrix:
        """Return the log likelihood ratio under the product and under the joint law, shape (count, 2)."""
        start, count = checks.replicates(first, count)
        size = checks.integer("n", n, 2, 2**53)
        flat, parts = checks.partition(edges, offsets)
        source = _source(key, stream)
        d = parts.size - 1
        out = np.empty((count, 2))
        cells = self.device.upload(flat), self.device.upload(parts)
        pieces = interpolation.pieces(size)
        polynomials = self._polynomials(size, flat.size + d, d, *cells)

        def part(begin: int, rows: int) -> Buffer:
            z = self._normals(source, int(start) + begin, rows, 3 * d)
            terms = self.device.allocate((d, rows, 2), np.float64)
            self._launch("log_ratio_terms", d * rows, terms, rows, d, pieces, size, *cells, polynomials, z)
            result = self.device.allocate((rows, 2), np.float64)
            self._add_blocks(result, 2 * rows, d, terms, fresh=True)
            return result

        return self._in_parts(out, 5 * d + 2, part)

    def _polynomials(self, n: int, cells: int, coordinates: int, edges: Buffer, offsets: Buffer) -> Buffer:
        """Return the coefficients of the log likelihood ratios: a polynomial for each piece of each cell."""
        pieces, terms = interpolation.pieces(n), interpolation.TERMS
        nodes, to_chebyshev, powers = (
            self.device.upload(t) for t in (interpolation.NODES, interpolation.TO_CHEBYSHEV, interpolation.POWERS)
        )
        items = cells * pieces * terms
        values = self.device.allocate((cells, pieces, terms), np.float64)
        self._launch("cell_values", items, values, coordinates, pieces, n, edges, offsets, nodes)
        out = self.device.allocate((cells, pieces, terms), np.float64)
        self._launch("cell_polynomials", items, out, cells * pieces, values, to_chebyshev, powers)
        return out

    def _launch(self, kernel: str, items: int, *arguments: Any) -> None:
        """Start a kernel with about one thread for each item."""
        if items:
            self.device.launch(kernel, min(-(-items // _BLOCK), _MOST_BLOCKS), _BLOCK, arguments)

    def _in_parts(self, out: Result, numbers: int, part: Callable[[int, int], Buffer]) -> Result:
        """Fill ``out`` by its first axis with what ``part(begin, rows)`` returns, and return it.

        ``numbers`` is how many numbers a row needs on the device; all of them are freed before the next part.
        """
        for begin, rows in spans(out.shape[0], _BYTES * numbers, self.budget):
            self.device.download(part(begin, rows), out[begin : begin + rows])
        return out

    def _random_rows(self, kernel: str, key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
        """Return the rows of a kernel that writes draws; a row beyond the budget is split between blocks."""
        start, count = checks.replicates(first, count)
        width = checks.integer("draws", draws, 0, 2**33)
        source = _source(key, stream)
        out = np.empty((count, width))
        budget = self.budget
        widest = max(2, budget // _BYTES // 2 * 2)
        for begin, rows in spans(count, _BYTES * min(width, widest), budget):
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

    def _all_pairs(self, kernel: str, ours: Matrix, others: Matrix, values: Matrix, outputs: int) -> Matrix:
        """Return the totals of each of our rows over all other rows, shape (ours, outputs).

        Threads take one of our rows and one block of the others.  As many blocks run at a time as keep the
        device busy and fit: half of the budget holds the others, half our rows and their partial sums.
        """
        count, cells = ours.shape
        checks.integer("number of cells", cells, 1, 2**31)
        out = np.zeros((count, outputs))
        half = self.budget // 2
        together = min(
            max(1, -(-_ENOUGH_THREADS // max(1, count))),
            max(1, half // (_BYTES * PAIR_BLOCK * (cells + values[:1].size))),
            max(1, -(-others.shape[0] // PAIR_BLOCK)),
        )
        for begin, rows in spans(count, _BYTES * (cells + outputs * (together + 2)), half):
            own = slice(begin, begin + rows)
            out[own] = self._one_tile(kernel, ours[own], others, values, outputs, together)
        return out

    def _one_tile(
        self, kernel: str, ours: Matrix, others: Matrix, values: Matrix, outputs: int, together: int
    ) -> Matrix:
        """Return the totals of rows that fit, over all other rows, ``together`` blocks of them at a time."""
        rows, cells = ours.shape
        columns = self.device.upload(_columns(ours))
        total = self.device.allocate((outputs, rows), np.float64)
        partial = self.device.allocate((together, outputs, rows), np.float64)
        self._add_blocks(total, outputs * rows, 0, partial, fresh=True)
        for begin, size in spans(others.shape[0], 1, together * PAIR_BLOCK):
            blocks = -(-size // PAIR_BLOCK)
            some = slice(begin, begin + size)
            read = columns, self.device.upload(others[some]), self.device.upload(values[some])
            self._launch(kernel, blocks * rows, partial, rows, size, cells, *read)
            self._add_blocks(total, outputs * rows, blocks, partial, fresh=False)
            del read  # before the next ones are made
        found = np.empty((outputs, rows))
        self.device.download(total, found)
        return found.T


@cache
def table(name: str) -> Table:
    """Return the table of a device, "cupy" or "host", made once.

    Raises
    ------
    BackendUnavailable
        If the device cannot be used here.
    """
    return Table(CupyDevice() if name == "cupy" else HostDevice())
