"""Objects that are what they were made of: they compare and pickle by value, and print in a line."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sized
from fractions import Fraction
from functools import cached_property
from typing import Any, SupportsIndex

import numpy as np

__all__ = ["ByValue", "same"]

_LONGEST = 60
_LONGEST_PART = 120
_MOST_NUMBERS = 9


class ByValue:
    """A base of classes whose attributes are named as the parameters of their constructor, or as their fields.

    Two objects are equal when their types and their values are. What was derived and kept is not compared, and of a
    class with a constructor of its own it is not pickled.

    Examples
    --------
    >>> class Law(ByValue):
    ...     def __init__(self, mean, unit=1.0):
    ...         self.mean, self.unit = np.array(mean), unit
    >>> Law([0.0, 0.5]), Law([0.0]) == Law([0.0]), Law([0.0]) == Law([1.0])
    (Law(mean=[0.0, 0.5]), True, False)
    """

    def _values(self) -> dict[str, Any]:
        """Return what the object was made of, by name."""
        names = _fields(type(self)) or inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, ByValue)
        return same(self._values(), other._values())

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if _fields(type(self)):
            return super().__reduce_ex__(protocol)
        return _made, (type(self), self._values())

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if not isinstance(getattr(type(self), k, None), cached_property)}

    def __hash__(self) -> int:
        return hash((type(self), *map(_hashed, self._values().values())))

    def __repr__(self) -> str:
        defaults = {
            parameter.name: parameter.default for parameter in inspect.signature(type(self)).parameters.values()
        }
        shown = {
            name: _short(value)
            for name, value in self._values().items()
            if not name.startswith("_") and not same(value, defaults.get(name, inspect.Parameter.empty))
        }
        return f"{type(self).__name__}({', '.join(f'{name}={text}' for name, text in shown.items() if text)})"


def _fields(kind: type) -> list[str]:
    """Return the names of the fields of a dataclass, and none of another class."""
    return [field.name for field in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []


def _made(kind: type[ByValue], values: dict[str, Any]) -> ByValue:
    return kind(**values)


def same(first: Any, second: Any) -> bool:
    """Return whether two values are equal: arrays, frames and results by their entries, and NaN to NaN.

    Examples
    --------
    >>> same({"a": np.array([1.0, np.nan])}, {"a": np.array([1.0, np.nan])}), same((1, 2), (1, 3))
    (True, False)
    """
    if first is second:
        return True
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        if type(first) is not type(second) or first.dtype != second.dtype or first.shape != second.shape:
            return False
        return np.array_equal(first, second, equal_nan=first.dtype.kind in "fc")
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same(value, second[key]) for key, value in first.items())
    if isinstance(first, (tuple, list)) and isinstance(second, (tuple, list)):
        return len(first) == len(second) and all(map(same, first, second))
    fields = _fields(type(first))
    if fields and type(first) is type(second):
        return all(same(getattr(first, name), getattr(second, name)) for name in fields)
    if isinstance(first, float) and isinstance(second, float) and first != first:
        return second != second
    return bool(first == second)


def _hashed(value: Any) -> Any:
    """Return something with a hash that is equal for equal values."""
    if isinstance(value, np.ndarray):
        return value.shape, (value + 0.0).tobytes() if value.dtype.kind == "f" else value.tobytes()
    if isinstance(value, (tuple, list)):
        return tuple(map(_hashed, value))
    if isinstance(value, Mapping):
        return tuple((key, _hashed(entry)) for key, entry in sorted(value.items()))
    return value


def _short(value: Any) -> str:
    """Return a value where it is short, of many entries their number, and nothing of other parts."""
    if isinstance(value, np.ndarray) and value.size > _MOST_NUMBERS:
        return f"<array of shape {value.shape}>"
    text = repr(_plain(value))
    if len(text) <= (_LONGEST_PART if isinstance(value, ByValue) else _LONGEST) and "\n" not in text:
        return text
    return f"<{len(value)} entries>" if isinstance(value, Sized) else ""


def _plain(value: Any) -> Any:
    """Return a value as a user would write it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(entry) for entry in value]
    return value
