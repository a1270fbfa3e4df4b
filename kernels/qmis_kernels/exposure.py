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
    t = exp(v if v <= 0.0 else -min(v, LARGEST_EXPONENT))
    return t if v <= 0.0 else 1.0 / t


@inlined
def derivatives(loss: int, y: float, v: float) -> tuple[float, float]:
    """Return the first and second derivative of a loss that is not squared with respect to the fitted value.

    Both losses take one way, by e^-|v|, so that loops over values run on vectors.
    """
    t = exp(-min(v, LARGEST_EXPONENT) if loss == 2 and v > 0.0 else -abs(v))
    other = 1.0 + t
    bottom = other if loss == 1 else (t if v > 0.0 else 1.0)
    mean = (1.0 if v > 0.0 else t) / bottom
    return mean - y, t / (other * other) if loss == 1 else mean


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


@inlined
def residuals(
    m: float, w: float, v: float, loss: int, a: float, s: float, q: float, y: float, scale: float, c: float, e: float,
    f: float,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Return t(m), its slope, and what the read-outs w and v are above those that m and t explain."""
    slope, curvature = derivatives(loss, y, a + s * m)
    t = m + scale * slope
    return t, 1.0 + q * curvature, w - c * t - e * (m - t), v - f * (m - t)


@compiled
def member_heights(
    height: Vector, work: Vector, w: Vector, v: float, loss: int, a: float, s: float, q: float, y: float, mean: float,
    cross: float, square: float, c: float, e: float, f: float,
) -> None:  # fmt: skip
    """Write the log densities of a member's pairs of read-outs at (w, v), plus log(2 pi).

    The second read-out is f D + noise of variance one; without it, v = f = 0, its density is left out: plus
    log(2 pi) / 2.  The proximal value m, in units of s from a, is the variable: t(m) is explicit.  The integrand is
    centred by a few Gauss-Newton steps and integrated by a Hermite rule, step by step for all read-outs, so that loops
    run on vectors.
    """
    noise = 1.0 - c * c
    scale = q / s
    sharpness = 1.0 / noise
    variance = max(1.0 + 2.0 * cross + square, 1e-14)
    along = (1.0 + cross) / variance
    b = (c - e) * along + e
    d = f * (1.0 - along)
    m, precision, deviation, total = work[0, : w.size], work[1, : w.size], work[2, : w.size], work[3, : w.size]
    for j in range(w.size):
        if f == 0.0:
            m[j] = mean + variance * b / (b * b * variance + noise) * (w[j] - e * mean)
        else:
            m[j] = mean + variance * (b * (w[j] - e * mean) + noise * d * (v - f * mean)) / (
                b * b * variance + noise * (1.0 + variance * d * d)
            )
    for _ in range(CENTRE_STEPS):
        for j in range(w.size):
            t, rise, missed, beside = residuals(m[j], w[j], v, loss, a, s, q, y, scale, c, e, f)
            b, d = (c - e) * rise + e, f * (1.0 - rise)
            m[j] += (b * missed * sharpness + d * beside - t * rise) / (rise * rise + b * b * sharpness + d * d)
    for j in range(w.size):
        t, rise, missed, beside = residuals(m[j], w[j], v, loss, a, s, q, y, scale, c, e, f)
        b, d = (c - e) * rise + e, f * (1.0 - rise)
        height[j] = -0.5 * t * t - 0.5 * missed * missed * sharpness - 0.5 * beside * beside
        precision[j] = rise * rise + b * b * sharpness + d * d
    for j in range(w.size):
        deviation[j] = 1.0 / np.sqrt(precision[j])
        total[j] = 0.0
    for k in range(HERMITE):
        z, weight = HERMITE_NODES[k], HERMITE_WEIGHTS[k]
        for j in range(w.size):
            x = m[j] + deviation[j] * z
            t, rise, missed, beside = residuals(x, w[j], v, loss, a, s, q, y, scale, c, e, f)
            exponent = 0.5 * z * z - 0.5 * t * t - 0.5 * missed * missed * sharpness - 0.5 * beside * beside - height[j]
            total[j] += weight * rise * exp(min(exponent - EXPONENT_SHIFT, 0.0))
    for j in range(w.size):
        found = log(max(total[j], 1e-300)) + EXPONENT_SHIFT + height[j]
        height[j] = found - 0.5 * log(precision[j] * noise)


@parallel
def ratio_rows(
    out: Vector, w: Vector, loss: int, a: Vector, s: Vector, q: Vector, y: Vector, moments: Vector, c: Vector, e: Vector
) -> None:
    """Write the log likelihood ratio of each point at its own read-out."""
    for i in prange(a.size):
        mean, cross, square = moments[i, 0], moments[i, 1], moments[i, 2]
        if nearly_linear(loss, a[i], s[i], q[i], y[i], mean):
            variance = max(1.0 + 2.0 * c[i] * e[i] * cross + e[i] * e[i] * square, LEAST_VARIANCE)
            out[i] = normal_height(w[i], e[i] * mean, variance)
        else:
            one, work, correlation = slice(i, i + 1), np.empty((4, 1)), min(c[i], LARGEST_CORRELATION)
            member_heights(
                out[one], work, w[one], 0.0, loss, a[i], s[i], q[i], y[i], mean, cross, square, correlation, e[i], 0.0
            )
        out[i] += 0.5 * w[i] * w[i]
