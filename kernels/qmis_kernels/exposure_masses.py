"""Total variations of members' and non-members' read-outs, of one or of a pair, and masses of their log ratios."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels._constants import (
    CENTRE_STEPS,
    EXPONENT_SHIFT,
    GRID_HALF,
    GRID_STEP,
    HERMITE,
    HERMITE_NODES,
    HERMITE_WEIGHTS,
    INVERSE_SQRT_2PI,
    LARGEST_CORRELATION,
    LEAST_VARIANCE,
    MASS_UNIT,
    PAIR_HALF,
    PAIR_LINE_STEP,
    PAIR_LINES,
    PAIR_REACH,
    PAIR_STEP,
    RATIO_BINS,
    RATIO_REACH,
    RATIO_UNIT,
)
from qmis_kernels.elementary import exp, log
from qmis_kernels.exposure import derivatives, exponential, member_height, nearly_linear, normal_height

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]


@inlined
def ratio_bin(ratio: float) -> int:
    """Return the bin of a log ratio."""
    x = abs(ratio) / RATIO_UNIT
    size = log(x + np.sqrt(x * x + 1.0))
    place = RATIO_REACH + size if ratio >= 0.0 else RATIO_REACH - size
    number = np.int64(np.floor(place * (RATIO_BINS / (2.0 * RATIO_REACH))))
    return min(max(number, np.int64(0)), np.int64(RATIO_BINS - 1))  # type: ignore[return-value]


@inlined
def counted(mass: float) -> int:
    """Return a mass in fixed-point units."""
    return np.int64(np.floor(mass * MASS_UNIT + 0.5))  # type: ignore[return-value]


@inlined
def add_node(
    members: Integers, non_members: Integers, weight: float, member: float, non_member: float, ratio: float
) -> None:
    """Add the masses of a node to the bin of its log ratio."""
    place = ratio_bin(ratio)
    members[place] += counted(weight * member)
    non_members[place] += counted(weight * non_member)


@inlined
def crossing(before: float, gap: float) -> float:
    """Return what a total variation gains where the densities cross between two nodes: 0 where they do not.

    On a straight line between them the trapezium is too large by a triangle, and too small by what it misses of a slope
    that does not vanish at its end.
    """
    if not before * gap < 0.0:
        return 0.0
    step = abs(gap - before)
    return step / 12.0 - 0.5 * abs(before * gap) / step


@compiled
def expose(
    members: Integers, non_members: Integers, loss: int, a: float, s: float, q: float, y: float, mean: float,
    cross: float, square: float, c: float, e: float, weight: float,
) -> float:  # fmt: skip
    """Add the masses of one point to its histograms, and return the total variation of the two laws."""
    normal = nearly_linear(loss, a, s, q, y, mean)
    if not normal:
        c = min(c, LARGEST_CORRELATION)
    variance = max(1.0 + 2.0 * c * e * cross + e * e * square, LEAST_VARIANCE)
    deviation = np.sqrt(variance)
    centre = e * mean
    width = GRID_STEP * deviation
    outside = 0.0
    distance = 0.0
    before = 0.0
    for j in range(-GRID_HALF, GRID_HALF + 1):
        w = centre + width * j
        if normal:
            height = normal_height(w, centre, variance)
        else:
            height = member_height(w, loss, a, s, q, y, mean, cross, square, c, e)
        member = width * INVERSE_SQRT_2PI * exponential(height)
        non_member = width * INVERSE_SQRT_2PI * exp(-0.5 * w * w)
        add_node(members, non_members, weight, member, non_member, height + 0.5 * w * w)
        outside += non_member
        gap = member - non_member
        distance += max(gap, 0.0)
        distance += crossing(before, gap)
        before = gap
    non_members[0] += counted(weight * max(1.0 - outside, 0.0))
    return min(max(distance, 0.0), 1.0)


@compiled
def pair_height(
    w: float, v: float, loss: int, a: float, s: float, q: float, y: float, mean: float, cross: float, square: float,
    c: float, e: float, f: float,
) -> float:  # fmt: skip
    """Return the log density of a member's pair of read-outs at (w, v), plus log(2 pi).

    As :func:`~qmis_kernels.exposure.member_height`, with a second read-out f D + noise of variance one.
    """
    noise = 1.0 - c * c
    scale = q / s
    sharpness = 1.0 / noise
    variance = max(1.0 + 2.0 * cross + square, 1e-14)
    along = (1.0 + cross) / variance
    b = (c - e) * along + e
    d = f * (1.0 - along)
    m = mean + variance * (b * (w - e * mean) + noise * d * (v - f * mean)) / (
        b * b * variance + noise * (1.0 + variance * d * d)
    )
    for _ in range(CENTRE_STEPS):
        slope, curvature = derivatives(loss, y, a + s * m)
        t = m + scale * slope
        rise = 1.0 + q * curvature
        b = (c - e) * rise + e
        d = f * (1.0 - rise)
        missed = w - c * t - e * (m - t)
        beside = v - f * (m - t)
        m += (b * missed * sharpness + d * beside - t * rise) / (rise * rise + b * b * sharpness + d * d)
    slope, curvature = derivatives(loss, y, a + s * m)
    t = m + scale * slope
    rise = 1.0 + q * curvature
    b = (c - e) * rise + e
    d = f * (1.0 - rise)
    missed = w - c * t - e * (m - t)
    beside = v - f * (m - t)
    precision = rise * rise + b * b * sharpness + d * d
    height = -0.5 * t * t - 0.5 * missed * missed * sharpness - 0.5 * beside * beside
    deviation = 1.0 / np.sqrt(precision)
    total = 0.0
    for k in range(HERMITE):
        z = HERMITE_NODES[k]
        x = m + deviation * z
        slope, curvature = derivatives(loss, y, a + s * x)
        t = x + scale * slope
        missed = w - c * t - e * (x - t)
        beside = v - f * (x - t)
        exponent = 0.5 * z * z - 0.5 * t * t - 0.5 * missed * missed * sharpness - 0.5 * beside * beside - height
        total += HERMITE_WEIGHTS[k] * (1.0 + q * curvature) * exp(min(exponent - EXPONENT_SHIFT, 0.0))
    return log(max(total, 1e-300)) + EXPONENT_SHIFT + height - 0.5 * log(precision * noise)


@compiled
def expose_pair(
    members: Integers, non_members: Integers, loss: int, a: float, s: float, q: float, y: float, mean: float,
    cross: float, square: float, c: float, e: float, f: float, weight: float,
) -> float:  # fmt: skip
    """Do what :func:`expose` does for a pair of read-outs, on lines along the first one."""
    normal = nearly_linear(loss, a, s, q, y, mean)
    if not normal:
        c = min(c, LARGEST_CORRELATION)
    second = max(1.0 + f * f * square, LEAST_VARIANCE)
    slope = f * (c * cross + e * square) / second
    first = max(1.0 + 2.0 * c * e * cross + e * e * square - slope * slope * second, LEAST_VARIANCE)
    across = PAIR_LINE_STEP * np.sqrt(second)
    width = PAIR_STEP * np.sqrt(first)
    area = across * width * INVERSE_SQRT_2PI * INVERSE_SQRT_2PI
    top = 0.5 * log(first * second)
    outside = 0.0
    distance = 0.0
    for i in range(-PAIR_LINES, PAIR_LINES + 1):
        v = f * mean + across * i
        centre = e * mean + slope * (across * i)
        away = PAIR_LINE_STEP * i * (PAIR_LINE_STEP * i)
        before = 0.0
        for j in range(-PAIR_HALF, PAIR_HALF + 1):
            far = away + PAIR_STEP * j * (PAIR_STEP * j)
            if far > PAIR_REACH:
                continue
            w = centre + width * j
            height = -0.5 * far - top
            if not normal:
                height = pair_height(w, v, loss, a, s, q, y, mean, cross, square, c, e, f)
            size = 0.5 * (w * w + v * v)
            member = area * exponential(height)
            non_member = area * exp(-size)
            add_node(members, non_members, weight, member, non_member, height + size)
            outside += non_member
            gap = member - non_member
            distance += max(gap, 0.0)
            distance += crossing(before, gap)
            before = gap
    non_members[0] += counted(weight * max(1.0 - outside, 0.0))
    return min(max(distance, 0.0), 1.0)


@parallel
def exposure_columns(
    tv: Vector, members: Integers, non_members: Integers, loss: int, a: Vector, s: Vector, q: Vector, y: Vector,
    moments: Vector, c: Vector, e: Vector, f: Vector, weight: Vector, group: Integers,
) -> None:  # fmt: skip
    """Write total variations (columns, points) and add masses (columns, groups, bins), a column by itself.

    Where f is not 0 there is a pair of read-outs.
    """
    for k in prange(tv.shape[0]):
        for i in range(a.size):
            g = group[i]
            mean, cross, square = moments[i, 0], moments[i, 1], moments[i, 2]
            if f[k, i] == 0.0:
                tv[k, i] = expose(
                    members[k, g], non_members[k, g], loss, a[i], s[i], q[i], y[i], mean, cross, square, c[k, i],
                    e[k, i], weight[i],
                )  # fmt: skip
            else:
                tv[k, i] = expose_pair(
                    members[k, g], non_members[k, g], loss, a[i], s[i], q[i], y[i], mean, cross, square, c[k, i],
                    e[k, i], f[k, i], weight[i],
                )  # fmt: skip
