"""The table of the study: one number per row."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from study_rows import read_rows

PARTS = ("order", "records", "attacks")


class Row(NamedTuple):
    """One number: of which part, setting or data set, and quantizer, what it is, and its error where it has one."""

    part: str
    set: str
    quantizer: str
    figure: str
    value: float
    error: float = float("nan")


def load(path: Path) -> list[Row]:
    """Return the rows of a file; none if there is no file."""
    if not path.exists():
        return []
    return [
        Row(*(row[key] for key in Row._fields[:4]), float(row["value"]), float(row["error"] or "nan"))
        for row in read_rows(path)
    ]


def save(path: Path, rows: Iterable[Row]) -> None:
    """Write rows with six significant digits, parts in their order."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Row._fields)
        for row in sorted(rows, key=lambda row: PARTS.index(row.part)):
            error = "" if row.error != row.error else f"{row.error:.6g}"
            writer.writerow((*row[:4], f"{row.value:.6g}", error))
