"""Functions of the table on a device: signed and resampled sums, sums of powers, and contrasts of groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _bootstrap_checks as bootstrap_checks
from qmis_kernels import _checks as checks
from qmis_kernels._constants import LANES, POWER_BLOCK
from qmis_kernels._launcher import Buffer, Key, Launcher, Matrix, source_words, transposed


class Bootstrap(Launcher):
    """The part of the table that resamples and ranks."""

    def rademacher_sums(
        self, key: Key, stream: int, first: int, count: int, values: ArrayLike, point: int = 0
    ) -> Matrix:
        """Return sums of the values at all points with random signs, shape (count, M)."""
        start, count = checks.replicates(first, count)
        matrix, block = bootstrap_checks.signed(values, point)
        m, n = matrix.shape
        source = source_words(key, stream)
        out = np.empty(checks.room("rademacher_sums", (count, m), "count"))
        columns = self.device.upload(transposed(matrix))

        def part(begin: int, rows: int) -> Buffer:
            result = self.device.allocate((rows, m), np.float64)
            self._launch("rademacher_rows", rows * m, result, rows, m, n, *source, int(start) + begin, block, columns)
            return result

        return self._in_parts(out, m, part)

    def resampled_power_sums(self, key: Key, stream: int, first: int, count: int, values: ArrayLike) -> Matrix:
        """Return the sums of the powers 1 to 6 of N values drawn with replacement, shape (count, 6)."""
        start, count = checks.replicates(first, count)
        vector = bootstrap_checks.resampled(values)
        source = source_words(key, stream)
        out = np.empty(checks.room("resampled_power_sums", (count, 6), "count"))
        fixed = self.device.upload(vector)
        blocks = -(-vector.size // POWER_BLOCK)

        def part(begin: int, rows: int) -> Buffer:
            lanes = self.device.allocate((blocks, LANES, rows, 6), np.float64)
            items = blocks * (LANES // 2) * rows
            self._launch("resampled_lanes", items, lanes, rows, vector.size, *source, int(start) + begin, fixed)
            return self._add_lanes(lanes, rows, 6, blocks)

        return self._in_parts(out, 6 * (1 + blocks * (LANES + 1)), part)

    def centred_power_sums(self, values: ArrayLike, reference: ArrayLike, centres: ArrayLike) -> Matrix:
        """Return the sums of the powers 2 to 6 of the deviations of each row, shape (K, 5)."""
        given, common, centre = bootstrap_checks.centred(values, reference, centres)
        points = common.size
        out = np.empty(checks.room("centred_power_sums", (centre.size, 5), "the number of rows"))
        fixed = self.device.upload(common)
        blocks = -(-points // POWER_BLOCK)

        def part(begin: int, rows: int) -> Buffer:
            own = slice(begin, begin + rows)
            read = self.device.upload(given[own]), fixed, self.device.upload(centre[own])
            lanes = self.device.allocate((blocks, LANES, rows, 5), np.float64)
            self._launch("centred_lanes", rows * blocks * LANES, lanes, rows, points, *read)
            return self._add_lanes(lanes, rows, 5, blocks)

        return self._in_parts(out, points + 1 + 5 * (1 + blocks * (LANES + 1)), part)

    def _add_lanes(self, lanes: Buffer, rows: int, powers: int, blocks: int) -> Buffer:
        """Return the sums of all lanes of all blocks, rows x powers."""
        items = rows * powers
        partial = self.device.allocate((blocks, rows, powers), np.float64)
        self._launch("fold_lanes", blocks * items, partial, items, blocks, lanes)
        result = self.device.allocate((rows, powers), np.float64)
        self._add_blocks(result, items, blocks, partial, fresh=True)
        return result

    def group_contrasts(self, estimates: ArrayLike, draws: ArrayLike, offsets: ArrayLike) -> tuple[Matrix, Matrix]:
        """Return the statistics of all pairs of groups, shape (G, G, 2), and their draws' maxima, shape (G, G, B).

        The draws are held on the device twice, by rows and by columns.
        """
        centre, rows, parts = bootstrap_checks.grouped(estimates, draws, offsets)
        groups, (statistics, replicates) = parts.size - 1, rows.shape
        shape = checks.room("group_contrasts", (groups, groups, replicates), "the number of groups or of replicates")
        checks.room("group_contrasts", bootstrap_checks.largest_pair(parts), "the sizes of the groups")
        outs = np.empty((groups, groups, 2)), np.empty(shape)
        columns, by_rows = self.device.upload(transposed(rows)), self.device.upload(rows)
        ends, means = self.device.upload(parts), self.device.upload(centre)

        def part(begin: int, some: int) -> tuple[Buffer, Buffer]:
            first, own = int(parts[begin]), int(parts[begin + some] - parts[begin])
            inverse = self.device.allocate((own, statistics), np.float64)
            sizes = own, statistics, replicates
            self._launch("inverse_scales", own * statistics, inverse, first, *sizes, columns)
            which = begin, some, groups, ends
            results = (
                self.device.allocate((some, groups, 2), np.float64),
                self.device.allocate((some, groups, replicates), np.float64),
            )
            self._launch("group_statistics", some * groups, results[0], *which, means, inverse)
            items = some * groups * replicates
            self._launch("group_maxima", items, results[1], *which, replicates, by_rows, inverse)
            return results

        largest = int(np.diff(parts).max(initial=0))
        self._all_in_parts(outs, largest * statistics + groups * (2 + replicates), part)
        return outs
