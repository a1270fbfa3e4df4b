"""Matplotlib figures as inline SVG: the same bytes for the same data, texts as text, legible on light and on dark."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["COLOURS", "INK", "MARKERS", "STYLE", "add_fonts", "axes_or_new", "inline_svg", "outer_legend", "ring"]

COLOURS = ("#2f6fde", "#d9622b", "#1f9d6b", "#a04fc4", "#ad8324", "#c23b5a", "#4a8fa8", "#7b6f63")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK = "#808591"
"""Colour of texts and axes. In a page it becomes the colour of the page's own text, which follows the screen."""

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "qmis_stats",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.18,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
}
"""Settings under which the figures of a page are drawn: ``with matplotlib.rc_context(STYLE)``."""


def add_fonts() -> None:
    """Let Matplotlib find the fonts that it ships: its list of fonts is kept per user, and may be another version's.

    Examples
    --------
    >>> add_fonts()
    """
    from matplotlib import get_data_path
    from matplotlib.font_manager import fontManager

    known = {font.fname for font in fontManager.ttflist}
    for file in sorted(Path(get_data_path(), "fonts", "ttf").glob("*.ttf")):
        if str(file) not in known:
            fontManager.addfont(file)


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes, or those of a new figure of this size in inches, which notebooks show by themselves.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> given = Figure().add_subplot()
    >>> axes_or_new(given, 6.4, 4.0) is given
    True
    """
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height), layout="constrained").add_subplot()


def outer_legend(ax: Axes) -> None:
    """Put a legend below axes that have a figure with constrained layout to themselves, and above others.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> left, right = Figure().subplots(1, 2)
    >>> for axes in (left, right):
    ...     _ = axes.plot([1, 2], label="law")
    >>> outer_legend(left)
    >>> len(left.get_legend().get_texts())
    1
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    style: dict[str, Any] = {"frameon": False, "fontsize": "small"}
    if len(ax.figure.axes) == 1 and isinstance(ax.figure.get_layout_engine(), ConstrainedLayoutEngine):
        ax.figure.legend(loc="outside lower center", ncols=3, **style)
    else:  # a figure's legend would name what other axes hold, and lie upon the names of their scales
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, **style)


def ring(ax: Axes, x: ArrayLike, y: ArrayLike) -> None:
    """Put a ring around points that are outside the domain of their method, and say so once in the legend.

    Parameters
    ----------
    ax : matplotlib axes
        Where the points are.
    x, y : array_like, shape (k,)
        The points; without any nothing is drawn.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot()
    >>> for n in (5, 6):
    ...     ring(axes, [n], [-1.0])
    >>> axes.get_legend_handles_labels()[1]
    ['outside its domain']
    """
    if np.size(x) == 0:
        return
    label = "outside its domain"
    known = label in ax.get_legend_handles_labels()[1]
    style: dict[str, Any] = {
        "marker": "o",
        "markersize": 10.0,
        "markerfacecolor": "none",
        "color": INK,
        "linestyle": "none",
    }
    ax.plot(x, y, **style, label="_nolegend_" if known else label)


def inline_svg(figure: Figure, name: str, alt: str) -> Markup:
    """Return a figure as an ``<svg>`` element with its texts as text.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn under ``STYLE``.
    name : str
        Prefix of the element's identifiers, so that several figures can share a page.
    alt : str
        What the figure shows, for those who do not see it.

    Examples
    --------
    >>> import matplotlib
    >>> from matplotlib.figure import Figure
    >>> with matplotlib.rc_context(STYLE):
    ...     figure = Figure()
    ...     _ = figure.add_subplot().plot([1, 2])
    ...     text = inline_svg(figure, "rise", "x < y")
    >>> text[:60]
    Markup('<svg role="img" aria-labelledby="rise-alt" viewBox="0 0 460.')
    >>> '<title id="rise-alt">x &lt; y</title>' in text
    True
    """
    import matplotlib as mpl

    add_fonts()
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"\bid=\"", f'id="{name}-', body).replace(INK, "currentColor")
    body = re.sub(r'(xlink:href="|href="|url\()#', rf"\1#{name}-", body)
    # Inside HTML the namespaces are implied; without them the page names no address at all.
    body = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", body).replace("xlink:href", "href")
    body = re.sub(r'\s(width|height)="[\d.]+pt"', "", body, count=2)
    return Markup(
        body.replace("<svg", f'<svg role="img" aria-labelledby="{name}-alt"', 1).replace(
            ">", f'><title id="{name}-alt">{escape(alt)}</title>', 1
        )
    )
