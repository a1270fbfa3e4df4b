"""Exposures where a point has several fitted values: normal read-outs in ℝ^K, integrated by a net (Statement S16)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.losses import proximal
from qmis_stats.leak.posterior import Points
from qmis_stats.leak.signal import PointSignal

__all__ = ["softmax_exposures"]

_BLOCK = 2048
_DRAWS = 64
_FLOOR = 1e-9


def _root(matrices: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(matrices)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])


def _net(outputs: int) -> FloatArray:
    from scipy.special import ndtri
    from scipy.stats.qmc import Sobol

    points = Sobol(outputs, scramble=True, rng=np.random.default_rng(20260)).random(_DRAWS)
    z = np.asarray(ndtri(np.clip(points, 1e-6, 1.0 - 1e-6)))
    z = np.concatenate([z, -z])
    # Unit covariance exactly, so that a normal law is integrated as one.
    return np.asarray(z @ np.linalg.inv(np.linalg.cholesky(z.T @ z / len(z))).T)


def softmax_exposures(
    fit: Fit, points: Points, signals: Sequence[PointSignal], group: Indices, groups: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return total variations (A, n, Q) and masses of the log ratio (groups, Q, bins).

    The statistic of a non-member is N(0, Γ), Γ the Gram matrix of the 2K directions; that of a member is taken as the
    normal law with the mean and covariance that the proximal map gives it.
    """
    from qmis_kernels import exposure_bins

    edges = exposure_bins()
    centre, weight = points.nodes()
    nodes, n = centre.shape[:2]
    net, double = _net(fit.outputs), _net(2 * fit.outputs)
    tv = np.empty((nodes, n, len(signals)))
    members = np.zeros((groups, len(signals), edges.size - 1))
    non_members = np.zeros_like(members)
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(n, start + _BLOCK))
        q, y, whole = points.leverage[rows], fit.y[rows], signals[0].variance[rows]
        scale = np.sqrt(np.trace(points.variance[rows], axis1=1, axis2=2) / np.trace(whole, axis1=1, axis2=2))
        spread = np.einsum("nab,kb->kna", _root(whole), net)
        push = np.linalg.pinv(signals[0].leverage[rows], rcond=_FLOOR, hermitian=True)
        gain = np.linalg.pinv(whole, rcond=_FLOOR, hermitian=True)
        for a in range(nodes):
            u = centre[a, rows] + spread * scale[:, None]
            shift = np.einsum("nab,knb->kna", push, (proximal(fit.loss, y, u, q) - u) / scale[:, None])
            for k, signal in enumerate(signals):
                gram = _gram(signal.gram[:, rows])
                slope = gram[:, :, : fit.outputs] @ gain
                seen = np.einsum("nab,knb->kna", slope, spread)
                seen += np.einsum("nab,knb->kna", gram[:, :, fit.outputs :], shift)
                unexplained = gram - slope @ whole @ slope.transpose(0, 2, 1)
                inside, outside = _log_ratios(seen, unexplained, gram, double)
                tv[a, rows, k] = np.mean(np.maximum(-np.expm1(-inside), 0.0), axis=0)
                for masses, ratio in ((members, inside), (non_members, outside)):
                    _add(masses[:, k], ratio, weight[a], group[rows], edges)
    return tv, members, non_members


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
    unit = vectors * np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0)[:, None, :]
    mean = seen.mean(axis=0)
    moved = np.einsum("nab,kna->knb", unit, seen - mean)
    within = np.einsum("kna,knb->nab", moved, moved) / len(moved) + unit.transpose(0, 2, 1) @ unexplained @ unit
    within += np.where(kept, 0.0, 1.0)[:, :, None] * np.eye(values.shape[1])
    sizes, turn = np.linalg.eigh(0.5 * (within + within.transpose(0, 2, 1)))
    sizes = np.maximum(sizes, _FLOOR)
    shift = np.einsum("nab,na->nb", unit, mean)
    root = turn * np.sqrt(sizes)[:, None, :]
    member = shift + np.einsum("nab,kb->kna", root, net)
    # A non-member is drawn from its own law: a member's draws, weighted, miss its tails where a member varies less.
    away = np.einsum("nab,kna->knb", turn / np.sqrt(sizes)[:, None, :], net[:, None, :] - shift)
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
