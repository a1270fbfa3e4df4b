"""Equations that exact weights and fine codes solve for who was drawn from a known pool (Proposition S17.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky

from qmis_stats.arrays import Flags, FloatArray
from qmis_stats.inference.areas import delong
from qmis_stats.leak.fits import FREE, Fit, inverse_of, moment_matrix, penalised
from qmis_stats.leak.game import Game
from qmis_stats.leak.leave_one_out import LeaveOneOut, forms
from qmis_stats.leak.losses import contrasts
from qmis_stats.leak.memberships import ROUNDS, Memberships, chances, counted, settles
from qmis_stats.leak.retained import Retained, Scatter
from qmis_stats.leak.stacks import log_dets

__all__ = ["Equations", "told_memberships"]

_FINE, _MOST_EQUATIONS, _MOST_TOLD = 0.9, 0.1, 0.25
"""Share of the variance that is retained, and equations per point of a pool, or share of a membership that they tell,
from which on their law is not normal."""

_POOLS, _POINTS = 16, 8000
"""Pools that are drawn at most, and points of all of them."""


@dataclass(frozen=True, eq=False)
class Equations:
    """What releases of a fit solve for the memberships of its pool, and how well.

    Attributes
    ----------
    count : int
        Of the equations.
    points : float
        Of the pool.
    beyond : (Q,) ndarray of bool
        Releases of which they tell so much that the law of what they tell is not normal.
    auc : (Q,) ndarray
        Of an attack that solves them for members that are 0 or 1, simulated; NaN for other releases, and where the
        system is too large to be solved often.
    """

    count: int
    points: float
    beyond: Flags
    auc: FloatArray

    @classmethod
    def of(
        cls,
        fit: Fit,
        found: LeaveOneOut,
        fresh: Scatter,
        spread: Scatter,
        kept: list[Retained],
        game: Game,
        seed: int,
    ) -> Equations:
        """Return them in a game.

        Parameters
        ----------
        fit : Fit
            Of the points that were drawn.
        found : LeaveOneOut
            Its leave-one-out quantities, from it alone.
        fresh, spread : Scatter
            Over fresh samples, and in the game.
        kept : list of Retained
            What each release tells of each weight in the game, no quantization last.
        game : Game
            In a population there are none.
        seed : int
            Of the pools.
        """
        auc = np.full(len(kept), np.nan)
        if game.kind == "population":
            return cls(0, np.inf, np.zeros(len(kept), dtype=bool), auc)
        width, basis = fit.X.shape[1], contrasts(fit.outputs)
        count = int(np.count_nonzero(np.any(fit.design != 0.0, axis=0))) * basis.shape[1]
        points = fit.points / game.fraction
        size = spread.sizes[:, :width]
        fine = np.array([np.sum(size * one.share[:, :width]) for one in kept]) >= _FINE * size.sum()
        normal = count <= _MOST_EQUATIONS * points and told_memberships(fit, found, game.fraction) <= _MOST_TOLD
        beyond = np.zeros_like(fine) if normal else fine
        if np.any(beyond) and count < points and settles(basis.shape[1] * fit.design.shape[1], round(points)):
            shares = np.array([one.share.ravel() for one, told in zip(kept, beyond, strict=True) if told])
            precision = np.sqrt(shares / ((1.0 - shares) * np.diag(spread.covariance)))
            auc[beyond] = _solved(fit, found, fresh, precision, game.fraction, seed)
        return cls(count, points, beyond, auc)

    def reason(self, release: int) -> str | None:
        """Return why the figures of a release are not in their domain for what they tell, ``None`` where they are."""
        if not self.beyond[release]:
            return None
        if release == self.beyond.size - 1 and self.count >= self.points:
            return "exact weights, at least as many as the pool has points: membership is read off exactly"
        more = "an attack may find much more than the figures say"
        if not np.isnan(self.auc[release]):
            more = f"an attack that solves them has an AUC of about {self.auc[release]:.2f}"
        solve = f"in a known pool exact weights and fine codes solve {self.count} equations for who was drawn"
        return f"{solve}: what these tell is not normal, and {more}"


def told_memberships(fit: Fit, found: LeaveOneOut, fraction: float) -> float:
    """Return the share of a membership of a pool that exact weights tell, on average over what they tell (S17.3).

    Of T = Σ_j ψ_jψ_jᵀ ⊗ x_jx_jᵀ a point has the share ψ_jᵀ(x_jᵀT⁻¹x_j)ψ_j. Points that were drawn have the gradients of
    the fit, others those that are left out of it. Where few points have most of T, as with nearly separable classes,
    few memberships are told nearly whole, by however few equations.

    Parameters
    ----------
    fit : Fit
        To a share of the pool.
    found : LeaveOneOut
        Its leave-one-out quantities.
    fraction : float
        This share.
    """
    basis = contrasts(fit.outputs)
    each = ((fraction, found.gradient), (1.0 - fraction, fit.loss.gradient(fit.y, found.value)))
    gradients = [(share, psi @ basis) for share, psi in each]
    squares = sum(share * psi[:, :, None] * psi[:, None, :] for share, psi in gradients)
    whole = moment_matrix(fit.design, np.asarray(squares) / fraction)
    whole.flat[:: len(whole) + 1] += FREE * np.trace(whole) / len(whole)
    explained = forms(fit.design, inverse_of(cho_factor(whole)), basis.shape[1])
    parts = [(share, np.einsum("na,nab,nb->n", psi, explained, psi)) for share, psi in gradients]
    return float(sum(s * np.sum(t**2) for s, t in parts) / sum(s * np.sum(t) for s, t in parts))


def _solved(
    fit: Fit, found: LeaveOneOut, spread: Scatter, precision: FloatArray, fraction: float, seed: int
) -> FloatArray:
    """Return the AUC of members of drawn pools by the best number of rounds, (Q,), given inverse errors, (Q, KD)."""
    rng = np.random.default_rng([seed, 0x501D])
    points, basis = round(fit.points / fraction), contrasts(fit.outputs)
    member = np.arange(points) < fit.points
    areas = []
    for design, psi, w in _pools(fit, found, spread, points, rng):
        factor = cho_factor(penalised(design, fraction * w, fit.penalties))
        grown = log_dets(np.eye(basis.shape[1]) + w @ forms(design, inverse_of(factor), basis.shape[1]))
        along = cho_solve(factor, (psi[:, :, None] * design[:, None, :]).reshape(points, -1).T)
        moved = -np.tensordot(basis, along.reshape(basis.shape[1], -1, points), 1).reshape(-1, points)
        error, chance = rng.standard_normal(len(moved)), chances(fraction, grown)
        each = []
        for root in precision:
            parts = root[:, None] * moved
            parts, seen = counted(parts, parts @ member + error, fit.points)
            ratios = Memberships(parts, chance).read(seen, np.arange(points), ROUNDS)[1] + grown
            each.append(delong(ratios[:, member], ratios[:, ~member])[0])
        areas.append(each)
    return np.asarray(np.mean(areas, axis=0).max(axis=1))


def _pools(
    fit: Fit, found: LeaveOneOut, spread: Scatter, points: int, rng: np.random.Generator
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """Yield rows of the design, gradients and curvatures of the points of a pool, those that were drawn first.

    Members have fitted values of the fit, others those that are left out of it, and features are normal given these.
    The sum of ψ ⊗ x over members is −Pθ. Over m others its mean is m/n(−Pθ + (W + P)Δ) for a fit that is off by Δ.
    """
    n, free, basis, moment = fit.points, fit.X.shape[1], contrasts(fit.outputs), spread.second_moment
    theta = basis.T @ fit.parameters
    mean, covariance = spread.features(free)
    upper = cholesky(covariance + FREE * np.trace(covariance) * np.eye(free))
    constant = theta[:, free:].sum(axis=1) + theta[:, :free] @ mean
    shown = covariance @ theta[:, :free].T
    back = np.linalg.pinv(theta[:, :free] @ shown) @ shown.T
    width = len(spread.covariance)
    scatter = cholesky(spread.covariance + FREE * np.trace(spread.covariance) / width * np.eye(width), lower=True)
    stiffness = fit.loss.curvature(fit.y, found.value).sum(axis=0)
    solved = -fit.penalties * fit.parameters

    def moves(values: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return fit.loss.gradient(y, values) @ basis, basis.T @ fit.loss.curvature(y, values) @ basis

    def features(values: FloatArray) -> FloatArray:
        x = rng.standard_normal((len(values), free)) @ upper
        return np.asarray(x + mean + (values @ basis - constant - x @ theta[:, :free].T) @ back)

    def leaning(psi: FloatArray, total: FloatArray) -> FloatArray:
        """Return what features are moved by so that the sum of ψ ⊗ x is by so much larger."""
        return np.asarray(psi @ np.linalg.solve(psi.T @ psi, total))

    fitted = fit.design @ fit.parameters.T
    inside, bent = moves(fitted, fit.y)
    wanted = (basis.T @ solved)[:, :free]
    for _ in range(int(np.clip(_POINTS // points, 2, _POOLS))):
        off = (scatter @ rng.standard_normal(width)).reshape(fit.outputs, -1)
        own = rng.integers(n, size=points - n)
        x = features(fitted)
        x += leaning(inside, wanted - inside.T @ x)
        missed = (points - n) / n * (solved + stiffness @ off @ moment + fit.penalties * off)
        outside, curved = moves(found.value[own], fit.y[own])
        others = features(found.value[own])
        others += leaning(outside, (basis.T @ missed)[:, :free])
        rows = np.concatenate([x, others])
        design = rows if fit.intercept is None else np.column_stack([rows, np.ones(points)])
        yield design, np.concatenate([inside, outside]), np.concatenate([bent, curved])
