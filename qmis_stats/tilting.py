"""The exponential tilt that brings a mean to zero, for any cumulant generating function (Statement S3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from qmis_stats.errors import InputError

__all__ = ["Tilt", "solve_tilt"]

_MAX_ITERATIONS = 200
_MAX_DOUBLINGS = 2200
_FARTHEST = 1e60
"""Tilts beyond so many reciprocal standard deviations do not exist: increments of rational laws are crossed before."""
_FAR_APART = 1e3
_RELATIVE_TOLERANCE = 4e-16
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Tilt:
    """The tilt of an increment X with mean δ ≥ 0.

    Attributes
    ----------
    lam : float
        λ ≥ 0, the minimiser of K at −λ; infinite when X cannot be brought to mean zero.
    exponent : float
        The Chernoff exponent I = −K(−λ); infinite for a face that can never be crossed.
    variance : float
        σ̃² = K''(−λ), the variance of X under the tilted law dP̃/dP = exp(−λX + I); infinite where tails are so heavy
        that no tilt makes the mean zero, λ and I being those of the largest tilt that exists (Proposition S18.4).
    """

    lam: float
    exponent: float
    variance: float

    @classmethod
    def unreachable(cls) -> Tilt:
        """Return the tilt of a face that is never crossed."""
        return cls(math.inf, math.inf, 0.0)

    @property
    def proper(self) -> bool:
        """Whether a tilted law of mean zero exists (finite λ, positive and finite variance)."""
        return math.isfinite(self.lam) and 0.0 < self.variance < math.inf


def solve_tilt(
    cgf: Callable[[float], tuple[float, float, float]],
    domain: tuple[float, float],
    *,
    mean: float,
    variance: float,
    log_crossing_mass: float = -math.inf,
) -> Tilt:
    """Solve K'(−λ) = 0 for a convex cumulant generating function K.

    Newton's method on a bracket: a step that leaves the bracket or converges too slowly is replaced by bisection.

    Parameters
    ----------
    cgf : callable
        ``s -> (K(s), K'(s), K''(s))``, finite inside ``domain``.
    domain : (float, float)
        Open interval around zero on which K is finite.
    mean, variance : float
        K'(0) ≥ 0 and K''(0).
    log_crossing_mass : float
        log P(crossing in one step) when X ≥ 0 and only X = 0 counts; −inf otherwise.

    Returns
    -------
    Tilt

    Raises
    ------
    InputError
        If the mean is negative or not finite.

    Examples
    --------
    >>> solve_tilt(lambda s: (0.5 * s + 0.5 * s * s, 0.5 + s, 1.0), (-math.inf, math.inf), mean=0.5, variance=1.0)
    Tilt(lam=0.5, exponent=0.125, variance=1.0)
    """
    if -_ROUNDING * math.sqrt(variance) <= mean < 0.0:
        mean = 0.0  # a tie for the best codeword, negative only by rounding
    if not mean >= 0.0 or not math.isfinite(mean) or not math.isfinite(variance):
        raise InputError("increment.mean", mean, "finite and not negative: the best codeword minimises the mean loss")
    if variance == 0.0:
        return Tilt(0.0, 0.0, 0.0) if mean == 0.0 else Tilt(math.inf, -log_crossing_mass, 0.0)
    if mean == 0.0:
        return Tilt(0.0, 0.0, variance)
    upper_limit = -domain[0]
    low, high = 0.0, _bracket(cgf, upper_limit, mean / variance, math.sqrt(variance))
    if high is None:
        return Tilt(math.inf, -log_crossing_mass, 0.0)
    lam, shrink = min(mean / variance, 0.5 * (low + high)), math.sqrt(0.5)
    for _ in range(_MAX_ITERATIONS):  # SciPy's solvers use a bracket or the curvature, not both
        _, slope, curvature = cgf(-lam)
        if slope > 0.0:
            low = lam
        else:
            high = lam
        # A tilt far too strong leaves one atom, without variance: bisection leads back.
        proposal = lam + slope / curvature if curvature > 0.0 else math.inf
        if not low <= proposal <= high:
            shrink *= shrink
            proposal = high * shrink if low == 0.0 else _between(low, high)
        if abs(proposal - lam) <= _RELATIVE_TOLERANCE * lam or high - low <= _RELATIVE_TOLERANCE * high:
            lam = proposal
            break
        lam = proposal
    value, _, curvature = cgf(-lam)
    return Tilt(lam, max(-value, 0.0), curvature)


def _between(low: float, high: float) -> float:
    """Return a point between two positive numbers: their mean, or the geometric one where they are far apart."""
    return 0.5 * (low + high) if high < _FAR_APART * low else math.sqrt(low) * math.sqrt(high)


def _bracket(
    cgf: Callable[[float], tuple[float, float, float]], upper_limit: float, start: float, scale: float
) -> float | None:
    """Return λ with K'(−λ) ≤ 0, or ``None`` when the slope stays positive on the whole domain."""
    lam = min(start, 0.5 * upper_limit)
    for _ in range(_MAX_DOUBLINGS):  # a mean far below rounding needs as many as floats have exponents
        _, slope, _ = cgf(-lam)
        if slope <= 0.0:
            return lam
        lam = 2.0 * lam if math.isinf(upper_limit) else lam + 0.5 * (upper_limit - lam)
        if not lam * scale < _FARTHEST or lam >= upper_limit:
            return None
    return None
