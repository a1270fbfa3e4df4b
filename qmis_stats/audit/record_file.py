"""The exposure of each record of an audit, as a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qmis_stats.errors import no_file
from qmis_stats.reporting.frame_file import check_frame_file, write_frame

if TYPE_CHECKING:
    from qmis_stats.audit.audit_result import AuditResult

__all__ = ["write_records"]


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
    check_frame_file("path", file)
    frame = result.records()
    try:
        write_frame(frame, file)
    except OSError as error:
        raise no_file("path", file, "written", error.strerror or error) from None
    return file
