"""Correlations of centroids against quadrature, the arcsine law and limits."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from qmis_stats.errors import DomainError
from qmis_stats.theory import cell_moments, centroid_correlation, coordinate_cells
from qmis_stats.theory.correlated_cells import inverse_correlation


def exact(first: np.ndarray, second: np.ndarray, r: float) -> float:
    """Correlation of the centroids of two coordinates: the conditional mean of one, integrated over the other."""
    m, k = (cell_moments(e) for e in (first, second))
    ends = np.concatenate(([-12.0], first, [12.0]))

    def density(x: float) -> float:
        below = norm.cdf((second - r * x) / math.sqrt(1.0 - r * r))
        mean = float(k.centroid @ np.diff(np.concatenate(([0.0], below, [1.0]))))
        return mean * float(norm.pdf(x))

    parts = [quad(density, a, b, epsabs=1e-12, limit=200)[0] for a, b in itertools.pairwise(ends)]
    return float(m.centroid @ parts) / math.sqrt(m.retained * k.retained)


@pytest.mark.parametrize("r", [-0.95, -0.3, 0.5, 0.9])
def test_mehlers_expansion_is_the_sum_over_cells(r):
    edges = (np.array([-0.4, 0.1, 1.3]), np.array([0.7]))
    cells = coordinate_cells(edges, np.zeros(2), np.ones(2))
    found = centroid_correlation(cells, np.array([[1.0, r], [r, 1.0]]))
    truth = exact(*edges, r)
    assert found[0, 1] == found[1, 0] == pytest.approx(truth, abs=1e-9)
    # The first term alone is what uncorrelated errors of quantization would give.
    assert abs(r * math.sqrt(float(np.prod(cells.retained))) - truth) > 5e-4


@pytest.mark.parametrize("r", [0.3, 0.9, 0.99])
def test_signs_have_the_arcsine_law(r):
    cells = coordinate_cells((np.zeros(1),) * 2, np.zeros(2), np.ones(2))
    found = centroid_correlation(cells, np.array([[1.0, r], [r, 1.0]]))[0, 1]
    assert found == pytest.approx(2.0 / math.pi * math.asin(r), abs=1e-10)


def test_hundreds_of_levels_have_the_correlation_of_the_coordinates():
    fine = np.linspace(-8.0, 8.0, 801)
    cells = coordinate_cells((fine, fine), np.array([0.3, 0.0]), np.array([1.0, 2.0]))
    assert centroid_correlation(cells, np.array([[1.0, 0.8], [0.8, 1.0]]))[0, 1] == pytest.approx(0.8, abs=2e-4)


def test_the_matrix_is_positive_definite_for_any_cells_and_correlations():
    rng = np.random.default_rng(3)
    for _ in range(20):
        d = int(rng.integers(2, 9))
        root = rng.normal(size=(d, 2)) @ rng.normal(size=(2, d)) + 0.05 * rng.normal(size=(d, d))
        correlation = np.corrcoef(root)
        edges = tuple(np.sort(rng.normal(size=int(rng.integers(1, 5))) * 3.0) for _ in range(d))
        cells = coordinate_cells(edges, np.zeros(d), np.ones(d))
        found = centroid_correlation(cells, correlation)
        assert np.linalg.eigvalsh(found)[0] > -1e-12
        assert np.all(np.abs(found) <= 1.0 + 1e-12)


def test_cells_that_are_never_left():
    cells = coordinate_cells((np.array([60.0]), np.empty(0), np.zeros(1)), np.zeros(3), np.ones(3))
    assert cells.retained[:2].tolist() == [0.0, 0.0]
    found = centroid_correlation(cells, np.full((3, 3), 0.5) + 0.5 * np.eye(3))
    assert found.tolist() == np.eye(3).tolist()


def test_coordinates_that_are_the_same():
    with pytest.raises(DomainError, match="the same to rounding"):
        inverse_correlation(np.ones((2, 2)))
