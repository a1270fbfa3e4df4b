"""The first route: formulas, each with its domain."""

from qmis_stats.theory.certificates import certificate, collision_bound, worst_case_constant
from qmis_stats.theory.critical import critical, unquantized
from qmis_stats.theory.high_dimension import Signal, gaussian_roc, high_dimension, signal
from qmis_stats.theory.mixed import mixed
from qmis_stats.theory.moderate import moderate
from qmis_stats.theory.proportional import proportional, unquantized_fit
from qmis_stats.theory.retained import CellMoments, cell_moments, retained_information
from qmis_stats.theory.second_order import sharp2
from qmis_stats.theory.sharp import sharp

__all__ = [
    "CellMoments",
    "Signal",
    "cell_moments",
    "certificate",
    "collision_bound",
    "critical",
    "gaussian_roc",
    "high_dimension",
    "mixed",
    "moderate",
    "proportional",
    "retained_information",
    "sharp",
    "sharp2",
    "signal",
    "unquantized",
    "unquantized_fit",
    "worst_case_constant",
]
