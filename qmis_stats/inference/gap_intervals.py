"""Intervals for the standardised gap s = δ/σ of one rival, known beforehand, and its rate s²/2 (Statement S13)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr, ndtri

from qmis_kernels import backend
from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.inference.adjusted import GapStatistics, influence, rates
from qmis_stats.inference.indicator import DRAWS, checked_draws
from qmis_stats.inference.losses import FEWEST_POINTS
from qmis_stats.inference.moments import accumulated_statistics
from qmis_stats.validation import checked_level, finite_array, one_of

__all__ = ["INTERVALS", "GapInterval", "gap_interval"]

INTERVALS = ("adjusted", "delta", "noncentral_t", "bca")
"""Names of the methods."""

_STREAM = 12
_STEEP = 3.0
"""Standardised gap above which noncentral t is integrated here: SciPy takes long there, and ends in NaN."""
_ROUNDING = 1e-7
"""Of means and standard deviations of resampled standardised increments, from differences of sums of squares."""


@dataclass(frozen=True)
class GapInterval:
    """An interval for s = δ/σ and for r = s²/2.

    Attributes
    ----------
    estimate : float
        ŝ.
    low, high : float
        Limits for s.
    method : str
        One of :data:`INTERVALS`.
    level : float
        Confidence level.
    """

    estimate: float
    low: float
    high: float
    method: str
    level: float

    @property
    def rate(self) -> float:
        """r̂ = ŝ²/2, for a positive gap."""
        return 0.5 * max(self.estimate, 0.0) ** 2

    @property
    def rate_interval(self) -> tuple[float, float]:
        """The interval for r, where s is known not to be negative: limits below zero become zero."""
        return rates(self.low, self.high)


def gap_interval(
    increments: ArrayLike, level: float = 0.95, *, method: str = "adjusted", draws: int = DRAWS, seed: int = 0
) -> GapInterval:
    """Return the interval for the standardised gap of one rival.

    Parameters
    ----------
    increments : (N,) array_like
        Losses of the rival less those of the best candidate, N ≥ 10.
    level : float
        Confidence level.
    method : str
        ``"adjusted"``: jackknife standard error, skewness and bias removed by Hall's cubic, Student quantile with the
        degrees of freedom of the standard error. ``"delta"``: normal interval with third and fourth moments.
        ``"noncentral_t"``: exact for normal increments. ``"bca"``: bias-corrected accelerated bootstrap.
    draws, seed : int
        Of the bootstrap.

    Returns
    -------
    GapInterval

    Raises
    ------
    InputError
        If an argument is out of range, or the increments are all the same.

    Notes
    -----
    The coverage of each is measured in the coverage study of the documentation. At 95 % the adjusted interval stays
    between 94 and 96 % from N = 500 on for normal, exponential and discrete increments (96.4 % at N = 500 where 24 in
    25 increments are zero). It falls short for exponential increments with s = 1 below that (92.0, 93.2 and 93.7 % at
    N = 50, 100 and 200), for discrete ones with s = 1.4 at N = 50 (93.2 %), without a fourth moment (Student's t with
    three degrees of freedom: 90 to 92 % at any N) and for lognormal increments (84.5 % at N = 500, 92.2 % at 10 000).
    ``"noncentral_t"`` has 59 to 99.7 % with increments that are not normal, at large N too. ``"delta"`` and ``"bca"``
    are lower than ``"adjusted"`` where skewness is strong: 92.9 and 92.4 % for exponential increments, s = 1, N = 500.

    Examples
    --------
    >>> x = np.random.default_rng(1).normal(0.3, 1.0, size=2000)
    >>> for method in INTERVALS:
    ...     found = gap_interval(x, method=method)
    ...     print(f"{method:13}{found.low:.3f} {found.high:.3f}")
    adjusted     0.240 0.329
    delta        0.240 0.329
    noncentral_t 0.240 0.329
    bca          0.238 0.326
    """
    given = finite_array("increments", increments, 1, "(N,)")
    checked_level(level)
    if given.size < FEWEST_POINTS:
        raise InputError("increments", given.shape, f"at least {FEWEST_POINTS} numbers")
    one_of("method", method, INTERVALS)
    checked_draws(draws, seed)
    # A standardised gap has no unit: in this one squares stay in the range of floats, and no digit changes.
    x = np.ldexp(given, -int(np.frexp(np.max(np.abs(given)))[1]))
    spread = float(x.std())
    if spread <= 64.0 * np.finfo(np.float64).eps * float(np.max(np.abs(x))):
        raise InputError("increments", float(given[0]), "not the same at every point")
    z = (x - x.mean()) / spread
    s = float(x.mean() / spread * np.sqrt((x.size - 1.0) / x.size))
    if method == "noncentral_t":
        low, high = _noncentral_t(s, x.size, level)
    elif method == "bca":
        low, high = _bca(z, s, level, draws, seed)
    else:
        statistics = _statistics(z, s)
        quantile = float(ndtri(0.5 + 0.5 * level))
        if method == "adjusted":
            low, high = (float(statistics.limits(c)[0]) for c in (-quantile, quantile))
        else:
            error = float(np.sqrt(np.mean(influence(z[None, :], np.array([s])) ** 2) / x.size))
            low, high = s - quantile * error, s + quantile * error
    return GapInterval(s, low, high, method, level)


def _statistics(z: FloatArray, s: float) -> GapStatistics:
    moments = np.array([[np.mean(z**3)], [np.mean(z**4)]])
    return accumulated_statistics([z[None, :]], z.size, np.array([s]), moments)[0]


def _noncentral_t(s: float, points: int, level: float) -> tuple[float, float]:
    """Invert √N ŝ ~ noncentral t with N − 1 degrees of freedom and centre √N s."""
    from scipy.optimize import brentq

    statistic = abs(s) * math.sqrt(points)
    below = _below_by_nodes if abs(s) > _STEEP else _below
    tail = 0.5 * (1.0 - level)
    spread = math.sqrt(1.0 + 0.5 * statistic**2 / points)

    def centre(probability: float) -> float:
        def excess(mu: float) -> float:
            return below(statistic, points - 1, mu) - probability

        reach = spread
        while excess(statistic - reach) < 0.0 or excess(statistic + reach) > 0.0:
            reach += spread
        return float(brentq(excess, statistic - reach, statistic + reach, xtol=1e-10 * spread)) / math.sqrt(points)

    low, high = centre(1.0 - tail), centre(tail)
    return (low, high) if s >= 0.0 else (-high, -low)


def _below(statistic: float, dof: int, mu: float) -> float:
    """Return the probability that noncentral t is below."""
    from scipy.stats import nct

    found = float(nct.cdf(statistic, dof, mu))  # NaN in tails that round to 0 and 1
    return float(mu < statistic) if math.isnan(found) else found


def _below_by_nodes(statistic: float, dof: int, mu: float) -> float:
    """Return the same for a statistic far above √N, where SciPy has NaN in the middle of the law too.

    It is the mean over Z ~ N(0, 1) of P(χ² ≥ dof (μ + Z)²/t²), which varies slowly with Z.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    ratio = np.maximum(mu + nodes, 0.0) / statistic
    return float(weights @ chdtrc(dof, dof * ratio**2) / math.sqrt(2.0 * math.pi))


def _bca(z: FloatArray, s: float, level: float, draws: int, seed: int) -> tuple[float, float]:
    n = z.size
    sums = backend("numba").resampled_power_sums((seed, 0), _STREAM, 0, draws, z) / n
    spread = np.sqrt(np.maximum(sums[:, 1] - sums[:, 0] ** 2, 0.0))
    mean = s * np.sqrt(n / (n - 1.0)) + sums[:, 0]
    constant = spread <= _ROUNDING  # one value drawn n times: an infinite gap, or none
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(constant, np.where(np.abs(mean) <= _ROUNDING, 0.0, np.sign(mean) * np.inf), mean / spread)
    resampled = np.sort(ratio) * np.sqrt((n - 1.0) / n)
    below = (np.sum(resampled < s) + 0.5 * np.sum(resampled == s) + 0.5) / (draws + 1.0)
    bias = float(ndtri(below))
    psi = influence(z[None, :], np.array([s]))[0]
    acceleration = float(np.sum(psi**3) / (6.0 * np.sum(psi**2) ** 1.5))
    limits = []
    for quantile in ndtri([0.5 - 0.5 * level, 0.5 + 0.5 * level]):
        moved = bias + quantile
        probability = float(ndtr(bias + moved / (1.0 - acceleration * moved)))
        limits.append(float(np.quantile(resampled, probability, method="inverted_cdf")))
    return limits[0], limits[1]
