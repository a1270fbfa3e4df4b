"""What a hostile file may do: one function a kind of file, from any bytes to a result, a refusal, or a finding.

Each function takes the bytes that a fuzzer mutates, builds a file of its kind around them, and reads it. It returns
whether the file was accepted. The package's own errors are answers; every other exception is a finding, and so is a
number that is not a number. Hangs and memory are watched by the caller.
"""

import contextlib
import functools
import io
import math
import os
import re
import sqlite3
import struct
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

from qmis_stats.audit.tables import load_table
from qmis_stats.errors import QmisError
from qmis_stats.experiment import load_experiment
from qmis_stats.inference import loss_file
from qmis_stats.inference.ranking import rank
from qmis_stats.sweep import Store, merge_stores, parse_sweep, run_sweep
from qmis_stats.sweep.export import to_frame as to_records
from qmis_stats.sweep.file import load_sweep
from qmis_stats.sweep.rows import COLUMNS

_FOLDER = tempfile.TemporaryDirectory(prefix="qmis-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
FOLDER = Path(_FOLDER.name)

LAWS = (
    'law = {kind = "gaussian_mean", mean = [0.07], covariance = [[1.69]]}',
    'law = {kind = "gaussian_mean", mean = 0.1, covariance = 2.0, dimension = 3}',
    'law = {kind = "linear_regression", coefficients = [1.0, 0.0], covariance = [1.0, 2.0], noise_std = 0.5}',
    'law = {kind = "finite", probabilities = ["1/2", "1/3", "1/6"]}',
    'law = {kind = "gaussian_mixture", weights = [0.4, 0.6], means = [[0.0], [0.3]], covariances = [[[1.0]], [[2.0]]]}',
)
PROCEDURES = (
    'procedure = {kind = "erm", codebook = [[-0.8], [-0.1], [0.35], [1.4]]}',
    'procedure = {kind = "erm", codebook = [[1.0, 0.0], [1.3, 0.2]], exponent = 0.25, center = [0.0, 0.0]}',
    'procedure = {kind = "erm", losses = [[0, 1, 0.5], [1, 0, "1/3"]]}',
    'procedure = {kind = "ptq", quantizer = "thresholds", thresholds = [-0.3, 0.4], levels = [-1.0, 0.0, 1.0]}',
    'procedure = {kind = "ptq", quantizer = "sign"}',
    'procedure = {kind = "ptq", quantizer = "ternary", sparsity = 0.9}',
    'procedure = {kind = "ptq", quantizer = "uniform", bits = 3, scale = 0.5}',
    'procedure = {kind = "ptq", quantizer = "lloyd_max", bits = 2}',
    'procedure = {kind = "histogram"}',
)
RUNS = (
    'run = {n = [7, 40], methods = ["moderate", "certificate"], replicates = 1000, seed = 1, backend = "reference"}',
    'run = {n = 40, methods = ["auto"]}',
)
SHARE = 8
"""One in so many files is also ranked, or exported and merged: that costs as much as many files."""

GRIDS = (
    'grid = {"run.seed" = [1, 2]}\nadaptive = {relative_error = 0.1, replicates = 10000, seconds = 5.0}',
    'grid = {"run.n" = [7, 8], "run.seed + run.replicates" = [[1, 100], [2, 200]]}',
    'grid = {law = [{kind = "finite", probabilities = ["1/2", "1/2"]}]}',
)
FIELDS = [
    (table, name)
    for table, names in (
        ("cell", ("key specification position rule refusal seconds", *COLUMNS[:13])),
        ("block", ("cell number method replicates dof log_delta std_error in_domain domain fraction",)),
        ("block", ("value value_error log_scale gap effective objections seconds",)),
        ("session", ("id began elapsed cells blocks",)),
    )
    for name in " ".join(names).split()
]
LARGE = re.compile(rb"dimension\s*=\s*[\d_]{3}")
VALUE = re.compile(r"\"[^\"]*\"|[-+.\w]+")
DTYPES = ("<f8", ">f8", "<f4", "<f2", "|i1", "<i8", "<u8", "|b1", "<c16", "|O", "<U3", "|S4", "<M8[s]", "|V8", "<f16")


def finite(*numbers: float | None) -> None:
    """Infinities stand for limits and are allowed; a NaN is a finding."""
    for number in numbers:
        assert number is None or not math.isnan(number), "a silent NaN"


class Source:
    """The fuzzer's bytes, read one decision at a time; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1] if self.place <= len(self.data) else 0

    def rest(self) -> bytes:
        return self.data[self.place :]


def experiment(data: bytes) -> bool:
    """A TOML file: raw bytes, or a valid file with one of its words replaced by the bytes."""
    source = Source(data)
    choice = source.byte()
    raw = source.rest() if choice % 4 == 0 else one_word_replaced(source, LAWS, PROCEDURES, RUNS)
    if LARGE.search(raw):
        return False  # hundreds of megabytes and seconds are what a covariance of this size takes
    file = FOLDER / "experiment.toml"
    file.write_bytes(raw)
    try:
        found = load_experiment(file)
        for face in found.problem.at(found.n[0]).faces[:8]:
            finite(face.delta, face.sigma2, face.moderate_deviation_rate, face.chernoff_exponent, face.tilt.lam)
    except QmisError as error:
        one_line(error)
        return False
    return True


def losses(data: bytes) -> bool:
    """An .npz file: headers and data from the bytes, members stored or compressed, perhaps damaged afterwards."""
    source = Source(data)
    flags = source.byte()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if flags & 1 else zipfile.ZIP_STORED) as archive:
        for member in range(1 + flags // 2 % 2):
            archive.writestr(f"q{member}.npy" if flags & 4 or member == 0 else "notes.txt", npy(source))
    raw = damaged(buffer.getvalue(), source) if flags & 8 else buffer.getvalue()
    file = FOLDER / "losses.npz"
    file.write_bytes(raw)
    try:
        found = loss_file.load_losses(file)
        if flags & 0x70 == 0x10 and zlib.crc32(data) % SHARE == 0:
            result = rank(found, draws=199, check_axes=False)
            finite(*result.params.tolist(), *result.conf_int().ravel().tolist())
    except QmisError as error:
        one_line(error)
        return False
    return True


def table(data: bytes) -> bool:
    """A data set: CSV, TSV, .npy, .npz or Parquet, with a target that the bytes choose."""
    source = Source(data)
    kind, options = (0, 1, 2, 3, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6)[source.byte() % 16], source.byte()
    target: str | int = ("y", "a", "0", -1, "q1", "y.csv")[options % 6]
    missing = "drop" if options & 64 else "refuse"
    if kind < 4:
        name = ("t.csv", "t.tsv", "t.csv", "t.tab")[kind]
        raw = text_table(source, "\t" if kind in (1, 3) else ",", raw=kind == 2)
    elif kind == 4:
        name, raw = "t.npy", npy(source)
    elif kind == 5:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("q0.npy", npy(source))
            archive.writestr("q1.npy", npy(source))
        name, raw = "t.npz", buffer.getvalue()
    else:
        name, raw = "t.parquet", parquet(source)
    if options & 128:
        raw = damaged(raw, source)
    file = FOLDER / name
    file.write_bytes(raw)
    (FOLDER / "y.csv").write_bytes(source.rest())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            found = load_table(file, target, missing=missing, groups="g" if options & 32 else None)
        assert np.isfinite(found.X).all(), "a feature is not a finite number"
        assert np.isfinite(found.y).all(), "a target is not a finite number"
    except QmisError as error:
        one_line(error)
        return False
    return True


def store(data: bytes) -> bool:
    """A sweep file, or a store: fields replaced by the bytes, or bytes of the database damaged."""
    source = Source(data)
    choice = source.byte()
    return sweep_file(source) if choice % 2 else database(choice, source)


def sweep_file(source: Source) -> bool:
    """A sweep with a word replaced by the bytes; grids beyond 200 points are only counted."""
    raw = one_word_replaced(source, LAWS, PROCEDURES, RUNS, GRIDS)
    if LARGE.search(raw):
        return False
    file = FOLDER / "sweep.toml"
    file.write_bytes(raw)
    try:
        assert load_sweep(file).cells
    except QmisError as error:
        one_line(error)
        return False
    return True


def database(choice: int, source: Source) -> bool:
    """A store with one cell and one block: a value set to the bytes, or up to three bytes of the file changed."""
    file = FOLDER / "store.sqlite"
    raw = sound_store()
    if choice & 2:
        raw = damaged(raw, source)
    file.write_bytes(raw)
    if not choice & 2:
        table, column = FIELDS[source.byte() % len(FIELDS)]
        kind, rest = source.byte() % 4, source.rest()
        number = struct.unpack("<d", rest[:8].ljust(8, b"\x00"))[0]
        value = (rest, rest.decode("utf-8", "replace"), number, int.from_bytes(rest[:8], "little", signed=True))[kind]
        with contextlib.suppress(sqlite3.Error, OverflowError), contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute(f"UPDATE {table} SET {column} = ?", (value,))
            connection.commit()
    try:
        with Store(file, read_only=True) as found:
            progress = found.progress()
            blocks = list(found.blocks())
            rows = list(found.rows())
        finite(progress.time_left, progress.rate)
        finite(*(number for _, _, block in blocks for number in (block.result.log_delta, block.result.std_error)))
        finite(*(number for row in rows for number in row if isinstance(number, float)))
        if zlib.crc32(raw) % SHARE == 0 or not choice & 4:
            with Store(file, read_only=True) as found:
                to_records(found)
            (FOLDER / "merged.sqlite").unlink(missing_ok=True)
            merge_stores(FOLDER / "merged.sqlite", [file])
    except QmisError as error:
        one_line(error)
        return False
    return True


@functools.cache
def sound_store() -> bytes:
    """The bytes of a store that a sweep of one cell has made."""
    file = FOLDER / "sound.sqlite"
    run_sweep(
        parse_sweep(
            {
                "law": {"kind": "gaussian_mean", "mean": [0.1], "covariance": [[1.0]]},
                "procedure": {"kind": "ptq", "quantizer": "sign"},
                "run": {"n": 20, "methods": ["crude"], "replicates": 1000, "backend": "reference"},
            }
        ),
        file,
    )
    return file.read_bytes()


def warm_up() -> None:
    """Compile what a ranking needs: that time is not an input's."""
    rank({"q": np.sin(np.arange(80.0)).reshape(2, 40)}, draws=199)


TARGETS = {"experiment": experiment, "losses": losses, "table": table, "store": store}


def one_line(error: QmisError) -> None:
    text = str(error)
    assert "\n" not in text, "a message of several lines"
    assert len(text) < 4000, "a message without end"


def one_word_replaced(source: Source, *tables: tuple[str, ...]) -> bytes:
    """Return a file with one line of each kind, one of whose values is the fuzzer's bytes."""
    text = "\n".join(table[source.byte() % len(table)] for table in tables)
    words = list(VALUE.finditer(text))
    word = words[source.byte() % len(words)]
    return text[: word.start()].encode() + source.rest() + text[word.end() :].encode()


def damaged(raw: bytes, source: Source) -> bytes:
    """Change up to three bytes, and perhaps cut the end off."""
    spoiled = bytearray(raw)
    for _ in range(1 + source.byte() % 3):
        place = source.byte() + 256 * source.byte()
        if spoiled:
            spoiled[place % len(spoiled)] = source.byte()
    cut = source.byte()
    return bytes(spoiled[: len(spoiled) - cut] if cut < 128 else spoiled)


def npy(source: Source) -> bytes:
    """A .npy file: a header that may lie, and data."""
    flags = source.byte()
    dtype = DTYPES[source.byte() % (8 if flags & 1 else len(DTYPES))]
    shape = tuple(source.byte() % 24 for _ in range((2, 1, 2, 3)[flags // 2 % 4]))
    if flags & 8:
        shape = (*shape[:-1], 10 ** (source.byte() % 24))
    if flags & 16:
        header = source.rest()[:64]
    else:
        header = repr({"descr": dtype, "fortran_order": bool(flags & 32), "shape": shape}).encode()
    version = (b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x07\x00")[source.byte() % 4]
    length = struct.pack("<H" if version[0] == 1 else "<I", len(header))
    size = math.prod(shape[:3]) * np.dtype(dtype).itemsize if not flags & 8 else 64
    seed = source.rest()[:64] or b"\x00"
    body = (seed * (size // len(seed) + 1))[:size] if flags & 64 else counted(seed, size, dtype)
    return b"\x93NUMPY" + version + length + header + body


def counted(seed: bytes, size: int, dtype: str) -> bytes:
    """Different finite numbers, of which the fuzzer's bytes replace the first."""
    kind = np.dtype(dtype)
    if kind.kind not in "fiub" or not size:
        return bytes(size)
    body = np.sin(np.arange(size // kind.itemsize) * 7.0) * 50.0
    return seed[:size] + body.astype(kind).tobytes()[len(seed) :]


def text_table(source: Source, separator: str, raw: bool) -> bytes:
    """A text table: the bytes themselves, or forty sound rows with some fields replaced by the bytes."""
    if raw:
        return source.rest()
    rows = [["a", "b", "g", "y"]] + [[str(i), str(math.cos(i)), f"g{i % 3}", str(i * i % 7)] for i in range(40)]
    places = [(source.byte() % 41, source.byte() % 4) for _ in range(1 + source.byte() % 3)]
    parts = source.rest().split(b"\x00")
    cells = {place: parts[i % len(parts)] for i, place in enumerate(places)}
    lines = (
        separator.encode().join(cells.get((i, j), cell.encode()) for j, cell in enumerate(row))
        for i, row in enumerate(rows)
    )
    return b"\n".join(lines) + b"\n"


def parquet(source: Source) -> bytes:
    """A Parquet file with columns of any type, made of the bytes."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    types = (
        pa.float64(), pa.int64(), pa.string(), pa.bool_(), pa.float16(), pa.int8(), pa.uint64(), pa.date32(),
        pa.timestamp("ns"), pa.binary(), pa.decimal128(9, 2), pa.list_(pa.int8()), pa.null(), pa.duration("s"),
        pa.dictionary(pa.int8(), pa.string()), pa.struct([("x", pa.int8())]), pa.time64("ns"), pa.large_string(),
    )  # fmt: skip
    columns = {}
    for name in ("a", "g", "y")[: 1 + source.byte() % 3]:
        kind = types[source.byte() % len(types)]
        hole = source.byte() % 44
        values = [None if i == hole else cell(kind, i) for i in range(40)]
        columns[name] = pa.array(values, type=kind)
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="none")
    return buffer.getvalue()


def cell(kind: object, i: int) -> object:
    """A value of an Arrow type."""
    import datetime
    import decimal

    text = str(kind)
    if "dictionary" in text or "string" in text:
        return f"v{i % 5}"
    if text.startswith("list"):
        return [i % 7]
    if text.startswith("struct"):
        return {"x": i % 7}
    if text == "binary":
        return bytes([i])
    if text.startswith("decimal"):
        return decimal.Decimal(i)
    if text.startswith("date"):
        return datetime.date(2000, 1, 1 + i % 28)
    if text.startswith("timestamp"):
        return datetime.datetime(2000, 1, 1 + i % 28)
    if text.startswith("duration"):
        return datetime.timedelta(seconds=i)
    if text.startswith("time"):
        return datetime.time(i % 24)
    if text == "null":
        return None
    if text == "bool":
        return i % 3 == 0
    if text == "halffloat":
        return np.float16(i)
    return i % 100
