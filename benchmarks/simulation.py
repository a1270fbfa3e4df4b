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


def polygon(rivals: int) -> np.ndarray:
    """Rivals at distance one in all directions of the plane."""
    angles = np.linspace(0.0, 2.0 * np.pi, rivals, endpoint=False) + 0.3
    return np.vstack([np.zeros(2), np.column_stack([np.cos(angles), np.sin(angles)])])


LINE = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
PLANE = Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM(polygon(7)))
REGRESSION = LinearRegression([1.0, 0.0], np.eye(2), 0.5)
PAIR = Problem(REGRESSION, CodebookERM([[1.0, 0.0], [1.3, 0.2]]))
FOUR = Problem(REGRESSION, CodebookERM([[1.0, 0.0], [1.3, 0.2], [0.7, 0.2], [1.0, -0.36]]))
RARE = (
    ("Gaussian mean, one threshold", LINE, 83, 2_000),
    ("Gaussian mean, one threshold", LINE, 1800, 2_000),
    ("Gaussian mean, one threshold", LINE, 3630, 2_000),
    ("Gaussian mean in the plane, seven rivals", PLANE, 1800, 15_000),
    ("Gaussian mean in the plane, seven rivals", PLANE, 3630, 15_000),
    ("linear regression, two codewords", PAIR, 3700, 8_000),
    ("linear regression, two codewords", PAIR, 7400, 8_000),
    ("linear regression, four codewords", FOUR, 3700, 25_000),
    ("linear regression, four codewords", FOUR, 7400, 25_000),
)


def rare_events(rounds: int) -> None:
    """Processor time of tilted simulation to one per cent and better, whatever Δ is."""
    print(f"\n{'tilted simulation, one core':<48} {'sums':>8} {'rel. se':>8} {'log10':>8} {'ms, median':>11}")
    for name, problem, n, replicates in RARE:
        tilted(problem, n, replicates=replicates)
        times = []
        for seed in range(rounds):
            start = time.process_time()
            result = tilted(problem, n, replicates=replicates, seed=seed)
            times.append(time.process_time() - start)
        error = result.std_error or math.nan
        log10 = result.log_delta / math.log(10)
        took = statistics.median(times) * 1e3
        print(f"{name:<48} {result.replicates:>8} {error:8.4f} {log10:8.2f} {took:11.2f}")


def against_crude(rounds: int) -> None:
    """Time to 1 % at Δ ≈ 1e-6: NumPy counting crossings among drawn sums would need 10⁴/Δ of them."""
    generator, size = np.random.Generator(np.random.SFC64(1)), 10**6
    n = 83
    times, sums = [], []
    for seed in range(rounds):
        start = time.process_time()
        result = tilted(LINE, n, replicates=1_000, seed=seed)
        times.append((time.process_time() - start) * ((result.std_error or math.nan) / 0.01) ** 2)
        start = time.process_time()
        np.count_nonzero(generator.normal(n, 2.0 * math.sqrt(n), size) < 0.0)
        sums.append((time.process_time() - start) / size)
    own, other = statistics.median(times), statistics.median(sums) * 1e4 / result.delta
    print(f"\n1 % at {result.delta:.1e}: {own * 1e3:.2f} ms against {other:.0f} s, a factor {other / own:.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        rounds = parser.parse_args().rounds
        compare(rounds)
        rare_events(rounds)
        against_crude(rounds)
