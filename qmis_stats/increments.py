"""Increments: the law of X = loss(rival) − loss(best), through its cumulant generating function (Statement S2)."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.numerics import log_sum_exp
from qmis_stats.tilting import Tilt, solve_tilt

__all__ = [
    "DiscreteIncrement",
    "GaussianIncrement",
    "Increment",
    "MixtureIncrement",
    "QuadraticIncrement",
    "check_scale",
]


LARGEST_SCALE = 1e150
"""Increments are at most this large and, where they are not zero, at least its reciprocal: their squares are floats."""


def check_scale(sizes: Iterable[float | Fraction], *, power: int = 1) -> None:
    """Refuse increments whose squares would overflow, or lose digits below the smallest normal float.

    Parameters
    ----------
    sizes : iterable of float or Fraction
        Magnitudes of increments, or that power of them; zeros where a cell is a duplicate have to be left out.
    power : int
        2 for variances.

    Raises
    ------
    DomainError
        If one lies outside [1e-150, 1e150], or is not a number.

    Examples
    --------
    >>> check_scale([1e-100, 2.0])
    >>> check_scale([0.0])
    Traceback (most recent call last):
    ...
    qmis_stats.errors.DomainError: method = 'any': increments of the loss reach 0, outside 1e-150 to 1e+150; ...
    """
    low, high = LARGEST_SCALE**-power, LARGEST_SCALE**power
    for size in sizes:
        if not low <= size <= high:
            reached = f"{float(size) ** (1.0 / power):.3g}" if size < sys.float_info.max else "infinity"
            reason = f"increments of the loss reach {reached}, outside {1.0 / LARGEST_SCALE:g} to {LARGEST_SCALE:g}"
            raise DomainError("any", reason, "rescale the problem: its unit does not change the result")


class Increment(ABC):
    """The law of one increment X, everything a face is judged by.

    A subclass gives the mean, the variance, the cumulant generating function
    ``K(s) = log E exp(sX)`` with two derivatives, and the interval on which it is finite. The tilt comes from
    the generic numerical path unless the subclass knows it in closed form.
    """

    mean: float
    variance: float

    @abstractmethod
    def cgf(self, s: float) -> tuple[float, float, float]:
        """Return ``K(s), K'(s), K''(s)`` for ``s`` inside :attr:`domain`."""

    @abstractmethod
    def shape(self, s: float) -> tuple[float, float]:
        """Return skewness and excess kurtosis under the tilt exp(sX), cumulants in units of its deviation."""

    @property
    @abstractmethod
    def domain(self) -> tuple[float, float]:
        """The open interval of ``s`` on which ``K`` is finite."""

    def log_crossing_mass(self) -> float:
        """Return the exponent's limit when no tilt exists: ``log P(X crosses)`` for X ≥ 0, usually −inf."""
        return -math.inf

    def tilt(self) -> Tilt:
        """Return the tilt of the increment (λ, I, σ̃²), in closed form where there is one."""
        return self.numerical_tilt()

    def numerical_tilt(self) -> Tilt:
        """Return the tilt by the generic path, a safeguarded Newton iteration on ``K'(−λ) = 0``."""
        return solve_tilt(
            self.cgf,
            self.domain,
            mean=self.mean,
            variance=self.variance,
            log_crossing_mass=self.log_crossing_mass(),
        )

    def quadrature(self) -> tuple[FloatArray, FloatArray]:
        """Return nodes and weights of the law of X, for expectations that have no formula of their own.

        Raises
        ------
        DomainError
            If the law has none.
        """
        raise DomainError("sharp", f"no quadrature of {type(self).__name__} is known", "use method = sharp2 or tilted")

    @property
    def moderate_deviation_rate(self) -> float:
        """The moderate-deviation rate r = δ²/(2σ²); infinite for a constant increment δ > 0."""
        if self.variance == 0.0:
            return math.inf if self.mean > 0.0 else 0.0
        # Dividing before squaring keeps r representable when δ and σ are near the ends of the float range.
        return 0.5 * (self.mean / math.sqrt(self.variance)) ** 2


@dataclass(frozen=True)
class GaussianIncrement(Increment):
    """X ~ N(mean, variance), the increment of a Gaussian mean.

    Examples
    --------
    >>> GaussianIncrement(0.5, 1.0).tilt().exponent
    0.125
    """

    mean: float
    variance: float

    def cgf(self, s: float) -> tuple[float, float, float]:
        """Return ``K, K', K''`` at ``s``."""
        return s * self.mean + 0.5 * s * s * self.variance, self.mean + s * self.variance, self.variance

    def shape(self, s: float) -> tuple[float, float]:
        """Return zeros: a normal law has no cumulants beyond the second."""
        return 0.0, 0.0

    @property
    def domain(self) -> tuple[float, float]:
        """The whole line."""
        return -math.inf, math.inf

    def tilt(self) -> Tilt:
        """Return the closed form λ = δ/σ², I = r."""
        if self.variance == 0.0:
            return Tilt.unreachable() if self.mean > 0.0 else Tilt(0.0, 0.0, 0.0)
        return Tilt(self.mean / self.variance, self.moderate_deviation_rate, self.variance)


@dataclass(frozen=True)
class QuadraticIncrement(Increment):
    """X = c + Σ_i (e_i w_i² + l_i w_i) with independent standard normal w_i.

    The increment of a linear regression: two eigenvalues of opposite sign and no linear part give Statement S4's
    closed form; a constant with eigenvalues ±½ is the linearised increment of an OLS coordinate.

    Parameters
    ----------
    eigenvalues : tuple of float
        The e_i.
    linear : tuple of float, optional
        The l_i, zero when omitted; as many as eigenvalues.
    constant : float, optional
        The constant c.

    Examples
    --------
    >>> x = QuadraticIncrement((2.0, -1.0))
    >>> round(x.tilt().exponent, 12) == round(0.5 * math.log(1 + 1 / 8), 12)
    True
    """

    eigenvalues: tuple[float, ...]
    linear: tuple[float, ...] = ()
    constant: float = 0.0

    @cached_property
    def _parts(self) -> tuple[FloatArray, FloatArray]:
        e = np.asarray(self.eigenvalues, dtype=np.float64)
        linear = np.asarray(self.linear, dtype=np.float64) if self.linear else np.zeros_like(e)
        return e, linear

    @cached_property
    def mean(self) -> float:  # type: ignore[override]
        """The mean δ."""
        return self.constant + math.fsum(self.eigenvalues)

    @cached_property
    def variance(self) -> float:  # type: ignore[override]
        """The variance σ²."""
        e, linear = self._parts
        return math.fsum(2.0 * e * e) + math.fsum(linear * linear)

    def cgf(self, s: float) -> tuple[float, float, float]:
        """Return ``K, K', K''`` at ``s``."""
        e, linear = self._parts
        d = 1.0 - 2.0 * s * e
        squares = linear * linear
        value = s * self.constant + float(np.sum(-0.5 * np.log1p(-2.0 * s * e) + 0.5 * s * s * squares / d))
        first = self.constant + float(np.sum(e / d + squares * s * (1.0 - s * e) / d**2))
        second = float(np.sum(2.0 * (e / d) ** 2 + squares / d**3))
        return value, first, second

    def shape(self, s: float) -> tuple[float, float]:
        """Return skewness and excess kurtosis under the tilt."""
        e, linear = self._parts
        d = 1.0 - 2.0 * s * e
        sigma = math.sqrt(self.cgf(s)[2])
        e, squares = e / sigma, (linear / sigma) ** 2
        third = float(np.sum(8.0 * (e / d) ** 3 + 6.0 * e * squares / d**4))
        return third, float(np.sum(48.0 * (e / d) ** 4 + 48.0 * e * e * squares / d**5))

    @property
    def domain(self) -> tuple[float, float]:
        """The interval between the reciprocals of twice the extreme eigenvalues."""
        low, high = min(self.eigenvalues, default=0.0), max(self.eigenvalues, default=0.0)
        return (0.5 / low if low < 0.0 else -math.inf), (0.5 / high if high > 0.0 else math.inf)

    def tilt(self) -> Tilt:
        """Return the closed form for two eigenvalues of opposite sign, else the numerical tilt."""
        if self.constant == 0.0 and not any(self.linear) and len(self.eigenvalues) == 2:
            low, high = sorted(self.eigenvalues)
            if low < 0.0 < high:
                delta, product = high + low, -high * low
                lam = delta / (4.0 * product)
                # K''(−λ) = 16 D²/(4D + δ²), and 4D + δ² is the square of the difference of the eigenvalues.
                spread = 4.0 * product / (high - low)
                return Tilt(lam, 0.5 * math.log1p(delta * lam), spread * spread)
        return self.numerical_tilt()


@dataclass(frozen=True)
class DiscreteIncrement(Increment):
    """An increment with finitely many rational values.

    Parameters
    ----------
    values, probabilities : tuple of Fraction
        Values and positive probabilities, which sum to one.
    strict : bool
        Whether a sum of exactly zero leaves the face uncrossed (``True``: ties go to the best codeword).

    Examples
    --------
    >>> x = DiscreteIncrement((Fraction(-1), Fraction(1)), (Fraction(1, 4), Fraction(3, 4)), strict=True)
    >>> x.mean, round(x.tilt().lam, 12) == round(0.5 * math.log(3), 12)
    (0.5, True)
    """

    values: tuple[Fraction, ...]
    probabilities: tuple[Fraction, ...]
    strict: bool = True

    @cached_property
    def _parts(self) -> tuple[FloatArray, FloatArray]:
        check_scale(abs(value) for value in self.values if value)
        x = np.array([float(v) for v in self.values])
        log_p = np.array([math.log(p.numerator) - math.log(p.denominator) for p in self.probabilities])
        return x, log_p

    @cached_property
    def exact_mean(self) -> Fraction:
        """The mean as an exact rational."""
        return sum((v * p for v, p in zip(self.values, self.probabilities, strict=True)), Fraction(0))

    @cached_property
    def mean(self) -> float:  # type: ignore[override]
        """The mean δ."""
        check_scale(abs(value) for value in self.values if value)
        return float(self.exact_mean)

    @cached_property
    def variance(self) -> float:  # type: ignore[override]
        """The variance σ²."""
        check_scale(abs(value) for value in self.values if value)
        pairs = zip(self.values, self.probabilities, strict=True)
        exact = sum(((v - self.exact_mean) ** 2 * p for v, p in pairs), Fraction(0))
        if exact:
            check_scale([exact], power=2)
        return float(exact)

    @property
    def span(self) -> Fraction:
        """The lattice span h: the largest rational such that all values lie in a + hℤ; 0 for a constant."""
        differences = [v - self.values[0] for v in self.values]
        return reduce(_rational_gcd, differences, Fraction(0))

    def cgf(self, s: float) -> tuple[float, float, float]:
        """Return ``K, K', K''`` at ``s``."""
        x, log_p = self._parts
        terms = log_p + s * x
        value = log_sum_exp(terms)
        weights = np.exp(terms - value)
        first = float(weights @ x)
        return value, first, float(weights @ (x - first) ** 2)

    def tilted_weights(self, tilt: Tilt) -> FloatArray:
        """Return the probabilities of the values under a tilt."""
        x, log_p = self._parts
        return np.asarray(np.exp(log_p - tilt.lam * x + tilt.exponent), dtype=np.float64)

    def shape(self, s: float) -> tuple[float, float]:
        """Return skewness and excess kurtosis under the tilt."""
        x, log_p = self._parts
        value, first, second = self.cgf(s)
        weights, centred = np.exp(log_p + s * x - value), (x - first) / math.sqrt(second)
        return float(weights @ centred**3), float(weights @ centred**4) - 3.0

    @property
    def domain(self) -> tuple[float, float]:
        """The whole line."""
        return -math.inf, math.inf

    def log_crossing_mass(self) -> float:
        """Return log P(X = 0) when ties cross and X ≥ 0, else −inf: the limit of K(−λ) that counts."""
        pairs = zip(self.values, self.probabilities, strict=True)
        mass = sum((p for v, p in pairs if v == 0), Fraction(0))
        if self.strict or mass == 0:
            return -math.inf
        return math.log(mass.numerator) - math.log(mass.denominator)

    def tilt(self) -> Tilt:
        """Return the tilt, found once: several routes ask for it."""
        return self._tilt

    @cached_property
    def _tilt(self) -> Tilt:
        return self.numerical_tilt()

    def numerical_tilt(self) -> Tilt:
        """Return the tilt; a face that no single value can cross is unreachable unless ties cross."""
        if min(self.values) >= 0:
            return self._boundary_tilt()
        return super().numerical_tilt()

    def _boundary_tilt(self) -> Tilt:
        mass = self.log_crossing_mass()
        if max(self.values) == 0:  # X = 0 almost surely
            return Tilt(0.0, 0.0, 0.0)
        return Tilt(math.inf, -mass, 0.0)


@dataclass(frozen=True)
class MixtureIncrement(Increment):
    """A finite mixture of normal laws, the increment of a Gaussian-mixture mean.

    Parameters
    ----------
    weights, means, variances : tuple of float
        Component weights (positive, sum one), means and variances of X.

    Examples
    --------
    >>> x = MixtureIncrement((0.5, 0.5), (1.0, 2.0), (1.0, 1.0))
    >>> x.mean, x.variance
    (1.5, 1.25)
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    variances: tuple[float, ...]

    @cached_property
    def _parts(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return np.log(np.asarray(self.weights)), np.asarray(self.means), np.asarray(self.variances)

    @cached_property
    def mean(self) -> float:  # type: ignore[override]
        """The mean δ."""
        return math.fsum(w * m for w, m in zip(self.weights, self.means, strict=True))

    @cached_property
    def variance(self) -> float:  # type: ignore[override]
        """The variance σ²."""
        triples = zip(self.weights, self.means, self.variances, strict=True)
        return math.fsum(w * (v + (m - self.mean) ** 2) for w, m, v in triples)

    def cgf(self, s: float) -> tuple[float, float, float]:
        """Return ``K, K', K''`` at ``s``."""
        log_w, m, v = self._parts
        terms = log_w + s * m + 0.5 * s * s * v
        value = log_sum_exp(terms)
        p = np.exp(terms - value)
        slopes = m + s * v
        first = float(p @ slopes)
        return value, first, float(p @ (v + (slopes - first) ** 2))

    def shape(self, s: float) -> tuple[float, float]:
        """Return skewness and excess kurtosis under the tilt."""
        log_w, m, v = self._parts
        value, first, second = self.cgf(s)
        p = np.exp(log_w + s * m + 0.5 * s * s * v - value)
        d, v = (m + s * v - first) / math.sqrt(second), v / second
        third = float(p @ (d**3 + 3.0 * d * v))
        return third, float(p @ (d**4 + 6.0 * d * d * v + 3.0 * v * v)) - 3.0

    @property
    def domain(self) -> tuple[float, float]:
        """The whole line."""
        return -math.inf, math.inf


def _rational_gcd(a: Fraction, b: Fraction) -> Fraction:
    """Return the largest rational of which both ``a`` and ``b`` are integer multiples."""
    denominator = math.lcm(a.denominator, b.denominator)
    return Fraction(math.gcd(int(a * denominator), int(b * denominator)), denominator)
