"""Ratios of run times, paired in one run: this package against what one would write in NumPy.

Usage: python benchmarks/simulation.py [--rounds 7]

Each line times both sides alternately, in the same process on the same data sizes, and prints the median ratio with
the smallest and the largest. Kernels run on one thread unless said otherwise, NumPy as it is installed.
"""

import argparse
import math
import os
import statistics
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import qmis_kernels
from qmis_stats import CodebookERM, DomainWarning, GaussianMean, LinearRegression, Problem
from qmis_stats.simulate import tilted

Side = Callable[[], object]


def normals() -> tuple[Side, Side]:
    kernels, generator = qmis_kernels.backend("numba"), np.random.Generator(np.random.SFC64(1))
    return lambda: kernels.normals((1, 2), 0, 0, 4000, 1000), lambda: generator.standard_normal((4000, 1000))


def regression_sums() -> tuple[Side, Side]:
    """2000 replicates of XᵀX for n = 1000, d = 16."""
    kernels, generator, n, d, r = qmis_kernels.backend("numba"), np.random.Generator(np.random.SFC64(1)), 1000, 16, 2000

    def numpy_side() -> object:
        out = np.empty((r, d, d))
        for i in range(r):
            x = generator.standard_normal((n, d))
            out[i] = x.T @ x
        return out

    return lambda: kernels.wishart_sums((1, 2), 0, 0, r, n, np.eye(d)), numpy_side


def all_pairs() -> tuple[Side, Side]:
    """4000 sums against 4000 points, 16 cells."""
    kernels, rng, size, cells = qmis_kernels.backend("numba"), np.random.default_rng(1), 4000, 16
    sums, points, weights = rng.normal(size=(size, cells)), rng.normal(size=(size, cells)), np.ones(size)

    def numpy_side() -> object:
        wins = np.zeros((size, cells))
        for first in range(0, size, 64):
            best = np.argmin(sums[None, :, :] + points[first : first + 64, None, :], axis=2)
            for m, row in enumerate(best):
                wins[first + m] = np.bincount(row, weights, minlength=cells)
        return wins

    return lambda: kernels.all_pairs_wins(sums, weights, points), numpy_side


CASES = {
    "reproducible normals against standard_normal (SFC64)": normals,
    "Wishart sums, n = 1000, d = 16, against generating the data": regression_sums,
    "all pairs, 4000 x 4000 x 16, against chunked NumPy": all_pairs,
}


def elapsed(side: Side) -> float:
    start = time.perf_counter()
    side()
    return time.perf_counter() - start


def compare(rounds: int) -> None:
    qmis_kernels.set_threads(1)
    print(f"{'NumPy time / own time, one core':<62} {'median':>8} {'least':>8} {'most':>8}")
    for name, build in CASES.items():
        own, other = build()
        own(), other()  # compile and warm both sides
        ratios = [elapsed(other) / elapsed(own) for _ in range(rounds)]
        print(f"{name:<62} {statistics.median(ratios):8.2f} {min(ratios):8.2f} {max(ratios):8.2f}")


def rare_events() -> None:
    """Time to one per cent at 1e-100 on one core; crude simulation would need more sums than there are atoms."""
    print(f"\n{'tilted simulation, one core':<62} {'seconds':>8} {'rel. se':>8} {'log10':>8}")
    for name, problem, n in (
        ("Gaussian mean, one threshold", Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]])), 1800),
        (
            "linear regression, two codewords",
            Problem(LinearRegression([1.0, 0.0], np.eye(2), 0.5), CodebookERM([[1.0, 0.0], [1.3, 0.2]])),
            3700,
        ),
    ):
        tilted(problem, n, replicates=1000)
        start = time.perf_counter()
        result = tilted(problem, n, replicates=700_000, seed=5)
        seconds = time.perf_counter() - start
        error = result.std_error or math.nan
        print(f"{name:<62} {seconds:8.2f} {error:8.4f} {result.log_delta / math.log(10):8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        compare(parser.parse_args().rounds)
        rare_events()
