"""Mutation testing: do the tests see it when an operator or a number of the package is another.

Usage: python mutants/run.py AREA [--count 24] [--seed 1] [--marks "not long" long] [--out mutants/out]

Needs cosmic-ray, which is not a dependency of the package. The mutants of an area are drawn without replacement from
those that cosmic-ray makes of its modules, annotations left out. Each is run in a copy of the tree against the tests of
its area that have the first mark, and if it survives with the next; a row of OUT/AREA.csv says which mark that was and
the first test that failed. An interrupted run goes on where it was.
"""

import argparse
import ast
import compileall
import csv
import os
import random
import re
import shlex
import shutil
import sys
import time
from itertools import islice
from pathlib import Path

from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_and_test, mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.testing import run_tests
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("qmis_stats", "kernels", "paper_figures", "tests", "docs", "pyproject.toml")
AREAS = {
    "theory": ("qmis_stats/theory/*.py", "tests/theory qmis_stats/theory"),
    "intervals": (
        "qmis_stats/inference/adjusted.py qmis_stats/inference/chernoff.py qmis_stats/inference/gap_intervals.py"
        " qmis_stats/inference/minimum.py qmis_stats/inference/shares.py",
        "tests/inference qmis_stats/inference",
    ),
    "reference": ("kernels/qmis_kernels/reference/*.py", "tests/kernels kernels/qmis_kernels"),
}
"""Modules that are changed, and the tests of each area."""
ARITHMETIC = "Add|Sub|Mul|Div"
BITS = "BitAnd|BitOr|BitXor|LShift|RShift"
ORDER = "Eq|NotEq|Lt|LtE|Gt|GtE"
OPERATORS = re.compile(
    rf"core/(ReplaceBinaryOperator_(({ARITHMETIC}|Pow|FloorDiv|Mod)_({ARITHMETIC})|({BITS})_({BITS}))"
    rf"|ReplaceComparisonOperator_(({ORDER})_({ORDER})|Is_IsNot|IsNot_Is)|ReplaceUnaryOperator_Delete_\w+"
    r"|AddNot|NumberReplacer|ReplaceAndWithOr|ReplaceOrWithAnd|ReplaceTrueWithFalse|ReplaceFalseWithTrue"
    r"|ReplaceBreakWithContinue|ReplaceContinueWithBreak|ZeroIterationForLoop)"
)
"""Left out are changes that any call refuses, as shifts of floating-point numbers, and those of decorators."""
COLUMNS = ("module", "line", "column", "operator", "occurrence", "seen by", "test")
FAILED = re.compile(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", re.MULTILINE)
OPTIONS = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider")
SLOWER = 4
"""A mutant that takes this many times the seconds of the tests without a mutant is seen: it may never end."""


def copied(folder: Path) -> Path:
    """Return a fresh copy of the tree, whose files are changed in place."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in KEPT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
        else:
            shutil.copy(ROOT / name, folder / name)
    compileall.compile_dir(folder, quiet=2)  # tests of mutants write no byte code
    return folder


def annotations(module: Path) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return where the annotations of a module begin and end: they are never evaluated."""
    nodes = ast.walk(ast.parse(module.read_text()))
    parts = [getattr(node, name, None) for node in nodes for name in ("annotation", "returns")]
    return [((p.lineno, p.col_offset), (p.end_lineno, p.end_col_offset)) for p in parts if p is not None]


def is_python(spec: MutationSpec) -> bool:
    """Return whether a mutant compiles: the star before names of arguments is taken for a product."""
    operator = get_operator(spec.operator_name)()
    try:
        compile(mutate_code(spec.module_path.read_text(), operator, spec.occurrence), spec.module_path, "exec")
    except SyntaxError:
        return False
    return True


def sample(patterns: str, count: int, seed: int, session: Path) -> list[MutationSpec]:
    """Return mutants of the modules in the current folder, drawn without replacement."""
    modules = sorted(module for pattern in patterns.split() for module in Path().glob(pattern))
    session.unlink(missing_ok=True)
    database = WorkDB(session, WorkDB.Mode.create)
    init(modules, database, {})
    specs = [item.mutations[0] for item in database.work_items]
    database.close()
    unused = {module: annotations(module) for module in modules}
    specs = [
        spec
        for spec in specs
        if OPERATORS.fullmatch(spec.operator_name)
        and not any(begin <= spec.start_pos < end for begin, end in unused[spec.module_path])
    ]
    specs.sort(key=lambda spec: (str(spec.module_path), spec.operator_name, spec.occurrence))
    random.Random(seed).shuffle(specs)
    return list(islice(filter(is_python, specs), count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("area", choices=AREAS)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--marks", nargs="+", default=["not long", "long"])
    parser.add_argument("--out", type=Path, default=ROOT / "mutants" / "out")
    options = parser.parse_args()
    pattern, tests = AREAS[options.area]
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(copied(out / options.area))
    specs = sample(pattern, options.count, options.seed, out / f"{options.area}.sqlite")
    limits = {}
    for mark in options.marks:
        begin = time.monotonic()
        outcome, output = run_tests(command(tests, mark, ""), None)
        if outcome != "survived":
            sys.exit(f"the tests fail without a mutant:\n{output}")
        limits[mark] = 60 + SLOWER * (time.monotonic() - begin)
    report = out / f"{options.area}.csv"
    done = list(csv.reader(report.open(newline=""))) if report.exists() else []
    with report.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if not done:
            writer.writerow(COLUMNS)
        for spec in specs[max(len(done) - 1, 0) :]:
            row = [spec.module_path, *spec.start_pos, spec.operator_name.removeprefix("core/"), spec.occurrence]
            writer.writerow([*row, *seen_by(spec, tests, limits)])
            stream.flush()
    print(score(options.area, report))


def command(tests: str, mark: str, module: str) -> str:
    """Return the call of pytest that ends at the first failure; the file that is named as the module comes first."""
    files = [path for place in tests.split() for path in sorted(Path(place).rglob("*.py"))]
    files.sort(key=lambda path: path.name != f"test_{module}.py")
    return shlex.join([sys.executable, "-m", "pytest", *OPTIONS, "-m", mark, *map(str, files)])


def seen_by(spec: MutationSpec, tests: str, limits: dict[str, float]) -> tuple[str, str]:
    """Return the first mark whose tests fail with a mutant, and the test; nothing when all pass."""
    for mark, limit in limits.items():
        result = mutate_and_test([spec], command(tests, mark, spec.module_path.stem), limit)
        if result.is_killed:
            failed = FAILED.search(result.output)
            return mark, failed[1] if failed else result.output.strip().splitlines()[-1]
    return "", ""


def score(area: str, report: Path) -> str:
    """Return how many mutants were seen, and by which mark."""
    with report.open(newline="") as stream:
        seen = [row["seen by"] for row in csv.DictReader(stream)]
    marks = ", ".join(f"{seen.count(mark)} by {mark!r}" for mark in dict.fromkeys(seen) if mark)
    return f"{area}: {len(seen) - seen.count('')} of {len(seen)} mutants seen: {marks}"


if __name__ == "__main__":
    main()
