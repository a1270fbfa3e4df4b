"""The theorems as claims that are checked: theory, exact and simulation must agree within stated bounds."""

from qmis_stats.verify.run_claims import run_verification
from qmis_stats.verify.verification import Report

__all__ = ["Report", "run_verification"]
