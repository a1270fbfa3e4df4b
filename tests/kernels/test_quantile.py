"""The normal quantile on all of its range: relative error in 30-digit arithmetic, and order across its branches."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from qmis_kernels.normal import uniforms_to_normals

LARGEST_RELATIVE_ERROR = 7e-16  # measured on the points below: 5.1e-16
BRANCHES = {"central": 0.5 - 0.425, "far": float(mpmath.exp(-25))}  # |u - 1/2| = 0.425 and r = sqrt(-log u) = 5
STEP = 2.0**-52  # uniforms are the odd multiples of 2^-53


def odd(u: np.ndarray) -> np.ndarray:
    """Return the nearest uniforms that the generator can give."""
    return (np.floor(u / STEP) + 0.5) * STEP


def quantiles(u: np.ndarray) -> np.ndarray:
    out = u.copy()
    uniforms_to_normals(out)
    return out


def around(branch: float, count: int) -> np.ndarray:
    """Return consecutive uniforms across a branch point."""
    return odd(np.array([branch]))[0] + STEP * np.arange(-count, count + 1)


def points() -> np.ndarray:
    """Return 2000 uniforms: the extremes, both sides of every branch, all scales of the tails, the middle."""
    rng = np.random.default_rng(11)
    half = np.concatenate(
        [
            [0.5 * STEP, 1.5 * STEP, 0.5 - 0.5 * STEP],
            *(around(branch, 75) for branch in BRANCHES.values()),
            10.0 ** rng.uniform(-15.9, -0.31, 400),
            0.5 * rng.random(297 - 2),
        ]
    )
    u = odd(half)
    return np.concatenate([u, 1.0 - u])


def relative_errors(u: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return (z - exact) / exact, by one Newton step from z in 30-digit arithmetic."""
    with mpmath.workdps(30):
        errors = []
        for x, y in zip(u.tolist(), z.tolist(), strict=True):
            value = mpmath.mpf(y)
            # The upper tail is where a distribution function near 1 would lose the digits of 1 - u.
            tail, goal = (mpmath.ncdf(value), mpmath.mpf(x)) if x < 0.5 else (mpmath.ncdf(-value), 1 - mpmath.mpf(x))
            step = (tail - goal) / mpmath.npdf(value) * (1 if x < 0.5 else -1)
            errors.append(float(step / value))
        return np.array(errors)


def test_relative_error() -> None:
    u = points()
    z = quantiles(u)
    assert u.size == 2000
    assert (u.min(), u.max()) == (2.0**-53, 1.0 - 2.0**-53)
    assert np.abs(relative_errors(u, z)).max() < LARGEST_RELATIVE_ERROR
    assert np.abs(relative_errors(u, z * (1.0 + 1e-15))).max() > LARGEST_RELATIVE_ERROR


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("branch", BRANCHES)
def test_order_is_kept_across_branches(branch: str, upper: bool) -> None:
    u = around(BRANCHES[branch], 3000)
    u = 1.0 - u[::-1] if upper else u
    z = quantiles(u)
    assert (np.diff(u) > 0.0).all()
    assert (np.diff(z) >= 0.0).all()
    z[z.size // 2 :] -= 2.0 * np.diff(z).max()  # the control: one branch off by two steps
    assert not (np.diff(z) >= 0.0).all()
