"""Our generators of Sobol's nets against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc

from qmis_stats.simulate.sobol import MAX_DIMENSION, sobol_generators


@pytest.mark.parametrize("log2_size", [1, 2, 4, 7, 12, 16])
@pytest.mark.parametrize("dimension", [1, 2, MAX_DIMENSION])
def test_generators_are_those_of_scipy(dimension: int, log2_size: int) -> None:
    """SciPy lists points in the order of the Gray code, where the one with index 2^j is number 2^(j+1) - 1."""
    points = qmc.Sobol(dimension, scramble=False, bits=26).random_base2(log2_size)
    expected = np.round(2**log2_size * points[2 ** np.arange(1, log2_size + 1) - 1]).T
    np.testing.assert_array_equal(sobol_generators(dimension, log2_size), expected)


def test_all_dimensions_are_there() -> None:
    assert MAX_DIMENSION == 64
    assert sobol_generators(MAX_DIMENSION, 26).max() < 2**26
