"""Messages read well from every door: no option of a command in the library, no Python on the command line."""

import ast
import pickle
from pathlib import Path

import pytest

import qmis_stats
from qmis_stats import InputError
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.tables import load_table
from qmis_stats.errors import DomainError, MissingExtraError, no_file
from qmis_stats.experiment import load_experiment
from qmis_stats.inference.areas import delong
from qmis_stats.inference.loss_file import load_losses

ROOT = Path(qmis_stats.__file__).parent
SCREENS = {ROOT / "cli.py", ROOT / "display.py"}


def texts(tree):
    """Return the strings of a file that are not documentation, f-strings included, with their lines."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]


def options(tree):
    return [
        f"{line}: {text}" for line, text in texts(tree) if any(w[:2] == "--" and w[2:3].isalpha() for w in text.split())
    ]


def test_the_library_knows_no_options():
    found = {str(path): options(ast.parse(path.read_text())) for path in ROOT.rglob("*.py") if path not in SCREENS}
    assert {path: lines for path, lines in found.items() if lines} == {}
    assert options(ast.parse('raise InputError("--out", 1, "go on with --resume")')) == [
        "1: --out",
        "1: go on with --resume",
    ]
    assert len(found) > 100


def test_commands_speak_of_their_options(qmis, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n" + "".join(f"{i},{'x' if i == 3 else i * i % 7},{i % 2}\n" for i in range(40)))
    for arguments, line in (
        (("audit", "--level", "95"), "--level = 95.0: must be a confidence level above 0.5 and below 1, such as 0.95"),
        (("audit", "--runs", "0"), "--runs = 0: must be an integer of at least 1"),
        (("audit", "--seed", "-1", "--attacks", "0"), "--seed = -1: must be an integer from 0 to 4294967295"),
        (("audit", table), f"--target is missing: must be the column of {table} to predict"),
        (
            ("audit", table, "--target", "y"),
            "t.csv: column 'b', row 4 = 'x': must be a number, as most others are; missing_values=['x'] says that it "
            "marks what is missing",
        ),
        (("evaluate", tmp_path / "no.toml"), f"{tmp_path}/no.toml: cannot be read: No such file or directory"),
        (("verify", "S1", "--seed", "-1"), "--seed = -1: must be an integer from 0 to 4294967295"),
        (("rank", tmp_path / "no.npz"), f"file = '{tmp_path}/no.npz' cannot be read: No such file or directory"),
        (("verify", "--out", table), f"--out = '{table}' cannot be written: File exists"),
    ):
        result = qmis(*arguments)
        assert result.exit_code == 2
        assert result.stderr == line + "\n"


def test_files_that_cannot_be_read(tmp_path):
    for load in (load_losses, load_experiment):
        with pytest.raises(InputError, match=r"cannot be read: No such file or directory$") as caught:
            load(tmp_path / "no.npz")
        assert caught.value.field == "file"
        assert caught.value.allowed == "one that can be read"
    assert str(no_file("store", "a\nb", "written", "disk full")) == r"store = 'a\nb' cannot be written: disk full"


def test_no_number_is_said_to_be_without_nan():
    with pytest.raises(InputError, match=r"^scores = nan: must be numbers, none of them NaN$"):
        delong([0.1, float("nan")], [0.2, 0.3])
    with pytest.raises(InputError, match="missing is drop"):
        from_arrays([[float("nan")]] + [[float(i)] for i in range(30)], [0, 1] * 15 + [0])
    with pytest.raises(InputError, match="must be a file that exists"):
        load_table("no.csv", "y")


@pytest.mark.parametrize(
    "error", [InputError("a", 1, "b", line="c"), DomainError("a", "b", "c"), MissingExtraError("a", "b", "c")]
)
def test_errors_leave_a_process_as_they_are(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
