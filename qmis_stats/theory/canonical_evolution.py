"""The law of the estimate of a generalized linear law when d is comparable to n (Proposition S18.6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import fsolve

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.laws import GeneralizedLinear
from qmis_stats.numerics import normal_trapezoid
from qmis_stats.theory.existence import largest_share
from qmis_stats.theory.state_evolution import EstimateLaw, is_diagonal, symmetric
from qmis_stats.validation import instance_of, nonnegative_number, sample_size

__all__ = ["CanonicalLaw", "canonical_law", "normal_nodes"]

_RULE = 8.6, 0.6
"""How far the nodes of a normal variable reach, and their distance: errors are those of rounding."""
_ROUGH_RULE = 6.0, 1.2
"""Errors of 1e-7, on the way to a solution: an eighth of the nodes."""
_LARGEST = 12.0
"""Standard deviations of predictors and fitted values beyond it would need too fine a rule."""
_TOLERANCE = 1e-9
_PATH_TOLERANCE = 1e-5
_ASTRAY = 1.2
_BEYOND = 1.1
_STRONG = 16.0
_WIDENED = 1.5
_MOST_TRIALS = 40
_SMALLEST_LOG = -60.0


@dataclass(frozen=True, eq=False, repr=False)
class CanonicalLaw(EstimateLaw):
    """The law of θ̂ = argmin Σ A(u_j) − y_j u_j + ½·ridge·|θ|², u = β₀ + xᵀθ.

    Attributes
    ----------
    factor : float
        α of E θ̂ = α β: above one without a penalty, below with a strong one.
    proximity : float
        q = xᵀGx, the parameter of the proximal map.
    limit : float
        The largest d/n for which the estimate exists; infinite with a penalty.
    scores : float
        n(Eψ²)²/Eψ⁴: as many scores of equal size would vary as much. Few of them if a response is rare.
    """

    factor: float
    proximity: float
    limit: float
    scores: float


def canonical_law(law: GeneralizedLinear, n: int, ridge: float = 0.0) -> CanonicalLaw:
    """Return the law of the estimate from n points (Proposition S18.6).

    The three numbers α, s and q solve the state evolution equations of El Karoui and of Sur and Candès.

    Parameters
    ----------
    law : GeneralizedLinear
        The law of a point.
    n : int
        Sample size.
    ridge : float
        Penalty, at least zero; above zero only where the design's covariance is a multiple of the identity.

    Returns
    -------
    CanonicalLaw

    Raises
    ------
    DomainError
        If the estimate does not exist, its penalty is not isotropic, fitted values or true predictors vary too much,
        the penalty leaves nothing of the responses, or the equations are not solved.

    Examples
    --------
    >>> from qmis_stats.laws import LogisticRegression
    >>> law = LogisticRegression(np.full(100, math.sqrt(0.05)), np.eye(100))
    >>> found = canonical_law(law, 500)  # the example of Sur and Candès
    >>> round(found.factor, 4), round(math.sqrt(found.spread / 0.2), 4), round(found.proximity, 4)
    (1.4994, 4.7436, 3.0269)
    """
    instance_of(GeneralizedLinear, "law", law, "such as LogisticRegression(coefficients, covariance)")
    n, ridge = sample_size(n), nonnegative_number("ridge", ridge)
    sigma, d = law.covariance, law.dimension
    diagonal = is_diagonal(sigma)
    unit, limit = 1.0, math.inf
    if ridge > 0.0:
        unit = float(sigma[0, 0])
        if not diagonal or not np.allclose(np.diag(sigma), unit, rtol=1e-12, atol=0.0):
            raise DomainError(
                "proportional",
                f"a ridge penalty under {law.kind} is known for isotropic designs only",
                "use a covariance that is a multiple of the identity, or leave procedure.ridge out",
            )
    if law.predictor_std > _LARGEST:
        raise DomainError(
            "proportional",
            f"the linear predictor has a standard deviation of {law.predictor_std:.3g}, more than {_LARGEST:g}",
            "use smaller coefficients",
        )
    if ridge == 0.0:
        limit = largest_share(law)
        if d >= limit * n:
            raise DomainError(
                "proportional",
                f"the likelihood has no maximum with d/n = {d / n:.3g}: it has one below {limit:.4g} only",
                f"use procedure.ridge > 0, or n above {math.ceil(d / limit)}",
            )
    state = _solved(law, d / n, ridge / (n * unit))
    found = _moments(law, state, d / n)
    spread = state.spread**2
    design = np.diag(sigma).copy() if diagonal else sigma
    inverse = 1.0 / design if diagonal else symmetric(np.asarray(np.linalg.inv(sigma), dtype=np.float64))
    return CanonicalLaw(
        design,
        state.factor * law.coefficients,
        spread / d * inverse,
        state.proximity / d * inverse,
        leverage=state.proximity * found.slope,
        spread=spread,
        degrees=n * (1.0 - found.inflation) - 1.0,
        scale=spread * d / state.proximity**2,
        factor=state.factor,
        proximity=state.proximity,
        limit=limit,
        scores=n * found.evenness,
    )


class _AstrayError(Exception):
    """A trial of the solver left the states that a rule can follow."""


@dataclass(frozen=True)
class _State:
    factor: float
    spread: float
    proximity: float

    @classmethod
    def of(cls, law: GeneralizedLinear, logs: FloatArray) -> _State:
        """Return the state of logarithms, where a rule can follow it."""
        state = cls(*(math.exp(min(max(float(v), _SMALLEST_LOG), -_SMALLEST_LOG)) for v in logs))
        if state.widest(law) > _ASTRAY * _LARGEST:
            raise _AstrayError
        return state

    @property
    def logs(self) -> FloatArray:
        return np.log([self.factor, self.spread, self.proximity])

    def widest(self, law: GeneralizedLinear) -> float:
        return max(self.spread, self.factor * law.predictor_std)


def normal_nodes(width: float, rule: tuple[float, float] = _RULE) -> tuple[FloatArray, FloatArray]:
    """Return the trapezoidal rule of a standard normal variable for functions of ``width`` times it.

    They are analytic within π of the line, so that the error falls like exp(−2π²/(width·step)).

    Examples
    --------
    >>> nodes, weights = normal_nodes(1.0)
    >>> round(float(weights @ nodes**4), 12)
    3.0
    """
    reach, step = rule
    count = math.ceil(reach * max(1.0, width) / step)
    return normal_trapezoid(reach, 2 * count + 1)


class _Moments(NamedTuple):
    """The means of w/(1 + qw), (y − A'(η))ψ and ψ², ψ = y − A'(prox), the inflation φ, and (Eψ²)²/Eψ⁴."""

    slope: float
    gain: float
    square: float
    inflation: float
    evenness: float


def _moments(law: GeneralizedLinear, state: _State, share: float, rule: tuple[float, float] = _RULE) -> _Moments:
    family, std, q = law.family, law.predictor_std, state.proximity
    x, weights = normal_nodes(std * max(1.0, state.factor), rule)
    eta = law.intercept + std * x
    rows, y, probabilities = family.enumerate(eta)
    z, masses = normal_nodes(state.spread, rule)
    centre = law.intercept + state.factor * std * x
    fitted = family.proximal(centre[rows][:, None] + state.spread * z, q, y[:, None])
    curvature = family.cumulants(fitted)[0]
    pull = curvature / (1.0 + q * curvature)
    psi = y[:, None] - family.mean(fitted)
    mass = weights[rows] * probabilities
    square = float(mass @ (psi**2 @ masses))
    # Relative to the largest score, since fourth powers of the scores of nearly certain responses underflow.
    largest = max(float(np.max(np.abs(psi))), 1e-300)
    fourth = float(mass @ ((psi / largest) ** 4 @ masses))
    return _Moments(
        float(mass @ (pull @ masses)),
        float((mass * (y - family.mean(eta)[rows])) @ (psi @ masses)),
        square,
        q * q / share * float(mass @ (pull**2 @ masses)),
        (square / largest / largest) ** 2 / fourth if fourth > 0.0 else 0.0,
    )


def _solved(law: GeneralizedLinear, share: float, penalty: float) -> _State:
    """Solve the three equations from the state of a strong penalty; where that fails, on a path that leads there."""
    eta, weights = law.predictor_rule()
    curvature = float(weights @ law.family.cumulants(eta)[0])
    if penalty > 0.0 and not min(curvature, share) / (curvature + penalty) > math.exp(_SMALLEST_LOG):
        raise DomainError(
            "proportional",
            f"the responses tell nothing beside a penalty of {penalty:.3g} a point: they weigh {curvature:.3g}",
            "use a smaller procedure.ridge, or law.intercept nearer zero",
        )

    def begin(penalty: float) -> _State | None:
        total = curvature + penalty
        start = np.log([curvature / total, math.sqrt(share * curvature) / total, share / total])
        return _root(law, share, penalty, start)

    found = begin(penalty)
    if found is None:
        begun = begin(_STRONG * curvature + penalty)
        found = None if begun is None else _followed(law, share, penalty, begun)
    if found is None:
        raise DomainError(
            "proportional",
            f"the equations of the estimate were not solved with d/n = {share:.3g}, ridge/(n·variance) = {penalty:.3g}",
            "use another n or procedure.ridge",
        )
    if found.widest(law) > _LARGEST:
        raise _separated()
    return found


def _followed(law: GeneralizedLinear, share: float, penalty: float, state: _State) -> _State | None:
    """Let the fitted values vary more and more until the penalty they belong to is below this one, and solve there.

    Given by how much they vary, the other numbers and the penalty are smooth, also where the fit begins to separate the
    responses: whether it does before the penalty is reached is seen on the way.
    """
    slope, paid = np.ones(3), _penalty(law, share, state)
    while paid > penalty:
        if state.widest(law) > _LARGEST:
            raise _separated()
        step = math.log(min(_WIDENED, _BEYOND * _LARGEST / state.widest(law)))
        wider = _of_spread(law, share, state.logs + step * slope)
        if wider is None:
            return None
        last, paid, slope = paid, _penalty(law, share, wider), (wider.logs - state.logs) / step
        state = wider
    back = step * (penalty - paid) / (last - paid)
    return _root(law, share, penalty, state.logs - back * slope)


def _penalty(law: GeneralizedLinear, share: float, state: _State) -> float:
    return share / state.proximity - _moments(law, state, share, _ROUGH_RULE).slope


def _of_spread(law: GeneralizedLinear, share: float, start: FloatArray) -> _State | None:
    """Solve for the factor and the proximity, with the spread of the start and whatever penalty they need."""

    def missed(logs: FloatArray) -> FloatArray:
        state = _State.of(law, np.array([logs[0], start[1], logs[1]]))
        found = _moments(law, state, share, _ROUGH_RULE)
        implied = max(found.gain, 1e-300), math.sqrt(share * max(found.square, 1e-300))
        return np.asarray(np.log(implied) + math.log(state.proximity / share) - np.log([state.factor, state.spread]))

    found = _zero(missed, start[[0, 2]], _PATH_TOLERANCE)
    return None if found is None else _State.of(law, np.array([found[0], start[1], found[1]]))


def _root(law: GeneralizedLinear, share: float, penalty: float, start: FloatArray) -> _State | None:
    def missed(logs: FloatArray) -> FloatArray:
        state = _State.of(law, logs)
        found = _moments(law, state, share)
        implied = (max(found.gain, 1e-300), math.sqrt(share * max(found.square, 1e-300)), share)
        return np.asarray(np.log(implied) - math.log(found.slope + penalty) - state.logs)

    found = _zero(missed, start, _TOLERANCE)
    return None if found is None else _State.of(law, found)


def _zero(missed: Callable[[FloatArray], FloatArray], start: FloatArray, tolerance: float) -> FloatArray | None:
    """Return where all equations hold, or None if the solver goes astray or does not get there."""
    try:
        found, report, *_ = fsolve(missed, start, full_output=True, xtol=1e-4 * tolerance, maxfev=_MOST_TRIALS)
    except _AstrayError:
        return None
    return np.asarray(found) if float(np.max(np.abs(report["fvec"]))) <= tolerance else None


def _separated() -> DomainError:
    return DomainError(
        "proportional",
        "the fit all but separates the responses: its fitted values vary too much",
        "use a larger procedure.ridge, or more points",
    )
