"""The tables of a store, as the steps that lead from one version of the format to the next."""

from __future__ import annotations

import sqlite3

from qmis_stats.errors import InputError

__all__ = ["APPLICATION", "MIGRATIONS", "VERSION", "check_format", "check_types", "migrate"]

APPLICATION = int.from_bytes(b"qmis", "big")
"""SQLite's ``application_id`` of a store."""

MIGRATIONS = (
    """
    CREATE TABLE cell (
        key TEXT PRIMARY KEY,           -- SHA-256 of the specification
        specification TEXT NOT NULL,    -- canonical JSON
        position INTEGER,               -- in the file last swept; NULL: not in it
        rule TEXT,                      -- [adaptive] that the result satisfies, as JSON; NULL: no result yet
        refusal TEXT,                   -- why there is no number
        n INTEGER, method TEXT, seed INTEGER,
        log_delta REAL, std_error REAL, ci_low REAL, ci_high REAL, dof INTEGER, fraction TEXT,
        in_domain INTEGER, domain TEXT, replicates INTEGER, blocks INTEGER,
        seconds REAL                    -- measured, and so the one column that differs between two sweeps
    );
    CREATE TABLE block (
        cell TEXT NOT NULL REFERENCES cell (key),
        number INTEGER NOT NULL,
        method TEXT NOT NULL, replicates INTEGER, dof INTEGER,
        log_delta REAL NOT NULL, std_error REAL, in_domain INTEGER NOT NULL, domain TEXT NOT NULL, fraction TEXT,
        value REAL, value_error REAL, log_scale REAL, gap REAL, effective REAL, objections TEXT,
        seconds REAL NOT NULL,
        PRIMARY KEY (cell, number)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE session (
        id INTEGER PRIMARY KEY,
        began TEXT NOT NULL,            -- by the clock of the machine: shown, never computed with
        elapsed REAL NOT NULL,          -- seconds of a clock that never jumps
        cells INTEGER NOT NULL,         -- finished in this session
        blocks INTEGER NOT NULL
    );
    CREATE INDEX cell_position ON cell (position);
    """,
)
VERSION = len(MIGRATIONS)
"""SQLite's ``user_version`` of a store of this version of the package."""


def check_format(connection: sqlite3.Connection, path: str) -> int:
    """Return the version of a store's format, 0 for an empty file.

    Raises
    ------
    InputError
        If the file belongs to another application, or to a newer version of this one.
    """
    application, version, tables = (
        int(connection.execute(query).fetchone()[0])
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if application != APPLICATION and (application or version or tables):
        raise InputError("store", path, "a store that qmis sweep has made: this is another application's database")
    if version > VERSION:
        raise InputError(
            "store", path, f"of format {VERSION} or older: it has format {version}, use a newer qmis_stats"
        )
    return version


def check_types(connection: sqlite3.Connection) -> None:
    """Check that every value of a store has the type of its column: SQLite itself takes any.

    Raises
    ------
    ValueError
        If one has not; the message names the column.
    """
    for table in ("cell", "block", "session"):
        for _, column, declared, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
            wrong = f"SELECT typeof({column}) FROM {table} WHERE typeof({column}) NOT IN ('null', ?) LIMIT 1"
            found = connection.execute(wrong, (declared.lower(),)).fetchone()
            if found is not None:
                raise ValueError(f"{table}.{column} holds {found[0]}, not {declared.lower()}")


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a store to the present format, in one transaction."""
    steps = "".join(MIGRATIONS[version:])
    connection.executescript(
        f"BEGIN IMMEDIATE; {steps} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
    )
