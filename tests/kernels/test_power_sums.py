"""Sums of powers against exact sums, resampled values against NumPy's indexing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qmis_kernels import backend
from qmis_kernels.power_sums import POWER_BLOCK, SPAN, TOGETHER

KEY, STREAM = (2**32 - 5, 77), 9
SIZES = [1, 2, 7, 8, 9, 100, POWER_BLOCK - 1, POWER_BLOCK, POWER_BLOCK + 1, 3 * POWER_BLOCK + 5]


def drawn(count: int, values: np.ndarray) -> np.ndarray:
    """Return the values that are drawn, shape (count, N)."""
    u = backend("reference").uniforms(KEY, STREAM, 5, count, values.size)
    return values[np.minimum(np.floor(u * values.size).astype(int), values.size - 1)]


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize("N", SIZES)
def test_whole_numbers_exactly(name: str, N: int) -> None:
    values = np.random.default_rng(N).integers(-9, 10, N).astype(float)
    picked = drawn(6, values)
    expected = np.stack([(picked**power).sum(axis=1) for power in range(1, 7)], axis=1)
    np.testing.assert_array_equal(backend(name).resampled_power_sums(KEY, STREAM, 5, 6, values), expected)


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_resampled_sums_to_rounding(name: str) -> None:
    values = np.random.default_rng(1).normal(size=777)
    picked = drawn(3, values)
    found = backend(name).resampled_power_sums(KEY, STREAM, 5, 3, values)
    for r in range(3):
        for power in range(1, 7):
            exact = math.fsum(picked[r] ** power)
            bound = (777 / 8 + 9) * 2.0**-53 * (np.abs(picked[r]) ** power).sum()
            assert abs(found[r, power - 1] - exact) <= bound


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize("N", [0, *SIZES])
def test_deviations_exactly(name: str, N: int) -> None:
    """Multiples of 1/4 up to 16: every sum is a whole number of 2^-12 below 2^53 of them."""
    rng = np.random.default_rng(N)
    values, reference, centres = (rng.integers(-20, 20, shape) / 4.0 for shape in ((5, N), N, 5))
    found = backend(name).centred_power_sums(values, reference, centres)
    d = values - reference - centres[:, None]
    for k in range(5):
        assert found[k].tolist() == [sum(int(4 * x) ** power for x in d[k]) / 4**power for power in range(2, 7)]


@pytest.mark.parametrize("name", ["numba", "reference"])
def test_deviations_to_rounding(name: str) -> None:
    rng = np.random.default_rng(2)
    values, reference, centres = rng.normal(size=(3, 5000)), rng.normal(size=5000), rng.normal(size=3)
    found = backend(name).centred_power_sums(values, reference, centres)
    d = (values - reference) - centres[:, None]
    for k in range(3):
        for power in range(2, 7):
            bound = (POWER_BLOCK / 8 + 3 + 5 + 4) * 2.0**-53 * (np.abs(d[k]) ** power).sum()
            assert abs(found[k, power - 2] - math.fsum(d[k] ** power)) <= bound


def test_another_order_of_additions_is_seen() -> None:
    """The control of all comparisons of bits."""
    rng = np.random.default_rng(2)
    values, reference, centres = rng.normal(size=(50, 900)), rng.normal(size=900), rng.normal(size=50)
    d = (values - reference) - centres[:, None]
    plain = np.add.accumulate(d * d, axis=1)[:, -1]
    assert np.mean(backend().centred_power_sums(values, reference, centres)[:, 0] != plain) > 0.5


def test_what_is_not_finite_shows() -> None:
    found = backend().centred_power_sums([[np.nan, 1.0], [1.0, 2.0], [np.inf, 0.0]], [0.0, 0.0], [0.0, 0.0, 0.0])
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()
    assert (found[2] == np.inf).all()


@pytest.mark.parametrize("K", [0, 1, TOGETHER, 2 * TOGETHER + 1])
@pytest.mark.parametrize("N", [1, 9, POWER_BLOCK * SPAN + 3, 2 * POWER_BLOCK * SPAN])
def test_bits_equal_the_reference_for_any_number_of_threads(K: int, N: int, one_and_all_threads, same_bits) -> None:
    rng = np.random.default_rng(K + N)
    values, reference, centres = rng.normal(size=(K, N)), rng.normal(size=N), rng.normal(size=K)
    expected = backend("reference").centred_power_sums(values, reference, centres)
    for _ in one_and_all_threads():
        same_bits(backend().centred_power_sums(values, reference, centres), expected)


@pytest.mark.parametrize("N", SIZES)
def test_resampling_equals_the_reference_for_any_number_of_threads(N: int, one_and_all_threads, same_bits) -> None:
    values = np.random.default_rng(N).normal(size=N)
    expected = backend("reference").resampled_power_sums(KEY, STREAM, 2**32 - 9, 23, values)
    for _ in one_and_all_threads():
        same_bits(backend().resampled_power_sums(KEY, STREAM, 2**32 - 9, 23, values), expected)


@pytest.mark.statistical
def test_every_value_is_drawn_equally_often(largest_z: float) -> None:
    """Powers of a large base count the draws of each of three values."""
    base, n, count = 1000.0, 3, 100_000
    sums = backend().resampled_power_sums(KEY, STREAM, 0, count, [1.0, base, base**2])[:, 0]
    counts = np.stack([sums % base, sums // base % base, sums // base**2])
    assert (counts.sum(axis=0) == n).all()
    z = (counts.sum(axis=1) - count) / np.sqrt(count * n * (1 / n) * (1 - 1 / n))
    assert np.abs(z).max() < largest_z
    all_three = np.mean((counts == 1.0).all(axis=0))
    assert abs(all_three - 2 / 9) < largest_z * np.sqrt(2 / 9 * 7 / 9 / count)
