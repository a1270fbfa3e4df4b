"""How a verdict is reached: exact, numeric or statistical, the limits of a formula, and negative controls.

Every decision answers ``passed(level)``. Only statistical decisions use the level, the share of the family-wise
false-alarm rate that one statistical check receives; see :func:`level_per_check`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from scipy.special import log_ndtr, stdtr

from qmis_stats.results import MISResult

__all__ = [
    "FAMILY_WISE_RATE",
    "Control",
    "Decision",
    "Exact",
    "Limit",
    "Numeric",
    "Statistical",
    "binomial_decision",
    "level_per_check",
    "z_decision",
    "z_score",
]

_DECIMALS, _DIGITS = 11, 6
FAMILY_WISE_RATE = 1e-6
"""Probability that a correct package fails any statistical check in one run."""


def level_per_check(checks: int) -> float:
    """Return the level of one statistical check, by Bonferroni over all statistical checks of a run.

    Examples
    --------
    >>> level_per_check(100)
    1e-08
    """
    return FAMILY_WISE_RATE / max(checks, 1)


def _rounded(deviation: float) -> float:
    """Return a deviation for reports without its last bits, which depend on how a library sums."""
    return float(f"{round(deviation, _DECIMALS):.{_DIGITS}g}") if math.isfinite(deviation) else deviation


@dataclass(frozen=True)
class Exact:
    """An identity or inequality that holds or does not, without tolerance."""

    holds: bool
    what: str
    kind: ClassVar[str] = "exact"

    def passed(self, level: float) -> bool:
        """Return whether the identity holds; ``level`` is not used."""
        return self.holds

    def describe(self) -> str:
        """Return what was compared."""
        return self.what

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {"what": self.what}


@dataclass(frozen=True)
class Numeric:
    """``|deviation| ≤ bound``, and the method claims to be inside its domain."""

    deviation: float
    bound: float
    in_domain: bool = True
    kind: ClassVar[str] = "numeric"

    def passed(self, level: float) -> bool:
        """Return whether the bound is kept; a NaN never keeps it."""
        return self.in_domain and abs(self.deviation) <= self.bound

    def describe(self) -> str:
        """Return deviation and bound."""
        text = f"{_rounded(self.deviation):+.2g}, bound {self.bound:.2g}"
        return text if self.in_domain else f"{text}, out of domain"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {"deviation": _rounded(self.deviation), "bound": self.bound, "in_domain": bool(self.in_domain)}


@dataclass(frozen=True)
class Statistical:
    """``p_value ≥ level`` for a named test."""

    test: str
    statistic: float
    p_value: float
    kind: ClassVar[str] = "statistical"

    def passed(self, level: float) -> bool:
        """Return whether the test does not reject."""
        return self.p_value >= level

    def describe(self) -> str:
        """Return the statistic, and the p-value of tests other than z and t."""
        if self.test.split()[0] in ("z", "t"):
            return f"{self.test} = {self.statistic:+.2f}"
        return f"{self.test} {self.statistic:.3g}, p = {self.p_value:.2g}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {"test": self.test, "statistic": self.statistic, "p_value": self.p_value}


@dataclass(frozen=True)
class Limit:
    """Outside its domain a formula must be off by at least ``least``, and must say so (``in_domain = False``)."""

    deviation: float
    least: float
    in_domain: bool
    kind: ClassVar[str] = "limit"

    def passed(self, level: float) -> bool:
        """Return whether the failure is seen and announced."""
        return not self.in_domain and abs(self.deviation) >= self.least

    def describe(self) -> str:
        """Return how far off it is and what the method said."""
        said = "in domain (wrong)" if self.in_domain else "says so"
        return f"off by {self.deviation:+.2g}, {said}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {"deviation": _rounded(self.deviation), "least": self.least, "in_domain": bool(self.in_domain)}


@dataclass(frozen=True)
class Control:
    """A negative control: a deliberately wrong number, which the same decision must reject."""

    decision: Exact | Numeric | Statistical
    kind: ClassVar[str] = "control"

    def passed(self, level: float) -> bool:
        """Return whether the wrong number is rejected."""
        return not self.decision.passed(level)

    def describe(self) -> str:
        """Return what the decision saw."""
        return f"to be rejected: {self.decision.describe()}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {"controlled": self.decision.kind, **self.decision.to_dict()}


Decision = Exact | Numeric | Statistical | Limit | Control


def z_score(result: MISResult, log_delta: float) -> float:
    """Return (Δ̂ − Δ)/se(Δ̂) from logarithms; infinite when the simulation saw nothing but Δ > 0.

    Examples
    --------
    >>> round(z_score(MISResult("crude", 10, math.log(1.01), 0.01), 0.0), 3)
    0.99
    """
    if math.isinf(result.log_delta) or not result.std_error:
        return 0.0 if result.log_delta == log_delta else math.copysign(math.inf, result.log_delta - log_delta)
    return -math.expm1(log_delta - result.log_delta) / result.std_error


def z_decision(deviation: float, std_error: float, model_bound: float = 0.0, dof: int | None = None) -> Statistical:
    """Return the two-sided z test of a deviation, less what the model may be off by.

    With a ``model_bound`` the null hypothesis is the interval |true deviation| ≤ bound and the p-value is an upper
    bound, so the false-alarm rate is kept. With ``dof`` degrees of freedom of the standard error it is a t test.

    Examples
    --------
    >>> z_decision(0.03, 0.01).p_value < 0.003 < z_decision(0.03, 0.01, model_bound=0.02).p_value
    True
    """
    excess = math.copysign(max(abs(deviation) - model_bound, 0.0), deviation)
    z = excess / std_error if std_error > 0.0 else (0.0 if excess == 0.0 else math.copysign(math.inf, excess))
    letter = "z" if dof is None else "t"
    name = letter if model_bound == 0.0 else f"{letter} beyond ±{model_bound:.2g}"
    tail = math.exp(float(log_ndtr(-abs(z)))) if dof is None else float(stdtr(dof, -abs(z)))
    return Statistical(name, z, min(1.0, 2.0 * tail))


def binomial_decision(hits: int, trials: int, rate: float) -> Statistical:
    """Return the exact two-sided binomial test of a success rate.

    Examples
    --------
    >>> binomial_decision(380, 400, 0.95).p_value
    1.0
    """
    from scipy.stats import binomtest  # slow to load

    return Statistical("exact binomial", hits / trials, float(binomtest(hits, trials, rate).pvalue))
