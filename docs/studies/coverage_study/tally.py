"""Rows of the study: coverage with its interval, widths with theirs, misses on either side."""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import binomtest

COLUMNS = (
    "part",
    "law",
    "configuration",
    "N",
    "K",
    "Q",
    "method",
    "regular",
    "replicates",
    "coverage",
    "low",
    "high",
    "width",
    "width_low",
    "width_high",
    "below",
    "above",
)


@dataclass(frozen=True)
class Setting:
    """What is simulated; ``options`` are the arguments of the part's own function."""

    part: str
    law: str
    configuration: str
    N: int | None
    K: int | None = None
    Q: int | None = None
    regular: bool = True
    replicates: int = 1000
    options: dict = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        return "|".join(str(v or "") for v in (self.part, self.law, self.configuration, self.N, self.K, self.Q))


@dataclass
class Tally:
    """Counts of one method."""

    replicates: int = 0
    below: int = 0
    above: int = 0
    covered: int = 0
    widths: list = field(default_factory=list)

    def add(self, below: object, above: object, width: object) -> None:
        """Count replicates whose interval lies below the truth, above it, or on both sides (sets of ranks)."""
        low, high = np.atleast_1d(below).astype(bool), np.atleast_1d(above).astype(bool)
        self.replicates += low.size
        self.below += int(low.sum())
        self.above += int(high.sum())
        self.covered += int(np.sum(~low & ~high))
        self.widths.append(np.atleast_1d(np.asarray(width, dtype=float)))

    def row(self, setting: Setting, method: str) -> dict:
        interval = binomtest(self.covered, self.replicates).proportion_ci(0.95, "exact")
        width, low, high = mean_interval(np.concatenate(self.widths))
        return {
            **identity(setting, method, self.replicates),
            "coverage": f"{self.covered / self.replicates:.5f}",
            "low": f"{interval.low:.5f}",
            "high": f"{interval.high:.5f}",
            "width": f"{width:.5g}",
            "width_low": f"{low:.5g}",
            "width_high": f"{high:.5g}",
            "below": self.below,
            "above": self.above,
        }


def identity(setting: Setting, method: str, replicates: int) -> dict:
    return {
        "part": setting.part,
        "law": setting.law,
        "configuration": setting.configuration,
        "N": setting.N or "",
        "K": setting.K or "",
        "Q": setting.Q or "",
        "method": method,
        "regular": "yes" if setting.regular else "no",
        "replicates": replicates,
    }


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of the finite values with its normal 95 % interval."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return math.inf, math.inf, math.inf
    half = 1.96 * float(finite.std()) / math.sqrt(finite.size)
    return float(finite.mean()), float(finite.mean()) - half, float(finite.mean()) + half
