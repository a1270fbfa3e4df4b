"""Parquet tables (extra ``parquet``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qmis_stats.audit.room import check_memory
from qmis_stats.errors import InputError, extra_module, no_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_parquet"]


def read_parquet(file: Path) -> pd.DataFrame:
    """Return the table of a Parquet file.

    Raises
    ------
    InputError
        If it cannot be read, or does not fit in memory.
    MissingExtraError
        If pyarrow is not installed.
    """
    pyarrow = extra_module("pyarrow", "to read Parquet files", "parquet")
    from pyarrow import parquet

    try:
        meta = parquet.read_metadata(file)
        check_memory(file, meta.num_rows, meta.num_columns)
        table = parquet.read_table(file)
        table.validate(full=True)  # text that is no UTF-8 would be found by whoever uses it
        # Its own types only: what another program wrote about indices and Python objects is not followed.
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        return frame
    except OSError as error:
        raise no_file("file", file, "read", error.strerror or error) from None
    except pyarrow.ArrowException as error:
        raise InputError("file", str(file), f"a Parquet file ({' '.join(str(error).split())})") from None
    except ValueError as error:  # repeated names of columns
        raise InputError("file", str(file), f"a Parquet table ({' '.join(str(error).split())})") from None
