"""Tables at any width, and what a long run says where no terminal is."""

import io
import time

import pytest
from rich.console import Console
from rich.table import Table

from qmis_stats.display import print_to_stdout
from qmis_stats.reporting import progress
from qmis_stats.reporting.terminal import Fitted


def printed(width):
    table = Table("quantizer", "delta", "95% interval", box=None, title="Leaks")
    for column in table.columns:
        column.no_wrap = True
    table.add_row("codebook-least-squares", "0.123456", "[0.1, 0.2]")
    table.add_row("sign", "", "[0.3, 0.4]")
    stream = io.StringIO()
    Console(width=width, file=stream).print(Fitted(table))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_a_table_that_does_not_fit_is_blocks():
    assert printed(80)[1].split() == ["quantizer", "delta", "95%", "interval"]
    assert printed(30) == [
        "Leaks",
        "codebook-least-squares",
        "  delta        0.123456",
        "  95% interval [0.1, 0.2]",
        "sign",
        "  95% interval [0.3, 0.4]",
    ]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_names_and_digits_are_whole(width):
    text = "\n".join(printed(width))
    for whole in ("codebook-least-squares", "0.123456", "[0.3, 0.4]"):
        assert whole in text


def test_a_redirected_run_speaks_once_a_minute(capsys, monkeypatch):
    assert progress._SECONDS_BETWEEN_LINES <= 60.0
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.02)
    with progress.steps("claims") as tell:
        tell(3, 59, "S4")
        time.sleep(0.1)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0] == "0 min 0 s: 3 of 59 claims done, now S4"
    time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_a_short_run_is_silent(capsys):
    with progress.steps("claims") as tell:
        tell(3, None, "")
    assert capsys.readouterr() == ("", "")


def test_what_is_printed_is_out_before_what_standard_error_says(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="utf-8"))
    print_to_stdout("a table")
    assert raw.getvalue() == b"a table\n"
