"""Gamma numbers against their exact distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend
from qmis_kernels._constants import SQUEEZE

COUNT = 50_000
SHAPES = [0.0625, 0.3, 0.99, 1.0, 2.5, 60.0, 1e4, 5e8]


@pytest.mark.statistical
def test_gamma_distribution(alpha: float) -> None:
    draws = backend().gammas((1, 0), 1, 0, COUNT, SHAPES)
    for i, shape in enumerate(SHAPES):
        assert stats.kstest(draws[:, i], "gamma", args=(shape,)).pvalue > alpha
    assert stats.kstest(draws[:, 2], "gamma", args=(1.99,)).pvalue < alpha  # as without the power of the uniform


@pytest.mark.statistical
def test_entries_are_independent(largest_z: float) -> None:
    table = backend()
    for shapes in ([1.5, 1.5, 3.5], [0.4, 0.4, 3.0]):
        draws = table.gammas((2, 0), 1, 0, COUNT, shapes)
        ranks = stats.rankdata(draws, axis=0) / COUNT - 0.5
        for i, j in ((0, 1), (0, 2), (1, 2)):
            product = ranks[:, i] * ranks[:, j]
            assert abs(product.mean()) < largest_z * product.std() / np.sqrt(COUNT)
        square = ranks[:, 0] * ranks[:, 0]
        assert abs(square.mean()) > largest_z * square.std() / np.sqrt(COUNT)


@pytest.mark.parametrize("d", [2.0 / 3.0, 0.7, 1.0, 30.0, 1e4])
def test_what_the_squeeze_accepts_the_criterion_accepts(d: float) -> None:
    """The law stays exact: u < 1 - 0.0331 x^4 implies log u < x²/2 + d (1 - v + log v)."""
    x = np.linspace(-1.0, 1.0, 20_001) * SQUEEZE**-0.25
    y = x / np.sqrt(9.0 * d)
    bound = 0.5 * x * x + d * (-y * (3.0 + y * (3.0 + y)) + 3.0 * np.log1p(np.maximum(y, -1.0 + 1e-12)))

    def least_room(factor: float) -> float:
        limit = 1.0 - factor * x**4
        return float((bound - np.log(limit, where=limit > 0.0, out=np.full(x.size, -np.inf))).min())

    assert least_room(SQUEEZE) > -1e-12
    assert least_room(0.03) < -0.5 or d > 2.0 / 3.0


def test_no_gamma_number_underflows() -> None:
    draws = backend().gammas((4, 0), 0, 0, 200_000, [0.0625])
    assert draws.min() > np.finfo(np.float64).tiny
    lowest = np.log(2.0**-53) / 0.0625 + np.log((1.0625 - 1 / 3) * 2.0**-159)  # the smallest uniform and the smallest v
    assert lowest > np.log(np.finfo(np.float64).tiny)


@pytest.mark.parametrize("count", [0, 1, 60])
@pytest.mark.parametrize("m", [0, 1, 2, 5])
def test_bits_equal_the_reference(count: int, m: int) -> None:
    rng = np.random.default_rng(m)
    table, oracle = backend(), backend("reference")
    address = ((m, 3), 2, 2**40, count)
    shape = 10.0 ** rng.uniform(-1.2, 2.0, m)
    np.testing.assert_array_equal(table.gammas(*address, shape), oracle.gammas(*address, shape))
