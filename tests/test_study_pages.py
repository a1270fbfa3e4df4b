"""Every page of a study is made from its committed table, by a template, without computing anything anew."""

import importlib
from pathlib import Path

import pytest
from study_page import ENVIRONMENT

STUDIES = Path(__file__).resolve().parents[1] / "docs" / "studies"
MADE_BY = {
    "agreement": "agreement",
    "audit_answer": "audit_answer_study.page",
    "calibration": "calibration",
    "coverage": "coverage_study.page",
    "extremes": "extremes",
    "generalized_linear": "generalized_linear",
    "generalized_proportional": "generalized_proportional",
    "generator": "write_generator",
    "group_leak": "group_leak",
    "independence": "independence",
    "indicator_ranking": "write_indicator_ranking",
    "large_networks": "large_networks",
    "memberships": "memberships",
    "softmax": "softmax",
    "leak_checks": "leak_checks_study.page",
    "molecules": "write_molecules",
    "molecules_attacks": "molecules_attacks",
    "molecules_leak": "molecules_leak",
    "proportional": "proportional",
    "protects": "protects",
    "scales": "scales",
    "synthetic": "write_synthetic",
    "variance_reduction": "variance_reduction",
}

WITHOUT_TABLE = {"verification"}
"""Its table is not kept: it is the report of a full verification."""


@pytest.mark.parametrize("name", MADE_BY)
def test_the_page_is_that_of_the_committed_table(name):
    page = importlib.import_module(MADE_BY[name]).page(STUDIES)
    assert page == (STUDIES / f"{name}.md").read_text(encoding="utf-8")


def test_every_template_is_of_a_page_and_compiles():
    templates = {path.name.removesuffix(".md.j2") for path in (STUDIES / "templates").glob("*.j2")}
    assert templates == set(MADE_BY) | WITHOUT_TABLE
    for name in WITHOUT_TABLE:
        ENVIRONMENT.get_template(f"{name}.md.j2")
