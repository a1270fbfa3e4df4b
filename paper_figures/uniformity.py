"""Relative error of two approximations over the plane of the gap between two codewords and the sample size n, linear
regression. (a) The sharp form is uniform: its error is about 0.5/n whatever the gap. (b) The critical form holds
where the gap is of order n⁻¹ᐟ² and fails beyond, because it knows the indicator r_Q and not the exponent I_Q.
White dashes: n r_Q = 1.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from paper_figures.evaluate import mis_anywhere
from paper_figures.style import TEXT, label_panels
from qmis_stats import CodebookERM, LinearRegression, Problem
from qmis_stats.errors import DomainError

ORIGIN = "deterministic"
SIZE = (TEXT, 2.7)
PANELS = (("sharp", "sharp form"), ("critical", "critical form"))
SMALLEST = 1e-5
LEVELS = {1e-4: "black", 1e-3: "black", 1e-2: "black", 1e-1: "white", 0.9: "white"}


def compute(quick: bool) -> pd.DataFrame:
    law, resolution = LinearRegression([0.0], [[1.0]], 1.0), 13 if quick else 31
    rows = []
    for gap in np.geomspace(0.02, 2.0, resolution):
        problem = Problem(law, CodebookERM([[0.0], [gap]]))
        for n in np.geomspace(10, 10_000, resolution).round().astype(int).tolist():
            exact, sharp = (mis_anywhere(problem, n, m).log_delta for m in ("exact", "sharp"))
            try:
                critical = mis_anywhere(problem, n, "critical").log_delta
            except DomainError:  # far in its tail the normal limit is below the smallest number, and Δ is not
                critical = -np.inf
            ratios = np.exp([sharp - exact, critical - exact])
            rows.append((gap, n, exact, *ratios, n * problem.indicator))
    return pd.DataFrame(rows, columns=["gap", "n", "log_delta", "sharp", "critical", "n_indicator"])


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    axes = list(figure.subplots(1, 2, sharey=True))
    norm = LogNorm(SMALLEST, 1.0)
    for ax, (method, title) in zip(axes, PANELS, strict=True):
        error = abs(frame.pivot(index="n", columns="gap", values=method) - 1.0).clip(lower=SMALLEST)
        signal = frame.pivot(index="n", columns="gap", values="n_indicator")
        gap, n = error.columns.to_numpy(), error.index.to_numpy()
        image = ax.pcolormesh(gap, n, error, norm=norm, cmap="cividis_r", shading="gouraud", rasterized=True)
        lines = ax.contour(gap, n, error, list(LEVELS), colors=list(LEVELS.values()), linewidths=0.7)
        ax.clabel(lines, fmt=lambda level: f"{100 * level:g} %", fontsize=6.5)
        ax.contour(gap, n, signal, [1.0], colors="white", linewidths=1.0, linestyles=[(0, (4, 2))])
        ax.set(xscale="log", yscale="log", xlabel="gap between the codewords", title=title)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes[0].set_ylabel(r"sample size $n$")
    label_panels(axes)
    figure.colorbar(image, ax=axes, label="relative error", pad=0.01, extend="min")
