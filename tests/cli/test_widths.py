"""On narrow terminals names and digits stay whole, whatever command prints them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from qmis_stats.cli import cli

PROCEDURE = 'procedure = {kind = "ptq", quantizer = "sign"}\n'
FILES = {
    "experiment.toml": PROCEDURE
    + """law = {kind = "gaussian_mean", mean = [0.1], covariance = [[1.0]]}
run = {n = [20, 40], methods = ["exact"]}
""",
    "sweep.toml": PROCEDURE
    + """law = {kind = "gaussian_mean", covariance = [[1.0]]}
run = {methods = ["exact"]}
grid = {"law.mean" = [[0.1], [0.2]], "run.n" = [20, 40]}
""",
}
COMMANDS = {
    "audit": (
        "bundled:diabetes",
        "--runs",
        3,
        "--attacks",
        16,
        "--quantizers",
        "sign,sparse-33,uniform-4",
        "--jobs",
        1,
    ),
    "evaluate": ("experiment.toml",),
    "info": (),
    "merge": ("merged.sqlite", "results.sqlite"),
    "rank": ("losses.npz",),
    "status": ("results.sqlite",),
    "sweep": ("sweep.toml", "--store", "results.sqlite", "--resume", "--jobs", 1),
    "verify": ("--list",),
}
DRAWS = {"figures"}
"""Commands that print no table."""


@pytest.fixture
def there(qmis, tmp_path, monkeypatch):
    """Go to a folder with the files that the commands take."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    rng = np.random.default_rng(4)
    base = rng.exponential(size=400)
    np.savez("losses.npz", **{name: [base, base + rng.normal(0.5, 1.0, 400)] for name in ("ternary-90", "sign")})
    assert qmis("sweep", "sweep.toml", "--store", "results.sqlite", "--jobs", 1).exit_code == 0


def test_no_command_is_left_out():
    assert {*COMMANDS} | DRAWS == {*cli.commands}


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=[pytest.mark.long] * (name == "audit")) for name in COMMANDS]
)
def test_names_and_digits_are_whole(command, there, qmis):
    shown = {}
    for width in (200, 80, 60, 40):
        done = qmis(command, *COMMANDS[command], env={"COLUMNS": str(width)})
        assert done.exit_code == 0, done.stderr
        # Each call takes its own time, and a sweep says when it began.
        text = re.sub(r"\d+\.\d+ s\b", "", done.stdout)
        shown[width] = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "0000-00-00T00:00:00", text).split()
    wide = {token for token in shown[200] if re.search(r"\d", token)}
    assert wide
    for width in (80, 60, 40):
        assert not wide - {*shown[width]}, width
