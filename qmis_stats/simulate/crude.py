"""The crude estimator: sums, or regressions, from their own law against fresh points (Statement S10)."""

from __future__ import annotations

from qmis_stats.laws import LinearRegression, LogisticRegression
from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.simulate.admission import admit, nothing_leaks
from qmis_stats.simulate.design import plain_design
from qmis_stats.simulate.logistic_crude import crude_logistic
from qmis_stats.simulate.memory import fit_sums
from qmis_stats.simulate.random_sums import estimate_from_random_sums, random_result
from qmis_stats.simulate.regression_crude import crude_regression
from qmis_stats.simulate.settings import Settings
from qmis_stats.validation import instance_of, sample_size

__all__ = ["crude"]


def crude(
    problem: Problem, n: int, *, replicates: int = 100_000, seed: int = 0, backend: str = "auto", block: int = 0
) -> MISResult:
    """Estimate Δ_n by plain simulation of sums or regressions (Statement S10).

    Sums of n − 1 points are drawn from their own law and paired with fresh points; all pairs are used. The estimate is
    cross-fitted over two halves of the sums, which removes the upward bias of the absolute value.

    Parameters
    ----------
    problem : Problem
        Any problem whose cells are an argmin of sums, or post-training quantization of a linear or a logistic
        regression into at most 4096 cells, where regressions take the place of sums; ``replicates`` is the number of
        regressions of n − 1 points, or of logistic fits of n.
    n : int
        Sample size, at least 2.
    replicates : int
        Number of sums.
    seed : int
        In [0, 2³²).
    backend : str
        Kernel table.
    block : int
        Which block of replicates to draw: the blocks of one seed are independent, see
        :func:`~qmis_stats.simulate.blocks.pooled`.

    Returns
    -------
    MISResult
        ``in_domain`` is false when too few sums cross a face for the interval to be trusted: few effective sums, or a
        plug-in estimate more than half a standard error above the cross-fitted one. In expectation the two bracket Δ.

    Raises
    ------
    DomainError
        If the cells are neither an argmin of enumerable sums nor countable product cells of a regression.

    Examples
    --------
    >>> import math
    >>> from qmis_stats import FiniteLaw, LossTable, Problem
    >>> problem = Problem(FiniteLaw(["1/2", "1/2"]), LossTable([[0, 1], [1, 0]]))
    >>> r = crude(problem, 5, replicates=2000, seed=1, backend="reference")
    >>> abs(r.log_delta - math.log(3 / 16)) < 6 * r.std_error
    True
    """
    instance_of(Problem, "problem", problem)
    n, settings = sample_size(n), Settings(replicates, seed, backend, block=block)
    problem = problem.at(n)
    if isinstance(problem.law, LinearRegression) and problem.thresholds is not None and problem.law.dimension > 1:
        return crude_regression(problem.law, problem.thresholds, n, settings)
    if isinstance(problem.law, LogisticRegression) and problem.thresholds is not None and problem.law.dimension > 1:
        return crude_logistic(problem.law, problem.thresholds, n, settings)
    scores = admit("crude", problem, n)
    if scores is None:
        return nothing_leaks("crude", n, settings)
    fit_sums("crude", scores, settings, tilt=False)
    found = estimate_from_random_sums("crude", scores, n, plain_design(), settings)
    return random_result("crude", n, settings, found, "raise replicates or use method = tilted")
