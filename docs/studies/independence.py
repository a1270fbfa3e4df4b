"""What the three routes share, and which claims notice when it is wrong.

Usage: python docs/studies/independence.py > docs/studies/independence.md

Each shared function is made wrong, by a fifth, in all routes at once; then the claims are checked at the quick scale.
"""

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

import qmis_stats
from qmis_stats import increments, laws
from qmis_stats.verify import run_verification
from qmis_stats.verify.registry import chosen_claims

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


def print_table(names: dict[str, str]) -> None:
    """Print a row per function: what is made wrong, and which claims fail."""
    print("| shared | made wrong | claims that fail |\n|---|---|---|")
    for name, change in names.items():
        found = in_a_process(name)
        claims = ", ".join(f"`{key}`" for key in found) or f"none; `{BY_TESTS[name]}` fails"
        print(f"| `{name}` | {change} | {claims} |", flush=True)


def main() -> None:
    print("""# What the routes share

Written by `python docs/studies/independence.py`. Theory, exact oracles and simulation do not import each other; a
test keeps it so. They start from the same problem, and some functions of `qmis_stats.numerics` serve two of them. A
comparison of two routes cannot see what both get wrong alike. So each of these functions is made wrong here by a
fifth, in all routes at once, and the claims are checked (quick scale, seed 2026).

## Functions that two routes import

A test compares this list with the imports. Beside these, routes share the check of n (`validation.sample_size`),
types of arrays and errors, and the result.
""")
    print_table({name: change for name, (change, _) in FUNCTIONS.items()})
    print("""
`tail_changes` is used by the quadrature on a line and by the conditional estimator, which the rows "conditional" of
`oracles.line` compare: these rows hold while it is wrong. Claims that compare either of the two with a formula fail.

## What these functions call
""")
    print_table({name: change for name, (change, _) in BELOW.items()})
    print("""
## What the routes ask the problem

Scores, cells and increments say what the problem *is*. Made wrong, they describe another problem, on which all routes
agree; claims and tests fail that know the answer for the problem as it was stated.
""")
    print_table({name: change for name, (_, _, change, _) in METHODS.items()})
    print(f"""
The claims that were checked: {", ".join(f"`{key}`" for key in CHECKED)}.""")


if __name__ == "__main__":
    main()
