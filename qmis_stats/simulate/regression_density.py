"""The likelihood ratio of a released least-squares estimate, in closed form (Statement S9f)."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.numerics import log_bessel_profile, log_beta_half

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

__all__ = ["RegressionRatio", "require_density"]

_STEP = 0.005
_SMALLEST = 1e-12
_LARGEST = 1e7


def require_density(method: str, n: int, dimension: int) -> None:
    """Refuse samples too small for the estimate to have a bounded density given one of its points.

    Raises
    ------
    DomainError
        If n < d + 2: without the point the others do not determine an estimate with a residual.
    """
    if n < dimension + 2:
        raise DomainError(
            method,
            f"the density of the estimate given a point needs n of at least d + 2 = {dimension + 2}, not n = {n}",
            "raise n",
        )


class RegressionRatio:
    """Λ(v, z) = p(v | z)/p(v) of an unquantized least-squares estimate (Statement S9f).

    In whitened units (design N(0, I), coefficients 0, noise 1) the estimate is v and the point is z = (x, y). With
    c = xᵀv, r = y − c, a = |x|² + c², u = |r|√a and ν = (n − d − 1)/2,

    ``Λ = Γ(n/2) Γ(ν+1)/(Γ((n+1)/2) Γ(ν+½)) · √(1 + |v|²) e^{rc} · [P_{ν+1}(u) + a/(2ν) P_ν(u)]``,

    P_ν(u) = u^ν K_ν(u)/(2^{ν−1} Γ(ν)) with the Bessel function K. The ratio depends on v through |v|² and c alone.

    Parameters
    ----------
    dimension, n : int
        Number of coefficients d, and sample size n ≥ d + 2.

    Raises
    ------
    DomainError
        If n < d + 2.

    Examples
    --------
    A point with x = 0 leaves the estimate to the other n − 1 points, and Λ is a ratio of two t densities.

    >>> ratio = RegressionRatio(1, 3)
    >>> value = ratio.log_ratio(np.array([0.0]), np.array([0.0]), np.array([0.0]), np.array([5.0]))
    >>> round(float(np.exp(value[0])), 6), round(0.5 / (2.0 / math.pi), 6)  # densities of two and of three points at 0
    (0.785398, 0.785398)
    """

    def __init__(self, dimension: int, n: int) -> None:
        require_density("likelihood_ratio", n, dimension)
        self.dimension, self.n = dimension, n
        self._order = 0.5 * (n - dimension - 1)
        self._log_constant = log_beta_half(0.5 * n) - log_beta_half(self._order + 0.5)

    def log_ratio(
        self, squared_length: FloatArray, projection: FloatArray, squared_design: FloatArray, response: FloatArray
    ) -> FloatArray:
        """Return log Λ from |v|², xᵀv, |x|² and y, arrays that broadcast."""
        residual = response - projection
        a = squared_design + projection * projection
        log_profiles = self._log_profiles(np.abs(residual) * np.sqrt(a))
        bracket = np.exp(log_profiles[..., 0] - log_profiles[..., 1]) + a / (2.0 * self._order)
        log_length = 0.5 * np.log1p(squared_length)
        result = self._log_constant + log_length + residual * projection + log_profiles[..., 1] + np.log(bracket)
        return np.asarray(result, dtype=np.float64)

    def _log_profiles(self, u: FloatArray) -> FloatArray:
        """Return log P_{ν+1}(u) and log P_ν(u), shape (..., 2), to about 1e-11.

        Cubic splines in log u: K decays like e^{−u}, and what is left of the logarithms changes slowly with log u.
        Points beyond the splines, of which there is hardly ever one, are integrated one by one.
        """
        clipped = np.clip(u, _SMALLEST, _LARGEST)
        values = self._splines(np.log(clipped)) - clipped[..., None]
        beyond = u > _LARGEST
        if beyond.any():
            values[beyond] = self._profiles(u[beyond])
        return np.asarray(values, dtype=np.float64)

    def _profiles(self, u: FloatArray) -> FloatArray:
        return np.stack([log_bessel_profile(self._order + 1.0, u), log_bessel_profile(self._order, u)], axis=-1)

    @cached_property
    def _splines(self) -> CubicSpline:
        from scipy.interpolate import CubicSpline  # slow to load, and needed only here

        first, last = math.log(_SMALLEST), math.log(_LARGEST)
        knots = np.linspace(first, last, math.ceil((last - first) / _STEP) + 1)
        u = np.exp(knots)
        return CubicSpline(knots, self._profiles(u) + u[:, None], axis=0)
