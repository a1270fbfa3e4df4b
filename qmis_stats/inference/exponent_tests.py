"""Which rate a simulation follows, the exponent I_Q or the indicator r_Q (Statement S11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qmis_stats.errors import InputError
from qmis_stats.inference.rates import checked_fit, fit_dof, slope_test
from qmis_stats.problem import Problem
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.validation import checked_significance, instance_of

if TYPE_CHECKING:
    import pandas as pd
    from statsmodels.regression.linear_model import RegressionResults

__all__ = ["IndicatorTest", "exponent_against_indicator"]


@dataclass(frozen=True, eq=False, repr=False)
class IndicatorTest(NotebookResult):
    """The two tests of one slope: against −I_Q and against −r_Q.

    Attributes
    ----------
    fitted, fitted_std_error, dof : float
        Fitted exponent (minus the slope), its standard error and degrees of freedom (infinite: normal).
    exponent, indicator : float
        I_Q and r_Q of the problem.
    exponent_statistic, exponent_pvalue : float
        Test of slope = −I_Q, z or t.
    indicator_statistic, indicator_pvalue : float
        Test of slope = −r_Q.
    level : float
        Level at which the power is stated.
    power : float
        Probability that the test of −r_Q rejects at ``level`` if the slope is −I_Q: noncentral t at the standard error
        of this fit.
    """

    fitted: float
    fitted_std_error: float
    dof: float
    exponent: float
    indicator: float
    exponent_statistic: float
    exponent_pvalue: float
    indicator_statistic: float
    indicator_pvalue: float
    level: float
    power: float

    @property
    def separated(self) -> bool:
        """Whether −r_Q is rejected at the level and −I_Q is not."""
        return self.indicator_pvalue < self.level <= self.exponent_pvalue

    def to_frame(self) -> pd.DataFrame:
        """Return one row a hypothesis as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(
            {
                "hypothesis": ["slope = -I", "slope = -r"],
                "rate": [self.exponent, self.indicator],
                "statistic": [self.exponent_statistic, self.indicator_statistic],
                "pvalue": [self.exponent_pvalue, self.indicator_pvalue],
            }
        )

    def title(self) -> str:
        """Return the caption of the table."""
        return f"A fitted exponent, {self.fitted:.6g} +- {self.fitted_std_error:.2g}, against I and r"

    def remarks(self) -> list[str]:
        """Return the law of the statistics, and the power."""
        law = "z" if np.isinf(self.dof) else f"t({self.dof:.0f})"
        return [f"Statistics are {law}; power against r {self.power:.4g} at level {self.level:g}."]


def exponent_against_indicator(fit: RegressionResults, problem: Problem, *, level: float = 0.05) -> IndicatorTest:
    """Test slope = −I_Q and slope = −r_Q on one fit (Statement S11).

    The indicator is the exponent's limit for small cells; for large gaps the two differ. In linear regression r_Q
    saturates at ¼ while I_Q grows without bound.

    Parameters
    ----------
    fit : RegressionResults
        Of :func:`~qmis_stats.inference.rates.fit_exponent`.
    problem : Problem
        The simulated problem, with cells that do not depend on n.
    level : float
        Level at which the power is stated, in (0, 1).

    Raises
    ------
    InputError
        If the cells depend on n, the two rates coincide, or a level is not in (0, 1).

    Examples
    --------
    >>> from qmis_stats import CodebookERM, LinearRegression
    >>> from qmis_stats.inference.rates import fit_exponent
    >>> from qmis_stats.simulate import tilted_series
    >>> problem = Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [4.0]]))
    >>> s = tilted_series(problem, (30, 45, 65, 100, 150), replicates=4000, seed=1, backend="reference")
    >>> found = exponent_against_indicator(fit_exponent(s.n, s.log_delta, covariance=s.covariance, dof=s.dof), problem)
    >>> round(found.exponent, 3), round(found.indicator, 3), found.separated, found.power > 0.9999
    (0.805, 0.222, True, True)
    """
    checked_fit(fit)
    instance_of(Problem, "problem", problem)
    level = checked_significance(level)
    if problem.procedure.size_adaptive:
        raise InputError("problem", "size-adaptive", "one whose cells do not depend on n")
    exponent, indicator = float(problem.exponent), float(problem.indicator)
    if not (np.isfinite(exponent) and abs(exponent - indicator) > 1e-9 * exponent):
        raise InputError("problem", {"I": exponent, "r": indicator}, "one with different I and r, such as a regression")
    std_error, dof = float(np.asarray(fit.bse)[1]), fit_dof(fit)
    exponent_test, indicator_test = slope_test(fit, exponent), slope_test(fit, indicator)
    return IndicatorTest(
        -float(np.asarray(fit.params)[1]),
        std_error,
        dof,
        exponent,
        indicator,
        *exponent_test,
        *indicator_test,
        level,
        _power(abs(exponent - indicator) / std_error, dof, level),
    )


def _power(noncentrality: float, dof: float, level: float) -> float:
    """Return the power of a two-sided t test, z for infinite degrees of freedom."""
    from scipy.stats import nct, norm
    from scipy.stats import t as student

    limit = float(student.isf(0.5 * level, dof)) if np.isfinite(dof) else float(norm.isf(0.5 * level))
    # Far out the noncentral law's routines lose their digits, and the power is one.
    if noncentrality > 40.0 + 2.0 * limit or np.isinf(dof):
        return float(norm.sf(limit - noncentrality) + norm.cdf(-limit - noncentrality))
    return float(nct.sf(limit, dof, noncentrality) + nct.cdf(-limit, dof, noncentrality))
