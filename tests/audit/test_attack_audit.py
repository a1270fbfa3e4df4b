"""Attacks side by side under several quantizers, their two checks, and where they are shown."""

import dataclasses
import json
import re
from functools import lru_cache

import numpy as np
import pytest
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from qmis_stats.audit import audit_page
from qmis_stats.audit.algorithm import audit, head_for
from qmis_stats.audit.answer import answer, chosen_names
from qmis_stats.audit.attacks import (
    ATTACKS,
    AttackReport,
    AttackResult,
    Discriminator,
    LossThreshold,
    ReadOut,
    audit_attacks,
    audited,
    play,
    run_attacks,
    self_check,
)
from qmis_stats.audit.audit_page import report_data, report_html, write_report
from qmis_stats.audit.first_table import first_table
from qmis_stats.audit.models import Logistic
from qmis_stats.display import attack_table, audit_table, printed
from qmis_stats.errors import InputError
from qmis_stats.reporting.tables import lines_of
from tests.audit.conftest import CHECKED
from tests.audit.grids import Grid, ScaledSign
from tests.page import Page, check_readable


class Changing:
    """An attack that may find something else the next time."""

    name, threshold = "changing", None

    def fit(self, known):
        """Never asked for."""


QUANTIZERS = (Grid(0.5), ScaledSign())
NO_QUANTIZATION = "no quantization"
MODEL = Logistic(checkpoints=1)


def shown_text(content):
    """What a terminal of 80 characters shows."""
    console = Console(width=80, highlight=False)
    with console.capture() as capture:
        console.print(content)
    return capture.get()


@pytest.fixture(scope="module")
def found(binary):
    return audit_attacks(binary, MODEL, QUANTIZERS, n=40, trainings=32, seed=2)


@pytest.mark.long
def test_each_quantizer_has_the_numbers_of_its_own_game(found, binary):
    assert list(found.reports) == ["grid-0.5", "sign-scaled", "identity"]
    for quantizer, name in (*zip(QUANTIZERS, found.reports, strict=False), (None, "identity")):
        game = play(binary, MODEL, quantizer, 40, trainings=16, shadows=8, calibrations=8, members=16, seed=2)
        assert run_attacks(game, ATTACKS).to_dict() == found.reports[name].to_dict()
    audited._kept_check.cache_clear()
    assert found.check.to_dict() == self_check(**CHECKED, seed=2).to_dict()


def test_audits_check_their_attacks_once_where_equal_attacks_find_the_same(monkeypatch):
    made = []
    monkeypatch.setattr(audited, "_kept_check", lru_cache(lambda *settings: made.append(settings) or object()))
    monkeypatch.setattr(audited, "_check", lambda *settings: made.append(settings) or object())
    once = self_check([LossThreshold()], **CHECKED, seed=2)
    assert self_check((LossThreshold("loss threshold"),), **CHECKED, seed=2) is once
    assert len(made) == 1
    self_check([LossThreshold()], **CHECKED, seed=3)
    self_check([LossThreshold(threshold=0.0)], **CHECKED, seed=2)
    assert len(made) == 3
    for own in (Discriminator(LogisticRegression(), name="a"), Changing()):
        assert self_check([own], **CHECKED) is not self_check([own], **CHECKED)
    assert len(made) == 7


def test_jobs_change_nothing_and_progress_covers_all(binary):
    """By attacks that need no scikit-learn, which each process would load."""
    stages = []

    def progress(items):
        stages.append(0)
        for item in items:
            stages[-1] += 1
            yield item

    given = {"n": 40, "trainings": 16, "attacks": [ReadOut(), LossThreshold()], "seed": 2}
    alone = audit_attacks(binary, MODEL, QUANTIZERS, **given)
    again = audit_attacks(binary, MODEL, QUANTIZERS, **given, jobs=2, progress=progress)
    assert again.to_dict() == alone.to_dict()
    assert len(stages) == 2
    assert stages[0] > 1
    assert stages[1] == len(QUANTIZERS) + 2


def test_another_seed_has_other_numbers(binary):
    attacked = [audit_attacks(binary, MODEL, [], n=40, trainings=16, attacks=[LossThreshold()], seed=s) for s in (2, 3)]
    assert attacked[0].reports["identity"].to_dict() != attacked[1].reports["identity"].to_dict()
    assert attacked[0].check.to_dict() != attacked[1].check.to_dict()


def test_it_can_be_read_and_stored(found):
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [entry["quantizer"] for entry in data["quantizers"]] == list(found.reports)
    assert data["solvable"]["results"][0]["optimal_accuracy"] == pytest.approx(0.57378, abs=1e-4)
    assert data["off_chance"] == data["beating_the_optimum"] == []
    frame = found.to_frame()
    assert frame.index.names == ["quantizer", "attack"]
    assert len(frame) == 2 * 3 * (len(ATTACKS) + 1) + 2  # all that is released; locations and scales, the same in all
    assert data["beside"]["results"][0]["attack"] == "locations and scales"
    text = str(found)
    assert "no attack exceeds it" in text
    assert "every attack on every quantizer is at chance" in text
    assert "16 training runs on 40 rows" in text


def broken(member, control, delta=None):
    return AttackResult("peeking", member.astype(float), member, 0.5, (), delta, control)


def test_the_verdicts_can_fail(found):
    rng = np.random.default_rng(1)
    member = rng.permuted(np.tile([True] * 8 + [False] * 8, (10, 1)), axis=1)
    report = found.reports["identity"]
    peeking = AttackReport((broken(member, ""),), (broken(member, "labels"),), None, report.game)
    bad = dataclasses.replace(found, reports={**found.reports, "identity": peeking})
    assert bad.off_chance() == (("identity", "peeking"),)
    assert any("NOT at chance: peeking on identity" in line for line in bad.verdicts())
    delta, check = found.check.delta, found.check
    cheat = broken(np.tile([True, False], (2000, 1)), "", delta)
    wrong = dataclasses.replace(found, check=AttackReport((*check.results, cheat), check.controls, delta, check.game))
    assert wrong.check.beating() == ("peeking",)
    assert any("EXCEEDED by peeking" in line for line in wrong.verdicts())


@pytest.mark.statistical
def test_p_values_under_random_labels_are_valid_and_see_a_small_shift():
    rng = np.random.default_rng(2)
    trainings, pairs = 40, 16
    scores = rng.normal(size=(trainings, 2 * pairs)) + rng.normal(size=(trainings, 1))  # calls differ in number
    halves = np.tile([True] * pairs + [False] * pairs, (trainings, 1))
    p = np.array(
        [
            AttackResult("a", scores, rng.permuted(halves, axis=1), 0.3, (), control="labels").chance_p_value()
            for _ in range(2000)
        ]
    )
    for level in (0.2, 0.05, 0.01):
        assert np.mean(p <= level) <= level + 6.0 * np.sqrt(level * (1.0 - level) / p.size)
    shifted = AttackResult("a", scores + halves, halves, 0.3, (), control="labels")
    assert shifted.chance_p_value() < 1e-9
    # Training runs alone, which is all that another control leaves independent, would not have seen it.
    assert dataclasses.replace(shifted, control="weights").chance_p_value() > 1e-3
    everyone = AttackResult("a", scores, halves, -100.0, (), control="labels")
    assert everyone.chance_p_value() == 1.0


def test_refused(binary):
    for options, field in (
        ({"trainings": 15}, "trainings"),
        ({"members": 0}, "members"),
        ({"n": 1}, "n"),
        ({"level": 0.2}, "level"),
        ({"jobs": 0}, "jobs"),
        ({"seed": -1}, "seed"),
        ({"attacks": ()}, "attacks"),
    ):
        with pytest.raises(InputError, match=field):
            audit_attacks(
                binary, MODEL, QUANTIZERS, **{"trainings": 16, "n": 40, "attacks": [LossThreshold()], **options}
            )
    with pytest.raises(InputError, match="different"):
        audit_attacks(binary, MODEL, [Grid(0.5), Grid(0.5)])


def test_n_is_at_most_half_and_groups_are_mentioned(binary):
    grouped = dataclasses.replace(binary, groups=np.arange(binary.rows) // 2)
    found = audit_attacks(grouped, MODEL, [], n=10_000, trainings=16, attacks=[LossThreshold()])
    assert found.reports["identity"].game["n"] == binary.rows // 2
    assert "against the group" in found.verdicts()[-1]


@pytest.mark.usefixtures("undrawn")
def test_the_page_has_all_of_it(found, binary):
    result = audit(binary, head_for(binary), QUANTIZERS, runs=2, seed=2)
    page = report_html(result, attacks=found)
    check_readable(Page(page))
    tables = audit_page._attacks(found, ["grid-0.5"])
    assert len({tables["first"].caption, tables["others"].caption}) == 2  # each is a region with its name
    assert page.count("<h2>Attacks</h2>") == 1
    part = page[page.index("<h2>Attacks</h2>") :]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)]
    told = [row for row in rows if row and row[0].startswith("  ")]
    screen = [list(row) for row in found.tables(chosen_names(result, answer(result)))[0].rows if row[1]]
    # The same numbers as on the screen; beside them the intervals of rates, and the controls.
    assert sorted(row[:7] + row[7:-1:3] for row in told) == sorted(screen)
    assert {row[-1] for row in told} == {f"{c.accuracy:.3f}" for _, _, c in found.pairs()} | {
        f"{c.accuracy:.3f}" for c in found.check.controls
    }
    assert all(line.split(":")[0] in part for line in found.verdicts())
    assert report_data(result, attacks=found)["attacks"] == found.to_dict()
    screen = shown_text(attack_table(found, ["grid-0.5"]))
    for name in found.reports:
        assert screen.count(NO_QUANTIZATION if name == "identity" else name) == 1
    plain = report_html(result)
    assert "<h2>Attacks</h2>" not in plain
    assert report_data(result)["attacks"] is None


@pytest.mark.long
@pytest.mark.usefixtures("undrawn")
def test_what_was_audited_and_what_was_attacked_may_differ(found, binary, tmp_path):
    """Fewer quantizers attacked, or others: the report has the rows that there are."""
    for chosen in ((Grid(0.5), Grid(0.1), Grid(0.02)), (ScaledSign(),), (Grid(0.1),)):
        result = audit(binary, head_for(binary), chosen, runs=2, seed=2, draws=199)
        [_, page] = write_report(result, tmp_path, attacks=found)
        part = page.read_text(encoding="utf-8").partition("<h2>Attacks</h2>")[2]
        assert [part.count(f"<b>{name}</b>") for name in ("grid-0.5", "sign-scaled", NO_QUANTIZATION)] == [1, 1, 1]
        screen = shown_text(attack_table(found, chosen_names(result, answer(result))))
        assert "grid-0.02" not in screen
        assert "sign-scaled" in screen


class Long(Grid):
    name = "a-quantizer-of-a-long-name"


@pytest.mark.parametrize("name", ["grid-0.5", "a-quantizer-of-a-long-name"])
def test_no_name_and_no_number_is_broken(name, binary):
    """Wide sets, small indicators and large prices: a table where it fits into 80 characters, and blocks of lines."""
    result = audit(binary, head_for(binary), [Long(0.5)], runs=2, seed=2, draws=199)
    first, reference = result.table_lines()
    wide = {"score": -50.558, "score_interval": (-150.558, -10.345), "price": -50.123}
    more = {"name": name, "rank_set": (10, 15), "indicator": 0.00024, "interval": (0.00011, 1.2e-05)}
    lines = (dataclasses.replace(first, **wide, **more), dataclasses.replace(reference, **wide))
    shown = shown_text(printed([first_table(lines, "cells", "auroc", 0.95)], []))
    assert max(map(len, shown.splitlines())) <= 80
    numbers = ["10..15", "0.00024", "0.00011", "1.2e-05", "-50.6", "-151", "-10.3", "-50.1"]
    words = shown.split()
    assert [word for word in words if word in numbers] == [*numbers, "-50.6", "-151", "-10.3"]
    assert name in words
    assert "no quantization" in shown
    assert ("quantizer " in shown) is (name == "grid-0.5")


def test_a_prompt_and_a_terminal_have_the_same_tables(found, binary):
    result = audit(binary, head_for(binary), QUANTIZERS, runs=2, seed=2, draws=199)
    for one, screen in ((result, audit_table(result)), (found, attack_table(found, list(found.reports)))):
        caption, *rows = lines_of(one.tables()[0])
        shown = [" ".join(line.split()) for line in shown_text(screen).splitlines()]
        assert [" ".join(row.split()) for row in rows if " ".join(row.split()) not in shown] == []
        assert caption in shown
        assert caption in str(one)
