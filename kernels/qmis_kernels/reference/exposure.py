"""What a member's read-out looks like beside a non-member's: proximal points, log likelihood ratios, their masses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _constants as constants
from qmis_kernels import _exposure_checks as checks
from qmis_kernels._checks import room
from qmis_kernels.reference.arrays import Matrix
from qmis_kernels.reference.elementary import exp, log

Integers = NDArray[np.int64]


def _exponential(v: Matrix) -> Matrix:
    small = exp(-np.minimum(np.abs(v), constants.LARGEST_EXPONENT))
    result: Matrix = np.where(v <= 0.0, exp(np.minimum(v, 0.0)), 1.0 / small)
    return result


def _derivatives(loss: int, y: Matrix, v: Matrix) -> tuple[Matrix, Matrix]:
    if loss == 0:
        return v - y, np.ones_like(v)
    if loss == 1:
        t = exp(-np.abs(v))
        p = np.where(v >= 0.0, 1.0 / (1.0 + t), t / (1.0 + t))
        return p - y, t / ((1.0 + t) * (1.0 + t))
    mean = _exponential(v)
    return mean - y, mean


def _proximal(loss: int, u: Matrix, q: Matrix, y: Matrix) -> Matrix:
    if loss == 0:
        result: Matrix = np.where(q <= 0.0, u, (u + q * y) / (1.0 + q))
        return result
    low, high, v = u - q, u + q, u.copy()
    if loss == 2:
        top = u + q * y
        inside = top > 0.0
        ratio = np.where(inside & (q > 0.0), top, 1.0) / np.where(inside & (q > 0.0), q, 1.0)
        high = np.where(inside, np.minimum(top, np.maximum(0.0, log(ratio))), top)
        low = np.minimum(u, high)
        slope = _derivatives(loss, y, low)[0]
        low = np.where(slope > 0.0, low - q * slope, low)
        v = high.copy()
    active = q > 0.0
    moved = high - low
    for _ in range(constants.NEWTON_STEPS):
        slope, curvature = _derivatives(loss, y, v)
        missed = v - u + q * slope
        high = np.where(active & (missed > 0.0), v, high)
        low = np.where(active & ~(missed > 0.0), v, low)
        following = v - missed / (1.0 + q * curvature)
        steady = (low <= following) & (following <= high) & ~(2.0 * np.abs(following - v) > moved)
        following = np.where(steady, following, 0.5 * (low + high))
        moved = np.abs(following - v)
        v = np.where(active, following, v)
        active = active & ~(moved <= constants.PROXIMAL_TOLERANCE * (1.0 + np.abs(v)))
        if not active.any():
            break
    return np.where(q <= 0.0, u, v)


def proximal_moments(a: ArrayLike, s: ArrayLike, q: ArrayLike, y: ArrayLike, loss: int) -> Matrix:
    """Return what moves a member's fitted value, over the law of the value that a non-member has.

    With t standard normal, u = a + s t and D = (prox - u) / s, where prox = argmin_v loss(y, v) + (v - u)² / (2 q), by
    the Gauss-Hermite rule with seven nodes.

    Parameters
    ----------
    a, s, q, y : array_like, shape (N,)
        Means and positive standard deviations of u, q of at least 0, and targets.
    loss : int
        0: (y - v)² / 2; 1: log(1 + e^v) - y v; 2: e^v - y v.

    Returns
    -------
    ndarray of float64, shape (N, 3)
        Mean of D, covariance of t and D, variance of D.

    Examples
    --------
    >>> proximal_moments([0.0], [1.0], [1.0], [2.0], 0).round(12)
    array([[ 1.  , -0.5 ,  0.25]])
    """
    points = checks.points(a, s, q, y, loss)
    room("proximal_moments", (points[0].size, 3), "the number of points")
    return _moments(loss, *points)


def _moments(loss: int, a: Matrix, s: Matrix, q: Matrix, y: Matrix) -> Matrix:
    mean, cross, square = (np.zeros(a.size) for _ in range(3))
    for z, weight in zip(constants.HERMITE_NODES, constants.HERMITE_WEIGHTS, strict=True):
        u = a + s * z
        d = (_proximal(loss, u, q, y) - u) / s
        mean += weight * d
        cross += weight * z * d
        square += weight * d * d
    return np.column_stack([mean, cross, np.maximum(square - mean * mean, 0.0)])


def _nearly_linear(loss: int, a: Matrix, s: Matrix, q: Matrix, y: Matrix, mean: Matrix) -> NDArray[np.bool_]:
    if loss == 0:
        return np.ones(a.shape, dtype=np.bool_)
    here, above, below = (_derivatives(loss, y, a + s * at)[1] for at in (mean, mean + 1.0, mean - 1.0))
    bent = q * (np.abs(above - here) + np.abs(here - below))
    return np.asarray(bent < constants.BENT * (1.0 + q * here))


def _normal_height(w: Matrix, centre: Matrix, variance: Matrix) -> Matrix:
    height: Matrix = -0.5 * (w - centre) * (w - centre) / variance - 0.5 * log(variance)
    return height


def _member_height(w: Matrix, loss: int, points: tuple[Matrix, ...], moments: Matrix, c: Matrix, e: Matrix) -> Matrix:
    a, s, q, y = points
    mean, cross, square = moments.T
    noise = 1.0 - c * c
    scale = q / s
    sharpness = 1.0 / noise
    variance = np.maximum(1.0 + 2.0 * cross + square, 1e-14)
    b = (c - e) * ((1.0 + cross) / variance) + e
    m = mean + variance * b / (b * b * variance + noise) * (w - e * mean)

    def bend(m: Matrix) -> tuple[Matrix, Matrix, Matrix, Matrix]:
        slope, curvature = _derivatives(loss, y, a + s * m)
        t = m + scale * slope
        rise = 1.0 + q * curvature
        return t, rise, (c - e) * rise + e, w - c * t - e * (m - t)

    for _ in range(constants.CENTRE_STEPS):
        t, rise, b, missed = bend(m)
        m = m + (b * missed * sharpness - t * rise) / (rise * rise + b * b * sharpness)
    t, rise, b, missed = bend(m)
    precision = rise * rise + b * b * sharpness
    height = -0.5 * t * t - 0.5 * missed * missed * sharpness
    deviation = 1.0 / np.sqrt(precision)
    total = np.zeros(a.size)
    for z, weight in zip(constants.HERMITE_NODES, constants.HERMITE_WEIGHTS, strict=True):
        t, rise, _, missed = bend(m + deviation * z)
        exponent = 0.5 * z * z - 0.5 * t * t - 0.5 * missed * missed * sharpness - height
        total = total + weight * rise * exp(np.minimum(exponent - constants.EXPONENT_SHIFT, 0.0))
    found: Matrix = log(np.maximum(total, 1e-300)) + constants.EXPONENT_SHIFT + height - 0.5 * log(precision * noise)
    return found


def _height(
    w: Matrix, normal: NDArray[np.bool_], loss: int, points: tuple[Matrix, ...], moments: Matrix, c: Matrix, e: Matrix
) -> Matrix:
    height = _normal_height(w, e * moments[:, 0], _variance(moments, c, e))
    bent = np.flatnonzero(~normal)
    if bent.size:
        some = tuple(part[bent] for part in points)
        height[bent] = _member_height(w[bent], loss, some, moments[bent], c[bent], e[bent])
    return height


def _variance(moments: Matrix, c: Matrix, e: Matrix) -> Matrix:
    _, cross, square = moments.T
    variance: Matrix = np.maximum(1.0 + 2.0 * c * e * cross + e * e * square, constants.LEAST_VARIANCE)
    return variance


def _capped(c: Matrix, normal: NDArray[np.bool_]) -> Matrix:
    return np.where(normal, c, np.minimum(c, constants.LARGEST_CORRELATION))


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
    """Return log likelihood ratios of read-outs: of a member's law to the standard normal one of a non-member.

    A member's read-out is c t + e D(t) + sqrt(1 - c²) xi, with t and xi independent standard normal.

    Parameters
    ----------
    w : array_like, shape (N,)
        Read-outs.
    a, s, q, y, loss
        See :func:`proximal_moments`.
    moments : array_like, shape (N, 3)
        From :func:`proximal_moments`.
    c, e : array_like, shape (N,)
        Correlation with the fitted value, in [0, 1], and how far membership moves the read-out.  Where the proximal
        map is bent, c is at most sqrt(0.999).

    Returns
    -------
    ndarray of float64, shape (N,)

    Examples
    --------
    >>> points = [0.0], [1.0], [1.0], [2.0], 0
    >>> read_out_ratios([1.0], *points, proximal_moments(*points), [1.0], [1.0]).round(6)
    array([1.193147])
    """
    points = checks.points(a, s, q, y, loss)
    values, given, first, second = checks.read_outs(points[0].size, w, moments, c, e)
    normal = _nearly_linear(loss, *points, given[:, 0])
    height = _height(values, normal, loss, points, given, _capped(first, normal), second)
    return height + 0.5 * values * values


def _bins(ratio: Matrix) -> Integers:
    x = np.abs(ratio) / constants.RATIO_UNIT
    size = log(x + np.sqrt(x * x + 1.0))
    place = np.where(ratio >= 0.0, constants.RATIO_REACH + size, constants.RATIO_REACH - size)
    number = np.floor(place * (constants.RATIO_BINS / (2.0 * constants.RATIO_REACH))).astype(np.int64)
    return np.clip(number, 0, constants.RATIO_BINS - 1)


def _add(total: Integers, group: Integers, place: Integers, mass: Matrix) -> None:
    """Add masses, in fixed-point units, to the bins of their groups."""
    indices: Any = (group, place)
    np.add.at(total, indices, np.floor(mass * constants.MASS_UNIT + 0.5).astype(np.int64))


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
) -> tuple[Matrix, Integers, Integers]:
    """Return the total variation of each point's two laws, and the masses of their log ratio.

    Over an equispaced grid of a member's law; the kink of the total variation is crossed on a straight line.  Errors of
    a total variation are about 1e-4; for bent read-outs 99 % are within 3e-3, and up to 1e-2 where c is near 1 and q is
    several units.

    Parameters
    ----------
    a, s, q, y, loss, moments
        See :func:`read_out_ratios`.
    c, e : array_like, shape (N, Q)
        As there, for each of Q quantizers.
    weight : array_like, shape (N,)
        In [0, 1].
    group : array_like of int, shape (N,)
        Group of each point, below ``groups``.
    groups : int
        At least 1.

    Returns
    -------
    tv : ndarray of float64, shape (N, Q)
    members, non_members : ndarray of int64, shape (groups, Q, bins)
        Weighted masses of the log ratio with and without membership, in units of 2^-40: sums are exact in any order.
        The edges of the bins are those of :func:`qmis_kernels.exposure_bins`.

    Examples
    --------
    >>> points = [0.0], [1.0], [1.0], [2.0], 0
    >>> tv, *_ = exposure_integrals(*points, proximal_moments(*points), [[1.0]], [[1.0]], [1.0], [0], 1)
    >>> tv.round(2)
    array([[0.55]])
    """
    points = checks.points(a, s, q, y, loss)
    given, first, second, share, part, count = checks.exposures(points[0].size, moments, c, e, weight, group, groups)
    n, columns = first.shape
    tv = np.empty((n, columns))
    members = np.zeros((count, columns, constants.RATIO_BINS), dtype=np.int64)
    non_members = np.zeros_like(members)
    normal = _nearly_linear(loss, *points, given[:, 0])
    for k in range(columns):
        correlation, move = _capped(first[:, k], normal), second[:, k]
        width = constants.GRID_STEP * np.sqrt(_variance(given, correlation, move))
        centre = move * given[:, 0]
        outside, distance, before = (np.zeros(n) for _ in range(3))
        for j in range(-constants.GRID_HALF, constants.GRID_HALF + 1):
            w = centre + width * j
            height = _height(w, normal, loss, points, given, correlation, move)
            member = width * constants.INVERSE_SQRT_2PI * _exponential(height)
            non_member = width * constants.INVERSE_SQRT_2PI * exp(-0.5 * w * w)
            place = _bins(height + 0.5 * w * w)
            _add(members[:, k], part, place, share * member)
            _add(non_members[:, k], part, place, share * non_member)
            outside = outside + non_member
            gap = member - non_member
            distance = distance + np.maximum(gap, 0.0)
            crossed = before * gap < 0.0
            step = np.where(crossed, np.abs(gap - before), 1.0)
            distance = distance + np.where(crossed, step / 12.0 - 0.5 * np.abs(before * gap) / step, 0.0)
            before = gap
        _add(non_members[:, k], part, np.zeros_like(part), share * np.maximum(1.0 - outside, 0.0))
        tv[:, k] = np.minimum(np.maximum(distance, 0.0), 1.0)
    return tv, members, non_members
