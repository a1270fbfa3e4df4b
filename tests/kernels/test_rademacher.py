"""Sums with random signs against dense signs read off the generator's words, and the signs themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qmis_kernels import backend
from qmis_kernels.rademacher import BAND, LANES, REPLICATES, TILES
from qmis_kernels.reference import philox

pytestmark = pytest.mark.grid(3)

KEY, STREAM = (2**32 - 5, 77), 9


def dense_signs(first: int, count: int, point: int, points: int) -> np.ndarray:
    """Return the signs one by one: bit i % 32 of word (i // 32) % 4 of block i // 128."""
    signs = np.empty((count, points))
    for r in range(count):
        for i in range(points):
            number = point + i
            counter = ((first + r) % 2**32, (first + r) >> 32, number // 128, STREAM)
            words = philox(tuple(np.array([c], dtype=np.uint64) for c in counter), tuple(map(np.uint64, KEY)))
            signs[r, i] = 1.0 if int(words[number // 32 % 4][0]) >> (number % 32) & 1 else -1.0
    return signs


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize("point", [0, 384, 2**39 - 384])
def test_single_points_show_their_signs(name: str, point: int) -> None:
    points = 300
    found = backend(name).rademacher_sums(KEY, STREAM, 2**32 - 2, 4, np.eye(points), point)
    np.testing.assert_array_equal(found, dense_signs(2**32 - 2, 4, point, points))


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize("N", [0, 1, 7, 8, 9, 63, 65, 128, 511, 513, pytest.param(BAND + 3, marks=pytest.mark.long)])
@pytest.mark.parametrize("M", [0, 1, 9])
def test_whole_numbers_exactly(name: str, M: int, N: int) -> None:
    """Sums of whole numbers have no rounding."""
    table = backend(name)
    values = np.random.default_rng(N + M).integers(-1000, 1000, (M, N)).astype(float)
    signs = table.rademacher_sums(KEY, STREAM, 5, 7, np.eye(N)) if N else np.zeros((7, 0))
    np.testing.assert_array_equal(table.rademacher_sums(KEY, STREAM, 5, 7, values), signs @ values.T)


def test_sums_are_exact_to_rounding() -> None:
    values = np.random.default_rng(1).standard_cauchy((3, 1000)) * 10.0 ** np.arange(3)[:, None]
    signs = backend().rademacher_sums(KEY, STREAM, 5, 4, np.eye(1000))
    found = backend().rademacher_sums(KEY, STREAM, 5, 4, values)
    for r in range(4):
        for m in range(3):
            exact = math.fsum(signs[r] * values[m])
            # seven additions within a group, then at most 64 groups and two stretches
            assert abs(found[r, m] - exact) <= (7 + 64 + 2) * 2.0**-53 * np.abs(values[m]).sum()


def test_another_order_of_additions_is_seen() -> None:
    """The control of all comparisons of bits."""
    values = np.random.default_rng(1).normal(size=(3, 1000))
    signs = backend().rademacher_sums(KEY, STREAM, 5, 40, np.eye(1000))
    found = backend().rademacher_sums(KEY, STREAM, 5, 40, values)
    plain = np.zeros_like(found)
    for i in range(1000):
        plain += signs[:, i, None] * values[:, i]
    assert np.mean(found != plain) > 0.5


@pytest.mark.parametrize(
    ("count", "M", "N"),
    [(1, 1, 1), (3, 2, 20), (REPLICATES + 1, 1, 70), (600, 9, 130), (5, LANES * TILES + 1, 40), (2, 3, 2 * BAND + 5)],
)
def test_bits_equal_the_reference_for_any_number_of_threads(
    count: int, M: int, N: int, one_and_all_threads, same_bits
) -> None:
    values = np.random.default_rng(count + M + N).normal(size=(M, N))
    expected = backend("reference").rademacher_sums(KEY, STREAM, 2**32 - 3, count, values, 256)
    for _ in one_and_all_threads():
        same_bits(backend().rademacher_sums(KEY, STREAM, 2**32 - 3, count, values, 256), expected)


def test_columns_can_be_given_in_parts() -> None:
    values = np.random.default_rng(2).integers(-9, 9, (3, 500)).astype(float)
    whole = backend().rademacher_sums(KEY, STREAM, 0, 10, values)
    parts = [backend().rademacher_sums(KEY, STREAM, 0, 10, values[:, i : i + 128], i) for i in range(0, 500, 128)]
    np.testing.assert_array_equal(sum(parts), whole)


def test_arrays_in_any_memory_order(same_bits) -> None:
    values = np.random.default_rng(2).normal(size=(6, 200))
    expected = backend().rademacher_sums(KEY, STREAM, 0, 10, values[::2, ::2].copy())
    same_bits(backend().rademacher_sums(KEY, STREAM, 0, 10, values[::2, ::2]), expected)
    turned = np.asfortranarray(values)[::2, ::2]
    same_bits(backend().rademacher_sums(KEY, STREAM, 0, 10, turned), expected)


def largest_deviation(signs: np.ndarray) -> float:
    """Return the largest z-score of the means of signs and of the products of all pairs of points and replicates."""
    count, points = signs.shape
    by_point, by_replicate = signs.sum(axis=0) / np.sqrt(count), signs.sum(axis=1) / np.sqrt(points)
    across_points, across_replicates = signs.T @ signs / np.sqrt(count), signs @ signs.T / np.sqrt(points)
    return max(
        np.abs(by_point).max(),
        np.abs(by_replicate).max(),
        np.abs(np.triu(across_points, 1)).max(),
        np.abs(np.triu(across_replicates, 1)).max(),
    )


@pytest.mark.statistical
@pytest.mark.parametrize("first", [0, 2**32 - 500])
def test_signs_are_balanced_and_independent(first: int) -> None:
    """The largest of a million numbers: a normal one is beyond 8 with probability 1e-15."""
    signs = backend().rademacher_sums(KEY, STREAM, first, 1000, np.eye(900))
    assert largest_deviation(signs) < 8.0
    copied = signs.copy()
    copied[:, 700] = copied[:, 3]
    assert largest_deviation(copied) > 30.0
    unbalanced = signs.copy()
    unbalanced[:, 5] = np.where(np.arange(1000) % 2, 1.0, unbalanced[:, 5])
    assert largest_deviation(unbalanced) > 10.0


@pytest.mark.statistical
def test_moments_are_those_of_the_multiplier_bootstrap(largest_z: float) -> None:
    values = np.random.default_rng(3).normal(size=(4, 333)) + np.arange(333) / 100.0
    count = 100_000
    sums = backend().rademacher_sums(KEY, STREAM, 0, count, values)
    covariance = values @ values.T
    scale = np.sqrt(np.diag(covariance))
    assert np.abs(sums.mean(axis=0) / scale * np.sqrt(count)).max() < largest_z
    # E (x y)² <= sqrt(E x⁴ E y⁴) <= 3 var(x) var(y)
    error = (sums.T @ sums / count - covariance) / np.outer(scale, scale) * np.sqrt(count / 3.0)
    assert np.abs(error).max() < largest_z
