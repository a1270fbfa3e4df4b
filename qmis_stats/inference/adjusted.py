"""Limits of a confidence interval for s = δ/σ that allow for skewness (Statement S13).

The standardised gap s of one rival is estimated by ŝ, whose influence function is ψ(z) = z − (s/2)(z² − 1) in the
standardised increment z = (x − δ)/σ. Its Studentised error T = (ŝ − s)/se has skewness and bias of order N^(−1/2);
Hall's monotone cubic removes both, and its inverse is the limit. The constants are those of the BCa interval (DiCiccio
and Efron 1992; Hall 1992): a the acceleration, c_q the curvature in the least favourable direction, b the bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from qmis_stats.arrays import FloatArray, Indices

__all__ = ["GapStatistics", "influence", "rates"]

_LEAST_DOF = 4.0
_NEGLIGIBLE_SKEWNESS = 1e-7
_DEGENERATE = 1e-12
"""Least variance of ψ, which vanishes for some laws on two values."""


def influence(z: FloatArray, s: FloatArray) -> FloatArray:
    """Return ψ(z) = z − (s/2)(z² − 1), the influence function of s = δ/σ.

    Parameters
    ----------
    z : (M, n) ndarray
        Standardised increments (x − δ)/σ.
    s : (M,) ndarray
        Standardised gaps δ/σ.

    Examples
    --------
    >>> influence(np.array([[-1.0, 1.0, 2.0]]), np.array([0.5]))
    array([[-1.  ,  1.  ,  1.25]])
    """
    return z - 0.5 * s[:, None] * (z * z - 1.0)


def rates(low: float, high: float) -> tuple[float, float]:
    """Return limits of r = s²/2 from limits of s, which is known not to be negative.

    Examples
    --------
    >>> rates(-0.1, 0.4)
    (0.0, 0.08000000000000002)
    """
    return 0.5 * max(low, 0.0) ** 2, 0.5 * max(high, 0.0) ** 2


@dataclass(frozen=True)
class GapStatistics:
    """Estimates of the standardised gaps of M rivals with what their limits need, arrays of shape (M,).

    Attributes
    ----------
    s : ndarray
        ŝ = δ̂/σ̂, the variance with N − 1 in the denominator.
    std_error : ndarray
        Jackknife standard errors; infinite where a single point carries the whole variation.
    slope, shift : ndarray
        a₁ = 2a + c_q and b₁ = a + c_q − b/se of the cubic g(t) = t + a₁ t² + a₁² t³/3 + b₁.
    dof : ndarray
        Degrees of freedom of the squared standard error, 2N/(kurtosis of ψ − 1), between 4 and N − 1.
    """

    s: FloatArray
    std_error: FloatArray
    slope: FloatArray
    shift: FloatArray
    dof: FloatArray

    @classmethod
    def from_moments(
        cls, points: int, s: FloatArray, moments: FloatArray, cross: FloatArray, jackknife: FloatArray
    ) -> GapStatistics:
        """Return the statistics from averages over the N points.

        Parameters
        ----------
        points : int
            N.
        s : (M,) ndarray
            ŝ.
        moments : (3, M) ndarray
            Averages of ψ², ψ³ and ψ⁴.
        cross : (2, M) ndarray
            Averages of z³ and z⁴.
        jackknife : (M,) ndarray
            Jackknife standard errors.
        """
        second, third, fourth = moments
        second = np.maximum(second, _DEGENERATE)
        skewness, kurtosis = cross
        root = np.sqrt(second)
        scale = np.sqrt(points) * root**3
        along_mean = 1.0 - 0.5 * s * skewness
        along_variance = skewness - 0.5 * s * (kurtosis - 1.0)
        acceleration = third / (6.0 * scale)
        curvature = (
            0.5 * s * along_mean**2 - 0.5 * along_mean * along_variance + 0.375 * s * along_variance**2
        ) / scale
        bias = (0.375 * s * (kurtosis - 1.0) - 0.5 * skewness) / points
        spread = np.maximum(fourth / second**2 - 1.0, 2.0 / points)
        return cls(
            s,
            jackknife,
            2.0 * acceleration + curvature,
            acceleration + curvature - bias / jackknife,
            np.clip(2.0 * points / spread, _LEAST_DOF, points - 1.0),
        )

    def limits(self, normal_quantile: float) -> FloatArray:
        """Return one-sided limits at confidence Φ(|normal_quantile|): upper for a positive quantile, else lower.

        Examples
        --------
        >>> one = GapStatistics(*(np.array([v]) for v in (0.2, 0.01, 0.0, 0.0, 1e9)))
        >>> np.round(one.limits(1.96), 4)
        array([0.2196])
        """
        student = np.asarray(stdtrit(self.dof, ndtr(normal_quantile)), dtype=np.float64)
        with np.errstate(invalid="ignore"):
            moved = self.s + self.std_error * self._skewed(student)
        known = np.isfinite(self.std_error) & np.isfinite(normal_quantile)
        return np.where(known, moved, np.copysign(np.inf, normal_quantile))

    def _skewed(self, quantile: FloatArray) -> FloatArray:
        """Return −g⁻¹(−quantile)."""
        x = -quantile - self.shift
        small = np.abs(self.slope) < _NEGLIGIBLE_SKEWNESS
        slope = np.where(small, 1.0, self.slope)
        return np.asarray(np.where(small, self.slope * x * x - x, -(np.cbrt(1.0 + 3.0 * slope * x) - 1.0) / slope))

    def take(self, rows: Indices) -> GapStatistics:
        """Return the statistics of some of the rivals."""
        return GapStatistics(*(np.asarray(v)[rows] for v in (self.s, self.std_error, self.slope, self.shift, self.dof)))
