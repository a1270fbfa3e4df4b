"""Logistic regression by Newton's method, one fit after the other, with a status instead of a silent failure.

Designs are kept by columns and padded with zeros to a multiple of eight points: sums over points run in eight
interleaved partial sums, so that their loops run on vectors and their order is fixed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels._constants import (
    LANES,
    ROUNDING,
    SAFE_MOVE,
    SLACK,
    SMALLEST_MARGIN,
    SMALLEST_PIVOT,
    SMALLEST_STEP,
)
from qmis_kernels.elementary import exp, log1p
from qmis_kernels.fit_status import FitStatus
from qmis_kernels.normal import uniforms_to_normals
from qmis_kernels.uniform import Source, fill_uniforms

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

_CONVERGED = int(FitStatus.CONVERGED)
_SEPARABLE = int(FitStatus.SEPARABLE)
_DIVERGING = int(FitStatus.DIVERGING)
_SINGULAR = int(FitStatus.SINGULAR)
_ITERATIONS = int(FitStatus.ITERATIONS)

_ROWS = 8  # replicates that share one set of work arrays


@inlined
def padded(n: int) -> int:
    """Return the smallest multiple of eight that is at least n."""
    return (n + LANES - 1) // LANES * LANES


@compiled
def lanes_total(s: Vector) -> float:
    """Return the sum of eight partial sums."""
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))  # type: ignore[no-any-return]


@compiled
def lanes_sum(a: Vector, partial: Vector) -> float:
    """Return the sum of a padded vector in eight interleaved partial sums."""
    blocks = a.reshape(a.size // LANES, LANES)
    partial[:] = 0.0
    for b in range(blocks.shape[0]):
        for lane in range(LANES):
            partial[lane] += blocks[b, lane]
    return lanes_total(partial)


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
        certain += 1 if signs[j] * predictors[j] > scale * sizes[j] + SMALLEST_MARGIN else 0
    return certain == n


@compiled
def recedes(signs: Vector, n: int, moves: Vector) -> bool:
    """Tell whether a step improves a point by at least 1 and worsens none by more than 2^-36."""
    improved = 0
    kept = 0
    for j in range(n):
        gain = signs[j] * moves[j]
        improved += 1 if gain >= 1.0 else 0
        kept += 1 if gain >= -SLACK else 0
    return improved > 0 and kept == n


@compiled
def weigh(weights: Vector, residuals: Vector, signs: Vector, predictors: Vector) -> None:
    """Write p (1 - p) and y - p for each point, p the probability of a 1."""
    for j in range(signs.size):
        e = exp(-abs(predictors[j]))
        q = 1.0 / (1.0 + e)
        weights[j] = e * q * q
        residuals[j] = signs[j] * (e * q if signs[j] * predictors[j] > 0.0 else q)


@compiled
def losses(
    out: Vector, signs: Vector, n: int, predictors: Vector, moves: Vector, size: float, partial: Vector
) -> float:
    """Return minus the log likelihood at predictors + size moves; the terms pass through ``out``."""
    out[:] = 0.0
    for j in range(n):
        margin = signs[j] * (predictors[j] + size * moves[j])
        out[j] = max(-margin, 0.0) + log1p(exp(-abs(margin)))
    return lanes_sum(out, partial)


@compiled
def step_size(work: Vector, signs: Vector, n: int, predictors: Vector, moves: Vector, partial: Vector) -> float:
    """Return the first of 1, 1/2, 1/4, ... at which the likelihood does not fall."""
    size = 1.0
    if within(moves, n, SAFE_MOVE):
        return size
    before = losses(work, signs, n, predictors, moves, 0.0, partial)
    while size > SMALLEST_STEP:
        if within(moves, n, SAFE_MOVE / size) or losses(work, signs, n, predictors, moves, size, partial) <= before:
            break
        size *= 0.5
    return size


@compiled
def information(
    matrix: Vector, gradient: Vector, x: Vector, weights: Vector, residuals: Vector, partial: Vector
) -> None:
    """Write the lower triangle of Xᵀ W X and Xᵀ (y - p); ``partial`` has one row more than the design columns.

    The partial sums of a row of the matrix grow side by side, so that their loops run on vectors.
    """
    d = gradient.size
    blocks = x.shape[1] // LANES
    columns = x.reshape(d, blocks, LANES)
    weight = weights.reshape(blocks, LANES)
    residual = residuals.reshape(blocks, LANES)
    weighted = partial[d]
    for i in range(d):
        for k in range(i + 1):
            partial[k] = 0.0
        for b in range(blocks):
            for lane in range(LANES):
                weighted[lane] = weight[b, lane] * columns[i, b, lane]
            for k in range(i + 1):
                for lane in range(LANES):
                    partial[k, lane] += weighted[lane] * columns[k, b, lane]
        for k in range(i + 1):
            matrix[i, k] = lanes_total(partial[k])
        partial[0] = 0.0
        for b in range(blocks):
            for lane in range(LANES):
                partial[0, lane] += residual[b, lane] * columns[i, b, lane]
        gradient[i] = lanes_total(partial[0])


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
    partial: Vector,
) -> int:
    """Maximise the likelihood from 0 and return a status.

    ``points`` holds five work vectors, ``partial`` d + 1 rows of eight.
    """
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
        information(matrix, step, x, weights, residuals, partial)
        if not cholesky(matrix):
            return _SINGULAR if iteration == 0 else _DIVERGING
        solve(matrix, step)
        combine(moves, x, step)
        converged = within(moves, n, tolerance)
        if not converged:
            if separates(x, signs, n, step, moves, work):
                return _SEPARABLE
            if iteration > 0 and recedes(signs, n, moves):
                return _DIVERGING
        size = 1.0 if converged else step_size(work, signs, n, predictors, moves, partial[0])
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
    partial: Vector,
) -> int:
    """Write the estimate, NaN unless the iteration converged, and return the status."""
    status = newton(estimate, x, signs, n, tolerance, iterations, matrix, step, points, partial)
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
        partial = np.empty((d + 1, LANES))
        for r in range(group * _ROWS, min(count, (group + 1) * _ROWS)):
            for j in range(n):
                signs[j] = 2.0 * response[r, j] - 1.0
                for i in range(d):
                    x[i, j] = design[r, j, i]
            status[r] = fit(estimates[r], x, signs, n, tolerance, iterations, matrix, step, points, partial)


@compiled
def simulate(
    x: Vector,
    signs: Vector,
    draws: Vector,
    source: Source,
    replicate: np.uint64,
    coefficients: Vector,
    factor: Vector,
    points: Vector,
) -> None:
    """Write a design by columns and the signs of its responses; ``draws`` has one row per point."""
    n = draws.shape[0]
    d = coefficients.size
    flat = draws.reshape(draws.size)
    predictors, choices, z = points[0], points[1], points[2]
    fill_uniforms(flat, source, replicate, np.uint64(0))
    for j in range(n):
        choices[j] = draws[j, d]
    uniforms_to_normals(flat)
    x[:, :] = 0.0
    for k in range(d):
        for j in range(n):
            z[j] = draws[j, k]
        for i in range(d):
            weight = factor[i, k]
            for j in range(n):
                x[i, j] += weight * z[j]
    combine(predictors, x, coefficients)
    for j in range(n):
        e = exp(-abs(predictors[j]))
        q = 1.0 / (1.0 + e)
        signs[j] = 1.0 if choices[j] < (q if predictors[j] >= 0.0 else e * q) else -1.0


@parallel
def simulated_rows(
    estimates: Vector,
    status: Integers,
    source: Source,
    first: np.uint64,
    n: int,
    coefficients: Vector,
    factor: Vector,
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
        partial = np.empty((d + 1, LANES))
        draws = np.empty((n, 2 * (d // 2 + 1)))
        for r in range(group * _ROWS, min(count, (group + 1) * _ROWS)):
            simulate(x, signs, draws, source, first + np.uint64(r), coefficients, factor, points)
            status[r] = fit(estimates[r], x, signs, n, tolerance, iterations, matrix, step, points, partial)
