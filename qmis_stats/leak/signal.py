"""What a release tells of each point: how its fitted value shows, and how its membership does (Statement S16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.leave_one_out import LeaveOneOut, aspect
from qmis_stats.leak.retained import ReadOut, Scatter
from qmis_stats.leak.stacks import positive

__all__ = ["Directions", "PointSignal", "best_direction", "statistics"]

_NOTHING = 1e-12
_LITTLE = 1e-6
_FLAT = 1e-6
_MOST_BESIDE = 10.0
_SLIGHT = 0.1
"""Share of the move along the fitted value below which what lies beside it adds less than 0.5 % to the move."""

_ANGLES = np.linspace(0.0, np.pi, 48, endpoint=False)


@dataclass(frozen=True, eq=False)
class PointSignal:
    """Inner products, in the metric of the noisy measurements, of the two directions of each point.

    Attributes
    ----------
    gram : (3, n, K, K) ndarray
        kᵀK⁻¹k, kᵀK⁻¹δ, δᵀK⁻¹δ, with k the direction of the fitted value and δ that of membership.
    variance : (n, K, K) ndarray
        xᵀCx, of the fitted values, in the same units.
    leverage : (n, K, K) ndarray
        xᵀGx likewise.
    pair : bool
        Whether the attack reads both directions, or one between them.
    """

    gram: FloatArray
    variance: FloatArray
    leverage: FloatArray
    pair: bool = False

    def some(self, rows: Indices) -> PointSignal:
        """Return some of the points."""
        return PointSignal(self.gram[:, rows], self.variance[rows], self.leverage[rows], self.pair)

    def scalars(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return (c, e₁, e₂) for one fitted value per point, each of shape (n,).

        The statistic is (v₁, v₂), standard normal for a non-member. v₁ has correlation c with the fitted value;
        a member moves v by (e₁, e₂) times the move of its fitted value in standard deviations.
        """
        kk, kd, dd = self.gram[:, :, 0, 0]
        size = np.sqrt(self.variance[:, 0, 0])
        unit = size / np.maximum(self.leverage[:, 0, 0], np.finfo(float).tiny)
        along = np.sqrt(np.maximum(kk, 0.0))
        first = np.divide(kd, along, out=np.zeros_like(kd), where=along > 0.0)
        second = np.sqrt(np.maximum(dd - first**2, 0.0))
        second = np.where(second > 1e-3 * np.abs(first), second, 0.0)
        return np.minimum(along / size, 1.0), first * unit, second * unit


def statistics(signal: PointSignal, moments: FloatArray, repeat: Indices) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (c, e, f) of the statistics that an attack reads, each of shape (n,): f is 0 where it is one.

    In a population one loses little, see :func:`best_direction`. A known pool opens the angle of the two directions
    (Proposition S17.2), and both are read: one between them misses an eighth of Δ on the fingerprints of Caco-2 under
    coarse codes, and nearly half of it on the bundled breast cancer set without quantization.

    Parameters
    ----------
    signal, moments, repeat
        As for :func:`best_direction`.
    """
    if not signal.pair:
        c, e = best_direction(signal, moments, repeat)
        return c, e, np.zeros_like(e)
    c, first, second = signal.scalars()
    return c, first, np.where(second > _SLIGHT * np.abs(first), second, 0.0)


def best_direction(signal: PointSignal, moments: FloatArray, repeat: Indices) -> tuple[FloatArray, FloatArray]:
    """Return (c, e) of the one statistic that tells members from non-members best, each of shape (n,).

    A member's read-out v is moved along (e₁, e₂), and its variance along (c, 0) changes: the direction of the largest
    mean root of the symmetric divergence of the two normal laws is taken, the same for all points. What a second
    statistic would add is small: at most 2 % of Δ over the designs named in ``docs/theory/leave_one_out.md``.

    Parameters
    ----------
    signal : PointSignal
        Of n points.
    moments : (m, 3) ndarray
        Mean of D, covariance of t and D, variance of D, from the kernel ``proximal_moments``.
    repeat : (m,) ndarray of int
        The point of each row of the moments.
    """
    c, first, second = signal.scalars()
    if not np.any(second > 0.0):
        return c, first
    mean, cov, var = moments.T

    def separation(angle: float) -> float:
        along, e = c * np.cos(angle), first * np.cos(angle) + second * np.sin(angle)
        moved = e[repeat]
        shift, size = (moved * mean) ** 2, 1.0 + 2.0 * (along * e)[repeat] * cov + moved**2 * var
        inverse = 1.0 / size
        divergence = shift * (1.0 + inverse) + size + inverse - 2.0
        return float(np.mean(np.sqrt(np.maximum(divergence, 0.0))))

    angle = max(_ANGLES, key=separation)
    along = c * np.cos(angle)
    return np.abs(along), np.where(along < 0.0, -1.0, 1.0) * (first * np.cos(angle) + second * np.sin(angle))


@dataclass(frozen=True, eq=False)
class Directions:
    """What the signals of all quantizers share.

    Attributes
    ----------
    variance : (n, K, K) ndarray
        xᵀCx of the training points.
    leverage : (n, K, K) ndarray
        xᵀGx of the training points.
    expected : tuple of float
        tr ΣC and tr ΣG.
    beside : float
        What lies beside the direction k, as a multiple of what estimated second moments put there.
    pair : bool
        Whether the attack reads both directions: in a known pool.
    """

    variance: FloatArray
    leverage: FloatArray
    expected: tuple[float, float]
    beside: float
    pair: bool

    @classmethod
    def of(cls, fit: Fit, spread: Scatter, found: LeaveOneOut, widened: float | None = None) -> Directions:
        """Return them for the training points of a fit.

        A known pool widens the squared secant of the angle of k and δ by a factor; ``None`` in a population.
        """
        return cls(
            *spread.own,
            (spread.trace(spread.covariance), spread.trace(spread.response)),
            _beside(fit, spread, found, 1.0 if widened is None else widened),
            widened is not None,
        )

    def signal(self, reading: ReadOut, step: float = 0.0) -> PointSignal:
        """Return the signal of one quantizer, with its share ρ moved by a step.

        Training points are part of the estimated second moments: their shares are scaled to the expectation of a fresh
        point, what they lose and what they show of membership alike.
        """
        size = np.trace(self.variance, axis1=1, axis2=2)
        rest = self.variance - reading.along[0]
        lost = float(np.trace(rest, axis1=1, axis2=2).sum() / size.sum())
        wanted = min(max(1.0 - reading.share - step, 0.0), 1.0)
        # Of next to nothing rounding is the largest part: it is taken as lost everywhere alike.
        kk = self.variance - wanted * (rest / lost if lost > _LITTLE else self.variance)
        if kk.shape[1] > 1:  # codes may lose more than all along one contrast; of one fitted value, see scalars
            kk = positive(kk)
        grown = max(reading.share + step, 0.0) / max(reading.share, _NOTHING)
        mean = np.array([np.trace(m, axis1=1, axis2=2).mean() for m in reading.along])
        here, pull = size.mean() / self.expected[0], np.trace(self.leverage, axis1=1, axis2=2).mean() / self.expected[1]
        wanted_means = reading.expected * np.array([here, pull, pull**2 / here])
        factor = grown * wanted_means / np.where(mean != 0.0, mean, 1.0)
        kd, dd = reading.along[1] * factor[1], reading.along[2] * factor[2]
        # What lies beside k is not as large as estimated second moments say.
        inside = _explained(kk, kd)
        left = dd - inside
        dd = inside + self.beside * (positive(left) if kk.shape[1] > 1 else left)
        return PointSignal(np.array([kk, kd, dd]), self.variance, self.leverage, self.pair)


def _beside(fit: Fit, spread: Scatter, found: LeaveOneOut, widened: float) -> float:
    """Return by what factor estimated second moments misstate the squared tangent of the angle of k = Cx and δ = Gx.

    With C ∝ GΣG, D columns and no quantization it is D tr(ΣG)²/(tr ΣG)² − 1. Noise in Σ spreads the eigenvalues of ΣG
    and widens it, shrinking Σ narrows it; leave-one-out means do neither.
    """
    plain = widened * _secant(fit, spread) - 1.0
    return min((widened * aspect(fit, found) - 1.0) / plain, _MOST_BESIDE) if plain > _FLAT else 0.0


def _secant(fit: Fit, spread: Scatter) -> float:
    if fit.outputs > 1:
        return spread.secant
    columns = int(np.count_nonzero(np.any(fit.design != 0.0, axis=0)))
    # C is GΣG times a number, which one column tells.
    place = int(np.argmax(np.diag(spread.covariance)))
    moved = spread.response[place]
    unit = float(spread.covariance[place, place] / (moved @ spread.second_moment @ moved))
    return columns * spread.trace(spread.covariance) / unit / spread.trace(spread.response) ** 2


def _explained(kk: FloatArray, kd: FloatArray) -> FloatArray:
    return np.asarray(kd.transpose(0, 2, 1) @ np.linalg.pinv(kk, rcond=1e-9, hermitian=True) @ kd)
