"""The best conceivable attack against product quantizers, Gaussian mean, n = 256. (a) Its ROC at d = 1024: curves
are TPR = Φ(Φ⁻¹(FPR) + μ), marks with 95 % intervals are simulation of the exact likelihood ratio. (b) True
positive rate at a false positive rate of 10⁻³ against d/n. The grey diagonal and the grey line are guesses that
know nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper_figures.evaluate import mis_anywhere
from paper_figures.product_quantizers import PRODUCT, problem
from paper_figures.style import QUANTIZERS, TEXT, label_panels
from qmis_stats import MISResult, mis

SEED = 2
ORIGIN = f"seed {SEED}"
SIZE = (TEXT, 3.0)
N = 256
DIMENSIONS = (16, 32, 64, 128, 256, 512, 1024)
LOW_RATE = 1e-3


def compute(quick: bool) -> pd.DataFrame:
    replicates = 20_000 if quick else 200_000
    rows = []
    for name in PRODUCT:
        for d in DIMENSIONS:
            theory = mis_anywhere(problem(name, d), N, "high_dimension")
            simulated = mis(problem(name, d), N, "likelihood_ratio", replicates=replicates, seed=SEED)
            rows += points("simulated", name, d, simulated)
            rows += points("theory", name, d, theory)
            if d == DIMENSIONS[-1]:
                rows += curve(name, d, theory)
    columns = ["kind", "quantizer", "d", "n", "fpr", "tpr", "low", "high", "seed"]
    return pd.DataFrame(rows, columns=columns).astype({"seed": "Int64"})


def points(kind: str, name: str, d: int, result: MISResult) -> list[tuple[object, ...]]:
    """Return the true positive rates at the reported false positive rates."""
    assert result.roc is not None
    return [(kind, name, d, N, fpr, *rates, result.seed) for fpr, rates in result.roc.tpr_at.items()]


def curve(name: str, d: int, result: MISResult) -> list[tuple[object, ...]]:
    """Return every eighth point of the curve, from a false positive rate of 1e-5 on."""
    assert result.roc is not None
    pairs = [(f, t) for f, t in zip(result.roc.fpr, result.roc.tpr, strict=True) if f > 1e-5]
    return [("curve", name, d, N, f, t, t, t, None) for f, t in [*pairs[::8], pairs[-1]]]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    largest, low_rate = frame[frame.d == frame.d.max()], frame[frame.fpr == LOW_RATE]
    for name in frame.quantizer.unique():
        look = QUANTIZERS[name]
        line, marks = (largest[(largest.quantizer == name) & (largest.kind == k)] for k in ("curve", "simulated"))
        left.plot(line.fpr, line.tpr, **look.line())
        left.errorbar(marks.fpr, marks.tpr, (marks.tpr - marks.low, marks.high - marks.tpr), **look.points())
        line, marks = (low_rate[(low_rate.quantizer == name) & (low_rate.kind == k)] for k in ("theory", "simulated"))
        right.plot(line.d / line.n, line.tpr, **look.line())
        right.errorbar(marks.d / marks.n, marks.tpr, (marks.tpr - marks.low, marks.high - marks.tpr), **look.points())
        right.plot([], [], **look.both(), label=look.label)
    ends = np.array([5e-5, 1.0])
    left.plot(ends, ends, color="0.5", linewidth=0.7, zorder=0)
    left.set(xscale="log", yscale="log", xlim=ends, ylim=(1e-3, 1.0))
    left.set(xlabel="false positive rate (FPR)", ylabel="true positive rate (TPR)")
    right.axhline(LOW_RATE, color="0.5", linewidth=0.7, zorder=0)
    right.set(xscale="log", yscale="log", xlabel=r"$d/n$", ylabel=r"TPR at an FPR of $10^{-3}$")
    right.legend(loc="upper left")
    label_panels([left, right])
