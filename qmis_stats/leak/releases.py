"""What releases of one model leak, with a joint covariance: intervals, differences, reductions, ranks (S14)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import stdtrit

from qmis_stats.arrays import FloatArray
from qmis_stats.inference.measured import REFERENCE, Measured
from qmis_stats.inference.rank_results import EstimateRanking
from qmis_stats.json_values import json_ready
from qmis_stats.leak.law import RATES
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table, estimates, texts
from qmis_stats.validation import checked_level, one_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["FIGURES", "ReleaseLeak"]

FIGURES = ("delta", "auc", *(f"tpr_{rate:g}" for rate in RATES))
"""What is told of each quantizer: Δ, the area under the ROC curve, and true positive rates."""


@dataclass(frozen=True, eq=False, repr=False)
class ReleaseLeak(NotebookResult):
    """Leak of a model under each quantizer and without one, predicted or measured.

    Attributes
    ----------
    names : tuple of str
        The quantizers; the last is ``"identity"``.
    bits : tuple of float
        Bits per weight, NaN where the quantizer does not say.
    estimates : (Q, F) ndarray
        The ``figures``.
    covariance : (F, Q, Q) ndarray
        Of each figure over the quantizers.
    dof : int
        Degrees of freedom of the covariance.
    reasons : tuple of tuple of str
        Why the figures of a quantizer are outside of the domain; empty where they are inside.
    points : int
        Training points.
    level : float
        Confidence level.
    figures : tuple of str
        What is told of each quantizer.
    measured : bool
        Whether attacks measured it, which is a lower bound, or theory predicts it.
    """

    names: tuple[str, ...]
    bits: tuple[float, ...]
    estimates: FloatArray
    covariance: FloatArray
    dof: int
    reasons: tuple[tuple[str, ...], ...]
    points: int
    level: float

    figures: ClassVar[tuple[str, ...]] = FIGURES
    measured: ClassVar[bool] = False
    lows: ClassVar[Mapping[str, float]] = {"auc": 0.5}
    """The smallest value that a figure can have where it is not 0: intervals end there."""

    def source(self) -> str:
        """Return where the figures come from, a clause."""
        raise NotImplementedError

    def sample(self) -> tuple[int, str]:
        """Return of how many independent things they are, and what these are called."""
        return self.points, "training points"

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

    @property
    def ordered_by(self) -> tuple[FloatArray, FloatArray]:
        """What ranks and reductions are of, with its covariance: Δ."""
        return self.delta, self.covariance[0]

    def std_errors(self, figure: str = "delta") -> FloatArray:
        """Return the standard errors of a figure, shape (Q,)."""
        return self.measured_as(figure).std_errors

    def _place(self, figure: str) -> int:
        one_of("figure", figure, self.figures)
        return self.figures.index(figure)

    def measured_as(self, figure: str = "delta") -> Measured:
        """Return a figure as a measure, with which everything that is measured of releases is compared alike.

        Parameters
        ----------
        figure : str
            One of ``figures``.
        """
        place = self._place(figure)
        return self._measure(figure, self.estimates[:, place], self.covariance[place], self.lows.get(figure, 0.0))

    def _measure(self, figure: str, values: FloatArray, covariance: FloatArray, low: float) -> Measured:
        ends = (low, 1.0)
        return Measured(figure, self.names, values, covariance, self.dof, True, ends, self.reasons, self.level)

    def conf_int(self, level: float | None = None, figure: str = "delta") -> FloatArray:
        """Return Student's interval of a figure for each quantizer by itself, shape (Q, 2).

        It ends where the figure does, and always holds the estimate: Δ and rates are in [0, 1], an AUC in [½, 1]; what
        was measured is the Δ of an attack, in [−1, 1], and its AUC, in [0, 1].

        Parameters
        ----------
        level : float, optional
            By default the result's.
        figure : str
            One of ``figures``.
        """
        return self.measured_as(figure).conf_int(level)

    def differences(self, figure: str = "delta", level: float | None = None) -> pd.DataFrame:
        """Return all paired differences, row less column, with simultaneous intervals (Bonferroni).

        Parameters
        ----------
        figure : str
            One of ``figures``.
        level : float, optional
            For all pairs together.
        """
        return self.measured_as(figure).differences(level)

    def reductions(self, level: float | None = None) -> pd.DataFrame:
        """Return how much less each quantizer leaks than no quantization, 1 − Δ/Δ₀, with simultaneous intervals.

        Intervals are by the delta method from the joint covariance, over all quantizers together (Bonferroni). They are
        open, (−∞, 1], where Δ₀ itself is not told from 0 by more than three standard errors; a reduction of what is not
        positive is NaN.

        Parameters
        ----------
        level : float, optional
            For all quantizers together.
        """
        import pandas as pd

        chosen = checked_level(self.level if level is None else level)
        names = [name for name in self.names if name != REFERENCE]
        base = self.names.index(REFERENCE)
        values, matrix = self.ordered_by
        whole = values[base]
        bound = float(stdtrit(self.dof, 1.0 - 0.5 * (1.0 - chosen) / max(len(names), 1)))
        rows = []
        for name in names:
            q = self.names.index(name)
            if whole <= 0.0:  # no share of nothing
                rows.append((math.nan, -math.inf, 1.0))
                continue
            ratio = values[q] / whole
            variance = matrix[q, q] - 2.0 * ratio * matrix[q, base] + ratio**2 * matrix[base, base]
            half = bound * math.sqrt(max(variance, 0.0)) / whole if self.found else math.inf
            less = 1.0 - ratio
            rows.append((min(less, 1.0), min(less - half, 1.0), min(less + half, 1.0)))
        return pd.DataFrame(rows, columns=["reduction", "low", "high"], index=pd.Index(names, name="quantizer"))

    @property
    def found(self) -> bool:
        """Whether no quantization is told from no leak at all, by more than three standard errors."""
        base = self.names.index(REFERENCE)
        values, matrix = self.ordered_by
        return bool(values[base] > 3.0 * math.sqrt(max(matrix[base, base], 0.0)))

    def told_apart(self, level: float | None = None) -> tuple[int, int]:
        """Return how many pairs of quantizers are shown to leak differently, together at the level, and of how many."""
        return self._ordered.told_apart(level)

    def ranking(self) -> EstimateRanking:
        """Return the quantizers by their leak, the smallest first, with the machinery of all rankings (S14).

        No quantization has no rank.
        """
        return self._ordered.ranking()

    @cached_property
    def _ordered(self) -> Measured:
        return self._measure("leak", *self.ordered_by, -1.0)

    def rank_sets(self, level: float | None = None) -> FloatArray:
        """Return the simultaneous confidence sets of the ranks by Δ, rank 1 the most private, shape (Q − 1, 2)."""
        return np.asarray(self._ordered.rank_sets(level))

    def to_frame(self, level: float | None = None) -> pd.DataFrame:
        """Return a row per quantizer: figures with intervals, domain."""
        import pandas as pd

        columns: dict[str, Any] = {"bits": self.bits}
        for figure in self.figures:
            ends = self.conf_int(level, figure)
            columns[figure] = self.estimates[:, self._place(figure)]
            columns[f"{figure}_low"], columns[f"{figure}_high"] = ends[:, 0], ends[:, 1]
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
            row = {str(key): float(value) for key, value in numbers.items()}
            rows.append({"quantizer": name, **row, "in_domain": not reasons, "reasons": list(reasons)})
        return {"points": self.points, "pairs_told_apart": told, "pairs": pairs, "quantizers": json_ready(rows)}

    def tables(self) -> list[Table]:
        """Return a row per quantizer, marked where it is outside of the domain: bits, Δ, AUC, a true positive rate."""
        frame = self.to_frame()
        columns = {
            "quantizer": [name + " (*)" * bool(why) for name, why in zip(self.names, self.reasons, strict=True)],
            "bits": texts(self.bits, ".3g"),
            f"Δ {100.0 * self.level:g}%": estimates(frame, ".4f", "delta"),
            "AUC": texts(self.auc, ".4f"),
            "TPR at FPR 1%": texts(frame["tpr_0.01"], ".4f"),
            **self._columns(),
        }
        return [Table.of(self.title(), columns)]

    def _columns(self) -> dict[str, list[str]]:
        """Return further columns of the table."""
        return {}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw Δ of each quantizer with its interval; returns the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        """
        return replace(self.measured_as(), figure="Δ, advantage of the best attack").plot(ax)
