"""`qmis sweep` and `qmis status`: results on standard output, one line for what is wrong, exit status 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

FILE = """
law = {kind = "gaussian_mean", covariance = [[1.0]]}
procedure = {kind = "ptq", quantizer = "sign"}
run = {methods = ["exact", "conditional"], replicates = 200}
grid = {"law.mean" = [[0.1], [0.2]], "run.n" = [20, 40]}
"""


@pytest.fixture
def store(tmp_path):
    return tmp_path / "results.sqlite"


def test_a_sweep_its_status_and_its_table(qmis, experiment, store, tmp_path):
    table = tmp_path / "results.csv"
    done = qmis("sweep", experiment(FILE), "--store", store, "--jobs", 1, "--export", table, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["finished"] == 8
    assert table.read_text().count("\n") == 9
    shown = qmis("status", store, "--json")
    assert json.loads(shown.stdout) == json.loads(done.stdout)
    assert "8 of 8 finished" in qmis("status", store).stdout


def test_reports_of_a_sweep_and_of_its_store(qmis, experiment, store, tmp_path):
    first, again = tmp_path / "first", tmp_path / "again"
    done = qmis("sweep", experiment(FILE), "--store", store, "--jobs", 1, "--out", first)
    assert done.exit_code == 0, done.stderr
    assert done.stderr == f"wrote {first / 'report.html'}\nwrote {first / 'report.json'}\n"
    assert qmis("status", store, "--out", again).exit_code == 0
    for name in ("report.html", "report.json"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
    refused = qmis("status", store, "--out", store)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("--out = ")
    assert refused.stderr.count("\n") == 1


def test_a_store_that_holds_cells_needs_resume(qmis, experiment, store):
    file = experiment(FILE)
    qmis("sweep", file, "--store", store, "--jobs", 1)
    refused = qmis("sweep", file, "--store", store, "--jobs", 1)
    assert refused.exit_code == 2
    assert "used with --resume: it holds cells already" in refused.stderr
    assert qmis("sweep", file, "--store", store, "--jobs", 1, "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("change", "options", "line"),
    [
        (("20, 40", "20, 1"), (), "run.n = 1: must be"),
        (("sign", "sing"), (), "did you mean sign"),
        (("", ""), ("--export", "a.xlsx"), "--export = 'a.xlsx'"),
        (("", ""), ("--export", "no/such/folder/a.csv"), "a folder that exists"),
        (("", ""), ("--out", f"{__file__}/a"), "--out = "),
        (("", ""), ("--jobs", "0"), "jobs = 0"),
        (("", ""), ("--jobs", "1", "--cluster", "tcp://127.0.0.1:1"), "left out with --cluster"),
    ],
)
def test_bad_input_is_one_line_and_no_store(qmis, experiment, store, change, options, line):
    refused = qmis("sweep", experiment(FILE.replace(*change)), "--store", store, *options)
    assert refused.exit_code == 2
    assert line in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert refused.stdout == ""
    assert not store.exists()


def test_refused_cells_are_counted_on_standard_error(qmis, experiment, store):
    erm = FILE.replace('{kind = "ptq", quantizer = "sign"}', '{kind = "erm", codebook = [[0.0], [1.0]]}')
    file = experiment(erm.replace('"conditional"', '"likelihood_ratio"'))
    done = qmis("sweep", file, "--store", store, "--jobs", 1, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["refused"] == 4
    assert "4 of 8 cells have no result" in done.stderr


def test_the_status_of_no_store_is_bad_input(qmis, store):
    assert qmis("status", store).exit_code == 2
    assert not store.exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("folder", None, "this is a folder"),
        ("a.csv", "", "this file is empty"),
        ("b.csv", "a,b\n", "no SQLite database"),
    ],
)
def test_the_status_of_another_thing_says_what_it_is_and_leaves_it_alone(qmis, tmp_path, name, content, said):
    path = tmp_path / name
    path.mkdir() if content is None else path.write_text(content)
    for command in (("status", path), ("merge", tmp_path / "new.sqlite", path)):
        refused = qmis(*command)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert said in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert path.is_dir() if content is None else path.read_text() == content
    assert sorted(tmp_path.iterdir()) == [path]


def test_an_interrupted_sweep_says_what_is_done_and_how_to_go_on(qmis, experiment, store, monkeypatch):
    from qmis_stats.sweep import loop

    decide, asked = loop.decide, []

    def interrupt(blocks, rule):
        asked.append(blocks)
        if len(asked) > 12:
            raise KeyboardInterrupt
        return decide(blocks, rule)

    monkeypatch.setattr(loop, "decide", interrupt)
    file = experiment(FILE)
    done = qmis("sweep", file, "--store", store, "--jobs", 1)
    assert (done.exit_code, done.stdout) == (130, "")
    expected = f"interrupted: 4 of 8 cells are finished and kept in {store}; the same command with --resume goes on\n"
    assert done.stderr == expected
    monkeypatch.undo()
    assert "8 of 8 finished" in qmis("sweep", file, "--store", store, "--jobs", 1, "--resume").stdout


def test_a_folder_that_is_no_place_for_files_is_refused(qmis, experiment):
    place = "/proc/results.sqlite" if sys.platform == "linux" else os.devnull
    refused = qmis("sweep", experiment(FILE), "--store", place, "--jobs", 1)
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1


def test_a_second_sweep_in_another_process_is_refused(experiment, store):
    from qmis_stats.sweep import Store

    command = [sys.executable, "-m", "qmis_stats.cli", "sweep", experiment(FILE), "--store", store, "--jobs", "1"]
    with Store(store):
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "no other sweep is writing to" in second.stderr


def test_merged_stores_are_one(qmis, experiment, store, tmp_path):
    stores = [tmp_path / f"{n}.sqlite" for n in (20, 40)]
    for n, path in zip((20, 40), stores, strict=True):
        part = experiment(FILE.replace("[20, 40]", f"[{n}]"))
        assert qmis("sweep", part, "--store", path, "--jobs", 1).exit_code == 0
    done = qmis("merge", store, *stores, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["finished"] == 8
    refused = qmis("merge", store, store)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("store = ")
    assert refused.stderr.count("\n") == 1
    assert qmis("merge", store).exit_code == 2
