"""Sweeps: what the store and the scheduling cost, and what two workers gain.

A grid of cells of one block, each the tilted simulation of one Δ in the plane with 4 codewords from 10 000 sums (the
default is ten times that), into a fresh store. The overhead is the share of the wall time, from the tables to the
last commit, that is not spent in `mis`. Ratios of times hold what a user waits for: the start of the processes is in
them, a Dask cluster is running already. Two virtual processors are not always two whole ones: one process against two
that know nothing of each other is what the machine has to give, and the ratio of the fastest times stands beside the
median (see `threads.py`). Rates are of single blocks on one thread, per second of processor time.

Usage: python benchmarks/sweep.py [--cells 10000] [--rounds 1] [--only overhead processor processes cluster rates]
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import harness

import qmis_kernels
from qmis_stats import CodebookERM, GaussianMean, LinearRegression, Problem, Sign, ThresholdPTQ, simulate
from qmis_stats.sweep import parse_sweep, run_sweep, work

HEADER = ("quantity", "size", "median (least to most)")
CELLS = 10_000
PARTS = ("overhead", "processor", "processes", "cluster", "rates")
_LEAST_SECONDS = 1.0
_FEWEST = 3


def tables(cells: int) -> dict[str, Any]:
    """Return the tables of a sweep of about so many cells, some 15 milliseconds each."""
    means = [[0.001 * i, 0.0] for i in range(cells // 10)]
    return {
        "law": {"kind": "gaussian_mean", "covariance": [[1.0, 0.0], [0.0, 1.0]]},
        "procedure": {"kind": "erm", "codebook": [[0.0, 0.0], [1.5, 0.0], [0.0, 1.5], [-1.5, -1.5]]},
        "run": {"n": [20 + 10 * i for i in range(10)], "methods": ["tilted"], "replicates": 10_000, "seed": 1},
        "grid": {"law.mean": means},
    }


def table(rounds: int, cells: int = CELLS, parts: tuple[str, ...] = PARTS) -> list[tuple[str, ...]]:
    """Return the rows; a round of all of them takes about three times as long as the sweep."""
    rows, alone = [], []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _swept(place / "warm.sqlite", 100)
        overheads, pairs, clusters = [], [], []
        for i in range(rounds if set(parts) & {"overhead", "processes", "cluster"} else 0):
            seconds, inside = _swept(place / f"{i}-1.sqlite", cells)
            alone.append(seconds)
            overheads.append(1.0 - inside / seconds)
            if "processes" in parts:
                pairs.append(_swept(place / f"{i}-2.sqlite", cells, jobs=2)[0])
            if "cluster" in parts:
                clusters.append(_clustered(place / f"{i}-c.sqlite", cells))
            _same(sorted(place.glob(f"{i}-*.sqlite")))
        if "processor" in parts:
            rows.append(_processor(place / "processor.sqlite", max(100, cells // 10)))
        if {"processes", "cluster"} & set(parts):
            rows.append(_ceiling())
        if alone:
            each = harness.duration(statistics.median(alone) / cells)
            size = f"{cells} cells, {each} each"
            if "overhead" in parts:
                rows.append(("overhead of store and scheduling", size, _spread([100.0 * x for x in overheads], " %")))
                costs = [1e3 * x * seconds / cells for x, seconds in zip(overheads, alone, strict=True)]
                rows.append(("the same, of one cell", size, _spread(costs, " ms")))
            if pairs:
                rows.append(("one process / two processes", size, _gain(alone, pairs)))
            if clusters:
                rows.append(("one process / two Dask workers", size, _gain(alone, clusters)))
    if "rates" in parts:
        rows += rates()
    return rows


def _swept(path: Path, cells: int, **where: Any) -> tuple[float, float]:
    """Return the wall time of a sweep, and the seconds of it that were spent in `mis`."""
    start = time.perf_counter()
    run_sweep(parse_sweep(tables(cells)), path, **where)
    seconds = time.perf_counter() - start
    connection = sqlite3.connect(path)
    inside = float(connection.execute("SELECT sum(seconds) FROM block").fetchone()[0])
    connection.close()
    return seconds, inside


def _processor(path: Path, cells: int) -> tuple[str, ...]:
    """Return the row of the processor time of a cell outside `mis`: it hardly depends on what else a machine does."""
    inside, real = [], work.mis

    def timed(*arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        result = real(*arguments, **options)
        inside.append(time.process_time() - start)
        return result

    work.mis = timed
    try:
        start = time.process_time()
        _swept(path, cells)
        whole = time.process_time() - start
    finally:
        work.mis = real
    each, outside = harness.duration(whole / cells), harness.duration((whole - sum(inside)) / cells)
    share = harness.short(100.0 * (1.0 - sum(inside) / whole))
    return ("processor time outside `mis`", f"{cells} cells, {each} each", f"{outside} a cell, {share} %")


def _clustered(path: Path, cells: int) -> float:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        _swept(path.with_suffix(".warm"), 100, cluster=cluster.scheduler_address)
        return _swept(path, cells, cluster=cluster.scheduler_address)[0]


def _same(stores: list[Path]) -> None:
    """Fail unless all stores hold the same bits."""
    held = []
    for store in stores:
        connection = sqlite3.connect(store)
        held.append(connection.execute("SELECT key, log_delta, std_error, domain FROM cell ORDER BY key").fetchall())
        connection.close()
    if any(rows != held[0] for rows in held):
        raise RuntimeError("the numbers depend on where they were computed")


def _ceiling() -> tuple[str, ...]:
    import threads

    _, size, _, fastest, spread = threads.ceiling(9)
    return ("one process / two that know nothing of each other", size, f"fastest {fastest}, median {spread}")


def rates() -> list[tuple[str, ...]]:
    """Return replicates per second of single blocks, on one thread."""
    line = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    plane = Problem(GaussianMean([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), CodebookERM([[0, 0], [1.5, 0], [0, 1.5]]))
    regression = Problem(LinearRegression([1.0], [[1.0]], 1.0), CodebookERM([[0.0], [1.0]]))
    signs = Problem(
        GaussianMean([0.0] * 8, [[float(i == j) for j in range(8)] for i in range(8)]), ThresholdPTQ(Sign())
    )
    rows = []
    for name, method, problem, replicates in (
        ("crude, 2 codewords on a line", simulate.crude, line, 1_000_000),
        ("crude, 3 codewords in the plane", simulate.crude, plane, 20_000),
        ("crude, regression, 2 codewords", simulate.crude, regression, 1_000_000),
        ("tilted, 2 codewords on a line", simulate.tilted, line, 1_000_000),
        ("tilted, regression, 2 codewords", simulate.tilted, regression, 1_000_000),
        ("likelihood_ratio, sign, d = 8", simulate.likelihood_ratio, signs, 200_000),
    ):
        found: list[float] = []
        method(problem, 20, replicates=replicates, seed=1)
        start = time.process_time()
        while time.process_time() - start < _LEAST_SECONDS or len(found) < _FEWEST:
            begin = time.process_time()
            drawn = method(problem, 20, replicates=replicates, seed=1, block=len(found) + 1).replicates or replicates
            found.append(drawn / (time.process_time() - begin))
        rows.append((name, f"blocks of {replicates:.0e}", _spread(found, " replicates per second")))
    return rows


def _gain(alone: list[float], together: list[float]) -> str:
    """Return ratios of times, that of the fastest first: moments in which both had what they asked for."""
    ratios = [one / two for one, two in zip(alone, together, strict=True)]
    return f"fastest {harness.short(min(alone) / min(together))}, median {_spread(ratios)}"


def _spread(values: list[float], unit: str = "") -> str:
    return (
        f"{harness.short(statistics.median(values))}{unit} "
        f"({harness.short(min(values))} to {harness.short(max(values))}, {len(values)} rounds)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", type=int, default=CELLS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    qmis_kernels.set_threads(1)
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f}\n")
    print(harness.markdown(HEADER, table(options.rounds, options.cells, tuple(options.only))))


if __name__ == "__main__":
    main()
