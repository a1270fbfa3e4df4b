"""What groups of records leak under each quantizer: figures, differences, simultaneous intervals (Statement S17)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import stdtrit

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.json_values import json_ready
from qmis_stats.leak.releases import FIGURES, ReleaseLeak
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table, estimates, texts
from qmis_stats.validation import checked_level, one_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupLeak"]


@dataclass(frozen=True, eq=False, repr=False)
class GroupLeak(NotebookResult):
    """Leak of groups of records under each quantizer and without one, for an attacker who knows the group.

    Attributes
    ----------
    groups : tuple of str
        Labels of the L groups that are large enough.
    records : tuple of int
        How many records each has.
    small : dict of str to int
        Groups that are too small for figures of their own, with their records.
    quantizers : tuple of str
        The last is ``"identity"``.
    in_domain : tuple of bool
        For each quantizer, whether the errors of the formulas are controlled.
    estimates : (L, Q, F) ndarray
        The figures: Δ, AUC, true positive rates.
    covariance : (F, LQ, LQ) ndarray
        Of each figure over groups and quantizers, groups first.
    dof : int
        Degrees of freedom of the covariance.
    level : float
        Confidence level.
    figures : tuple of str
        What is told of each group.
    """

    groups: tuple[str, ...]
    records: tuple[int, ...]
    small: Mapping[str, int]
    quantizers: tuple[str, ...]
    in_domain: tuple[bool, ...]
    estimates: FloatArray
    covariance: FloatArray
    dof: int
    level: float = 0.95

    figures: ClassVar[tuple[str, ...]] = FIGURES
    lows: ClassVar[Mapping[str, float]] = ReleaseLeak.lows

    @property
    def delta(self) -> FloatArray:
        """Δ of each group under each quantizer, shape (L, Q)."""
        return np.asarray(self.estimates[:, :, 0])

    @property
    def auc(self) -> FloatArray:
        """Area under the best attack's ROC curve within each group, shape (L, Q)."""
        return np.asarray(self.estimates[:, :, 1])

    @property
    def compared_by(self) -> tuple[FloatArray, FloatArray]:
        """What groups are compared by, with its covariance: Δ."""
        return self.delta, self.covariance[0]

    def std_errors(self, figure: str = "delta") -> FloatArray:
        """Return the standard errors of a figure, shape (L, Q)."""
        variance = np.diag(self.covariance[self._place(figure)])
        return np.sqrt(np.maximum(variance, 0.0)).reshape(len(self.groups), len(self.quantizers))

    def conf_int(self, level: float | None = None, figure: str = "delta") -> FloatArray:
        """Return intervals that hold together for all groups and quantizers (Bonferroni), shape (L, Q, 2).

        Parameters
        ----------
        level : float, optional
            For all of them together; by default the result's.
        figure : str
            ``"delta"``, ``"auc"``, or a true positive rate such as ``"tpr_0.01"``.
        """
        place = self._place(figure)
        half = self._bound(len(self.groups), level) * self.std_errors(figure)
        centre = self.estimates[:, :, place]
        return np.clip(np.stack([centre - half, centre + half], axis=2), self.lows.get(figure, 0.0), 1.0)

    def _place(self, figure: str) -> int:
        one_of("figure", figure, self.figures)
        if not self.groups:
            raise InputError("groups", dict(self.small), "a group that is large enough")
        return self.figures.index(figure)

    def _bound(self, of_groups: int, level: float | None) -> float:
        """Return Student's quantile for that many groups times all quantizers (Bonferroni)."""
        tail = 1.0 - checked_level(self.level if level is None else level)
        return float(stdtrit(self.dof, 1.0 - 0.5 * tail / (of_groups * len(self.quantizers))))

    def differences(self, level: float | None = None) -> pd.DataFrame:
        """Return how much more each group leaks than the rest, with intervals that hold together for all of them.

        The rest are the records of the other groups that are large enough. Errors are paired: what groups share,
        such as the codes, cancels as far as it moves both alike. Of two groups the differences are one up to the sign.

        Parameters
        ----------
        level : float, optional
            For all groups and quantizers together.
        """
        import pandas as pd

        index = pd.MultiIndex.from_product([self.groups, self.quantizers], names=["group", "quantizer"])
        columns = ["difference", "std_error", "low", "high"]
        if len(self.groups) < 2:
            return pd.DataFrame(np.zeros((0, 4)), columns=columns, index=index[:0])
        sizes = np.array(self.records, dtype=np.float64)
        contrast = -np.tile(sizes, (sizes.size, 1)) / (sizes.sum() - sizes)[:, None]
        np.fill_diagonal(contrast, 1.0)
        wide = np.kron(contrast, np.eye(len(self.quantizers)))
        leaks, covariance = self.compared_by
        covariance = wide @ covariance @ wide.T
        gap, error = wide @ leaks.ravel(), np.sqrt(np.maximum(np.diag(covariance), 0.0))
        half = self._bound(sizes.size if sizes.size > 2 else 1, level) * error
        return pd.DataFrame(np.column_stack([gap, error, gap - half, gap + half]), columns=columns, index=index)

    def to_frame(self, level: float | None = None) -> pd.DataFrame:
        """Return a row per group and quantizer: records, figures and differences from the rest, with their intervals.

        Intervals of a figure, or of the differences, hold together for all groups and quantizers.
        """
        import pandas as pd

        index = pd.MultiIndex.from_product([self.groups, self.quantizers], names=["group", "quantizer"])
        columns: dict[str, Any] = {"records": np.repeat(self.records, len(self.quantizers))}
        for figure in self.figures if self.groups else ():
            ends = self.conf_int(level, figure)
            columns[figure] = self.estimates[:, :, self._place(figure)].ravel()
            columns[f"{figure}_low"], columns[f"{figure}_high"] = ends[:, :, 0].ravel(), ends[:, :, 1].ravel()
        columns["in_domain"] = np.tile(self.in_domain, len(self.groups))
        frame = pd.DataFrame(columns, index=index)
        gaps = self.differences(level).rename(columns={"low": "difference_low", "high": "difference_high"})
        return frame.join(gaps.drop(columns="std_error"))

    def exposed(self, quantizer: str, level: float | None = None) -> pd.DataFrame:
        """Return the groups that are shown to leak more than the rest, the largest difference first.

        Parameters
        ----------
        quantizer : str
            One of ``quantizers``.
        level : float, optional
            For all groups and quantizers together.
        """
        one_of("quantizer", quantizer, self.quantizers)
        gaps = self.differences(level)
        gaps = gaps[gaps.index.get_level_values("quantizer") == quantizer].droplevel("quantizer")
        return gaps[gaps["low"] > 0.0].sort_values("difference", ascending=False)

    def to_dict(self, level: float | None = None) -> dict[str, Any]:
        """Return JSON-ready data; infinities and NaN become ``None``."""
        rows = []
        for row in self.to_frame(level).reset_index().to_dict("records"):
            whole = {"group": row["group"], "quantizer": row["quantizer"], "records": int(row["records"])}
            numbers = {str(k): float(v) for k, v in row.items() if k not in (*whole, "in_domain")}
            rows.append({**whole, **numbers, "in_domain": bool(row["in_domain"])})
        return {"groups": json_ready(rows), "too_small": dict(self.small)}

    def title(self) -> str:
        """Return the caption of the table."""
        return f"What {len(self.groups)} groups of records leak"

    def remarks(self) -> list[str]:
        """Return what is shown, which groups are too small, and what has to be known to read the intervals."""
        lines = []
        if len(self.groups) > 1:
            found = self.exposed(self.quantizers[-1])
            shown = [
                f"{group} (by {row['difference']:.3f} [{row['low']:.3f}, {row['high']:.3f}])"
                for group, row in found.iterrows()
            ]
            more = f"more leaks from {', '.join(shown)} than from the rest"
            lines.append(f"Without quantization {more if shown else 'no difference between groups is shown'}.")
        if self.small:
            named = ", ".join(f"{name} ({count})" for name, count in self.small.items())
            lines.append(f"Too few records for figures of their own: {named}.")
        lines.append(
            "The attacker knows the group. Intervals of a figure hold together for all groups and quantizers; the rest "
            "are the records of the other groups that are large enough."
        )
        return lines

    def tables(self) -> list[Table]:
        """Return a row per group and quantizer: Δ, AUC, a true positive rate, how much more it leaks than the rest."""
        frame = self.to_frame().reset_index()
        columns = {name: texts(frame[name]) for name in ("group", "quantizer", "records")}
        if self.groups:
            percent = f"{100.0 * self.level:g}%"
            columns |= {f"Δ {percent}": estimates(frame, ".4f", "delta"), "AUC": texts(frame["auc"], ".4f")}
            if "tpr_0.01" in self.figures:
                columns["TPR at FPR 1%"] = texts(frame["tpr_0.01"], ".4f")
            columns[f"difference {percent}"] = estimates(frame, ".4f", "difference")
        return [Table.of(self.title(), columns, words=2)]
