"""Special functions and quadrature that keep their relative accuracy in the tails.

Everything here is a function of plain numbers and arrays; probabilities and densities are returned as
natural logarithms.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfcx, gammaln, log_ndtr

from qmis_stats.arrays import FloatArray

__all__ = [
    "gauss_legendre_panels",
    "log_bessel_profile",
    "log_beta_half",
    "log_ndtr_difference",
    "log_ndtr_ratio",
    "log_sum_exp",
    "normal_trapezoid",
    "tail_changes",
]


_MILLS_ORDER = 14
_LARGEST_MILLS_SHIFT = 1.0
_DIRECT_GAMMA_BELOW = 20.0
_NEGLIGIBLE_EXPONENT = 45.0


@lru_cache
def _unit_rule(order: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights on [-1, 1]: finding them costs more than most integrals."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return nodes, weights


def gauss_legendre_panels(edges: ArrayLike, order: int = 16) -> tuple[FloatArray, FloatArray]:
    """Composite Gauss-Legendre nodes and weights on consecutive panels.

    Parameters
    ----------
    edges : array_like, shape (..., P + 1)
        Panel ends; the leading axes are independent rules.
    order : int
        Nodes per panel.

    Returns
    -------
    nodes, weights : ndarray, shape (..., P * order)

    Examples
    --------
    >>> nodes, weights = gauss_legendre_panels([0.0, 1.0, 3.0], order=4)
    >>> float(round(weights @ nodes**7, 9))
    820.125
    """
    ends = np.asarray(edges, dtype=np.float64)
    unit_nodes, unit_weights = _unit_rule(order)
    half = 0.5 * np.diff(ends, axis=-1)[..., None]
    middle = 0.5 * (ends[..., 1:] + ends[..., :-1])[..., None]
    shape = (*ends.shape[:-1], (ends.shape[-1] - 1) * order)
    return (middle + half * unit_nodes).reshape(shape), (half * unit_weights).reshape(shape)


def normal_trapezoid(reach: float, count: int) -> tuple[FloatArray, FloatArray]:
    """Return equally spaced nodes from −reach to reach, and weights of a standard normal variable that sum to one.

    Examples
    --------
    >>> nodes, weights = normal_trapezoid(8.0, 33)
    >>> round(float(weights @ nodes**2), 12)
    1.0
    """
    nodes = np.linspace(-reach, reach, count)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


@lru_cache
def _mills_rule() -> tuple[tuple[np.float64, np.float64], ...]:
    """Return nodes and weights on [0, 1]."""
    return tuple(zip(*gauss_legendre_panels([0.0, 1.0], _MILLS_ORDER), strict=True))


def log_ndtr_ratio(start: ArrayLike, shift: ArrayLike) -> FloatArray:
    """``log Φ(start + shift) − log Φ(start)``, accurate relative to itself also for tiny shifts.

    Shifts of at most one integrate the inverse Mills ratio φ/Φ by Gauss-Legendre, so that nothing cancels;
    beyond, the two logarithms are subtracted and the larger one's rounding remains.

    Parameters
    ----------
    start, shift : array_like
        Finite numbers; they broadcast.

    Examples
    --------
    >>> float(log_ndtr_ratio(-30.0, 1e-12)) / 1e-12  # the inverse Mills ratio at -30
    30.0332...
    """
    start, shift = np.broadcast_arrays(np.asarray(start, float), np.asarray(shift, float))
    small = np.clip(shift, -_LARGEST_MILLS_SHIFT, _LARGEST_MILLS_SHIFT)
    ratio = np.zeros(start.shape)
    for node, weight in _mills_rule():
        ratio += weight / erfcx((start + node * small) * -math.sqrt(0.5))
    ratio *= math.sqrt(2.0 / math.pi) * small
    far = np.abs(shift) > _LARGEST_MILLS_SHIFT
    ratio[far] = log_ndtr(start[far] + shift[far]) - log_ndtr(start[far])
    return ratio


def log_ndtr_difference(lower: ArrayLike, upper: ArrayLike, width: ArrayLike | None = None) -> FloatArray:
    """``log(Φ(upper) − Φ(lower))``, the log probability of an interval, without cancellation.

    Parameters
    ----------
    lower, upper : array_like
        ``lower <= upper``; infinite ends are allowed; they broadcast. An empty interval gives ``-inf``.
    width : array_like, optional
        ``upper - lower`` where it is known more precisely than the ends.

    Examples
    --------
    >>> log_ndtr_difference([-1.0, 40.0, 2.0], [1.0, 41.0, 2.0]).round(5).tolist()
    [-0.38172, -804.60844, -inf]
    """
    lower, upper = np.broadcast_arrays(np.asarray(lower, float), np.asarray(upper, float))
    length = np.broadcast_to(upper - lower if width is None else np.asarray(width, float), lower.shape)
    # Φ(upper) − Φ(lower) = Φ(−lower) − Φ(−upper): work on the side where Φ is small.
    reflect = lower > -upper
    a = np.where(reflect, -upper, lower)
    b = np.where(reflect, -lower, upper)
    result = np.full(a.shape, -np.inf)
    open_left = np.isneginf(a)
    result[open_left] = log_ndtr(b[open_left])
    inside = ~open_left & (length > 0.0)
    top = b[inside]
    result[inside] = log_ndtr(top) + np.log(-np.expm1(log_ndtr_ratio(top, -length[inside])))
    return result


def log_sum_exp(terms: FloatArray) -> float:
    """Return log Σ e^t of finite terms (m,): the bits of SciPy's ``logsumexp``, without its twenty calls.

    >>> log_sum_exp(np.log([0.25, 0.5, 0.25]))
    0.0
    """
    top = terms.max()
    largest = terms == top  # left out of the sum: the rest may be far below one
    count = largest.sum()
    rest = np.exp(np.where(largest, -np.inf, terms) - top).sum() / count
    return float(np.log1p(rest) + np.log(count) + top)


def log_beta_half(a: float) -> float:
    """``log B(a, ½) = log(Γ(a) √π / Γ(a + ½))`` without cancellation at large ``a > 0``.

    Examples
    --------
    >>> round(log_beta_half(0.5) - math.log(math.pi), 12)
    -0.0
    """
    if a < _DIRECT_GAMMA_BELOW:
        return 0.5 * math.log(math.pi) + math.log(math.gamma(a) / math.gamma(a + 0.5))
    x = 1.0 / (a * a)
    series = (1 / 8 - x * (1 / 192 - x * (1 / 640 - x * (17 / 14336 - x * 31 / 18432)))) / a
    return 0.5 * (math.log(math.pi) - math.log(a)) + series


def _stirling_correction(a: float) -> float:
    """``log Γ(a) − ((a − ½) log a − a + ½ log 2π)`` for ``a > 0``."""
    if a < _DIRECT_GAMMA_BELOW:
        return float(gammaln(a)) - ((a - 0.5) * math.log(a) - a + 0.5 * math.log(2.0 * math.pi))
    x = 1.0 / (a * a)
    return (1 / 12 - x * (1 / 360 - x * (1 / 1260 - x * (1 / 1680 - x / 1188)))) / a


def log_bessel_profile(order: float, z: ArrayLike) -> FloatArray:
    """``log(z^ν K_ν(z) / (2^(ν−1) Γ(ν)))`` for the order ν; zero at ``z = 0``.

    K is the modified Bessel function of the second kind. The profile equals E exp(−z²/(4Y)) with Y a
    Gamma(ν) variable, and is integrated in log Y around its saddle point by the trapezoidal rule, which
    converges geometrically. The logarithm is accurate relative to itself for every order, where subtracting
    log-gamma functions would lose ``ν log ν`` times the machine precision.

    Parameters
    ----------
    order : float
        At least 1/2.
    z : array_like
        Non-negative.

    Examples
    --------
    >>> round(float(log_bessel_profile(0.5, 3.0)), 12)  # K_½ makes it exp(−z)
    -3.0
    """
    z = np.asarray(z, dtype=np.float64)
    root = np.hypot(order, z)
    excess = z * (z / (2.0 * (root + order)))  # the saddle point minus the order
    saddle = order + excess
    step = np.minimum(0.2, 0.4 / np.sqrt(root))
    width = np.sqrt(2.0 * _NEGLIGIBLE_EXPONENT / saddle)
    left = np.where(saddle < 100.0, _NEGLIGIBLE_EXPONENT / saddle + 1.0, 1.25 * width)
    first = -math.ceil(np.max(left / step, initial=0.0))
    last = math.ceil(np.max(width / step, initial=0.0))
    total = np.zeros(z.shape)
    for index in range(first, last + 1):
        u = index * step
        total += np.exp(-saddle * (np.expm1(u) - u) - excess * (np.expm1(-u) + u))
    constant = 0.5 * math.log(order / (2.0 * math.pi)) - _stirling_correction(order)
    return np.asarray(order * np.log1p(excess / order) - 2.0 * excess + constant + np.log(step * total))


def tail_changes(thresholds: FloatArray, n: int, w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(mean < t | w) − P(mean < t) for a standardised Gaussian mean of n, as (logarithmic scale, factor).

    Given one observation w the mean is N(w/n, (n−1)/n²). The change is ``exp(scale) * factor``, from the
    tail on the threshold's own side without cancellation (Statement S9a).

    Parameters
    ----------
    thresholds : ndarray
        Standardised with the law of one observation; broadcast against ``w``.
    n : int
        Sample size, at least 2.
    w : ndarray
        Standardised observations.

    Returns
    -------
    scale, factor : ndarray
        Broadcast shape; the factor lies in [−1, 1].

    Examples
    --------
    >>> scale, factor = tail_changes(np.zeros(1), 2, np.array([1.0]))
    >>> round(float(np.exp(scale[0]) * factor[0]), 6)
    -0.341345
    """
    side = np.where(thresholds > 0.0, -1.0, 1.0)  # measured by the tail on the threshold's own side
    start = -np.abs(thresholds) * math.sqrt(n)
    # (1 − 1/n)^(−1/2) − 1, so that the shift of the standardised threshold does not cancel.
    stretch = math.expm1(-0.5 * math.log1p(-1.0 / n))
    ratio = log_ndtr_ratio(start, start * stretch - side * w / math.sqrt(n - 1.0))
    factor = -np.expm1(-np.abs(ratio)) * np.copysign(side, side * ratio)
    return log_ndtr(start) + np.maximum(ratio, 0.0), factor
