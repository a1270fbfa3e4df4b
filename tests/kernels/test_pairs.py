"""All pairs against brute force, with ties and with shapes around the tile and block sizes."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_kernels import backend
from qmis_kernels.pairs import PAIR_BLOCK

SHAPES = [
    (0, 3, 2),
    (3, 0, 2),
    (1, 1, 1),
    (7, 13, 3),
    (PAIR_BLOCK + 1, 129, 2),
    (131, PAIR_BLOCK + 7, 5),
    (PAIR_BLOCK + 5, 130, 3),
    (129, PAIR_BLOCK + 3, 4),
    (60, 140, 6),
    (50, 257, 16),
]


def winners(sums: np.ndarray, points: np.ndarray, last: bool = False) -> np.ndarray:
    """Return the winning cell of every pair, shape (R, M); the last of equal scores when asked."""
    scores = sums[:, None, :] + points[None, :, :]
    if last:
        return scores.shape[2] - 1 - np.argmin(scores[:, :, ::-1], axis=2)
    return np.argmin(scores, axis=2)


def brute_force(cells: np.ndarray, weights: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    chosen = cells[:, :, None] == np.arange(coefficients.shape[1])
    return np.einsum("r,rmk->mk", weights, chosen), np.einsum("mk,rmk->r", coefficients, chosen)


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize(("R", "M", "K"), SHAPES)
def test_integers_with_many_ties_exactly(name: str, R: int, M: int, K: int) -> None:
    rng = np.random.default_rng(R + M + K)
    sums, points = rng.integers(0, 4, (R, K)).astype(float), rng.integers(0, 4, (M, K)).astype(float)
    weights, coefficients = rng.integers(-9, 9, R).astype(float), rng.integers(-9, 9, (M, K)).astype(float)
    wins, rows = brute_force(winners(sums, points), weights, coefficients)
    table = backend(name)
    np.testing.assert_array_equal(table.all_pairs_wins(sums, weights, points), wins)
    np.testing.assert_array_equal(table.all_pairs_rows(sums, points, coefficients), rows)


def test_giving_ties_to_the_last_cell_is_caught() -> None:
    rng = np.random.default_rng(0)
    sums, points = rng.integers(0, 4, (20, 3)).astype(float), rng.integers(0, 4, (30, 3)).astype(float)
    ones, coefficients = np.ones(20), rng.normal(size=(30, 3))
    wins, rows = brute_force(winners(sums, points, last=True), ones, coefficients)
    assert not np.array_equal(backend().all_pairs_wins(sums, ones, points), wins)
    assert not np.allclose(backend().all_pairs_rows(sums, points, coefficients), rows)


@pytest.mark.parametrize(("R", "M", "K"), SHAPES)
def test_bits_equal_the_reference_for_any_number_of_threads(R: int, M: int, K: int, one_and_all_threads) -> None:
    rng = np.random.default_rng(R * M + K)
    sums, points = rng.normal(size=(R, K)), rng.normal(size=(M, K))
    weights, coefficients = rng.random(R), rng.normal(size=(M, K))
    oracle = backend("reference")
    wins = oracle.all_pairs_wins(sums, weights, points)
    rows = oracle.all_pairs_rows(sums, points, coefficients)
    for _ in one_and_all_threads():
        np.testing.assert_array_equal(backend().all_pairs_wins(sums, weights, points), wins)
        np.testing.assert_array_equal(backend().all_pairs_rows(sums, points, coefficients), rows)


def test_every_point_shares_out_the_whole_weight() -> None:
    rng = np.random.default_rng(3)
    wins = backend().all_pairs_wins(rng.normal(size=(500, 6)), np.ones(500), rng.normal(size=(40, 6)))
    assert (wins.sum(axis=1) == 500.0).all()


def test_arrays_in_any_memory_order() -> None:
    rng = np.random.default_rng(4)
    sums, points = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    expected = backend().all_pairs_wins(sums, np.ones(30), points)
    found = backend().all_pairs_wins(np.asfortranarray(sums), np.ones(60)[::2], np.repeat(points, 2, axis=0)[::2])
    np.testing.assert_array_equal(found, expected)
