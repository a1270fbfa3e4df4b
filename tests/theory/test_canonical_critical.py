"""The critical scale of generalized linear laws against the oracle and by plain averages."""

import math

import numpy as np
import pytest
from scipy.special import expit

from qmis_stats import (
    CodebookERM,
    DomainError,
    FixedThresholds,
    LogisticRegression,
    PoissonRegression,
    Problem,
    ThresholdPTQ,
    mis,
)
from qmis_stats.theory.canonical_critical import absolute_influence

pytestmark = pytest.mark.grid(3)

PLANE = np.array([[1.0, 0.3], [0.3, 0.5]])


@pytest.mark.parametrize(("law", "bound"), [(LogisticRegression, 1.0), (PoissonRegression, 8.0)])
@pytest.mark.parametrize(
    "procedure",
    [ThresholdPTQ(FixedThresholds((0.9,)), exponent=0.5), CodebookERM([[0.3], [0.9]], exponent=0.5)],
    ids=["threshold", "codewords"],
)
def test_error_is_of_order_one_over_n(law, bound, procedure):
    problem = Problem(law([0.5], [[1.0]], 0.3), procedure)
    for n in (100, 400):
        if not problem.at(n).faces[0].tilt.proper:
            continue  # codewords off the truth may have no tilt under a Poisson regression, hence no oracle
        ratio = math.exp(mis(problem, n, "critical").log_delta - mis(problem, n, "exact").log_delta)
        assert abs(ratio - 1.0) < bound / n
        assert abs(math.sqrt(0.5 * math.pi) * ratio - 1.0) > bound / n  # the factor of a Gaussian influence


@pytest.mark.statistical
@pytest.mark.parametrize("law", [LogisticRegression, PoissonRegression])
def test_influence_by_plain_averages(law):
    made = law([0.8, -0.3], PLANE, 0.2)
    rng = np.random.default_rng(1)
    x = rng.multivariate_normal(np.zeros(2), PLANE, size=400_000)
    eta = 0.2 + x @ made.coefficients
    poisson = law is PoissonRegression
    mean = np.exp(eta) if poisson else expit(eta)
    y = rng.poisson(mean) if poisson else rng.uniform(size=mean.size) < mean
    for m in ([0.5, 0.1], [0.8, -0.3], [-0.2, 1.4]):
        draws = np.abs(x @ np.array(m) * (y - mean))
        found = absolute_influence(made, np.array([m]))[0]
        error = draws.std() / math.sqrt(draws.size)
        assert abs(draws.mean() - found) < 6.0 * error
        assert abs(draws.mean() - 1.05 * found) > 6.0 * error


@pytest.mark.statistical
def test_plane_against_simulation():
    """Three codewords at the critical scale; the form's own error is allowed for."""
    book = [[0.8, -0.3], [0.9, 0.0], [0.7, -0.5]]
    problem = Problem(LogisticRegression([0.8, -0.3], PLANE, 0.3), CodebookERM(book))
    form = mis(problem, 60, "critical")
    crude = mis(problem, 60, "crude", replicates=10_000, seed=2)
    assert form.in_domain
    assert abs(crude.log_delta - form.log_delta) < 2.0 / 60.0 + 6.0 * crude.std_error


@pytest.mark.parametrize(
    ("law", "intercept"), [(LogisticRegression, 0.0), (LogisticRegression, 1.0), (PoissonRegression, 0.5)]
)
def test_many_coefficients_agree_with_the_critical_scale(law, intercept):
    """Signs of eight coefficients of zero: two routes, one by enumeration of 256 cells."""
    problem = Problem(law(np.zeros(8), np.eye(8), intercept), ThresholdPTQ(FixedThresholds((0.0,))))
    many, few = (mis(problem, 400, method) for method in ("high_dimension", "critical"))
    assert many.in_domain
    assert many.details["retained_information"] == pytest.approx(2.0 / math.pi)
    assert many.log_delta == pytest.approx(few.log_delta, abs=2e-3)
    assert 0.5 < many.roc.auc < 0.54


def test_correlated_designs_have_no_high_dimensional_form():
    problem = Problem(LogisticRegression([0.0, 0.0], PLANE), ThresholdPTQ(FixedThresholds((0.0,))))
    with pytest.raises(DomainError, match="not independent"):
        mis(problem, 100, "high_dimension")


def test_residuals_of_responses():
    for law in (LogisticRegression([0.8], [[1.0]], 0.3), PoissonRegression([0.8], [[1.0]], 0.3)):
        residual, weights = law.residual_rule()
        eta, mass = law.predictor_rule()
        assert weights.sum() == pytest.approx(1.0, abs=1e-8)
        assert weights @ residual**2 == pytest.approx(float(mass @ law.family.cumulants(eta)[0]), rel=1e-4)
