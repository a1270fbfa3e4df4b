"""Where the formulas of Statements S15 to S17 are known to fail, found from the fit itself."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from scipy.linalg import cho_factor

from qmis_stats.arrays import FloatArray
from qmis_stats.leak.fits import FREE, Fit, inverse_of, moment_matrix, row_blocks
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import LeaveOneOut, forms
from qmis_stats.leak.losses import contrasts
from qmis_stats.leak.posterior import Points
from qmis_stats.leak.retained import Retained, Scatter

__all__ = ["objections", "repeated_rows", "told_memberships"]

_FEWEST_DIRECTIONS = 10.0
_FEWEST_WEIGHTS = 8.0
_LARGEST_PART = 0.2
_LARGEST_PULL = 0.95
_LARGEST_JOINT_PULL = 0.15
_LARGEST_INFLATION = 0.9
_LARGEST_REPEATED = 0.01
_FINE, _MOST_EQUATIONS, _MOST_TOLD = 0.9, 0.1, 0.25
"""Share of the variance that is retained, and equations per point of a pool, or share of a membership that they tell,
from which on their law is not normal."""


def objections(
    fit: Fit, found: LeaveOneOut, points: Points, spread: Scatter, kept: list[Retained], game: Game, directions: float
) -> tuple[tuple[str, ...], ...]:
    """Return, for each quantizer, the reasons why its figures are outside of the domain; empty where there are none.

    The last of them is no quantization. In how many directions fitted values vary is given as a population has it.
    """
    common = _of_the_fit(fit, found, points, directions)
    size = np.diag(spread.covariance) * np.tile(np.diag(spread.second_moment), fit.outputs)
    size = size.reshape(fit.outputs, -1)[:, : fit.X.shape[1]]
    columns = int(np.count_nonzero(np.any(fit.design != 0.0, axis=0))) * max(fit.outputs - 1, 1)
    # The score equations of weights and codes are for the points of a pool (Proposition S17.3).
    equations = columns * game.fraction / fit.points if game.kind == "pool" else 0.0
    normal = equations <= _MOST_EQUATIONS
    if normal and equations > 0.0:
        normal = told_memberships(fit, found, game.fraction) <= _MOST_TOLD
    more = (
        f"in a known pool exact weights and fine codes solve {columns} equations for who was drawn: what these tell is "
        "not normal, and an attack may find much more than the figures say"
    )
    exact = "exact weights, at least as many as the pool has points: membership is read off exactly"
    each = []
    for one in kept:
        carried = size * one.share[:, : fit.X.shape[1]]
        carrying = float(carried.sum() ** 2 / np.sum(carried**2)) if np.any(carried > 0.0) else 0.0
        largest = float(carried.max() / carried.sum()) if carrying else 0.0
        reasons = common
        if carrying < _FEWEST_WEIGHTS:
            few = f"only about {carrying:.1f} weights carry what the codes tell: the read-out is not normal"
            reasons = (*common, few)
        elif largest > _LARGEST_PART:
            reasons = (*common, f"one weight carries {largest:.0%} of what the codes tell: the read-out is not normal")
        if not normal and carried.sum() >= _FINE * size.sum():
            reasons = (*reasons, exact if one is kept[-1] and equations >= 1.0 else more)
        each.append(reasons)
    return tuple(each)


def told_memberships(fit: Fit, found: LeaveOneOut, fraction: float) -> float:
    """Return the share of a membership of a pool that exact weights tell, on average over what they tell (S17.3).

    Of T = Σ_j ψ_jψ_jᵀ ⊗ x_jx_jᵀ a point has the share ψ_jᵀ(x_jᵀT⁻¹x_j)ψ_j. Points that were drawn have the gradients of
    the fit, others those that are left out of it. Where few points have most of T, as with nearly separable classes,
    few memberships are told nearly whole, by however few equations.

    Parameters
    ----------
    fit : Fit
        To a share of the pool.
    found : LeaveOneOut
        Its leave-one-out quantities.
    fraction : float
        This share.
    """
    basis = contrasts(fit.outputs)
    each = ((fraction, found.gradient), (1.0 - fraction, fit.loss.gradient(fit.y, found.value)))
    gradients = [(share, psi @ basis) for share, psi in each]
    squares = sum(share * psi[:, :, None] * psi[:, None, :] for share, psi in gradients)
    whole = moment_matrix(fit.design, np.asarray(squares) / fraction)
    whole.flat[:: len(whole) + 1] += FREE * np.trace(whole) / len(whole)
    explained = forms(fit.design, inverse_of(cho_factor(whole)), basis.shape[1])
    parts = [(share, np.einsum("na,nab,nb->n", psi, explained, psi)) for share, psi in gradients]
    return float(sum(s * np.sum(t**2) for s, t in parts) / sum(s * np.sum(t) for s, t in parts))


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
