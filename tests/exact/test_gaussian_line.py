"""Statement S9a against mpmath quadrature of the definition, closed forms and the quoted ratios."""

import math
from collections.abc import Callable
from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
from scipy.stats import norm

from qmis_stats.errors import InputError
from qmis_stats.exact.gaussian_line import log_cell_probabilities, log_delta, log_likelihood_ratio

pytestmark = pytest.mark.grid(3)

RELATIVE_ERROR = 1e-12


def mp_log_delta(thresholds: list[float], n: int) -> mp.mpf:
    """½ Σ_k ∫ |P(k | w) − P(k)| φ(w) dw at 16 digits, split at every sign change."""
    t = [mp.mpf(x) for x in thresholds]
    root_n, root_less = mp.sqrt(n), mp.sqrt(n - 1)

    def lower_change(x: mp.mpf, w: mp.mpf) -> mp.mpf:
        a, b = (x * n - w) / root_less, x * root_n
        return mp.ncdf(a) - mp.ncdf(b) if x <= 0 else mp.ncdf(-b) - mp.ncdf(-a)

    def changes(w: mp.mpf) -> list[mp.mpf]:
        d = [mp.mpf(0), *(lower_change(x, w) for x in t), mp.mpf(0)]
        return [d[k + 1] - d[k] for k in range(len(d) - 1)]

    low, high = math.floor(min(0.0, thresholds[0])) - 13, math.ceil(max(0.0, thresholds[-1])) + 13
    grid = [mp.mpf(low) + mp.mpf(i) / 4 for i in range(4 * (high - low) + 1)]
    values = [changes(w) for w in grid]
    splits = set(grid[::4])
    for k in range(len(t) + 1):
        for (left, right), (at_left, at_right) in zip(pairwise(grid), pairwise(values), strict=True):
            if at_left[k] * at_right[k] < 0:
                splits.add(bisect(lambda w, k=k: changes(w)[k], left, right))
    # mp.quad controls an absolute error, so the integrand is brought to the order of one.
    unit = max(abs(c) * mp.npdf(w) for w, row in zip(grid, values, strict=True) for c in row)
    total = mp.quad(lambda w: sum(abs(c) for c in changes(w)) * mp.npdf(w) / unit, sorted(splits))
    return mp.log(unit * total / 2)


def bisect(f: Callable[[mp.mpf], mp.mpf], left: mp.mpf, right: mp.mpf) -> mp.mpf:
    """Halve [left, right] around the sign change of f down to the working precision."""
    positive_left = f(left) > 0
    while right - left > 8 * mp.eps * (1 + abs(left)):
        middle = (left + right) / 2
        if (f(middle) > 0) == positive_left:
            left = middle
        else:
            right = middle
    return left


@pytest.mark.parametrize(
    ("thresholds", "n"),
    [
        ([0.0], 10),
        ([0.0], 10**9),
        ([0.5], 2),
        ([0.5], 10),
        pytest.param([0.5], 400, marks=pytest.mark.long),
        ([-0.3, 0.32], 20),
        pytest.param([-0.3, 0.32], 100, marks=pytest.mark.long),
        pytest.param([-1.0, -0.2, 0.1, 0.15, 0.7], 12, marks=pytest.mark.long),
        ([0.2, 0.9, 3.0], 30),
        ([-2.0, 6.0], 3),
        ([1.3], 800),
        ([-1e-3, 0.0, 2e-3], 10**6),
        ([-1e-5, 3e-5], 10**9),
        pytest.param([447.0], 2, marks=pytest.mark.long),
        ([0.447], 10**6),
    ],
)
def test_agrees_with_the_definition(thresholds: list[float], n: int) -> None:
    with mp.workdps(16):
        expected = mp_log_delta(thresholds, n)
        error = float(abs(mp.mpf(log_delta(thresholds, n)) - expected))
    assert error < RELATIVE_ERROR + 2e-15 * abs(float(expected))


def test_deep_cases_reach_where_floats_underflow() -> None:
    assert log_delta([1.3], 800) < math.log(1e-290)
    assert -2e5 < log_delta([447.0], 2) < -9e4
    assert log_delta([1e4], 10**6) == pytest.approx(-0.5e14, rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 10, 1000, 10**6, 10**9, 10**12])
def test_sign_bit_has_a_closed_form(n: int) -> None:
    # For the threshold 0, E|Φ(w/√(n−1)) − ½| = arctan(1/√(n−1))/π.
    closed_form = math.atan(1.0 / math.sqrt(n - 1.0)) / math.pi
    assert log_delta([0.0], n) == pytest.approx(math.log(closed_form), abs=1e-13)


@pytest.mark.parametrize(
    ("n", "digits", "ratio"), [(10, 4, 0.9833), (50, 5, 0.99674), (100, 5, 0.99837), (400, 5, 0.99959)]
)
def test_sharp_form_ratio(n: int, digits: int, ratio: float) -> None:
    t = 0.5
    sharp = math.exp(-n * t * t / 2) / (t * math.sqrt(2 * math.pi * n)) * 2 * (2 * norm.cdf(t / 2) - 1)
    assert round(sharp / math.exp(log_delta([t], n)), digits) == ratio


@pytest.mark.parametrize("n", [10**3, 10**6, 10**9])
def test_critical_scale_limit_with_many_thresholds(n: int) -> None:
    c = np.linspace(-3.0, 3.0, 999)
    density = np.concatenate([[0.0], norm.pdf(c), [0.0]])
    local = np.sum(np.abs(np.diff(density))) / math.sqrt(2.0 * math.pi * n)
    # The measured relative error of the limit is 1.06/n.
    assert log_delta(c / math.sqrt(n), n) == pytest.approx(math.log(local), abs=1.1 / n + 1e-11)


def test_equal_thresholds_are_empty_cells() -> None:
    assert log_delta([-0.2, 0.5, 0.5, 0.5], 50) == pytest.approx(log_delta([-0.2, 0.5], 50), abs=1e-14)
    assert log_delta([0.5, 0.5 + 1e-16], 50) == pytest.approx(log_delta([0.5], 50), abs=1e-13)
    assert np.isneginf(log_cell_probabilities([0.5, 0.5], 50)[1])
    assert np.all(log_likelihood_ratio([0.5, 0.5], 50, [3.0])[:, 1] == 0.0)


def test_reflection_and_negligible_thresholds() -> None:
    t = [-0.7, 0.1, 0.4]
    assert log_delta([-x for x in reversed(t)], 37) == pytest.approx(log_delta(t, 37), abs=1e-13)
    assert log_delta([-1e100, *t, 1e3], 37) == pytest.approx(log_delta(t, 37), abs=1e-13)


def test_merging_cells_never_leaks_more() -> None:
    t = np.sort(np.random.default_rng(5).normal(size=30)) * 0.2
    values = [log_delta(t[::step], 60) for step in (1, 2, 4, 8)]
    assert np.all(np.diff(values) < 0.0)


def test_cell_probabilities_and_ratio_reproduce_delta() -> None:
    t, n = [-0.3, 0.05, 0.32], 40
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / math.sqrt(2.0 * math.pi)
    share = np.exp(log_cell_probabilities(t, n))
    ratio = np.exp(log_likelihood_ratio(t, n, nodes))
    assert share.sum() == pytest.approx(1.0, abs=1e-14)
    assert weights @ ratio == pytest.approx(np.ones(4), abs=1e-12)  # E Λ(k, Z) = 1
    points = np.linspace(-10.0, 10.0, 200_001)
    product = norm.pdf(points)[:, None] * share * (points[1] - points[0])
    rough = 0.5 * np.sum(np.abs(np.exp(log_likelihood_ratio(t, n, points)) - 1.0) * product)
    assert rough == pytest.approx(math.exp(log_delta(t, n)), rel=1e-7)


def test_cell_probabilities_against_mpmath() -> None:
    t, n = [-1.5, -1.5 + 1e-12, 0.0, 1.2, 1.25], 900
    with mp.workdps(400):
        root = mp.sqrt(n)
        steps = [mp.mpf(0), *(mp.ncdf(mp.mpf(x) * root) for x in t), mp.mpf(1)]
        expected = [float(mp.log(b - a)) for a, b in pairwise(steps)]
    assert log_cell_probabilities(t, n) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 0, -3, 2.0, True])
def test_refuses_sample_sizes(n: int) -> None:
    with pytest.raises(InputError, match="an integer of at least 2"):
        log_delta([0.0], n)


@pytest.mark.parametrize("thresholds", [[], [[0.0]], [math.nan], [math.inf], [1e200]])
def test_refuses_thresholds(thresholds: list[float]) -> None:
    with pytest.raises(InputError, match="numbers"):
        log_delta(thresholds, 10)


def test_refuses_unsorted_thresholds_and_points() -> None:
    with pytest.raises(InputError, match="in increasing order"):
        log_delta([0.2, 0.1], 10)
    with pytest.raises(InputError, match="points"):
        log_likelihood_ratio([0.2], 10, [math.inf])
