"""Small matrices by formulas are those of LAPACK."""

import numpy as np
import pytest

from qmis_stats.leak.stacks import inverses, log_dets, products, solved


@pytest.mark.parametrize("size", [1, 2, 3])
def test_products_inverses_determinants_and_solutions_are_those_of_lapack(size):
    rng = np.random.default_rng(size)
    matrices, vectors = rng.normal(size=(4, 9, size, size)), rng.normal(size=(4, 9, size))
    np.testing.assert_allclose(products(matrices, matrices[:, :, :, :2]), matrices @ matrices[:, :, :, :2], atol=1e-14)
    np.testing.assert_allclose(inverses(matrices), np.linalg.inv(matrices), rtol=1e-10)
    np.testing.assert_allclose(log_dets(matrices), np.linalg.slogdet(matrices)[1], atol=1e-12)
    solutions = np.linalg.solve(matrices, vectors[..., None])[..., 0]
    np.testing.assert_allclose(solved(matrices, vectors), solutions, rtol=1e-10)
