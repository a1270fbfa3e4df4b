"""Stores of several machines, merged, are the store of one machine; what cannot be merged changes nothing."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from qmis_stats.errors import InputError
from qmis_stats.sweep import Store, merge_stores, parse_sweep, run_sweep
from tests.sweep.conftest import results, tables

ADAPTIVE = {"relative_error": 0.05, "replicates": 8000}
WHOLE = tables(adaptive=ADAPTIVE)
PARTS = [tables(adaptive=ADAPTIVE, grid={"law.mean": [[mean]]}) for mean in (0.0, 0.1)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.sqlite"
    run_sweep(parse_sweep(WHOLE), path)
    return path


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    paths = [folder / f"{i}.sqlite" for i in range(len(PARTS))]
    for part, path in zip(PARTS, paths, strict=True):
        run_sweep(parse_sweep(part), path)
    return paths


def changed(path, statement, *values):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, values)
        connection.commit()
    return path


def copied(path, folder):
    copy = folder / f"copy-{path.name}"
    copy.write_bytes(path.read_bytes())
    return copy


def test_parts_make_the_whole(parts, whole, tmp_path):
    done = merge_stores(tmp_path / "all.sqlite", parts)
    assert results(tmp_path / "all.sqlite") == results(whole)
    assert (done.cells, done.finished) == (18, 18)
    with Store(tmp_path / "all.sqlite", read_only=True) as merged, Store(whole, read_only=True) as one:
        assert [row[0] for row in merged.rows()] == [row[0] for row in one.rows()]  # in the order of the grid
        assert merged.sessions()[0] == 2


def test_nothing_is_left_for_a_sweep_of_the_whole(parts, tmp_path, monkeypatch):
    merge_stores(tmp_path / "all.sqlite", parts)
    monkeypatch.setattr("qmis_stats.sweep.loop.compute", None)
    done = run_sweep(parse_sweep(WHOLE), tmp_path / "all.sqlite", resume=True)
    assert (done.cells, done.finished) == (18, 18)


def test_merging_again_changes_no_byte(parts, whole, tmp_path):
    out = tmp_path / "all.sqlite"
    merge_stores(out, parts)
    with contextlib.closing(sqlite3.connect(out)) as connection:
        before = list(connection.iterdump())
    merge_stores(out, [*parts, whole, *parts])
    with contextlib.closing(sqlite3.connect(out)) as connection:
        after = [line for line in connection.iterdump() if "session" not in line]
    assert after == [line for line in before if "session" not in line]
    with Store(out, read_only=True) as merged:
        assert merged.sessions()[0] == 3  # that of the whole is new


def test_an_unfinished_store_gives_its_blocks_and_takes_results(parts, whole, tmp_path):
    """Blocks of cells without a result are merged too: a resumed sweep decides from them."""
    begun = changed(copied(parts[0], tmp_path), "UPDATE cell SET rule = NULL WHERE method = 'crude'")
    merge_stores(tmp_path / "a.sqlite", [begun])
    with Store(tmp_path / "a.sqlite", read_only=True) as merged:
        assert (merged.progress().cells, merged.progress().finished) == (9, 6)
    run_sweep(parse_sweep(PARTS[0]), tmp_path / "a.sqlite", resume=True)
    assert results(tmp_path / "a.sqlite") == results(parts[0])
    merge_stores(tmp_path / "b.sqlite", [begun, *parts])
    assert results(tmp_path / "b.sqlite") == results(whole)


def test_cells_of_an_older_file_come_along_without_a_place(parts, tmp_path):
    moved = copied(parts[0], tmp_path)
    run_sweep(parse_sweep(PARTS[1]), moved, resume=True)
    done = merge_stores(tmp_path / "all.sqlite", [moved])
    assert done.cells == 9
    assert results(tmp_path / "all.sqlite") == results(moved)


def test_a_store_can_be_read_while_it_is_swept(parts, tmp_path):
    with Store(copied(parts[1], tmp_path)) as busy:
        busy.plan(parse_sweep(PARTS[1]).cells)
        assert merge_stores(tmp_path / "all.sqlite", [busy.path]).finished == 9
        with pytest.raises(InputError, match="no other sweep is writing"):
            merge_stores(busy.path, parts[:1])


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("UPDATE block SET log_delta = log_delta - 1e-9", "a store with the number that .* has for block 0 of cell"),
        ("UPDATE cell SET specification = replace(specification, '\"n\":20', '\"n\":21')", "is not that of its spec"),
        ("UPDATE cell SET log_delta = 'much'", r"a store that is not damaged \(cell.log_delta holds text, not real"),
        ("UPDATE session SET began = x'00'", r"session.began holds blob, not text"),
        ("UPDATE block SET fraction = 'no number'", "a store that is not damaged"),
        ("PRAGMA user_version = 99", "of format 2 or older"),
        ("PRAGMA user_version = 1", "of format 2, not 1: resuming its sweep brings it there"),
    ],
)
def test_what_cannot_be_merged_changes_nothing(parts, tmp_path, statement, allowed):
    out = copied(parts[0], tmp_path)
    spoiled = tmp_path / "spoiled.sqlite"
    spoiled.write_bytes(parts[0].read_bytes())
    changed(spoiled, statement)
    before = results(out)
    with pytest.raises(InputError, match=allowed) as refused:
        merge_stores(out, [parts[1], spoiled])
    assert str(spoiled) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert results(out) == before


def test_a_source_that_is_missing_leaves_no_new_store(parts, tmp_path):
    with pytest.raises(InputError, match="a store that exists"):
        merge_stores(tmp_path / "all.sqlite", [parts[0], tmp_path / "none.sqlite"])
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_not_merged_into_itself(parts, tmp_path):
    with pytest.raises(InputError, match="another store than the one that it is merged into"):
        merge_stores(parts[0], [parts[1], parts[0]])
