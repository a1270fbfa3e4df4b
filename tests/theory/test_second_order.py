"""The second-order sharp form and the mixed form."""

import math

import numpy as np
import pytest

from qmis_stats import (
    CodebookERM,
    DomainError,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    GaussianMixture,
    LinearRegression,
    LossTable,
    Problem,
    Sign,
    Ternary,
    ThresholdPTQ,
)
from qmis_stats.exact import exact
from qmis_stats.theory import critical, high_dimension, mixed, sharp, sharp2

pytestmark = pytest.mark.grid(3)

STANDARD = GaussianMean([0.0], [[1.0]])


def line(*thresholds):
    return Problem(STANDARD, ThresholdPTQ(FixedThresholds(thresholds)))


def regression(gap):
    return Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [gap]]))


def error(form, problem, n):
    return math.expm1(exact(problem, n).log_delta - form(problem, n).log_delta)


@pytest.mark.parametrize(
    "problem",
    [
        *[line(t) for t in (0.0, 1e-6, 5e-4, 2e-3, 0.1, 0.5, 1.0, 2.0)],
        line(-0.3, 0.32),
        line(-0.8, -0.1, 0.3, 0.9),
        regression(0.2),
        *[pytest.param(regression(a), marks=pytest.mark.long) for a in (0.02, 0.7, 2.0)],
        Problem(LinearRegression([0.0, 0.0], np.eye(2), 1.0), CodebookERM([[0.0, 0.0], [0.4, 0.5]])),
        Problem(LinearRegression([1.0], [[2.0]], 0.5), ThresholdPTQ(FixedThresholds((0.8,)))),
        Problem(FiniteLaw(["1/2", "1/2"]), LossTable([[0, 1], [2, 0]])),
        Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 1], [1, 0, 1]])),
    ],
)
def test_error_is_of_order_one_over_n_squared(problem):
    for n in (20, 41, 80):
        assert n * n * abs(error(sharp2, problem, n)) < 1.0
        assert abs(error(sharp2, problem, n)) < abs(error(sharp, problem, n))


def test_copies_of_one_cell_leak_nothing():
    assert sharp2(Problem(FiniteLaw(["1/2", "1/2"]), LossTable([[0, 1], [0, 1]])), 20).log_delta == -math.inf


def test_the_first_order_constant_depends_on_the_gap():
    """n(exact/sharp − 1) → φ(h)(h + 1/h)/(2(2Φ(h) − 1)) − 1/(4h²), h half the gap: 1/6 only as the gap vanishes."""
    n = 100_000
    for t in (0.1, 0.5, 1.0, 2.0):
        h = 0.5 * t
        density = math.exp(-0.5 * h * h) / math.sqrt(2 * math.pi)
        constant = density * (h + 1 / h) / (2 * math.erf(h / math.sqrt(2))) - 1 / (4 * h * h)
        assert n * error(sharp, line(t), n) == pytest.approx(constant, abs=2e-5)
    assert n * error(sharp, line(1e-4), n) == pytest.approx(1 / 6, abs=2e-5)


def test_generic_cumulants_of_a_trivial_mixture():
    mixture = GaussianMixture([0.4, 0.6], [[0.0], [0.0]], [[[1.0]], [[1.0]]])
    a = sharp2(Problem(mixture, CodebookERM([[0.0], [0.6]])), 30).log_delta
    b = sharp2(Problem(STANDARD, CodebookERM([[0.0], [0.6]])), 30).log_delta
    assert a == pytest.approx(b, abs=1e-6)


def test_second_order_refusals():
    plane = Problem(GaussianMean([0, 0], np.eye(2)), CodebookERM([[0, 0], [1, 0], [0, 1]]))
    with pytest.raises(DomainError, match="on a line"):
        sharp2(plane, 20)
    with pytest.raises(DomainError, match="sharp2"):
        sharp2(Problem(GaussianMean(np.zeros(30), np.eye(30)), ThresholdPTQ(Sign())), 20)
    with pytest.raises(DomainError, match="lattice"):
        sharp2(Problem(FiniteLaw(["1/2", "1/2"]), LossTable([[0, 1], [1, 0]])), 20)
    assert sharp2(Problem(STANDARD, CodebookERM([[0.0], [0.0]])), 20).log_delta == -math.inf


def test_mixed_form_contains_both_limits():
    few = Problem(GaussianMean(np.zeros(3), np.eye(3)), ThresholdPTQ(Sign()))
    assert mixed(few, 10**6).log_delta == pytest.approx(critical(few, 10**6).log_delta, abs=1e-5)
    many = Problem(GaussianMean(np.zeros(2000), np.eye(2000)), ThresholdPTQ(Ternary(0.5)))
    assert mixed(many, 500).log_delta == pytest.approx(high_dimension(many, 500).log_delta, abs=2e-3)


def test_mixed_form_by_enumeration():
    """E_T erf(‖m_T‖/√(8n)) over the eight cells of three signs about unequal means."""
    from qmis_stats.theory import cell_moments

    means, n = (0.05, -0.1, 0.2), 30
    p = Problem(GaussianMean(means, np.eye(3)), ThresholdPTQ(Sign()))
    coordinates = [cell_moments(np.array([-m * math.sqrt(n)])) for m in means]
    total = 0.0
    for cell in np.ndindex(2, 2, 2):
        mass = math.prod(c.probability[k] for c, k in zip(coordinates, cell, strict=True))
        norm = math.hypot(*(c.centroid[k] for c, k in zip(coordinates, cell, strict=True)))
        total += mass * math.erf(norm / math.sqrt(8 * n))
    assert mixed(p, n).delta == pytest.approx(total, rel=1e-10)


def test_mixed_form_domain():
    assert not mixed(Problem(GaussianMean(np.zeros(8), np.eye(8)), ThresholdPTQ(Ternary(0.99))), 50).in_domain
    with pytest.raises(DomainError, match="mixed"):
        mixed(Problem(LinearRegression(np.zeros(3), np.eye(3), 1.0), ThresholdPTQ(Sign())), 50)
