"""Data sets from files: text and Parquet tables, NumPy embeddings, and two that scikit-learn carries.

Row numbers in messages count data rows from 1; the header is not counted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from qmis_stats.audit.columns import cleaned, features, group_labels, nameless
from qmis_stats.audit.data import (
    FEWEST_ROWS,
    Dataset,
    Task,
    from_arrays,
    missing_note,
    refuse_measurements,
    whole_rows,
)
from qmis_stats.audit.molecules import molecules
from qmis_stats.audit.parquet import read_parquet
from qmis_stats.audit.stored_arrays import read_arrays
from qmis_stats.audit.text_tables import TEXT_SUFFIXES, Dialect, read_text
from qmis_stats.audit.values import labels, numerals
from qmis_stats.audit.wording import listed
from qmis_stats.errors import InputError, did_you_mean, setting
from qmis_stats.validation import file_name, instance_of, objects

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BUNDLED", "SUFFIXES", "bundled", "load_table", "there"]

BUNDLED = ("breast_cancer", "diabetes")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".npy", ".npz")

_SHOWN = 12


def load_table(
    path: str | os.PathLike[str],
    target: str | int,
    *,
    smiles: str | None = None,
    kind: str = "fingerprints",
    columns: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    groups: str | None = None,
    by: Sequence[str] = (),
    task: Task | None = None,
    missing: Literal["refuse", "drop"] = "refuse",
    missing_values: Sequence[str] = (),
    separator: str | None = None,
    decimal: str = ".",
    header: bool = True,
    name: str | None = None,
) -> Dataset:
    r"""Read a data set from a file.

    Numbers and booleans are features as they are. A column of text is a feature of zeros and ones for each of its
    different texts, or a single one where there are two; spaces around texts and names do not count. Columns without a
    name, such as the index that ``to_csv`` writes, are left out.

    Parameters
    ----------
    path : str or path-like
        Text (``.csv``, ``.tsv``, ``.tab``, ``.txt``, ``.data``) or ``.parquet`` with column names, or embeddings:
        ``.npy``, ``.npz``.
    target : str or int
        Column of the target, by its number from 1 where columns have no names. For ``.npy``: the path of a file
        with the target, or the number of a column from 0. For ``.npz``: the name of an array.
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
    by : sequence of str
        Columns of groups that leak and performance are told of: text or numbers, at most 50 different ones each. They
        are features too, unless ``ignore`` names them.
    task : str, optional
        By default :func:`~qmis_stats.audit.data.infer_task` decides.
    missing : {"refuse", "drop"}
        What happens to rows with missing values.
    missing_values : sequence of str
        What marks a missing value, for instance ``["?"]`` or ``["-999"]``, besides nothing, NA, NaN, null and the like.
    separator : str, optional
        Of the fields of text: one character, a space for any number of them, or ``"tab"``. By default the one of comma,
        semicolon, tab and ``|`` under which the target is a name of a column, first the usual one of the suffix.
    decimal : {".", ","}
        Mark before the decimals in text.
    header : bool
        Whether the first line of text holds the names of columns; otherwise they are named 1, 2, ...
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
    file = there(Path(file_name("path", path)))
    title = file.stem if name is None else name
    dialect = Dialect(separator, decimal, header, missing_values)
    for option, column in (("smiles", smiles), ("groups", groups)):
        if column is not None:
            instance_of(str, option, column, "the name of a column")
    if columns is not None:
        objects(str, "columns", columns)
    others = _texts("ignore", ignore), groups, _texts("by", by), header
    if file.suffix.lower() in (".npy", ".npz"):
        without = {"smiles": smiles, "columns": columns, "groups": groups, "by": by or None, "ignore": ignore or None}
        for option, value in without.items():
            if value is not None:
                raise InputError(option, value, f"left out: {file.name} holds arrays without column names")
        X, y = read_arrays(file, target, dialect)
        return from_arrays(X, y, name=title, task=task, missing=missing)
    number = isinstance(target, (int, np.integer)) and not isinstance(target, bool) and 0 <= target < 2**31
    if not (number or isinstance(target, str)):
        raise InputError("target", target, "the name of a column, or its number")
    if file.suffix.lower() == ".parquet":
        frame, said = read_parquet(file), list[str]()
    else:
        frame, said = read_text(file, dialect, str(target).strip())
    wanted = _Wanted(str(target).strip(), smiles, kind, columns, *others)
    return _dataset(file, title, cleaned(frame, missing_values), wanted, decimal, task, missing, said)


def there(file: Path) -> Path:
    """Return a file that exists and whose name says that it can be read.

    Raises
    ------
    InputError
        If there is none.
    """
    if file.is_dir():
        raise InputError("file", str(file), "a file: this is a folder")
    if file.suffix.lower() not in SUFFIXES:
        raise InputError("file", str(file), f"one whose name ends with {', '.join(SUFFIXES)}")
    if not file.is_file():
        raise InputError("file", str(file), "a file that exists")
    return file


class _Wanted(NamedTuple):
    """Which columns are what."""

    target: str
    smiles: str | None
    kind: str
    columns: Sequence[str] | None
    ignore: tuple[str, ...]
    groups: str | None
    by: tuple[str, ...]
    header: bool


def _texts(option: str, given: Sequence[str]) -> tuple[str, ...]:
    """Return names of columns; a single text is not a sequence of them."""
    if isinstance(given, str):
        raise InputError(option, given, f"a sequence of columns, [{given!r}]")
    return tuple(name.strip() for name in objects(str, option, given))


class _Roles(NamedTuple):
    """Columns of the table, checked: features, and groups unless scaffolds are the groups."""

    known: dict[str, Any]
    features: list[str]
    groups: str | None
    notes: list[str]


def _roles(file: Path, frame: pd.DataFrame, wanted: _Wanted) -> _Roles:
    """Check the names of columns and say which ones are features."""
    target, smiles, _, columns, ignore, groups, by, header = wanted
    known = {str(column).strip(): column for column in frame.columns}
    if len(known) < frame.shape[1]:
        names = [str(column).strip() for column in frame.columns]
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise InputError(f"{file.name}: column names", repeated, "different from each other")
    by_scaffold = groups == "scaffold" and "scaffold" not in known
    if by_scaffold and smiles is None:
        raise InputError("groups", groups, f"the name of a column, or used with {setting('smiles', word='COLUMN')}")
    if groups is not None and groups in (target, smiles):
        raise InputError("groups", groups, "another column than those of the target and of the molecules")
    for column in by:
        if column == target:
            raise InputError("by", column, "another column than the target, whose classes are groups already")
    asked = {"target": target, "smiles": smiles, "groups": None if by_scaffold else groups}
    roles = {option: column.strip() for option, column in asked.items() if column is not None}
    chosen = list(_texts("columns", columns or ()))
    lists = {"columns": chosen, "ignore": ignore, "by": by}
    for option, column in [*roles.items(), *((option, column) for option, given in lists.items() for column in given)]:
        if column not in known:
            hint = did_you_mean(column, known)
            numbered = header and not np.isnan(numerals(list(known))).all()
            hint += f"; {setting('header', False)} numbers columns that have no names" if numbered else ""
            hint += f"; another {setting('separator', word='CHARACTER')} may split it" if len(known) == 1 else ""
            raise InputError(option, column, f"a column of {file.name}: {listed(list(known), _SHOWN)}{hint}")
    special, ignored = list(roles.values()), list(ignore)
    for option, given in (("columns", chosen), ("ignore", ignored)):
        for column in given:
            if column in special:
                raise InputError(option, column, f"other columns than {', '.join(special)}, which have their use")
    unnamed = [column for column in nameless(list(known)) if column not in (*special, *chosen)]
    if columns is None and not smiles:
        chosen = [c for c in known if c not in (*special, *ignored, *unnamed)]
    used = {*special, *ignored, *chosen, *unnamed, *by}
    unused = [c for c in known if c not in used]
    notes = [f"Columns that are not used: {listed(unused, _SHOWN)}."] if smiles and unused else []
    if left := [column for column in unnamed if column not in ignored]:
        notes.append(f"Columns without a name, such as the index of a table, are left out: {len(left)}.")
    if not chosen and not smiles:
        raise InputError(
            f"{file.name}: columns", list(known), f"at least one besides {', '.join([*special, *ignored])}"
        )
    return _Roles(known, chosen, None if by_scaffold or groups is None else groups.strip(), notes)


def _dataset(
    file: Path,
    title: str,
    frame: pd.DataFrame,
    wanted: _Wanted,
    decimal: str,
    task: Task | None,
    missing: str,
    notes: list[str],
) -> Dataset:
    known, chosen, groups, said = _roles(file, frame, wanted)
    notes = [*notes, *said]
    if not len(frame):
        raise InputError(f"{file.name}: rows", 0, f"at least {FEWEST_ROWS} different rows without missing values")
    column = frame[known[wanted.target]]
    if column.isna().all():
        raise InputError(f"{file.name}: target {wanted.target!r}", "missing in every row", "numbers or classes")
    y = labels(f"{title}: target", column.to_numpy(), len(frame), decimal)
    if y.dtype == object and task in (None, "regression"):
        refuse_measurements(f"{title}: target", [text for text in y if text is not None], decimal)
    sides = None if groups is None else group_labels(file, groups, frame[known[groups]], missing)
    X, names, said = features(file, frame, [known[c] for c in chosen], decimal)
    notes += said
    if not names and not wanted.smiles:
        raise InputError(f"{file.name}: columns", chosen, "at least one that is not the same in every row")
    # Before molecules are merged: a repetition without a target must not stand for the one that has it.
    whole = whole_rows(title, X, y, names, missing)
    if sides is not None:
        whole &= np.array([side is not None for side in sides])
    notes += missing_note(whole)
    rows = np.flatnonzero(whole)
    if not rows.size:
        raise InputError(f"{title}: rows", 0, f"at least {FEWEST_ROWS} different rows without missing values")
    found = None
    if wanted.smiles:
        texts = frame[known[wanted.smiles.strip()]]
        if texts.dtype.kind in "fiub":
            shown = str(texts.iloc[0])
            raise InputError(f"{file.name}: column {wanted.smiles!r}", shown, "text: SMILES of molecules")
        found = molecules(texts.tolist(), wanted.kind, targets=y.tolist(), rows=rows)
        rows = found.rows
        names = [*found.features, *names]
        notes += found.notes
    X = X[rows] if found is None else np.hstack([found.X, X[rows]])
    if sides is not None:
        sides = sides[rows]
    elif wanted.groups is not None and found is not None:
        sides = found.groups
    told = {column: frame[known[column]].to_numpy(dtype=object)[rows] for column in wanted.by}
    given: dict[str, Any] = {
        "by": told,
        "task": task,
        "features": names,
        "groups": sides,
        "missing": missing,
        "notes": notes,
    }
    return from_arrays(X, y[rows], name=title, origin=rows, **given)


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
    if not isinstance(name, str) or name not in BUNDLED:
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
