"""Speed of the compiled kernels on one core: time of what a careful user would write instead over the own time,
median of the rounds with the least and the greatest (from the page of benchmarks, which names the machines). To the
right of the line the kernel is faster.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from paper_figures.studies import study
from paper_figures.style import BLUE, ORANGE, TEXT, Look

STUDY = "benchmarks.md"
ORIGIN = f"docs/studies/{STUDY}"
SIZE = (TEXT, 4.4)
LOOKS = {"NumPy": Look("NumPy, SciPy", BLUE, "o"), "PyTorch": Look("PyTorch", ORANGE, "D")}
LINE = re.compile(r"^\| ([^|]+?) +\| ([^|]+?) +\| ([^|]+?) +\| ([\d.]+) \(([\d.]+) to ([\d.]+)\) +\| *$", re.MULTILINE)
"""A line of the tables of ratios: operation, rival, own time, median, least and greatest."""


def compute(quick: bool) -> pd.DataFrame:
    lines = LINE.findall(study(STUDY).read_text(encoding="utf-8"))
    columns = ["operation", "rival", "own_time", "ratio", "least", "greatest"]
    return pd.DataFrame(lines, columns=columns).astype({"ratio": float, "least": float, "greatest": float})


def draw(frame: pd.DataFrame, figure: Figure) -> None:
    axes = figure.add_subplot()
    places = np.arange(len(frame))
    for rival, look in LOOKS.items():
        chosen = frame.rival.str.startswith(rival).to_numpy()
        rows = frame[chosen]
        errors = np.array([rows.ratio - rows.least, rows.greatest - rows.ratio])
        axes.errorbar(rows.ratio, places[chosen], xerr=errors, **look.points(), label=look.label)
    axes.axvline(1.0, color="0.4", linewidth=0.8)
    names = frame.operation + "  –  " + frame.rival
    axes.set_yticks(places, list(names), fontsize=6.5)
    axes.invert_yaxis()
    axes.grid(axis="x", color="0.88", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set(xscale="log", xlabel="time of the rival / own time")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.legend(loc="lower right")
