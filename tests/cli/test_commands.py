"""Exit status, streams, `info`, `verify`, `--version`, and failures that are nobody's bad file."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

import qmis_stats
import qmis_stats.experiment
import qmis_stats.verify
from qmis_stats.cli import cli
from qmis_stats.reporting.tables import Table

Qmis = Callable[..., Result]
Write = Callable[[str], Path]

COIN = """
law = {kind = "finite", probabilities = ["1/2", "1/2"]}
procedure = {kind = "erm", losses = [[0, 1], [1, 0]]}
run = {n = 3, methods = ["exact"]}
"""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "bogus"),
        (["--bogus"], "--bogus"),
        (["evaluate"], "FILE"),
        (["evaluate", "a.toml", "b.toml"], "b.toml"),
        (["evaluate", "a.toml", "--yaml"], "--yaml"),
        (["info", "extra"], "extra"),
        (["verify", "--out"], "--out"),
        (["rank"], "LOSSES"),
        (["sweep", "grid.toml"], "sweep"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], words: str, qmis: Qmis) -> None:
    result = qmis(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "--help" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", list(cli.commands.values()), ids=list(cli.commands))
def test_no_number_is_refused_in_one_line_that_says_what_is_allowed(command: click.Command, qmis: Qmis) -> None:
    for option in command.params:
        if option.type.name in ("integer", "float"):
            refused = qmis(command.name, option.opts[0], "1.5x")
            allowed = {"integer": "an integer", "float": "a number"}[option.type.name]
            line = f"{option.opts[0]} = '1.5x': must be {allowed}\n"
            assert (refused.exit_code, refused.stdout, refused.stderr) == (2, "", line)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--help"], ["-h"], ["evaluate", "--help"], ["verify", "--help"], ["rank", "--help"], ["audit", "--help"]],
)
def test_help(arguments: list[str], qmis: Qmis) -> None:
    result = qmis(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: qmis")


def test_help_lists_exactly_the_commands_that_exist(qmis: Qmis) -> None:
    listed = qmis("--help").stdout.partition("Commands:")[2].splitlines()
    found = [line.split()[0] for line in listed if line.strip()]
    assert found == ["audit", "evaluate", "figures", "info", "merge", "rank", "status", "sweep", "verify"]


def test_help_of_the_group_is_in_whole_phrases(qmis: Qmis) -> None:
    assert qmis().stdout == qmis("--help").stdout
    listed = qmis("--help", terminal_width=40).stdout.partition("Commands:")[2]
    assert "..." not in listed
    assert all(len(line) <= 80 for line in qmis("--help").stdout.splitlines())
    phrases = " ".join(listed.split())
    assert phrases.endswith("Check the theorems; exit status 1 when a claim fails.")
    assert phrases.count(".") >= 9


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("qmis audit --model ", {"linear", "mlp"}),
        ("qmis audit --split sc", {"scaffold"}),
        ("qmis verify S1", {"S1", *(f"S1{i}" for i in range(10))}),
        ("qmis verify --claim certificates.", {"certificates.finite", "certificates.lines"}),
        ("qmis figures high", {"high_dimension"}),
        ("qmis st", {"status"}),
    ],
)
def test_completion_offers_choices(words: str, offered: set[str], qmis: Qmis) -> None:
    env = {"_QMIS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = qmis(*(), env=env)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == offered


def test_version(qmis: Qmis) -> None:
    assert qmis("--version").stdout == f"qmis {qmis_stats.__version__}\n"


def test_info(qmis: Qmis) -> None:
    result = qmis("info", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    data = json.loads(result.stdout)
    assert data["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(data["packages"]) == {"numpy", "scipy", "numba", "statsmodels", "matplotlib", "cupy"}
    assert data["backends"]["numba"] == {"available": True, "reason": None}
    assert data["backends"]["reference"]["available"] is True
    for name in ("cupy", "host"):
        found = data["backends"][name]
        assert found["available"] is (found["reason"] is None)
        assert found["available"] or (found["reason"].startswith(f"backend {name!r}: ") and "\n" not in found["reason"])
    assert data["threads"] >= 1
    text = qmis("info").stdout
    for name in ("numpy", "numba", "cupy", "backend reference", "backend host", "threads", "GPU"):
        assert name in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_info_says_what_is_not_installed(qmis: Qmis, monkeypatch: pytest.MonkeyPatch) -> None:
    from qmis_stats import environment

    def absent(name: str) -> str:
        raise environment.PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", absent)
    data = json.loads(qmis("info", "--json").stdout)
    assert set(data["packages"].values()) == {"not installed"}
    assert data["gpu"] is None


@dataclass
class _Report:
    passed: bool

    def to_dict(self) -> dict[str, Any]:
        return {"passed": self.passed}

    def tables(self) -> list[Table]:
        return []

    def remarks(self) -> list[str]:
        return ["the verdict"]

    def write(self, directory: Path) -> list[Path]:
        file = directory / "report.json"
        file.write_text("{}")
        return [file]


@pytest.mark.parametrize(("passed", "status"), [(True, 0), (False, 1)])
def test_verify_status_and_streams(
    passed: bool, status: int, qmis: Qmis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run_verification(quick: bool, progress: bool, seed: int, claims: tuple[Any, ...]) -> _Report:
        asked.append((quick, progress, seed, len(claims) > 1 and {c.statement for c in claims}))
        return _Report(passed)

    monkeypatch.setattr(qmis_stats.verify, "run_verification", run_verification)
    text = qmis("verify")
    assert (text.exit_code, text.stdout, text.stderr) == (status, "the verdict\n", "")
    out = tmp_path / "new" / "folder"
    as_json = qmis("verify", "--quick", "--json", "--out", out)
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (status, {"passed": passed})
    assert as_json.stderr == f"wrote {out / 'report.json'}\n"
    assert qmis("verify", "s4", "--claim", "definition.range", "--seed", 5).exit_code == status
    assert [a[:3] for a in asked] == [(False, True, 2026), (True, True, 2026), (False, True, 5)]
    assert len(asked[0][3]) == 19
    assert asked[2][3] == {"S1", "S4"}


def test_verify_lists_claims_and_checks_none(qmis: Qmis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmis_stats.verify, "run_verification", lambda **_: pytest.fail("ran"))
    text = qmis("verify", "--list", "S5")
    assert (text.exit_code, text.stderr) == (0, "")
    assert "\nS5         certificates.lines " in text.stdout
    data = json.loads(qmis("verify", "--list", "--json").stdout)
    assert len(data) > 50
    assert data[0].keys() == {"key", "statement", "title"}
    for arguments, line in (
        (["S99"], "statement = 'S99': must be one of S1, "),
        (["--claim", "sharp.ordr"], "--claim = 'sharp.ordr': must be the key of a claim; did you mean sharp.order?"),
        (["--claim", "best"], "--claim = 'best': must be the key of a claim, such as definition.three_faces"),
    ):
        refused = qmis("verify", *arguments)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert refused.stderr.startswith(line)


def test_an_interrupted_verification_says_what_is_done(qmis: Qmis, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(qmis_stats.verify.evidence.Context, "evaluate", interrupt)
    done = qmis("verify", "S5")
    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr == "interrupted: 0 of 2 claims were checked; qmis verify --claim KEY checks one of them\n"


def test_verify_refuses_a_folder_before_it_runs(qmis: Qmis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmis_stats.verify, "run_verification", lambda **_: pytest.fail("ran"))
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "below"):
        result = qmis("verify", "--out", folder)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("--out = '/")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted: nothing is kept of this command\n"),
        (MemoryError(), 2, "out of memory: ask for a smaller problem\n"),
        (OverflowError("too large"), 2, "out of the range of floating-point numbers: too large\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "[Errno 28] No space left on device\n"),
        (qmis_stats.QmisError("two\nlines"), 2, "two lines\n"),
        (qmis_stats.BackendUnavailableError("no GPU"), 2, "no GPU\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failures_while_running(
    error: BaseException,
    status: int,
    line: str,
    qmis: Qmis,
    experiment: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(qmis_stats.experiment, "run_experiment", fail)
    result = qmis("evaluate", experiment(COIN))
    assert (result.exit_code, result.stdout, result.stderr) == (status, "", line)


@pytest.mark.parametrize("error", [ValueError("math domain error"), OverflowError("too large")], ids=str)
def test_numbers_out_of_range_name_the_method(
    error: Exception, qmis: Qmis, experiment: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qmis_stats.experiment import outcome

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(outcome, "mis", fail)
    file = experiment(COIN)
    result = qmis("evaluate", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{file}: run.methods = 'exact': must be a method whose numbers stay in range")
    assert str(error) in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_defect_is_not_hidden(qmis: Qmis, experiment: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(qmis_stats.experiment, "run_experiment", fail)
    assert isinstance(qmis("evaluate", experiment(COIN)).exception, KeyError)


# --- through a real process ---


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qmis_stats.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_process_evaluates(experiment: Write) -> None:
    done = process("evaluate", experiment(COIN), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["results"][0]["fraction"] == "1/4"


def test_process_refuses_in_one_line(experiment: Write) -> None:
    file = experiment(COIN.replace("n = 3", "n = 1"))
    done = process("evaluate", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{file}: run.n = 1: must be an integer from 2 to 1000000000000000\n"


@pytest.mark.long
def test_process_prints_through_an_ascii_pipe(experiment: Write) -> None:
    import os

    done = process("evaluate", experiment(COIN), env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


def test_process_is_quiet_when_nobody_reads() -> None:
    command = [sys.executable, "-m", "qmis_stats.cli", "info", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 141
