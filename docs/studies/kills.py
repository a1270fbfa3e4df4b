"""Kill a sweep again and again with SIGKILL at random moments, and compare with one that nobody interrupted.

Usage: python docs/studies/kills.py [--kills 200] [--seed 1]

A sweep of 24 adaptive cells runs in a fresh process, which is killed at a moment drawn uniformly within
the shortest time that a sweep has taken without a kill; the next process resumes the store. When a store is complete it
must equal the undisturbed one, byte for byte in its result columns, and the next store is begun. Results are committed
every 20 ms here, and not every half second: more kills hit a transaction.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from qmis_stats.sweep import loop, parse_sweep, run_sweep
from qmis_stats.sweep.rows import COLUMNS

TABLES: dict[str, Any] = {
    "law": {"kind": "gaussian_mean", "mean": [0.0], "covariance": [[1.0]]},
    "procedure": {"kind": "erm", "codebook": [[-1.2], [0.0], [1.0]]},
    "run": {"methods": ["tilted", "crude", "conditional"], "replicates": 500, "seed": 1},
    "grid": {"law.mean": [[0.0], [0.1]], "run.n": [10, 20, 40, 80]},
    "adaptive": {"relative_error": 0.02, "replicates": 16_000},
}
_COMMIT_SECONDS = 0.02


@dataclass
class Tally:
    """What became of the kills."""

    kills: int = 0
    stores: int = 0
    partial: int = 0
    hot: int = 0
    different: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills: {self.partial} of them while the store held some results but not all, "
            f"{self.hot} inside a transaction that had reached the disk. "
            f"{self.stores} stores completed, {self.different} of them different from the undisturbed one."
        )


def sweep_into(path: str, begun: Event) -> None:
    """Go on with the sweep; runs in a process of its own."""
    loop._COMMIT_SECONDS = _COMMIT_SECONDS
    begun.set()
    run_sweep(parse_sweep(TABLES), path, resume=True)


def result_columns(path: Path) -> list[tuple[Any, ...]]:
    """Return everything in a store but seconds and sessions; the first reader rolls back what a kill left behind."""
    connection = sqlite3.connect(path)
    columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(block)") if name != "seconds"]
    rows = connection.execute(
        f"SELECT key, specification, rule, {', '.join(COLUMNS)} FROM cell ORDER BY key"
    ).fetchall()
    rows += connection.execute(f"SELECT {', '.join(columns)} FROM block ORDER BY cell, number").fetchall()
    connection.close()
    return [tuple(v.hex() if isinstance(v, float) else v for v in row) for row in rows]


def kill_again_and_again(folder: Path, kills: int, seed: int) -> Tally:
    """Return the tally of a number of kills."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["qmis_stats.sweep", "qmis_stats.simulate", "qmis_stats.exact", "numba"])
    undisturbed = _started(context, folder / "undisturbed.sqlite")
    start = time.monotonic()
    undisturbed.join()
    longest = time.monotonic() - start
    expected = result_columns(folder / "undisturbed.sqlite")
    draw, tally = random.Random(seed), Tally()
    while tally.kills < kills or tally.stores == 0:
        store = folder / f"{tally.stores}.sqlite"
        fresh = not store.exists()
        child = _started(context, store)
        start = time.monotonic()
        # After the last kill the store is completed.
        child.join(draw.uniform(0.0, longest) if tally.kills < kills else None)
        if child.exitcode is None:
            os.kill(child.pid or 0, signal.SIGKILL)
            child.join()
            tally.kills += 1
            tally.hot += Path(f"{store}-journal").exists()
            if store.exists():
                # A copy is read, so that the next sweep finds the store as the kill left it.
                tally.partial += _holds_some(store, len(expected))
        elif child.exitcode == 0:
            if fresh:  # the undisturbed sweep may have shared the machine with other work
                longest = min(longest, time.monotonic() - start)
            tally.different += result_columns(store) != expected
            tally.stores += 1
        else:
            raise RuntimeError(f"the sweep ended with status {child.exitcode}")
    return tally


def _started(context: ForkServerContext, store: Path) -> ForkServerProcess:
    """Return the process of a sweep that has just begun."""
    begun = context.Event()
    child = context.Process(target=sweep_into, args=(str(store), begun))
    child.start()
    if not begun.wait(60.0):
        raise RuntimeError("the sweep did not begin within a minute")
    return child


def _holds_some(store: Path, full: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        for name in (store.name, f"{store.name}-journal"):
            if (store.parent / name).exists():
                Path(folder, name).write_bytes((store.parent / name).read_bytes())
        connection = sqlite3.connect(f"{folder}/{store.name}")
        try:
            blocks = connection.execute("SELECT count(*) FROM block").fetchone()[0]
            cells, finished = connection.execute("SELECT count(*), count(rule) FROM cell").fetchone()
        except sqlite3.OperationalError:
            return False  # killed before its tables were there
        finally:
            connection.close()
    return bool(blocks) and finished < cells and blocks < full


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill_again_and_again(Path(folder), options.kills, options.seed)
    print(tally)
    sys.exit(tally.different > 0)


if __name__ == "__main__":
    main()
