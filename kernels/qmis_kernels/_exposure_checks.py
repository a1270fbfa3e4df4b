"""Arguments of the functions about read-outs, checked alike by every backend."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _checks as checks
from qmis_kernels._checks import Matrix
from qmis_kernels._constants import RATIO_BINS

Integers = NDArray[np.int64]


def points(a: ArrayLike, s: ArrayLike, q: ArrayLike, y: ArrayLike, loss: int) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Return the numbers of each point, which must be finite, s positive and q at least 0."""
    code = checks.integer("loss", loss, 0, 3)
    centre = checks.array("a", a, (None,))
    rest = [checks.array(name, value, (centre.size,)) for name, value in (("s", s), ("q", q), ("y", y))]
    for name, values in zip("asqy", (centre, *rest), strict=True):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: must be finite")
    spread, pull, target = rest
    if not (spread > 0.0).all():
        raise ValueError("s: must be positive")
    if not (pull >= 0.0).all():
        raise ValueError("q: must be at least 0")
    if code == 1 and not ((target == 0.0) | (target == 1.0)).all():
        raise ValueError("y: must be 0 or 1 for the logistic loss")
    if code == 2 and not (target >= 0.0).all():
        raise ValueError("y: must be at least 0 for the Poisson loss")
    return centre, spread, pull, target


def _moments(value: ArrayLike, n: int) -> Matrix:
    found = checks.array("moments", value, (n, 3))
    if not np.isfinite(found).all():
        raise ValueError("moments: must be finite")
    return found


def _correlations(c: ArrayLike, e: ArrayLike, shape: tuple[int | None, ...]) -> tuple[Matrix, Matrix]:
    first = checks.array("c", c, shape)
    second = checks.array("e", e, first.shape)
    if not ((first >= 0.0) & (first <= 1.0)).all():
        raise ValueError("c: must lie in [0, 1]")
    if not np.isfinite(second).all():
        raise ValueError("e: must be finite")
    return first, second


def read_outs(n: int, w: ArrayLike, moments: ArrayLike, c: ArrayLike, e: ArrayLike) -> tuple[Matrix, ...]:
    """Return read-outs, moments, correlations and moves."""
    checks.room("read_out_ratios", (n,), "the number of points")
    values = checks.array("w", w, (n,))
    if not np.isfinite(values).all():
        raise ValueError("w: must be finite")
    return values, _moments(moments, n), *_correlations(c, e, (n,))


def exposures(
    n: int,
    moments: ArrayLike,
    c: ArrayLike,
    e: ArrayLike,
    weight: ArrayLike,
    group: ArrayLike,
    groups: int,
    beside: ArrayLike | None,
) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix, Integers, int]:
    """Return moments, correlations, moves, those beside, weights, groups and their number."""
    given = _moments(moments, n)
    first, second = _correlations(c, e, (n, None))
    third = np.zeros(first.shape) if beside is None else checks.array("beside", beside, first.shape)
    if not np.isfinite(third).all():
        raise ValueError("beside: must be finite")
    share = checks.array("weight", weight, (n,))
    if not ((share >= 0.0) & (share <= 1.0)).all():
        raise ValueError("weight: must lie in [0, 1]")
    count = checks.integer("groups", groups, 1, 2**31)
    part = np.ascontiguousarray(group, dtype=np.int64)
    if part.shape != (n,) or (n and not (part.min() >= 0 and part.max() < count)):
        raise ValueError(f"group: must be {n} integers from 0 to {count - 1}")
    checks.room("exposure_integrals", (2 * count + n // RATIO_BINS + 1, first.shape[1], RATIO_BINS), "groups")
    return given, first, second, third, share, part, count
