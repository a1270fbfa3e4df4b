"""The law of the estimate of a generalized linear law when d is comparable to n (Proposition S18.6)."""

from __future__ import annotations

import math
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

__all__ = ["CanonicalLaw", "canonical_law", "normal_nodes"]

_REACH = 8.6
_STEP = 0.6
_LARGEST = 12.0
"""Standard deviations of predictors and fitted values beyond it would need too fine a rule."""
_TOLERANCE = 1e-9
_PATH = 4.0
_MOST_TRIALS = 40
_FIRST_STEPS = 10
_SMALLEST_LOG = -60.0


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True)
class _State:
    factor: float
    spread: float
    proximity: float

    @classmethod
    def of(cls, law: GeneralizedLinear, logs: FloatArray) -> _State:
        """Return the state of logarithms, kept where a rule can follow it."""
        top = math.log(1.2 * _LARGEST)
        tops = (top - math.log(max(law.predictor_std, 1e-3)), top, 60.0)
        return cls(*(math.exp(min(max(float(v), _SMALLEST_LOG), most)) for v, most in zip(logs, tops, strict=True)))

    def widest(self, law: GeneralizedLinear) -> float:
        return max(self.spread, self.factor * law.predictor_std)


def normal_nodes(width: float) -> tuple[FloatArray, FloatArray]:
    """Return the trapezoidal rule of a standard normal variable for functions of ``width`` times it.

    They are analytic within π of the line, so that the error falls like exp(−2π²/(width·step)).

    Examples
    --------
    >>> nodes, weights = normal_nodes(1.0)
    >>> round(float(weights @ nodes**4), 12)
    3.0
    """
    count = math.ceil(_REACH * max(1.0, width) / _STEP)
    return normal_trapezoid(_REACH, 2 * count + 1)


class _Moments(NamedTuple):
    """The means of w/(1 + qw), (y − A'(η))ψ and ψ², ψ = y − A'(prox), the inflation φ, and (Eψ²)²/Eψ⁴."""

    slope: float
    gain: float
    square: float
    inflation: float
    evenness: float


def _moments(law: GeneralizedLinear, state: _State, share: float) -> _Moments:
    family, std, q = law.family, law.predictor_std, state.proximity
    x, weights = normal_nodes(std * max(1.0, state.factor))
    eta = law.intercept + std * x
    rows, y, probabilities = family.enumerate(eta)
    z, masses = normal_nodes(state.spread)
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
    """Solve the three equations; where that fails from the start, by substitution, then on a path of penalties."""
    eta, weights = law.predictor_rule()
    curvature = float(weights @ law.family.cumulants(eta)[0])
    total = curvature + penalty
    if penalty > 0.0 and not min(curvature, share) / total > math.exp(_SMALLEST_LOG):
        raise DomainError(
            "proportional",
            f"the responses tell nothing beside a penalty of {penalty:.3g} a point: they weigh {curvature:.3g}",
            "use a smaller procedure.ridge, or law.intercept nearer zero",
        )
    start = np.log([curvature / total, math.sqrt(share * curvature) / total, share / total])
    found = _root(law, share, penalty, start)
    if found is None and penalty > 0.0:
        nearer = start
        for _ in range(_FIRST_STEPS):
            nearer = nearer + _missed(law, share, penalty, nearer)
        found = _root(law, share, penalty, nearer)
    path, widest = 16.0 * curvature, 0.0
    while found is None and path > max(1e-4 * curvature, penalty):
        begun = _root(law, share, path + penalty, start)
        widest = 0.0 if begun is None else begun.widest(law)
        if begun is None or widest > _LARGEST:
            break
        start = np.log([begun.factor, begun.spread, begun.proximity])
        path /= _PATH
        found = _root(law, share, penalty, start) if path < curvature else None
    if found is not None:
        widest = found.widest(law)
    # A weak penalty where the likelihood has no maximum: the fit follows the separating directions.
    if widest > _LARGEST or (found is None and share >= largest_share(law)):
        raise DomainError(
            "proportional",
            "the fit all but separates the responses: its fitted values vary too much",
            "use a larger procedure.ridge, or more points",
        )
    if found is None:
        raise DomainError(
            "proportional",
            f"the equations of the estimate were not solved with d/n = {share:.3g}, ridge/(n·variance) = {penalty:.3g}",
            "use another n or procedure.ridge",
        )
    return found


def _missed(law: GeneralizedLinear, share: float, penalty: float, logs: FloatArray) -> FloatArray:
    """Return by how much the logarithms that the equations imply differ from these."""
    state = _State.of(law, logs)
    found = _moments(law, state, share)
    implied = (max(found.gain, 1e-300), math.sqrt(share * max(found.square, 1e-300)), share)
    return np.asarray(
        np.log(implied) - math.log(found.slope + penalty) - np.log([state.factor, state.spread, state.proximity])
    )


def _root(law: GeneralizedLinear, share: float, penalty: float, start: FloatArray) -> _State | None:
    def missed(logs: FloatArray) -> FloatArray:
        return _missed(law, share, penalty, logs)

    found, report, *_ = fsolve(missed, start, full_output=True, xtol=1e-13, maxfev=_MOST_TRIALS)
    return _State.of(law, found) if float(np.max(np.abs(report["fvec"]))) <= _TOLERANCE else None
