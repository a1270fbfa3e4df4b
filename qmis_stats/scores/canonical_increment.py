"""Increments of generalized linear laws, their generating functions by quadrature (Statement S18).

Given the predictors, X = f − yg with y from an exponential family; with m = E[X | x] and the family's divergence B,
``K(s) = log E exp(s m + B(η, −s g))``. The expectation is over one or two normal variables. The integrand is analytic,
so that the trapezoidal rule converges geometrically: halving the step squares the error, and one is accepted when the
result before the last halving was right to seven digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.increments import Increment
from qmis_stats.scores.families import Family, expm2
from qmis_stats.tilting import Tilt

__all__ = ["Box", "CanonicalIncrement", "Parts", "grid"]

_FIRST_STEP = 0.4
_CONVERGED = 1e-7
_MOST_NODES = 1 << 22
_FAR = 40.0
_COARSE = {1: 0.125, 2: 0.5}
_NEGLIGIBLE = 42.0
_SMALL = 1e-3
_LINE_NODES, _PLANE_NODES, _COUNTED_NODES = 20001, 701, 301
_RARE = 1e-16
_KEPT = 4
_ROUNDING = 1e-14

Box = tuple[tuple[float, float], ...]


class Parts(NamedTuple):
    """What the law of X needs at normal coordinates (M, q), each of shape (M,).

    Attributes
    ----------
    mean : array
        m = E[X | x].
    slope : array
        g, what a unit of the response takes from X.
    eta : array
        Natural parameter of the response.
    response, spread : arrays
        Mean and variance of the response.
    """

    mean: FloatArray
    slope: FloatArray
    eta: FloatArray
    response: FloatArray
    spread: FloatArray


def grid(box: Box, step: float) -> tuple[FloatArray, FloatArray]:
    """Return the nodes (M, q) of the trapezoidal rule for N(0, I) on a box, and their weights (M,).

    Raises
    ------
    DomainError
        If there would be more than four million nodes.

    Examples
    --------
    >>> w, mass = grid(((-9.0, 9.0),), 0.5)
    >>> round(float(mass @ w[:, 0] ** 4), 9)
    3.0
    """
    axes = [step * np.arange(math.floor(low / step), math.ceil(high / step) + 1) for low, high in box]
    if math.prod(axis.size for axis in axes) > _MOST_NODES:
        raise DomainError(
            "any", "the predictors vary too much for the quadrature", "use smaller coefficients or variances of x"
        )
    nodes = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
    density = np.exp(-0.5 * np.sum(nodes**2, axis=1))
    return nodes, density * (step / math.sqrt(2.0 * math.pi)) ** len(axes)


class _Sums(NamedTuple):
    """Logarithm of the mass, and the first four cumulants of X, under a tilt."""

    log_mass: float
    first: float
    second: float
    third: float
    fourth: float


@dataclass(frozen=True, eq=False)
class CanonicalIncrement(Increment):
    """X = f(x) − y g(x), x through one or two standard normal coordinates.

    Parameters
    ----------
    family : Family
        Law of the response.
    rank : int
        Number q of normal coordinates, 1 or 2.
    parts : callable
        Maps coordinates (M, q) to :class:`Parts`.
    reach : float
        K(−λ) is finite up to this λ: infinite for a logistic regression, perhaps 0 for a Poisson regression.
    known_tilt : float, optional
        λ where it is known: the distance of a threshold.

    Examples
    --------
    >>> from qmis_stats.laws import LogisticRegression
    >>> law = LogisticRegression([1.0], [[1.0]])
    >>> x, exact = law.threshold_increment(0, 1.5, True)
    >>> round(x.tilt().lam, 12), exact
    (0.5, True)
    """

    family: Family
    rank: int
    parts: Callable[[FloatArray], Parts]
    reach: float = math.inf
    known_tilt: float | None = None
    _rules: dict[tuple[Box, float], tuple[Parts, FloatArray]] = field(default_factory=dict, init=False, repr=False)

    def _rule(self, box: Box, step: float) -> tuple[Parts, FloatArray]:
        """Return the parts and weights of a grid; the latest are kept, since they do not depend on the tilt."""
        if (box, step) not in self._rules:
            nodes, mass = grid(box, step)
            if len(self._rules) >= _KEPT:
                del self._rules[next(iter(self._rules))]
            self._rules[box, step] = self.parts(nodes), mass
        return self._rules[box, step]

    @property
    def domain(self) -> tuple[float, float]:
        """The interval of finite K; heavy right tails leave nothing above zero."""
        return -self.reach, math.inf if math.isinf(self.reach) else 0.0

    @property
    def heavy(self) -> bool:
        """Whether δ > 0 and no tilt brings the mean to zero."""
        return self.mean > 0.0 and not self.tilt().proper

    @cached_property
    def mean(self) -> float:  # type: ignore[override]
        """The mean δ; zero where only rounding tells it from zero."""
        mean, square = self._moments
        return mean if abs(mean) > _ROUNDING * math.sqrt(square) else 0.0

    @cached_property
    def variance(self) -> float:  # type: ignore[override]
        """The variance σ²."""
        return self._moments[1] - self._moments[0] ** 2

    @cached_property
    def _moments(self) -> tuple[float, float]:
        """E X and E X²."""
        before = (math.inf, math.inf)
        step = _FIRST_STEP
        while True:
            p, mass = self._rule(self._law_box, step)
            found = float(mass @ p.mean), float(mass @ (p.mean**2 + p.spread * p.slope**2))
            allowed = _CONVERGED * max(abs(found[0]), 1e-9 * math.sqrt(found[1]))
            if abs(found[0] - before[0]) <= allowed and abs(found[1] - before[1]) <= _CONVERGED * found[1]:
                return found
            before, step = found, 0.5 * step

    @cached_property
    def _law_box(self) -> Box:
        def log_square(p: Parts) -> FloatArray:
            return np.asarray(np.log(p.mean**2 + p.spread * p.slope**2 + 1e-300))

        return self._box(log_square)

    @cached_property
    def _survey(self) -> tuple[FloatArray, Parts]:
        """Coordinates and parts on a coarse grid, as far out as anything is integrated."""
        axis = np.arange(-_FAR, _FAR + 0.5 * _COARSE[self.rank], _COARSE[self.rank])
        nodes = np.stack([a.ravel() for a in np.meshgrid(*([axis] * self.rank), indexing="ij")], axis=1)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return nodes, self.parts(nodes)

    def _box(self, exponent: Callable[[Parts], FloatArray]) -> Box:
        """Return where a normal density times exp(exponent) is not negligible."""
        nodes, parts = self._survey
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            values = exponent(parts) - 0.5 * np.sum(nodes**2, axis=1)
        values = np.where(np.isnan(values), -np.inf, values)
        kept = nodes[values > values.max() - _NEGLIGIBLE]
        low, high = kept.min(axis=0) - _COARSE[self.rank], kept.max(axis=0) + _COARSE[self.rank]
        if not np.isfinite(values.max()) or np.any(low <= -_FAR) or np.any(high >= _FAR):
            raise DomainError(
                "any", "the predictors vary too much for the quadrature", "use smaller coefficients or variances of x"
            )
        return tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))

    def box(self, s: float) -> Box:
        """Return where the law of x and its tilt by exp(sX) have their mass."""
        if s == 0.0:
            return self._law_box
        tilted = self._box(lambda parts: self._exponent(parts, s))
        return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(self._law_box, tilted, strict=True))

    def _exponent(self, p: Parts, s: float) -> FloatArray:
        return s * p.mean + self.family.divergence(p.eta, -s * p.slope)

    def _at(self, s: float, box: Box, step: float) -> _Sums:
        p, mass = self._rule(box, step)
        shift = -s * p.slope
        divergence = self.family.divergence(p.eta, shift)
        exponent = s * p.mean + divergence
        top = max(float(exponent.max()), 0.0)
        weights = mass * np.exp(exponent - top)
        total = float(weights.sum())
        log_mass = math.log(total) + top
        if abs(log_mass) < _SMALL:  # so close to zero that the logarithm of a rounded sum would lose digits
            log_mass = math.log1p(s * self.mean + float(mass @ (expm2(exponent) + divergence)))
        weights /= total
        means = p.mean - self.family.mean_step(p.eta, shift) * p.slope
        first = float(weights @ means)
        d = means - first
        k2, k3, k4 = self.family.cumulants(p.eta - s * p.slope)
        v, third, fourth = k2 * p.slope**2, -k3 * p.slope**3, k4 * p.slope**4
        second = float(weights @ (v + d * d))
        return _Sums(
            log_mass,
            first,
            second,
            float(weights @ (third + 3.0 * d * v + d**3)),
            float(weights @ (fourth + 3.0 * v * v + 4.0 * d * third + 6.0 * d * d * v + d**4)) - 3.0 * second**2,
        )

    def _sums(self, s: float) -> _Sums:
        box, step = self.box(s), _FIRST_STEP
        before = self._at(s, box, step)
        while True:
            step *= 0.5
            found = self._at(s, box, step)
            scale = math.sqrt(found.second)
            if (
                abs(found.log_mass - before.log_mass) <= _CONVERGED * abs(found.log_mass) + _ROUNDING * abs(s) * scale
                and abs(found.second - before.second) <= _CONVERGED * found.second
                and abs(found.first - before.first) <= _CONVERGED * abs(s) * found.second + _ROUNDING * scale
            ):
                return found
            before = found

    def cgf(self, s: float) -> tuple[float, float, float]:
        """Return ``K, K', K''`` at ``s``."""
        if s == 0.0:
            return 0.0, self.mean, self.variance
        found = self._sums(s)
        return found.log_mass, found.first, found.second

    def shape(self, s: float) -> tuple[float, float]:
        """Return skewness and excess kurtosis under the tilt."""
        found = self._sums(s) if s else self._at(0.0, self._law_box, 0.25 * _FIRST_STEP)
        return found.third / found.second**1.5, found.fourth / found.second**2

    @cached_property
    def _tilt(self) -> Tilt:
        if self.known_tilt is not None:
            if self.known_tilt == 0.0:
                return Tilt(0.0, 0.0, self.variance)
            value, _, curvature = self.cgf(-self.known_tilt)
            return Tilt(self.known_tilt, max(-value, 0.0), curvature)
        if self.reach == 0.0 and self.mean > 0.0:
            return Tilt(0.0, 0.0, math.inf)
        found = self.numerical_tilt()
        if math.isinf(found.lam) and math.isfinite(self.reach):
            return Tilt(self.reach, max(-self.cgf(-self.reach)[0], 0.0), math.inf)
        return found

    def tilt(self) -> Tilt:
        """Return the tilt; its variance is infinite where no tilted law has mean zero (Proposition S18.4)."""
        return self._tilt

    def tilted_rule(self, step: float) -> tuple[Parts, FloatArray]:
        """Return the parts of the tilted law on a grid, with weights that sum to one.

        Raises
        ------
        DomainError
            If the grid is too large.
        """
        lam = self.tilt().lam
        nodes, mass = grid(self.box(-lam), step)
        p = self.parts(nodes)
        exponent = self._exponent(p, -lam)
        weights = mass * np.exp(exponent - exponent.max())
        kept = weights > _RARE * weights.max()
        p, weights, shift = Parts(*(array[kept] for array in p)), weights[kept], lam * p.slope[kept]
        moved = self.family.mean_step(p.eta, shift)
        eta = p.eta + shift
        tilted = Parts(p.mean - moved * p.slope, p.slope, eta, p.response + moved, self.family.cumulants(eta)[0])
        return tilted, weights / weights.sum()

    def quadrature(self, widening: float = 1.0) -> tuple[FloatArray, FloatArray]:
        """Return nodes and weights of the law of X: a fine rule for x, or a wider one, times the responses."""
        tilt = self.tilt()
        box = self.box(-tilt.lam if tilt.proper else 0.0)
        size = _LINE_NODES if self.rank == 1 else _PLANE_NODES if self.family.name == "Bernoulli" else _COUNTED_NODES
        nodes, mass = grid(box, widening * max(high - low for low, high in box) / (size - 1))
        p = self.parts(nodes)
        with np.errstate(over="ignore"):
            kept = mass * np.exp(np.maximum(self._exponent(p, -tilt.lam), 0.0)) > _RARE
        p, mass = Parts(*(array[kept] for array in p)), mass[kept]
        rows, values, probabilities = self.family.enumerate(p.eta)
        return p.mean[rows] - (values - p.response[rows]) * p.slope[rows], mass[rows] * probabilities
