"""Increments of codewords and of thresholds under a generalized linear law (Statement S18).

Vectors are coefficients in coordinates where the design is standard normal.
"""

from __future__ import annotations

import math

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.increments import GaussianIncrement, Increment
from qmis_stats.scores.canonical_increment import CanonicalIncrement, Parts
from qmis_stats.scores.families import POISSON, Family

__all__ = ["codeword_increment", "codeword_reach", "threshold_increment"]

_PARALLEL = 1e-12


def _norm(vector: FloatArray) -> float:
    return float(np.linalg.norm(vector))


def _plane(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return an orthonormal basis (q, d) of the span of two vectors, the first not zero; q = 1 if they are parallel."""
    one = first / _norm(first)
    rest = second - (second @ one) * one
    rest -= (rest @ one) * one
    if _norm(rest) <= _PARALLEL * _norm(second):
        return one[None, :]
    return np.stack((one, rest / _norm(rest)))


def codeword_increment(
    family: Family, intercept: float, best: FloatArray, step: FloatArray, truth: FloatArray
) -> Increment:
    """Return the law of ℓ(best + step; z) − ℓ(best; z) when the true coefficients are best + truth.

    Parameters
    ----------
    family : Family
        Law of the response.
    intercept : float
        β₀.
    best, step, truth : (d,) arrays
        A codeword, the rival less the codeword, and the true coefficients less the codeword.
    """
    if not step.any():
        return GaussianIncrement(0.0, 0.0)
    basis = _plane(step, best)
    v, a, e = basis @ best, basis @ step, basis @ truth
    residual = _norm(truth - e @ basis)
    if residual <= _PARALLEL * max(_norm(truth), _norm(best)):
        residual = 0.0

    def parts(w: FloatArray) -> Parts:
        fitted, slope, off = intercept + w @ v, w @ a, w @ e
        gain = family.divergence(fitted, slope)
        if residual == 0.0:
            eta = fitted + off
            mean = gain - family.mean_step(fitted, off) * slope
            return Parts(mean, slope, eta, family.mean(eta), family.cumulants(eta)[0])
        response, spread = family.marginal(fitted + off, residual)
        eta = family.natural(response, spread)
        return Parts(gain + (family.mean(fitted) - response) * slope, slope, eta, response, spread)

    reach = codeword_reach(best, step, truth) if family is POISSON else math.inf
    return CanonicalIncrement(family, len(basis), parts, reach)


def codeword_reach(best: FloatArray, step: FloatArray, truth: FloatArray) -> float:
    """Return the largest λ for which K(−λ) is finite under a Poisson regression (Proposition S18.4).

    Examples
    --------
    >>> best, step = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    >>> codeword_reach(best, step, np.zeros(2)), codeword_reach(best, step, np.array([0.1, 0.0]))
    (1.0, 0.0)
    """
    if not truth.any():
        return 1.0
    rival, true = best + step, best + truth
    scale = max(_norm(rival), _norm(true))
    axis = rival if _norm(rival) >= _norm(true) else true
    axis = axis / _norm(axis)
    flat = max(_norm(c - (c @ axis) * axis) for c in (rival, true)) <= _PARALLEL * scale
    if not flat:
        # best = a rival + (1 − a) true: its place on the segment, from the differences.
        span = step - truth
        share = float(-(truth @ span) / (span @ span))
        off = _norm(truth + share * span)
        inside = 0.0 <= share < 1.0 and off <= _PARALLEL * scale
        return 1.0 / (1.0 - share) if inside else 0.0
    if _norm(best - (best @ axis) * axis) > _PARALLEL * scale:
        return 0.0
    here, move, start = float(best @ axis), float(step @ axis), float(true @ axis)
    low, high = min(0.0, float(rival @ axis), start), max(0.0, float(rival @ axis), start)
    if not low - _PARALLEL * scale <= here <= high + _PARALLEL * scale:
        return 0.0
    return max((high - start) / move if move > 0.0 else (low - start) / move, 0.0)


def threshold_increment(
    family: Family, intercept: float, truth: FloatArray, direction: FloatArray, gaps: FloatArray, unit: float = 1.0
) -> Increment:
    """Return the law of ``unit · Σ_i (A'(η + gaps[i] c) − y) c`` with c the predictor of a direction.

    Parameters
    ----------
    family : Family
        Law of the response.
    intercept : float
        β₀.
    truth, direction : (d,) arrays
        True coefficients and the line on which the thresholds lie.
    gaps : (m,) array
        Places of the thresholds on the line, seen from the truth; a single gap is at least zero.
    unit : float
        Factor of the increment.
    """
    basis = _plane(direction, truth)
    c, e, count = basis @ direction, basis @ truth, gaps.size

    def parts(w: FloatArray) -> Parts:
        eta, along = intercept + w @ e, w @ c
        steps = sum(family.mean_step(eta, gap * along) for gap in gaps)
        slope = unit * count * along
        return Parts(unit * along * steps, slope, eta, family.mean(eta), family.cumulants(eta)[0])

    if count == 1:
        gap = float(gaps[0])
        reach = gap / unit if family is POISSON else math.inf
        return CanonicalIncrement(family, len(basis), parts, reach, known_tilt=gap / unit)
    reach = math.inf
    if family is POISSON:
        # One direction: places on the line are the coefficients less those of the truth.
        start = float(e @ c) / float(c @ c)
        low, high = start + float(gaps.min()), start + float(gaps.max())
        reach = (max(high, 0.0) - start) / (unit * count) if low >= min(start, 0.0) else 0.0
    return CanonicalIncrement(family, len(basis), parts, max(reach, 0.0))
