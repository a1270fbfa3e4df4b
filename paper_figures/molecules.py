"""Privacy and performance on six molecular sets, linear heads on fingerprints, from the study of molecules. Each
mark is a quantizer: the standardised gap √(2r̂), mean over independent training runs (more private to the right), and
the score on held-out scaffolds, both with 95 % intervals. Black line and grey band: no quantization. Triangles at
the lower edge: scores far below, with their value. The most private of the others is named.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import pandas as pd
from matplotlib.figure import Figure

from paper_figures.studies import study
from paper_figures.style import REFERENCE, TEXT, label_panels, names_of_families, trade_off
from qmis_stats.audit.tradeoff_plot import score_limits

STUDY = "molecules.csv"
ORIGIN = f"docs/studies/{STUDY}"
SIZE = (TEXT, 4.6)
HEAD, CHECKPOINTS = "linear", 4
SETS = {
    "bbb_martins": "blood-brain barrier",
    "caco2_wang": "Caco-2 permeability",
    "cyp3a4_substrate_carbonmangels": "CYP3A4 substrate",
    "lipophilicity_astrazeneca": "lipophilicity",
    "pgp_broccatelli": "P-glycoprotein",
    "vdss_lombardo": "volume of distribution",
}
METRICS = {"auroc": "AUROC", "r2": "$R^2$"}


class Point(NamedTuple):
    """A score with its interval, as the limits of the plots of an audit are found from."""

    score: float
    score_interval: tuple[float, float]


def compute(quick: bool) -> pd.DataFrame:
    rows = pd.read_csv(study(STUDY))
    rows = rows[(rows["head"] == HEAD) & (rows["checkpoints"] == CHECKPOINTS)]
    x, y = ["gap", "gap_low", "gap_high"], ["score", "score_low", "score_high"]
    return rows[["set", "quantizer", "metric", *x, *y]]


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    axes = list(figure.subplots(2, 3).flat)
    for ax, (name, title) in zip(axes, SETS.items(), strict=True):
        rows = frame[frame["set"] == name]
        scores = rows[["score", "score_low", "score_high"]].to_numpy()
        bottom, top = score_limits(cast(Any, [Point(value, (low, high)) for value, low, high in scores.tolist()]))
        inside, far = rows[rows.score >= bottom], rows[rows.score < bottom]
        ranked = inside[inside.quantizer != REFERENCE].sort_values("gap")
        trade_off(ax, inside, "gap", "score", ranked.quantizer.tolist()[-1:], shift=(-4, 4))
        for gap, score in far[["gap", "score"]].to_numpy().tolist():
            ax.plot(gap, bottom, "v", color="0.3", clip_on=False)
            ax.annotate(f"{score:.2g}", (gap, bottom), xytext=(4, 1), textcoords="offset points", fontsize=6)
        ax.set(ylim=(bottom, top), title=title, ylabel=METRICS[rows.metric.iloc[0]])
    for ax in axes[3:]:
        ax.set_xlabel(r"gap $\sqrt{2\hat r_Q}$")
    label_panels(axes)
    names_of_families(figure, frame.quantizer)
