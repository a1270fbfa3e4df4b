"""Who was trained on, from the equations that exact or finely coded weights of a head solve (Proposition S17.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.audit.attacks.measured_weights import MeasuredWeights
from qmis_stats.audit.attacks.shadow_fits import ShadowFits
from qmis_stats.audit.models.base import Weights
from qmis_stats.audit.models.units import Units
from qmis_stats.leak.fits import penalised
from qmis_stats.leak.memberships import ROUNDS, Memberships, chances, counted, settles
from qmis_stats.leak.stacks import log_dets

__all__ = ["ScoreEquations"]

_SETTLED = 0.1
"""Errors of codes by which a guess of the weights may still move."""

_Answers: TypeAlias = tuple[tuple[FloatArray, bool], FloatArray]
"""A Cholesky factor, and H⁻¹(e_a ⊗ x_j) for contrast a and point j, (kD, k, N)."""


@dataclass(frozen=True, eq=False)
class ScoreEquations:
    """Memberships of a pool as the unknowns of a linear system with noise, for one release.

    Weights at the minimum solve Σ_j m_j ψ_j x_j + Pθ = 0, and n of the memberships m_j are 1. About the best guess θ of
    the weights, y − θ = H⁻¹(−Pθ − Σ_j m_j ψ_j x_j) + error for what the release measures, y. At given weights the odds
    of membership are larger by det(1 + w_jq_j), as in the proposition.

    Attributes
    ----------
    weights : MeasuredWeights
        What the release tells of the weights.
    fits : ShadowFits
        Of the same game, with all rows of the pool.
    fraction : float
        f, the share of the pool that is trained on.
    leverage : (N, k, k) ndarray
        q of each point.
    steps : int
        1 takes what was measured as the best guess of the weights; more begin at that of the linear law of the shadow
        runs and improve it as often, which tells more of coarser codes, and nothing where that law is far off.
    """

    weights: MeasuredWeights
    fits: ShadowFits
    fraction: float
    leverage: FloatArray
    steps: int = 1

    @cached_property
    def _root(self) -> FloatArray:
        """Inverse errors of what is measured of each weight; where nothing is told, the mean is a measurement."""
        varies = np.diag(self.fits.covariance)
        known = np.divide(1.0, np.sqrt(varies), out=np.zeros_like(varies), where=varies > 0.0)
        return np.where(self.weights.root > 0.0, self.weights.root, known)

    @cached_property
    def _at_the_mean(self) -> _Answers:
        return self._answers(self.weights.mean)

    def _answers(self, theta: FloatArray) -> _Answers:
        """Return the factor of the Hessian that a share f of all points has on average, and what each point moves."""
        design, basis = self.fits.law.design, self.fits.basis
        curvature = self.fits.loss.curvature(self.fits.y, design @ theta.T)
        hessian = penalised(design, self.fraction * (basis.T @ curvature @ basis), self.fits.penalties)
        factor = cho_factor(hessian)
        moves = cho_solve(factor, np.kron(np.eye(basis.shape[1]), design.T))
        return factor, moves.reshape(len(hessian), basis.shape[1], len(design))

    @property
    def rounds(self) -> tuple[int, ...]:
        """Rounds that are tried: more than one where the equations are few enough to be solved often."""
        return ROUNDS if settles(self.fits.law.response.shape[0], self.fits.y.size) else ROUNDS[:1]

    def log_ratios(self, weights: Weights, places: Indices, rounds: Sequence[int] = (1,)) -> FloatArray:
        """Return log likelihood ratios of membership of some rows, given released weights, after rounds, (R, n)."""
        fits, basis = self.fits, self.fits.basis
        mean, root, y = self.weights.mean, self._root, fits.y
        penalties = fits.penalties * np.append((Units.of_head(weights).scale / fits.units[0].scale) ** 2, 1.0)
        measured = self.weights.deviation(weights)
        # Many equations that are linear in large errors do not add up to the number of members.
        linear = len(self.rounds) == 1
        guess = measured if self.steps == 1 else fits.covariance @ self.weights.read(weights)
        theta = mean + guess.reshape(mean.shape)
        factor, moves = self._at_the_mean if fits.loss.name == "squared" else self._answers(theta)
        for _ in range(self.steps):
            values = fits.law.design @ theta.T
            psi = fits.loss.gradient(y, values) @ basis
            curvature = basis.T @ fits.loss.curvature(y, values) @ basis
            grown = log_dets(np.eye(basis.shape[1]) + curvature @ self.leverage)
            # What each member moves the weights.
            moved = self._whole(-np.sum(moves * psi.T, axis=1))
            pulled = self._whole(cho_solve(factor, (basis.T @ (-penalties * theta)).reshape(-1, 1)))[:, 0]
            seen = root * ((mean - theta).ravel() + measured - pulled)
            parts = root[:, None] * moved
            if not linear:
                parts, seen = counted(parts, seen, self.fraction * y.size)
            members = Memberships(parts, chances(self.fraction, grown))
            means, ratios = members.read(seen, places, rounds)
            step = pulled + moved @ means
            theta = theta + step.reshape(mean.shape)
            if np.max(np.abs(root * step)) < _SETTLED:
                break
        return np.asarray(ratios + grown[places])

    def _whole(self, along: FloatArray) -> FloatArray:
        """Return vectors of parameters along the contrasts, (kD, m), as parameters, (KD, m)."""
        basis = self.fits.basis
        parts = along.reshape(basis.shape[1], -1)
        return np.asarray((basis @ parts).reshape(-1, along.shape[1]))
