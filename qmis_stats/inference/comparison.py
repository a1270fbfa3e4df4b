"""Whether several exponents are equal: Wald's test over independent fits, all pairs with Holm's correction (S11)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, fdtrc, stdtr

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.inference import holm
from qmis_stats.inference.rates import checked_fit, fit_dof
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.tables import Table, texts
from qmis_stats.validation import objects

if TYPE_CHECKING:
    import pandas as pd
    from statsmodels.regression.linear_model import RegressionResults

__all__ = ["ExponentComparison", "compare_exponents"]


@dataclass(frozen=True, eq=False, repr=False)
class ExponentComparison(NotebookResult):
    """Test of equal exponents, with all pairwise differences.

    Attributes
    ----------
    names : tuple of str
        Names of the k fits.
    exponents, std_errors, dofs : (k,) arrays
        Fitted exponents (minus the slopes), their standard errors and degrees of freedom, infinite where the
        covariance of a fit is known.
    statistic, df_num, df_denom, pvalue : float
        Wald's χ² with k − 1 degrees of freedom and ``df_denom`` infinite, or Welch's F.
    pairs : tuple of (int, int)
        The k(k − 1)/2 pairs.
    differences, difference_errors, difference_dofs : arrays
        Exponent of the first of each pair less that of the second, standard errors, degrees of freedom (Welch).
    pvalues : array
        Two-sided p-values of the pairs, each alone.
    """

    names: tuple[str, ...]
    exponents: FloatArray
    std_errors: FloatArray
    dofs: FloatArray
    statistic: float
    df_num: float
    df_denom: float
    pvalue: float
    pairs: tuple[tuple[int, int], ...]
    differences: FloatArray
    difference_errors: FloatArray
    difference_dofs: FloatArray
    pvalues: FloatArray

    @cached_property
    def holm_pvalues(self) -> FloatArray:
        """Two-sided p-values of the pairs with Holm's correction: those below α hold together at the rate α."""
        return holm.adjusted(self.pvalues)

    @property
    def test(self) -> str:
        """The test's name with its degrees of freedom."""
        if math.isinf(self.df_denom):
            return f"chi2({self.df_num:.0f})"
        return f"F({self.df_num:.0f}, {self.df_denom:.1f})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(
            {
                "first": [self.names[i] for i, _ in self.pairs],
                "second": [self.names[j] for _, j in self.pairs],
                "difference": self.differences,
                "std_error": self.difference_errors,
                "dof": self.difference_dofs,
                "pvalue": self.pvalues,
                "holm_pvalue": self.holm_pvalues,
            }
        )

    def title(self) -> str:
        """Return the caption of the table."""
        return "Differences of exponents"

    def remarks(self) -> list[str]:
        """Return the joint test."""
        return [f"H0: all exponents equal  {self.test} = {self.statistic:.4g}, p = {self.pvalue:.3g}"]

    def tables(self) -> list[Table]:
        """Return the fits, then the pairs."""
        numbers = {"exponent": texts(self.exponents), "std_error": texts(self.std_errors, ".3g")}
        return [Table.of("Exponents", {"fit": self.names, **numbers}), *super().tables()]


def compare_exponents(fits: Sequence[RegressionResults], names: Sequence[str] | None = None) -> ExponentComparison:
    """Test that the slopes of k independent fits are equal (Statement S11).

    Slopes with known covariance give Wald's χ². With estimated covariances the weights are estimated too: Welch's F,
    and for a pair Student's law with the degrees of freedom of Welch and Satterthwaite.

    Parameters
    ----------
    fits : sequence of RegressionResults
        At least two, of :func:`~qmis_stats.inference.rates.fit_exponent`, from independent random numbers: different
        seeds, or different methods.
    names : sequence of str, optional
        Different names of the fits; ``fit 1``, ``fit 2``, ... by default.

    Raises
    ------
    InputError
        If there are fewer than two fits, or names are repeated or of another number.

    Examples
    --------
    >>> from qmis_stats.inference.rates import fit_exponent
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> a, b, c = (fit_exponent(n, -rate * n - 0.5 * np.log(n), np.full(4, 0.01)) for rate in (0.125, 0.125, 0.13))
    >>> compare_exponents([a, b]).pvalue > 0.99, compare_exponents([a, b, c]).pvalue < 1e-9
    (True, True)
    >>> print(compare_exponents([a, c], ["sign", "ternary"]).summary())
    Exponents
    fit      exponent  std_error
    sign        0.125   6.94e-05
    ternary      0.13   6.94e-05
    <BLANKLINE>
    Differences of exponents
    first  second   difference    std_error  dof  pvalue  holm_pvalue
    sign   ternary      -0.005  9.82019e-05  inf       0            0
    <BLANKLINE>
    H0: all exponents equal  chi2(1) = 2592, p = 0
    """
    fits = objects(object, "fits", fits, "fit_exponent returns one")
    for fit in fits:
        checked_fit(fit)
    if len(fits) < 2:
        raise InputError("fits", len(fits), "at least two fits")
    labels = objects(str, "names", names) if names is not None else tuple(f"fit {i + 1}" for i in range(len(fits)))
    if len(labels) != len(fits) or len(set(labels)) != len(fits):
        raise InputError("names", labels, f"{len(fits)} different names")
    exponents = np.array([-float(np.asarray(fit.params)[1]) for fit in fits])
    variances = np.array([float(np.asarray(fit.bse)[1]) ** 2 for fit in fits])
    dofs = np.array([fit_dof(fit) for fit in fits])
    statistic, df_denom = _welch(exponents, variances, dofs)
    df_num = len(fits) - 1.0
    pvalue = chdtrc(df_num, statistic) if math.isinf(df_denom) else fdtrc(df_num, df_denom, statistic)
    pairs = tuple((i, j) for i in range(len(fits)) for j in range(i + 1, len(fits)))
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    differences = exponents[first] - exponents[second]
    squares = variances[first] + variances[second]
    with np.errstate(divide="ignore"):
        difference_dofs = squares**2 / (variances[first] ** 2 / dofs[first] + variances[second] ** 2 / dofs[second])
    pvalues = 2.0 * stdtr(difference_dofs, -np.abs(differences) / np.sqrt(squares))
    return ExponentComparison(
        labels,
        exponents,
        np.sqrt(variances),
        dofs,
        statistic,
        df_num,
        df_denom,
        float(pvalue),
        pairs,
        differences,
        np.sqrt(squares),
        difference_dofs,
        pvalues,
    )


def _welch(values: FloatArray, variances: FloatArray, dofs: FloatArray) -> tuple[float, float]:
    """Return Wald's χ² for known variances, else Welch's F, with the second degrees of freedom."""
    k = values.size
    weights = 1.0 / variances
    shares = weights / weights.sum()
    wald = float(np.sum(weights * (values - shares @ values) ** 2))
    lost = float(np.sum((1.0 - shares) ** 2 / dofs))
    if lost == 0.0:
        return wald, math.inf
    return wald / (k - 1.0) / (1.0 + 2.0 * (k - 2.0) / (k**2 - 1.0) * lost), (k**2 - 1.0) / (3.0 * lost)
