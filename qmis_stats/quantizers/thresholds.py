"""Scalar quantizers as thresholds and levels: the cells that a product quantizer puts on each coordinate.

Solvers are imported where they are used: loading them takes longer than most simulations.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.validation import checked_share, finite_array, one_of, positive_number, whole_number

__all__ = ["FixedThresholds", "LloydMax", "ScalarQuantizer", "Sign", "Ternary", "Uniform"]

MAX_BITS = 8
_MAX_NEWTON = 100


class ScalarQuantizer(ABC):
    """A quantizer acting on each coordinate of an estimate with known location and standard error."""

    @abstractmethod
    def thresholds(self, location: FloatArray, standard_error: FloatArray) -> tuple[FloatArray, ...]:
        """Return the sorted thresholds of each coordinate.

        Parameters
        ----------
        location, standard_error : (d,) arrays
            Mean and standard deviation of the estimate's coordinates, in the estimate's units.
        """


@dataclass(frozen=True)
class FixedThresholds(ScalarQuantizer):
    """The same thresholds on every coordinate.

    Parameters
    ----------
    values : tuple of float
        Strictly increasing.
    unit : {"absolute", "standard_error"}
        Whether the values are in the estimate's units or in standard errors of each coordinate, which puts the
        cells on the critical scale (Statement S7).

    Examples
    --------
    >>> FixedThresholds((-1.0, 1.0), "standard_error").thresholds(np.zeros(1), np.array([0.1]))
    (array([-0.1,  0.1]),)
    """

    values: tuple[float, ...]
    unit: Literal["absolute", "standard_error"] = "absolute"

    def __post_init__(self) -> None:
        values = finite_array("procedure.thresholds", self.values, 1, "(m,)")
        if np.any(values[1:] <= values[:-1]):
            raise InputError("procedure.thresholds", values.tolist(), "strictly increasing")
        one_of("procedure.unit", self.unit, ("absolute", "standard_error"))
        object.__setattr__(self, "values", tuple(values.tolist()))

    def thresholds(self, location: FloatArray, standard_error: FloatArray) -> tuple[FloatArray, ...]:
        """Return the thresholds in the estimate's units."""
        values = np.asarray(self.values, dtype=np.float64)
        scale = standard_error if self.unit == "standard_error" else np.ones_like(standard_error)
        return tuple(values * s for s in scale)


@dataclass(frozen=True)
class Sign(ScalarQuantizer):
    """One bit: the sign of the coordinate, zero counted as negative.

    Examples
    --------
    >>> Sign().thresholds(np.zeros(2), np.ones(2))
    (array([0.]), array([0.]))
    """

    def thresholds(self, location: FloatArray, standard_error: FloatArray) -> tuple[FloatArray, ...]:
        """Return the threshold zero for every coordinate."""
        return tuple(np.zeros(1) for _ in location)


@dataclass(frozen=True)
class Ternary(ScalarQuantizer):
    """Levels −1, 0, 1 by magnitude: coordinates of magnitude at most t become zero.

    Parameters
    ----------
    sparsity : float
        Share of coordinates set to zero, in (0, 1). The threshold t is the population quantile of the estimate's
        magnitudes, ``Σ_i P(|θ̂_i| ≤ t) = sparsity·d`` with normal coordinates: the limit, as d grows, of the
        quantile that is read off the weights.

    Examples
    --------
    >>> Ternary(0.9).thresholds(np.zeros(1), np.ones(1))[0].round(4)
    array([-1.6449,  1.6449])
    """

    sparsity: float

    def __post_init__(self) -> None:
        checked_share("procedure.sparsity", self.sparsity)

    def thresholds(self, location: FloatArray, standard_error: FloatArray) -> tuple[FloatArray, ...]:
        """Return ±t for every coordinate."""
        from scipy.optimize import brentq

        standardised = location / standard_error

        def excess(t: float) -> float:
            zeroed = ndtr(t / standard_error - standardised) - ndtr(-t / standard_error - standardised)
            return float(np.mean(zeroed)) - self.sparsity

        # Rounding must not swallow the standard errors, or the share of zeros would never exceed the sparsity.
        largest = float(np.max(np.abs(location) * (1.0 + 1e-12) + 40.0 * standard_error))
        t = float(brentq(excess, 0.0, largest, xtol=1e-15 * largest, rtol=1e-14))
        return tuple(np.array([-t, t]) for _ in location)


@dataclass(frozen=True)
class _Designed(ScalarQuantizer):
    """2^bits levels designed for N(0, scale²)."""

    bits: int
    scale: float | None = None

    def __post_init__(self) -> None:
        whole_number("procedure.bits", self.bits, 1, MAX_BITS)
        if self.scale is not None:
            positive_number("procedure.scale", self.scale)

    def _scale(self, location: FloatArray, standard_error: FloatArray) -> float:
        return math.sqrt(float(np.mean(location**2 + standard_error**2))) if self.scale is None else self.scale


@dataclass(frozen=True)
class Uniform(_Designed):
    """2^bits equally spaced levels, symmetric about zero, designed for N(0, scale²).

    Parameters
    ----------
    bits : int
        1 to 8.
    scale : float, optional
        Standard deviation of the design law; the root mean square of the estimate's coordinates when omitted.

    Notes
    -----
    The step minimises the mean squared error for a normal law (Max 1960, Quantizing for minimum distortion).

    Examples
    --------
    >>> Uniform(2, scale=1.0).thresholds(np.zeros(1), np.ones(1))[0].round(4)
    array([-0.9957,  0.    ,  0.9957])
    """

    def thresholds(self, location: FloatArray, standard_error: FloatArray) -> tuple[FloatArray, ...]:
        """Return the midpoints between levels."""
        from scipy.optimize import minimize_scalar

        levels = 2**self.bits

        def distortion(step: float) -> float:
            edges = step * (np.arange(1, levels) - levels / 2)
            return _normal_distortion(edges, step * (np.arange(levels) - (levels - 1) / 2))

        best = minimize_scalar(distortion, bounds=(1e-3, 8.0), method="bounded", options={"xatol": 1e-12})
        edges = float(best.x) * (np.arange(1, levels) - levels / 2)
        scale = self._scale(location, standard_error)
        return tuple(scale * edges for _ in location)


@dataclass(frozen=True)
class LloydMax(_Designed):
    """The 2^bits levels of least mean squared error for N(0, scale²).

    Parameters
    ----------
    bits : int
        1 to 8.
    scale : float, optional
        Standard deviation of the design law; the root mean square of the estimate's coordinates when omitted.

    Notes
    -----
    Each threshold is the midpoint of two levels and each level the centroid of its cell (Lloyd 1982, Max 1960).

    Examples
    --------
    >>> LloydMax(2, scale=1.0).thresholds(np.zeros(1), np.ones(1))[0].round(4)
    array([-0.9816,  0.    ,  0.9816])
    """

    def thresholds(self, location: FloatArray, standard_error: FloatArray) -> tuple[FloatArray, ...]:
        """Return the midpoints between levels."""
        scale = self._scale(location, standard_error)
        edges = _lloyd_max_edges(self.bits)
        return tuple(scale * edges for _ in location)


def _density(x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi))


def _cell_moments(edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return probabilities and first partial moments of N(0, 1) on the cells of ``edges``."""
    cdf = np.concatenate(([0.0], ndtr(edges), [1.0]))
    density = np.concatenate(([0.0], _density(edges), [0.0]))
    return np.diff(cdf), -np.diff(density)


def _normal_distortion(edges: FloatArray, levels: FloatArray) -> float:
    mass, first = _cell_moments(edges)
    return float(1.0 - 2.0 * (levels @ first) + (levels**2) @ mass)


def _lloyd_max_edges(bits: int) -> FloatArray:
    """Solve the fixed point "edges are midpoints of centroids" by Newton's method on the edges."""
    from scipy.linalg import solve_banded

    count = 2**bits
    edges = np.sqrt(3.0) * _companded(count)
    smallest = math.inf
    for _ in range(_MAX_NEWTON):  # SciPy's root takes no banded Jacobian
        mass, first = _cell_moments(edges)
        levels = first / mass
        residual = edges - 0.5 * (levels[1:] + levels[:-1])
        size = float(np.max(np.abs(residual)))
        if smallest <= 1e-9 and size >= smallest:
            break  # rounding is all that is left
        smallest = min(size, smallest)
        edges = np.sort(edges - solve_banded((1, 1), _edge_jacobian(edges, mass, levels), residual))
    return np.asarray(0.5 * (edges - edges[::-1]), dtype=np.float64)


def _companded(count: int) -> FloatArray:
    """Return the asymptotically optimal edges: quantiles of the density's cube root, a normal of variance 3."""
    return np.asarray(ndtri(np.arange(1, count) / count), dtype=np.float64)


def _edge_jacobian(edges: FloatArray, mass: FloatArray, levels: FloatArray) -> FloatArray:
    density = _density(edges)
    left = density * (edges - levels[:-1]) / mass[:-1]
    right = density * (levels[1:] - edges) / mass[1:]
    # Rows of the banded matrix: above, on and below the diagonal. The centroid between two edges moves with both.
    jacobian = np.zeros((3, edges.size))
    jacobian[0, 1:] = -0.5 * density[1:] * (edges[1:] - levels[1:-1]) / mass[1:-1]
    jacobian[1] = 1.0 - 0.5 * (left + right)
    jacobian[2, :-1] = -0.5 * density[:-1] * (levels[1:-1] - edges[:-1]) / mass[1:-1]
    return jacobian
