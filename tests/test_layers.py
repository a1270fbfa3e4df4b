"""The floors of docs/architecture.md, enforced on the import graph."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "qmis_stats"

FLOOR = {
    "_lazy": 1.0,
    "by_value": 1.0,
    "errors": 1.0,
    "foreign": 1.1,
    "tilting": 1.1,
    "whole_files": 1.0,
    "increments": 1.2,
    "numerics": 1.0,
    "scores": 1.3,
    "validation": 1.4,
    "quantizers": 1.5,
    "laws": 1.5,
    "procedures": 1.6,
    "problem": 1.7,
    "reporting": 1.1,
    "results": 1.5,
    "theory": 2.0,
    "exact": 2.0,
    "simulate": 2.0,
    "inference": 3.0,
    "leak": 3.1,
    "audit": 4.0,
    "evaluate": 4.0,
    "experiment": 4.1,
    "verify": 5.0,
    "sweep": 5.0,
    "environment": 6.0,
    "display": 6.1,
    "cli": 6.2,
    "__main__": 6.3,
}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module] if node.module != "qmis_stats" else [f"qmis_stats.{a.name}" for a in node.names]
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("qmis_stats.")}
    return {r for r in rooms if r in FLOOR}


def type_only(path: Path) -> set[str]:
    """Rooms imported for annotations alone."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for inner in ast.walk(node):
                if isinstance(inner, ast.ImportFrom) and inner.module and inner.module.startswith("qmis_stats."):
                    rooms.add(inner.module.split(".")[1])
    return rooms


FILES = [p for p in sorted(ROOT.rglob("*.py")) if p != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_go_down(path):
    here = room(path)
    assert here in FLOOR, f"{here} has no floor: add it to docs/architecture.md and to this test"
    for other in imported_rooms(path) - {here} - type_only(path):
        assert FLOOR[other] < FLOOR[here], f"{path.relative_to(ROOT)} imports {other}, which is not below it"


def test_routes_do_not_import_each_other():
    routes = {"theory", "exact", "simulate"}
    for path in FILES:
        if room(path) in routes:
            assert not imported_rooms(path) & (routes - {room(path)})


def modules(root):
    """Return the files below a package by their dotted names; of the package itself, whose names are lazy, none."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = [root.name, *path.relative_to(root).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del found[root.name]
    return found


def imports_between(root):
    """Return for each module those that it imports: at its top, inside functions and for annotations alike."""
    files = modules(root)
    graph = {}
    for name, path in files.items():
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[name] |= inner & files.keys() or {node.module}
        graph[name] = (graph[name] & files.keys()) - {name}
    return graph


def circle(graph):
    """Return the modules of an import circle, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_module_comes_back_to_itself():
    assert circle(imports_between(ROOT)) == []


def test_a_circle_is_seen_wherever_the_import_stands(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "result.py").write_text("def plot():\n    from package.figure import draw\n")
    (package / "figure.py").write_text("import math\n")
    assert circle(imports_between(package)) == []
    typed = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.result import plot\n"
    (package / "figure.py").write_text(typed)
    assert set(circle(imports_between(package))) == {"package.result", "package.figure"}


PLOTS = [path for path in FILES if path.stem.endswith("plot") or path.stem == "plots"]


@pytest.mark.parametrize("path", PLOTS, ids=lambda p: p.stem)
def test_plots_take_plain_data(path):
    """No plot imports a result: another result that has the same numbers can be drawn too."""
    known = imports_between(ROOT)[".".join(["qmis_stats", *path.relative_to(ROOT).with_suffix("").parts])]
    assert not {name for name in known if name.endswith(("results", "report", "indicator", "ranking"))}


def test_kernels_know_nothing_of_the_package():
    for path in (ROOT.parent / "kernels").rglob("*.py"):
        assert "qmis_stats" not in {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }


def test_only_the_command_knows_the_figures():
    knowing = {room(path) for path in FILES if "paper_figures" in path.read_text()}
    assert knowing == {"cli"}


def test_the_rule_can_fail(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("from qmis_stats.cli import main\n")
    assert imported_rooms(bad) == {"cli"}
