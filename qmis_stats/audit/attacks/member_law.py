"""Law of a member's read-out: the proximal map through a noisy measurement, by Laplace's method (Statement S16)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.leak.losses import Loss
from qmis_stats.leak.stacks import inverses, log_dets, products, solved

__all__ = ["MemberLaw"]

_STEPS = 12
_SETTLED = 1e-5
_HALVINGS = 6
_LEAST_NOISE = 1e-6


@dataclass(frozen=True, eq=False)
class MemberLaw:
    """Laws of the read-outs of N points.

    With t = u − a the deviation of the fitted values, u ~ N(a, S), a non-member has v ~ N(0, I), and a member

    v = Rt − Pψ(m) + ξ,   m = prox_q(u),   ψ = ∂ℓ/∂m,   ξ ~ N(0, I − RSRᵀ).

    Written in m, t = m + qψ(m) − a is explicit, and Laplace's method integrates over m: exact where the proximal map is
    linear, and where nothing is quantized.

    Attributes
    ----------
    loss : Loss
        ℓ.
    basis : (K, k) ndarray
        From :func:`~qmis_stats.leak.losses.contrasts`; all that follows is in its coordinates.
    y : (N,) ndarray
        Targets.
    mean : (N, k) ndarray
        a.
    precision : (N, k, k) ndarray
        S⁻¹.
    leverage : (N, k, k) ndarray
        q.
    seen : (N, v, k) ndarray
        R.
    push : (N, v, k) ndarray
        P.
    noise : (N, v, v) ndarray
        I − RSRᵀ.
    """

    loss: Loss
    basis: FloatArray
    y: FloatArray
    mean: FloatArray
    precision: FloatArray
    leverage: FloatArray
    seen: FloatArray
    push: FloatArray
    noise: FloatArray

    def some(self, rows: Indices) -> MemberLaw:
        """Return the laws of some points, which may come several times."""
        arrays = (self.y, self.mean, self.precision, self.leverage, self.seen, self.push, self.noise)
        return MemberLaw(self.loss, self.basis, *(array[rows] for array in arrays))

    def log_density(self, v: FloatArray, pull: float, extra: FloatArray) -> FloatArray:
        """Return the log density of a member's read-outs at v, plus a constant, shape (N,).

        Parameters
        ----------
        v : (N, v) ndarray
            Read-outs.
        pull : float
            Factor of q and P.
        extra : (N,) ndarray
            Variance of further noise.
        """
        quiet = inverses(self.noise + (extra + _LEAST_NOISE)[:, None, None] * np.eye(v.shape[1]))
        back = products(self.seen.transpose(0, 2, 1), quiet)
        m = self.mean + _times(inverses(self.precision + products(back, self.seen)), _times(back, v))
        height, ahead, bent, along = self._height(m, v, pull, quiet)
        for _ in range(_STEPS):
            step = -solved(bent, along)
            size = np.ones(len(v))
            for _ in range(_HALVINGS):
                found = self._height(m + size[:, None] * step, v, pull, quiet)
                worse = found[0] > height + _SETTLED
                if not worse.any():
                    break
                size = np.where(worse, 0.3 * size, size)
            m = m + size[:, None] * step
            height, ahead, bent, along = found
            if np.max(np.abs(step), initial=0.0) < _SETTLED:
                break
        logs = log_dets(ahead) - 0.5 * log_dets(bent) + 0.5 * log_dets(self.precision) + 0.5 * log_dets(quiet)
        return np.asarray(logs - height)

    def _height(
        self, m: FloatArray, v: FloatArray, pull: float, quiet: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return minus the log of the integrand, ∂t/∂m, the Gauss-Newton curvature and the slope."""
        values = m @ self.basis.T
        psi = self.loss.gradient(self.y, values) @ self.basis
        w = self.basis.T @ self.loss.curvature(self.y, values) @ self.basis
        t = m + pull * _times(self.leverage, psi) - self.mean
        left = v - _times(self.seen, t) + pull * _times(self.push, psi)
        ahead = np.eye(m.shape[1]) + pull * products(self.leverage, w)
        down = pull * products(self.push, w) - products(self.seen, ahead)
        first, second = products(ahead.transpose(0, 2, 1), self.precision), products(down.transpose(0, 2, 1), quiet)
        height = 0.5 * (np.sum(t * _times(self.precision, t), axis=1) + np.sum(left * _times(quiet, left), axis=1))
        return height, ahead, products(first, ahead) + products(second, down), _times(first, t) + _times(second, left)


def _times(matrix: FloatArray, vector: FloatArray) -> FloatArray:
    return np.asarray(products(matrix, vector[..., None])[..., 0])
