"""Product quantizers in high dimension: Δ_n ≈ 2Φ(μ/2) − 1 with μ = √(d ρ_Q/n), and the attack's ROC (Statement S8)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erf, ndtr, ndtri

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError, InputError
from qmis_stats.laws import GeneralizedLinear
from qmis_stats.numerics import gauss_legendre_panels
from qmis_stats.problem import Problem
from qmis_stats.results import REPORTED_FPR, MISResult, ROCCurve
from qmis_stats.theory.retained import cell_moments
from qmis_stats.validation import finite_array, instance_of, nonnegative_number, sample_size

__all__ = ["Signal", "gaussian_roc", "high_dimension", "signal"]

_LARGEST_KURTOSIS = 0.5
_LARGEST_SHIFT = 0.5
_NEVER = 1e-12
_VISIBLE = 1e-15
"""A curve closer to the diagonal is rounding."""
_REACH = 9.5
_NOISE_PANELS = 20
_LEAST_SIGNAL = 1e-9
_LARGEST_SIGNAL = 1e150
"""Squares of larger ones overflow."""


@dataclass(frozen=True)
class Signal:
    """The signal of the high-dimensional limit.

    Attributes
    ----------
    retained : float
        ρ_Q, the mean over coordinates of the retained Fisher information.
    mu : float
        μ = √(d ρ_Q/n); for a generalized linear law, of a residual of one (Statement S18).
    excess_kurtosis : float
        Of the normalised log-likelihood ratio, 3 Σ_i (E m_i⁴ − ρ_i²)/(Σ_i ρ_i)²; Δ is overstated by about a
        twenty-fourth of it.
    largest_shift : float
        Largest |m|/√n among cells, the effect of one member on one coordinate in standard errors.
    """

    retained: float
    mu: float
    excess_kurtosis: float
    largest_shift: float


def signal(problem: Problem, n: int) -> Signal:
    """Return the signal of a product quantizer (Statement S8).

    Raises
    ------
    DomainError
        If the procedure is not a product quantizer with independent coordinates and the influence of a mean or of a
        regression.

    Examples
    --------
    >>> from qmis_stats import GaussianMean, Problem, Sign, ThresholdPTQ
    >>> problem = Problem(GaussianMean([0.0] * 8, np.eye(8)), ThresholdPTQ(Sign()))
    >>> round(signal(problem, 100).retained * math.pi, 12)
    2.0
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    product = problem.at(n).product
    if product is None:
        raise DomainError("high_dimension", "the procedure is not a product quantizer", "use kind = ptq, or sharp")
    if not product.independent or product.influence == "other":
        raise DomainError(
            "high_dimension",
            "the coordinates of the estimate are not independent",
            "use a diagonal covariance",
        )
    law = problem.law
    units = law.leverages if isinstance(law, GeneralizedLinear) else np.ones(product.dimension)
    cache: dict[bytes, tuple[float, float, float]] = {}
    rows = []
    for edges in product.edges:
        key = edges.tobytes()
        if key not in cache:
            m = cell_moments(math.sqrt(n) * edges)
            fourth = float(m.probability @ m.centroid**4)
            reached = np.abs(m.centroid[m.probability > _NEVER])
            cache[key] = (m.retained, fourth, float(reached.max(initial=0.0)))
        rows.append(cache[key])
    plain = np.array(rows)
    moments = plain * np.stack((units, units**2, np.sqrt(units)), axis=1)
    rho, d = float(moments[:, 0].mean()), len(rows)
    # Fourth cumulant of Σ_i m_i ψ_i over its squared variance: E (mψ)⁴ = 3 E m⁴ for a normal influence.
    cumulant = 3.0 * float(np.mean(moments[:, 1] - moments[:, 0] ** 2))
    kurtosis = cumulant / (d * rho**2) if rho > 0.0 else 0.0
    retained, shift = float(plain[:, 0].mean()), float(moments[:, 2].max()) / math.sqrt(n)
    return Signal(retained, math.sqrt(d * rho / n), kurtosis, shift)


def high_dimension(problem: Problem, n: int) -> MISResult:
    """Return the high-dimensional form of Δ_n with the attack's ROC (Statement S8).

    For linear regression the signal of a fresh point is proportional to its noise, μ(ε) = μ|ε|/τ, for generalized
    linear laws to the residual of its response, and both Δ and the ROC are averaged over it.

    Parameters
    ----------
    problem : Problem
        Post-training quantization with independent coordinates.
    n : int
        Sample size, at least 2.

    Returns
    -------
    MISResult
        ``in_domain`` is true when the excess kurtosis of the log-likelihood ratio is at most one half (an error of
        about two per cent) and one member moves no coordinate by more than half a standard error.

    Raises
    ------
    DomainError
        As :func:`signal`.

    Examples
    --------
    >>> from qmis_stats import GaussianMean, Problem, Sign, ThresholdPTQ
    >>> problem = Problem(GaussianMean([0.0] * 128, np.eye(128)), ThresholdPTQ(Sign()))
    >>> round(high_dimension(problem, 500).delta, 4)
    0.16
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    found = signal(problem, n)
    product = problem.at(n).product
    reasons = []
    if found.excess_kurtosis > _LARGEST_KURTOSIS:
        reasons.append(
            f"excess kurtosis {found.excess_kurtosis:.3g} > {_LARGEST_KURTOSIS}: too few coordinates carry the signal, "
            "see method = critical or likelihood_ratio"
        )
    if found.largest_shift > _LARGEST_SHIFT:
        reasons.append(f"one member moves a coordinate by {found.largest_shift:.3g} > {_LARGEST_SHIFT} standard errors")
    scales, weights = np.ones(1), np.ones(1)
    if product is not None and product.influence == "gaussian_times_noise":
        scales, weights = _noise_rule()
    elif isinstance(problem.law, GeneralizedLinear):
        scales, weights = problem.law.residual_rule()
    # 2Φ(μ/2) − 1 = erf(μ/√8) keeps its relative precision when μ is small.
    delta = float(weights @ erf(found.mu * scales / math.sqrt(8.0)))
    return MISResult(
        "high_dimension",
        n,
        math.log(delta) if delta > 0.0 else -math.inf,
        in_domain=not reasons,
        domain="; ".join(reasons)
        if reasons
        else "normal log-likelihood ratio, error about a twenty-fourth of its "
        f"excess kurtosis {found.excess_kurtosis:.2g}",
        roc=gaussian_roc(found.mu, scales, weights) if delta > _VISIBLE else None,
        details={
            "retained_information": found.retained,
            "signal": found.mu,
            "excess_kurtosis": found.excess_kurtosis,
        },
    )


def _noise_rule() -> tuple[FloatArray, FloatArray]:
    """Return a rule for |ε|/τ, the modulus of a standard normal."""
    nodes, widths = gauss_legendre_panels(np.linspace(0.0, _REACH, _NOISE_PANELS + 1), 8)
    return nodes, widths * np.exp(-0.5 * nodes**2) * math.sqrt(2.0 / math.pi)


def gaussian_roc(mu: float, scales: ArrayLike | None = None, weights: ArrayLike | None = None) -> ROCCurve:
    """Return the ROC of an attack that knows its own signal ``mu·scale``.

    One signal gives the curve TPR = Φ(Φ⁻¹(FPR) + μ). Over a mixture of signals the optimal attack thresholds the
    likelihood ratio itself, N(−μ²/2, μ²) without and N(μ²/2, μ²) with membership, so rates are averaged at a common
    threshold.

    Parameters
    ----------
    mu : float
        Signal, at least zero.
    scales, weights : (k,) array_like, optional
        A mixture of signals ``mu * scales`` and their weights, equal by default.

    Examples
    --------
    >>> roc = gaussian_roc(1.0)
    >>> round(roc.auc, 6) == round(float(ndtr(1 / math.sqrt(2))), 6)
    True
    """
    s = np.ones(1) if scales is None else finite_array("scales", scales, 1, "(k,)")
    w = np.ones(s.size) if weights is None else finite_array("weights", weights, 1, "(k,)")
    if s.min() < 0.0:
        raise InputError("scales", scales, "of at least zero")
    if w.shape != s.shape or w.min() < 0.0 or w.sum() <= 0.0:
        raise InputError("weights", weights, f"{s.size} numbers of at least zero, one per scale, not all zero")
    signals = nonnegative_number("mu", mu) * s
    if signals.max() > _LARGEST_SIGNAL:
        raise InputError("mu", mu, f"at most {_LARGEST_SIGNAL:g}, times the largest scale")
    if not np.any(signals > 0.0):
        diagonal = tuple(float(x) for x in np.linspace(0.0, 1.0, 3))
        return ROCCurve(diagonal, diagonal, 0.5, {f: (f, f, f) for f in REPORTED_FPR})
    if signals.size == 1:
        fpr = np.concatenate(([0.0], ndtr(np.linspace(-6.0, 6.0, 241)), [1.0]))
        tpr = ndtr(ndtri(fpr) + signals[0])
        at = {f: float(ndtr(ndtri(f) + signals[0])) for f in REPORTED_FPR}
        auc = float(ndtr(signals[0] / math.sqrt(2.0)))
    else:
        # A point without a residual tells nothing; the least signal keeps its ratio a number.
        m, p = np.maximum(signals, _LEAST_SIGNAL * signals.max()), w / w.sum()
        reach = 8.0 * float(m.max()) + float(m.max()) ** 2
        cut = np.sinh(np.linspace(math.asinh(reach), -math.asinh(reach), 2001))
        fpr = _curve(ndtr(-(cut[:, None] + 0.5 * m**2) / m) @ p)
        tpr = _curve(ndtr(-(cut[:, None] - 0.5 * m**2) / m) @ p)
        at = {f: math.exp(np.interp(math.log(f), np.log(fpr[1:-1]), np.log(tpr[1:-1]))) for f in REPORTED_FPR}
        auc = float(np.trapezoid(tpr, fpr))
    return ROCCurve(
        tuple(float(x) for x in fpr),
        tuple(float(x) for x in tpr),
        auc,
        {f: (v, v, v) for f, v in at.items()},
    )


def _curve(rates: FloatArray) -> FloatArray:
    """Return rates from 0 to 1, made monotone against rounding in the averages."""
    return np.concatenate(([0.0], np.minimum(np.maximum.accumulate(rates), 1.0), [1.0]))
