"""Values that an experiment file may hold, each checked with the index of the entry that is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, NoReturn

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from qmis_stats.experiment.shown import shown
from qmis_stats.laws.finite import exact_rational

__all__ = [
    "LARGEST_DIMENSION",
    "REFUSED",
    "Integer",
    "Losses",
    "Matrix",
    "Number",
    "Positive",
    "Rationals",
    "ScalarOrArray",
    "ScalarOrVector",
    "Stack",
    "Vector",
    "integer",
    "refuse",
]

REFUSED = "qmis_refused"
"""Type of the validation errors raised here; their context holds ``allowed``, ``value`` and ``index``."""

LARGEST_DIMENSION = 4096
"""Largest dimension that a file may spell as one number: the covariance matrix is stored in full."""

# Fourth powers of ratios of such numbers neither overflow nor underflow.
_LARGEST_NUMBER = 1e35
_NUMBER = f"a finite number, zero or of magnitude from {1 / _LARGEST_NUMBER:g} to {_LARGEST_NUMBER:g}"
_SHAPES = ("a number", "a list of numbers", "a list of rows of numbers", "a list of matrices of numbers")
_RATIONAL = 'a number or a string such as "1/3"'
# Fraction would evaluate "1e999999999" digit by digit; three digits of exponent are more than any law needs.
_RATIONAL_TEXT = re.compile(
    r"[+-]?(\d{1,300}/\d{1,300}|(\d{1,300}\.?\d{0,300}|\.\d{1,300})(e[+-]?\d{1,3})?)",
    re.IGNORECASE | re.ASCII,
)
_LARGEST_DECIMAL_EXPONENT = 999


def refuse(value: object, allowed: str, index: tuple[int, ...] = ()) -> NoReturn:
    """Refuse ``value``, or the entry of a field at ``index``; ``allowed`` ends the sentence "must be ..."."""
    raise PydanticCustomError(REFUSED, "{allowed}", {"allowed": allowed, "value": shown(value), "index": index})


def _number(value: object, index: tuple[int, ...] = ()) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        refuse(value, _NUMBER, index)
    try:
        number = float(value)
    except (OverflowError, ValueError):
        refuse(value, _NUMBER, index)
    if number != 0.0 and not 1.0 / _LARGEST_NUMBER <= abs(number) <= _LARGEST_NUMBER:
        refuse(value, _NUMBER, index)
    return number


def _depth(value: object) -> int:
    depth = 0
    while isinstance(value, list) and depth < len(_SHAPES):
        depth += 1
        value = value[0] if value else None
    return depth


def _array(value: object, depth: int, index: tuple[int, ...]) -> Any:
    """Return nested lists of floats, ``depth`` levels deep, with rows of equal length."""
    if depth == 0:
        return _number(value, index)
    if not isinstance(value, list) or not value:
        refuse(value, f"{_SHAPES[depth]}, not empty", index)
    entries = [_array(entry, depth - 1, (*index, i)) for i, entry in enumerate(value)]
    if depth > 1 and len({len(entry) for entry in entries}) > 1:
        refuse(value, f"{_SHAPES[depth]}, all rows of the same length", index)
    return entries


def _numbers(*depths: int) -> Callable[[object], Any]:
    """Return a check for numbers nested to one of the given depths."""
    allowed = " or ".join(_SHAPES[depth] for depth in depths)

    def check(value: object) -> Any:
        depth = _depth(value)
        # A word or a table where only a list or a number may stand: the message is about the whole field.
        if depth not in depths or isinstance(value, (str, dict)):
            refuse(value, allowed)
        return _array(value, depth, ())

    return check


def integer(value: object, low: int, high: int, index: tuple[int, ...] = ()) -> int:
    """Return ``value`` if it is an int (not a bool, not 40.0) from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        refuse(value, f"an integer from {low} to {high}", index)
    return value


def Integer(low: int, high: int) -> PlainValidator:
    """Return the check of an integer field."""
    return PlainValidator(lambda value: integer(value, low, high))


def Positive(below: float, allowed: str) -> PlainValidator:
    """Return the check of a number above zero and below another."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            refuse(value, allowed)
        try:
            number = float(value)
        except (OverflowError, ValueError):
            refuse(value, allowed)
        return number if 0.0 < number < below else refuse(value, allowed)

    return PlainValidator(check)


def _rational(value: object, index: tuple[int, ...]) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        refuse(value, _RATIONAL, index)
    if isinstance(value, str) and not _RATIONAL_TEXT.fullmatch(value.strip()):
        refuse(value, _RATIONAL, index)
    if isinstance(value, float) and not math.isfinite(value):
        refuse(value, f"finite: {_RATIONAL}", index)
    if isinstance(value, Decimal) and not (value.is_finite() and abs(value.adjusted()) <= _LARGEST_DECIMAL_EXPONENT):
        refuse(value, f"finite: {_RATIONAL}", index)
    try:
        return exact_rational("", value.strip() if isinstance(value, str) else value)
    except ValueError:
        refuse(value, _RATIONAL, index)


def _rationals(value: object, index: tuple[int, ...] = ()) -> list[Fraction]:
    if not isinstance(value, list) or not value:
        refuse(value, 'a list of numbers or of strings such as "1/3", not empty', index)
    return [_rational(entry, (*index, i)) for i, entry in enumerate(value)]


def _losses(value: object) -> list[list[Fraction]]:
    if not isinstance(value, list) or not value:
        refuse(value, "a list of rows, one row of losses per codeword, one loss per atom")
    return [_rationals(row, (i,)) for i, row in enumerate(value)]


Number = Annotated[float, PlainValidator(_number)]
Vector = Annotated[list[float], PlainValidator(_numbers(1))]
Matrix = Annotated[list[list[float]], PlainValidator(_numbers(2))]
Stack = Annotated[list[list[list[float]]], PlainValidator(_numbers(3))]
ScalarOrVector = Annotated[float | list[float], PlainValidator(_numbers(0, 1))]
ScalarOrArray = Annotated[float | list[float] | list[list[float]], PlainValidator(_numbers(0, 1, 2))]
Rationals = Annotated[Sequence[Fraction], PlainValidator(_rationals)]
Losses = Annotated[Sequence[Sequence[Fraction]], PlainValidator(_losses)]
