"""Read-outs of quantized fits: proximal points, log likelihood ratios and their masses, against quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from qmis_kernels import backend, exposure_bins

pytestmark = pytest.mark.grid(3)

UNIT = 2.0**-40
POINTS = {  # a, s, q, y of each loss
    0: [(0.3, 0.5, 0.2, 1.0), (-1.0, 1.5, 2.0, 0.4), (0.0, 0.1, 1e-3, -2.0)],
    1: [(0.3, 0.5, 0.2, 1.0), (-1.2, 1.4, 3.0, 1.0), (2.0, 1.0, 8.0, 0.0), (0.1, 0.3, 1e-3, 1.0)],
    2: [(0.3, 0.5, 0.2, 1.0), (-0.5, 0.8, 1.0, 0.0), (1.0, 0.4, 0.5, 5.0)],
}
CASES = [(loss, *point) for loss, points in POINTS.items() for point in points]
SHAPES = [(0.4, 0.4), (0.8, 0.9), (0.99, 0.97), (0.6, 0.9)]


def gradient(loss: int, y: float, v: Any) -> Any:
    return v - y if loss == 0 else expit(v) - y if loss == 1 else np.exp(v) - y


def proximal(loss: int, u: float, q: float, y: float) -> float:
    return float(
        brentq(lambda v: v - u + q * gradient(loss, y, v), u - q * 60.0 - 60.0, u + q * 60.0 + 60.0, xtol=1e-13)
    )


def laws(loss: int, a: float, s: float, q: float, y: float, c: float, e: float) -> tuple[Any, Any, Any]:
    """Return a grid, and the densities of member and non-member on it, by plain sums over t."""
    t = np.linspace(-8.0, 8.0, 1601)
    mass = norm.pdf(t) * (t[1] - t[0])
    moved = np.array([(proximal(loss, a + s * x, q, y) - a - s * x) / s for x in t])
    w = np.linspace(-9.0, 9.0, 1801) + e * float(mass @ moved) * 0.5
    centre, spread = c * t + e * moved, np.sqrt(1.0 - c * c)
    return w, norm.pdf(w[:, None], centre, spread) @ mass, norm.pdf(w)


def arrays(*numbers: float) -> list[Any]:
    return [np.array([x]) for x in numbers]


@pytest.mark.parametrize(("loss", "a", "s", "q", "y"), CASES)
def test_moments_against_a_grid(loss: int, a: float, s: float, q: float, y: float) -> None:
    t = np.linspace(-9.0, 9.0, 2001)
    mass = norm.pdf(t) * (t[1] - t[0])
    moved = np.array([(proximal(loss, a + s * x, q, y) - a - s * x) / s for x in t])
    mean, cross = float(mass @ moved), float(mass @ (t * moved))
    [found] = backend().proximal_moments(*arrays(a, s, q, y), loss)
    expected = [mean, cross, float(mass @ (moved - mean) ** 2)]
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=1e-10 if loss == 0 else 1e-3)


@pytest.mark.parametrize("c_e", SHAPES)
@pytest.mark.parametrize(("loss", "a", "s", "q", "y"), CASES)
def test_ratios_and_masses_against_a_grid(loss: int, a: float, s: float, q: float, y: float, c_e: Any) -> None:
    c, e = c_e
    table = backend()
    points = [*arrays(a, s, q, y), loss]
    moments = table.proximal_moments(*points)
    w, inside, outside = laws(loss, a, s, q, y, c, e)
    chosen = np.flatnonzero((inside > 1e-4) & (outside > 1e-6))[::40]
    repeated = [np.repeat(x, chosen.size) for x in points[:4]]
    ratios = table.read_out_ratios(
        w[chosen], *repeated, loss, np.repeat(moments, chosen.size, 0), np.full(chosen.size, c), np.full(chosen.size, e)
    )
    np.testing.assert_allclose(
        ratios, np.log(inside[chosen] / outside[chosen]), rtol=0.0, atol=1e-6 if loss == 0 else 6e-3
    )
    tv, members, non_members = table.exposure_integrals(*points, moments, [[c]], [[e]], [1.0], [0], 1)
    step = w[1] - w[0]
    np.testing.assert_allclose(
        tv[0, 0], np.sum(np.maximum(inside - outside, 0.0)) * step, rtol=0.0, atol=3e-4 if loss == 0 else 1e-3
    )
    # Smooth expectations of the ratio under both laws.
    edges = exposure_bins()
    middle = 0.5 * (edges[1:] + edges[:-1])
    ratio = np.log(np.maximum(inside, 1e-300) / np.maximum(outside, 1e-300))
    for mass, density in ((members, inside), (non_members, outside)):
        expected = float(np.sum(density * expit(ratio))) * step
        assert float(mass[0, 0] @ expit(middle)) * UNIT == pytest.approx(expected, abs=2e-3)
    assert members.sum() * UNIT == pytest.approx(1.0, abs=2e-3)
    assert non_members.sum() * UNIT == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("c", "e", "f"), [(0.4, 0.3, 0.8), (0.8, 0.5, 1.5), (0.95, 0.9, 0.3), (0.0, 0.0, 1.0)])
@pytest.mark.parametrize(("loss", "a", "s", "q", "y"), CASES)
def test_pairs_against_a_grid(loss: int, a: float, s: float, q: float, y: float, c: float, e: float, f: float) -> None:
    """The laws of two read-outs by plain sums over t, on a grid of both."""
    t = np.linspace(-8.0, 8.0, 401)
    mass = norm.pdf(t) * (t[1] - t[0])
    moved = np.array([(proximal(loss, a + s * x, q, y) - a - s * x) / s for x in t])
    spread, middle = np.sqrt(1.0 - c * c), float(mass @ moved)
    w, v = (np.linspace(-9.0, 9.0, 361) + 0.5 * size * middle for size in (e, f))
    first = norm.pdf(w[:, None], c * t + e * moved, spread)
    inside = (first * mass) @ norm.pdf(v[:, None], f * moved, 1.0).T
    outside = np.outer(norm.pdf(w), norm.pdf(v))
    area = (w[1] - w[0]) * (v[1] - v[0])
    table, points = backend(), [*arrays(a, s, q, y), loss]
    given = table.proximal_moments(*points), [[c]], [[e]], [1.0], [0], 1
    tv, members, others = table.exposure_integrals(*points, *given, [[f]])
    expected = np.sum(np.maximum(inside - outside, 0.0)) * area
    np.testing.assert_allclose(tv[0, 0], expected, rtol=0.0, atol=2.5e-3 if c > 0.0 else 1.5e-2)
    edges = exposure_bins()
    tops = 0.5 * (edges[1:] + edges[:-1])
    ratio = np.log(np.maximum(inside, 1e-300) / np.maximum(outside, 1e-300))
    for found, density in ((members, inside), (others, outside)):
        assert float(found[0, 0] @ expit(tops)) * UNIT == pytest.approx(
            float(np.sum(density * expit(ratio))) * area, abs=2e-3
        )
    assert members.sum() * UNIT == pytest.approx(1.0, abs=2e-3)
    assert others.sum() * UNIT == pytest.approx(1.0, abs=1e-9)
    # The pair tells at least what the first read-out tells alone.
    alone, *_ = table.exposure_integrals(*points, *given)
    assert tv[0, 0] > alone[0, 0] - 2e-3


def test_a_second_read_out_that_membership_hardly_moves_tells_nothing_more() -> None:
    for loss, a, s, q, y in CASES:
        points = [*arrays(a, s, q, y), loss]
        given = backend().proximal_moments(*points), [[0.7]], [[0.6]], [1.0], [0], 1
        alone, pair = (backend().exposure_integrals(*points, *given, [[f]])[0] for f in (0.0, 1e-6))
        np.testing.assert_allclose(pair, alone, rtol=0.0, atol=1e-3)


def test_a_wrong_law_is_seen() -> None:
    """Without the move of the point itself the total variation is far from that of the grid."""
    loss, a, s, q, y, c, e = 1, -1.2, 1.4, 3.0, 1.0, 0.8, 0.9
    w, inside, outside = laws(loss, a, s, q, y, c, e)
    moments = backend().proximal_moments(*arrays(a, s, q, y), loss)
    tv, *_ = backend().exposure_integrals(*arrays(a, s, 0.3 * q, y), loss, 0.3 * moments, [[c]], [[e]], [1.0], [0], 1)
    assert abs(tv[0, 0] - np.sum(np.maximum(inside - outside, 0.0)) * (w[1] - w[0])) > 0.02


def test_masses_add_up_over_groups_and_weights() -> None:
    rng = np.random.default_rng(3)
    n = 40
    points = [rng.normal(size=n), np.full(n, 0.6), np.full(n, 0.5), rng.integers(0, 2, n) * 1.0, 1]
    table = backend()
    moments = table.proximal_moments(*points)
    c = np.full((n, 2), (0.5, 0.9))
    group = rng.integers(0, 3, n)
    apart = table.exposure_integrals(*points, moments, c, c, np.ones(n), group, 3)
    together = table.exposure_integrals(*points, moments, c, c, np.ones(n), np.zeros(n, dtype=np.int64), 1)
    for mine, theirs in zip(apart[1:], together[1:], strict=True):
        np.testing.assert_array_equal(mine.sum(axis=0), theirs[0])
    order = rng.permutation(n)
    moved = [x[order] for x in points[:4]]
    turned = table.exposure_integrals(*moved, 1, moments[order], c[order], c[order], np.ones(n), group[order], 3)
    np.testing.assert_array_equal(turned[1], apart[1])
    np.testing.assert_array_equal(turned[0], apart[0][order])


def test_no_leverage_leaks_nothing() -> None:
    points = [*arrays(0.2, 1.0, 0.0, 1.0), 1]
    moments = backend().proximal_moments(*points)
    assert moments.tolist() == [[0.0, 0.0, 0.0]]
    tv, *_ = backend().exposure_integrals(*points, moments, [[0.9]], [[0.9]], [1.0], [0], 1)
    assert tv[0, 0] < 1e-12


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"s": [0.0]}, "s: must be positive"),
        ({"q": [-1.0]}, "q: must be at least 0"),
        ({"y": [0.5]}, "y: must be 0 or 1"),
        ({"a": [np.nan]}, "a: must be finite"),
        ({"loss": 3}, "loss = 3"),
    ],
)
def test_wrong_arguments_get_one_line(changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"a": [0.0], "s": [1.0], "q": [1.0], "y": [1.0], "loss": 1} | changed
    for name in ("numba", "reference", "host"):
        with pytest.raises(ValueError, match=message):
            backend(name).proximal_moments(**given)


def test_wrong_shapes_get_one_line() -> None:
    points = [*arrays(0.0, 1.0, 1.0, 1.0), 1]
    moments = backend().proximal_moments(*points)
    for c, weight, group, message in (
        ([[1.5]], [1.0], [0], "c: must lie"),
        ([[0.5]], [2.0], [0], "weight: must lie"),
        ([[0.5]], [1.0], [1], "group: must be 1 integers"),
    ):
        with pytest.raises(ValueError, match=message):
            backend().exposure_integrals(*points, moments, c, c, weight, group, 1)
    for beside, message in (([[np.nan]], "beside: must be finite"), ([[0.0, 0.0]], "beside")):
        with pytest.raises(ValueError, match=message):
            backend().exposure_integrals(*points, moments, [[0.5]], [[0.5]], [1.0], [0], 1, beside)


@pytest.mark.parametrize("u", [-400.0, -3.0, 0.0, 4.0, 300.0])
@pytest.mark.parametrize("q", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("loss", [1, 2])
def test_extreme_points_have_finite_moments(loss: int, u: float, q: float) -> None:
    found = backend().proximal_moments(*arrays(u, 0.5, q, 1.0), loss)
    assert np.isfinite(found).all()
    # The fitted value of a member lies between its own and the one that its target asks for.
    assert (found[0, 0] >= 0.0) == (gradient(loss, 1.0, min(u, 300.0)) <= 0.0) or abs(found[0, 0]) < 0.05


def test_large_leverages_do_not_make_newtons_method_go_round_in_circles() -> None:
    rng = np.random.default_rng(9)
    a, s, q = 3.0 * rng.normal(size=200), rng.uniform(0.05, 2.0, 200), 10.0 ** rng.uniform(0.0, 6.0, 200)
    y = rng.integers(0, 2, 200) * 1.0
    a[0], s[0], q[0], y[0] = 3.71253, 0.10974, 26.95713, 0.0
    found = backend().proximal_moments(a, s, q, y, 1)
    np.testing.assert_allclose(found[0], [-46.97, -0.807, 0.650], rtol=2e-3)
    for i in range(200):
        expected = (proximal(1, a[i], q[i], y[i]) - a[i]) / s[i]
        # The mean lies between the moves at one standard deviation on either side, and near the one in the middle.
        assert abs(found[i, 0] - expected) < 0.05 * abs(expected) + 0.6
