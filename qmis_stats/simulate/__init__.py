"""The third route: Monte Carlo, everywhere."""

from qmis_stats.simulate.blocks import pooled
from qmis_stats.simulate.conditional import conditional
from qmis_stats.simulate.crude import crude
from qmis_stats.simulate.likelihood_ratio import likelihood_ratio
from qmis_stats.simulate.regression_ratio import unquantized_leak
from qmis_stats.simulate.roc import empirical_roc
from qmis_stats.simulate.series import SimulatedSeries, tilted_series
from qmis_stats.simulate.tilted import tilted

__all__ = [
    "SimulatedSeries",
    "conditional",
    "crude",
    "empirical_roc",
    "likelihood_ratio",
    "pooled",
    "tilted",
    "tilted_series",
    "unquantized_leak",
]
