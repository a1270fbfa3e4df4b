"""Loss matrices from an .npz file: headers are checked before memory is taken, and nothing in the file is executed."""

from __future__ import annotations

import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import memory
from qmis_stats.errors import InputError

__all__ = ["load_losses", "save_losses"]

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, struct.error)
"""What the standard library raises for archives that are damaged, encrypted or of an unknown kind."""

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
    file = Path(path)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [entry for entry in archive.infolist() if not entry.is_dir()]
            return {_name(entry): _array(file, archive, entry) for entry in members}
    except OSError as error:
        raise InputError("file", str(file), f"a file that can be read: {error.strerror or error}") from None
    except _BROKEN as error:
        raise InputError("file", str(file), f"an .npz file as numpy.savez writes it ({error})") from None


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
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for name, matrix in losses.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, np.asarray(matrix), allow_pickle=False)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _name(entry: zipfile.ZipInfo) -> str:
    if not entry.filename.endswith(".npy"):
        raise InputError("member", entry.filename, "an array, with a name that ends with .npy")
    return entry.filename.removesuffix(".npy")


def _array(file: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray[Any, np.dtype[Any]]:
    field = f"losses[{_name(entry)!r}]"
    with archive.open(entry) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
        except ValueError as error:
            raise InputError(field, "unreadable header", f"an array of numbers ({error})") from None
        if dtype.kind not in "fiub":
            raise InputError(field, f"array of {dtype}", "an array of real numbers of shape (K, N)")
        if len(shape) != 2:
            raise InputError(field, shape, "of shape (K, N): candidates by evaluation points")
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        begin = stream.tell()
        if begin + size != entry.file_size:
            raise InputError(field, f"{entry.file_size - begin} bytes", f"{size} bytes, for shape {shape} of {dtype}")
        if entry.compress_type == zipfile.ZIP_STORED and size > 0:
            order: Literal["F", "C"] = "F" if fortran else "C"
            return np.memmap(file, dtype, "r", _start(file, entry) + begin, tuple(shape), order)
        if not memory.fits(size):
            needed, free = memory.readable(size), memory.readable(memory.available())
            raise InputError(field, f"{needed}", f"small enough for memory, {free}; numpy.savez files need not fit")
        values = np.frombuffer(stream.read(size), dtype)
        return values.reshape(shape, order="F" if fortran else "C")


def _start(file: Path, entry: zipfile.ZipInfo) -> int:
    """Return where the data of a stored member begins: behind its local header, which says its own length."""
    with file.open("rb") as stream:
        stream.seek(entry.header_offset)
        name: int
        extra: int
        name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    return entry.header_offset + _LOCAL_HEADER.size + name + extra
