"""Two hundred randomly drawn finite problems: every applicable method against exact enumeration."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from qmis_stats import DomainError, FiniteLaw, LossTable, Problem
from qmis_stats.exact import exact
from qmis_stats.simulate import crude, tilted
from qmis_stats.theory import certificate, sharp

PROBLEMS = 200
REPLICATES = 3000
ENOUGH = 200.0  # effective sums below which a z-score is too discrete to be normal; fixed before looking


def random_problem(rng):
    atoms, cells, n = (int(rng.integers(*limits)) for limits in ((2, 5), (2, 7), (2, 21)))
    weights = rng.integers(1, 8, size=atoms)
    losses = rng.integers(0, 5, size=(cells, atoms))  # few values: ties, duplicates and one-sided rivals abound
    return Problem(FiniteLaw([f"{w}/{weights.sum()}" for w in weights]), LossTable(losses.tolist())), n


@pytest.fixture(scope="module")
def outcomes():
    rng = np.random.default_rng(1)
    rows = []
    for i in range(PROBLEMS):
        problem, n = random_problem(rng)
        simulated = [method(problem, n, replicates=REPLICATES, seed=i) for method in (crude, tilted)]
        rows.append((problem, n, exact(problem, n), simulated))
    return rows


@pytest.mark.statistical
def test_simulations_have_standard_normal_scores(outcomes):
    for which in (0, 1):
        scores = []
        for _, _, truth, simulated in outcomes:
            result = simulated[which]
            if truth.fraction == 0:
                assert result.log_delta == -math.inf
            elif result.std_error < 1e-10:  # a conditioned law leaves nothing to chance
                assert result.log_delta == pytest.approx(truth.log_delta, abs=1e-10)
            elif result.details["effective_sums"] >= ENOUGH:
                scores.append((result.delta - truth.delta) / (result.std_error * result.delta))
        z = np.array(scores)
        assert z.size >= 100
        assert np.max(np.abs(z)) < 6.5
        assert kstest(z, "norm").pvalue > 1e-9
        assert 1e-9 < chi2.sf(np.sum(z**2), z.size) < 1 - 1e-9
        # Negative controls: errors understated by half, or values shifted by a standard error, are seen.
        assert chi2.sf(np.sum((2 * z) ** 2), z.size) < 1e-9
        assert kstest(z + 1.0, "norm").pvalue < 1e-9


def test_certificates_hold(outcomes):
    for problem, n, truth, _ in outcomes:
        assert truth.log_delta <= certificate(problem, n).log_delta + 1e-12


def test_sharp_form_where_it_claims_its_domain(outcomes):
    checked = 0
    for problem, n, truth, _ in outcomes:
        try:
            found = sharp(problem, n)
        except DomainError:
            continue
        if found.in_domain and truth.fraction > 0:
            checked += 1
            assert n * abs(math.expm1(found.log_delta - truth.log_delta)) < 1.0
    assert checked >= 10
