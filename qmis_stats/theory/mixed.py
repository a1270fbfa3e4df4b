"""Product cells between the critical scale and high dimension: Δ_n ≈ E_T[2Φ(‖m_T‖/(2√n)) − 1] (Statement S8.2)."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from qmis_stats.errors import DomainError
from qmis_stats.numerics import gauss_legendre_panels
from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.theory.critical import product_moments
from qmis_stats.theory.high_dimension import signal
from qmis_stats.validation import instance_of, sample_size

__all__ = ["mixed"]

_LARGEST_SHIFT = 0.25
_PANELS = 80
_FINEST = 1e-12


def mixed(problem: Problem, n: int) -> MISResult:
    """Return the mixed form of Δ_n for product cells (Statement S8.2).

    Given the cell, a member's law is shifted by the cell's centroid over √n. The form needs neither many coordinates
    (Statement S8) nor a small total effect (Statement S7), and tends to both.

    Parameters
    ----------
    problem : Problem
        Post-training quantization of a Gaussian mean with diagonal covariance.
    n : int
        Sample size, at least 2.

    Returns
    -------
    MISResult
        ``in_domain`` is true when one member moves no coordinate by more than a quarter of a standard error.

    Raises
    ------
    DomainError
        If the cells are not a product with independent normal coordinates.

    Examples
    --------
    >>> from qmis_stats import GaussianMean, Problem, Ternary, ThresholdPTQ
    >>> problem = Problem(GaussianMean([0.0] * 8, np.eye(8)), ThresholdPTQ(Ternary(0.9)))
    >>> round(mixed(problem, 100).delta, 4)
    0.0542
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    product = problem.at(n).product
    if product is None or not product.independent or product.influence != "gaussian":
        raise DomainError(
            "mixed",
            "the cells are not a product with independent normal coordinates",
            "use method = critical, high_dimension or sharp",
        )
    shift = signal(problem, n).largest_shift
    # Craig's identity erf √y = (2/π) ∫_0^{π/2} (1 − e^{−y/sin²θ}) dθ turns the mean over T into a product. The
    # integrand leaves one at θ of order √y: panels are graded towards zero.
    theta, weights = gauss_legendre_panels(np.concatenate(([0.0], np.geomspace(_FINEST, 0.5 * math.pi, _PANELS))))
    rate = 1.0 / (8.0 * n * np.sin(theta) ** 2)
    log_product = np.zeros_like(theta)
    for moments, count in Counter(product_moments(product, n)).items():
        missing = moments.probability @ np.expm1(-np.outer(moments.centroid**2, rate))
        with np.errstate(divide="ignore"):
            log_product += count * np.log1p(np.maximum(missing, -1.0))
    delta = float(weights @ -np.expm1(log_product)) * 2.0 / math.pi
    controlled = shift <= _LARGEST_SHIFT
    return MISResult(
        "mixed",
        n,
        math.log(delta) if delta > 0.0 else -math.inf,
        in_domain=controlled,
        domain="a few per cent, any dimension"
        if controlled
        else f"one member moves a coordinate by {shift:.3g} > {_LARGEST_SHIFT} standard errors: cells too rare",
    )
