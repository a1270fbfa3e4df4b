"""The critical scale: cells of width n^{−1/2} and the central limit theorem (Statement S7).

``Δ_n ≈ (1/(2√n)) E_T E_ψ |ψᵀV⁻¹m_T|`` with m_T the centroid, in the limit law G ~ N(0, V) of √n(θ̂ − θ*), of the cell
that is output, and ψ the influence of a fresh point.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from scipy.special import poch

from qmis_stats.errors import DomainError
from qmis_stats.increments import DiscreteIncrement
from qmis_stats.laws import FiniteLaw, GaussianMean, GeneralizedLinear, LinearRegression, ParametricLaw, ProductCells
from qmis_stats.laws.base import MAX_CELLS, product_index
from qmis_stats.numerics import gauss_legendre_panels
from qmis_stats.problem import Problem
from qmis_stats.procedures import ReleasedHistogram
from qmis_stats.results import MISResult
from qmis_stats.scores import FiniteScores, GaussianScores, reduce_rank
from qmis_stats.theory.canonical_critical import mean_influence
from qmis_stats.theory.certificates import worst_case_constant
from qmis_stats.theory.limit_cells import cell_centroids, centroids, line_edges
from qmis_stats.theory.points import normal_rule
from qmis_stats.theory.retained import CellMoments, cell_moments
from qmis_stats.validation import LARGEST_SIZE, instance_of, sample_size, whole_number

__all__ = ["critical", "mean_norm", "product_moments", "unquantized"]

SMALLEST_N = 10
_SMALLEST_VALUE = 1e-300
_LARGEST_GAP = 0.5
_LARGEST_ERROR = 0.05
_REACH = 9.5
_LOG_REACH = 75.0
_ORDER = "of order 1/n, of order n^(-1/2) for a centred cell"
_SKEWED = "of order n^(-1/2), by the skewness of the scores"
_LOG_NODES = 3001


def critical(problem: Problem, n: int) -> MISResult:
    """Return the critical-scale form of Δ_n (Statement S7).

    Parameters
    ----------
    problem : Problem
        Gaussian mean, linear, logistic or Poisson regression, or a finite law; codebook, thresholds or a released
        histogram.
    n : int
        Sample size, at least 2.

    Returns
    -------
    MISResult
        ``in_domain`` is true when n ≥ 10, the nearest face is at most half a standard deviation of one point away,
        n|I − r| is at most 0.05 there, and neither a lattice nor a cell centred at the parameter changes the result by
        more than five per cent.

    Raises
    ------
    DomainError
        If the influence of a fresh point is neither normal, a product of normals, nor finite.

    Examples
    --------
    >>> from qmis_stats import FixedThresholds, GaussianMean, Problem, ThresholdPTQ
    >>> problem = Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(FixedThresholds((0.0,))))
    >>> round(critical(problem, 100).delta * 10 * math.pi, 12)
    1.0
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    problem = problem.at(n)
    if isinstance(problem.procedure, ReleasedHistogram):
        assert isinstance(problem.law, FiniteLaw)
        constant = worst_case_constant(problem.law)
        return _result(n, math.log(constant / math.sqrt(2.0 * math.pi * n)) if constant > 0.0 else -math.inf, [])
    reasons = _face_reasons(problem, n)
    if isinstance(problem.law, GeneralizedLinear):
        value = 0.5 * mean_influence(problem, problem.law, n)
        if problem.product is not None:
            reasons += _centred_reasons(product_moments(problem.product, n), n)
    elif problem.product is not None and problem.product.independent:
        moments = product_moments(problem.product, n)
        value = 0.5 * _factor(problem) * mean_norm(moments)
        reasons += _centred_reasons(moments, n)
    elif isinstance(problem.scores, FiniteScores):
        value = _finite(problem.scores, n)
    elif problem.thresholds is not None and problem.scores is None:
        value = 0.5 * _factor(problem) * _correlated_product_norm(problem, n)
    else:
        local = _local_scores(problem)
        value = 0.5 * _factor(problem) * _mean_centroid_norm(local, n)
        if local.rank == 1:
            reasons += _centred_reasons([cell_moments(math.sqrt(n) * line_edges(local))], n)
    if value < _SMALLEST_VALUE and problem.crossable_faces:
        raise DomainError(
            "critical", "the faces are too many standard errors away for the normal limit", "use method = sharp"
        )
    order = _SKEWED if isinstance(problem.law, GeneralizedLinear) else _ORDER
    return _result(n, math.log(value) - 0.5 * math.log(n) if value > 0.0 else -math.inf, reasons, order)


def _face_reasons(problem: Problem, n: int) -> list[str]:
    """Return why the nearest face is not in the reach of the central limit theorem."""
    nearest = min(problem.crossable_faces, key=lambda f: f.moderate_deviation_rate, default=None)
    if nearest is None:
        return []
    reasons = []
    gap = math.sqrt(2.0 * nearest.moderate_deviation_rate)
    if gap > _LARGEST_GAP:
        reasons.append(f"the nearest face is {gap:.3g} > {_LARGEST_GAP} standard deviations of one point away")
    # The normal law has e^{−nr} where the truth has e^{−nI}.
    if nearest.kind == "heavy":  # no exponent to compare with: the third cumulant, which is what the two differ by
        skewed = n * abs(nearest.increment.shape(0.0)[0]) * gap**3 / 6.0
        if skewed > _LARGEST_ERROR:
            return [*reasons, f"skewness moves the heavy tail at the nearest face by {skewed:.2g}, see method = crude"]
        return [f"{reason}, see method = crude" for reason in reasons]
    skewed = n * abs(nearest.chernoff_exponent - nearest.moderate_deviation_rate)
    if skewed > _LARGEST_ERROR:
        reasons.append(f"n |I - r| = {skewed:.2g}: the tail at the nearest face is not yet normal")
    if isinstance(nearest.increment, DiscreteIncrement):
        lattice = 0.5 * float(nearest.increment.span) * nearest.delta / nearest.sigma2
        if lattice > _LARGEST_ERROR:
            reasons.append(f"the losses are a lattice, whose steps change the result by about {100.0 * lattice:.2g} %")
    return [f"{reason}, see method = sharp" for reason in reasons]


def _centred_reasons(moments: list[CellMoments], n: int) -> list[str]:
    """Return whether cells centred at the parameter, which leak at the next order n^{−1}, matter on a line.

    Given a member w, ``P(T = k | w)/P(T = k) ≈ 1 + m_k w/√n + h_k (w² − 1)/(2n)`` with h_k = E[G² − 1 | cell k]; where
    m_k = 0 the second term is all there is.
    """
    if len(moments) > 1:
        return []
    p, m, h = moments[0].probability, moments[0].centroid, moments[0].second
    w, mass = gauss_legendre_panels(np.linspace(-_REACH, _REACH, 81), 8)
    mass = mass * np.exp(-0.5 * w**2) / math.sqrt(2.0 * math.pi)
    first = float(p @ np.abs(np.outer(m, w)) @ mass)
    both = float(p @ np.abs(np.outer(m, w) + np.outer(h, w**2 - 1.0) / (2.0 * math.sqrt(n))) @ mass)
    if both <= (1.0 + _LARGEST_ERROR) * first:
        return []
    return [f"cells centred at the parameter add about {100.0 * (both / first - 1.0):.2g} %, see method = sharp"]


def _factor(problem: Problem) -> float:
    """Return E|ψᵀh|/√(hᵀVh): a normal influence, or a normal direction times independent normal noise."""
    if isinstance(problem.law, GaussianMean):
        return math.sqrt(2.0 / math.pi)
    if isinstance(problem.law, LinearRegression):
        return 2.0 / math.pi
    raise DomainError(
        "critical", f"the influence under {problem.law.kind} has no closed-form mean", "use method = crude"
    )


def _result(n: int, log_delta: float, reasons: list[str], order: str = _ORDER) -> MISResult:
    if n < SMALLEST_N:
        reasons = [f"n < {SMALLEST_N}", *reasons]
    return MISResult(
        "critical",
        n,
        log_delta,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else f"vanishing relative error at cells of width n^(-1/2): {order}",
    )


def product_moments(product: ProductCells, n: int) -> list[CellMoments]:
    """Return the moments of each coordinate's cells at sample size n; equal coordinates share one object."""
    cache: dict[bytes, CellMoments] = {}
    for e in product.edges:
        cache.setdefault(e.tobytes(), cell_moments(math.sqrt(n) * e))
    return [cache[e.tobytes()] for e in product.edges]


def mean_norm(moments: list[CellMoments]) -> float:
    """Return E‖m_T‖ for independent coordinates, by ``E√Y = (1/(2√π)) ∫_0^∞ (1 − E e^{−sY}) s^{−3/2} ds``.

    Examples
    --------
    >>> round(mean_norm([cell_moments(np.array([0.0]))]) ** 2 * math.pi, 12)
    2.0
    """
    if len(moments) == 1:
        return float(moments[0].probability @ np.abs(moments[0].centroid))
    scale = math.fsum(m.retained for m in moments)
    if scale == 0.0:
        return 0.0
    # With s = e^t/scale the integrand is smooth and decays like e^{−|t|/2}: the trapezoidal rule converges
    # geometrically.
    t = np.linspace(-_LOG_REACH, _LOG_REACH, _LOG_NODES)
    s = np.exp(t) / scale
    log_mgf = np.zeros_like(t)
    for m, count in Counter(moments).items():
        missing = m.probability @ np.expm1(-np.outer(m.centroid**2, s))
        with np.errstate(divide="ignore"):
            log_mgf += count * np.log1p(np.maximum(missing, -1.0))
    value = float(np.sum(-np.expm1(log_mgf) * np.exp(-0.5 * t)) * (t[1] - t[0]))
    return math.sqrt(scale) * value / (2.0 * math.sqrt(math.pi))


def _local_scores(problem: Problem) -> GaussianScores:
    """Return the scores of the limiting Gaussian problem: nearest codeword in the metric of the loss."""
    if isinstance(problem.scores, GaussianScores):
        return problem.scores
    if isinstance(problem.law, LinearRegression) and problem.codebook is not None:
        law = problem.law
        steps = (problem.codebook - law.parameter) @ np.linalg.cholesky(law.covariance)
        assert problem.scores is not None
        best = problem.scores.best
        linear = reduce_rank(-2.0 * law.noise_std * (steps - steps[best]))
        return GaussianScores(problem.scores.means(), linear, best)
    raise DomainError("critical", f"no local limit is known under {problem.law.kind}", "use method = crude or tilted")


def _correlated_product_norm(problem: Problem, n: int) -> float:
    """Return E‖V^{−1/2} m_T‖ over product cells of a correlated estimate, by quadrature over its limit law."""
    assert isinstance(problem.law, ParametricLaw)
    assert problem.thresholds is not None
    if product_index(problem.thresholds) is None:
        raise DomainError(
            "critical",
            f"correlated product cells are enumerated up to {MAX_CELLS}",
            "use a diagonal covariance or fewer coordinates",
        )
    nodes, weights = normal_rule(problem.law.dimension)
    estimate = math.sqrt(1.0 / n) * nodes @ np.linalg.cholesky(problem.law.parameter_covariance).T
    index = [
        np.searchsorted(t - location, estimate[:, i])
        for i, (t, location) in enumerate(zip(problem.thresholds, problem.law.parameter, strict=True))
    ]
    cell = np.ravel_multi_index(index, [t.size + 1 for t in problem.thresholds])
    probability, centroid = cell_centroids(np.asarray(cell), nodes, weights)
    return float(probability @ np.linalg.norm(centroid, axis=1))


def _mean_centroid_norm(scores: GaussianScores, n: int) -> float:
    """Return E‖m_T‖ over the cells of the limit law; closed form on a line, quadrature otherwise."""
    if scores.rank == 0:
        return 0.0
    if scores.rank == 1:
        edges = line_edges(scores)
        return mean_norm([cell_moments(math.sqrt(n) * edges)])
    probability, centroid = centroids(scores, n)
    return float(probability @ np.linalg.norm(centroid, axis=1))


def _finite(scores: FiniteScores, n: int) -> float:
    """Return ½ E_T E_ψ|ψᵀm_T| with the atoms' own influences, in coordinates where the limit is standard normal."""
    points = scores.enumerate_points()
    # A duplicate would share its cell with the original by rounding alone.
    distinct = [k for k in range(scores.cells) if not any(scores.same(k, j) for j in range(k))]
    best = distinct.index(scores.best)
    values = points.scores[:, distinct] * scores.unit_scale
    mean = points.weights @ values
    centred = values - mean
    u, s, vt = np.linalg.svd(np.sqrt(points.weights)[:, None] * centred, full_matrices=False)
    rank = int(np.sum(s > 1e-12 * max(s[0], 1e-300)))
    if rank == 0:
        return 0.0
    linear = vt[:rank].T * s[:rank]
    local = GaussianScores(mean, linear - linear[best], best)
    influence = u[:, :rank] / np.sqrt(points.weights)[:, None]
    if rank == 1:
        moments = cell_moments(math.sqrt(n) * line_edges(local))
        probability, centroid = moments.probability, moments.centroid[:, None]
    else:
        probability, centroid = centroids(local, n)
    projections = np.abs(influence @ centroid.T)
    return 0.5 * float(points.weights @ projections @ probability)


def unquantized(dimension: int, n: int, *, regression: bool = False) -> float:
    """Return Δ_n of an estimate released without quantization, E‖N(0, I_d)‖/√(2πn) (Statement S7).

    Parameters
    ----------
    dimension : int
        Dimension d of the estimate.
    n : int
        Sample size.
    regression : bool
        Multiply by √(2/π): the influence of a regression point is a normal direction times normal noise.

    Examples
    --------
    >>> round(unquantized(1, 100) * 10 * math.pi, 12)
    1.0
    """
    dimension, n = whole_number("dimension", dimension, 1, LARGEST_SIZE), sample_size(n, 1)
    instance_of(bool, "regression", regression)
    norm = math.sqrt(2.0) * float(poch(0.5 * dimension, 0.5))
    return norm / math.sqrt(2.0 * math.pi * n) * (math.sqrt(2.0 / math.pi) if regression else 1.0)
