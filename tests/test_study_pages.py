"""Every page of a study is made from its committed table, by a template, without computing anything anew."""

import importlib
from pathlib import Path

import pytest

STUDIES = Path(__file__).resolve().parents[1] / "docs" / "studies"
MADE_BY = {
    "coverage": "coverage_study.page",
    "indicator_ranking": "write_indicator_ranking",
    "leak_checks": "leak_checks_study.page",
    "molecules": "write_molecules",
    "synthetic": "write_synthetic",
}


@pytest.mark.parametrize("name", MADE_BY)
def test_the_page_is_that_of_the_committed_table(name):
    page = importlib.import_module(MADE_BY[name]).page(STUDIES)
    assert page == (STUDIES / f"{name}.md").read_text(encoding="utf-8")


def test_every_template_is_of_a_page():
    templates = {path.name.removesuffix(".md.j2") for path in (STUDIES / "templates").glob("*.j2")}
    assert templates == set(MADE_BY)
