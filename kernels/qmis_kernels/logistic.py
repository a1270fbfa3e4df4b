"""Logistic regression by Newton's method, one fit after the other, with a status instead of a silent failure.

Designs are kept by columns and padded with zeros to a multiple of eight points: sums over points run in eight
interleaved partial sums, so that their loops run on vectors and their order is fixed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels.elementary import exp, log1p
from qmis_kernels.fit_status import FitStatus
from qmis_kernels.normal import uniforms_to_normals
from qmis_kernels.sums import add_product
from qmis_kernels.uniform import Source, fill_uniforms

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

_CONVERGED = int(FitStatus.CONVERGED)
_SEPARABLE = int(FitStatus.SEPARABLE)
_DIVERGING = int(FitStatus.DIVERGING)
_SINGULAR = int(FitStatus.SINGULAR)
_ITERATIONS = int(FitStatus.ITERATIONS)

LANES = 8
SAFE_MOVE = 1.5
SMALLEST_PIVOT = 2.0**-40
SMALLEST_STEP = 2.0**-60
ROUNDING = 2.0**-52
UNDERFLOW = 2.0**-1000

_ROWS = 8  # replicates that share one set of work arrays


@inlined
def padded(n: int) -> int:
    """Return the smallest multiple of eight that is at least n."""
    return (n + LANES - 1) // LANES * LANES


@compiled
def lanes_sum(a: Vector) -> float:
    """Return the sum of a vector, padded, in eight interleaved partial sums."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for j in range(0, a.size, LANES):
        s0 += a[j]
        s1 += a[j + 1]
        s2 += a[j + 2]
        s3 += a[j + 3]
        s4 += a[j + 4]
        s5 += a[j + 5]
        s6 += a[j + 6]
        s7 += a[j + 7]
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


@compiled
def lanes_dot(a: Vector, b: Vector) -> float:
    """Return the inner product of two vectors, padded, in eight interleaved partial sums."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for j in range(0, a.size, LANES):
        s0 += a[j] * b[j]
        s1 += a[j + 1] * b[j + 1]
        s2 += a[j + 2] * b[j + 2]
        s3 += a[j + 3] * b[j + 3]
        s4 += a[j + 4] * b[j + 4]
        s5 += a[j + 5] * b[j + 5]
        s6 += a[j + 6] * b[j + 6]
        s7 += a[j + 7] * b[j + 7]
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


@compiled
def combine(out: Vector, x: Vector, direction: Vector) -> None:
    """Write the linear predictors: the sum over i of direction[i] x[i], i in increasing order."""
    out[:] = 0.0
    for i in range(direction.size):
        weight = direction[i]
        for j in range(out.size):
            out[j] += weight * x[i, j]


@compiled
def within(moves: Vector, n: int, limit: float) -> bool:
    """Tell whether all of the first n moves are at most the limit in size; a NaN is not."""
    small = 0
    for j in range(n):
        small += 1 if abs(moves[j]) <= limit else 0
    return small == n


@compiled
def separates(x: Vector, signs: Vector, n: int, direction: Vector, predictors: Vector, sizes: Vector) -> bool:
    """Tell whether signs[j] xᵀdirection is positive beyond rounding at each of the n points."""
    positive = 0
    for j in range(n):
        positive += 1 if signs[j] * predictors[j] > 0.0 else 0
    if positive < n:
        return False
    sizes[:] = 0.0
    for i in range(direction.size):
        weight = abs(direction[i])
        for j in range(n):
            sizes[j] += weight * abs(x[i, j])
    scale = (direction.size + 1) * ROUNDING
    certain = 0
    for j in range(n):
        certain += 1 if signs[j] * predictors[j] > scale * sizes[j] + UNDERFLOW else 0
    return certain == n


@compiled
def recedes(signs: Vector, n: int, moves: Vector, tolerance: float) -> bool:
    """Tell whether a step worsens no point by more than the tolerance and improves one by at least 1."""
    kept = 0
    improved = 0
    for j in range(n):
        gain = signs[j] * moves[j]
        kept += 1 if gain >= -tolerance else 0
        improved += 1 if gain >= 1.0 else 0
    return kept == n and improved > 0


@compiled
def weigh(weights: Vector, residuals: Vector, signs: Vector, predictors: Vector) -> None:
    """Write p (1 - p) and y - p for each point, p the probability of a 1."""
    for j in range(signs.size):
        e = exp(-abs(predictors[j]))
        q = 1.0 / (1.0 + e)
        weights[j] = e * q * q
        residuals[j] = signs[j] * (e * q if signs[j] * predictors[j] > 0.0 else q)


@compiled
def losses(out: Vector, signs: Vector, n: int, predictors: Vector, moves: Vector, size: float) -> float:
    """Return minus the log likelihood at predictors + size moves; the terms pass through ``out``."""
    out[:] = 0.0
    for j in range(n):
        margin = signs[j] * (predictors[j] + size * moves[j])
        out[j] = max(-margin, 0.0) + log1p(exp(-abs(margin)))
    return lanes_sum(out)


@compiled
def step_size(work: Vector, signs: Vector, n: int, predictors: Vector, moves: Vector) -> float:
    """Return the first of 1, 1/2, 1/4, ... at which the likelihood does not fall."""
    size = 1.0
    if within(moves, n, SAFE_MOVE):
        return size
    before = losses(work, signs, n, predictors, moves, 0.0)
    while size > SMALLEST_STEP:
        if within(moves, n, SAFE_MOVE / size) or losses(work, signs, n, predictors, moves, size) <= before:
            break
        size *= 0.5
    return size


@compiled
def information(matrix: Vector, gradient: Vector, x: Vector, weights: Vector, residuals: Vector, work: Vector) -> None:
    """Write the lower triangle of Xᵀ W X and Xᵀ (y - p)."""
    for i in range(gradient.size):
        gradient[i] = lanes_dot(residuals, x[i])
        for j in range(work.size):
            work[j] = weights[j] * x[i, j]
        for k in range(i + 1):
            matrix[i, k] = lanes_dot(work, x[k])


@compiled
def cholesky(matrix: Vector) -> bool:
    """Replace a lower triangle by its Cholesky factor; False when a pivot nearly vanishes."""
    d = matrix.shape[0]
    for i in range(d):
        for k in range(i):
            total = matrix[i, k]
            for m in range(k):
                total -= matrix[i, m] * matrix[k, m]
            matrix[i, k] = total / matrix[k, k]
        pivot = matrix[i, i]
        for m in range(i):
            pivot -= matrix[i, m] * matrix[i, m]
        if not pivot > SMALLEST_PIVOT * matrix[i, i]:
            return False
        matrix[i, i] = np.sqrt(pivot)
    return True


@compiled
def solve(factor: Vector, b: Vector) -> None:
    """Replace b by (L Lᵀ)⁻¹ b."""
    d = b.size
    for i in range(d):
        for k in range(i):
            b[i] -= factor[i, k] * b[k]
        b[i] /= factor[i, i]
    for k in range(d - 1, -1, -1):
        b[k] /= factor[k, k]
        for i in range(k):
            b[i] -= factor[k, i] * b[k]


@compiled
def newton(
    estimate: Vector,
    x: Vector,
    signs: Vector,
    n: int,
    tolerance: float,
    iterations: int,
    matrix: Vector,
    step: Vector,
    points: Vector,
) -> int:
    """Maximise the likelihood from 0 and return a status; ``points`` holds five work vectors."""
    d = estimate.size
    estimate[:] = 0.0
    if n < d:
        return _SINGULAR
    predictors, moves, weights, residuals, work = points[0], points[1], points[2], points[3], points[4]
    for iteration in range(iterations):
        combine(predictors, x, estimate)
        if separates(x, signs, n, estimate, predictors, work):
            return _SEPARABLE
        weigh(weights, residuals, signs, predictors)
        information(matrix, step, x, weights, residuals, work)
        if not cholesky(matrix):
            return _SINGULAR if iteration == 0 else _DIVERGING
        solve(matrix, step)
        combine(moves, x, step)
        converged = within(moves, n, tolerance)
        if not converged:
            if separates(x, signs, n, step, moves, work):
                return _SEPARABLE
            if recedes(signs, n, moves, tolerance):
                return _DIVERGING
        size = 1.0 if converged else step_size(work, signs, n, predictors, moves)
        for i in range(d):
            estimate[i] += size * step[i]
        if converged:
            return _CONVERGED
    return _ITERATIONS


@compiled
def fit(
    estimate: Vector,
    x: Vector,
    signs: Vector,
    n: int,
    tolerance: float,
    iterations: int,
    matrix: Vector,
    step: Vector,
    points: Vector,
) -> int:
    """Write the estimate, NaN unless the iteration converged, and return the status."""
    status = newton(estimate, x, signs, n, tolerance, iterations, matrix, step, points)
    if status != _CONVERGED:
        estimate[:] = np.nan
    return status


@parallel
def fit_rows(
    estimates: Vector, status: Integers, design: Vector, response: Vector, tolerance: float, iterations: int
) -> None:
    """Fit each of the given data sets."""
    count, n, d = design.shape
    for group in prange((count + _ROWS - 1) // _ROWS):
        x = np.zeros((d, padded(n)))
        signs = np.zeros(padded(n))
        points = np.empty((5, padded(n)))
        matrix = np.empty((d, d))
        step = np.empty(d)
        for r in range(group * _ROWS, min(count, (group + 1) * _ROWS)):
            for j in range(n):
                signs[j] = 2.0 * response[r, j] - 1.0
                for i in range(d):
                    x[i, j] = design[r, j, i]
            status[r] = fit(estimates[r], x, signs, n, tolerance, iterations, matrix, step, points)


@compiled
def simulate(
    x: Vector,
    signs: Vector,
    draws: Vector,
    source: Source,
    replicate: np.uint64,
    coefficients: Vector,
    columns: Vector,
    choices: Vector,
    point: Vector,
) -> None:
    """Write a design by columns and the signs of its responses; ``draws`` has one row a point."""
    n = draws.shape[0]
    d = point.size
    flat = draws.reshape(draws.size)
    fill_uniforms(flat, source, replicate, np.uint64(0))
    for j in range(n):
        choices[j] = draws[j, d]
    uniforms_to_normals(flat)
    for j in range(n):
        point[:] = 0.0
        add_product(point, columns, draws[j, :d])
        predictor = 0.0
        for i in range(d):
            x[i, j] = point[i]
            predictor += coefficients[i] * point[i]
        e = exp(-abs(predictor))
        q = 1.0 / (1.0 + e)
        signs[j] = 1.0 if choices[j] < (q if predictor >= 0.0 else e * q) else -1.0


@parallel
def simulated_rows(
    estimates: Vector,
    status: Integers,
    source: Source,
    first: np.uint64,
    n: int,
    coefficients: Vector,
    columns: Vector,
    tolerance: float,
    iterations: int,
) -> None:
    """Simulate a data set for each replicate and fit it."""
    count, d = estimates.shape
    for group in prange((count + _ROWS - 1) // _ROWS):
        x = np.zeros((d, padded(n)))
        signs = np.zeros(padded(n))
        points = np.empty((5, padded(n)))
        matrix = np.empty((d, d))
        step = np.empty(d)
        draws = np.empty((n, 2 * (d // 2 + 1)))
        for r in range(group * _ROWS, min(count, (group + 1) * _ROWS)):
            simulate(x, signs, draws, source, first + np.uint64(r), coefficients, columns, points[0], step)
            status[r] = fit(estimates[r], x, signs, n, tolerance, iterations, matrix, step, points)
