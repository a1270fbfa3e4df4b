"""The report of a sweep: the numbers of the store, complete in itself, readable without a screen."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from qmis_stats.errors import InputError
from qmis_stats.sweep import Store, parse_sweep, run_sweep, to_frame, write_report
from qmis_stats.sweep import summary as summary_module
from qmis_stats.sweep import sweep_page as page_module
from qmis_stats.sweep.summary import Summary, summarize
from qmis_stats.sweep.sweep_page import report_html
from tests.page import Page, check_offline, check_readable
from tests.sweep.conftest import tables

RUN = {"n": [20, 60], "methods": ["exact", "crude", "likelihood_ratio"], "replicates": 1000, "seed": 1}
RULE = {"relative_error": 0.1, "replicates": 4000}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Return a store of 18 cells: 6 are refused, and crude misses its target at n = 60."""
    place = tmp_path_factory.mktemp("sweep") / "results.sqlite"
    run_sweep(parse_sweep(tables(run=RUN, adaptive=RULE, grid={"law.mean": [[0.0], [0.1], [0.2]]})), place)
    return place


@pytest.fixture(scope="module")
def summary(path):
    with Store(path, read_only=True) as store:
        return summarize(store)


@pytest.fixture(scope="module")
def page(summary):
    return Page(report_html(summary))


@pytest.fixture
def frame(path):
    with Store(path, read_only=True) as store:
        return to_frame(store)


def cells(page, caption):
    """Return the heads and the rows of the table with a caption, as texts."""
    first = next(i for i, e in enumerate(page.elements) if e.tag == "caption" and e.text == caption)
    names = page.names()
    last = names.index("table", first) if "table" in names[first:] else len(names)
    rows: list[list[str]] = []
    for element in page.elements[first:last]:
        if element.tag == "tr":
            rows.append([])
        if element.tag in ("th", "td"):
            rows[-1].append(element.text)
    return rows[0], rows[1:]


def test_it_stands_alone_and_can_be_read(page):
    check_offline(page)
    check_readable(page)
    assert len(page.all("svg")) == 1


def test_the_first_paragraph_answers(page, frame):
    done = frame[frame.refusal.isna()]
    errors = done.std_error.dropna()
    first = " ".join(page.all("p")[0].text.split())
    assert first.startswith("12 of 18 cells done, 0 open, 6 refused.")
    assert f"{(~done.in_domain).sum()} results lie outside the domain of their methods." in first
    assert f"at most 0.1, is met in {(errors <= 0.1).sum()} of the 6 cells" in first
    assert 0 < (errors <= 0.1).sum() < 6
    replicates = f"{int(done.replicates.sum()):,}".replace(",", " ")
    assert f"{replicates} replicates in {int(done.blocks.sum())} blocks" in first
    assert re.search(r"Versions: numpy \d.*, qmis_stats .*, scipy \d.*, sources [0-9a-f]{16}\.$", first)


def test_the_numbers_are_those_of_the_store(page, frame):
    done = frame[frame.refusal.isna()]
    columns, rows = cells(page, "Cells that are done")
    assert len(rows) == len(done)
    for row, (_, stored) in zip(rows, done.iterrows(), strict=True):
        shown = dict(zip(columns, row, strict=True))
        assert shown["Entries"] == f"mean {stored['law.mean']}"
        assert (shown["Method"], shown["n"]) == (stored.method, str(stored.n))
        assert shown["log Δ"] == f"{stored.log_delta:.6g}"
        assert shown["−log Δ / n"] == f"{-stored.log_delta / stored.n:.6g}"
        deterministic = stored.method == "exact"
        assert shown["95 % interval"] == ("" if deterministic else f"[{stored.ci_low:.6g}, {stored.ci_high:.6g}]")
        assert shown["Target met"] == ("" if deterministic else "yes" if stored.std_error <= 0.1 else "no")
        assert shown["In domain"] == ("yes" if stored.in_domain else "no")
        assert shown["Reason"] == stored.domain


def test_refused_cells_say_why(page, frame):
    _, rows = cells(page, "Cells without a result")
    refused = frame[frame.refusal.notna()]
    assert [row[2:] for row in rows] == [["likelihood_ratio", str(r.n), r.refusal] for _, r in refused.iterrows()]
    assert all(row[-1] for row in rows)


def test_what_varies_and_what_is_fixed(page, summary):
    assert cells(page, "Entries that vary")[1] == [
        ["law.mean", "[0.0], [0.1], [0.2]", "3"],
        ["run.method", "exact, crude, likelihood_ratio", "3"],
        ["run.n", "20, 60", "2"],
    ]
    fixed = dict(cells(page, "Entries that are the same in all cells")[1])
    assert fixed.keys() == summary.fixed.keys()
    assert fixed["run.replicates"] == "1000"
    assert fixed["procedure.codebook"] == "[[-1.2], [0.0], [1.0]]"


def test_the_plot_rings_what_lies_outside_its_domain(page, summary, frame):
    _, rows = cells(page, "Points of the plot")
    drawn = frame[frame.refusal.isna() & np.isfinite(frame.log_delta)]
    inside = drawn[drawn.in_domain]
    assert len(rows) == len(drawn)
    assert [row[-1] for row in rows].count("yes") == len(inside) < len(drawn)
    assert "outside its domain" in page.all("svg")[0].text
    assert len(cells(page, "All series")[1]) == len(summary.series) == 9
    assert ("Not drawn" in page.text()) == (len(drawn) < 12)


def test_series_beyond_the_limit_are_named(summary, monkeypatch):
    monkeypatch.setattr(page_module, "DRAWN_SERIES", 2)
    page = Page(report_html(summary))
    check_readable(page)
    assert "2 of 9 series are drawn; the table names the others" in page.text()
    drawn = [row[-1] for row in cells(page, "All series")[1]]
    assert (drawn.count("yes"), drawn.count("no")) == (2, 7)


def test_long_series_are_thinned_and_say_so(summary, monkeypatch):
    whole = cells(Page(report_html(summary)), "Points of the plot")[1]
    monkeypatch.setattr(page_module, "DRAWN_POINTS", 1)
    page = Page(report_html(summary))
    assert "Of series with many points only some are drawn" in page.text()
    drawn = cells(page, "Points of the plot")[1]
    assert [row[0] for row in drawn] == list(dict.fromkeys(row[0] for row in whole))
    assert len(drawn) < len(whole)


def test_what_changes_with_n_tells_no_series_apart(tmp_path):
    grid = {"run.n + run.seed": [[20, 1], [60, 2]], "law.mean": [[0.0], [0.1]]}
    run_sweep(parse_sweep(tables(run={"methods": ["exact"]}, grid=grid)), tmp_path / "a.sqlite")
    with Store(tmp_path / "a.sqlite", read_only=True) as store:
        series = summarize(store).series
    assert [dict(s.entries) for s in series] == [{"law.mean": "[0.0]"}, {"law.mean": "[0.1]"}]
    assert [[cell.result["n"] for cell in s.points] for s in series] == [[20, 60], [20, 60]]


def test_long_tables_are_cut_and_say_so(summary, monkeypatch):
    for module in (page_module, summary_module):
        monkeypatch.setattr(module, "LARGEST_TABLE", 4)
    page = Page(report_html(summary))
    assert len(cells(page, "Cells that are done")[1]) == len(summary.to_dict()["results"]) == 4
    assert "The first 4 of 12 results. qmis status STORE --export" in page.text()
    assert "The first 4 of 6 refused cells." in page.text()
    assert "The first 4 of 9 series." in page.text()
    assert summary.to_dict()["answer"]["done"] == 12


def test_names_and_values_are_escaped(summary):
    odd = "<b>&$x$"
    marked = [
        replace(
            cell,
            specification=json.dumps({"versions": {odd: odd}}),
            entries={**cell.entries, "procedure.kind": odd, "law.mean": f"{odd}{cell.entries['law.mean']}"},
            result={**cell.result, "domain": odd, "refusal": cell.result["refusal"] and odd},
        )
        for cell in summary.cells
    ]
    page = Page(report_html(Summary(odd, tuple(marked), 1, 2.0)))
    check_offline(page)
    check_readable(page)
    assert "<b>&" not in page.source
    assert len(page.all("b")) == 1
    assert page.all("h1")[0].text == f"Sweep {odd}"
    assert "<b>&$x$[0.0], exact" in page.all("svg")[0].text


def test_open_cells_and_an_empty_store(tmp_path):
    with Store(tmp_path / "a.sqlite") as store:
        empty = Page(report_html(summarize(store)))
        store.plan(parse_sweep(tables()).cells)
        planned = Page(report_html(summarize(store)))
    for page in (empty, planned):
        check_offline(page)
        check_readable(page)
        assert not page.all("svg")
    assert empty.all("p")[0].text == "The store holds no cells: nothing was swept."
    assert "0 of 18 cells done, 18 open, 0 refused." in planned.text()
    assert "There is nothing to draw." in planned.text()
    assert "No cell is done." in planned.text()


def test_both_files_have_the_same_numbers(path, summary, frame, tmp_path):
    with Store(path, read_only=True) as store:
        first = write_report(store, tmp_path / "new" / "a")
        second = write_report(store, tmp_path / "b")
    assert [p.name for p in first] == ["report.html", "report.json"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    data = json.loads(first[1].read_text(), parse_constant=lambda name: pytest.fail(name))
    assert data["answer"] == summary.counts()
    done = frame[frame.refusal.isna()]
    assert [row["log_delta"] for row in data["results"]] == done.log_delta.tolist()
    assert [row["replicates"] for row in data["results"] if row["replicates"]] == done.replicates.dropna().tolist()
    assert [row["refusal"] for row in data["refused"]] == frame.refusal.dropna().tolist()
    assert {row["key"] for row in data["results"] + data["refused"]} == {cell.key for cell in summary.cells}


def test_a_folder_that_cannot_be_written_is_refused(path, tmp_path):
    (tmp_path / "file").write_text("")
    with Store(path, read_only=True) as store, pytest.raises(InputError, match="out = "):
        write_report(store, tmp_path / "file")


def test_a_rate_of_zero_has_no_sign(summary):
    cell = summary.cells[0]
    certain = replace(cell, result={**cell.result, "log_delta": 0.0})
    columns, rows = cells(Page(report_html(replace(summary, cells=(certain,)))), "Cells that are done")
    assert dict(zip(columns, rows[0], strict=True))["−log Δ / n"] == "0"


@pytest.mark.parametrize(
    "change", ["specification = '{'", "specification = '{}'", "log_delta = 'text'", "log_delta = NULL", "rule = '[]'"]
)
def test_a_damaged_store_is_told_in_one_line(path, tmp_path, change):
    copy = shutil.copy(path, tmp_path / "copy.sqlite")
    with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute(f"UPDATE cell SET {change} WHERE position = 0")
    with Store(copy, read_only=True) as store, pytest.raises(InputError, match="a store that is not damaged") as told:
        write_report(store, tmp_path / "out")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out").exists()
