"""Log likelihood ratios of a product quantizer against 50-digit arithmetic and exact identities."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend

KEY = (21, 4)


def exact_log_ratios(z: np.ndarray, n: int, thresholds: list[list[float]]) -> tuple[float, float]:
    """Compute both log ratios of one replicate from its normals, in the units of one sample."""
    d = len(thresholds)

    def probability(low: float, high: float, mean: mpmath.mpf, deviation: mpmath.mpf) -> mpmath.mpf:
        a, b = (mpmath.mpf(low) - mean) / deviation, (mpmath.mpf(high) - mean) / deviation
        if a > -b:
            a, b = -b, -a
        return (mpmath.erfc(-b / mpmath.sqrt(2)) - mpmath.erfc(-a / mpmath.sqrt(2))) / 2

    with mpmath.workdps(50):
        root, size = mpmath.sqrt(n), mpmath.mpf(n)
        spread = mpmath.sqrt(size - 1) / size
        totals = [mpmath.mpf(0), mpmath.mpf(0)]
        for i, edges in enumerate(thresholds):
            w, g, h = z[2 * i], z[2 * i + 1], z[2 * d + i]
            for column, mean in enumerate((h / root, w / size + spread * g)):
                ends = [-mpmath.inf, *edges, mpmath.inf]
                cell = sum(mean >= edge for edge in edges)
                low, high = ends[cell], ends[cell + 1]
                given = probability(low, high, w / size, spread)
                totals[column] += mpmath.log(given / probability(low, high, mpmath.mpf(0), 1 / root))
        return float(totals[0]), float(totals[1])


@pytest.mark.parametrize(
    ("n", "thresholds"),
    [
        (2, [[0.0]]),
        (10, [[-0.3, 0.2], [0.1]]),
        (100, [[], [-0.05, 0.0, 0.05], [0.4]]),
        (500, [[-40.0, 40.0], [-40.0, -0.1, 0.01, 40.0], [-1e-5, 1e-5]]),
        (1_000_000, [[-1e-3, 1e-3], [0.0]]),
    ],
)
@pytest.mark.parametrize("name", ["numba", "reference"])
def test_against_fifty_digits(name: str, n: int, thresholds: list[list[float]]) -> None:
    edges = np.concatenate([np.array(e, dtype=float) for e in thresholds])
    offsets = np.cumsum([0] + [len(e) for e in thresholds])
    found = backend(name).product_log_ratios(KEY, 0, 0, 25, n, edges, offsets)
    z = backend().normals(KEY, 0, 0, 25, 3 * len(thresholds))
    expected = [exact_log_ratios(row, n, thresholds) for row in z]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12 if name == "numba" else 1e-10)


def test_no_coordinate_reveals_nothing() -> None:
    assert (backend().product_log_ratios(KEY, 0, 0, 4, 10, [], [0]) == 0.0).all()
    assert (backend().product_log_ratios(KEY, 0, 0, 4, 10, [], [0, 0, 0]) == 0.0).all()


def test_high_dimension_and_far_thresholds_are_finite() -> None:
    edges = np.tile([-40.0, -0.02, 0.02, 40.0], 4096)
    ratios = backend().product_log_ratios(KEY, 1, 0, 30, 500, edges, np.arange(4097) * 4)
    assert np.isfinite(ratios).all()
    assert ratios[:, 0].mean() < 0.0 < ratios[:, 1].mean()


@pytest.mark.statistical
def test_change_of_measure(largest_z: float) -> None:
    """The mean of Λ is 1 under the product law, that of 1/Λ under the joint law; Λ links the two."""
    edges, offsets = [-0.2, 0.1, 0.0, 0.3], [0, 2, 3, 4]
    product, joint = backend().product_log_ratios(KEY, 2, 0, 200_000, 12, edges, offsets).T

    def z(values: np.ndarray) -> float:
        return abs(values.mean()) / (values.std() / np.sqrt(values.size))

    assert z(np.exp(product) - 1.0) < largest_z
    assert z(np.exp(-joint) - 1.0) < largest_z
    assert z(np.exp(joint) - 1.0) > largest_z
    for threshold in (-0.2, 0.0, 0.2):
        assert z((joint > threshold) - np.exp(product) * (product > threshold)) < largest_z
    assert z((joint > 0.0) - 1.0 * (product > 0.0)) > largest_z


@pytest.mark.statistical
def test_both_columns_see_the_same_law_of_cells(alpha: float) -> None:
    """With one threshold, w and the sign of the log ratio tell the cell, whose probability is known."""
    n, edge, count = 30, 0.05, 100_000
    ratios = backend().product_log_ratios(KEY, 3, 0, count, n, [edge], [0, 1])
    w = backend().normals(KEY, 3, 0, count, 2)[:, 0]
    upper = stats.norm.sf(edge * np.sqrt(n))
    centre = edge * (1 - np.sqrt((n - 1) / n)) * n  # at this w both probabilities agree
    for column in range(2):
        above = (ratios[:, column] > 0) == (w > centre)
        assert stats.binomtest(int(above.sum()), count, upper).pvalue > alpha
        assert stats.binomtest(int(above.sum()), count, upper + 0.03).pvalue < alpha


@pytest.mark.parametrize("n", [2, 3, 10, 47, 500, 10**6, 10**12])
def test_polynomials_are_the_log_likelihood_ratio(n: int) -> None:
    """Half lines, wide, narrow and far cells: within rounding of the logarithms over the whole range of the member."""
    from qmis_kernels import likelihood
    from qmis_kernels._constants import DEGREE, REACH
    from qmis_kernels._interpolation import TERMS, pieces

    rng = np.random.default_rng(n)
    centres = np.concatenate([rng.normal(size=8), [0.0, 3.0, -6.0, 12.0, 30.0]])
    for width in (1e-9, 1e-3, 0.3, 1.0, 2.5, 6.0, 15.0):
        for centre in centres:
            edges = np.array([centre - width / 2, centre + width / 2]) / np.sqrt(n)
            tables = np.empty((3, pieces(n), TERMS))
            likelihood.cell_polynomials(tables, edges, np.array([0, 2]), n)
            w = np.concatenate([rng.uniform(-REACH, REACH, 200), [-8.2095, 0.0, 8.2095]])
            piece = np.minimum((0.5 * (w * pieces(n) / REACH + pieces(n))).astype(int), pieces(n) - 1)
            t = w * pieces(n) / REACH - (2 * piece + 1 - pieces(n))
            for cell in range(3):
                found = tables[cell, piece, DEGREE]
                for k in range(DEGREE - 1, -1, -1):
                    found = found * t + tables[cell, piece, k]
                sharpness = n / np.sqrt(n - 1.0)
                given = np.array([likelihood.log_cell(edges, 0, 2, cell, x / n, sharpness) for x in w])
                marginal = likelihood.log_cell(edges, 0, 2, cell, 0.0, np.sqrt(n))
                scale = 1.0 + np.abs(given) + abs(marginal)
                # Edges are rounded when they are shifted: the width of a narrow cell is known to that, no better.
                rounding = 1e-15 * (10.0 + abs(centre)) / width
                assert np.abs(found - (given - marginal)).max() < 3e-14 * scale.max() + rounding, (width, centre, cell)
