"""Whether a table fits in memory, asked before it is read."""

from __future__ import annotations

from pathlib import Path

from qmis_kernels import memory
from qmis_stats.errors import InputError

__all__ = ["check_memory", "check_size"]

_COPIES = 3
"""Of the numbers of a table that are in memory at once: the parsed table, the matrix, and what is made of it."""


def check_size(file: Path) -> None:
    """Check the size of a file before it is read; what is made of it takes as much again.

    Raises
    ------
    InputError
        If it would not fit.
    """
    needed = _COPIES * file.stat().st_size
    if not memory.fits(needed):
        allowed = f"small enough for memory: {memory.readable(needed)} are needed and "
        raise InputError("file", str(file), f"{allowed}{memory.readable(memory.available())} are free")


def check_memory(file: Path, rows: int, columns: int) -> None:
    """Check that a matrix of so many rows and columns can be made of a file.

    Raises
    ------
    InputError
        If it would not fit.
    """
    needed = 8 * rows * columns * _COPIES
    if not memory.fits(needed):
        free = memory.readable(memory.available())
        raise InputError(
            "file",
            str(file),
            f"small enough for memory: about {rows} x {columns} numbers need "
            f"{memory.readable(needed)} and {free} are free; fewer rows or columns would fit",
        )
