"""The plot of several attacks: accuracy with intervals, beside chance and the optimum; nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qmis_stats.reporting.figures import COLOURS, INK, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qmis_stats.audit.attacks.report import AttackReport

__all__ = ["accuracy_plot"]


def accuracy_plot(report: AttackReport, ax: Axes | None = None) -> Axes:
    """Draw the accuracy of each attack with its interval, and that of the same attack in the control.

    Parameters
    ----------
    report : AttackReport
        What to draw.
    ax : matplotlib axes, optional
        Where to draw; by default a new figure.
    """
    ax = axes_or_new(ax, 6.4, 1.6 + 0.35 * len(report.results))
    ax.axvline(0.5, color=INK, linestyle=":", linewidth=1.0, label="chance")
    if report.delta is not None:
        ax.axvline(0.5 * (1.0 + report.delta), color=INK, linestyle="--", linewidth=1.0, label="optimum")
    groups = (("members against strangers", report.results, "o"), ("control", report.controls, "s"))
    for colour, shift, (label, results, marker) in zip(COLOURS, (-0.12, 0.12), groups, strict=False):
        if not results:
            continue
        places = [place + shift for place in range(len(results))]
        values = [result.accuracy for result in results]
        ends = [result.accuracy_interval() for result in results]
        reach = [[v - low for v, (low, _) in zip(values, ends, strict=True)]]
        reach.append([high - v for v, (_, high) in zip(values, ends, strict=True)])
        ax.errorbar(values, places, xerr=reach, fmt=marker, color=colour, markersize=5.0, capsize=2.0, label=label)
    ax.set_yticks(range(len(report.results)), [result.name for result in report.results], parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel("accuracy")
    ax.legend(loc="best")
    return ax
