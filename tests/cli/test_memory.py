"""Requests beyond the memory of the machine, as a user of the command sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from qmis_kernels import memory

FILE = """
[law]
kind = "gaussian_mean"
mean = [0.0]
covariance = [[1.0]]
[procedure]
kind = "erm"
codebook = [[0.0], [1.0]]
[run]
n = 7
methods = ["exact", "crude"]
replicates = 1000000000
"""


def test_a_request_beyond_memory_is_one_line(
    qmis: Callable[..., Result], experiment: Callable[[str | bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 2**33)
    file = experiment(FILE)
    result = qmis("evaluate", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{file}: run.replicates = 1000000000: must be at most about ")
    assert "crude needs " in result.stderr
    assert result.stderr.endswith("lower replicates or the number of cells\n")
    assert result.stderr.count("\n") == 1


def test_a_refusal_of_the_kernels_keeps_its_line(
    qmis: Callable[..., Result], experiment: Callable[[str | bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that no method foresaw is still refused by the kernels, and what they say is shown."""

    def refused(*_: object, **__: object) -> None:
        raise memory.OutOfMemory("normals: a result of shape (9,) needs 72 bytes, 8 bytes are available: lower count")

    monkeypatch.setattr("qmis_stats.simulate.crude", refused)
    result = qmis("evaluate", experiment(FILE))
    assert result.exit_code == 2
    assert result.stderr == (
        "out of memory: normals: a result of shape (9,) needs 72 bytes, 8 bytes are available: lower count\n"
    )
