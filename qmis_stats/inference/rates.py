"""Exponents from simulations: generalised least squares with the covariance of the estimates (Statement S11).

The sharp form says ``log Δ_n + ½ log n = c − I n + b/n + O(n⁻²)``. The slope is what the theorem names; the half
logarithm is not optional, since over a decade of n it changes the slope by far more than its standard error.

A covariance is known, or estimated by the simulation with ``dof`` degrees of freedom. The tests are then normal and χ²,
or Student's and F, exact for normal errors (Proposition S11.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, fdtrc

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.results import MISResult
from qmis_stats.validation import (
    LARGEST_SIZE,
    LARGEST_VARIANCE,
    checked_level,
    covariance_matrix,
    finite_array,
    finite_number,
    instance_of,
    objects,
    whole_number,
)

if TYPE_CHECKING:
    from statsmodels.regression.linear_model import RegressionResults
    from statsmodels.stats.contrast import ContrastResults


__all__ = [
    "LackOfFit",
    "checked_fit",
    "fit_dof",
    "fit_exponent",
    "fit_power",
    "lack_of_fit",
    "series",
    "slope_interval",
    "slope_test",
    "wald_test",
]


class LackOfFit(NamedTuple):
    """A test of the regression's form, χ² or F.

    Attributes
    ----------
    statistic : float
        Generalised residual sum of squares; with an estimated covariance the F statistic that it makes.
    df : int
        Residual degrees of freedom.
    pvalue : float
        Upper tail probability; ``nan``-free: 1 when there are no degrees of freedom.
    df_denom : float
        Second degrees of freedom of the F test; infinite for the χ² test.
    """

    statistic: float
    df: int
    pvalue: float
    df_denom: float = math.inf


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
    results = objects(MISResult, "results", results, "mis returns one per n")
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
    dof: int | None = None,
    prefactor: bool = True,
    correction: bool | int = True,
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
    dof : int, optional
        Degrees of freedom of an estimated covariance, at least m, as :func:`~qmis_stats.simulate.series.tilted_series`
        gives it; ``None`` takes the covariance as known.
    prefactor : bool
        Add ½ log n to the response. Without it the slope is biased: the option exists to show that.
    correction : bool or int
        Number of terms b/n, b₂/n², at most 2; true is one. Common random numbers leave so little noise in the slope
        that the second is needed at small n: the lack of fit says when.

    Returns
    -------
    RegressionResults
        Of ``statsmodels.api.GLS``. The parameters are ``const``, ``n`` (the slope, −I_Q), ``1/n`` and ``1/n^2``. With
        a known covariance the scale is one. With an estimated one it is (dof + G)/(dof − q), G the residual sum of
        squares with q degrees of freedom, and single parameters have Student's law with dof − q.

    Raises
    ------
    InputError
        If lengths disagree, there are fewer different sizes than parameters, a covariance is not positive definite, or
        it has too few degrees of freedom.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> fit = fit_exponent(n, 1.0 - 0.125 * n - 0.5 * np.log(n), np.full(4, 0.01))
    >>> round(float(fit.params[1]), 9)
    -0.125
    """
    sizes, response = _series_arrays(n, log_delta)
    instance_of(bool, "prefactor", prefactor)
    terms = int(correction) if isinstance(correction, bool) else whole_number("correction", correction, 0, 2)
    powers = [("1/n", 1.0 / sizes), ("1/n^2", 1.0 / sizes**2)][:terms]
    names = ["const", "n", *(name for name, _ in powers)]
    columns = [np.ones_like(sizes), sizes, *(column for _, column in powers)]
    response = response + (0.5 * np.log(sizes) if prefactor else 0.0)
    return _gls(sizes, response, columns, names, std_error, covariance, dof)


def fit_power(
    n: ArrayLike,
    log_delta: ArrayLike,
    std_error: ArrayLike | None = None,
    *,
    covariance: ArrayLike | None = None,
    dof: int | None = None,
) -> RegressionResults:
    """Fit ``log Δ_n = c + p log n + b/n``: at the critical scale the slope is p = −½ (Statement S7).

    Parameters and returns are as in :func:`fit_exponent`; the slope is named ``log n``.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> round(float(fit_power(n, -0.5 * np.log(n), np.full(4, 0.01)).params[1]), 9)
    -0.5
    """
    sizes, response = _series_arrays(n, log_delta)
    columns = [np.ones_like(sizes), np.log(sizes), 1.0 / sizes]
    return _gls(sizes, response, columns, ["const", "log n", "1/n"], std_error, covariance, dof)


def _series_arrays(n: ArrayLike, log_delta: ArrayLike) -> tuple[FloatArray, FloatArray]:
    sizes = finite_array("n", n, 1, "(m,)")
    if np.any((sizes < 1.0) | (sizes > LARGEST_SIZE)):
        raise InputError("n", n, f"sample sizes from 1 to {LARGEST_SIZE:g}")
    response = finite_array("log_delta", log_delta, 1, "(m,)")
    if response.shape != sizes.shape:
        raise InputError("log_delta", response.shape, f"of the same length as n, {sizes.size}")
    return sizes, response


def _gls(
    sizes: FloatArray,
    response: FloatArray,
    columns: list[FloatArray],
    names: list[str],
    std_error: ArrayLike | None,
    covariance: ArrayLike | None,
    dof: int | None,
) -> RegressionResults:
    from statsmodels.regression.linear_model import GLS

    if (std_error is None) == (covariance is None):
        raise InputError("std_error", std_error, "given, or covariance instead: exactly one of the two")
    if response.size < len(columns):
        raise InputError("n", response.size, f"at least {len(columns)} points for {len(columns)} parameters")
    if std_error is not None:
        errors = finite_array("std_error", std_error, 1, "(m,)")
        least, most = 1.0 / math.sqrt(LARGEST_VARIANCE), math.sqrt(LARGEST_VARIANCE)
        if errors.shape != response.shape or np.any((errors < least) | (errors > most)):
            raise InputError("std_error", std_error, f"{response.size} numbers from {least:g} to {most:g}")
        if dof is not None:
            raise InputError("dof", dof, "given with a covariance only; series() enlarges standard errors instead")
        sigma: Any = errors**2
    else:
        assert covariance is not None
        sigma = covariance_matrix("covariance", covariance, response.size)
        if dof is not None:
            dof = whole_number("dof", dof, response.size, LARGEST_SIZE)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused
        model = GLS(response, np.column_stack(columns), sigma=sigma)
        squares = np.sum(np.square([model.wendog, *model.wexog.T]))
    if not np.isfinite(squares):
        raise InputError("log_delta", response.tolist(), "numbers whose squares, in standard errors, are finite")
    if np.linalg.matrix_rank(model.wexog) < len(columns):
        allowed = (
            f"at least {len(columns)} different sizes that, with these errors, tell {len(columns)} parameters apart"
        )
        raise InputError("n", sizes.tolist(), allowed)
    model.exog_names[:] = names
    fit = model.fit(cov_type="fixed scale")
    if dof is None:
        return fit
    spare = dof - (response.size - len(columns))
    fit = model.fit(cov_type="fixed scale", cov_kwds={"scale": (dof + float(fit.ssr)) / spare}, use_t=True)
    fit._results.df_resid_inference = spare
    return fit


def checked_fit(fit: RegressionResults) -> None:
    """Refuse what :func:`fit_exponent` and :func:`fit_power` do not return.

    Examples
    --------
    >>> checked_fit("fit.json")
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: fit = 'fit.json': must be what fit_exponent or fit_power returns
    """
    names = getattr(getattr(fit, "model", None), "exog_names", ())
    if tuple(names[:2]) not in (("const", "n"), ("const", "log n")):
        raise InputError("fit", fit, "what fit_exponent or fit_power returns")


def fit_dof(fit: RegressionResults) -> float:
    """Return the degrees of freedom of a single parameter's Student law; infinite for a known covariance.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> fit_dof(fit_exponent(n, -0.125 * n, np.full(4, 0.01))), fit_dof(
    ...     fit_exponent(n, -0.125 * n, covariance=np.eye(4), dof=31)
    ... )
    (inf, 30.0)
    """
    checked_fit(fit)
    return float(getattr(fit, "df_resid_inference", None) or math.inf)


def slope_interval(fit: RegressionResults, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the slope, normal or Student's.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> low, high = slope_interval(fit_exponent(n, -0.125 * n - 0.5 * np.log(n), np.full(4, 0.01)))
    >>> low < -0.125 < high
    True
    """
    checked_fit(fit)
    low, high = np.asarray(fit.conf_int(alpha=1.0 - checked_level(level)))[1]
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
    checked_fit(fit)
    exponent = finite_number("exponent", exponent)
    restriction = np.zeros((1, len(fit.params)))
    restriction[0, 1] = 1.0
    test = fit.t_test((restriction, np.array([-exponent])))
    return float(np.squeeze(test.statistic)), float(np.squeeze(test.pvalue))


def wald_test(fit: RegressionResults, hypothesis: Mapping[str, float] | tuple[ArrayLike, ArrayLike]) -> ContrastResults:
    """Test several linear hypotheses on the parameters jointly (Statement S11).

    Parameters
    ----------
    fit : RegressionResults
        Of :func:`fit_exponent` or :func:`fit_power`.
    hypothesis : mapping or (matrix, values)
        Values of named parameters, ``{"n": -0.125, "const": 0.3}``, or an (r, p) matrix R and r values v of R β = v.

    Returns
    -------
    ContrastResults
        Of statsmodels: χ² with r degrees of freedom for a known covariance; for an estimated one F with r and
        dof − q − r + 1, which is exact (Proposition S11.2) and has r − 1 degrees fewer than the fit's own
        ``wald_test`` would use.

    Raises
    ------
    InputError
        If a parameter does not exist, the rows are dependent, or too few degrees of freedom are left.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> fit = fit_exponent(n, 0.3 - 0.125 * n - 0.5 * np.log(n), np.full(4, 0.01))
    >>> bool(wald_test(fit, {"const": 0.3, "n": -0.125}).pvalue > 0.99)
    True
    """
    from statsmodels.stats.contrast import ContrastResults

    checked_fit(fit)
    names = list(fit.model.exog_names)
    if isinstance(hypothesis, Mapping):
        unknown = [name for name in hypothesis if name not in names]
        if unknown or not hypothesis:
            raise InputError("hypothesis", list(hypothesis), f"values of some of the parameters {', '.join(names)}")
        matrix = np.array([[float(name == column) for column in names] for name in hypothesis])
        values = finite_array("hypothesis", list(hypothesis.values()), 1, "(r,)")
    else:
        if not isinstance(hypothesis, tuple) or len(hypothesis) != 2:
            raise InputError("hypothesis", hypothesis, "a mapping from parameters to values, or (matrix, values)")
        matrix = finite_array("hypothesis", hypothesis[0], 2, "(r, p)")
        values = finite_array("hypothesis", hypothesis[1], 1, "(r,)")
    rows = matrix.shape[0]
    if matrix.shape != (values.size, len(names)) or np.linalg.matrix_rank(matrix) < rows:
        raise InputError("hypothesis", matrix.shape, f"r independent rows of length {len(names)} and r values")
    found = fit.wald_test((matrix, values), use_f=False, scalar=True)
    dof = fit_dof(fit)
    if math.isinf(dof):
        return found
    spare = dof - rows + 1.0
    if spare < 1.0:
        raise InputError("hypothesis", rows, f"at most {int(dof)} rows for {int(dof)} degrees of freedom")
    return ContrastResults(F=float(found.statistic) * spare / (dof * rows), df_denom=spare, df_num=rows)


def lack_of_fit(fit: RegressionResults) -> LackOfFit:
    """Return the test of the regression's form against the covariance: χ² if it is known, F if it is estimated.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> lack_of_fit(fit_exponent(n, -0.125 * n - 0.5 * np.log(n), np.full(4, 0.01))).df
    1
    """
    checked_fit(fit)
    squares, df, dof = float(fit.ssr), int(fit.df_resid), fit_dof(fit)
    if df == 0:
        return LackOfFit(squares, df, 1.0, math.inf if math.isinf(dof) else dof + 1.0)
    if math.isinf(dof):
        return LackOfFit(squares, df, float(chdtrc(df, squares)))
    # Hotelling: the covariance has dof + df degrees of freedom, of which df − 1 are lost.
    statistic = squares * (dof + 1.0) / ((dof + df) * df)
    return LackOfFit(statistic, df, float(fdtrc(df, dof + 1.0, statistic)), dof + 1.0)
