"""Scrambled Sobol' nets: structure, uniformity, independence of their address, and what they gain."""

import math

import numpy as np
import pytest
from scipy.stats import kstest, qmc

import qmis_kernels
from qmis_stats.scores import Draw
from qmis_stats.simulate.nets import _digits, scrambled_uniforms

KERNELS = qmis_kernels.backend("reference")
Z = 6.0


def nets(count, dimension, log2, stream=0, seed=1):
    return scrambled_uniforms(Draw(KERNELS, (seed, 2), stream), 0, count, dimension, log2)


@pytest.mark.parametrize(("dimension", "log2"), [(1, 3), (5, 6), (21, 9)])
def test_generators_are_those_of_scipy(dimension, log2):
    weights = 0.5 ** np.arange(1, log2 + 1)
    generators = _digits(dimension, log2)
    index = np.arange(2**log2)[:, None] >> np.arange(log2) & 1
    points = np.stack([(index @ g % 2) @ weights for g in generators.astype(int)], axis=1)
    expected = qmc.Sobol(dimension, scramble=False).random_base2(log2)
    assert np.array_equal(points[np.lexsort(points.T)], expected[np.lexsort(expected.T)])


def test_every_dyadic_box_of_the_plane_holds_one_point():
    """The first two coordinates are a (0, m, 2)-net, and scrambling keeps it one."""
    u = nets(4, 2, 6)
    for x, y in u:
        for i in range(7):
            cells = np.floor(x * 2**i).astype(int) * 2 ** (6 - i) + np.floor(y * 2 ** (6 - i)).astype(int)
            assert np.array_equal(np.sort(cells), np.arange(64))


@pytest.mark.statistical
def test_each_point_is_uniform():
    u = nets(4000, 3, 4)
    for p in range(3):
        for i in (0, 7, 15):
            assert kstest(u[:, p, i], "uniform").pvalue > 1e-9
    assert np.all((u > 0.0) & (u < 1.0))
    # Two points of a net are correlated through their strata, two coordinates and two nets are not.
    for a, b in ((u[:, 0, 3], u[:, 1, 3]), (u[:-1, 0, 3], u[1:, 0, 3])):
        assert abs(np.corrcoef(a, b)[0, 1]) * math.sqrt(4000) < Z


@pytest.mark.statistical
@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_unbiased_and_far_better_than_random(dimension):
    u = nets(400, dimension, 8)
    values = np.mean(np.exp(u.sum(axis=1)), axis=1)
    exact = (math.e - 1.0) ** dimension
    assert abs(values.mean() - exact) < Z * values.std(ddof=1) / 20.0
    random_variance = (((math.e**2 - 1.0) / 2.0) ** dimension - exact**2) / 256
    assert values.var(ddof=1) < random_variance / (3000 if dimension == 1 else 100)


def test_the_address_decides():
    whole = nets(6, 3, 5)
    for backend in ("numba", "reference"):
        part = scrambled_uniforms(Draw(qmis_kernels.backend(backend), (1, 2), 0), 4, 2, 3, 5)
        assert np.array_equal(whole[4:], part)
    assert not np.array_equal(whole, nets(6, 3, 5, stream=1))
    assert not np.array_equal(whole, nets(6, 3, 5, seed=2))
