"""The law of the estimate of a generalized linear law when d is comparable to n (Proposition S18.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import fsolve

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.laws import GeneralizedLinear
from qmis_stats.theory.existence import largest_share
from qmis_stats.theory.state_evolution import EstimateLaw, is_diagonal

__all__ = ["CanonicalLaw", "canonical_law", "normal_nodes"]

_REACH = 8.6
_STEP = 0.6
_LARGEST = 12.0
"""Standard deviations of predictors and fitted values beyond it would need too fine a rule."""
_TOLERANCE = 1e-9
_PATH = 4.0
_MOST_TRIALS = 40


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
    """

    factor: float
    proximity: float
    limit: float


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
        If the estimate does not exist, its penalty is not isotropic, or fitted values or true predictors vary too much.

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
    slope, _, _, inflation = _moments(law, state, d / n)
    spread = state.spread**2
    design = np.diag(sigma).copy() if diagonal else sigma
    inverse = 1.0 / design if diagonal else _inverse(sigma)
    return CanonicalLaw(
        design,
        state.factor * law.coefficients,
        spread / d * inverse,
        state.proximity / d * inverse,
        leverage=state.proximity * slope,
        spread=spread,
        degrees=n * (1.0 - inflation) - 1.0,
        scale=spread * d / state.proximity**2,
        factor=state.factor,
        proximity=state.proximity,
        limit=limit,
    )


def _inverse(matrix: FloatArray) -> FloatArray:
    inverse = np.linalg.inv(matrix)
    return np.asarray(0.5 * (inverse + inverse.T), dtype=np.float64)


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
        return cls(*(math.exp(min(max(float(v), -60.0), most)) for v, most in zip(logs, tops, strict=True)))

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
    nodes = np.linspace(-_REACH, _REACH, 2 * count + 1)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def _moments(law: GeneralizedLinear, state: _State, share: float) -> tuple[float, float, float, float]:
    """Return the means of w/(1 + qw), (y − A'(η))ψ and ψ², ψ = y − A'(prox), and the inflation φ."""
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
    return (
        float(mass @ (pull @ masses)),
        float((mass * (y - family.mean(eta)[rows])) @ (psi @ masses)),
        float(mass @ (psi**2 @ masses)),
        q * q / share * float(mass @ (pull**2 @ masses)),
    )


def _solved(law: GeneralizedLinear, share: float, penalty: float) -> _State:
    """Solve the three equations; where that fails from the start, along a path of falling penalties."""
    eta, weights = law.predictor_rule()
    curvature = float(weights @ law.family.cumulants(eta)[0])
    factor = curvature / (curvature + penalty)
    start = np.log([factor, math.sqrt(share * curvature) / (curvature + penalty), share / (curvature + penalty)])
    found = _root(law, share, penalty, start)
    path = 16.0 * curvature
    while found is None and path > 1e-4 * curvature:
        begun = _root(law, share, path + penalty, start)
        if begun is None or begun.widest(law) > _LARGEST:
            break
        start = np.log([begun.factor, begun.spread, begun.proximity])
        path /= _PATH
        found = _root(law, share, penalty, start) if path < curvature else None
    if found is None or found.widest(law) > _LARGEST:
        raise DomainError(
            "proportional",
            "the fit all but separates the responses: its fitted values vary too much",
            "use a larger procedure.ridge, or more points",
        )
    return found


def _root(law: GeneralizedLinear, share: float, penalty: float, start: FloatArray) -> _State | None:
    def missed(logs: FloatArray) -> FloatArray:
        state = _State.of(law, logs)
        slope, gain, square, _ = _moments(law, state, share)
        total = slope + penalty
        implied = (max(gain, 1e-300), math.sqrt(share * square), share)
        return np.log(np.array(implied) / total) - np.log([state.factor, state.spread, state.proximity])

    found, report, *_ = fsolve(missed, start, full_output=True, xtol=1e-13, maxfev=_MOST_TRIALS)
    return _State.of(law, found) if float(np.max(np.abs(report["fvec"]))) <= _TOLERANCE else None
