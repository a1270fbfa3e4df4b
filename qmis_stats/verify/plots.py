"""Draw a plot's data as inline SVG; nothing is computed here."""

from __future__ import annotations

import io
import re
from typing import Any

from qmis_stats.verify.evidence import Plot, Series

__all__ = ["svg"]

_COLOURS = ("#2f6fde", "#d9622b", "#1f9d6b", "#a04fc4", "#c2952a", "#c23b5a", "#4a8fa8", "#7b6f63")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LARGEST_MARKER, _SMALLEST_MARKER = 8.0, 3.5
_INK = "#808591"
"""Readable on a light and on a dark background."""

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "qmis_stats",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _INK,
    "grid.alpha": 0.18,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
}


def svg(plot: Plot, name: str) -> str:
    """Return the plot as an ``<svg>`` element with its texts as text, the same bytes for the same data.

    Parameters
    ----------
    plot : Plot
        What to draw.
    name : str
        Prefix of the element's identifiers, so that several figures can share a page.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 3.9), layout="constrained")
        axes = figure.add_subplot()
        colours = iter(_COLOURS * 3)
        markers = iter(_MARKERS * 3)
        drawn = [series for series in plot.series if len(series.x) > 0]
        for i, series in enumerate(drawn):
            # Later points are smaller, so that coinciding ones stay visible.
            size = max(_LARGEST_MARKER - i, _SMALLEST_MARKER)
            _draw(axes, series, next(colours), next(markers), size)
        if plot.x_log:
            axes.set_xscale("log")
        if plot.y_log:
            axes.set_yscale("log")
        axes.set_xlabel(plot.x_label)
        axes.set_ylabel(plot.y_label)
        if len(plot.series) > 3:
            figure.legend(loc="outside lower center", ncols=2)
        else:
            axes.legend()
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), name, plot)


def _draw(axes: object, series: Series, colour: str, marker: str, size: float) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    if series.style == "reference":
        axes.plot(series.x, series.y, linestyle=(0, (5, 3)), linewidth=1.2, color=_INK, label=series.label)
    elif series.style == "line":
        axes.plot(series.x, series.y, linewidth=1.8, color=colour, label=series.label)
    else:
        axes.errorbar(
            series.x,
            series.y,
            yerr=series.error,
            linestyle="none",
            marker=marker,
            markersize=size,
            markeredgewidth=0.0,
            elinewidth=1.0,
            color=colour,
            label=series.label,
        )


def _inline(text: str, name: str, plot: Plot) -> str:
    """Cut the XML prologue, scope identifiers to this figure and add an accessible name."""
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(xlink:href="|href="|url\()#', rf"\1#{name}-", body)
    # Inside HTML the namespaces are implied; without them the page names no address at all.
    body = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", body).replace("xlink:href", "href")
    body = re.sub(r'\s(width|height)="[\d.]+pt"', "", body, count=2)
    return body.replace("<svg", f'<svg role="img" aria-labelledby="{name}-alt"', 1).replace(
        ">", f'><title id="{name}-alt">{_escape(plot.alt)}</title>', 1
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
