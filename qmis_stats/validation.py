"""Checks that rooms share: finite numbers, shapes, covariances, levels, each refused in one clear line."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError, did_you_mean

__all__ = [
    "LARGEST_SIZE",
    "LARGEST_VARIANCE",
    "checked_level",
    "checked_seed",
    "checked_share",
    "checked_significance",
    "covariance_matrix",
    "file_name",
    "finite_array",
    "finite_number",
    "float_array",
    "instance_of",
    "labels_of",
    "nonnegative_number",
    "objects",
    "one_of",
    "positive_number",
    "real_number",
    "sample_size",
    "score_array",
    "threshold_array",
    "whole_number",
]

T = TypeVar("T")

LARGEST_SIZE = 10**15
"""Largest sample size: well inside the integers that a float holds exactly."""

_SYMMETRY_TOLERANCE = 1e-12

LARGEST_VARIANCE = 1e300
"""Beyond it, or below its reciprocal, products of entries overflow or lose digits."""


def finite_array(field: str, value: object, ndim: int, shape: str) -> FloatArray:
    """Return ``value`` as a float array of ``ndim`` dimensions with finite entries.

    Raises
    ------
    InputError
        If it is not numeric, has another number of dimensions, is empty, or has NaN or infinite entries.

    Examples
    --------
    >>> finite_array("mean", [1, 2], 1, "(d,)")
    array([1., 2.])
    """
    array = np.array(float_array(field, value, f"an array of numbers of shape {shape}"))
    if array.ndim != ndim or array.size == 0:
        raise InputError(field, value, f"an array of numbers of shape {shape}, not {array.shape}")
    if not np.all(np.isfinite(array)):
        raise InputError(field, value, "finite, without NaN or infinite entries")
    array.flags.writeable = False
    return array


def score_array(field: str, value: object) -> FloatArray:
    """Return scores or log ratios as a float array; infinite ones are allowed.

    Raises
    ------
    InputError
        If it is not numeric or empty, or a score is NaN.

    Examples
    --------
    >>> score_array("scores", [1, -np.inf])
    array([  1., -inf])
    """
    array = float_array(field, value, "an array of numbers")
    if array.size == 0:
        raise InputError(field, value, "at least one number")
    if np.isnan(array).any():
        raise InputError(field, float("nan"), "numbers, none of them NaN")
    return array


def threshold_array(field: str, value: object) -> FloatArray:
    """Return finite numbers in increasing order as a float array of shape (m,), which may be empty.

    Raises
    ------
    InputError
        If it is not such an array.

    Examples
    --------
    >>> threshold_array("edges", [1.0, 0.0])
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: edges = [1.0, 0.0]: must be finite numbers in increasing order
    """
    array = float_array(field, value, "a list of finite numbers in increasing order")
    if array.ndim != 1:
        raise InputError(field, value, f"a list of numbers of shape (m,), not {array.shape}")
    if not np.all(np.isfinite(array)) or np.any(np.diff(array) < 0.0):
        raise InputError(field, value, "finite numbers in increasing order")
    return array


def float_array(field: str, value: object, allowed: str) -> FloatArray:
    """Return floats; complex numbers, dates and masks, which NumPy would cut, and integers beyond floats are refused.

    Examples
    --------
    >>> float_array("scores", np.ma.array([1.0, 2.0], mask=[False, True]), "an array of numbers")
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: scores = masked_array(...): must be without masked entries
    """
    array = labels_of(field, value, allowed)
    try:
        if array.dtype.kind in "cmM":
            raise TypeError
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise InputError(field, value, allowed) from None


def labels_of(field: str, value: object, allowed: str = "an array of one shape") -> NDArray[Any]:
    """Return an array of anything, or refuse rows of different lengths and masked entries.

    Examples
    --------
    >>> labels_of("groups", ["a", "b"]).shape
    (2,)
    >>> labels_of("groups", [["a"], ["a", "b"]])
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: groups = [['a'], ['a', 'b']]: must be an array of one shape
    """
    if np.ma.is_masked(value):
        raise InputError(field, value, "without masked entries")
    try:
        return np.asarray(value)
    except ValueError:
        raise InputError(field, value, allowed) from None


def covariance_matrix(field: str, value: object, dimension: int) -> FloatArray:
    """Return a (d, d) symmetric positive definite matrix.

    Raises
    ------
    InputError
        If the shape is wrong, the matrix is not symmetric or not positive definite.
    """
    matrix = finite_array(field, value, 2, f"({dimension}, {dimension})")
    if matrix.shape != (dimension, dimension):
        raise InputError(field, value, f"of shape ({dimension}, {dimension}), not {matrix.shape}")
    if np.max(np.abs(matrix - matrix.T)) > _SYMMETRY_TOLERANCE * np.max(np.abs(matrix)):
        raise InputError(field, value, "symmetric")
    matrix = 0.5 * matrix + 0.5 * matrix.T
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise InputError(field, value, "positive definite") from None
    variances = np.diag(matrix)
    if not np.all((variances >= 1.0 / LARGEST_VARIANCE) & (variances <= LARGEST_VARIANCE)):
        raise InputError(field, value, f"of variances from {1.0 / LARGEST_VARIANCE:g} to {LARGEST_VARIANCE:g}")
    matrix.flags.writeable = False
    return matrix


def instance_of(kind: type, field: str, value: object, how: str = "") -> None:
    """Refuse what is no object of a kind, such as the name of a file in the place of what the file holds.

    Examples
    --------
    >>> instance_of(dict, "grid", "a.toml", "load_grid reads one")
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: grid = 'a.toml': must be a dict; load_grid reads one
    """
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise InputError(field, value, f"{article} {kind.__name__}{how and f'; {how}'}")


def file_name(field: str, value: object) -> str:
    """Return the path of a file or folder as text, or refuse what is none, such as a number or an open file.

    Examples
    --------
    >>> file_name("file", 3)
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: file = 3: must be a path: a str or a Path
    """
    name = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(name, str):
        raise InputError(field, value, "a path: a str or a Path")
    return name


def objects(kind: type, field: str, value: Iterable[T], how: str = "") -> tuple[T, ...]:
    """Return a sequence of objects of a kind, or refuse what holds others, or is one of them or its name.

    Examples
    --------
    >>> objects(str, "keys", "sharp.order", "such as ['sharp.order']")
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: keys = 'sharp.order': must be a sequence of str; such as ['sharp.order']
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        of = "" if kind is object else f" of {kind.__name__}"
        raise InputError(field, value, f"a sequence{of}{how and f'; {how}'}")
    found = tuple(value)
    for one in found:
        instance_of(kind, field, one, how)
    return found


def one_of(field: str, value: object, choices: Iterable[str]) -> None:
    """Refuse what is none of several names, arrays and lists included.

    Examples
    --------
    >>> one_of("method", ["crude"], ("crude", "tilted"))
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: method = ['crude']: must be one of crude, tilted
    """
    names = tuple(choices)
    if not isinstance(value, str) or value not in names:
        raise InputError(field, value, f"one of {', '.join(names)}{did_you_mean(value, names)}")


def real_number(field: str, value: Any, allowed: str = "a number") -> float:
    """Return ``value`` as a float, which may be infinite, or raise :class:`~qmis_stats.errors.InputError`."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)) or value != value:
        raise InputError(field, value, allowed)
    try:
        return float(value)
    except OverflowError:
        raise InputError(field, value, f"{allowed} that a float can hold") from None


def finite_number(field: str, value: Any) -> float:
    """Return ``value`` as a finite float, or raise :class:`~qmis_stats.errors.InputError`.

    Examples
    --------
    >>> finite_number("exponent", 0.125)
    0.125
    """
    number = real_number(field, value, "a finite number")
    if not np.isfinite(number):
        raise InputError(field, value, "a finite number")
    return number


def positive_number(field: str, value: Any) -> float:
    """Return ``value`` as a finite positive float, or raise :class:`~qmis_stats.errors.InputError`."""
    number = real_number(field, value, "a positive number")
    if not (np.isfinite(number) and number > 0.0):
        raise InputError(field, value, "a positive finite number")
    return number


def nonnegative_number(field: str, value: Any) -> float:
    """Return ``value`` as a finite float of at least zero, or raise :class:`~qmis_stats.errors.InputError`.

    Examples
    --------
    >>> nonnegative_number("ridge", 0)
    0.0
    """
    number = real_number(field, value, "a number of at least zero")
    if not (np.isfinite(number) and number >= 0.0):
        raise InputError(field, value, "a finite number of at least zero")
    return number


def checked_level(level: Any) -> float:
    """Return a confidence level in (0.5, 1), or raise :class:`~qmis_stats.errors.InputError`.

    Examples
    --------
    >>> checked_level(0.95)
    0.95
    >>> checked_level(95)
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: level = 95: must be a confidence level above 0.5 and below 1, such as 0.95
    """
    return _between("level", level, 0.5, "a confidence level above 0.5 and below 1, such as 0.95")


def checked_significance(level: Any) -> float:
    """Return the level of a test in (0, 1), or raise :class:`~qmis_stats.errors.InputError`.

    Examples
    --------
    >>> checked_significance(0.05)
    0.05
    """
    return _between("level", level, 0.0, "the level of a test, above 0 and below 1, such as 0.05")


def checked_share(field: str, value: Any) -> float:
    """Return a share in (0, 1), or raise :class:`~qmis_stats.errors.InputError`.

    Examples
    --------
    >>> checked_share("damping", 0.01)
    0.01
    """
    return _between(field, value, 0.0, "a number strictly between 0 and 1")


def _between(field: str, value: Any, low: float, allowed: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)) or not low < value < 1.0:
        raise InputError(field, value, allowed)
    return float(value)


def sample_size(n: object, least: int = 2) -> int:
    """Return ``n`` as an int of at least ``least``, or raise :class:`~qmis_stats.errors.InputError`.

    Examples
    --------
    >>> sample_size(10)
    10
    """
    size = whole_number("n", n, least)
    return whole_number("n", n, least, LARGEST_SIZE) if size > LARGEST_SIZE else size


def checked_seed(seed: object) -> int:
    """Return a seed in [0, 2³²), or raise :class:`~qmis_stats.errors.InputError`.

    Examples
    --------
    >>> checked_seed(2026)
    2026
    """
    return whole_number("seed", seed, 0, 2**32 - 1)


def whole_number(field: str, value: Any, least: int, most: int | None = None) -> int:
    """Return ``value`` as an int of at least ``least`` and at most ``most``.

    Raises
    ------
    InputError
        If it is no integer, or out of range.

    Examples
    --------
    >>> whole_number("draws", 2.5, 200, 10_000)
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: draws = 2.5: must be an integer from 200 to 10000
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(field, value, f"an integer {bounds}")
    return number
