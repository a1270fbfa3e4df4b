"""Quantizers: float weights to codewords.

Those of the theory act on one coordinate (:mod:`~qmis_stats.quantizers.thresholds`), those of
:mod:`~qmis_stats.quantizers.weights` on real weight tensors; the latter are imported on first use.
"""

from typing import TYPE_CHECKING

from qmis_stats._lazy import lazy_names
from qmis_stats.quantizers.thresholds import (
    FixedThresholds,
    LloydMax,
    ScalarQuantizer,
    Sign,
    Ternary,
    Uniform,
)

if TYPE_CHECKING:
    from qmis_stats.quantizers.weights import (
        DEFAULT_QUANTIZERS,
        PTQIndicator,
        WeightQuantizer,
        ptq_indicator,
        quantizer,
    )

__all__ = [
    "DEFAULT_QUANTIZERS",
    "FixedThresholds",
    "LloydMax",
    "PTQIndicator",
    "ScalarQuantizer",
    "Sign",
    "Ternary",
    "Uniform",
    "WeightQuantizer",
    "ptq_indicator",
    "quantizer",
]

__getattr__, __dir__ = lazy_names(
    __name__, {"weights": ("DEFAULT_QUANTIZERS", "PTQIndicator", "WeightQuantizer", "ptq_indicator", "quantizer")}
)
