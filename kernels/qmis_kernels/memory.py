"""How much memory a call may still take, and what is raised before it takes more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["OutOfMemory", "available", "fits", "give_back", "readable"]

UNCHECKED = 1 << 26
"""Requests below this many bytes (64 MiB) are let through: asking the system would cost more than it protects."""

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class OutOfMemory(MemoryError):  # noqa: N818  (names the condition, like MemoryError)
    """A request that would not fit in memory, refused before anything is allocated; the message is one line."""


def available() -> int:
    """Return how many bytes can be taken without swapping, within the limits of the control groups.

    Examples
    --------
    >>> available() > 0
    True
    """
    import psutil  # not needed by the many small calls

    return max(0, min([int(psutil.virtual_memory().available), *_group_rooms()]))


def _group_rooms() -> Iterator[int]:
    """Return what is left below the memory limit of this process's control group and of each one above it."""
    try:
        lines = _OWN_GROUPS.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, files = _CONTROL_GROUPS, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = _CONTROL_GROUPS / "memory"
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = root / path.strip("/")
        for folder in (group, *group.parents):
            room = _room(folder, *files)
            if room is not None:
                yield room
            if folder == root:
                break


def _room(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Return limit − usage of one group, pages of files that the system can drop counted as free."""
    try:
        most, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
        statistics = dict(line.split(maxsplit=1) for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group here, or no memory controller
        return None
    return None if most == "max" else int(most) - used + int(statistics.get(reclaimable, 0))


def readable(size: int) -> str:
    """Return a number of bytes with its size in a binary unit.

    Examples
    --------
    >>> readable(3 * 2**30)
    '3221225472 bytes (3.0 GiB)'
    """
    power = min((max(size, 1).bit_length() - 1) // 10, len(_UNITS) - 1)
    return f"{size} bytes" + (f" ({size / 1024**power:.1f} {_UNITS[power]})" if power else "")


def fits(size: int) -> bool:
    """Return whether a request for so many bytes can be met; a small one is not even checked.

    Examples
    --------
    >>> fits(80), fits(2**80)
    (True, False)
    """
    return size < UNCHECKED or size <= available()


def give_back() -> None:
    """Give memory that was freed, and is kept for further arrays, back to the system; where this is not known, nothing.

    Examples
    --------
    >>> give_back()
    """
    import ctypes

    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # no glibc
        return
    trim(0)
