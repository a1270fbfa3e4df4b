"""The NumPy backend: specification of every function in plain array operations, oracle of the compiled one.

Random numbers, counts and sums equal those of every other backend to the last bit, because the same
operations are done in the same order; :func:`product_log_ratios` takes its normal probabilities from SciPy
instead and agrees to rounding.

Arguments that all random functions share
-----------------------------------------
key : (int, int)
    Seed and experiment, each in [0, 2^32).
stream : int
    In [0, 2^32): separates purposes within one experiment.
first : int
    Number of the first replicate, in [0, 2^63).
count : int
    How many replicates: the length of the first axis of the result.
"""

from qmis_kernels.reference.add_one import add_one_wins
from qmis_kernels.reference.chi_square import gammas
from qmis_kernels.reference.contrasts import group_contrasts
from qmis_kernels.reference.exposure import proximal_moments, read_out_ratios
from qmis_kernels.reference.exposure_masses import exposure_integrals
from qmis_kernels.reference.gaussian import gaussian_sums
from qmis_kernels.reference.generator import philox, uniforms
from qmis_kernels.reference.likelihood import product_log_ratios
from qmis_kernels.reference.logistic import logistic_fits, logistic_sums
from qmis_kernels.reference.mixture import mixture_sums
from qmis_kernels.reference.multinomial import multinomial_sums
from qmis_kernels.reference.normal import normals
from qmis_kernels.reference.pairs import all_pairs_rows, all_pairs_wins
from qmis_kernels.reference.power_sums import centred_power_sums, resampled_power_sums
from qmis_kernels.reference.rademacher import rademacher_sums
from qmis_kernels.reference.rank_one import rank_one_updates
from qmis_kernels.reference.regression import regression_factors, regression_sums
from qmis_kernels.reference.wishart import wishart_sums

__all__ = [
    "add_one_wins",
    "all_pairs_rows",
    "all_pairs_wins",
    "centred_power_sums",
    "exposure_integrals",
    "gammas",
    "gaussian_sums",
    "group_contrasts",
    "logistic_fits",
    "logistic_sums",
    "mixture_sums",
    "multinomial_sums",
    "normals",
    "philox",
    "product_log_ratios",
    "proximal_moments",
    "rademacher_sums",
    "rank_one_updates",
    "read_out_ratios",
    "regression_factors",
    "regression_sums",
    "resampled_power_sums",
    "uniforms",
    "wishart_sums",
]
