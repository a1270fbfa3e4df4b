"""Ratios of run times, paired in one run, against what a careful user would write instead.

Usage: python benchmarks/run.py [--rounds 7] [--only generator sums pairing likelihood rare_events threads]

Both sides of a line run alternately in one process, on one core; a line shows the median ratio of times with the
smallest and the largest. The rivals need the extra `bench` (PyTorch and OpenTURNS); lines of a rival that is not
installed are left out.
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

GROUPS = ("generator", "sums", "pairing", "likelihood", "rare_events", "threads")


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
    parser.add_argument("--rounds", type=int, default=7, help="paired rounds of each line")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, help="groups of lines")
    options = parser.parse_args()
    import harness

    import qmis_kernels

    warnings.simplefilter("ignore")
    qmis_kernels.set_threads(1)
    print(machine(), "\n")
    paired = [name for name in options.only if name not in ("rare_events", "threads")]
    rows = []
    for name in paired:
        for case in import_module(name).cases():
            rows.append(harness.measure(case, options.rounds).row())
            print(".", end="", file=sys.stderr, flush=True)
    if rows:
        print(harness.markdown(harness.HEADER, rows), "\n")
    if "pairing" in options.only:
        print("\n".join(import_module("pairing").roofline(options.rounds)), "\n")
    for name in ("rare_events", "threads"):
        if name in options.only:
            group = import_module(name)
            print(harness.markdown(group.HEADER, group.table(options.rounds)), "\n")


if __name__ == "__main__":
    main()
