"""Rate of leakage per point, −log Δₙ/n, against the sample size n, with the exponent I_Q that it tends to. Linear
regression with two codewords. The sharp form runs through the exact values, and so does tilted simulation (95 %
intervals, most of them smaller than the mark). Crude simulation of as many sums follows until Δₙ is about 10⁻⁴;
arrows at the lower edge mark sizes at which it saw nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper_figures.evaluate import mis_anywhere
from paper_figures.style import COLUMN, METHODS
from qmis_stats import CodebookERM, LinearRegression, Problem

SEED = 1
ORIGIN = f"seed {SEED}"
SIZE = (COLUMN, 2.6)
SIZES = (10, 20, 40, 80, 160, 320, 640, 1280, 2560)
CURVE = np.geomspace(SIZES[0], SIZES[-1], 41).round().astype(int).tolist()


def compute(quick: bool) -> pd.DataFrame:
    problem = Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [0.55]]))
    replicates = 20_000 if quick else 200_000
    rows = []
    for method in ("exact", "sharp", "tilted", "crude"):
        for n in CURVE if method == "sharp" else SIZES:
            result = mis_anywhere(problem, n, method, replicates=replicates, seed=SEED)
            low, high = result.conf_int()
            rows.append((method, n, result.log_delta, low, high, result.seed, result.replicates, problem.exponent))
    columns = ["method", "n", "log_delta", "low", "high", "seed", "replicates", "exponent"]
    return pd.DataFrame(rows, columns=columns).astype({"seed": "Int64", "replicates": "Int64"})


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    axes = figure.add_subplot()
    exponent = frame.exponent[0]
    for method, rows in frame.groupby("method", sort=False):
        look = METHODS[str(method)]
        seen = rows[np.isfinite(rows.log_delta)]
        n, rate = seen.n, -seen.log_delta / seen.n
        if method == "sharp":
            axes.plot(n, rate, **look.line(), label=look.label, zorder=1)
            continue
        errors = np.array([(seen.high - seen.log_delta) / n, (seen.log_delta - seen.low) / n])
        axes.errorbar(n, rate, errors, **look.points(), label=look.label, zorder=3 if method == "tilted" else 2)
        for n_unseen in rows.n[~np.isfinite(rows.log_delta)]:
            axes.plot(n_unseen, 0.0, "v", color=look.color, clip_on=False, fillstyle="none")
    axes.axhline(exponent, color="0.4", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(r"$I_Q$", (SIZES[0], exponent), xytext=(0, -2), textcoords="offset points", va="top", color="0.3")
    axes.set(xscale="log", xlabel=r"sample size $n$", ylabel=r"$-\log\,\Delta_n\,/\,n$", ylim=(0, None))
    axes.legend()
