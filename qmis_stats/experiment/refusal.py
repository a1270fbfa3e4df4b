"""One line for the first thing that is wrong with an experiment file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from qmis_stats.errors import InputError, did_you_mean, one_line
from qmis_stats.experiment import schema
from qmis_stats.experiment.fields import REFUSED
from qmis_stats.experiment.shown import shown

__all__ = ["ExperimentError", "refusal"]


class ExperimentError(InputError):
    """An entry of an experiment file that cannot be used; the line starts with the file's name.

    Parameters
    ----------
    path : str
        The file.
    field : str
        Dotted path of the entry with indices, e.g. ``"law.covariance[0]"``.
    value : object
        The offending value; with ``missing`` it is not shown.
    allowed : str
        What is allowed instead, as the end of the sentence "must be ...".
    missing : bool
        Whether the entry is absent.
    line : str, optional
        What follows the file's name, where "field = value: must be ..." would read badly.

    Examples
    --------
    >>> print(ExperimentError("a.toml", "run.n[1]", 1, "an integer of at least 2"))
    a.toml: run.n[1] = 1: must be an integer of at least 2
    >>> print(ExperimentError("a.toml", "run.n", None, "an integer of at least 2", missing=True))
    a.toml: run.n is missing: must be an integer of at least 2
    """

    def __init__(
        self, path: str, field: str, value: object, allowed: str, *, missing: bool = False, line: str | None = None
    ) -> None:
        super().__init__(field, shown(value), allowed, line=line)
        self.path = path
        self.value = value
        text = f"{field} is missing: must be {allowed}" if missing else str(self)
        self.args = (one_line(f"{path}: {text}"),)


def refusal(path: str, error: ValidationError, file: type[BaseModel] = schema.ExperimentTable) -> ExperimentError:
    """Return the first error as one line; an unknown key comes first, since it explains a missing one."""
    errors = error.errors(include_url=False)
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    location = _without_tags(first["loc"])
    field, value = _dotted(location), first["input"]
    context: Mapping[str, Any] = first.get("ctx") or {}
    match first["type"]:
        case kind if kind == REFUSED:
            index = "".join(f"[{i}]" for i in context["index"])
            return ExperimentError(path, field + index, context["value"], context["allowed"])
        case "missing":
            return ExperimentError(path, field, None, _description(file, first["loc"]), missing=True)
        case "extra_forbidden":
            return ExperimentError(path, field, value, _known_keys(file, first["loc"]))
        case "union_tag_not_found" | "union_tag_invalid":
            return _wrong_kind(path, first["loc"], value)
        case "literal_error":
            return ExperimentError(path, field, value, str(context["expected"]))
        case "invalid_key":
            return ExperimentError(path, field, value, "a key that is a string")
        case _:
            allowed = _description(file, first["loc"]) if location else "tables [law], [procedure] and [run]"
            return ExperimentError(path, field or "file", value, allowed)


def _without_tags(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Drop the names of the alternatives that a tagged union puts after ``law`` and ``procedure``."""
    return location[:1] + location[1 + _tags(location) :]


def _tags(location: tuple[int | str, ...]) -> int:
    if len(location) < 2 or location[0] not in ("law", "procedure"):
        return 0
    return 2 if location[:2] == ("procedure", "ptq") and len(location) > 2 else 1


def _dotted(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".")


def _model(file: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the table that holds the last entry of ``location``."""
    if len(location) < 2:
        return file
    table = file.model_fields[str(location[0])].annotation
    if isinstance(table, type) and issubclass(table, BaseModel):
        return table
    names = location[1 : 1 + _tags(location)]
    tables: tuple[type[BaseModel], ...] = (
        *get_args(schema.LawUnion),
        schema.ERMTable,
        schema.HistogramTable,
        *get_args(schema.PTQUnion),
    )
    return next(table for table in tables if _literal(table) == names[-1])


def _literal(table: type[BaseModel]) -> str:
    """Return the tag that selects a table."""
    field = table.model_fields.get("quantizer") or table.model_fields["kind"]
    return str(get_args(field.annotation)[0])


def _description(file: type[BaseModel], location: tuple[int | str, ...]) -> str:
    field = _model(file, location).model_fields.get(str(location[-1]))
    return (field.description if field is not None else None) or "of another type"


def _known_keys(file: type[BaseModel], location: tuple[int | str, ...]) -> str:
    keys = sorted(_model(file, location).model_fields)
    return f"one of the known keys {', '.join(keys)}{did_you_mean(location[-1], keys)}"


def _wrong_kind(path: str, location: tuple[int | str, ...], table: Mapping[str, Any]) -> ExperimentError:
    key, choices = {
        ("law",): ("kind", schema.LAW_KINDS),
        ("procedure",): ("kind", schema.PROCEDURE_KINDS),
        ("procedure", "ptq"): ("quantizer", schema.QUANTIZERS),
    }[tuple(str(part) for part in location)]
    field, allowed = f"{location[0]}.{key}", f"one of {', '.join(choices)}"
    if key not in table:
        return ExperimentError(path, field, None, allowed, missing=True)
    value = table[key]
    return ExperimentError(path, field, value, allowed + did_you_mean(value, choices))
