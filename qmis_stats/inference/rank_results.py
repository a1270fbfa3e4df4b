"""What every ranking answers, whatever its estimates come from (Statement S14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from qmis_stats.arrays import Flags, FloatArray, Indices, IntArray
from qmis_stats.errors import InputError
from qmis_stats.inference.ranks import Comparisons, ranks_from
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.summary import Summary
from qmis_stats.reporting.tables import Table, estimates, ranges, texts
from qmis_stats.validation import checked_level, finite_array, objects, one_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["KINDS", "EstimateRanking", "RankResults", "rank_estimates"]

KINDS = ("simultaneous", "marginal", "holm")
"""Kinds of rank sets."""


@dataclass(frozen=True, eq=False, repr=False)
class RankResults(NotebookResult):
    """Estimates in order, with confidence sets for their ranks: rank 1 is the largest.

    Attributes
    ----------
    names : tuple of str
        What is ranked.
    params : (Q,) ndarray
        The estimates.
    comparisons : Comparisons
        All pairs.
    """

    names: tuple[str, ...]
    params: FloatArray
    comparisons: Comparisons

    @property
    def ranks(self) -> IntArray:
        """Estimated ranks, shape (Q,): one more than the number of larger estimates."""
        return np.asarray(1 + np.sum(self.params[None, :] > self.params[:, None], axis=1), dtype=np.int64)

    def order(self) -> Indices:
        """Return the places from the largest to the smallest estimate."""
        return np.argsort(-self.params, kind="stable")

    def rank_sets(self, level: float = 0.95, *, kind: str = "simultaneous") -> IntArray:
        """Return the confidence set of every rank, shape (Q, 2).

        Parameters
        ----------
        level : float
            Confidence level.
        kind : str
            ``"simultaneous"``: all sets hold together. ``"marginal"``: each holds by itself. ``"holm"``: as
            simultaneous, by Holm's procedure on Wald tests, without resampling.

        Notes
        -----
        Measured at 95 % with 3 to 20 equal quantizers, each with one rival, from 200 points on: simultaneous sets hold
        in 94.1 to 96.7 % of samples, the lowest with exponential increments that share 80 % of their variance, and
        95.2 % on average. Marginal sets hold in 93.8 to 97.1 %, Holm's in 95.4 to 97.8 %. With five tied rivals each,
        simultaneous sets are conservative (100 %).

        Raises
        ------
        InputError
            If the level or the kind is not allowed.
        """
        one_of("kind", kind, KINDS)
        if kind == "holm":
            return ranks_from(self.comparisons.holm(level))
        return self.comparisons.rank_sets(level, simultaneous=kind == "simultaneous")

    def best_set(self, tau: int = 1, level: float = 0.95) -> tuple[str, ...]:
        """Return names among which the ``tau`` largest are, at the level."""
        kept = self.comparisons.best(tau, level)
        return tuple(name for name, keep in zip(self.names, kept, strict=True) if keep)

    def significantly_below(self, level: float = 0.95) -> Flags:
        """Return which rows are significantly below which columns, family-wise, shape (Q, Q)."""
        return self.comparisons.below(level)

    def conf_int(self, level: float = 0.95) -> FloatArray:
        """Return the confidence interval of each estimate by itself, shape (Q, 2)."""
        raise NotImplementedError

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Return one row each, the largest first: ranks, sets, estimate and interval."""
        import pandas as pd

        sets, alone = self.rank_sets(level), self.rank_sets(level, kind="marginal")
        interval = self.conf_int(level)
        frame = pd.DataFrame(
            {
                "rank": self.ranks,
                "rank_low": sets[:, 0],
                "rank_high": sets[:, 1],
                "marginal_low": alone[:, 0],
                "marginal_high": alone[:, 1],
                "estimate": self.params,
                "low": interval[:, 0],
                "high": interval[:, 1],
                **self._columns(),
            },
            index=pd.Index(self.names, name="quantizer"),
        )
        return frame.iloc[self.order()]

    def _columns(self) -> dict[str, Any]:
        """Return further columns of the frame."""
        return {}

    def _cells(self) -> dict[str, list[str]]:
        """Return further columns of the table, the largest estimate first."""
        return {}

    def title(self) -> str:
        """Return the caption of the table."""
        return "Ranking"

    def remarks(self, level: float = 0.95) -> list[str]:
        """Return which may be the most private, and what has to be known to read the intervals."""
        return [f"Rank 1 is the most private. Possibly the most private: {', '.join(self.best_set(1, level))}."]

    def tables(self, level: float = 0.95) -> list[Table]:
        """Return ranks with their sets, together and alone, and estimates with their intervals."""
        frame, percent = self.to_frame(level), f"{100.0 * level:g}%"
        columns = {
            "quantizer": texts(frame.index),
            "rank": texts(frame["rank"]),
            f"{percent} set": ranges(frame, "rank"),
            "alone": ranges(frame, "marginal"),
            f"estimate {percent}": estimates(frame, ".4g", "estimate", "low", "high"),
            **self._cells(),
        }
        return [Table.of(self.title(), columns)]

    def summary(self, level: float = 0.95) -> Summary:
        """Return tables and remarks as text."""
        return Summary.of(self.tables(level), self.remarks(level))

    def plot(self, ax: Axes | None = None, level: float = 0.95) -> Axes:
        """Draw ranks with their confidence sets; returns the axes."""
        from qmis_stats.inference.rank_plot import RankBar, rank_plot

        together, alone = self.rank_sets(level), self.rank_sets(level, kind="marginal")
        interval = self.conf_int(level)
        bars = [
            RankBar(
                self.names[q],
                float(self.params[q]),
                (float(interval[q, 0]), float(interval[q, 1])),
                int(self.ranks[q]),
                (int(together[q, 0]), int(together[q, 1])),
                (int(alone[q, 0]), int(alone[q, 1])),
            )
            for q in self.order()
        ]
        return rank_plot(bars, ax, level=level)


@dataclass(frozen=True, eq=False, repr=False)
class EstimateRanking(RankResults):
    """A ranking of estimates with a given covariance.

    Attributes
    ----------
    covariance : (Q, Q) ndarray
        Covariance of the estimates.
    """

    covariance: FloatArray

    def conf_int(self, level: float = 0.95) -> FloatArray:
        """Return normal intervals, Student's where the covariance has degrees of freedom, shape (Q, 2)."""
        upper = 0.5 + 0.5 * checked_level(level)
        dof = self.comparisons.dof
        half = float(ndtri(upper) if np.isinf(dof) else stdtrit(dof, upper)) * np.sqrt(np.diag(self.covariance))
        return np.column_stack([self.params - half, self.params + half])


def rank_estimates(
    estimates: ArrayLike,
    covariance: ArrayLike,
    names: tuple[str, ...] | list[str] | None = None,
    *,
    dof: float = np.inf,
    draws: int = 10_000,
    seed: int = 0,
) -> EstimateRanking:
    """Rank estimates with a known or estimated covariance, such as means over independent runs.

    Parameters
    ----------
    estimates : (Q,) array_like
        The larger the more private.
    covariance : (Q, Q) array_like
        Positive semidefinite.
    names : sequence of str, optional
        By default numbers.
    dof : float
        Degrees of freedom of the covariance; infinite where it is known.
    draws, seed : int
        Of the critical values.

    Returns
    -------
    EstimateRanking

    Raises
    ------
    InputError
        If shapes disagree, entries are not finite, or the covariance is not positive semidefinite.

    Examples
    --------
    >>> result = rank_estimates([1.0, 3.0, 1.1], 0.1 * np.eye(3), ["a", "b", "c"])
    >>> result.rank_sets()
    array([[2, 3],
           [1, 1],
           [2, 3]])
    >>> result.best_set()
    ('b',)
    >>> rank_estimates([1.0, 2.0], 0.1 * np.eye(2), dof=3).rank_sets().tolist()
    [[1, 2], [1, 2]]
    """
    values = finite_array("estimates", estimates, 1, "(Q,)")
    matrix = finite_array("covariance", covariance, 2, f"({values.size}, {values.size})")
    labels = tuple(str(q) for q in range(values.size)) if names is None else objects(str, "names", names)
    if len(labels) != values.size:
        raise InputError("names", labels, f"{values.size} names")
    comparisons = Comparisons.from_covariance(values, matrix, dof=dof, draws=draws, seed=seed)
    return EstimateRanking(labels, values, comparisons, matrix)
