"""Every command line of the README and of the pages is one that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from qmis_stats.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "guides").glob("*.md"))]


def command_lines():
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("qmis "):
                    yield pytest.param(line, id=f"{page.name}: {line[:60]}")


def parse(line):
    name, *arguments = shlex.split(line, comments=True)[1:]
    return cli.commands[name].make_context(name, arguments)


@pytest.mark.parametrize("line", list(command_lines()))
def test_it_is_accepted(line):
    parse(line)


def test_a_wrong_one_is_not():
    with pytest.raises(click.NoSuchOption):
        parse("qmis verify --everything")
    with pytest.raises(KeyError):
        parse("qmis prove S4")
    assert len(list(command_lines())) > 20


def test_a_shell_has_the_environment_before_the_first_command_of_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.index("\n. .venv/bin/activate\n") < text.index("\nqmis ")
