from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qmis_stats.cli import cli
from tests.audit.conftest import undrawn

__all__ = ["undrawn"]


@pytest.fixture
def qmis() -> Callable[..., Result]:
    """Run the command in this process."""
    return lambda *arguments, **options: CliRunner().invoke(
        cli, [str(a) for a in arguments], prog_name="qmis", **options
    )


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Write an experiment file."""

    def write(text: str | bytes) -> Path:
        file = tmp_path / "experiment.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write
