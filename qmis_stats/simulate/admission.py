"""Which problems can be simulated as sums (Statement S10)."""

from __future__ import annotations

import math

from qmis_stats.errors import DomainError
from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.scores import CanonicalScores, FiniteScores, MixtureScores
from qmis_stats.scores.base import ScoreModel
from qmis_stats.simulate.settings import MAX_TERMS, Settings

__all__ = ["MOST_DRAWN", "admit", "nothing_leaks"]

MOST_DRAWN = 100_000
"""Largest sample size where the points of a sum are drawn one by one."""


def admit(method: str, problem: Problem, n: int) -> ScoreModel | None:
    """Return the scores of a problem fixed at ``n``, or ``None`` when one cell is always returned.

    Raises
    ------
    DomainError
        If the cells are not an argmin of enumerable sums, the sums cannot be drawn, or there is no tilt.
    """
    scores = problem.scores
    if scores is None:
        raise DomainError(
            method,
            "the cells of this procedure are not an argmin of enumerable sums",
            "use method = likelihood_ratio or high_dimension (independent coordinates), or critical",
        )
    if method == "tilted":
        problem.refuse_heavy(method)
    if isinstance(scores, CanonicalScores) and n > MOST_DRAWN:
        raise DomainError(method, f"the {n} points of each sum would be drawn one by one", f"use n up to {MOST_DRAWN}")
    if n > MAX_TERMS and isinstance(scores, (FiniteScores, MixtureScores)):
        raise DomainError(method, f"drawing counts of n = {n} points would not end", f"use n up to {MAX_TERMS}")
    return scores if any(problem.scores_reachable) else None


def nothing_leaks(method: str, n: int, settings: Settings) -> MISResult:
    """Return Δ = 0 for a problem with a single reachable cell."""
    return MISResult(
        method,
        n,
        -math.inf,
        0.0,
        domain="one cell is always returned: nothing can leak",
        seed=settings.seed,
        replicates=settings.replicates,
    )
