"""A measure: one figure of each release of the same training runs, their joint covariance, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.errors import InputError
from qmis_stats.inference.rank_results import EstimateRanking, rank_estimates
from qmis_stats.inference.ranks import Comparisons
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table, estimates, rank_set, texts
from qmis_stats.validation import checked_level, finite_array, instance_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["REFERENCE", "Measured", "undominated"]

REFERENCE = "identity"
"""Name of no quantization: it is compared with, and has no rank."""


@dataclass(frozen=True, eq=False, repr=False)
class Measured(NotebookResult):
    """One figure of each release, paired over releases.

    Attributes
    ----------
    figure : str
        What it is, for captions.
    names : tuple of str
        The releases; ``"identity"`` is no quantization.
    values : (Q,) ndarray
        The estimates.
    covariance : (Q, Q) ndarray
        Of the estimates.
    dof : float
        Degrees of freedom of the covariance; infinite where it is known.
    less_is_better : bool
        The direction: rank 1 is the smallest, as of a leak, or the largest, as of a score.
    limits : (float, float)
        Between which the figure lies: intervals end there.
    reasons : tuple of tuple of str
        Why the figure of a release is outside of its domain; empty where it is inside.
    level : float
        Of intervals, unless another is asked for.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> shared = rng.normal(size=(1, 40))
    >>> values = shared + 0.1 * rng.normal(size=(3, 40)) + [[0.0], [1.0], [1.0]]
    >>> found = Measured.over_trainings("gap", ["sign", "uniform-4", "identity"], values, less_is_better=True)
    >>> found.rank_sets().tolist(), found.told_apart()
    ([[1, 1], [2, 2]], (1, 1))
    >>> float(found.differences().loc[("sign", "uniform-4"), "difference"].round(1))
    -1.0
    """

    figure: str
    names: tuple[str, ...]
    values: FloatArray
    covariance: FloatArray
    dof: float
    less_is_better: bool
    limits: tuple[float, float] = (-np.inf, np.inf)
    reasons: tuple[tuple[str, ...], ...] = ()
    level: float = 0.95

    @classmethod
    def over_trainings(
        cls,
        figure: str,
        names: Sequence[str],
        values: ArrayLike,
        *,
        less_is_better: bool,
        limits: tuple[float, float] = (-np.inf, np.inf),
        level: float = 0.95,
    ) -> Measured:
        """Return the means over independent trainings, with the covariance between releases of the same trainings.

        Parameters
        ----------
        figure, names, less_is_better, limits, level
            As above.
        values : (Q, T) array_like
            Of each release of each of T trainings.

        Raises
        ------
        InputError
            If there is not one row a release, fewer than two trainings, or a number that is not finite.
        """
        table = finite_array(figure, values, 2, f"({len(names)}, runs)")
        if table.shape[0] != len(names) or table.shape[1] < 2:
            raise InputError(figure, table.shape, f"of shape ({len(names)}, runs), with at least 2 training runs")
        count = table.shape[1]
        covariance = np.atleast_2d(np.cov(table)) / count
        mean, level = table.mean(axis=1), checked_level(level)
        return cls(figure, tuple(names), mean, covariance, count - 1.0, less_is_better, limits, level=level)

    @property
    def std_errors(self) -> FloatArray:
        """Standard errors, shape (Q,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def in_domain(self) -> tuple[bool, ...]:
        """For each release, whether the error of the figure is controlled."""
        return tuple(not why for why in self.reasons) or (True,) * len(self.names)

    def _bound(self, level: float | None, count: int) -> float:
        """Return Student's quantile of two-sided intervals that hold together (Bonferroni)."""
        tail = 1.0 - checked_level(self.level if level is None else level)
        return float(stdtrit(min(self.dof, 1e9), 1.0 - 0.5 * tail / max(count, 1)))

    def conf_int(self, level: float | None = None) -> FloatArray:
        """Return Student's interval of each release by itself, within the limits, shape (Q, 2).

        Parameters
        ----------
        level : float, optional
            By default the result's.
        """
        half = self._bound(level, 1) * self.std_errors
        return np.clip(np.column_stack([self.values - half, self.values + half]), *self.limits)

    def differences(self, level: float | None = None) -> pd.DataFrame:
        """Return all paired differences, row less column, with simultaneous intervals (Bonferroni).

        Parameters
        ----------
        level : float, optional
            For all pairs together.
        """
        import pandas as pd

        places = [(a, b) for a in range(len(self.names)) for b in range(a + 1, len(self.names))]
        bound, rows = self._bound(level, len(places)), []
        for a, b in places:
            variance = self.covariance[a, a] + self.covariance[b, b] - 2.0 * self.covariance[a, b]
            error, gap = float(np.sqrt(max(variance, 0.0))), float(self.values[a] - self.values[b])
            rows.append((self.names[a], self.names[b], gap, error, gap - bound * error, gap + bound * error))
        frame = pd.DataFrame(rows, columns=["quantizer", "other", "difference", "std_error", "low", "high"])
        return frame.set_index(["quantizer", "other"])

    def ranking(self) -> EstimateRanking:
        """Return the quantizers in order, the best first, with the machinery of all rankings (S14).

        No quantization has no rank.
        """
        return self._ranking

    @cached_property
    def _ranking(self) -> EstimateRanking:
        keep = [k for k, name in enumerate(self.names) if name != REFERENCE]
        sign = -1.0 if self.less_is_better else 1.0
        names, values = tuple(self.names[k] for k in keep), sign * self.values[keep]
        covariance = self.covariance[np.ix_(keep, keep)]
        if covariance.any():
            return rank_estimates(values, covariance, names, dof=float(self.dof))
        exact = Comparisons.from_draws(
            [values[k : k + 1] for k in range(len(names))], [np.zeros((1, 199))] * len(names)
        )
        return EstimateRanking(names, values, exact, covariance)

    def rank_sets(self, level: float | None = None) -> IntArray:
        """Return the simultaneous confidence sets of the ranks of the quantizers, rank 1 the best, shape (Q − 1, 2)."""
        return self.ranking().rank_sets(self.level if level is None else level)

    def told_apart(self, level: float | None = None) -> tuple[int, int]:
        """Return how many pairs of quantizers are shown to differ, together at the level, and of how many."""
        below = self.ranking().significantly_below(self.level if level is None else level)
        return int(np.sum(below)), len(below) * (len(below) - 1) // 2

    def to_frame(self, level: float | None = None) -> pd.DataFrame:
        """Return a row per release: the figure with its interval, and its domain."""
        import pandas as pd

        ends = self.conf_int(level)
        columns = {"estimate": self.values, "low": ends[:, 0], "high": ends[:, 1], "in_domain": self.in_domain}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="quantizer"))

    def tables(self) -> list[Table]:
        """Return a row per release, marked where it is outside of the domain, with the ranks of the quantizers."""
        frame, percent = self.to_frame(), f"{100.0 * self.level:g}%"
        sets = dict(zip(self.ranking().names, self.rank_sets().tolist(), strict=True))
        columns = {
            "quantizer": [
                name + " (*)" * (not inside) for name, inside in zip(self.names, self.in_domain, strict=True)
            ],
            f"{self.figure} {percent}": estimates(frame, ".4f", "estimate", "low", "high"),
            f"{percent} set of ranks": texts(rank_set(*sets[q]) if q in sets else None for q in self.names),
        }
        return [Table.of(self.title(), columns)]

    def title(self) -> str:
        """Return the caption of the table."""
        return f"{self.figure}, the {'smallest' if self.less_is_better else 'largest'} has rank 1"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the figure of each release with its interval; returns the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        """
        from qmis_stats.inference.measured_plot import measured_plot

        return measured_plot(self.names, self.values, self.conf_int(), self.in_domain, self.figure, ax)

    def better(self) -> dict[str, float]:
        """Return a number for each release that is the larger the better."""
        sign = -1.0 if self.less_is_better else 1.0
        return dict(zip(self.names, (sign * self.values).tolist(), strict=True))


def undominated(*merits: Mapping[str, float]) -> tuple[str, ...]:
    """Return the names that no other one equals or exceeds in all merits, the largest first merit first (Pareto set).

    Parameters
    ----------
    merits : mapping from str to float
        By name, each the larger the better; names that one of them lacks are left out.

    Examples
    --------
    >>> undominated({"a": 1.0, "b": 2.0, "c": 0.5}, {"a": 3.0, "b": 1.0, "c": 2.0, "d": 9.0})
    ('b', 'a')
    """
    for merit in merits:
        instance_of(Mapping, "merits", merit)
    named = [name for name in merits[0] if all(name in one for one in merits)]
    points = {name: tuple(one[name] for one in merits) for name in named}
    ordered = sorted(named, key=lambda name: tuple(-value for value in points[name]))

    def beaten(here: tuple[float, ...]) -> bool:
        return any(there != here and all(a >= b for a, b in zip(there, here, strict=True)) for there in points.values())

    return tuple(name for name in ordered if not beaten(points[name]))
