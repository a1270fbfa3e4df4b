"""The second route: exact oracles, where one exists (Statement S9)."""

from __future__ import annotations

import math

import numpy as np

from qmis_stats.errors import DomainError
from qmis_stats.exact import canonical_pair, finite, gaussian_line, histogram, quadratic_form
from qmis_stats.laws import FiniteLaw
from qmis_stats.problem import Problem
from qmis_stats.procedures import ReleasedHistogram
from qmis_stats.results import REPORTED_FPR, MISResult, ROCCurve
from qmis_stats.scores import CanonicalIncrement, CanonicalScores, FiniteScores, QuadraticScores
from qmis_stats.scores.base import ScoreModel
from qmis_stats.validation import instance_of, sample_size

__all__ = ["canonical_pair", "exact", "finite", "gaussian_line", "histogram", "quadratic_form"]


def exact(problem: Problem, n: int) -> MISResult:
    """Return Δ_n by the oracle that fits the problem (Statement S9).

    A Gaussian estimate on a line (S9a), two cells of a linear regression (S9b) or of a generalized linear law (S18),
    a finite law by enumeration in rational arithmetic (S9c, with the most powerful attack's ROC), a released histogram
    (S9d).

    Parameters
    ----------
    problem : Problem
        The law and the procedure.
    n : int
        Sample size, at least 2.

    Returns
    -------
    MISResult
        With ``fraction`` for finite laws.

    Raises
    ------
    DomainError
        If no oracle is known for the problem.

    Examples
    --------
    >>> from qmis_stats import FiniteLaw, LossTable, Problem
    >>> exact(Problem(FiniteLaw(["1/2", "1/2"]), LossTable([[0, 1], [1, 0]])), 3).fraction
    Fraction(1, 4)
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    problem = problem.at(n)
    if isinstance(problem.procedure, ReleasedHistogram):
        assert isinstance(problem.law, FiniteLaw)
        value = histogram.delta(problem.law.probabilities, n)
        return MISResult("exact", n, finite.log_fraction(value), fraction=value, domain="rational arithmetic")
    scores = problem.scores
    if isinstance(scores, FiniteScores):
        return _finite(scores, n)
    thresholds = problem.line_thresholds
    if thresholds is not None:
        log_delta = gaussian_line.log_delta(thresholds, n) if thresholds.size else -math.inf
        # The logarithm itself carries a rounding error, which is all there is when it is huge.
        precision = 1e-12 + 1e-15 * abs(log_delta) if math.isfinite(log_delta) else 0.0
        return MISResult("exact", n, log_delta, domain=f"quadrature, relative error of Δ below {precision:.1e}")
    if isinstance(scores, CanonicalScores):
        problem.refuse_heavy("exact")
    if isinstance(scores, (QuadraticScores, CanonicalScores)):
        found = _two_cells(scores, n)
        if found is not None:
            return found
    raise DomainError(
        "exact",
        "no oracle is known for this law and procedure",
        "exact needs a Gaussian estimate on a line, two codewords of a regression, or a finite law",
    )


def _finite(scores: FiniteScores, n: int) -> MISResult:
    fpr, tpr = finite.roc(scores.probabilities, scores.losses, n)
    value = max(true - false for false, true in zip(fpr, tpr, strict=True))  # Δ_n: the attack's largest advantage
    x, y = np.array([float(v) for v in fpr]), np.array([float(v) for v in tpr])
    at = {f: float(np.interp(f, x, y)) for f in REPORTED_FPR}
    return MISResult(
        "exact",
        n,
        finite.log_fraction(value),
        fraction=value,
        domain="rational arithmetic",
        roc=ROCCurve(
            tuple(x.tolist()),
            tuple(y.tolist()),
            float(np.trapezoid(y, x)),
            {f: (v, v, v) for f, v in at.items()},
        ),
    )


def _distinct(scores: ScoreModel) -> list[int]:
    return [k for k in range(scores.cells) if not any(scores.same(k, j) for j in range(k))]


def _two_cells(scores: QuadraticScores | CanonicalScores, n: int) -> MISResult | None:
    """Return the oracle's value when at most two distinct cells remain."""
    distinct = _distinct(scores)
    if len(distinct) == 1:
        return MISResult("exact", n, -math.inf, domain="one cell: nothing can leak")
    if len(distinct) != 2:
        return None
    rival = next(k for k in distinct if not scores.same(k, scores.best))
    return _quadratic(scores, rival, n) if isinstance(scores, QuadraticScores) else _canonical(scores, rival, n)


def _quadratic(scores: QuadraticScores, rival: int, n: int) -> MISResult | None:
    """Return the value for an increment of both signs, ``None`` for another."""
    eigenvalues = scores.eigenvalues(rival, scores.best)
    if len(eigenvalues) != 2 or not eigenvalues[0] < 0.0 < eigenvalues[1]:
        return None
    domain = "Bessel-density quadrature, relative error below 1e-8"
    return MISResult("exact", n, quadratic_form.log_delta(eigenvalues[1], -eigenvalues[0], n), domain=domain)


def _canonical(scores: CanonicalScores, rival: int, n: int) -> MISResult:
    increment = scores.increment(rival, scores.best)
    assert isinstance(increment, CanonicalIncrement)
    value, error = canonical_pair.log_delta(increment, n)
    return MISResult(
        "exact", n, value, domain=f"inversion of the tilted characteristic function, relative error about {error:.0e}"
    )
