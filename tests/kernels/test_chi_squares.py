"""Chi-square and gamma numbers against their exact distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend

COUNT = 50_000
DOF = [1, 2, 3, 8, 120, 10**9]
SHAPES = [0.0625, 0.3, 0.99, 1.0, 2.5, 1e4]


@pytest.mark.statistical
def test_chi_square_distribution(alpha: float) -> None:
    draws = backend().chi_squares((1, 0), 0, 0, COUNT, DOF)
    for i, dof in enumerate(DOF):
        assert stats.kstest(draws[:, i], "chi2", args=(dof,)).pvalue > alpha
    assert stats.kstest(draws[:, 4], "chi2", args=(121,)).pvalue < alpha


@pytest.mark.statistical
def test_gamma_distribution(alpha: float) -> None:
    draws = backend().gammas((1, 0), 1, 0, COUNT, SHAPES)
    for i, shape in enumerate(SHAPES):
        assert stats.kstest(draws[:, i], "gamma", args=(shape,)).pvalue > alpha
    assert stats.kstest(draws[:, 2], "gamma", args=(1.99,)).pvalue < alpha  # as without the power of the uniform


@pytest.mark.statistical
def test_entries_are_independent(largest_z: float) -> None:
    table = backend()
    for draws in (
        table.chi_squares((2, 0), 0, 0, COUNT, [3, 3, 7]),
        table.gammas((2, 0), 1, 0, COUNT, [0.4, 0.4, 3.0]),
    ):
        ranks = stats.rankdata(draws, axis=0) / COUNT - 0.5
        for i, j in ((0, 1), (0, 2), (1, 2)):
            product = ranks[:, i] * ranks[:, j]
            assert abs(product.mean()) < largest_z * product.std() / np.sqrt(COUNT)
        square = ranks[:, 0] * ranks[:, 0]
        assert abs(square.mean()) > largest_z * square.std() / np.sqrt(COUNT)


def test_one_entry_is_a_wishart_matrix_of_size_one() -> None:
    table = backend()
    for dof in (1, 2, 9):
        expected = table.wishart_sums((3, dof), 4, 5, 200, dof, [[1.0]])[:, :, 0]
        np.testing.assert_allclose(table.chi_squares((3, dof), 4, 5, 200, [dof]), expected, rtol=1e-15)


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
    dof = rng.integers(1, 30, m)
    np.testing.assert_array_equal(table.chi_squares(*address, dof), oracle.chi_squares(*address, dof))
    shape = 10.0 ** rng.uniform(-1.2, 2.0, m)
    np.testing.assert_array_equal(table.gammas(*address, shape), oracle.gammas(*address, shape))
