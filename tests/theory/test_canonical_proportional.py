"""Logistic and Poisson regressions with d comparable to n: read-outs, limits, refusals, experiment files."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from qmis_stats import (
    FixedThresholds,
    GaussianMean,
    LinearRegression,
    LogisticRegression,
    PoissonRegression,
    Problem,
    Sign,
    ThresholdPTQ,
    mis,
)
from qmis_stats.errors import DomainError, InputError
from qmis_stats.experiment import parse_experiment, run_experiment
from qmis_stats.scores.families import BERNOULLI
from qmis_stats.theory import (
    BivariateRatio,
    MemberPoints,
    estimate_law,
    high_dimension,
    proportional,
    read_out_law,
    unquantized_fit,
)

pytestmark = pytest.mark.grid(3)

D = 128
BETA = np.random.default_rng(0).normal(size=D) / math.sqrt(D)
LAWS = (LogisticRegression, PoissonRegression)


class Normal:
    """The squared loss as a family: its read-outs have a closed law."""

    def mean(self, v):
        return v

    def cumulants(self, v):
        return np.ones_like(v), np.zeros_like(v), np.zeros_like(v)

    def proximal(self, u, q, y):
        return (u + q * y) / (1.0 + q)


@pytest.mark.parametrize("rho", [1.0, 0.9995, 0.99, 0.6, 0.01])
@pytest.mark.parametrize("n", [192, 1024])
def test_the_squared_loss_gives_the_bivariate_ratio(n, rho):
    law = estimate_law(LinearRegression(np.zeros(D), np.eye(D), 1.0), n)
    r, s2 = law.leverage, law.spread
    inside = rho**2 * (r * r + (1.0 - r) ** 2 * s2) + rho * (1.0 - rho) * s2
    scale = np.diag([1.0, 1.0 / math.sqrt(rho * s2)])
    low, high = np.linalg.eigvalsh(scale @ np.array([[1.0, rho * r], [rho * r, inside]]) @ scale)
    exact = BivariateRatio(high - 1.0, 1.0 - low)
    x = np.linspace(-8.5, 8.5, 205)
    weight = np.exp(-0.5 * x * x)
    points = MemberPoints(np.zeros(x.size), x, weight / weight.sum(), math.sqrt(s2), r / (1.0 - r))
    found = read_out_law(Normal(), points, rho)
    assert found.delta == pytest.approx(exact.total_variation, abs=2e-5)
    assert found.roc.auc == pytest.approx(exact.auc, abs=2e-5)
    for rate, (value, _, _) in found.roc.tpr_at.items():
        assert value == pytest.approx(exact.roc().tpr_at[rate][0], rel=5e-3)
    assert np.max(np.array(found.roc.tpr) - np.array(found.roc.fpr)) == pytest.approx(found.delta, abs=2e-4)


@pytest.mark.parametrize(("a", "y", "s", "q"), [(0.3, 1.0, 1.2, 0.8), (-2.0, 1.0, 1.9, 4.0)])
@pytest.mark.parametrize("rho", [1.0, 0.7])
def test_a_single_point_by_its_density(a, y, s, q, rho):
    """The member's density from its definition: over the fitted value m, whose deviation tau(m) is explicit."""
    found = read_out_law(BERNOULLI, MemberPoints(np.array([a]), np.array([y]), np.ones(1), s, q), rho)

    def density(m: np.ndarray) -> np.ndarray:
        p = expit(a + s * m)
        return norm.pdf(m + q * (p - y) / s) * (1.0 + q * p * (1.0 - p))

    w = np.linspace(-9.0, 9.0, 6001)
    member = density(w)
    if rho < 1.0:
        z = np.linspace(-9.0, 9.0, 241)
        member = density((w[:, None] - math.sqrt(1.0 - rho) * z) / math.sqrt(rho)) @ norm.pdf(z)
        member *= (z[1] - z[0]) / math.sqrt(rho)
    distance = float(np.sum(np.abs(member - norm.pdf(w)))) * (w[1] - w[0])
    assert found.delta == pytest.approx(0.5 * distance, abs=3e-5)


@pytest.mark.parametrize("kind", LAWS)
def test_few_weights_per_point_give_the_form_of_s18(kind):
    problem = Problem(kind(np.zeros(D), np.eye(D)), ThresholdPTQ(FixedThresholds((-0.5, 0.5), "standard_error")))
    n = 400_000
    found = proportional(problem, n)
    assert found.delta == pytest.approx(high_dimension(problem, n).delta, rel=2e-2)
    assert found.in_domain


@pytest.mark.parametrize(("kind", "n", "ridge"), [(LogisticRegression, 512, 0.0), (LogisticRegression, 96, 20.0)])
def test_fine_cells_are_no_cells(kind, n, ridge):
    law = kind(BETA, np.eye(D))
    fine = FixedThresholds(tuple(np.linspace(-6.0, 6.0, 401)), "standard_error")
    found = proportional(Problem(law, ThresholdPTQ(fine, ridge=ridge)), n)
    assert found.delta == pytest.approx(unquantized_fit(law, n, ridge).delta, rel=2e-3)
    coarse = proportional(Problem(law, ThresholdPTQ(Sign(), ridge=ridge)), n)
    assert coarse.delta < 0.8 * coarse.details["delta_unquantized"]


def test_the_curve():
    found = proportional(Problem(LogisticRegression(BETA, np.eye(D)), ThresholdPTQ(Sign())), 512)
    fpr, tpr = np.array(found.roc.fpr), np.array(found.roc.tpr)
    assert np.all(np.diff(fpr) >= 0.0)
    assert np.all(np.diff(tpr) >= 0.0)
    assert np.trapezoid(tpr, fpr) == pytest.approx(found.roc.auc, abs=1e-4)
    assert list(found.roc.tpr_at) == [1e-1, 1e-2, 1e-3, 1e-4]
    assert all(value > rate for rate, (value, _, _) in found.roc.tpr_at.items())


def test_correlated_features_and_cells_that_tell_nothing():
    sigma = 0.7 ** np.abs(np.subtract.outer(np.arange(D), np.arange(D)))
    law = LogisticRegression(BETA / math.sqrt(BETA @ sigma @ BETA), sigma)
    found = proportional(Problem(law, ThresholdPTQ(Sign())), 512)
    plain = LogisticRegression(BETA / math.sqrt(BETA @ BETA), np.eye(D))
    assert "lower bound" in found.domain
    assert found.details["delta_unquantized"] == pytest.approx(unquantized_fit(plain, 512).delta, rel=1e-6)
    nothing = proportional(Problem(law, ThresholdPTQ(FixedThresholds((1e6,)))), 512)
    assert nothing.log_delta == -math.inf
    assert nothing.roc.auc == 0.5


def test_domain_and_refusals():
    law = LogisticRegression(BETA, np.eye(D))
    with pytest.raises(DomainError, match=r"the likelihood has no maximum with d/n = 0\.5"):
        proportional(Problem(law, ThresholdPTQ(Sign())), 256)
    assert proportional(Problem(law, ThresholdPTQ(Sign(), ridge=5.0)), 256).in_domain
    few = LogisticRegression([0.5] * 4, np.eye(4))
    assert "effective coordinates, fewer than 16" in proportional(Problem(few, ThresholdPTQ(Sign())), 60).domain
    with pytest.raises(DomainError, match="the form is for regressions"):
        proportional(Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign())), 50)
    with pytest.raises(InputError, match="law"):
        unquantized_fit(GaussianMean([0.0], [[1.0]]), 50)
    penalised = Problem(law, ThresholdPTQ(Sign(), ridge=1.0))
    for method in ("critical", "high_dimension", "mixed", "crude"):
        with pytest.raises(DomainError, match="ridge penalty"):
            mis(penalised, 256, method)


@pytest.mark.parametrize(
    ("kind", "intercept", "n", "inside"),
    [
        (LogisticRegression, 10.0, 256, False),
        (LogisticRegression, 8.0, 2000, False),
        (LogisticRegression, 30.0, 256, False),
        (LogisticRegression, 8.0, 10**6, True),
        (LogisticRegression, 2.0, 256, True),
        (PoissonRegression, -3.0, 64, False),
        (PoissonRegression, -3.0, 2000, True),
    ],
)
def test_rare_responses_that_a_sample_has_few_of(kind, intercept, n, inside):
    law = kind(np.full(64, 0.0125), np.eye(64), intercept)
    found = proportional(Problem(law, ThresholdPTQ(Sign(), ridge=1.0)), n)
    assert found.in_domain is inside
    assert ("rare responses carry the fit" in found.domain) is not inside


@pytest.mark.parametrize(("n", "inside"), [(150, False), (160, False), (175, False), (190, True), (256, True)])
def test_samples_near_the_transition_may_have_no_estimate(n, inside):
    law = LogisticRegression(np.full(64, 0.125), np.eye(64))
    found = proportional(Problem(law, ThresholdPTQ(Sign())), n)
    assert found.in_domain is inside
    assert ("may not exist in every sample" in found.domain) is not inside
    assert proportional(Problem(law, ThresholdPTQ(Sign(), ridge=1.0)), n).in_domain


@pytest.mark.parametrize("kind", ["logistic_regression", "poisson_regression"])
def test_experiment_files(kind):
    data = {
        "law": {"kind": kind, "coefficients": 0.05, "covariance": 2.0, "dimension": 96},
        "procedure": {"kind": "ptq", "quantizer": "sign", "ridge": 10.0},
        "run": {"n": 192, "methods": ["proportional", "auto"]},
    }
    outcome = run_experiment(parse_experiment(data))
    first, second = outcome.to_dict()["results"]
    assert first["delta"] == second["delta"] > 0.05
    assert first["in_domain"]
    assert first["roc"]["auc"] > 0.5
    data["procedure"]["ridge"] = -1.0
    with pytest.raises(InputError, match=r"procedure.ridge = -1.0: must be a finite number of at least zero"):
        parse_experiment(data)
    data["procedure"]["ridge"] = 0.0
    data["run"]["n"] = 97
    if kind == "logistic_regression":
        with pytest.raises(InputError, match="the likelihood has no maximum"):
            run_experiment(parse_experiment({**data, "run": {"n": 97, "methods": ["proportional"]}}))
