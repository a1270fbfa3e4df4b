"""One sweep at a time on a store: a lock that the operating system drops when its process dies."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from qmis_stats.errors import InputError

__all__ = ["Lock"]


class Lock:
    """An exclusive lock on the empty SQLite file ``STORE.lock``, held until :meth:`release` or the end of the process.

    It reaches as far as the locks of the store itself do, on every system and file system. The file stays: deleting it
    could let two processes hold locks on two files of one name.

    Raises
    ------
    InputError
        If another sweep holds it.
    """

    def __init__(self, store: Path) -> None:
        self._connection = sqlite3.connect(f"{store}.lock", timeout=0.0, isolation_level=None)
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._connection.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise InputError("store", str(store), "a store that no other sweep is writing to") from None
            raise

    def release(self) -> None:
        """Let others write."""
        self._connection.close()
