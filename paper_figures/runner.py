"""From a recipe to three files: the numbers as CSV, and the figure drawn from that CSV as PDF and PNG."""

from __future__ import annotations

import platform
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from paper_figures import FIGURES
from paper_figures.studies import STUDIES
from qmis_stats import __version__
from qmis_stats.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Recipe", "make", "read", "recipe", "save", "write"]

_PACKAGES = ("numpy", "scipy", "numba")
_DIGITS = "%.10g"


class Recipe(Protocol):
    """What a module of a figure offers."""

    SIZE: tuple[float, float]
    """Width and height in inches."""

    ORIGIN: str
    """The seed, or the study that the numbers come from."""

    def compute(self, quick: bool) -> pd.DataFrame:
        """Return the numbers of the figure, a row per point."""

    def draw(self, frame: pd.DataFrame, figure: Figure) -> None:
        """Draw the numbers and compute nothing."""


def recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises
    ------
    InputError
        If there is none of this name.

    Examples
    --------
    >>> recipe("uniformity").ORIGIN
    'deterministic'
    """
    if name not in FIGURES:
        raise InputError("figure", name, f"one of {', '.join(FIGURES)}{did_you_mean(name, FIGURES)}")
    return cast(Recipe, import_module(f"paper_figures.{name}"))


def make(name: str, folder: Path, quick: bool) -> list[Path]:
    """Compute and draw one figure; return the files written, NAME.csv, NAME.pdf and NAME.png.

    Raises
    ------
    InputError
        If there is no figure of this name.
    MissingStudyError
        If it shows a committed study that is not in this installation.
    """
    numbers = write(name, folder, quick)
    pdf, png = numbers.with_suffix(".pdf"), numbers.with_suffix(".png")
    frame = read(numbers)
    save(name, frame, pdf, metadata={"CreationDate": None})
    save(name, frame, png, metadata={"Software": None})
    return [numbers, pdf, png]


def write(name: str, folder: Path, quick: bool) -> Path:
    """Compute the numbers of a figure and write them below two lines on their origin; the same bytes every time."""
    chosen = recipe(name)
    if folder.resolve() == STUDIES:
        raise InputError("--out", str(folder), "another folder: this one holds the studies that figures are made of")
    frame = chosen.compute(quick)
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# qmis figures {name}{' --quick' if quick else ''}\n")
        file.write(f"# {chosen.ORIGIN}; qmis_stats {__version__}, {versions}, Python {platform.python_version()}\n")
        frame.to_csv(file, index=False, float_format=_DIGITS, lineterminator="\n")
    return path


def read(path: Path) -> pd.DataFrame:
    """Return the numbers of a CSV that :func:`write` wrote."""
    import pandas as pd

    return pd.read_csv(path, comment="#")


def save(name: str, frame: pd.DataFrame, target: Path | BinaryIO, **options: Any) -> None:
    """Draw a figure in the shared style into a file; ``options`` are those of ``Figure.savefig``."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from paper_figures.style import RC
    from qmis_stats.reporting.figures import add_fonts

    chosen = recipe(name)
    add_fonts()
    with mpl.rc_context(RC):
        figure = Figure(figsize=chosen.SIZE)
        chosen.draw(frame, figure)
        figure.savefig(target, **options)
