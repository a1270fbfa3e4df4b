"""From the losses of one quantizer's candidates to its indicator r̂ = min_k δ̂_k²/(2σ̂_k²) (Statement S13)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from qmis_stats.inference.adjusted import rates
from qmis_stats.inference.chernoff import ChernoffEstimate, smallest_chernoff
from qmis_stats.inference.losses import LossBlocks, Losses, check_shapes
from qmis_stats.inference.minimum import SCREENING_SHARE, UNSETTLED, NearMinimum, near_minimum
from qmis_stats.inference.moments import Gaps, gaps
from qmis_stats.json_values import json_ready
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.validation import checked_level, checked_seed, instance_of, whole_number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["DRAWS", "Indicator", "checked_draws", "indicator", "indicator_of"]

DRAWS = 2000
"""Bootstrap draws unless told otherwise."""

_FEWEST_DRAWS, _MOST_DRAWS = 199, 10**6
_FEWEST_EFFECTIVE_POINTS = 30.0


@dataclass(frozen=True, eq=False, repr=False)
class Indicator(NotebookResult):
    """The privacy indicator of one quantizer, estimated from losses.

    Attributes
    ----------
    name : str
        The quantizer.
    candidates : int
        Rows that were given, repetitions included.
    gaps : Gaps
        Gaps of all distinct rivals to the best candidate.
    near : NearMinimum
        The rivals that may attain the indicator.
    chernoff : ChernoffEstimate
        The empirical Chernoff exponent, beside the indicator.
    """

    name: str
    candidates: int
    gaps: Gaps
    near: NearMinimum
    chernoff: ChernoffEstimate

    @property
    def points(self) -> int:
        """Number N of evaluation points."""
        return self.gaps.points

    @property
    def distinct(self) -> int:
        """Number of different candidates; a part of all codewords that holds the best gives an upper bound."""
        return self.gaps.rivals.size + 1

    @property
    def indicator(self) -> float:
        """r̂, half the square of the smallest standardised gap."""
        return 0.5 * self.near.minimum**2

    @property
    def rival(self) -> int:
        """Row of the candidate that attains the indicator."""
        return int(self.gaps.rivals[self.near.places[int(np.argmin(self.near.statistics.s))]])

    @cached_property
    def ties(self) -> tuple[int, ...]:
        """Rows whose mean loss equals the best to rounding: the indicator is zero."""
        rounding = 1e-13 * abs(float(self.gaps.mean_loss[self.gaps.best]))
        return tuple(int(row) for row in self.gaps.rivals[self.gaps.delta <= rounding])

    @cached_property
    def near_ties(self) -> tuple[int, ...]:
        """Rows whose mean loss is not significantly above the best (one-sided, 0.5 %): any of them may be the best."""
        return tuple(int(row) for row in self.gaps.rivals[self.near.places[self.near.unsettled]])

    def points_needed(self, level: float = 0.95) -> float:
        """Return how many evaluation points it takes to tell the indicator from 0, if it is what it is estimated to be.

        The test is that of ``near_ties``: a rival is told from the best candidate when ŝ√N ≥ z, with
        z = Φ⁻¹(1 − tail) and a tail of 0.005, or that of the lower limit of an interval at the level, (1 − level)/2,
        where this is smaller (above 99 %). The indicator r̂ = ŝ²/2 belongs to the smallest ŝ, so that the last rival is
        told apart when N ≥ z²/ŝ² = z²/(2r̂). This number exceeds the number of points if and only if the test fails.

        Parameters
        ----------
        level : float
            Confidence level.

        Returns
        -------
        float
            Infinite where the indicator is 0.

        Examples
        --------
        >>> noise = np.random.default_rng(1).normal(size=(2, 400))
        >>> found = indicator([noise[0], noise[0] + noise[1] + 0.1])
        >>> found.near_ties, found.points, round(found.points_needed()), round(found.points_needed(0.999))
        ((1,), 400, 3549, 5792)
        """
        quantile = -float(ndtri(min(UNSETTLED, 0.5 * (1.0 - checked_level(level)))))
        return math.inf if self.near.minimum <= 0.0 else (quantile / self.near.minimum) ** 2

    @cached_property
    def hardly_different(self) -> tuple[int, ...]:
        """Rows that differ from the best at so few points that a normal limit is not in sight.

        The increments' squares are carried by N/κ points, κ the kurtosis; fewer than 30 are few.
        """
        few = self.points < _FEWEST_EFFECTIVE_POINTS * self.gaps.kurtosis
        return tuple(int(row) for row in self.gaps.rivals[few])

    @property
    def regular(self) -> bool:
        """Whether the best candidate is clear and the rivals near the minimum differ from it at enough points."""
        near = {int(row) for row in self.gaps.rivals[self.near.places]}
        return not self.near_ties and near.isdisjoint(self.hardly_different)

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of the indicator.

        Lower limits are pointwise and upper limits simultaneous over the rivals that may attain the minimum, with
        skewness, jackknife errors and Student quantiles (Statement S13). With near ties (``near_ties``) the best
        candidate is not known: the interval then holds the indicator of whichever of them is the best.

        Measured at 95 %, with 2 to 1000 candidates and from 200 points on: 94 to 100 % where one rival attains the
        minimum alone, above 96 % where several are tied or nearly tied, and 95 to 98 % where the best is not known.
        With many ties the interval is conservative, with all 999 rivals tied too (97 %).
        """
        return rates(*self.near.interval(checked_level(level)))

    def warnings(self) -> list[str]:
        """Return what has to be known to read the interval, a sentence each."""
        found = []
        if self.near_ties:
            found.append(
                f"{self.name}: {_rows(self.near_ties)} cannot be told from the best, row {self.gaps.best}: "
                "the interval holds for whichever is the best; more points would settle it"
            )
        if self.hardly_different:
            verb = "differs" if len(self.hardly_different) == 1 else "differ"
            rows = _rows(self.hardly_different)
            found.append(f"{self.name}: {rows} {verb} from the best at too few points for a normal limit")
        if self.gaps.duplicates:
            found.append(f"{self.name}: {_rows(tuple(r for r, _ in self.gaps.duplicates))} repeated and left out")
        return found

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Return one row as a pandas frame: estimate, interval, and what it rests on."""
        import pandas as pd

        low, high = self.conf_int(level)
        row = {
            "estimate": self.indicator,
            "low": low,
            "high": high,
            "chernoff": self.chernoff.exponent,
            "candidates": self.distinct,
            "points": self.points,
            "regular": self.regular,
        }
        return pd.DataFrame([row], index=pd.Index([self.name], name="quantizer"))

    def title(self) -> str:
        """Return the caption of the table."""
        return "Privacy indicator with its 95 % interval"

    def remarks(self) -> list[str]:
        """Return the warnings."""
        return self.warnings()

    def plot(self, ax: Axes | None = None, level: float = 0.95) -> Axes:
        """Draw δ²/(2σ²) of every rival with the interval of the smallest; returns the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        level : float
            Confidence level.
        """
        from qmis_stats.inference.gap_plot import gap_plot

        interval = self.conf_int(level)
        unsettled = np.isin(self.gaps.rivals, self.near_ties)
        return gap_plot(self.name, self.indicator, interval, 0.5 * self.gaps.s**2, unsettled, ax, level=level)

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """Return JSON-ready data; infinities become ``None``."""
        chernoff = self.chernoff
        found = {
            "name": self.name,
            "indicator": self.indicator,
            "ci": self.conf_int(level),
            "best": self.gaps.best,
            "best_mean_loss": float(self.gaps.mean_loss[self.gaps.best]),
            "rival": self.rival,
            "candidates": self.candidates,
            "distinct_candidates": self.distinct,
            "points": self.points,
            "near_minimum": [int(row) for row in self.gaps.rivals[self.near.places]],
            "ties": list(self.ties),
            "near_ties": list(self.near_ties),
            "hardly_different": list(self.hardly_different),
            "duplicates": [list(pair) for pair in self.gaps.duplicates],
            "regular": self.regular,
            "chernoff": {
                "exponent": chernoff.exponent,
                "corrected": chernoff.corrected,
                "std_error": chernoff.std_error,
                "effective_points": chernoff.effective_points,
                "in_domain": chernoff.in_domain,
                "rival": chernoff.rival,
            },
        }
        return dict(json_ready(found))


def _rows(rows: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, rows[:5])) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}"


def checked_draws(draws: int, seed: int) -> tuple[int, int]:
    """Return the number of bootstrap draws and the seed, or raise :class:`~qmis_stats.errors.InputError`.

    Examples
    --------
    >>> checked_draws(2000, 1)
    (2000, 1)
    """
    return whole_number("draws", draws, _FEWEST_DRAWS, _MOST_DRAWS), checked_seed(seed)


def indicator(
    losses: ArrayLike | LossBlocks,
    name: str = "quantizer",
    *,
    draws: int = DRAWS,
    seed: int = 0,
    check_axes: bool = True,
) -> Indicator:
    """Return the indicator of one quantizer from the losses of its candidates.

    Parameters
    ----------
    losses : (K, N) array_like or LossBlocks
        Losses of K ≥ 2 quantized parameters that training visits, on N ≥ 10 evaluation points. Memory maps and streams
        are read in blocks, several times.
    name : str
        Name of the quantizer.
    draws : int
        Bootstrap draws, from 199 to 10⁶.
    seed : int
        In [0, 2³²); the same seed gives the same numbers on any number of threads.
    check_axes : bool
        Refuse more candidates than points.

    Returns
    -------
    Indicator

    Raises
    ------
    InputError
        If the losses are refused, in one line that names row and column.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> noise = rng.normal(size=(2, 4000))
    >>> found = indicator([noise[0], noise[0] + noise[1] + 0.5], "sign")
    >>> low, high = found.conf_int()
    >>> low < 0.125 < high
    True
    """
    entry = Losses(name, losses)
    check_shapes([(entry.field, entry.candidates, entry.points)], check_axes=check_axes)
    return indicator_of(entry, draws, seed)


def indicator_of(losses: Losses, draws: int, seed: int, share: float = SCREENING_SHARE) -> Indicator:
    """Return the indicator from checked losses; see :func:`indicator`.

    ``share`` is the probability with which screening may lose the rival that attains the minimum.
    """
    instance_of(Losses, "losses", losses, "indicator takes arrays")
    draws, seed = checked_draws(draws, seed)
    found = gaps(losses)
    near = near_minimum(losses, found, draws=draws, seed=seed, share=share)
    return Indicator(losses.name, losses.candidates, found, near, smallest_chernoff(losses, found))
