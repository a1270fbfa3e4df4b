"""High dimension and certificates."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from qmis_stats import (
    CodebookERM,
    DomainError,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    LinearRegression,
    LossTable,
    Problem,
    Sign,
    Ternary,
    ThresholdPTQ,
)
from qmis_stats.exact import exact, finite
from qmis_stats.theory import (
    certificate,
    collision_bound,
    gaussian_roc,
    high_dimension,
    moderate,
    retained_information,
    signal,
)


def centred(d, quantizer):
    return Problem(GaussianMean(np.zeros(d), np.eye(d)), ThresholdPTQ(quantizer))


@pytest.mark.parametrize(
    ("quantizer", "published"),
    [
        (Sign(), 0.1600),
        (FixedThresholds((-0.43, 0.43), "standard_error"), 0.1783),
        (FixedThresholds((-1.645, 1.645), "standard_error"), 0.1311),
        (FixedThresholds(tuple(np.linspace(-4, 4, 81)), "standard_error"), 0.1997),
    ],
)
def test_published_values_at_128_dimensions(quantizer, published):
    assert high_dimension(centred(128, quantizer), 500).delta == pytest.approx(published, abs=3.5e-4)


def test_published_value_at_512_dimensions():
    assert high_dimension(centred(512, Sign()), 128).delta == pytest.approx(0.575, abs=5e-4)


def test_domain_excludes_few_coordinates_with_rare_cells():
    assert not high_dimension(centred(8, Ternary(0.9)), 100).in_domain
    assert high_dimension(centred(128, Ternary(0.9)), 500).in_domain
    assert not high_dimension(centred(512, Ternary(0.9)), 10).in_domain


def test_coordinates_may_differ():
    mean = np.array([0.0, 0.1, -0.2])
    scale = np.array([1.0, 4.0, 0.25])
    p = Problem(GaussianMean(mean, np.diag(scale)), ThresholdPTQ(Sign()))
    each = [
        signal(Problem(GaussianMean([m], [[s]]), ThresholdPTQ(Sign())), 50).retained
        for m, s in zip(mean, scale, strict=True)
    ]
    assert signal(p, 50).retained == pytest.approx(np.mean(each), rel=1e-12)


def test_regression_averages_over_the_noise():
    from scipy.integrate import quad

    d, n = 256, 300
    p = Problem(LinearRegression(np.zeros(d), np.eye(d), 2.0), ThresholdPTQ(Sign()))
    mu = signal(p, n).mu
    direct = 2 * quad(lambda e: (2 * ndtr(mu * e / 2) - 1) * math.exp(-e * e / 2) / math.sqrt(2 * math.pi), 0, 12)[0]
    result = high_dimension(p, n)
    assert result.delta == pytest.approx(direct, rel=1e-6)
    fpr, tpr = np.array(result.roc.fpr), np.array(result.roc.tpr)
    assert np.all(np.diff(fpr) >= 0)
    assert np.all(np.diff(tpr) >= 0)
    assert np.max(tpr - fpr) == pytest.approx(direct, rel=2e-3)


def test_roc_of_one_signal():
    roc = gaussian_roc(0.8)
    for fpr, (tpr, low, high) in roc.tpr_at.items():
        assert tpr == low == high == pytest.approx(ndtr(ndtri(fpr) + 0.8))
    assert np.max(np.array(roc.tpr) - np.array(roc.fpr)) == pytest.approx(2 * ndtr(0.4) - 1, rel=1e-4)
    assert gaussian_roc(0.0).auc == 0.5


def test_refusals():
    correlated = Problem(GaussianMean([0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]]), ThresholdPTQ(Sign()))
    codebook = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    for problem in (correlated, codebook):
        with pytest.raises(DomainError, match="high_dimension"):
            high_dimension(problem, 100)


def test_certificates_bound_random_finite_problems():
    rng = np.random.default_rng(8)
    for _ in range(60):
        atoms, k, n = int(rng.integers(2, 5)), int(rng.integers(2, 6)), int(rng.integers(2, 13))
        weights = rng.integers(1, 6, size=atoms)
        law = FiniteLaw([f"{w}/{weights.sum()}" for w in weights])
        p = Problem(law, LossTable(rng.integers(0, 4, size=(k, atoms)).tolist()))
        value = exact(p, n)
        cells = finite.cell_probabilities(law.probabilities, p.scores.losses, n)
        assert value.fraction <= 1 - sum(c * c for c in cells)
        assert value.delta <= collision_bound(cells) + 1e-15
        assert value.log_delta <= certificate(p, n).log_delta + 1e-12


def test_certificate_of_linearised_faces_is_refused():
    p = Problem(LinearRegression([0.0, 0.0], np.eye(2), 1.0), ThresholdPTQ(Sign()))
    with pytest.raises(DomainError, match="linearised"):
        certificate(p, 10)


def test_moderate_deviations():
    p = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]], exponent=0.25))
    ratios = [exact(p, n).log_delta / moderate(p, n).log_delta for n in (10**3, 10**5, 10**7, 10**9)]
    assert all(a > b > 1.0 for a, b in itertools.pairwise(ratios))
    assert ratios[-1] == pytest.approx(1.0, abs=0.004)
    assert not moderate(Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [4.0]])), 100).in_domain
    assert not moderate(p, 10).in_domain


@pytest.mark.parametrize("thresholds", [(0.0,), (-0.4399, 0.4399), (-1.645, 0.2, 1.645)])
def test_retained_information_of_many_weights_near_few_thresholds(thresholds):
    """Proposition S8.3: the error is of relative order e², as f is smooth."""
    weights = ndtri((np.arange(4000) + 0.5) / 4000)
    constant = quad(lambda x: math.exp(-(x**2)) / (2 * math.pi * ndtr(x) * ndtr(-x)), -30.0, 30.0)[0]
    densities = sum(math.exp(-0.5 * t**2) / math.sqrt(2 * math.pi) for t in thresholds)
    for error in (0.1, 0.05):
        found = np.mean([retained_information((np.array(thresholds) - w) / error) for w in weights])
        assert found == pytest.approx(constant * error * densities, rel=3.0 * error**2)
    assert constant == pytest.approx(1.80639, abs=5e-6)
