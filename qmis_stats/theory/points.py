"""Deterministic rules for expectations over a fresh point, under the law and its tilts together (Statement S4)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp, ndtri
from scipy.stats import qmc

from qmis_stats.numerics import gauss_legendre_panels
from qmis_stats.scores.base import FloatArray, PointRule, ScoreModel

__all__ = ["Component", "expectation_rule", "normal_rule"]

Component = tuple[int, float, float]
"""A tilt: cell, λ and the exponent I = −K(−λ)."""

_REACH = 9.5
_LINE_NODES = 20001
_ANGLES = 720
_RADIAL_PANELS = 60
_LOG2_SOBOL = 15
_SOBOL_SEED = 20250


def normal_rule(rank: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes (M, rank) and weights (M,) for N(0, I_rank).

    The trapezoidal rule in one dimension and polar coordinates in two (their error is negligible for smooth
    integrands and of second order in the step at kinks), a scrambled Sobol sequence with a fixed seed above.

    Examples
    --------
    >>> x, w = normal_rule(1)
    >>> round(float(w @ x[:, 0] ** 2), 10)
    1.0
    """
    if rank == 0:
        return np.zeros((1, 0)), np.ones(1)
    if rank == 1:
        axis = np.linspace(-_REACH, _REACH, _LINE_NODES)
        return axis[:, None], np.exp(-0.5 * axis**2) * (axis[1] - axis[0]) / math.sqrt(2.0 * math.pi)
    if rank == 2:
        return _polar_rule()
    uniforms = qmc.Sobol(rank, scramble=True, rng=np.random.default_rng(_SOBOL_SEED)).random_base2(_LOG2_SOBOL)
    # Scrambled points are multiples of 2^-30; half a step keeps them off zero.
    nodes = ndtri(np.minimum(uniforms + 2.0**-31, 1.0 - 2.0**-31))
    return np.asarray(nodes, dtype=np.float64), np.full(len(nodes), 1.0 / len(nodes))


def _polar_rule() -> tuple[FloatArray, FloatArray]:
    """Return equally spaced angles, spectrally accurate, times Gauss-Legendre panels along the radius."""
    radius, width = gauss_legendre_panels(np.linspace(0.0, _REACH, _RADIAL_PANELS + 1), 8)
    # Half a step off the axes, where the cells of symmetric problems have their corners.
    angle = 2.0 * math.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
    nodes = np.stack([np.outer(radius, np.cos(angle)), np.outer(radius, np.sin(angle))], axis=-1)
    mass = np.repeat(width * radius * np.exp(-0.5 * radius**2) / _ANGLES, _ANGLES)
    return nodes.reshape(-1, 2), mass


def expectation_rule(scores: ScoreModel, components: list[Component]) -> PointRule:
    """Return a rule for expectations under the law that also resolves the regions favoured by tilts.

    Parameters
    ----------
    scores : ScoreModel
        Joint law of the scores of one point.
    components : list of (cell, λ, I)
        Tilts under which the integrand may be concentrated.

    Returns
    -------
    PointRule
        Nodes under the law and under each tilt, combined by the balance heuristic; scores in loss units.
    """
    enumerated = scores.enumerate_points()
    if enumerated is not None:
        return PointRule(enumerated.scores * scores.unit_scale, enumerated.weights, exact=True)
    nodes, weights = normal_rule(scores.rank)
    rules = [scores.points_from_normals(nodes, weights)]
    rules += [scores.points_from_normals(nodes, weights, (cell, lam)) for cell, lam, _ in components]
    values = np.concatenate([rule.scores for rule in rules])
    joined = np.concatenate([rule.weights for rule in rules])
    if components:
        columns = [np.zeros(len(values))] + [-lam * values[:, cell] + exponent for cell, lam, exponent in components]
        joined = joined * np.exp(-logsumexp(np.stack(columns), axis=0))
    return PointRule(values, joined, exact=False)
