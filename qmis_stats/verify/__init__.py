"""The theorems as claims that are checked: theory, exact and simulation must agree within stated bounds."""

from qmis_stats.verify.report import Report
from qmis_stats.verify.run import run_verification

__all__ = ["Report", "run_verification"]
