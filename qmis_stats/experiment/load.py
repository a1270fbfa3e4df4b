"""Reading an experiment file."""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import ValidationError

from qmis_stats.errors import InputError
from qmis_stats.experiment.refusal import ExperimentError, refusal
from qmis_stats.experiment.schema import ExperimentTable
from qmis_stats.problem import Problem
from qmis_stats.validation import file_name

__all__ = ["Experiment", "load_experiment", "parse_experiment", "read_tables", "validated"]

_LARGEST_FILE = 2**24


@dataclass(frozen=True)
class Experiment:
    """A problem and what to compute of it.

    Attributes
    ----------
    problem : Problem
        The law with the procedure.
    n : tuple of int
        Sample sizes.
    methods : tuple of str
        Names from :data:`~qmis_stats.evaluate.METHODS`.
    replicates : int
        Number of simulated sums, points or pairs, for Monte Carlo methods.
    seed : int
        In [0, 2³²).
    backend : str
        ``"auto"``, ``"numba"``, ``"cupy"`` or ``"reference"``.
    path : str
        The file, as it is named in messages.
    """

    problem: Problem
    n: tuple[int, ...]
    methods: tuple[str, ...]
    replicates: int
    seed: int
    backend: str
    path: str


def load_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Read an experiment from a TOML file.

    Parameters
    ----------
    path : str or path-like
        The file, UTF-8, at most 16 MiB.

    Returns
    -------
    Experiment

    Raises
    ------
    ExperimentError
        An :class:`~qmis_stats.errors.InputError` of one line that names the file, the field, the value and
        what is allowed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = '''
    ... law = {kind = "finite", probabilities = ["1/2", "1/2"]}
    ... procedure = {kind = "erm", losses = [[0, 1], [1, 0]]}
    ... run = {n = [3, 5], methods = ["exact"]}
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "coin.toml")
    ...     _ = file.write_text(text)
    ...     load_experiment(file).n
    (3, 5)
    """
    return parse_experiment(read_tables(path), str(path))


def read_tables(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the tables of a TOML file of at most 16 MiB, numbers as they are written.

    Raises
    ------
    ExperimentError
        If the file cannot be read or is not TOML.
    """
    name = file_name("path", path)
    return _parse(name, _read(name))


def parse_experiment(data: dict[str, Any], path: str = "<memory>") -> Experiment:
    """Return the experiment spelt by nested dictionaries and lists, as a TOML parser gives them.

    Parameters
    ----------
    data : dict
        Tables ``law``, ``procedure`` and ``run``.
    path : str
        What messages call the source.

    Returns
    -------
    Experiment

    Raises
    ------
    ExperimentError
        As :func:`load_experiment`.

    Examples
    --------
    >>> data = {
    ...     "law": {"kind": "gaussian_mean", "mean": [0.0], "covariance": [[1.0]]},
    ...     "procedure": {"kind": "erm", "codebook": [[0.0], [1.0]]},
    ...     "run": {"n": 50},
    ... }
    >>> parse_experiment(data).problem.exponent
    0.125
    >>> parse_experiment(data | {"run": {"n": 1}})
    Traceback (most recent call last):
    ...
    qmis_stats.experiment.refusal.ExperimentError: <memory>: run.n = 1: must be an integer from 2 to ...
    """
    for key in ("grid", "adaptive"):
        if isinstance(data, dict) and key in data:
            line = f"[{key}] makes this a sweep: use qmis sweep, or run_sweep in Python"
            raise ExperimentError(path, key, data[key], "left out of an experiment", line=line)
    table = validated(data, path)
    try:
        law = table.law.build()
        problem = Problem(law, table.procedure.build(law))
    except InputError as error:
        missing = error.value is None
        raise ExperimentError(path, error.field, error.value, error.allowed, missing=missing) from None
    run = table.run
    return Experiment(problem, run.n, run.methods, run.replicates, run.seed, run.backend, path)


def validated(data: dict[str, Any], path: str = "<memory>") -> ExperimentTable:
    """Return the checked tables of :func:`parse_experiment`, before anything is made of them."""
    try:
        return ExperimentTable.model_validate(data)
    except ValidationError as error:
        raise refusal(path, error) from None


def _read(name: str) -> str:
    try:
        if stat.S_ISFIFO(os.stat(name).st_mode):
            raise ExperimentError(name, "file", name, "one that can be read", line="cannot be read: it is a pipe")
        with open(name, "rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except ExperimentError:
        raise
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ExperimentError(name, "file", name, "one that can be read", line=f"cannot be read: {reason}") from None
    if len(raw) > _LARGEST_FILE:
        raise ExperimentError(name, "file", f"over {_LARGEST_FILE} bytes", "at most 16 MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        shown = raw[error.start : error.start + 8]
        raise ExperimentError(name, "file", shown, f"UTF-8 text; it is not at byte {error.start}") from None


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except RecursionError:
        raise ExperimentError(name, "file", "nested brackets", "valid TOML of at most a few levels") from None
    except ValueError as error:
        raise ExperimentError(name, "file", _line(text, str(error)), f"valid TOML: {error}") from None


def _decimal(text: str) -> Decimal | float:
    """Keep a number as it was written: 0.1 is 1/10 where exact arithmetic follows."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return float(text)


def _line(text: str, message: str) -> str:
    """Return the line of ``text`` that a parser's message points to."""
    _, found, position = message.rpartition("(at line ")
    number = position.partition(",")[0]
    lines = text.splitlines()
    if found and number.isdigit() and int(number) <= len(lines):
        return lines[int(number) - 1].strip()
    return text.strip()[-40:]
