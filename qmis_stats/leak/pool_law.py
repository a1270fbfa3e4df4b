"""How the weights of a linear head vary over subsets of one pool whose points are known (Proposition S17.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor

from qmis_stats.arrays import FloatArray
from qmis_stats.leak.fits import inverse_of, moment_matrix, penalised
from qmis_stats.leak.leave_one_out import forms

__all__ = ["LeftOut", "PoolLaw"]

_ROUNDS = 8
_SETTLED = 1e-3


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What each point sees of the pool without it.

    Attributes
    ----------
    variance : (R, k, k) ndarray
        S, of the fitted values.
    leverage : (R, k, k) ndarray
        q.
    back : (R, 2k, 2k) ndarray
        What the pool's Cx and Gx are multiplied by, side by side, to be k and δ, those of the other points.
    added : (R, 2k, 2k) ndarray
        What the point adds to C, in terms of k and δ.
    """

    variance: FloatArray
    leverage: FloatArray
    back: FloatArray
    added: FloatArray

    def seen(self, kk: FloatArray, kd: FloatArray, dd: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the products kᵀK⁻¹k, kᵀK⁻¹δ, δᵀK⁻¹δ, (3, R, k, k), and (R, 2k, 2k) that turns read-outs.

        The latter is what read-outs along the pool's Cx and Gx are multiplied by to be those along k and δ.

        Parameters
        ----------
        kk, kd, dd : (R, k, k) ndarray
            The same products for Cx and Gx, with the C, and hence the K, of the pool.
        """
        size = kk.shape[1]
        turned = self.back.transpose(0, 2, 1)
        gram = turned @ np.block([[kk, kd], [kd.transpose(0, 2, 1), dd]]) @ self.back
        freed = np.asarray(np.linalg.inv(np.eye(2 * size) - gram @ self.added), dtype=np.float64)
        gram = freed @ gram
        return np.array([gram[:, :size, :size], gram[:, :size, size:], gram[:, size:, size:]]), freed @ turned


@dataclass(frozen=True, eq=False)
class PoolLaw:
    """C = G T G and G of the weights over subsets of a pool: T = Σ τ_j ⊗ x_jx_jᵀ, G = (Σ ŵ_j ⊗ x_jx_jᵀ + P)⁻¹.

    With k coordinates of the fitted values per point, and parameters flat, coordinate by coordinate.

    Attributes
    ----------
    design : (R, D) ndarray
        The points.
    stiffness, squares : (R, k, k) ndarray
        ŵ and τ of each point, times the number of points that it stands for.
    covariance, response : (kD, kD) ndarray
        C and G.
    """

    design: FloatArray
    stiffness: FloatArray
    squares: FloatArray
    covariance: FloatArray
    response: FloatArray

    @classmethod
    def of(
        cls,
        design: FloatArray,
        curvature: FloatArray,
        squares: FloatArray,
        penalties: FloatArray,
        fraction: float,
        leverage: FloatArray | None = None,
        stands_for: float = 1.0,
    ) -> PoolLaw:
        """Return the law over subsets that take a fraction f of the pool.

        ŵ = f(1 + (1 − f)wq)⁻¹w and τ = f(1 − f)RΨRᵀ with R = (1 + (1 − f)wq)⁻¹(1 + wq), where q is the leverage of
        the point in the pool without it.

        Parameters
        ----------
        design : (R, D) ndarray
            Points, all of the pool or a sample of it.
        curvature, squares : (R, k, k) ndarray
            w and Ψ = E ψψᵀ of each point, over the subsets that it is in.
        penalties : (D,) ndarray
            P.
        fraction : float
            f.
        leverage : (R, k, k) ndarray, optional
            About q, where the search for it starts.
        stands_for : float
            Points of the pool per point of the sample.
        """
        k = curvature.shape[1]
        identity, rest = np.eye(k), 1.0 - fraction
        leverage = np.zeros_like(curvature) if leverage is None else leverage
        for _ in range(_ROUNDS):
            damped = np.linalg.solve(identity + rest * curvature @ leverage, curvature)
            stiffness = stands_for * fraction * 0.5 * (damped + damped.transpose(0, 2, 1))
            hessian = penalised(design, stiffness, penalties)
            response = inverse_of(cho_factor(hessian))
            before, leverage = leverage, _leverages(forms(design, response, k), stiffness)
            if np.abs(leverage - before).sum() < _SETTLED * np.abs(leverage).sum():
                break
        grown = np.linalg.solve(identity + rest * curvature @ leverage, identity + curvature @ leverage)
        tau = stands_for * fraction * rest * grown @ squares @ grown.transpose(0, 2, 1)
        covariance = response @ moment_matrix(design, tau) @ response
        return cls(design, stiffness, tau, 0.5 * (covariance + covariance.T), response)

    def mixed(self, share: float) -> PoolLaw:
        """Return the law with a share of T that is like the Hessian, Σ ŵ_j ⊗ x_jx_jᵀ times a factor.

        Parameters
        ----------
        share : float
            From 0 to 1.
        """
        alike = self.response @ moment_matrix(self.design, self.stiffness) @ self.response
        ratio = float(np.trace(self.covariance) / np.trace(alike))
        covariance, squares = (
            (1.0 - share) * own + share * ratio * like
            for own, like in ((self.covariance, alike), (self.squares, self.stiffness))
        )
        return PoolLaw(self.design, self.stiffness, squares, covariance, self.response)

    def products(self, inverse: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return xᵀCK⁻¹Cx, xᵀCK⁻¹Gx and xᵀGK⁻¹Gx of each point, shapes (R, k, k), given K⁻¹ of shape (kD, kD)."""
        size, C, G = self.stiffness.shape[1], self.covariance, self.response
        kk, dd = (forms(self.design, one @ inverse @ one, size) for one in (C, G))
        return kk, forms(self.design, C @ inverse @ G, size, symmetric=False), dd

    @cached_property
    def left_out(self) -> LeftOut:
        """What each point sees of the pool without it.

        With a = ŵ(1 + qŵ)⁻¹ the pool's G is G₋ − g a gᵀ for g = G₋x, and C is C₋ − k a gᵀ − g a kᵀ + g κ gᵀ for
        k = C₋x and κ = aSa + (1 − aq)τ(1 − qa): k and δ = g span what Cx and Gx do, and K⁻¹ differs in this span.
        """
        size = self.stiffness.shape[1]
        varied, moved = (forms(self.design, one, size) for one in (self.covariance, self.response))
        q = _leverages(moved, self.stiffness)
        a = np.linalg.solve(np.eye(size) + self.stiffness @ q, self.stiffness)
        kept = np.eye(size) - a @ q
        others = np.linalg.inv(kept)
        S = others.transpose(0, 2, 1) @ (varied - moved @ self.squares @ moved) @ others
        own = a @ S @ a + kept @ self.squares @ kept.transpose(0, 2, 1)
        nothing = np.zeros_like(a)
        mixed = np.block([[kept, nothing], [kept @ self.squares @ moved - a @ S @ kept, kept]])
        back = np.asarray(np.linalg.inv(mixed), dtype=np.float64)
        return LeftOut(S, q, back, np.block([[nothing, -a], [-a, own]]))


def _leverages(moved: FloatArray, stiffness: FloatArray) -> FloatArray:
    """Return q from xᵀGx = (q⁻¹ + ŵ)⁻¹."""
    q = np.linalg.solve(np.eye(moved.shape[1]) - moved @ stiffness, moved)
    return np.asarray(0.5 * (q + q.transpose(0, 2, 1)))
