"""Files: formats, and one clear line for each that cannot be used."""

import sys

import numpy as np
import pandas as pd
import pytest

from qmis_stats import InputError
from qmis_stats.audit.tables import bundled, load_table
from qmis_stats.errors import MissingExtraError

pytestmark = pytest.mark.grid(2)

ROWS = 30
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RNG.normal(size=ROWS), "flag": RNG.random(ROWS) > 0.5, "y": RNG.normal(size=ROWS)})


def written(folder, frame=FRAME, name="table.csv", **options):
    frame.to_csv(folder / name, index=False, **options)
    return folder / name


def refused(match, *args, **options):
    with pytest.raises(InputError, match=match) as error:
        load_table(*args, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "separator"), [("t.csv", ","), ("t.tsv", "\t"), ("t.tab", "\t"), ("T.CSV", ",")])
def test_text_tables(tmp_path, name, separator):
    data = load_table(written(tmp_path, name=name, sep=separator), "y")
    assert data.features == ("a", "flag")
    assert np.array_equal(data.X, FRAME[["a", "flag"]].to_numpy(np.float64))


def test_parquet(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="Parquet needs the extra 'parquet'")
    FRAME.to_parquet(tmp_path / "t.parquet")
    assert load_table(tmp_path / "t.parquet", "y").rows == ROWS
    (tmp_path / "bad.parquet").write_bytes(b"not a table")
    refused("a Parquet file", tmp_path / "bad.parquet", "y")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="the extra parquet;"):
        load_table(tmp_path / "t.parquet", "y")


def test_columns_are_chosen(tmp_path):
    file = written(tmp_path, FRAME.assign(name="text", g=[f"g{i % 7}" for i in range(ROWS)]))
    assert load_table(file, "y", columns=["a"]).features == ("a",)
    grouped = load_table(file, "y", ignore=["name"], groups="g")
    assert grouped.features == ("a", "flag")
    assert len(set(grouped.groups)) == 7
    refused("target = 'z': must be a column of table.csv: a, flag, y", file, "z")
    refused("target = 'flog': must be .*; did you mean flag\\?$", file, " flog")
    refused("target = 'FLAG': must be .*; did you mean flag\\?$", file, "FLAG")
    refused("target = 'lagoon': must be a column of [^;?]*$", file, "lagoon")
    refused("ignore = 'g .': must be a column", file, "y", ignore=["g ?"])
    refused("ignore = 'flag': must be a sequence of columns", file, "y", ignore="flag")
    refused("columns = 'y': must be other columns than y", file, "y", columns=["y"])
    for option, value in (("smiles", ""), ("groups", ""), ("by", [""]), ("columns", ["nome"])):
        refused(f"{option} = '.*': must be a column of table.csv", file, "y", **{option: value})
    refused("used with smiles", file, "y", groups="scaffold")
    refused("at least one besides", file, "y", ignore=["a", "flag", "name", "g"])
    refused("at least one that is not the same in every row", file, "y", columns=["name"])


def test_bad_values_are_named(tmp_path):
    odd = FRAME.astype({"a": object})
    odd.loc[6, "a"] = "1,5"
    refused("column 'a', row 7 = '1,5': must be a number", written(tmp_path, odd), "y")
    holes = FRAME.copy()
    holes.loc[[3, 8], "a"] = np.nan
    file = written(tmp_path, holes, "holes.csv")
    refused(r"holes: column 'a', row 4 = 'missing'.*2 rows with missing values: 4, 9", file, "y")
    assert load_table(file, "y", missing="drop").rows == ROWS - 2
    flags = FRAME.astype({"flag": object})
    flags.loc[2, "flag"] = None
    assert load_table(written(tmp_path, flags, "flags.csv"), "y", missing="drop").rows == ROWS - 1
    refused("missing in every row", written(tmp_path, FRAME.assign(y=np.nan)), "y")


def lines(folder, *rows, name="t.csv"):
    (folder / name).write_text("\n".join(rows) + "\n")
    return folder / name


MORE = "rows have more fields than the line of column names"
COUNT = range(60)
WRONG = {
    "a field too many": (MORE, ["a,y", *(f"r{i},{i},{i}" for i in COUNT)], {}),
    "now and then": (MORE, ["a,y", *(f"{i},{i},{1 if i % 2 else ''}" for i in COUNT)], {}),
    "commas in the target": ("target, row 1 = '0,5': .*decimal=','", ["a;y", *(f"{i};{i},5" for i in COUNT)], {}),
    "commas in a feature": ("'a', row 1 = '0,5': .*decimal=','", ["a;y", *(f"{i},5;{i}" for i in COUNT)], {}),
    "both marks": ("'a', row 1 = '1.5': .* after ','", ["a;y", "1.5;1", *["1,5;2"] * 40], {"decimal": ","}),
    "a mark": (r"row 4 = '-': .*missing_values=\['-'\]", ["a,y", *(f"{i},{'-' if i == 3 else i}" for i in COUNT)], {}),
    "another name": ("target = 'y': must be a column of .*: a, b, z$", ["a;b;z", *["1;2;3"] * 30], {}),
    "another separator": ("a,y; another separator=CHARACTER may", ["a,y", *["1,2"] * 30], {"separator": ";"}),
    "no names": ("target = 'y': must be a column of .*: 1, 2, 3; header=False", ["1,2,3", *["1,2,3"] * 30], {}),
    "free text": ("'a', row 1 = 'n0': .* not of 60 in 60 rows", ["a,y", *(f"n{i},{i}" for i in COUNT)], {}),
    "separator": ("separator = '::': must be one character", ["a,y", "1,2"], {"separator": "::"}),
    "one mark for two": ("another character than the decimal", ["a,y"], {"separator": ",", "decimal": ","}),
    "decimal": ("decimal = ';': must be '.' or ','", ["a,y", "1,2"], {"decimal": ";"}),
    "missing_values": ("missing_values = '\\?': must be a sequence", ["a,y", "1,2"], {"missing_values": "?"}),
    "names": (r"\['a'\]: must be different", ["a, a ,y", "1,2,3"], {}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_text_table(tmp_path, name):
    match, rows, options = WRONG[name]
    refused(match, lines(tmp_path, *rows), "y", **options)


def test_what_was_done_to_a_text_table_is_said(tmp_path):
    rows = [f"{i},{i % 7};{'?' if i % 9 == 0 else 'ab'[i % 2]};earth;{i}" for i in range(45)]
    data = load_table(lines(tmp_path, ";a;c;d; y ", *(r.replace(",", ";") for r in rows), name="t.csv"), "y")
    assert data.features == ("a", "c=?", "c=a", "c=b")
    assert data.notes[:5] == (
        "Fields are separated by ';'.",
        "Columns without a name, such as the index of a table, are left out: 1.",
        "Text is encoded: a feature of zeros and ones for each different text in the whole table, a single one for two "
        "texts: c (3).",
        "Text that is the same in every row is left out: d.",
        "c: '?' counts as a text; missing_values=['?'] says that it is missing.",
    )
    other = load_table(tmp_path / "t.csv", "y", missing_values=["?"], missing="drop", ignore=["d"])
    assert other.features == ("a", "c=b")
    assert "5 of 45 rows have missing values and are left out." in other.notes
    named = load_table(tmp_path / "t.csv", "y", columns=["Unnamed: 0", "a"])
    assert named.features == ("Unnamed: 0", "a")


def test_a_missing_group_is_a_missing_value(tmp_path):
    groups = ["g1", "g2", "?", "g3"]
    file = lines(tmp_path, "a,g,y", *(f"{i},{groups[i % 4]},{i}" for i in range(40)))
    refused("groups 'g', row 3 = 'missing': must be a group in every row", file, "y", groups="g", missing_values=["?"])
    data = load_table(file, "y", groups="g", missing_values=["?"], missing="drop")
    assert (data.rows, len(set(data.groups))) == (30, 3)
    assert "10 of 40 rows have missing values and are left out." in data.notes


def test_an_index_does_not_hide_repeated_rows(tmp_path):
    pd.concat([FRAME, FRAME]).reset_index(drop=True).to_csv(tmp_path / "t.csv")
    data = load_table(tmp_path / "t.csv", "y")
    assert data.rows == ROWS
    assert any(note.startswith("30 rows repeat another one") for note in data.notes)


def test_labels_of_objects_are_explained(tmp_path):
    np.save(tmp_path / "x.npy", RNG.normal(size=(ROWS, 2)))
    np.save(tmp_path / "y.npy", np.array(["a", "b"] * 15, dtype=object), allow_pickle=True)
    refused(r"array of object': must be an array of numbers or text.*dtype=str", tmp_path / "x.npy", "y.npy")
    np.save(tmp_path / "hot.npy", np.eye(3)[np.arange(ROWS) % 3])
    refused(r"one-hot, of shape \(30, 3\)", tmp_path / "x.npy", "hot.npy")


def test_embeddings_of_more_dimensions(tmp_path):
    images = RNG.normal(size=(ROWS, 2, 3))
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", np.arange(ROWS))
    np.savez(tmp_path / "t.npz", images=images, y=np.arange(ROWS))
    assert np.array_equal(load_table(tmp_path / "x.npy", "y.npy").X, images)
    assert np.array_equal(load_table(tmp_path / "t.npz", "y").X, images)
    refused("target = 0: must be a file", tmp_path / "x.npy", 0)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "not empty"),
        (b"a,y\n", "at least 20"),
        (b"a,a,y\n1,2,3\n", r"column names = \['a'\]: must be different"),
        (b"a,y\n1,2\n3,4,5\n6,7\n", r"as many fields in every line \(Expected 2 fields in line 3, saw 3\)"),
        (b"a,y\n\xff\xfe,2\n", "UTF-8"),
    ],
)
def test_broken_text_tables(tmp_path, content, match):
    (tmp_path / "t.csv").write_bytes(content)
    refused(match, tmp_path / "t.csv", "y")


def test_paths(tmp_path):
    refused("a file that exists", tmp_path / "none.csv", "y")
    refused("whose name ends with .csv", tmp_path / "table.xlsx", "y")
    (tmp_path / "folder.csv").mkdir()
    refused("a file: this is a folder", tmp_path / "folder.csv", "y")
    refused("a file: this is a folder", "", "y")


def test_embeddings(tmp_path):
    X, y = RNG.normal(size=(ROWS, 6)), RNG.normal(size=ROWS)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", y)
    (tmp_path / "y.csv").write_text("value\n" + "\n".join(map(str, y)) + "\n")
    np.savez(tmp_path / "both.npz", X=X, label=np.array(["no", "yes"] * (ROWS // 2)))
    assert load_table(tmp_path / "x.npy", 2).columns == 5
    assert np.array_equal(load_table(tmp_path / "x.npy", "y.npy").y, y)
    assert np.allclose(load_table(tmp_path / "x.npy", str(tmp_path / "y.csv")).y, y)
    assert load_table(tmp_path / "both.npz", "label").classes == ("no", "yes")
    refused("number of a column, from 0 to 5", tmp_path / "x.npy", 6)
    refused("a file with one value per row", tmp_path / "x.npy", "nowhere.npy")
    refused("name of an array in both.npz: X, label", tmp_path / "both.npz", "y")
    refused("without column names", tmp_path / "x.npy", 0, smiles="s")
    np.save(tmp_path / "flat.npy", y)
    refused("points by features", tmp_path / "flat.npy", 0)
    np.save(tmp_path / "short.npy", y[:5])
    refused(r"one value per row, of shape \(30,\)", tmp_path / "x.npy", "short.npy")
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    refused("unreadable header", tmp_path / "bad.npy", 0)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    refused("array of object", tmp_path / "objects.npy", 0)


def test_a_table_that_does_not_fit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    file = written(tmp_path)
    monkeypatch.setattr("qmis_kernels.memory.fits", lambda _: False)
    refused("small enough for memory", file, "y")


@pytest.mark.long
def test_a_wide_table(tmp_path):
    names = ",".join(f"c{i}" for i in range(30_000))
    lines = [",".join("01"[(i * j) % 2] for j in range(30_000)) + f",{i}" for i in range(ROWS)]
    (tmp_path / "wide.csv").write_text(f"{names},y\n" + "\n".join(lines) + "\n")
    assert load_table(tmp_path / "wide.csv", "y").columns == 30_000


@pytest.mark.parametrize(("name", "rows", "task"), [("breast_cancer", 569, "binary"), ("diabetes", 442, "regression")])
def test_bundled(name, rows, task):
    data = bundled(name)
    assert (data.rows, data.task) == (rows, task)
    assert data.notes[0].startswith("Bundled with scikit-learn")


def test_bundled_names():
    with pytest.raises(InputError, match="breast_cancer, diabetes"):
        bundled("iris")
