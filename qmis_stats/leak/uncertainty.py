"""How sure the figures of one fit are: a jackknife over groups of points, what they share, and the codes (S17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.game import Game
from qmis_stats.leak.influence import left_out, main_moves, unexplained
from qmis_stats.leak.law import Exposures, exposures, figures_without_each, whole_figures
from qmis_stats.leak.leave_one_out import LeaveOneOut
from qmis_stats.leak.posterior import Points, points_of
from qmis_stats.leak.retained import ReadOut, Scatter, share_covariance, share_moves
from qmis_stats.leak.signal import Directions

__all__ = ["Uncertainty"]

_FEWEST_GROUPS = 10
_SLOPE_POINTS, _SLOPE_PAIRS = 128, 64
_NOTHING = 1e-9
_MOVES, _JOINT_MOVES = 6, 3
"""Main moves of all points that are followed; of several fitted values, each of which takes long, three have most."""


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """The errors of figures that are means over points, given what all points have in common.

    Three parts: the points themselves; what all points share, which is the law from which the mean fitted values are
    read, the scale of their variance, leverages and the length of the means; and the share ρ that codes retain. The
    first two are jackknifed over the same groups, with what they move in ρ, so that what they have in common counts
    once or cancels.

    Attributes
    ----------
    fit : Fit
        The fit.
    found : LeaveOneOut
        Its leave-one-out quantities.
    spread : Scatter
        Its covariance.
    points : Points
        Posterior of the mean fitted values.
    game : Game
        The membership game.
    directions : Directions
        Of the points.
    readings : list
        What is read of each quantizer, from :func:`~qmis_stats.leak.retained.read_out`.
    """

    fit: Fit
    found: LeaveOneOut
    spread: Scatter
    points: Points
    game: Game
    directions: Directions
    readings: list[ReadOut]

    def of(self, law: Exposures, group: Indices, seed: int, backend: str) -> tuple[FloatArray, FloatArray, int]:
        """Return the figures, (Q, F), their covariance over quantizers, (F, Q, Q), and its degrees of freedom.

        Parameters
        ----------
        law : Exposures
            Of all points.
        group : (n,) ndarray of int
            Groups of points that are independent of each other, numbered from 0.
        seed : int
            Chooses the points that slopes are found on.
        backend : str
            Of the kernels.
        """
        without = self.spread.influence.without_each(group)
        slopes, moves, changes = self._slopes(law, group, without, seed, backend)
        replicates = figures_without_each(law, group) + np.einsum("gk,kqf->gqf", moves, changes)
        deviations, dof = self._without_sums(replicates, group)
        deviations += share_moves(self.readings, without)[:, :, None] * slopes
        groups = len(deviations)
        points = np.einsum("gqf,grf->fqr", deviations, deviations) * (groups - 1.0) ** 2 / (groups * dof)
        codes = np.einsum("qf,rf,qr->fqr", slopes, slopes, share_covariance(self.readings))
        return whole_figures(law), points + codes, dof

    @property
    def _scale_free(self) -> bool:
        """Whether figures compare residuals with the scale that they set themselves."""
        return self.fit.loss.name == "squared"

    def _slopes(
        self, law: Exposures, group: Indices, without: FloatArray, seed: int, backend: str
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return slopes of the figures in ρ, (Q, F), and what leaving groups out moves that all points share.

        The latter as coordinates (G, k) along the k main moves and the change of the figures per unit of each,
        (k, Q, F). All by differences on some of the points.
        """
        rng = np.random.default_rng([seed, 0x510E])
        most = _SLOPE_PAIRS if self.directions.pair else _SLOPE_POINTS
        whole = self.fit.points <= most
        chosen = np.sort(rng.permutation(self.fit.points)[:most])
        few, part = self.points.some(chosen), self.fit.some(chosen)
        nobody = np.zeros(chosen.size, dtype=np.int64)
        shares = np.array([one.share for one in self.readings])
        # Towards one half, where both ends are far.
        steps = np.where(shares > 0.5, -0.05, 0.05) * shares

        def at(points: Points, moves: FloatArray) -> FloatArray:
            signals = [
                self.directions.signal(one, move).some(chosen) for one, move in zip(self.readings, moves, strict=True)
            ]
            return whole_figures(exposures(part, points, signals, nobody, backend))

        stay = np.zeros(shares.size)
        here = whole_figures(law) if whole else at(few, stay)
        sure = shares[:, None] >= 1.0 - _NOTHING
        slopes = np.where(sure, 0.0, (at(few, steps) - here) / np.where(np.abs(steps) > 0.0, steps, _NOTHING)[:, None])
        moves = _JOINT_MOVES if self.fit.outputs > 1 else _MOVES
        coordinates, moved = main_moves(few, *self._without_each(group, without, chosen), moves)
        return slopes, coordinates, np.array([at(one, stay) - here for one in moved])

    def _without_each(self, group: Indices, without: FloatArray, chosen: Indices) -> tuple[list[Points], FloatArray]:
        """Return chosen points read without each group, and what every point moves then, (G, 3).

        Where figures compare residuals with the scale that these set, all that moves is the variance beside that scale,
        and the means with it. Elsewhere means are read at the scale that there is: with it leave-one-out values vary.
        """
        if self._scale_free:
            without = np.zeros_like(without)
            without[:, 0] = left_out(self.found.relative, group)
            read = [points_of(self.fit, self.found, self.game, None, float(scale)) for scale in without[:, 0]]
        else:
            rest = (np.flatnonzero(group != number) for number in range(len(without)))
            read = [points_of(self.fit, self.found, self.game, kept) for kept in rest]
        return [one.some(chosen) for one in read], without

    def _without_sums(self, replicates: FloatArray, group: Indices) -> tuple[FloatArray, int]:
        """Return the deviations of the replicates less what known sums explain of them, and their degrees of freedom.

        Beside pulls these are squared residuals, which set the scale that they are compared with.
        """
        groups, squared = len(replicates), self._scale_free
        deviations = replicates - replicates.mean(axis=0)
        if groups - 1 <= _FEWEST_GROUPS:
            return deviations, groups - 1
        columns = [self.found.pull, *([(self.fit.y - self.found.value[:, 0]) ** 2] if squared else [])]
        sums, lost = (_group_sums(some, group) for some in (columns, [self.found.pull_lost]))
        # They settle the mean exposure for the squared loss alone, and what compares points with each other for all.
        first = 0 if squared else 1
        deviations[:, :, first:] = unexplained(deviations[:, :, first:], sums, lost)
        return deviations, groups - 1 - sums.shape[1]


def _group_sums(columns: Sequence[FloatArray], group: Indices) -> FloatArray:
    """Return the sums of columns over groups, (G, c), less their means."""
    sums = np.column_stack([np.bincount(group, column - column.mean()) for column in columns])
    return np.asarray(sums - sums.mean(axis=0))
