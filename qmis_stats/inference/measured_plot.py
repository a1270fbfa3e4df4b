"""The plot of a measure: a dot and an interval per quantizer, against no quantization; nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.reporting.figures import COLOURS, INK, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["measured_plot"]


def measured_plot(
    names: Sequence[str],
    values: FloatArray,
    interval: FloatArray,
    in_domain: Sequence[bool],
    figure: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw figures with intervals, the smallest first; open dots are outside of the domain.

    Parameters
    ----------
    names : sequence of str
        The last is the reference, drawn as a line too.
    values : (Q,) ndarray
        The figures.
    interval : (Q, 2) ndarray
        Their intervals.
    in_domain : sequence of bool
        Whether each is inside of the domain.
    figure : str
        What it is, for the axis.
    ax : matplotlib axes, optional
        Where to draw; by default a new figure.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> given = Figure().add_subplot()
    >>> ends = np.array([[0.05, 0.15], [0.1, 0.3]])
    >>> axes = measured_plot(["sign", "identity"], np.array([0.1, 0.2]), ends, [True, True], "leak", given)
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['sign', 'identity']
    """
    ax = axes_or_new(ax, 6.4, max(2.4, 1.0 + 0.3 * len(names)))
    order = np.argsort(values, kind="stable")
    places = np.arange(order.size)
    ax.hlines(places, interval[order, 0], interval[order, 1], color=COLOURS[0], linewidth=2.0)
    for place, k in zip(places, order, strict=True):
        face = COLOURS[0] if in_domain[k] else "none"
        ax.plot(values[k], place, "o", markerfacecolor=face, markeredgecolor=COLOURS[0], markersize=6.0)
    ax.axvline(values[-1], color=INK, linestyle="--", linewidth=1.0)
    ax.set_yticks(places, [names[k] for k in order], parse_math=False)
    ax.invert_yaxis()
    if interval.min() >= 0.0:
        ax.set_xlim(left=0.0)
    ax.set_xlabel(figure)
    return ax
