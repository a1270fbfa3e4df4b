"""Elementary functions and normals against 40-digit arithmetic and SciPy."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from qmis_kernels import backend
from qmis_kernels.elementary import exp, log, log1p
from qmis_kernels.normal import normal

RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _forty_digits():
    with mpmath.workdps(40):
        yield


def units_in_last_place(found: float, exact: mpmath.mpf) -> float:
    return float(abs(mpmath.mpf(found) - exact)) / float(np.spacing(abs(float(exact))))


def test_log_within_one_unit() -> None:
    points = np.concatenate(
        [RNG.random(500), 10.0 ** RNG.uniform(-300, 300, 300), 1.0 + RNG.normal(size=500) * 1e-3, [2.0**-53]]
    )
    assert max(units_in_last_place(log(x), mpmath.log(x)) for x in points.tolist()) < 1.0
    assert log(1.0) == 0.0


def test_log1p_within_two_units() -> None:
    sizes = 10.0 ** RNG.uniform(-25, -0.001, 500)
    points = np.concatenate([sizes, -sizes])
    assert max(units_in_last_place(log1p(x), mpmath.log1p(x)) for x in points.tolist()) < 2.0


def test_exp_within_one_unit() -> None:
    points = np.concatenate([-700.0 * RNG.random(500), -(10.0 ** RNG.uniform(-20, 0, 300))])
    assert max(units_in_last_place(exp(x), mpmath.exp(x)) for x in points.tolist()) < 1.0
    assert exp(0.0) == 1.0
    assert exp(-750.0) == 0.0
    assert exp(-np.inf) == 0.0


def test_normal_quantiles_to_rounding() -> None:
    tails = 10.0 ** RNG.uniform(-15.9, 0, 200)
    points = np.concatenate([RNG.random(200), tails, 1.0 - tails, [2.0**-53, 1.0 - 2.0**-53, 0.075, 0.925]])
    points = points[(points > 0.0) & (points < 1.0)]
    for u in points.tolist():
        exact = mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(u) - 1)
        assert abs(normal(u) / exact - 1) < 2e-15
    np.testing.assert_allclose([normal(u) for u in points], special.ndtri(points), rtol=4e-15)


def test_quantiles_are_odd() -> None:
    points = ((RNG.integers(0, 2**52, 1000) << 1) | 1) * 2.0**-53
    assert all(normal(u) == -normal(1.0 - u) for u in points)


@pytest.mark.parametrize("draws", [1, 2, 5, 64])
def test_normals_are_quantiles_of_the_uniforms(draws: int) -> None:
    table = backend()
    u = table.uniforms((1, 2), 3, 4, 300, draws)
    expected = np.array([normal(x) for x in u.ravel()]).reshape(u.shape)
    np.testing.assert_array_equal(table.normals((1, 2), 3, 4, 300, draws), expected)


@pytest.mark.statistical
def test_normals_are_standard_normal(alpha: float) -> None:
    z = backend().normals((9, 0), 0, 0, 50_000, 4).ravel()
    assert stats.kstest(z, "norm").pvalue > alpha
    assert stats.kstest(z * 1.05, "norm").pvalue < alpha
