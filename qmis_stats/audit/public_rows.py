"""Rows of a file with the features of a data set: what quantizers that see data are calibrated on, without a target."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.columns import as_numbers, cleaned
from qmis_stats.audit.data import READ_BY, Dataset, whole_rows
from qmis_stats.audit.molecules import molecules
from qmis_stats.audit.parquet import read_parquet
from qmis_stats.audit.stored_arrays import read_points
from qmis_stats.audit.tables import there
from qmis_stats.audit.text_tables import Dialect, read_text
from qmis_stats.audit.values import numbers
from qmis_stats.audit.wording import listed
from qmis_stats.errors import InputError
from qmis_stats.validation import file_name, instance_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["public_rows"]

_SHOWN = 12


def public_rows(
    path: str | os.PathLike[str],
    data: Dataset,
    *,
    smiles: str | None = None,
    kind: str = "fingerprints",
    missing: str = "refuse",
    missing_values: Sequence[str] = (),
    separator: str | None = None,
    decimal: str = ".",
    header: bool = True,
) -> FloatArray:
    r"""Read rows with the features of a data set; further columns, such as the target, are not looked at.

    Where text is a feature of the data set, a text that the data set does not have is none of its texts.

    Parameters
    ----------
    path : str or path-like
        A file of a kind that :func:`~qmis_stats.audit.tables.load_table` reads; of arrays the only matrix of the file.
    data : Dataset
        Whose features they are.
    smiles, kind, missing, missing_values, separator, decimal, header
        As in :func:`~qmis_stats.audit.tables.load_table`.

    Returns
    -------
    (N, p) ndarray
        For ``audit(..., calibrate=rows)``.

    Raises
    ------
    InputError
        If the file cannot be read, or lacks a feature: the first that it lacks is named.

    Examples
    --------
    >>> import tempfile
    >>> from qmis_stats.audit.data import from_arrays
    >>> data = from_arrays(np.arange(60.0).reshape(30, 2), np.arange(30) % 2, features=["age", "sex=male"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "public.csv")
    ...     _ = file.write_text("sex,age\nmale,41\nfemale,36\n")
    ...     public_rows(file, data).tolist()
    [[41.0, 1.0], [36.0, 0.0]]
    """
    file = there(Path(file_name("path", path)))
    instance_of(Dataset, "data", data, READ_BY)
    dialect = Dialect(separator, decimal, header, missing_values)
    if file.suffix.lower() in (".npy", ".npz"):
        X = numbers(f"{file.name}: rows", read_points(file))
    else:
        if file.suffix.lower() == ".parquet":
            frame = read_parquet(file)
        else:
            frame, _ = read_text(file, dialect, data.features[0].partition("=")[0] if smiles is None else smiles)
        frame = cleaned(frame, missing_values).rename(columns=lambda name: str(name).strip())
        X = _of_table(file, frame, data, smiles, kind, decimal) if len(frame) else np.empty((0, data.columns))
    if not len(X):
        raise InputError("calibrate", f"{file.name}, which has no rows", "at least one row")
    names = data.features if X.shape[1:] == (len(data.features),) else tuple(map(str, range(X[0].size)))
    return np.asarray(X[whole_rows(file.name, X, np.zeros(len(X)), names, missing)])


def _of_table(
    file: Path, frame: pd.DataFrame, data: Dataset, smiles: str | None, kind: str, decimal: str
) -> FloatArray:
    found: dict[str, FloatArray] = {}
    if smiles is not None and smiles in frame:
        read = molecules(frame[smiles].tolist(), kind)
        found = dict(zip(read.features, read.X.T, strict=True))
        frame = frame.iloc[read.rows]
    return np.column_stack(
        [found[name] if name in found else _feature(file, frame, name, data, decimal) for name in data.features]
    )


def _feature(file: Path, frame: pd.DataFrame, name: str, data: Dataset, decimal: str) -> FloatArray:
    """Return a column of numbers, or where a feature is named ``column=text`` which rows have this text."""
    if name in frame:
        made = as_numbers(file, name, frame[name], decimal)
        if made is None:
            raise InputError(f"{file.name}: column {name!r}", "text", f"numbers, as in {data.name}")
        return made[:, 0]
    column = next((one for one in frame if name.startswith(f"{one}=")), None)
    if column is None:
        allowed = f"rows with the features of {data.name}: {listed(list(data.features), _SHOWN)}"
        raise InputError("calibrate", f"{file.name}, which has no {name!r}", allowed)
    texts = frame[column]
    return np.where(texts.isna(), np.nan, texts.astype(str) == name.removeprefix(f"{column}="))
