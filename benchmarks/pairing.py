"""All pairs of sums and fresh points: against chunked NumPy and PyTorch, and against the processor's own peak."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np
from harness import Case, Side, duration, elapsed

import qmis_kernels

SIZE, CELLS = 20_000, 16


def scores(size: int, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(size, cells)), rng.normal(size=(size, cells)), rng.random(size)


def by_argmin(sums: np.ndarray, weights: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Broadcast a few points against all sums and take argmin."""
    wins = np.zeros_like(points)
    for first in range(0, len(points), 4):
        winner = np.argmin(sums[None, :, :] + points[first : first + 4, None, :], axis=2)
        for m, row in enumerate(winner):
            wins[first + m] = np.bincount(row, weights, minlength=points.shape[1])
    return wins


def by_columns(sums: np.ndarray, weights: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Keep the best score and its cell as vectors over the sums, cell by cell, without temporary arrays."""
    columns = np.ascontiguousarray(sums.T)
    wins = np.zeros_like(points)
    score, best = np.empty(len(sums)), np.empty(len(sums))
    winner, closer = np.empty(len(sums), dtype=np.int8), np.empty(len(sums), dtype=bool)
    for m, row in enumerate(points):
        np.add(columns[0], row[0], out=best)
        winner[:] = 0
        for k in range(1, len(row)):
            np.add(columns[k], row[k], out=score)
            np.less(score, best, out=closer)
            np.minimum(score, best, out=best)
            np.copyto(winner, k, where=closer)
        wins[m] = np.bincount(winner, weights, minlength=len(row))
    return wins


def cases() -> Iterator[Case]:
    kernels = qmis_kernels.backend("numba")
    sums, points, weights = scores(SIZE, CELLS)
    some = points[:200]
    np.testing.assert_allclose(by_argmin(sums, weights, some), kernels.all_pairs_wins(sums, weights, some))
    np.testing.assert_allclose(by_columns(sums, weights, some), kernels.all_pairs_wins(sums, weights, some))
    name = f"all pairs, {SIZE} x {SIZE} x {CELLS}"
    own, work = (lambda: kernels.all_pairs_wins(sums, weights, points)), float(SIZE * SIZE)
    for rival, function in (("NumPy, argmin in chunks", by_argmin), ("NumPy, cell by cell", by_columns)):
        part = some[:40]
        yield Case(
            name,
            rival,
            own,
            lambda f=function, p=part: f(sums, weights, p),  # type: ignore[misc]
            work,
            float(SIZE * len(part)),
            "pair",
        )
    yield from _torch(name, own, work, sums, weights, some[:40])


def _torch(
    name: str, own: Side, work: float, sums: np.ndarray, weights: np.ndarray, points: np.ndarray
) -> Iterator[Case]:
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)
    s, w, p = torch.from_numpy(sums), torch.from_numpy(weights), torch.from_numpy(points)

    def other() -> object:
        wins = torch.zeros_like(p)
        for m in range(len(p)):
            wins[m] = torch.bincount(torch.argmin(s + p[m], dim=1), weights=w, minlength=p.shape[1])
        return wins

    yield Case(name, "PyTorch CPU, argmin per point", own, other, work, float(SIZE * len(points)), "pair")


def roofline(rounds: int) -> list[str]:
    """Compare one comparison of a pair with a cell against the fastest loop of the same operations in registers.

    The operations are one addition, one comparison and two selections (the score and the cell), on float64 vectors.
    The peak loop does nothing else: its operands stay in registers, its results are written once in 24 steps.
    """
    import numba

    steps = 24

    @numba.njit(error_model="numpy", fastmath=False)  # type: ignore[untyped-decorator]
    def peak(best: np.ndarray, cell: np.ndarray, x: np.ndarray, shift: np.ndarray, turns: int) -> None:
        for _ in range(turns):
            for t in range(x.size):
                smallest, winner = np.inf, 0
                for j in range(steps):
                    score = x[t] + shift[j]
                    closer = score < smallest
                    smallest = score if closer else smallest
                    winner = j if closer else winner
                best[t] = smallest
                cell[t] = winner

    rng = np.random.default_rng(1)
    x, shift, turns = rng.normal(size=64), rng.normal(size=steps), 20_000
    best, cell = np.empty(64), np.empty(64, dtype=np.int64)
    kernels = qmis_kernels.backend("numba")
    sums, points, weights = scores(8000, CELLS)
    peak(best, cell, x, shift, 1)
    kernels.all_pairs_wins(sums, weights, points)
    at_peak, own = [], []
    for _ in range(rounds):
        at_peak.append(min(elapsed(lambda: peak(best, cell, x, shift, turns)) for _ in range(3)) / turns / 64 / steps)
        own.append(elapsed(lambda: kernels.all_pairs_wins(sums, weights, points)) / len(sums) / len(points) / CELLS)
    share = [p / o for p, o in zip(at_peak, own, strict=True)]
    return [
        "Roofline of the all-pairs kernel (one addition, one comparison, two selections per pair and cell, float64):",
        f"  peak, operands in registers   {duration(statistics.median(at_peak))} per pair and cell"
        f" = {4e-9 / statistics.median(at_peak):.1f} G operations/s",
        f"  all_pairs_wins, 16 cells      {duration(statistics.median(own))} per pair and cell, counting included",
        f"  share of the peak             {statistics.median(share):.0%} ({min(share):.0%} to {max(share):.0%});"
        f" memory traffic {8 * CELLS * (1 / 128 + 1 / 8000):.2f} bytes per pair",
    ]
