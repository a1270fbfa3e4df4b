"""A data set that can be audited: finite numbers, a target of known kind, no repeated rows, and what was done to it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_stats.arrays import Flags, FloatArray, Indices, IntArray
from qmis_stats.audit.values import labels, nearly, numbers, one_per_row, refuse_nearly_numbers
from qmis_stats.by_value import ByValue
from qmis_stats.errors import InputError, setting
from qmis_stats.leak.groups import group_names
from qmis_stats.validation import instance_of, objects, one_of

__all__ = [
    "CLASS",
    "FEWEST_ROWS",
    "MOST_CLASSES",
    "READ_BY",
    "TASKS",
    "Dataset",
    "Task",
    "from_arrays",
    "infer_task",
    "missing_note",
    "refuse_measurements",
    "whole_rows",
]

Task = Literal["regression", "binary", "multiclass"]
TASKS: tuple[Task, ...] = ("regression", "binary", "multiclass")

READ_BY = "load_table reads one from a file, from_arrays takes arrays"
"""How to come by a data set, for messages."""

FEWEST_ROWS = 20
"""Ten evaluation points are the fewest that carry a variance, and something has to be trained on."""

MOST_CLASSES = 20
"""More distinct integers than this are a regression unless the task is named."""

CLASS = "class"
"""Name of the groups that the classes of the target are."""

_FEWEST_A_CLASS = 5
_SHOWN = 3


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(ByValue):
    """Features and target, checked, with the history of their preparation.

    Attributes
    ----------
    name : str
        For titles and messages.
    X : (N, p) ndarray of float64
        Features; points of more dimensions, (N, ...), are for PyTorch modules.
    y : (N,) ndarray of float64
        Target; for classes the numbers 0, 1, ...
    task : {"regression", "binary", "multiclass"}
        Kind of the target.
    features : tuple of str
        Names of the p features.
    groups : (N,) ndarray of int64 or None
        Points of one group go to the same side of the split.
    classes : tuple of str
        What the numbers 0, 1, ... of the target stand for; empty for a regression.
    notes : tuple of str
        Plain sentences on what was done to the data.
    origin : (N,) ndarray of int64 or None
        Number, from 0, of each row in what was read; ``None`` where all rows are there in order.
    by : dict of str to (N,) ndarray of str
        Columns of groups that leak and performance are told of, by name. The classes of the target are groups besides.

    Examples
    --------
    >>> data = from_arrays(np.arange(60.0).reshape(30, 2), np.arange(30) % 2, name="parity")
    >>> data.task, data.rows, data.columns
    ('binary', 30, 2)
    """

    name: str
    X: FloatArray
    y: FloatArray
    task: Task
    features: tuple[str, ...]
    groups: IntArray | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    origin: IntArray | None = None
    by: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes, finiteness and the target."""
        for given, array in (("X", self.X), ("y", self.y)):
            instance_of(np.ndarray, f"{self.name}: {given}", array, "from_arrays takes other sequences")
        if self.X.ndim < 2 or 0 in self.X.shape[1:]:
            raise InputError(f"{self.name}: X", self.X.shape, "of shape (N, p), with p of at least 1")
        if self.y.shape != (self.X.shape[0],):
            raise InputError(f"{self.name}: y", self.y.shape, f"of shape ({self.X.shape[0]},), one target per row")
        one_of("task", self.task, TASKS)
        if len(self.features) != self.columns:
            raise InputError(f"{self.name}: features", len(self.features), f"{self.columns} names, one per column")
        if self.groups is not None and self.groups.shape != self.y.shape:
            raise InputError(f"{self.name}: groups", self.groups.shape, f"of shape {self.y.shape}, one per row")
        if self.origin is not None and self.origin.shape != self.y.shape:
            raise InputError(f"{self.name}: origin", self.origin.shape, f"of shape {self.y.shape}, one per row")
        for column, names in self.by.items():
            if names.shape != self.y.shape:
                raise InputError(f"{self.name}: by {column!r}", names.shape, f"of shape {self.y.shape}, one per row")
        for name, array in (("X", self.X), ("y", self.y)):
            if array.dtype != np.float64:
                raise InputError(f"{self.name}: type of {name}", str(array.dtype), "float64")
            if not np.isfinite(array).all():
                raise InputError(f"{self.name}: {name}", float(array[~np.isfinite(array)][0]), "finite numbers")
        if self.rows < FEWEST_ROWS:
            raise InputError(f"{self.name}: rows", self.rows, f"at least {FEWEST_ROWS} different rows")
        _check_target(self.name, self.y, self.task)

    @property
    def rows(self) -> int:
        """Number N of points."""
        return int(self.X.shape[0])

    @property
    def subgroups(self) -> dict[str, NDArray[np.str_]]:
        """Group of each row: by class, where there are classes, and by each column of ``by``."""
        classes = {CLASS: np.array(self.classes)[self.y.astype(np.int64)]} if self.classes else {}
        return {**classes, **self.by}

    @property
    def columns(self) -> int:
        """Number p of features, over all dimensions of a point."""
        return math.prod(self.X.shape[1:])

    @property
    def outputs(self) -> int:
        """Number of outputs of a head: of the classes where there are more than two, else 1."""
        return len(np.unique(self.y)) if self.task == "multiclass" else 1

    def digest(self) -> str:
        """Return a hash of everything that a result depends on."""
        found = hashlib.sha256(repr((self.task, self.X.shape)).encode())
        for array in (self.X, self.y, *(() if self.groups is None else (self.groups,))):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


def _check_target(name: str, y: FloatArray, task: Task) -> None:
    values = np.unique(y)
    if values.size == 1:
        raise InputError(f"{name}: target", float(values[0]), "of different values, not the same in every row")
    if task == "binary" and values.tolist() != [0.0, 1.0]:
        raise InputError(f"{name}: target", values.tolist(), "0 or 1 for a binary task")
    if task == "multiclass" and values.tolist() != list(range(values.size)):
        raise InputError(f"{name}: target", values.tolist(), "0, 1, ... without a gap for a multiclass task")


def infer_task(target: NDArray[Any]) -> Task:
    """Return the task that a target suggests.

    Two distinct values are binary. Text, and at most 20 distinct integers with five rows each on average, are classes.
    Everything else is a regression.

    Examples
    --------
    >>> infer_task(np.array(["a", "b", "c"])), infer_task(np.array([0.5, 1.0, 2.0])), infer_task(np.array([1, 2]))
    ('multiclass', 'regression', 'binary')
    """
    values = np.unique(target)
    if values.size == 2:
        return "binary"
    if target.dtype.kind not in "fiub":
        return "multiclass"
    whole = bool(np.all(values == np.floor(values)))
    few = values.size <= min(MOST_CLASSES, target.size / _FEWEST_A_CLASS)
    return "multiclass" if whole and few else "regression"


def _encoded(name: str, target: NDArray[Any], task: Task | None) -> tuple[FloatArray, Task, tuple[str, ...], list[str]]:
    """Return the numeric target with the task, names of classes and notes."""
    if task is not None:
        one_of("task", task, TASKS)
    text = target.dtype.kind not in "fiub"
    if text and task in (None, "regression"):
        refuse_measurements(f"{name}: target", list(map(str, target)))
    chosen = infer_task(target) if task is None else task
    if chosen == "regression":
        if text:
            raise InputError(f"{name}: target", str(target[0]), "numbers for a regression, not text")
        return target.astype(np.float64), chosen, (), []
    values, codes = np.unique(target, return_inverse=True)
    if chosen == "binary" and values.size != 2:
        shown = [str(v) for v in values[:_SHOWN]]
        raise InputError(f"{name}: target", shown, f"of two distinct values for a binary task, not {values.size}")
    if chosen == "multiclass" and values.size > target.size / 2:
        raise InputError(f"{name}: target", f"{values.size} classes", f"far fewer classes than rows ({target.size})")
    classes = tuple(str(int(v) if isinstance(v, float) and v.is_integer() else v) for v in values.tolist())
    notes = []
    if text or values.tolist() != list(range(values.size)):
        listed = ", ".join(f"{label} = {code}" for code, label in enumerate(classes[:10]))
        notes.append(f"Classes of the target are numbered: {listed}{', ...' if len(classes) > 10 else ''}.")
    words = [label for label, number in zip(classes, nearly(classes), strict=True) if np.isnan(number)]
    if len(words) == 1 < len(classes) - 1:
        said = setting("missing_values", words)
        notes.append(f"{words[0]!r} is a class beside numbers; {said} says that it marks what is missing.")
    return codes.astype(np.float64), chosen, classes, notes


def refuse_measurements(field: str, texts: Sequence[str], decimal: str = ".") -> None:
    """Refuse text that is numbers but for how they are written, or for a mark among them that would be a class.

    Raises
    ------
    InputError
        If the texts would be classes, most of them are numbers under one decimal mark or the other, with or without
        marks between thousands, and these numbers are a regression, or two classes beside which another text stands.
    """
    found = nearly(texts)
    spelt = found[~np.isnan(found)]
    task = infer_task(spelt) if spelt.size else None
    if task == "regression":
        refuse_nearly_numbers(field, texts, decimal)
    elif task == "binary" and spelt.size < found.size:
        refuse_nearly_numbers(field, texts, decimal, f"; {setting('task', 'multiclass')} makes it a class")


def _row_marks(array: FloatArray) -> NDArray[np.bytes_]:
    """Return a hash of every row; minus zero is zero."""
    marks = [hashlib.blake2b((row + 0.0).tobytes(), digest_size=16).digest() for row in array]
    return np.array(marks, dtype="S16") if marks else np.empty(0, dtype="S16")


def _distinct(X: FloatArray, y: FloatArray) -> tuple[Indices, list[str]]:
    """Return the first row of each different (features, target), in order, with notes."""
    by_features = np.unique(_row_marks(X), return_inverse=True)[1]
    both = np.unique(np.column_stack([by_features, y]), axis=0, return_index=True)[1]
    kept = np.sort(both)
    notes = []
    if kept.size < y.size:
        notes.append(f"{y.size - kept.size} rows repeat another one (same features, same target) and are left out.")
    repeated = kept.size - np.unique(by_features[kept]).size
    if repeated:
        notes.append(f"{repeated} rows have the features of an earlier row and another target; they are kept.")
    return kept, notes


def from_arrays(
    X: ArrayLike,
    y: ArrayLike,
    *,
    name: str = "data",
    task: Task | None = None,
    features: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    missing: str = "refuse",
    notes: Sequence[str] = (),
    origin: Indices | None = None,
    by: Mapping[str, ArrayLike] | None = None,
) -> Dataset:
    """Return a data set from arrays: missing values treated, classes numbered, repeated rows left out.

    Parameters
    ----------
    X : (N, p) array_like
        Numbers; a vector is one feature, and points may have more dimensions, (N, ...), for PyTorch modules. Tables of
        pandas, masked arrays, sparse matrices and tensors are arrays too.
    y : (N,) or (N, 1) array_like
        Numbers, booleans or text; text that is numbers throughout is numbers.
    name : str
        For titles and messages.
    task : str, optional
        ``"regression"``, ``"binary"`` or ``"multiclass"``; by default :func:`infer_task` decides.
    features : sequence of str, optional
        Names of the columns.
    groups : (N,) array_like, optional
        Group of each row, of any type.
    missing : {"refuse", "drop"}
        Whether rows with NaN are refused, by their numbers, or left out and counted.
    notes : sequence of str
        What was done before.
    origin : (N,) ndarray of int, optional
        Number of each row in what these arrays were made of.
    by : dict of str to (N,) array_like, optional
        Columns of groups that leak and performance are told of, such as ``{"sex": sex}``: text or numbers, at most 50
        different ones each. A missing value is a group of its own. They are not features.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If values are not finite numbers, the target is constant, or fewer than 20 different rows are left.

    Examples
    --------
    >>> data = from_arrays(np.arange(25.0) % 21, ["yes" if i % 3 else "no" for i in range(25)], name="answers")
    >>> data.classes, data.rows
    (('no', 'yes'), 21)
    >>> data.notes
    ('Classes of the target are numbered: no = 0, yes = 1.', '4 rows repeat another one ...')
    """
    instance_of(str, "name", name)
    matrix = numbers(f"{name}: X", X)
    if matrix.ndim < 2 or 0 in matrix.shape[1:]:
        raise InputError(f"{name}: shape of X", matrix.shape, "(N, p): points by features")
    target = labels(f"{name}: target", y, len(matrix))
    given = [f"x{i}" for i in range(math.prod(matrix.shape[1:]))] if features is None else features
    names = tuple(map(str, objects(object, "features", given)))
    if by is not None:
        instance_of(Mapping, "by", by, "from names of columns to the groups of the rows")
    told = {column: _group_column(name, column, values, len(matrix)) for column, values in (by or {}).items()}
    sides = None if groups is None else one_per_row(f"{name}: groups", groups, len(matrix))
    if sides is not None and sides.dtype.kind == "O":  # of mixed types, which have no order
        sides = np.array([str(value) for value in sides])
    said = list(objects(str, "notes", notes))
    whole = whole_rows(name, matrix, target, names, missing)
    said += missing_note(whole)
    places = np.arange(whole.size) if origin is None else one_per_row(f"{name}: origin", origin, len(matrix))
    matrix = matrix if whole.all() else matrix[whole]  # a copy of all rows is made below
    target, places = target[whole], places[whole]
    sides = None if sides is None else sides[whole]
    told = {column: found[whole] for column, found in told.items()}
    if target.dtype.kind == "O":
        target = np.array([str(value) for value in target])
    if target.size == 0:
        raise InputError(f"{name}: rows", 0, f"at least {FEWEST_ROWS} different rows without missing values")
    encoded, chosen, classes, more = _encoded(name, target, task)
    kept, repeated = _distinct(matrix, encoded)
    codes = None if sides is None else np.unique(sides[kept], return_inverse=True)[1].astype(np.int64)
    said += [*more, *repeated]
    places = places[kept].astype(np.int64)
    told = {column: found[kept] for column, found in told.items()}
    return Dataset(name, matrix[kept], encoded[kept], chosen, names, codes, classes, tuple(said), places, told)


def _group_column(name: str, column: str, values: ArrayLike, rows: int) -> NDArray[np.str_]:
    """Return the group of each row, checked."""
    field_name = f"{name}: by {column!r}"
    if column == CLASS:
        raise InputError(field_name, column, "another name: the classes of the target are groups already")
    found = group_names(field_name, values, rows)
    if np.unique(found).size < 2:
        raise InputError(field_name, found[0], "of at least 2 different values, not the same in every row")
    return found


def missing_note(whole: Flags) -> list[str]:
    """Return what is said of rows that are left out because values are missing."""
    gone = int(np.sum(~whole))
    return [f"{gone} of {whole.size} rows have missing values and are left out."] if gone else []


def whole_rows(name: str, X: FloatArray, y: NDArray[Any], features: Sequence[str], missing: str) -> Flags:
    """Return which rows have neither a missing feature nor a missing target.

    Raises
    ------
    InputError
        If values are infinite, or missing ones are refused.

    Examples
    --------
    >>> whole_rows("d", np.array([[1.0], [np.nan]]), np.array(["a", "b"]), ["x"], "drop").tolist()
    [True, False]
    """
    if missing not in ("refuse", "drop"):
        raise InputError("missing", missing, "'refuse' or 'drop'")
    flat = X.reshape(len(X), -1) if X.size else np.empty((len(X), 0))
    if y.dtype.kind == "f":
        gone, endless = np.isnan(y), np.isinf(y)
    else:
        gone, endless = np.array([value is None for value in y.tolist()], dtype=bool), np.zeros(y.size, dtype=bool)
    for side, bad in (("target", endless[:, None]), ("column", np.isinf(flat))):
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            where = "target" if side == "target" else f"column {features[column]!r}"
            raise InputError(f"{name}: {where}, row {row + 1}", float("inf"), "a finite number")
    holes = np.isnan(flat)
    whole = ~(holes.any(axis=1) | gone)
    if missing == "refuse" and not whole.all():
        rows = np.flatnonzero(~whole)
        shown = ", ".join(str(row + 1) for row in rows[:_SHOWN]) + (", ..." if rows.size > _SHOWN else "")
        first = int(rows[0])
        where = "target" if gone[first] else f"column {features[int(np.argmax(holes[first]))]!r}"
        raise InputError(
            f"{name}: {where}, row {first + 1}",
            "missing",
            f"a number ({rows.size} rows with missing values: {shown}); {setting('missing', 'drop')} leaves them out",
        )
    return cast("Flags", whole)
