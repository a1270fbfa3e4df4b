"""E_P|dP̃/dP − 1| = 2 TV(P, P̃), the distance between a law and its tilt (Statement S4)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from qmis_stats.arrays import FloatArray
from qmis_stats.increments import (
    DiscreteIncrement,
    GaussianIncrement,
    Increment,
    MixtureIncrement,
    QuadraticIncrement,
)
from qmis_stats.theory.points import normal_rule

__all__ = ["log_mean_tilt_distance", "scaled_ratio"]

_SMALL_DIFFERENCE = 1e-3


def scaled_ratio(x: FloatArray, lam: float, exponent: float) -> FloatArray:
    """Return ``(dP̃/dP − 1)/λ = expm1(−λx + I)/λ``, continuous at λ = 0 where it is −x.

    The division by λ is what makes the sharp form uniform as the tilt vanishes: I/λ → 0 with λ.

    Examples
    --------
    >>> scaled_ratio(np.array([2.0]), 0.0, 0.0)
    array([-2.])
    """
    if lam == 0.0:
        return -x
    with np.errstate(over="ignore"):  # infinite ratios make an infinite result, which is refused
        return np.asarray(np.expm1(exponent - lam * x) / lam, dtype=np.float64)


def log_mean_tilt_distance(increment: Increment) -> float:
    """Return log of ``E|dP̃/dP − 1|/λ`` for one increment, with its limit E|X − δ| at λ = 0.

    Closed form for a normal increment; one-dimensional quadrature over a normal for a difference of two weighted
    squares; a finite sum for a discrete law; quadrature over the tilted and the untilted law otherwise.

    Examples
    --------
    >>> round(math.exp(log_mean_tilt_distance(GaussianIncrement(0.5, 1.0))), 6)
    0.789651
    """
    tilt = increment.tilt()
    if isinstance(increment, GaussianIncrement):
        sigma = math.sqrt(increment.variance)
        half = 0.5 * increment.mean / sigma
        if half < 1e-9:
            return math.log(sigma * math.sqrt(2.0 / math.pi))
        # 2(2Φ(δ/2σ) − 1)/λ with λ = δ/σ²
        return math.log(2.0 * math.erf(half / math.sqrt(2.0)) / tilt.lam)
    if isinstance(increment, DiscreteIncrement):
        x = np.array([float(v) for v in increment.values])
        p = np.array([float(q) for q in increment.probabilities])
        return math.log(float(p @ np.abs(scaled_ratio(x, tilt.lam, tilt.exponent))))
    if tilt.lam > 0.0:
        difference = _tilt_difference(increment, tilt.lam, tilt.exponent)
        if difference > _SMALL_DIFFERENCE:
            return math.log(2.0 * difference / tilt.lam)
    # A small tilt: integrate |L − 1|/λ itself instead of subtracting two close probabilities.
    nodes, weights = _nodes(increment)
    return math.log(float(weights @ np.abs(scaled_ratio(nodes, tilt.lam, tilt.exponent))))


def _tilt_difference(increment: Increment, lam: float, exponent: float) -> float:
    """Return TV(P, P̃) = P̃(X < I/λ) − P(X < I/λ); zero where no one-dimensional form is known."""
    cut = exponent / lam
    if isinstance(increment, MixtureIncrement):
        parts = list(zip(increment.weights, increment.means, increment.variances, strict=True))
        plain = math.fsum(w * ndtr((cut - m) / math.sqrt(v)) for w, m, v in parts)
        tilted_mass = math.fsum(
            w * math.exp(exponent - lam * m + 0.5 * lam**2 * v) * ndtr((cut - m + lam * v) / math.sqrt(v))
            for w, m, v in parts
        )
        return tilted_mass - plain
    if isinstance(increment, QuadraticIncrement) and len(increment.eigenvalues) == 2 and not any(increment.linear):
        gamma, alpha = -min(increment.eigenvalues), max(increment.eigenvalues)
        if gamma > 0.0 and alpha > 0.0:
            level = cut - increment.constant
            tilted = _square_difference_cdf(alpha / (1 + 2 * lam * alpha), gamma / (1 - 2 * lam * gamma), level)
            return tilted - _square_difference_cdf(alpha, gamma, level)
    return 0.0


def _square_difference_cdf(alpha: float, gamma: float, level: float) -> float:
    """Return P(α w₁² − γ w₂² < level), one quadrature over w₂."""
    w, mass = normal_rule(1)
    reach = np.sqrt(np.maximum((level + gamma * w[:, 0] ** 2) / alpha, 0.0))
    return float(mass @ (2.0 * ndtr(reach) - 1.0))


def _nodes(increment: Increment) -> tuple[FloatArray, FloatArray]:
    if isinstance(increment, MixtureIncrement):
        normals, mass = normal_rule(1)
        parts = zip(increment.weights, increment.means, increment.variances, strict=True)
        pieces = [(m + math.sqrt(v) * normals[:, 0], w * mass) for w, m, v in parts]
        return np.concatenate([x for x, _ in pieces]), np.concatenate([w for _, w in pieces])
    if not isinstance(increment, QuadraticIncrement):
        return increment.quadrature()
    e = np.asarray(increment.eigenvalues)
    linear = np.asarray(increment.linear) if increment.linear else np.zeros_like(e)
    normals, mass = normal_rule(len(e))
    return increment.constant + np.sum(e * normals**2 + linear * normals, axis=1), mass
