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

_STEP = 1e-4
_TINY = 1e-300
_NOTHING = 1e-9


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
    """

    scale: FloatArray
    leverage: FloatArray
    length: FloatArray

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
        np.concatenate([(one.mean * (1.0 + length)).ravel(), one.factor.ravel(), [whole * scale, whole * leverage]])
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

    C is proportional to Σ ψ_j² and falls with A = Σ_j (1 + w_j q)⁻¹ w_j as A^−2κ, with κ = 1 − tr ΣGPC/tr ΣC, and
    leverages q fall as A^−λ, with λ = 1 − tr ΣGPG/tr ΣG. A point enters both sums. It also moves the fit, by
    −H⁻¹x_j r_j, and a share of that lies along the mean fitted values a: longer fits have other gradients and
    curvatures. A larger A makes leverages less, by which A is more and gradients at the fit are less damped. For the
    squared loss curvatures do not depend on the fit.

    Gradients are independent but for the scatter of the fit itself, of which φ is the share: the variance of their sum
    is larger by 1/(1 − φ), and that of the moves of the fit is less than the plain jackknife says by 1 − φ.

    Parameters
    ----------
    fit : Fit
        A fit at its optimum.
    found : LeaveOneOut
        Its leave-one-out quantities.
    held, held_scale : float
        1 − λ and 1 − κ, in [0, 1].
    """
    identity = np.eye(fit.outputs)
    usual = found.leverage.mean(axis=0)
    values = fit.design @ fit.parameters.T

    def sums(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return |ψ|² and the trace of (1 + wq)⁻¹w of each point at fitted values."""
        w = fit.loss.curvature(fit.y, values)
        stiffness = np.linalg.solve(identity + w @ usual, w)
        return np.sum(fit.loss.gradient(fit.y, values) ** 2, axis=1), np.trace(stiffness, axis1=1, axis2=2)

    here = sums(values)
    sizes = [part.mean() for part in here]
    root = math.sqrt(1.0 - found.inflation)
    squares, stiffer = ((part / size - 1.0) / root for part, size in zip(here, sizes, strict=True))
    length = np.zeros(fit.points)
    if fit.loss.name != "squared":
        mean = points_of(fit, found, Game()).mean
        shift = np.linalg.solve(identity + found.leverage @ found.curvature, mean[:, :, None])[:, :, 0]
        length = root * _stretch(fit, found, mean)
        there = sums(values + _STEP * shift)
        longer = [float((part.mean() / size - 1.0) / _STEP) for part, size in zip(there, sizes, strict=True)]
        squares, stiffer = squares + longer[0] * length, stiffer + longer[1] * length
    damped = [float(np.sum(part * found.pull) / part.sum()) for part in here]
    stiffer = stiffer / (1.0 - (1.0 - held) * damped[1])
    leverage = -(1.0 - held) * stiffer
    return Influence(squares - 2.0 * damped[0] * leverage - 2.0 * (1.0 - held_scale) * stiffer, leverage, length)


def _stretch(fit: Fit, found: LeaveOneOut, mean: FloatArray) -> FloatArray:
    """Return n times the share along the mean fitted values of what each point moves the fitted values."""
    design = fit.design
    total = hessian_solver(fit, found.curvature)((mean.T @ design).reshape(-1, 1)).reshape(fit.outputs, -1)
    alone = found.gradient + np.einsum("nab,nb->na", found.curvature, found.value_moved)
    return np.asarray(-fit.points * np.sum(alone * (design @ total.T), axis=1) / max(float(np.sum(mean**2)), _TINY))
