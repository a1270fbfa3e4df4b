"""Indicator against attack in 128 dimensions, from the synthetic study: mixtures of four Gaussian modes, 1024
training points, three heads. Each mark is a quantizer: its standardised gap √(2r̂) (more private to the right)
and the AUC of the learned attack on membership (less private upwards), both with 95 % intervals.
Black line and grey band: no quantization; an AUC of ½ is a guess. Most intervals of the gap reach zero: losses
hardly tell these quantizers apart, the attack does.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper_figures.studies import study
from paper_figures.style import REFERENCE, TEXT, label_panels, names_of_families, trade_off

STUDY = "synthetic.csv"
ORIGIN = f"docs/studies/{STUDY}"
SIZE = (TEXT, 2.9)
HEADS = {"linear": "linear regression", "logistic": "logistic regression", "mlp": "perceptron"}
MODES, N = 4, 1024
NAMED = ("sign", "sparse-33", "sparse-90")


def compute(quick: bool) -> pd.DataFrame:
    rows = pd.read_csv(study(STUDY))
    rows = rows[(rows["modes"] == MODES) & (rows["n"] == N)]
    frame = rows[["head", "modes", "n", "quantizer"]].reset_index(drop=True)
    for end in ("", "_low", "_high"):
        frame[f"gap{end}"] = np.sqrt(2.0 * rows[f"indicator{end}"].to_numpy())
        frame[f"auc{end}"] = rows[f"learned_auc{end}"].to_numpy()
    return frame[frame.gap.notna() | (frame.quantizer == REFERENCE)]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    axes = list(figure.subplots(1, len(HEADS), sharey=True))
    for ax, (head, title) in zip(axes, HEADS.items(), strict=True):
        trade_off(ax, frame[frame["head"] == head], "gap", "auc", NAMED, shift=(4, -8))
        ax.axhline(0.5, color="0.5", linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
        ax.set(xlabel=r"gap $\sqrt{2\hat r_Q}$", title=title, xlim=(0.0, None))
    axes[0].set_ylabel("AUC of the learned attack")
    label_panels(axes)
    names_of_families(figure, frame.quantizer)
