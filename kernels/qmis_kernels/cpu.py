"""The Numba backend: the table of functions, compiled at first use and spread over threads.

Arguments and results are described in :mod:`qmis_kernels.reference`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _bootstrap_checks as bootstrap_checks
from qmis_kernels import _checks as checks
from qmis_kernels import _exposure_checks as exposure_checks
from qmis_kernels import _model_checks as model_checks
from qmis_kernels import (
    add_one,
    contrasts,
    exposure,
    exposure_masses,
    gamma,
    likelihood,
    logistic,
    pairs,
    power_sums,
    rademacher,
    rank_one,
    regression,
    sums,
)
from qmis_kernels._constants import RATIO_BINS
from qmis_kernels._interpolation import TERMS, pieces
from qmis_kernels.normal import normal_rows
from qmis_kernels.uniform import uniform_rows

Matrix = NDArray[np.float64]
Integers = NDArray[np.int64]
Key = tuple[int, int]


def uniforms(key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
    """Return ``draws`` uniforms for each replicate, shape (count, draws)."""
    start, count = checks.replicates(first, count)
    shape = (count, checks.integer("draws", draws, 0, 2**33))
    out = np.empty(checks.room("uniforms", shape, "count or draws"))
    uniform_rows(out, checks.source(key, stream), start)
    return out


def normals(key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
    """Return ``draws`` standard normals for each replicate, shape (count, draws)."""
    start, count = checks.replicates(first, count)
    shape = (count, checks.integer("draws", draws, 0, 2**33))
    out = np.empty(checks.room("normals", shape, "count or draws"))
    normal_rows(out, checks.source(key, stream), start)
    return out


def gaussian_sums(key: Key, stream: int, first: int, count: int, mean: ArrayLike, factor: ArrayLike) -> Matrix:
    """Return draws of N(mean, factor factorᵀ), shape (count, d)."""
    start, count = checks.replicates(first, count)
    centre = checks.array("mean", mean, (None,))
    matrix = checks.array("factor", factor, (centre.size, None))
    out = np.empty(checks.room("gaussian_sums", (count, centre.size), "count"))
    sums.gaussian_rows(out, checks.source(key, stream), start, centre, matrix)
    return out


def wishart_sums(key: Key, stream: int, first: int, count: int, dof: int, factor: ArrayLike) -> Matrix:
    """Return draws of the Wishart law with scale factor factorᵀ, shape (count, q, q)."""
    start, count = checks.replicates(first, count)
    square = checks.array("factor", factor, (None, None))
    columns = np.ascontiguousarray(checks.array("factor", square, (square.shape[1], None)).T)
    out = np.empty(checks.room("wishart_sums", (count, *columns.shape), "count"))
    sums.wishart_rows(out, checks.source(key, stream), start, checks.integer("dof", dof, 1, 2**53), columns)
    return out


def multinomial_sums(key: Key, stream: int, first: int, count: int, trials: int, probabilities: ArrayLike) -> Integers:
    """Return multinomial counts, shape (count, m)."""
    start, count = checks.replicates(first, count)
    p, tails = checks.probabilities("probabilities", probabilities)
    out = np.empty(checks.room("multinomial_sums", (count, p.size), "count"), dtype=np.int64)
    size = checks.integer("trials", trials, 0, 2**53)
    sums.multinomial_rows(out, checks.source(key, stream), start, size, p, tails, sums.rows_a_task(count))
    return out


def mixture_sums(
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
    columns = np.ascontiguousarray(checks.array("factors", factors, (p.size, d, d)).transpose(0, 2, 1))
    out = np.empty(checks.room("mixture_sums", (count, d), "count"))
    size = checks.integer("trials", trials, 0, 2**53)
    rows = sums.rows_a_task(count)
    sums.mixture_rows(out, checks.source(key, stream), start, size, p, tails, centres, columns, rows)
    return out


def all_pairs_wins(sum_scores: ArrayLike, weights: ArrayLike, point_scores: ArrayLike) -> Matrix:
    """Return, for each point and cell, the weight of the sums with which the cell wins, shape (M, K)."""
    left, points = checks.pairs(sum_scores, point_scores)
    out = np.empty(checks.room("all_pairs_wins", points.shape, "the number of points"))
    pairs.wins(out, left, checks.array("weights", weights, (left.shape[0],)), points)
    return out


def all_pairs_rows(sum_scores: ArrayLike, point_scores: ArrayLike, coefficients: ArrayLike) -> Matrix:
    """Return, for each sum, the total coefficient of the cells that win at the points, shape (R,)."""
    left, points = checks.pairs(sum_scores, point_scores)
    out = np.empty(checks.room("all_pairs_rows", left.shape[:1], "the number of sums"))
    pairs.rows(out, left, points, checks.array("coefficients", coefficients, points.shape))
    return out


def product_log_ratios(
    key: Key, stream: int, first: int, count: int, n: int, edges: ArrayLike, offsets: ArrayLike
) -> Matrix:
    """Return the log likelihood ratio under the product and under the joint law, shape (count, 2)."""
    start, count = checks.replicates(first, count)
    size = checks.integer("n", n, 2, 2**53)
    flat, parts = checks.partition(edges, offsets)
    out = np.empty(checks.room("product_log_ratios", (count, 2), "count"))
    tables = np.empty((flat.size + parts.size - 1, pieces(size), TERMS))
    likelihood.cell_polynomials(tables, flat, parts, size)
    likelihood.log_ratio_rows(out, checks.source(key, stream), start, size, flat, parts, tables)
    return out


def gammas(key: Key, stream: int, first: int, count: int, shape: ArrayLike) -> Matrix:
    """Return gamma numbers, shape (count, m)."""
    start, count = checks.replicates(first, count)
    shapes = model_checks.shapes("shape", shape)
    out = np.empty(checks.room("gammas", (count, shapes.size), "count"))
    gamma.gamma_rows(out, checks.source(key, stream), start, shapes)
    return out


def _least_squares(
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
    d = centre.size
    if keep_factors:
        checks.room("regression_factors", (count, d, d), "count")
    estimates = np.empty(checks.room("regression_sums", (count, d), "count"))
    factors = np.empty((count if keep_factors else 0, d, d))
    residual_squares = np.empty(count)
    columns = np.ascontiguousarray(matrix.T)
    regression.regression_rows(
        estimates,
        residual_squares,
        factors,
        keep_factors,
        checks.source(key, stream),
        start,
        size,
        centre,
        columns,
        noise,
    )
    return estimates, residual_squares, factors


def regression_sums(
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
    return _least_squares(key, stream, first, count, n, coefficients, transform, noise_std, False)[:2]


def regression_factors(
    key: Key,
    stream: int,
    first: int,
    count: int,
    n: int,
    coefficients: ArrayLike,
    transform: ArrayLike,
    noise_std: float,
) -> tuple[Matrix, Matrix, Matrix]:
    """Return the results of :func:`regression_sums` and the triangles A, shape (count, d, d)."""
    return _least_squares(key, stream, first, count, n, coefficients, transform, noise_std, True)


def rank_one_updates(
    factors: ArrayLike, estimates: ArrayLike, design: ArrayLike, response: ArrayLike, sign: int
) -> tuple[Matrix, Matrix, NDArray[np.bool_]]:
    """Return the updated estimates, (R, m, d), the leverages and whether the point can be left out, (R, m)."""
    triangles, old, points, values, direction = model_checks.updates(factors, estimates, design, response, sign)
    updated = np.empty(checks.room("rank_one_updates", points.shape, "the number of points"))
    leverage = np.empty(points.shape[:2])
    solvable = np.empty(points.shape[:2], dtype=np.bool_)
    rank_one.update_rows(updated, leverage, solvable, triangles, old, points, values, direction)
    return updated, leverage, solvable


def add_one_wins(
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
    out = np.empty(checks.room("add_one_wins", (points.shape[0], cells), "the number of cells"), dtype=np.int64)
    add_one.add_one(out, triangles, old, points, values, flat, parts)
    return out


def logistic_fits(x: ArrayLike, y: ArrayLike, tolerance: float, iterations: int) -> tuple[Matrix, Integers]:
    """Return the maximum-likelihood estimates, shape (R, d), and how the fits ended, shape (R,)."""
    design, response = model_checks.labelled(x, y)
    small, steps = model_checks.newton(tolerance, iterations)
    estimates = np.empty(checks.room("logistic_fits", design.shape[::2], "the number of data sets"))
    status = np.empty(design.shape[0], dtype=np.int64)
    logistic.fit_rows(estimates, status, design, response, small, steps)
    return estimates, status


def logistic_sums(
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
    small, steps = model_checks.newton(tolerance, iterations)
    estimates = np.empty(checks.room("logistic_sums", (count, centre.size), "count"))
    status = np.empty(count, dtype=np.int64)
    logistic.simulated_rows(
        estimates,
        status,
        checks.source(key, stream),
        start,
        size,
        centre,
        matrix,
        small,
        steps,
    )
    return estimates, status


def rademacher_sums(key: Key, stream: int, first: int, count: int, values: ArrayLike, point: int = 0) -> Matrix:
    """Return sums of the values at all points with random signs, shape (count, M)."""
    start, count = checks.replicates(first, count)
    matrix, block = bootstrap_checks.signed(values, point)
    out = np.empty(checks.room("rademacher_sums", (count, matrix.shape[0]), "count"))
    rademacher.rademacher_rows(out, checks.source(key, stream), start, np.uint64(block), matrix)
    return out


def resampled_power_sums(key: Key, stream: int, first: int, count: int, values: ArrayLike) -> Matrix:
    """Return the sums of the powers 1 to 6 of N values drawn with replacement, shape (count, 6)."""
    start, count = checks.replicates(first, count)
    vector = bootstrap_checks.resampled(values)
    out = np.empty(checks.room("resampled_power_sums", (count, 6), "count"))
    power_sums.resampled_rows(out, checks.source(key, stream), start, vector)
    return out


def centred_power_sums(values: ArrayLike, reference: ArrayLike, centres: ArrayLike) -> Matrix:
    """Return the sums of the powers 2 to 6 of the deviations of each row, shape (K, 5)."""
    rows, common, centre = bootstrap_checks.centred(values, reference, centres)
    out = np.empty(checks.room("centred_power_sums", (rows.shape[0], 5), "the number of rows"))
    power_sums.centred_rows(out, rows, common, centre)
    return out


def group_contrasts(estimates: ArrayLike, draws: ArrayLike, offsets: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return the statistics of all pairs of groups, shape (G, G, 2), and their draws' maxima, shape (G, G, B)."""
    centre, rows, parts = bootstrap_checks.grouped(estimates, draws, offsets)
    groups = parts.size - 1
    shape = checks.room("group_contrasts", (groups, groups, rows.shape[1]), "the number of groups or of replicates")
    checks.room("group_contrasts", bootstrap_checks.largest_pair(parts), "the sizes of the groups")
    statistics, maxima = np.empty((groups, groups, 2)), np.empty(shape)
    contrasts.contrasts(statistics, maxima, centre, rows, parts)
    return statistics, maxima


def proximal_moments(a: ArrayLike, s: ArrayLike, q: ArrayLike, y: ArrayLike, loss: int) -> Matrix:
    """Return the mean of D, the covariance of t and D, and the variance of D, shape (N, 3)."""
    points = exposure_checks.points(a, s, q, y, loss)
    out = np.empty(checks.room("proximal_moments", (points[0].size, 3), "the number of points"))
    exposure.moment_rows(out, int(loss), *points)
    return out


def read_out_ratios(
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
    points = exposure_checks.points(a, s, q, y, loss)
    values, given, first, second = exposure_checks.read_outs(points[0].size, w, moments, c, e)
    out = np.empty(values.shape)
    exposure.ratio_rows(out, values, int(loss), *points, given, first, second)
    return out


def exposure_integrals(
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
    points = exposure_checks.points(a, s, q, y, loss)
    n = points[0].size
    checked = exposure_checks.exposures(n, moments, c, e, weight, group, groups, beside)
    given, first, second, third, share, part, count = checked
    columns = first.shape[1]
    tv = np.empty((columns, n))
    members = np.zeros((columns, count, RATIO_BINS), dtype=np.int64)
    non_members = np.zeros_like(members)
    correlation, move, other = (np.ascontiguousarray(values.T) for values in (first, second, third))
    exposure_masses.exposure_columns(
        tv, members, non_members, int(loss), *points, given, correlation, move, other, share, part
    )
    inside, outside = (np.ascontiguousarray(mass.transpose(1, 0, 2)) for mass in (members, non_members))
    return np.ascontiguousarray(tv.T), inside, outside
