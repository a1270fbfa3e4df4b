"""Sums as functions of normals: the chi-square weight, Bartlett's decomposition, and the first normal's direction."""

import math

import mpmath
import numpy as np
import pytest
from scipy.stats import chi2, norm

import qmis_kernels
from qmis_stats import CodebookERM, FixedThresholds, GaussianMean, LinearRegression, Problem, ThresholdPTQ
from qmis_stats.scores import Draw
from qmis_stats.scores.chi_square import chi_square_from_normals, log_weight_constant
from qmis_stats.simulate.design import Component
from qmis_stats.simulate.window import Window

Z = 6.0
GAUSSIAN = Problem(GaussianMean([0.1, 0], [[1, 0.3], [0.3, 0.8]]), CodebookERM([[0, 0], [0.9, 0.2], [0, -0.8]]))
REGRESSION = Problem(LinearRegression([1, 0], np.eye(2), 0.5), CodebookERM([[1, 0], [1.3, 0.2], [0.7, 0.4], [1, -0.4]]))
THRESHOLD = Problem(LinearRegression([1.0], [[2.0]], 0.5), ThresholdPTQ(FixedThresholds((0.8, 1.3))))


@pytest.mark.parametrize("dof", [1, 2, 3, 4, 10, 39, 40, 1000, 10**6, 10**10])
def test_chi_square_weight_by_quadrature(dof):
    x = np.linspace(-9.0, 9.0, 200_001)
    values, log_weights = chi_square_from_normals(x, dof)
    density = np.exp(log_weights) * norm.pdf(x) * (x[1] - x[0])
    assert density.sum() == pytest.approx(1.0, abs=1e-8)
    assert (density * values).sum() == pytest.approx(dof, rel=1e-8)
    assert (density * (values / dof - 1.0) ** 2).sum() == pytest.approx(2.0 / dof, rel=2e-7)
    if dof > 1:
        for point in (-1.0, 0.5):
            cut = dof + point * math.sqrt(2.0 * dof)
            assert density[values < cut].sum() == pytest.approx(chi2.cdf(cut, dof), abs=1e-4)
        # The weight is bounded by a few per cent above one, so that it costs next to nothing.
        assert math.exp(log_weights.max()) < 1.06


@pytest.mark.parametrize("dof", [2, 3, 7, 39, 40, 41, 500, 10**6])
def test_chi_square_constant(dof):
    with mpmath.workdps(40):
        a = mpmath.mpf(dof) / 2
        d = a - mpmath.mpf(1) / 3
        exact = a * mpmath.log(d) - d - mpmath.loggamma(a) + mpmath.log(2 * mpmath.pi / d) / 2
        assert log_weight_constant(dof) == pytest.approx(float(exact), abs=2e-12)


@pytest.mark.statistical
@pytest.mark.parametrize("problem", [GAUSSIAN, REGRESSION, THRESHOLD])
@pytest.mark.parametrize("terms", [1, 2, 3, 25])
@pytest.mark.parametrize("tilted", [False, True])
def test_same_law_as_drawn_sums(problem, terms, tilted):
    scores, count = problem.scores, 40_000
    rival = next(k for k in range(scores.cells) if k != scores.best)
    tilt = (rival, scores.increment(rival, scores.best).tilt().lam) if tilted else None
    normals = np.random.default_rng(terms).standard_normal((count, scores.sum_normals(terms)))
    found, log_weights = scores.sums_from_normals(normals, terms, tilt)
    drawn = scores.sample(Draw(qmis_kernels.backend("numba"), (1, 2), 3), 0, count, terms=terms, tilt=tilt)
    w = np.exp(log_weights)
    assert abs(w.mean() - 1.0) <= Z * w.std() / math.sqrt(count)
    scale = np.abs(drawn).max()
    for f in (lambda s: s / scale, lambda s: np.exp(-np.abs(s) / drawn.std()), lambda s: np.prod(np.tanh(s), axis=1)):
        a, b = w.reshape(-1, *[1] * (f(found).ndim - 1)) * f(found), f(drawn)
        error = np.sqrt(a.var(axis=0) + b.var(axis=0)) / math.sqrt(count)
        assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) <= Z * error + 1e-12)
    # Negative control: one point more is seen.
    more, _ = scores.sums_from_normals(
        np.random.default_rng(0).standard_normal((count, scores.sum_normals(terms + 3))), terms + 3, None
    )
    other = [k for k in range(scores.cells) if k != scores.best]
    base = drawn[:, other] if not tilted else found[:, other]
    assert np.any(np.abs(more[:, other].mean(axis=0) - base.mean(axis=0)) > Z * 2 * base.std(axis=0) / math.sqrt(count))


@pytest.mark.parametrize("problem", [GAUSSIAN, REGRESSION, THRESHOLD])
def test_the_first_normal_moves_the_tilted_score_and_no_other_does(problem):
    scores, terms, step = problem.scores, 500, 1e-4
    for rival in range(scores.cells):
        if rival == scores.best:
            continue
        tilt = scores.increment(rival, scores.best).tilt()
        size = scores.sum_normals(terms)
        nodes = np.concatenate((step * np.eye(size), -step * np.eye(size)))
        values = scores.sums_from_normals(nodes, terms, (rival, tilt.lam))[0][:, rival]
        slopes = (values[:size] - values[size:]) / (2.0 * step)
        assert slopes[0] == pytest.approx(math.sqrt(terms * tilt.variance), rel=0.01)
        assert np.abs(slopes[1:]).max(initial=0.0) < 1e-6 * slopes[0]


@pytest.mark.parametrize("width", [0.001, 0.05, 0.4, 0.0])
def test_window_is_a_law_with_bounded_weights(width):
    window = Window(width, 3.0)
    u = (np.arange(2**18) + 0.5) / 2**18
    x = window.quantile(u)
    weights = np.exp(-window.log_ratio(x))
    assert weights.mean() == pytest.approx(1.0, abs=1e-4)
    assert (weights * x**2).mean() == pytest.approx(1.0, abs=1e-3)
    assert weights.max() <= 8.0 * (1.0 + 1e-12)
    # The rough form is right in the window, and never promises more than the law gives.
    near = np.abs(x) < 2.0 * width
    assert np.allclose(window.log_ratio_of_sums(3.0 * x[near]), window.log_ratio(x[near]), atol=2.1 * width**2)
    assert np.all(window.log_ratio_of_sums(3.0 * x) <= window.log_ratio(x) + 1e-12)


def test_windows_open_only_where_they_are_narrow():
    assert Window.of(Component(1, 0.0, 0.0, 0.0), 100).width == 0.0
    assert Window.of(Component(1, 0.5, -0.1, 2.0), 2).width == 0.0
    assert Window.of(Component(1, 0.5, -0.1, 2.0), 10_000).width == pytest.approx(0.4 * 4.0 / 200.0)
