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
Call = Callable[[ModuleType], np.ndarray | tuple[np.ndarray, ...]]


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


def model_calls(scale: float) -> dict[str, tuple[str, float, Call]]:
    """The same for chi-square and gamma numbers and regressions."""

    def rows(number: float) -> int:
        return max(1, int(number * scale))

    rng, d, m, n = np.random.default_rng(2), 8, 100, 200
    draws, many, fits = rows(2e6), rows(2e6), rows(2e4)
    beta, upper, lower = np.ones(d), np.triu(np.ones((d, d))), np.tril(np.ones((d, d)))
    updated = rows(2e4)
    factors, estimates = np.array([lower] * updated), rng.normal(size=(updated, d))
    design, response = rng.normal(size=(updated, m, d)), rng.normal(size=(updated, m))
    size = max(1, int(20_000 * scale**0.5))
    few, old = np.array([lower] * size), rng.normal(size=(size, d))
    points, values = rng.normal(size=(size, d)), rng.normal(size=size)
    edges, offsets = np.zeros(d), np.arange(d + 1)
    slopes, x = np.full(4, 0.5), rng.normal(size=(fits, n, 4))
    labels = (rng.random((fits, n)) * 2.0 < 1.0 + np.tanh(0.25 * x.sum(axis=2))).astype(float)
    return {
        "gammas": ("numbers", 4.0 * many, lambda k: k.gammas(KEY, 0, 0, many, [0.3, 0.7, 1.5, 40.0])),
        "regression_sums": ("fits", draws, lambda k: k.regression_sums(KEY, 0, 0, draws, n, beta, upper, 1.0)),
        "regression_factors": ("fits", draws, lambda k: k.regression_factors(KEY, 0, 0, draws, n, beta, upper, 1.0)),
        "rank_one_updates": (
            "updates",
            float(updated * m),
            lambda k: k.rank_one_updates(factors, estimates, design, response, 1),
        ),
        "add_one_wins": (
            "pairs",
            float(size**2),
            lambda k: k.add_one_wins(few, old, points, values, edges, offsets),
        ),
        "logistic_fits": ("fits", fits, lambda k: k.logistic_fits(x, labels, 1e-8, 40)),
        "logistic_sums": ("fits", fits, lambda k: k.logistic_sums(KEY, 0, 0, fits, n, slopes, np.eye(4), 1e-8, 40)),
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


def bootstrap_calls(scale: float) -> dict[str, tuple[str, float, Call]]:
    """The same for signed and resampled sums, sums of powers and contrasts of groups."""
    rng = np.random.default_rng(3)

    def rows(number: float) -> int:
        return max(1, int(number * scale))

    count, m, n, some = rows(2e4), 1000, 4096, rows(1e4)
    values, given = rng.normal(size=(m, n)), rng.normal(size=(some, n))
    groups = max(2, int(20 * scale**0.5))
    draws, estimates = rng.normal(size=(100 * groups, 1000)), rng.normal(size=100 * groups)
    compared = draws.size * 100.0 * (groups - 1) / 2.0
    return {
        "rademacher_sums": ("terms", float(count * m * n), lambda k: k.rademacher_sums(KEY, 0, 0, count, values)),
        "resampled_power_sums": (
            "draws",
            float(some * n),
            lambda k: k.resampled_power_sums(KEY, 0, 0, some, values[0]),
        ),
        "centred_power_sums": (
            "numbers",
            float(some * n),
            lambda k: k.centred_power_sums(given, values[0], given[:, 0]),
        ),
        "group_contrasts": (
            "differences",
            compared,
            lambda k: k.group_contrasts(estimates, draws, 100 * np.arange(groups + 1)),
        ),
    }


def seconds(call: Call, kernels: ModuleType, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call(kernels)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def same(found: np.ndarray | tuple[np.ndarray, ...], expected: np.ndarray | tuple[np.ndarray, ...]) -> bool:
    """Tell whether all arrays of two results are equal; NaN, the estimate of a fit that failed, equals NaN."""
    ours, theirs = (result if isinstance(result, tuple) else (result,) for result in (found, expected))
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(ours, theirs, strict=True))


def compare(kernels: ModuleType, rounds: int, scale: float) -> bool:
    """Print one line for each function; return whether all results were equal."""
    numba = qmis_kernels.backend("numba")
    print(f"{'function':<20} {'equal':>6} {'device':>10} {'Numba':>10} {'unit':<14} {'ratio':>7}")
    all_equal = True
    calls = random_calls(scale) | model_calls(scale) | pair_calls(scale) | bootstrap_calls(scale)
    for name, (unit, work, call) in calls.items():
        equal = same(call(kernels), call(numba))  # these calls compile, too
        ours, theirs = seconds(call, kernels, rounds), seconds(call, numba, rounds)
        print(
            f"{name:<20} {'yes' if equal else 'NO':>6} {work / ours / 1e6:10.2f} {work / theirs / 1e6:10.2f} "
            f"{'M ' + unit + '/s':<14} {theirs / ours:7.2f}"
        )
        all_equal &= equal
    missing = set(qmis_kernels.FUNCTIONS) - set(calls)
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
