"""Arrays as people have them, as numbers and as labels; one line for what can be neither."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError, setting

__all__ = ["labels", "nearly", "numbers", "numerals", "one_per_row", "refuse_large", "refuse_nearly_numbers", "whole"]


_WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII).fullmatch
_TRUTH = {"true": 1.0, "false": 0.0}
_GROUPED = {
    decimal: re.compile(rf"[+-]?[1-9]\d{{0,2}}([{re.escape(other)}'’_\s]\d{{3}})+({re.escape(decimal)}\d*)?")
    for decimal, other in ((".", ","), (",", "."))
}
"""Numbers with marks between thousands."""


def numbers(field: str, value: ArrayLike) -> FloatArray:
    """Return features as float64, NaN where a value is missing; a vector is one feature.

    Tables of pandas, masked arrays, sparse matrices and tensors are arrays too.

    Raises
    ------
    InputError
        If the values are not real numbers.

    Examples
    --------
    >>> numbers("X", np.ma.array([1, 2], mask=[False, True])).tolist()
    [[1.0], [nan]]
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # of longer floats; infinities are refused by who uses them
            matrix = _floats(field, value)
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise InputError(field, value, "an array of numbers of shape (N, p)") from None
    return matrix.reshape(-1, 1) if matrix.ndim == 1 else matrix


def refuse_large(field: str, integers: Any, advice: str = "") -> None:
    """Refuse integers that are not told apart as float64.

    Examples
    --------
    >>> refuse_large("X", np.array([1, 2**53 + 1]))
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: X = 9007199254740993: must be integers of at most 2⁵³ in size, which floats tell apart
    """
    if len(integers) and max(abs(int(integers.min())), abs(int(integers.max()))) > 2**53:
        largest = max(int(integers.min()), int(integers.max()), key=abs)
        raise InputError(field, largest, f"integers of at most 2⁵³ in size, which floats tell apart{advice}")


def whole(texts: Sequence[str]) -> NDArray[Any]:
    """Return the integers that texts spell digit by digit, as Python's own.

    Examples
    --------
    >>> whole(["12", "-9007199254740993", "1.5", "1e20"]).tolist()
    [12, -9007199254740993]
    """
    return np.array([int(text) for text in texts if _WHOLE(text)], dtype=object)


def _floats(field: str, value: Any) -> FloatArray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().double()
    elif hasattr(value, "toarray"):
        value = value.toarray()
    elif isinstance(value, np.ma.MaskedArray):
        value = np.where(np.ma.getmaskarray(value), np.nan, np.asarray(value.data, dtype=np.float64))
    elif hasattr(value, "columns") and hasattr(value, "to_numpy"):
        value = _of_table(field, value)
    array = np.asarray(value)
    if array.dtype.kind in "iu":
        refuse_large(field, array)
    if array.dtype.kind in "cmM":
        raise TypeError(f"array of {array.dtype}")
    return np.array(array, dtype=np.float64)


def _of_table(field: str, table: Any) -> Any:
    """Return what a table of pandas, or of another library, holds."""
    for name in table.columns:
        column = table[name].dropna() if hasattr(table[name], "dropna") else table[name]
        if np.asarray(column).dtype.kind in "iu":
            refuse_large(f"{field}: column {name!r}", np.asarray(column))
    try:
        return table.to_numpy(dtype=np.float64, na_value=np.nan)
    except TypeError:  # of another library, which knows no such arguments
        return table.to_numpy()


def labels(field: str, value: ArrayLike, rows: int, decimal: str = ".") -> NDArray[Any]:
    """Return a target as float64 with NaN, or as text with ``None``, where a value is missing; shape (rows,).

    Text that is numbers throughout, with decimals after the mark, is numbers.

    Raises
    ------
    InputError
        If there is not one number, boolean or text per row, or if floats do not tell its integers apart.

    Examples
    --------
    >>> labels("y", [["yes"], [None], [b"no"]], 3).tolist()
    ['yes', None, 'no']
    >>> labels("y", np.array([1, True, "2.5"], dtype=object), 3).tolist()
    [1.0, 1.0, 2.5]
    """
    array = one_per_row(field, value, rows)
    if array.dtype.kind in "fiub":
        if array.dtype.kind in "iu":
            refuse_large(field, array)
        return array.astype(np.float64)
    if array.dtype.kind not in "OUS":
        raise InputError(field, f"array of {array.dtype}", "numbers, booleans or text")
    plain = [_plain(field, row, entry) for row, entry in enumerate(array.tolist())]
    texts = [entry for entry in plain if isinstance(entry, str)]
    spelt = iter(numerals(texts, decimal))
    found = [np.nan if entry is None else next(spelt) if isinstance(entry, str) else entry for entry in plain]
    there = [entry is not None for entry in plain]
    if any(there) and not np.isnan(np.array(found)[there]).any():
        refuse_large(field, whole(texts))
        return np.array(found)
    return np.array([None if entry is None else str(entry) for entry in plain], dtype=object)


def one_per_row(field: str, value: Any, rows: int) -> NDArray[Any]:
    """Return an array of shape (rows,), or refuse what has another shape.

    Examples
    --------
    >>> one_per_row("groups", [[1], [2]], 2)
    array([1, 2])
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    elif isinstance(value, np.ma.MaskedArray):
        value = np.where(np.ma.getmaskarray(value), np.array(None, dtype=object), value.data.astype(object))
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(field, value, f"one value per row, of shape ({rows},)") from None
    if array.size == rows and array.ndim in (1, 2):
        return array.reshape(-1)
    one_hot = array.ndim == 2 and array.shape[0] == rows and array.dtype.kind in "fiub"
    if one_hot and bool(np.all((array == 0) | (array == 1)) and np.all(array.sum(axis=1) == 1)):
        raise InputError(
            field, f"one-hot, of shape {array.shape}", f"one class per row, shape ({rows},): y.argmax(axis=1) gives it"
        )
    raise InputError(field, f"shape {array.shape}", f"one value per row, of shape ({rows},)")


def _plain(field: str, row: int, entry: Any) -> float | str | None:
    """Return a number, a text, or None for what is missing."""
    import numbers as kinds
    from decimal import Decimal

    if isinstance(entry, str):
        return entry
    if isinstance(entry, bytes):
        try:
            return entry.decode()
        except UnicodeDecodeError:
            raise InputError(f"{field}, row {row + 1}", entry, "text in UTF-8") from None
    if entry is None or str(entry) in ("nan", "NaN", "<NA>", "NaT"):
        return None
    if isinstance(entry, (kinds.Real, Decimal, np.bool_)):
        return float(entry)
    raise InputError(f"{field}, row {row + 1}", type(entry).__name__, "a number, a boolean or text")


def numerals(texts: Sequence[str], decimal: str = ".") -> FloatArray:
    """Return the numbers that texts spell, and NaN for texts that spell none; true and false alone are 1 and 0.

    Examples
    --------
    >>> numerals(["1.5", " -2e3", "1,5", "x", "nan"]).tolist()
    [1.5, -2000.0, nan, nan, nan]
    >>> numerals(["1,5", "1.5"], ",").tolist()
    [1.5, nan]
    >>> numerals(["True", "false", ""]).tolist(), numerals(["True", "1"]).tolist()
    ([1.0, 0.0, nan], [nan, 1.0])
    """
    distinct = list(dict.fromkeys(texts))  # few, where many rows have text
    values = dict(zip(distinct, _spelt(distinct, decimal), strict=True))
    return np.array([values[text] for text in texts], dtype=np.float64)


def _spelt(texts: Sequence[str], decimal: str) -> list[float]:
    import pandas as pd

    words = {text.strip().lower() for text in texts}
    if words & set(_TRUTH) and words <= {*_TRUTH, ""}:
        return [_TRUTH.get(text.strip().lower(), np.nan) for text in texts]
    swapped = texts if decimal == "." else [text.replace(".", "_").replace(decimal, ".") for text in texts]
    found = pd.to_numeric(pd.Series(swapped, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    # Which texts are numbers is asked of pandas, as for text tables; Python reads the nearest number.
    return [np.nan if np.isnan(f) else float(text) for f, text in zip(found, swapped, strict=True)]


def nearly(texts: Sequence[str]) -> FloatArray:
    """Return the numbers that texts spell with decimals after either mark, with or without marks between thousands.

    Examples
    --------
    >>> nearly(["1.5", "1,5", "1.234,5", "1 234.5", "x"]).tolist()
    [1.5, 1.5, 1234.5, 1234.5, nan]
    """
    distinct = list(dict.fromkeys(texts))
    found = numerals(distinct)
    for decimal, pattern in _GROUPED.items():
        plain = [re.sub(rf"[^\d{decimal}+-]", "", t) if pattern.fullmatch(t.strip()) else t for t in distinct]
        found = np.where(np.isnan(found), numerals(plain, decimal), found)
    values = dict(zip(distinct, found, strict=True))
    return np.array([values[text] for text in texts], dtype=np.float64)


def refuse_nearly_numbers(field: str, values: Sequence[Any], decimal: str = ".", advice: str = "") -> None:
    """Refuse a column that would be numbers but for another decimal mark, or for the odd text among its numbers.

    ``advice`` ends what is said of such a text.

    Examples
    --------
    >>> refuse_nearly_numbers("target", ["1,5", "2,25"])
    Traceback (most recent call last):
    ...
    qmis_stats.errors.InputError: target, row 1 = '1,5': must be a number with decimals after '.'; decimal=',' reads ...
    """
    texts = ["" if value is None else str(value) for value in values]
    there = np.array([value is not None for value in values])
    other = "," if decimal == "." else "."
    odd = there & np.isnan(numerals(texts, decimal))
    if not odd.any() or 2 * (~np.isnan(nearly(texts))).sum() <= there.sum():
        return
    row = int(np.argmax(odd))
    under = {mark: [bool(_GROUPED[mark].fullmatch(texts[i].strip())) for i in np.flatnonzero(odd)] for mark in _GROUPED}
    if all(under[decimal]) or under[other][0]:
        allowed = f"a number without marks between thousands, and with decimals after {decimal!r}"
    elif not np.isnan(numerals([texts[row]], other)).any():
        allowed = f"a number with decimals after {decimal!r}; {setting('decimal', other)} reads the other mark"
    else:
        mark = setting("missing_values", [texts[row]])
        allowed = f"a number, as most others are; {mark} says that it marks what is missing{advice}"
    raise InputError(f"{field}, row {row + 1}", texts[row], allowed)
