"""A ranking of quantizers by privacy with confidence sets, in the manner of a statsmodels result (Statement S14)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.inference.indicator import DRAWS, Indicator, checked_draws, indicator_of
from qmis_stats.inference.losses import LossBlocks, losses_of
from qmis_stats.inference.minimum import SCREENING_SHARE
from qmis_stats.inference.rank_results import RankResults
from qmis_stats.inference.ranks import Comparisons
from qmis_stats.reporting.tables import shown
from qmis_stats.validation import objects

__all__ = ["Progress", "Ranking", "rank", "ranking_of"]

Progress = Callable[[Iterable[Any]], Iterable[Any]]
"""Wraps what is iterated over, as progress bars do."""


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(RankResults):
    """Quantizers ordered by privacy: rank 1 has the largest indicator and leaks least.

    Attributes
    ----------
    names, params, comparisons
        The quantizers in the order in which they were given, their indicators r̂, and all pairs on shared points.
    indicators : tuple of Indicator
        What is known of each.
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
    draws: int
    seed: int

    @property
    def points(self) -> int:
        """Number of evaluation points."""
        return self.indicators[0].points

    def conf_int(self, level: float = 0.95) -> FloatArray:
        """Return the confidence interval of each indicator by itself, shape (Q, 2)."""
        return np.array([entry.conf_int(level) for entry in self.indicators])

    def warnings(self) -> list[str]:
        """Return what has to be known to read the intervals, a sentence each."""
        return [line for entry in self.indicators for line in entry.warnings()]

    def _columns(self) -> dict[str, Any]:
        return {
            "chernoff": [entry.chernoff.exponent for entry in self.indicators],
            "candidates": [entry.distinct for entry in self.indicators],
            "regular": [entry.regular for entry in self.indicators],
        }

    def _cells(self) -> dict[str, list[str]]:
        found = [self.indicators[q] for q in self.order()]
        return {
            "I": [shown(entry.chernoff.exponent, ".4g") if entry.chernoff.in_domain else "-" for entry in found],
            "K": [f"{entry.distinct}{'' if entry.regular else '*'}" for entry in found],
        }

    def title(self) -> str:
        """Return the caption of the table."""
        return f"Privacy indicators of quantizers, N = {self.points} points"

    def remarks(self, level: float = 0.95) -> list[str]:
        """Return which may be the most private, what columns mean, then the warnings."""
        regular = all(entry.regular for entry in self.indicators)
        mark = "" if regular else "; *: not regular, see the warnings"
        legend = f"I: empirical Chernoff exponent, where the points resolve it; K: different candidates{mark}."
        return [*super().remarks(level), legend, *self.warnings()]

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
        One matrix per quantizer: candidates by evaluation points, the same points in the same order for all.
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
    if progress is not None and not callable(progress):
        raise InputError("progress", progress, "a function that wraps an iterable, such as rich.progress.track")
    share = SCREENING_SHARE / len(entries)  # whichever quantizer loses its smallest gap, comparisons can be wrong
    found = [indicator_of(entry, count, start, share) for entry in (progress or iter)(entries)]
    return ranking_of(found, count, start)


def ranking_of(indicators: Iterable[Indicator], draws: int, seed: int) -> Ranking:
    """Return the ranking of indicators that were estimated on the same points with the same draws and seed.

    Raises
    ------
    InputError
        If there are none, or they differ in their number of points or draws.
    """
    found = objects(Indicator, "indicators", indicators, "indicator returns one")
    shapes = {(entry.points, entry.near.draws.shape[1]) for entry in found}
    if len(shapes) != 1:
        raise InputError("indicators", found, "at least one, all of the same points and draws")
    draws, seed = checked_draws(draws, seed)
    comparisons = Comparisons.from_draws(
        [entry.near.statistics.s for entry in found],
        [entry.near.draws for entry in found],
        screening=sum(entry.near.share for entry in found),
        unsettled=[entry.near.unsettled for entry in found],
    )
    names = tuple(entry.name for entry in found)
    params = np.array([entry.indicator for entry in found])
    return Ranking(names, params, comparisons, found, draws, seed)
