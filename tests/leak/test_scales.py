"""What the scales of blocks, and several releases, add to what codes tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qmis_stats import leakage
from qmis_stats.leak import fit_from
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.leak.retained import _of_cells, cell_share, read_out, retained, scatter
from qmis_stats.quantizers import quantizer

ROWS, WIDTH = 160, 24


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(ROWS, WIDTH)) @ np.linalg.cholesky(0.4 ** np.abs(np.subtract.outer(*2 * [np.arange(WIDTH)]))).T
    y = X @ rng.normal(size=WIDTH) + rng.normal(size=ROWS)
    return fit_from(X, y, np.linalg.solve(X.T @ X + np.eye(WIDTH), X.T @ y), "squared", 1.0)


@pytest.mark.parametrize(
    "name",
    [
        "uniform-3:g1",
        "kmeans-2:g4",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("sign-scaled:g1", "nf4:g1:f32")),
    ],
)
def test_scales_of_single_weights_release_them(fit, name: str) -> None:
    found = leakage(fit, [name])
    assert found.auc[0] == pytest.approx(found.auc[1], abs=1e-5)
    assert found.delta[0] == pytest.approx(found.delta[1], abs=1e-5)


def test_smaller_blocks_tell_more(fit) -> None:
    names = [f"sign-scaled:g{size}" for size in (2, 4, 8, 12)]
    found = leakage(fit, [*names, "sign-scaled", "uniform-2:g4", "uniform-2:g12"])
    assert np.all(np.diff(found.retained[:5]) < 0.0)
    assert found.retained[5] > found.retained[6]


@pytest.mark.parametrize("name", ["sign-scaled:g6", "sparse-33:g8", "kmeans-1:g12", "q4_1"])
def test_released_combinations_are_conditioned_on(fit, name: str) -> None:
    """The same posterior in two steps: first given the combinations exactly, then given the codes."""
    spread = scatter(fit, leave_one_out(fit))
    [kept] = retained(fit, spread, [quantizer(name)])
    C, A, rho = spread.covariance, kept.combined, kept.share.ravel()
    assert len(A) == {"sign-scaled:g6": 4, "sparse-33:g8": 3, "kmeans-1:g12": 4, "q4_1": 0}[name]
    given = C - C @ A.T @ np.linalg.pinv(A @ C @ A.T) @ A @ C
    precision = rho / ((1.0 - rho) * np.diag(C))
    left = given - given @ np.linalg.solve(np.diag(1.0 / precision) + given, given)
    expected = np.einsum("ij,ij->i", fit.design @ (C - left), fit.design)
    np.testing.assert_allclose(read_out(spread, kept).along[0, :, 0, 0], expected, rtol=1e-5)
    if len(A):  # without them there is less to read
        bare = read_out(spread, replace(kept, combined=A[:0]))
        assert np.all(bare.along[0, :, 0, 0] <= expected * (1.0 + 1e-9))
        assert bare.share < read_out(spread, kept).share


def test_cells_taken_together_are_cells_one_by_one() -> None:
    rng = np.random.default_rng(2)
    weights, errors = rng.normal(size=(2, 3, 20)), rng.uniform(0.05, 0.5, size=(3, 20))
    means = weights + errors * rng.normal(size=(4, 2, 3, 20))
    blocks = quantizer("uniform-3:g8+sign")
    found = _of_cells(blocks, weights, means, errors, (3, 20)).reshape(4, 2, -1)
    for b, some in enumerate(weights):
        groups = blocks.cells(some)
        assert len({group.bounds for group in groups}) == len(groups)
        for one in groups:
            inside = np.arange(60)[one.inside]
            about = means[:, b].reshape(4, -1)[:, inside]
            expected = cell_share(one.edges, about, errors.ravel()[inside], one.bounds)
            expected[:, one.known] = 1.0
            np.testing.assert_allclose(found[:, b, inside], expected, rtol=1e-12)


@pytest.mark.long
def test_several_releases_tell_more_than_each(fit) -> None:
    pairs = [("nf4", "q8_0"), ("sign", "ternary-absmean"), ("sign-scaled:g6", "uniform-2")]
    singles = [name for pair in pairs for name in pair]
    found = leakage(fit, [*singles, *("+".join(pair) for pair in pairs)])
    kept = dict(zip(found.names, found.retained, strict=True))
    for one, other in pairs:
        assert kept[f"{one}+{other}"] >= max(kept[one], kept[other]) - 1e-9
    assert kept["sign+ternary-absmean"] > 1.05 * max(kept["sign"], kept["ternary-absmean"])
    assert "nf4+q8_0" in found.names
    assert found.bits[list(found.names).index("nf4+q8_0")] == pytest.approx(4.0 + np.log2(255.0))


def test_the_largest_magnitude_bounds_the_others(fit) -> None:
    """Eight bits of a block keep nearly all, and more than eight bits of the tensor: steps are smaller."""
    found = leakage(fit, ["uniform-8", "uniform-8:g8", "q8_0+nf4"])
    kept = dict(zip(found.names, found.retained, strict=True))
    assert 0.98 < kept["uniform-8"] < kept["uniform-8:g8"]
    [cells, *_] = quantizer("q4_0").cells(np.linspace(-3.0, 2.0, 40))
    assert cells.bounds == (-3.0, 3.0)


def test_shares_between_bounds_are_those_of_draws() -> None:
    """E (E[z | cell])², all being known beyond the bounds, against 4·10⁵ draws and eight standard errors."""
    edges, low, high, mean, error = np.array([-0.4, 0.3]), -0.9, 1.1, 0.2, 0.7
    z = np.random.default_rng(3).standard_normal(400_000)
    w = mean + error * z
    place = np.searchsorted(edges, w) + 10 * (w < low) + 20 * (w > high)
    told = z.copy()
    for cell in range(3):
        told[place == cell] = z[place == cell].mean()
    found = float(cell_share(edges, np.array([[mean]]), np.array([error]), (low, high))[0, 0])
    assert abs(np.mean(told**2) - found) < 8.0 * np.std(told**2) / np.sqrt(z.size)
    bare = float(cell_share(edges, np.array([[mean]]), np.array([error]))[0, 0])
    assert bare < found - 0.05
