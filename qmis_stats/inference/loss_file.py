"""Loss matrices from an .npz file: headers are checked before memory is taken, and nothing in the file is executed."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.errors import InputError
from qmis_stats.inference.array_file import open_archive, read_header, read_values, write_archive
from qmis_stats.validation import file_name, instance_of

__all__ = ["load_losses", "save_losses"]

_LOCAL_HEADER = struct.Struct("<26xHH")


def load_losses(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Return the arrays of an .npz file by name, mapped into memory where they are stored uncompressed.

    Parameters
    ----------
    path : str or path-like
        Written by ``numpy.savez`` (read in blocks as they are needed) or ``numpy.savez_compressed`` (read at once).

    Raises
    ------
    InputError
        If the file cannot be read, is not an .npz file, holds objects, or would not fit in memory.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "losses.npz")
    ...     np.savez(file, sign=np.zeros((2, 30)), ternary=np.ones((4, 30)))
    ...     {name: array.shape for name, array in load_losses(file).items()}
    {'sign': (2, 30), 'ternary': (4, 30)}
    """
    file = Path(file_name("path", path))
    with open_archive(file) as (archive, members):
        return {entry.filename.removesuffix(".npy"): _array(file, archive, entry) for entry in members}


def save_losses(path: str | os.PathLike[str], losses: Mapping[str, ArrayLike]) -> None:
    """Write loss matrices as ``numpy.savez`` does, under any names; only a complete file replaces an existing one.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_losses(Path(folder, "losses.npz"), {"file": np.zeros((2, 30))})
    ...     list(load_losses(Path(folder, "losses.npz")))
    ['file']
    """
    instance_of(Mapping, "losses", losses, "arrays by the names of their quantizers")
    write_archive(Path(file_name("path", path)), losses)


def _array(file: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray[Any, np.dtype[Any]]:
    field = f"losses[{entry.filename.removesuffix('.npy')!r}]"
    with archive.open(entry) as stream:
        header = read_header(field, stream, entry.file_size)
        if len(header.shape) != 2:
            raise InputError(field, header.shape, "of shape (K, N): candidates by evaluation points")
        if entry.compress_type == zipfile.ZIP_STORED and header.size > 0:
            order: Literal["F", "C"] = "F" if header.fortran else "C"
            start = _start(file, entry) + header.begin
            if start + header.size > file.stat().st_size:
                raise zipfile.BadZipFile("an array ends behind the file")
            return np.memmap(file, header.dtype, "r", start, header.shape, order)
        return read_values(field, stream, header)


def _start(file: Path, entry: zipfile.ZipInfo) -> int:
    """Return where the data of a stored member begins: behind its local header, which says its own length."""
    with file.open("rb") as stream:
        stream.seek(entry.header_offset)
        name: int
        extra: int
        name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    return entry.header_offset + _LOCAL_HEADER.size + name + extra
