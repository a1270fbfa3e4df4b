"""Tables of text, read by pandas: which separator, which names, and one line for what is no table."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qmis_stats.audit.room import check_memory, check_size
from qmis_stats.errors import InputError, no_file
from qmis_stats.validation import instance_of, objects

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TEXT_SUFFIXES", "Dialect", "read_column", "read_text"]

TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".data")

_USUAL = {".tsv": "\t", ".tab": "\t"}
_SEPARATORS = (",", ";", "\t", "|")
_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes
    ----------
    separator : str, optional
        One character, a space standing for any number of them, or ``"tab"``; by default the one of comma, semicolon,
        tab and ``|`` under which the target is among the names of columns.
    decimal : {".", ","}
        Mark before the decimals.
    header : bool
        Whether the first line holds the names of columns; otherwise they are named 1, 2, ...
    missing_values : sequence of str
        What marks a missing value, besides what pandas takes for one: nothing, NA, NaN, null and the like.
    """

    separator: str | None = None
    decimal: str = "."
    header: bool = True
    missing_values: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.decimal not in (".", ","):
            raise InputError("decimal", self.decimal, "'.' or ','")
        if self.separator is not None:
            instance_of(str, "separator", self.separator)
        instance_of(bool, "header", self.header)
        objects(object, "missing_values", self.missing_values, "such as ['n/a']")
        mark = self.mark
        if mark is not None and (len(mark) != 1 or mark.isalnum() or mark in '."\n\r'):
            raise InputError("separator", self.separator, "one character, for instance ',' or ';', or 'tab'")
        if mark == self.decimal:
            raise InputError("separator", mark, "another character than the decimal mark")

    @property
    def mark(self) -> str | None:
        """The separator as a character."""
        return None if self.separator is None else _WORDS.get(self.separator, self.separator)

    def options(self, separator: str) -> dict[str, Any]:
        """Return the options of pandas' ``read_csv``."""
        import pandas as pd

        found: dict[str, Any] = {
            "sep": r"\s+" if separator == " " else separator,
            "decimal": self.decimal,
            "na_values": list(map(str, self.missing_values)),
            "skipinitialspace": True,
            "index_col": False,
            "low_memory": False,
        }
        if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1):  # later ones always read the nearest number
            found["float_precision"] = "round_trip"
        return found


def read_text(file: Path, dialect: Dialect, target: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the table of a file, its columns named without spaces around, and notes.

    Raises
    ------
    InputError
        If the file cannot be read, does not fit in memory, or is no table.
    """
    hint, encoding = _hint(file), _encoding(file)
    separator, names = _names(file, dialect, target, hint, encoding)
    usual = _USUAL.get(file.suffix.lower(), ",")
    notes = [] if separator == usual else [f"Fields are separated by {separator!r}."]
    options = dialect.options(separator)
    options |= {"encoding": encoding, "skiprows": 1 if hint else 0}
    return _read(file, header=0 if dialect.header else None, names=names, **options), notes


def read_column(file: Path, dialect: Dialect, rows: int) -> pd.Series[Any]:
    """Return the only column of a file; its first line may be a name.

    Raises
    ------
    InputError
        If it cannot be read, or has several columns.
    """
    check_size(file)
    options = dialect.options(dialect.mark or _USUAL.get(file.suffix.lower(), ";" if dialect.decimal == "," else ","))
    options["encoding"] = _encoding(file)
    table = _read(file, header=None, **options).dropna(axis=1, how="all")
    if len(table) == rows + 1:  # a line with the name of the column
        table = _read(file, header=0, **options).dropna(axis=1, how="all")
    if table.shape[1] != 1:
        raise InputError("target", str(file), f"one value per row, not {table.shape[1]}")
    return table.iloc[:, 0]


def _read(file: Path, **options: Any) -> pd.DataFrame:
    """Return what pandas reads, or say in one line why it cannot."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of fields that would be left out
            frame: pd.DataFrame = pd.read_csv(file, **options)
            # Beside empty fields pandas reads integers as floats: large ones stay text, which tells them apart.
            large = [place for place, column in enumerate(frame) if _large(frame[column])]
            if large:
                frame[frame.columns[large]] = pd.read_csv(file, **options | {"dtype": str}).iloc[:, large]
            return frame
    except OSError as error:
        raise no_file("file", file, "read", error.strerror or error) from None
    except pd.errors.EmptyDataError:
        raise InputError("file", str(file), "a table with a line of column names, not empty") from None
    except UnicodeDecodeError as error:
        raise InputError("file", str(file), f"text in UTF-8 ({error.reason} at byte {error.start})") from None
    except pd.errors.ParserWarning:
        reason = "rows have more fields than the line of column names"
        raise InputError("file", str(file), f"a table with as many fields in every line ({reason})") from None
    except (pd.errors.ParserError, ValueError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise InputError("file", str(file), f"a table with as many fields in every line ({reason})") from None


def _large(column: pd.Series[Any]) -> bool:
    return bool(column.dtype.kind == "f" and (column.abs() >= 2.0**53).any())


def _encoding(file: Path) -> str:
    """Return the encoding that a mark at the beginning tells, as in Excel's Unicode text, or UTF-8."""
    try:
        with file.open("rb") as stream:
            return "utf-16" if stream.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    except OSError as error:
        raise no_file("file", file, "read", error.strerror or error) from None


def _hint(file: Path) -> str | None:
    """Return the separator that a first line such as ``sep=;`` tells Excel."""
    with file.open(encoding=_encoding(file), errors="replace", newline="") as stream:
        found = re.fullmatch(r'"?sep=(.)"?\r?\n', stream.readline(16))
    return found.group(1) if found else None


def _names(file: Path, dialect: Dialect, target: str, hint: str | None, encoding: str) -> tuple[str, list[str]]:
    """Return the separator and the names of columns; the size is checked before a table is parsed."""
    check_size(file)
    usual = _USUAL.get(file.suffix.lower(), ",")
    known = dialect.mark or hint
    allowed = [known] if known else [usual, *(s for s in _SEPARATORS if s != usual)]
    skip = 1 if hint else 0
    try:
        with file.open(encoding=encoding, newline="") as stream:
            rows = {
                mark: _first_row(stream, mark, mark == allowed[0], skip) for mark in allowed if mark != dialect.decimal
            }
            stream.seek(0)
            next((line for line in stream if line.strip()), "")
            line = len(stream.readline())
    except OSError as error:
        raise no_file("file", file, "read", error.strerror or error) from None
    except UnicodeDecodeError as error:
        raise InputError("file", str(file), f"text in UTF-8 ({error.reason} at byte {error.start})") from None
    except csv.Error as error:
        raise InputError("file", str(file), f"a table with a line of column names ({error})") from None
    if not any(rows.values()):
        raise InputError("file", str(file), "a table with a line of column names, not empty")
    found = {mark: _named(row, dialect.header) for mark, row in rows.items()}
    fitting = [mark for mark, names in found.items() if target in names and len(names) > 1]
    separator = fitting[0] if fitting else max(found, key=lambda mark: len(found[mark]))
    names = found[separator]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise InputError(f"{file.name}: column names", repeated, "different from each other")
    if line:
        check_memory(file, file.stat().st_size // line + 1, len(names))
    return separator, names


def _first_row(stream: Any, separator: str, usual: bool, skip: int) -> list[str]:
    stream.seek(0)
    for _ in range(skip):
        stream.readline()
    lines = (" ".join(line.split()) for line in stream) if separator == " " else stream
    try:
        return next((row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row), [])
    except csv.Error:  # a field that is too long, as the whole line is under another separator
        if usual:
            raise
        return []


def _named(row: list[str], header: bool) -> list[str]:
    """Return names without spaces around; what has none is named as pandas does."""
    if not header:
        return [str(place + 1) for place in range(len(row))]
    names = [name.strip() for name in row]
    return [name or f"Unnamed: {place}{'.1' * (f'Unnamed: {place}' in names)}" for place, name in enumerate(names)]
