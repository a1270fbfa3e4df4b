"""The package's own exceptions: one clear line each, naming the field, the value and what is allowed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

__all__ = [
    "BackendUnavailableError",
    "DomainError",
    "DomainWarning",
    "InputError",
    "MissingExtraError",
    "QmisError",
    "did_you_mean",
    "extra_module",
    "no_file",
    "one_line",
    "setting",
    "short",
    "with_options",
]

_CLOSE = 0.75
"""Of difflib's ratios: that of a word of four letters with one wrong, or two exchanged."""
_LONGEST_VALUE = 160
_LONGEST_MESSAGE = 2000


def did_you_mean(given: object, choices: Iterable[str]) -> str:
    """Return the end of a message that names the choice nearest to what was given, or nothing if none is close.

    Examples
    --------
    >>> did_you_mean("Gauss", ["gaussian", "finite"]), did_you_mean(3, ["gaussian"])
    ('; did you mean gaussian?', '')
    >>> did_you_mean("target", ["age", "charge"])
    ''
    """
    known = {choice.casefold(): choice for choice in choices}
    near = get_close_matches(given.casefold(), known, 1, _CLOSE) if isinstance(given, str) else []
    return f"; did you mean {known[near[0]]}?" if near else ""


def short(value: object) -> str:
    """Return a rendering of a value that fits into a message.

    Examples
    --------
    >>> short(["a", 1])
    "['a', 1]"
    """
    try:
        shown = repr(value)
    except ValueError:  # Python writes no integers of more than 4300 digits
        shown = f"{type(value).__name__} that is too long to show"
    return one_line(shown, _LONGEST_VALUE)


def one_line(text: str, longest: int = _LONGEST_MESSAGE) -> str:
    r"""Return text that a terminal shows on one line: white space is a space, control characters are spelt out.

    Examples
    --------
    >>> one_line("a\tb\x1b[2J")
    'a b\\x1b[2J'
    """
    cut = text[: 2 * longest]
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(cut.split()))
    return line if len(line) <= longest and len(cut) == len(text) else line[: longest - 1] + "…"


def setting(name: str, value: object = None, *, word: str = "") -> str:
    """Return a setting as messages and notes write it, an argument in Python, which commands write as their option.

    Parameters
    ----------
    name : str
        Of the argument.
    value : str, bool or list of str
        Its value.
    word : str
        What stands for any value, in capitals, where there is none.

    Examples
    --------
    >>> setting("ignore", ["sex"]), setting("smiles", word="COLUMN")
    ("ignore=['sex']", 'smiles=COLUMN')
    """
    return f"{name}={word or repr(value)}"


_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_SETTING = re.compile(rf"\b([a-z_]+)=((?:{_QUOTED})|\[(?:{_QUOTED}|, )*\]|False|True|[A-Z]+\b)")


def with_options(text: str, options: Mapping[str, str]) -> str:
    """Return a text in which settings, see :func:`setting`, are options of a command.

    Parameters
    ----------
    text : str
        A message or a note.
    options : mapping of str to str
        From names of arguments to options.

    Examples
    --------
    >>> with_options("leave it out by ignore=['a', 'b c'], not by kind='x'", {"ignore": "--ignore"})
    "leave it out by --ignore a --ignore 'b c', not by kind='x'"
    >>> with_options("header=False numbers columns", {"header": "--no-header"})
    '--no-header numbers columns'
    >>> with_options("a new file, or used with resume=True", {"resume": "--resume"})
    'a new file, or used with --resume'
    """

    def option(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in options:
            return found.group()
        if value in ("False", "True"):
            return options[name]
        plain = [re.sub(r"\\(.)", r"\1", quoted[1:-1]) for quoted in re.findall(_QUOTED, value)]
        return " ".join(f"{options[name]} {shown}" for shown in ([shlex.quote(one) for one in plain] or [value]))

    return _SETTING.sub(option, text)


class QmisError(Exception):
    """Base class of every exception that the package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy the message and the fields, whatever arguments they were made of: processes hand exceptions on."""
        return _copied, (type(self), self.args, self.__dict__)


def _copied(kind: type[QmisError], args: tuple[Any, ...], fields: dict[str, Any]) -> QmisError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class InputError(QmisError, ValueError):
    """A value that cannot be used.

    Parameters
    ----------
    field : str
        Name of the argument or of the entry in the experiment file, e.g. ``"law.covariance"``.
    value : object
        The offending value.
    allowed : str
        What is allowed instead, as the end of the sentence "must be ...".
    line : str, optional
        The whole message, where "field = value: must be ..." would read badly.

    Examples
    --------
    >>> print(InputError("n", 1, "an integer of at least 2"))
    n = 1: must be an integer of at least 2
    """

    def __init__(self, field: str, value: object, allowed: str, *, line: str | None = None) -> None:
        self.field = field
        self.value = value
        self.allowed = allowed
        super().__init__(one_line(f"{field} = {short(value)}: must be {allowed}" if line is None else line))


def no_file(field: str, path: object, done: str, reason: object) -> InputError:
    """Return the error of a file or folder that cannot be read or written, with the reason.

    Examples
    --------
    >>> print(no_file("file", "a.npz", "read", "No such file or directory"))
    file = 'a.npz' cannot be read: No such file or directory
    """
    line = f"{field} = {short(str(path))} cannot be {done}: {reason}"
    return InputError(field, str(path), f"one that can be {done}", line=line)


class DomainError(QmisError):
    """A method was asked for a problem that lies outside its reach.

    Examples
    --------
    >>> print(DomainError("exact", "no oracle is known for this law", "use method = tilted"))
    method = 'exact': no oracle is known for this law; use method = tilted
    """

    def __init__(self, method: str, reason: str, advice: str) -> None:
        self.method = method
        self.reason = reason
        self.advice = advice
        super().__init__(one_line(f"method = {method!r}: {reason}; {advice}"))


class BackendUnavailableError(QmisError, RuntimeError):
    """The requested compiled backend cannot run on this machine."""


class MissingExtraError(QmisError, ImportError):
    """An optional package is needed and not installed.

    Examples
    --------
    >>> print(MissingExtraError("gguf", "to read .gguf files", "gguf"))
    gguf is needed to read .gguf files and is not installed: it is in the extra gguf; in a clone: pip install '.[gguf]'
    """

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        # Where the package itself came from is not known: a clone, a wheel, an index.
        where = f"it is in the extra {extra}; in a clone: pip install '.[{extra}]'"
        super().__init__(f"{package} is needed {purpose} and is not installed: {where}")


def extra_module(module: str, purpose: str, extra: str) -> Any:
    """Return a module of an optional package.

    Parameters
    ----------
    module : str
        With the package that it belongs to, such as ``"rdkit.Chem"``.
    purpose, extra : str
        As for :class:`MissingExtraError`.

    Raises
    ------
    MissingExtraError
        If the package is not installed.

    Examples
    --------
    >>> extra_module("json", "to read JSON", "json").loads("[1]")
    [1]
    """
    package = module.partition(".")[0]
    try:
        import_module(package)
        return import_module(module)
    except ImportError:
        raise MissingExtraError(package, purpose, extra) from None


class DomainWarning(UserWarning):
    """A formula was evaluated where its error is not controlled; the result says ``in_domain = False``."""
