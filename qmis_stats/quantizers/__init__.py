"""Quantizers: float weights to codewords."""

from qmis_stats.quantizers.thresholds import (
    FixedThresholds,
    LloydMax,
    ScalarQuantizer,
    Sign,
    Ternary,
    Uniform,
)

__all__ = ["FixedThresholds", "LloydMax", "ScalarQuantizer", "Sign", "Ternary", "Uniform"]
