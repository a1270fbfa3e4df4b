"""Functions of the table on a device: read-outs of quantized fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks, _exposure_checks
from qmis_kernels._constants import RATIO_BINS
from qmis_kernels._launcher import Integers, Launcher, Matrix, spans, transposed


class Exposure(Launcher):
    """The part of the table that compares members with non-members."""

    def proximal_moments(self, a: ArrayLike, s: ArrayLike, q: ArrayLike, y: ArrayLike, loss: int) -> Matrix:
        """Return the mean of D, the covariance of t and D, and the variance of D, shape (N, 3)."""
        points = _exposure_checks.points(a, s, q, y, loss)
        n = points[0].size
        out = np.empty(_checks.room("proximal_moments", (n, 3), "the number of points"))
        for begin, rows in spans(n, 56, self.budget):
            part = self.device.allocate((rows, 3), np.float64)
            own = [self.device.upload(values[begin : begin + rows]) for values in points]
            self._launch("proximal_moment_rows", rows, part, rows, int(loss), *own)
            self._download([part], [out[begin : begin + rows]])
        return out

    def read_out_ratios(
        self,
        w: ArrayLike,
        a: ArrayLike,
        s: ArrayLike,
        q: ArrayLike,
        y: ArrayLike,
        loss: int,
        moments: ArrayLike,
        c: ArrayLike,
        e: ArrayLike,
    ) -> Matrix:
        """Return log likelihood ratios of read-outs, shape (N,)."""
        points = _exposure_checks.points(a, s, q, y, loss)
        values, *more = _exposure_checks.read_outs(points[0].size, w, moments, c, e)
        out = np.empty(values.shape)
        for begin, rows in spans(values.size, 88, self.budget):
            part = self.device.allocate((rows,), np.float64)
            first, *rest = (
                self.device.upload(array[begin : begin + rows].copy()) for array in (values, *points, *more)
            )
            self._launch("read_out_rows", rows, part, rows, first, int(loss), *rest)
            self._download([part], [out[begin : begin + rows]])
        return out

    def exposure_integrals(
        self,
        a: ArrayLike,
        s: ArrayLike,
        q: ArrayLike,
        y: ArrayLike,
        loss: int,
        moments: ArrayLike,
        c: ArrayLike,
        e: ArrayLike,
        weight: ArrayLike,
        group: ArrayLike,
        groups: int,
        beside: ArrayLike | None = None,
    ) -> tuple[Matrix, Integers, Integers]:
        """Return total variations, (N, Q), and masses of the log ratio, (groups, Q, bins)."""
        points = _exposure_checks.points(a, s, q, y, loss)
        n = points[0].size
        checked = _exposure_checks.exposures(n, moments, c, e, weight, group, groups, beside)
        given, first, second, third, share, part, count = checked
        columns = first.shape[1]
        tv = np.empty((columns, n))
        masses = [np.zeros((columns, count, RATIO_BINS), dtype=np.int64) for _ in range(2)]
        totals = [self.device.upload(mass) for mass in masses]
        for begin, rows in spans(n, 8 * (10 + 4 * columns), self.budget):
            some = slice(begin, begin + rows)
            own = [self.device.upload(values[some].copy()) for values in (*points, given)]
            moves = [self.device.upload(transposed(values[some])) for values in (first, second, third)]
            rest = [self.device.upload(values[some].copy()) for values in (share, part)]
            found = self.device.allocate((columns, rows), np.float64)
            self._launch(
                "exposure_items", rows * columns, found, *totals, rows, columns, count, int(loss), *own, *moves, *rest
            )
            here = np.empty((columns, rows))
            self._download([found], [here])
            tv[:, some] = here
        self._download(totals, masses)
        members, non_members = (np.ascontiguousarray(mass.transpose(1, 0, 2)) for mass in masses)
        return transposed(tv), members, non_members
