"""What one point moves of all that points have in common: scale of C, leverages, length of mean fitted values (S17)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.leak.fits import Fit, hessian_solver
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import LeaveOneOut
from qmis_stats.leak.posterior import Points, points_of

__all__ = ["Influence", "influence_of", "left_out", "main_moves", "unexplained"]

_STEP = 1e-3
_TINY = 1e-300
_NOTHING = 1e-9
_MOST_BACK = 0.7
"""Of a move of gradients and curvatures, what comes back through what they move; it is φ for least squares."""


@dataclass(frozen=True, eq=False)
class Influence:
    """Influence of each point, times n: an estimate is off by the mean of these, to first order.

    Attributes
    ----------
    scale : (n,) ndarray
        On log tr ΣC.
    leverage : (n,) ndarray
        On log tr ΣG.
    length : (n,) ndarray
        On the length of the mean fitted values, relative to itself.
    scale_per_length : float
        How log tr ΣC follows this length: where it does, the scatter of a fit does.
    """

    scale: FloatArray
    leverage: FloatArray
    length: FloatArray
    scale_per_length: float

    @property
    def errors(self) -> FloatArray:
        """Standard errors of the three, shape (3,)."""
        return np.asarray(self._rows.std(axis=1) / math.sqrt(self.scale.size))

    @property
    def _rows(self) -> FloatArray:
        return np.array([self.scale, self.leverage, self.length])

    def without_each(self, group: Indices) -> FloatArray:
        """Return the three without each group, less those with all, (G, 3)."""
        return np.array([left_out(row, group) for row in self._rows]).T


def left_out(influence: FloatArray, group: Indices) -> FloatArray:
    """Return a quantity without each group, less that with all, (G,), from influences of the points, times n."""
    size = np.bincount(group).astype(np.float64)
    return np.asarray(-np.bincount(group, influence) / (group.size - size))


def main_moves(
    points: Points, others: Sequence[Points], without: FloatArray, most: int
) -> tuple[FloatArray, list[Points]]:
    """Return what leaving groups out moves of all points, along its main directions.

    A move is as large as the standard error of what it moves.

    Parameters
    ----------
    points : Points
        Some of the points.
    others : sequence of Points
        The same ones, read without each of G groups.
    without : (G, 3) ndarray
        Log scale, log leverage and relative length without each group.
    most : int
        How many directions.

    Returns
    -------
    coordinates : (G, k) ndarray
        Of each group along them.
    moved : list of Points
        The points after each move.
    """
    # A logarithm counts as if it moved every fitted value by its standard deviation.
    whole = float(np.sqrt(np.trace(points.variance, axis1=1, axis2=2).sum()))
    rows = [
        np.concatenate(
            [(1.0 + length) * one.mean.ravel(), (1.0 + length) * one.factor.ravel(), [whole * scale, whole * leverage]]
        )
        for one, (scale, leverage, length) in zip(others, without, strict=True)
    ]
    left, sizes, right = np.linalg.svd(np.array(rows) - np.mean(rows, axis=0), full_matrices=False)
    main = min(most, int(np.count_nonzero(sizes > _NOTHING * max(float(sizes[0]), _TINY))))
    unit = (len(rows) - 1.0) / np.sqrt(len(rows))
    split = points.mean.size
    moved = [
        points.moved(
            move[:split].reshape(points.mean.shape),
            move[split:-2].reshape(points.factor.shape),
            float(move[-2]) / whole,
            float(move[-1]) / whole,
        )
        for move in right[:main] * (sizes[:main, None] * unit)
    ]
    return left[:, :main] / unit, moved


def unexplained(deviations: FloatArray, sums: FloatArray, lost: FloatArray) -> FloatArray:
    """Return the deviations without each group of points, (G, ...), less what known sums over groups explain of them.

    Pulls add up to the number of parameters: what groups differ in such ``sums``, (G, c), those of pulls first, is no
    error. With a penalty pulls add up to more where features are longer: what they explain of that, ``lost``, (G, 1),
    stays.
    """
    size = np.maximum(sums.std(axis=0), _TINY)
    slopes = np.linalg.lstsq(sums / size, deviations.reshape(len(sums), -1))[0]
    explained = (sums / size) @ slopes - (lost / size[0]) @ slopes[:1]
    return np.asarray(deviations - explained.reshape(deviations.shape))


def influence_of(fit: Fit, found: LeaveOneOut, held: float, held_scale: float) -> Influence:
    """Return the influence of each point.

    Leverages q fall as A^−λ with A = Σ_j (1 + w_j q)⁻¹ w_j and λ = 1 − tr ΣGPG/tr ΣG, and C is proportional to
    Σ ψ_j² A^−2κ with κ = 1 − tr ΣGPC/tr ΣC. A point enters both sums. It also moves the fit, by −H⁻¹x_j r_j, and a
    share of that lies along the mean fitted values a. Both sums in turn follow leverages, the scale of C and the length
    of a: fitted values v solve v + qψ(v) = u about leave-one-out values u, which are further from a where C is larger.
    What a point moves solves these equations to first order. For the squared loss nothing depends on the length. Near
    separable classes as much comes back as was moved, and first order has no end: it is held.

    Gradients are independent but for the scatter of the fit itself, of which φ is the share: the variance of their sum
    is less than that of independent ones by 1 − φ, and so is that of the moves of the fit.

    Parameters
    ----------
    fit : Fit
        A fit at its optimum.
    found : LeaveOneOut
        Its leave-one-out quantities.
    held, held_scale : float
        1 − λ and 1 − κ, in [0, 1].
    """
    root = math.sqrt(1.0 - found.inflation)
    length, mean = np.zeros(fit.points), np.zeros_like(found.value)
    if fit.loss.name != "squared":
        mean = points_of(fit, found, Game()).mean
        length = root * _stretch(fit, found, mean)
    own, by_leverage, by_scale, by_length = _sums(fit, found, mean)
    # In logarithms: leverage = −fall·stiffness, scale = gradients − 2·shrink·stiffness, for (gradients, stiffness).
    fall, shrink = 1.0 - held, 2.0 * (1.0 - held_scale)
    back = np.outer(by_leverage, [0.0, -fall]) + np.outer(by_scale, [1.0, -shrink])
    back *= min(1.0, max(_MOST_BACK, found.inflation) / max(float(np.max(np.abs(np.linalg.eigvals(back)))), _TINY))
    own, by_length = (np.linalg.solve(np.eye(2) - back, part) for part in (root * own, by_length))
    gradients, stiffness = own + np.outer(by_length, length)
    return Influence(
        gradients - shrink * stiffness, -fall * stiffness, length, float(by_length[0] - shrink * by_length[1])
    )


def _sums(fit: Fit, found: LeaveOneOut, mean: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return what each point adds to Σ|ψ|² and Σ tr (1 + wq)⁻¹w, times n, relative to their means, (2, n).

    And the derivatives of their logarithms in those of the leverages, of the scale of C, and of the length of the
    means, (2,) each.
    """
    identity, usual = np.eye(fit.outputs), found.leverage.mean(axis=0)
    values = fit.design @ fit.parameters.T
    # What a fitted value moves per unit of u.
    follow: FloatArray = np.asarray(np.linalg.inv(identity + found.leverage @ found.curvature))

    def along(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("nab,nb->na", matrices, vectors))

    def stiff(w: FloatArray) -> FloatArray:
        return np.asarray(np.linalg.solve(identity + w @ usual, w))

    def at(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return gradients, and what points add to both sums, at fitted values."""
        psi, less = fit.loss.gradient(fit.y, values), stiff(fit.loss.curvature(fit.y, values))
        return psi, np.array([np.sum(psi**2, axis=1), np.trace(less, axis1=1, axis2=2)])

    here = at(values)[1]
    sizes = here.mean(axis=1)

    def change(move: FloatArray) -> FloatArray:
        """Return the derivatives along a move of the fitted values."""
        ends = at(values + _STEP * move)[1] - at(values - _STEP * move)[1]
        return np.asarray(ends.mean(axis=1) / (2.0 * _STEP * sizes))

    by_leverage = change(-along(follow, found.value_moved))
    less = stiff(found.curvature)
    by_leverage[1] -= float(np.mean(np.einsum("nab,bc,nca->n", less, usual, less))) / sizes[1]
    # Half the variance of u times second derivatives in u: those in v, less what bends v.
    spread, axes = np.linalg.eigh(found.variance)
    by_scale, bent = np.zeros(2), np.zeros_like(values)
    directions: FloatArray = np.asarray(axes * np.sqrt(np.maximum(spread, 0.0))[:, None, :])
    for direction in np.moveaxis(directions, 2, 0):
        move = along(follow, direction)
        for sign in (1.0, -1.0):
            psi, there = at(values + sign * _STEP * move)
            by_scale += (there - here).mean(axis=1) / (2.0 * _STEP**2 * sizes)
            bent += (psi - found.gradient) / (2.0 * _STEP**2)
    by_scale -= change(along(follow, along(found.leverage, bent)))
    by_length = change(along(follow, mean))
    return here / sizes[:, None] - 1.0, by_leverage, by_scale, by_length


def _stretch(fit: Fit, found: LeaveOneOut, mean: FloatArray) -> FloatArray:
    """Return n times the share along the mean fitted values of what each point moves the fitted values."""
    design = fit.design
    total = hessian_solver(fit, found.curvature)((mean.T @ design).reshape(-1, 1)).reshape(fit.outputs, -1)
    alone = found.gradient + np.einsum("nab,nb->na", found.curvature, found.value_moved)
    return np.asarray(-fit.points * np.sum(alone * (design @ total.T), axis=1) / max(float(np.sum(mean**2)), _TINY))
