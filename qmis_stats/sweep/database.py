"""The embedded store of a sweep: one SQLite file that is whole at every moment.

A rollback journal, not a write-ahead log: between transactions the store is one file, it can be read from a folder
that cannot be written, and it works wherever the file system's locks work. A transaction holds about half a second of
results, so that its waits for the disk cost little.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from qmis_stats.errors import InputError, QmisError, no_file
from qmis_stats.reporting.tables import Table
from qmis_stats.results import MISResult
from qmis_stats.sweep.adaptive import Block
from qmis_stats.sweep.cell import Cell
from qmis_stats.sweep.format import VERSION, check_format, check_types, migrate
from qmis_stats.sweep.lock import Lock
from qmis_stats.sweep.rows import COLUMNS, BlockRow, CellRow, SessionRow, fraction_text
from qmis_stats.validation import file_name

__all__ = ["OPENED_BY", "Progress", "Store", "telling"]

OPENED_BY = "Store(path, read_only=True) opens a file"
"""How to come by a store, for messages."""

_CELL = ", ".join(CellRow._fields)
_SESSION = ", ".join(SessionRow._fields)
_PATIENCE = 30.0
_ALLOWED = {
    sqlite3.SQLITE_FULL: "on a disk with free space; what was stored is safe: make room and resume the sweep",
    sqlite3.SQLITE_IOERR: "on a disk that can be written; what was stored is safe: resume the sweep",
    sqlite3.SQLITE_BUSY: f"a file that no other program locks for longer than {_PATIENCE:g} s",
    sqlite3.SQLITE_READONLY: "a file that can be written, in a folder that can be written",
    sqlite3.SQLITE_CANTOPEN: "a file that can be opened, in a folder that exists and can be written",
    sqlite3.SQLITE_PERM: "a file that can be opened, in a folder that exists and can be written",
    sqlite3.SQLITE_NOTADB: "a store that qmis sweep has made: this is no SQLite database",
}


def _is_database(file: Path) -> bool:
    """Return whether a file begins as SQLite's do."""
    try:
        with file.open("rb") as stream:
            return stream.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise no_file("store", file, "read", error.strerror or error) from None


@contextlib.contextmanager
def telling(path: str) -> Iterator[None]:
    """Turn what SQLite raises, and values of a type that no sweep writes, into one line."""
    try:
        yield
    except QmisError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise InputError("store", path, f"a store that is not damaged ({error})") from None
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        allowed = _ALLOWED.get(code & 0xFF, "") if isinstance(code, int) else ""
        raise InputError("store", path, f"{allowed or 'a store that is not damaged'} ({error})") from None


@dataclass(frozen=True)
class Progress:
    """How far the cells of the file last swept are.

    Attributes
    ----------
    cells : int
        Cells of the file.
    finished, refused : int
        Those with a result or a refusal; those that were refused.
    blocks, replicates : int
        In the whole store.
    elapsed, rate : float
        Seconds of the last session, and cells that it finished a second.
    time_left : float or None
        Seconds to go at this rate; ``None`` before the first cell is finished.
    began : str
        When the last session began, by the clock of its machine.
    """

    cells: int
    finished: int
    refused: int
    blocks: int
    replicates: int
    elapsed: float
    rate: float
    time_left: float | None
    began: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return dict(vars(self))

    def table(self) -> Table:
        """Return what a reader sees."""
        left = "unknown" if self.time_left is None else str(datetime.timedelta(seconds=math.ceil(self.time_left)))
        rows = [
            ("refused", str(self.refused)),
            ("blocks", f"{self.blocks}, {self.replicates:.4g} replicates"),
            ("last session", f"{self.elapsed:.1f} s, {self.rate:.3g} cells per second, began {self.began}"),
            ("time left", left),
        ]
        return Table("Sweep", ("cells", f"{self.finished} of {self.cells} finished"), rows, frozenset({0, 1}))


class Store:
    """Cells, their blocks and their results.

    Parameters
    ----------
    path : str or path-like
        The file; made when it does not exist, unless ``read_only``.
    read_only : bool
        Read while a sweep may be writing. Else the store is locked against other sweeps.

    Raises
    ------
    InputError
        If the file cannot be opened, is no store, has a newer format, or is being swept.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder, "a.sqlite")) as store:
    ...     store.progress().cells
    0
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = file_name("path", path)
        place = Path(self.path)
        if place.is_dir():
            raise InputError("store", self.path, "a file that qmis sweep has made: this is a folder")
        if read_only and not place.is_file():
            raise InputError("store", self.path, "a store that exists")
        if read_only and place.stat().st_size == 0:
            raise InputError("store", self.path, "a store that qmis sweep has made: this file is empty")
        if place.is_file() and place.stat().st_size and not _is_database(place):  # before a lock lies beside it
            raise InputError("store", self.path, _ALLOWED[sqlite3.SQLITE_NOTADB])
        self._lock: Lock | None = None
        with telling(self.path), contextlib.ExitStack() as undo:
            if not read_only:
                self._lock = Lock(place)
                undo.callback(self._lock.release)
            mode = "ro" if read_only else "rwc"
            uri = f"{place.absolute().as_uri()}?mode={mode}"
            self._connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)
            undo.callback(self._connection.close)
            version = check_format(self._connection, self.path)
            if version < VERSION:
                if read_only:
                    allowed = f"of format {VERSION}, not {version}: resuming its sweep brings it there"
                    raise InputError("store", self.path, allowed)
                migrate(self._connection, version)
            undo.pop_all()
        self._session: int | None = None
        self._began = time.monotonic()
        self._counts = [0, 0]

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is not committed is dropped."""
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    # Writing

    @property
    def empty(self) -> bool:
        """Whether no cell has been planned."""
        with telling(self.path):
            return self._connection.execute("SELECT 1 FROM cell LIMIT 1").fetchone() is None

    def plan(self, cells: Iterable[Cell]) -> None:
        """Begin a session: make room for the cells of a file, and forget those of another file that have no block."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        rows = ((cell.key, cell.specification, i, cell.run["n"], cell.run["seed"]) for i, cell in enumerate(cells))
        with telling(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("UPDATE cell SET position = NULL")
            self._connection.executemany(
                "INSERT INTO cell (key, specification, position, n, seed) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET position = excluded.position",
                rows,
            )
            self._connection.execute(
                "DELETE FROM cell WHERE position IS NULL AND rule IS NULL AND key NOT IN (SELECT cell FROM block)"
            )
            begun = SessionRow(now, 0.0, 0, 0)
            self._session = self._connection.execute(f"INSERT INTO session {_values(begun)}", begun).lastrowid
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN IMMEDIATE")

    def add_block(self, key: str, number: int, block: Block) -> None:
        """Add a block; one that is there already stays as it is."""
        self._insert_block(key, number, block)
        self._counts[1] += 1

    def _insert_block(self, key: str, number: int, block: Block) -> bool:
        """Return whether it was not there."""
        row = BlockRow.of(key, number, block)
        with telling(self.path):
            done = self._connection.execute(f"INSERT OR IGNORE INTO block {_values(row)}", row)
        return done.rowcount == 1

    def finish(self, key: str, rule: str, result: MISResult, blocks: int, seconds: float) -> None:
        """Write the result of a cell."""
        low, high = (None, None) if result.std_error is None else result.conf_int()
        found = {
            "rule": rule,
            "method": result.method,
            "log_delta": result.log_delta,
            "std_error": result.std_error,
            "ci_low": low,
            "ci_high": high,
            "dof": result.dof,
            "fraction": fraction_text(result),
            "in_domain": result.in_domain,
            "domain": result.domain,
            "replicates": result.replicates,
            "blocks": blocks,
            "refusal": None,
            "seconds": seconds,
        }
        self._set(key, found)

    def refuse(self, key: str, rule: str, method: str, reason: str) -> None:
        """Write why a cell has no result."""
        self._set(key, {"rule": rule, "refusal": reason, "method": method})

    def _set(self, key: str, found: Mapping[str, Any]) -> None:
        with telling(self.path):
            self._connection.execute(f"UPDATE cell SET {_marked(found)} WHERE key = ?", (*found.values(), key))
        self._counts[0] += 1

    def absorb(self, others: Iterable[Store]) -> None:
        """Copy what other stores hold and this one lacks, in one transaction.

        Raises
        ------
        InputError
            If two stores differ in a block; nothing is copied then.
        """
        with telling(self.path), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for other in others:
                self._absorb(other)

    def _absorb(self, other: Store) -> None:
        (place,) = self._connection.execute("SELECT coalesce(max(position) + 1, 0) FROM cell").fetchone()
        with telling(other.path), other._connection:
            other._connection.execute("BEGIN")  # one moment of a store that is being swept
            check_types(other._connection)
            for position, (placed, cell) in enumerate(other._cells(), place):
                self._copy_cell(cell, position if placed else None)
            for key, number, block in other._blocks("ORDER BY cell.rowid, block.number"):
                if not self._insert_block(key, number, block):
                    self._compare(other, key, number, block)
            sessions = other._connection.execute(f"SELECT {_SESSION} FROM session ORDER BY id").fetchall()
        known = set(self._connection.execute(f"SELECT {_SESSION} FROM session"))
        self._connection.executemany(
            f"INSERT INTO session {_values(SessionRow)}", [row for row in sessions if row not in known]
        )

    def _compare(self, other: Store, key: str, number: int, block: Block) -> None:
        with telling(self.path):
            ((_, _, held),) = self._blocks("WHERE block.cell = ? AND block.number = ?", key, number)
        if held.result != block.result:
            allowed = f"a store with the number that {self.path} has for block {number} of cell {key}"
            raise InputError("store", other.path, allowed)

    def _copy_cell(self, cell: CellRow, position: int | None) -> None:
        """Insert a cell; one that is there already takes what it lacks: a position, a result."""
        with telling(self.path):
            self._connection.execute(
                f"INSERT INTO cell {_values(cell)} ON CONFLICT (key) DO NOTHING",
                cell,
            )
            self._connection.execute(
                "UPDATE cell SET position = coalesce(position, ?) WHERE key = ?", (position, cell.key)
            )
            if cell.rule is not None:
                found = {name: value for name, value in cell._asdict().items() if name not in ("key", "specification")}
                self._connection.execute(
                    f"UPDATE cell SET {_marked(found)} WHERE key = ? AND rule IS NULL", (*found.values(), cell.key)
                )

    def commit(self) -> None:
        """Make safe what was written, and go on."""
        if not self._connection.in_transaction:
            return
        with telling(self.path):
            self._connection.execute(
                "UPDATE session SET elapsed = ?, cells = ?, blocks = ? WHERE id = ?",
                (time.monotonic() - self._began, *self._counts, self._session),
            )
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN IMMEDIATE")

    # Reading

    def finished(self, rule: str) -> set[str]:
        """Return the keys of the cells that have a result by a rule, or a refusal."""
        with telling(self.path):
            found = self._connection.execute("SELECT key FROM cell WHERE rule = ?", (rule,))
            return {key for (key,) in found}

    def blocks(self) -> Iterator[tuple[str, int, Block]]:
        """Return the blocks of the cells of the file last swept, each with the cell's key and its number."""
        return self._blocks("WHERE cell.position IS NOT NULL")

    def _blocks(self, where: str, *values: Any) -> Iterator[tuple[str, int, Block]]:
        columns = ", ".join(f"block.{name}" for name in BlockRow._fields)
        with telling(self.path):
            for *row, n, seed in self._connection.execute(
                f"SELECT {columns}, cell.n, cell.seed FROM block JOIN cell ON cell.key = block.cell {where}", values
            ):
                block = BlockRow(*row)
                yield block.cell, block.number, block.block(n, seed)

    def _cells(self) -> Iterator[tuple[bool, CellRow]]:
        """Return each cell, and whether it is of the file last swept."""
        for placed, *row in self._connection.execute(
            f"SELECT position IS NOT NULL, {_CELL} FROM cell ORDER BY position IS NULL, position, rowid"
        ):
            cell = CellRow(*row)
            if cell.key != Cell(cell.specification).key:
                raise ValueError(f"key {cell.key} is not that of its specification")
            yield bool(placed), cell

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Return specification, result columns and seconds of each cell that is finished, in the order of the files."""
        columns = ", ".join(COLUMNS)
        with telling(self.path):
            # Not "yield from": that would close the cursor when the reader stops, perhaps after the connection.
            for row in self._connection.execute(  # noqa: UP028
                f"SELECT specification, {columns}, seconds FROM cell WHERE rule IS NOT NULL "
                "ORDER BY position IS NULL, position, rowid"
            ):
                yield row

    def planned(self) -> Iterator[dict[str, Any]]:
        """Return each cell of the file last swept, finished or not: key, specification, rule, result and seconds."""
        with telling(self.path):
            for row in self._connection.execute(
                f"SELECT {_CELL} FROM cell WHERE position IS NOT NULL ORDER BY position"
            ):
                yield CellRow(*row)._asdict()

    def sessions(self) -> tuple[int, float]:
        """Return how often a sweep was started on this store, and the seconds of all sessions together."""
        with telling(self.path):
            count, elapsed = self._connection.execute("SELECT count(*), total(elapsed) FROM session").fetchone()
        return int(count), float(elapsed)

    def progress(self) -> Progress:
        """Return how far the file last swept is."""
        with telling(self.path):
            cells, finished, refused = self._connection.execute(
                "SELECT count(*), count(rule), count(refusal) FROM cell WHERE position IS NOT NULL"
            ).fetchone()
            blocks, replicates = self._connection.execute(
                "SELECT count(*), coalesce(sum(replicates), 0) FROM block"
            ).fetchone()
            session = self._connection.execute(
                "SELECT elapsed, cells, began FROM session ORDER BY id DESC LIMIT 1"
            ).fetchone()
            elapsed, done, began = session or (0.0, 0, "")
            rate = done / elapsed if elapsed > 0.0 else 0.0
            left = (cells - finished) / rate if rate > 0.0 else None if finished < cells else 0.0
        return Progress(cells, finished, refused, blocks, replicates, elapsed, rate, left, began)


def _values(row: CellRow | BlockRow | SessionRow | type[SessionRow]) -> str:
    """Return the columns and placeholders of an insertion."""
    return f"({', '.join(row._fields)}) VALUES ({', '.join('?' * len(row._fields))})"


def _marked(found: Mapping[str, Any]) -> str:
    """Return the columns and placeholders of an update."""
    return ", ".join(f"{name} = ?" for name in found)
