"""Moments and tails of the normals, against their exact values with exact variances."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats
from scipy.special import factorial2

from qmis_kernels import backend

CHUNKS, ROWS, DRAWS = 8, 2**18, 8
SIZE = CHUNKS * ROWS * DRAWS
HIGHEST = 8

# The eighth power has skewness 110: the mean of 2^25 of them has a tail of about 1e-9 at the suite's bound of 6.2.
LARGEST_Z = 6.4


@pytest.fixture(scope="module")
def power_sums() -> dict[str, np.ndarray]:
    """Sums of the powers 0 to 8 of the normals, and of wrong ones: wider, and shifted."""
    sums = {"right": np.zeros(HIGHEST + 1), "wider": np.zeros(HIGHEST + 1), "shifted": np.zeros(HIGHEST + 1)}
    for z in normals():
        for name, values in (("right", z), ("wider", 1.01 * z), ("shifted", z + 0.01)):
            power = np.ones_like(values)
            for order in range(HIGHEST + 1):
                sums[name][order] += power.sum()
                power *= values
    return sums


def normals() -> Iterator[np.ndarray]:
    """Normals of consecutive replicates, in blocks."""
    for chunk in range(CHUNKS):
        yield backend().normals((31, 41), 59, chunk * ROWS, ROWS, DRAWS).ravel()


def moment(order: int) -> float:
    """Return E z^order."""
    return 0.0 if order % 2 else float(factorial2(order - 1, exact=True)) if order else 1.0


def score(total: float, order: int) -> float:
    """Return the z-score of a sum of powers."""
    variance = moment(2 * order) - moment(order) ** 2
    return (total / SIZE - moment(order)) / np.sqrt(variance / SIZE)


@pytest.mark.statistical
@pytest.mark.parametrize("order", range(1, HIGHEST + 1))
def test_moments(order: int, power_sums: dict[str, np.ndarray]) -> None:
    assert power_sums["right"][0] == SIZE
    assert abs(score(power_sums["right"][order], order)) < LARGEST_Z
    assert abs(score(power_sums["shifted" if order % 2 else "wider"][order], order)) > LARGEST_Z


@pytest.mark.statistical
def test_tails(alpha: float) -> None:
    """Counts beyond 4 and 5 standard deviations on either side are binomial."""
    limits = np.array([4.0, 5.0])
    above, below, wider = (np.zeros(2, dtype=int) for _ in range(3))
    for z in normals():
        far = z[np.abs(z) > 3.0][:, None]
        above += (far > limits).sum(axis=0)
        below += (far < -limits).sum(axis=0)
        wider += (1.2 * far > limits).sum(axis=0)
    for i, limit in enumerate(limits):
        p = float(stats.norm.sf(limit))
        assert stats.binomtest(int(above[i]), SIZE, p).pvalue > alpha
        assert stats.binomtest(int(below[i]), SIZE, p).pvalue > alpha
        assert stats.binomtest(int(wider[i]), SIZE, p).pvalue < alpha
