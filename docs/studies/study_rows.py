"""Rows of a study: six digits in text, a CSV whose bytes follow from them, and how close a form is to an attack."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def six_digits(rows: Iterable[Mapping[str, object]]) -> list[dict[str, str]]:
    """Return rows as the texts that a file has."""
    return [{k: f"{v:.6g}" if isinstance(v, float) else str(v) for k, v in row.items()} for row in rows]


def write_rows(path: Path, fields: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a CSV; entries that a row does not have are empty."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fields, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def how_close(gaps: Sequence[tuple[float, float]]) -> str:
    """Return a sentence on differences in area, each with that in standard errors."""
    return (
        f"Over the {len(gaps)} rows inside the domain the largest difference in area is "
        f"{max(gap for gap, _ in gaps):.4f}; {sum(z <= 3.0 for _, z in gaps)} of them are within 3 standard errors."
    )
