"""The Chernoff exponent of increments that are only sampled, with its bias and the range where it can be believed.

Î = −min_λ log(mean of e^(−λx)) uses the far left tail of the increments: N points resolve exponents up to about log N,
and less as soon as few of them carry the tilted mean (Statement S13).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.inference.losses import Losses
from qmis_stats.inference.moments import Gaps
from qmis_stats.validation import checked_level, finite_array

__all__ = ["ChernoffEstimate", "empirical_chernoff", "smallest_chernoff"]

_FEWEST_EFFECTIVE_POINTS = 50.0
_LARGEST_BIAS = 0.5


@dataclass(frozen=True)
class ChernoffEstimate:
    """An empirical Chernoff exponent.

    Attributes
    ----------
    exponent : float
        Î, the plug-in estimate; infinite when no increment is zero or negative.
    corrected : float
        Î less its estimated bias of order 1/N, which is upwards.
    std_error : float
        Standard error by the delta method; infinite where the exponent is.
    tilt : float
        λ̂ at which the mean of e^(−λx) is smallest.
    effective_points : float
        (Σw)²/Σw² of the weights w = e^(−λ̂x): how many points carry the estimate.
    in_domain : bool
        Whether at least 50 points carry it and the bias is below half a standard error.
    rival : int or None
        Row of the candidate, where the estimate is the smallest of several.

    Examples
    --------
    >>> low, high = ChernoffEstimate(0.1, 0.09, 0.01, 1.0, 400.0, True).interval()
    >>> round(low, 4), round(high, 4)
    (0.0704, 0.1096)
    """

    exponent: float
    corrected: float
    std_error: float
    tilt: float
    effective_points: float
    in_domain: bool
    rival: int | None = None

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the normal interval about the corrected exponent, from 0; up to infinity outside the domain."""
        from scipy.special import ndtri

        upper = 0.5 + 0.5 * checked_level(level)
        if not math.isfinite(self.std_error):
            return (0.0, math.inf)
        half = float(ndtri(upper)) * self.std_error
        return (max(0.0, self.corrected - half), self.corrected + half)


def empirical_chernoff(increments: FloatArray) -> ChernoffEstimate:
    """Return the empirical Chernoff exponent of increments with a positive mean.

    Parameters
    ----------
    increments : (N,) array_like
        Losses of a rival less those of the best candidate.

    Returns
    -------
    ChernoffEstimate
        Of a mean that is not positive the exponent is 0.

    Raises
    ------
    InputError
        If the increments are not a vector of finite numbers, or all the same.

    Examples
    --------
    >>> x = np.concatenate([np.full(90, 1.0), np.full(10, -1.0)])
    >>> round(empirical_chernoff(x).exponent, 4), round(-math.log(2.0 * math.sqrt(0.9 * 0.1)), 4)
    (0.5108, 0.5108)
    """
    x = finite_array("increments", increments, 1, "(N,)")
    spread = float(x.std())
    if spread == 0.0:
        raise InputError("increments", float(x[0]), "not all the same")
    unit = x / spread
    mean, least = _tilted_mean(unit, 0.0), float(unit.min())  # the very number from which the root is sought
    if mean <= 0.0:
        return ChernoffEstimate(0.0, 0.0, 0.0, 0.0, float(x.size), True)
    if least >= 0.0:
        zeros = float(np.mean(unit == 0.0))
        exponent = -math.log(zeros) if zeros else math.inf
        return ChernoffEstimate(exponent, exponent, math.inf, math.inf, zeros * x.size, False)
    tilt = _root(lambda lam: _tilted_mean(unit, lam), mean)
    return _estimate(unit, tilt, spread)


def _weights(x: FloatArray, tilt: float) -> tuple[FloatArray, float]:
    """Return e^(−λx) divided by its largest value, and the logarithm of that."""
    largest = -tilt * float(x.min()) if tilt > 0.0 else 0.0
    return np.exp(-tilt * x - largest), largest


def _tilted_mean(x: FloatArray, tilt: float) -> float:
    weights, _ = _weights(x, tilt)
    return float(x @ weights / weights.sum())


def _root(function: Callable[[float], float], start: float) -> float:
    """Return the zero of a decreasing function that is positive at 0."""
    from scipy.optimize import brentq

    upper = start
    while function(upper) > 0.0:
        upper *= 2.0
    return float(brentq(function, 0.0, upper, xtol=1e-12, rtol=1e-12))


def _estimate(x: FloatArray, tilt: float, unit: float) -> ChernoffEstimate:
    n = x.size
    weights, largest = _weights(x, tilt)
    total, squares = float(weights.sum()), float(weights @ weights)
    exponent = -(math.log(total / n) + largest)
    effective = total * total / squares
    variance = (n / effective - 1.0) / n
    tilted_variance = float((x * x) @ weights) / total
    # E min over λ: half the variance of the tilted mean over the curvature is gained.
    bias = 0.5 * variance + 0.5 * float((x * weights) @ (x * weights)) / (total * total * tilted_variance)
    error = math.sqrt(max(variance, 0.0))
    good = effective >= _FEWEST_EFFECTIVE_POINTS and bias <= _LARGEST_BIAS * max(error, 1.0 / n)
    return ChernoffEstimate(exponent, max(0.0, exponent - bias), error, tilt / unit, effective, good)


def smallest_chernoff(losses: Losses, found: Gaps) -> ChernoffEstimate:
    """Return the smallest empirical exponent over all rivals.

    Each exponent is at least −log(mean of e^(−λx)) at the normal tilt λ = δ/σ²: a pass over all rivals gives these
    bounds, and exponents are solved for in their order until the next bound exceeds the smallest exponent.

    Examples
    --------
    >>> from qmis_stats.inference.moments import gaps
    >>> rng = np.random.default_rng(1)
    >>> noise = rng.normal(size=2000)
    >>> losses = Losses("sign", [0.0 * noise, noise + 0.5, noise + 1.0])
    >>> estimate = smallest_chernoff(losses, gaps(losses))
    >>> estimate.rival, abs(estimate.exponent - 0.125) < 0.03
    (1, True)
    """
    bounds = _bounds(losses, found)
    smallest: ChernoffEstimate | None = None
    for place in np.argsort(bounds, kind="stable"):
        if smallest is not None and bounds[place] >= smallest.exponent:
            break
        estimate = empirical_chernoff(_increments(losses, found, int(place)))
        if smallest is None or estimate.exponent < smallest.exponent:
            fields = {**vars(estimate), "rival": int(found.rivals[place])}
            smallest = ChernoffEstimate(**fields)
    assert smallest is not None
    return smallest


def _increments(losses: Losses, found: Gaps, place: int) -> FloatArray:
    row = found.rivals[place]
    return np.concatenate([block[row] - block[found.best] for block in losses.blocks()])


def _bounds(losses: Losses, found: Gaps) -> FloatArray:
    tilts = (found.delta / found.sigma**2)[:, None]
    log_total = np.full(found.rivals.size, -np.inf)
    for block in losses.blocks():
        exponents = -tilts * (block[found.rivals] - block[found.best])
        largest = exponents.max(axis=1)
        log_total = np.logaddexp(log_total, np.log(np.exp(exponents - largest[:, None]).sum(axis=1)) + largest)
    return math.log(losses.points) - log_total
