"""The plot of a ranking: a bar for each rank set, the indicator beside it; nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qmis_stats.reporting.figures import axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qmis_stats.inference.rank_results import RankResults

__all__ = ["rank_plot"]

_SET, _EDGE, _ALONE, _POINT = "#9db8d9", "#4678b8", "#2f5d9b", "#d55e00"


def rank_plot(ranking: RankResults, ax: Axes | None = None, level: float = 0.95) -> Axes:
    """Draw ranks with simultaneous sets (wide bars), marginal sets (lines) and estimates (dots).

    Parameters
    ----------
    ranking : RankResults
        What to draw.
    ax : matplotlib axes, optional
        Where to draw; by default a new figure.
    level : float
        Confidence level.

    Examples
    --------
    >>> from qmis_stats.inference.ranking import rank
    >>> noise = np.random.default_rng(1).normal(size=(2, 200))
    >>> from matplotlib.figure import Figure
    >>> given = Figure(layout="constrained").add_subplot()
    >>> axes = rank({"a": [noise[0], noise[1] + 0.5], "b": [noise[0], noise[1] + 0.1]}).plot(given)
    >>> [label.get_text().split()[0] for label in axes.get_yticklabels()]
    ['a', 'b']
    """
    from matplotlib.ticker import MaxNLocator

    order = ranking.order()
    sets, alone = ranking.rank_sets(level)[order], ranking.rank_sets(level, kind="marginal")[order]
    interval = ranking.conf_int(level)[order]
    ax = axes_or_new(ax, 6.4, max(2.4, 1.2 + 0.32 * len(ranking.names)))
    places = np.arange(len(order))
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
    ax.plot(ranking.ranks[order], places, "o", color=_POINT, markersize=5.0, label="estimate")
    labels = [
        f"{ranking.names[q]}   r = {ranking.params[q]:.3g} [{low:.3g}, {high:.3g}]"
        for q, (low, high) in zip(order, interval, strict=True)
    ]
    ax.set_yticks(places, labels, parse_math=False)
    ax.invert_yaxis()
    ax.set_xlim(0.5, len(order) + 0.5)
    ax.set_xlabel("rank (1 = most private)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    ax.figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    return ax
