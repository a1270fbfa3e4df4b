"""The critical scale against exact oracles and against quadrature that shares no code."""

import itertools
import math

import mpmath as mp
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
    ReleasedHistogram,
    Sign,
    Ternary,
    ThresholdPTQ,
)
from qmis_stats.exact import exact
from qmis_stats.theory import cell_moments, critical, retained_information, unquantized
from qmis_stats.theory.critical import mean_norm

STANDARD = GaussianMean([0.0], [[1.0]])


def test_published_ratios_at_threshold_zero():
    p = Problem(STANDARD, ThresholdPTQ(Sign()))
    for n, published in ((10, 0.983), (100, 0.998), (1000, 0.9998)):
        assert critical(p, n).delta / exact(p, n).delta == pytest.approx(published, abs=6e-4)


@pytest.mark.parametrize("cuts", [(-0.7,), (-1.0, 0.4), (-2.0, -1.0, 0.1, 0.9, 2.2)])
def test_error_is_of_order_one_over_n_on_a_line(cuts):
    p = Problem(STANDARD, ThresholdPTQ(FixedThresholds(cuts, "standard_error")))
    for n in (20, 200, 2000):
        assert n * abs(critical(p, n).delta / exact(p, n).delta - 1.0) < 2.0


def test_fine_cells_reach_the_unquantized_limit():
    fine = tuple(np.linspace(-5, 5, 401))
    for n in (50, 5000):
        p = Problem(STANDARD, ThresholdPTQ(FixedThresholds(fine, "standard_error")))
        assert critical(p, n).delta == pytest.approx(unquantized(1, n), rel=1e-3)
    assert unquantized(1, 100) == pytest.approx(1 / (10 * math.pi))
    assert unquantized(400, 10**6) == pytest.approx(math.sqrt(400 / (2 * math.pi * 1e6)), rel=1e-3)
    for d in (10**6, 10**10, 10**15):
        assert unquantized(d, 100) == pytest.approx(math.sqrt((d - 0.5) / (200 * math.pi)), rel=1e-12)
    assert unquantized(3, 100, regression=True) == pytest.approx(unquantized(3, 100) * math.sqrt(2 / math.pi))


def test_regression_is_smaller_by_its_factor():
    gaussian = Problem(STANDARD, ThresholdPTQ(Sign()))
    regression = Problem(LinearRegression([0.0], [[1.0]], 1.0), ThresholdPTQ(Sign()))
    ratio = critical(regression, 1000).delta / critical(gaussian, 1000).delta
    assert ratio == pytest.approx(math.sqrt(2 / math.pi), rel=1e-12)
    for n in (50, 500, 5000):
        assert n * abs(critical(regression, n).delta / exact(regression, n).delta - 1.0) < 2.0


def test_regression_codebook_at_the_critical_scale():
    p = Problem(LinearRegression([0.3, 0.0], np.eye(2), 0.5), CodebookERM([[0.0, 0.0], [1.0, 1.0]], exponent=0.5))
    for n in (100, 1000):
        assert critical(p, n).delta == pytest.approx(exact(p, n).delta, rel=3.0 / n)


def test_two_dimensional_cells_against_one_dimension():
    """A second coordinate that no cell depends on changes nothing; quadrature in 2-D agrees with the line."""
    n = 400
    codebook = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 30.0]]) / math.sqrt(n)
    plane = Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM(codebook))
    line = Problem(STANDARD, CodebookERM(codebook[:2, :1]))
    assert critical(plane, n).delta == pytest.approx(critical(line, n).delta, rel=3e-3)


def test_product_cells_by_enumeration():
    """E‖m_T‖ over all cells of three coordinates, summed directly."""
    edges = [np.array([0.3]), np.array([-1.0, 0.5]), np.array([-0.2, 0.1, 2.0])]
    moments = [cell_moments(e) for e in edges]
    total = 0.0
    for i, p in enumerate(moments[0].probability):
        for j, q in enumerate(moments[1].probability):
            for k, r in enumerate(moments[2].probability):
                m = (moments[0].centroid[i], moments[1].centroid[j], moments[2].centroid[k])
                total += p * q * r * math.hypot(*m)
    assert mean_norm(moments) == pytest.approx(total, rel=1e-11)


def test_finite_law_converges_to_the_critical_form_for_even_cells():
    """With losses that shrink the gap, the two-cell finite law has Δ close to φ(c)·E|ψ|/√n up to the lattice."""
    law = FiniteLaw(["1/2", "1/2"])
    p = Problem(law, LossTable([[0, 1], [1, 0]]))
    values = [math.sqrt(n) * exact(p, n).delta for n in (11, 101, 1001)]
    target = [math.sqrt(n) * critical(p, n).delta for n in (11, 101, 1001)]
    assert abs(values[-1] - target[-1]) < abs(values[0] - target[0])
    assert values[-1] == pytest.approx(target[-1], rel=2e-3)


def test_lattice_and_duplicates_are_told():
    coarse = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 1], [1, 0, 1]]))
    assert not critical(coarse, 100).in_domain
    doubled = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 1], [1, 0, 1], [0, 1, 1]]))
    assert critical(doubled, 100).log_delta == pytest.approx(critical(coarse, 100).log_delta, abs=1e-12)


def test_histogram_constant():
    p = Problem(FiniteLaw(["1/2", "3/10", "1/5"]), ReleasedHistogram())
    assert critical(p, 50).delta == pytest.approx(0.07663, abs=5e-6)
    assert exact(p, 50).delta == pytest.approx(0.07613, abs=5e-6)


def test_domain():
    far = Problem(STANDARD, ThresholdPTQ(FixedThresholds((1.0,))))
    assert not critical(far, 100).in_domain
    assert not critical(Problem(STANDARD, ThresholdPTQ(Sign())), 5).in_domain
    mixture = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
    with pytest.raises(DomainError):
        critical(Problem(mixture, ThresholdPTQ(Sign())), 100)


@pytest.mark.parametrize("edges", [[0.0], [-0.43, 0.43], [-1.645, 1.645], [-3.0, -1.0, 0.2, 6.0], [7.0, 8.0, 30.0]])
def test_cell_moments_against_mpmath(edges):
    found = cell_moments(np.array(edges))
    with mp.workdps(40):
        ends = [-mp.inf, *map(mp.mpf, edges), mp.inf]
        retained = mp.mpf(0)
        for k, (a, b) in enumerate(itertools.pairwise(ends)):
            mass = mp.ncdf(-a) - mp.ncdf(-b) if a > 0 else mp.ncdf(b) - mp.ncdf(a)
            first = (mp.npdf(a) if a != -mp.inf else 0) - (mp.npdf(b) if b != mp.inf else 0)
            assert found.probability[k] == pytest.approx(float(mass), rel=1e-12)
            assert found.centroid[k] == pytest.approx(float(first / mass), rel=1e-11)
            retained += first**2 / mass
        assert retained_information(np.array(edges)) == pytest.approx(float(retained), rel=1e-11)


def test_retained_information_is_a_share():
    rng = np.random.default_rng(0)
    for _ in range(100):
        edges = np.sort(rng.normal(size=int(rng.integers(1, 9))) * 2)
        coarse = retained_information(edges)
        assert 0.0 <= coarse <= 1.0
        assert retained_information(np.sort(np.append(edges, rng.normal()))) >= coarse - 1e-12


def test_ternary_keeps_more_at_a_third_than_at_nine_tenths():
    p33 = Problem(STANDARD, ThresholdPTQ(Ternary(1 / 3)))
    p90 = Problem(STANDARD, ThresholdPTQ(Ternary(0.9)))
    assert critical(p33, 1000).delta > critical(p90, 1000).delta


def test_second_cell_moments_against_quadrature():
    from scipy.integrate import quad
    from scipy.stats import norm

    found = cell_moments(np.array([-0.7, 0.2, 1.5]))
    ends = [-np.inf, -0.7, 0.2, 1.5, np.inf]
    for k, (a, b) in enumerate(itertools.pairwise(ends)):
        integral = quad(lambda x: (x * x - 1) * norm.pdf(x), a, b)[0]
        assert found.second[k] == pytest.approx(integral / found.probability[k], rel=1e-7)


def test_cells_centred_at_the_parameter_cost_half_an_order():
    """Their own leak is of order 1/n where the others' is n^(-1/2): announced until it is small."""
    p = Problem(STANDARD, ThresholdPTQ(FixedThresholds((-2.5, 2.5), "standard_error")))
    errors = []
    for n in (100, 10_000, 10**6):
        found = critical(p, n)
        errors.append(abs(found.delta / exact(p, n).delta - 1.0))
        assert found.in_domain == (errors[-1] < 0.05)
    assert errors[0] / errors[1] == pytest.approx(10.0, rel=0.2)
    assert "centred" in critical(p, 100).domain


def test_regression_tail_that_is_not_yet_normal_is_announced():
    p = Problem(LinearRegression([0.0], [[1.0]], 1.0), ThresholdPTQ(FixedThresholds((3.0,), "standard_error")))
    assert not critical(p, 100).in_domain
    assert critical(p, 10**5).in_domain
    assert critical(p, 10**5).delta == pytest.approx(exact(p, 10**5).delta, rel=2e-3)


def test_correlated_product_cells():
    """Without correlation the quadrature agrees with the product's closed form; with it, with two other routes."""
    from qmis_stats.simulate import crude
    from qmis_stats.theory.critical import _correlated_product_norm, product_moments

    mean = [0.02, -0.05]
    for law in (GaussianMean(mean, np.eye(2)), LinearRegression(mean, np.eye(2), 1.0)):
        p = Problem(law, ThresholdPTQ(FixedThresholds((-0.1, 0.1))))
        assert _correlated_product_norm(p, 100) == pytest.approx(mean_norm(product_moments(p.product, 100)), rel=2e-3)
    covariance = [[1.0, 0.6], [0.6, 2.0]]
    gaussian = Problem(GaussianMean(mean, covariance), ThresholdPTQ(Sign()))
    simulated = crude(gaussian, 200, replicates=40_000, seed=2)
    assert abs(critical(gaussian, 200).log_delta - simulated.log_delta) < 0.02 + 6 * simulated.std_error
    # The estimate of a regression with V = τ²Σ⁻¹ has the same limit as a Gaussian mean with covariance V.
    design = np.linalg.inv(covariance)
    regression = Problem(LinearRegression(mean, 0.5 * (design + design.T), 1.0), ThresholdPTQ(Sign()))
    ratio = critical(regression, 200).delta / critical(gaussian, 200).delta
    assert ratio == pytest.approx(math.sqrt(2 / math.pi), rel=2e-3)
    wide = Problem(LinearRegression(np.zeros(13), np.eye(13) + 0.1, 1.0), ThresholdPTQ(Sign()))
    with pytest.raises(DomainError, match="enumerated up to"):
        critical(wide, 100)
