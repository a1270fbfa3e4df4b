"""Arrays from .npy and .npz files: sizes are checked before memory is taken, and nothing in a file is executed."""

from __future__ import annotations

import io
import lzma
import math
import os
import stat
import struct
import sys
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import memory
from qmis_stats.errors import InputError, no_file
from qmis_stats.whole_files import whole_file

__all__ = ["Header", "check_pipe", "open_archive", "read_header", "read_values", "write_archive"]

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    UnicodeDecodeError,
)
"""What the standard library raises for archives that are damaged, encrypted or of an unknown kind."""

_UNREADABLE = (ValueError, SyntaxError, tokenize.TokenError, TypeError, RecursionError, MemoryError)
"""What NumPy raises for headers that are no literal of a dictionary."""

_LONGEST_HEADER = 10_000
_SURROGATES = (0xD800, 0xDFFF)


class Header(NamedTuple):
    """What a .npy stream says of its data, which begin at ``begin`` and take ``size`` bytes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    begin: int
    size: int


def check_pipe(file: Path) -> None:
    """Refuse a named pipe: opening it would wait for a writer.

    Raises
    ------
    InputError
        If the file is a pipe, or cannot be looked at (absent, in a loop of links, forbidden).

    Examples
    --------
    >>> check_pipe(Path("absent.npz"))
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: file = 'absent.npz' cannot be read: No such file or directory
    """
    try:
        mode = os.stat(file).st_mode
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise no_file("file", file, "read", reason) from None
    if stat.S_ISFIFO(mode):
        raise no_file("file", file, "read", "it is a pipe")


def read_header(field: str, stream: IO[bytes], length: int, kinds: str = "fiub", known: str = "real numbers") -> Header:
    """Return the header of a .npy stream of ``length`` bytes, which has to fit the shape exactly.

    Parameters
    ----------
    field : str
        For messages.
    stream : binary file
        At its beginning; left where the data begin.
    length : int
        Bytes of the whole stream.
    kinds : str
        Kinds of ``numpy.dtype`` that are allowed; objects never are.
    known : str
        What these kinds are, for messages.

    Raises
    ------
    InputError
        If the header cannot be read, the type is not allowed, or the length does not fit.

    Examples
    --------
    >>> stream = io.BytesIO()
    >>> np.save(stream, np.zeros((2, 3)))
    >>> read_header("x", io.BytesIO(stream.getvalue()), len(stream.getvalue()))[:2]
    ((2, 3), False)
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"format {version}")
        prefix = stream.read(2 if version == (1, 0) else 4)
        said = int.from_bytes(prefix, "little")
        if said > _LONGEST_HEADER:
            raise ValueError(f"a header of {said} bytes")
        text = io.BytesIO(prefix + stream.read(said))
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser, about odd literals
            shape, fortran, dtype = read(text)
    except _UNREADABLE as error:
        raise InputError(field, "unreadable header", f"an array of numbers ({error})") from None
    if dtype.hasobject or dtype.kind not in kinds or dtype.itemsize == 0:
        raise InputError(field, f"array of {dtype}", f"an array of {known}")
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0:
        raise InputError(field, shape, "a shape without negative numbers")
    begin = len(np.lib.format.magic(*version)) + len(prefix) + said
    if begin + size != length:
        raise InputError(field, f"{length - begin} bytes", f"{size} bytes, for shape {shape} of {dtype}")
    return Header(tuple(shape), bool(fortran), dtype, begin, size)


def read_values(field: str, stream: IO[bytes], header: Header) -> NDArray[Any]:
    """Return the data behind a header as an array in memory.

    Raises
    ------
    InputError
        If a text has characters that Unicode does not know: whoever prints it would fail.
    """
    values = np.frombuffer(stream.read(header.size), header.dtype)
    if header.dtype.kind == "U":
        codes = values.view(np.dtype(np.uint32).newbyteorder(header.dtype.byteorder))
        wrong = (codes > sys.maxunicode) | ((codes >= _SURROGATES[0]) & (codes <= _SURROGATES[1]))
        if wrong.any():
            raise InputError(field, f"character {codes[wrong][0]:#x}", "text in Unicode")
    return values.reshape(header.shape, order="F" if header.fortran else "C")


@contextmanager
def open_archive(file: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """Open an .npz file and list its arrays; compressed ones have to fit in memory together.

    Raises
    ------
    InputError
        If the file cannot be read, is not an archive of arrays, or would not fit.
    """
    check_pipe(file)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
            for entry in members:
                if not entry.filename.endswith(".npy"):
                    raise InputError("member", entry.filename, "an array, with a name that ends with .npy")
            needed = sum(entry.file_size for entry in members if entry.compress_type != zipfile.ZIP_STORED)
            if needed and not memory.fits(needed):
                free = memory.readable(memory.available())
                allowed = f"small enough for memory, {free}; numpy.savez files need not fit"
                raise InputError("file", memory.readable(needed), allowed)
            yield archive, members
    except OSError as error:
        raise no_file("file", file, "read", error.strerror or error) from None
    except _BROKEN as error:
        raise InputError("file", str(file), f"an .npz file as numpy.savez writes it ({error})") from None


def write_archive(path: Path, arrays: Mapping[str, ArrayLike]) -> None:
    """Write arrays as ``numpy.savez`` does, under any names; only a complete file replaces an existing one."""
    with whole_file(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)
