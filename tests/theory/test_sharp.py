"""The sharp form against exact oracles."""

import itertools
import math
from fractions import Fraction

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
    ThresholdPTQ,
)
from qmis_stats.exact import exact
from qmis_stats.theory import sharp, sharp2
from qmis_stats.theory.sharp import log_prefactor
from qmis_stats.theory.total_variation import log_mean_tilt_distance

STANDARD = GaussianMean([0.0], [[1.0]])


def line(*thresholds):
    return Problem(STANDARD, ThresholdPTQ(FixedThresholds(thresholds)))


def ratio(problem, n):
    return math.exp(sharp(problem, n).log_delta - exact(problem, n).log_delta)


@pytest.mark.parametrize("t", [0.1, 0.5, 1.0])
def test_published_ratios_for_one_threshold(t):
    for n, published in ((10, 0.9833), (50, 0.99674), (100, 0.99837), (400, 0.99959)):
        assert ratio(line(t), n) == pytest.approx(published, abs=6e-5 + (0.0 if t == 0.5 else 0.02 / n))


def test_published_ratios_for_two_thresholds():
    for n, published in ((20, 0.98923), (100, 0.99820), (400, 0.99958)):
        assert ratio(line(-0.3, 0.32), n) == pytest.approx(published, abs=6e-6)


def test_relative_error_is_of_order_one_over_n_uniformly_in_the_gap():
    for gap in (0.0, 1e-8, 1e-3, 0.03, 0.3, 1.0):
        for n in (20, 200, 2000):
            assert n * abs(ratio(line(gap), n) - 1.0) < 0.25


def test_randomly_drawn_codebooks_with_separated_faces():
    rng = np.random.default_rng(5)
    several = 0
    for _ in range(40):
        k = int(rng.integers(2, 6))
        codebook = np.cumsum(rng.uniform(0.4, 1.5, size=k)) - rng.uniform(0.5, 3.0)
        problem = Problem(GaussianMean([rng.normal()], [[rng.uniform(0.5, 2.0)]]), CodebookERM(codebook[:, None]))
        several += k > 2
        assert ratio(problem, 50) == pytest.approx(1.0, abs=0.01)
        assert ratio(problem, 400) == pytest.approx(1.0, abs=0.002)
    assert several > 10


def test_linear_regression_two_codewords():
    problem = Problem(LinearRegression([1.0, 0.0], np.eye(2), 0.5), CodebookERM([[1.0, 0.0], [1.3, 0.2]]))
    errors = [n * (1.0 - ratio(problem, n)) for n in (20, 100, 500)]
    assert all(0.1 < e < 1.0 for e in errors)
    assert errors[2] == pytest.approx(errors[1], rel=0.05)


def test_regression_threshold():
    problem = Problem(LinearRegression([1.0], [[2.0]], 0.5), ThresholdPTQ(FixedThresholds((0.8,))))
    assert ratio(problem, 400) == pytest.approx(1.0, abs=0.003)


def test_lattice_increments():
    """Finite laws are lattices: with the span's correction the error is O(1/n), without it it is not."""
    problem = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 1], [1, 0, 1]]))
    for n in (20, 21, 40, 41, 80):
        assert n * abs(ratio(problem, n) - 1.0) < 0.3
    steep = Problem(FiniteLaw(["3/4", "1/4"]), LossTable([[0, 1], [1, 0]]))
    for n in (20, 21, 100, 101):
        assert n * abs(ratio(steep, n) - 1.0) < 1.5
    face = steep.faces[0]
    plain = -100 * face.tilt.exponent - 0.5 * math.log(2 * math.pi * 100 * face.tilt.variance)
    assert abs(plain + log_mean_tilt_distance(face.increment) - exact(steep, 100).log_delta) > 0.2


def test_ties_towards_the_lower_index_shift_the_lattice():
    first = Problem(FiniteLaw(["3/4", "1/4"]), LossTable([[0, 1], [1, 0]]))
    second = Problem(FiniteLaw(["3/4", "1/4"]), LossTable([[1, 0], [0, 1]]))
    for problem in (first, second):
        assert ratio(problem, 100) == pytest.approx(1.0, abs=0.02)
    assert sharp(first, 100).log_delta != sharp(second, 100).log_delta


def test_coinciding_faces_are_counted_once():
    """A rival twice as steep takes over the whole face of its proportional twin."""
    single = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 1], [2, -1, 1]]))
    twin = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 1], [1, 0, 1], [2, -1, 1]]))
    for n in (40, 41):
        assert sharp(twin, n).log_delta == pytest.approx(sharp(single, n).log_delta, abs=1e-12)
        assert ratio(twin, n) == pytest.approx(1.0, abs=0.05)


def test_shadowed_rival_is_left_out():
    law = GaussianMean([0.0, 0.0], np.eye(2))
    near = Problem(law, CodebookERM([[0.0, 0.0], [1.0, 0.0]]))
    shadowed = Problem(law, CodebookERM([[0.0, 0.0], [1.0, 0.0], [2.0, 0.3]]))
    assert sharp(shadowed, 100).log_delta == pytest.approx(sharp(near, 100).log_delta, rel=1e-6)
    assert sharp(shadowed, 100).in_domain


def test_faces_reached_together_are_outside_the_domain():
    problem = Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM([[0, 0], [0.1, 0.0], [0.0, 0.1]]))
    result = sharp(problem, 20)
    assert not result.in_domain
    assert "together" in result.domain
    assert sharp(line(0.5), 5).in_domain is False


def test_high_dimensional_product_is_refused():
    problem = Problem(GaussianMean(np.zeros(30), np.eye(30)), ThresholdPTQ(Sign()))
    with pytest.raises(DomainError, match="sharp"):
        sharp(problem, 100)


def test_generic_path_agrees_with_the_closed_form_for_a_trivial_mixture():
    mixture = GaussianMixture([0.4, 0.6], [[0.0], [0.0]], [[[1.0]], [[1.0]]])
    for codebook in ([[0.0], [0.6]], [[0.0], [0.6], [-0.7]]):
        a = sharp(Problem(mixture, CodebookERM(codebook)), 50).log_delta
        b = sharp(Problem(STANDARD, CodebookERM(codebook)), 50).log_delta
        assert a == pytest.approx(b, abs=1e-6)


def test_tilt_distance_against_monte_carlo_free_quadrature():
    """E|L − 1|/λ of a quadratic increment against direct two-dimensional quadrature in polar coordinates."""
    from scipy.integrate import dblquad

    problem = Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [1.0]]))
    increment = problem.scores.increment(1, 0)
    low, high = increment.eigenvalues
    tilt = increment.tilt()

    def integrand(angle, radius):
        x = radius**2 * (high * math.cos(angle) ** 2 + low * math.sin(angle) ** 2)
        return radius * math.exp(-0.5 * radius**2) / (2 * math.pi) * abs(math.expm1(tilt.exponent - tilt.lam * x))

    quarter = dblquad(integrand, 0, 14, 0, math.pi / 2, epsabs=1e-9, epsrel=1e-8)[0]
    assert math.exp(log_mean_tilt_distance(increment)) == pytest.approx(4 * quarter / tilt.lam, rel=1e-6)


def test_prefactor_limit_at_zero_tilt():
    increment = line(0.0).faces[0].increment
    assert log_prefactor(increment, increment.tilt(), 100) == pytest.approx(-0.5 * math.log(200 * math.pi))


def test_nothing_leaks_through_a_single_cell():
    assert sharp(Problem(STANDARD, CodebookERM([[0.0], [0.0]])), 10).log_delta == -math.inf


@pytest.mark.parametrize("losses", [[[0, 0], [-2, 2], [2, -2]], [[2, -2], [0, 0], [1, -1]], [[1, -1], [2, -2], [0, 0]]])
def test_ties_of_a_shared_face_go_to_the_lowest_index(losses):
    """Two rivals share one face; whether a tie leaves the best codeword depends on the less steep one too."""
    p = Problem(FiniteLaw(["9/11", "2/11"]), LossTable(losses))
    for n in (20, 21, 40, 41):
        assert ratio(p, n) == pytest.approx(1.0, abs=2.5 / n)


@pytest.mark.parametrize(
    "problem",
    [
        Problem(FiniteLaw(["1/4"] * 4), LossTable([[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]])),
        Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.5]])),
    ],
)
def test_several_ties_for_the_best_are_outside_the_domain(problem):
    """Rivals that tie with the best share the untilted law without being one face."""
    for n in (20, 400):
        assert not sharp(problem, n).in_domain


def test_no_reachable_face_means_that_nothing_leaks():
    p = Problem(FiniteLaw(["1/2", "1/2"]), LossTable([[0, 0], [1, 1]]))
    assert sharp(p, 20).log_delta == -math.inf
    only_ties = Problem(FiniteLaw(["1/3", "2/3"]), LossTable([[0, 2], [0, 1]]))
    with pytest.raises(DomainError, match="ties"):
        sharp(only_ties, 20)


@pytest.mark.parametrize("cells", [60, pytest.param(200, marks=pytest.mark.long)])
def test_many_conflicts_are_counted_and_the_value_stays_below_one(cells):
    codebook = np.random.default_rng(0).normal(size=(cells, 5))
    found = sharp(Problem(GaussianMean(np.zeros(5), np.eye(5)), CodebookERM(codebook)), 20)
    assert not found.in_domain
    assert len(found.domain) < 300
    assert 0.0 <= found.mis <= 1.0


def lattice(law, increments, rival_first, scale=1):
    """Two cells of a finite law with the given increments and rational probabilities."""
    rows = [[0] * len(increments), [Fraction(x) * scale for x in increments]]
    return Problem(FiniteLaw(law), LossTable(rows[::-1] if rival_first else rows))


def test_sums_of_few_lattice_steps_are_outside_the_domain():
    """Losses 0 or 1 whose differences are nearly one-sided: the normal density is no likeness of a few steps."""
    law = ["3/100", "1/10000", "9699/10000"]
    for rival_first in (False, True):
        problem = lattice(law, (1, -1, 0), rival_first)
        for form in (sharp, sharp2):
            found = form(problem, 40)
            assert not found.in_domain
            assert "lattice steps" in found.domain
    assert abs(sharp(lattice(law, (1, -1, 0), False), 40).log_delta - exact(problem, 40).log_delta) > 2.0


def test_inside_the_domain_a_lattice_form_is_close_to_exact():
    """In-domain errors stay below a tenth, over gaps from even to one-sided; the good cases are kept."""
    inside = {sharp: [], sharp2: []}
    good = {sharp: 0, sharp2: 0}
    for a, b in itertools.product(("3/10", "1/10", "3/100"), ("1/4", "1/10", "1/100", "1/1000000")):
        if Fraction(b) >= Fraction(a):
            continue
        law = [a, b, str(1 - Fraction(a) - Fraction(b))]
        for n, rival_first in itertools.product((10, 40, 80), (False, True)):
            problem = lattice(law, (1, -1, 0), rival_first)
            truth = exact(problem, n).log_delta
            for form in inside:
                found = form(problem, n)
                gap = abs(found.log_delta - truth)
                good[form] += gap < 0.05
                if found.in_domain:
                    inside[form].append(gap)
    assert max(inside[sharp]) < 0.1
    assert max(inside[sharp2]) < 0.1
    assert len(inside[sharp]) > good[sharp] // 2
    assert len(inside[sharp2]) > good[sharp2] // 2


def test_nearly_coarser_lattices_are_outside_the_domain():
    """Values −1, 4, 5 make five classes of sums that mix slowly."""
    problem = lattice(["1/2", "1/4", "1/4"], (-1, 1, 2), False)
    rare = lattice(["98/100", "1/100", "1/100"], (5, -5, 1), False)
    assert sharp(problem, 40).in_domain
    assert not sharp(rare, 40).in_domain


@pytest.mark.parametrize("scale", [Fraction(1, 10**30), Fraction(1, 7), 10**30])
def test_the_domain_of_a_lattice_does_not_depend_on_the_unit_of_the_losses(scale):
    for law, increments in ((["98/100", "1/100", "1/100"], (5, -5, 1)), (["1/2", "1/4", "1/4"], (-1, 1, 2))):
        unit, scaled = lattice(law, increments, False), lattice(law, increments, False, scale)
        for form in (sharp, sharp2):
            assert form(unit, 40).in_domain == form(scaled, 40).in_domain
            assert form(unit, 40).log_delta == pytest.approx(form(scaled, 40).log_delta, rel=1e-12)
