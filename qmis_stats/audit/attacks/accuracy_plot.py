"""The plot of several attacks: accuracy with intervals, beside chance and the optimum; nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qmis_stats.reporting.figures import COLOURS, INK, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Accuracy", "accuracy_plot"]

Accuracy = tuple[str, float, tuple[float, float]]
"""Name of an attack, its accuracy and the interval of it."""


def accuracy_plot(
    attacks: Sequence[Accuracy], controls: Sequence[Accuracy], delta: float | None, ax: Axes | None = None
) -> Axes:
    """Draw the accuracy of each attack with its interval, and that of the same attack in the control.

    Parameters
    ----------
    attacks, controls : sequence of (str, float, (float, float))
        Name, accuracy and its interval; there may be no controls.
    delta : float or None
        Advantage of the best attack, where it is known.
    ax : matplotlib axes, optional
        Where to draw; by default a new figure.
    """
    ax = axes_or_new(ax, 6.4, 1.6 + 0.35 * len(attacks))
    ax.axvline(0.5, color=INK, linestyle=":", linewidth=1.0, label="chance")
    if delta is not None:
        ax.axvline(0.5 * (1.0 + delta), color=INK, linestyle="--", linewidth=1.0, label="optimum")
    groups = (("members against non-members", attacks, "o"), ("control", controls, "s"))
    for colour, shift, (label, results, marker) in zip(COLOURS, (-0.12, 0.12), groups, strict=False):
        if not results:
            continue
        places = [place + shift for place in range(len(results))]
        values = [value for _, value, _ in results]
        reach = [[value - low for _, value, (low, _) in results], [high - value for _, value, (_, high) in results]]
        ax.errorbar(values, places, xerr=reach, fmt=marker, color=colour, markersize=5.0, capsize=2.0, label=label)
    ax.set_yticks(range(len(attacks)), [name for name, _, _ in attacks], parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel("accuracy")
    ax.legend(loc="best")
    return ax
