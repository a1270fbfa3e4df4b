"""Every function of the kernel table on one thread and on two, paired: results are the same, times should halve.

A call is repeated for a seventh of a second and measured three times per round. Two virtual processors are not always
two whole ones: the first line is what this machine has to give at all, one process against two that know nothing of
each other. The ratio of the fastest times compares moments in which both sides had what they asked for; the median
shows how often that is so. Times are of whole calls, with the checks of arguments and fresh memory for the results.
"""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.connection
import statistics
from collections.abc import Callable

import numpy as np
from harness import duration, elapsed, short

import qmis_kernels

HEADER = ("function", "size", "one thread", "one thread / two: fastest", "median (least to most)")
KEY = (1, 2)
_LEAST_SECONDS = 0.15


def calls() -> dict[str, tuple[str, Callable[[], object]]]:
    """Return a call of each function that takes a good part of a second on one thread."""
    table = qmis_kernels.backend("numba")
    rng = np.random.default_rng(1)
    d, n = 8, 500
    beta, eye = np.linspace(-0.5, 0.5, d), np.eye(d)
    scores, weights = rng.normal(size=(8192, 16)), rng.random(8192)
    estimates, _, factors = table.regression_factors(KEY, 0, 0, 1000, n, beta, eye, 1.0)
    design, response = rng.normal(size=(1000, 300, d)), rng.normal(size=(1000, 300))
    x = rng.normal(size=(1500, 200, 4))
    y = (rng.random((1500, 200)) < 0.5).astype(float)
    few_estimates, _, few_factors = table.regression_factors(KEY, 0, 0, 1000, n, beta[:4], np.eye(4), 1.0)
    added = few_factors, few_estimates, rng.normal(size=(2000, 4)), rng.normal(size=2000)
    signed = rng.normal(size=(1000, 4096))
    box = (np.tile([-0.1, 0.1], 4), 2 * np.arange(5))
    law, cells = (n, beta, eye, 1.0), (np.tile([-0.02, 0.02], 128), 2 * np.arange(129))
    return {
        "uniforms": ("2000 x 1000", lambda: table.uniforms(KEY, 0, 0, 2000, 1000)),
        "normals": ("2000 x 1000", lambda: table.normals(KEY, 0, 0, 2000, 1000)),
        "gammas": ("60 000 x 16", lambda: table.gammas(KEY, 0, 0, 60_000, np.linspace(0.5, 8.0, 16))),
        "gaussian_sums": ("100 000, d = 16", lambda: table.gaussian_sums(KEY, 0, 0, 100_000, [0.0] * 16, np.eye(16))),
        "wishart_sums": ("100 000, q = 4", lambda: table.wishart_sums(KEY, 0, 0, 100_000, n, np.eye(4))),
        "multinomial_sums": ("200 000, 5 atoms", lambda: table.multinomial_sums(KEY, 0, 0, 200_000, n, [0.2] * 5)),
        "mixture_sums": (
            "200 000, 3 components, d = 2",
            lambda: table.mixture_sums(KEY, 0, 0, 200_000, n, [0.2, 0.3, 0.5], np.eye(3, 2), [np.eye(2)] * 3),
        ),
        "regression_sums": ("200 000, d = 8", lambda: table.regression_sums(KEY, 0, 0, 200_000, *law)),
        "regression_factors": ("40 000, d = 8", lambda: table.regression_factors(KEY, 0, 0, 40_000, *law)),
        "rank_one_updates": (
            "1000 x 300, d = 8",
            lambda: table.rank_one_updates(factors, estimates, design, response, 1),
        ),
        "add_one_wins": (
            "1000 x 2000, d = 4",
            lambda: table.add_one_wins(*added, *box),
        ),
        "logistic_sums": (
            "3000, n = 200, d = 4",
            lambda: table.logistic_sums(KEY, 0, 0, 3000, 200, beta[:4], np.eye(4), 1e-8, 50),
        ),
        "logistic_fits": ("1500, n = 200, d = 4", lambda: table.logistic_fits(x, y, 1e-8, 50)),
        "all_pairs_wins": ("8192 x 8192 x 16", lambda: table.all_pairs_wins(scores, weights, scores)),
        "all_pairs_rows": ("8192 x 8192 x 16", lambda: table.all_pairs_rows(scores, scores, scores)),
        "rademacher_sums": ("500 x 1000 x 4096", lambda: table.rademacher_sums(KEY, 0, 0, 500, signed)),
        "resampled_power_sums": ("2000, n = 4096", lambda: table.resampled_power_sums(KEY, 0, 0, 2000, signed[0])),
        "centred_power_sums": ("1000 x 4096", lambda: table.centred_power_sums(signed, signed[0], signed[:, 0])),
        "group_contrasts": (
            "10 groups of 100, 500 replicates",
            lambda: table.group_contrasts(signed[:, 0], signed[:, :500], 100 * np.arange(11)),
        ),
        "product_log_ratios": ("10 000, d = 128", lambda: table.product_log_ratios(KEY, 0, 0, 10_000, n, *cells)),
    }


def table(rounds: int) -> list[tuple[str, ...]]:
    """Return a row for each function; a function of the table without a call here is an error."""
    rows = [ceiling(3 * rounds)]
    own = calls()
    missing = set(qmis_kernels.FUNCTIONS) - set(own)
    if missing:
        raise RuntimeError(f"no call for {', '.join(sorted(missing))}")
    for name, (size, call) in own.items():
        one, two = [], []
        call()
        turns = math.ceil(_LEAST_SECONDS / elapsed(call))

        def repeated(call: Callable[[], object] = call, turns: int = turns) -> None:
            for _ in range(turns):
                call()

        for _ in range(3 * rounds):
            qmis_kernels.set_threads(1)
            one.append(elapsed(repeated) / turns)
            qmis_kernels.set_threads(2)
            two.append(elapsed(repeated) / turns)
        qmis_kernels.set_threads(1)
        rows.append((name, size, *compared(one, two)))
    return rows


def compared(one: list[float], two: list[float]) -> tuple[str, str, str]:
    """Return the median of the first times, the ratio of the fastest, and median, least and most of the ratios."""
    ratios = [a / b for a, b in zip(one, two, strict=True)]
    spread = f"{short(statistics.median(ratios))} ({short(min(ratios))} to {short(max(ratios))})"
    return duration(statistics.median(one)), short(min(one) / min(two)), spread


def ceiling(rounds: int) -> tuple[str, ...]:
    """Return the row of one process against two independent ones, each drawing normals on one thread."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    workers = [context.Process(target=_draw_when_told, args=(far,)) for _, far in pipes]
    for worker in workers:
        worker.start()
    near = [pipe for pipe, _ in pipes]
    for pipe in near:
        pipe.recv()
    alone, together = [], []
    for _ in range(rounds):
        near[0].send(True)
        alone.append(near[0].recv())
        for pipe in near:
            pipe.send(True)
        together.append(max(pipe.recv() for pipe in near) / 2.0)  # twice the work
    for pipe, worker in zip(near, workers, strict=True):
        pipe.send(False)
        worker.join()
    return "two processes", "200 x 200 x 1000 normals", *compared(alone, together)


def _draw_when_told(pipe: multiprocessing.connection.Connection) -> None:
    """Answer each request with the seconds that 200 calls took."""
    qmis_kernels.set_threads(1)
    table = qmis_kernels.backend("numba")

    def draw() -> None:
        for _ in range(200):
            table.normals(KEY, 0, 0, 200, 1000)

    draw()
    pipe.send(0.0)
    while pipe.recv():
        pipe.send(elapsed(draw))
