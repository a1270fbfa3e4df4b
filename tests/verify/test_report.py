"""A small verification from end to end: verdict, JSON, table, files."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import qmis_stats
from qmis_stats.display import printed
from qmis_stats.errors import InputError
from qmis_stats.verify import Report, run_verification
from qmis_stats.verify.checked import format_estimate, format_value
from qmis_stats.verify.decisions import Exact, Numeric, Statistical
from qmis_stats.verify.evidence import Claim, Context, Evidence, Plot, Row, Series
from qmis_stats.verify.html import render
from qmis_stats.verify.registry import CLAIMS
from qmis_stats.verify.verification import _theory_from
from tests.page import Page, check_offline, check_readable

KEYS = (
    "definition.range",
    "sharp.published",
    "simulation.reproducible",
    "oracles.product",
    "limits.crude",
    "critical.slope",
)
SUBSET = [c for c in CLAIMS if c.key in KEYS]


def _printed(report: Report, width: int) -> str:
    stream = io.StringIO()
    Console(width=width, file=stream).print(printed(report.tables(), report.remarks(), names=2))
    return stream.getvalue()


@pytest.fixture(scope="module")
def report() -> Report:
    return run_verification(quick=True, seed=5, claims=SUBSET)


def _claim(check: Any, **changes: Any) -> Claim:
    claim = Claim("test.claim", "S1", "Title", "Text", "x < y & z", "law", "Exact.", check)
    return dataclasses.replace(claim, **changes)


def test_small_run_passes_and_counts_its_statistical_checks(report: Report) -> None:
    assert report.passed
    assert len(report.checked) == len(KEYS)
    assert report.statistical_checks == report.kinds["statistical"] == 7
    assert report.level == pytest.approx(1e-6 / 7)


def test_two_runs_with_one_seed_write_the_same_bytes(report: Report, tmp_path: Path) -> None:
    again = run_verification(quick=True, seed=5, claims=SUBSET)
    first, second = report.write(tmp_path / "a"), again.write(tmp_path / "b")
    assert [p.name for p in first] == ["report.json", "report.html"]
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.long
def test_another_seed_changes_simulated_numbers_only(report: Report) -> None:
    other = run_verification(quick=True, seed=6, claims=SUBSET).to_dict()
    mine = report.to_dict()
    changed = {a["key"] for a, b in zip(mine["claims"], other["claims"], strict=True) if a["rows"] != b["rows"]}
    assert changed == {"simulation.reproducible", "oracles.product"}


def test_json_is_strict_and_free_of_nan(report: Report) -> None:
    text = json.dumps(report.to_dict(), allow_nan=False)
    data = json.loads(text)
    assert data["passed"] is True
    assert data["family_wise_rate"] == 1e-6
    assert {c["statement"] for c in data["claims"]} == {"S1", "S4", "S7", "S9", "S10"}
    for word in ("NaN", "Infinity", "time", "host", "date"):
        assert f'"{word}' not in text


def test_a_failing_row_fails_claim_and_report_and_is_named() -> None:
    bad = _claim(lambda _: Evidence([Row("good", Exact(True, "")), Row("off", Numeric(0.2, 0.1), 7)]))
    report = run_verification(quick=True, claims=[bad])
    assert not report.passed
    text = _printed(report, 80)
    assert "FAILED" in text
    assert "off, n = 7: +0.2, bound 0.1" in text


def test_a_claim_without_rows_has_shown_nothing() -> None:
    assert not run_verification(quick=True, claims=[_claim(lambda _: Evidence([]))]).passed


def test_statistical_verdicts_use_the_level_of_the_whole_run() -> None:
    """A p-value of 1e-8 fails alone, where the level is 1e-6, and passes among 200 checks."""
    alone = _claim(lambda _: Evidence([Row("z", Statistical("z", 5.7, 1e-8))]))
    many = _claim(lambda _: Evidence([Row("z", Statistical("z", 5.7, 1e-8))] * 200))
    assert not run_verification(quick=True, claims=[alone]).passed
    assert run_verification(quick=True, claims=[many]).passed


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "Decisions: 1 exact."),
        (1, "Decisions: 1 exact, 1 statistical. The statistical check has a false-alarm rate of 1e-06."),
        (2, "The 2 statistical checks share one family-wise false-alarm rate of 1e-06: 5e-07 each."),
    ],
)
def test_a_false_alarm_rate_is_told_of_statistical_checks(count: int, said: str, tmp_path: Path) -> None:
    rows = [Row("", Exact(True, "")), *[Row("z", Statistical("z", 0.0, 1.0))] * count]
    report = run_verification(quick=True, claims=[_claim(lambda _: Evidence(rows))])
    assert report.how_decided().endswith(said)
    assert ("false-alarm" in _html(report, tmp_path)) == bool(count)


def test_context_receives_length_and_seed() -> None:
    seen: list[Context] = []

    def check(context: Context) -> Evidence:
        seen.append(context)
        return Evidence([Row("", Exact(True, ""))])

    run_verification(quick=False, seed=9, claims=[_claim(check)])
    assert seen == [Context(quick=False, seed=9)]
    assert seen[0].choose(1, 2) == 2


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_table_fits_the_terminal(report: Report, width: int) -> None:
    text = _printed(report, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "All 6 claims hold" in text
    assert all(key in text for key in KEYS)


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    run_verification(quick=True, progress=True, claims=[c for c in SUBSET if c.key == "definition.range"])
    assert capsys.readouterr().out == ""


def _html(report: Report, folder: Path) -> str:
    return report.write(folder)[1].read_text(encoding="utf-8")


def test_html_is_self_contained(report: Report, tmp_path: Path) -> None:
    text = _html(report, tmp_path)
    page = Page(text)
    check_offline(page)
    check_readable(page)
    assert len(page.all("article")) == len(KEYS)


def test_html_names_statement_and_proof_and_links_them_inside_a_checkout(report: Report, tmp_path: Path) -> None:
    assert "S4 in theory/sharp of the documentation" in Page(_html(report, tmp_path)).text()
    for theory in ("../docs/theory/{}.md", "../docs/_build/html/theory/{}.html"):
        text = render(report.checked, 1e-8, theory, verdict="", quick=True, seed=5, statistical_checks=7)
        links = [e.attributes["href"] for e in Page(text).all("a")]
        assert [link for link in links if link and link.startswith("..")].count(theory.format("sharp") + "#s4") == 1
    root = Path(qmis_stats.__file__).parents[1]
    address = _theory_from(root / "report")
    assert address is not None
    assert (root / "report" / address.format("sharp")).resolve().is_file()
    assert _theory_from(tmp_path) is None


def test_two_plots_of_one_claim_have_their_own_names_and_numbers(tmp_path: Path) -> None:
    plot = Plot("P", "x", "y", "alt <text>", (Series("s", [1.0, 2.0], [1.0, 4.0], "points", [0.1, 0.1]),))
    claim = _claim(lambda _: Evidence([Row("", Exact(True, ""))], [plot, replace(plot, title="Q")]))
    text = _html(run_verification(quick=True, claims=[claim]), tmp_path)
    page = Page(text)
    check_readable(page)
    cells = [cell.text for cell in page.elements if cell.tag in ("th", "td")]
    assert cells[:12] == ["series", "x", "y", "standard error", "s", "1", "1", "0.1", "s", "2", "4", "0.1"]
    assert text.count("<svg") == 2
    assert "alt &lt;text&gt;" in text
    assert text.count('role="img"') == 2


def test_html_escapes_texts(tmp_path: Path) -> None:
    hostile = '<script>alert("1")</script> & <b>a</b>'
    plot = Plot(hostile, hostile, hostile, hostile, (Series(hostile, [1.0], [1.0]),))
    claim = _claim(lambda _: Evidence([Row(hostile, Exact(True, "p < q"))], [plot]), title=hostile, law=hostile)
    text = _html(run_verification(quick=True, claims=[claim]), tmp_path)
    assert "x &lt; y &amp; z" in text
    assert "<script" not in text
    assert "<b>a</b>" not in text
    assert Page(text).text().count(hostile) > 8


def test_empty_series_are_not_drawn(tmp_path: Path) -> None:
    plot = Plot("P", "x", "y", "alt", (Series("full", [1.0], [1.0]), Series("empty", [], [])), x_log=True, y_log=True)
    claim = _claim(lambda _: Evidence([Row("", Exact(True, ""))], [plot]))
    text = _html(run_verification(quick=True, claims=[claim]), tmp_path)
    assert ">full<" in text
    assert ">empty<" not in text


def test_directory_that_cannot_be_written_is_one_clear_line(report: Report, tmp_path: Path) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("x")
    with pytest.raises(InputError, match=r"^out = .*: must be a directory that can be written") as caught:
        report.write(obstacle / "sub")
    assert "\n" not in str(caught.value)


def test_no_temporary_files_remain(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="Permission denied"):
        report.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "1.00000"), (-math.inf, "0"), (-1000.0, "5.0760e-435"), (math.log(1e-30), "1.0000e-30"), (None, "")],
)
def test_values_of_any_size_are_shown(value: float | None, text: str) -> None:
    assert format_value(value, "log") == text


def test_estimates_show_their_error() -> None:
    row = Row("", Exact(True, ""), estimate=math.log(0.01), std_error=0.013)
    assert format_estimate(row, "log") == "0.01000 ±1.3 %"
    assert (
        format_estimate(dataclasses.replace(row, estimate=0.95, interval=(0.9, 0.98)), "plain") == "0.95 [0.900, 0.980]"
    )
    assert format_estimate(dataclasses.replace(row, estimate=-math.inf, std_error=math.inf), "log") == "0"
