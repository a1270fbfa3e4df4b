"""The law of a penalised least-squares estimate when d is comparable to n (Statement S15)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from qmis_stats.arrays import FloatArray
from qmis_stats.by_value import ByValue
from qmis_stats.errors import DomainError
from qmis_stats.laws import LinearRegression
from qmis_stats.validation import instance_of, nonnegative_number, sample_size

__all__ = ["EstimateLaw", "LeastSquaresLaw", "estimate_law", "is_diagonal", "symmetric"]


@dataclass(frozen=True, eq=False, repr=False)
class EstimateLaw(ByValue):
    """The normal law of an estimate θ̂ = argmin Σ ℓ(y_j, x_jᵀθ) + ½·ridge·|θ|², and what one point does to it.

    Matrices have shape (d,), their diagonal, when the design's coordinates are independent, else (d, d).

    Attributes
    ----------
    design : array
        Σ, the covariance of x.
    mean : (d,) array
        E θ̂.
    covariance : array
        C = Cov(θ̂).
    response : array
        G = (cΣ + ridge·I)⁻¹, the inverse Hessian of the objective without one point.
    leverage : float
        Mean of the leverages h_i.
    spread : float
        s² = tr(ΣC) = Var(xᵀθ̂) of a fresh point.
    degrees : float
        Residual degrees of freedom, n − 1 − n φ with the inflation φ of S17; n − 1 − d for least squares.
    scale : float
        The constant of C = scale · GΣG.
    """

    design: FloatArray
    mean: FloatArray
    covariance: FloatArray
    response: FloatArray
    leverage: float
    spread: float
    degrees: float
    scale: float

    @property
    def independent(self) -> bool:
        """Whether the estimate's coordinates are independent."""
        return self.covariance.ndim == 1

    @property
    def standard_errors(self) -> FloatArray:
        """The standard deviations of the estimate's coordinates, shape (d,)."""
        return np.sqrt(self.covariance if self.independent else np.diag(self.covariance))


@dataclass(frozen=True, eq=False, repr=False)
class LeastSquaresLaw(EstimateLaw):
    """The law of a penalised least-squares estimate: a point moves it by ``share · Gx`` times its residual without it.

    Attributes
    ----------
    share : float
        1 − leverage = 1/(1 + q) with q = xᵀGx.
    noise : float
        Var(y − xᵀE θ̂): noise and bias.
    """

    share: float
    noise: float


def is_diagonal(matrix: FloatArray) -> bool:
    """Return whether a square matrix is zero off its diagonal.

    Examples
    --------
    >>> is_diagonal(np.eye(2)), is_diagonal(np.ones((2, 2)))
    (True, False)
    """
    return bool(np.count_nonzero(matrix - np.diag(np.diag(matrix))) == 0)


def estimate_law(law: LinearRegression, n: int, ridge: float = 0.0) -> LeastSquaresLaw:
    """Return the law of the estimate from n points (Statement S15).

    Moments are exact without a penalty. With one they are the deterministic equivalents as d and n grow together:
    ``c = n/(1 + q)`` solves ``n − c = tr cΣ(cΣ + ridge·I)⁻¹``.

    Parameters
    ----------
    law : LinearRegression
        The law of a point.
    n : int
        Sample size.
    ridge : float
        Penalty, at least zero.

    Returns
    -------
    LeastSquaresLaw

    Raises
    ------
    DomainError
        If the estimate has no finite variance: n ≤ d + 1 without a penalty, or a penalty too small for n near d.

    Examples
    --------
    >>> law = LinearRegression([0.0] * 4, np.eye(4), 1.0)
    >>> found = estimate_law(law, 15)
    >>> found.covariance.round(12), round(found.spread, 12), round(found.leverage, 12)
    (array([0.1, 0.1, 0.1, 0.1]), 0.4, 0.266666666667)
    """
    instance_of(LinearRegression, "law", law)
    n, ridge = sample_size(n), nonnegative_number("ridge", ridge)
    sigma = law.covariance
    d = law.dimension
    independent = is_diagonal(sigma)
    if ridge == 0.0 and n <= d + 1:
        raise DomainError(
            "proportional",
            f"least squares has no finite variance at n = {n} with {d} coefficients",
            f"use ridge > 0, or n of at least {d + 2}",
        )
    if independent:
        scales, basis = np.diag(sigma).copy(), None
    else:
        scales, basis = np.linalg.eigh(sigma)
        if scales[0] <= 0.0:
            raise DomainError("proportional", "the design's covariance is singular to rounding", "rescale the design")
    c = float(n - d) if ridge == 0.0 else _root(scales, n, ridge)
    inverse = 1.0 / (c * scales + ridge)
    kept = c * scales * inverse  # eigenvalues of the map from coefficients to the estimate's mean
    lost = ridge * inverse
    freedom = float(np.sum(kept**2))
    degrees = n - 1.0 - freedom
    if not degrees > 0.0:
        raise DomainError(
            "proportional",
            f"the fit all but interpolates: {degrees:.3g} residual degrees of freedom at ridge = {ridge:g}",
            "use a larger ridge",
        )
    coefficients = law.coefficients if basis is None else basis.T @ law.coefficients
    noise = law.noise_std**2 + float(np.sum(scales * (lost * coefficients) ** 2))
    spread = noise * freedom / degrees
    covariance = noise / degrees * kept**2 / scales
    leverage = float(np.sum(kept)) / n
    share = c / n
    mean = kept * coefficients
    if basis is None:
        matrices = (scales, covariance, inverse)
    else:
        mean = basis @ mean
        covariance_matrix, response_matrix = (symmetric((basis * x) @ basis.T) for x in (covariance, inverse))
        matrices = (sigma, covariance_matrix, response_matrix)
    design, covariances, response = matrices
    return LeastSquaresLaw(
        design,
        mean,
        covariances,
        response,
        leverage=leverage,
        spread=spread,
        degrees=degrees,
        scale=noise * c * c / degrees,
        share=share,
        noise=noise,
    )


def symmetric(matrix: FloatArray) -> FloatArray:
    """Return the symmetric part of a square matrix.

    Examples
    --------
    >>> symmetric(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([[0. , 0.5],
           [0.5, 0. ]])
    """
    return np.asarray(0.5 * (matrix + matrix.T), dtype=np.float64)


def _root(scales: FloatArray, n: int, ridge: float) -> float:
    """Return the root c of ``n − c = Σ cλ/(cλ + ridge)``, whose left minus right side falls and is convex in c."""
    ratio = scales / ridge
    # One Newton step from zero, which cannot pass the root of a convex function.
    low = n / (1.0 + float(np.sum(ratio)))

    def excess(c: float) -> float:
        return n - c - float(np.sum(c * ratio / (c * ratio + 1.0)))

    if excess(low) <= 0.0:
        return low  # the penalty outweighs the design: the Newton step is the root to rounding
    return float(brentq(excess, low, float(n), xtol=1e-15 * low, rtol=1e-14))
