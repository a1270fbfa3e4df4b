"""The sharp uniform form of Δ_n (Statement S4).

For one face, ``Δ_n ≈ A_n E|dP̃/dP − 1|`` with ``A_n = e^{−nI}/(λσ̃√(2πn))``, relative error O(1/n) uniformly as the
tilt λ vanishes. Written with ``B_n = λ A_n`` and ``(dP̃/dP − 1)/λ`` there is no division by zero, and the same line
covers fixed, shrinking and critical cells. A lattice increment replaces 1/λ by ``h e^{−λu_n}/(1 − e^{−λh})``, where h
is its span and −u_n the largest crossing value of the sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.increments import DiscreteIncrement, Increment
from qmis_stats.problem import ChainFace, Problem
from qmis_stats.results import MISResult
from qmis_stats.scores.base import ScoreModel
from qmis_stats.theory.points import Component, expectation
from qmis_stats.theory.total_variation import log_mean_tilt_distance, scaled_ratio
from qmis_stats.tilting import Tilt
from qmis_stats.validation import instance_of, sample_size

__all__ = [
    "SMALLEST_N",
    "lattice_error",
    "lattice_overshoot",
    "log_positive",
    "log_prefactor",
    "sharp",
    "tilt_components",
]

SMALLEST_N = 10
_SEPARATION = 3.0
_SAME = 1e-9
_MATTERS = math.log(1e3)
_NEGLIGIBLE = 60.0
_NAMED_PAIRS = 3
_LARGEST_LATTICE_ERROR = 0.1
_LOBE = 4.5
_FREQUENCIES = 4001
_MOST_FREQUENCIES = 2**16
_POINTS_A_PEAK = 2.0


def log_prefactor(increment: Increment, tilt: Tilt, n: int) -> float:
    """Return log(λ A_n), finite also at λ = 0.

    Parameters
    ----------
    increment : Increment
        Law of X; a discrete increment gets the lattice correction.
    tilt : Tilt
        Its tilt.
    n : int
        Sample size.

    Examples
    --------
    >>> from qmis_stats.increments import GaussianIncrement
    >>> x = GaussianIncrement(0.0, 1.0)
    >>> round(math.exp(log_prefactor(x, x.tilt(), 100)), 6) == round(1 / math.sqrt(200 * math.pi), 6)
    True
    """
    value = -n * tilt.exponent - 0.5 * math.log(2.0 * math.pi * n * tilt.variance)
    if isinstance(increment, DiscreteIncrement):
        value += _log_lattice_factor(increment, tilt.lam, n)
    return value


def lattice_overshoot(increment: DiscreteIncrement, n: int) -> Fraction:
    """Return u_n: the largest value of a sum of n that counts as crossed is −u_n.

    Examples
    --------
    >>> x = DiscreteIncrement((Fraction(-1), Fraction(1)), (Fraction(1, 4), Fraction(3, 4)), strict=True)
    >>> lattice_overshoot(x, 10), lattice_overshoot(x, 11)
    (Fraction(2, 1), Fraction(1, 1))
    """
    h = increment.span
    offset = (n * increment.values[0]) % h  # sums lie in offset + hℤ
    if offset:
        return h - offset
    return h if increment.strict else Fraction(0)


def _log_lattice_factor(increment: DiscreteIncrement, lam: float, n: int) -> float:
    """Return log of λ h e^{−λu}/(1 − e^{−λh}), which tends to 0 as λ → 0 or h → 0."""
    if increment.span == 0:
        return 0.0
    x = lam * float(increment.span)
    factor = 1.0 if x == 0.0 else x / -math.expm1(-x)
    return math.log(factor) - lam * float(lattice_overshoot(increment, n))


def lattice_error(increment: Increment, tilt: Tilt, n: int) -> float:
    """Return a bound on the relative error of the normal density on either side of the crossing; 0 if smooth.

    Sums on a lattice have masses ``P̃(S_n = s) = (h/2π) ∫ φ̃(t)ⁿ e^{−its} dt``, which the form replaces by
    ``h/(σ̃√(2πn))`` near the crossing: here at its first value −u_n and at the last value h − u_n that does not cross.
    Two things can be far from it. A sum that spreads over few steps of the lattice is not normal at all: the part of
    the integral around zero is compared with one. And the characteristic function may come back close to one within a
    period (values −1, 4, 5 are nearly a lattice of span 5), so that its n-th power dies out slowly: the rest of the
    period is added in absolute value.

    Examples
    --------
    >>> x = DiscreteIncrement((Fraction(-1), Fraction(1)), (Fraction(1, 4), Fraction(3, 4)), strict=False)
    >>> lattice_error(x, x.tilt(), 400) < 0.01
    True
    >>> rare = DiscreteIncrement((Fraction(-1), Fraction(0), Fraction(1)), (Fraction(1, 10**4), Fraction(9699, 10**4),
    ...     Fraction(3, 100)))
    >>> lattice_error(rare, rare.tilt(), 40) > 0.5
    True
    """
    if not isinstance(increment, DiscreteIncrement) or increment.span == 0:
        return 0.0
    h = increment.span
    steps = np.array([float(v / h) for v in increment.values])
    width = math.sqrt(tilt.variance * n) / float(h)
    overshoot = float(lattice_overshoot(increment, n) / h)
    weights = increment.tilted_weights(tilt)
    lobe = min(_LOBE / width, math.pi)
    t = np.linspace(0.0, lobe, _FREQUENCIES)
    modulus, angle = _characteristic_power(steps, weights, n, t)
    masses = [np.trapezoid(modulus * np.cos(angle + place * t), t) for place in (overshoot, overshoot - 1.0)]
    points = min(max(_FREQUENCIES, math.ceil(_POINTS_A_PEAK * width * (math.pi - lobe))), _MOST_FREQUENCIES)
    rest = 0.0
    for part in np.array_split(np.linspace(lobe, math.pi, points), math.ceil(points / _FREQUENCIES)):
        rest += float(np.sum(_characteristic_power(steps, weights, n, part)[0])) * (math.pi - lobe) / points
    unit = width * math.sqrt(2.0 / math.pi)
    return max(abs(unit * float(mass) - 1.0) for mass in masses) + unit * rest


def lattice_reason(error: float) -> str:
    """Return why a form is outside its domain on a lattice, in words.

    Examples
    --------
    >>> lattice_reason(0.25)
    'sums of the tilted increments are too few lattice steps wide, or nearly on a coarser lattice: error up to 25 %'
    """
    size = f"{100.0 * error:.2g} %" if error < 1.0 else "100 % and more"
    wide = "sums of the tilted increments are too few lattice steps wide, or nearly on a coarser lattice"
    return f"{wide}: error up to {size}"


def _characteristic_power(
    steps: FloatArray, weights: FloatArray, n: int, t: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return modulus and angle of φ̃(t)ⁿ, from φ̃ − 1 so that neither loses digits near zero at large n."""
    change = np.expm1(1j * np.outer(t, steps)) @ weights
    square = np.maximum(2.0 * change.real + np.abs(change) ** 2, -1.0)
    with np.errstate(divide="ignore"):
        modulus = np.exp(0.5 * n * np.log1p(square))
    return modulus, n * np.arctan2(change.imag, 1.0 + change.real)


@dataclass(frozen=True)
class _Term:
    """One crossing: its prefactor, its increment and the columns that give X at a point."""

    log_b: float
    cell: int
    reference: int
    increment: Increment
    tilt: Tilt


def sharp(problem: Problem, n: int) -> MISResult:
    """Return the sharp form of Δ_n (Statement S4).

    Cells on a line use every threshold; otherwise the rivals that are not shadowed are taken as exclusive.

    Parameters
    ----------
    problem : Problem
        Any problem whose cells are enumerated.
    n : int
        Sample size, at least 2.

    Returns
    -------
    MISResult
        ``in_domain`` is true when n ≥ 10, no two crossings compete within three standard deviations, and on a lattice
        :func:`lattice_error` is at most a tenth.

    Raises
    ------
    DomainError
        If the cells are not an argmin of sums that can be enumerated.

    Examples
    --------
    >>> from qmis_stats import CodebookERM, GaussianMean, Problem
    >>> problem = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    >>> round(sharp(problem, 50).log_delta, 4)
    -9.3611
    """
    instance_of(Problem, "problem", problem)
    n = sample_size(n)
    problem = problem.at(n)
    problem.refuse_heavy("sharp")
    scores = problem.scores
    if scores is None:
        raise DomainError(
            "sharp",
            "the cells of this procedure are not an argmin of enumerable sums",
            "use method = critical or auto",
        )
    if problem.chain_faces is not None:
        return _chain(scores, problem.chain_faces, n)
    return _rivals(problem, scores, n)


def _term(increment: Increment, cell: int, reference: int, n: int) -> _Term | None:
    tilt = increment.tilt()
    if increment.variance == 0.0 or not tilt.proper:
        return None
    return _Term(log_prefactor(increment, tilt, n), cell, reference, increment, tilt)


def _result(n: int, log_delta: float, reasons: list[str]) -> MISResult:
    if n < SMALLEST_N:
        reasons = [f"n < {SMALLEST_N}: the relative error is of order 1/n", *reasons]
    if log_delta > 0.0:
        reasons = [*reasons, "the form exceeds one and was cut off there"]
        log_delta = 0.0
    return MISResult(
        "sharp",
        n,
        log_delta,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else "relative error of order 1/n, uniform in the gap",
    )


def _chain(scores: ScoreModel, faces: tuple[ChainFace, ...], n: int) -> MISResult:
    """½ Σ_k E|D_{k+1} − D_k| over the cells of a line, D_j = ±A_j(L_j − 1) the deviation of threshold j."""
    terms = [_term(f.increment, f.outer, f.inner, n) for f in faces]
    present = [t for t in terms if t is not None]
    if not present:
        return _result(n, -math.inf, [])
    crossing = [f for f, t in zip(faces, terms, strict=True) if t is not None]
    if len(present) == 1:
        return _result(n, present[0].log_b + log_mean_tilt_distance(crossing[0].increment), [])
    scale = max(t.log_b for t in present)
    kept = [(f, t) for f, t in zip(crossing, present, strict=True) if t.log_b > scale - _NEGLIGIBLE]

    def cell_changes(points: FloatArray) -> FloatArray:
        deviations = np.zeros((len(points), len(kept) + 2))
        for column, (face, term) in enumerate(kept, start=1):
            x = points[:, term.cell] - points[:, term.reference]
            size = math.exp(term.log_b - scale) * scaled_ratio(x, term.tilt.lam, term.tilt.exponent)
            deviations[:, column] = size if not face.upper else -size
        return np.asarray(np.sum(np.abs(np.diff(deviations, axis=1)), axis=1, keepdims=True), dtype=np.float64)

    total = expectation(scores, tilt_components(scores, [t.cell for _, t in kept]), cell_changes)[0]
    return _result(n, scale + log_positive(0.5 * float(total), "sharp"), [])


def tilt_components(scores: ScoreModel, cells: list[int]) -> list[Component]:
    """Return the tilts of ``cells`` against the best cell, once each: where the integrands are concentrated."""
    components: dict[int, Component] = {}
    for cell in cells:
        tilt = scores.increment(cell, scores.best).tilt()
        if tilt.proper and tilt.lam > 0.0:
            components[cell] = (cell, tilt.lam, tilt.exponent)
    return list(components.values())


def log_positive(value: float, method: str) -> float:
    """Return the logarithm, or refuse when the increments left the range of floating-point numbers."""
    if not (math.isfinite(value) and value > 0.0):
        raise DomainError(
            method, "the increments are beyond the range of floating-point numbers", "rescale the problem"
        )
    return math.log(value)


def _rivals(problem: Problem, scores: ScoreModel, n: int) -> MISResult:
    """½ [Σ_f A_f E|L_f − 1| + E|Σ_f A_f (L_f − 1)|] over the rivals that are not shadowed."""
    cells = list(dict.fromkeys(f.cell for f in problem.crossable_faces if f.cell is not None))
    candidates = {k: t for k in cells if (t := _term(scores.increment(k, scores.best), k, scores.best, n))}
    reasons: list[str] = []
    improper = [k for k in cells if k not in candidates]
    largest = max((t.log_b for t in candidates.values()), default=0.0)
    candidates = {k: t for k, t in candidates.items() if t.log_b > largest - _NEGLIGIBLE}
    if improper:
        reasons.append("a face is crossed only by ties, where no sharp form is known")
    active, conflicts = _exclusive(scores, candidates, n)
    reasons += conflicts
    if not cells:
        return _result(n, -math.inf, reasons)  # no sample crosses any face
    if not active:
        raise DomainError("sharp", "only ties cross the faces, where no sharp form is known", "use method = exact")
    terms = [_with_ties(scores, candidates[k], twins, n) for k, twins in active.items()]
    error = max(lattice_error(t.increment, t.tilt, n) for t in terms)
    if error > _LARGEST_LATTICE_ERROR:
        reasons.append(lattice_reason(error))
    if len(terms) == 1:
        return _result(n, terms[0].log_b + log_mean_tilt_distance(terms[0].increment), reasons)
    scale = max(t.log_b for t in terms)

    def cell_changes(points: FloatArray) -> FloatArray:
        deviations = np.column_stack(
            [math.exp(t.log_b - scale) * scaled_ratio(points[:, t.cell], t.tilt.lam, t.tilt.exponent) for t in terms]
        )
        absolute = np.sum(np.abs(deviations), axis=1, keepdims=True)
        return np.asarray(absolute + np.abs(deviations.sum(axis=1, keepdims=True)), dtype=np.float64)

    total = expectation(scores, tilt_components(scores, [t.cell for t in terms]), cell_changes)[0]
    return _result(n, scale + log_positive(0.5 * float(total), "sharp"), reasons)


def _with_ties(scores: ScoreModel, term: _Term, twins: list[int], n: int) -> _Term:
    """Return the term of a face that several rivals share: a tie leaves the best cell if any of them has a lower index.

    The tie goes to the lowest index and the rest to the steepest rival; both deviations have the sign of L − 1, so
    together they count as one crossing.
    """
    if not isinstance(term.increment, DiscreteIncrement) or min(twins, default=term.cell) > scores.best:
        return term
    shared = replace(term.increment, strict=False)
    return replace(term, log_b=log_prefactor(shared, term.tilt, n), increment=shared)


def _exclusive(scores: ScoreModel, candidates: dict[int, _Term], n: int) -> tuple[dict[int, list[int]], list[str]]:
    """Return the rivals whose own tilt leads to their own cell, each with its twins, and what is unclear.

    Rival k is shadowed by j when j's mean under k's tilt is negative by several standard deviations of the sum: k is
    then reached elsewhere, exponentially more rarely than j. Competing within a few standard deviations is reported
    when it concerns more than a thousandth of the result.

    Two rivals are one face when j's mean under k's tilt is zero and their exponents agree: the tilted law is then the
    information projection for both, so λ_k X_k = λ_j X_j. The steeper of the two is the one that is returned.
    """
    cells = np.array(list(candidates), dtype=np.int64)
    means = scores.means()[cells]
    exponents = np.array([t.tilt.exponent for t in candidates.values()])
    largest = max((t.log_b for t in candidates.values()), default=0.0)
    active: dict[int, list[int]] = {}
    together: list[tuple[int, int]] = []
    for i, (k, term) in enumerate(candidates.items()):
        tilted, deviations = (a[cells] for a in scores.tilted_moments(k, term.tilt.lam))
        one_face = (np.abs(tilted) <= _SAME * deviations) & (np.abs(exponents - exponents[i]) <= _SAME * exponents[i])
        one_face &= exponents > 0.0  # rivals that tie with the best share the untilted law, not a face
        steeper = (means > means[i]) | ((means == means[i]) & (cells < k))
        z = math.sqrt(n) * tilted / np.maximum(deviations, np.finfo(np.float64).tiny)
        z[one_face | (cells == k)] = np.inf
        if np.any(one_face & steeper & (cells != k)) or np.any(z < -_SEPARATION):
            continue
        active[k] = [int(j) for j in cells[one_face & (cells != k)]]
        if term.log_b > largest - _MATTERS:
            together += [(min(int(j), k), max(int(j), k)) for j in cells[z < _SEPARATION]]
    return active, _together(sorted(set(together)))


def _together(pairs: list[tuple[int, int]]) -> list[str]:
    """Name the first pairs of cells and count the others."""
    if not pairs:
        return []
    named = ", ".join(f"{j} and {k}" for j, k in pairs[:_NAMED_PAIRS])
    rest = f" and {len(pairs) - _NAMED_PAIRS} other pairs" if len(pairs) > _NAMED_PAIRS else ""
    return [f"cells {named}{rest} are reached together"]
