"""The plot of Δ against n: logarithms, since Δ reaches 1e-300 and less; nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from qmis_stats.reporting.figures import MARKERS, axes_or_new, ring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DecayPoint", "decay_plot"]

_TEN = math.log(10.0)


class DecayPoint(NamedTuple):
    """One estimate.

    Attributes
    ----------
    label : str
        Points of one label are drawn as one series.
    n : int
        Sample size.
    log_delta : float
        Natural logarithm of Δ; what is not finite is left out.
    interval : (float, float) or None
        Of ``log_delta``.
    in_domain : bool
        Whether the method's error is controlled there; other points have a ring.
    """

    label: str
    n: int
    log_delta: float
    interval: tuple[float, float] | None
    in_domain: bool = True


def decay_plot(points: Iterable[DecayPoint], ax: Axes | None = None) -> Axes:
    """Draw log₁₀ Δ against n, one series per label, with intervals; points outside their domain have a ring.

    Parameters
    ----------
    points : iterable of DecayPoint
        What to draw.
    ax : matplotlib axes, optional
        Where to draw; by default a new figure. Further calls add series, or points to those of the same label.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = decay_plot([DecayPoint("sharp", 10, -3.0, None)], Figure().add_subplot())
    >>> _ = decay_plot([DecayPoint("sharp", 20, -5.0, None), DecayPoint("tilted", 20, -5.1, (-5.2, -5.0))], axes)
    >>> axes.get_legend_handles_labels()[1]
    ['sharp', 'tilted']
    """
    ax = axes_or_new(ax, 6.4, 4.0)
    series: dict[str, list[DecayPoint]] = {}
    for point in points:
        if math.isfinite(point.log_delta):
            series.setdefault(point.label, []).append(point)
    for label, members in series.items():
        below, above = zip(*(_reach(point) for point in members), strict=True)
        drawn = [container for container in ax.containers if container.get_label() == label]
        line = drawn[0].lines[0] if drawn else None  # type: ignore[attr-defined]
        ax.errorbar(
            [point.n for point in members],
            [point.log_delta / _TEN for point in members],
            yerr=(below, above),
            label=label if line is None else "_nolegend_",
            color=None if line is None else line.get_color(),
            marker=MARKERS[len(ax.get_legend_handles_labels()[1]) % len(MARKERS)]
            if line is None
            else line.get_marker(),
            linestyle="-" if len(members) > 1 else "none",
            linewidth=1.0,
            markersize=6.0,
            markerfacecolor="none",  # points that coincide stay visible
            capsize=2.0,
        )
    outside = [point for members in series.values() for point in members if not point.in_domain]
    ring(ax, [point.n for point in outside], [point.log_delta / _TEN for point in outside])
    ax.set_xlabel("n")
    ax.set_ylabel("log₁₀ Δ")
    if series:
        ax.legend()
    return ax


def _reach(point: DecayPoint) -> tuple[float, float]:
    """Return how far the interval reaches below and above, in powers of ten; nothing where it has no end."""
    if point.interval is None:
        return 0.0, 0.0
    ends = (point.log_delta - point.interval[0], point.interval[1] - point.log_delta)
    low, high = (max(0.0, end) / _TEN if math.isfinite(end) else 0.0 for end in ends)
    return low, high
