"""Privacy and performance on six molecular sets, linear heads on fingerprints, from the study of molecules. Each
mark is a quantizer: the standardised gap √(2r̂), mean over independent trainings (more private to the right), and
the score on held-out scaffolds, both with 95 % intervals. Black line and grey band: no quantization. Quantizers
that none equals or exceeds in both are named.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from paper_figures.studies import study
from paper_figures.style import REFERENCE, TEXT, label_panels, names_of_families, trade_off

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


def compute(quick: bool) -> pd.DataFrame:
    rows = pd.read_csv(study(STUDY))
    rows = rows[(rows["head"] == HEAD) & (rows["checkpoints"] == CHECKPOINTS)]
    x, y = ["gap", "gap_low", "gap_high"], ["score", "score_low", "score_high"]
    frame = rows[["set", "quantizer", "metric", *x, *y]].reset_index(drop=True)
    frame["best"] = [row.quantizer != REFERENCE and not exceeded(row, frame) for _, row in frame.iterrows()]
    return frame


def exceeded(row: pd.Series, frame: pd.DataFrame) -> bool:
    """Return whether another quantizer of the set is at least as private and as good, and better in one."""
    others = frame[(frame["set"] == row["set"]) & (frame.quantizer != REFERENCE)]
    as_good = (others.gap >= row["gap"]) & (others.score >= row["score"])
    return bool((as_good & ((others.gap > row["gap"]) | (others.score > row["score"]))).any())


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    axes = list(figure.subplots(2, 3).flat)
    for ax, (name, title) in zip(axes, SETS.items(), strict=True):
        rows = frame[frame["set"] == name]
        trade_off(ax, rows, "gap", "score", rows.quantizer[rows.best].tolist(), shift=(4, 3))
        ax.set(title=title, ylabel=METRICS[rows.metric.iloc[0]])
    for ax in axes[3:]:
        ax.set_xlabel(r"gap $\sqrt{2\hat r_Q}$")
    label_panels(axes)
    names_of_families(figure, frame.quantizer)
