"""A ranking of eight quantizers by privacy from simulated losses whose true indicators are known. (a) Indicators
with 95 % intervals and the truth (stars). (b) Ranks: estimates, simultaneous 95 % sets (wide bars), sets that
hold alone (dark lines) and the truth (stars). Each quantizer has three rivals of its best candidate; increments
are skewed; the 2000 evaluation points are shared.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper_figures.style import BLACK, BLUE, RED, SKY, TEXT, label_panels
from qmis_stats import rank

SEED = 1
ORIGIN = f"seed {SEED}"
SIZE = (TEXT, 2.6)
POINTS = 2000
TRUTH = {"A": 0.080, "B": 0.060, "C": 0.055, "D": 0.035, "E": 0.020, "F": 0.018, "G": 0.008, "H": 0.003}
FURTHER = (1.0, 1.3, 1.8)


def compute(quick: bool) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    best = rng.exponential(size=POINTS)
    shared = rng.exponential(size=POINTS) - 1.0
    losses = {}
    for name, indicator in TRUTH.items():
        own = rng.exponential(size=(len(FURTHER), POINTS)) - 1.0
        gaps = np.sqrt(2.0 * indicator) * np.array(FURTHER)  # of increments whose standard deviation is one
        losses[name] = np.vstack([best, best + gaps[:, None] + np.sqrt(0.5) * (shared + own)])
    frame = rank(losses, draws=2_000 if quick else 20_000, seed=SEED).to_frame().reset_index()
    order = sorted(TRUTH, key=lambda name: -TRUTH[name])
    frame["true_indicator"] = [TRUTH[q] for q in frame.quantizer]
    frame["true_rank"] = [1 + order.index(q) for q in frame.quantizer]
    return frame.assign(seed=SEED)


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.25))
    places = np.arange(len(frame))
    star = {"color": BLACK, "marker": "*", "linestyle": "none", "markersize": 7, "markerfacecolor": "white"}
    errors = np.array([frame.estimate - frame.low, frame.high - frame.estimate])
    left.errorbar(frame.estimate, places, xerr=errors, color=RED, marker="o", linestyle="none")
    left.plot(frame.true_indicator, places - 0.26, **star)
    left.set(xscale="log", xlabel=r"indicator $r_Q$", ylabel="quantizer")
    left.set_yticks(places, list(frame.quantizer))
    left.invert_yaxis()
    width, start = frame.rank_high - frame.rank_low + 0.5, frame.rank_low - 0.25
    right.barh(places, width, 0.6, start, color=SKY, alpha=0.5, label="all together")
    right.hlines(
        places, frame.marginal_low - 0.15, frame.marginal_high + 0.15, color=BLUE, linewidth=2.5, label="each alone"
    )
    right.plot(frame["rank"], places, color=RED, marker="o", linestyle="none", label="estimate")
    right.plot(frame.true_rank, places - 0.26, **star, label="truth")
    right.set(xlabel="rank (1 = most private)", xticks=range(1, len(frame) + 1))
    right.legend(loc="upper right")
    label_panels([left, right])
