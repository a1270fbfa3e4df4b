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


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def grouped(rows: Iterable[dict[str, str]], key: str) -> dict[str, list[dict[str, str]]]:
    """Return rows by an entry, in the order in which its values come."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def with_scores(rows: Iterable[dict[str, str]]) -> list[dict[str, object]]:
    """Return rows with z: attack less closed form in standard errors, where the closed form has an area."""
    return [
        row | {"z": (float(row["attack"]) - float(row["area"])) / float(row["attack_error"]) if row["area"] else None}
        for row in rows
    ]


def how_close(rows: Iterable[Mapping[str, object]]) -> str:
    """Return a sentence on differences in AUC inside the domain."""
    inside = [row for row in rows if row["in_domain"] == "True"]
    largest = max(abs(float(row["attack"]) - float(row["area"])) for row in inside)
    return (
        f"Over the {len(inside)} rows inside the domain the largest difference in AUC is "
        f"{largest:.4f}; {sum(abs(row['z']) <= 3.0 for row in inside)} of them are within 3 standard errors."
    )
