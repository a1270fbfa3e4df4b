"""The second-order sharp form of Δ_n, with relative error O(n⁻²) uniformly in the gap (Statement S12)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.increments import DiscreteIncrement, Increment
from qmis_stats.numerics import gauss_legendre_panels
from qmis_stats.problem import Problem
from qmis_stats.results import MISResult
from qmis_stats.scores.base import ScoreModel
from qmis_stats.theory.points import Component, expectation
from qmis_stats.theory.sharp import (
    SMALLEST_N,
    lattice_error,
    lattice_overshoot,
    lattice_reason,
    log_positive,
    log_prefactor,
    tilt_components,
)
from qmis_stats.theory.total_variation import scaled_ratio
from qmis_stats.tilting import Tilt
from qmis_stats.validation import instance_of, sample_size

__all__ = ["sharp2"]

_SMALL_TILT = 1e-3
_NEGLIGIBLE = 60.0
_LARGEST_LATTICE_ERROR = 0.3
"""A first-order error of this size leaves a second-order one of a tenth."""
_ORDER = 12


@dataclass(frozen=True)
class _Crossing:
    """One crossing of a chain: where X is found at a point, and its law."""

    outer: int
    inner: int
    upper: bool
    increment: Increment
    tilt: Tilt
    log_b: float


def sharp2(problem: Problem, n: int) -> MISResult:
    """Return the second-order sharp form of Δ_n (Statement S12).

    Each deviation of the sharp form gains its term of order 1/n from the Edgeworth expansion of the tilted sum; the
    third and fourth tilted cumulants are all it needs beyond the first order.

    Parameters
    ----------
    problem : Problem
        Two distinct cells, or cells on a line.
    n : int
        Sample size, at least 2.

    Returns
    -------
    MISResult
        ``in_domain`` is true when n ≥ 10 and on a lattice
        :func:`~qmis_stats.theory.sharp.lattice_error` is at most 0.3.

    Raises
    ------
    DomainError
        If the cells are not on a line, or a lattice increment has a vanishing tilt.

    Examples
    --------
    >>> from qmis_stats import CodebookERM, GaussianMean, Problem
    >>> problem = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    >>> round(sharp2(problem, 50).log_delta, 4)
    -9.3579
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    problem = problem.at(n)
    problem.refuse_heavy("sharp2")
    scores = problem.scores
    if scores is None:
        raise DomainError("sharp2", "the cells are not an argmin of enumerable sums", "use method = critical or auto")
    crossings = [c for c in _crossings(problem, scores, n) if c.increment.variance > 0.0 and c.tilt.proper]
    if not crossings:
        return _result(n, -math.inf)
    scale = max(c.log_b for c in crossings)
    crossings = [c for c in crossings if c.log_b > scale - _NEGLIGIBLE]
    components = tilt_components(scores, [c.outer for c in crossings])
    forms = [_Deviation(c, scores, components, n) for c in crossings]

    def cell_changes(points: FloatArray) -> FloatArray:
        deviations = np.zeros((len(points), len(crossings) + 2))
        for column, (crossing, form) in enumerate(zip(crossings, forms, strict=True), start=1):
            size = math.exp(crossing.log_b - scale) * form(points[:, crossing.outer] - points[:, crossing.inner])
            deviations[:, column] = -size if crossing.upper else size
        return np.asarray(np.sum(np.abs(np.diff(deviations, axis=1)), axis=1, keepdims=True), dtype=np.float64)

    total = expectation(scores, components, cell_changes)[0]
    error = max(lattice_error(c.increment, c.tilt, n) for c in crossings)
    return _result(n, scale + log_positive(0.5 * float(total), "sharp2"), error)


def _result(n: int, log_delta: float, error: float = 0.0) -> MISResult:
    reasons = [f"n < {SMALLEST_N}, or the form exceeded one"] if n < SMALLEST_N or log_delta > 0.0 else []
    if error > _LARGEST_LATTICE_ERROR:
        reasons.append(lattice_reason(error))
    return MISResult(
        "sharp2",
        n,
        min(log_delta, 0.0),
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else "relative error of order 1/n², uniform in the gap",
    )


def _crossings(problem: Problem, scores: ScoreModel, n: int) -> list[_Crossing]:
    """Return the thresholds of the chain in order; two distinct cells always form one."""
    if problem.chain_faces is not None:
        return [_crossing(f.increment, f.outer, f.inner, f.upper, n) for f in problem.chain_faces]
    distinct = [k for k in range(scores.cells) if not any(scores.same(k, j) for j in range(k))]
    if len(distinct) > 2:
        raise DomainError("sharp2", "the second order is proved for two cells and for cells on a line", "use sharp")
    rivals = [k for k in distinct if not scores.same(k, scores.best)]
    return [_crossing(scores.increment(k, scores.best), k, scores.best, True, n) for k in rivals]


def _crossing(increment: Increment, outer: int, inner: int, upper: bool, n: int) -> _Crossing:
    tilt = increment.tilt()
    log_b = log_prefactor(increment, tilt, n) if increment.variance > 0.0 and tilt.proper else -math.inf
    return _Crossing(outer, inner, upper, increment, tilt, log_b)


class _Deviation:
    """P(crossed | x) − P(crossed) of one crossing in units of λA_n, up to O(n⁻²)."""

    def __init__(self, crossing: _Crossing, scores: ScoreModel, components: list[Component], n: int) -> None:
        self.n = n
        self.lam, self.exponent = crossing.tilt.lam, crossing.tilt.exponent
        self.sigma = math.sqrt(crossing.tilt.variance)
        self.skewness, kurtosis = crossing.increment.shape(-self.lam)
        self.c = kurtosis / 8.0 - 5.0 * self.skewness**2 / 24.0
        self.vanishing = self.lam * self.sigma < _SMALL_TILT
        if not self.vanishing:
            self.mean, square = _overshoot(crossing.increment, self.lam, self.sigma, n)
            self.b = self.c + 0.5 * self.skewness * self.mean - 0.5 * square
            return
        if isinstance(crossing.increment, DiscreteIncrement):
            raise DomainError("sharp2", "the lattice's tilt vanishes", "use method = sharp")

        def edge(points: FloatArray) -> FloatArray:
            values = self._edgeworth_integral(points[:, crossing.outer] - points[:, crossing.inner])
            return np.column_stack([values, np.ones_like(values)])

        total, mass = expectation(scores, components, edge)
        self.centre = float(total / mass)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the deviation at increments ``x``."""
        first_order = scaled_ratio(x, self.lam, self.exponent)
        if self.vanishing:
            return first_order + math.exp(self.exponent) / self.n * (self._edgeworth_integral(x) - self.centre)
        q = 0.5 - 0.5 * (x / self.sigma) ** 2 - x / self.sigma * self.mean + 0.5 * self.skewness * x / self.sigma
        with np.errstate(over="ignore"):
            ratio = np.exp(self.exponent - self.lam * x)
        return np.asarray(first_order * (1.0 + self.b / self.n) + ratio * q / (self.lam * self.n), dtype=np.float64)

    def _edgeworth_integral(self, x: FloatArray) -> FloatArray:
        """Return W(x) = −∫_0^x e^{−λy} (½ + c + κ₃y/(2σ̃) − y²/(2σ̃²)) dy, stable as λ → 0."""
        unit, mass = gauss_legendre_panels([0.0, 1.0], _ORDER)
        y = x[:, None] * unit
        w = 0.5 + self.c + 0.5 * self.skewness * y / self.sigma - 0.5 * (y / self.sigma) ** 2
        return np.asarray(-x * ((np.exp(-self.lam * y) * w) @ mass), dtype=np.float64)


def _overshoot(increment: Increment, lam: float, sigma: float, n: int) -> tuple[float, float]:
    """Return mean and mean square of the tilted overshoot over σ̃: exponential if smooth, geometric on a lattice."""
    if not isinstance(increment, DiscreteIncrement):
        return 1.0 / (lam * sigma), 2.0 / (lam * sigma) ** 2
    u, h, lam = float(lattice_overshoot(increment, n)) / sigma, float(increment.span) / sigma, lam * sigma
    rest = -math.expm1(-lam * h)
    steps, squares = math.exp(-lam * h) / rest, math.exp(-lam * h) * (1.0 + math.exp(-lam * h)) / rest**2
    return u + h * steps, u * u + 2.0 * u * h * steps + h * h * squares
