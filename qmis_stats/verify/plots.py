"""Draw a plot's data as inline SVG; nothing is computed here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qmis_stats.reporting.figures import COLOURS, INK, MARKERS, STYLE, inline_svg
from qmis_stats.reporting.tables import Table, shown
from qmis_stats.verify.evidence import Plot, Series

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axis import Axis

__all__ = ["numbers", "svg"]

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LARGEST_MARKER, _SMALLEST_MARKER = 8.0, 3.5


def svg(plot: Plot, name: str) -> Markup:
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

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.9), layout="constrained")
        axes = figure.add_subplot()
        colours = iter(COLOURS * 3)
        markers = iter(MARKERS * 3)
        drawn = [series for series in plot.series if len(series.x) > 0]
        for i, series in enumerate(drawn):
            # Later points are smaller, so that coinciding ones stay visible.
            size = max(_LARGEST_MARKER - i, _SMALLEST_MARKER)
            _draw(axes, series, next(colours), next(markers), size)
        if plot.x_log:
            axes.set_xscale("log")
            _plain_powers(axes.xaxis)
        if plot.y_log:
            axes.set_yscale("log")
            _plain_powers(axes.yaxis)
        axes.set_xlabel(plot.x_label)
        axes.set_ylabel(plot.y_label)
        if len(plot.series) > 3:
            figure.legend(loc="outside lower center", ncols=2)
        else:
            axes.legend()
    return inline_svg(figure, name, plot.alt)


def numbers(plot: Plot) -> Table:
    """Return what the plot shows as a table: a row per point.

    Parameters
    ----------
    plot : Plot
        As for :func:`svg`.
    """
    errors = any(series.error is not None for series in plot.series)
    rows = []
    for series in plot.series:
        for i, point in enumerate(zip(series.x, series.y, strict=True)):
            row = [series.label, *(shown(float(value)) for value in point)]
            rows.append([*row, "" if series.error is None else shown(float(series.error[i]))] if errors else row)
    columns = ["series", plot.x_label, plot.y_label, *["standard error"] * errors]
    return Table(plot.title, columns, rows)


def _plain_powers(axis: Axis) -> None:
    """Label a logarithmic axis with 10⁻³ in plain text: what Matplotlib sets as a formula takes a third of the time."""
    from matplotlib.ticker import LogFormatterSciNotation

    class Plain(LogFormatterSciNotation):
        def __call__(self, x: float, pos: int | None = None) -> str:
            text = super().__call__(x, pos).replace(r"$\mathdefault{", "").replace("}$", "").replace(r"\times", " · ")
            return re.sub(r"\^\{(-?\d+)\}", lambda power: power[1].translate(_RAISED), text)

    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(Plain())


def _draw(axes: object, series: Series, colour: str, marker: str, size: float) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    if series.style == "reference":
        axes.plot(series.x, series.y, linestyle=(0, (5, 3)), linewidth=1.2, color=INK, label=series.label)
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
