"""The indicator's order against exact MIS: where it is right, and pairs that it orders wrongly."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import kendalltau

from qmis_stats import (
    CodebookERM,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    LinearRegression,
    LossTable,
    Problem,
    ThresholdPTQ,
    mis,
)
from qmis_stats.inference.ranking import rank

LINE = GaussianMean([0.0], [[1.0]])


def agreement(a, b):
    """0-1 losses: the best is alone right on a share a of the points and alone wrong on b."""
    a, b = Fraction(a), Fraction(b)
    return Problem(FiniteLaw([a, b, 1 - a - b]), LossTable([[0, 1, 0], [1, 0, 0]]))


def with_exponent(exponent, ratio):
    a = -math.expm1(-exponent) / (1.0 - math.sqrt(ratio)) ** 2
    return Fraction(round(a * 1e6), 10**6), Fraction(round(a * ratio * 1e6), 10**6)


OPPOSED = [with_exponent(0.06 * 0.975**j, 0.0025 * 1.7**j) for j in range(0, 10, 3)]


def tau(scores, problems, n):
    return kendalltau(scores, [-mis(p, n, "exact").log_delta for p in problems]).statistic


def test_separated_codebooks_on_a_line_are_ordered():
    gaps = [0.12 * (-1) ** j * 1.35**j for j in range(8)]
    codebooks = [np.array([0.0, 2.0 * t, 9.0 * np.sign(t), -9.0 * np.sign(t)])[:, None] for t in gaps]
    problems = [Problem(LINE, CodebookERM(c)) for c in codebooks]
    z = np.random.default_rng(1).standard_normal(20_000)
    ranking = rank({f"{t:+.2f}": (c - z) ** 2 for t, c in zip(gaps, codebooks, strict=True)}, draws=499)
    exact = [mis(p, 2000, "exact").log_delta for p in problems]
    assert kendalltau(ranking.params, np.negative(exact)).statistic == pytest.approx(1.0)
    assert kendalltau([p.indicator for p in problems], np.negative(exact)).statistic == pytest.approx(1.0)
    order = 1 + np.argsort(np.argsort(exact))
    sets = ranking.rank_sets()
    assert np.all((sets[:, 0] <= order) & (order <= sets[:, 1]))


@pytest.mark.parametrize("n", [7, 40, 150])
def test_agreements_that_the_indicator_orders_wrongly(n):
    one_sided, two_sided = agreement("1/10", "1/1000"), agreement("2/5", "7/50")
    assert one_sided.indicator < 0.8 * two_sided.indicator
    assert one_sided.exponent > 1.2 * two_sided.exponent
    assert mis(one_sided, n, "exact").fraction < mis(two_sided, n, "exact").fraction


def test_thresholds_about_a_rare_class_that_the_indicator_orders_wrongly():
    def problem(midpoint):
        codebook = (Fraction(1, 10), 2 * Fraction(midpoint) - Fraction(1, 10))
        return Problem(FiniteLaw(["9/10", "1/10"]), LossTable([[(c - z) ** 2 for z in (0, 1)] for c in codebook]))

    below, above = problem("3/100"), problem("37/200")
    assert below.indicator < 0.7 * above.indicator
    assert below.exponent > 1.1 * above.exponent
    assert mis(below, 500, "exact").fraction < mis(above, 500, "exact").fraction
    # At n = 7 the prefactor still decides, and the order is the indicator's.
    assert mis(below, 7, "exact").fraction > mis(above, 7, "exact").fraction


@pytest.mark.parametrize("n", [7, 100])
def test_a_family_that_the_exponent_orders_and_the_indicator_reverses(n):
    problems = [agreement(a, b) for a, b in OPPOSED]
    assert tau([p.indicator for p in problems], problems, n) == pytest.approx(-1.0)
    assert tau([p.exponent for p in problems], problems, n) == pytest.approx(1.0)


@pytest.mark.statistical
def test_the_empirical_exponent_orders_that_family():
    rng, losses = np.random.default_rng(2), {}
    for a, b in (OPPOSED[0], OPPOSED[-1]):
        u = rng.random(100_000)
        losses[f"{float(a)}"] = np.stack([(u >= 1.0 - float(b)) * 1.0, (u < float(a)) * 1.0])
    first, last = rank(losses, draws=199).indicators
    assert first.indicator < last.indicator
    assert first.chernoff.exponent > last.chernoff.exponent


def test_gaussian_regression_has_one_order():
    """I = ½ log((1 − 2r)/(1 − 4r)) for codebooks and for thresholds: r saturates, its order does not change."""
    rng = np.random.default_rng(3)
    law = LinearRegression([1.0, 0.0], [[1.0, 0.4], [0.4, 2.0]], 0.5)
    problems = [Problem(law, CodebookERM(rng.normal(size=(5, 2)) * s)) for s in (0.1, 0.5, 2.0, 10.0, 50.0)]
    line = LinearRegression([0.3], [[2.0]], 0.5)
    problems += [Problem(line, ThresholdPTQ(FixedThresholds((-h, 0.3 + 2.0 * h)))) for h in (0.01, 0.3, 5.0)]
    r = np.array([face.moderate_deviation_rate for p in problems for face in p.faces])
    exponent = np.array([face.chernoff_exponent for p in problems for face in p.faces])
    assert r.max() < 0.25
    assert np.allclose(exponent, 0.5 * np.log((1.0 - 2.0 * r) / (1.0 - 4.0 * r)), rtol=1e-6)


def test_the_nearest_threshold_decides_the_critical_scale_on_a_line():
    n, density = 10_000, math.exp(-0.125) / math.sqrt(2.0 * math.pi)
    for others in ((), (1.0,), (-0.7, 0.9, 2.0)):
        problem = Problem(LINE, ThresholdPTQ(FixedThresholds(tuple(sorted((0.5, *others))), "standard_error")))
        found = mis(problem, n, "exact").delta
        assert found == pytest.approx(2.0 * density / math.sqrt(2.0 * math.pi * n), rel=0.01)


def test_many_rivals_outweigh_a_nearer_one_until_n_is_large():
    def star(rivals, distance):
        law = GaussianMean(np.zeros(rivals), np.eye(rivals))
        return Problem(law, CodebookERM(np.vstack([np.zeros(rivals), 2.0 * distance * np.eye(rivals)])))

    near, far = star(1, 0.30), star(8, 0.32)
    assert near.indicator < far.indicator
    for n, first in ((100, "far"), (1000, "near")):
        estimate = mis(far, n, "tilted", replicates=16_000, seed=1)
        gap = (estimate.log_delta - mis(near, n, "exact").log_delta) * (1.0 if first == "far" else -1.0)
        assert gap > 5.0 * estimate.std_error
