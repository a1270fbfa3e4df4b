"""What a member's read-out looks like beside a non-member's: proximal points and log likelihood ratios."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _constants as constants
from qmis_kernels import _exposure_checks as checks
from qmis_kernels._checks import room
from qmis_kernels.reference.arrays import Matrix
from qmis_kernels.reference.elementary import exp, log


def exponential(v: Matrix) -> Matrix:
    """Return e^v, v capped at 700."""
    small = exp(-np.minimum(np.abs(v), constants.LARGEST_EXPONENT))
    result: Matrix = np.where(v <= 0.0, exp(np.minimum(v, 0.0)), 1.0 / small)
    return result


def derivatives(loss: int, y: Matrix, v: Matrix) -> tuple[Matrix, Matrix]:
    """Return the first and second derivative of the loss with respect to the fitted value."""
    if loss == 0:
        return v - y, np.ones_like(v)
    if loss == 1:
        t = exp(-np.abs(v))
        p = np.where(v >= 0.0, 1.0 / (1.0 + t), t / (1.0 + t))
        return p - y, t / ((1.0 + t) * (1.0 + t))
    mean = exponential(v)
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
        slope = derivatives(loss, y, low)[0]
        low = np.where(slope > 0.0, low - q * slope, low)
        v = high.copy()
    active = q > 0.0
    moved = high - low
    for _ in range(constants.NEWTON_STEPS):
        slope, curvature = derivatives(loss, y, v)
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


def nearly_linear(loss: int, a: Matrix, s: Matrix, q: Matrix, y: Matrix, mean: Matrix) -> NDArray[np.bool_]:
    """Return whether the proximal map is linear over the points that count: a member's read-out is normal then."""
    if loss == 0:
        return np.ones(a.shape, dtype=np.bool_)
    here, above, below = (derivatives(loss, y, a + s * at)[1] for at in (mean, mean + 1.0, mean - 1.0))
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
        slope, curvature = derivatives(loss, y, a + s * m)
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


def height_of(
    w: Matrix, normal: NDArray[np.bool_], loss: int, points: tuple[Matrix, ...], moments: Matrix, c: Matrix, e: Matrix
) -> Matrix:
    """Return the log density of a member's read-outs at w, plus log(2 pi) / 2."""
    height = _normal_height(w, e * moments[:, 0], variance_of(moments, c, e))
    bent = np.flatnonzero(~normal)
    if bent.size:
        some = tuple(part[bent] for part in points)
        height[bent] = _member_height(w[bent], loss, some, moments[bent], c[bent], e[bent])
    return height


def variance_of(moments: Matrix, c: Matrix, e: Matrix) -> Matrix:
    """Return the variance of a member's read-outs."""
    _, cross, square = moments.T
    variance: Matrix = np.maximum(1.0 + 2.0 * c * e * cross + e * e * square, constants.LEAST_VARIANCE)
    return variance


def capped(c: Matrix, normal: NDArray[np.bool_]) -> Matrix:
    """Return correlations, less than 1 where the proximal map is bent."""
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
    normal = nearly_linear(loss, *points, given[:, 0])
    height = height_of(values, normal, loss, points, given, capped(first, normal), second)
    return height + 0.5 * values * values
