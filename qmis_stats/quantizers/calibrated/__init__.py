"""Quantizers that see data: they choose codes by what a layer does to the inputs that they are given."""

from qmis_stats.quantizers.calibrated.adaround import AdaRound
from qmis_stats.quantizers.calibrated.awq import AWQ
from qmis_stats.quantizers.calibrated.base import Calibrated, CalibratedQuantizer
from qmis_stats.quantizers.calibrated.gptq import GPTQ

__all__ = ["AWQ", "GPTQ", "AdaRound", "Calibrated", "CalibratedQuantizer"]
