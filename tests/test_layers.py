"""The floors of docs/architecture.md, enforced on the import graph."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "qmis_stats"

FLOOR = {
    "_lazy": 1.0,
    "by_value": 1.0,
    "errors": 1.0,
    "foreign": 1.1,
    "tilting": 1.1,
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
