"""Laws: what Z is and what it loses."""

from qmis_stats.laws.base import Law, ParametricLaw, ProductCells, Scores, Thresholds
from qmis_stats.laws.finite import FiniteLaw
from qmis_stats.laws.gaussian_mean import GaussianMean
from qmis_stats.laws.gaussian_mixture import GaussianMixture
from qmis_stats.laws.generalized_linear import GeneralizedLinear, LogisticRegression, PoissonRegression
from qmis_stats.laws.linear_regression import LinearRegression

__all__ = [
    "FiniteLaw",
    "GaussianMean",
    "GaussianMixture",
    "GeneralizedLinear",
    "Law",
    "LinearRegression",
    "LogisticRegression",
    "ParametricLaw",
    "PoissonRegression",
    "ProductCells",
    "Scores",
    "Thresholds",
]
