"""`qmis audit`: text, JSON, report, store, and one line for whatever is wrong."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from qmis_stats.audit import bundled, head_for, rough_time
from qmis_stats.quantizers import quantizer
from qmis_stats.reporting.time_left import TimeLeft
from tests.audit.conftest import shorten_check

Qmis = Callable[..., Result]
QUICK = ("--quantizers", "sign,sparse-50,uniform-4", "--runs", "2", "--jobs", "1")
FAST = (*QUICK, "--attacks", "0")
ATTACKED = ("--quantizers", "sign", *QUICK[2:], "--attacks", "16")


def table() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(160, 3))
    tall = X @ [1.0, -1.0, 0.3] + rng.logistic(size=160) > 0.0
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "tall": np.where(tall, "yes", "no")})


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    table().to_csv(file, index=False)
    return file


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no audit be long enough for a line about its time, however slow the machine is, nor check itself long."""
    shorten_check(monkeypatch)
    monkeypatch.setattr("qmis_stats.reporting.time_left._WORTH_SAYING", float("inf"))


def without_times(text: str) -> dict[str, object]:
    data = json.loads(text)
    del data["wall_seconds"]
    return data


def test_text_and_report(csv: Path, qmis: Qmis, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report"
    result = qmis("audit", csv, "--target", "tall", *FAST, "--out", out)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [f"wrote {out / name}" for name in ("report.html", "report.json")]
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for word in ("sign", "sparse-50", "uniform-4", "no quantization", "AUROC", "Which", "At what cost", "How sure"):
        assert word in result.stdout
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json"]
    assert (out / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.usefixtures("undrawn")
def test_json_is_the_report_and_repeats_itself(csv: Path, qmis: Qmis, tmp_path: Path) -> None:
    arguments = ("audit", csv, "--target", "tall", *ATTACKED, "--seed", "3", "--level", "0.9", "--margin", "0.1")
    arguments += ("--quantizers", "sign,uniform-4", "--evaluation", "0.4")
    first = qmis(*arguments, "--json", "--out", tmp_path / "out")
    assert first.exit_code == 0
    data = without_times(first.stdout)
    assert data == without_times((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert (data["dataset"], data["level"], data["metric"]) == ("people", 0.9, "auroc")
    assert data["answer"]["margin"] == 0.1
    assert data["ranking"]["points"] == 64
    assert [entry["quantizer"] for entry in data["attacks"]["quantizers"]][-1] == "identity"
    assert data["attacks"]["level"] == 0.9
    # The command in the report gives the same numbers.
    words = shlex.split(data["command"])
    assert words[:3] == ["qmis", "audit", str(csv)]
    assert "--jobs" not in words
    assert without_times(qmis(*words[1:], "--jobs", "1", "--json").stdout) == data


@pytest.mark.usefixtures("undrawn")
def test_attacks_are_shown(csv: Path, qmis: Qmis, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = qmis("audit", csv, "--target", "tall", *ATTACKED, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 80
    for words in ("Attacks on membership", "LiRA offline", "solvable model", "no attack exceeds it", "at chance"):
        assert words in " ".join(result.stdout.split())
    assert "<h2>Attacks</h2>" in (out / "report.html").read_text(encoding="utf-8")
    without = qmis("audit", csv, "--target", "tall", *ATTACKED, "--attacks", "0")
    assert "Attacks" not in without.stdout
    assert result.stdout.startswith(without.stdout.rstrip("\n"))


@pytest.fixture
def estimates(monkeypatch: pytest.MonkeyPatch) -> list[TimeLeft]:
    """Keep the estimates of audits."""
    kept: list[TimeLeft] = []

    def audit_time(*arguments: Any, **options: Any) -> TimeLeft:
        kept.append(rough_time.audit_time(*arguments, **options))
        return kept[-1]

    module = SimpleNamespace(**{**vars(rough_time), "audit_time": audit_time})
    monkeypatch.setitem(sys.modules, "qmis_stats.audit.rough_time", module)
    return kept


def test_one_estimate_covers_every_stage(csv: Path, qmis: Qmis, estimates: list[TimeLeft], tmp_path: Path) -> None:
    arguments = ("audit", csv, "--target", "tall", *ATTACKED, "--json", "--store", tmp_path / "store")
    ranked = len(json.loads(qmis(*arguments).stdout)["ranking"]["quantizers"])
    titles = ["2 training runs", "ranking", "theory", "16 training runs to attack", "2 releases"]
    (left,) = estimates
    assert [stage.title for stage in left.stages[:5]] == titles
    assert [stage.units for stage in left.stages] == [2, ranked, 1, 16, 2, 1]
    iterated = [stage for stage in left.stages if "theory" not in stage.name]
    assert all(stage.done == stage.pieces > 0 for stage in iterated)
    assert all(stage.began is not None and stage.rough is not None for stage in left.stages[1:])
    # The second time nothing is trained that the store holds.
    assert qmis(*arguments, "--attacks", "0").exit_code == 0
    stored = estimates[1]
    assert [stage.units for stage in stored.stages] == [0, ranked, 1]
    assert stored.stages[2].rough is not None


def test_what_theory_cannot_answer_takes_no_time() -> None:
    data = bundled("diabetes")
    options: dict[str, Any] = {"runs": 2, "n": None, "evaluation": 0.5, "attacks": 0, "jobs": 1}
    stages = rough_time.audit_time(data, head_for(data, "mlp"), [quantizer("sign")], **options).stages
    assert [stage.units for stage in stages] == [2, 1, 0]


def test_groups_are_held_out_whole(qmis: Qmis, tmp_path: Path) -> None:
    frame = table()
    frame["clinic"] = [f"c{i // 8}" for i in range(len(frame))]
    file = tmp_path / "grouped.csv"
    frame.to_csv(file, index=False)
    result = qmis("audit", file, "--target", "tall", "--groups", "clinic", *FAST, "--json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert "by whole groups" in " ".join(data["notes"])
    assert "times as large" in data["notes"][-1]
    assert "--groups clinic" in data["command"]


def test_a_store_is_taken_up_again(csv: Path, qmis: Qmis, tmp_path: Path) -> None:
    arguments = ("audit", csv, "--target", "tall", *FAST, "--store", tmp_path / "store", "--json")
    first, again = qmis(*arguments), qmis(*arguments)
    # Times are those of the first time: nothing was trained again.
    assert first.exit_code == 0
    assert first.stdout == again.stdout
    other = qmis(*arguments, "--seed", "1")
    assert (other.exit_code, other.stdout) == (2, "")
    assert "a folder of the same specification" in other.stderr


@pytest.mark.parametrize("ending", [*(pytest.param(e, marks=pytest.mark.long) for e in ("tsv", "txt")), "parquet"])
def test_other_formats_give_the_same_numbers(ending: str, csv: Path, qmis: Qmis, tmp_path: Path) -> None:
    file = tmp_path / f"people.{ending}"
    options: tuple[str, ...] = ()
    if ending == "tsv":
        table().to_csv(file, index=False, sep="\t")
    elif ending == "txt":
        options = ("--decimal", ",", "--separator", "tab")
        table().to_csv(file, index=True, sep="\t", decimal=",")
    else:
        pytest.importorskip("pyarrow")
        table().to_parquet(file)
    found = [
        without_times(qmis("audit", f, "--target", "tall", *FAST, "--ignore", "c", "--json", *more).stdout)
        for f, more in ((csv, ()), (file, options))
    ]
    assert found[0]["performance"] == found[1]["performance"]


def test_bundled_regression(qmis: Qmis) -> None:
    result = qmis("audit", "bundled:diabetes", *FAST)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "R²" in result.stdout


@pytest.mark.parametrize("kind", ["both", pytest.param("descriptors", marks=pytest.mark.long)])
def test_molecules_by_scaffold(kind: str, qmis: Qmis, tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    rings = ["c1ccccc1", "C1CCCCC1", "c1ccncc1", "C1CCNCC1", "c1ccoc1", "c1ccsc1", "c1ccc2ccccc2c1", "C1CCCC1"]
    chains = ["C", "CC", "CCC", "CCO", "CN", "CCl", "CBr", "C(=O)O"]
    smiles = [ring + chain for ring in rings for chain in chains]
    pd.DataFrame({"smiles": smiles, "y": np.arange(64) % 2}).to_csv(tmp_path / "molecules.csv", index=False)
    arguments = ("audit", tmp_path / "molecules.csv", "--target", "y", "--smiles", "smiles", "--split", "scaffold")
    one, digests = ("--quantizers", "sign", "--runs", "1", "--jobs", "1", "--attacks", "0"), set()
    for options in ((), ("--kind", kind)):
        result = qmis(*arguments, *one, *options, "--json")
        assert result.exit_code == 0, result.stderr
        assert "by whole groups" in " ".join(json.loads(result.stdout)["notes"])
        digests.add(json.loads(result.stdout)["specification"]["data"])
    assert len(digests) == 2
    refused = qmis(*arguments, *FAST, "--groups", "y")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "--groups" in refused.stderr


BAD = {
    "no target": (["{csv}"], "--target"),
    "no such column": (["{csv}", "--target", "size"], "'size'"),
    "no such file": (["absent.csv", "--target", "y"], "absent.csv"),
    "not a table": (["{folder}/x.doc", "--target", "y"], ".csv"),
    "names among the features": (["{folder}/names.csv", "--target", "tall"], "'name'"),
    "decimal": (["{csv}", "--target", "tall", "--decimal", ";"], "decimal"),
    "separator": (["{csv}", "--target", "tall", "--separator", "::"], "separator"),
    "separator and decimal": (["{csv}", "--target", "tall", "--separator", ",", "--decimal", ","], "decimal mark"),
    "no such bundle": (["bundled:iris"], "bundled:iris"),
    "a bundle has its target": (["bundled:diabetes", "--target", "y"], "--target"),
    "a bundle is no text": (["bundled:diabetes", "--decimal", ","], "--decimal = ',': must be left out"),
    "a bundle has its names": (["bundled:diabetes", "--no-header"], "--no-header"),
    "a bundle misses nothing": (["bundled:diabetes", "--missing-values", "?"], "--missing-values = '?'"),
    "quantizer": (["--quantizers", "sign,bogus"], "bogus"),
    "no quantizer": (["--quantizers", ""], "quantizer"),
    "only the reference": (["--quantizers", "identity"], "quantizers"),
    "twice": (["--quantizers", "sign,sign"], "different"),
    "task": (["{csv}", "--target", "tall", "--task", "ranking"], "--task"),
    "model": (["--model", "forest"], "--model"),
    "split": (["--split", "time"], "--split"),
    "scaffold without molecules": (["--split", "scaffold"], "--smiles"),
    "kind": (["--kind", "graph"], "--kind"),
    "kind without molecules": (["--kind", "both"], "--smiles"),
    "no such group": (["{csv}", "--target", "tall", "--groups", "clinic"], "'clinic'"),
    "groups are not the target": (["{csv}", "--target", "tall", "--groups", "tall"], "tall"),
    "groups of a bundle": (["--groups", "age"], "--groups"),
    "no evaluation": (["--evaluation", "0"], "evaluation"),
    "all evaluation": (["--evaluation", "1"], "evaluation"),
    "evaluation too small": (["--evaluation", "0.001"], "at least 10 points"),
    "evaluation a word": (["--evaluation", "half"], "--evaluation"),
    "evaluation not a number": (["--evaluation", "nan"], "evaluation"),
    "attacks": (["--attacks", "5"], "--attacks"),
    "attacks below none": (["--attacks", "-1"], "--attacks"),
    "missing": (["--missing", "impute"], "--missing"),
    "level": (["--level", "1"], "level"),
    "margin": (["--margin", "nan"], "margin"),
    "runs": (["--runs", "0"], "runs"),
    "jobs": (["--jobs", "0"], "jobs"),
    "n": (["--n", "1"], "n = 1"),
    "seed": (["--seed", "-1"], "seed"),
    "a word for a number": (["--runs", "many"], "--runs"),
    "folder": (["--out", "{csv}"], "--out"),
    "store": (["--store", "{csv}"], "store"),
    "too many": (["{csv}", "more"], "more"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case: str, csv: Path, qmis: Qmis, tmp_path: Path) -> None:
    (tmp_path / "x.doc").write_text("")
    table().assign(name=[f"n{i}" for i in range(160)]).to_csv(tmp_path / "names.csv", index=False)
    arguments, word = BAD[case]
    result = qmis("audit", *(a.format(csv=csv, folder=tmp_path) for a in arguments))
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert word in result.stderr
    assert result.stderr.count("\n") == 1


def test_missing_values_are_refused_or_dropped(qmis: Qmis, tmp_path: Path) -> None:
    frame = table()
    frame.loc[3, "a"] = np.nan
    file = tmp_path / "holes.csv"
    frame.to_csv(file, index=False)
    refused = qmis("audit", file, "--target", "tall", *FAST)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    dropped = qmis("audit", file, "--target", "tall", *FAST, "--missing", "drop", "--json")
    assert dropped.exit_code == 0
    assert "--missing drop" in json.loads(dropped.stdout)["command"]


ADULT = {
    "workclass": ("Private", "State-gov", "?"),
    "education": ("Bachelors", "HS-grad", "11th"),
    "marital-status": ("Never-married", "Married-civ-spouse"),
    "occupation": ("Adm-clerical", "Exec-managerial", "?"),
    "relationship": ("Not-in-family", "Husband", "Wife"),
    "race": ("White", "Black"),
    "sex": ("Male", "Female"),
    "native-country": ("United-States", "Cuba", "?"),
}


@pytest.mark.long
def test_the_adult_table_as_it_is_distributed(qmis: Qmis, tmp_path: Path) -> None:
    """No line of names, spaces after commas, question marks, text in 8 of 14 columns, an empty line at the end."""
    rng = np.random.default_rng(7)
    lines = []
    for _ in range(300):
        work, school, marital, job, kin, race, sex, country = (
            str(rng.choice(texts, p=[0.94, 0.04, 0.02] if "?" in texts else None)) for texts in ADULT.values()
        )
        age, weight, years, gain, loss, hours = rng.integers([17, 10**4, 1, 0, 0, 1], [90, 10**6, 16, 99999, 4000, 99])
        rich = ">50K" if rng.random() < 0.2 + 0.6 * (sex == "Male" and age > 40) else "<=50K"
        fields = (age, work, weight, school, years, marital, job, kin, race, sex, gain, loss, hours, country, rich)
        lines.append(", ".join(map(str, fields)))
    file = tmp_path / "adult.data"
    file.write_text("\n".join(lines) + "\n\n")
    arguments = ("audit", file, "--target", "15", "--no-header", "--missing-values", "?", "--missing", "drop", *FAST)
    result = qmis(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    notes = " ".join(data["notes"])
    marked = sum("?" in line for line in lines)
    assert marked > 5
    assert f"{marked} of 300 rows have missing values and are left out." in notes
    assert "Classes of the target are numbered: <=50K = 0, >50K = 1." in notes
    assert "2 (2), 4 (3), 6 (2), 7 (2), 8 (3), 9 (2) and 2 more" in notes
    assert "--no-header" in data["command"]
    assert without_times(qmis(*shlex.split(data["command"])[1:], "--json").stdout) == without_times(result.stdout)
    named = tmp_path / "adult.csv"
    names = [*(f"c{place}" for place in range(1, 15)), "income"]
    named.write_text(", ".join(names) + "\n" + file.read_text())
    other = qmis("audit", named, "--target", "income", "--missing-values", "?", "--missing", "drop", *FAST, "--json")
    assert json.loads(other.stdout)["performance"] == data["performance"]
    refused = qmis("audit", named, "--target", "income", "--missing-values", "?", *FAST)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "= 'missing'" in refused.stderr


def test_records_are_written_or_missed_after_the_answer(csv: Path, qmis: Qmis, tmp_path: Path) -> None:
    """Three features are too few for the theory: the answer is printed all the same."""
    file = tmp_path / "records.csv"
    result = qmis("audit", csv, "--target", "tall", *FAST, "--records", file)
    assert result.exit_code == 2
    assert "Which" in result.stdout
    assert result.stderr.startswith("no records: theory has no answer, outside of its domain, ")
    assert result.stderr.count("\n") == 1
    assert not file.exists()
    result = qmis("audit", *FAST, "--records", file)
    assert result.exit_code == 0
    assert result.stderr == f"wrote {file}\n"
    found = pd.read_csv(file)
    assert set(found["quantizer"]) == {"sign", "sparse-50", "uniform-4", "identity"}
    assert found["row"].between(1, 569).all()
    result = qmis("audit", *FAST, "--records", tmp_path / "records.txt")
    assert result.stderr.startswith("--records = ")
    (tmp_path / "file").write_text("")
    result = qmis("audit", *FAST, "--records", tmp_path / "file" / "records.csv")
    assert result.stderr == f"--records = '{tmp_path / 'file'}': must be a folder: this is a file\n"


def test_groups_are_told(qmis: Qmis, tmp_path: Path) -> None:
    """Three features are too few for the theory: how well groups are predicted is told all the same."""
    file = tmp_path / "people.csv"
    table().assign(site=np.where(np.arange(160) % 3 == 0, "far", "near"), age=np.arange(160)).to_csv(file, index=False)
    arguments = ("audit", file, "--target", "tall", "--ignore", "site", "--ignore", "age", *FAST)
    result = qmis(*arguments, "--by", "site")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    for word in ("Who leaks most", "class = no", "site = near", "What each group leaks is not known"):
        assert word in result.stdout
    for more, message in (
        (("--by", "age"), "people: by 'age' = '160 different values': must be at most 50 of them"),
        (("--by", "tall"), "by = 'tall': must be another column than the target"),
    ):
        refused = qmis(*arguments, *more)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        assert message in refused.stderr
    bundled = qmis("audit", "bundled:diabetes", "--by", "age", *FAST)
    assert bundled.stderr.startswith("--by = ")


def test_groups_are_told_again_after_attacks(qmis: Qmis, tmp_path: Path) -> None:
    """Where theory is silent, what attacks measured of groups is the answer: the table comes once more, with leaks."""
    file = tmp_path / "people.csv"
    table().assign(site=np.where(np.arange(160) % 3 == 0, "far", "near")).to_csv(file, index=False)
    few = ("--quantizers", "sign", "--runs", "2", "--jobs", "1", "--attacks", "16")
    result = qmis("audit", file, "--target", "tall", "--by", "site", "--ignore", "site", *few)
    assert result.exit_code == 0, result.stderr
    _, silent, measured = (" ".join(part.split()) for part in result.stdout.split("Who leaks most"))
    for part, words in (
        (silent, "rows: training records; score: accuracy of the held out;"),
        (silent, "What each group leaks is not known: theory has no answer, and no attacks have measured it."),
        (silent, "Measured by attacks, in the place of the answer above: Audit of people: 95 % sets and intervals"),
        (measured, "group rows Δ low high more low high score low high"),
        (measured, "site = near 106 "),
        (measured, "rows: the pool of the attacks; more: 2·AUC − 1 less that of the rest, by column;"),
    ):
        assert words in part


def test_public_units_are_those_of_all_rows_for_calibration_too(csv: Path, qmis: Qmis) -> None:
    """A table that is its own public file calibrates in the units that are trained in."""
    units = ("--standardise", "public")
    options = ("audit", csv, "--target", "tall", "--runs", "2", "--jobs", "1", "--attacks", "0", "--json")
    plain, public = (
        json.loads(qmis(*options, "--quantizers", "sign", "--standardise", whose).stdout)
        for whose in ("training", "public")
    )
    assert plain["units"]["features"] == 3
    assert "Not counted" in plain["answer"]["which"]
    assert public["units"] is None
    assert "Not counted" not in public["answer"]["which"]
    assert "Features are in units that are taken to be public." in public["notes"]
    inputs = table().drop(columns="tall").to_numpy() * [1.0, 100.0, 0.01] + 50.0
    other, scaled = csv.with_name("other.csv"), csv.with_name("scaled.csv")
    for file, X in ((other, inputs), (scaled, (inputs - inputs.mean(axis=0)) / inputs.std(axis=0))):
        table().assign(a=X[:, 0], b=X[:, 1], c=X[:, 2]).to_csv(file, index=False)
    found = []
    for file in (other, scaled):
        result = qmis("audit", file, *options[2:], "--quantizers", "gptq-2", "--calibrate", file, *units)
        assert result.exit_code == 0, result.stderr
        found.append([row["auroc"] for row in json.loads(result.stdout)["performance"]])
    assert found[0] == pytest.approx(found[1], abs=1e-6)
