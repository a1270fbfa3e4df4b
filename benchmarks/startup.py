"""Wall time of a fresh process up to the result of its first simulation, with and without compiled code on disk.

Usage: python benchmarks/startup.py [--rounds 5]

Cold is the first process after installation, with an empty directory for compiled code; warm is every later one. Each
line prints the median with the smallest and the largest of the rounds, in seconds; cold is measured once, since it
compiles. The first line is Python with NumPy alone, below which nothing can fall.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

GAUSSIAN = "GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]])"
REGRESSION = "LinearRegression([1.0], [[1.0]], 1.0), CodebookERM([[0.0], [1.0]])"
PROGRAM = """
from qmis_stats import CodebookERM, GaussianMean, LinearRegression, Problem
from qmis_stats.simulate import crude, tilted
{method}(Problem({problem}), 20, replicates=1000, seed=1)
"""
PROGRAMS = {
    "import numpy": "import numpy",
    "import qmis_stats": "import qmis_stats",
    "tilted, Gaussian mean": PROGRAM.format(method="tilted", problem=GAUSSIAN),
    "crude, Gaussian mean": PROGRAM.format(method="crude", problem=GAUSSIAN),
    "tilted, linear regression": PROGRAM.format(method="tilted", problem=REGRESSION),
    "crude, linear regression": PROGRAM.format(method="crude", problem=REGRESSION),
}


def seconds(program: str, cache: str) -> float:
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    environment.pop("NUMBA_CACHE_DIR", None)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="warm processes for each line")
    rounds = parser.parse_args().rounds
    print(f"{'program':28}{'cold':>8}{'warm':>8}{'smallest':>10}{'largest':>9}")
    for name, program in PROGRAMS.items():
        with tempfile.TemporaryDirectory() as cache:
            cold = seconds(program, cache)
            warm = [seconds(program, cache) for _ in range(rounds)]
        print(f"{name:28}{cold:8.2f}{statistics.median(warm):8.2f}{min(warm):10.2f}{max(warm):9.2f}", flush=True)


if __name__ == "__main__":
    main()
