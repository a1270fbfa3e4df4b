"""Public names of a package that are imported on first use, so that importing the package loads nothing heavy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping from str to sequence of str
        Public names by the submodule that defines them.

    Examples
    --------
    >>> load, _ = lazy_names("qmis_stats", {"errors": ("InputError",)})
    >>> load("InputError").__name__
    'InputError'
    >>> load("nonsense")
    Traceback (most recent call last):
    ...
    AttributeError: module 'qmis_stats' has no attribute 'nonsense'
    """
    home_of = {name: module for module, names in homes.items() for name in names}

    class Package(ModuleType):
        """A package in which a name stays what it is when the submodule that defines it is called the same."""

        def __setattr__(self, name: str, value: object) -> None:
            shadows = isinstance(value, ModuleType) and home_of.get(name) == name
            super().__setattr__(name, getattr(value, name) if shadows else value)

    if any(name == module for name, module in home_of.items()):
        sys.modules[package].__class__ = Package

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted(sys.modules[package].__all__)

    return load, names
