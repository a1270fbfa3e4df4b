"""Exponents from simulations: generalised least squares with the known covariance of the estimates (Statement S11).

The sharp form says ``log Δ_n + ½ log n = c − I n + b/n + O(n⁻²)``. The slope is what the theorem names; the half
logarithm is not optional, since over a decade of n it changes the slope by far more than its standard error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.errors import InputError
from qmis_stats.scores.base import FloatArray
from qmis_stats.validation import finite_array

if TYPE_CHECKING:
    from statsmodels.regression.linear_model import RegressionResults

    from qmis_stats.results import MISResult

__all__ = ["LackOfFit", "fit_exponent", "fit_power", "lack_of_fit", "series", "slope_interval", "slope_test"]


class LackOfFit(NamedTuple):
    """A χ² test of the regression's form.

    Attributes
    ----------
    statistic : float
        Generalised residual sum of squares with the known covariance.
    df : int
        Residual degrees of freedom.
    pvalue : float
        Upper tail probability; ``nan``-free: 1 when there are no degrees of freedom.
    """

    statistic: float
    df: int
    pvalue: float


def series(results: Sequence[MISResult]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return sample sizes, log Δ and standard errors of Monte Carlo results, ready for a fit.

    A standard error with few degrees of freedom is enlarged to the standard deviation of Student's law: a fit that
    takes errors as known then has the right variance, though not quite the tails. For exact tests simulate with
    ``sampling = "random"``.

    Raises
    ------
    InputError
        If a result is deterministic, or saw nothing.

    Examples
    --------
    >>> from qmis_stats import MISResult
    >>> series([MISResult("tilted", 10, -1.0, 0.1), MISResult("tilted", 20, -2.0, 0.1)])[1]
    array([-1., -2.])
    """
    errors = [None if r.std_error is None else r.std_error * _student_deviation(r.dof) for r in results]
    if any(e is None or not 0.0 < e < np.inf for e in errors):
        raise InputError("results", [r.method for r in results], "Monte Carlo results with positive standard errors")
    n = np.array([r.n for r in results], dtype=np.float64)
    return n, np.array([r.log_delta for r in results]), np.array(errors, dtype=np.float64)


def _student_deviation(dof: int | None) -> float:
    """Return the standard deviation of Student's law; 1 for a normal error, infinite for two degrees or fewer."""
    if dof is None:
        return 1.0
    return math.sqrt(dof / (dof - 2.0)) if dof > 2 else math.inf


def fit_exponent(
    n: ArrayLike,
    log_delta: ArrayLike,
    std_error: ArrayLike | None = None,
    *,
    covariance: ArrayLike | None = None,
    prefactor: bool = True,
    correction: bool = True,
) -> RegressionResults:
    """Fit ``log Δ_n + ½ log n = c − I n + b/n`` and return the statsmodels results (Statement S11).

    Parameters
    ----------
    n : (m,) array_like
        Sample sizes.
    log_delta : (m,) array_like
        Estimates of log Δ_n.
    std_error : (m,) array_like, optional
        Their standard errors, for independent estimates.
    covariance : (m, m) array_like, optional
        Their covariance, when estimates at different n share random numbers; exactly one of the two is given.
    prefactor : bool
        Add ½ log n to the response. Without it the slope is biased: the option exists to show that.
    correction : bool
        Include the term b/n.

    Returns
    -------
    RegressionResults
        Of ``statsmodels.api.GLS`` with the scale fixed at one, because the covariance is known. The parameters are
        ``const``, ``n`` (the slope, −I_Q) and ``1/n``.

    Raises
    ------
    InputError
        If lengths disagree, there are fewer points than parameters, or a covariance is not positive definite.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> fit = fit_exponent(n, 1.0 - 0.125 * n - 0.5 * np.log(n), np.full(4, 0.01))
    >>> round(float(fit.params[1]), 9)
    -0.125
    """
    sizes = finite_array("n", n, 1, "(m,)")
    columns = [np.ones_like(sizes), sizes, *([1.0 / sizes] if correction else [])]
    names = ["const", "n", *(["1/n"] if correction else [])]
    response = finite_array("log_delta", log_delta, 1, "(m,)")
    if response.shape != sizes.shape:
        raise InputError("log_delta", response.shape, f"of the same length as n, {sizes.size}")
    response = response + (0.5 * np.log(sizes) if prefactor else 0.0)
    return _gls(response, columns, names, std_error, covariance)


def fit_power(
    n: ArrayLike,
    log_delta: ArrayLike,
    std_error: ArrayLike | None = None,
    *,
    covariance: ArrayLike | None = None,
) -> RegressionResults:
    """Fit ``log Δ_n = c + p log n + b/n``: at the critical scale the slope is p = −½ (Statement S7).

    Parameters and returns are as in :func:`fit_exponent`; the slope is named ``log n``.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> round(float(fit_power(n, -0.5 * np.log(n), np.full(4, 0.01)).params[1]), 9)
    -0.5
    """
    sizes = finite_array("n", n, 1, "(m,)")
    response = finite_array("log_delta", log_delta, 1, "(m,)")
    if response.shape != sizes.shape:
        raise InputError("log_delta", response.shape, f"of the same length as n, {sizes.size}")
    columns = [np.ones_like(sizes), np.log(sizes), 1.0 / sizes]
    return _gls(response, columns, ["const", "log n", "1/n"], std_error, covariance)


def _gls(
    response: FloatArray,
    columns: list[FloatArray],
    names: list[str],
    std_error: ArrayLike | None,
    covariance: ArrayLike | None,
) -> RegressionResults:
    import statsmodels.api as sm

    if (std_error is None) == (covariance is None):
        raise InputError("std_error", std_error, "given, or covariance instead: exactly one of the two")
    if response.size < len(columns):
        raise InputError("n", response.size, f"at least {len(columns)} points for {len(columns)} parameters")
    if std_error is not None:
        errors = finite_array("std_error", std_error, 1, "(m,)")
        if errors.shape != response.shape or np.any(errors <= 0.0):
            raise InputError("std_error", std_error, f"{response.size} positive numbers")
        sigma: Any = errors**2
    else:
        assert covariance is not None
        sigma = finite_array("covariance", covariance, 2, "(m, m)")
        if sigma.shape != (response.size, response.size):
            raise InputError("covariance", sigma.shape, f"of shape ({response.size}, {response.size})")
        try:
            np.linalg.cholesky(sigma)
        except np.linalg.LinAlgError:
            raise InputError("covariance", covariance, "symmetric positive definite") from None
    model = sm.GLS(response, np.column_stack(columns), sigma=sigma)
    model.exog_names[:] = names
    return model.fit(cov_type="fixed scale")


def slope_interval(fit: RegressionResults, level: float = 0.95) -> tuple[float, float]:
    """Return the normal interval of the slope.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> low, high = slope_interval(fit_exponent(n, -0.125 * n - 0.5 * np.log(n), np.full(4, 0.01)))
    >>> low < -0.125 < high
    True
    """
    low, high = np.asarray(fit.conf_int(alpha=1.0 - level))[1]
    return float(low), float(high)


def slope_test(fit: RegressionResults, exponent: float) -> tuple[float, float]:
    """Return statistic and two-sided p-value of the Wald test "slope = −exponent".

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> fit = fit_exponent(n, -0.125 * n - 0.5 * np.log(n), np.full(4, 0.01))
    >>> slope_test(fit, 0.125)[1] > 0.99, slope_test(fit, 0.126)[1] < 0.01
    (True, True)
    """
    restriction = np.zeros((1, len(fit.params)))
    restriction[0, 1] = 1.0
    test = fit.t_test((restriction, np.array([-exponent])))
    return float(np.squeeze(test.statistic)), float(np.squeeze(test.pvalue))


def lack_of_fit(fit: RegressionResults) -> LackOfFit:
    """Return the χ² test of the regression's form against the known covariance.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> lack_of_fit(fit_exponent(n, -0.125 * n - 0.5 * np.log(n), np.full(4, 0.01))).df
    1
    """
    from scipy.stats import chi2

    statistic, df = float(fit.ssr), int(fit.df_resid)
    return LackOfFit(statistic, df, float(chi2.sf(statistic, df)) if df > 0 else 1.0)
