"""Logistic regression by Newton's method, all fits at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _checks as checks
from qmis_kernels import _model_checks as model_checks
from qmis_kernels._constants import (
    EXP,
    INVERSE_LN2,
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
from qmis_kernels.fit_status import FitStatus
from qmis_kernels.reference.arrays import Integers, Key, Matrix
from qmis_kernels.reference.elementary import exp, log1p
from qmis_kernels.reference.gaussian import add_product
from qmis_kernels.reference.generator import draws_from, replicate_numbers
from qmis_kernels.reference.lanes import lanes_sum
from qmis_kernels.reference.normal import quantile

Flags = NDArray[np.bool_]


def _chances(sizes: Matrix) -> tuple[Matrix, Matrix]:
    """Return 1 / (1 + e^-size) and 1 / (1 + e^size), size >= 0."""
    x = np.where(sizes > LARGEST_PREDICTOR, -LARGEST_PREDICTOR, -sizes)
    shifted = x * INVERSE_LN2 + TO_INTEGER
    k = shifted - TO_INTEGER
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    t = r * r
    p1, p2, p3, p4, p5 = EXP
    g = 2.0 - (r - t * (p1 + t * (p2 + t * (p3 + t * (p4 + t * p5)))))
    h = (g + 2.0 * r) * ((shifted.view(np.int64) + 1023) << 52).view(np.float64)
    inverse = 1.0 / (g + h)
    return g * inverse, h * inverse


def _combine(x: Matrix, direction: Matrix) -> Matrix:
    """Return the linear predictors x direction, terms added in order."""
    total = np.zeros(x.shape[:2])
    for i in range(x.shape[2]):
        total += direction[:, i, None] * x[:, :, i]
    return total


def _separates(x: Matrix, signs: Matrix, direction: Matrix, predictors: Matrix) -> Flags:
    """Tell whether signs times predictors is positive beyond rounding at every point."""
    scale = (x.shape[2] + 1) * ROUNDING
    sizes = _combine(np.abs(x), np.abs(direction))
    certain: Flags = (signs * predictors > scale * sizes + SMALLEST_MARGIN).all(axis=1)
    return certain


def _losses(signs: Matrix, predictors: Matrix) -> Matrix:
    """Return minus the log likelihood."""
    margins = signs * predictors
    return lanes_sum(np.maximum(-margins, 0.0) + log1p(exp(-np.abs(margins))))


def _step_sizes(signs: Matrix, predictors: Matrix, moves: Matrix) -> Matrix:
    """Return the first of 1, 1/2, 1/4, ... at which the likelihood does not fall."""
    sizes = np.ones(signs.shape[0])
    waiting = np.nonzero(~(np.abs(moves) <= SAFE_MOVE).all(axis=1))[0]
    before = _losses(signs, predictors + 0.0 * moves)
    while waiting.size:
        size = sizes[waiting, None]
        safe = (np.abs(moves[waiting]) <= SAFE_MOVE / size).all(axis=1)
        better = _losses(signs[waiting], predictors[waiting] + size * moves[waiting]) <= before[waiting]
        waiting = waiting[~(safe | better)]
        sizes[waiting] *= 0.5
        waiting = waiting[sizes[waiting] > SMALLEST_STEP]
    return sizes


def _cholesky(matrices: Matrix) -> tuple[Matrix, Flags]:
    """Return lower Cholesky factors, and whether no pivot nearly vanishes."""
    factors = matrices.copy()
    good = np.ones(factors.shape[0], dtype=np.bool_)
    for i in range(factors.shape[1]):
        for k in range(i):
            for m in range(k):
                factors[:, i, k] -= factors[:, i, m] * factors[:, k, m]
            factors[:, i, k] /= factors[:, k, k]
        for m in range(i):
            factors[:, i, i] -= factors[:, i, m] * factors[:, i, m]
        good &= factors[:, i, i] > SMALLEST_PIVOT * matrices[:, i, i]
        factors[:, i, i] = np.sqrt(factors[:, i, i])
    return factors, good


def _solve(factors: Matrix, b: Matrix) -> Matrix:
    """Return the solutions of L Lᵀ s = b."""
    s = b.copy()
    for i in range(s.shape[1]):
        for k in range(i):
            s[:, i] -= factors[:, i, k] * s[:, k]
        s[:, i] /= factors[:, i, i]
    for k in range(s.shape[1] - 1, -1, -1):
        s[:, k] /= factors[:, k, k]
        for i in range(k):
            s[:, i] -= factors[:, k, i] * s[:, k]
    return s


def _newton_steps(x: Matrix, signs: Matrix, predictors: Matrix) -> tuple[Matrix, Flags]:
    """Return Newton's steps, and whether their matrices are regular."""
    d = x.shape[2]
    q, rest = _chances(np.abs(predictors))
    weights = q * rest
    residuals = signs * np.where(signs * predictors > 0.0, rest, q)
    gradients = np.empty((x.shape[0], d))
    matrices = np.zeros((x.shape[0], d, d))
    for i in range(d):
        gradients[:, i] = lanes_sum(residuals * x[:, :, i])
        for k in range(i + 1):
            matrices[:, i, k] = lanes_sum(weights * x[:, :, i] * x[:, :, k])
    factors, good = _cholesky(matrices)
    return _solve(factors, gradients), good


def _fit(x: Matrix, signs: Matrix, tolerance: float, iterations: int) -> tuple[Matrix, Integers]:
    """Return the estimates and the statuses."""
    count, n, d = x.shape
    estimates = np.zeros((count, d))
    status = np.full(count, FitStatus.SINGULAR if n < d else FitStatus.ITERATIONS, dtype=np.int64)
    active = np.arange(0 if n < d else count)
    for iteration in range(iterations):
        if active.size == 0:
            break
        design, sign = x[active], signs[active]
        predictors = _combine(design, estimates[active])
        steps, good = _newton_steps(design, sign, predictors)
        moves = _combine(design, steps)
        gains = sign * moves
        recedes = (gains >= -SLACK).all(axis=1) & (gains >= 1.0).any(axis=1)
        outcomes = [
            (_separates(design, sign, estimates[active], predictors), FitStatus.SEPARABLE),
            (~good, FitStatus.SINGULAR if iteration == 0 else FitStatus.DIVERGING),
            ((np.abs(moves) <= tolerance).all(axis=1), FitStatus.CONVERGED),
            (_separates(design, sign, steps, moves), FitStatus.SEPARABLE),
            ((iteration > 0) & recedes, FitStatus.DIVERGING),
        ]
        ended = np.select([met for met, _ in outcomes], [code for _, code in outcomes], default=-1)
        status[active[ended >= 0]] = ended[ended >= 0]
        last, going = ended == FitStatus.CONVERGED, ended < 0
        estimates[active[last]] += steps[last]
        active, steps = active[going], steps[going]
        if iteration > 0:
            steps *= _step_sizes(sign[going], predictors[going], moves[going])[:, None]
        estimates[active] += steps
    estimates[status != FitStatus.CONVERGED] = np.nan
    return estimates, status


def logistic_fits(x: ArrayLike, y: ArrayLike, tolerance: float, iterations: int) -> tuple[Matrix, Integers]:
    """Return maximum-likelihood estimates of logistic regressions, each with how the fit ended.

    P(y = 1) = 1 / (1 + exp(-xᵀβ)).  Newton's method from β = 0: s = (XᵀWX)⁻¹ Xᵀ(y - p), W = diag p (1 - p), by a
    Cholesky factor.  The full step cannot lower the likelihood if it is the first, because W = I/4 bounds all W, or if
    max_j |x_jᵀs| <= 3/2; otherwise it is halved until the likelihood does not fall or that bound holds.  Sums over
    points run in eight interleaved partial sums (point j in number j mod 8, in order), added as
    ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)).

    In each step, in this order, with m_j(v) = (2 y_j - 1) x_jᵀv:

    * SEPARABLE if m_j(β) > 0 at every j, beyond the rounding of the inner products: a proof that the likelihood has no
      maximum;
    * SINGULAR (first step) or DIVERGING (later) if a pivot of the Cholesky factor is at most 2^-40 of its diagonal
      entry;
    * CONVERGED if max_j |x_jᵀs| <= tolerance: s is still added, so that the remaining error is of second order.  If
      no maximum exists the test fails at every β: with v such that all m_j(v) >= 0 and one is positive, and q_j the
      probability of the outcome that was not seen, vᵀXᵀWXs = vᵀXᵀ(y - p) reads Σ q_j m_j(v) (1 - q_j) m_j(s) = Σ q_j
      m_j(v), whence some m_j(s) > 1;
    * SEPARABLE if s itself separates strictly as above;
    * DIVERGING, from the second step on, if some m_k(s) >= 1 and all m_j(s) >= -2^-36: s separates weakly, up to that.
      At a maximum Σ q_j m_j(s) = 0: either none exists, or it gives the outcome seen at point k a probability of at
      least 1 - n 2^-36.  Steps along a weak separator move the points off it by about 1 and the others by about e^-k in
      step k, so that this takes some 25 steps.

    Parameters
    ----------
    x : array_like, shape (R, n, d)
        Designs, d at least 1; a constant column is an intercept.
    y : array_like, shape (R, n)
        0 or 1.
    tolerance : float
        Between 0 and 1, for linear predictors.
    iterations : int
        The largest number of steps, at least 1.

    Returns
    -------
    estimates : ndarray of float64, shape (R, d)
        NaN unless the status is CONVERGED.
    status : ndarray of int64, shape (R,)
        Values of :class:`qmis_kernels.FitStatus`.  Fewer points than columns are SINGULAR.

    Raises
    ------
    ValueError
        If shapes do not fit or an argument is out of its range.

    Examples
    --------
    >>> x = [[[1.0, -1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]] * 2
    >>> estimates, status = logistic_fits(x, [[0, 1, 0, 1], [0, 0, 1, 1]], 1e-8, 50)
    >>> estimates[0].round(4), [FitStatus(code).name for code in status]
    (array([-0.4541,  0.9082]), ['CONVERGED', 'SEPARABLE'])
    """
    design, response = model_checks.labelled(x, y)
    small, steps = model_checks.newton(tolerance, iterations)
    checks.room("logistic_fits", design.shape[::2], "the number of data sets")
    with np.errstate(all="ignore"):  # matrices without a factor
        return _fit(design, 2.0 * response - 1.0, small, steps)


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
    """Return the results of :func:`logistic_fits` for simulated data: x = F z, z ~ N(0, I), y = 1{u < p(x)}.

    With s = ceil((d + 1) / 2) blocks a point, point j uses the blocks from j s on: their first d draws are z, draw d is
    the uniform u.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    n : int
        Points of a data set, at least 1; n s at most 2^32.
    coefficients : array_like, shape (d,)
        The vector β, d at least 1.
    factor : array_like, shape (d, d)
        F: the covariance of x is F Fᵀ.
    tolerance : float
        See :func:`logistic_fits`.
    iterations : int
        See :func:`logistic_fits`.

    Returns
    -------
    estimates : ndarray of float64, shape (count, d)
        NaN unless the status is CONVERGED.
    status : ndarray of int64, shape (count,)
        Values of :class:`qmis_kernels.FitStatus`.

    Raises
    ------
    ValueError
        If an argument is out of its range or not finite.

    Examples
    --------
    >>> estimates, status = logistic_sums((0, 0), 0, 0, 1, 100, [1.0], [[1.0]], 1e-8, 50)
    >>> estimates.round(4), status
    (array([[0.7666]]), array([0]))
    """
    size, centre, matrix = model_checks.logistic(n, coefficients, factor)
    _, count = checks.replicates(first, count)
    checks.room("logistic_sums", (count, centre.size), "count")
    small, steps = model_checks.newton(tolerance, iterations)
    d = centre.size
    width = 2 * (d // 2 + 1)
    numbers = replicate_numbers(first, count)
    draws = draws_from(key, stream, numbers, 0, size * width).reshape(count * size, width)
    x = np.zeros((count * size, d))
    add_product(x, matrix, quantile(draws[:, :d]))
    design = x.reshape(count, size, d)
    predictors = _combine(design, np.broadcast_to(centre, (count, d)))
    q, rest = _chances(np.abs(predictors))
    ones = draws[:, d].reshape(count, size) < np.where(predictors >= 0.0, q, rest)
    with np.errstate(all="ignore"):  # matrices without a factor
        return _fit(design, np.where(ones, 1.0, -1.0), small, steps)
