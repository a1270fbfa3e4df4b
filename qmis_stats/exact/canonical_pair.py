"""Exact Δ_n of two cells of a generalized linear law, by inversion of a characteristic function (Statement S18).

With S̃ the sum of m = n − 1 increments under the tilted law, f̃ its density and φ̃ the characteristic function of one,

    D(x) = P(S_{n−1} < 0) − P(S_{n−1} < −x) = e^{−mI} ∫_0^x e^{−λy} f̃(−y) dy
         = e^{−mI} (1/π) Re ∫_0^∞ φ̃(t)^m (1 − e^{−(λ − it)x})/(λ − it) dt,

which has no singularity at λ = 0, and Δ_n = E|D(X) − E D(X)|. The trapezoidal rule in t replaces f̃ by its periodic
sum, whose error is the mass of S̃ beyond half a period.
"""

from __future__ import annotations

import math

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.scores import CanonicalIncrement
from qmis_stats.validation import sample_size

__all__ = ["log_delta"]

_REACH = 14.0
_NEGLIGIBLE = 1e-16
_FAR = 40.0
_FADED = 1e-12
_MOST_EVALUATIONS = 40_000_000
_PLACES = 3001
_STEPS = {1: 0.01, 2: 0.06}
_COARSER = 1.5


def log_delta(increment: CanonicalIncrement, n: int) -> tuple[float, float]:
    """Return log Δ_n of two cells and an estimate of the relative error of Δ_n.

    Parameters
    ----------
    increment : CanonicalIncrement
        Law of the rival's score less the best one's, with a proper tilt.
    n : int
        Sample size, at least 2.

    Returns
    -------
    log_delta, error : float
        The error is the change of Δ_n on rules one and a half times coarser.

    Raises
    ------
    DomainError
        If n is so small that the characteristic function decays too slowly.

    Examples
    --------
    >>> from qmis_stats.laws import LogisticRegression
    >>> law = LogisticRegression([1.5], [[1.0]])
    >>> value, error = log_delta(law.threshold_increment(0, 0.0, False)[0], 100)
    >>> round(value, 4), error < 1e-5
    (-23.2608, True)
    """
    n = sample_size(n)
    fine, coarse = (_log_delta(increment, n, widening) for widening in (1.0, _COARSER))
    return fine, abs(math.expm1(coarse - fine))


def _log_delta(increment: CanonicalIncrement, n: int, widening: float) -> float:
    from scipy.interpolate import CubicSpline  # slow to load, and needed only here

    tilt, m = increment.tilt(), n - 1
    lam, sigma = tilt.lam, math.sqrt(tilt.variance)
    x, mass = increment.quadrature(widening)
    spread = _REACH * sigma * (1.0 + math.sqrt(m))
    tilted = mass * np.exp(np.clip(tilt.exponent - lam * x, -700.0, 700.0))
    low = max(float(x[tilted > _NEGLIGIBLE].min(initial=0.0)), -spread)
    high = min(float(x.max(initial=0.0)), spread, _FAR / lam if lam > 0.0 else math.inf)
    t, power = _characteristic_power(increment, m, 2.0 * math.pi / (2.0 * (high - low + spread)), widening)
    # More places near zero than at the ends: D is smooth on the scale of σ̃.
    places = np.unique(np.concatenate((np.linspace(low, high, _PLACES), np.linspace(-3.0, 3.0, _PLACES) * sigma)))
    places = places[(places >= low) & (places <= high)]
    rate = lam - 1j * t
    weight = np.full(t.size, t[1] / math.pi)
    weight[0] *= 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        kernel = -np.expm1(-np.outer(places, rate)) / rate
    if lam == 0.0:
        kernel[:, 0] = places
    shifted = CubicSpline(places, (kernel @ (weight * power)).real)(np.clip(x, low, high))
    total = float(mass.sum())
    mean = float(mass @ shifted) / total
    # Both cells deviate alike: Δ is the mean absolute deviation of D, twice its positive part.
    return math.log(2.0 * float(mass @ np.maximum(mean - shifted, 0.0)) / total) - m * tilt.exponent


def _characteristic_power(
    increment: CanonicalIncrement, m: int, step: float, widening: float
) -> tuple[FloatArray, np.ndarray]:
    """Return frequencies and φ̃(t)^m up to where it is negligible."""
    p, weights = increment.tilted_rule(_STEPS[increment.rank] * widening)
    family, values = increment.family, []
    constant = p.mean + p.response * p.slope
    for k in range(_MOST_EVALUATIONS // weights.size):
        t = k * step
        ratio = family.ratio(p.eta, -1j * t * p.slope)
        value = complex(weights @ (np.exp(1j * t * constant) * ratio)) ** m
        values.append(value)
        if abs(value) < _FADED:
            return np.asarray(step * np.arange(k + 1), dtype=np.float64), np.array(values)
    raise DomainError(
        "exact",
        f"the characteristic function of n = {m + 1} points decays too slowly",
        "use method = crude or larger n",
    )
