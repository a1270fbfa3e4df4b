"""Exposures where a point has several fitted values: normal read-outs in ℝ^K, integrated by a net (Statement S16)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.losses import contrasts, proximal
from qmis_stats.leak.posterior import Points
from qmis_stats.leak.signal import PointSignal
from qmis_stats.leak.stacks import applied, root, with_values

__all__ = ["softmax_exposures"]

_BLOCK = 256
_MOVES = 32
_RATIOS = 512
"""Draws, and as many opposite ones, of fitted values, whose moves take Newton's method, and of log ratios."""
_FLOOR = 1e-9


def _net(outputs: int, draws: int) -> FloatArray:
    from scipy.special import ndtri
    from scipy.stats.qmc import Sobol

    points = Sobol(outputs, scramble=True, rng=np.random.default_rng(20260)).random(draws)
    z = np.asarray(ndtri(np.clip(points, 1e-6, 1.0 - 1e-6)))
    z = np.concatenate([z, -z])
    # Unit covariance exactly, so that a normal law is integrated as one.
    return np.asarray(z @ np.linalg.inv(np.linalg.cholesky(z.T @ z / len(z))).T)


def softmax_exposures(
    fit: Fit, points: Points, signals: Sequence[PointSignal], group: Indices, groups: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return total variations (A, n, Q) and masses of the log ratio (groups, Q, bins).

    The statistic of a non-member is N(0, Γ), Γ the Gram matrix of the 2(K − 1) directions along which classes differ;
    that of a member is taken as the normal law with the mean and covariance that the proximal map gives it.
    """
    from qmis_kernels import exposure_bins

    edges, basis = exposure_bins(), contrasts(fit.outputs)
    centre, weight = points.nodes()
    (nodes, n), size = centre.shape[:2], basis.shape[1]
    net, double = _net(size, _MOVES), _net(2 * size, _RATIOS)
    tv = np.empty((nodes, n, len(signals)))
    members = np.zeros((groups, len(signals), edges.size - 1))
    non_members = np.zeros_like(members)
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(n, start + _BLOCK))
        q, y = points.leverage[rows], fit.y[rows]
        whole, leverage = (_along(m[rows], basis) for m in (signals[0].variance, signals[0].leverage))
        grams = [_gram(_along(signal.gram[:, rows], basis)) for signal in signals]
        scale = np.sqrt(
            np.trace(points.variance[rows], axis1=1, axis2=2) / np.trace(signals[0].variance[rows], axis1=1, axis2=2)
        )
        spread = (root(whole) @ net.T).transpose(2, 0, 1)
        push, gain = (
            np.asarray(np.linalg.pinv(m, rcond=_FLOOR, hermitian=True), np.float64) for m in (leverage, whole)
        )
        for a in range(nodes):
            u = centre[a, rows] + (spread @ basis.T) * scale[:, None]
            moved = (proximal(fit.loss, y, u, q) - u) @ basis
            shift = applied(push, moved / scale[:, None])
            for k, gram in enumerate(grams):
                slope = gram[:, :, :size] @ gain
                seen = applied(slope, spread)
                seen += applied(gram[:, :, size:], shift)
                unexplained = gram - slope @ whole @ slope.transpose(0, 2, 1)
                inside, outside = _log_ratios(seen, unexplained, gram, double)
                tv[a, rows, k] = np.mean(np.maximum(-np.expm1(-inside), 0.0), axis=0)
                for masses, ratio in ((members, inside), (non_members, outside)):
                    _add(masses[:, k], ratio, weight[a], group[rows], edges)
    return tv, members, non_members


def _along(matrices: FloatArray, basis: FloatArray) -> FloatArray:
    """Return BᵀMB of (..., K, K) matrices."""
    return np.asarray(basis.T @ matrices @ basis)


def _gram(parts: FloatArray) -> FloatArray:
    kk, kd, dd = parts
    return np.block([[kk, kd], [kd.transpose(0, 2, 1), dd]])


def _log_ratios(
    seen: FloatArray, unexplained: FloatArray, gram: FloatArray, net: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return log ratios at draws of a member's statistic and of a non-member's, (draws, n) each."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > _FLOOR * values[:, -1:]
    # Directions in which nothing is read have no density: all is written in units of the non-member's law.
    unit = with_values(np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0), vectors)
    mean = seen.mean(axis=0)
    moved = applied(unit, seen - mean)
    within = moved.transpose(1, 2, 0) @ moved.transpose(1, 0, 2) / len(moved) + unit @ unexplained @ unit
    within += with_values(np.where(kept, 0.0, 1.0), vectors)
    sizes, turn = np.linalg.eigh(0.5 * (within + within.transpose(0, 2, 1)))
    sizes = np.maximum(sizes, _FLOOR)
    shift = (unit @ mean[..., None])[..., 0]
    member = shift + (with_values(np.sqrt(sizes), turn) @ net.T).transpose(2, 0, 1)
    # A non-member is drawn from its own law: a member's draws, weighted, miss its tails where a member varies less.
    away = applied(with_values(1.0 / np.sqrt(sizes), turn), net[:, None, :] - shift)
    sides = (
        (np.sum(member**2, axis=2), np.sum(net**2, axis=1)[:, None]),
        (np.sum(net**2, axis=1)[:, None], np.sum(away**2, axis=2)),
    )
    inside, outside = (0.5 * (plain - own - np.log(sizes).sum(axis=1)) for plain, own in sides)
    return inside, outside


def _add(masses: FloatArray, ratio: FloatArray, weight: float, group: Indices, edges: FloatArray) -> None:
    draws, n = ratio.shape
    bins = edges.size - 1
    place = np.clip(np.searchsorted(edges, ratio, side="right") - 1, 0, bins - 1)
    at = (group[None, :] * bins + place).ravel()
    masses += np.bincount(at, np.full(draws * n, weight / draws), masses.size).reshape(masses.shape)
