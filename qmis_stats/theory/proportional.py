"""Regressions with d comparable to n, quantized after training, in closed form (Statement S16, Proposition S18.8)."""

from __future__ import annotations

import math

from qmis_stats.errors import DomainError, InputError
from qmis_stats.laws import GeneralizedLinear, LinearRegression, ParametricLaw
from qmis_stats.problem import Problem
from qmis_stats.procedures import ThresholdPTQ
from qmis_stats.results import REPORTED_FPR, MISResult, ROCCurve
from qmis_stats.theory.canonical_evolution import CanonicalLaw, canonical_law, normal_nodes
from qmis_stats.theory.correlated_cells import CoordinateCells, coordinate_cells
from qmis_stats.theory.proximal_ratio import MemberPoints, read_out_law
from qmis_stats.theory.shift_information import ShiftInformation, shift_information, unquantized_information
from qmis_stats.theory.state_evolution import EstimateLaw, LeastSquaresLaw, estimate_law
from qmis_stats.validation import instance_of, nonnegative_number, sample_size

__all__ = ["proportional", "unquantized_fit"]

_LARGEST_KURTOSIS = 0.3
_LARGEST_SHIFT = 0.4
_FEWEST_DIRECTIONS = 16.0
_FEWEST_DEGREES = 16.0
_FEWEST_SCORES = 16.0
_SURE = 2.5
"""Standard deviations of the transition by which d must lie below it, so that nearly all samples have an estimate."""
_FINER = 2.0
"""The curve needs more points than the equations."""
_RARE = 1e-10


def proportional(problem: Problem, n: int) -> MISResult:
    """Return Δ_n of a quantized regression in any dimension, with the attack's ROC (Statement S16).

    The best attack on the released codes thresholds the likelihood ratio of the point and of linear read-outs of the
    codes. For a linear regression residual and read-outs are normal: a member's law differs from a non-member's in two
    directions only (:class:`~qmis_stats.theory.shift_information.ShiftInformation`), and the total variation is an
    integral over an angle. For a logistic or Poisson regression the law of the estimate solves the state evolution
    equations (:func:`~qmis_stats.theory.canonical_evolution.canonical_law`), and the law of one read-out is integrated
    for each response. Nothing is simulated. Thresholds that are set from the estimate's spread use its spread at this n
    and d.

    Parameters
    ----------
    problem : Problem
        A linear, logistic or Poisson regression with post-training quantization by thresholds, with or without a
        ridge penalty; under the latter two a penalty needs a covariance that is a multiple of the identity.
    n : int
        Sample size, at least 2; without a penalty at least d + 2, or so many that the likelihood has a maximum.

    Returns
    -------
    MISResult
        ``in_domain`` is true when the read-outs are sums over many coordinates (excess kurtosis at most 0.3, at
        least 16 effective coordinates), at least 16 residual degrees of freedom are left, and one member moves no
        coordinate by more than 0.4 standard errors; under a logistic or Poisson regression also when the scores are
        worth at least 16 of equal size, and nearly every sample has an estimate. For correlated coordinates the
        read-out is the best linear one: Δ is a lower bound, and ``details["delta_unquantized"]`` an upper one.
        ``details`` also has the retained
        information ρ, the mean leverage, the variance of the fitted value, and that of the residual or the mean factor
        of the estimate, the proximal parameter and the largest d/n with an estimate.

    Raises
    ------
    DomainError
        If the problem is not a quantized regression, its estimate has no finite variance or does not exist, or
        its state evolution is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from qmis_stats import LinearRegression, Problem, Sign, ThresholdPTQ
    >>> law = LinearRegression(np.zeros(128), np.eye(128), 1.0)
    >>> result = proportional(Problem(law, ThresholdPTQ(Sign())), 256)
    >>> round(result.delta, 4), round(result.roc.auc, 4), round(result.details["retained_information"], 4)
    (0.2169, 0.6475, 0.6366)
    >>> from qmis_stats import LogisticRegression
    >>> law = LogisticRegression(np.full(128, 0.1), np.eye(128))
    >>> result = proportional(Problem(law, ThresholdPTQ(Sign())), 512)
    >>> round(result.delta, 4), round(result.details["mean_factor"], 4)
    (0.1186, 1.4758)
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    law, procedure = problem.law, problem.procedure
    if not isinstance(law, (LinearRegression, GeneralizedLinear)):
        raise DomainError(
            "proportional",
            f"the law is {law.kind}: the form is for regressions",
            "use likelihood_ratio or high_dimension for a Gaussian mean, exact or tilted elsewhere",
        )
    if not isinstance(procedure, ThresholdPTQ):
        raise DomainError(
            "proportional", "the procedure does not quantize an estimate", "use kind = ptq, or method = sharp or tilted"
        )
    estimate = _estimate(law, n, procedure.ridge)
    thresholds = procedure.thresholds(law, n, estimate.mean, estimate.standard_errors)
    cells = coordinate_cells(thresholds, estimate.mean, estimate.standard_errors)
    return _result(law, n, estimate, shift_information(estimate, cells), cells)


def unquantized_fit(law: LinearRegression | GeneralizedLinear, n: int, ridge: float = 0.0) -> MISResult:
    """Return Δ_n of a regression whose estimate is released as it is (Statement S16).

    Parameters
    ----------
    law : LinearRegression or GeneralizedLinear
        The law of a point.
    n : int
        Sample size, as in :func:`proportional`.
    ridge : float
        Penalty, at least zero.

    Returns
    -------
    MISResult
        As :func:`proportional`.

    Raises
    ------
    InputError
        If an argument is of another type or out of range.
    DomainError
        If the estimate has no finite variance or does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from qmis_stats import LinearRegression
    >>> round(unquantized_fit(LinearRegression(np.zeros(128), np.eye(128), 1.0), 256).delta, 4)
    0.3826
    """
    n = sample_size(n)
    if not isinstance(law, (LinearRegression, GeneralizedLinear)):
        raise InputError("law", law, "a LinearRegression, a LogisticRegression or a PoissonRegression")
    estimate = _estimate(law, n, nonnegative_number("ridge", ridge))
    return _result(law, n, estimate, unquantized_information(estimate), None)


def _estimate(law: LinearRegression | GeneralizedLinear, n: int, ridge: float) -> EstimateLaw:
    return estimate_law(law, n, ridge) if isinstance(law, LinearRegression) else canonical_law(law, n, ridge)


def _leak(law: ParametricLaw, estimate: EstimateLaw, found: ShiftInformation) -> tuple[float, ROCCurve]:
    """Return Δ and the ROC of the likelihood ratio, by the loss that was fitted."""
    if isinstance(estimate, LeastSquaresLaw):
        ratio = found.ratio(estimate)
        return (0.0, _guessing()) if ratio is None else (ratio.total_variation, ratio.roc())
    assert isinstance(law, GeneralizedLinear)
    assert isinstance(estimate, CanonicalLaw)
    share = min(1.0, found.retained / estimate.spread)
    if share == 0.0:
        return 0.0, _guessing()
    leak = read_out_law(law.family, _points(law, estimate), share)
    return leak.delta, leak.roc


def _points(law: GeneralizedLinear, estimate: CanonicalLaw) -> MemberPoints:
    """Return the predictors and responses of the law: E xᵀθ̂ is α times the true predictor."""
    x, weights = normal_nodes(_FINER * max(1.0, law.predictor_std * max(1.0, estimate.factor)))
    step = law.predictor_std * x
    rows, y, probabilities = law.family.enumerate(law.intercept + step, _RARE)
    weight = weights[rows] * probabilities
    kept = weight > _RARE * weight.max()
    return MemberPoints(
        law.intercept + estimate.factor * step[rows][kept],
        y[kept],
        weight[kept] / weight[kept].sum(),
        math.sqrt(estimate.spread),
        estimate.proximity,
    )


def _result(
    law: ParametricLaw, n: int, estimate: EstimateLaw, found: ShiftInformation, cells: CoordinateCells | None
) -> MISResult:
    delta, roc = _leak(law, estimate, found)
    reasons = _reasons(n, estimate, found, cells)
    details = {
        "retained_information": min(1.0, found.retained / estimate.spread),
        "leverage": estimate.leverage,
        "fitted_variance": estimate.spread,
        "gamma": estimate.mean.size / n,
        "excess_kurtosis": found.excess_kurtosis,
        "effective_coordinates": found.directions,
    }
    if isinstance(estimate, LeastSquaresLaw):
        details["residual_variance"] = estimate.noise
    elif isinstance(estimate, CanonicalLaw):
        details["mean_factor"] = estimate.factor
        details["proximity"] = estimate.proximity
        if math.isfinite(estimate.limit):
            details["largest_gamma"] = estimate.limit
    domain = f"normal read-outs of about {found.directions:.3g} effective coordinates"
    if cells is not None:
        details["delta_unquantized"] = _leak(law, estimate, unquantized_information(estimate))[0]
        if not estimate.independent:
            domain += (
                "; correlated coordinates: the best linear read-out, a lower bound, "
                f"at most {details['delta_unquantized']:.4g} without quantization"
            )
    return MISResult(
        "proportional",
        n,
        math.log(delta) if delta > 0.0 else -math.inf,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else domain,
        roc=roc,
        details=details,
    )


def _reasons(n: int, estimate: EstimateLaw, found: ShiftInformation, cells: CoordinateCells | None) -> list[str]:
    """Return why the read-outs are not normal, or their variances not those of the limit."""
    reasons = []
    if found.excess_kurtosis > _LARGEST_KURTOSIS:
        reasons.append(
            f"excess kurtosis {found.excess_kurtosis:.3g} > {_LARGEST_KURTOSIS}: too few coordinates carry the signal, "
            "see method = critical"
        )
    if found.directions < _FEWEST_DIRECTIONS:
        reasons.append(f"{found.directions:.3g} effective coordinates, fewer than {_FEWEST_DIRECTIONS:g}")
    if estimate.degrees < _FEWEST_DEGREES:
        reasons.append(f"{estimate.degrees:.3g} residual degrees of freedom, fewer than {_FEWEST_DEGREES:g}")
    if isinstance(estimate, CanonicalLaw):
        reasons += _sample_reasons(n, estimate)
    # A member moves each coordinate by n^(−1/2) standard errors, root mean square, whatever the penalty.
    shift = 0.0 if cells is None else cells.farthest / math.sqrt(n)
    if shift > _LARGEST_SHIFT:
        reasons.append(f"one member moves a coordinate by {shift:.3g} > {_LARGEST_SHIFT} standard errors of its cell")
    return reasons


def _sample_reasons(n: int, estimate: CanonicalLaw) -> list[str]:
    """Return why samples differ from the mean over all responses that the equations take."""
    reasons = []
    if estimate.scores < _FEWEST_SCORES:
        reasons.append(
            f"scores worth {estimate.scores:.3g} of equal size, fewer than {_FEWEST_SCORES:g}: rare responses carry "
            "the fit, and a sample has few of them"
        )
    h, d = estimate.limit, estimate.mean.size
    # Where the predictor is constant the transition is that of a binomial variable (Wendel).
    if math.isfinite(h) and n * h - d < _SURE * math.sqrt(n * h * (1.0 - h)):
        reasons.append(f"d/n = {d / n:.3g} is so near {h:.4g} that the estimate may not exist in every sample")
    return reasons


def _guessing() -> ROCCurve:
    """Return the diagonal: the cells tell nothing."""
    return ROCCurve((0.0, 1.0), (0.0, 1.0), 0.5, {f: (f, f, f) for f in REPORTED_FPR})
