"""Embeddings from .npy and .npz files, with their target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qmis_stats.audit.room import check_size
from qmis_stats.audit.text_tables import Dialect, read_column
from qmis_stats.errors import InputError, no_file
from qmis_stats.inference.array_file import open_archive, read_header, read_values

__all__ = ["read_arrays", "read_points"]

_KINDS = "fiubUS"
_KNOWN = "numbers or text; labels that are objects are stored by numpy.array(labels, dtype=str)"


def read_arrays(file: Path, target: str | int, dialect: Dialect) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the embeddings and the target of a .npy or .npz file.

    Raises
    ------
    InputError
        If the file holds no such arrays.
    """
    stored = _stored(file)
    if isinstance(stored, dict):
        return _from_archive(file, stored, target)
    X = stored
    if X.ndim < 2:
        raise InputError(f"{file.name}: shape", X.shape, "(N, p): points by features")
    if isinstance(target, str) and not target.lstrip("-").isdigit():
        other = Path(target) if Path(target).is_file() else file.parent / target
        if not other.is_file():
            raise InputError("target", target, "the number of a column or a file with one value per row")
        return X, _one_column(other, X.shape[0], dialect)
    column = int(target)
    if X.ndim > 2 or not -X.shape[1] <= column < X.shape[1]:
        allowed = f"the number of a column, from 0 to {X.shape[1] - 1}, or a file" if X.ndim == 2 else "a file"
        raise InputError("target", column, allowed)
    return np.delete(X, column, axis=1), X[:, column]


def read_points(file: Path) -> NDArray[Any]:
    """Return the embeddings of a .npy or .npz file: its only array of two dimensions or more.

    Raises
    ------
    InputError
        If the file holds none, or several.
    """
    stored = _stored(file)
    arrays = stored if isinstance(stored, dict) else {"array": stored}
    points = [array for array in arrays.values() if array.ndim >= 2]
    if len(points) != 1:
        raise InputError(f"{file.name}: arrays", list(arrays), "one of shape (N, p) among them")
    return points[0]


def _stored(file: Path) -> NDArray[Any] | dict[str, NDArray[Any]]:
    check_size(file)
    try:
        with file.open("rb") as stream:
            if not stream.peek(2).startswith(b"PK"):
                header = read_header(file.name, stream, file.stat().st_size, _KINDS, _KNOWN)
                return read_values(file.name, stream, header)
    except OSError as error:
        raise no_file("file", file, "read", error.strerror or error) from None
    arrays = {}
    with open_archive(file) as (archive, members):
        for entry in members:
            key = entry.filename.removesuffix(".npy")
            field = f"{file.name}: {key}"
            with archive.open(entry) as stream:
                header = read_header(field, stream, entry.file_size, _KINDS, _KNOWN)
                arrays[key] = read_values(field, stream, header)
    return arrays


def _from_archive(file: Path, stored: dict[str, NDArray[Any]], target: str | int) -> tuple[NDArray[Any], NDArray[Any]]:
    if target not in stored:
        listed = ", ".join(list(stored)[:12])
        raise InputError("target", target, f"the name of an array in {file.name}: {listed}")
    matrices = [key for key, array in stored.items() if key != target and array.ndim >= 2]
    if len(matrices) != 1:
        raise InputError(f"{file.name}: arrays", list(stored), "one of shape (N, p) beside the target")
    return stored[matrices[0]], stored[str(target)]


def _one_column(file: Path, rows: int, dialect: Dialect) -> NDArray[Any]:
    if file.suffix.lower() in (".npy", ".npz"):
        found = _stored(file)
        return found if not isinstance(found, dict) else next(iter(found.values()))
    column = read_column(file, dialect, rows)
    return np.asarray(column.astype(object) if column.dtype.kind not in "fiub" else column)
