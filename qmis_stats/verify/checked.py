"""A claim with what checking it produced, and how its numbers are written."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from qmis_stats.verify.evidence import Claim, Plot, Row, Scale

__all__ = ["CheckedClaim", "format_estimate", "format_value"]


def format_value(value: float | None, scale: Scale) -> str:
    """Return a value for a table; logarithms are shown as the number itself, whatever its size.

    Examples
    --------
    >>> format_value(-1000.0, "log"), format_value(0.25, "plain"), format_value(None, "plain")
    ('5.0760e-435', '0.25', '')
    """
    if value is None:
        return ""
    if scale == "plain":
        return f"{value:.6g}"
    if value == -math.inf:
        return "0"
    if value > math.log(1e-4):
        return f"{math.exp(value):.5f}"
    exponent = math.floor(value / math.log(10.0))
    mantissa = f"{math.exp(value - exponent * math.log(10.0)):.4f}"
    return f"1.0000e{exponent + 1}" if mantissa == "10.0000" else f"{mantissa}e{exponent}"


def format_estimate(row: Row, scale: Scale) -> str:
    """Return a Monte Carlo value with its standard error (relative on the logarithmic scale) or interval."""
    if row.estimate is None:
        return ""
    text = format_value(row.estimate, scale)
    if row.interval is not None:
        return f"{text} [{row.interval[0]:.3f}, {row.interval[1]:.3f}]"
    if row.std_error is None or not math.isfinite(row.std_error):
        return text
    return f"{text} ±{100.0 * row.std_error:.2g} %" if scale == "log" else f"{text} ±{row.std_error:.2g}"


@dataclass(frozen=True)
class CheckedClaim:
    """A claim with what checking it produced."""

    claim: Claim
    rows: tuple[Row, ...]
    plots: tuple[Plot, ...]

    def passed(self, level: float) -> bool:
        """Return whether every row passed; a claim without rows has shown nothing and fails."""
        return bool(self.rows) and all(bool(row.decision.passed(level)) for row in self.rows)

    @property
    def kinds(self) -> Counter[str]:
        """Number of rows of each kind of decision."""
        return Counter(row.decision.kind for row in self.rows)
