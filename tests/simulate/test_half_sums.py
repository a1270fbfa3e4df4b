"""Two cells of generalized linear laws: half sums, whole sums, the oracle and the second-order form agree."""

import math

import numpy as np
import pytest

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
from qmis_stats.exact import canonical_pair
from qmis_stats.simulate import pooled, tilted
from qmis_stats.verify.decisions import z_score

PROBLEMS = {
    "logistic codewords": Problem(LogisticRegression([1.5], [[1.0]], 0.3), CodebookERM([[1.5], [-0.5]])),
    "logistic threshold": Problem(LogisticRegression([1.5], [[1.0]]), ThresholdPTQ(FixedThresholds((0.2,)))),
    "poisson codewords": Problem(PoissonRegression([0.6], [[1.0]], 0.3), CodebookERM([[0.6], [-0.5]])),
    "tie": Problem(LogisticRegression([0.0], [[1.0]], 0.3), CodebookERM([[0.5], [-0.5]])),
}


@pytest.mark.statistical
@pytest.mark.parametrize("name", PROBLEMS)
def test_half_sums_against_the_oracle(name):
    problem, n = PROBLEMS[name], 40
    exact = mis(problem, n, "exact").log_delta
    assert mis(problem, n, "sharp2").log_delta == pytest.approx(exact, abs=5e-3)
    found = mis(problem, n, "tilted", replicates=6000, seed=3)
    assert found.in_domain
    assert found.std_error < 0.02
    assert abs(z_score(found, exact)) < 6.0
    assert abs(z_score(found, exact + 0.2)) > 6.0


@pytest.mark.statistical
def test_far_below_the_smallest_crossing_seen():
    problem = PROBLEMS["logistic threshold"]
    exact = mis(problem, 920, "exact").log_delta
    assert exact < -60.0 * math.log(10.0)
    found = mis(problem, 920, "tilted", replicates=2000, seed=3)
    assert found.std_error < 0.03
    assert abs(z_score(found, exact)) < 6.0


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["logistic codewords", "poisson codewords"])
def test_crude_and_whole_sums_against_the_oracle(name):
    problem, n = PROBLEMS[name], 12
    exact = mis(problem, n, "exact").log_delta
    crude = mis(problem, n, "crude", replicates=40_000, seed=5)
    whole = tilted(problem, n, replicates=10_000, seed=6, sampling="random")
    for found in (crude, whole):
        assert found.in_domain
        assert abs(z_score(found, exact)) < 6.0
        assert abs(z_score(found, exact + 0.5)) > 6.0


@pytest.mark.long
@pytest.mark.statistical
def test_standard_error_is_that_of_the_blocks():
    """χ² of 24 independent blocks at 1e-9."""
    from scipy.stats import chi2

    problem, n = PROBLEMS["logistic threshold"], 30
    blocks = [tilted(problem, n, replicates=400, seed=9, block=b) for b in range(24)]
    values = np.array([b.linear.value for b in blocks])
    errors = np.array([b.linear.std_error for b in blocks])
    statistic = float(np.sum((values - values.mean()) ** 2) / np.mean(errors**2))
    assert chi2.cdf(statistic, 23) > 1e-9
    assert chi2.sf(statistic, 23) > 1e-9
    assert abs(z_score(pooled(blocks), mis(problem, n, "exact").log_delta)) < 6.0


def test_too_few_points_for_the_oracle(monkeypatch):
    monkeypatch.setattr(canonical_pair, "_MOST_EVALUATIONS", 200_000)
    with pytest.raises(DomainError, match="decays too slowly"):
        mis(PROBLEMS["poisson codewords"], 2, "exact")
