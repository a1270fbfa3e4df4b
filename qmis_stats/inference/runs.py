"""Means of a statistic over independent runs, with the variance between runs (Statement S11).

Runs share their data among quantizers: the values of one run move together, and a covariance that ignores this is wrong
for differences. Two ways: a random effect of the run (one variance for all quantizers), or the covariance over runs as
it is.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError, DomainWarning, InputError
from qmis_stats.inference.rank_results import EstimateRanking, rank_estimates
from qmis_stats.inference.run_table import RunTable, run_table
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table, estimates, texts
from qmis_stats.validation import checked_level, one_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunMeans", "RunMethod", "run_means"]

RunMethod = Literal["mixedlm", "cluster"]

_NO_VARIATION = 1e-24
_LEAST_START = 1e-2
_TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False, repr=False)
class RunMeans(NotebookResult):
    """Mean of each quantizer over runs, with the covariance of the means.

    Attributes
    ----------
    names : tuple of str
        The Q quantizers.
    estimates : (Q,) array
        Their means over runs.
    covariance : (Q, Q) array
        Covariance of the means. With ``"cluster"`` its rank is at most R − 1.
    dof : float
        Degrees of freedom of a mean's standard error.
    contrast_dof : float
        Degrees of freedom of the standard error of a difference of two means.
    between_run_sd : (Q,) array
        Standard deviation over runs; without the evaluation's part where that is known.
    within_run_sd : (Q,) array or None
        Root mean square of the known standard errors within runs.
    run_effect_sd, residual_sd : float or None
        Standard deviations of the run's effect and of what is left, for ``"mixedlm"``.
    runs : int
        Number R of runs.
    method : {"mixedlm", "cluster"}
        How the covariance was estimated.
    boundary : bool
        Whether the estimated variance of the run's effect is zero.
    """

    names: tuple[str, ...]
    estimates: FloatArray
    covariance: FloatArray
    dof: float
    contrast_dof: float
    between_run_sd: FloatArray
    within_run_sd: FloatArray | None
    run_effect_sd: float | None
    residual_sd: float | None
    runs: int
    method: RunMethod
    boundary: bool

    @property
    def std_error(self) -> FloatArray:
        """Standard errors of the means, shape (Q,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    def conf_int(self, level: float = 0.95) -> FloatArray:
        """Return Student's intervals of the means, shape (Q, 2).

        Raises
        ------
        InputError
            If the level is not above 0.5 and below 1.
        """
        from scipy.special import stdtrit

        half = float(stdtrit(self.dof, 0.5 + 0.5 * checked_level(level))) * self.std_error
        return np.column_stack((self.estimates - half, self.estimates + half))

    def rank(self, *, draws: int = 10_000, seed: int = 0) -> EstimateRanking:
        """Return the ranking of the means: differences have ``contrast_dof`` degrees of freedom.

        With ``"cluster"`` and not many more runs than quantizers the covariance is singular or nearly so, and
        ``rank_sets`` of the default kind hold too rarely: of 15 equal quantizers at 95 %, in 90 % of samples with 10
        runs and in 69 % with 5. Take ``rank_sets(kind="holm")`` there, which held in 97 % of both.

        Examples
        --------
        >>> rng = np.random.default_rng(1)
        >>> runs = rng.normal(size=(8, 1)) + [0.0, 0.1, 3.0] + 0.3 * rng.normal(size=(8, 3))
        >>> run_means(runs, names=["sign", "ternary", "4 bit"]).rank().best_set()
        ('4 bit',)
        """
        dof = self.contrast_dof
        return rank_estimates(self.estimates, self.covariance, self.names, dof=dof, draws=draws, seed=seed)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per quantizer as a pandas frame."""
        import pandas as pd

        low, high = self.conf_int().T
        columns = {
            "quantizer": list(self.names),
            "mean": self.estimates,
            "std_error": self.std_error,
            "low": low,
            "high": high,
            "between_run_sd": self.between_run_sd,
        }
        if self.within_run_sd is not None:
            columns["within_run_sd"] = self.within_run_sd
        return pd.DataFrame(columns)

    def title(self) -> str:
        """Return the caption of the table."""
        return f"Means over {self.runs} runs, {self.method}, {self.dof:.3g} degrees of freedom"

    def remarks(self) -> list[str]:
        """Return the estimated deviations of the model with a random effect."""
        if self.run_effect_sd is None or self.residual_sd is None:
            return []
        end = " (at its boundary)" if self.boundary else ""
        return [f"run effect sd {self.run_effect_sd:.3g}{end}, residual sd {self.residual_sd:.3g}"]

    def tables(self) -> list[Table]:
        """Return each quantizer with its 95 % interval and deviations."""
        columns = {
            "quantizer": self.names,
            "mean 95%": estimates(self.to_frame(), ".4g", "mean", "low", "high"),
            "sd": texts(self.between_run_sd, ".3g"),
        }
        if self.within_run_sd is not None:
            columns["eval. sd"] = texts(self.within_run_sd, ".3g")
        return [Table.of(self.title(), columns)]


class _Fit(NamedTuple):
    estimates: FloatArray
    covariance: FloatArray
    dof: float
    contrast_dof: float
    variance: FloatArray
    run_variance: float | None = None
    residual_variance: float | None = None


def run_means(
    values: ArrayLike | pd.DataFrame,
    *,
    method: RunMethod = "mixedlm",
    names: Sequence[str] | None = None,
    std_errors: ArrayLike | None = None,
) -> RunMeans:
    """Return the mean of each quantizer over runs with the covariance of the means (Statement S11).

    Parameters
    ----------
    values : (R, Q) array_like or DataFrame
        One statistic for each of R ≥ 3 independent runs and each quantizer, such as √(2 r_Q); or a long frame with
        the columns run, quantizer, value, and optionally std_error. Missing cells (NaN, or absent rows) are allowed
        with ``"mixedlm"``.
    method : {"mixedlm", "cluster"}
        ``"mixedlm"``: a random effect of the run, by statsmodels' ``MixedLM`` (REML). One variance of the run's effect
        and one residual variance serve all quantizers, which makes the most of few runs. ``"cluster"``: the least
        squares fit with statsmodels' covariance clustered by run, Student's law with R − 1 degrees of freedom; nothing
        is assumed of the covariance, and complete tables are needed.
    names : sequence of str, optional
        Names of the Q columns of an array, ``Q1``, ``Q2``, ... by default.
    std_errors : (R, Q) array_like, optional
        Known standard errors within runs, from the evaluation samples: they split the variance and change nothing
        else. Evaluation samples must be independent between runs.

    Returns
    -------
    RunMeans

    Raises
    ------
    InputError
        If there are fewer than three runs, a table is not of the described form, or values do not vary.
    DomainError
        If the fit does not converge on a table with missing cells.

    Warns
    -----
    DomainWarning
        If the fit does not converge on a complete table: the result is then that of ``"cluster"``.

    Examples
    --------
    >>> table = [[1.0, 1.3], [1.2, 1.6], [0.9, 1.3], [1.1, 1.4]]
    >>> print(run_means(table, names=["sign", "ternary"]))
    Means over 4 runs, mixedlm, 3.29 degrees of freedom
    quantizer              mean 95%     sd
    sign       1.05 [0.8447, 1.255]  0.135
    ternary      1.4 [1.195, 1.605]  0.135
    <BLANKLINE>
    run effect sd 0.129, residual sd 0.0408
    >>> run_means(table, method="cluster").conf_int().round(3)
    array([[0.845, 1.255],
           [1.175, 1.625]])
    """
    one_of("method", method, get_args(RunMethod))
    table = run_table(values, names, std_errors)
    if method == "cluster" and not table.complete:
        raise InputError("values", "missing cells", "complete with method = cluster; use method = mixedlm")
    if method == "mixedlm" and len(table.names) < 2:
        raise InputError("values", "one quantizer", "of two or more quantizers with mixedlm; use method = cluster")
    fit = _cluster(table) if method == "cluster" else _mixed(table)
    used: RunMethod = "cluster" if fit.run_variance is None else "mixedlm"
    within = None
    if table.std_errors is not None:
        within = np.sqrt(np.nanmean(np.where(np.isnan(table.values), np.nan, table.std_errors**2), axis=0))
    between = fit.variance if within is None else np.maximum(fit.variance - within**2, 0.0)
    return RunMeans(
        table.names,
        fit.estimates,
        fit.covariance,
        fit.dof,
        fit.contrast_dof,
        np.sqrt(between),
        within,
        None if fit.run_variance is None else math.sqrt(fit.run_variance),
        None if fit.residual_variance is None else math.sqrt(fit.residual_variance),
        len(table.values),
        used,
        fit.run_variance == 0.0,
    )


def _cluster(table: RunTable) -> _Fit:
    """Return ordinary least squares with a covariance clustered by run: S/R, S the sample covariance over runs."""
    from statsmodels.regression.linear_model import OLS

    response, design, runs = table.long()
    count = len(table.values)
    # statsmodels' own correction would add (N − 1)/(N − Q): R/(R − 1) alone makes Student's law exact here.
    options = {"groups": runs, "use_correction": False}
    fit = OLS(response, design).fit(cov_type="cluster", cov_kwds=options, use_t=True)
    covariance = np.asarray(fit.cov_params()) * count / (count - 1.0)
    return _Fit(np.asarray(fit.params), covariance, count - 1.0, count - 1.0, count * np.diag(covariance))


def _mixed(table: RunTable) -> _Fit:
    """Return the REML fit with a random effect of the run; without the effect where its estimate is zero."""
    response, design, runs = table.long()
    count, quantizers = table.values.shape
    spare = response.size - quantizers
    ordinary: FloatArray = design.T @ response / np.sum(design, axis=0)
    rest = response - design @ ordinary
    pooled = float(rest @ rest) / spare
    residual_dof = response.size - count - quantizers + 1.0
    if residual_dof < 1.0:
        raise InputError("values", table.values.shape, "with more cells: no degrees of freedom are left within runs")
    within = table.residual_sum_of_squares() / residual_dof
    if within <= _NO_VARIATION * (response @ response):
        raise InputError("values", table.values, "varying within runs beyond a common effect of the run")
    # S, M: squared sums of the residuals over runs, E S = σ_b² tr M² + σ² tr M. The score's sign at σ_b = 0 decides.
    indicator = np.asarray(runs[:, None] == np.unique(runs)[None, :], dtype=np.float64)
    shared = indicator.T @ design / np.sqrt(np.sum(design, axis=0))
    matrix = np.diag(np.sum(indicator, axis=0)) - shared @ shared.T
    squares, trace = float(np.sum((indicator.T @ rest) ** 2)), float(np.trace(matrix))
    if squares <= pooled * trace:
        covariance = pooled * np.diag(1.0 / np.sum(design, axis=0))
        dof, variance = _dof(table, 0.0, pooled), np.full(quantizers, pooled)
        return _Fit(ordinary, covariance, dof, residual_dof, variance, 0.0, pooled)
    moments = max((squares - within * trace) / float(np.sum(matrix**2)) / within, _LEAST_START)
    unit = math.sqrt(pooled)
    found = _reml(response / unit, design, runs, ordinary / unit, moments)
    if found is None:
        if not table.complete:
            raise DomainError("mixedlm", "the REML fit did not converge", "complete the table and use method = cluster")
        warnings.warn(
            "mixedlm did not converge: the means have the covariance of method = cluster", DomainWarning, stacklevel=3
        )
        return _cluster(table)
    estimates, covariance, run, residual = found
    run, residual = pooled * run, pooled * residual
    dof = _dof(table, run, residual)
    variance = np.full(quantizers, run + residual)
    means = math.sqrt(pooled) * estimates
    return _Fit(means, pooled * covariance, dof, residual_dof, variance, run, residual)


def _dof(table: RunTable, run: float, residual: float) -> float:
    """Return Satterthwaite's degrees of freedom of a mean's variance; R − 1, which is fewer, with missing cells."""
    count, quantizers = len(table.values), len(table.names)
    if not table.complete:
        return count - 1.0
    # A mean's variance is (MS_runs + (Q − 1) MS_residual)/(QR).
    mean_square = quantizers * run + residual
    total = mean_square + (quantizers - 1.0) * residual
    share: float = total**2 / (mean_square**2 + (quantizers - 1.0) * residual**2)
    return (count - 1.0) * share


def _reml(
    response: FloatArray, design: FloatArray, runs: FloatArray, start: FloatArray, ratio: float
) -> tuple[FloatArray, FloatArray, float, float] | None:
    """Return means, their covariance and the variances of run and residual; nothing when statsmodels found no optimum.

    The response has unit variance: statsmodels' tolerances are absolute. The start is the estimate by moments, which
    solves the balanced case.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

    quantizers = design.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parameters = MixedLMParams.from_components(fe_params=start, cov_re=np.array([[ratio]]))
            fit = MixedLM(response, design, groups=runs).fit(reml=True, start_params=parameters, gtol=_TOLERANCE)
            covariance = np.asarray(fit.cov_params())[:quantizers, :quantizers]
            run, residual = float(np.asarray(fit.cov_re)[0, 0]), float(fit.scale)
        except (np.linalg.LinAlgError, ValueError):
            return None
    means = np.asarray(fit.fe_params)
    numbers = np.concatenate((means, covariance.ravel(), [run, residual]))
    if not fit.converged or not np.all(np.isfinite(numbers)) or run < 0.0 or residual <= 0.0:
        return None
    return means, covariance, run, residual
