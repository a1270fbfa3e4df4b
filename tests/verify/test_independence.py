"""What the routes share is listed, and each shared function, made wrong by a fifth, is seen by a claim."""

from pathlib import Path

import independence
import pytest
from study_rows import grouped, read_rows

from qmis_stats.verify import run_verification
from qmis_stats.verify.registry import chosen_claims
from tests.exact import test_special_functions
from tests.model import test_problem
from tests.theory import test_critical


def passed(key):
    """Return whether a claim holds; one that cannot be computed does not."""
    try:
        return run_verification(quick=True, claims=chosen_claims(keys=[key])).passed
    except (ArithmeticError, ValueError):
        return False


def test_every_function_that_two_routes_import_is_in_the_study():
    refusals = [
        "instance_of",
        "objects",
        "positive_number",
        "sample_size",
        "score_array",
        "threshold_array",
        "whole_number",
    ]
    shared = independence.shared_functions() - {f"validation.{name}" for name in refusals}
    assert shared == set(independence.FUNCTIONS)


SHARED = sorted({*independence.FUNCTIONS, *independence.BELOW} - set(independence.BY_TESTS))


@pytest.mark.grid(3)
@pytest.mark.parametrize("name", SHARED)
def test_a_shared_function_that_is_wrong_is_seen(name):
    assert passed("sharp.published")
    with independence.made_wrong(name):
        assert not passed("sharp.published")
    assert passed("sharp.published")


UNSEEN = {
    "numerics.log_ndtr_difference": lambda: test_special_functions.test_log_ndtr_difference(0.1, 0.5),
    "FiniteLaw.erm_scores": test_problem.test_finite_scores_are_exact_integers,
    "LinearRegression.product_cells": test_critical.test_regression_tail_that_is_not_yet_normal_is_announced,
}


def test_none_is_left_to_neither():
    assert set(UNSEEN) == set(independence.BY_TESTS)


@pytest.mark.parametrize("name", UNSEEN)
def test_what_no_claim_sees_a_test_sees(name):
    UNSEEN[name]()
    with independence.made_wrong(name), pytest.raises((AssertionError, pytest.fail.Exception)):
        UNSEEN[name]()
    UNSEEN[name]()


def test_the_rows_that_share_a_function_do_not_see_it():
    """Why the list is needed: quadrature against conditional simulation holds while what both call is wrong."""
    (claim,) = chosen_claims(keys=["oracles.line"])
    with independence.made_wrong("numerics.tail_changes"):
        report = run_verification(quick=True, claims=[claim])
    rows = report.checked[0].rows
    assert all(row.decision.passed(report.level) for row in rows if row.setting.endswith(": conditional"))
    assert not report.passed


def test_the_table_names_the_claims_that_fail():
    rows = read_rows(Path(independence.__file__).with_suffix(".csv"))
    listed = {
        part: {row["shared"]: row["made wrong"] for row in found} for part, found in grouped(rows, "part").items()
    }
    assert listed == independence.parts()
    for row in rows:
        assert set(row["claims"].split()) <= set(independence.CHECKED)
        assert (row["claims"] == "") is (row["shared"] in independence.BY_TESTS)
