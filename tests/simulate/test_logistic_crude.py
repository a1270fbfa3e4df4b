"""Crude simulation of logistic regressions under product cells, by the compiled fits."""

import math

import numpy as np
import pytest

from qmis_stats import DomainError, FixedThresholds, LogisticRegression, PoissonRegression, Problem, ThresholdPTQ, mis
from qmis_stats.simulate.logistic_crude import crude_logistic
from qmis_stats.simulate.settings import Settings
from qmis_stats.verify.decisions import z_score


@pytest.mark.statistical
def test_one_coefficient_against_the_oracle():
    """On a line the same cells are an argmin of sums, for which there is an oracle."""
    law = LogisticRegression([1.0], [[1.0]])
    problem, n = Problem(law, ThresholdPTQ(FixedThresholds((1.1,)))), 30
    found = crude_logistic(law, problem.thresholds, n, Settings(60_000, 1))
    exact = mis(problem, n, "exact").log_delta
    assert abs(z_score(found, exact)) < 6.0
    assert abs(z_score(found, exact + 3.0)) > 6.0
    assert found.details["without_estimate"] < 1e-3


def test_data_without_an_estimate_are_an_outcome():
    law = LogisticRegression([4.0, 0.0], np.eye(2))
    cells = (np.array([0.0]), np.array([0.0]))
    found = crude_logistic(law, cells, 5, Settings(8000, 1))
    assert found.details["without_estimate"] > 0.5


def test_blocks_and_backends_give_one_stream():
    law = LogisticRegression([1.0, -0.5], np.eye(2))
    cells = (np.array([0.0]), np.array([0.0]))
    fast, plain = (crude_logistic(law, cells, 12, Settings(4100, 3, backend)) for backend in ("numba", "reference"))
    assert fast.log_delta == plain.log_delta
    other = crude_logistic(law, cells, 12, Settings(4100, 3, "numba", block=1))
    assert other.log_delta != fast.log_delta
    assert abs(other.linear.value - fast.linear.value) < 6.0 * math.hypot(other.linear.std_error, fast.linear.std_error)


def test_what_cannot_be_simulated_is_refused():
    cells = ThresholdPTQ(FixedThresholds((0.0,)))
    with pytest.raises(DomainError, match="know no intercept"):
        mis(Problem(LogisticRegression([1.0, 0.0], np.eye(2), 0.5), cells), 20, "crude")
    with pytest.raises(DomainError, match="do not determine"):
        mis(Problem(LogisticRegression([1.0, 0.0], np.eye(2)), cells), 2, "crude")
    with pytest.raises(DomainError, match="not an argmin"):
        mis(Problem(PoissonRegression([0.5, 0.0], np.eye(2)), cells), 20, "crude")
