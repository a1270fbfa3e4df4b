"""The plot of a ranking: a bar for each rank set, the indicator beside it; nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qmis_stats.reporting.figures import axes_or_new, outer_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RankBar", "rank_plot"]

_SET, _EDGE, _ALONE, _POINT = "#9db8d9", "#4678b8", "#2f5d9b", "#d55e00"


class RankBar(NamedTuple):
    """One quantizer.

    Attributes
    ----------
    name : str
        Of the quantizer.
    estimate : float
        What it is ranked by.
    interval : (float, float)
        Of the estimate.
    rank : int
        1 for the most private.
    together, alone : (int, int)
        Possible ranks, simultaneously for all quantizers and for this one.
    """

    name: str
    estimate: float
    interval: tuple[float, float]
    rank: int
    together: tuple[int, int]
    alone: tuple[int, int]


def rank_plot(bars: Sequence[RankBar], ax: Axes | None = None, *, level: float) -> Axes:
    """Draw ranks with simultaneous sets (wide bars), marginal sets (lines) and estimates (dots).

    Parameters
    ----------
    bars : sequence of RankBar
        From the top.
    ax : matplotlib axes, optional
        Where to draw; by default a new figure.
    level : float
        Confidence level, for the legend.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> bar = RankBar("sign", 0.1, (0.05, 0.2), 1, (1, 2), (1, 1))
    >>> axes = rank_plot([bar], Figure(layout="constrained").add_subplot(), level=0.95)
    >>> axes.get_yticklabels()[0].get_text()
    'sign   r = 0.1 [0.05, 0.2]'
    """
    from matplotlib.ticker import MaxNLocator

    ax = axes_or_new(ax, 6.4, max(2.4, 1.2 + 0.32 * len(bars)))
    sets, alone = (np.array([getattr(bar, kind) for bar in bars]) for kind in ("together", "alone"))
    places = np.arange(len(bars))
    percent = f"{100.0 * level:g} %"
    ax.barh(
        places,
        sets[:, 1] - sets[:, 0] + 0.6,
        0.62,
        sets[:, 0] - 0.3,
        color=_SET,
        edgecolor=_EDGE,
        label=f"{percent} sets, all together",
    )
    ax.hlines(places, alone[:, 0] - 0.2, alone[:, 1] + 0.2, color=_ALONE, linewidth=2.0, label=f"{percent} set, alone")
    ax.plot([bar.rank for bar in bars], places, "o", color=_POINT, markersize=5.0, label="estimate")
    labels = [f"{bar.name}   r = {bar.estimate:.3g} [{bar.interval[0]:.3g}, {bar.interval[1]:.3g}]" for bar in bars]
    ax.set_yticks(places, labels, parse_math=False)
    ax.invert_yaxis()
    ax.set_xlim(0.5, len(bars) + 0.5)
    ax.set_xlabel("rank (1 = most private)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    outer_legend(ax)
    return ax
