"""Functions of the table on a device: gamma numbers and regressions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _checks as checks
from qmis_kernels import _model_checks as model_checks
from qmis_kernels._launcher import Buffer, Integers, Key, Launcher, Matrix, source_words, transposed


class Models(Launcher):
    """The part of the table that draws, updates and fits regressions."""

    def gammas(self, key: Key, stream: int, first: int, count: int, shape: ArrayLike) -> Matrix:
        """Return gamma numbers, shape (count, m)."""
        start, count = checks.replicates(first, count)
        shapes = model_checks.shapes("shape", shape)
        source = source_words(key, stream)
        m = shapes.size
        fixed = self.device.upload(shapes)

        def part(begin: int, rows: int) -> Buffer:
            result = self.device.allocate((rows, m), np.float64)
            self._launch("gamma_rows", rows * m, result, rows, m, fixed, *source, int(start) + begin)
            return result

        return self._in_parts(np.empty(checks.room("gammas", (count, m), "count")), m, part)

    def regression_sums(
        self,
        key: Key,
        stream: int,
        first: int,
        count: int,
        n: int,
        coefficients: ArrayLike,
        transform: ArrayLike,
        noise_std: float,
    ) -> tuple[Matrix, Matrix]:
        """Return least-squares estimates, shape (count, d), and residual sums of squares, shape (count,)."""
        return self._least_squares(key, stream, first, count, n, coefficients, transform, noise_std, False)[:2]

    def regression_factors(
        self,
        key: Key,
        stream: int,
        first: int,
        count: int,
        n: int,
        coefficients: ArrayLike,
        transform: ArrayLike,
        noise_std: float,
    ) -> tuple[Matrix, Matrix, Matrix]:
        """Return the results of :meth:`regression_sums` and the triangles A, shape (count, d, d)."""
        return self._least_squares(key, stream, first, count, n, coefficients, transform, noise_std, True)

    def _least_squares(
        self,
        key: Key,
        stream: int,
        first: int,
        count: int,
        n: int,
        coefficients: ArrayLike,
        transform: ArrayLike,
        noise_std: float,
        keep_factors: bool,
    ) -> tuple[Matrix, Matrix, Matrix]:
        start, count = checks.replicates(first, count)
        size, centre, matrix, noise = model_checks.regression(n, coefficients, transform, noise_std)
        source = source_words(key, stream)
        d = centre.size
        draws = d * (d + 1) // 2  # entries of A below its diagonal, and z
        width = d + 1 if size > d else d  # the diagonal of A, and the residuals unless they vanish
        dof = self.device.upload(size - np.arange(width, dtype=np.int64))
        fixed = self.device.upload(centre), self.device.upload(transposed(matrix))
        kept = d * d if keep_factors else 0
        if keep_factors:
            checks.room("regression_factors", (count, d, d), "count")
        estimates = np.empty(checks.room("regression_sums", (count, d), "count"))
        residual_squares = np.empty(count)
        factors = np.empty((count if keep_factors else 0, d, d))
        outs = (estimates, residual_squares, factors) if keep_factors else (estimates, residual_squares)

        def part(begin: int, rows: int) -> list[Buffer]:
            number = int(start) + begin
            own = self._normals(source, number, rows, draws)
            squares = self._chi_squares(source, number, rows, dof, width, (draws + 1) // 2, d + 1)
            self._launch("regression_solutions", rows, own, rows, d, width, squares)
            results = [self.device.allocate((rows, d), np.float64), self.device.allocate((rows,), np.float64)]
            self._launch("regression_estimates", rows * d, results[0], rows, d, noise, *fixed, own)
            self._launch("regression_residuals", rows, results[1], rows, d, width, noise, squares)
            if keep_factors:
                results.append(self.device.allocate((rows, d, d), np.float64))
                self._launch("regression_triangles", rows * d * d, results[2], rows, d, width, own, squares)
            return results

        self._all_in_parts(outs, draws + width + d + 1 + kept, part)
        return estimates, residual_squares, factors

    def rank_one_updates(
        self, factors: ArrayLike, estimates: ArrayLike, design: ArrayLike, response: ArrayLike, sign: int
    ) -> tuple[Matrix, Matrix, NDArray[np.bool_]]:
        """Return the updated estimates, (R, m, d), the leverages and whether the point can be left out, (R, m)."""
        triangles, old, points, values, direction = model_checks.updates(factors, estimates, design, response, sign)
        regressions, m, d = points.shape
        items = regressions * m
        flat_points, flat_values = points.reshape(items, d), values.reshape(items)
        updated = np.empty(checks.room("rank_one_updates", (items, d), "the number of points"))
        leverage, solvable = np.empty(items), np.empty(items, dtype=np.int64)

        def part(begin: int, size: int) -> tuple[Buffer, ...]:
            some = slice(begin, begin + size)
            own = slice(begin // m, (begin + size - 1) // m + 1)  # the regressions that these points belong to
            read = [self.device.upload(a) for a in (triangles[own], old[own], flat_points[some], flat_values[some])]
            results = (
                self.device.allocate((size, d), np.float64),
                self.device.allocate((size,), np.float64),
                self.device.allocate((size,), np.int64),
            )
            work = self.device.allocate((d, size), np.float64)
            self._launch("rank_one_rows", size, *results, size, begin % m, m, d, direction, *read, work)
            return results

        shared = -(-(d * d + d) // max(1, m))  # numbers of a regression, divided among its points
        self._all_in_parts((updated, leverage, solvable), 3 * d + 3 + shared, part)
        shape = regressions, m
        return updated.reshape(*shape, d), leverage.reshape(shape), solvable.reshape(shape) != 0

    def add_one_wins(
        self,
        factors: ArrayLike,
        estimates: ArrayLike,
        x: ArrayLike,
        response: ArrayLike,
        edges: ArrayLike,
        offsets: ArrayLike,
    ) -> Integers:
        """Return how many regressions each point moves into each product cell, shape (M, cells)."""
        triangles, old, points, values, flat, parts, cells = model_checks.all_updates(
            factors, estimates, x, response, edges, offsets
        )
        count, d = points.shape
        out = np.zeros(checks.room("add_one_wins", (count, cells), "the number of cells"), dtype=np.int64)
        fixed = cells, self.device.upload(flat), self.device.upload(parts)
        ours = np.concatenate([points, values[:, None]], axis=1)
        return self._all_pairs(out, "add_one_counts", ours, (triangles, old), *fixed, scratch=d)

    def logistic_fits(self, x: ArrayLike, y: ArrayLike, tolerance: float, iterations: int) -> tuple[Matrix, Integers]:
        """Return the maximum-likelihood estimates, shape (R, d), and how the fits ended, shape (R,)."""
        design, response = model_checks.labelled(x, y)
        settings = model_checks.newton(tolerance, iterations)
        count, n, d = design.shape
        checks.room("logistic_fits", (count, d), "the number of data sets")

        def data(begin: int, rows: int) -> tuple[Buffer, Buffer]:
            some = slice(begin, begin + rows)
            columns = np.ascontiguousarray(design[some].transpose(2, 1, 0))
            return self.device.upload(columns), self.device.upload(transposed(2.0 * response[some] - 1.0))

        return self._logistic(count, n, d, settings, data)

    def logistic_sums(
        self,
        key: Key,
        stream: int,
        first: int,
        count: int,
        n: int,
        coefficients: ArrayLike,
        factor: ArrayLike,
        tolerance: float,
        iterations: int,
    ) -> tuple[Matrix, Integers]:
        """Return the estimates, shape (count, d), and statuses, shape (count,), of simulated logistic regressions."""
        start, count = checks.replicates(first, count)
        size, centre, matrix = model_checks.logistic(n, coefficients, factor)
        settings = model_checks.newton(tolerance, iterations)
        source = source_words(key, stream)
        d = centre.size
        checks.room("logistic_sums", (count, d), "count")
        fixed = self.device.upload(centre), self.device.upload(matrix)

        def data(begin: int, rows: int) -> tuple[Buffer, Buffer]:
            columns = self.device.allocate((d, size, rows), np.float64)
            signs = self.device.allocate((size, rows), np.float64)
            address = *source, int(start) + begin
            self._launch("logistic_points", size * rows, columns, signs, rows, size, d, *fixed, *address)
            return columns, signs

        return self._logistic(count, size, d, settings, data)

    def _logistic(
        self,
        count: int,
        n: int,
        d: int,
        settings: tuple[float, int],
        data: Callable[[int, int], tuple[Buffer, Buffer]],
    ) -> tuple[Matrix, Integers]:
        """Fit what ``data(begin, rows)`` returns: designs (d, n, rows) and signs of the responses (n, rows)."""
        estimates, status = np.empty((count, d)), np.empty(count, dtype=np.int64)
        scratch = 3 * n + d * (d + 1) // 2 + 2 * d

        def part(begin: int, rows: int) -> tuple[Buffer, Buffer]:
            read = data(begin, rows)
            work = self.device.allocate((scratch, rows), np.float64)
            results = self.device.allocate((rows, d), np.float64), self.device.allocate((rows,), np.int64)
            self._launch("logistic_rows", rows, *results, rows, n, d, *settings, *read, work)
            return results

        self._all_in_parts((estimates, status), (d + 1) * n + scratch + d + 1, part)
        return estimates, status
