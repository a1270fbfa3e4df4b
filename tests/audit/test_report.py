"""The answer, the trade-off plot and the page of an audit."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import norm

from qmis_stats import InputError, rank
from qmis_stats.audit.algorithm import audit, head_for
from qmis_stats.audit.answer import answer
from qmis_stats.audit.audit_page import report_data, report_html, write_report
from qmis_stats.audit.data import from_arrays
from qmis_stats.display import audit_table
from qmis_stats.quantizers import quantizer
from tests.audit.grids import Grid, ScaledSign
from tests.page import Page, check_offline, check_readable

QUIET = ("grid-0.5", "grid-0.1", "sign-scaled")
HOSTILE = '<script>alert("x")</script> & $y$ id="'


class Constant:
    """Always the same codeword."""

    name, bits = "constant", 1.0

    def quantize(self, weights):
        return np.full_like(weights, 0.25)


@pytest.fixture(scope="module")
def result(binary):
    quantizers = (Grid(0.5), Grid(0.1), ScaledSign(), ScaledSign(name=HOSTILE), Constant())
    return audit(dataclasses.replace(binary, name=HOSTILE), head_for(binary), quantizers, runs=2, seed=1)


@pytest.fixture(scope="module")
def known():
    """An audit whose leaks theory knows: 40 features."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(600, 40))
    y = (X @ rng.normal(size=40) / 4.0 + rng.logistic(size=600) > 0.0).astype(float)
    data = from_arrays(X, y, name="known")
    return audit(data, head_for(data), [quantizer(name) for name in ("sign", "sparse-90", "uniform-8")], runs=2, seed=1)


@pytest.fixture(scope="module")
def page(result):
    return report_html(result, command=f"qmis audit {HOSTILE}")


def test_the_page_stands_alone(page):
    check_offline(Page(page))
    assert "prefers-color-scheme: dark" in page
    assert "width=device-width" in page


def test_names_are_escaped(page):
    assert "<script" not in page
    assert "&lt;script&gt;alert(" in page
    assert " ".join(HOSTILE.split()) in Page(page).text()


def test_the_answer_comes_first(page, result):
    found = answer(result)
    first = page[page.index("<h1>") : page.index("<h2>")]
    text = Page(f"<div>{first[: first.rindex('</section>')]}</section></div>").text()
    for sentence in (found.which, found.cost, found.sure):
        assert " ".join(sentence.split()) in text
    assert first.count("<svg") == 1
    assert first.count("<table") == 1
    for line in result.table_lines():
        assert line.reference or line.name in text


def test_headings_names_and_a_table_for_each_plot(page):
    parsed = Page(page)
    check_readable(parsed)
    assert len(parsed.all("svg")) == 2


def test_the_same_result_gives_the_same_bytes(page, result):
    assert report_html(result, command=f"qmis audit {HOSTILE}") == page


def test_caveats_and_settings_are_there(page, result):
    text = Page(page).text()
    for words in ("upper bound", "not differential privacy", "evaluation points", "trained head alone", "bootstrap"):
        assert words in text
    for note in result.notes:
        assert " ".join(note.split()) in text


@pytest.mark.usefixtures("undrawn")
def test_files(result, tmp_path):
    written = write_report(result, tmp_path / "new", 0.9, margin=0.5)
    assert [path.name for path in written] == ["report.json", "report.html"]
    data = json.loads(written[0].read_text(encoding="utf-8"))
    assert data == json.loads(json.dumps(report_data(result, 0.9, margin=0.5)))
    assert data["level"] == 0.9
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="directory that can be written"):
        write_report(result, tmp_path / "file")


def test_lines_are_in_order(result, known):
    for found in (result, known):
        *lines, reference = found.table_lines()
        ranks = [line.rank for line in lines if line.rank is not None]
        assert ranks == sorted(ranks)
        assert reference.reference
        assert reference.price == 0.0
        assert {line.name for line in lines if line.pareto} == set(found.pareto())
        assert {line.name for line in lines if line.best} == set(found.privacy_ranking.best_set())
    last = result.table_lines()[-2]
    assert (last.name, last.rank, last.indicator, last.interval) == ("constant", None, None, None)
    deltas = [line.leak.delta for line in known.table_lines()]
    assert deltas == sorted(deltas)


def test_the_choice_is_affordable_and_shown(result):
    lines = {line.name: line for line in result.table_lines()}
    below = result.ranking.significantly_below()
    for margin in (0.0, 0.02, 0.2, 1.0):
        found = answer(result, margin=margin)
        affordable = {name for name, line in lines.items() if line.price_interval[1] <= margin and not line.reference}
        assert set(found.affordable) == affordable
        ranked = [name for name in result.ranking.names if name in affordable]
        places = [result.ranking.names.index(name) for name in ranked]
        open_ = {name for name, q in zip(ranked, places, strict=True) if not below[q, places].any()}
        assert set(found.candidates) == open_
        assert found.choice == (found.candidates[0] if len(open_) == 1 else None)
        if ranked:
            assert max(ranked, key=lambda name: lines[name].indicator) in open_
            assert found.choice is None or found.choice in found.which
            assert found.candidates[0] in found.cost
        else:
            assert found.which.startswith("No ranked quantizer")
    assert "constant" in found.sure
    for margin in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="margin"):
            answer(result, margin=margin)


def test_how_sure_follows_the_best_set(regression):
    """A wide gap: the answer names the most private one; a single point set leaves it open."""
    found = audit(regression, head_for(regression), (Grid(0.5), Grid(0.1)), runs=2, seed=1)
    best = found.ranking.best_set()
    sentence = answer(found).sure
    if len(best) == 1:
        assert f" {best[0]} is the most private" in sentence
    else:
        assert " The ranking is open" in sentence


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99, 0.999])
def test_the_points_that_it_takes_are_those_of_the_test(result, level):
    """More than there are where an indicator is not told from 0, and no such sentence where all are."""
    rng = np.random.default_rng(5)
    tail = {0.999: 0.0005}.get(level, 0.005)
    said = 0
    for points in (60, 150, 284, 600):
        for gap in (0.05, 0.12, 0.2, 0.4):
            noise = rng.normal(size=(4, points))
            tables = {name: noise[:1] + [[0.0], [1.0]] * (noise[i] + gap) for i, name in enumerate(QUIET, 1)}
            ranking = rank(tables, draws=199, seed=1)
            text = answer(dataclasses.replace(result, ranking=ranking), level, margin=1e9).sure
            told = {}
            for name, table in tables.items():
                increments = table[1] - table[0]
                ratio = abs(increments.mean()) / increments.std(ddof=1)
                told[name] = ratio * np.sqrt(points) >= norm.isf(tail)
                needed = ranking.indicators[ranking.names.index(name)].points_needed(level)
                assert needed == pytest.approx((norm.isf(tail) / ratio) ** 2, rel=1e-9)
            assert ("points do not tell" in text) == (not all(told.values()))
            if level <= 0.99:
                assert told == {entry.name: not entry.near_ties for entry in ranking.indicators}
            if "it takes about" in text:
                said += 1
                assert int(text.partition("it takes about ")[2].split()[0]) > points
    assert said > 3


@pytest.mark.usefixtures("undrawn")
def test_nothing_but_single_codewords(binary):
    found = audit(binary, head_for(binary), (Constant(),), runs=2, seed=1)
    assert found.ranking is None
    said = answer(found)
    assert said.choice is None
    assert said.which.startswith("No indicator can be estimated")
    page = report_html(found)
    assert "<h2>Ranks by the indicator</h2>" not in page
    assert "No indicator can be estimated" in page
    assert audit_table(found) is not None


def test_plot(result):
    from matplotlib.figure import Figure

    axes = result.plot()
    assert axes.get_xscale() == "log"
    shown = {text.get_text() for text in axes.texts}
    assert {"1", "?"} <= shown
    named = [text.get_text().partition(" ")[2] for text in axes.figure.legends[0].get_texts()]
    assert set(result.pareto()) <= set(named)
    low, high = axes.get_xlim()
    assert all(
        low <= value <= high for value in result.ranking.params if value > 1e-5 * float(np.max(result.ranking.params))
    )
    given = Figure().add_subplot()
    assert result.plot(given, 0.9) is given


def test_a_score_far_below_does_not_squeeze_the_others(result):
    scores = result.scores
    values = scores.values.copy()
    values[0] = -50.0
    off = dataclasses.replace(result, scores=dataclasses.replace(scores, values=values))
    low, high = off.plot().get_ylim()
    assert high - low < 10.0
    assert low > -10.0
