"""The plot of one quantizer's indicator: the rate of every candidate; nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qmis_stats.arrays import Flags
from qmis_stats.reporting.figures import COLOURS, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qmis_stats.arrays import FloatArray

__all__ = ["gap_plot"]


def gap_plot(
    name: str,
    indicator: float,
    interval: tuple[float, float],
    rates: FloatArray,
    unsettled: Flags,
    ax: Axes | None = None,
    *,
    level: float,
) -> Axes:
    """Draw δ̂²/(2σ̂²) of every rival, the smallest first, with the interval of the indicator as a band.

    Parameters
    ----------
    name : str
        Of the quantizer.
    indicator : float
        Its indicator r.
    interval : (float, float)
        Of the indicator, at ``level``.
    rates : (K,) ndarray
        Of the rivals, in any order.
    unsettled : (K,) ndarray of bool
        Which of them are near ties.
    ax : matplotlib axes, optional
        Where to draw; by default a new figure.
    level : float
        For the legend.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> rates, settled = np.array([0.3, 0.1]), np.zeros(2, dtype=bool)
    >>> gap_plot("sign", 0.1, (0.05, 0.2), rates, settled, Figure().add_subplot(), level=0.95).get_title()
    'sign: r = 0.1'
    """
    from matplotlib.ticker import MaxNLocator

    low, high = interval
    ax = axes_or_new(ax, 6.4, 3.6)
    order = np.argsort(rates, kind="stable")
    rates, unsettled = rates[order], unsettled[order]
    places = np.arange(1, rates.size + 1)
    ax.axhspan(low, min(high, float(rates.max())), color=COLOURS[0], alpha=0.15, label=f"{100.0 * level:g} % interval")
    ax.axhline(indicator, color=COLOURS[0], linewidth=1.0)
    ax.plot(places[~unsettled], rates[~unsettled], "o", color=COLOURS[0], markersize=4.0, label="rivals")
    if unsettled.any():
        ax.plot(places[unsettled], rates[unsettled], "s", color=COLOURS[1], markersize=4.0, label="near ties")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("rival, the nearest first")
    ax.set_ylabel("δ²/(2σ²)")
    ax.set_title(f"{name}: r = {indicator:.3g}", parse_math=False)
    ax.legend()
    return ax
