"""Total variations of members' and non-members' read-outs, of one or of a pair, and masses of their log ratios."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels._constants import (
    GRID_HALF,
    GRID_STEP,
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
from qmis_kernels.elementary import exp, log, whole
from qmis_kernels.exposure import exponential, member_heights, nearly_linear, normal_height

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

_NODES = 2 * max(GRID_HALF, PAIR_HALF) + 1


@inlined
def ratio_bin(ratio: float) -> int:
    """Return the bin of a log ratio."""
    x = abs(ratio) / RATIO_UNIT
    size = log(x + np.sqrt(x * x + 1.0))
    place = RATIO_REACH + size if ratio >= 0.0 else RATIO_REACH - size
    number = np.floor(place * (RATIO_BINS / (2.0 * RATIO_REACH)))
    return whole(min(max(number, 0.0), RATIO_BINS - 1.0))


@inlined
def counted(mass: float) -> int:
    """Return a mass in fixed-point units."""
    return np.int64(np.floor(mass * MASS_UNIT + 0.5))  # type: ignore[return-value]


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
def add_nodes(
    members: Integers, non_members: Integers, place: Integers, weight: float, area: float, height: Vector, size: Vector,
    distance: float, outside: float,
) -> tuple[float, float]:  # fmt: skip
    """Add the masses of nodes on a line to the bins of their log ratios.

    Heights are log densities of a member and sizes those of a non-member with the other sign, both up to the area; they
    are overwritten.  The total variation and the mass of a non-member with those of the line are returned.
    """
    for j in range(height.size):
        place[j] = ratio_bin(height[j] + size[j])
    for j in range(height.size):
        height[j] = area * exponential(height[j])
    for j in range(height.size):
        size[j] = area * exp(-size[j])
    before = 0.0
    for j in range(height.size):
        members[place[j]] += counted(weight * height[j])
        non_members[place[j]] += counted(weight * size[j])
        outside += size[j]
        gap = height[j] - size[j]
        distance += max(gap, 0.0)
        distance += crossing(before, gap)
        before = gap
    return distance, outside


@compiled
def expose(
    members: Integers, non_members: Integers, place: Integers, work: Vector, loss: int, a: float, s: float, q: float,
    y: float, mean: float, cross: float, square: float, c: float, e: float, weight: float,
) -> float:  # fmt: skip
    """Add the masses of one point to its histograms, and return the total variation of the two laws."""
    normal = nearly_linear(loss, a, s, q, y, mean)
    if not normal:
        c = min(c, LARGEST_CORRELATION)
    variance = max(1.0 + 2.0 * c * e * cross + e * e * square, LEAST_VARIANCE)
    centre = e * mean
    width = GRID_STEP * np.sqrt(variance)
    w, height, size = work[0], work[1], work[2]
    for j in range(w.size):
        w[j] = centre + width * (j - GRID_HALF)
        size[j] = 0.5 * w[j] * w[j]
    if normal:
        for j in range(w.size):
            height[j] = normal_height(w[j], centre, variance)
    else:
        member_heights(height, work[3:], w, 0.0, loss, a, s, q, y, mean, cross, square, c, e, 0.0)
    area = width * INVERSE_SQRT_2PI
    distance, outside = add_nodes(members, non_members, place, weight, area, height, size, 0.0, 0.0)
    non_members[0] += counted(weight * max(1.0 - outside, 0.0))
    return min(max(distance, 0.0), 1.0)


@compiled
def expose_pair(
    members: Integers, non_members: Integers, place: Integers, work: Vector, loss: int, a: float, s: float, q: float,
    y: float, mean: float, cross: float, square: float, c: float, e: float, f: float, weight: float,
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
        if away > PAIR_REACH:
            continue
        half = PAIR_HALF
        while away + PAIR_STEP * half * (PAIR_STEP * half) > PAIR_REACH:
            half -= 1
        nodes = 2 * half + 1
        w, height, size = work[0, :nodes], work[1, :nodes], work[2, :nodes]
        for j in range(w.size):
            w[j] = centre + width * (j - half)
            size[j] = 0.5 * (w[j] * w[j] + v * v)
        if normal:
            for j in range(w.size):
                step = PAIR_STEP * (j - half)
                height[j] = -0.5 * (away + step * step) - top
        else:
            member_heights(height, work[3:], w, v, loss, a, s, q, y, mean, cross, square, c, e, f)
        distance, outside = add_nodes(members, non_members, place, weight, area, height, size, distance, outside)
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
        work, place = np.empty((7, _NODES)), np.empty(_NODES, dtype=np.int64)
        for i in range(a.size):
            g = group[i]
            mean, cross, square = moments[i, 0], moments[i, 1], moments[i, 2]
            if f[k, i] == 0.0:
                tv[k, i] = expose(
                    members[k, g], non_members[k, g], place, work, loss, a[i], s[i], q[i], y[i], mean, cross, square,
                    c[k, i], e[k, i], weight[i],
                )  # fmt: skip
            else:
                tv[k, i] = expose_pair(
                    members[k, g], non_members[k, g], place, work, loss, a[i], s[i], q[i], y[i], mean, cross, square,
                    c[k, i], e[k, i], f[k, i], weight[i],
                )  # fmt: skip
