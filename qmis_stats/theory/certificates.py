"""Guaranteed bounds on Δ_n at every n (Statement S5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from scipy.special import logsumexp

from qmis_stats.errors import DomainError, InputError
from qmis_stats.laws import FiniteLaw
from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.validation import finite_array, instance_of, sample_size

__all__ = ["certificate", "collision_bound", "worst_case_constant"]

_TOTAL_TOLERANCE = 1e-9


def certificate(problem: Problem, n: int) -> MISResult:
    """Return the upper bound ``log min(1, 2 Σ_f e^{−n I_f})`` on log Δ_n: a guaranteed lower bound on MIS.

    Faces that can never be crossed contribute nothing; a face crossed as often as not (I = 0) makes the bound trivial.

    Parameters
    ----------
    problem : Problem
        Any problem whose faces have exact increments.
    n : int
        Sample size, at least 2.

    Raises
    ------
    DomainError
        If the increments are linearised: the bound would not be guaranteed.

    Examples
    --------
    >>> from qmis_stats import CodebookERM, GaussianMean, Problem
    >>> problem = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    >>> round(certificate(problem, 50).log_delta, 6) == round(math.log(2) - 50 / 8, 6)
    True
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    problem = problem.at(n)
    if not problem.faces and problem.scores is None:
        raise DomainError("certificate", "the procedure has no faces", "use method = exact")
    if any(not f.exact for f in problem.faces):
        raise DomainError(
            "certificate", "the increments of this quantizer are linearised", "use method = critical or auto"
        )
    exponents = [f.chernoff_exponent for f in problem.crossable_faces]
    value = math.log(2.0) + float(logsumexp([-n * i for i in exponents])) if exponents else -math.inf
    return MISResult("certificate", n, min(value, 0.0), domain="upper bound on Δ, guaranteed at every n")


def collision_bound(cell_probabilities: Sequence[float] | Sequence[Fraction]) -> float:
    """Return the bound 1 − Σ_k P(T=k)² on Δ_n.

    Given T = k, the law of T after conditioning on a member is compared with two independent copies of T; see the
    proof of Statement S5.

    Raises
    ------
    InputError
        If they are no probabilities.

    Examples
    --------
    >>> collision_bound([0.5, 0.5])
    0.5
    """
    p = finite_array("cell_probabilities", cell_probabilities, 1, "(K,)")
    if p.min() < 0.0 or abs(float(p.sum()) - 1.0) > _TOTAL_TOLERANCE:
        raise InputError("cell_probabilities", cell_probabilities, "numbers of at least zero that sum to 1")
    best = int(np.argmax(p))
    others = np.delete(p, best)
    # 1 − p² with p = 1 − q is q(2 − q), without cancellation when q is small.
    missing = float(others.sum())
    return missing * (2.0 - missing) - float(np.sum(others**2))


def worst_case_constant(law: FiniteLaw) -> float:
    """Return C(P) = Σ_j √(p_j(1 − p_j)), so that Δ_n ≤ C(P)/√(2πn) to leading order for every learner.

    Examples
    --------
    >>> round(worst_case_constant(FiniteLaw(["1/2", "3/10", "1/5"])) / math.sqrt(100 * math.pi), 5)
    0.07663
    """
    instance_of(FiniteLaw, "law", law)
    return math.fsum(math.sqrt(float(p * (1 - p))) for p in law.probabilities)
