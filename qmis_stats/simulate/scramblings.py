"""Δ_n from independent scramblings of Sobol' nets: one estimate a scrambling (Statement S10)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from scipy.special import ndtri

from qmis_stats.arrays import FloatArray
from qmis_stats.scores import Draw
from qmis_stats.scores.base import ScoreModel
from qmis_stats.simulate.design import POINTS_STREAM, SUMS_STREAM, Design, log_density
from qmis_stats.simulate.nets import scrambled_uniforms
from qmis_stats.simulate.pairing import (
    crosses_somewhere,
    rival_probabilities,
    rival_rows,
    sign_coefficients,
    two_cell_probabilities,
)
from qmis_stats.simulate.window import Window

__all__ = [
    "SCRAMBLINGS",
    "SMALLEST_LOG2",
    "Nets",
    "ScrambledEstimates",
    "draw_nets",
    "log2_size",
    "scrambled_estimates",
]

SCRAMBLINGS = 32
"""Independent estimates a result: few enough to leave each a large net, enough for Student's law to be near normal."""

SMALLEST_LOG2 = 4
_DIAGNOSTIC_POINTS = 16


@dataclass(frozen=True)
class Nets:
    """Sums and fresh points of every scrambling.

    Attributes
    ----------
    sums : (2, m, N, K) array
        Sums of n − 1 points: two independent nets for each of m scramblings.
    log_weights : (2, m, N) array
        Logarithms of their importance weights.
    points : (m, M, K) array
        Fresh points, one independent net for each scrambling.
    point_weights : (m, M) array
        Their weights, which sum to one for each scrambling.
    """

    sums: FloatArray
    log_weights: FloatArray
    points: FloatArray
    point_weights: FloatArray


@dataclass(frozen=True)
class ScrambledEstimates:
    """Independent estimates, one a scrambling, all divided by exp(log_scale).

    Attributes
    ----------
    cross_fitted, plug_in, crossing : (m,) arrays
        Cross-fitted and plug-in estimates of Δ_n, and estimates of P(T_n ≠ θ_1).
    log_scale : float
        The common logarithmic scale; −inf when no sum crosses a face.
    effective_sums : float
        (Σ c)²/Σ c² over the sums' contributions c to P(T_n ≠ θ_1).
    """

    cross_fitted: FloatArray
    plug_in: FloatArray
    crossing: FloatArray
    log_scale: float
    effective_sums: float

    @property
    def delta(self) -> FloatArray:
        """One third of the cross-fitted and two thirds of the plug-in estimate: their biases cancel to second order."""
        return (self.cross_fitted + 2.0 * self.plug_in) / 3.0


def log2_size(target: float) -> int:
    """Return the binary logarithm of the net nearest to a target size, at least 4."""
    return max(SMALLEST_LOG2, round(math.log2(max(target, 1.0))))


def draw_nets(
    kernels: ModuleType,
    scores: ScoreModel,
    design: Design,
    key: tuple[int, int],
    *,
    terms: int,
    log2_sums: int,
    log2_points: int,
    block: int = 0,
) -> Nets:
    """Draw the nets of every scrambling: 2**log2_sums sums per component and half, 2**log2_points points for each."""
    sums, log_weights = _draw_sums(kernels, scores, design, key, terms, log2_sums, block)
    blocks = []
    for i, component in enumerate(design.points.components):
        draw = Draw(kernels, key, POINTS_STREAM + i)
        normals = _columns(ndtri(scrambled_uniforms(draw, block * SCRAMBLINGS, SCRAMBLINGS, scores.rank, log2_points)))
        rule = scores.points_from_normals(normals, np.ones(normals.shape[0]), component.tilt)
        blocks.append(rule.scores.reshape(SCRAMBLINGS, -1, scores.cells))
    points = np.concatenate(blocks, axis=1)
    weights = np.exp(design.points.log_weights(points, 1, scores.unit_scale))
    return Nets(sums, log_weights, points, weights / weights.sum(axis=1, keepdims=True))


def _draw_sums(
    kernels: ModuleType, scores: ScoreModel, design: Design, key: tuple[int, int], terms: int, log2: int, block: int
) -> tuple[FloatArray, FloatArray]:
    """Return sums and log weights: p/q of the component a sum came from, times the component's share of that place."""
    components = design.sums.components
    windows = [Window.of(component, terms) for component in components]
    shape = (2, SCRAMBLINGS, 2**log2)
    sums, ratios = [], []
    for i, (component, window) in enumerate(zip(components, windows, strict=True)):
        draw = Draw(kernels, key, SUMS_STREAM + i)
        count = 2 * SCRAMBLINGS
        uniforms = scrambled_uniforms(draw, block * count, count, scores.sum_normals(terms), log2)
        first = window.quantile(uniforms[:, 0])
        normals = _columns(np.concatenate((first[:, None], ndtri(uniforms[:, 1:])), axis=1))
        values, log_ratio = scores.sums_from_normals(normals, terms, component.tilt)
        if window.width:
            log_ratio = log_ratio - window.log_ratio(normals[:, 0])
            log_ratio += window.log_ratio_of_sums(values[:, component.cell])
        sums.append(values.reshape(*shape, scores.cells))
        ratios.append(log_ratio.reshape(shape))
    joined = np.concatenate(sums, axis=2)
    # Σ_c r_c over the components, r_c the density of component c relative to the law, as good as it is known.
    total = np.full(joined.shape[:-1], -np.inf)
    for component, window in zip(components, windows, strict=True):
        density = log_density(component, joined, terms, scores.unit_scale)
        if window.width:
            density += window.log_ratio_of_sums(joined[..., component.cell])
        total = np.logaddexp(total, density)
    return joined, np.concatenate(ratios, axis=2) + (math.log(len(components)) - total)


def _columns(numbers: FloatArray) -> FloatArray:
    """Return nets (count, dimension, size) as rows, net after net: (count · size, dimension)."""
    return np.ascontiguousarray(np.moveaxis(numbers, 1, 2)).reshape(-1, numbers.shape[1])


def scrambled_estimates(kernels: ModuleType, nets: Nets, best: int) -> ScrambledEstimates:
    """Return the estimates of every scrambling: its two nets of sums against its points."""
    q = nets.point_weights
    crossing = np.stack([crosses_somewhere(half, nets.points, best) for half in nets.sums])
    if not crossing.any():
        nothing = np.zeros(q.shape[0])
        return ScrambledEstimates(nothing, nothing, nothing, -math.inf, 0.0)
    log_scale = float(np.max(nets.log_weights[crossing]))
    weights = np.exp(np.where(crossing, nets.log_weights - log_scale, -np.inf)) / nets.log_weights.shape[2]
    p = _rival_probabilities(kernels, nets, weights, best)
    deviations = p - np.sum(q[:, :, None] * p, axis=2, keepdims=True)
    signs = sign_coefficients(deviations)
    cross_fitted = 0.5 * np.sum(q[:, :, None] * (signs[0] * deviations[1] + signs[1] * deviations[0]), axis=(1, 2))
    pooled = 0.5 * (deviations[0] + deviations[1])
    plug_in = 0.5 * np.sum(q * (np.sum(np.abs(pooled), axis=2) + np.abs(np.sum(pooled, axis=2))), axis=1)
    crossed = 0.5 * np.sum(q[None, :, :, None] * p, axis=(0, 2, 3))
    return ScrambledEstimates(cross_fitted, plug_in, crossed, log_scale, _effective_sums(kernels, nets, weights, best))


def _rival_probabilities(kernels: ModuleType, nets: Nets, weights: FloatArray, best: int) -> FloatArray:
    """Return the weight with which each rival wins at each point, for both halves, shape (2, m, M, K−1)."""
    cells = nets.sums.shape[3]
    if cells == 2:
        return np.stack([two_cell_probabilities(nets.sums[h], weights[h], nets.points, best) for h in (0, 1)])
    p = np.empty((2, *nets.points.shape[:2], cells - 1))
    for half in (0, 1):
        for j, points in enumerate(nets.points):
            # Sums without weight cross nowhere: they return the best cell for every point.
            rows = np.flatnonzero(weights[half, j])
            p[half, j] = rival_probabilities(kernels, nets.sums[half, j, rows], weights[half, j, rows], points, best)
    return p


def _effective_sums(kernels: ModuleType, nets: Nets, weights: FloatArray, best: int) -> float:
    """Return (Σ c)²/Σ c² over contributions c to P(T_n ≠ θ_1), at a few points: a diagnostic needs no more."""
    used = np.nonzero(weights)
    step = -(-nets.points.shape[1] // _DIAGNOSTIC_POINTS)
    points, q = nets.points[0, ::step], nets.point_weights[0, ::step]
    every_rival = np.repeat(q[:, None], nets.sums.shape[3] - 1, axis=1)
    contribution = weights[used] * rival_rows(kernels, nets.sums[used], points, every_rival, best)
    square = float(np.sum(contribution**2))
    return float(np.sum(contribution)) ** 2 / square if square > 0.0 else 0.0
