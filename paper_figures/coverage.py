"""Measured coverage of nominal 95 % statements, from the study of coverage, with exact 95 % intervals of the share.
(a) One rival, skewed increments (exponential, reversed, s = 1), against the number of points: the noncentral t is
right for normal increments only. (b) The smallest of K − 1 tied gaps, Gaussian, against K: the interval that
knows that the rival was chosen, and the one that forgets it. (c) Ranks of equal quantizers against their number:
sets of ranks, and pairs decided one by one. 500 points in (b) and (c). The grey band is 94 to 96 %.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from paper_figures.studies import study
from paper_figures.style import BLUE, GREEN, ORANGE, PURPLE, RED, TEXT, Look, label_panels

STUDY = "coverage.csv"
ORIGIN = f"docs/studies/{STUDY}"
SIZE = (TEXT, 2.7)
LOOKS = {
    "adjusted": Look("adjusted", BLUE, "o"),
    "delta": Look("delta method", ORANGE, "s", (0, (4, 2))),
    "bca": Look("BCa bootstrap", PURPLE, "D", (0, (5, 1.5, 1, 1.5))),
    "noncentral_t": Look("noncentral t", GREEN, "^", (0, (2, 1)), hollow=True),
    "Indicator.conf_int": Look("of the minimum", BLUE, "o"),
    "as if the rival were known": Look("as if the rival were known", RED, "X", (0, (1, 1.3))),
    "simultaneous": Look("simultaneous sets", BLUE, "o"),
    "marginal": Look("marginal sets", ORANGE, "s", (0, (4, 2))),
    "unadjusted pairs": Look("unadjusted pairs", RED, "X", (0, (1, 1.3))),
}
PANELS = {"one rival": "N", "minimum": "K", "ranks": "Q"}
LABELS = {"N": "evaluation points $N$", "K": "candidates $K$", "Q": "quantizers $Q$"}
LIMITS = {"N": (68.0, 101.0), "K": (-24.0, 102.0), "Q": (-34.0, 102.0)}
POINTS = 500


def compute(quick: bool) -> pd.DataFrame:
    rows = pd.read_csv(study(STUDY))
    normal = (rows.law == "Gaussian") & (rows.N == POINTS)
    chosen = (
        ((rows.part == "one rival") & (rows.law == "exponential, reversed") & (rows.configuration == "s = 1"))
        | ((rows.part == "minimum") & (rows.configuration == "all rivals tied") & normal)
        | ((rows.part == "ranks") & (rows.configuration == "all equal") & normal)
    ) & rows.method.isin(LOOKS)
    return rows.loc[chosen, ["part", "law", "configuration", "N", "K", "Q", "method", "coverage", "low", "high"]]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    axes = list(figure.subplots(1, 3, width_ratios=(1.2, 1, 1)))
    for ax, part in zip(axes, PANELS, strict=True):
        panel(ax, frame[frame.part == part], PANELS[part])
    axes[0].set_ylabel("coverage, %")
    label_panels(axes)


def panel(ax: Axes, rows: pd.DataFrame, against: str) -> None:
    """Draw coverage against one column."""
    ax.axhspan(94.0, 96.0, color="0.88", linewidth=0.0, zorder=0)
    for place, method in enumerate(m for m in LOOKS if (rows.method == m).any()):
        chosen = rows[rows.method == method].sort_values(against)
        share, errors = chosen.coverage, (chosen.coverage - chosen.low, chosen.high - chosen.coverage)
        x = chosen[against] * 1.04**place
        ax.errorbar(x, 100.0 * share, 100.0 * np.array(errors), **LOOKS[method].both(), label=LOOKS[method].label)
    ax.set(xscale="log", xlabel=LABELS[against], ylim=LIMITS[against])
    ax.set_yticks(range(70, 101, 5) if against == "N" else range(0, 101, 20))
    if against == "N":
        ax.legend(loc="center right", bbox_to_anchor=(1.0, 0.45))
        return
    ax.set_xticks(rows[against].unique(), [f"{x:g}" for x in rows[against].unique()])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend(loc="lower left")
