"""Files that lie about their size, are no files at all, or were found by fuzzing: one line, and no memory taken."""

import contextlib
import gc
import io
import os
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fuzz import targets
from qmis_kernels import memory
from qmis_stats import InputError
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.tables import load_table
from qmis_stats.errors import QmisError, one_line
from qmis_stats.experiment import load_experiment
from qmis_stats.experiment.shown import shown
from qmis_stats.inference.loss_file import load_losses
from qmis_stats.inference.ranking import rank
from qmis_stats.sweep import Store, to_frame

pytestmark = pytest.mark.grid(2)

READERS = {
    "experiment": (".toml", load_experiment),
    "losses": (".npz", load_losses),
    "csv": (".csv", lambda path: load_table(path, "y")),
    "npy": (".npy", lambda path: load_table(path, 0)),
    "npz": (".npz", lambda path: load_table(path, "y")),
}


def npy(shape, descr="<f8", data=b"", version=b"\x01\x00"):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY" + version + len(header).to_bytes(2 if version[0] == 1 else 4, "little") + header + data


def archive(path, compression=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["folder", "loop", "pipe", "absent"])
def test_what_is_no_file_is_refused_in_one_line(tmp_path, name, kind):
    suffix, read = READERS[name]
    path = tmp_path / f"x{suffix}"
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(InputError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


LIARS = {
    "10^12 rows": npy((10**12, 8), data=bytes(64)),
    "10^30 rows": npy((10**30,), data=bytes(64)),
    "negative twice": npy((-2, -20), data=bytes(320)),
    "version 2 with a header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b"{" * 100,
    "unclosed bracket": b"\x93NUMPY\x01\x00\x05\x00(1.x\n",
    "nested": b"\x93NUMPY\x01\x00\x00\x20" + b"(" * 0x2000,
    "no size": npy((10**6, 10**6), "|V0"),
    "objects in a record": npy((2, 20), [("a", "|O")], bytes(320)),
    "unknown version": npy((2, 20), version=b"\x07\x00"),
    "empty": b"",
}


@pytest.mark.parametrize("name", LIARS)
def test_arrays_that_lie_are_refused_before_memory_is_taken(tmp_path, name):
    (tmp_path / "x.npy").write_bytes(LIARS[name])
    archive(tmp_path / "d.npz", q=LIARS[name])
    archive(tmp_path / "s.npz", zipfile.ZIP_STORED, q=LIARS[name])
    for read in (
        lambda: load_table(tmp_path / "x.npy", 0),
        lambda: load_table(tmp_path / "d.npz", "q"),
        lambda: load_losses(tmp_path / "d.npz"),
        lambda: load_losses(tmp_path / "s.npz"),
    ):
        with pytest.raises(InputError) as caught:
            read()
        assert "\n" not in str(caught.value)


def test_an_archive_that_would_fill_memory_is_refused(tmp_path, monkeypatch):
    """Members that fit one by one count together: 20 of 8 MB, each a few kilobytes in the file."""
    data = npy((10, 100_000), data=bytes(8_000_000))
    bomb = archive(tmp_path / "bomb.npz", **{f"q{i}": data for i in range(20)})
    assert bomb.stat().st_size < 2_000_000
    monkeypatch.setattr(memory, "fits", lambda size: size < 100_000_000)
    with pytest.raises(InputError, match="small enough for memory"):
        load_losses(bomb)
    with pytest.raises(InputError, match="small enough for memory"):
        load_table(bomb, "q0")


@pytest.mark.parametrize("content", [b"a" * 3_000_000, b'"' + b"a," * 1_000_000, b"a,y\n" + b"1" * 3_000_000])
def test_a_field_without_end_is_refused(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_table(tmp_path / "t.csv", "y")
    assert len(str(caught.value)) < 4000


def test_a_text_file_larger_than_memory_is_not_read(tmp_path, monkeypatch):
    """A sparse file of a gigabyte without a line break."""
    with (tmp_path / "t.csv").open("wb") as stream:
        stream.truncate(10**9)
    monkeypatch.setattr(memory, "fits", lambda size: size < 10**9)
    with pytest.raises(InputError, match="small enough for memory"):
        load_table(tmp_path / "t.csv", "y")


def test_terminal_codes_in_names_are_spelt_out(tmp_path):
    (tmp_path / "t.csv").write_text("a\x1b[2J\x07,y\n" + "x,1\n" * 30)
    with pytest.raises(InputError) as caught:
        load_table(tmp_path / "t.csv", "z")
    assert str(caught.value).isprintable()
    assert len(one_line("x" * 10**6)) <= 2000


FOUND = [
    ("table", b"\x05\x00\x01\x00\x16\x00\x04)1.\x01\xdf"),
    ("table", b"\x04\x00n[ru?n]\xd5"),
    ("table", b"\x05\x00\x01\x00\x16\x04\x002).(\xdf"),
    ("table", b"nann|\x03O"),
    ("table", b"\xff\xff4444\xff\xffn\xff\xff\xff\x00"),
    ("table", b"\x04\x03l\x01\x00\x16\xd2i\x01n\xabx"),
    ("table", b"\xff\xd9\xa3\x03\x00\r\x07\x041\x00\x01\x00\x16"),
    ("table", b"\t\xd9\xa2\x00\x8c\x16\x03\x00\xe2\x88\x92\x00\xdfptq\xdf\x00!x"),
    ("table", b"\xff\xd9\x00&\xff\x0e:\x15\xce"),
    ("table", b"\x08\xcf\x00" + b"\xa0" * 58 + b"\x00" + b"\xbb" * 68 + b"\xae\x00\\\x00\tg"),
    ("losses", b"\x11!in\x11!inf[r\x00\xf8\x7f"),
    ("losses", b"=1+1\x00\x00\x00\x05/\x00\x00\x00"),
    ("experiment", b"ole1e14e0405"),
    ("experiment", b"o\xece1h4005"),
    *(
        ("store", bytes([0, place, kind]) + b"\xb7\x00\xf8\x7f\x89\xf7\xf4\xd6")
        for place in range(41)
        for kind in range(4)
    ),
    ("store", b"\x02\x01x\x15\xff*\x7f6"),
    ("store", b"\x90\x01x\x15\xff\xc8G]=\xd1\x86\xc1\x0b"),
    ("store", b"X\x01\x00\x00\x01\x0734\xb2C<V\n\xa5"),
]


@pytest.mark.parametrize(("target", "data"), FOUND, ids=[f"{t}-{i}" for i, (t, _) in enumerate(FOUND)])
def test_cases_that_fuzzing_found(target, data):
    targets.TARGETS[target](data)


def test_a_message_does_not_spell_out_a_covariance(tmp_path):
    """A dimension of 4096 in forty bytes: the refusal shows a few entries of the matrix, and takes no second copy."""
    value = shown(np.broadcast_to(np.eye(1, 4096), (4096, 4096)))
    assert len(value) == len(value[0]) == 50


def test_a_group_without_a_name_is_refused(tmp_path):
    rows = "".join(f"{i},{i % 2},{'' if i == 7 else 'g'}\n" for i in range(30))
    (tmp_path / "t.csv").write_text("a,y,g\n" + rows)
    with pytest.raises(InputError, match="groups 'g', row 8 = 'missing'"):
        load_table(tmp_path / "t.csv", "y", groups="g")
    mixed = from_arrays(np.arange(30.0), np.arange(30) % 2, groups=np.array([1, "a"] * 15, dtype=object))
    assert np.unique(mixed.groups).size == 2


def test_an_archive_whose_member_has_no_name(tmp_path):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as file:
        file.writestr("q.npy", npy((2, 20), data=bytes(320)))
    (tmp_path / "x.npz").write_bytes(raw.getvalue().replace(b"q.npy", b"\x00.npy"))
    with pytest.raises(InputError):
        load_losses(tmp_path / "x.npz")


def test_a_table_without_rows_is_refused_whatever_its_columns_are(tmp_path):
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    frame = pd.DataFrame({"a": pd.to_timedelta([]), "y": pd.Series([], dtype=bool)})
    frame.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("a,y\n")
    for name in ("t.parquet", "t.csv"):
        with pytest.raises(InputError, match="rows = 0: must be at least 20"):
            load_table(tmp_path / name, "y")


def test_a_text_of_a_parquet_file_that_is_no_utf8_is_refused(tmp_path):
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    frame = pd.DataFrame({"a": range(30), "y": ["first", "other"] * 15})
    frame.to_parquet(tmp_path / "t.parquet", compression=None)
    raw = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(raw.replace(b"first", b"fi\xffst", 1))
    with pytest.raises(InputError, match="a Parquet file"):
        load_table(tmp_path / "t.parquet", "y")


@pytest.mark.parametrize(("code", "order"), [(0x110000, "<"), (0xD800, "<"), (0xDFFF, ">"), (2**32 - 1, ">")])
def test_characters_that_unicode_does_not_know_are_refused(tmp_path, code, order):
    letters = np.array([ord("a"), ord("b")] * 15, dtype=f"{order}u4")
    np.save(tmp_path / "y.npy", letters.view(f"{order}U1"))
    np.save(tmp_path / "X.npy", np.arange(60.0).reshape(30, 2))
    assert load_table(tmp_path / "X.npy", "y.npy").classes == ("a", "b")
    letters[7] = code
    raw = (tmp_path / "y.npy").read_bytes()
    (tmp_path / "y.npy").write_bytes(raw[: -letters.nbytes] + letters.tobytes())
    with pytest.raises(InputError, match=rf"y.npy = 'character {code:#x}': must be text in Unicode"):
        load_table(tmp_path / "X.npy", "y.npy")


def test_long_floats_out_of_range_are_infinite_and_refused():
    huge = np.full(30, np.longdouble("1e4000"))
    with pytest.raises(InputError, match="row 1 = inf"):
        from_arrays(huge, np.arange(30) % 2)


@pytest.mark.parametrize("scale", [1e80, 1e198, 1e-80, 1e-200])
def test_losses_beyond_the_range_are_refused_and_never_a_silent_nan(scale):
    rng = np.random.default_rng(3)
    base = rng.normal(size=50)
    losses = np.vstack([base, base + 0.3 + rng.normal(size=50)]) * scale
    with pytest.raises(InputError, match="losses"):
        rank({"q": losses}, draws=199)


COMMON = settings(max_examples=60, deadline=5000, suppress_health_check=list(HealthCheck), derandomize=True)


@COMMON
@given(st.binary(max_size=120))
@example(b"\x00")
def test_any_bytes_as_an_experiment(data):
    targets.experiment(data)


@COMMON
@given(st.binary(max_size=120))
@example(b"\x10\x01\x00\x03\x14")
def test_any_bytes_as_losses(data):
    targets.losses(data)


@COMMON
@given(st.binary(max_size=120))
@example(b"\x00\x00\x01\x00\x16\x04\x001.5")
def test_any_bytes_as_a_table(data):
    targets.table(data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@COMMON
@given(st.data())
def test_any_value_in_any_place_of_an_experiment(data):
    """A valid experiment with one entry replaced by any value of a TOML file."""
    from qmis_stats.experiment import parse_experiment

    tables = {
        "law": {"kind": "gaussian_mean", "mean": [0.1], "covariance": [[1.0]]},
        "procedure": {"kind": "ptq", "quantizer": "uniform", "bits": 3, "scale": 0.5, "exponent": 0.2},
        "run": {"n": [7], "methods": ["moderate"], "replicates": 100, "seed": 1, "backend": "reference"},
    }
    table = data.draw(st.sampled_from(sorted(tables)))
    tables[table][data.draw(st.sampled_from(sorted(tables[table])))] = data.draw(VALUES)
    try:
        parse_experiment(tables)
    except QmisError as error:
        targets.one_line(error)


@pytest.mark.parametrize("target", sorted(targets.TARGETS))
def test_the_seeds_of_the_corpus_are_read(target):
    """At least one seed of each target is accepted: the fuzzer starts behind the container."""
    folder = targets.__file__.removesuffix("targets.py") + f"corpus/{target}"
    seeds = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    assert sum(targets.TARGETS[target](Path(seed).read_bytes()) for seed in seeds) > 0


def test_a_lying_header_takes_no_memory(tmp_path):
    """The peak of a process that is shown 800 GB of claims stays where it was."""
    (tmp_path / "x.npy").write_bytes(LIARS["10^12 rows"])
    code = (
        "import resource, sys\nfrom qmis_stats.audit.tables import load_table\nfrom qmis_stats import InputError\n"
        "import pandas\nbefore = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    load_table(sys.argv[1], 0)\nexcept InputError:\n    pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.npy")], capture_output=True, check=True)
    assert int(done.stdout) < 50_000


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_store_says_nothing_more_than_its_line(tmp_path):
    """The reader stops in the middle of the rows, and the store is closed before they are."""
    (tmp_path / "s.sqlite").write_bytes(targets.sound_store())
    with contextlib.closing(sqlite3.connect(tmp_path / "s.sqlite")) as connection:
        connection.execute("UPDATE cell SET specification = 'nothing'")
        connection.commit()
    with Store(tmp_path / "s.sqlite", read_only=True) as store:
        rows = store.rows()
        next(rows)
    del rows
    gc.collect()
    with Store(tmp_path / "s.sqlite", read_only=True) as store, pytest.raises(InputError, match="not damaged"):
        to_frame(store)
