"""Ratios of run times, paired in one run, against what a careful user would write instead: a page of Markdown.

Usage: python benchmarks/run.py [--rounds 9] [--only generator sums pairing likelihood bootstrap rare_events ...]

The rivals need the extra `bench` (PyTorch and OpenTURNS); lines of a rival that is not installed are left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# One core for everybody: has to be set before NumPy loads its BLAS.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

INTRODUCTION = """# Run times

Written by `{command}`.

Both sides of a line run alternately in one process on one core (the last table: on one and on two), and the ratio is
taken round by round: times of a shared machine drift, ratios within a round hardly do. Times of the first table are
those that the processor spends. The first call of each side, which compiles, is not counted.

Machine: {machine}.
"""

TABLES = {
    "rare_events": "Rare events, against crude simulation and OpenTURNS",
    "rankings": "Rankings from losses, against bootstraps in NumPy",
    "threads": "Two threads against one",
    "sweep": "Sweeps",
}
GROUPS = ("generator", "sums", "pairing", "likelihood", "bootstrap", "rare_events", "rankings", "threads", "sweep")


def machine() -> str:
    """Return the processor and the versions that the figures depend on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    packages = []
    for name in ("numba", "numpy", "scipy", "torch", "openturns"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            packages.append(f"{name} not installed")
    return f"{cpu}, {os.cpu_count()} cores; Python {platform.python_version()}, {', '.join(packages)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="paired rounds of each line")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="groups of lines")
    options = parser.parse_args()
    import harness

    import qmis_kernels

    warnings.simplefilter("ignore")
    qmis_kernels.set_threads(1)
    print(INTRODUCTION.format(command=" ".join(["python benchmarks/run.py", *sys.argv[1:]]), machine=machine()))
    paired = [name for name in options.only if name not in TABLES]
    rows = []
    for name in paired:
        for case in import_module(name).cases():
            rows.append(harness.measure(case, options.rounds).row())
            print(".", end="", file=sys.stderr, flush=True)
    if rows:
        print("## Against NumPy, SciPy and PyTorch\n")
        print(harness.markdown(harness.HEADER, rows), "\n")
    if "pairing" in options.only:
        print("## Roofline\n\n```text")
        print("\n".join(import_module("pairing").roofline(options.rounds)))
        print("```\n")
    for name, title in TABLES.items():
        if name in options.only:
            group = import_module(name)
            print(f"## {title}\n")
            print("\n".join(group.__doc__.splitlines()[2:]), "\n")
            print(harness.markdown(group.HEADER, group.table(1 if name == "sweep" else options.rounds)), "\n")


if __name__ == "__main__":
    main()
