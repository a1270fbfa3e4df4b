"""The plot of an audit: privacy against performance, with the uncertainty of both; nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qmis_stats.audit.lines import Line
from qmis_stats.audit.quantizers import release_name
from qmis_stats.audit.wording import metric_name, number
from qmis_stats.reporting.apart import apart
from qmis_stats.reporting.figures import axes_or_new, outer_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["score_limits", "tradeoff_plot"]

_PARETO, _OTHER, _REFERENCE = "#2f6fde", "#6c717d", "#d9622b"
_DECADES = 1e-5
_REACH = 10.0
_BADGE = 16.0
"""Diameter of a rank, in points."""


def tradeoff_plot(lines: Sequence[Line], metric: str, ax: Axes | None = None) -> Axes:
    """Draw privacy (more private to the right) and the performance of each quantizer.

    Privacy is the leak Δ of the release where it is known, with no quantization as a dashed line; else the
    indicator on a logarithmic axis. Numbers are ranks, set apart where points are close together; the legend names
    the Pareto set. A score far below the others is drawn at the lower edge as a triangle, with its value in the
    legend; an indicator of zero is drawn at the left edge, and so is one without an estimate, with a question mark.

    Parameters
    ----------
    lines : sequence of Line
        The quantizers, no quantization the last.
    metric : str
        What the scores are.
    ax : matplotlib axes, optional
        Where to draw; by default a new figure.
    """
    *lines, reference = lines
    ax = axes_or_new(ax, 6.4, 4.6)
    by_leak = reference.leak is not None
    privacy = _leak if by_leak else _indicator
    left, right = _leak_limits([*lines, reference]) if by_leak else _indicator_limits(lines)
    low, high = score_limits([*lines, reference])
    ax.set_xscale("linear" if by_leak else "log")
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.axhspan(*reference.score_interval, color=_REFERENCE, alpha=0.08, linewidth=0.0)
    ax.axhline(
        reference.score, color=_REFERENCE, linestyle=(0, (5, 3)), linewidth=1.3, label=release_name(reference.name)
    )
    if reference.leak is not None:
        ax.axvspan(*reference.leak.interval, color=_REFERENCE, alpha=0.08, linewidth=0.0)
        ax.axvline(reference.leak.delta, color=_REFERENCE, linestyle=(0, (5, 3)), linewidth=1.3)
    shown = sorted(lines, key=lambda line: line.pareto)
    places = []
    for line in shown:
        colour = _PARETO if line.pareto else _OTHER
        value, ends = privacy(line)
        x, first, last = (min(max(v, min(left, right)), max(left, right)) for v in (value, *ends))
        y = min(max(line.score, low), high)
        strength = 0.75 if line.pareto else 0.35
        ax.hlines(y, first, last, colour, linewidth=1.1, alpha=strength)
        bottom, top = (min(max(end, low), high) for end in line.score_interval)
        ax.vlines(x, bottom, top, colour, linewidth=1.1, alpha=strength)
        marker = "o" if line.score >= low else "v"
        ax.plot([x], [y], marker, color=colour, markersize=4.0, markeredgewidth=0.0, clip_on=False, zorder=4)
        places.append((x, y))
    _ranks(ax, shown, places)
    for line in sorted(lines, key=lambda line: line.rank or len(lines)):
        if line.pareto or line.score < low:
            ax.plot([], [], "o", color=_PARETO if line.pareto else _OTHER, markersize=8.0, label=_named(line, low))
    if not all(line.pareto for line in lines):
        ax.plot([], [], "o", color=_OTHER, markersize=8.0, label="others")
    ax.set_xlabel(("leak Δ" if by_leak else "indicator r") + " (more private to the right)")
    ax.set_ylabel(f"{metric_name(metric)} (better upwards)")
    outer_legend(ax)
    return ax


def _ranks(ax: Axes, lines: Sequence[Line], places: Sequence[tuple[float, float]]) -> None:
    """Write the rank of each quantizer on its point, or beside it with a line where others are near."""
    if not places:
        return
    scale = 72.0 / ax.figure.dpi  # points per pixel
    points = (ax.transData.transform(places) - ax.bbox.min) * scale
    width, height = (side * scale for side in ax.bbox.size)
    for line, place, point, at in zip(lines, places, points, apart(points, _BADGE, width, height), strict=True):
        colour = _PARETO if line.pareto else _OTHER
        ax.annotate(
            "?" if line.rank is None else str(line.rank),
            place,
            tuple(at - point),
            textcoords="offset points",
            color="white",
            fontsize=7.0,
            fontweight="bold",
            ha="center",
            va="center",
            zorder=6 + line.pareto,
            annotation_clip=False,
            bbox={"boxstyle": "circle,pad=0.2", "facecolor": colour, "edgecolor": "none"},
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 0.0, "shrinkB": 0.0},
        )


def _leak(line: Line) -> tuple[float, tuple[float, float]]:
    assert line.leak is not None
    return line.leak.delta, line.leak.interval


def _indicator(line: Line) -> tuple[float, tuple[float, float]]:
    value = line.indicator or 0.0
    return value, (value, value) if line.interval is None else line.interval


def _leak_limits(lines: Sequence[Line]) -> tuple[float, float]:
    """Return limits that hold all intervals, the larger leak at the left."""
    ends = [end for line in lines for end in _leak(line)[1]]
    room = 0.05 * max(max(ends) - min(ends), 1e-3)
    return max(ends) + room, max(min(ends) - room, min(*ends, 0.0))


def _indicator_limits(lines: Sequence[Line]) -> tuple[float, float]:
    """Return limits that hold all finite indicators but for those that are a factor 10⁵ below the largest."""
    found = [line.indicator for line in lines if line.indicator is not None and 0.0 < line.indicator < math.inf]
    ends = [line.interval[1] for line in lines if line.interval is not None and math.isfinite(line.interval[1])]
    top = max([*found, *ends], default=1.0) or 1.0
    return max(min(found, default=top), _DECADES * max(found, default=top)) / 3.0, 2.0 * top


def score_limits(lines: Sequence[Line]) -> tuple[float, float]:
    """Return limits for the scores; what is far below all others must not squeeze them into one line."""
    scores = sorted(line.score for line in lines)
    top = max(line.score_interval[1] for line in lines)
    middle = scores[len(scores) // 2]
    floor = middle - _REACH * max(top - middle, 1e-6)
    inside = [end for line in lines if line.score >= floor for end in line.score_interval if end >= floor]
    bottom = min([*inside, *(score for score in scores if score >= floor)])
    room = 0.06 * max(top - bottom, 1e-6)
    return bottom - room, top + room


def _named(line: Line, low: float) -> str:
    """Return rank and name, with the score of one that is drawn at the lower edge."""
    name = f"{'?' if line.rank is None else line.rank} {line.name}".replace("$", r"\$")
    return name if line.score >= low else f"{name} ({number(line.score)})"
