"""Where the formulas of Statements S15 to S17 are known to fail, found from the fit itself."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.leak.equations import Equations
from qmis_stats.leak.fits import Fit, row_blocks
from qmis_stats.leak.leave_one_out import LeaveOneOut
from qmis_stats.leak.posterior import Points
from qmis_stats.leak.retained import Retained, Scatter

__all__ = ["objections", "repeated_rows"]

_FEWEST_DIRECTIONS = 10.0
_FEWEST_WEIGHTS = 8.0
_LARGEST_PART = 0.2
_LARGEST_PULL = 0.95
_LARGEST_JOINT_PULL = 0.15
_LARGEST_INFLATION = 0.9
_LARGEST_REPEATED = 0.01


def objections(
    fit: Fit,
    found: LeaveOneOut,
    points: Points,
    spread: Scatter,
    kept: list[Retained],
    solved: Equations,
    directions: float,
) -> tuple[tuple[str, ...], ...]:
    """Return, for each quantizer, the reasons why its figures are outside of the domain; empty where there are none.

    The last of them is no quantization. In how many directions fitted values vary is given as a population has it.
    """
    common = _of_the_fit(fit, found, points, directions)
    size = spread.sizes[:, : fit.X.shape[1]]
    each = []
    for q, one in enumerate(kept):
        carried = size * one.share[:, : fit.X.shape[1]]
        carrying = float(carried.sum() ** 2 / np.sum(carried**2)) if np.any(carried > 0.0) else 0.0
        largest = float(carried.max() / carried.sum()) if carrying else 0.0
        reasons = common
        if carrying < _FEWEST_WEIGHTS:
            few = f"only about {carrying:.1f} weights carry what the codes tell: the read-out is not normal"
            reasons = (*common, few)
        elif largest > _LARGEST_PART:
            reasons = (*common, f"one weight carries {largest:.0%} of what the codes tell: the read-out is not normal")
        if (more := solved.reason(q)) is not None:
            reasons = (*reasons, more)
        each.append(reasons)
    return tuple(each)


def _of_the_fit(fit: Fit, found: LeaveOneOut, points: Points, directions: float) -> tuple[str, ...]:
    reasons = []
    if directions < _FEWEST_DIRECTIONS:
        reasons.append(f"the fitted values vary in about {directions:.1f} directions: they are not normal")
    pull = float(np.median(found.pull))
    if pull > _LARGEST_PULL:
        reasons.append(f"near interpolation: points decide {pull:.0%} of their fitted values")
    elif fit.outputs > 1 and pull > _LARGEST_JOINT_PULL:
        reasons.append(
            f"points decide {pull:.0%} of their fitted values: with several classes the law of members is normal only "
            f"up to {_LARGEST_JOINT_PULL:.0%}"
        )
    if found.inflation > _LARGEST_INFLATION:
        reasons.append(
            f"the fit varies as much as the data: {found.inflation:.0%} of its residuals are its own scatter"
        )
    if points.settled <= 0.0:
        reasons.append(
            "the leave-one-out residuals vary less than the fit: the variance over points cannot be told apart"
        )
    repeated = repeated_rows(fit.X, fit.y)
    if repeated > _LARGEST_REPEATED:
        reasons.append(f"{repeated:.0%} of the records repeat another: what each leaks alone is understated")
    return tuple(reasons)


def repeated_rows(X: FloatArray, y: FloatArray) -> float:
    """Return the share of rows that repeat an earlier one, target included.

    Examples
    --------
    >>> repeated_rows(np.array([[1.0], [2.0], [1.0]]), np.array([0.0, 0.0, 0.0]))
    0.3333333333333333
    """
    marks: set[bytes] = set()
    for rows in row_blocks(len(X)):
        # Zeros of both signs are the same value.
        block = np.column_stack([X[rows], y[rows]]) + 0.0
        marks.update(blake2b(row.tobytes(), digest_size=16).digest() for row in block)
    return (len(X) - len(marks)) / len(X)
