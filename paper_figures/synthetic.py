"""Indicator against attack in 128 dimensions, from the synthetic study: mixtures of four Gaussian modes, 1024
training points, three heads. Each mark is a quantizer: its estimated indicator r̂ (more private to the right) and
the area under the ROC of the learned attack on membership (less private upwards), both with 95 % intervals; ½ is
a guess. Intervals that reach zero end at the left edge.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from paper_figures.studies import study
from paper_figures.style import TEXT, family, label_panels, names_of_families

STUDY = "synthetic.csv"
ORIGIN = f"docs/studies/{STUDY}"
SIZE = (TEXT, 2.9)
HEADS = {"linear": "linear regression", "logistic": "logistic regression", "mlp": "perceptron"}
MODES, N = 4, 1024
NAMED = ("identity", "sign", "sparse-33", "sparse-90")


def compute(quick: bool) -> pd.DataFrame:
    rows = pd.read_csv(study(STUDY))
    x, y = (["indicator", "indicator_low", "indicator_high"], ["learned_auc", "learned_auc_low", "learned_auc_high"])
    chosen = (rows["modes"] == MODES) & (rows["n"] == N) & (rows["indicator"] > 0.0)
    return rows.loc[chosen, ["head", "modes", "n", "quantizer", *x, *y]]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    axes = list(figure.subplots(1, len(HEADS), sharey=True))
    for ax, (head, title) in zip(axes, HEADS.items(), strict=True):
        rows = frame[frame["head"] == head]
        left = 0.5 * rows.indicator.min()
        for row in rows.to_dict("records"):
            x, y = row["indicator"], row["learned_auc"]
            xerr = [[x - max(row["indicator_low"], left)], [row["indicator_high"] - x]]
            yerr = [[y - row["learned_auc_low"]], [row["learned_auc_high"] - y]]
            ax.errorbar(x, y, yerr, xerr, **family(row["quantizer"]).points(), elinewidth=0.6)
            if row["quantizer"] in NAMED:
                ax.annotate(row["quantizer"], (x, y), xytext=(3, 3), textcoords="offset points", fontsize=6.5)
        ax.axhline(0.5, color="0.5", linewidth=0.7, zorder=0)
        ax.set(xscale="log", xlabel=r"indicator $\hat r_Q$", title=title, xlim=(left, None))
    axes[0].set_ylabel("area under the attack's ROC")
    label_panels(axes)
    names_of_families(figure, frame.quantizer)
