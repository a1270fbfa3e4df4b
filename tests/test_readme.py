"""The README's code block prints what the README says it prints."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def test_code_block_prints_the_text_block():
    text = README.read_text()
    code = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, flags=re.DOTALL)
    assert code is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code.group(1), "README.md", "exec"), {})
    assert [line.rstrip() for line in printed.getvalue().splitlines()] == code.group(2).splitlines()


def test_every_file_that_is_named_exists():
    root = README.parent
    for path in re.findall(r"\]\(([\w./-]+)\)|`((?:docs|benchmarks)/[\w./]+\.\w+)`", README.read_text()):
        name = path[0] or path[1]
        if not name.startswith("docs/_build"):
            assert (root / name).exists(), name
