"""Exact Δ_n when the increment is a difference of two chi-squares (Statement S9b).

X = α w_1² − γ w_2² with independent standard normals is the increment of two codewords in linear
regression; cell 2 is chosen when S_n = X_1 + … + X_n < 0. Write p = P(S_n < 0), g for the density of
−S_{n−1}, and x_0 for the point where P(S_{n−1} < −x_0) = p. Integrating E(P(S_{n−1} < −X | X) − p)_+ by parts
removes every difference of probabilities:

    Δ_n = 2 ∫_{−∞}^{x_0} g(x) P(X ≤ x) dx,        ∫_0^{x_0} g = E ∫_0^X g.

In units where X has the density (√(1−b²)/π) e^{bx} K_0(|x|), b = (α − γ)/(α + γ), the density of the sum is

    g(x) = e^{−(n−1)I} B(ν, ½)/(2π) e^{−bx} κ_ν(|x|),   ν = n/2 − 1,   I = −½ log(1 − b²),

with the Bessel profile κ_ν(z) = z^ν K_ν(z)/(2^{ν−1}Γ(ν)) ≤ 1 (for n = 2: e^{−I}/π e^{−bx} K_0(|x|)). All
integrands are positive and of order one, at every n and for every ratio γ/α. Exchanging α and γ changes the
sign of X and leaves Δ_n alone, so b ≥ 0 without loss of generality.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import k0

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.numerics import gauss_legendre_panels, log_bessel_profile, log_beta_half
from qmis_stats.validation import positive_number, sample_size

__all__ = ["log_crossing_probability", "log_delta"]


# e^(−FAR) is far below the machine precision; every integrand decays at least like e^(−z).
_FAR = 48.0
_ORDER = 16
# Panels halve towards zero, where K_0 has a logarithmic and the law of X a z log z singularity.
_HALVINGS = 48
_ANGLE_PANELS = 32
_LARGEST_RATIO = 1e100


def _checked(alpha: float, gamma: float) -> tuple[float, float, float]:
    """Return b ≥ 0, 1 − b and I for the two weights in decreasing order."""
    for name, value in (("alpha", alpha), ("gamma", gamma)):
        positive_number(name, value)
    large, small = max(alpha, gamma), min(alpha, gamma)
    if small < large / _LARGEST_RATIO:
        raise InputError("gamma / alpha", gamma / alpha, f"within a factor {_LARGEST_RATIO:g} of one")
    # Halves, since a sum may overflow.
    half_sum = 0.5 * large + 0.5 * small
    b = (0.5 * large - 0.5 * small) / half_sum
    ratio = small / large
    exponent = -0.5 * math.log1p(-b * b) if b < 0.5 else math.log1p(ratio) - 0.5 * math.log(ratio) - math.log(2.0)
    return b, small / half_sum, exponent


def _rule(first: float, last: float) -> tuple[FloatArray, FloatArray]:
    """Return a quadrature rule on [0, last] whose panels double from ``first`` up to width one."""
    doubling = first * 2.0 ** np.arange(max(math.ceil(-math.log2(first)), 0) + 1)
    ends = np.concatenate([[0.0], doubling, np.arange(math.floor(doubling[-1]) + 1.0, last)])
    return gauss_legendre_panels(np.append(ends[ends < last], last), _ORDER)


def log_delta(alpha: float, gamma: float, n: int) -> float:
    """Natural logarithm of Δ_n for the increment X = α w_1² − γ w_2² (Statement S9b).

    Parameters
    ----------
    alpha, gamma : float
        Positive weights within a factor 1e100 of each other; ``alpha > gamma`` means E X > 0. Only their
        ratio matters, and their order does not.
    n : int
        Sample size, at least 2.

    Returns
    -------
    float
        log Δ_n, with a relative error of Δ_n below 1e-12 + 1e-15 |log Δ_n|.

    Raises
    ------
    InputError
        If a weight is not positive and finite, their ratio is out of range, or n is not an integer ≥ 2.

    Examples
    --------
    Equal weights put the boundary at the mean, where √n Δ_n tends to (2/π)/√(2π) = 0.254 (Statement S7):

    >>> round(math.exp(log_delta(1.0, 1.0, 1000)) * math.sqrt(1000.0), 3)
    0.254
    >>> round(log_delta(2.0, 1.0, 10_000), 4)
    -594.8225
    """
    n = sample_size(n, 2)
    b, complement, exponent = _checked(alpha, gamma)
    order = 0.5 * n - 1.0

    def profile(z: FloatArray) -> FloatArray:
        return np.asarray(k0(z)) if n == 2 else np.exp(log_bessel_profile(order, z))

    # K_0(z) = ∫_0^∞ exp(−z cosh t) dt turns the law of X into integrals over t; 1/(cosh t − b) is nearly
    # singular within √(2(1−b)) of zero.
    t, t_weights = _rule(0.5 * math.sqrt(2.0 * complement), _FAR)
    density_weights = math.sqrt(complement * (1.0 + b)) / math.pi * t_weights
    cosh_minus_b = complement + 2.0 * np.sinh(0.5 * t) ** 2
    cosh_plus_b = np.cosh(t) + b

    z, z_weights = _rule(2.0**-_HALVINGS, _FAR)
    decay = (z_weights * profile(z)) @ np.exp(-np.outer(z, np.cosh(t)))
    left = decay @ (density_weights / cosh_plus_b)  # ∫_{−∞}^0 g(x) P(X ≤ x) dx
    step = decay @ (density_weights * 2.0 * b / (cosh_minus_b * cosh_plus_b))  # E ∫_0^X g

    def mass(end: float) -> float:  # ∫_0^end g
        z, z_weights = _rule(end * 2.0**-_HALVINGS, end)
        return float((z_weights * profile(z)) @ np.exp(-b * z))

    middle = 0.0
    if step > 0.0:
        # For extreme ratios x_0 may lie beyond FAR, where nothing is left to integrate.
        end = _FAR
        if mass(_FAR) > step:
            from scipy.optimize import brentq  # slow to load, and needed only here

            end = brentq(lambda x: mass(x) - step if x > 0.0 else -step, 0.0, _FAR, xtol=1e-300, rtol=1e-15)
        z, z_weights = _rule(end * 2.0**-_HALVINGS, end)
        negative = 2.0 / math.pi * math.atan(math.sqrt(complement / (1.0 + b)))  # P(X < 0)
        below = negative - np.expm1(-np.outer(z, cosh_minus_b)) @ (density_weights / cosh_minus_b)  # P(X ≤ z)
        middle = float((z_weights * profile(z) * np.exp(-b * z)) @ below)
    scale = -math.log(math.pi) if n == 2 else log_beta_half(order) - math.log(2.0 * math.pi)
    return math.log(2.0 * (left + middle)) + scale - (n - 1) * exponent


def log_crossing_probability(alpha: float, gamma: float, n: int) -> float:
    """Natural logarithm of P(S_n < 0) = F_{n,n}(γ/α), F the law of Fisher's F (Statement S9b).

    The duplication formula of the incomplete beta function makes it, for γ ≤ α,
    ∫_0^θ sin^(n−1) / B(n/2, ½) with cos θ = b and sin θ = e^(−I).

    Parameters
    ----------
    alpha, gamma : float
        Positive weights within a factor 1e100 of each other.
    n : int
        Sample size, at least 1.

    Returns
    -------
    float

    Raises
    ------
    InputError
        As :func:`log_delta`, except that n may be 1.

    Examples
    --------
    >>> round(math.exp(log_crossing_probability(3.0, 1.0, 1)), 12)  # (2/π) arctan(1/√3)
    0.333333333333
    >>> round(log_crossing_probability(2.0, 1.0, 100_000), 3)
    -5894.729
    """
    n = sample_size(n, 1)
    b, complement, exponent = _checked(alpha, gamma)
    angle = 2.0 * math.atan(math.sqrt(complement / (1.0 + b)))
    cotangent = b / math.sqrt(complement * (1.0 + b))
    # log sin is concave with second derivative below −1: the integrand is negligible beyond this distance.
    reach = angle
    if n > 1:
        reach = min(reach, math.sqrt(2.0 * _FAR / (n - 1)))
    if n > 1 and b > 0.0:
        reach = min(reach, _FAR / ((n - 1) * cotangent))
    u, weights = gauss_legendre_panels(np.linspace(0.0, reach, _ANGLE_PANELS + 1), _ORDER)
    ratio = np.log1p(-(2.0 * np.sin(0.5 * u) ** 2 + cotangent * np.sin(u)))
    smaller = math.log(weights @ np.exp((n - 1) * ratio)) - (n - 1) * exponent - log_beta_half(0.5 * n)
    return smaller if gamma <= alpha else math.log1p(-math.exp(smaller))
