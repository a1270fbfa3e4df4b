"""Who leaks most, in the table of an audit and in words: only what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qmis_stats.audit.quantizers import IDENTITY, release_name
from qmis_stats.audit.subgroups import Subgroups, family_level
from qmis_stats.audit.wording import interval, listed, metric_name, narrow, number
from qmis_stats.leak.groups import FEWEST_RECORDS
from qmis_stats.reporting.tables import Table

if TYPE_CHECKING:
    from qmis_stats.audit.answer import Answer
    from qmis_stats.audit.audit_result import AuditResult

__all__ = ["GroupLine", "group_legend", "group_lines", "group_table", "shown_releases", "who_leaks_most"]

_SHOWN = 3
Ends = tuple[float, float]


@dataclass(frozen=True)
class GroupLine:
    """One group under one release.

    Attributes
    ----------
    column, group, release : str
        Which.
    records : int
        Those that the leak is of.
    delta, difference : float or None
        Δ within the group, and how much more the group leaks than the rest; ``None`` where the group is too small, or
        its leak is not known.
    interval, difference_interval : (float, float) or None
        Together for all groups of all columns and all releases.
    score : float or None
        Accuracy, or mean absolute error, on the evaluation points of the group.
    score_interval : (float, float) or None
        Together for all groups of all columns under the release.
    """

    column: str
    group: str
    release: str
    records: int
    delta: float | None = None
    interval: Ends | None = None
    difference: float | None = None
    difference_interval: Ends | None = None
    score: float | None = None
    score_interval: Ends | None = None

    @property
    def name(self) -> str:
        """Column and group."""
        return f"{self.column} = {self.group}"


def shown_releases(found: Answer) -> tuple[str, ...]:
    """Return the releases that groups are shown of: the first candidate where there is one, and no quantization."""
    return (IDENTITY, *found.candidates[:1])


def group_lines(result: AuditResult, releases: Sequence[str], level: float = 0.95) -> tuple[GroupLine, ...]:
    """Return the groups of each column under some releases.

    Parameters
    ----------
    result : AuditResult
        From :func:`~qmis_stats.audit.algorithm.audit`.
    releases : sequence of str
        Quantizers and ``"identity"``.
    level : float
        For all that is returned together.
    """
    each = family_level(result.groups, level)
    return tuple(line for release in releases for column in result.groups for line in _lines_of(column, release, each))


def _lines_of(column: Subgroups, release: str, level: float) -> list[GroupLine]:
    leaks = column.leaks
    frame = {} if leaks is None or not leaks.groups else leaks.to_frame(level).to_dict("index")
    lines = []
    for group in column.groups:
        row, score = frame.get((group, release)), column.score(group, release, level)
        compared = row is not None and row["difference"] == row["difference"]
        lines.append(
            GroupLine(
                column=column.name,
                group=group,
                release=release,
                records=int(np.sum(column.labels == group)),
                delta=None if row is None else float(row["delta"]),
                interval=None if row is None else (float(row["delta_low"]), float(row["delta_high"])),
                difference=float(row["difference"]) if row is not None and compared else None,
                difference_interval=(float(row["difference_low"]), float(row["difference_high"]))
                if row is not None and compared
                else None,
                score=None if score is None else score[0],
                score_interval=None if score is None else score[1:],
            )
        )
    return lines


def group_table(result: AuditResult, releases: Sequence[str], level: float = 0.95) -> Table:
    """Return what leaks of each group under some releases, and how well it is predicted; arguments as before."""
    leaks = ("Δ", "low", "high", "more", "low", "high") if result.groups[0].leak is not None else ()
    rows: list[tuple[str, ...]] = []
    release = ""
    for line in group_lines(result, releases, level):
        if line.release != release:
            release = line.release
            rows.append((release_name(release), *[""] * (len(leaks) + 4)))
        told = [(line.delta, line.interval), (line.difference, line.difference_interval)] if leaks else []
        cells: list[str] = []
        for value, ends in (*told, (line.score, line.score_interval)):
            cells += ["-", "", ""] if value is None or ends is None else map(narrow, (value, *ends))
        rows.append((line.name, str(line.records), *cells))
    caption = f"Who leaks most: {100.0 * level:g} % intervals, all groups together"
    return Table(caption, ("group", "rows", *leaks, "score", "low", "high"), rows)


def group_legend(result: AuditResult) -> str:
    """Return what the columns of the table mean."""
    leak, metric = result.groups[0].leak, metric_name(result.groups[0].metric)
    measured = leak is not None and leak.measured
    rows, what = ("the pool of the attacks", "2·AUC − 1") if measured else ("training records", "Δ")
    more = f"more: {what} less that of the rest, by column; " if leak is not None else ""
    return f"rows: {rows}; {more}score: {metric} of the held out; -: too small a group, or not known"


def who_leaks_most(result: AuditResult, lines: Sequence[GroupLine]) -> str:
    """Return which groups are shown to leak more than the rest, under each release, and which are too small to tell.

    Parameters
    ----------
    result : AuditResult
        Of which the lines are, with groups.
    lines : sequence of GroupLine
        From :func:`group_lines`.
    """
    leak = result.groups[0].leak
    if leak is None:
        return "What each group leaks is not known: theory has no answer, and no attacks have measured it."
    parts = []
    for release in dict.fromkeys(line.release for line in lines):
        where = "Without quantization" if release == IDENTITY else f"Under {release_name(release)}"
        here = [line for line in lines if line.release == release]
        told = [
            (line, line.difference, line.difference_interval)
            for line in here
            if line.difference is not None and line.difference_interval is not None
        ]
        more = sorted((one for one in told if one[2][0] > 0.0), key=lambda one: -one[1])
        if not leak.in_domain[leak.names.index(release)]:
            parts.append(f"{where} the theory is outside of its domain.")
        elif not told:
            parts.append(f"{where} no two groups are large enough to be compared.")
        elif more:
            named = [f"{line.name} (by {number(gap)} {interval(ends)})" for line, gap, ends in more]
            parts.append(f"{where} more leaks from {listed(named, _SHOWN)} than from the rest.")
        else:
            parts.append(f"{where} no difference between groups is shown.")
    first = lines[0].release if lines else IDENTITY
    small = [f"{line.name} ({line.records})" for line in lines if line.release == first and line.delta is None]
    if small:
        few = f"{'rows for attacks' if leak.measured else 'training records'}, fewer than {FEWEST_RECORDS}"
        parts.append(f"Too few {few} or not independent: {listed(small)}.")
    return " ".join(parts)
