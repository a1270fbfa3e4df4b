"""What the three routes share, and which claims notice when it is wrong.

Usage: python docs/studies/independence.py [--page-only]

Writes independence.csv and independence.md beside this file. Each shared function is made wrong, by a fifth, in all
routes at once; then the claims are checked at the quick scale.
"""

import argparse
import ast
import contextlib
import dataclasses
import importlib
import inspect
import math
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from study_page import render
from study_rows import grouped, read_rows, write_rows

import qmis_stats
from qmis_stats import increments, laws
from qmis_stats.verify import run_verification
from qmis_stats.verify.registry import chosen_claims

FOLDER = Path(__file__).parent
ROUTES = ("theory", "exact", "simulate")
FACTOR = 0.8
CHECKED = (
    "definition.three_faces",
    "faces.pseudo_losses",
    "large_deviations.tilts",
    "large_deviations.regression",
    "sharp.published",
    "sharp.uniform",
    "certificates.lines",
    "moderate.gaussian",
    "critical.line",
    "critical.regression",
    "high_dimension.retained",
    "oracles.line",
    "oracles.regression",
    "oracles.finite",
    "oracles.product",
)
"""Claims of each statement on Δ that take a few seconds at most."""


def shared_functions() -> set[str]:
    """Return the functions that modules of two routes or more import from the rooms below."""
    users: dict[str, set[str]] = {}
    root = Path(qmis_stats.__file__).parent
    for route in ROUTES:
        for path in (root / route).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("qmis_stats."):
                    module = node.module.removeprefix("qmis_stats.")
                    if module.split(".")[0] not in ROUTES:
                        for alias in node.names:
                            users.setdefault(f"{module}.{alias.name}", set()).add(route)
    return {name for name, routes in users.items() if len(routes) > 1 and _is_function(name)}


def _is_function(name: str) -> bool:
    module, _, short = name.rpartition(".")
    found = getattr(sys.modules[f"qmis_stats.{module}"], short)
    return inspect.isfunction(found)


Wrong = Callable[..., Any]
Maker = Callable[[Wrong], Wrong]


def _scaled_value(right: Wrong) -> Wrong:
    return lambda *given, **named: FACTOR * right(*given, **named)


def _scaled_logarithm(right: Wrong) -> Wrong:
    return lambda *given, **named: right(*given, **named) + math.log(FACTOR)


def _scaled_second(right: Wrong) -> Wrong:
    def wrong(*given: Any, **named: Any) -> Any:
        first, second = right(*given, **named)
        return first, FACTOR * second

    return wrong


def _scaled_codebook(right: Wrong) -> Wrong:
    return lambda self, codebook: right(self, FACTOR * codebook)


def _scaled_thresholds(right: Wrong) -> Wrong:
    return lambda self, thresholds: right(self, tuple(FACTOR * t for t in thresholds))


def _first_loss(right: Wrong) -> Wrong:
    fifth = Fraction(4, 5)
    return lambda self, losses: right(self, [[fifth * x for x in losses[0]], *losses[1:]])


def _scaled_exponent(right: Wrong) -> Wrong:
    def wrong(self: Any) -> Any:
        tilt = right(self)
        return dataclasses.replace(tilt, exponent=FACTOR * tilt.exponent)

    return wrong


FUNCTIONS: dict[str, tuple[str, Maker]] = {
    "numerics.tail_changes": ("its factor × 0.8", _scaled_second),
    "numerics.log_ndtr_difference": ("its logarithm × 0.8", _scaled_value),
    "numerics.gauss_legendre_panels": ("its weights × 0.8", _scaled_second),
    "numerics.log_bessel_profile": ("its density × 0.8", _scaled_logarithm),
    "numerics.log_beta_half": ("the function × 0.8", _scaled_logarithm),
}
"""What two routes import: the part that is made wrong."""

BELOW: dict[str, tuple[str, Maker]] = {"numerics.log_ndtr_ratio": ("its value × 0.8", _scaled_value)}
"""What these functions call."""

BY_TESTS = {
    "numerics.log_ndtr_difference": "tests/exact/test_special_functions.py",
    "FiniteLaw.erm_scores": "tests/model/test_problem.py",
    "LinearRegression.product_cells": "tests/theory/test_critical.py",
}
"""What none of these claims sees, and a test does."""

METHODS: dict[str, tuple[type, str, str, Maker]] = {
    "GaussianMean.erm_scores": (laws.GaussianMean, "erm_scores", "codewords × 0.8", _scaled_codebook),
    "LinearRegression.erm_scores": (laws.LinearRegression, "erm_scores", "codewords × 0.8", _scaled_codebook),
    "FiniteLaw.erm_scores": (laws.FiniteLaw, "erm_scores", "the first codeword's losses × 0.8", _first_loss),
    "GaussianMean.threshold_scores": (laws.GaussianMean, "threshold_scores", "thresholds × 0.8", _scaled_thresholds),
    "LinearRegression.threshold_scores": (
        laws.LinearRegression,
        "threshold_scores",
        "thresholds × 0.8",
        _scaled_thresholds,
    ),
    "GaussianMean.product_cells": (laws.GaussianMean, "product_cells", "thresholds × 0.8", _scaled_thresholds),
    "LinearRegression.product_cells": (laws.LinearRegression, "product_cells", "thresholds × 0.8", _scaled_thresholds),
    **{
        f"{kind.__name__}.tilt": (kind, "tilt", "its exponent × 0.8", _scaled_exponent)
        for kind in (increments.Increment, increments.GaussianIncrement, increments.QuadraticIncrement)
    },
}
"""What the routes ask the problem: methods of laws and of the laws of increments."""


@contextlib.contextmanager
def made_wrong(name: str) -> Iterator[None]:
    """Make a shared function wrong wherever it is used."""
    if name in METHODS:
        kind, method, _, maker = METHODS[name]
        right = vars(kind)[method]
        setattr(kind, method, maker(right))
        try:
            yield
        finally:
            setattr(kind, method, right)
        return
    _, maker = {**FUNCTIONS, **BELOW}[name]
    module, _, short = name.rpartition(".")
    right = getattr(sys.modules[f"qmis_stats.{module}"], short)
    wrong = maker(right)
    # A module that is imported later would keep what is wrong.
    for info in pkgutil.walk_packages(qmis_stats.__path__, "qmis_stats."):
        if info.name.split(".")[1] in ROUTES:
            importlib.import_module(info.name)
    changed = [m for m in list(sys.modules.values()) if getattr(m, "__dict__", {}).get(short) is right]
    for found in changed:
        setattr(found, short, wrong)
    try:
        yield
    finally:
        for found in changed:
            setattr(found, short, right)


def failing(name: str) -> list[str]:
    """Return the claims that fail while a function is wrong; one that cannot be computed fails too."""
    found = []
    with made_wrong(name):
        for claim in chosen_claims(keys=CHECKED):
            try:
                passed = run_verification(quick=True, claims=[claim]).passed
            except Exception:
                passed = False
            if not passed:
                found.append(claim.key)
    return found


def in_a_process(name: str) -> list[str]:
    """Return :func:`failing`, computed in a process of its own: problems keep what they have derived."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as answer:
            answer.write(" ".join(failing(name)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"{name}: the process ended with status {status}")
    return text.split()


def parts() -> dict[str, dict[str, str]]:
    """Return the part of what is made wrong, by the table of the page and the name of what is shared."""
    return {
        "imported": {name: change for name, (change, _) in FUNCTIONS.items()},
        "below": {name: change for name, (change, _) in BELOW.items()},
        "asked": {name: change for name, (_, _, change, _) in METHODS.items()},
    }


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    rows = read_rows(folder / "independence.csv")
    shown = [row | {"claims": row["claims"].split()} for row in rows]
    return render("independence", parts=grouped(shown, "part"), by_tests=BY_TESTS, checked=CHECKED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page-only", action="store_true", help="the page of the CSV file that is there")
    if not parser.parse_args().page_only:
        rows = [
            {"part": part, "shared": name, "made wrong": change, "claims": " ".join(in_a_process(name))}
            for part, names in parts().items()
            for name, change in names.items()
        ]
        write_rows(FOLDER / "independence.csv", list(rows[0]), rows)
    (FOLDER / "independence.md").write_text(page(FOLDER), encoding="utf-8")


if __name__ == "__main__":
    main()
