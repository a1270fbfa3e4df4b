"""What a store says of the file last swept: how far its cells are, what varies among them, and their series in n."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qmis_stats.json_values import json_ready
from qmis_stats.results import CONFIDENCE_LEVEL
from qmis_stats.sweep.cell import Entry, spelt
from qmis_stats.sweep.database import Store

__all__ = ["LARGEST_TABLE", "Series", "Summary", "SweptCell", "summarize"]

LARGEST_TABLE = 500
"""Most entries of a list in a report; whole tables are exported."""

_LEFT_OUT = ("key", "specification", "rule")


@dataclass(frozen=True)
class SweptCell:
    """A cell of the file last swept.

    Attributes
    ----------
    key : str
        SHA-256 of the specification.
    specification : str
        Canonical JSON.
    entries : mapping from str to str, int or float
        Law, procedure and run by dotted names; what a specification leaves out is missing.
    state : str
        ``"done"``, ``"refused"`` or ``"open"``.
    target : float or None
        Relative standard error that was wanted of a finished cell.
    result : mapping
        Result columns and seconds.
    """

    key: str
    specification: str
    entries: Mapping[str, Entry]
    state: str
    target: float | None
    result: Mapping[str, Any]

    @property
    def met(self) -> bool | None:
        """Whether the target is met; ``None`` without a target or without a standard error."""
        error = self.result["std_error"]
        if self.state != "done" or self.target is None or error is None:
            return None
        return bool(error <= self.target)

    @property
    def shown_in_plots(self) -> bool:
        """Whether a plot shows the result: Δ is not 0."""
        return self.state == "done" and self.log_delta is not None and math.isfinite(self.log_delta)

    @property
    def log_delta(self) -> float | None:
        """Natural logarithm of Δ."""
        value: float | None = self.result["log_delta"]
        return value

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of ``log_delta``; ``None`` for deterministic methods."""
        low, high = self.result["ci_low"], self.result["ci_high"]
        return None if low is None or high is None else (low, high)


@dataclass(frozen=True)
class Series:
    """Cells that differ in n, and in what changes with n, alone."""

    entries: Mapping[str, Entry | None]
    cells: tuple[SweptCell, ...]

    @property
    def points(self) -> list[SweptCell]:
        """The cells that a plot shows, by n."""
        return sorted((cell for cell in self.cells if cell.shown_in_plots), key=lambda cell: int(cell.entries["run.n"]))


@dataclass(frozen=True)
class Summary:
    """The cells of the file last swept, and the sessions of its store.

    Attributes
    ----------
    name : str
        Of the store's file.
    cells : tuple of SweptCell
        In the order of the file.
    sessions : int
        How often a sweep was started on the store.
    wall_seconds : float
        Of all sessions together.
    """

    name: str
    cells: tuple[SweptCell, ...]
    sessions: int
    wall_seconds: float

    def of(self, state: str) -> list[SweptCell]:
        """Return the cells of a state."""
        return [cell for cell in self.cells if cell.state == state]

    @cached_property
    def values(self) -> dict[str, list[Entry | None]]:
        """The values of each entry over the cells, in their order; ``None`` where it is not given."""
        names = dict.fromkeys(name for cell in self.cells for name in cell.entries)
        return {name: list(dict.fromkeys(cell.entries.get(name) for cell in self.cells)) for name in names}

    @property
    def varying(self) -> dict[str, list[Entry | None]]:
        """The entries that have several values."""
        return {name: values for name, values in self.values.items() if len(values) > 1}

    @property
    def fixed(self) -> dict[str, Entry | None]:
        """The entries that are the same in all cells."""
        return {name: values[0] for name, values in self.values.items() if len(values) == 1}

    @cached_property
    def series(self) -> list[Series]:
        """The cells in groups. An entry tells groups apart if some n has several values of it."""
        names = [name for name in self.varying if name != "run.n" and self._splits(name)]
        groups: dict[tuple[Entry | None, ...], list[SweptCell]] = {}
        for cell in self.cells:
            groups.setdefault(tuple(cell.entries.get(name) for name in names), []).append(cell)
        return [Series(dict(zip(names, values, strict=True)), tuple(cells)) for values, cells in groups.items()]

    def _splits(self, name: str) -> bool:
        return len({(cell.entries["run.n"], cell.entries.get(name)) for cell in self.cells}) > len(self.values["run.n"])

    @cached_property
    def versions(self) -> dict[str, str]:
        """The versions that the specifications name; those of one file are the same."""
        versions: dict[str, str] = json.loads(self.cells[0].specification)["versions"] if self.cells else {}
        return versions

    def counts(self) -> dict[str, Any]:
        """Return how far the file is, as JSON-ready data."""
        done = self.of("done")
        decided = [cell.met for cell in done if cell.met is not None]
        return {
            "cells": len(self.cells),
            "done": len(done),
            "open": len(self.of("open")),
            "refused": len(self.of("refused")),
            "outside_domain": sum(not cell.result["in_domain"] for cell in done),
            "targets": sorted({cell.target for cell in done if cell.target is not None}),
            "with_target": len(decided),
            "target_met": sum(decided),
            "replicates": sum(cell.result["replicates"] or 0 for cell in done),
            "blocks": sum(cell.result["blocks"] for cell in done),
            "computing_seconds": sum(cell.result["seconds"] for cell in done),
            "wall_seconds": self.wall_seconds,
            "sessions": self.sessions,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data; lists have at most ``LARGEST_TABLE`` entries, with their whole length beside them."""
        return {
            "store": self.name,
            "level": CONFIDENCE_LEVEL,
            "answer": self.counts(),
            "versions": self.versions,
            "varying": {
                name: {"count": len(values), "values": values[:LARGEST_TABLE]} for name, values in self.varying.items()
            },
            "fixed": self.fixed,
            "series": {
                "count": len(self.series),
                "first": [
                    {"entries": series.entries, "cells": len(series.cells), "points": len(series.points)}
                    for series in self.series[:LARGEST_TABLE]
                ],
            },
            "results": list(self._rows("done")),
            "refused": list(self._rows("refused")),
        }

    def _rows(self, state: str) -> Iterator[dict[str, Any]]:
        for cell in self.of(state)[:LARGEST_TABLE]:
            result = json_ready(cell.result)
            if state == "done":
                result |= {"in_domain": bool(result["in_domain"]), "target": cell.target, "target_met": cell.met}
            else:
                result = {"n": result["n"], "method": result["method"], "refusal": result["refusal"]}
            yield {"key": cell.key, "specification": json.loads(cell.specification), **result}


def summarize(store: Store) -> Summary:
    """Read a summary from a store, also while a sweep writes to it.

    Parameters
    ----------
    store : Store
        It may be open for reading only.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder, "a.sqlite")) as store:
    ...     summarize(store).counts()["cells"]
    0
    """
    return Summary(Path(store.path).name, tuple(_swept(row) for row in store.planned()), *store.sessions())


def _swept(row: Mapping[str, Any]) -> SweptCell:
    state = "open" if row["rule"] is None else "done" if row["refusal"] is None else "refused"
    rule = json.loads(row["rule"] or "null")
    return SweptCell(
        key=row["key"],
        specification=row["specification"],
        entries=spelt(json.loads(row["specification"]), "law", "procedure", "run"),
        state=state,
        target=None if rule is None else rule["relative_error"],
        result={name: value for name, value in row.items() if name not in _LEFT_OUT},
    )
