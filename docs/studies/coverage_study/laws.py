"""Laws of loss increments with known mean and variance, with a common factor on request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import ndtri

Array = np.ndarray


class Law(Protocol):
    name: str

    def increments(self, rng: np.random.Generator, s: Array, points: int, common: float = 0.0) -> Array:
        """Return increments of standardised gaps s, shape (K, N); ``common`` is the share of a factor of all rows."""


@dataclass(frozen=True)
class Shifted:
    """s + noise of mean 0 and variance 1."""

    name: str
    noise: Callable[[np.random.Generator, tuple[int, int]], Array]

    def increments(self, rng: np.random.Generator, s: Array, points: int, common: float = 0.0) -> Array:
        found = self.noise(rng, (s.size, points))
        if common:
            found = np.sqrt(1.0 - common) * found + np.sqrt(common) * self.noise(rng, (1, points))
        found += s[:, None]
        return found


@dataclass(frozen=True)
class Discrete:
    """1, −1 or 0, as differences of 0-1 losses are: −1 with probability ``minus``, 1 with what gives the gap."""

    name: str
    minus: float

    def plus(self, s: Array) -> Array:
        """Return P(1): with d = P(1) − P(−1), d² (1 + s²) = s² (d + 2 P(−1))."""
        square = np.asarray(s) ** 2
        return (square + np.sqrt(square**2 + 8.0 * self.minus * square * (1.0 + square))) / (
            2.0 * (1.0 + square)
        ) + self.minus

    def gap(self, plus: float) -> float:
        difference = plus - self.minus
        return float(difference / np.sqrt(plus + self.minus - difference**2))

    def increments(self, rng: np.random.Generator, s: Array, points: int, common: float = 0.0) -> Array:
        plus = self.plus(s)[:, None]
        if common:
            latent = np.sqrt(1.0 - common) * rng.normal(size=(s.size, points))
            latent += np.sqrt(common) * rng.normal(size=(1, points))
            return (latent > ndtri(1.0 - plus)).astype(float) - (latent < ndtri(self.minus))
        uniform = rng.random((s.size, points))
        return (uniform > 1.0 - plus).astype(float) - (uniform < self.minus)


GAUSSIAN = Shifted("Gaussian", lambda rng, shape: rng.standard_normal(shape))
EXPONENTIAL = Shifted("exponential", lambda rng, shape: rng.standard_exponential(shape) - 1.0)
REVERSED = Shifted("exponential, reversed", lambda rng, shape: 1.0 - rng.standard_exponential(shape))
STUDENT5 = Shifted("Student t5", lambda rng, shape: rng.standard_t(5, shape) / np.sqrt(5.0 / 3.0))
STUDENT3 = Shifted("Student t3", lambda rng, shape: rng.standard_t(3, shape) / np.sqrt(3.0))
LOGNORMAL = Shifted(
    "lognormal", lambda rng, shape: (rng.lognormal(size=shape) - np.sqrt(np.e)) / np.sqrt((np.e - 1.0) * np.e)
)
DISCRETE = Discrete("discrete", 0.1)
MOSTLY_ONE = Discrete("discrete, mostly 1", 0.05)
SPARSE = Discrete("discrete, 96 % zero", 0.01)
