"""What a member's read-out looks like beside a non-member's: proximal points and log likelihood ratios."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels._constants import (
    BENT,
    CENTRE_STEPS,
    EXPONENT_SHIFT,
    HERMITE,
    HERMITE_NODES,
    HERMITE_WEIGHTS,
    LARGEST_CORRELATION,
    LARGEST_EXPONENT,
    LEAST_VARIANCE,
    NEWTON_STEPS,
    PROXIMAL_TOLERANCE,
)
from qmis_kernels.elementary import exp, log

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]


@inlined
def exponential(v: float) -> float:
    """Return e^v, v capped at 700."""
    if v <= 0.0:
        return exp(v)
    return 1.0 / exp(-min(v, LARGEST_EXPONENT))


@compiled
def derivatives(loss: int, y: float, v: float) -> tuple[float, float]:
    """Return the first and second derivative of the loss with respect to the fitted value."""
    if loss == 0:
        return v - y, 1.0
    if loss == 1:
        t = exp(-abs(v))
        p = 1.0 / (1.0 + t) if v >= 0.0 else t / (1.0 + t)
        return p - y, t / ((1.0 + t) * (1.0 + t))
    mean = exponential(v)
    return mean - y, mean


@compiled
def proximal(loss: int, u: float, q: float, y: float) -> float:
    """Return argmin_v loss(y, v) + (v - u)² / (2 q)."""
    if q <= 0.0:
        return u
    if loss == 0:
        return (u + q * y) / (1.0 + q)
    low, high = u - q, u + q
    v = u
    if loss == 2:
        # q e^v = u + q y - v: the root is below u + q y, and where it is positive e^v is below (u + q y) / q.
        top = u + q * y
        high = top
        if top > 0.0:
            high = min(top, max(0.0, log(top / q)))
        low = min(u, high)
        if derivatives(loss, y, low)[0] > 0.0:
            low = low - q * derivatives(loss, y, low)[0]
        v = high
    moved = high - low
    for _ in range(NEWTON_STEPS):
        slope, curvature = derivatives(loss, y, v)
        missed = v - u + q * slope
        if missed > 0.0:
            high = v
        else:
            low = v
        following = v - missed / (1.0 + q * curvature)
        # Steps that leave the bracket, or do not shrink, are those of a method that goes round in circles.
        if not low <= following <= high or 2.0 * abs(following - v) > moved:
            following = 0.5 * (low + high)
        moved = abs(following - v)
        v = following
        if moved <= PROXIMAL_TOLERANCE * (1.0 + abs(v)):
            break
    return v


@compiled
def moments_of(loss: int, a: float, s: float, q: float, y: float) -> tuple[float, float, float]:
    """Return the mean of D, the covariance of t and D, and the variance of D."""
    mean = 0.0
    cross = 0.0
    square = 0.0
    for k in range(HERMITE):
        u = a + s * HERMITE_NODES[k]
        d = (proximal(loss, u, q, y) - u) / s
        mean += HERMITE_WEIGHTS[k] * d
        cross += HERMITE_WEIGHTS[k] * HERMITE_NODES[k] * d
        square += HERMITE_WEIGHTS[k] * d * d
    return mean, cross, max(square - mean * mean, 0.0)


@parallel
def moment_rows(out: Vector, loss: int, a: Vector, s: Vector, q: Vector, y: Vector) -> None:
    """Write the moments of each point."""
    for i in prange(a.size):
        out[i, 0], out[i, 1], out[i, 2] = moments_of(loss, a[i], s[i], q[i], y[i])


@compiled
def nearly_linear(loss: int, a: float, s: float, q: float, y: float, mean: float) -> bool:
    """Return whether the proximal map is linear over the points that count: a member's read-out is normal then."""
    if loss == 0:
        return True
    here = derivatives(loss, y, a + s * mean)[1]
    above = derivatives(loss, y, a + s * (mean + 1.0))[1]
    below = derivatives(loss, y, a + s * (mean - 1.0))[1]
    return q * (abs(above - here) + abs(here - below)) < BENT * (1.0 + q * here)


@compiled
def normal_height(w: float, centre: float, variance: float) -> float:
    """Return the log density of a normal law, plus log(2 pi) / 2."""
    return -0.5 * (w - centre) * (w - centre) / variance - 0.5 * log(variance)


@compiled
def member_height(
    w: float, loss: int, a: float, s: float, q: float, y: float, mean: float, cross: float, square: float, c: float,
    e: float,
) -> float:  # fmt: skip
    """Return the log density of a member's read-out at w, plus log(2 pi) / 2.

    The proximal value m, in units of s from a, is the variable: t(m) is explicit.  The integrand is centred by a few
    Gauss-Newton steps and integrated by a Hermite rule.
    """
    noise = 1.0 - c * c
    scale = q / s
    sharpness = 1.0 / noise
    variance = max(1.0 + 2.0 * cross + square, 1e-14)
    b = (c - e) * ((1.0 + cross) / variance) + e
    m = mean + variance * b / (b * b * variance + noise) * (w - e * mean)
    for _ in range(CENTRE_STEPS):
        slope, curvature = derivatives(loss, y, a + s * m)
        t = m + scale * slope
        rise = 1.0 + q * curvature
        b = (c - e) * rise + e
        missed = w - c * t - e * (m - t)
        m += (b * missed * sharpness - t * rise) / (rise * rise + b * b * sharpness)
    slope, curvature = derivatives(loss, y, a + s * m)
    t = m + scale * slope
    rise = 1.0 + q * curvature
    b = (c - e) * rise + e
    missed = w - c * t - e * (m - t)
    precision = rise * rise + b * b * sharpness
    height = -0.5 * t * t - 0.5 * missed * missed * sharpness
    deviation = 1.0 / np.sqrt(precision)
    total = 0.0
    for k in range(HERMITE):
        z = HERMITE_NODES[k]
        x = m + deviation * z
        slope, curvature = derivatives(loss, y, a + s * x)
        t = x + scale * slope
        missed = w - c * t - e * (x - t)
        exponent = 0.5 * z * z - 0.5 * t * t - 0.5 * missed * missed * sharpness - height
        total += HERMITE_WEIGHTS[k] * (1.0 + q * curvature) * exp(min(exponent - EXPONENT_SHIFT, 0.0))
    return log(max(total, 1e-300)) + EXPONENT_SHIFT + height - 0.5 * log(precision * noise)


@compiled
def log_ratio(
    w: float, loss: int, a: float, s: float, q: float, y: float, mean: float, cross: float, square: float, c: float,
    e: float,
) -> float:  # fmt: skip
    """Return the log likelihood ratio of a read-out."""
    if nearly_linear(loss, a, s, q, y, mean):
        variance = max(1.0 + 2.0 * c * e * cross + e * e * square, LEAST_VARIANCE)
        return normal_height(w, e * mean, variance) + 0.5 * w * w
    c = min(c, LARGEST_CORRELATION)
    return member_height(w, loss, a, s, q, y, mean, cross, square, c, e) + 0.5 * w * w


@parallel
def ratio_rows(
    out: Vector, w: Vector, loss: int, a: Vector, s: Vector, q: Vector, y: Vector, moments: Vector, c: Vector, e: Vector
) -> None:
    """Write the log likelihood ratio of each point at its own read-out."""
    for i in prange(a.size):
        mean, cross, square = moments[i, 0], moments[i, 1], moments[i, 2]
        out[i] = log_ratio(w[i], loss, a[i], s[i], q[i], y[i], mean, cross, square, c[i], e[i])
