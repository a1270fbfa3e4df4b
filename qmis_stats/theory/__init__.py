"""The first route: formulas, each with its domain."""

from qmis_stats.theory.bivariate_ratio import BivariateRatio
from qmis_stats.theory.canonical_evolution import CanonicalLaw, canonical_law
from qmis_stats.theory.certificates import certificate, collision_bound, worst_case_constant
from qmis_stats.theory.correlated_cells import CoordinateCells, centroid_correlation, coordinate_cells
from qmis_stats.theory.critical import critical, unquantized
from qmis_stats.theory.existence import largest_share
from qmis_stats.theory.high_dimension import Signal, gaussian_roc, high_dimension, signal
from qmis_stats.theory.mixed import mixed
from qmis_stats.theory.moderate import moderate
from qmis_stats.theory.proportional import proportional, unquantized_fit
from qmis_stats.theory.proximal_ratio import MemberPoints, ReadOutLaw, read_out_law
from qmis_stats.theory.retained import CellMoments, cell_moments, retained_information
from qmis_stats.theory.second_order import sharp2
from qmis_stats.theory.sharp import sharp
from qmis_stats.theory.shift_information import ShiftInformation, shift_information, unquantized_information
from qmis_stats.theory.state_evolution import EstimateLaw, LeastSquaresLaw, estimate_law

__all__ = [
    "BivariateRatio",
    "CanonicalLaw",
    "CellMoments",
    "CoordinateCells",
    "EstimateLaw",
    "LeastSquaresLaw",
    "MemberPoints",
    "ReadOutLaw",
    "ShiftInformation",
    "Signal",
    "canonical_law",
    "cell_moments",
    "centroid_correlation",
    "certificate",
    "collision_bound",
    "coordinate_cells",
    "critical",
    "estimate_law",
    "gaussian_roc",
    "high_dimension",
    "largest_share",
    "mixed",
    "moderate",
    "proportional",
    "read_out_law",
    "retained_information",
    "sharp",
    "sharp2",
    "shift_information",
    "signal",
    "unquantized",
    "unquantized_fit",
    "unquantized_information",
    "worst_case_constant",
]
