"""Uniforms fill the cube, also where the coordinates of a point come from different addresses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend

pytestmark = pytest.mark.grid(3)

POINTS = 200_000
BINS = {1: 4096, 2: 64, 3: 16, 4: 8}
SEED, EXPERIMENT, STREAM = 2024, 7, 3


def coordinates(pattern: str, dimensions: int) -> np.ndarray:
    """Return points whose coordinates are draws at neighbouring addresses, shape (POINTS, dimensions)."""
    table = backend()
    if pattern == "draws":
        return table.uniforms((SEED, EXPERIMENT), STREAM, 0, POINTS, dimensions)
    if pattern == "replicates":
        across_the_carry = 2**32 - POINTS
        flat = table.uniforms((SEED, EXPERIMENT), STREAM, across_the_carry, POINTS * dimensions, 1)
        return flat.reshape(POINTS, dimensions)
    steps = {"streams": (0, 0, 1), "experiments": (0, 1, 0), "seeds": (1, 0, 0)}[pattern]
    columns = []
    for i in range(dimensions):
        key = (SEED + i * steps[0], EXPERIMENT + i * steps[1])
        columns.append(table.uniforms(key, STREAM + i * steps[2], 0, POINTS, 1))
    return np.concatenate(columns, axis=1)


def equidistribution(points: np.ndarray) -> float:
    """Return the p-value of the numbers of points in equal cells; close to 1 when they are too even."""
    dimensions = points.shape[1]
    bins = BINS[dimensions]
    cells = np.ravel_multi_index((points * bins).astype(int).T, (bins,) * dimensions)
    return float(stats.chisquare(np.bincount(cells, minlength=bins**dimensions)).pvalue)


PATTERNS = ["draws", "replicates", "streams", "experiments", "seeds"]


@pytest.mark.statistical
@pytest.mark.parametrize("dimensions", sorted(BINS))
@pytest.mark.parametrize("pattern", PATTERNS)
def test_points_fill_the_cube(pattern: str, dimensions: int, alpha: float) -> None:
    points = coordinates(pattern, dimensions)
    assert alpha < equidistribution(points) < 1.0 - alpha
    bent = points.copy()
    bent[:, -1] **= 1.1
    assert equidistribution(bent) < alpha


@pytest.mark.statistical
@pytest.mark.parametrize("dimensions", [2, 3, 4])
def test_a_coordinate_used_twice_is_seen(dimensions: int, alpha: float) -> None:
    """The control for addresses that are not told apart: two coordinates share their address."""
    points = coordinates("streams", dimensions)
    points[:, -1] = points[:, 0]
    assert equidistribution(points) < alpha


def test_a_grid_is_too_even(alpha: float) -> None:
    grid = (np.arange(POINTS)[:, None] + 0.5) / POINTS
    assert equidistribution(grid) > 1.0 - alpha


def gaps(numbers: np.ndarray, share: float = 0.1, longest: int = 60) -> float:
    """Return the p-value of the gaps between visits to [0, share), which are geometric (D. Knuth, TAOCP 2, 3.3.2)."""
    visits = np.flatnonzero(numbers < share)
    lengths = np.minimum(np.diff(visits) - 1, longest)
    probabilities = share * (1.0 - share) ** np.arange(longest)
    probabilities = np.append(probabilities, (1.0 - share) ** longest)
    counts = np.bincount(lengths, minlength=longest + 1)
    return float(stats.chisquare(counts, lengths.size * probabilities).pvalue)


@pytest.mark.statistical
@pytest.mark.parametrize("pattern", PATTERNS)
def test_gaps_are_geometric(pattern: str, alpha: float) -> None:
    numbers = coordinates(pattern, 4).ravel()
    assert alpha < gaps(numbers) < 1.0 - alpha
    assert gaps(np.repeat(numbers[::2], 2)) < alpha


def rows_at(fold: bool) -> np.ndarray:
    """Return two draws at a million addresses: a base address and all changes of one bit of each part, combined."""
    table = backend()
    bits = [0, *(1 << b for b in range(32))]
    rows = []
    for seed in bits:
        for experiment in bits:
            for stream in bits:
                rows.append(table.uniforms((seed, experiment), stream >> 1 if fold else stream, 2**32 - 14, 28, 2))
    return np.concatenate(rows)


def distinct(rows: np.ndarray) -> int:
    return int(np.unique(np.ascontiguousarray(rows).view("V16")).size)


def test_a_million_addresses_have_a_million_results() -> None:
    """104 bits at each address: by chance two would agree with probability 1e-20."""
    assert distinct(rows_at(fold=False)) == 33**3 * 28
    assert distinct(rows_at(fold=True)) < 33**3 * 28
