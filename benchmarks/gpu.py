"""The CUDA backend against Numba on all processors: equal bits, throughput of each function, ratio of times.

Usage: python benchmarks/gpu.py [--rounds 5] [--scale 1.0] [--device cupy]

Times are medians of whole calls, transfer of the results to NumPy arrays included. ``--device host --scale 0.01``
tries the benchmark itself where there is no GPU: the same CUDA sources run on the processor.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from types import ModuleType

import numpy as np

import qmis_kernels

KEY = (20240501, 1)
Call = Callable[[ModuleType], np.ndarray]


def random_calls(scale: float) -> dict[str, tuple[str, float, Call]]:
    """Return for each function what is counted, how much of it one call does, and the call."""

    def rows(number: float) -> int:
        return max(1, int(number * scale))

    n, wide, q, m, d = rows(2e7), rows(2e5), 16, 8, 8
    draws, small, fine = rows(2e6), rows(2e6), rows(2e5)
    factor, square = np.tril(np.ones((d, d))), np.tril(np.ones((q, q)))
    p, means, factors = np.full(m, 1.0 / m), np.arange(m * d).reshape(m, d) * 0.1, np.array([factor] * m)
    edges = np.tile([-0.1, 0.0, 0.1], 64)
    return {
        "uniforms": ("numbers", 8.0 * n, lambda k: k.uniforms(KEY, 0, 0, n, 8)),
        "normals": ("numbers", 8.0 * n, lambda k: k.normals(KEY, 0, 0, n, 8)),
        "gaussian_sums": ("sums", draws, lambda k: k.gaussian_sums(KEY, 0, 0, draws, np.zeros(d), factor)),
        "wishart_sums": ("sums", wide, lambda k: k.wishart_sums(KEY, 0, 0, wide, 1000, square)),
        "multinomial_sums": ("sums", small, lambda k: k.multinomial_sums(KEY, 0, 0, small, 1000, p)),
        "mixture_sums": ("sums", fine, lambda k: k.mixture_sums(KEY, 0, 0, fine, 1000, p, means, factors)),
        "product_log_ratios": (
            "ratios",
            fine,
            lambda k: k.product_log_ratios(KEY, 0, 0, fine, 500, edges, 3 * np.arange(65)),
        ),
    }


def pair_calls(scale: float) -> dict[str, tuple[str, float, Call]]:
    """The same for the functions of all pairs."""
    rng, size, cells = np.random.default_rng(1), max(1, int(40_000 * scale**0.5)), 16
    sums, points = rng.normal(size=(size, cells)), rng.normal(size=(size, cells))
    weights, coefficients = rng.random(size), rng.normal(size=(size, cells))
    return {
        "all_pairs_wins": ("pairs", float(size**2), lambda k: k.all_pairs_wins(sums, weights, points)),
        "all_pairs_rows": ("pairs", float(size**2), lambda k: k.all_pairs_rows(sums, points, coefficients)),
    }


def seconds(call: Call, kernels: ModuleType, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call(kernels)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def compare(kernels: ModuleType, rounds: int, scale: float) -> bool:
    """Print one line for each function; return whether all results were equal."""
    numba = qmis_kernels.backend("numba")
    print(f"{'function':<20} {'equal':>6} {'device':>10} {'Numba':>10} {'unit':<14} {'ratio':>7}")
    all_equal = True
    for name, (unit, work, call) in (random_calls(scale) | pair_calls(scale)).items():
        # The first calls compile, and serve to compare.
        equal = np.array_equal(call(kernels), call(numba))
        ours, theirs = seconds(call, kernels, rounds), seconds(call, numba, rounds)
        print(
            f"{name:<20} {'yes' if equal else 'NO':>6} {work / ours / 1e6:10.2f} {work / theirs / 1e6:10.2f} "
            f"{'M ' + unit + '/s':<14} {theirs / ours:7.2f}"
        )
        all_equal &= equal
    missing = set(qmis_kernels.FUNCTIONS) - set(random_calls(0.0)) - set(pair_calls(0.0))
    if missing:
        print(f"not measured: {', '.join(sorted(missing))}")
    return all_equal


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the problems, 1 for a GPU")
    parser.add_argument("--device", choices=("cupy", "host"), default="cupy")
    options = parser.parse_args()
    try:
        kernels = qmis_kernels.backend(options.device)
    except qmis_kernels.BackendUnavailable as reason:
        print(reason, file=sys.stderr)
        return 2
    print(f"{options.device} against Numba on {qmis_kernels.threads()} threads")
    return 0 if compare(kernels, options.rounds, options.scale) else 1


if __name__ == "__main__":
    sys.exit(main())
