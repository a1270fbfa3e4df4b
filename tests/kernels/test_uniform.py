"""Bits to uniforms: exact at the extremes, uniform, independent of the order of draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend
from qmis_kernels.uniform import uniform


def halves(word: int) -> tuple[np.uint64, np.uint64]:
    """Return the low and the high half of a 64-bit word."""
    return np.uint64(int(word) & 0xFFFFFFFF), np.uint64(int(word) >> 32)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0, 2.0**-53),
        (2**12 - 1, 2.0**-53),
        (2**12, 3 * 2.0**-53),
        (2**63 - 1, 0.5 - 2.0**-53),
        (2**63, 0.5 + 2.0**-53),
        (2**64 - 1, 1.0 - 2.0**-53),
    ],
)
def test_extremes(word: int, expected: float) -> None:
    assert uniform(*halves(word)) == expected


def test_random_words_follow_the_published_map() -> None:
    words = np.random.default_rng(1).integers(0, 2**64, 2000, dtype=np.uint64)
    assert all(uniform(*halves(word)) == ((int(word) >> 11) | 1) * 2.0**-53 for word in words)


@pytest.mark.statistical
def test_uniform_in_two_dimensions(alpha: float) -> None:
    draws = backend().uniforms((3, 0), 0, 0, 100_000, 2)
    cells = (draws[:, 0] * 32).astype(int) * 32 + (draws[:, 1] * 32).astype(int)
    assert stats.chisquare(np.bincount(cells, minlength=1024)).pvalue > alpha
    repeated = (draws[:, 0] * 32).astype(int) * 33
    assert stats.chisquare(np.bincount(repeated, minlength=1024)).pvalue < alpha


@pytest.mark.parametrize("draws", [0, 1, 2, 3, 8])
def test_fewer_draws_are_a_prefix(draws: int) -> None:
    table = backend()
    longest = table.uniforms((3, 4), 5, 6, 10, 9)
    np.testing.assert_array_equal(table.uniforms((3, 4), 5, 6, 10, draws), longest[:, :draws])
