"""Exponential families with the canonical link: Bernoulli and Poisson responses (Statement S18).

Given its natural parameter η, y has the density exp(yη − A(η)). Everything that a generalized linear law needs is a
difference of A or of its derivatives, written here so that it keeps its relative accuracy as the step vanishes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from scipy.special import expit, gammaln, pdtrik, wrightomega

from qmis_stats.arrays import FloatArray
from qmis_stats.numerics import normal_trapezoid

__all__ = ["BERNOULLI", "POISSON", "Bernoulli", "Family", "Poisson"]

_SMALL = 0.02
_REACH = 9.5
_SLOPE_NODES = 65
_STEPS = 64
_TAIL = 1e-22
_NEWTON_STEPS = 60
_ROUNDING = 1e-14
_ENUMERATED = 200.0
"""Poisson laws of a larger mean are given on nodes of a normal one where an expectation of a smooth function is due."""


def expm2(t: FloatArray) -> FloatArray:
    """Return eᵗ − 1 − t without cancellation.

    Examples
    --------
    >>> float(expm2(np.array(1e-8)))
    5.00000001...e-17
    """
    small = np.abs(t) < 0.5
    x = np.where(small, t, 0.0)
    series = np.zeros_like(x)
    for k in range(16, 1, -1):
        series = (series + 1.0) * x / k
    with np.errstate(over="ignore"):
        return np.asarray(np.where(small, series * x, np.expm1(t) - t), dtype=np.float64)


class Family(ABC):
    """The law of a response given its natural parameter; every method works on broadcast arrays.

    Attributes
    ----------
    name : str
    largest : float
        The largest response; the smallest is 0.
    """

    name: ClassVar[str]
    largest: ClassVar[float]

    @abstractmethod
    def log_partition(self, eta: FloatArray) -> FloatArray:
        """Return A(η)."""

    @abstractmethod
    def mean(self, eta: FloatArray) -> FloatArray:
        """Return A'(η) = E y."""

    @abstractmethod
    def mean_step(self, eta: FloatArray, step: FloatArray) -> FloatArray:
        """Return A'(η + t) − A'(η)."""

    @abstractmethod
    def divergence(self, eta: FloatArray, step: FloatArray) -> FloatArray:
        """Return B(η, t) = A(η + t) − A(η) − t A'(η) ≥ 0, the divergence of the law at η from the one at η + t."""

    @abstractmethod
    def cumulants(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return A''(η), A'''(η), A''''(η)."""

    @abstractmethod
    def ratio(self, eta: FloatArray, step: np.ndarray) -> np.ndarray:
        """Return exp(A(η + t) − A(η)) = E exp(ty) for complex steps."""

    @abstractmethod
    def absolute_deviation(self, eta: FloatArray) -> FloatArray:
        """Return E|y − A'(η)|."""

    @abstractmethod
    def marginal(self, eta: FloatArray, std: float) -> tuple[FloatArray, FloatArray]:
        """Return E y and Var y when the natural parameter is N(η, std²)."""

    @abstractmethod
    def natural(self, response: FloatArray, spread: FloatArray) -> FloatArray:
        """Return the natural parameter that stands for a response of this mean and variance."""

    @abstractmethod
    def proximal(self, u: FloatArray, q: float, y: FloatArray) -> FloatArray:
        """Return argmin_v A(v) − yv + (v − u)²/(2q), the root of v + q A'(v) = u + qy, for q > 0 (Statement S15)."""

    @abstractmethod
    def draw(self, eta: FloatArray, uniforms: FloatArray) -> FloatArray:
        """Return responses by inversion of their distribution functions."""

    @abstractmethod
    def enumerate(self, eta: FloatArray, least: float = _TAIL) -> tuple[np.ndarray, FloatArray, FloatArray]:
        """Return rows, responses and probabilities: response ``y[i]`` of ``eta[rows[i]]`` has probability ``p[i]``.

        Responses of probability below ``least`` may be left out.
        """


class Bernoulli(Family):
    """P(y = 1) = 1/(1 + e^{−η})."""

    name: ClassVar[str] = "Bernoulli"
    largest: ClassVar[float] = 1.0

    def log_partition(self, eta: FloatArray) -> FloatArray:
        """Return log(1 + e^η)."""
        return np.asarray(np.log1p(np.exp(-np.abs(eta))) + np.maximum(eta, 0.0), dtype=np.float64)

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return the probability of a one."""
        return np.asarray(expit(eta), dtype=np.float64)

    def mean_step(self, eta: FloatArray, step: FloatArray) -> FloatArray:
        """Return the difference of two probabilities."""
        low, high = np.minimum(eta, eta + step), np.maximum(eta, eta + step)
        return np.asarray(np.sign(step) * expit(high) * expit(-low) * -np.expm1(-np.abs(step)), dtype=np.float64)

    def divergence(self, eta: FloatArray, step: FloatArray) -> FloatArray:
        """Return log(1 − p + p eᵗ) − pt; by its cumulants where the step is small."""
        p = expit(eta)
        series = self._series(p, np.where(np.abs(step) < _SMALL, step, 0.0))
        direct = np.logaddexp(-np.logaddexp(0.0, eta), -np.logaddexp(0.0, -eta) + step) - p * step
        return np.asarray(np.where(np.abs(step) < _SMALL, series, direct), dtype=np.float64)

    @staticmethod
    def _series(p: FloatArray, t: FloatArray) -> FloatArray:
        v = p * (1.0 - p)
        odd = 1.0 - 2.0 * p
        higher = (1.0 - 12.0 * v) * odd / 120.0 * t + (1.0 - 30.0 * v + 120.0 * v * v) / 720.0 * t * t
        return np.asarray(v * t * t * (0.5 + t * (odd / 6.0 + t * ((1.0 - 6.0 * v) / 24.0 + higher))))

    def cumulants(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the second to the fourth cumulant."""
        p = expit(eta)
        v = p * expit(-eta)
        return v, v * (1.0 - 2.0 * p), v * (1.0 - 6.0 * v)

    def ratio(self, eta: FloatArray, step: np.ndarray) -> np.ndarray:
        """Return 1 − p + p eᵗ."""
        return np.asarray(expit(-eta) + expit(eta) * np.exp(step))

    def absolute_deviation(self, eta: FloatArray) -> FloatArray:
        """Return 2p(1 − p)."""
        return np.asarray(2.0 * expit(eta) * expit(-eta), dtype=np.float64)

    def marginal(self, eta: FloatArray, std: float) -> tuple[FloatArray, FloatArray]:
        """Return the mean of a logistic-normal variable by the trapezoidal rule, and p(1 − p) there."""
        if std == 0.0:
            p, q = expit(eta), expit(-eta)
        else:
            # The poles of the sigmoid are π/std from the line: the error is exp(−2π²/(std·step)).
            count = max(_SLOPE_NODES, math.ceil(40.0 * std) + 1)
            nodes, weights = normal_trapezoid(_REACH, count)
            p, q = np.zeros_like(eta), np.zeros_like(eta)
            for node, weight in zip(nodes, weights, strict=True):
                p += weight * expit(eta + std * node)
                q += weight * expit(-eta - std * node)
        return np.asarray(p), np.asarray(p * q)

    def natural(self, response: FloatArray, spread: FloatArray) -> FloatArray:
        """Return the logit log p − log(1 − p): given its mean, a mixture of Bernoulli laws is one."""
        return np.asarray(2.0 * np.log(response) - np.log(spread), dtype=np.float64)

    def proximal(self, u: FloatArray, q: float, y: FloatArray) -> FloatArray:
        """Return the root by Newton's method, from the side on which it is monotone."""
        end = u + q * y
        # v + q A'(v) is convex left of 0 and concave right of it, and A' lies between 0 and 1.
        v = np.where(end < 0.5 * q, np.minimum(end, 0.0), np.maximum(end - q, 0.0))
        for _ in range(_NEWTON_STEPS):  # SciPy's newton stops by absolute steps, and its brackets cost more
            p = expit(v)
            step = (v + q * p - end) / (1.0 + q * p * (1.0 - p))
            v = v - step
            if np.all(np.abs(step) <= _ROUNDING * (1.0 + np.abs(v))):
                break
        return np.asarray(v)

    def draw(self, eta: FloatArray, uniforms: FloatArray) -> FloatArray:
        """Return 1 where the uniform is below the probability."""
        return np.asarray(uniforms < expit(eta), dtype=np.float64)

    def enumerate(self, eta: FloatArray, least: float = _TAIL) -> tuple[np.ndarray, FloatArray, FloatArray]:
        """Return the two responses of every parameter."""
        rows = np.concatenate((np.arange(eta.size), np.arange(eta.size)))
        values = np.repeat([0.0, 1.0], eta.size)
        return rows, values, np.concatenate((expit(-eta), expit(eta)))


class Poisson(Family):
    """Counts with mean e^η."""

    name: ClassVar[str] = "Poisson"
    largest: ClassVar[float] = math.inf

    def log_partition(self, eta: FloatArray) -> FloatArray:
        """Return e^η, which is the mean too."""
        return self.mean(eta)

    def mean(self, eta: FloatArray) -> FloatArray:
        """Return e^η."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(eta), dtype=np.float64)

    def mean_step(self, eta: FloatArray, step: FloatArray) -> FloatArray:
        """Return e^η (eᵗ − 1)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.where(step > 1.0, np.exp(eta + step) - np.exp(eta), np.exp(eta) * np.expm1(step)))

    def divergence(self, eta: FloatArray, step: FloatArray) -> FloatArray:
        """Return e^η (eᵗ − 1 − t)."""
        with np.errstate(over="ignore", invalid="ignore"):
            direct = np.exp(eta + step) - np.exp(eta) * (1.0 + step)
            return np.asarray(np.where(step > 1.0, direct, np.exp(eta) * expm2(np.minimum(step, 1.0))))

    def cumulants(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return e^η three times."""
        mean = self.mean(eta)
        return mean, mean, mean

    def ratio(self, eta: FloatArray, step: np.ndarray) -> np.ndarray:
        """Return exp(e^η (eᵗ − 1))."""
        return np.asarray(np.exp(np.exp(eta) * np.expm1(step)))

    def absolute_deviation(self, eta: FloatArray) -> FloatArray:
        """Return de Moivre's 2 e^{−μ} μ^{⌊μ⌋+1}/⌊μ⌋!."""
        mean = self.mean(eta)
        floor = np.floor(mean)
        return np.asarray(2.0 * np.exp((floor + 1.0) * eta - mean - gammaln(floor + 1.0)), dtype=np.float64)

    def marginal(self, eta: FloatArray, std: float) -> tuple[FloatArray, FloatArray]:
        """Return the moments of a Poisson-lognormal variable."""
        mean = self.mean(eta + 0.5 * std * std)
        return mean, np.asarray(mean + mean**2 * math.expm1(std * std))

    def natural(self, response: FloatArray, spread: FloatArray) -> FloatArray:
        """Return the logarithm of the mean; a mixture is no Poisson law, and has no exponential moments to compute."""
        return np.asarray(np.log(response), dtype=np.float64)

    def proximal(self, u: FloatArray, q: float, y: FloatArray) -> FloatArray:
        """Return the root by Wright's function ω + log ω = z: q e^v = ω at z = u + qy + log q."""
        end = u + q * y
        argument = end + math.log(q)
        root = wrightomega(argument)
        return np.asarray(np.where(argument > 1.0, np.log(root) - math.log(q), end - root))

    def draw(self, eta: FloatArray, uniforms: FloatArray) -> FloatArray:
        """Return the quantiles: by adding up probabilities, and by the incomplete gamma function far out."""
        mean = self.mean(eta)
        counts = np.zeros(mean.shape)
        term = np.exp(-mean)
        below = term.copy()
        pending = uniforms > below
        for k in range(1, _STEPS):
            if not pending.any():
                return counts
            term = term * mean / k
            counts[pending] = k
            below += term
            pending &= uniforms > below
        far = np.nonzero(pending)
        if far[0].size:
            counts[far] = np.ceil(pdtrik(uniforms[far], mean[far]))
        return counts

    def enumerate(self, eta: FloatArray, least: float = _TAIL) -> tuple[np.ndarray, FloatArray, FloatArray]:
        """Return all counts, or a normal rule about a large mean."""
        mean = self.mean(eta)
        small = np.flatnonzero(mean <= _ENUMERATED)
        m = mean[small]
        # Bernstein's bound on both tails.
        decay = -math.log(least)
        spread = np.sqrt(2.0 * m * decay) + decay / 1.5
        first = np.maximum(np.floor(m - spread), 0.0)
        sizes = (np.ceil(m + spread) - first).astype(np.int64)
        rows = np.repeat(small, sizes)
        values = np.arange(rows.size) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(first, sizes)
        logs = values * eta[rows] - mean[rows] - gammaln(values + 1.0)
        kept = logs > math.log(least)
        rows, values, logs = rows[kept], values[kept], logs[kept]
        large = np.flatnonzero(mean > _ENUMERATED)
        nodes, weights = normal_trapezoid(8.0, 33)
        far = (mean[large, None] + np.sqrt(mean[large, None]) * nodes).ravel()
        return (
            np.concatenate((rows, np.repeat(large, nodes.size))),
            np.concatenate((values, far)),
            np.concatenate((np.exp(logs), np.tile(weights, large.size))),
        )


BERNOULLI = Bernoulli()
POISSON = Poisson()
