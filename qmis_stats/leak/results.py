"""How much a fit leaks under each quantizer: figures, intervals, differences, ranks, records (Statement S17)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri, stdtrit

from qmis_stats.errors import InputError
from qmis_stats.inference.rank_results import EstimateRanking, rank_estimates
from qmis_stats.leak.game import Game
from qmis_stats.leak.law import RATES
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.summary import Summary
from qmis_stats.results import finite_or_none
from qmis_stats.scores.base import FloatArray
from qmis_stats.validation import checked_level

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["FIGURES", "LeakageResult"]

FIGURES = ("delta", "auc", *(f"tpr_{rate:g}" for rate in RATES))
"""What is told of each quantizer: Δ, the area under the ROC curve, and true positive rates."""

_REFERENCE = "identity"


@dataclass(frozen=True, eq=False, repr=False)
class LeakageResult(NotebookResult):
    """Leak of a fit under each quantizer and without one.

    Attributes
    ----------
    names : tuple of str
        The quantizers; the last is ``"identity"``.
    bits : tuple of float
        Bits per weight, NaN where the quantizer does not say.
    estimates : (Q, F) ndarray
        The figures of ``FIGURES``.
    covariance : (F, Q, Q) ndarray
        Of each figure over the quantizers.
    dof : int
        Degrees of freedom of the covariance.
    exposure, exposure_error : (n, Q) ndarray
        Exposure of each training record, TV with and without it, and its standard error.
    retained : (Q,) ndarray
        ρ, the share of the variance of a fitted value that the release retains.
    reasons : tuple of tuple of str
        Why the figures of a quantizer are outside of the domain; empty where they are inside.
    notes : tuple of str
        What was assumed.
    game : Game
        Population or pool.
    points : int
        Training points.
    weights : int
        Quantized weights.
    level : float
        Confidence level.
    """

    names: tuple[str, ...]
    bits: tuple[float, ...]
    estimates: FloatArray
    covariance: FloatArray
    dof: int
    exposure: FloatArray
    exposure_error: FloatArray
    retained: FloatArray
    reasons: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    game: Game
    points: int
    weights: int
    level: float = 0.95

    @property
    def in_domain(self) -> tuple[bool, ...]:
        """For each quantizer, whether the errors of the formulas are controlled."""
        return tuple(not reasons for reasons in self.reasons)

    @property
    def delta(self) -> FloatArray:
        """Δ of each quantizer: true less false positive rate of the best attack, shape (Q,)."""
        return np.asarray(self.estimates[:, 0])

    @property
    def mis(self) -> FloatArray:
        """Membership inference security 1 − Δ, shape (Q,)."""
        return np.asarray(1.0 - self.delta)

    @property
    def auc(self) -> FloatArray:
        """Area under the best attack's ROC curve, shape (Q,)."""
        return np.asarray(self.estimates[:, 1])

    def std_errors(self, figure: str = "delta") -> FloatArray:
        """Return the standard errors of a figure, shape (Q,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance[self._place(figure)]), 0.0))

    @staticmethod
    def _place(figure: str) -> int:
        if figure not in FIGURES:
            raise InputError("figure", figure, f"one of {', '.join(FIGURES)}")
        return FIGURES.index(figure)

    def conf_int(self, level: float | None = None, figure: str = "delta") -> FloatArray:
        """Return Student's interval of a figure for each quantizer by itself, within [0, 1], shape (Q, 2).

        Parameters
        ----------
        level : float, optional
            By default the result's.
        figure : str
            One of ``FIGURES``.
        """
        place = self._place(figure)
        half = self._quantile(level) * self.std_errors(figure)
        ends = np.column_stack([self.estimates[:, place] - half, self.estimates[:, place] + half])
        floor = 0.5 if figure == "auc" else 0.0
        return np.clip(ends, floor, 1.0)

    def _quantile(self, level: float | None) -> float:
        chosen = checked_level(self.level if level is None else level)
        return float(stdtrit(self.dof, 0.5 + 0.5 * chosen))

    def differences(self, figure: str = "delta", level: float | None = None) -> pd.DataFrame:
        """Return all paired differences, row less column, with simultaneous intervals (Bonferroni).

        Parameters
        ----------
        figure : str
            One of ``FIGURES``.
        level : float, optional
            For all pairs together.
        """
        import pandas as pd

        place = self._place(figure)
        chosen = checked_level(self.level if level is None else level)
        count = len(self.names)
        pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
        bound = float(stdtrit(self.dof, 1.0 - 0.5 * (1.0 - chosen) / max(len(pairs), 1)))
        rows = []
        for a, b in pairs:
            matrix = self.covariance[place]
            error = float(np.sqrt(max(matrix[a, a] + matrix[b, b] - 2.0 * matrix[a, b], 0.0)))
            gap = float(self.estimates[a, place] - self.estimates[b, place])
            rows.append((self.names[a], self.names[b], gap, error, gap - bound * error, gap + bound * error))
        frame = pd.DataFrame(rows, columns=["quantizer", "other", "difference", "std_error", "low", "high"])
        return frame.set_index(["quantizer", "other"])

    def reductions(self, level: float | None = None) -> pd.DataFrame:
        """Return how much less each quantizer leaks than no quantization, 1 − Δ/Δ₀, with simultaneous intervals.

        Intervals are by the delta method from the joint covariance, over all quantizers together (Bonferroni). They are
        open, (−∞, 1], where Δ₀ itself is not told from 0 by more than three standard errors.

        Parameters
        ----------
        level : float, optional
            For all quantizers together.
        """
        import pandas as pd

        chosen = checked_level(self.level if level is None else level)
        names = [name for name in self.names if name != _REFERENCE]
        base = self.names.index(_REFERENCE)
        whole, matrix = self.delta[base], self.covariance[0]
        bound = float(stdtrit(self.dof, 1.0 - 0.5 * (1.0 - chosen) / max(len(names), 1)))
        told = whole > 3.0 * math.sqrt(max(matrix[base, base], 0.0))
        rows = []
        for name in names:
            q = self.names.index(name)
            ratio = self.delta[q] / whole if whole > 0.0 else math.nan
            variance = matrix[q, q] - 2.0 * ratio * matrix[q, base] + ratio**2 * matrix[base, base]
            half = bound * math.sqrt(max(variance, 0.0)) / whole if told else math.inf
            rows.append((1.0 - ratio, 1.0 - ratio - half, min(1.0 - ratio + half, 1.0)))
        return pd.DataFrame(rows, columns=["reduction", "low", "high"], index=pd.Index(names, name="quantizer"))

    def told_apart(self, level: float | None = None) -> tuple[int, int]:
        """Return how many pairs of quantizers are shown to differ in Δ, together at the level, and of how many."""
        below = self.ranking().significantly_below(self.level if level is None else level)
        count = len(self.names) - 1
        return int(np.sum(below)), count * (count - 1) // 2

    def ranking(self) -> EstimateRanking:
        """Return the quantizers ranked by Δ, the smallest first, with the machinery of all rankings (Statement S14).

        No quantization has no rank.
        """
        return self._ranking

    @cached_property
    def _ranking(self) -> EstimateRanking:
        keep = [k for k, name in enumerate(self.names) if name != _REFERENCE]
        matrix = self.covariance[0][np.ix_(keep, keep)]
        return rank_estimates(-self.delta[keep], matrix, [self.names[k] for k in keep], dof=float(self.dof))

    def rank_sets(self, level: float | None = None) -> FloatArray:
        """Return the simultaneous confidence sets of the ranks by Δ, rank 1 the most private, shape (Q − 1, 2)."""
        return np.asarray(self.ranking().rank_sets(self.level if level is None else level))

    def records(self) -> pd.DataFrame:
        """Return a row per record and quantizer: exposure with its interval.

        The interval tells what the fit leaves open about the record's own mean; figures outside of the domain are
        marked in ``in_domain``.
        """
        import pandas as pd

        half = float(ndtri(0.5 + 0.5 * checked_level(self.level))) * self.exposure_error
        n, count = self.exposure.shape
        return pd.DataFrame(
            {
                "row": np.repeat(np.arange(n), count),
                "quantizer": np.tile(np.array(self.names, dtype=object), n),
                "exposure": self.exposure.ravel(),
                "exposure_low": np.clip(self.exposure - half, 0.0, 1.0).ravel(),
                "exposure_high": np.clip(self.exposure + half, 0.0, 1.0).ravel(),
                "in_domain": np.tile(np.array(self.in_domain), n),
            }
        )

    def to_frame(self, level: float | None = None) -> pd.DataFrame:
        """Return a row per quantizer: figures with intervals, retained share, domain."""
        import pandas as pd

        columns: dict[str, Any] = {"bits": self.bits}
        for figure in FIGURES:
            ends = self.conf_int(level, figure)
            columns[figure] = self.estimates[:, self._place(figure)]
            columns[f"{figure}_low"], columns[f"{figure}_high"] = ends[:, 0], ends[:, 1]
        columns["retained"] = self.retained
        columns["in_domain"] = self.in_domain
        return pd.DataFrame(columns, index=pd.Index(self.names, name="quantizer"))

    def to_dict(self, level: float | None = None) -> dict[str, Any]:
        """Return JSON-ready data; infinities and NaN become ``None``."""
        frame, reductions = self.to_frame(level), self.reductions(level)
        told, pairs = self.told_apart(level)
        rows = []
        for name, reasons in zip(self.names, self.reasons, strict=True):
            numbers = frame.loc[name].drop("in_domain").to_dict()
            if name in reductions.index:
                less = reductions.loc[name]
                numbers |= {
                    "reduction": less["reduction"], "reduction_low": less["low"], "reduction_high": less["high"]
                }  # fmt: skip
            row = {str(key): finite_or_none(float(value)) for key, value in numbers.items()}
            rows.append({"quantizer": name, **row, "in_domain": not reasons, "reasons": list(reasons)})
        return {
            "game": self.game.kind,
            "fraction": self.game.fraction,
            "points": self.points,
            "weights": self.weights,
            "pairs_told_apart": told,
            "pairs": pairs,
            "quantizers": rows,
            "notes": list(self.notes),
        }

    def title(self) -> str:
        """Return the caption of the table."""
        return f"What {self.points} training points leak through {self.weights} weights"

    def remarks(self) -> list[str]:
        """Return the game, and what has to be known to read the numbers."""
        kind = "fresh points of a population" if self.game.kind == "population" else "subsets of a known pool"
        lines = [f"Best attack on released codes, scales and intercept; training points are {kind}."]
        grouped: dict[str, list[str]] = {}
        for name, reasons in zip(self.names, self.reasons, strict=True):
            for reason in reasons:
                grouped.setdefault(reason, []).append(name)
        for reason, names in grouped.items():
            which = "all" if len(names) == len(self.names) else ", ".join(names)
            lines.append(f"Outside of the domain ({which}): {reason}.")
        return [*lines, *self.notes]

    def _frame_shown(self) -> pd.DataFrame:
        frame = self.to_frame()
        return frame[["bits", "delta", "delta_low", "delta_high", "auc", "tpr_0.01", "retained", "in_domain"]]

    def summary(self) -> Summary:
        """Return an aligned table and the remarks."""
        percent = f"{100.0 * self.level:g}% interval"
        ends, at = self.conf_int(), self._place("tpr_0.01")
        rows = [("quantizer", "bits", "delta", percent, "AUC", "TPR at FPR 1%", "retained")]
        for k, name in enumerate(self.names):
            mark = "" if self.in_domain[k] else " (*)"
            rows.append(
                (
                    name + mark,
                    "" if np.isnan(self.bits[k]) else f"{self.bits[k]:.3g}",
                    f"{self.delta[k]:.4f}",
                    f"[{ends[k, 0]:.4f}, {ends[k, 1]:.4f}]",
                    f"{self.auc[k]:.4f}",
                    f"{self.estimates[k, at]:.4f}",
                    f"{self.retained[k]:.3f}",
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        rule = "-" * len(lines[0])
        return Summary("\n".join([self.title(), rule, lines[0], rule, *lines[1:], rule, *self.remarks()]))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw Δ of each quantizer with its interval; returns the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        """
        from qmis_stats.leak.plot import leak_plot

        return leak_plot(self.names, self.delta, self.conf_int(), self.in_domain, ax)
