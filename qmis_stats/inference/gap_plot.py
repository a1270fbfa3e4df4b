"""The plot of one quantizer's indicator: the rate of every candidate; nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qmis_stats.reporting.figures import COLOURS, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qmis_stats.inference.indicator import Indicator

__all__ = ["gap_plot"]


def gap_plot(indicator: Indicator, ax: Axes | None = None, level: float = 0.95) -> Axes:
    """Draw δ̂²/(2σ̂²) of every rival, the smallest first, with the interval of the indicator as a band.

    Parameters
    ----------
    indicator : Indicator
        What to draw.
    ax : matplotlib axes, optional
        Where to draw; by default a new figure.
    level : float
        Confidence level.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from qmis_stats.inference.indicator import indicator
    >>> noise = np.random.default_rng(1).normal(size=(3, 200))
    >>> found = indicator([noise[0], noise[1] + 0.5, noise[2] + 0.9], "sign")
    >>> gap_plot(found, Figure().add_subplot()).get_title()
    'sign: r = 0.0731'
    """
    from matplotlib.ticker import MaxNLocator

    low, high = indicator.conf_int(level)
    ax = axes_or_new(ax, 6.4, 3.6)
    order = np.argsort(indicator.gaps.s, kind="stable")
    rates = 0.5 * indicator.gaps.s[order] ** 2
    unsettled = np.isin(indicator.gaps.rivals[order], indicator.near_ties)
    places = np.arange(1, rates.size + 1)
    ax.axhspan(low, min(high, float(rates.max())), color=COLOURS[0], alpha=0.15, label=f"{100.0 * level:g} % interval")
    ax.axhline(indicator.indicator, color=COLOURS[0], linewidth=1.0)
    ax.plot(places[~unsettled], rates[~unsettled], "o", color=COLOURS[0], markersize=4.0, label="rivals")
    if unsettled.any():
        ax.plot(places[unsettled], rates[unsettled], "s", color=COLOURS[1], markersize=4.0, label="near ties")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("rival, the nearest first")
    ax.set_ylabel("δ²/(2σ²)")
    ax.set_title(f"{indicator.name}: r = {indicator.indicator:.3g}", parse_math=False)
    ax.legend()
    return ax
