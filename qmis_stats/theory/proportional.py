"""Linear regressions with d comparable to n: Δ_n in the proportional regime (Statements S15, S16)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from qmis_stats.errors import DomainError, InputError
from qmis_stats.laws import LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.scores.base import FloatArray
from qmis_stats.theory.bivariate_ratio import NormalPair
from qmis_stats.theory.retained import cell_moments
from qmis_stats.validation import sample_size

__all__ = ["FitLaw", "fit_law", "proportional", "unquantized_fit"]

_FEWEST = 16.0
_LEAST_SPARE = 8
_LARGEST_KURTOSIS = 0.5
_CLOSE = 1e-10
_ANGLES = 64


@dataclass(frozen=True, eq=False)
class FitLaw:
    """Law of a ridge fit over training sets, by deterministic equivalents.

    Attributes
    ----------
    mean : (d,) ndarray
        E θ̂.
    covariance : (d, d) ndarray
        C of θ̂.
    response : (d, d) ndarray
        G = E H⁻¹.
    residual : float
        Variance v₀ of y − xᵀE θ̂ at a fresh point.
    variance : float
        s² = tr ΣC, of the fitted value there.
    shift : float
        r = q/(1 + q), the share of its residual by which a member moves its fitted value.
    inside : float
        Variance of what a member's fitted value keeps of its scatter, (1 − r)²s²; for least squares without a penalty
        γ(1 − γ)τ², which is exact.
    """

    mean: FloatArray
    covariance: FloatArray
    response: FloatArray
    residual: float
    variance: float
    shift: float
    inside: float


def fit_law(law: LinearRegression, n: int, ridge: float = 0.0) -> FitLaw:
    """Return the law of a ridge fit with objective ½ Σ (y − xᵀθ)² + ½ ridge |θ|² (Statement S15).

    Without a penalty the moments are exact: C = τ²Σ⁻¹/(n − d − 1), r = d/n. With one, q = tr Σ(nΣ/(1 + q) + P)⁻¹ and
    the second-order equivalent give those of n, d → ∞.

    Parameters
    ----------
    law : LinearRegression
        Of the data.
    n : int
        Training points.
    ridge : float
        At least 0.

    Raises
    ------
    DomainError
        If there is no penalty and n ≤ d + 1: least squares has no finite variance.

    Examples
    --------
    >>> found = fit_law(LinearRegression(np.zeros(4), np.eye(4), 1.0), 9)
    >>> round(found.variance, 12), round(found.shift, 12)
    (1.0, 0.444444444444)
    """
    sigma, d, noise = law.covariance, law.dimension, law.noise_std**2
    if ridge < 0.0 or not math.isfinite(ridge):
        raise InputError("ridge", ridge, "finite and at least 0")
    if ridge == 0.0:
        if n <= d + 1:
            reason = f"least squares has no finite variance with n = {n}, d = {d}"
            raise DomainError("proportional", reason, "use a ridge penalty, or more points")
        inverse, share = np.asarray(np.linalg.inv(sigma), dtype=np.float64), d / n
        return FitLaw(
            law.coefficients,
            np.asarray(noise * inverse / (n - d - 1.0)),
            np.asarray(inverse / (n - d - 1.0)),
            noise,
            noise * d / (n - d - 1.0),
            share,
            share * (1.0 - share) * noise,
        )
    values = np.linalg.eigvalsh(sigma)

    def missed(log_q: float) -> float:
        q = math.exp(log_q)
        return float(np.sum(values / (n * values / (1.0 + q) + ridge))) - q

    q = math.exp(brentq(missed, -700.0, math.log(float(values.sum()) / ridge) + 1.0, xtol=1e-14))
    c = n / (1.0 + q)
    response = np.asarray(np.linalg.inv(c * sigma + ridge * np.eye(d)), dtype=np.float64)
    mean = c * response @ sigma @ law.coefficients
    bias = law.coefficients - mean
    residual = noise + float(bias @ sigma @ bias)
    product = sigma @ response
    inflation = c**2 / (n - 1.0) * float(np.sum(product * product.T))
    variance = residual * inflation / (1.0 - inflation)
    shape = response @ sigma @ response
    covariance = np.asarray(shape * (variance / float(np.sum(sigma * shape))))
    shift = q / (1.0 + q)
    return FitLaw(mean, covariance, response, residual, variance, shift, (1.0 - shift) ** 2 * variance)


def proportional(problem: Problem, n: int, ridge: float = 0.0) -> MISResult:
    """Return Δ_n with the attack's ROC for a quantized regression with d comparable to n (Statements S15, S16).

    Noise and read-out of a point are a normal pair with and without membership; Δ is the total variation of the two
    laws.

    Parameters
    ----------
    problem : Problem
        Linear regression under post-training quantization by thresholds.
    n : int
        Sample size, at least 2.
    ridge : float
        Penalty of ½ ridge |θ|² beside ½ Σ (y − xᵀθ)².

    Returns
    -------
    MISResult
        ``in_domain`` is true when at least 16 coordinates carry the signal, the sum over them is near normal, and least
        squares has at least 8 spare points. With correlated features the read-out is the best linear one, and Δ a
        lower bound; ``details["delta_unquantized"]`` is an upper one.

    Raises
    ------
    DomainError
        For other laws and procedures, and without a penalty for n ≤ d + 1.

    Examples
    --------
    >>> from qmis_stats import LinearRegression, Sign, ThresholdPTQ
    >>> law = LinearRegression(np.zeros(128), np.eye(128), 1.0)
    >>> found = proportional(Problem(law, ThresholdPTQ(Sign())), 256)
    >>> round(found.delta, 3), round(found.roc.auc, 3)
    (0.217, 0.648)
    """
    n = sample_size(n)
    thresholds = problem.at(n).thresholds
    law = problem.law
    if thresholds is None or not isinstance(law, LinearRegression):
        raise DomainError(
            "proportional", "it is for linear regressions under post-training quantization", "use high_dimension"
        )
    fit = fit_law(law, n, ridge)
    errors = np.sqrt(np.diag(fit.covariance))
    share, fourth = np.empty(law.dimension), np.empty(law.dimension)
    for i, (edges, centre, error) in enumerate(zip(thresholds, fit.mean, errors, strict=True)):
        moments = cell_moments((edges - centre) / error)
        share[i], fourth[i] = moments.retained, float(moments.probability @ moments.centroid**4)
    size = np.diag(law.covariance) * errors**2
    return _result(law, n, fit, share, _objections(law, n, ridge, size * share, size**2 * (fourth - share**2)))


def unquantized_fit(law: LinearRegression, n: int, ridge: float = 0.0) -> MISResult:
    """Return Δ_n of the weights themselves, as :func:`proportional` does for quantized ones.

    Parameters
    ----------
    law : LinearRegression
        Of the data.
    n : int
        Sample size, at least 2.
    ridge : float
        As in :func:`proportional`.

    Examples
    --------
    >>> law = LinearRegression(np.zeros(128), np.eye(128), 1.0)
    >>> round(unquantized_fit(law, 256).roc.auc, 4)
    0.7461
    """
    n = sample_size(n)
    fit = fit_law(law, n, ridge)
    size = np.diag(law.covariance) * np.diag(fit.covariance)
    return _result(law, n, fit, np.ones(law.dimension), _objections(law, n, ridge, size, 2.0 * size**2))


def _objections(law: LinearRegression, n: int, ridge: float, carried: FloatArray, excess: FloatArray) -> list[str]:
    reasons = []
    total = float(carried.sum())
    count = total**2 / float(np.sum(carried**2)) if total > 0.0 else 0.0
    if count < _FEWEST:
        reasons.append(f"about {count:.3g} coordinates carry the signal, fewer than {_FEWEST:g}: see likelihood_ratio")
    kurtosis = 3.0 * float(excess.sum()) / total**2 if total > 0.0 else 0.0
    if kurtosis > _LARGEST_KURTOSIS:
        reasons.append(f"excess kurtosis {kurtosis:.3g} of the read-out > {_LARGEST_KURTOSIS}")
    if ridge == 0.0 and n - law.dimension < _LEAST_SPARE:
        reasons.append(f"n − d = {n - law.dimension} < {_LEAST_SPARE}: the variance of the fit is not settled")
    return reasons


def _result(law: LinearRegression, n: int, fit: FitLaw, share: FloatArray, reasons: list[str]) -> MISResult:
    pair, retained = _best_pair(law, fit, share)
    whole, _ = _best_pair(law, fit, np.ones(law.dimension))
    delta = pair.total_variation
    correlated = np.count_nonzero(fit.covariance - np.diag(np.diag(fit.covariance))) > 0
    inside = "many coordinates, error O(1/√d)" + ("; a lower bound, by the best linear read-out" if correlated else "")
    return MISResult(
        "proportional",
        n,
        math.log(delta) if delta > 0.0 else -math.inf,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else inside,
        roc=pair.roc(),
        details={
            "retained_information": retained,
            "shift": fit.shift,
            "fitted_variance": fit.variance,
            "residual_variance": fit.residual,
            "delta_unquantized": whole.total_variation,
        },
    )


def _best_pair(law: LinearRegression, fit: FitLaw, share: FloatArray) -> tuple[NormalPair, float]:
    """Return the laws of (noise, best statistic) and the retained share of the fitted value's variance."""
    kept = np.clip(share, 0.0, 1.0 - _CLOSE)
    root = np.sqrt(kept / ((1.0 - kept) * np.diag(fit.covariance)))
    inner = np.linalg.inv(np.eye(root.size) + root[:, None] * fit.covariance * root)
    inverse = root[:, None] * inner * root  # of K = C + Λ⁻¹
    parts = [
        float(np.sum(law.covariance * (left @ inverse @ right)))
        for left, right in (
            (fit.covariance, fit.covariance),
            (fit.covariance, fit.response),
            (fit.response, fit.response),
        )
    ]
    retained = min(parts[0] / fit.variance, 1.0)
    if retained <= 0.0:
        return NormalPair((1.0, 1.0)), 0.0
    unit = math.sqrt(fit.variance) / float(np.sum(law.covariance * fit.response))
    c, first = math.sqrt(retained), parts[1] / math.sqrt(parts[0]) * unit
    second = math.sqrt(max(parts[2] * unit**2 - first**2, 0.0))
    if second < 1e-4 * first:
        return _pair(fit, c, first), retained
    angles = np.linspace(0.0, 0.5 * math.pi, _ANGLES, endpoint=False)
    pairs = [_pair(fit, c * math.cos(a), first * math.cos(a) + second * math.sin(a)) for a in angles]
    return max(pairs, key=lambda pair: pair.total_variation), retained


def _pair(fit: FitLaw, c: float, e: float) -> NormalPair:
    """Return the pair of a statistic with correlation c with the fitted value, which a member moves by e."""
    r = fit.shift
    kept = c - e * r
    if math.isclose(c, e, rel_tol=1e-6):
        kept = c * math.sqrt(fit.inside / fit.variance)
    cross = e * r * math.sqrt(fit.residual / fit.variance)
    return NormalPair.of(np.array([[1.0, cross], [cross, 1.0 - c**2 + kept**2 + cross**2]]))
