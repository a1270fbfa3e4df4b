"""Contrasts of groups against loops over single pairs of rows."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from qmis_kernels import backend, contrasts

pytestmark = pytest.mark.grid(4)

GROUPS = [[0], [0, 1], [0, 1, 2], [0, 3, 4, 9], [0, 1, 18, 20, 21, 54]]
REPLICATES = [1, 2, 7, 8, 9, 15, 16, 17, 100]


def one_by_one(estimates: np.ndarray, draws: np.ndarray, offsets: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return statistics and maxima by the definition: a division for each pair, sums correctly rounded."""
    G, B = len(offsets) - 1, draws.shape[1]
    statistics, maxima = np.zeros((G, G, 2)), np.zeros((G, G, B))
    for g in range(G):
        for h in range(G):
            if g == h:
                continue
            least, largest = [], []
            most = np.full(B, -np.inf)
            for i in range(offsets[g], offsets[g + 1]):
                ratios = []
                for j in range(offsets[h], offsets[h + 1]):
                    difference = draws[j] - draws[i]
                    scale = math.sqrt(math.fsum(difference**2) / B)
                    shift = float(estimates[j] - estimates[i])
                    if scale > 0.0:
                        ratios.append(shift / scale)
                        most = np.maximum(most, difference / scale)
                    else:
                        ratios.append(math.copysign(math.inf, shift) if shift else 0.0)
                        most = np.maximum(most, 0.0)
                least.append(min(ratios))
                largest.append(max(ratios))
            statistics[g, h], maxima[g, h] = (max(least), max(largest)), most
    return statistics, maxima


def problem(offsets: list[int], B: int, repeated: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return estimates and draws; when asked, rows are repeated and estimates are often equal."""
    rng = np.random.default_rng([B, *offsets])
    M = offsets[-1]
    draws, estimates = rng.normal(size=(M, B)), rng.normal(size=M)
    if repeated and M:
        draws, estimates = draws[rng.integers(0, 1 + M // 2, M)], rng.integers(0, 2, M) * 1.0
    return estimates, draws


@pytest.mark.parametrize("name", ["numba", "reference"])
@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("B", REPLICATES)
@pytest.mark.parametrize("offsets", GROUPS, ids=str)
def test_against_single_pairs(name: str, offsets: list[int], B: int, repeated: bool) -> None:
    estimates, draws = problem(offsets, B, repeated)
    found = backend(name).group_contrasts(estimates, draws, offsets)
    for ours, theirs in zip(found, one_by_one(estimates, draws, offsets), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=0.0)
        assert not np.signbit(ours[ours == 0.0]).any()


def test_rows_without_a_difference() -> None:
    draws = [[1.0, -1.0]] * 3
    statistics, maxima = backend().group_contrasts([0.0, 0.0, 1.0], draws, [0, 1, 2, 3])
    assert np.array_equal(statistics[:, :, 0], statistics[:, :, 1])
    assert statistics[:, :, 0].tolist() == [[0.0, 0.0, math.inf], [0.0, 0.0, math.inf], [-math.inf, -math.inf, 0.0]]
    assert (maxima == 0.0).all()


def test_a_missing_pair_is_seen() -> None:
    """The control: the last row of a group left out changes what is found."""
    offsets = GROUPS[-1]
    estimates, draws = problem(offsets, 40, False)
    draws[-1] *= 3.0
    estimates[-1] = -9.0
    statistics, maxima = backend().group_contrasts(estimates, draws, offsets)
    fewer = [*offsets[:-1], offsets[-1] - 1]
    without = one_by_one(estimates[:-1], draws[:-1], fewer)
    assert not np.allclose(statistics, without[0])
    assert not np.allclose(maxima, without[1])


@pytest.mark.parametrize("room", [1, 300, contrasts.ROOM])
@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("offsets", GROUPS, ids=str)
def test_bits_equal_the_reference_for_any_number_of_threads_and_batches(
    offsets: list[int],
    repeated: bool,
    room: int,
    one_and_all_threads,
    same_bits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contrasts, "ROOM", room)
    for B in (1, 9, 50):
        estimates, draws = problem(offsets, B, repeated)
        expected = backend("reference").group_contrasts(estimates, draws, offsets)
        for _ in one_and_all_threads():
            same_bits(backend().group_contrasts(estimates, draws, offsets), expected)


def test_no_order_of_rows_within_groups_matters(same_bits) -> None:
    offsets = [0, 5, 17, 30]
    estimates, draws = problem(offsets, 33, True)
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(np.arange(a, b)) for a, b in pairwise(offsets)])
    expected = backend().group_contrasts(estimates, draws, offsets)
    same_bits(backend().group_contrasts(estimates[order], draws[order], offsets), expected)


def test_scale_of_the_draws_divides_out() -> None:
    offsets = GROUPS[3]
    estimates, draws = problem(offsets, 20, False)
    statistics, maxima = backend().group_contrasts(estimates, draws, offsets)
    halved = backend().group_contrasts(estimates, draws * 2.0**200, offsets)
    np.testing.assert_array_equal(halved[0], statistics * 2.0**-200)
    np.testing.assert_array_equal(halved[1], maxima)


@pytest.mark.long
@pytest.mark.statistical
def test_the_noise_of_the_best_is_bounded(largest_z: float) -> None:
    """Two groups of equal means: the statistic exceeds the 95 % quantile of its maxima seldom enough."""
    rng = np.random.default_rng(4)
    tables, M, n = 400, 12, 200
    beyond = 0
    for _ in range(tables):
        values = rng.normal(size=(M, n))
        centred = values - values.mean(axis=1, keepdims=True)
        draws = backend().rademacher_sums((5, int(rng.integers(2**32))), 0, 0, 200, centred).T / n
        statistics, maxima = backend().group_contrasts(values.mean(axis=1), draws, [0, M // 2, M])
        beyond += statistics[0, 1, 0] > np.quantile(maxima[0, 1], 0.95)
    assert beyond <= 0.05 * tables + largest_z * np.sqrt(0.05 * 0.95 * tables)
