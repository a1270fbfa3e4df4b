"""The finished cells of a store as a table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qmis_stats.errors import InputError
from qmis_stats.reporting.frame_file import SUFFIXES, check_frame_file, write_frame
from qmis_stats.sweep.cell import spelt
from qmis_stats.sweep.database import OPENED_BY, Store, telling
from qmis_stats.sweep.rows import COLUMNS
from qmis_stats.validation import file_name, instance_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SUFFIXES", "check_export", "export", "to_frame"]


def to_frame(store: Store) -> pd.DataFrame:
    """Return one row a finished cell: entries of its law and procedure, its result, and the seconds it took.

    Entries that are lists are JSON text. Refused cells have no numbers, and the reason in ``refusal``.
    """
    import pandas as pd

    instance_of(Store, "store", store, OPENED_BY)
    with telling(store.path):
        records = [_record(specification, values, seconds) for specification, *values, seconds in store.rows()]
    frame = pd.DataFrame.from_records(records)
    ends = [name for name in (*COLUMNS, "seconds") if name in frame.columns]
    return frame[[name for name in frame.columns if name not in ends] + ends]


def _record(specification: str, values: list[Any], seconds: float) -> dict[str, Any]:
    tables = json.loads(specification)
    result = dict(zip(COLUMNS, values, strict=True))
    result["in_domain"] = bool(result["in_domain"])
    asked = {"requested": tables["run"]["method"], "block_replicates": tables["run"]["replicates"]}
    return {**spelt(tables, "law", "procedure"), **asked, **result, "seconds": seconds}


def check_export(path: Path) -> None:
    """Refuse a table that could not be written, before the work is done.

    Raises
    ------
    InputError
        If the name ends with neither ``.csv`` nor ``.parquet``, or the folder does not exist.
    MissingExtraError
        If Parquet is asked for without pyarrow.
    """
    check_frame_file("export", path)
    if not path.absolute().parent.is_dir():
        raise InputError("export", str(path), "a file in a folder that exists")


def export(store: Store, path: str | os.PathLike[str]) -> None:
    """Write the table of a store to a ``.csv`` or ``.parquet`` file, whole or not at all."""
    file = Path(file_name("path", path))
    check_export(file)
    write_frame(to_frame(store), file)
