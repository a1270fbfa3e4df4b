"""Moderate deviations: −log Δ_n = n r_Q^n (1 + o(1)) for shrinking cells with n r_Q^n ≫ log n (Statement S6)."""

from __future__ import annotations

import math

from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.validation import instance_of, sample_size

__all__ = ["moderate"]

_LARGE = 10.0
_SMALL_GAP = 0.5


def moderate(problem: Problem, n: int) -> MISResult:
    """Return the leading order ``−n r_Q^n`` of log Δ_n (Statement S6).

    Only the order of log Δ_n is right: the ratio log Δ_n / (−n r_Q^n) tends to one, the difference does not vanish.

    Parameters
    ----------
    problem : Problem
        Any problem with at least one face that can be crossed.
    n : int
        Sample size, at least 2.

    Returns
    -------
    MISResult
        ``in_domain`` is true when n r ≥ 10 log n, so that the half logarithm of the prefactor is at most a twentieth
        of the leading order, and the gap is at most half a standard deviation of one point.

    Examples
    --------
    >>> from qmis_stats import CodebookERM, GaussianMean, Problem
    >>> problem = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [0.4]]))
    >>> round(moderate(problem, 1000).log_delta, 9)
    -20.0
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    problem = problem.at(n)
    problem.refuse_heavy("moderate")
    rate = problem.indicator
    gap = math.sqrt(2.0 * rate)
    reasons = []
    if n * rate < _LARGE * math.log(n):
        reasons.append(
            f"n r = {n * rate:.3g} is below {_LARGE:g} log n: the prefactor n^(-1/2) is not negligible, "
            "see method = sharp"
        )
    if gap > _SMALL_GAP:
        reasons.append(f"gap of {gap:.3g} standard deviations: r differs from the exponent, see method = sharp")
    return MISResult(
        "moderate",
        n,
        -n * rate,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else "leading order of log Δ only",
    )
