"""The documentation is true: its blocks run, and every method and module is in it."""

import contextlib
import io
import re
import tomllib
from pathlib import Path

import pytest

import qmis_stats
import qmis_stats.audit
import qmis_stats.quantizers
from qmis_stats import METHODS
from qmis_stats.experiment import parse_experiment
from qmis_stats.sweep import parse_sweep

DOCS = Path(__file__).resolve().parents[1] / "docs"
PACKAGE = DOCS.parent / "qmis_stats"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)


def experiments():
    for page in PAGES:
        for i, body in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
            yield pytest.param(body, id=f"{page.relative_to(DOCS)}-{i}")


@pytest.mark.parametrize("body", list(experiments()))
def test_experiment_blocks_are_accepted(body):
    tables = tomllib.loads(body)
    assert parse_sweep(tables).cells if {"grid", "adaptive"} & tables.keys() else parse_experiment(tables).methods


def test_no_change_is_listed_twice():
    entries = re.findall(r"^- .*$", (DOCS.parent / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(entries) == sorted(set(entries))


LONG = {"attacks.md", "audit.md"} | {
    f"guides/{name}.md" for name in ("add_a_kernel", "add_a_measure", "rank_my_quantizers", "real_quantizers")
}
"""Pages whose programs take seconds."""
BLOCK = re.compile(r"^(?:% needs (\w+)\n)?```python\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
"""A comment naming a module, if the code needs more than the test extra; code; what it prints, if the page says so."""


def programs(page):
    """Return the blocks of a page as programs: what runs everywhere, and all of it where a module is installed."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    name = str(page.relative_to(DOCS))
    marks = [pytest.mark.long] if name in LONG else []
    for needed in sorted({name for name, _, _ in found}):
        yield pytest.param(page, needed, id=name + (f"-{needed}" if needed else ""), marks=marks)


def run_page(page, needed, folder):
    """Run blocks one after the other, as a reader does, and compare what is printed with what the page says."""
    names = {"__name__": "docs"}
    for place, (module, code, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
        if module not in ("", needed):
            continue
        source = folder / f"block_{place}.py"  # compiled functions are kept by the file they come from
        source.write_text(code, encoding="utf-8")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(source), "exec"), names)
        if text:
            assert [line.rstrip() for line in printed.getvalue().rstrip().splitlines()] == text.splitlines(), code


@pytest.mark.parametrize(("page", "needed"), [program for page in PAGES for program in programs(page)])
def test_python_blocks_run(page, needed, tmp_path, monkeypatch):
    if needed:
        pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)  # a page may write files
    run_page(page, needed, tmp_path)


def test_no_block_escapes():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(BLOCK.findall(text)) == len(
            re.findall(r"^ *`{3,}\{?[\w-]*\}? *(?:python|pycon|ipython)", text, re.MULTILINE)
        ), page


def test_a_wrong_page_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        run_page(page, "", tmp_path)
    page.write_text("% needs nothing\n```python\n1 / 0\n```\n", encoding="utf-8")
    run_page(page, "", tmp_path)
    with pytest.raises(ZeroDivisionError):
        run_page(page, "nothing", tmp_path)


def test_every_method_is_explained():
    page = (DOCS / "experiment_file.md").read_text()
    assert [m for m in METHODS if f"`{m}`" not in page] == []


def test_every_public_module_is_in_the_reference_once():
    reference = "".join(p.read_text(encoding="utf-8") for p in (DOCS / "api").glob("*.md"))
    private = {"cli", "display", "environment", "validation"}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] in private or parts[0] in {"experiment", "verify"} or parts[-1].startswith("_"):
            continue
        assert reference.count(f".. automodule:: qmis_stats.{'.'.join(parts)}\n") == 1, parts


@pytest.mark.parametrize("package", [qmis_stats, qmis_stats.audit, qmis_stats.quantizers], ids=lambda p: p.__name__)
def test_every_public_name_is_in_the_reference_once(package):
    """In the tables of its start page, which link to the description."""
    index = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    named = re.findall(r"\{py:\w+\}`(\w+) <qmis_stats\.[\w.]+\.\1>`", index)
    assert [name for name in package.__all__ if name != "__version__" and named.count(name) != 1] == []
