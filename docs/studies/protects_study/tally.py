"""Pairs of releases over data sets: areas, errors, paired differences, and which of them are shown (Holm)."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtr

from qmis_stats.inference import holm as procedure

FIELDS = (
    "setting", "way", "knob", "release", "reference", "sets", "area", "reference_area", "more", "more_error", "more_p",
    "price", "reference_price", "cost", "cost_error", "cost_p", "in_domain",
)  # fmt: skip
LEVEL = 0.05


@dataclass(eq=False)
class Pairs:
    """What was found of pairs of releases in one setting."""

    setting: str
    way: str
    outside: set[str] = field(default_factory=set)
    _seen: dict[tuple[str, str, str], list[tuple[float, ...]]] = field(default_factory=lambda: defaultdict(list))
    _once: list[dict] = field(default_factory=list)

    def add(self, knob: str, one: str, other: str, *numbers: float) -> None:
        """Add AUCs of a pair and then their prices, of one more independent data set."""
        self._seen[knob, one, other].append(numbers)

    def add_once(
        self, knob: str, one: str, other: str, areas: tuple[float, float], variances: tuple[float, float, float],
        dof: float, costs: np.ndarray,
    ) -> None:  # fmt: skip
        """Add a pair of one fit: areas, their variances and covariance, and prices point by point, (2, points)."""
        error = math.sqrt(max(variances[0] + variances[1] - 2.0 * variances[2], 0.0))
        gap = costs[0] - costs[1]
        self._once.append(
            self._row(knob, one, other, 1, areas, error, dof, tuple(costs.mean(axis=1)), _error(gap), gap.size - 1)
        )

    def rows(self) -> list[dict]:
        """Return a row per pair; p values are adjusted over all differences of the setting together (Holm)."""
        found = list(self._once)
        for (knob, one, other), seen in self._seen.items():
            numbers = np.array(seen)
            more, cost = numbers[:, 0] - numbers[:, 1], numbers[:, 2] - numbers[:, 3]
            areas, prices = tuple(numbers.mean(axis=0)[:2]), tuple(numbers.mean(axis=0)[2:])
            dof = len(numbers) - 1
            found.append(self._row(knob, one, other, len(numbers), areas, _error(more), dof, prices, _error(cost), dof))
        for name, adjusted in zip(("more_p", "cost_p"), np.split(holm(
            np.array([row[p] for p in ("more_p", "cost_p") for row in found])), 2), strict=True):  # fmt: skip
            for row, p in zip(found, adjusted, strict=True):
                row[name] = float(p)
        return found

    def _row(self, knob, one, other, sets, areas, more_error, more_dof, prices, cost_error, cost_dof) -> dict:
        more, cost = areas[0] - areas[1], prices[0] - prices[1]
        return {
            "setting": self.setting, "way": self.way, "knob": knob, "release": one, "reference": other, "sets": sets,
            "area": areas[0], "reference_area": areas[1],
            "more": more, "more_error": more_error, "more_p": two_sided(more, more_error, more_dof),
            "price": prices[0], "reference_price": prices[1],
            "cost": cost, "cost_error": cost_error, "cost_p": two_sided(cost, cost_error, cost_dof),
            "in_domain": str(not {one, other} & self.outside),
        }  # fmt: skip


def _error(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(values.size))


def two_sided(gap: float, error: float, dof: float) -> float:
    """Return Student's p value of a difference; NaN of one that is zero by construction."""
    if error <= 0.0:
        return 0.0 if gap else math.nan
    return float(2.0 * stdtr(dof, -abs(gap) / error))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p values adjusted by Holm's method; NaN is no test.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3)
    array([0.03, 0.06, 0.06])
    """
    found, tested = np.full_like(p, np.nan), np.isfinite(p)
    if tested.any():
        found[tested] = procedure.adjusted(p[tested])
    return found
