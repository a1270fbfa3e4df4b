"""Thresholds of the weight quantizers: the codes of the weights are their places between the thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer

NAMES = [name for name in DEFAULT_QUANTIZERS if name != "identity"]
BLOCKS = ["uniform-4:g7", "fp4:g8:f16", "sign-scaled:g5", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"]


@pytest.mark.parametrize(
    "name", [*NAMES, "nf4-16", "uniform-4:channel", "sparse-33:channel", "kmeans-2:channel", *BLOCKS]
)
@pytest.mark.parametrize("seed", range(3))
def test_codes_are_places_between_the_thresholds(name: str, seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(4, 24)) * 0.3
    chosen = quantizer(name)
    codes = chosen.codes(weights).ravel()
    covered = 0
    for cells in chosen.cells(weights):
        group = weights.ravel()[cells.inside]
        assert np.all(np.diff(cells.edges) > 0.0)
        places = np.searchsorted(cells.edges, group)
        # The same order and the same ties: places and codes name the same cells.
        rows = {(int(a), int(b)) for a, b in zip(places, codes[cells.inside], strict=True)}
        assert len({a for a, _ in rows}) == len({b for _, b in rows}) == len(rows)
        assert sorted(rows) == sorted(rows, key=lambda row: row[1])
        covered += group.size
    assert covered == weights.size


@pytest.mark.parametrize("name", ["uniform-4", "nf4", "uniform-asym-4"])
def test_released_scales_give_the_extreme_weights_away(name: str) -> None:
    weights = np.random.default_rng(5).normal(size=40)
    [cells] = quantizer(name).cells(weights)
    assert int(np.argmax(np.abs(weights))) in cells.known
    moved = weights.copy()
    moved[cells.known[0]] *= 1.01
    assert not np.array_equal(quantizer(name).quantize(moved), quantizer(name).quantize(weights))


def test_no_quantization_gives_all_weights_away() -> None:
    [cells] = quantizer("identity").cells([0.3, -0.2])
    assert cells.edges.size == 0
    assert cells.known.tolist() == [0, 1]


def test_weights_of_zero_have_cells_without_a_warning() -> None:
    for name in NAMES:
        for cells in quantizer(name).cells(np.zeros(6)):
            assert np.all(np.isfinite(cells.edges))
