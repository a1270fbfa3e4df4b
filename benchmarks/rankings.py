"""A whole ranking against bootstraps that a careful user would write.

20 quantizers, 200 candidates each, 100 000 points, 2000 bootstrap draws: indicators, intervals, rank sets. The rivals
do the bootstrap alone. Resampling takes the points of a draw by index and computes gaps, variances and minima of all
quantizers (one draw is timed and multiplied); the multiplier bootstrap is a matrix product of normal weights with all
influence functions (20 draws are timed and multiplied). In the last lines all rivals of one quantizer may attain the
minimum.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numba
import numpy as np
from harness import duration, elapsed, short

import qmis_kernels
from qmis_stats.inference.ranking import rank

HEADER = ("ranking", "threads", "own time, everything", "against", "rival's bootstrap / own")
QUANTIZERS, CANDIDATES, POINTS, DRAWS = 20, 200, 100_000, 2000
_ROUNDS = 3

Losses = dict[str, np.ndarray]


def losses(quantizers: int, spread: float) -> Losses:
    """Return losses of which a few candidates (spread 0.3) or all (spread 0) may attain the smallest gap."""
    rng = np.random.default_rng(1)
    base = rng.exponential(size=POINTS)
    found = {}
    for q in range(quantizers):
        matrix = np.empty((CANDIDATES, POINTS))
        matrix[0] = base + 0.2 * rng.normal(size=POINTS)
        common = rng.normal(size=POINTS)
        for k in range(1, CANDIDATES):
            gap = 0.02 + 0.002 * q + spread * rng.random()
            matrix[k] = matrix[0] + 0.1 * (gap + np.sqrt(0.5) * (common + rng.normal(size=POINTS)))
        found[f"q{q}"] = matrix
    return found


def resampling(data: Losses, draws: int) -> None:
    """Take the points of each draw by index: the bootstrap as it is usually written."""
    rng = np.random.default_rng(2)
    for _ in range(draws):
        chosen = rng.integers(0, POINTS, POINTS)
        for matrix in data.values():
            part = matrix[:, chosen]
            x = part - part[np.argmin(part.mean(axis=1))]
            with np.errstate(invalid="ignore"):
                s = x.mean(axis=1) / x.std(axis=1)
            np.nanmin(s)


def multiplier(data: Losses, draws: int) -> None:
    """Multiply normal weights with the influence functions of all candidates."""
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(draws, POINTS))
    for matrix in data.values():
        x = matrix[1:] - matrix[0]
        x -= x.mean(axis=1, keepdims=True)
        x /= x.std(axis=1, keepdims=True)
        weights @ x.T


def table(rounds: int) -> list[tuple[str, ...]]:
    """Return the rows; the first call of each side is not counted."""
    cases: tuple[tuple[str, Losses], ...] = (
        (f"{QUANTIZERS} x {CANDIDATES} x {POINTS}, few near the minimum", losses(QUANTIZERS, 0.3)),
        (f"1 x {CANDIDATES} x {POINTS}, all near the minimum", losses(1, 0.0)),
    )
    rivals: tuple[tuple[str, Callable[[Losses, int], None], int], ...] = (
        ("NumPy, resampling by index", resampling, 1),
        ("NumPy, multiplier by matrix product", multiplier, 20),
    )
    rows = []
    most = min(2, int(numba.config.NUMBA_NUM_THREADS))
    for name, data in cases:
        small = {key: matrix[:, :1000] for key, matrix in data.items()}
        rank(small, draws=DRAWS)
        for threads in range(1, most + 1):
            qmis_kernels.set_threads(threads)
            own = [elapsed(lambda d=data: rank(d, draws=DRAWS)) for _ in range(min(rounds, _ROUNDS))]  # type: ignore[misc]
            for rival, function, draws in rivals if threads == 1 else ():
                others = [
                    elapsed(lambda f=function, d=data, n=draws: f(d, n)) / draws * DRAWS  # type: ignore[misc]
                    for _ in range(min(rounds, _ROUNDS))
                ]
                ratios = [o / s for o, s in zip(others, own, strict=True)]
                rows.append(
                    (
                        name,
                        str(threads),
                        duration(statistics.median(own)),
                        rival,
                        f"{short(statistics.median(ratios))} ({short(min(ratios))} to {short(max(ratios))})",
                    )
                )
            if threads > 1:
                rows.append((name, str(threads), duration(statistics.median(own)), "", ""))
        qmis_kernels.set_threads(1)
    return rows
