"""A sweep file: an experiment file with a grid, and when a cell has enough replicates."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any

from pydantic import Field, ValidationError

from qmis_stats.errors import InputError
from qmis_stats.experiment import ExperimentError
from qmis_stats.experiment.fields import Integer, Positive
from qmis_stats.experiment.load import read_tables, validated
from qmis_stats.experiment.refusal import refusal
from qmis_stats.experiment.schema import Table
from qmis_stats.experiment.shown import shown
from qmis_stats.sweep.adaptive import Adaptive
from qmis_stats.sweep.cell import Cell, cells_of
from qmis_stats.validation import instance_of

__all__ = ["LARGEST_GRID", "Sweep", "load_sweep", "parse_sweep"]

LARGEST_GRID = 10**6
"""Most points of a grid: their specifications are held in memory."""

_TABLES = ("law", "procedure", "run")
_SHARE, _SECONDS = "a number above 0 and below 1", "a positive number of seconds"


class AdaptiveTable(Table):
    """The table ``[adaptive]``."""

    relative_error: Annotated[float, Positive(1.0, _SHARE)] = Field(description=_SHARE)
    replicates: Annotated[int, Integer(100, 10**15)] = Adaptive.replicates
    seconds: Annotated[float | None, Positive(math.inf, _SECONDS)] = None


class _RuleFile(Table):
    adaptive: AdaptiveTable = Field(description="a table [adaptive]")


@dataclass(frozen=True)
class Sweep:
    """The cells of a grid, each checked.

    Attributes
    ----------
    cells : tuple of Cell
        In the order of the file, the last axis fastest; a cell that the grid names twice is there once.
    adaptive : Adaptive or None
        When a cell has enough replicates; ``None``: after its first block.
    backend : str
        Where numbers are computed; it has no part in them.
    path : str
        The file, as it is named in messages.
    """

    cells: tuple[Cell, ...]
    adaptive: Adaptive | None
    backend: str
    path: str


def load_sweep(path: str | os.PathLike[str]) -> Sweep:
    """Read a sweep from a TOML file.

    Parameters
    ----------
    path : str or path-like
        The file, UTF-8, at most 16 MiB.

    Raises
    ------
    ExperimentError
        In one line that names the file, the field, the value, what is allowed and the point of the grid.
    """
    return parse_sweep(read_tables(path), os.fspath(path))


def parse_sweep(data: Mapping[str, Any], path: str = "<memory>") -> Sweep:
    """Return the sweep spelt by nested dictionaries and lists, as a TOML parser gives them.

    Parameters
    ----------
    data : dict
        Tables ``law``, ``procedure`` and ``run`` of an experiment; ``grid`` with a list of values for each dotted name,
        a table or an entry of one; ``adaptive``. Names joined by ``+`` change together, each value a list of theirs.
    path : str
        What messages call the source.

    Raises
    ------
    ExperimentError
        As :func:`load_sweep`.

    Examples
    --------
    >>> sweep = parse_sweep({
    ...     "law": {"kind": "gaussian_mean", "mean": [0.0], "covariance": [[1.0]]},
    ...     "procedure": {"kind": "ptq", "quantizer": "sign"},
    ...     "run": {"methods": ["exact", "tilted"]},
    ...     "grid": {"law.mean": [[0.1], [0.2]], "run.n + run.seed": [[50, 1], [100, 2], [200, 3]]},
    ... })
    >>> len(sweep.cells)
    12
    """
    instance_of(Mapping, "data", data, "load_sweep reads a file")
    grid, rule = data.get("grid", {}), data.get("adaptive")
    rest = {key: value for key, value in data.items() if key not in ("grid", "adaptive")}
    axes = _axes(path, grid)
    cells: dict[str, Cell] = {}
    backend = "auto"
    for point in _points(axes):
        try:
            table = validated(_placed(rest, point), path)
            for cell in cells_of(table):
                cell.problem  # noqa: B018  (refused here, before anything runs)
                cells.setdefault(cell.key, cell)
            backend = table.run.backend
        except InputError as error:
            raise _at(path, error, point) from None
    return Sweep(tuple(cells.values()), None if rule is None else _adaptive(path, rule), backend, path)


Axis = tuple[tuple[str, ...], list[tuple[Any, ...]]]
Point = dict[str, Any]


def _axes(path: str, grid: object) -> list[Axis]:
    if not isinstance(grid, dict):
        raise ExperimentError(path, "grid", grid, "a table [grid] with a list of values for each name")
    axes: list[Axis] = []
    seen: set[str] = set()
    for key, values in grid.items():
        names = tuple(name.strip() for name in key.split("+"))
        for name in names:
            _check_name(path, key, name, seen)
        if not isinstance(values, list) or not values:
            raise ExperimentError(path, f'grid."{key}"', values, "a list of values, not empty")
        axes.append((names, [_together(path, f'grid."{key}"[{i}]', names, v) for i, v in enumerate(values)]))
    size = math.prod(len(values) for _, values in axes)
    if size > LARGEST_GRID:
        raise ExperimentError(path, "grid", f"{size} points", f"at most {LARGEST_GRID} points")
    return axes


def _check_name(path: str, key: str, name: str, seen: set[str]) -> None:
    table, _, entry = name.partition(".")
    field = f'grid."{key}"'
    if table not in _TABLES or "." in entry or (name == table and table == "run") or name.endswith("."):
        raise ExperimentError(path, field, name, "law, procedure, or a dotted name such as law.mean or run.n")
    if name == "run.backend":
        raise ExperimentError(path, field, name, "an entry that bears on numbers: those of all backends are the same")
    clash = next((other for other in seen if name == other or table == other or other.startswith(f"{name}.")), None)
    if clash is not None:
        raise ExperimentError(path, field, name, f"set by one axis: {clash} sets it too")
    seen.add(name)


def _together(path: str, field: str, names: tuple[str, ...], value: Any) -> tuple[Any, ...]:
    if len(names) == 1:
        return (value,)
    if not isinstance(value, list) or len(value) != len(names):
        raise ExperimentError(path, field, value, f"a list of {len(names)} values, one for each of {', '.join(names)}")
    return tuple(value)


def _points(axes: list[Axis]) -> Iterator[Point]:
    names = [name for group, _ in axes for name in group]
    for values in product(*(values for _, values in axes)):
        yield dict(zip(names, (entry for group in values for entry in group), strict=True))


def _placed(tables: Mapping[str, Any], point: Point) -> dict[str, Any]:
    """Return the tables with the entries of a point of the grid in their places."""
    out = dict(tables)
    for name, value in point.items():
        table, _, entry = name.partition(".")
        below = out.get(table, {})
        out[table] = {**below, entry: value} if entry and isinstance(below, dict) else value
    return out


def _at(path: str, error: InputError, point: Point) -> ExperimentError:
    where = ", ".join(f"{name} = {shown(value)}" for name, value in point.items())
    place = f" (at the point {where} of the grid)" if where else ""
    return ExperimentError(path, error.field, error.value, error.allowed + place, missing=error.value is None)


def _adaptive(path: str, table: object) -> Adaptive:
    try:
        rule = _RuleFile.model_validate({"adaptive": table}).adaptive
    except ValidationError as error:
        raise refusal(path, error, _RuleFile) from None
    return Adaptive(rule.relative_error, rule.replicates, rule.seconds)
