"""What an audit returns: privacy and performance of each quantizer, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from qmis_stats.arrays import IntArray
from qmis_stats.audit.first_table import first_table, legend
from qmis_stats.audit.leak_lines import leak_lines
from qmis_stats.audit.lines import Line
from qmis_stats.audit.over_runs import OverRuns, over_runs
from qmis_stats.audit.performance import Performance
from qmis_stats.audit.quantizers import IDENTITY
from qmis_stats.audit.subgroups import Subgroups, family_level
from qmis_stats.audit.training_run import Run, Visited
from qmis_stats.audit.unit_moments import UnitsLeak
from qmis_stats.errors import InputError, setting
from qmis_stats.inference.indicator import Indicator
from qmis_stats.inference.losses import Losses
from qmis_stats.inference.measured import Measured, undominated
from qmis_stats.inference.moments import gaps
from qmis_stats.inference.rank_results import RankResults
from qmis_stats.inference.ranking import Ranking
from qmis_stats.json_values import json_ready
from qmis_stats.leak.leakage_result import LeakageResult
from qmis_stats.leak.releases import ReleaseLeak
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.summary import Summary
from qmis_stats.reporting.tables import Table, estimates, ranges, texts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from qmis_stats.audit.attacks.side_by_side import AttackAudit

__all__ = ["AuditResult"]


@dataclass(frozen=True, eq=False, repr=False)
class AuditResult(NotebookResult):
    """Quantizers ranked by privacy, with the performance of the quantized models.

    Attributes
    ----------
    dataset : str
        Name of the data set.
    ranking : Ranking or None
        Of the quantizers with at least two codewords; ``None`` when there are none.
    reference : Indicator or None
        Of the checkpoints without quantization, each of them a candidate; ``None`` when there is a single one.
    scores : Performance
        Of the final quantized models on the evaluation points.
    bits : dict of str to float
        Bits per weight.
    visited : dict of str to Visited
        Codewords of all runs together and their losses on the evaluation points, by quantizer.
    runs : tuple of Run
        The runs.
    notes : tuple of str
        What was done to the data and what has to be known to read the numbers, in plain sentences.
    specification : dict
        What the numbers follow from, JSON-ready.
    leak : ReleaseLeak or None
        What is released leaks under each quantizer and without one: by theory, a
        :class:`~qmis_stats.leak.leakage_result.LeakageResult` of the head trained on the pool, where there is a theory;
        else as attacks measured it, once they have (:meth:`with_attacks`).
    no_leak : str
        Why theory has none.
    leak_rows : ndarray of int or None
        Number, from 0, in what was read of each record that the leak is of.
    units : UnitsLeak or None
        What locations and scales of features and target leak beside the weights, in the population; ``None`` where none
        of the training points are released.
    groups : tuple of Subgroups
        Leak and performance of groups, a column each: of the classes, and of the columns that the data set has for it.
    """

    dataset: str
    ranking: Ranking | None
    reference: Indicator | None
    scores: Performance
    bits: Mapping[str, float]
    visited: Mapping[str, Visited]
    runs: tuple[Run, ...]
    notes: tuple[str, ...]
    specification: Mapping[str, Any]
    leak: ReleaseLeak | None = None
    no_leak: str = ""
    leak_rows: IntArray | None = None
    units: UnitsLeak | None = None
    groups: tuple[Subgroups, ...] = ()

    @property
    def metric(self) -> str:
        """The score that stands for performance."""
        return self.scores.metrics[0]

    @property
    def performance(self) -> pd.DataFrame:
        """Scores with 95 % intervals and prices, one row per quantizer, the reference last."""
        return self.scores.to_frame()

    @property
    def single(self) -> tuple[str, ...]:
        """Quantizers without an estimate: training visited a single codeword, or several of equal losses."""
        ranked = () if self.ranking is None else self.ranking.names
        return tuple(name for name in self.visited if name not in (*ranked, IDENTITY))

    def indicators(self) -> dict[str, float]:
        """Return the indicator of each quantizer, NaN where there is no estimate (``single``)."""
        found = dict.fromkeys(self.single, float("nan"))
        if self.ranking is not None:
            found |= dict(zip(self.ranking.names, map(float, self.ranking.params), strict=True))
        return found

    @property
    def privacy_ranking(self) -> RankResults | None:
        """Quantizers in order of privacy: by the leak of the release where it is known, else by the indicator."""
        return self.ranking if self.leak is None else self.leak.ranking()

    def with_attacks(self, attacks: AttackAudit | None) -> AuditResult:
        """Return the result with the leak that attacks measured, of groups too, where theory has none.

        Parameters
        ----------
        attacks : AttackAudit or None
            On the same quantizers, from :func:`~qmis_stats.audit.attacks.audited.audit_attacks`.
        """
        if attacks is None or self.leak is not None:
            return self
        if set(attacks.reports) != set(self.visited):  # some were not attacked: nothing is known of their leak
            return self
        leak = attacks.leak(self.bits)
        groups = tuple(
            replace(column, leak=leak, labels=attacks.by[column.name]) if column.name in attacks.by else column
            for column in self.groups
        )
        return replace(self, leak=leak, groups=groups)

    def records(self) -> pd.DataFrame:
        """Return a row per training record and release: its exposure, with its interval (S17).

        Column ``row`` counts the rows of what was read from 1, as messages do; ``exposure`` is the total variation of
        the release with and without the record among the training points. A record that resembles others is
        understated: what leaks through its likes is not counted. ``near_duplicate_of`` is the row of a training record
        that this one nearly repeats; ``by_class`` and the like are its groups.

        Raises
        ------
        InputError
            If theory has no leak for this audit.
        """
        if not isinstance(self.leak, LeakageResult) or self.leak_rows is None:
            line = f"no records: theory has no answer, {self.no_leak or 'and none was asked for'}"
            raise InputError("records", None, "those of an audit whose leak theory knows", line=line)
        frame = self.leak.records()
        place, near = frame["row"].to_numpy(), frame["near_duplicate_of"]
        frame["row"] = self.leak_rows[place] + 1
        like = self.leak_rows[near.fillna(0).to_numpy(dtype=np.int64)] + 1
        frame["near_duplicate_of"] = near.mask(near.notna(), like)
        for column in self.groups:
            frame[f"by_{column.name}"] = column.labels[place]
        return frame

    def by_group(self, level: float = 0.95) -> pd.DataFrame:
        """Return a row per column, group and release: leak and performance, with simultaneous intervals.

        Parameters
        ----------
        level : float
            For all groups of all columns together: over all releases for the leak, under each for the score.

        Raises
        ------
        InputError
            If the data set has no groups: it is a regression, and no column was named.
        """
        import pandas as pd

        if not self.groups:
            allowed = f"a column of groups: {setting('by', word='COLUMN')} when the table is read"
            raise InputError("by", (), allowed)
        each = family_level(self.groups, level)
        return pd.concat({column.name: column.to_frame(each) for column in self.groups}, names=["column"])

    def run_indicators(self) -> pd.DataFrame:
        """Return the indicator from the codewords of each run alone, (runs, quantizers); NaN for a single codeword."""
        import pandas as pd

        rows = []
        for run in self.runs:
            row = {}
            for name, visited in run.visited.items():
                few = not visited.varied
                row[name] = float("nan") if few else 0.5 * float(np.min(gaps(Losses(name, visited.losses)).s)) ** 2
            rows.append(row)
        return pd.DataFrame(rows, index=pd.Index([run.number for run in self.runs], name="run"))

    @cached_property
    def over_runs(self) -> OverRuns | None:
        """Indicator of one run with the spread between runs; ``None`` with fewer than three runs.

        See :mod:`qmis_stats.audit.over_runs` for what is estimated. The reference is left out.
        """
        return over_runs(self.run_indicators().drop(columns=IDENTITY), seed=int(self.specification["seed"]))

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Return one row per quantizer, the most private first, then those with a single codeword, then the reference.

        Columns are those of the ranking by the indicator, ``bits``, ``seen`` (different codewords visited), the scores
        with their intervals and prices, and where the leak is known ``delta`` with its interval, ``auc``,
        ``tpr_0.01`` and ``reduction`` with its simultaneous interval.
        """
        import pandas as pd

        scores = self.scores.to_frame(level)
        order = [*self.single, IDENTITY]
        if self.ranking is None:
            frame = pd.DataFrame(index=pd.Index(order, name="quantizer"))
        else:
            ranked = self.ranking.to_frame(level)
            whole = ["rank", "rank_low", "rank_high", "marginal_low", "marginal_high", "candidates"]
            frame = ranked.astype(dict.fromkeys(whole, "Int64")).astype({"regular": "boolean"})
            frame = frame.reindex([*ranked.index, *order])
            frame.index.name = "quantizer"
            if self.reference is not None:
                low, high = self.reference.conf_int(level)
                frame.loc[IDENTITY, ["estimate", "low", "high"]] = [self.reference.indicator, low, high]
                frame.loc[IDENTITY, "chernoff"] = self.reference.chernoff.exponent
                frame.loc[IDENTITY, "candidates"] = self.reference.distinct
                frame.loc[IDENTITY, "regular"] = self.reference.regular
        frame["bits"] = [self.bits[name] for name in frame.index]
        frame["seen"] = [self.visited[name].seen.size for name in frame.index]
        frame = frame.join(scores)
        if self.leak is None:
            return frame
        columns = ["delta", "delta_low", "delta_high", "auc", "tpr_0.01"]
        reductions = self.leak.reductions(level).rename(columns={"low": "reduction_low", "high": "reduction_high"})
        return frame.join(self.leak.to_frame(level)[columns]).join(reductions)

    def pareto(self, metric: str | None = None) -> tuple[str, ...]:
        """Return the quantizers that no other one equals or exceeds in both privacy and score, by their estimates.

        Privacy is that of ``privacy_ranking``: a small leak where it is known, else a large indicator.
        The reference is left out, and so are quantizers without an estimate: that no rival of a codeword was seen does
        not make it private. The most private come first.

        Parameters
        ----------
        metric : str, optional
            One of the scores; by default the first. Of ``mae`` the smaller is the better.

        Raises
        ------
        InputError
            If there is no such score.
        """
        score = self.scores.measured_as(self.metric if metric is None else metric).better()
        ranking = self.privacy_ranking
        privacy = {} if ranking is None else dict(zip(ranking.names, map(float, ranking.params), strict=True))
        return undominated(privacy, score)

    def measures(self) -> dict[str, Measured]:
        """Return all that was measured of the releases, in one shape: leak, scores, gap over runs, bits.

        Each has differences, ranks with their sets, a table and a plot, by the same code. ``"leak"`` is there where
        theory has it or attacks measured it (:meth:`with_attacks`), and ``"gap"``, whose half square is the indicator
        of one run, where ``over_runs`` is.

        Examples
        --------
        >>> from qmis_stats.audit import audit, bundled, head_for
        >>> from qmis_stats.inference.measured import undominated
        >>> from qmis_stats.quantizers import quantizer
        >>> data = bundled("breast_cancer")
        >>> both = [quantizer("sign"), quantizer("uniform-4")]
        >>> found = audit(data, head_for(data), both, runs=3, draws=199).measures()
        >>> list(found)
        ['leak', 'auroc', 'accuracy', 'gap', 'bits']
        >>> undominated(*(found[name].better() for name in ("leak", "bits")))
        ('sign',)
        """
        found = {} if self.leak is None else {"leak": self.leak.measured_as()}
        found |= {metric: self.scores.measured_as(metric) for metric in self.scores.metrics}
        if self.over_runs is not None:
            found["gap"] = self.over_runs.measured_as()
        names, bits = tuple(self.visited), np.array([self.bits[name] for name in self.visited])
        return {**found, "bits": Measured("bits", names, bits, np.zeros((bits.size, bits.size)), np.inf, True)}

    def tables(self, level: float = 0.95) -> list[Table]:
        """Return the table that the audit is read from, then indicators and performance, then the means over runs."""
        frame, percent, runs = self.to_frame(level), f"{100.0 * level:g}%", self.over_runs
        columns = {"quantizer": texts(frame.index), "bits": texts(frame["bits"], ".3g")}
        if self.ranking is not None:
            columns |= {
                "rank": texts(frame["rank"]),
                f"{percent} set": ranges(frame, "rank"),
                f"indicator {percent}": estimates(frame, ".3g", "estimate", "low", "high"),
            }
        columns["codewords"] = texts(frame["seen"])
        columns |= {f"{metric} {percent}": estimates(frame, ".3f", metric) for metric in self.scores.metrics}
        columns[f"price in {self.metric}"] = texts(frame[f"{self.metric}_price"], ".3f")
        return [
            first_table(self.table_lines(level), self.dataset, self.metric, level),
            Table.of(self.title(), columns),
            *([] if runs is None else runs.tables(level)),
        ]

    def summary(self, level: float = 0.95) -> Summary:
        """Return tables and remarks as text."""
        return Summary.of(self.tables(level), self.remarks())

    def title(self) -> str:
        """Return the caption of the table of indicators."""
        return f"Privacy and performance of quantizers, {self.dataset}"

    def remarks(self) -> list[str]:
        """Return what the columns of the first table mean, the Pareto set, then the notes."""
        front = ", ".join(self.pareto()) or "none"
        privacy = "indicator" if self.leak is None else "Δ"
        lines = [legend(self.leak)]
        lines.append(f"Rank 1 has the largest indicator. Not dominated in ({privacy}, {self.metric}): {front}.")
        if self.no_leak:
            lines.append(f"Theory has no leak: {self.no_leak}.")
        if self.single:
            lines.append(f"Left out of ranking and Pareto set, without an estimate: {', '.join(self.single)}.")
        return [*lines, *self.notes]

    def table_lines(self, level: float = 0.95) -> tuple[Line, ...]:
        """Return the rows of the table: the most private first, those without an estimate, then no quantization.

        Parameters
        ----------
        level : float
            Confidence level.
        """
        scores = self.scores.to_frame(level).to_dict("index")
        metric = self.metric
        front, ranking = self.pareto(), self.privacy_ranking
        ranks: dict[str, tuple[int, tuple[int, int]]] = {}
        best: Sequence[str] = ()
        if ranking is not None:
            best, sets = ranking.best_set(1, level), ranking.rank_sets(level)
            ranks = {
                ranking.names[q]: (int(ranking.ranks[q]), (int(sets[q, 0]), int(sets[q, 1]))) for q in ranking.order()
            }
        indicators: dict[str, tuple[float, tuple[float, float]]] = {}
        if self.ranking is not None:
            ends = self.ranking.conf_int(level)
            indicators = {
                name: (float(self.ranking.params[q]), (float(ends[q, 0]), float(ends[q, 1])))
                for q, name in enumerate(self.ranking.names)
            }
        leaks = {} if self.leak is None else leak_lines(self.leak, level)
        others = [name for name in self.visited if name not in ranks and name != IDENTITY]
        lines = []
        for name in [*ranks, *others, IDENTITY]:
            row = {str(key): float(value) for key, value in scores[name].items()}
            rank, rank_set = ranks.get(name, (None, None))
            indicator, ends_of = indicators.get(name, (None, None))
            lines.append(
                Line(
                    name=name,
                    bits=float(self.bits[name]),
                    rank=rank,
                    rank_set=rank_set,
                    indicator=indicator,
                    interval=ends_of,
                    score=row[metric],
                    score_interval=(row[f"{metric}_low"], row[f"{metric}_high"]),
                    price=row[f"{metric}_price"],
                    price_interval=(row[f"{metric}_price_low"], row[f"{metric}_price_high"]),
                    pareto=name in front,
                    best=name in best,
                    reference=name == IDENTITY,
                    leak=leaks.get(name),
                )
            )
        return tuple(lines)

    def plot(self, ax: Axes | None = None, level: float = 0.95) -> Axes:
        """Draw privacy against performance with the intervals of both; returns the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; by default a new figure.
        level : float
            Confidence level.
        """
        from qmis_stats.audit.tradeoff_plot import tradeoff_plot

        return tradeoff_plot(self.table_lines(level), self.metric, ax)

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """Return JSON-ready data; infinities and NaN become ``None``.

        All but ``wall_seconds``, the time of each run, follows from the specification.
        """
        scores = self.scores.to_frame(level)
        return {
            "dataset": self.dataset,
            "level": level,
            "metric": self.metric,
            "ranking": None if self.ranking is None else self.ranking.to_dict(level),
            "reference": None if self.reference is None else self.reference.to_dict(level),
            "single_codeword": list(self.single),
            "performance": [
                {
                    "quantizer": str(name),
                    "bits": float(self.bits[str(name)]),
                    "codewords_seen": int(self.visited[str(name)].seen.size),
                    **json_ready({key: float(value) for key, value in row.items()}),
                }
                for name, row in scores.iterrows()
            ],
            "leak": None if self.leak is None else self.leak.to_dict(level),
            "no_leak": self.no_leak,
            "units": None if self.units is None else self.units.to_dict(),
            "groups": self._groups_to_dict(level),
            "pareto": list(self.pareto()),
            "over_runs": None if self.over_runs is None else self.over_runs.to_dict(level),
            "runs": [{"run": r.number, "checkpoints": r.checkpoints, "distinct_points": r.distinct} for r in self.runs],
            "wall_seconds": [r.seconds for r in self.runs],
            "notes": list(self.notes),
            "specification": dict(self.specification),
        }

    def _groups_to_dict(self, level: float) -> list[dict[str, Any]]:
        if not self.groups:
            return []
        rows = []
        for row in self.by_group(level).reset_index().to_dict("records"):
            named = {key: row[key] for key in ("column", "group", "quantizer")}
            whole = {key: int(row[key]) for key in ("records", "held_out")}
            numbers = {str(k): float(v) for k, v in row.items() if k not in {*named, *whole, "in_domain"}}
            rows.append(json_ready({**named, **whole, **numbers}))
        return rows
