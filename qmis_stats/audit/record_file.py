"""The exposure of each record of an audit, as a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qmis_stats.errors import InputError, MissingExtraError, no_file

if TYPE_CHECKING:
    from qmis_stats.audit.results import AuditResult

__all__ = ["SUFFIXES", "write_records"]

SUFFIXES = (".csv", ".parquet")
"""Endings of the names of files that can be written."""


def write_records(result: AuditResult, path: str | os.PathLike[str]) -> Path:
    """Write the exposure of each training record under each release; the file appears whole or not at all.

    Parameters
    ----------
    result : AuditResult
        Whose leak theory knows.
    path : path
        Ends with ``.csv`` or ``.parquet`` (extra ``parquet``).

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If theory has no leak, or the file cannot be written.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise InputError("path", str(file), f"one whose name ends with {' or '.join(SUFFIXES)}")
    frame = result.records()
    part = file.with_name(f".{file.name}.part")
    try:
        if file.suffix.lower() == ".csv":
            frame.to_csv(part, index=False)
        else:
            frame.to_parquet(part, index=False)
        part.replace(file)
    except ImportError:
        raise MissingExtraError("pyarrow", "to write Parquet files", "parquet") from None
    except OSError as error:
        part.unlink(missing_ok=True)
        raise no_file("path", file, "written", error.strerror or error) from None
    return file
