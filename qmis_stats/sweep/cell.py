"""One cell of a grid: everything that its number depends on, as canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

from qmis_stats.experiment import parse_experiment
from qmis_stats.experiment.schema import ExperimentTable
from qmis_stats.problem import Problem
from qmis_stats.sweep.versions import versions

__all__ = ["Cell", "Entry", "canonical", "cells_of", "problem_of", "spelt"]

Entry = str | int | float


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: keys sorted, fractions as strings, floats with all their digits.

    Examples
    --------
    >>> canonical({"b": Fraction(1, 3), "a": [0.1, 2]})
    '{"a":[0.1,2],"b":"1/3"}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_fraction)


def _fraction(value: object) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{value!r} has no place in a specification")


def spelt(tables: Mapping[str, Any], *names: str) -> dict[str, Entry]:
    """Return the entries of some tables of a specification by their dotted names; lists are JSON text.

    Examples
    --------
    >>> spelt({"law": {"mean": [0.1], "kind": "gaussian_mean"}, "run": {"n": 50}}, "law")
    {'law.mean': '[0.1]', 'law.kind': 'gaussian_mean'}
    """
    return {
        f"{name}.{key}": entry if isinstance(entry, (str, int, float)) else canonical(entry)
        for name in names
        for key, entry in tables[name].items()
    }


@dataclass(frozen=True)
class Cell:
    """A law, a procedure, one sample size, one method, one seed, and the versions of the code.

    Attributes
    ----------
    specification : str
        Canonical JSON: ``law``, ``procedure``, ``run`` (``n``, ``method``, ``replicates``, ``seed``), ``versions``.
    """

    specification: str

    @cached_property
    def key(self) -> str:
        """SHA-256 of the specification."""
        return hashlib.sha256(self.specification.encode()).hexdigest()

    @cached_property
    def tables(self) -> dict[str, Any]:
        """The specification, parsed."""
        tables: dict[str, Any] = json.loads(self.specification)
        return tables

    @property
    def run(self) -> Mapping[str, Any]:
        """Sample size, method, replicates of a block, and seed."""
        run: Mapping[str, Any] = self.tables["run"]
        return run

    @property
    def problem(self) -> Problem:
        """The law with the procedure."""
        return problem_of(canonical(self.tables["law"]), canonical(self.tables["procedure"]))


def cells_of(table: ExperimentTable) -> list[Cell]:
    """Return the cells of a checked experiment, sample sizes first.

    Entries that have their default value are left out of the specification, so that a later version may add some.
    """
    law, procedure = (canonical(part.model_dump(exclude_defaults=True)) for part in (table.law, table.procedure))
    current = canonical(versions())
    cells = []
    for n in table.run.n:
        for method in table.run.methods:
            run = {"n": n, "method": method, "replicates": table.run.replicates, "seed": table.run.seed}
            text = f'{{"law":{law},"procedure":{procedure},"run":{canonical(run)},"versions":{current}}}'
            cells.append(Cell(text))
    return cells


@lru_cache(maxsize=64)
def problem_of(law: str, procedure: str) -> Problem:
    """Return the problem that two canonical tables spell; the last ones are kept."""
    data = {"law": json.loads(law), "procedure": json.loads(procedure), "run": {"n": 2}}
    return parse_experiment(data).problem
