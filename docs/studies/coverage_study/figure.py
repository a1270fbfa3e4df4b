"""Coverage of the intervals for one rival against the number of points."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

PANELS = (
    ("Gaussian", "s = 1"),
    ("exponential", "s = 1"),
    ("exponential, reversed", "s = 1"),
    ("discrete", "s = 0.603"),
    ("Student t5", "s = 0.5"),
    ("lognormal", "s = 0.5"),
)
STYLES = {
    "adjusted": ("#0072B2", "o"),
    "delta": ("#E69F00", "s"),
    "noncentral_t": ("#009E73", "^"),
    "bca": ("#CC79A7", "D"),
}
"""Colours of Okabe and Ito, and a marker each."""

LOWEST = 80.0


def draw(rows: list[dict], path: Path) -> None:
    """Write the figure; the same rows give the same bytes."""
    settings = {"svg.hashsalt": "coverage", "svg.fonttype": "none", "font.size": 8, "axes.spines.top": False}
    with plt.rc_context({**settings, "axes.spines.right": False}):
        figure, axes = plt.subplots(2, 3, figsize=(8.0, 4.6), sharex=True, sharey=True, layout="constrained")
        for ax, (law, configuration) in zip(axes.flat, PANELS, strict=True):
            _panel(ax, [r for r in rows if r["law"] == law and r["configuration"] == configuration])
            ax.set_title(f"{law}, {configuration}", fontsize=8)
        for ax in axes[:, 0]:
            ax.set_ylabel("coverage, %")
        for ax in axes[1]:
            ax.set_xlabel("points N")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(STYLES), frameon=False)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        plt.close(figure)


def _panel(ax: plt.Axes, rows: list[dict]) -> None:
    ax.axhspan(94.0, 96.0, color="0.9", zorder=0)
    ax.axhline(95.0, color="0.6", linewidth=0.8, zorder=0)
    for place, (method, (colour, marker)) in enumerate(STYLES.items()):
        chosen = [r for r in rows if r["part"] == "one rival" and r["method"] == method]
        points = np.array([float(r["N"]) for r in chosen]) * 1.05 ** (place - 1.5)
        value, low, high = (100.0 * np.array([float(r[key]) for r in chosen]) for key in ("coverage", "low", "high"))
        inside = value >= LOWEST
        ax.errorbar(
            points[inside],
            value[inside],
            yerr=(value[inside] - low[inside], high[inside] - value[inside]),
            color=colour,
            marker=marker,
            markersize=3.5,
            linewidth=0.9,
            label=method,
        )
        for x, y in zip(points[~inside], value[~inside], strict=True):
            ax.annotate(
                f"{y:.0f}", (x, LOWEST), ha="center", va="bottom", fontsize=6, color=colour, annotation_clip=False
            )
    ax.set_xscale("log")
    ax.set_ylim(LOWEST, 100.5)
