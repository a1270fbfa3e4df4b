"""Codebooks that shrink as n⁻ᵃ, linear regression. (a) −log Δₙ against n r_Q: for 0 < a < 1/2 the curves approach
the diagonal, −log Δₙ = n r_Q (1 + o(1)); at the critical a = 1/2 the indicator stands still and −log Δₙ grows
only as ½ log n. (b) The ratio of the two against n. Curves are exact, marks are tilted simulation with 95 %
intervals, ringed where they are outside its domain.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper_figures.evaluate import mis_anywhere
from paper_figures.style import BLACK, BLUE, GREEN, ORANGE, RED, TEXT, Look, label_panels, ring
from qmis_stats import CodebookERM, LinearRegression, Problem

SEED = 1
ORIGIN = f"seed {SEED}"
SIZE = (TEXT, 2.7)
LOOKS = {
    0.1: Look("$a=0.1$", BLUE, "D"),
    0.2: Look("$a=0.2$", GREEN, "^", (0, (5, 1.5, 1, 1.5))),
    0.3: Look("$a=0.3$", ORANGE, "P", (0, (4, 2))),
    0.4: Look("$a=0.4$", RED, "X", (0, (2, 1))),
    0.5: Look("$a=1/2$, critical", BLACK, "o", (0, (1, 1.3)), hollow=True),
}
LARGEST = 1_000_000


def compute(quick: bool) -> pd.DataFrame:
    law = LinearRegression([0.0], [[1.0]], 1.0)
    curve = np.geomspace(10, LARGEST, 16 if quick else 61).round().astype(int).tolist()
    marks = np.geomspace(10, LARGEST, 6).round().astype(int).tolist()
    rows = []
    for a in LOOKS:
        problem = Problem(law, CodebookERM([[0.0], [1.0]], exponent=a))
        for method, sizes in (("exact", curve), ("tilted", marks)):
            for n in sizes:
                result = mis_anywhere(problem, n, method, replicates=20_000 if quick else 200_000, seed=SEED)
                low, high = result.conf_int()
                signal = n * problem.at(n).indicator
                rows.append((a, method, n, signal, result.log_delta, low, high, result.in_domain, result.seed))
    columns = ["a", "method", "n", "n_indicator", "log_delta", "low", "high", "in_domain", "seed"]
    return pd.DataFrame(rows, columns=columns).astype({"seed": "Int64"})


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    for a, look in LOOKS.items():
        rows = frame[frame.a == a]
        curve, marks = (rows[rows.method == method] for method in ("exact", "tilted"))
        left.plot(curve.n_indicator, -curve.log_delta, **look.line())
        right.plot(curve.n, -curve.log_delta / curve.n_indicator, **look.line())
        rate, errors = -marks.log_delta, np.array([marks.high - marks.log_delta, marks.log_delta - marks.low])
        left.errorbar(marks.n_indicator, rate, errors, **look.points())
        right.errorbar(marks.n, rate / marks.n_indicator, errors / marks.n_indicator.to_numpy(), **look.points())
        outside = marks[~marks.in_domain]
        ring(left, outside.n_indicator, -outside.log_delta)
        ring(right, outside.n, -outside.log_delta / outside.n_indicator)
        left.plot([], [], **look.both(), label=look.label)
    ends = np.array([0.03, 1.5 * frame.n_indicator.max()])
    left.plot(ends, ends, color="0.5", linewidth=0.7, zorder=0)
    left.set(xscale="log", yscale="log", xlabel=r"$n\,r_Q^n$", ylabel=r"$-\log\,\Delta_n$", xlim=ends, ylim=(1.5, None))
    left.legend()
    right.axhline(1.0, color="0.5", linewidth=0.7, zorder=0)
    right.set(xscale="log", yscale="log", xlabel=r"sample size $n$", ylabel=r"$-\log\,\Delta_n\,/\,(n\,r_Q^n)$")
    label_panels([left, right])
