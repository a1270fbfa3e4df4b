"""Decisions accept what is right and reject what is wrong; each is shown both."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, norm
from scipy.stats import t as student

from qmis_stats import MISResult
from qmis_stats.verify.decisions import (
    FAMILY_WISE_RATE,
    Control,
    Exact,
    Limit,
    Numeric,
    Statistical,
    binomial_decision,
    level_per_check,
    z_decision,
    z_score,
)
from qmis_stats.verify.evidence import Context, method_row, simulation_row

LEVEL = level_per_check(100)


def test_family_wise_rate_is_shared() -> None:
    assert FAMILY_WISE_RATE == 1e-6
    assert level_per_check(250) * 250 == pytest.approx(FAMILY_WISE_RATE)
    assert level_per_check(0) == FAMILY_WISE_RATE


@pytest.mark.parametrize(("deviation", "expected"), [(0.01, True), (-0.01, True), (0.02, False), (math.nan, False)])
def test_numeric_keeps_its_bound_and_refuses_nan(deviation: float, expected: bool) -> None:
    assert Numeric(deviation, 0.015).passed(LEVEL) is expected


def test_numeric_fails_out_of_domain_even_when_it_agrees() -> None:
    assert not Numeric(0.0, 1.0, in_domain=False).passed(LEVEL)


def test_limit_needs_both_the_failure_and_its_announcement() -> None:
    assert Limit(0.5, 0.3, in_domain=False).passed(LEVEL)
    assert not Limit(0.5, 0.3, in_domain=True).passed(LEVEL)
    assert not Limit(0.1, 0.3, in_domain=False).passed(LEVEL)


def test_control_inverts() -> None:
    assert Control(Exact(False, "")).passed(LEVEL)
    assert not Control(Exact(True, "")).passed(LEVEL)


@pytest.mark.parametrize("z", [0.0, 1.0, -3.0, 5.0, -7.0, 45.0])
def test_z_decision_is_the_two_sided_normal_test(z: float) -> None:
    assert z_decision(z * 0.1, 0.1).p_value == pytest.approx(2.0 * norm.sf(abs(z)), rel=1e-9)
    assert z_decision(z * 0.1, 0.1).passed(LEVEL) == (abs(z) < norm.isf(LEVEL / 2))


def test_model_bound_is_removed_before_the_test() -> None:
    assert z_decision(0.5, 0.1, model_bound=0.3).statistic == pytest.approx(2.0)
    assert z_decision(-0.2, 0.1, model_bound=0.3).p_value == 1.0


def test_zero_standard_error_is_not_a_free_pass() -> None:
    assert z_decision(0.0, 0.0).passed(LEVEL)
    assert not z_decision(1e-9, 0.0).passed(LEVEL)


@pytest.mark.parametrize("dof", [3, 31])
def test_z_decision_with_degrees_of_freedom_is_students_test(dof: int) -> None:
    decision = z_decision(0.25, 0.1, dof=dof)
    assert decision.p_value == pytest.approx(2.0 * student.sf(2.5, dof), rel=1e-9)
    assert decision.describe() == "t = +2.50"
    assert decision.p_value > z_decision(0.25, 0.1).p_value


def test_z_score_when_the_simulation_saw_nothing() -> None:
    nothing = MISResult("crude", 10, -math.inf, math.inf)
    assert z_score(nothing, -5.0) == -math.inf
    assert z_score(nothing, -math.inf) == 0.0


def test_z_score_is_that_of_delta_itself() -> None:
    result = MISResult("crude", 10, math.log(0.021), 0.03)
    assert z_score(result, math.log(0.02)) == pytest.approx((0.021 - 0.02) / (0.03 * 0.021))


@pytest.mark.parametrize(("hits", "trials"), [(380, 400), (400, 400), (0, 40), (30, 40)])
def test_binomial_decision_is_exact(hits: int, trials: int) -> None:
    # Two-sided by likelihood: all outcomes that are no more probable than the one observed.
    masses = binom.pmf(np.arange(trials + 1), trials, 0.95)
    expected = masses[masses <= masses[hits] * (1 + 1e-7)].sum()
    assert binomial_decision(hits, trials, 0.95).p_value == pytest.approx(expected, rel=1e-6)


def test_wrong_exponent_and_prefactor_are_rejected() -> None:
    truth = MISResult("exact", 100, -15.956)
    right = MISResult("tilted", 100, -15.95, 0.01, seed=1, replicates=1000)
    assert simulation_row("", right, truth.log_delta).decision.passed(LEVEL)
    for wrong in (truth.log_delta - 100 * 0.001, truth.log_delta + math.log(0.9)):
        assert not simulation_row("", right, wrong).decision.passed(LEVEL)
    sharp = MISResult("sharp", 100, -15.9577)
    assert method_row("", sharp, truth, 0.0025).decision.passed(LEVEL)
    assert not method_row("", MISResult("sharp", 100, -15.9577 + 0.01), truth, 0.0025).decision.passed(LEVEL)


@pytest.mark.statistical
def test_level_is_kept_by_the_statistical_decision() -> None:
    """At a level of 1 % the test rejects 1 % of right numbers: 100 of 10 000, standard deviation 10."""
    z = Context(True, 3).rng("level").standard_normal(10_000)
    rejected = sum(not Statistical("z", float(v), 2.0 * float(norm.sf(abs(v)))).passed(0.01) for v in z)
    assert abs(rejected - 100) < 6 * 9.95


def test_seeds_differ_between_checks_and_runs() -> None:
    context = Context(True, 1)
    assert context.seed_of("a") == context.seed_of("a") != context.seed_of("b")
    assert context.seed_of("a") != Context(True, 2).seed_of("a")
    assert 0 <= context.seed_of("a") < 2**32
