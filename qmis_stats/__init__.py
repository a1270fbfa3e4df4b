"""Membership inference security (MIS) of quantized models.

One quantity, Δ_n = 1 − MIS_n, by three routes that must agree: theory (formulas), exact (oracles), simulate
(Monte Carlo). The public verb is :func:`mis`.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from qmis_stats._lazy import lazy_names

if TYPE_CHECKING:
    from qmis_stats.errors import (
        BackendUnavailableError,
        DomainError,
        DomainWarning,
        InputError,
        MissingExtraError,
        QmisError,
    )
    from qmis_stats.evaluate import METHODS, mis
    from qmis_stats.experiment import Experiment, load_experiment
    from qmis_stats.inference.gap_intervals import gap_interval
    from qmis_stats.inference.indicator import Indicator, indicator
    from qmis_stats.inference.losses import LossBlocks
    from qmis_stats.inference.ranking import Ranking, rank
    from qmis_stats.inference.tracker import Tracker
    from qmis_stats.laws import (
        FiniteLaw,
        GaussianMean,
        GaussianMixture,
        LinearRegression,
        LogisticRegression,
        PoissonRegression,
    )
    from qmis_stats.leak import LeakageResult, leakage
    from qmis_stats.problem import Face, Problem
    from qmis_stats.procedures import CodebookERM, LossTable, ReleasedHistogram, ThresholdPTQ
    from qmis_stats.quantizers import FixedThresholds, LloydMax, Sign, Ternary, Uniform
    from qmis_stats.results import MISResult, MISSeries, ROCCurve

try:
    __version__ = version("qmis_stats")
except PackageNotFoundError:  # running from a source tree that was never installed
    __version__ = "0+unknown"

_HOMES = {
    "errors": (
        "BackendUnavailableError",
        "DomainError",
        "DomainWarning",
        "InputError",
        "MissingExtraError",
        "QmisError",
    ),
    "evaluate": ("METHODS", "mis"),
    "experiment": ("Experiment", "load_experiment"),
    "inference.indicator": ("Indicator", "indicator"),
    "inference.gap_intervals": ("gap_interval",),
    "inference.losses": ("LossBlocks",),
    "inference.ranking": ("Ranking", "rank"),
    "inference.tracker": ("Tracker",),
    "leak": ("LeakageResult", "leakage"),
    "laws": (
        "FiniteLaw",
        "GaussianMean",
        "GaussianMixture",
        "LinearRegression",
        "LogisticRegression",
        "PoissonRegression",
    ),
    "problem": ("Face", "Problem"),
    "procedures": ("CodebookERM", "LossTable", "ReleasedHistogram", "ThresholdPTQ"),
    "quantizers": ("FixedThresholds", "LloydMax", "Sign", "Ternary", "Uniform"),
    "results": ("MISResult", "MISSeries", "ROCCurve"),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "METHODS",
    "BackendUnavailableError",
    "CodebookERM",
    "DomainError",
    "DomainWarning",
    "Experiment",
    "Face",
    "FiniteLaw",
    "FixedThresholds",
    "GaussianMean",
    "GaussianMixture",
    "Indicator",
    "InputError",
    "LeakageResult",
    "LinearRegression",
    "LloydMax",
    "LogisticRegression",
    "LossBlocks",
    "LossTable",
    "MISResult",
    "MISSeries",
    "MissingExtraError",
    "PoissonRegression",
    "Problem",
    "QmisError",
    "ROCCurve",
    "Ranking",
    "ReleasedHistogram",
    "Sign",
    "Ternary",
    "ThresholdPTQ",
    "Tracker",
    "Uniform",
    "__version__",
    "gap_interval",
    "indicator",
    "leakage",
    "load_experiment",
    "mis",
    "rank",
]
