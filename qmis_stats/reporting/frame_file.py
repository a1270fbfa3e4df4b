"""Tables as CSV or Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qmis_stats.errors import InputError, extra_module
from qmis_stats.whole_files import whole_file

__all__ = ["SUFFIXES", "check_frame_file", "write_frame"]

SUFFIXES = (".csv", ".parquet")
"""Endings of the names of files that can be written."""


def check_frame_file(field: str, path: Path) -> None:
    """Refuse a file whose kind cannot be written, before the work is done.

    Parameters
    ----------
    field : str
        What messages call it.
    path : Path
        The file.

    Raises
    ------
    InputError
        If the name ends with neither ``.csv`` nor ``.parquet``.
    MissingExtraError
        If Parquet is asked for without pyarrow.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(field, str(path), f"a file whose name ends with {' or '.join(SUFFIXES)}")
    if path.suffix.lower() == ".parquet":
        extra_module("pyarrow", "to write Parquet", "parquet")


def write_frame(frame: Any, path: Path) -> None:
    """Write a pandas table to a ``.csv`` or ``.parquet`` file, whole or not at all."""
    with whole_file(path) as part:
        if path.suffix.lower() == ".csv":
            frame.to_csv(part, index=False)
        else:
            frame.to_parquet(part, index=False)
