"""Membership inference security of product quantizers in high dimension, Gaussian mean, n = 256. (a) MIS against
d/n: curves are 2 − 2Φ(μ/2) with μ² = d ρ_Q/n, marks are simulation of the exact likelihood ratio with 95 %
intervals. A quantizer acts through its retained Fisher information ρ_Q alone. (b) Simulated over theoretical Δₙ,
marks moved aside to be told apart: few coordinates, above all with rare cells (90 % zeros), are outside the
domain of the formula (ringed). "Not quantized" is simulated with 64 levels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper_figures.evaluate import mis_anywhere
from paper_figures.product_quantizers import PRODUCT, problem
from paper_figures.style import QUANTIZERS, TEXT, label_panels, ring
from qmis_stats import mis

SEED = 1
ORIGIN = f"seed {SEED}"
SIZE = (TEXT, 3.0)
N = 256
DIMENSIONS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)


def compute(quick: bool) -> pd.DataFrame:
    replicates = 10_000 if quick else 100_000
    rows = []
    for name in PRODUCT:
        for d in DIMENSIONS:
            theory = mis_anywhere(problem(name, d), N, "high_dimension")
            simulated = mis(problem(name, d), N, "likelihood_ratio", replicates=replicates, seed=SEED)
            low, high = np.exp(simulated.conf_int())
            retained = theory.details["retained_information"]
            rows.append((name, d, N, retained, theory.delta, theory.in_domain, simulated.delta, low, high, SEED))
    columns = ["quantizer", "d", "n", "retained", "theory", "in_domain", "delta", "low", "high", "seed"]
    return pd.DataFrame(rows, columns=columns)


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    for place, (name, rows) in enumerate(frame.groupby("quantizer", sort=False)):
        look, x = QUANTIZERS[str(name)], rows.d / rows.n
        errors = np.array([rows.high - rows.delta, rows.delta - rows.low])
        label = rf"{look.label}, $\rho_Q={rows.retained.iloc[0]:.2f}$"
        left.plot(x, 1.0 - rows.theory, **look.line())
        left.errorbar(x, 1.0 - rows.delta, errors, **look.points())
        left.plot([], [], **look.both(), label=label)
        aside = x * 1.1 ** (place - 3)
        right.errorbar(
            aside, rows.delta / rows.theory, errors[::-1] / rows.theory.to_numpy(), **look.points(), markersize=3
        )
        outside = rows[~rows.in_domain]
        ring(right, aside[outside.index], outside.delta / outside.theory)
    left.set(xscale="log", xlabel=r"$d/n$", ylabel=r"$\mathrm{MIS}_n=1-\Delta_n$", ylim=(0.0, 1.0))
    left.legend(loc="lower left")
    right.axhline(1.0, color="0.5", linewidth=0.7, zorder=0)
    right.set(xscale="log", xlabel=r"$d/n$", ylabel=r"$\Delta_n$, simulated / theory")
    label_panels([left, right])
