"""Messages read well from every door: no option of a command in the library, no Python on the command line."""

import ast
import json
import pickle
import re
from importlib.metadata import metadata
from pathlib import Path

import numpy as np
import pytest

import qmis_stats
from qmis_stats import InputError
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.tables import load_table
from qmis_stats.cli import cli
from qmis_stats.errors import DomainError, MissingExtraError, no_file
from qmis_stats.experiment import load_experiment
from qmis_stats.inference.areas import delong
from qmis_stats.inference.loss_file import load_losses
from qmis_stats.quantizers.libraries import LIBRARIES
from tests.sources import nodes_of

ROOT = Path(qmis_stats.__file__).parent
SCREENS = {ROOT / "cli.py", ROOT / "display.py"}


def nodes_in(text):
    return list(ast.walk(ast.parse(text)))


def texts(nodes):
    """Return the strings of a file that are not documentation, f-strings included, with their lines."""
    said = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]


def options(nodes):
    return [
        f"{line}: {text}"
        for line, text in texts(nodes)
        if any(w[:2] == "--" and w[2:3].isalpha() for w in text.split())
    ]


def test_the_library_knows_no_options():
    found = {str(path): options(nodes_of(path)) for path in ROOT.rglob("*.py") if path not in SCREENS}
    assert {path: lines for path, lines in found.items() if lines} == {}
    assert options(nodes_in('raise InputError("--out", 1, "go on with --resume")')) == [
        "1: --out",
        "1: go on with --resume",
    ]
    assert len(found) > 100


def test_extras_that_messages_name_are_offered():
    calls = [node for path in ROOT.rglob("*.py") for node in nodes_of(path)]
    named = {
        node.args[2].value
        for node in calls
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("MissingExtraError", "extra_module")
        if len(node.args) == 3 and isinstance(node.args[2], ast.Constant)
    }
    assert len(named) >= 6
    assert (named | set(LIBRARIES)) <= set(metadata("qmis_stats").get_all("Provides-Extra"))


def test_commands_speak_of_their_options(qmis, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n" + "".join(f"{i},{'x' if i == 3 else i * i % 7},{i % 2}\n" for i in range(40)))
    for arguments, line in (
        (("audit", "--level", "95"), "--level = 95.0: must be a confidence level above 0.5 and below 1, such as 0.95"),
        (("audit", "--runs", "0"), "--runs = 0: must be an integer of at least 1"),
        (("audit", "--seed", "-1", "--attacks", "0"), "--seed = -1: must be an integer from 0 to 4294967295"),
        (("audit", tmp_path / "no.csv"), f"file = '{tmp_path}/no.csv': must be a file that exists"),
        (("audit", table), f"--target is missing: must be the column of {table} to predict"),
        (
            ("audit", table, "--target", "y"),
            "t.csv: column 'b', row 4 = 'x': must be a number, as most others are; --missing-values x says that it "
            "marks what is missing",
        ),
        (("evaluate", tmp_path / "no.toml"), f"{tmp_path}/no.toml: cannot be read: No such file or directory"),
        (("verify", "S1", "--seed", "-1"), "--seed = -1: must be an integer from 0 to 4294967295"),
        (("rank", tmp_path / "no.npz"), f"file = '{tmp_path}/no.npz' cannot be read: No such file or directory"),
        (("verify", "--out", table), f"--out = '{table}': must be a folder: this is a file"),
        (("verify", "--out", ""), "--out = '': must be a name, which is not empty"),
        (("audit", ""), "DATA = '': must be a file, or bundled: and a name"),
        (("audit", "--store", ""), "--store = '': must be a name, which is not empty"),
        (("rank", ""), "LOSSES = '': must be a name, which is not empty"),
        (("audit", "--quantizers", "sign,"), "--quantizers = 'sign,': must be names with commas between them"),
    ):
        result = qmis(*arguments)
        assert result.exit_code == 2
        assert result.stderr == line + "\n"


COUNT = range(40)
MESSAGES = {
    "a mark": ("a,y", ["- -" if i == 3 else i for i in COUNT], [], "--missing-values '- -' says that it marks"),
    "decimal commas": ("a;y", [f"{i},5" for i in COUNT], [], "--decimal , reads the other mark"),
    "decimal points": ("a;y", [f"{i}.5" for i in COUNT], ["--decimal", ","], "--decimal . reads the other mark"),
    "names": ("a b,y", [f"n{i}" for i in COUNT], [], "--ignore 'a b' (SMILES are read by --smiles 'a b')"),
    "quotes": ("it's,y", [f"n{i}" for i in COUNT], [], """--ignore 'it'"'"'s' (SMILES are read by --smiles"""),
    "missing values": ("a,y", ["" if i == 3 else i for i in COUNT], [], "values: 4); --missing drop leaves them out"),
    "missing groups": ("a,g,y", [f"{i},{i or ''}" for i in COUNT], ["--groups", "g"], "--missing drop leaves the"),
    "scaffolds": ("a,y", COUNT, ["--groups", "scaffold"], "--groups = 'scaffold': must be the name of a column, or"),
    "SMILES": ("a,y", COUNT, ["--groups", "scaffold"], "used with --smiles COLUMN"),
    "no names": ("1,2", COUNT, [], "t.csv: 1, 2; --no-header numbers columns that have no names"),
    "one column": ("a,y", COUNT, ["--separator", "|"], "another --separator CHARACTER may split it"),
    "a separator": ("a,y", COUNT, ["--separator", "||"], "--separator = '||': must be one character"),
    "a decimal mark": ("a,y", COUNT, ["--decimal", ";"], "--decimal = ';': must be '.' or ','"),
    "the target ignored": ("a,y", COUNT, ["--ignore", "y"], "--ignore = 'y': must be other columns than y, which"),
    "all ignored": ("a,y", COUNT, ["--ignore", "a"], "t.csv: columns = 'a, y': must be at least one besides y, a"),
    "numbered columns": ("a,y", COUNT, ["--no-header"], "--target = 'y': must be a column of t.csv: 1, 2\n"),
    "a misspelt column": ("age,y", COUNT, ["--ignore", "agge"], ": age, y; did you mean age?"),
    "a misspelt group": ("age,y", COUNT, ["--groups", "ag"], "--groups = 'ag': must be a column of t.csv: age, y; did"),
    "no group": ("age,y", COUNT, ["--groups", ""], "--groups = '': must be a column of t.csv: age, y"),
    "a misspelt column of groups": ("age,y", COUNT, ["--by", "ag"], "--by = 'ag': must be a column of t.csv: age, y"),
    "no SMILES": ("age,y", COUNT, ["--smiles", ""], "--smiles = '': must be a column of t.csv: age, y"),
    "a share": ("a,y", COUNT, ["--evaluation", "1.5"], "--evaluation = 1.5: must be a share between 0 and 1\n"),
    "a quantizer": ("a,y", COUNT, ["--quantizers", "sing"], "the name of a quantizer; did you mean sign? It is one of"),
    "a misspelt choice": ("a,y", COUNT, ["--model", "linera"], "must be one of linear, mlp; did you mean linear?\n"),
    "no quantizer": ("a,y", COUNT, ["--quantizers", "identity"], "--quantizers = 'identity': must be at least one"),
    "quantizers twice": ("a,y", COUNT, ["--quantizers", "sign,sign"], "--quantizers = 'sign, sign': must be of diff"),
    "an ignored column": ("a,y", COUNT, ["--ignore", "b"], "--ignore = 'b': must be a column of t.csv: a, y"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_advice_is_given_in_options(name, qmis, tmp_path):
    header, values, options, words = MESSAGES[name]
    mark = ";" if ";" in header else ","
    lines = [header, *(f"{value}{mark}{i % 2}" for i, value in enumerate(values))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    result = qmis("audit", tmp_path / "t.csv", "--target", "y", *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_one_text_among_two_classes_is_asked_about(qmis, tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{'?' if i == 7 else i % 2}\n" for i in range(40)))
    result = qmis("audit", tmp_path / "t.csv", "--target", "y")
    assert result.exit_code == 2
    assert result.stderr.endswith(
        "row 8 = '?': must be a number, as most others are; --missing-values '?' says that it marks what is missing; "
        "--task multiclass makes it a class\n"
    )


def test_advice_in_notes_is_given_in_options(qmis, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n" + "".join(f"{i},{'?xz'[i % 3]},{i % 2}\n" for i in range(60)))
    result = qmis("audit", table, "--target", "y", "--runs", 1, "--attacks", 0, "--quantizers", "sign", "--json")
    (note,) = [note for note in json.loads(result.stdout)["notes"] if "counts as a text" in note]
    assert note == "b: '?' counts as a text; --missing-values '?' says that it is missing."
    assert "b: '?' counts as a text; missing_values=['?'] says that it is missing." in load_table(table, "y").notes


def test_ranks_speak_of_their_options(qmis, tmp_path):
    file = tmp_path / "l.npz"
    np.savez(file, a=np.random.default_rng(1).random((30, 12)))
    for options, line in (
        ((), "more rows than columns are probably (N, K), to be transposed; --no-axis-check allows them\n"),
        (("--no-axis-check", "--draws", 1), "--draws = 1: must be an integer from 199 to 1000000\n"),
        (("--no-axis-check", "--seed", -1), "--seed = -1: must be an integer from 0 to 4294967295\n"),
    ):
        result = qmis("rank", file, *options)
        assert result.exit_code == 2
        assert result.stderr.endswith(line)


def by_hand(nodes, names):
    """Return strings that write a setting themselves: ``name=`` at their end or before a value."""
    written = re.compile(rf"\b({'|'.join(names)})=($|['\"\[]|None|True|False|[A-Z]+\b)")
    return [f"{line}: {text}" for line, text in texts(nodes) if " " in text and written.search(text)]


def test_settings_are_written_in_one_way():
    names = {str(p.name) for command in cli.commands.values() for p in command.params} | {"header", "check_axes"}
    found = {str(path): by_hand(nodes_of(path), names) for path in ROOT.rglob("*.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}
    assert by_hand(nodes_in("""f"leave it out by ignore=[{column!r}]" """), names) == ["1: leave it out by ignore=["]
    assert by_hand(nodes_in("f'used with smiles={column!r}'"), names) == ["1: used with smiles="]


def test_files_that_cannot_be_read(tmp_path):
    for load in (load_losses, load_experiment):
        with pytest.raises(InputError, match=r"cannot be read: No such file or directory$") as caught:
            load(tmp_path / "no.npz")
        assert caught.value.field == "file"
        assert caught.value.allowed == "one that can be read"
    assert str(no_file("store", "a\nb", "written", "disk full")) == r"store = 'a\nb' cannot be written: disk full"


def test_no_number_is_said_to_be_without_nan():
    with pytest.raises(InputError, match=r"^members = nan: must be numbers, none of them NaN$"):
        delong([0.1, float("nan")], [0.2, 0.3])
    with pytest.raises(InputError, match="missing='drop' leaves them out"):
        from_arrays([[float("nan")]] + [[float(i)] for i in range(30)], [0, 1] * 15 + [0])
    with pytest.raises(InputError, match="must be a file that exists"):
        load_table("no.csv", "y")


@pytest.mark.parametrize(
    "error", [InputError("a", 1, "b", line="c"), DomainError("a", "b", "c"), MissingExtraError("a", "b", "c")]
)
def test_errors_leave_a_process_as_they_are(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(("name", "command"), [("mis", "evaluate"), ("leakage", "audit")])
def test_functions_of_python_lead_to_their_commands(name, command, qmis):
    result = qmis(name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"No such command '{name}'. Did you mean '{command}'? See 'qmis --help'.\n"
