"""What all figures share: sizes, type, and a look for each method and each quantizer.

Colours are those of Okabe and Ito, told apart by colour-blind readers; in grey, markers and dashes tell them apart.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

__all__ = [
    "COLUMN",
    "METHODS",
    "QUANTIZERS",
    "RC",
    "REFERENCE",
    "TEXT",
    "Look",
    "family",
    "label_panels",
    "names_of_families",
    "ring",
    "trade_off",
]

COLUMN = 3.4
"""Width of a column in inches."""

TEXT = 7.0
"""Width of the text in inches."""

RC: dict[Any, Any] = {
    "font.family": ["STIXGeneral", "DejaVu Sans"],
    "mathtext.fontset": "stix",
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.0,
    "errorbar.capsize": 1.5,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}
"""Settings under which every figure is drawn: ``with matplotlib.rc_context(RC)``."""

BLACK, BLUE, SKY, GREEN, ORANGE, RED, PURPLE, GREY = (
    "#000000",
    "#0072B2",
    "#56B4E9",
    "#009E73",
    "#E69F00",
    "#D55E00",
    "#CC79A7",
    "#777777",
)


@dataclass(frozen=True)
class Look:
    """How a method or a quantizer is drawn everywhere.

    Attributes
    ----------
    label : str
        Its name in a legend.
    color, marker : str
        As in Matplotlib; the marker also tells it apart in grey.
    dashes : str or tuple
        Line style of its curve.
    hollow : bool
        Whether markers are only outlined.
    """

    label: str
    color: str
    marker: str
    dashes: Any = "-"
    hollow: bool = False

    def line(self) -> dict[str, Any]:
        """Return the arguments of ``plot`` for a curve."""
        return {"color": self.color, "linestyle": self.dashes}

    def points(self) -> dict[str, Any]:
        """Return the arguments of ``plot`` and ``errorbar`` for points."""
        face = "white" if self.hollow else self.color
        return {
            "color": self.color,
            "marker": self.marker,
            "markerfacecolor": face,
            "markeredgewidth": 0.8,
            "linestyle": "none",
        }

    def both(self) -> dict[str, Any]:
        """Return the arguments for points joined by the curve's dashes."""
        return {**self.points(), "linestyle": self.dashes}


_DASH, _DOT, _DASHDOT, _LONG, _FINE = (0, (4, 2)), (0, (1, 1.3)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (2, 1))

METHODS = {
    "exact": Look("exact", BLACK, "o", hollow=True),
    "sharp": Look("sharp form", BLUE, "D"),
    "critical": Look("critical form", ORANGE, "^", _DASH),
    "tilted": Look("tilted simulation", RED, "x"),
    "crude": Look("crude simulation", GREEN, "s", hollow=True),
}

QUANTIZERS = {
    "identity": Look("not quantized", BLACK, "o"),
    "lloyd-max-4": Look("4 bits", BLUE, "D", _LONG),
    "lloyd-max-3": Look("3 bits", SKY, "v", _DASHDOT, hollow=True),
    "lloyd-max-2": Look("2 bits", GREEN, "^", _DASH),
    "sparse-33": Look("ternary, 33 % zeros", ORANGE, "P", _FINE),
    "sign": Look("sign", PURPLE, "s", "-", hollow=True),
    "sparse-90": Look("ternary, 90 % zeros", RED, "X", _DOT),
}
"""Quantizers under the names of ``qmis audit``."""

REFERENCE = "identity"

_FAMILIES = {
    "identity": QUANTIZERS["identity"],
    "sign": Look("one bit", PURPLE, "s", hollow=True),
    "ternary": Look("ternary", RED, "X"),
    "uniform": Look("uniform levels", BLUE, "D"),
    "codebook": Look("adapted levels", GREEN, "^"),
}
_FAMILY_OF = {"sparse": "ternary", "twn": "ternary", "lloyd": "codebook", "kmeans": "codebook"}
_FAMILY_OF |= {"nf4": "codebook", "log2": "codebook"}


def family(quantizer: str) -> Look:
    """Return the look of a quantizer's family, for figures with more quantizers than colours.

    Examples
    --------
    >>> family("sparse-50").label, family("kmeans-3").label
    ('ternary', 'adapted levels')
    """
    first = quantizer.split("-")[0]
    return _FAMILIES[_FAMILY_OF.get(first, first)]


def trade_off(ax: Axes, rows: pd.DataFrame, x: str, y: str, named: Sequence[str], shift: tuple[int, int]) -> None:
    """Draw quantizers at (x, y) with the intervals of both, and the reference as a line with a band.

    Names of some are written beside their marks, moved by ``shift`` points.
    """
    for row in rows.to_dict("records"):
        low, value, high = (row[f"{y}{end}"] for end in ("_low", "", "_high"))
        if row["quantizer"] == REFERENCE:
            ax.axhspan(low, high, color="0.9", linewidth=0.0, zorder=0)
            ax.axhline(value, color=BLACK, linewidth=0.8, zorder=1)
            continue
        left, place, right = (row[f"{x}{end}"] for end in ("_low", "", "_high"))
        xerr, yerr = [[place - left], [right - place]], [[value - low], [high - value]]
        ax.errorbar(place, value, yerr, xerr, **family(row["quantizer"]).points(), elinewidth=0.5)
        if row["quantizer"] in named:
            beside: dict[str, Any] = {
                "xytext": shift,
                "textcoords": "offset points",
                "ha": "right" if shift[0] < 0 else "left",
            }
            label = ax.annotate(row["quantizer"], (place, value), **beside, fontsize=6.5, zorder=5)
            label.set_in_layout(False)
            label.set_path_effects([withStroke(linewidth=1.5, foreground="white")])


def names_of_families(figure: Figure, quantizers: Iterable[str]) -> None:
    """Put a legend of the families of these quantizers below the panels."""
    looks = dict.fromkeys(family(name) for name in quantizers if name != REFERENCE)
    handles = [Line2D([], [], **look.points(), label=look.label) for look in looks]
    if REFERENCE in set(quantizers):
        handles.append(Line2D([], [], color=BLACK, linewidth=0.8, label=QUANTIZERS[REFERENCE].label))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def ring(ax: Axes, x: Any, y: Any) -> None:
    """Put a ring around points that are outside the domain of their method."""
    ax.plot(x, y, marker="o", markersize=8.0, markerfacecolor="none", color="0.4", linestyle="none")


def label_panels(axes: list[Axes]) -> None:
    """Put (a), (b), ... at the top left of each panel."""
    for letter, ax in zip(string.ascii_lowercase, axes, strict=False):
        title = ax.get_title()
        ax.set_title("")
        ax.set_title(f"({letter}) {title}".rstrip(), loc="left")
