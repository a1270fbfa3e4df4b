"""Code that is not the package's, a user's quantizer or model: what it raises becomes one line that names it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError

__all__ = ["blamed", "raised_by", "returned_numbers", "steps_of"]

_T = TypeVar("_T")


def reason_of(error: Exception) -> str:
    """Return the first words of what an exception says, or what kind it is.

    Examples
    --------
    >>> reason_of(ValueError("no  file")), reason_of(KeyError())
    ('no file', 'KeyError')
    """
    return " ".join(str(error).split()[:20]) or type(error).__name__


def blamed(who: str, error: Exception) -> InputError:
    """Return the error that names whose code raised an exception; to be raised from it."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return InputError(who, said, "code that raises nothing here", line=f"{who} raised {said}")


@contextlib.contextmanager
def raised_by(who: str, *, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn an exception into an ``InputError`` that names who raised it; ``__cause__`` is the original.

    Parameters
    ----------
    who : str
        Whose code runs, for instance ``"quantizer 'mine'"``.
    but : tuple of exception types
        Exceptions that go through as they are.

    Examples
    --------
    >>> with raised_by("quantizer 'mine'"):
    ...     [1.0].index(2.0)
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: quantizer 'mine' raised ValueError: 2.0 is not in list
    """
    try:
        yield
    except but:
        raise
    except Exception as error:
        raise blamed(who, error) from error


def steps_of(who: str, make: Callable[[], Iterable[_T]], *, but: tuple[type[Exception], ...] = ()) -> Iterator[_T]:
    """Yield what an iterable of a user yields, its exceptions as those of :func:`raised_by`.

    Parameters
    ----------
    who, but
        As in :func:`raised_by`.
    make : callable
        Returns the iterable.

    Examples
    --------
    >>> list(steps_of("mine", lambda: range(3)))
    [0, 1, 2]
    """
    with raised_by(who, but=but):
        steps = iter(make())
    while True:
        try:
            step = next(steps)
        except StopIteration:
            return
        except but:
            raise
        except Exception as error:
            raise blamed(who, error) from error
        yield step


def returned_numbers(
    field: str, returned: NDArray[Any], shape: tuple[int, ...], what: str, finite: str = "finite"
) -> FloatArray:
    """Return what a user's code returned as float64: finite real numbers of a shape.

    Parameters
    ----------
    field : str
        What was returned by whom.
    returned : ndarray
        It.
    shape : tuple of int
        As it must be.
    what, finite : str
        What is expected, and what is said of NaN and infinite numbers.

    Examples
    --------
    >>> returned_numbers("losses of model Mine", np.zeros((2, 1)), (2,), "one number per point")
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: losses of model Mine = 'of shape (2, 1)': must be one number per point, of shape (2,)
    """
    if returned.dtype == np.float64 and returned.shape == shape and np.isfinite(returned).all():
        return returned
    if returned.dtype.kind not in "fiub":
        raise InputError(field, f"of type {returned.dtype}", f"{what}, real numbers")
    if returned.shape != shape:
        raise InputError(field, f"of shape {returned.shape}", f"{what}, of shape {shape}")
    array = returned.astype(np.float64)
    if not np.isfinite(array).all():
        place = ", ".join(str(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InputError(f"{field}, at [{place}]", float(array[~np.isfinite(array)][0]), finite)
    return array
