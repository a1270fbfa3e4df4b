"""Chi-square variables as smooth functions of one normal, with the weight that makes them exact (Statement S10)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln

from qmis_stats.arrays import FloatArray

__all__ = ["chi_square_from_normals", "log_weight_constant"]

_STIRLING_FROM = 20.0


def log_weight_constant(dof: int) -> float:
    """Return log of 3c d^a e^(−d) √(2π)/Γ(a), with a = dof/2, d = a − 1/3 and c = (9d)^(−1/2).

    For large a the logarithms cancel; Stirling's series leaves the difference only.

    Examples
    --------
    >>> 0.0 < log_weight_constant(2000) < 1e-4
    True
    """
    a = 0.5 * dof
    d = a - 1.0 / 3.0
    if a < _STIRLING_FROM:
        return a * math.log(d) - d - float(gammaln(a)) - 0.5 * math.log(d) + 0.5 * math.log(2.0 * math.pi)
    series = (1.0 - (1.0 - (2.0 / 7.0) / a**2) / (30.0 * a**2)) / (12.0 * a)
    return (a - 0.5) * math.log1p(-1.0 / (3.0 * a)) + 1.0 / 3.0 - series


def chi_square_from_normals(x: FloatArray, dof: int) -> tuple[FloatArray, FloatArray]:
    """Return chi-square values and log weights: E[w f(value)] = E f(χ²_dof) for x ~ N(0, 1).

    Marsaglia and Tsang's transformation y = d(1 + cx)³ makes a gamma variable of shape a out of x with density
    proportional to exp(d(1 − v + log v)), v = (1 + cx)³, which is nearly normal: instead of rejecting, x is kept and
    weighted by the ratio of the two densities.

    Parameters
    ----------
    x : array
        Standard normals.
    dof : int
        Degrees of freedom, at least 1; one degree is the square of the normal, with weight one.

    Returns
    -------
    values, log_weights : arrays
        Of the shape of ``x``; −inf where x ≤ −1/c, which no gamma variable comes from.

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_normal(100_000)
    >>> values, log_weights = chi_square_from_normals(x, 5)
    >>> w = np.exp(log_weights)
    >>> bool(abs(w.mean() - 1.0) < 1e-3), bool(abs((w * values).mean() - 5.0) < 0.05)
    (True, True)
    """
    if dof == 1:
        return x * x, np.zeros_like(x)
    d = 0.5 * dof - 1.0 / 3.0
    step = x / math.sqrt(9.0 * d)
    inside = step > -1.0
    step = np.where(inside, step, 0.0)
    excess = step * (3.0 + step * (3.0 + step))  # v − 1
    log_weights = 0.5 * x * x + d * (3.0 * np.log1p(step) - excess) + log_weight_constant(dof)
    return 2.0 * d * (1.0 + excess), np.where(inside, log_weights, -np.inf)
