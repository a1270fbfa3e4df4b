"""Problems that several claims use."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from qmis_stats.laws import FiniteLaw, GaussianMean, LinearRegression
from qmis_stats.problem import Problem
from qmis_stats.procedures import CodebookERM, LossTable, ThresholdPTQ
from qmis_stats.quantizers import FixedThresholds

__all__ = [
    "biased_coin",
    "gaussian_thresholds",
    "product_problem",
    "random_finite",
    "regression_pair",
    "regression_threshold",
]


def gaussian_thresholds(*thresholds: float, exponent: float = 0.0) -> Problem:
    """Return Z ~ N(0, 1) with the mean quantized at ``thresholds``, optionally times n^−exponent."""
    return Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(FixedThresholds(thresholds), exponent=exponent))


def regression_pair(rival: float, exponent: float = 0.0) -> Problem:
    """Return y = x·0 + N(0, 1), x ~ N(0, 1), with two codewords."""
    return Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [rival]], exponent=exponent))


def regression_threshold(distance: float) -> Problem:
    """Return y = x·0 + N(0, 1), x ~ N(0, 1), with the estimate quantized at one threshold."""
    return Problem(LinearRegression([0.0], [[1.0]], 1.0), ThresholdPTQ(FixedThresholds((distance,))))


def biased_coin() -> Problem:
    """Return a finite law on a lattice: a coin of bias 3/5 that is guessed to favour heads."""
    return Problem(FiniteLaw(["3/5", "2/5"]), LossTable([[0, 1], [1, 0]]))


def product_problem(dimension: int, thresholds: tuple[float, ...]) -> Problem:
    """Return N(0, I_d) with every coordinate of the mean cut at ``thresholds`` standard errors."""
    law = GaussianMean(np.zeros(dimension), np.eye(dimension))
    return Problem(law, ThresholdPTQ(FixedThresholds(thresholds, "standard_error")))


def random_finite(
    rng: np.random.Generator, atoms: tuple[int, int] = (2, 4), codewords: tuple[int, int] = (2, 6)
) -> Problem:
    """Return a finite law with a random rational table of small integer losses: ties are common."""
    m = int(rng.integers(atoms[0], atoms[1] + 1))
    k = int(rng.integers(codewords[0], codewords[1] + 1))
    masses = [int(x) for x in rng.integers(1, 10, size=m)]
    losses: Sequence[Sequence[int]] = rng.integers(-3, 4, size=(k, m)).tolist()
    return Problem(FiniteLaw([Fraction(x, sum(masses)) for x in masses]), LossTable(losses))
