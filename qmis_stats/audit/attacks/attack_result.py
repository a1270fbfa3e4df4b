"""What an attack achieved: accuracy, area under the ROC curve, true positive rates at small false ones (S1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from qmis_stats.arrays import Flags, FloatArray, Indices
from qmis_stats.audit.attacks.attack_intervals import clustered_share, excess_p_value, mean_bounds, student
from qmis_stats.inference.areas import area_interval, delong
from qmis_stats.json_values import json_ready
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table, with_ends

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ATTACK_FPR", "AttackResult", "Rate"]

ATTACK_FPR = (1e-1, 1e-2, 1e-3)
"""False positive rates that thresholds are fixed for."""


@dataclass(frozen=True)
class Rate:
    """True positive rate at a threshold that was fixed on the calibration training runs.

    Attributes
    ----------
    nominal : float
        False positive rate that the threshold was fixed for.
    threshold : float
        Scores of at least this much are called members.
    resolved : bool
        Whether the calibration training runs showed enough non-members, 1/nominal or more.
    tpr, fpr : tuple of float
        Estimate, lower and upper limit on the target runs.
    """

    nominal: float
    threshold: float
    resolved: bool
    tpr: tuple[float, float, float]
    fpr: tuple[float, float, float]


@dataclass(frozen=True, eq=False, repr=False)
class AttackResult(NotebookResult):
    """One attack against the target runs.

    Attributes
    ----------
    name : str
        Of the attack.
    scores : (T, 2m) ndarray
        Of the points shown by each target training run; large says "member".
    member : (T, 2m) ndarray of bool
        The answers, m in each row.
    threshold : float
        Scores of at least this much are called members, for the accuracy.
    cuts : tuple of (float, float, bool)
        Nominal false positive rates, their thresholds, and whether they are resolved.
    delta : float or None
        Δ of the most powerful attack, where it is known.
    control : str
        Kind of control, empty for the game itself.
    level : float
        Confidence level of the intervals.
    rehearsal : AttackResult or None
        The same attack on the calibration trainings: one that is chosen by it is judged on others.
    rows : (T, 2m) ndarray of int or None
        Rows of the data set that were judged; ``None`` in a game with a sampler.

    Examples
    --------
    >>> member = np.tile([True, False], (200, 1))
    >>> noise = np.random.default_rng(1).normal(size=(200, 2))
    >>> result = AttackResult("shift", noise + member, member, 0.5, ((0.1, 1.28, True),))
    >>> round(result.accuracy, 3), round(result.auc, 3), [round(v, 2) for v in result.rates[0].tpr]
    (0.682, 0.763, [0.31, 0.25, 0.38])
    """

    name: str
    scores: FloatArray
    member: Flags
    threshold: float
    cuts: tuple[tuple[float, float, bool], ...]
    delta: float | None = None
    control: str = ""
    level: float = 0.95
    rehearsal: AttackResult | None = None
    rows: Indices | None = None

    @property
    def trainings(self) -> int:
        """Number T of target runs."""
        return int(self.member.shape[0])

    @property
    def pairs(self) -> int:
        """Pairs of a member and a non-member in each."""
        return int(self.member.shape[1]) // 2

    @cached_property
    def correct(self) -> FloatArray:
        """Share of right answers in each target training run, shape (T,): independent numbers in [0, 1]."""
        return np.asarray(np.mean((self.scores >= self.threshold) == self.member, axis=1))

    @property
    def accuracy(self) -> float:
        """Share of right answers, with as many members as non-members."""
        return float(np.mean(self.correct))

    @property
    def advantage(self) -> float:
        """True minus false positive rate, 2·accuracy − 1; Δ is the largest possible one."""
        return 2.0 * self.accuracy - 1.0

    def accuracy_interval(self, level: float | None = None) -> tuple[float, float]:
        """Return Student's interval for the accuracy from the training runs' shares of right answers, within [0, 1].

        With shares that are all the same it falls back on :meth:`guaranteed_accuracy`.
        """
        chosen = self.level if level is None else level
        low, high = student(self.correct, chosen)
        return self.guaranteed_accuracy(chosen) if low == high else (max(0.0, low), min(1.0, high))

    def guaranteed_accuracy(self, level: float | None = None) -> tuple[float, float]:
        """Return limits for the accuracy that hold at any number of training runs (Hoeffding 1963); they are wider."""
        return mean_bounds(self.accuracy, self.trainings, self.level if level is None else level)

    def excess_p_value(self) -> float | None:
        """Return a p-value of "the accuracy is at most (1 + Δ)/2"; ``None`` where Δ is not known.

        Valid at every number of runs, however the points of one training run depend on each other. A small one says
        that the attack sees more than it may, or that Δ is wrong.
        """
        return None if self.delta is None else excess_p_value(self.accuracy, self.trainings, 0.5 * (1.0 + self.delta))

    def chance_p_value(self) -> float:
        """Return a p-value of "the accuracy is one half", two-sided and valid at every number of training runs.

        Where labels were drawn anew (``control="labels"``) it is conditional on the scores: of c points that a training
        run has called members, a hypergeometric number are, which is less spread than c coins (Hoeffding 1963, section
        6), and so are the non-members among those that were not called. Otherwise the training runs alone are
        independent.
        """
        away, coins = abs(self.accuracy - 0.5), self.trainings
        if self.control == "labels":
            called = np.sum(self.scores >= self.threshold, axis=1)
            coins = int(np.sum(np.minimum(called, 2 * self.pairs - called)))
            away *= self.pairs * self.trainings / max(coins, 1)
        return min(1.0, 2.0 * excess_p_value(min(0.5 + away, 1.0), coins, 0.5))

    def _places(self) -> tuple[Indices, Indices]:
        return np.nonzero(self.member)[0], np.nonzero(~self.member)[0]

    @cached_property
    def _area(self) -> tuple[float, float]:
        areas, covariance = delong(self.scores[self.member], self.scores[~self.member], *self._places())
        return float(areas[0]), float(covariance[0, 0])

    @property
    def auc(self) -> float:
        """Area under the ROC curve, ties counting half."""
        return self._area[0]

    @property
    def auc_std_error(self) -> float:
        """Its standard error, with the points of one training run as a cluster."""
        return math.sqrt(max(self._area[1], 0.0))

    def auc_interval(self, level: float | None = None) -> tuple[float, float]:
        """Return the interval for the AUC: DeLong's, with training runs as clusters."""
        return area_interval(*self._area, self.trainings, self.level if level is None else level)

    @cached_property
    def rates(self) -> tuple[Rate, ...]:
        """True positive rates at thresholds fixed on the calibration training runs.

        With one pair per training run both intervals are Clopper and Pearson's, and exact; with more they are theirs at
        the effective number of points.
        """
        members = self.scores[self.member].reshape(self.trainings, -1)
        non_members = self.scores[~self.member].reshape(self.trainings, -1)
        return tuple(
            Rate(
                nominal,
                cut,
                resolved,
                clustered_share(members >= cut, self.level),
                clustered_share(non_members >= cut, self.level),
            )
            for nominal, cut, resolved in self.cuts
        )

    def versus(self, other: AttackResult) -> tuple[float, float]:
        """Return the difference of the AUCs, this less the other's, with its standard error on the same points.

        Parameters
        ----------
        other : AttackResult
            On the same target runs.
        """
        mine, theirs = self.scores, other.scores
        areas, covariance = delong(
            np.array([mine[self.member], theirs[self.member]]),
            np.array([mine[~self.member], theirs[~self.member]]),
            *self._places(),
        )
        variance = float(covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1])
        return float(areas[0] - areas[1]), math.sqrt(max(variance, 0.0))

    def _row(self) -> dict[str, Any]:
        low, high = self.accuracy_interval()
        auc_low, auc_high = self.auc_interval()
        row: dict[str, Any] = {
            "control": self.control,
            "accuracy": self.accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "advantage": self.advantage,
            "auc": self.auc,
            "auc_low": auc_low,
            "auc_high": auc_high,
        }
        for rate in self.rates:
            name = f"{rate.nominal:g}"
            for kind, values in (("tpr", rate.tpr), ("fpr", rate.fpr)):
                row |= dict(zip((f"{kind}_{name}", f"{kind}_{name}_low", f"{kind}_{name}_high"), values, strict=True))
            row[f"resolved_{name}"] = rate.resolved
        return row

    def to_frame(self) -> pd.DataFrame:
        """Return one row: accuracy, advantage, AUC, and rates with their intervals."""
        import pandas as pd

        return pd.DataFrame([self._row()], index=pd.Index([self.name], name="attack"))

    def title(self) -> str:
        """Return the caption of the table."""
        return f"An attack on {self.trainings} training runs with {self.pairs} pair(s) each"

    def tables(self) -> list[Table]:
        """Return a row per number."""
        percent = f"{100.0 * self.level:g}%"
        name = self.name + (f" (control: {self.control})" if self.control else "")
        rows = [
            ("training runs x pairs", f"{self.trainings} x {self.pairs}"),
            (f"accuracy {percent}", with_ends(self.accuracy, *self.accuracy_interval(), ".4f")),
            (f"AUC {percent}", with_ends(self.auc, *self.auc_interval(), ".4f")),
        ]
        for rate in self.rates:
            mark = "" if rate.resolved else "  (too few non-members to fix this threshold)"
            rows.append((f"TPR at FPR {rate.nominal:g}", with_ends(*rate.tpr, ".4f") + mark))
            rows.append(("  FPR found", with_ends(*rate.fpr, ".4f")))
        if self.delta is not None:
            rows.append(("optimal accuracy", f"{0.5 * (1.0 + self.delta):.4f}"))
            rows.append(("p-value of an excess", f"{self.excess_p_value():.3g}"))
        return [Table(self.title(), ("attack", name), rows, frozenset({0, 1}))]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "attack": self.name,
            "control": self.control or None,
            "level": self.level,
            "trainings": self.trainings,
            "pairs": self.pairs,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval()),
            "advantage": self.advantage,
            "auc": self.auc,
            "auc_std_error": self.auc_std_error,
            "auc_interval": list(self.auc_interval()),
            "threshold": json_ready(self.threshold),
            "rates": [
                {
                    "nominal_fpr": r.nominal,
                    "threshold": json_ready(r.threshold),
                    "resolved": r.resolved,
                    "tpr": r.tpr[0],
                    "tpr_interval": list(r.tpr[1:]),
                    "fpr": r.fpr[0],
                    "fpr_interval": list(r.fpr[1:]),
                }
                for r in self.rates
            ],
            "optimal_accuracy": None if self.delta is None else 0.5 * (1.0 + self.delta),
            "excess_p_value": self.excess_p_value(),
            "chance_p_value": self.chance_p_value(),
        }
