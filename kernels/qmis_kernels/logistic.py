"""Logistic regression by Newton's method, one fit after the other, with a status instead of a silent failure.

Designs are kept by columns and padded with zeros to a multiple of eight points: sums over points run in eight
interleaved partial sums, so that their loops run on vectors and their order is fixed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange, wide
from qmis_kernels._constants import (
    EXP,
    INVERSE_LN2,
    LANES,
    LARGEST_PREDICTOR,
    LN2_HIGH,
    LN2_LOW,
    ROUNDING,
    SAFE_MOVE,
    SLACK,
    SMALLEST_MARGIN,
    SMALLEST_PIVOT,
    SMALLEST_STEP,
    TO_INTEGER,
)
from qmis_kernels._vectors import add, load, multiply, spread, store, total
from qmis_kernels.elementary import exp, log1p
from qmis_kernels.fit_status import FitStatus
from qmis_kernels.normal import uniforms_to_normals
from qmis_kernels.sums import add_product
from qmis_kernels.uniform import Source, uniform_pair

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

_CONVERGED = int(FitStatus.CONVERGED)
_SEPARABLE = int(FitStatus.SEPARABLE)
_DIVERGING = int(FitStatus.DIVERGING)
_SINGULAR = int(FitStatus.SINGULAR)
_ITERATIONS = int(FitStatus.ITERATIONS)

_P1, _P2, _P3, _P4, _P5 = EXP
_ROWS = 8  # replicates that share one set of work arrays


@inlined
def padded(n: int) -> int:
    """Return the smallest multiple of eight that is at least n."""
    return (n + LANES - 1) // LANES * LANES


@inlined
def chances(size: float) -> tuple[float, float]:
    """Return 1 / (1 + e^-size) and 1 / (1 + e^size) for size >= 0, with one division.

    With -size = k log 2 + r, |r| <= log(2) / 2, e^r = (g + 2 r) / g, g = 2 - r + r² P(r²): see
    :func:`qmis_kernels.elementary.exp`.
    """
    x = -LARGEST_PREDICTOR if size > LARGEST_PREDICTOR else -size
    shifted = x * INVERSE_LN2 + TO_INTEGER
    k = shifted - TO_INTEGER
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    t = r * r
    g = 2.0 - (r - t * (_P1 + t * (_P2 + t * (_P3 + t * (_P4 + t * _P5)))))
    h = (g + 2.0 * r) * np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)
    inverse = 1.0 / (g + h)
    return g * inverse, h * inverse


@compiled
def combine(out: Vector, x: Vector, direction: Vector) -> None:
    """Write the linear predictors: the sum over i of direction[i] x[i], i in increasing order."""
    wide()
    last = out.size - LANES
    for b in range(0, out.size, 4 * LANES):
        b1, b2, b3 = min(b + LANES, last), min(b + 2 * LANES, last), min(b + 3 * LANES, last)
        s0, s1, s2, s3 = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
        for i in range(direction.size):
            weight, row = spread(direction[i]), i * out.size
            s0 = add(s0, multiply(weight, load(x, row + b)))
            s1 = add(s1, multiply(weight, load(x, row + b1)))
            s2 = add(s2, multiply(weight, load(x, row + b2)))
            s3 = add(s3, multiply(weight, load(x, row + b3)))
        store(out, b, s0)
        store(out, b1, s1)
        store(out, b2, s2)
        store(out, b3, s3)


@compiled
def within(moves: Vector, n: int, limit: float) -> bool:
    """Tell whether all of the first n moves are at most the limit in size; a NaN is not."""
    small = 0
    for j in range(n):
        small += 1 if abs(moves[j]) <= limit else 0
    return small == n


@compiled
def agree(signs: Vector, predictors: Vector, n: int) -> bool:
    """Tell whether all of the first n predictors have the signs of the responses: mostly clear at once."""
    agreeing = 0
    while agreeing < n and signs[agreeing] * predictors[agreeing] > 0.0:
        agreeing += 1
    return agreeing == n


@compiled
def separates(x: Vector, signs: Vector, n: int, direction: Vector, predictors: Vector, sizes: Vector) -> bool:
    """Tell whether signs[j] xᵀdirection is positive beyond rounding at each of the n points."""
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
    improved = False
    for j in range(n):
        gain = signs[j] * moves[j]
        if not gain >= -SLACK:
            return False
        improved |= gain >= 1.0
    return improved


@compiled
def weigh(weights: Vector, residuals: Vector, signs: Vector, predictors: Vector) -> None:
    """Write p (1 - p) and y - p for each point, p the probability of a 1."""
    wide()
    for j in range(signs.size):
        q, rest = chances(abs(predictors[j]))
        weights[j] = q * rest
        residuals[j] = signs[j] * (rest if signs[j] * predictors[j] > 0.0 else q)


@compiled
def losses(out: Vector, signs: Vector, n: int, predictors: Vector, moves: Vector, size: float) -> float:
    """Return minus the log likelihood at predictors + size moves; the terms pass through ``out``."""
    wide()
    out[:] = 0.0
    for j in range(n):
        margin = signs[j] * (predictors[j] + size * moves[j])
        out[j] = max(-margin, 0.0) + log1p(exp(-abs(margin)))
    sums = spread(0.0)
    for b in range(0, out.size, LANES):
        sums = add(sums, load(out, b))
    return total(sums)  # type: ignore[no-any-return]


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
def information(matrix: Vector, gradient: Vector, x: Vector, weights: Vector, residuals: Vector) -> None:
    """Write the lower triangle of Xᵀ W X and Xᵀ (y - p), four entries at a time, their partial sums in registers."""
    wide()
    d, size = x.shape
    for i in range(d):
        for k in range(0, i + 1, 4):
            k1, k2, k3 = min(k + 1, i), min(k + 2, i), min(k + 3, i)
            s0, s1, s2, s3 = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
            for b in range(0, size, LANES):
                left = multiply(load(weights, b), load(x, i * size + b))
                s0 = add(s0, multiply(left, load(x, k * size + b)))
                s1 = add(s1, multiply(left, load(x, k1 * size + b)))
                s2 = add(s2, multiply(left, load(x, k2 * size + b)))
                s3 = add(s3, multiply(left, load(x, k3 * size + b)))
            matrix[i, k], matrix[i, k1], matrix[i, k2], matrix[i, k3] = total(s0), total(s1), total(s2), total(s3)
    for k in range(0, d, 4):
        k1, k2, k3 = min(k + 1, d - 1), min(k + 2, d - 1), min(k + 3, d - 1)
        s0, s1, s2, s3 = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
        for b in range(0, size, LANES):
            left = load(residuals, b)
            s0 = add(s0, multiply(left, load(x, k * size + b)))
            s1 = add(s1, multiply(left, load(x, k1 * size + b)))
            s2 = add(s2, multiply(left, load(x, k2 * size + b)))
            s3 = add(s3, multiply(left, load(x, k3 * size + b)))
        gradient[k], gradient[k1], gradient[k2], gradient[k3] = total(s0), total(s1), total(s2), total(s3)


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
        if iteration == 0:
            predictors[:], weights[:], residuals[:] = 0.0, 0.25, 0.5 * signs
        else:
            combine(predictors, x, estimate)
            if agree(signs, predictors, n) and separates(x, signs, n, estimate, predictors, work):
                return _SEPARABLE
            weigh(weights, residuals, signs, predictors)
        information(matrix, step, x, weights, residuals)
        if not cholesky(matrix):
            return _SINGULAR if iteration == 0 else _DIVERGING
        solve(matrix, step)
        combine(moves, x, step)
        converged = within(moves, n, tolerance)
        if not converged:
            if agree(signs, moves, n) and separates(x, signs, n, step, moves, work):
                return _SEPARABLE
            if iteration > 0 and recedes(signs, n, moves):
                return _DIVERGING
        size = 1.0 if converged or iteration == 0 else step_size(work, signs, n, predictors, moves)
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
def fill_points(draws: Vector, source: Source, replicate: np.uint64) -> None:
    """Write draw t of point j to ``draws[t, j]``; a point has its own blocks, two draws in each."""
    wide()
    blocks = draws.shape[0] // 2
    for pair in range(blocks):
        for j in range(draws.shape[1]):
            u0, u1 = uniform_pair(source, replicate, np.uint64(j * blocks + pair))
            draws[2 * pair, j] = u0
            draws[2 * pair + 1, j] = u1


@compiled
def respond(signs: Vector, predictors: Vector, choices: Vector) -> None:
    """Write the sign of each response: positive where the uniform number is below the probability of a 1."""
    wide()
    for j in range(choices.size):
        q, rest = chances(abs(predictors[j]))
        signs[j] = 1.0 if choices[j] < (q if predictors[j] >= 0.0 else rest) else -1.0


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
    """Write a design by columns and the signs of its responses; ``draws`` has one column per point."""
    n = draws.shape[1]
    d = coefficients.size
    fill_points(draws, source, replicate)
    uniforms_to_normals(draws.reshape(draws.size)[: d * n])
    x[:, :] = 0.0
    for i in range(d):
        add_product(x[i, :n], draws, factor[i])
    combine(points[0], x, coefficients)
    respond(signs, points[0], draws[d])


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
        draws = np.empty((2 * (d // 2 + 1), n))
        for r in range(group * _ROWS, min(count, (group + 1) * _ROWS)):
            simulate(x, signs, draws, source, first + np.uint64(r), coefficients, factor, points)
            status[r] = fit(estimates[r], x, signs, n, tolerance, iterations, matrix, step, points)
