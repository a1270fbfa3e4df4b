"""The README's code blocks print what the README says they print."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


PAIRS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize(("code", "text"), PAIRS)
def test_code_blocks_print_the_text_blocks(code, text):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert [line.rstrip() for line in printed.getvalue().rstrip().splitlines()] == text.splitlines()


def test_there_are_code_blocks():
    assert len(PAIRS) == 3


def test_every_file_that_is_named_exists():
    root = README.parent
    for path in re.findall(r"\]\(([\w./-]+)\)|`((?:docs|benchmarks)/[\w./]+\.\w+)`", README.read_text()):
        name = path[0] or path[1]
        if not name.startswith("docs/_build"):
            assert (root / name).exists(), name
