"""What a claim is made of: rows of numbers with decisions, and the data of its plots."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from qmis_stats.errors import DomainWarning
from qmis_stats.evaluate import mis
from qmis_stats.json_values import json_ready
from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.verify.decisions import Decision, Numeric, z_decision, z_score

__all__ = [
    "Claim",
    "Context",
    "Evidence",
    "Plot",
    "Row",
    "Series",
    "method_row",
    "simulation_row",
]

_DIGITS = 10
_PLOTTED = 6  # differences keep no more
Scale = Literal["log", "plain"]


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    setting : str
        What was computed, in words.
    decision : Decision
        How the verdict is reached.
    n : int or None
        Sample size.
    theory, exact, estimate : float or None
        Values in the claim's quantity; ``estimate`` by Monte Carlo.
    std_error : float or None
        Standard error of ``estimate`` (of log Δ when the claim's scale is logarithmic).
    interval : (float, float) or None
        Confidence interval shown instead of the standard error.
    """

    setting: str
    decision: Decision
    n: int | None = None
    theory: float | None = None
    exact: float | None = None
    estimate: float | None = None
    std_error: float | None = None
    interval: tuple[float, float] | None = None

    def to_dict(self, level: float) -> dict[str, Any]:
        """Return JSON-ready data with the verdict at ``level``."""
        found = {
            "setting": self.setting,
            "n": self.n,
            "theory": self.theory,
            "exact": self.exact,
            "monte_carlo": self.estimate,
            "std_error": self.std_error,
            "interval": self.interval,
            "kind": self.decision.kind,
            "decision": self.decision.to_dict(),
            "passed": bool(self.decision.passed(level)),
        }
        return dict(json_ready(found, _DIGITS))


@dataclass(frozen=True)
class Series:
    """Points of one curve; ``style`` is a line, a dashed reference or points with optional standard errors."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: Literal["line", "reference", "points"] = "line"
    error: Sequence[float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "label": self.label,
            "x": json_ready([float(v) for v in self.x], _DIGITS),
            "y": json_ready([float(v) for v in self.y], _PLOTTED),
            "error": None if self.error is None else json_ready([float(v) for v in self.error], _PLOTTED),
        }


@dataclass(frozen=True)
class Plot:
    """The data of one figure; the drawing is elsewhere and computes nothing.

    Attributes
    ----------
    title, x_label, y_label : str
        Texts of the figure.
    alt : str
        What a reader who does not see the figure should know.
    series : tuple of Series
        What is drawn.
    x_log, y_log : bool
        Logarithmic axes.
    """

    title: str
    x_label: str
    y_label: str
    alt: str
    series: tuple[Series, ...]
    x_log: bool = False
    y_log: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "title": self.title,
            "x_label": self.x_label,
            "y_label": self.y_label,
            "series": [s.to_dict() for s in self.series],
        }


@dataclass(frozen=True)
class Evidence:
    """What checking a claim produced."""

    rows: Sequence[Row]
    plots: Sequence[Plot] = field(default_factory=tuple)


@dataclass(frozen=True)
class Context:
    """Settings of one run, and the only door to the package's methods and to random numbers.

    Attributes
    ----------
    quick : bool
        Whether the short version is run.
    seed : int
        In [0, 2³²); the seed of every check is derived from it and the check's name.
    """

    quick: bool
    seed: int

    def choose(self, quick: int, full: int) -> int:
        """Return a size by the length of the run."""
        return quick if self.quick else full

    def choose_many(self, quick: tuple[int, ...], full: tuple[int, ...]) -> tuple[int, ...]:
        """Return a grid by the length of the run."""
        return quick if self.quick else full

    def seed_of(self, key: str) -> int:
        """Return the seed of the check called ``key``: different checks use independent random numbers."""
        return zlib.crc32(f"{self.seed}:{key}".encode())

    def rng(self, key: str) -> np.random.Generator:
        """Return a generator for drawing problems, independent of the simulations."""
        return np.random.default_rng([self.seed, zlib.crc32(key.encode())])

    def evaluate(self, problem: Problem, n: int, method: str, *, key: str = "", replicates: int = 100_000) -> MISResult:
        """Return ``mis(...)``; whether the method was inside its domain is read from the result."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DomainWarning)
            return mis(problem, n, method, replicates=replicates, seed=self.seed_of(key))


@dataclass(frozen=True)
class Claim:
    """A statement with its law, its formula and the function that checks it.

    Attributes
    ----------
    key : str
        Unique name, ``module.what``.
    statement : str
        Label of the statement, ``"S1"`` to ``"S18"``.
    title, text, formula, law, decided : str
        Heading; the statement in words; its formula; law and parameters; how the verdict is decided.
    quantity : str
        What theory, exact and Monte Carlo columns hold; on the logarithmic scale these hold its logarithm.
    check : callable
        From a :class:`Context` to :class:`Evidence`.
    scale : {"log", "plain"}
        Whether the columns hold natural logarithms.
    """

    key: str
    statement: str
    title: str
    text: str
    formula: str
    law: str
    decided: str
    check: Callable[[Context], Evidence]
    quantity: str = "Δ"
    scale: Scale = "log"


def method_row(setting: str, found: MISResult, truth: MISResult, bound: float) -> Row:
    """Return a numeric row: a formula against an oracle, ``|log ratio| ≤ bound``, inside the formula's domain."""
    deviation = found.log_delta - truth.log_delta
    return Row(
        setting,
        Numeric(deviation, bound, found.in_domain),
        n=found.n,
        theory=found.log_delta,
        exact=truth.log_delta,
    )


def simulation_row(setting: str, result: MISResult, log_delta: float, *, model_bound: float | None = None) -> Row:
    """Return a statistical row: a simulation against ``log_delta``.

    ``log_delta`` is an oracle's value, or, with a ``model_bound``, a formula's that may be off by that much.
    """
    if model_bound is None:
        z = z_score(result, log_delta)
        decision = z_decision(z, 1.0, dof=result.dof)
        return Row(setting, decision, result.n, None, log_delta, result.log_delta, result.std_error)
    error = result.std_error if result.std_error is not None else 0.0
    decision = z_decision(result.log_delta - log_delta, error, model_bound, result.dof)
    return Row(setting, decision, result.n, log_delta, None, result.log_delta, result.std_error)
