"""Time and memory of ``qmis audit`` with its defaults on large data, over all its processes.

    python benchmarks/audits.py [adult] [tall] [wide] [--jobs N]

writes each data set into a temporary folder, audits it, and prints wall time, processor time and the largest memory.
``adult`` is a table of 48 842 rows and 14 columns, 8 of them text with question marks; ``tall`` 100 000 x 200 numbers,
``wide`` 2000 x 20 000. On a machine that does other work the processor time is what can be compared.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

_PAUSE = 0.2
_TEXTS = (9, 16, 7, 15, 6, 5, 2, 42)
"""Different texts of the columns of the Adult table."""


def adult(folder: Path) -> list[str]:
    rng, rows = np.random.default_rng(1), 48_842
    numbers = rng.integers(0, [73, 10_000, 16, 120, 90, 99], size=(rows, 6))
    texts = np.column_stack([rng.integers(0, count, rows) for count in _TEXTS])
    missing = rng.random((rows, len(_TEXTS))) < 0.01
    score = numbers @ rng.normal(size=6) / numbers.std() + rng.normal(size=rows)
    with (folder / "adult.csv").open("w") as file:
        file.write(",".join([*(f"n{k}" for k in range(6)), *(f"t{k}" for k in range(8)), "income"]) + "\n")
        for values, labels, gone, rich in zip(numbers, texts, missing, score > np.quantile(score, 0.75), strict=True):
            shown = [" ?" if none else f" v{label}" for label, none in zip(labels, gone, strict=True)]
            file.write(",".join([*map(str, values), *shown, " >50K" if rich else " <=50K"]) + "\n")
    return ["adult.csv", "--target", "income", "--missing-values", "?", "--missing", "drop"]


def numbers(folder: Path, rows: int, columns: int) -> list[str]:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(rows, columns))
    y = rng.random(rows) < 1.0 / (1.0 + np.exp(-X @ rng.normal(size=columns) / np.sqrt(columns)))
    np.savez(folder / "data.npz", X=X, y=y.astype(np.int64))
    return ["data.npz", "--target", "y"]


CASES = {
    "adult": adult,
    "tall": lambda folder: numbers(folder, 100_000, 200),
    "wide": lambda folder: numbers(folder, 2000, 20_000),
}


def measured(arguments: list[str], folder: Path) -> tuple[float, float, float]:
    """Return wall and processor seconds of an audit, and the largest sum of what its processes hold, in bytes.

    Pages that processes share are counted in shares.
    """
    begin = time.perf_counter()
    command = [sys.executable, "-m", "qmis_stats.cli", "audit", *arguments, "--out", "report"]
    whole = psutil.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    spent: dict[int, float] = {}
    largest = 0.0
    while whole.poll() is None:
        held = 0.0
        for process in (whole, *whole.children(recursive=True)):
            try:
                held += process.memory_full_info().pss
                used = process.cpu_times()
                spent[process.pid] = used.user + used.system
            except psutil.Error:  # it has ended
                continue
        largest = max(largest, held)
        time.sleep(_PAUSE)
    if whole.returncode:
        raise SystemExit(whole.returncode)
    return time.perf_counter() - begin, sum(spent.values()), largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], default=list(CASES))
    parser.add_argument("--jobs", type=int)
    options = parser.parse_args()
    for name in options.cases:
        with tempfile.TemporaryDirectory() as place:
            arguments = CASES[name](Path(place))
            arguments += [] if options.jobs is None else ["--jobs", str(options.jobs)]
            wall, processor, memory = measured(arguments, Path(place))
            print(f"{name}: {wall:.0f} s, {processor:.0f} s of processors, {memory / 2**30:.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
