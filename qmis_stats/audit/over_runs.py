"""Do training runs agree? Means over runs of each run's own indicator, on the evaluation points that they share (S11).

What is averaged is the standardised gap ŝ = √(2r̂), and a mean m is shown as m²/2. The estimand of a quantizer is
thus (E ŝ)²/2, the *estimated* indicator of one further training run by its expected gap, given these evaluation points.
It is another number than the indicator of all runs together: one run visits fewer codewords, and its best is another.

Logarithms cannot be averaged, because an indicator may be zero, and the indicator itself is too skewed: where ŝ is the
size of a normal number of mean 0, 1 or 3, Student's 95 % interval for the mean of ŝ²/2 from ten runs holds in 86, 89
and 94 % of samples, that for the mean of ŝ in 93, 94 and 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.inference.measured import Measured
from qmis_stats.inference.rank_results import EstimateRanking
from qmis_stats.inference.runs import RunMeans, run_means
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table, estimates, ranges, texts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEWEST_RUNS", "OverRuns", "over_runs"]

FEWEST_RUNS = 3
"""With fewer runs nothing is said of the spread between them."""

_DRAWS = 1000


@dataclass(frozen=True, eq=False, repr=False)
class OverRuns(NotebookResult):
    """Means over runs of the standardised gap of one run, with rank sets.

    Attributes
    ----------
    means : RunMeans
        Of the quantizers whose every run visited two codewords; covariance clustered by run.
    ranking : EstimateRanking
        Of the same.
    left_out : tuple of str
        Quantizers of which some run visited a single codeword: its indicator is not known, and neither is a mean.
    """

    means: RunMeans
    ranking: EstimateRanking
    left_out: tuple[str, ...]

    def conf_int(self, level: float = 0.95) -> FloatArray:
        """Return the interval of each indicator, shape (Q, 2): Student's for the mean gap, then m²/2.

        It contains the spread between runs: the draw of the training points and of the initial weights. It does not
        contain the error of the evaluation points, which all runs share.
        """
        return _indicator(np.maximum(self.means.conf_int(level), 0.0))

    def rank_sets(self, level: float = 0.95) -> IntArray:
        """Return simultaneous rank sets over runs, shape (Q, 2), by Holm's procedure on Student's tests.

        Few runs leave the covariance of many quantizers singular; Holm's procedure needs the standard errors of
        differences alone.
        """
        return self.ranking.rank_sets(level, kind="holm")

    def measured_as(self) -> Measured:
        """Return the mean gap as a measure."""
        means = self.means
        limits = (0.0, np.inf)
        return Measured("gap", means.names, means.estimates, means.covariance, means.dof, False, limits)

    def told_apart(self, level: float = 0.95) -> int:
        """Return the number of pairs whose order the runs decide, all decisions together at the level."""
        return int(self.ranking.comparisons.holm(level).sum())

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Return one row per quantizer, the largest first: rank, set, indicator, interval; mean gap, its deviation."""
        import pandas as pd

        sets, interval = self.rank_sets(level), self.conf_int(level)
        frame = pd.DataFrame(
            {
                "rank": self.ranking.ranks,
                "rank_low": sets[:, 0],
                "rank_high": sets[:, 1],
                "indicator": _indicator(self.means.estimates),
                "low": interval[:, 0],
                "high": interval[:, 1],
                "gap": self.means.estimates,
                "gap_sd": self.means.between_run_sd,
            },
            index=pd.Index(self.means.names, name="quantizer"),
        )
        return frame.iloc[self.ranking.order()]

    def tables(self, level: float = 0.95) -> list[Table]:
        """Return ranks with their sets, indicators with their intervals, and gaps with their deviations."""
        frame, percent = self.to_frame(level), f"{100.0 * level:g}%"
        columns = {
            "quantizer": texts(frame.index),
            "rank": texts(frame["rank"]),
            f"{percent} set": ranges(frame, "rank"),
            f"indicator {percent}": estimates(frame, ".3g", "indicator", "low", "high"),
            "mean gap": texts(frame["gap"], ".3g"),
            "sd over runs": texts(frame["gap_sd"], ".3g"),
        }
        return [Table.of(self.title(), columns)]

    def title(self) -> str:
        """Return the caption of the table."""
        return f"Indicator of one run, over {self.means.runs} runs on the same evaluation points"

    def remarks(self) -> list[str]:
        """Return what was left out."""
        if not self.left_out:
            return []
        return [f"Left out, because some run visited a single codeword: {', '.join(self.left_out)}."]

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """Return JSON-ready data."""
        frame = self.to_frame(level).reset_index()
        count = len(self.means.names)
        return {
            "runs": self.means.runs,
            "pairs": count * (count - 1) // 2,
            "pairs_told_apart": self.told_apart(level),
            "left_out": list(self.left_out),
            "quantizers": frame.astype(object).to_dict("records"),
        }


def _indicator(gaps: FloatArray) -> FloatArray:
    return 0.5 * gaps**2


def over_runs(table: pd.DataFrame, *, seed: int = 0) -> OverRuns | None:
    """Return the means over runs of a table of indicators, (runs, quantizers); NaN where a run has none.

    Parameters
    ----------
    table : DataFrame
        From :meth:`~qmis_stats.audit.audit_result.AuditResult.run_indicators`.
    seed : int
        Of the critical values of ``ranking``.

    Returns
    -------
    OverRuns or None
        ``None`` with fewer than three runs, where fewer than two quantizers have an indicator in every run, or where
        no indicator varies between runs.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = {"sign": [0.0, 0.01, 0.02, 0.01], "wide": [0.5, 0.4, 0.6, 0.5], "one": [0.1, 0.1, None, 0.1]}
    >>> table = pd.DataFrame(rows)
    >>> found = over_runs(table)
    >>> found.to_frame()[["rank", "rank_low", "rank_high", "indicator"]].round(3).values.tolist()
    [[1.0, 1.0, 1.0, 0.497], [2.0, 2.0, 2.0, 0.007]]
    >>> found.told_apart(), found.left_out
    (1, ('one',))
    """
    complete = table.dropna(axis="columns")
    names = [str(name) for name in complete.columns]
    gaps = np.sqrt(2.0 * complete.to_numpy(dtype=np.float64))
    if len(table) < FEWEST_RUNS or len(names) < 2 or np.all(gaps == gaps[0]):
        return None
    means = run_means(gaps, method="cluster", names=names)
    left_out = tuple(str(name) for name in table.columns if name not in complete.columns)
    return OverRuns(means, means.rank(draws=_DRAWS, seed=seed), left_out)
