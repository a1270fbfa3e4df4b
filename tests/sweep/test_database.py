"""The store: whole at every moment, of one format, with one writer, and clear about what is wrong."""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import sys
import time
from dataclasses import replace

import pytest

from qmis_stats.errors import InputError
from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.sweep import Store, export, parse_sweep, run_sweep, to_frame
from qmis_stats.sweep.adaptive import Block
from qmis_stats.sweep.format import APPLICATION, MIGRATIONS, VERSION
from qmis_stats.sweep.rows import BlockRow, CellRow
from tests.sweep.conftest import results, tables

RESULT = MISResult(
    "crude",
    20,
    -math.inf,
    math.inf,
    in_domain=False,
    domain="why",
    seed=1,
    replicates=1000,
    linear=LinearEstimate(-0.25, 0.1, -3.5, 0.3, 17.5, ("a region may be missed", "and another")),
)


@pytest.fixture
def cells():
    return parse_sweep(tables()).cells


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.sqlite"


def test_a_block_comes_back_bit_for_bit(path, cells):
    with Store(path) as store:
        store.plan(cells)
        for number, result in enumerate((RESULT, replace(RESULT, linear=None, std_error=None, seed=None))):
            store.add_block(cells[0].key, number, Block(result, 0.125))
        store.commit()
        assert list(store.blocks()) == [
            (cells[0].key, 0, Block(RESULT, 0.125)),
            (cells[0].key, 1, Block(replace(RESULT, linear=None, std_error=None, seed=None), 0.125)),
        ]


def test_a_block_is_recorded_once(path, cells):
    with Store(path) as store:
        store.plan(cells)
        store.add_block(cells[0].key, 0, Block(RESULT, 1.0))
        store.add_block(cells[0].key, 0, Block(replace(RESULT, domain="late"), 2.0))
        assert [block.result.domain for _, _, block in store.blocks()] == ["why"]


def test_what_is_not_committed_is_dropped(path, cells):
    with Store(path) as store:
        store.plan(cells)
        store.add_block(cells[0].key, 0, Block(RESULT, 1.0))
    with Store(path) as store:
        assert list(store.blocks()) == []
        assert store.progress().cells == len(cells)


def test_cells_of_another_file_stay_when_they_hold_something(path, cells):
    with Store(path) as store:
        store.plan(cells)
        store.add_block(cells[0].key, 0, Block(RESULT, 1.0))
        store.commit()
    with Store(path) as store:
        store.plan(cells[9:])
        assert store.progress().cells == len(cells) - 9
        assert list(store.blocks()) == []  # not of this file
        store.commit()
    with Store(path) as store:
        store.plan(cells)
        assert len(list(store.blocks())) == 1


# Format


def test_a_store_says_what_it_is(path):
    with Store(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION
        assert connection.execute("PRAGMA user_version").fetchone()[0] == VERSION


def test_an_older_store_is_migrated_with_what_it_holds(path, cells):
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(MIGRATIONS[0])
        old.execute(f"PRAGMA application_id = {APPLICATION}")
        old.execute("PRAGMA user_version = 1")
        old.execute(
            "INSERT INTO cell (key, specification, position, n, seed) VALUES (?, ?, 0, 20, 1)",
            (cells[0].key, cells[0].specification),
        )
        block = (cells[0].key, 0, "crude", 1000, None, -1.5, 0.1, 1, "", None, 1.0, 0.1, 0.0, 0.0, 9.0, "", 2.0)
        old.execute(f"INSERT INTO block VALUES ({', '.join('?' * 17)})", block)
        old.commit()
    with pytest.raises(InputError, match="of format 2, not 1"):
        Store(path, read_only=True)
    with Store(path) as store:
        assert [block.result.log_delta for _, _, block in store.blocks()] == [-1.5]
        assert store.progress().elapsed == 0.0
    with Store(path, read_only=True) as store:
        assert store.progress().cells == 1


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_store_is_refused_and_left_alone(path, read_only):
    with Store(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"format {VERSION + 1}, use a newer qmis_stats"):
        Store(path, read_only=read_only)
    assert path.read_bytes() == before


def test_another_applications_database_is_refused_and_left_alone(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(InputError, match="another application's database"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path):
    path.write_text("a,b\n1,2\n" * 100)
    with pytest.raises(InputError, match="no SQLite database"):
        Store(path)


def test_a_damaged_store_is_refused(path, cells):
    with Store(path) as store:
        store.plan(cells)
        store.commit()
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\x5a" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="not damaged"), Store(path, read_only=True) as store:
        list(store.rows())


def test_a_store_that_does_not_exist_is_not_made_by_reading(path):
    with pytest.raises(InputError, match="a store that exists"):
        Store(path, read_only=True)
    assert not path.exists()


# One writer


def test_two_sweeps_on_one_store_are_refused(path, cells):
    with Store(path) as store:
        store.plan(cells)
        with pytest.raises(InputError, match="no other sweep is writing to"):
            Store(path)
        store.add_block(cells[0].key, 0, Block(RESULT, 1.0))
        store.commit()
        with Store(path, read_only=True) as reader:
            assert reader.progress().blocks == 1
    with Store(path) as store:
        assert store.progress().blocks == 1


def test_a_store_locked_by_another_program_is_refused(path, cells, monkeypatch):
    with Store(path) as store:
        store.plan(cells)
        store.commit()
    monkeypatch.setattr("qmis_stats.sweep.database._PATIENCE", 0.1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match="no other program locks"):
            Store(path)


# Disks


@contextlib.contextmanager
def as_an_ordinary_user():
    """Drop root's right to write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of folders work otherwise")
def test_a_folder_that_cannot_be_written_is_refused_and_can_be_read(path, cells):
    with Store(path) as store:
        store.plan(cells)
        store.commit()
    folder = path.parent
    parents = [p for p in folder.parents if p.stat().st_uid == os.geteuid() and p != p.parent]
    modes = {p: p.stat().st_mode for p in [folder, *parents]}
    for parent in parents:
        parent.chmod(modes[parent] | 0o555)
    (folder / "results.sqlite.lock").unlink()
    folder.chmod(0o555)
    path.chmod(0o444)
    try:
        with as_an_ordinary_user():
            for name in ("results.sqlite", "new.sqlite"):
                with pytest.raises(InputError, match="can be written"):
                    Store(folder / name)
            with Store(path, read_only=True) as store:
                assert store.progress().cells == len(cells)
    finally:
        for place, mode in modes.items():
            place.chmod(mode)


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="in a folder that exists"):
        Store(tmp_path / "nowhere" / "results.sqlite")


def test_a_full_disk_stops_the_sweep_and_loses_nothing(path, tmp_path, sweep, monkeypatch):
    """SQLite refuses pages beyond a limit exactly as it does when the disk has none left."""
    monkeypatch.setattr("qmis_stats.sweep.loop._COMMIT_SECONDS", 0.0)
    small = sweep(grid={"law.mean": [[i / 400] for i in range(80)]}, run={"n": [20, 60], "methods": ["sharp"]})
    run_sweep(small, tmp_path / "undisturbed.sqlite")
    with contextlib.closing(sqlite3.connect(tmp_path / "undisturbed.sqlite")) as connection:
        room = connection.execute("PRAGMA page_count").fetchone()[0] - 8
    connect = sqlite3.connect

    def full(*arguments, **options):
        connection = connect(*arguments, **options)
        if "uri" in options:
            connection.execute(f"PRAGMA max_page_count = {room}")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr("sqlite3.connect", full)
        with pytest.raises(InputError, match=r"disk with free space.*resume the sweep"):
            run_sweep(small, path)
    with Store(path, read_only=True) as store:
        stopped = store.progress()
    assert 0 < stopped.finished < stopped.cells == 160
    assert run_sweep(small, path, resume=True).finished == 160
    assert results(path) == results(tmp_path / "undisturbed.sqlite")


# Time


def test_a_clock_that_jumps_changes_nothing_but_what_is_shown(path, sweep, monkeypatch):
    now = [1.0e9]

    def jumping():
        now[0] = 2.0e9 - now[0] if now[0] > 1.0e9 else now[0] + 7.0e8
        return now[0]

    monkeypatch.setattr(time, "time", jumping)
    done = run_sweep(sweep(), path)
    assert done.finished == done.cells
    assert 0.0 < done.elapsed < 3600.0
    assert done.time_left == 0.0
    with Store(path, read_only=True) as store:
        assert all(0.0 <= row[-1] < 3600.0 for row in store.rows())


# Tables


@pytest.fixture
def full_store(path, sweep):
    run_sweep(sweep(run={"n": [20, 60], "methods": ["exact", "likelihood_ratio", "crude"], "replicates": 500}), path)
    return path


def test_the_table_holds_entries_results_and_refusals(full_store):
    with Store(full_store, read_only=True) as store:
        frame = to_frame(store)
    assert list(frame["law.mean"].unique()) == ["[0.0]", "[0.1]"]
    assert list(frame["n"][:6]) == [20, 20, 20, 60, 60, 60]
    refused = frame[frame["method"] == "likelihood_ratio"]
    assert len(refused) == 4
    assert refused["refusal"].str.contains("product cells").all()
    assert refused["log_delta"].isna().all()
    assert frame[frame["method"] == "exact"]["refusal"].isna().all()


def test_csv_and_parquet_hold_the_same_numbers(full_store, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    with Store(full_store, read_only=True) as store:
        frame = to_frame(store)
        for name in ("a.csv", "a.parquet"):
            export(store, tmp_path / name)
    for read in (pandas.read_csv(tmp_path / "a.csv"), pandas.read_parquet(tmp_path / "a.parquet")):
        assert list(read.columns) == list(frame.columns)
        assert read["log_delta"].equals(frame["log_delta"])
        assert list(read["n"]) == list(frame["n"])
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("a.")) == ["a.csv", "a.parquet"]


def test_an_empty_store_is_an_empty_table(path):
    with Store(path) as store:
        assert len(to_frame(store)) == 0


def test_another_kind_of_table_is_refused(full_store, tmp_path):
    with Store(full_store, read_only=True) as store, pytest.raises(InputError, match=r"ends with \.csv or \.parquet"):
        export(store, tmp_path / "a.xlsx")


def test_rows_are_the_columns_of_the_tables(path):
    """No column is forgotten by a row, and none is named that the tables do not have."""
    with Store(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        columns = {
            table: {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}
            for table in ("cell", "block")
        }
    assert columns["cell"] == {"position", *CellRow._fields}
    assert columns["block"] == set(BlockRow._fields)
