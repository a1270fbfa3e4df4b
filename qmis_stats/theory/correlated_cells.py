"""The best linear read-out of an estimate from the cells of its coordinates (Statement S16).

Each coordinate is represented by the centroid of its cell. Of correlated normal coordinates the covariances between
centroids follow from Mehler's expansion, those between centroids and coordinates from Bussgang's identity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.by_value import ByValue
from qmis_stats.errors import DomainError, InputError
from qmis_stats.laws import Thresholds
from qmis_stats.theory.retained import cell_moments
from qmis_stats.validation import finite_array, instance_of, threshold_array

__all__ = ["CoordinateCells", "centroid_correlation", "coordinate_cells", "inverse_correlation"]

_FARTHEST_EDGE = 38.0
_NEVER = 1e-12
_NEGLIGIBLE = 1e-12
_MOST_TERMS = 2000
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class CoordinateCells(ByValue):
    """Cells of d standard normal coordinates.

    Attributes
    ----------
    edges : tuple of d sorted arrays
        In standard errors from the mean.
    jumps : tuple of d arrays
        Steps of the centroid at the edges.
    retained : (d,) array
        ρ_i, the variance of the centroid.
    fourth : (d,) array
        E m⁴/ρ_i², the centroid's kurtosis; 3 where ρ_i = 0.
    farthest : float
        Largest centroid of a cell that is ever reached, in absolute value.
    """

    edges: Thresholds
    jumps: Thresholds
    retained: FloatArray
    fourth: FloatArray
    farthest: float


def coordinate_cells(thresholds: Thresholds, mean: FloatArray, standard_errors: FloatArray) -> CoordinateCells:
    """Return the cells that thresholds cut from N(mean_i, standard_errors_i²).

    Parameters
    ----------
    thresholds : tuple of d sorted arrays
        In the estimate's units.
    mean, standard_errors : (d,) arrays
        Of the estimate's coordinates.

    Examples
    --------
    >>> cells = coordinate_cells((np.zeros(1),), np.zeros(1), np.ones(1))
    >>> (cells.retained * math.pi).round(12), cells.fourth.round(12)
    (array([2.]), array([1.]))
    """
    mean, standard_errors = (
        finite_array(name, value, 1, "(d,)") for name, value in (("mean", mean), ("standard_errors", standard_errors))
    )
    if standard_errors.shape != mean.shape or standard_errors.min() <= 0.0:
        raise InputError("standard_errors", standard_errors, f"{mean.size} positive numbers, one per mean")
    if not isinstance(thresholds, Sequence) or len(thresholds) != mean.size:
        raise InputError("thresholds", thresholds, f"{mean.size} sorted arrays, one per mean")
    cuts = [threshold_array("thresholds", t) for t in thresholds]
    edges = tuple((t - m) / s for t, m, s in zip(cuts, mean, standard_errors, strict=True))
    cache: dict[bytes, tuple[float, float, float, FloatArray]] = {}
    for e in edges:
        if e.tobytes() not in cache:
            m = cell_moments(e)
            rho = m.retained
            fourth = float(m.probability @ m.centroid**4) / rho**2 if rho**2 > 0.0 else 3.0
            reached = np.abs(m.centroid[m.probability > _NEVER])
            cache[e.tobytes()] = (rho, fourth, float(reached.max(initial=0.0)), np.diff(m.centroid))
    rows = [cache[e.tobytes()] for e in edges]
    return CoordinateCells(
        edges,
        tuple(row[3] for row in rows),
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows]),
        max(row[2] for row in rows),
    )


def centroid_correlation(cells: CoordinateCells, correlation: FloatArray) -> FloatArray:
    """Return the correlations of the centroids of correlated coordinates, by Mehler's expansion.

    ``Cov(s_i, s_j) = Σ_{k≥1} c_ik c_jk r_ij^k`` with the Hermite coefficients of a step function,
    ``c_k = Σ_e jump(e) φ(e) He_{k−1}(e)/√k!``. The remainder on the diagonal is exact, so that the matrix stays
    positive definite; off the diagonal it is below 1e−12 unless correlations exceed about 0.98.

    Parameters
    ----------
    cells : CoordinateCells
        Of d coordinates.
    correlation : (d, d) array
        Of the coordinates.

    Returns
    -------
    (d, d) array
        Zero off the diagonal for coordinates whose cells retain nothing.

    Examples
    --------
    >>> cells = coordinate_cells((np.zeros(1), np.zeros(1)), np.zeros(2), np.ones(2))
    >>> found = centroid_correlation(cells, np.array([[1.0, 0.5], [0.5, 1.0]]))
    >>> (found[0, 1] / math.asin(0.5) * math.pi).round(9)  # signs: the arcsine law
    np.float64(2.0)
    """
    instance_of(CoordinateCells, "cells", cells, "coordinate_cells returns them")
    d = cells.retained.size
    off = np.array(finite_array("correlation", correlation, 2, f"({d}, {d})"))
    if off.shape != (d, d) or np.max(np.abs(off)) > 1.0 + _ROUNDING:
        raise InputError("correlation", correlation, f"numbers from -1 to 1 of shape ({d}, {d})")
    owner = np.repeat(np.arange(d), [e.size for e in cells.edges])
    edge = np.concatenate(cells.edges)
    seen = (np.abs(edge) < _FARTHEST_EDGE) & (cells.retained[owner] > 0.0)
    owner, edge = owner[seen], edge[seen]
    weight = np.concatenate(cells.jumps)[seen] * np.exp(-0.5 * edge**2) / math.sqrt(2.0 * math.pi)
    weight /= np.sqrt(cells.retained[owner])
    np.fill_diagonal(off, 0.0)
    largest = float(np.max(np.abs(off), initial=0.0))
    result = np.zeros((d, d))
    power = np.ones((d, d))
    before, polynomial = np.zeros_like(edge), np.ones_like(edge)
    left = np.where(cells.retained > 0.0, 1.0, 0.0)
    for k in range(1, _MOST_TERMS + 1):
        coefficient = np.bincount(owner, weight * polynomial, minlength=d) / math.sqrt(k)
        power *= off
        result += np.outer(coefficient, coefficient) * power
        left -= coefficient**2
        if largest**k * max(float(left.max()), _NEGLIGIBLE) < _NEGLIGIBLE:
            break
        before, polynomial = polynomial, (edge * polynomial - math.sqrt(k - 1.0) * before) / math.sqrt(k)
    np.fill_diagonal(result, 1.0)
    return result


def inverse_correlation(correlation: FloatArray) -> FloatArray:
    """Return the inverse of a correlation matrix of centroids.

    Raises
    ------
    DomainError
        If it is singular to rounding.

    Examples
    --------
    >>> inverse_correlation(np.eye(2))
    array([[1., 0.],
           [0., 1.]])
    """
    from scipy.linalg import cho_factor, cho_solve

    try:
        inverse = cho_solve(cho_factor(correlation), np.eye(len(correlation)))
    except np.linalg.LinAlgError:
        raise DomainError(
            "proportional", "coordinates of the estimate are the same to rounding", "drop coordinates of the design"
        ) from None
    return np.asarray(0.5 * (inverse + inverse.T), dtype=np.float64)
