"""Arguments of the regressions, checked alike by every backend; one line names the argument at fault."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _checks as checks
from qmis_kernels._checks import Matrix

SMALLEST_SHAPE = 0.0625
"""Gamma numbers of this shape are all normal floating-point numbers; those of smaller shapes can underflow."""


def shapes(name: str, value: ArrayLike) -> Matrix:
    """Return a vector of shapes of gamma laws."""
    result = checks.array(name, value, (None,))
    if not ((result >= SMALLEST_SHAPE) & (result < 2.0**52)).all():
        raise ValueError(f"{name}: must be at least {SMALLEST_SHAPE} and below {2**52}")
    return result


def finite(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Matrix:
    """Return an array of finite numbers of the given shape."""
    result = checks.array(name, value, shape)
    if not np.isfinite(result).all():
        raise ValueError(f"{name}: must be finite")
    return result


def real(name: str, value: Any) -> float:
    """Return a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} = {value!r}: must be a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} = {number}: must be finite")
    return number


def regression(
    n: int, coefficients: ArrayLike, transform: ArrayLike, noise_std: float
) -> tuple[int, Matrix, Matrix, float]:
    """Return the number of points, the coefficients, the transform and the standard deviation of the noise."""
    centre = finite("coefficients", coefficients, (None,))
    matrix = finite("transform", transform, (centre.size, centre.size))
    size = checks.integer("n", n, max(1, centre.size), 2**53)
    noise = real("noise_std", noise_std)
    if noise < 0.0:
        raise ValueError(f"noise_std = {noise}: must not be negative")
    return size, centre, matrix, noise


def triangles(factors: ArrayLike, count: int, d: int) -> Matrix:
    """Return square matrices with positive diagonals."""
    result = finite("factors", factors, (count, d, d))
    if not (np.diagonal(result, axis1=1, axis2=2) > 0.0).all():
        raise ValueError("factors: diagonals must be positive")
    return result


def updates(
    factors: ArrayLike, estimates: ArrayLike, design: ArrayLike, response: ArrayLike, sign: int
) -> tuple[Matrix, Matrix, Matrix, Matrix, float]:
    """Return the arguments of the rank-one updates."""
    points = finite("design", design, (None, None, None))
    regressions, m, d = points.shape
    if sign not in (1, -1):
        raise ValueError(f"sign = {sign!r}: must be 1 (add the point) or -1 (leave it out)")
    return (
        triangles(factors, regressions, d),
        finite("estimates", estimates, (regressions, d)),
        points,
        finite("response", response, (regressions, m)),
        float(sign),
    )


def all_updates(
    factors: ArrayLike,
    estimates: ArrayLike,
    x: ArrayLike,
    response: ArrayLike,
    edges: ArrayLike,
    offsets: ArrayLike,
) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix, NDArray[np.int64], int]:
    """Return the arguments of all pairs of regressions and points, and the number of product cells."""
    points = finite("x", x, (None, None))
    count, d = points.shape
    old = finite("estimates", estimates, (None, d))
    flat, parts = checks.partition(edges, offsets)
    if parts.size != d + 1:
        raise ValueError(f"offsets has {parts.size} entries: must be one more than the columns of x, {d + 1}")
    cells = math.prod((np.diff(parts) + 1).tolist())
    if cells >= 2**31:
        raise ValueError(f"offsets: {cells} cells, must be below {2**31}")
    return triangles(factors, *old.shape), old, points, finite("response", response, (count,)), flat, parts, cells


def newton(tolerance: float, iterations: int) -> tuple[float, int]:
    """Return the tolerance and the largest number of steps of a Newton iteration."""
    small = real("tolerance", tolerance)
    if not 0.0 < small < 1.0:
        raise ValueError(f"tolerance = {small}: must lie between 0 and 1")
    return small, checks.integer("iterations", iterations, 1, 2**31)


def labelled(x: ArrayLike, y: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return designs with at least one column and their responses 0 or 1."""
    design = finite("x", x, (None, None, None))
    if design.shape[2] == 0:
        raise ValueError("x has no columns: there must be at least one")
    response = checks.array("y", y, design.shape[:2])
    if not ((response == 0.0) | (response == 1.0)).all():
        raise ValueError("y: must be 0 or 1")
    return design, response


def logistic(n: int, coefficients: ArrayLike, factor: ArrayLike) -> tuple[int, Matrix, Matrix]:
    """Return the number of points, the coefficients and the factor of a simulated logistic regression."""
    centre = finite("coefficients", coefficients, (None,))
    if centre.size == 0:
        raise ValueError("coefficients: there must be at least one")
    matrix = finite("factor", factor, (centre.size, centre.size))
    return checks.integer("n", n, 1, 2**32 // (centre.size // 2 + 1)), centre, matrix
