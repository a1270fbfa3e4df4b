"""Four ways to draw the sums of a tilted simulation: error and time of each, on one core.

Usage: python docs/studies/variance_reduction.py [--seeds 24] [--out docs/studies]

Writes variance_reduction.csv and variance_reduction.md.
Every row is the root mean square relative error of Δ̂ over the seeds against an exact value (or, where there is none,
against a run of 16 times the size), beside the standard error that the results state and the processor time of one
call. Problems and seeds are fixed in this file.
"""

import argparse
import math
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.special import log_ndtr, ndtri
from study_page import render
from study_rows import read_rows, six_digits, write_rows

import qmis_kernels
from qmis_stats import CodebookERM, DomainError, GaussianMean, LinearRegression, Problem
from qmis_stats.exact import exact
from qmis_stats.scores import Draw
from qmis_stats.simulate import conditional, scramblings, tilted
from qmis_stats.simulate.design import tilted_design
from qmis_stats.simulate.nets import scrambled_uniforms
from qmis_stats.simulate.pairing import sign_coefficients
from qmis_stats.simulate.settings import Settings
from qmis_stats.simulate.window import Window


def polygon(rivals: int) -> np.ndarray:
    angles = np.linspace(0.0, 2.0 * np.pi, rivals, endpoint=False) + 0.3
    return np.vstack([np.zeros(2), np.column_stack([np.cos(angles), np.sin(angles)])])


LINE = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
PLANE = Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM(polygon(7)))
PAIR = Problem(LinearRegression([1.0, 0.0], np.eye(2), 0.5), CodebookERM([[1.0, 0.0], [1.3, 0.2]]))
FOUR = Problem(
    LinearRegression([1.0, 0.0], np.eye(2), 0.5), CodebookERM([[1.0, 0.0], [1.3, 0.2], [0.7, 0.2], [1.0, -0.36]])
)
CASES = (
    ("Gaussian mean, one threshold", LINE, 90),
    ("Gaussian mean, one threshold", LINE, 1800),
    ("Gaussian mean in the plane, seven rivals", PLANE, 1800),
    ("regression, two codewords", PAIR, 3700),
    ("regression, four codewords", FOUR, 3700),
)


def random_numbers(problem: Problem, n: int, replicates: int, seed: int) -> tuple[float, float]:
    result = tilted(problem, n, replicates=replicates, seed=seed, sampling="random")
    return result.log_delta, result.std_error or math.inf


def nets(problem: Problem, n: int, replicates: int, seed: int) -> tuple[float, float]:
    result = tilted(problem, n, replicates=replicates, seed=seed, sampling="sobol")
    return result.log_delta, result.std_error or math.inf


def nets_without_window(problem: Problem, n: int, replicates: int, seed: int) -> tuple[float, float]:
    with mock.patch.object(Window, "of", return_value=Window(0.0, 0.0)):
        return nets(problem, n, replicates, seed)


def shifted_uniforms(draw: Draw, first: int, count: int, dimension: int, log2_size: int) -> np.ndarray:
    """One scrambled net, shifted digitally by random vectors: cheaper than scrambling every net."""
    bits = (scrambled_uniforms(draw, first, 1, dimension, log2_size) * 2.0**52).astype(np.uint64)
    shifts = (draw.kernels.uniforms(draw.key, draw.stream + 500, first, count, dimension) * 2.0**52).astype(np.uint64)
    return (2.0 * (bits ^ shifts[:, :, None]).astype(np.float64) + 1.0) * 2.0**-53


def shifted_nets(problem: Problem, n: int, replicates: int, seed: int) -> tuple[float, float]:
    with mock.patch.object(scramblings, "scrambled_uniforms", shifted_uniforms):
        return nets(problem, n, replicates, seed)


def analytic_direction(problem: Problem, n: int, replicates: int, seed: int) -> tuple[float, float]:
    """Integrate each rival's own direction in closed form: its cell is an interval given the other coordinates."""
    scores = problem.scores
    if scores.rank == 1:
        result = conditional(problem, n, replicates=replicates, seed=seed)
        return result.log_delta, result.std_error or math.inf
    design, kernels, m = tilted_design(scores, n), qmis_kernels.backend("numba"), scramblings.SCRAMBLINGS
    key, rivals = Settings(1000, seed).key("analytic", n), [c.cell for c in design.sums.components]
    log2 = scramblings.log2_size(replicates / (2 * m * len(rivals)))
    drawn = scramblings.draw_nets(kernels, scores, design, key, terms=n - 1, log2_sums=4, log2_points=log2)
    points, q = drawn.points, drawn.point_weights
    logs = np.empty((2, m, points.shape[1], len(rivals)))
    for i, k in enumerate(rivals):
        direction = scores.linear[k] / np.linalg.norm(scores.linear[k])
        rest = np.linalg.svd(direction[None, :])[2][1:]
        u = scrambled_uniforms(Draw(kernels, key, 2000 + i), 0, 2 * m, scores.rank - 1, log2)
        w = np.moveaxis(ndtri(u), 1, 2).reshape(2, m, -1, scores.rank - 1) @ rest
        base = (n - 1) * scores.constant + math.sqrt(n - 1) * (w @ scores.linear.T)
        slope = math.sqrt(n - 1) * (scores.linear @ direction)
        low, high = np.full((2, m, w.shape[2], points.shape[1]), -np.inf), np.full((1, 1, 1, 1), np.inf)
        for j in range(scores.cells):
            if j == k:
                continue
            gap = (base[..., j] - base[..., k])[..., None] + (points[..., j] - points[..., k])[None, :, None, :]
            bound = gap / (slope[k] - slope[j])
            if slope[k] > slope[j]:
                high = np.minimum(high, bound)
            else:
                low = np.maximum(low, bound)
        # The interval lies in the lower tail: the direction points away from the rival.
        a, b = log_ndtr(low), log_ndtr(np.maximum(high, low))
        with np.errstate(divide="ignore", invalid="ignore"):
            mass = np.where(b > a, b + np.log1p(-np.exp(a - b)), -np.inf)
        logs[..., i] = np.logaddexp.reduce(mass, axis=2) - math.log(w.shape[2])
    scale = logs.max()
    p = np.exp(logs - scale)
    d = p - np.sum(q[:, :, None] * p, axis=2, keepdims=True)
    s = sign_coefficients(d)
    fitted = 0.5 * np.sum(q[:, :, None] * (s[0] * d[1] + s[1] * d[0]), axis=(1, 2))
    pooled = 0.5 * (d[0] + d[1])
    plug_in = 0.5 * np.sum(q * (np.abs(pooled).sum(axis=2) + np.abs(pooled.sum(axis=2))), axis=1)
    delta = (fitted + 2.0 * plug_in) / 3.0
    return math.log(delta.mean()) + scale, float(delta.std(ddof=1) / math.sqrt(m) / delta.mean())


METHODS = (
    ("random numbers", random_numbers, (8_000, 64_000)),
    ("scrambled nets", nets_without_window, (8_000, 64_000)),
    ("shifted net, window", shifted_nets, (2_000, 8_000)),
    ("scrambled nets, window", nets, (2_000, 8_000, 64_000)),
    ("one direction in closed form", analytic_direction, (2_000, 8_000)),
)


def reference(problem: Problem, n: int) -> float:
    try:
        return exact(problem, n).log_delta
    except DomainError:
        runs = [tilted(problem, n, replicates=100_000, seed=10_000 + s) for s in range(10)]
        return math.log(np.mean([math.exp(r.log_delta - runs[0].log_delta) for r in runs])) + runs[0].log_delta


def rows(seeds: int) -> Iterator[dict[str, object]]:
    """Yield a row for each problem, way to draw and number of sums."""
    for name, problem, n in CASES:
        truth = reference(problem, n)
        for method, run, sizes in METHODS:
            if run is analytic_direction and not isinstance(problem.law, GaussianMean):
                continue
            for replicates in sizes:
                run(problem, n, replicates, seeds)
                start = time.process_time()
                found = [run(problem, n, replicates, seed) for seed in range(seeds)]
                took = (time.process_time() - start) / seeds * 1e3
                error = math.sqrt(np.mean([math.expm1(log - truth) ** 2 for log, _ in found]))
                yield {
                    "problem": name,
                    "n": n,
                    "log10_delta": truth / math.log(10),
                    "draws": method,
                    "sums": replicates,
                    "error": error,
                    "stated": math.sqrt(np.mean([e**2 for _, e in found])),
                    "ms": took,
                    "cost": error**2 * took,
                }


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    return render("variance_reduction", rows=read_rows(folder / "variance_reduction.csv"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    qmis_kernels.set_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = six_digits(rows(options.seeds))
    write_rows(options.out / "variance_reduction.csv", list(table[0]), table)
    (options.out / "variance_reduction.md").write_text(page(options.out), encoding="utf-8")


if __name__ == "__main__":
    main()
