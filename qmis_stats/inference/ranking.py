"""A ranking of quantizers by privacy with confidence sets, in the manner of a statsmodels result (Statement S14)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_stats.errors import InputError
from qmis_stats.inference.indicator import DRAWS, Indicator, checked_draws, indicator_of
from qmis_stats.inference.losses import LossBlocks, losses_of
from qmis_stats.inference.ranks import Comparisons, Decisions, ranks_from

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from statsmodels.iolib.summary import Summary

__all__ = ["Ranking", "rank", "ranking_of"]

_RANKINGS = ("simultaneous", "marginal", "holm")

Progress = Callable[[Iterable[Any]], Iterable[Any]]
"""Wraps what is iterated over, as progress bars do."""


@dataclass(frozen=True)
class Ranking:
    """Quantizers ordered by privacy: rank 1 has the largest indicator and betrays least.

    Attributes
    ----------
    indicators : tuple of Indicator
        In the order in which they were given.
    comparisons : Comparisons
        All pairs, on shared evaluation points.
    draws, seed : int
        Of the bootstrap.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> noise = rng.normal(size=(2, 5000))
    >>> result = rank({"wide": [noise[0], noise[0] + noise[1] + 0.5], "narrow": [noise[0], noise[0] + noise[1] + 0.1]})
    >>> result.names, result.ranks
    (('wide', 'narrow'), array([1, 2]))
    >>> result.rank_sets()
    array([[1, 1],
           [2, 2]])
    """

    indicators: tuple[Indicator, ...]
    comparisons: Comparisons
    draws: int
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """The quantizers."""
        return tuple(entry.name for entry in self.indicators)

    @property
    def points(self) -> int:
        """Number of evaluation points."""
        return self.indicators[0].points

    @cached_property
    def params(self) -> NDArray[np.float64]:
        """Indicators r̂, shape (Q,)."""
        return np.array([entry.indicator for entry in self.indicators])

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Estimated ranks, shape (Q,): one more than the number of larger indicators."""
        return np.asarray(1 + np.sum(self.params[None, :] > self.params[:, None], axis=1), dtype=np.int64)

    def conf_int(self, level: float = 0.95) -> NDArray[np.float64]:
        """Return the confidence interval of each indicator by itself, shape (Q, 2)."""
        return np.array([entry.conf_int(level) for entry in self.indicators])

    def rank_sets(self, level: float = 0.95, *, kind: str = "simultaneous") -> NDArray[np.int64]:
        """Return the confidence set of every rank, shape (Q, 2).

        Parameters
        ----------
        level : float
            Confidence level.
        kind : str
            ``"simultaneous"``: all sets hold together. ``"marginal"``: each holds by itself. ``"holm"``: as
            simultaneous, by Holm's procedure on normal p-values, without resampling.

        Raises
        ------
        InputError
            If the level or the kind is not allowed.
        """
        if kind not in _RANKINGS:
            raise InputError("kind", kind, f"one of {', '.join(_RANKINGS)}")
        if kind == "holm":
            return ranks_from(self.comparisons.holm(level))
        return self.comparisons.rank_sets(level, simultaneous=kind == "simultaneous")

    def best_set(self, tau: int = 1, level: float = 0.95) -> tuple[str, ...]:
        """Return quantizers among which the ``tau`` most private are, at the level."""
        kept = self.comparisons.best(tau, level)
        return tuple(name for name, keep in zip(self.names, kept, strict=True) if keep)

    def less_private(self, level: float = 0.95) -> Decisions:
        """Return which rows are significantly less private than which columns, family-wise, shape (Q, Q)."""
        return self.comparisons.below(level)

    def warnings(self) -> list[str]:
        """Return what has to be known to read the intervals, a sentence each."""
        return [line for entry in self.indicators for line in entry.warnings()]

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Return one row a quantizer, the most private first."""
        import pandas as pd

        sets, marginal = self.rank_sets(level), self.rank_sets(level, kind="marginal")
        interval = self.conf_int(level)
        frame = pd.DataFrame(
            {
                "rank": self.ranks,
                "rank_low": sets[:, 0],
                "rank_high": sets[:, 1],
                "marginal_low": marginal[:, 0],
                "marginal_high": marginal[:, 1],
                "indicator": self.params,
                "low": interval[:, 0],
                "high": interval[:, 1],
                "chernoff_exponent": [entry.chernoff.exponent for entry in self.indicators],
                "candidates": [entry.distinct for entry in self.indicators],
                "regular": [entry.regular for entry in self.indicators],
            },
            index=pd.Index(self.names, name="quantizer"),
        )
        return frame.iloc[self.order()]

    def order(self) -> NDArray[np.intp]:
        """Return the quantizers' places from the most to the least private."""
        return np.argsort(-self.params, kind="stable")

    def summary(self, level: float = 0.95) -> Summary:
        """Return a table as statsmodels prints it."""
        from statsmodels.iolib.summary import Summary
        from statsmodels.iolib.table import SimpleTable

        frame = self.to_frame(level)
        percent = f"{100.0 * level:g}%"
        rows = [
            [
                f"{row.rank}",
                f"{row.rank_low}..{row.rank_high}",
                f"{row.marginal_low}..{row.marginal_high}",
                f"{row.indicator:.5g}",
                f"[{row.low:.5g}, {row.high:.5g}]",
                f"{row.chernoff_exponent:.5g}",
                f"{row.candidates}{'' if row.regular else ' *'}",
            ]
            for row in frame.itertuples()
        ]
        head = ["rank", f"{percent} set", f"{percent} alone", "indicator", f"{percent} interval", "Chernoff", "cand."]
        table = SimpleTable(rows, head, list(frame.index), title=f"Privacy of quantizers, N = {self.points} points")
        text = [
            f"Rank 1 is the most private. Possibly the most private: {', '.join(self.best_set(1, level))}.",
            *self.warnings(),
        ]
        summary = Summary()
        summary.tables.append(table)
        summary.add_extra_txt(text)
        return summary

    def plot(self, ax: Axes | None = None, level: float = 0.95) -> Axes:
        """Draw ranks with their confidence sets; returns the axes."""
        from qmis_stats.inference.rank_plot import rank_plot

        return rank_plot(self, ax, level)

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """Return JSON-ready data, the most private quantizer first."""
        sets, marginal = self.rank_sets(level), self.rank_sets(level, kind="marginal")
        return {
            "level": level,
            "points": self.points,
            "draws": self.draws,
            "seed": self.seed,
            "best_set": list(self.best_set(1, level)),
            "quantizers": [
                {
                    "rank": int(self.ranks[q]),
                    "rank_set": sets[q].tolist(),
                    "marginal_rank_set": marginal[q].tolist(),
                    **self.indicators[q].to_dict(level),
                }
                for q in self.order()
            ],
            "warnings": self.warnings(),
        }

    def __str__(self) -> str:
        return str(self.summary())


def rank(
    losses: Mapping[str, ArrayLike | LossBlocks],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    check_axes: bool = True,
    progress: Progress | None = None,
) -> Ranking:
    """Rank quantizers by privacy from the losses of their candidates.

    Parameters
    ----------
    losses : mapping from str to (K_Q, N) array_like or LossBlocks
        One matrix a quantizer: candidates by evaluation points, the same points in the same order for all.
    draws : int
        Bootstrap draws, from 199 to 10⁶.
    seed : int
        In [0, 2³²); the same seed gives the same numbers on any number of threads.
    check_axes : bool
        Refuse more candidates than points: most often the two axes have been exchanged.
    progress : callable, optional
        Wraps the quantizers that are iterated over, as ``tqdm`` and ``rich.progress.track`` do.

    Returns
    -------
    Ranking

    Raises
    ------
    InputError
        If losses are refused, in one line that names the quantizer and the place.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> base = rng.normal(size=(1, 3000))
    >>> noise = rng.normal(size=(3, 3000))
    >>> result = rank({"a": np.vstack([base, base + noise[:1] + 0.3]), "b": np.vstack([base, base + noise[1:] + 0.6])})
    >>> result.ranks
    array([2, 1])
    """
    entries = losses_of(losses, check_axes=check_axes)
    count, start = checked_draws(draws, seed)
    found = [indicator_of(entry, count, start) for entry in (progress or iter)(entries)]
    return ranking_of(found, count, start)


def ranking_of(indicators: Iterable[Indicator], draws: int, seed: int) -> Ranking:
    """Return the ranking of indicators that were estimated on the same points with the same draws and seed."""
    found = tuple(indicators)
    comparisons = Comparisons.from_draws(
        [entry.near.statistics.s for entry in found],
        [entry.near.draws for entry in found],
        screened=any(entry.near.screened for entry in found),
    )
    return Ranking(found, comparisons, draws, seed)
