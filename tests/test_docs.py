"""The documentation is true: its blocks run, and every method and module is in it."""

import contextlib
import io
import re
import tomllib
from pathlib import Path

import pytest

from qmis_stats import METHODS
from qmis_stats.experiment import parse_experiment
from qmis_stats.sweep import parse_sweep

DOCS = Path(__file__).resolve().parents[1] / "docs"
PACKAGE = DOCS.parent / "qmis_stats"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)


def blocks(language):
    for page in PAGES:
        for i, body in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)):
            yield pytest.param(body, id=f"{page.relative_to(DOCS)}-{i}")


@pytest.mark.parametrize("body", list(blocks("toml")))
def test_experiment_blocks_are_accepted(body):
    tables = tomllib.loads(body)
    assert parse_sweep(tables).cells if {"grid", "adaptive"} & tables.keys() else parse_experiment(tables).methods


@pytest.mark.parametrize("body", list(blocks("python")))
def test_python_blocks_run(body):
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(body, "docs", "exec"), {})


def test_every_method_is_explained():
    page = (DOCS / "experiment_file.md").read_text()
    assert [m for m in METHODS if f"`{m}`" not in page] == []


def test_every_public_module_is_in_the_reference():
    reference = "".join(p.read_text() for p in (DOCS / "api").glob("*.md"))
    private = {"cli", "display", "environment", "reporting", "validation"}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] in private or parts[0] in {"experiment", "verify"} or parts[-1].startswith("_"):
            continue
        assert f"qmis_stats.{'.'.join(parts)}" in reference, parts
