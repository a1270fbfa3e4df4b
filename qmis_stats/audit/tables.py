"""Data sets from files: CSV, TSV, Parquet tables, NumPy embeddings, and two that scikit-learn carries.

Row numbers in messages count data rows from 1; the header is not counted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from qmis_kernels import memory
from qmis_stats.audit.data import FEWEST_ROWS, Dataset, Task, from_arrays
from qmis_stats.audit.molecules import molecules
from qmis_stats.errors import InputError, MissingExtraError, no_file
from qmis_stats.inference.array_file import open_archive, read_header, read_values
from qmis_stats.scores.base import FloatArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BUNDLED", "SUFFIXES", "bundled", "load_table"]

BUNDLED = ("breast_cancer", "diabetes")
SUFFIXES = (".csv", ".tsv", ".tab", ".parquet", ".npy", ".npz")

_KINDS = "fiubU"
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_COPIES = 3
"""Of the numbers of a table that are in memory at once: the parsed table, the matrix, and what is made of it."""


def load_table(
    path: str | os.PathLike[str],
    target: str | int,
    *,
    smiles: str | None = None,
    kind: str = "fingerprints",
    columns: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    groups: str | None = None,
    task: Task | None = None,
    missing: Literal["refuse", "drop"] = "refuse",
    name: str | None = None,
) -> Dataset:
    r"""Read a data set from a file.

    Parameters
    ----------
    path : str or path-like
        ``.csv``, ``.tsv``, ``.tab``, ``.parquet`` with column names, or embeddings: ``.npy``, ``.npz``.
    target : str or int
        Column of the target. For ``.npy``: the path of a file with the target or the number of a column. For ``.npz``:
        the name of an array.
    smiles : str, optional
        Column of SMILES: the features are those of the molecules, and further columns only if ``columns`` names them.
    kind : {"fingerprints", "descriptors", "both"}
        Features of molecules, see :func:`~qmis_stats.audit.molecules.molecules`.
    columns : sequence of str, optional
        Columns used as features; by default all that are left, or none besides the molecules.
    ignore : sequence of str
        Columns that are left out.
    groups : str, optional
        Column of groups, or ``"scaffold"`` for the Bemis-Murcko scaffolds of molecules: points of one group go to the
        same side of the split.
    task : str, optional
        By default :func:`~qmis_stats.audit.data.infer_task` decides.
    missing : {"refuse", "drop"}
        What happens to rows with missing values.
    name : str, optional
        By default that of the file.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If the file cannot be read or used, in one line with the column, the row and the value.
    MissingExtraError
        If Parquet or SMILES are to be read and pyarrow or RDKit are not installed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "heights.csv")
    ...     _ = file.write_text("age,tall\n" + "".join(f"{i},{'yes' if i > 15 else 'no'}\n" for i in range(30)))
    ...     data = load_table(file, "tall")
    >>> data.name, data.task, data.features, data.classes
    ('heights', 'binary', ('age',), ('no', 'yes'))
    """
    file = Path(path)
    title = file.stem if name is None else name
    if file.suffix.lower() not in SUFFIXES:
        raise InputError("file", str(file), f"one whose name ends with {', '.join(SUFFIXES)}")
    if not file.is_file():
        raise InputError("file", str(file), "a file that exists")
    if file.suffix.lower() in (".npy", ".npz"):
        for option, value in (("smiles", smiles), ("columns", columns), ("groups", groups)):
            if value is not None:
                raise InputError(option, value, f"left out: {file.name} holds arrays without column names")
        X, y = _arrays(file, target)
        return from_arrays(X, y, name=title, task=task, missing=missing)
    frame = _frame(file)
    return _dataset(file, title, frame, target, smiles, kind, columns, ignore, groups, task, missing)


def _dataset(
    file: Path,
    title: str,
    frame: pd.DataFrame,
    target: str | int,
    smiles: str | None,
    kind: str,
    columns: Sequence[str] | None,
    ignore: Sequence[str],
    groups: str | None,
    task: Task | None,
    missing: str,
) -> Dataset:
    by_scaffold = groups == "scaffold" and "scaffold" not in frame.columns
    if by_scaffold and smiles is None:
        raise InputError("groups", groups, "the name of a column, or used with smiles, the column of the molecules")
    if groups is not None and groups in (str(target), smiles):
        raise InputError("groups", groups, "another column than those of the target and of the molecules")
    special = [str(target), *([smiles] if smiles else []), *([groups] if groups and not by_scaffold else [])]
    wanted = [*special, *(columns or ()), *ignore]
    known = {str(column): column for column in frame.columns}
    for column in wanted:
        if column not in known:
            raise InputError(f"{file.name}: column", column, f"one of {_listed(list(known))}")
    for column in columns or ():
        if column in special:
            raise InputError(f"{file.name}: columns", column, f"other columns than {', '.join(special)}")
    left_out = {*special, *ignore}
    if columns is None:
        columns = [] if smiles else [c for c in known if c not in left_out]
    notes = []
    used = {*left_out, *columns}
    unused = [c for c in known if c not in used]
    if smiles and unused:
        notes.append(f"Columns that are not used: {_listed(unused)}.")
    if not len(frame):
        raise InputError(f"{file.name}: rows", 0, f"at least {FEWEST_ROWS} different rows without missing values")
    y = _target(file, frame[known[str(target)]])
    labels: NDArray[Any] | None = None
    if groups and not by_scaffold:
        labels = _labels(file, groups, frame[known[groups]])
    parts: list[FloatArray] = []
    features: list[str] = []
    rows = np.arange(len(frame))
    if smiles:
        texts = frame[known[smiles]]
        if texts.dtype.kind in "fiub":
            raise InputError(f"{file.name}: column {smiles!r}", str(texts.iloc[0]), "text: SMILES of molecules")
        found = molecules(texts.tolist(), kind, targets=y.tolist())
        rows = found.rows
        parts.append(found.X)
        features += found.features
        notes += found.notes
        y = y[rows]
        labels = found.groups if by_scaffold else labels if labels is None else labels[rows]
    if columns:
        parts.append(_numbers(file, frame, [known[c] for c in columns])[rows])
        features += columns
    if not parts:
        raise InputError(f"{file.name}: columns", list(known), f"at least one besides {', '.join(special)}")
    X = np.hstack(parts) if len(parts) > 1 else parts[0]
    return from_arrays(X, y, name=title, task=task, features=features, groups=labels, missing=missing, notes=notes)


def _labels(file: Path, groups: str, column: pd.Series[Any]) -> NDArray[Any]:
    """Return the groups as text; a row without a group has no side of the split."""
    gone = column.isna().to_numpy()
    if gone.any():
        row = int(np.argmax(gone)) + 1
        raise InputError(f"{file.name}: groups {groups!r}, row {row}", "missing", "a group in every row")
    return np.array([str(value) for value in column])


def _listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _frame(file: Path) -> pd.DataFrame:
    """Return the table of a file, or say in one line why it cannot be read."""
    import pandas as pd

    try:
        if file.suffix.lower() == ".parquet":
            return _parquet(file)
        separator = _SEPARATORS[file.suffix.lower()]
        _check_header(file, separator)
        frame: pd.DataFrame = pd.read_csv(file, sep=separator, low_memory=False, **_rounding())
        return frame
    except OSError as error:
        raise no_file("file", file, "read", error.strerror or error) from None
    except pd.errors.EmptyDataError:
        raise InputError("file", str(file), "a table with a line of column names, not empty") from None
    except UnicodeDecodeError as error:
        raise InputError("file", str(file), f"text in UTF-8 ({error.reason} at byte {error.start})") from None
    except (pd.errors.ParserError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError("file", str(file), f"a table with as many fields in every line ({reason})") from None


def _rounding() -> dict[str, Any]:
    """Return what makes pandas read the nearest number; since 3.1 it always does, and refuses to be told."""
    import pandas as pd

    old = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
    return {"float_precision": "round_trip"} if old else {}


def _parquet(file: Path) -> pd.DataFrame:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "to read Parquet files", "parquet") from None
    try:
        meta = parquet.read_metadata(file)
        _check_memory(file, meta.num_rows, meta.num_columns)
        table = parquet.read_table(file)
        table.validate(full=True)  # text that is no UTF-8 would be found by whoever uses it
        # Its own types only: what another program wrote about indices and Python objects is not followed.
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        return frame
    except pyarrow.ArrowException as error:
        raise InputError("file", str(file), f"a Parquet file ({' '.join(str(error).split())})") from None


def _check_header(file: Path, separator: str) -> None:
    """Check the names of columns and the size before a table is parsed: pandas renames repeated columns in silence."""
    import csv

    _check_size(file)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        try:
            names = next(csv.reader(stream, delimiter=separator), [])
        except csv.Error as error:
            raise InputError("file", str(file), f"a table with a line of column names ({error})") from None
        line = len(stream.readline())
    if not names:
        raise InputError("file", str(file), "a table with a line of column names, not empty")
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise InputError(f"{file.name}: column names", repeated, "different from each other")
    if line:
        _check_memory(file, file.stat().st_size // line + 1, len(names))


def _check_size(file: Path) -> None:
    """Check the size of a file before it is read; what is made of it takes as much again."""
    needed = _COPIES * file.stat().st_size
    if not memory.fits(needed):
        allowed = f"small enough for memory: {memory.readable(needed)} are needed and "
        raise InputError("file", str(file), f"{allowed}{memory.readable(memory.available())} are free")


def _check_memory(file: Path, rows: int, columns: int) -> None:
    needed = 8 * rows * columns * _COPIES
    if not memory.fits(needed):
        free = memory.readable(memory.available())
        raise InputError(
            "file",
            str(file),
            f"small enough for memory: about {rows} x {columns} numbers need "
            f"{memory.readable(needed)} and {free} are free; fewer rows or columns would fit",
        )


def _target(file: Path, column: pd.Series[Any]) -> NDArray[Any]:
    """Return the target: floats with NaN for what is missing, or text with ``None``."""
    if len(column) and column.isna().all():
        raise InputError(f"{file.name}: target {column.name!r}", "missing in every row", "numbers or classes")
    if column.dtype.kind in "fiub":
        return column.to_numpy(dtype=np.float64)
    found: NDArray[Any] = column.astype(object).to_numpy()
    return np.array([None if value is None or value != value else str(value) for value in found], dtype=object)


def _numbers(file: Path, frame: pd.DataFrame, columns: Sequence[Any]) -> FloatArray:
    """Return columns as numbers; the first value that is not a number is named."""
    import pandas as pd

    chosen = frame[list(columns)]
    if all(dtype.kind in "fiub" and isinstance(dtype, np.dtype) for dtype in chosen.dtypes):
        return chosen.to_numpy(dtype=np.float64)
    for column in columns:
        place = _first_text(frame[column])
        if place is not None:
            raise InputError(
                f"{file.name}: column {str(column)!r}, row {place + 1}",
                str(frame[column].iloc[place]),
                f"a number; ignore the column {str(column)!r}, or encode it as numbers (SMILES: name it as smiles)",
            )
    return np.column_stack(
        [
            pd.to_numeric(frame[c], errors="coerce").to_numpy(np.float64, na_value=np.nan)
            if frame[c].dtype.kind != "O"
            else _objects(frame[c])
            for c in columns
        ]
    )


def _first_text(values: pd.Series[Any]) -> int | None:
    """Return the place of the first value that is neither a number, a boolean nor missing."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        return None
    if not (values.dtype == object or pd.api.types.is_string_dtype(values.dtype)):
        return 0  # dates and the like
    found = values.reset_index(drop=True).dropna()
    truth = found.map(lambda value: isinstance(value, (bool, np.bool_))).to_numpy(dtype=bool)
    bad = found[pd.to_numeric(found, errors="coerce").isna().to_numpy() & ~truth]
    return int(bad.index[0]) if len(bad) else None


def _objects(values: pd.Series[Any]) -> FloatArray:
    """Return numbers, booleans and missing values as floats."""
    return np.array([np.nan if value is None or value != value else float(value) for value in values.tolist()])


def _arrays(file: Path, target: str | int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the embeddings and the target of a .npy or .npz file."""
    stored = _stored(file)
    if isinstance(stored, dict):
        return _from_archive(file, stored, target)
    X = stored
    if X.ndim != 2:
        raise InputError(f"{file.name}: shape", X.shape, "(N, p): points by features")
    if isinstance(target, str) and not target.lstrip("-").isdigit():
        other = Path(target) if Path(target).is_file() else file.parent / target
        if not other.is_file():
            raise InputError("target", target, "the number of a column or a file with one value a row")
        return X, _one_column(other, X.shape[0])
    column = int(target)
    if not -X.shape[1] <= column < X.shape[1]:
        raise InputError("target", column, f"the number of a column, from 0 to {X.shape[1] - 1}, or a file")
    return np.delete(X, column, axis=1), X[:, column]


def _stored(file: Path) -> NDArray[Any] | dict[str, NDArray[Any]]:
    _check_size(file)
    try:
        with file.open("rb") as stream:
            if not stream.peek(2).startswith(b"PK"):
                header = read_header(file.name, stream, file.stat().st_size, _KINDS)
                return read_values(file.name, stream, header)
    except OSError as error:
        raise no_file("file", file, "read", error.strerror or error) from None
    arrays = {}
    with open_archive(file) as (archive, members):
        for entry in members:
            key = entry.filename.removesuffix(".npy")
            field = f"{file.name}: {key}"
            with archive.open(entry) as stream:
                arrays[key] = read_values(field, stream, read_header(field, stream, entry.file_size, _KINDS))
    return arrays


def _from_archive(file: Path, stored: dict[str, NDArray[Any]], target: str | int) -> tuple[NDArray[Any], NDArray[Any]]:
    if target not in stored:
        raise InputError("target", target, f"the name of an array in {file.name}: {_listed(list(stored))}")
    matrices = [key for key, array in stored.items() if key != target and array.ndim == 2]
    if len(matrices) != 1:
        raise InputError(f"{file.name}: arrays", list(stored), "one of shape (N, p) beside the target")
    return stored[matrices[0]], stored[str(target)].reshape(-1)


def _one_column(file: Path, rows: int) -> NDArray[Any]:
    if file.suffix.lower() == ".npy":
        found = _stored(file)
        y = found if not isinstance(found, dict) else next(iter(found.values()))
    else:
        import pandas as pd

        separator = _SEPARATORS.get(file.suffix.lower(), ",")
        try:
            table = pd.read_csv(file, header=None, sep=separator, **_rounding())
        except (ValueError, OSError) as error:
            raise InputError("target", str(file), f"a file with one value a row ({error})") from None
        if len(table) == rows + 1:  # a line with the name of the column
            table = pd.read_csv(file, sep=separator, **_rounding())
        if table.shape[1] != 1:
            raise InputError("target", str(file), f"one value a row, not {table.shape[1]}")
        y = _target(file, table.iloc[:, 0])
    if y.ndim != 1 or y.size != rows:
        raise InputError(f"{file.name}: shape", y.shape, f"({rows},), one value a row of the embeddings")
    return y


def bundled(name: str) -> Dataset:
    """Return a data set that scikit-learn carries: no file and no network is needed.

    Parameters
    ----------
    name : {"breast_cancer", "diabetes"}
        A binary task on 569 points with 30 features, or a regression on 442 points with 10.

    Raises
    ------
    InputError
        If the name is unknown.

    Examples
    --------
    >>> data = bundled("diabetes")
    >>> data.rows, data.columns, data.task
    (442, 10, 'regression')
    """
    if name not in BUNDLED:
        raise InputError("name", name, f"one of {', '.join(BUNDLED)}, or a file for load_table")
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    return from_arrays(
        found.data,
        found.target,
        name=name,
        features=list(found.feature_names),
        notes=[f"Bundled with scikit-learn: {name}, {found.data.shape[0]} rows."],
    )
