"""Linear regression with d comparable to n, quantized after training, in closed form (Statement S16)."""

from __future__ import annotations

import math

from qmis_stats.errors import DomainError, InputError
from qmis_stats.laws import LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import ThresholdPTQ
from qmis_stats.results import REPORTED_FPR, MISResult, ROCCurve
from qmis_stats.theory.correlated_cells import CoordinateCells, coordinate_cells
from qmis_stats.theory.shift_information import ShiftInformation, shift_information, unquantized_information
from qmis_stats.theory.state_evolution import EstimateLaw, estimate_law
from qmis_stats.validation import nonnegative_number, sample_size

__all__ = ["proportional", "unquantized_fit"]

_LARGEST_KURTOSIS = 0.3
_LARGEST_SHIFT = 0.4
_FEWEST_DIRECTIONS = 16.0
_FEWEST_DEGREES = 16.0


def proportional(problem: Problem, n: int) -> MISResult:
    """Return Δ_n of a quantized linear regression in any dimension, with the attack's ROC (Statement S16).

    The best attack on the released codes thresholds the likelihood ratio of the residual ``y − xᵀE θ̂`` and of linear
    read-outs of the codes, all normal in high dimension. A member's law differs from a non-member's in two directions
    only (:class:`~qmis_stats.theory.shift_information.ShiftInformation`), and the total variation is an integral over
    an angle. Nothing is simulated. Thresholds that are set from the estimate's spread use its spread at this n and d.

    Parameters
    ----------
    problem : Problem
        Linear regression with post-training quantization by thresholds, with or without a ridge penalty.
    n : int
        Sample size, at least 2; at least d + 2 without a penalty.

    Returns
    -------
    MISResult
        ``in_domain`` is true when the read-outs are sums over many coordinates (excess kurtosis at most 0.3, at
        least 16 effective coordinates), at least 16 residual degrees of freedom are left, and one member moves no
        coordinate by more than 0.4 standard errors. For correlated coordinates the read-out is the best linear one: Δ
        is a lower bound, and ``details["delta_unquantized"]`` an upper one. ``details`` also has the retained
        information ρ, the mean leverage, and the variances of residual and fitted value.

    Raises
    ------
    DomainError
        If the problem is not a quantized linear regression, or its estimate has no finite variance.

    Examples
    --------
    >>> import numpy as np
    >>> from qmis_stats import LinearRegression, Problem, Sign, ThresholdPTQ
    >>> law = LinearRegression(np.zeros(128), np.eye(128), 1.0)
    >>> result = proportional(Problem(law, ThresholdPTQ(Sign())), 256)
    >>> round(result.delta, 4), round(result.roc.auc, 4), round(result.details["retained_information"], 4)
    (0.2169, 0.6475, 0.6366)
    """
    n = sample_size(n)
    law, procedure = problem.law, problem.procedure
    if not isinstance(law, LinearRegression):
        raise DomainError(
            "proportional",
            f"the law is {law.kind}: the form is for linear_regression",
            "use likelihood_ratio or high_dimension for a Gaussian mean, exact or tilted elsewhere",
        )
    if not isinstance(procedure, ThresholdPTQ):
        raise DomainError(
            "proportional", "the procedure does not quantize an estimate", "use kind = ptq, or method = sharp or tilted"
        )
    estimate = estimate_law(law, n, procedure.ridge)
    thresholds = procedure.thresholds(law, n, estimate.mean, estimate.standard_errors)
    cells = coordinate_cells(thresholds, estimate.mean, estimate.standard_errors)
    return _result(n, estimate, shift_information(estimate, cells), cells)


def unquantized_fit(law: LinearRegression, n: int, ridge: float = 0.0) -> MISResult:
    """Return Δ_n of a linear regression whose estimate is released as it is (Statement S16).

    Parameters
    ----------
    law : LinearRegression
        The law of a point.
    n : int
        Sample size, at least 2; at least d + 2 without a penalty.
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
        If the estimate has no finite variance.

    Examples
    --------
    >>> import numpy as np
    >>> from qmis_stats import LinearRegression
    >>> round(unquantized_fit(LinearRegression(np.zeros(128), np.eye(128), 1.0), 256).delta, 4)
    0.3826
    """
    n = sample_size(n)
    if not isinstance(law, LinearRegression):
        raise InputError("law", law, "a LinearRegression")
    estimate = estimate_law(law, n, nonnegative_number("ridge", ridge))
    return _result(n, estimate, unquantized_information(estimate), None)


def _result(n: int, estimate: EstimateLaw, found: ShiftInformation, cells: CoordinateCells | None) -> MISResult:
    ratio = found.ratio(estimate)
    reasons = _reasons(n, estimate, found, cells)
    details = {
        "retained_information": min(1.0, found.retained / estimate.spread),
        "leverage": estimate.leverage,
        "residual_variance": estimate.noise,
        "fitted_variance": estimate.spread,
        "gamma": estimate.mean.size / n,
        "excess_kurtosis": found.excess_kurtosis,
        "effective_coordinates": found.directions,
    }
    domain = f"normal read-outs of about {found.directions:.3g} effective coordinates"
    if cells is not None:
        whole = unquantized_information(estimate).ratio(estimate)
        details["delta_unquantized"] = 0.0 if whole is None else whole.total_variation
        if not estimate.independent:
            domain += (
                "; correlated coordinates: the best linear read-out, a lower bound, "
                f"at most {details['delta_unquantized']:.4g} without quantization"
            )
    return MISResult(
        "proportional",
        n,
        math.log(ratio.total_variation) if ratio is not None else -math.inf,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else domain,
        roc=ratio.roc() if ratio is not None else _guessing(),
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
    # A member moves each coordinate by n^(−1/2) standard errors, root mean square, whatever the penalty.
    shift = 0.0 if cells is None else cells.farthest / math.sqrt(n)
    if shift > _LARGEST_SHIFT:
        reasons.append(f"one member moves a coordinate by {shift:.3g} > {_LARGEST_SHIFT} standard errors of its cell")
    return reasons


def _guessing() -> ROCCurve:
    """Return the diagonal: the cells tell nothing."""
    return ROCCurve((0.0, 1.0), (0.0, 1.0), 0.5, {f: (f, f, f) for f in REPORTED_FPR})
