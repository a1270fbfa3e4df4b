"""Gaussian sums: the matrix product of the normals."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_kernels import backend


@pytest.mark.parametrize(("d", "p"), [(1, 1), (3, 2), (2, 5), (17, 17), (2, 0)])
def test_is_the_mean_plus_the_factor_times_the_normals(d: int, p: int) -> None:
    rng = np.random.default_rng(d)
    mean, factor = rng.normal(size=d), rng.normal(size=(d, p))
    table = backend()
    expected = mean + table.normals((5, 1), 2, 10, 50, p) @ factor.T
    np.testing.assert_allclose(table.gaussian_sums((5, 1), 2, 10, 50, mean, factor), expected, atol=1e-13)
