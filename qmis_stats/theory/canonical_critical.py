"""The critical scale of generalized linear laws: the mean influence of a fresh point on the cells (Statement S18)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.laws import GeneralizedLinear
from qmis_stats.laws.base import MAX_CELLS, product_index
from qmis_stats.problem import Problem
from qmis_stats.scores import GaussianScores
from qmis_stats.theory.limit_cells import cell_centroids, cells_of_limit, line_edges
from qmis_stats.theory.points import normal_rule
from qmis_stats.theory.retained import cell_moments

__all__ = ["absolute_influence", "mean_influence"]

_SAME = 1e-12


def absolute_influence(law: GeneralizedLinear, centroids: FloatArray) -> FloatArray:
    """Return E|xᵀm (y − A'(η))| for centroids m, shape (C, d) to (C,).

    Given the predictor, xᵀm is normal and the response has the mean absolute deviation D(η).

    Examples
    --------
    >>> from qmis_stats.laws import LogisticRegression
    >>> law = LogisticRegression([0.0], [[1.0]])
    >>> round(float(absolute_influence(law, np.array([[2.0]]))[0]) / math.sqrt(2.0 / math.pi), 12)
    1.0
    """
    eta, weights = law.predictor_rule()
    weights = weights * law.family.absolute_deviation(eta)
    square = np.einsum("ci,ij,cj->c", centroids, law.covariance, centroids)
    if law.predictor_std == 0.0:
        return np.asarray(np.sqrt(2.0 / math.pi * square) * weights.sum())
    w = (eta - law.intercept) / law.predictor_std
    along = centroids @ law.covariance @ law.coefficients / law.predictor_std
    across = np.sqrt(np.maximum(square - along**2, _SAME * square))
    out = np.zeros(len(centroids))
    for i, (c, r) in enumerate(zip(along, across, strict=True)):
        if r > 0.0:
            z = c * w / r
            folded = r * math.sqrt(2.0 / math.pi) * np.exp(-0.5 * z * z) + c * w * (2.0 * ndtr(z) - 1.0)
            out[i] = float(weights @ folded)
    return out


def mean_influence(problem: Problem, law: GeneralizedLinear, n: int) -> float:
    """Return E_T E|xᵀm_T (y − A'(η))| at sample size n.

    Raises
    ------
    DomainError
        If there are more product cells than are enumerated.
    """
    probability, centroid = (
        _threshold_cells(problem, law, n) if problem.codebook is None else _codewords(problem, law, n)
    )
    reached = probability > 0.0
    return float(probability[reached] @ absolute_influence(law, centroid[reached]))


def _threshold_cells(problem: Problem, law: GeneralizedLinear, n: int) -> tuple[FloatArray, FloatArray]:
    assert problem.thresholds is not None
    if law.dimension == 1:
        scale = float(law.standard_errors(n)[0])
        moments = cell_moments((problem.thresholds[0] - law.coefficients[0]) / scale)
        return moments.probability, math.sqrt(n) * scale * moments.centroid[:, None]
    if product_index(problem.thresholds) is None:
        raise DomainError("critical", f"product cells are enumerated up to {MAX_CELLS}", "use fewer coordinates")
    nodes, weights = normal_rule(law.dimension)
    estimate = nodes @ np.linalg.cholesky(law.parameter_covariance).T
    index = [
        np.searchsorted(math.sqrt(n) * (t - b), estimate[:, i])
        for i, (t, b) in enumerate(zip(problem.thresholds, law.coefficients, strict=True))
    ]
    cell = np.asarray(np.ravel_multi_index(index, [t.size + 1 for t in problem.thresholds]))
    return cell_centroids(cell, np.asarray(estimate), weights)


def _codewords(problem: Problem, law: GeneralizedLinear, n: int) -> tuple[FloatArray, FloatArray]:
    """Return the cells of the limit: the nearest codeword in the metric of the information."""
    assert problem.codebook is not None
    assert problem.best is not None
    factor = np.linalg.cholesky(law.information)
    places = (problem.codebook - law.coefficients) @ factor
    steps = places - places[problem.best]
    _, sizes, axes = np.linalg.svd(steps, full_matrices=False)
    axes = axes[sizes > _SAME * max(float(sizes[0]), 1e-300)]
    if not len(axes):
        return np.ones(1), np.zeros((1, law.dimension))
    constant = 0.5 * np.sum(steps * (places + places[problem.best]), axis=1)
    local = GaussianScores(constant, -steps @ axes.T, problem.best)
    if local.rank == 1:
        moments = cell_moments(math.sqrt(n) * line_edges(local))
        probability, centroid = moments.probability, moments.centroid[:, None]
    else:
        nodes, weights = normal_rule(local.rank)
        probability, centroid = cell_centroids(cells_of_limit(local, nodes, n), nodes, weights)
    # √n(θ̂ − β) = F⁻ᵀw with H = FFᵀ.
    return probability, np.linalg.solve(factor.T, (centroid @ axes).T).T
