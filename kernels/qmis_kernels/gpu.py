"""The CUDA backends: the table of functions on a device, written once for a GPU and for this processor.

Arguments and results are described in :mod:`qmis_kernels.reference`.  A problem that does not fit into the
budget of device memory is split; results do not depend on the budget.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels import _interpolation as interpolation
from qmis_kernels._gpu_bootstrap import Bootstrap
from qmis_kernels._gpu_exposure import Exposure
from qmis_kernels._gpu_models import Models
from qmis_kernels._launcher import Buffer, Integers, Key, Matrix, source_words, spans, transposed
from qmis_kernels.device import CupyDevice, HostDevice

__all__ = ["Table", "spans", "table"]


class Table(Models, Bootstrap, Exposure):
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

    def uniforms(self, key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
        """Return ``draws`` uniforms for each replicate, shape (count, draws)."""
        return self._random_rows("uniforms", key, stream, first, count, draws)

    def normals(self, key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
        """Return ``draws`` standard normals for each replicate, shape (count, draws)."""
        return self._random_rows("normals", key, stream, first, count, draws)

    def gaussian_sums(
        self, key: Key, stream: int, first: int, count: int, mean: ArrayLike, factor: ArrayLike
    ) -> Matrix:
        """Return draws of N(mean, factor factorᵀ), shape (count, d)."""
        start, count = checks.replicates(first, count)
        centre = checks.array("mean", mean, (None,))
        columns = transposed(checks.array("factor", factor, (centre.size, None)))
        p, d = columns.shape
        source = source_words(key, stream)
        out = np.empty(checks.room("gaussian_sums", (count, d), "count"))
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
        columns = self.device.upload(transposed(checks.array("factor", square, (square.shape[1], None))))
        source = source_words(key, stream)
        degrees = checks.integer("dof", dof, 1, 2**53)
        q = square.shape[1]
        width = min(q, degrees)
        below = width * (width - 1) // 2 + (q - width) * width  # normals of a replicate
        out = np.empty(checks.room("wishart_sums", (count, q, q), "count"))

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
        source = source_words(key, stream)
        size = checks.integer("trials", trials, 0, 2**53)
        out = np.empty(checks.room("multinomial_sums", (count, p.size), "count"), dtype=np.int64)
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
        columns = transposed(checks.array("factors", factors, (p.size, d, d)))
        source = source_words(key, stream)
        size = checks.integer("trials", trials, 0, 2**53)
        stride = d + d % 2  # every component starts with a new block of two draws
        out = np.empty(checks.room("mixture_sums", (count, d), "count"))
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
        checks.integer("number of cells", points.shape[1], 1, 2**31)
        weight = checks.array("weights", weights, (sums.shape[0],))
        return self._all_pairs(
            np.zeros(checks.room("all_pairs_wins", points.shape, "the number of points")),
            "pair_wins",
            points,
            (sums, weight),
        )

    def all_pairs_rows(self, sum_scores: ArrayLike, point_scores: ArrayLike, coefficients: ArrayLike) -> Matrix:
        """Return, for each sum, the total coefficient of the cells that win at the points, shape (R,)."""
        sums, points = checks.pairs(sum_scores, point_scores)
        checks.integer("number of cells", points.shape[1], 1, 2**31)
        coefficient = checks.array("coefficients", coefficients, points.shape)
        return self._all_pairs(
            np.zeros((*checks.room("all_pairs_rows", sums.shape[:1], "the number of sums"), 1)),
            "pair_rows",
            sums,
            (points, coefficient),
        )[:, 0]

    def product_log_ratios(
        self, key: Key, stream: int, first: int, count: int, n: int, edges: ArrayLike, offsets: ArrayLike
    ) -> Matrix:
        """Return the log likelihood ratio under the product and under the joint law, shape (count, 2)."""
        start, count = checks.replicates(first, count)
        size = checks.integer("n", n, 2, 2**53)
        flat, parts = checks.partition(edges, offsets)
        source = source_words(key, stream)
        d = parts.size - 1
        out = np.empty(checks.room("product_log_ratios", (count, 2), "count"))
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


@cache
def table(name: str) -> Table:
    """Return the table of a device, "cupy" or "host", made once.

    Raises
    ------
    BackendUnavailable
        If the device cannot be used here.
    """
    return Table(CupyDevice() if name == "cupy" else HostDevice())
