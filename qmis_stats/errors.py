"""The package's own exceptions: one clear line each, naming the field, the value and what is allowed."""

from __future__ import annotations

from typing import Any

__all__ = [
    "BackendUnavailableError",
    "DomainError",
    "DomainWarning",
    "InputError",
    "MissingExtraError",
    "QmisError",
    "no_file",
    "one_line",
]

_LONGEST_VALUE = 160
_LONGEST_MESSAGE = 2000


def _short(value: object) -> str:
    """Return a rendering of ``value`` that fits into a message."""
    return one_line(repr(value), _LONGEST_VALUE)


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
        super().__init__(one_line(f"{field} = {_short(value)}: must be {allowed}" if line is None else line))


def no_file(field: str, path: object, done: str, reason: object) -> InputError:
    """Return the error of a file or folder that cannot be read or written, with the reason.

    Examples
    --------
    >>> print(no_file("file", "a.npz", "read", "No such file or directory"))
    file = 'a.npz' cannot be read: No such file or directory
    """
    line = f"{field} = {_short(str(path))} cannot be {done}: {reason}"
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
    >>> print(MissingExtraError("rdkit", "to read SMILES", "molecules"))
    rdkit is needed to read SMILES and is not installed: pip install 'qmis_stats[molecules]'
    """

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"{package} is needed {purpose} and is not installed: pip install 'qmis_stats[{extra}]'")


class DomainWarning(UserWarning):
    """A formula was evaluated where its error is not controlled; the result says ``in_domain = False``."""
