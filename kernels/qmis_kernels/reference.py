"""The NumPy backend: specification of every function in plain array operations, oracle of the compiled one.

Random numbers, counts and sums equal those of every other backend to the last bit, because the same
operations are done in the same order; :func:`product_log_ratios` takes its normal probabilities from SciPy
instead and agrees to rounding.

Arguments that all random functions share
-----------------------------------------
key : (int, int)
    Seed and experiment, each in [0, 2^32).
stream : int
    In [0, 2^32): separates purposes within one experiment.
first : int
    Number of the first replicate, in [0, 2^63).
count : int
    How many replicates: the length of the first axis of the result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _checks as checks
from qmis_kernels import _constants as constants

Matrix = NDArray[np.float64]
Integers = NDArray[np.int64]
Words = NDArray[np.uint64]
Key = tuple[int, int]

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[np.uint64, np.uint64]) -> tuple[Words, ...]:
    """Return the four 32-bit words of Philox4x32-10, each in an array of unsigned 64-bit integers."""
    c0, c1, c2, c3 = counter
    for turn in range(10):
        k0 = np.uint64((int(key[0]) + turn * 0x9E3779B9) % 2**32)
        k1 = np.uint64((int(key[1]) + turn * 0xBB67AE85) % 2**32)
        left, right = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (right >> _HALF) ^ c1 ^ k0, right & _MASK, (left >> _HALF) ^ c3 ^ k1, left & _MASK
    return c0, c1, c2, c3


def _blocks(key: Key, stream: int, replicates: Words, blocks: Words) -> Matrix:
    """Return the uniforms of each block of each replicate, shape (replicates, 2 blocks)."""
    seed, experiment, purpose = checks.source(key, stream)
    number = np.broadcast_to(replicates[:, None], (replicates.size, blocks.size))
    block = np.broadcast_to(blocks[None, :], number.shape)
    w0, w1, w2, w3 = philox(
        (number & _MASK, number >> _HALF, block, np.full(number.shape, purpose)), (seed, experiment)
    )
    words = np.stack([w0 | (w1 << _HALF), w2 | (w3 << _HALF)], axis=-1)
    odd = (words >> np.uint64(11)) | np.uint64(1)
    return (odd.astype(np.float64) * 2.0**-53).reshape(replicates.size, 2 * blocks.size)


def _draws(key: Key, stream: int, replicates: Words, block: int, draws: int) -> Matrix:
    """Return the first ``draws`` uniforms from block number ``block`` on."""
    blocks = np.arange(block, block + (draws + 1) // 2, dtype=np.uint64)
    return _blocks(key, stream, replicates, blocks)[:, :draws]


def _numbers(first: int, count: int) -> Words:
    start, count = checks.replicates(first, count)
    return start + np.arange(count, dtype=np.uint64)


def log(x: Matrix) -> Matrix:
    """Return log x of positive normal numbers by IEEE-exact operations only."""
    bits = x.view(np.int64)
    exponent = (bits - constants.LOG_SPLIT) >> 52
    f = (bits - (exponent << 52)).view(np.float64) - 1.0
    k = exponent.astype(np.float64)
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    g1, g3, g5, g7 = constants.LOG_ODD
    g2, g4, g6 = constants.LOG_EVEN
    remainder = z * (g1 + w * (g3 + w * (g5 + w * g7))) + w * (g2 + w * (g4 + w * g6))
    half_square = 0.5 * f * f
    return s * (half_square + remainder) + k * constants.LN2_LOW - half_square + f + k * constants.LN2_HIGH


def log1p(x: Matrix) -> Matrix:
    """Return log(1 + x), -1 < x <= 1."""
    u = 1.0 + x
    return log(u) + (x - (u - 1.0)) / u


def exp(x: Matrix) -> Matrix:
    """Return e^x, x <= 0, by IEEE-exact operations only."""
    clipped = np.maximum(x, -708.0)
    k = np.floor(clipped * constants.INVERSE_LN2 + 0.5)
    high = clipped - k * constants.LN2_HIGH
    low = k * constants.LN2_LOW
    r = high - low
    t = r * r
    p1, p2, p3, p4, p5 = constants.EXP
    c = r - t * (p1 + t * (p2 + t * (p3 + t * (p4 + t * p5))))
    y = 1.0 - ((low - (r * c) / (2.0 - c)) - high)
    power: Matrix = ((k.astype(np.int64) + 1023) << 52).view(np.float64)
    return np.where(x < -708.0, 0.0, y * power)


def _rational(x: Matrix, numerator: tuple[float, ...], denominator: tuple[float, ...]) -> Matrix:
    top, bottom = np.full(x.shape, numerator[-1]), np.full(x.shape, denominator[-1])
    for a, b in zip(numerator[-2::-1], denominator[-2::-1], strict=True):
        top, bottom = a + x * top, b + x * bottom
    ratio: Matrix = top / bottom
    return ratio


def quantile(u: Matrix) -> Matrix:
    """Return standard normal quantiles (M. J. Wichura, Algorithm AS 241)."""
    q = u - 0.5
    central = q * _rational(0.180625 - q * q, constants.CENTRAL_NUMERATOR, constants.CENTRAL_DENOMINATOR)
    r = np.sqrt(-log(np.minimum(u, 1.0 - u)))
    near = _rational(r - 1.6, constants.TAIL_NUMERATOR, constants.TAIL_DENOMINATOR)
    far = _rational(r - 5.0, constants.FAR_NUMERATOR, constants.FAR_DENOMINATOR)
    tail = np.where(r <= 5.0, near, far)
    return np.where(np.abs(q) <= 0.425, central, np.where(u < 0.5, -tail, tail))


def uniforms(key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
    """Return uniforms, strictly between 0 and 1.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    draws : int
        Numbers for each replicate, in [0, 2^33): draw t is half t % 2 of block t // 2.

    Returns
    -------
    ndarray of float64, shape (count, draws)
        Odd multiples of 2^-53.

    Raises
    ------
    ValueError
        If an argument is out of its range, as in all functions of the table.

    Examples
    --------
    >>> uniforms((0, 0), 0, 0, 1, 2).round(4)
    array([[0.8805, 0.6055]])
    """
    _, count = checks.replicates(first, count)
    checks.room("uniforms", (count, checks.integer("draws", draws, 0, 2**33)), "count or draws")
    return _draws(key, stream, _numbers(first, count), 0, draws)


def normals(key: Key, stream: int, first: int, count: int, draws: int) -> Matrix:
    """Return standard normals: the quantiles of :func:`uniforms`.

    Returns
    -------
    ndarray of float64, shape (count, draws)

    Examples
    --------
    >>> normals((0, 0), 0, 0, 1, 2).round(4)
    array([[1.1776, 0.2676]])
    """
    _, count = checks.replicates(first, count)
    checks.room("normals", (count, checks.integer("draws", draws, 0, 2**33)), "count or draws")
    return quantile(uniforms(key, stream, first, count, draws))


def _add_product(total: Matrix, factor: Matrix, z: Matrix) -> None:
    for k in range(factor.shape[1]):
        total += factor[:, k] * z[:, k, None]


def gaussian_sums(key: Key, stream: int, first: int, count: int, mean: ArrayLike, factor: ArrayLike) -> Matrix:
    """Return draws of N(mean, factor factorᵀ): mean + factor z, added by columns, z the :func:`normals`.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    mean : array_like, shape (d,)
    factor : array_like, shape (d, p)

    Returns
    -------
    ndarray of float64, shape (count, d)

    Examples
    --------
    >>> gaussian_sums((0, 0), 0, 0, 1, [10.0], [[1.0, 2.0]]).round(4)
    array([[11.7127]])
    """
    centre = checks.array("mean", mean, (None,))
    matrix = checks.array("factor", factor, (centre.size, None))
    _, count = checks.replicates(first, count)
    checks.room("gaussian_sums", (count, centre.size), "count")
    z = normals(key, stream, first, count, matrix.shape[1])
    total = np.zeros((count, centre.size))
    _add_product(total, matrix, z)
    return centre + total


def _chi_squares(key: Key, stream: int, numbers: Words, dof: int, block: int, stride: int) -> Matrix:
    """Return one chi-square number a replicate; attempt a uses block ``block + a * stride``."""
    if dof == 1:
        return quantile(_draws(key, stream, numbers, block, 1)[:, 0]) ** 2
    d = 0.5 * dof - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    result = np.empty(numbers.size)
    waiting = np.arange(numbers.size)
    while waiting.size:
        u = _draws(key, stream, numbers[waiting], block, 2)
        x = quantile(u[:, 0])
        y = np.maximum(c * x, -1.0 + 2.0**-50)
        v = (1.0 + y) * (1.0 + y) * (1.0 + y)
        bound = 0.5 * x * x + d * (-y * (3.0 + y * (3.0 + y)) + 3.0 * log1p(y))
        accepted = (c * x > -1.0) & (log(u[:, 1].copy()) < bound)
        result[waiting[accepted]] = 2.0 * d * v[accepted]
        waiting = waiting[~accepted]
        block += stride
    return result


def wishart_sums(key: Key, stream: int, first: int, count: int, dof: int, factor: ArrayLike) -> Matrix:
    """Return draws of the Wishart law with ``dof`` degrees of freedom and scale factor factorᵀ.

    Bartlett's decomposition: W = (F A)(F A)ᵀ, A lower trapezoidal of width m = min(q, dof), A[i, i]²
    chi-square with dof - i degrees of freedom, normals below.  With T entries below the diagonal, these are
    draws 0 to T - 1, row by row, and attempt a at A[i, i]² uses block ceil(T / 2) + i + a m.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    dof : int
        At least 1; W is singular when dof < q.
    factor : array_like, shape (q, q)

    Returns
    -------
    ndarray of float64, shape (count, q, q)

    Examples
    --------
    >>> wishart_sums((0, 0), 0, 0, 1, 1, [[1.0]]).round(4)
    array([[[1.3867]]])
    """
    square = checks.array("factor", factor, (None, None))
    q = checks.array("factor", square, (square.shape[1], None)).shape[0]
    width = min(q, checks.integer("dof", dof, 1, 2**53))
    _, count = checks.replicates(first, count)
    checks.room("wishart_sums", (count, q, q), "count")
    numbers = _numbers(first, count)
    rows, columns = np.nonzero(np.tri(q, width, -1))
    a = np.zeros((count, q, width))
    a[:, rows, columns] = quantile(_draws(key, stream, numbers, 0, rows.size))
    for i in range(width):
        a[:, i, i] = np.sqrt(_chi_squares(key, stream, numbers, dof - i, (rows.size + 1) // 2 + i, width))
    b = np.zeros((count, q, width))
    for k in range(q):
        b += square[:, k, None] * a[:, k, None, :]
    w = np.zeros((count, q, q))
    for k in range(width):
        w += b[:, :, None, k] * b[:, None, :, k]
    return w


def _stirling_error(n: Integers) -> Matrix:
    """Return log n! - (n log n - n + log(2 pi n) / 2)."""
    x = np.maximum(n, 16).astype(np.float64)
    square = x * x
    s0, s1, s2, s3, s4 = constants.STIRLING_SERIES
    series = (s0 - (s1 - (s2 - (s3 - s4 / square) / square) / square) / square) / x
    return np.where(n < 16, np.array(constants.STIRLING_TABLE)[np.minimum(n, 15)], series)


def _deviance(x: Matrix, mean: Matrix) -> Matrix:
    """Return x log(x / mean) + mean - x."""
    v = (x - mean) / (x + mean)
    total = (x - mean) * v
    term = 2.0 * x * v
    for j in range(1, 9):
        term = term * (v * v)
        total = total + term / (2 * j + 1)
    return np.where(np.abs(v) < 0.1, total, x * log(x / mean) + mean - x)


def _binomial_probability(n: Integers, x: Integers, p: Matrix, q: Matrix) -> Matrix:
    """Return the binomial probability of x (C. Loader's saddle-point form)."""
    inside = np.clip(x, 1, np.maximum(n - 1, 1))
    size, successes = np.maximum(n, 2).astype(np.float64), inside.astype(np.float64)
    failures = np.maximum(n - inside, 1)
    exponent = _stirling_error(np.maximum(n, 2)) - _stirling_error(inside) - _stirling_error(failures)
    exponent = exponent - _deviance(successes, size * p) - _deviance(failures.astype(np.float64), size * q)
    root = np.sqrt(size / (2.0 * np.pi * successes * failures))
    ends = np.where(x == 0, exp(n * log1p(-p)), exp(n * log(p)))
    return np.where((x == 0) | (x == n), ends, exp(exponent) * root)


def _binomials(n: Integers, p: float, q: float, u: Matrix) -> Integers:
    """Return the value on which each u falls when mode, mode + 1, mode - 1, ... are laid side by side."""
    if p > 0.5:
        return n - _binomials(n, q, p, u)
    mode = np.minimum(((n + 1) * p).astype(np.int64), n)
    probability = _binomial_probability(n, mode, np.full(n.shape, p), np.full(n.shape, q))
    odds = p / q
    value = mode.copy()
    rest = u - probability
    above, below, high, low = probability.copy(), probability.copy(), mode.copy(), mode.copy()
    open_ = rest >= 0.0
    while open_.any():
        up = open_ & (high < n) & (above > constants.NEGLIGIBLE)
        above = np.where(up, above * (odds * (n - high) / (high + 1)), above)
        high = high + up
        rest = np.where(up, rest - above, rest)
        hit_above = up & (rest < 0.0)
        down = open_ & ~hit_above & (low > 0) & (below > constants.NEGLIGIBLE)
        below = np.where(down, below * (low / (odds * (n - low + 1))), below)
        low = low - down
        rest = np.where(down, rest - below, rest)
        hit_below = down & (rest < 0.0)
        value = np.where(hit_above, high, np.where(hit_below, low, value))
        open_ = (up | down) & ~hit_above & ~hit_below
    return value


def multinomial_sums(key: Key, stream: int, first: int, count: int, trials: int, probabilities: ArrayLike) -> Integers:
    """Return multinomial counts, by binomials given the counts before them.

    Category k is decided by draw k: inversion, searching outwards from the mode.  The law is exact up to
    rounding (about 1e-12 in total variation at 1e7 trials); the search takes about √trials steps.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    trials : int
        At least 0.
    probabilities : array_like, shape (m,)
        Non-negative; divided by their sum.

    Returns
    -------
    ndarray of int64, shape (count, m)
        Each row sums to ``trials``.

    Examples
    --------
    >>> multinomial_sums((0, 0), 0, 0, 2, 10, [0.5, 0.5, 0.0])
    array([[3, 7, 0],
           [6, 4, 0]])
    """
    p, tails = checks.probabilities("probabilities", probabilities)
    _, count = checks.replicates(first, count)
    checks.room("multinomial_sums", (count, p.size), "count")
    u = uniforms(key, stream, first, count, p.size)
    rest = np.full(count, checks.integer("trials", trials, 0, 2**53), dtype=np.int64)
    counts = np.zeros((count, p.size), dtype=np.int64)
    for k in range(p.size):
        if p[k] == 0.0:
            continue
        if tails[k + 1] == 0.0:
            counts[:, k] = rest
        else:
            some = rest > 0
            counts[some, k] = _binomials(rest[some], p[k] / tails[k], tails[k + 1] / tails[k], u[some, k])
        rest -= counts[:, k]
    return counts


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
    """Return sums of ``trials`` independent draws of a Gaussian mixture.

    Given its component counts N, a sum is the total over c of N_c mean_c + √N_c F_c z_c.  With C components
    in dimension d the counts are :func:`multinomial_sums` (blocks 0 to ceil(C / 2) - 1) and z_c the normals
    from block ceil(C / 2) + c ceil(d / 2) on.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    trials : int
        At least 0.
    weights : array_like, shape (C,)
        Non-negative; divided by their sum.
    means : array_like, shape (C, d)
    factors : array_like, shape (C, d, d)
        Component c has covariance F_c F_cᵀ.

    Returns
    -------
    ndarray of float64, shape (count, d)

    Examples
    --------
    >>> mixture_sums((0, 0), 0, 0, 1, 10, [0.5, 0.5], [[0.0], [1.0]], [[[0.0]], [[0.0]]])
    array([[7.]])
    """
    p, _ = checks.probabilities("weights", weights)
    centres = checks.array("means", means, (p.size, None))
    d = centres.shape[1]
    matrices = checks.array("factors", factors, (p.size, d, d))
    _, count = checks.replicates(first, count)
    checks.room("mixture_sums", (count, d), "count")
    counts = multinomial_sums(key, stream, first, count, trials, p)
    numbers = _numbers(first, count)
    total = np.zeros((count, d))
    for c in range(p.size):
        some = counts[:, c] > 0
        size = counts[some, c, None].astype(np.float64)
        z = quantile(_draws(key, stream, numbers[some], (p.size + 1) // 2 + c * ((d + 1) // 2), d))
        part = total[some] + size * centres[c]
        _add_product(part, matrices[c], z * np.sqrt(size))
        total[some] = part
    return total


def all_pairs_wins(sum_scores: ArrayLike, weights: ArrayLike, point_scores: ArrayLike) -> Matrix:
    """Return, for each point m and cell k, the total weight of the sums r with which the cell wins.

    That is the sum over r of weights[r] 1{argmin_j (sum_scores[r, j] + point_scores[m, j]) = k}.

    Parameters
    ----------
    sum_scores : array_like, shape (R, K)
    weights : array_like, shape (R,)
    point_scores : array_like, shape (M, K)

    Returns
    -------
    ndarray of float64, shape (M, K)
        The lowest index wins a tie.  Terms are added in order within blocks of 1024, the blocks in order.

    Examples
    --------
    >>> all_pairs_wins([[0.0, 1.0], [0.0, -1.0]], [2.0, 3.0], [[0.0, 0.0], [0.0, 1.0]])
    array([[2., 3.],
           [5., 0.]])
    """
    sums, points = checks.pairs(sum_scores, point_scores)
    weight = checks.array("weights", weights, (sums.shape[0],))
    checks.room("all_pairs_wins", points.shape, "the number of points")
    everyone = np.arange(points.shape[0])
    total = np.zeros(points.shape)
    for begin in range(0, sums.shape[0], constants.PAIR_BLOCK):
        block = np.zeros(points.shape)
        for r in range(begin, min(begin + constants.PAIR_BLOCK, sums.shape[0])):
            block[everyone, np.argmin(sums[r] + points, axis=1)] += weight[r]
        total += block
    return total


def all_pairs_rows(sum_scores: ArrayLike, point_scores: ArrayLike, coefficients: ArrayLike) -> Matrix:
    """Return, for each sum r, the total over m of the coefficient of the winning cell.

    That is the sum over m of coefficients[m, argmin_j (sum_scores[r, j] + point_scores[m, j])].

    Parameters
    ----------
    sum_scores : array_like, shape (R, K)
    point_scores : array_like, shape (M, K)
    coefficients : array_like, shape (M, K)

    Returns
    -------
    ndarray of float64, shape (R,)
        Ties and order of addition as in :func:`all_pairs_wins`.

    Examples
    --------
    >>> all_pairs_rows([[0.0, 1.0], [0.0, -1.0]], [[0.0, 0.0], [0.0, 1.0]], [[1.0, 10.0], [100.0, 1000.0]])
    array([101., 110.])
    """
    sums, points = checks.pairs(sum_scores, point_scores)
    coefficient = checks.array("coefficients", coefficients, points.shape)
    checks.room("all_pairs_rows", sums.shape[:1], "the number of sums")
    total = np.zeros(sums.shape[0])
    for begin in range(0, points.shape[0], constants.PAIR_BLOCK):
        block = np.zeros(sums.shape[0])
        for m in range(begin, min(begin + constants.PAIR_BLOCK, points.shape[0])):
            block += coefficient[m, np.argmin(sums + points[m], axis=1)]
        total += block
    return total


def _log_interval(a: Matrix, b: Matrix) -> Matrix:
    """Return log(Phi(b) - Phi(a)), computed in the tail on whose side the interval lies."""
    from scipy.special import log_ndtr, ndtr

    flip = b > -a
    left, right = np.where(flip, -b, a), np.where(flip, -a, b)
    lower, upper = log_ndtr(left), log_ndtr(right)
    around = np.log1p(-(ndtr(left) + ndtr(-right)))
    with np.errstate(divide="ignore"):
        beside = upper + np.log1p(-np.exp(lower - upper))
    result: Matrix = np.where((left < -1.0) & (right > 1.0), around, beside)
    return result


def product_log_ratios(
    key: Key, stream: int, first: int, count: int, n: int, edges: ArrayLike, offsets: ArrayLike
) -> Matrix:
    """Return the log likelihood ratio of a product quantizer on the mean of n Gaussian vectors.

    Coordinates are independent and standardised.  Given its member w the mean is N(w / n, (n - 1) / n²); the
    log likelihood ratio is the sum over coordinates of log P(cell | w) - log P(cell).  With d coordinates,
    draw 2 i is w of coordinate i, draw 2 i + 1 the normal g of the joint law's mean w / n + g √(n - 1) / n,
    draw 2 d + i the normal h of the product law's mean h / √n.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    n : int
        Sample size, at least 2.
    edges : array_like, shape (E,)
        Thresholds (t - mean) / (standard deviation of one sample), increasing within each coordinate.
    offsets : array_like of int, shape (d + 1,)
        The thresholds of coordinate i are edges[offsets[i]:offsets[i + 1]].

    Returns
    -------
    ndarray of float64, shape (count, 2)
        Column 0: under the product law (w independent of the cell); column 1: under the joint law.  The
        columns share w.

    Examples
    --------
    >>> product_log_ratios((0, 0), 0, 0, 1, 10, [0.0], [0, 1]).round(4)
    array([[0.2665, 0.2665]])
    """
    size = checks.integer("n", n, 2, 2**53)
    flat, parts = checks.partition(edges, offsets)
    _, count = checks.replicates(first, count)
    checks.room("product_log_ratios", (count, 2), "count")
    d = parts.size - 1
    z = normals(key, stream, first, count, 3 * d)
    result = np.zeros((count, 2))
    sharpness = size / np.sqrt(size - 1.0)
    for i in range(d):
        own = flat[parts[i] : parts[i + 1]]
        ends = np.concatenate([[-np.inf], own, [np.inf]])
        shift = z[:, 2 * i] / size
        means = (
            z[:, 2 * d + i] / np.sqrt(float(size)),
            shift + np.sqrt(size - 1.0) / size * z[:, 2 * i + 1],
        )
        for column, mean in enumerate(means):
            cell = np.searchsorted(own, mean, side="right")
            a, b = ends[cell], ends[cell + 1]
            given = _log_interval((a - shift) * sharpness, (b - shift) * sharpness)
            result[:, column] += given - _log_interval(a * np.sqrt(float(size)), b * np.sqrt(float(size)))
    return result
