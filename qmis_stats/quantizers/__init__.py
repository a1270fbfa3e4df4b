"""Quantizers: float weights to codewords.

Those of the theory act on one coordinate (:mod:`~qmis_stats.quantizers.thresholds`), those of
:mod:`~qmis_stats.quantizers.weights` on real weight tensors; the latter are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_OF_WEIGHTS = {"DEFAULT_QUANTIZERS", "PTQIndicator", "WeightQuantizer", "ptq_indicator", "quantizer"}


def __getattr__(name: str) -> Any:
    """Import the quantizers of weight tensors on first use."""
    if name not in _OF_WEIGHTS:
        raise AttributeError(f"module 'qmis_stats.quantizers' has no attribute {name!r}")
    value = getattr(import_module("qmis_stats.quantizers.weights"), name)
    globals()[name] = value
    return value
