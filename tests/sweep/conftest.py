from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qmis_stats.sweep import Sweep, parse_sweep
from qmis_stats.sweep.rows import COLUMNS

LAW = {"kind": "gaussian_mean", "mean": [0.0], "covariance": [[1.0]]}
LINE = {"kind": "erm", "codebook": [[-1.2], [0.0], [1.0]]}
BLOCK = "cell, number, method, replicates, dof, log_delta, std_error, in_domain, domain, fraction, value, value_error"


def tables(**changes: Any) -> dict[str, Any]:
    """Return a sweep of 18 cheap cells, with other tables in place of its own."""
    base = {
        "law": LAW,
        "procedure": LINE,
        "run": {"n": [20, 60, 150], "methods": ["exact", "tilted", "crude"], "replicates": 1000, "seed": 1},
        "grid": {"law.mean": [[0.0], [0.1]]},
    }
    return {**base, **changes}


def results(path: Path) -> list[tuple[Any, ...]]:
    """Return the result columns of every cell, floats by their bits, and those of its blocks."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        cells = connection.execute(f"SELECT key, specification, rule, {', '.join(COLUMNS)} FROM cell ORDER BY key")
        blocks = connection.execute(
            f"SELECT {BLOCK}, log_scale, gap, effective, objections FROM block ORDER BY cell, number"
        )
        rows = [*cells.fetchall(), *blocks.fetchall()]
    connection.close()
    return [tuple(v.hex() if isinstance(v, float) else v for v in row) for row in rows]


@pytest.fixture
def sweep() -> Callable[..., Sweep]:
    return lambda **changes: parse_sweep(tables(**changes))


@pytest.fixture
def sweep_file(tmp_path: Path) -> Iterator[Path]:
    """Return the file of the cheap sweep."""
    file = tmp_path / "sweep.toml"
    file.write_text(
        """
        law = {kind = "gaussian_mean", mean = [0.0], covariance = [[1.0]]}
        procedure = {kind = "erm", codebook = [[-1.2], [0.0], [1.0]]}
        run = {n = [20, 60, 150], methods = ["exact", "tilted", "crude"], replicates = 1000, seed = 1}
        grid = {"law.mean" = [[0.0], [0.1]]}
        """
    )
    return file
