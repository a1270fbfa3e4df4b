"""Groups of an audit: what leaks of the records of each, and how well each is predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.audit.data import Task
from qmis_stats.audit.performance import Performance, measure
from qmis_stats.inference.shares import clopper_pearson
from qmis_stats.leak.group_results import GroupLeak
from qmis_stats.leak.leakage_result import LeakageResult
from qmis_stats.validation import checked_level

if TYPE_CHECKING:
    import pandas as pd

    from qmis_stats.audit.attacks.attack_leak import AttackLeak

__all__ = ["FEWEST_HELD", "Subgroups", "family_level", "group_performance"]

FEWEST_HELD = 30
"""A group with fewer evaluation points is too small for a score of its own."""


@dataclass(frozen=True, eq=False)
class Subgroups:
    """The groups of one column.

    Attributes
    ----------
    name : str
        Of the column, ``"class"`` for the classes of the target.
    labels : (n,) ndarray of str
        Group of each record that the leak is of: of training records, or of all rows that attacks drew them from.
    leak : LeakageResult, AttackLeak or None
        Of all records together; ``None`` where theory has none, and attacks did not measure it.
    held : dict of str to int
        Evaluation points of each group.
    scores : dict of str to Performance
        Of the groups with at least ``FEWEST_HELD`` evaluation points.
    metric : str
        What is told of each group: ``"accuracy"``, or ``"mae"`` of a regression.
    """

    name: str
    labels: NDArray[np.str_]
    leak: LeakageResult | AttackLeak | None
    held: Mapping[str, int]
    scores: Mapping[str, Performance]
    metric: str

    @cached_property
    def leaks(self) -> GroupLeak | None:
        """What each group leaks under each quantizer; ``None`` where that is not known."""
        return None if self.leak is None else self.leak.by_group(self.labels)

    @property
    def groups(self) -> tuple[str, ...]:
        """All groups, in the training records or among the evaluation points."""
        return tuple(sorted({*self.labels.tolist(), *self.held}))

    def score(self, group: str, release: str, level: float) -> tuple[float, float, float] | None:
        """Return the score of a group under one release with its interval; ``None`` where it is too small.

        Of an accuracy the interval is that of Clopper and Pearson at the effective number of points, whose variance
        over points and runs is that of the estimate: all right or all wrong is not taken for certain.

        Parameters
        ----------
        group, release : str
            Which.
        level : float
            Confidence level for the scores of all groups under this release together (Bonferroni).
        """
        checked_level(level)
        found = self.scores.get(group)
        if found is None:
            return None
        each = 1.0 - (1.0 - level) / len(self.scores)
        q, m = found.names.index(release), found.metrics.index(self.metric)
        value = float(found.estimates[q, m])
        if self.metric == "accuracy":
            runs = found.values[q, m]
            between = float(runs.var(ddof=1)) / runs.size if runs.size > 1 else 0.0
            variance = float(found.points_se[q, m]) ** 2 + between
            trials = float(self.held[group])
            if 0.0 < value < 1.0 and variance > 0.0:
                trials = min(trials, value * (1.0 - value) / variance)
            low, high = clopper_pearson(value * trials, trials, each)
        else:
            low, high = map(float, found.conf_int(each)[q, m])
        return value, low, high

    def to_frame(self, level: float = 0.95) -> pd.DataFrame:
        """Return a row per group and release: what leaks, and how well it is predicted, with simultaneous intervals.

        Parameters
        ----------
        level : float
            For all groups and releases together (leak), for all groups under one release (score).
        """
        import pandas as pd

        releases = next(iter(self.scores.values())).names if self.scores else ()
        if self.leak is not None:
            releases = self.leak.names
        index = pd.MultiIndex.from_product([self.groups, releases], names=["group", "quantizer"])
        rows = []
        for group, release in index:
            found = self.score(group, release, level) or (np.nan, np.nan, np.nan)
            rows.append([int(np.sum(self.labels == group)), self.held.get(group, 0), *found])
        m = self.metric
        frame = pd.DataFrame(rows, index=index, columns=["records", "held_out", m, f"{m}_low", f"{m}_high"])
        if self.leaks is None or not self.leaks.groups:
            return frame
        return frame.join(self.leaks.to_frame(level).drop(columns="records"))


def family_level(columns: Sequence[Subgroups], level: float) -> float:
    """Return the level of each column, so that what is said of all columns holds together (Bonferroni)."""
    return 1.0 - (1.0 - checked_level(level)) / max(len(columns), 1)


def group_performance(
    task: Task,
    y: FloatArray,
    predictions: Mapping[str, Sequence[FloatArray]],
    labels: NDArray[np.str_],
    clusters: IntArray | None = None,
) -> tuple[dict[str, int], dict[str, Performance]]:
    """Return the evaluation points of each group, and the scores of those that are large enough.

    Parameters
    ----------
    task : str
        Decides the scores.
    y : (N,) ndarray
        Target of the evaluation points.
    predictions : dict of str to sequence of ndarray
        Of each run; the last entry is the reference.
    labels : (N,) ndarray of str
        Group of each evaluation point.
    clusters : (N,) ndarray of int, optional
        Points of one cluster are not independent: a group has as many points as clusters then.

    Examples
    --------
    >>> y, labels = np.tile([0.0, 1.0], 50), np.repeat(["a", "b"], [80, 20])
    >>> held, found = group_performance("binary", y, {"identity": [0.8 * y]}, labels)
    >>> held, list(found), float(found["a"].estimates[0, 1])
    ({'a': 80, 'b': 20}, ['a'], 1.0)
    """
    held, found = {}, {}
    for group in np.unique(labels):
        rows = np.flatnonzero(labels == group)
        inside = None if clusters is None else clusters[rows]
        held[str(group)] = rows.size if inside is None else int(np.unique(inside).size)
        if held[str(group)] >= FEWEST_HELD:
            some: dict[str, Sequence[FloatArray]] = {
                name: [p[rows] for p in runs] for name, runs in predictions.items()
            }
            found[str(group)] = measure(task, y[rows], some, inside)
    return held, found
