"""Data files are data: nothing in the package can execute what it reads."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

import qmis_kernels
import qmis_stats
from qmis_stats import InputError
from qmis_stats.audit.tables import load_table
from qmis_stats.inference.loss_file import load_losses
from tests.sources import nodes_of

PACKAGES = [Path(package.__file__).parent for package in (qmis_stats, qmis_kernels)]
FILES = sorted(path for folder in PACKAGES for path in folder.rglob("*.py"))

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "yaml", "jsonpickle", "code"}
CALLS = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {"read_pickle", "to_pickle", "literal_eval", "loadtxt", "genfromtxt", "system", "popen"}


def suspects(nodes: Iterable[ast.AST]) -> list[str]:
    """Return what could execute data: modules, calls and arguments, each with its line."""
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [f"{node.lineno}: {a.name}" for a in node.names if a.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.append(f"{node.lineno}: {node.module}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append(f"{node.lineno}: {node.func.id}")
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            found.append(f"{node.lineno}: {node.attr}")
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                found.append(f"{node.lineno}: allow_pickle")
        elif isinstance(node, ast.keyword) and node.arg == "shell":
            found.append(f"{node.lineno}: shell")
    return found


def test_nothing_executes_data():
    found = {str(p): suspects(nodes_of(p)) for p in FILES}
    assert {name: places for name, places in found.items() if places} == {}
    assert len(FILES) > 100


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from yaml import load",
        "eval(x)",
        "pd.read_pickle(p)",
        "np.load(p, allow_pickle=True)",
        "np.load(p, allow_pickle=flag)",
        "run(c, shell=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(text):
    assert suspects(ast.walk(ast.parse(text)))


def test_numpy_is_never_asked_to_load_without_saying_no_to_objects():
    for path in FILES:
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load":
                owner = ast.unparse(node.func.value)
                assert owner != "np" or "allow_pickle=False" in ast.unparse(node), f"{path}:{node.lineno}"


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickled_objects_are_refused_and_never_run(tmp_path):
    mark = tmp_path / "ran"
    payload = np.array([[Evil(mark)] * 20] * 2, dtype=object)
    np.save(tmp_path / "x.npy", payload, allow_pickle=True)
    np.savez(tmp_path / "x.npz", q=payload, allow_pickle=True)
    for read in (
        lambda: load_losses(tmp_path / "x.npz"),
        lambda: load_table(tmp_path / "x.npz", "q"),
        lambda: load_table(tmp_path / "x.npy", 0),
    ):
        with pytest.raises(InputError, match="array of object"):
            read()
    assert not mark.exists()
    np.load(tmp_path / "x.npy", allow_pickle=True)  # the control: the payload works
    assert mark.exists()


def test_a_formula_is_text(tmp_path):
    rows = "".join(f"{i},{i % 2}\n" for i in range(30))
    (tmp_path / "t.csv").write_text("a,y\n" + rows + "\"=cmd|'/C calc'!A0\",1\n")
    with pytest.raises(InputError, match=r"row 31 = \"=cmd\|"):
        load_table(tmp_path / "t.csv", "y")


def test_templates_escape_everything():
    """One environment with autoescape, and no template that switches it off."""
    templates = sorted(PACKAGES[0].rglob("*.j2"))
    assert templates
    for template in templates:
        text = template.read_text()
        assert not re.search(r"\|\s*safe\b|autoescape\s+false", text), template
    makers = [path for path in FILES if "jinja2.Environment(" in path.read_text()]
    assert [path.name for path in makers] == ["pages.py"]
    assert "autoescape=True" in makers[0].read_text()
