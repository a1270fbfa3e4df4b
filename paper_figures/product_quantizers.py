"""The quantizers of the figures on high dimension, each applied to every coordinate of a Gaussian mean."""

from __future__ import annotations

import numpy as np

from qmis_stats import GaussianMean, LloydMax, Problem, Sign, Ternary, ThresholdPTQ

__all__ = ["PRODUCT", "problem"]

PRODUCT = {
    "identity": LloydMax(6),  # 64 levels keep 99.9 % of the information, and stand in for no quantizer
    "lloyd-max-4": LloydMax(4),
    "lloyd-max-3": LloydMax(3),
    "lloyd-max-2": LloydMax(2),
    "sparse-33": Ternary(0.33),
    "sign": Sign(),
    "sparse-90": Ternary(0.90),
}
"""From the quantizer that retains the most information to the one that retains the least."""


def problem(quantizer: str, dimension: int) -> Problem:
    """Return the mean of standard normal points in this dimension, quantized."""
    law = GaussianMean(np.zeros(dimension), np.eye(dimension))
    return Problem(law, ThresholdPTQ(PRODUCT[quantizer]))
