"""With how many coefficients a point the likelihood of a generalized linear law still has a maximum (S18.7)."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

from qmis_stats.arrays import FloatArray
from qmis_stats.laws import GeneralizedLinear
from qmis_stats.validation import instance_of

__all__ = ["largest_share"]


def largest_share(law: GeneralizedLinear) -> float:
    """Return h: the estimate exists for d/n below it and does not above, as d and n grow (Proposition S18.7).

    Candès and Sur's transition: without a maximum there is a direction along which no point's loss grows. The fitted
    values of such directions are in a convex cone, which a subspace of d dimensions misses while d/n is below the
    squared distance of a normal vector from the cone, per point.

    Parameters
    ----------
    law : GeneralizedLinear
        The law of a point; only its intercept and the standard deviation of its predictor count.

    Returns
    -------
    float
        At most 1/2 for a Bernoulli response, at most 1 for a Poisson one.

    Examples
    --------
    >>> from qmis_stats.laws import LogisticRegression
    >>> round(largest_share(LogisticRegression([0.0], [[1.0]])), 12)
    0.5
    >>> largest_share(LogisticRegression([5.0], [[1.0]])) < 0.2
    True
    """
    instance_of(GeneralizedLinear, "law", law, "such as LogisticRegression(coefficients, covariance)")
    eta, weights = law.predictor_rule()
    spread = law.predictor_std
    x = (eta - law.intercept) / spread if spread > 0.0 else np.zeros_like(eta)
    smallest = np.exp(-law.family.log_partition(eta))  # P(y = 0): the measure has mass one there

    def distance(t: float) -> float:
        m = t * x
        other = _beyond(-m) if math.isfinite(law.family.largest) else 1.0 + m * m
        return float(weights @ (smallest * _beyond(m) + (1.0 - smallest) * other))

    return float(minimize_scalar(distance, bracket=(-1.0, 0.0), tol=1e-10).fun)


def _beyond(m: FloatArray) -> FloatArray:
    """Return E max(Z − m, 0)² of a standard normal Z."""
    return np.asarray((1.0 + m * m) * ndtr(-m) - m * np.exp(-0.5 * m * m) / math.sqrt(2.0 * math.pi))
