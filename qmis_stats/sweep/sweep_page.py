"""The report of a sweep: one self-contained page that answers first, and the same as JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from qmis_stats.json_values import json_text
from qmis_stats.reporting.decay_plot import DecayPoint, decay_plot
from qmis_stats.reporting.figures import COLOURS, STYLE, inline_svg
from qmis_stats.reporting.pages import render_page, write_files
from qmis_stats.reporting.tables import Table, shown
from qmis_stats.results import CONFIDENCE_LEVEL
from qmis_stats.sweep.cell import Entry
from qmis_stats.sweep.database import OPENED_BY, Store, telling
from qmis_stats.sweep.summary import LARGEST_TABLE, Series, Summary, SweptCell, summarize
from qmis_stats.validation import instance_of

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["DRAWN_POINTS", "DRAWN_SERIES", "report_html", "write_report"]

DRAWN_SERIES = 8
"""Most series of the plot."""

DRAWN_POINTS = 100
"""Most points of a series; of longer ones every second, third, ... is drawn."""

_DIGEST = 12
_PLACE = ("Key", "Entries", "Method", "n")
_SHOWN_VALUES = 12
_LONGEST_VALUE, _LONGEST_LABEL, _LONGEST_SPECIFICATION = 60, 60, 2000
_PERCENT = f"{100.0 * CONFIDENCE_LEVEL:g} %"


def report_html(summary: Summary) -> str:
    """Return the page; it needs no network and no script.

    Parameters
    ----------
    summary : Summary
        From :func:`~qmis_stats.sweep.summary.summarize`.

    Examples
    --------
    >>> "no cells" in report_html(Summary("a.sqlite", (), 0, 0.0))
    True
    """
    counts = summary.counts()
    drawn = dict(islice(((i, s) for i, s in enumerate(summary.series, 1) if s.points), DRAWN_SERIES))
    return render_page(
        "qmis_stats.sweep",
        "report.html.j2",
        name=summary.name,
        counts=counts,
        replicates=f"{counts['replicates']:,}".replace(",", "\u202f"),
        computing=_duration(counts["computing_seconds"]),
        wall=_duration(counts["wall_seconds"]),
        versions=summary.versions,
        varying=_varying(summary),
        fixed=_fixed(summary),
        plot=_plot(drawn) if drawn else None,
        points=_points(drawn),
        series=_series(summary, drawn),
        series_total=len(summary.series),
        drawn_total=len(drawn),
        thinned=any(len(series.points) > DRAWN_POINTS for series in drawn.values()),
        unseen=counts["done"] - sum(cell.shown_in_plots for cell in summary.cells),
        results=_results(summary),
        refused=_refused(summary),
        specifications=_specifications(summary),
        percent=_PERCENT,
    )


def write_report(store: Store, directory: str | os.PathLike[str]) -> list[Path]:
    """Write ``report.html`` and ``report.json`` into a folder; each appears whole or not at all.

    Parameters
    ----------
    store : Store
        It may be open for reading only, and be written to by a sweep.
    directory : path
        Made when it does not exist.

    Raises
    ------
    InputError
        If the store cannot be read, or the folder cannot be written.
    """
    instance_of(Store, "store", store, OPENED_BY)
    with telling(store.path):
        summary = summarize(store)
        contents = {
            "report.html": report_html(summary),
            "report.json": json_text(summary.to_dict()),
        }
    return write_files(directory, contents)


def _duration(seconds: float) -> str:
    return f"{seconds:.3g}\u00a0s" if seconds < 100.0 else str(timedelta(seconds=round(seconds)))


def _brief(text: str, longest: int = _LONGEST_VALUE) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _value(entry: Entry | None) -> str:
    return _brief(shown(entry).replace(",", ", "))


def _varying(summary: Summary) -> Table:
    rows = []
    for name, values in summary.varying.items():
        first = ", ".join(_value(value) or "not given" for value in values[:_SHOWN_VALUES])
        more = f" and {len(values) - _SHOWN_VALUES} more" if len(values) > _SHOWN_VALUES else ""
        rows.append([name, first + more, str(len(values))])
    return Table("Entries that vary", ("Entry", "Values", "Number"), rows, frozenset({0, 1}))


def _fixed(summary: Summary) -> Table:
    rows = [[name, _value(value)] for name, value in summary.fixed.items()]
    return Table("Entries that are the same in all cells", ("Entry", "Value"), rows, frozenset({0, 1}))


def _label(number: int, series: Series) -> str:
    """Return what the legend calls a series: its number, and in words as many of its entries as there is room for.

    Words stand for themselves; numbers and lists have the name of their entry.
    """
    words = []
    for name, value in series.entries.items():
        if isinstance(value, str) and not value.startswith("["):
            words.append(_value(value))
        elif value is not None:
            words.append(f"{name.rpartition('.')[2]} {_value(value)}")
    return _brief(f"{number}: {', '.join(words) or series.cells[0].result['method']}", _LONGEST_LABEL)


def _drawn_points(series: Series) -> list[SweptCell]:
    points = series.points
    return points[:: -(-len(points) // DRAWN_POINTS)]


def _plot(drawn: Mapping[int, Series]) -> Markup:
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.rcsetup import cycler

    labels = {number: _label(number, series) for number, series in drawn.items()}
    points = [
        DecayPoint(
            labels[number].replace("$", r"\$"),
            cell.result["n"],
            cell.result["log_delta"],
            cell.interval,
            bool(cell.result["in_domain"]),
        )
        for number, series in drawn.items()
        for cell in _drawn_points(series)
    ]
    columns = 2 if len(drawn) > 1 and max(map(len, labels.values())) <= _LONGEST_LABEL // 2 else 1
    with mpl.rc_context({**STYLE, "axes.prop_cycle": cycler(color=COLOURS)}):
        height = 3.6 + 0.2 * -(-len(drawn) // columns)
        figure = Figure(figsize=(5.6, height), layout="constrained")
        axes = decay_plot(points, figure.add_subplot())
        legend = axes.get_legend()
        assert legend is not None
        legend.remove()
        figure.legend(loc="outside lower center", ncols=columns)
        alt = (
            f"Logarithm of Δ against n: {len(drawn)} series, {len(points)} points, with {_PERCENT} intervals. "
            "The table after the plot has all numbers."
        )
        return inline_svg(figure, "decay", alt)


def _points(drawn: Mapping[int, Series]) -> Table:
    ten = math.log(10.0)
    rows = []
    for number, series in drawn.items():
        for cell in _drawn_points(series):
            ends = None if cell.interval is None else (cell.interval[0] / ten, cell.interval[1] / ten)
            place = [str(number), str(cell.result["n"])]
            inside = shown(bool(cell.result["in_domain"]))
            rows.append([*place, shown(cell.result["log_delta"] / ten), _interval(ends), inside])
    return Table(
        "Points of the plot", ("Series", "n", "log₁₀ Δ", f"{_PERCENT} interval", "In domain"), rows, frozenset({4})
    )


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"[{shown(ends[0])}, {shown(ends[1])}]"


def _series(summary: Summary, drawn: Mapping[int, Series]) -> Table:
    first = summary.series[:LARGEST_TABLE]
    names = list(first[0].entries) if first else []
    rows = [
        [
            str(number),
            *(_value(value) for value in series.entries.values()),
            str(len(series.cells)),
            str(len(series.points)),
            shown(number in drawn),
        ]
        for number, series in enumerate(first, 1)
    ]
    columns = ("Series", *names, "Cells", "Points", "Drawn")
    words = frozenset(range(len(columns))) - {len(columns) - 3, len(columns) - 2}
    return Table("All series", columns, rows, words)


def _place(summary: Summary, cell: SweptCell) -> list[str]:
    """Return the first columns of a cell: its key, what it has of the varying entries, its method and n."""
    own = [name for name in summary.varying if name not in ("run.n", "run.method") and name in cell.entries]
    entries = ", ".join(f"{name.partition('.')[2]} {_value(cell.entries[name])}" for name in own)
    return [cell.key[:_DIGEST], entries, cell.result["method"], str(cell.result["n"])]


def _results(summary: Summary) -> Table:
    rows = [
        [
            *_place(summary, cell),
            shown(cell.result["log_delta"]),
            _interval(cell.interval),
            "" if cell.result["std_error"] is None else f"{cell.result['std_error']:.2g}",
            shown((0.0 - cell.result["log_delta"]) / cell.result["n"]),  # Δ = 1 is 0, not −0
            shown(cell.result["replicates"]),
            shown(cell.met),
            shown(bool(cell.result["in_domain"])),
            cell.result["domain"],
        ]
        for cell in summary.of("done")[:LARGEST_TABLE]
    ]
    numbers = ("n", "log Δ", f"{_PERCENT} interval", "Std. error", "−log Δ / n", "Replicates")
    columns = (*_PLACE, *numbers[1:], "Target met", "In domain", "Reason")
    words = [place for place, name in enumerate(columns) if name not in numbers]
    return Table("Cells that are done", columns, rows, frozenset(words))


def _refused(summary: Summary) -> Table:
    rows = [[*_place(summary, cell), cell.result["refusal"]] for cell in summary.of("refused")[:LARGEST_TABLE]]
    return Table("Cells without a result", (*_PLACE, "Reason"), rows, frozenset({0, 1, 2, 4}))


def _specifications(summary: Summary) -> Table:
    rows: list[list[str]] = []
    for state in ("done", "refused"):
        for cell in summary.of(state)[:LARGEST_TABLE]:
            rows.append([cell.key, _brief(cell.specification, _LONGEST_SPECIFICATION)])
    return Table("Keys and specifications", ("Key", "Specification"), rows, frozenset({0, 1}))
