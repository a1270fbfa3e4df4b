"""Deterministic rules for expectations over a fresh point, under the law and its tilts together (Statement S4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.special import logsumexp, ndtri

from qmis_stats.arrays import FloatArray
from qmis_stats.numerics import gauss_legendre_panels
from qmis_stats.scores.base import ScoreModel

__all__ = ["Component", "expectation", "normal_rule"]

Component = tuple[int, float, float]
"""A tilt: cell, λ and the exponent I = −K(−λ)."""

_REACH = 9.5
_LINE_NODES = 20001
_ANGLES = 720
_RADIAL_PANELS = 60
_LOG2_SOBOL = 15
_SOBOL_SEED = 20250
_BLOCK = 4_000_000
_RESOLVED = 0.5
_MOST_TILTS = 16


def normal_rule(rank: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes (M, rank) and weights (M,) for N(0, I_rank); both are read-only.

    The trapezoidal rule in one dimension and polar coordinates in two (their error is negligible for smooth
    integrands and of second order in the step at kinks), a scrambled Sobol sequence with a fixed seed above.

    Examples
    --------
    >>> x, w = normal_rule(1)
    >>> round(float(w @ x[:, 0] ** 2), 10)
    1.0
    """
    return _kept_rule(rank)


@lru_cache(maxsize=4)  # every n of a series asks for the same few ranks
def _kept_rule(rank: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = _rule_of(rank)
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def _rule_of(rank: int) -> tuple[FloatArray, FloatArray]:
    if rank == 0:
        return np.zeros((1, 0)), np.ones(1)
    if rank == 1:
        axis = np.linspace(-_REACH, _REACH, _LINE_NODES)
        return axis[:, None], np.exp(-0.5 * axis**2) * (axis[1] - axis[0]) / math.sqrt(2.0 * math.pi)
    if rank == 2:
        return _polar_rule()
    from scipy.stats import qmc  # slow to load, and needed only here

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


def expectation(
    scores: ScoreModel, components: list[Component], integrand: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Return E of ``integrand`` over one point, by a rule that also resolves the regions favoured by tilts.

    Parameters
    ----------
    scores : ScoreModel
        Joint law of the scores of one point.
    components : list of (cell, λ, I)
        Tilts under which the integrand may be concentrated. Nodes under the law and under each tilt are combined by
        the balance heuristic; tilts that the law's own nodes resolve are left out.
    integrand : callable
        Maps scores (M, K), in loss units, to values (M, p).

    Returns
    -------
    (p,) array

    Notes
    -----
    Nodes are visited in blocks, so that memory does not grow with their number.
    """
    enumerated = scores.enumerate_points()
    if enumerated is not None:
        return enumerated.weights @ integrand(enumerated.scores * scores.unit_scale)
    far = sorted((c for c in components if c[2] > _RESOLVED), key=lambda c: c[2])[:_MOST_TILTS]
    nodes, weights = normal_rule(scores.rank)
    block = max(1, _BLOCK // scores.cells)
    total: FloatArray | None = None
    for tilt in (None, *((cell, lam) for cell, lam, _ in far)):
        for first in range(0, len(weights), block):
            rule = scores.points_from_normals(nodes[first : first + block], weights[first : first + block], tilt)
            mass = rule.weights
            if far:
                columns = [np.zeros(len(mass))] + [-lam * rule.scores[:, cell] + i for cell, lam, i in far]
                mass = mass * np.exp(-logsumexp(np.stack(columns), axis=0))
            with np.errstate(invalid="ignore", over="ignore"):  # the caller refuses what is not finite
                part = mass @ integrand(rule.scores)
            total = part if total is None else total + part
    assert total is not None
    return total
