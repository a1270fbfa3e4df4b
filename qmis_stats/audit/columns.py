"""Columns of a table as features: numbers as they are, text as one feature for each of its values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.room import check_memory
from qmis_stats.audit.values import numerals, refuse_large, refuse_nearly_numbers, whole
from qmis_stats.audit.wording import listed
from qmis_stats.errors import InputError, setting

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_numbers", "cleaned", "features", "group_labels", "nameless"]

_FEWEST_A_VALUE = 5
"""Rows for each different text, on average: with fewer a column of text is a name and not a feature."""

_NAMELESS = re.compile(r"(Unnamed: \d+(\.\d+)?|__index_level_\d+__)")
_MARKS = ("?", "-", "--", ".", "*")


def nameless(columns: Sequence[str]) -> list[str]:
    """Return columns without a name of their own: indices that ``to_csv`` and ``to_parquet`` write, and empty ones.

    Examples
    --------
    >>> nameless(["Unnamed: 0", "age", "__index_level_0__"])
    ['Unnamed: 0', '__index_level_0__']
    """
    return [column for column in columns if _NAMELESS.fullmatch(column)]


def cleaned(frame: pd.DataFrame, missing_values: Sequence[str]) -> pd.DataFrame:
    """Return the table with text without spaces around, and nothing where a mark says that a value is missing."""
    marks = {str(mark).strip() for mark in missing_values}
    spelt = numerals(sorted(marks))
    numbers = spelt[~np.isnan(spelt)]
    frame = frame.copy(deep=False)
    for column, dtype in frame.dtypes.items():
        if dtype.kind in "fiu" and numbers.size:
            frame[column] = frame[column].mask(frame[column].isin(numbers))
        elif dtype.kind not in "fiubmM":
            frame[column] = frame[column].astype(object).map(lambda value: _clean(value, marks)).astype(object)
    return frame


def _clean(value: Any, marks: set[str]) -> Any:
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if not isinstance(value, str):
        return value
    text = value.strip()
    return None if text in marks or not text else text


def features(
    file: Path, frame: pd.DataFrame, columns: Sequence[Any], decimal: str = "."
) -> tuple[FloatArray, list[str], list[str]]:
    """Return columns as features, NaN where a value is missing, with their names and notes.

    Raises
    ------
    InputError
        If a column is neither numbers nor text of few values: the column, the row and the value are named.
    """
    chosen = frame[list(columns)]
    if not len(columns):
        return np.empty((len(frame), 0)), [], []
    if all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in chosen.dtypes):
        return _exact(file, chosen), list(map(str, columns)), []
    blocks: list[FloatArray] = []
    names: list[str] = []
    encoded: dict[str, list[str]] = {}
    for column in columns:
        values = frame[column]
        found = as_numbers(file, str(column), values, decimal)
        if found is None:
            texts, made = _encoded(file, str(column), values.tolist())
            encoded[str(column)] = texts
            names += [f"{column}={text}" for text in (texts[1:] if len(texts) == 2 else texts)] if made.size else []
        else:
            made = found
            names.append(str(column))
        blocks.append(made)
        check_memory(file, len(frame), len(names))
    return np.hstack(blocks), names, list(_notes(encoded))


def _exact(file: Path, columns: pd.DataFrame) -> FloatArray:
    """Return columns of numbers, integers that floats do not tell apart refused."""
    made = columns.to_numpy(dtype=np.float64, na_value=np.nan)
    for place in np.flatnonzero((np.abs(made) >= 2.0**53).any(axis=0)).tolist():
        name = str(columns.columns[place])
        values: Any = columns.iloc[:, place]
        if values.dtype.kind in "iu":
            advice = f"; leave the column out by {setting('ignore', [name])}"
            refuse_large(f"{file.name}: column {name!r}", values.dropna(), advice)
    return made


def as_numbers(file: Path, column: str, values: pd.Series[Any], decimal: str) -> FloatArray | None:
    """Return a column of numbers, or None for one of text."""
    if values.dtype.kind in "fiub":
        return _exact(file, values.to_frame(column))
    entries = [None if value is None or value != value else value for value in values.tolist()]
    texts = [entry if isinstance(entry, str) else "" for entry in entries]
    found = numerals(texts, decimal)
    field = f"{file.name}: column {column!r}"
    for row, entry in enumerate(entries):
        if entry is None or isinstance(entry, str):
            continue
        try:
            found[row] = float(entry)
        except (TypeError, ValueError):
            allowed = f"a number or text; leave the column out by {setting('ignore', [column])}"
            raise InputError(f"{field}, row {row + 1}", str(entry), allowed) from None
    there = np.array([entry is not None for entry in entries])
    if not (there & np.isnan(found)).any():
        large = [str(entries[row]) for row in np.flatnonzero(np.abs(found) >= 2.0**53)]
        refuse_large(field, whole(large), f"; leave the column out by {setting('ignore', [column])}")
        return found.reshape(-1, 1)
    refuse_nearly_numbers(field, entries, decimal)
    return None


def _encoded(file: Path, column: str, values: list[Any]) -> tuple[list[str], FloatArray]:
    """Return the different texts of a column and a feature for each: one for two texts, none for a single one."""
    there = np.array([value is not None and value == value for value in values])
    texts, codes = np.unique(
        [str(value) for value, known in zip(values, there, strict=True) if known], return_inverse=True
    )
    if len(texts) > max(2, np.sum(there) / _FEWEST_A_VALUE):
        raise InputError(
            f"{file.name}: column {column!r}, row {int(np.argmax(there)) + 1}",
            str(values[int(np.argmax(there))]),
            f"a number, or one of few texts, not of {len(texts)} in {len(values)} rows; leave the column out by "
            f"{setting('ignore', [column])} (SMILES are read by {setting('smiles', column)})",
        )
    wanted = np.arange(len(texts)) if len(texts) > 2 else np.arange(1, len(texts))
    made = np.full((len(values), wanted.size), np.nan)
    made[there] = codes[:, None] == wanted
    return texts.tolist(), made


def _notes(encoded: dict[str, list[str]]) -> Iterator[str]:
    constant = [column for column, texts in encoded.items() if len(texts) == 1]
    others = {column: texts for column, texts in encoded.items() if column not in constant}
    if others:
        counted = [f"{column} ({len(texts)})" for column, texts in others.items()]
        yield (
            "Text is encoded: a feature of zeros and ones for each different text in the whole table, a single one for "
            f"two texts: {listed(counted)}."
        )
    if constant:
        yield f"Text that is the same in every row is left out: {listed(constant)}."
    for column, texts in others.items():
        marks = [text for text in texts if text in _MARKS]
        if marks:
            said = setting("missing_values", marks[:1])
            yield f"{column}: {marks[0]!r} counts as a text; {said} says that it is missing."


def group_labels(file: Path, groups: str, column: pd.Series[Any], missing: str) -> NDArray[Any]:
    """Return the groups as text, ``None`` where missing ones may be dropped.

    Raises
    ------
    InputError
        If a row has none, and so no side of the split, and is not to be dropped.
    """
    gone = column.isna().to_numpy()
    if gone.any() and missing == "refuse":
        row = int(np.argmax(gone)) + 1
        allowed = f"a group in every row; {setting('missing', 'drop')} leaves the others out"
        raise InputError(f"{file.name}: groups {groups!r}, row {row}", "missing", allowed)
    return np.array([None if absent else str(value) for value, absent in zip(column, gone, strict=True)], dtype=object)
