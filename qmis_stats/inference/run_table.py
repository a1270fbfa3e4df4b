"""A table of one statistic by run and quantizer, checked once: from an array or from a long frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.validation import objects

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunTable", "run_table"]

_FEWEST_RUNS = 3


@dataclass(frozen=True)
class RunTable:
    """Values by run and quantizer.

    Attributes
    ----------
    names : tuple of str
        The Q quantizers.
    values : (R, Q) array
        NaN where a cell is missing.
    std_errors : (R, Q) array or None
        Standard errors within runs.
    """

    names: tuple[str, ...]
    values: FloatArray
    std_errors: FloatArray | None

    @property
    def complete(self) -> bool:
        """Whether no cell is missing."""
        return not bool(np.isnan(self.values).any())

    def long(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the N present values (N,), the indicators of their quantizers (N, Q) and their runs (N,)."""
        runs, quantizers = np.nonzero(~np.isnan(self.values))
        design = np.eye(len(self.names))[quantizers]
        return self.values[runs, quantizers], design, runs.astype(np.float64)

    def residual_sum_of_squares(self) -> float:
        """Return the sum of squares beside effects of runs and of quantizers."""
        response, design, runs = self.long()
        both = np.column_stack((design, runs[:, None] == np.arange(len(self.values))[None, :]))
        fitted = both @ np.linalg.lstsq(both, response, rcond=None)[0]
        return float(np.sum((response - fitted) ** 2))


def run_table(
    values: ArrayLike | pd.DataFrame, names: Sequence[str] | None = None, std_errors: ArrayLike | None = None
) -> RunTable:
    """Return a checked table.

    Parameters
    ----------
    values : (R, Q) array_like or DataFrame
        Values, or a long frame with the columns run, quantizer, value and optionally std_error.
    names : sequence of str, optional
        Names of an array's columns.
    std_errors : (R, Q) array_like, optional
        Standard errors beside an array.

    Raises
    ------
    InputError
        If a column or a number is missing or not finite, a cell is given twice, there are fewer than three runs, or
        a quantizer was seen in fewer than two of them, or its values do not vary.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"run": [1, 1, 2, 2, 3], "quantizer": list("ababa"), "value": [1.0, 2.0, 1.5, 2.2, 1.1]})
    >>> table = run_table(frame)
    >>> table.names, table.complete, table.values[0]
    (('a', 'b'), False, array([1., 2.]))
    """
    if hasattr(values, "columns"):
        if names is not None or std_errors is not None:
            raise InputError("names", names, "absent with a frame: its columns hold names and std_error")
        labels, table, errors = _from_frame(values)
    else:
        table = _numbers("values", values)
        given = [f"Q{i + 1}" for i in range(table.shape[1])] if names is None else names
        labels = objects(str, "names", given)
        errors = None if std_errors is None else _numbers("std_errors", std_errors)
    if len(labels) != table.shape[1] or len(set(labels)) != len(labels):
        raise InputError("names", labels, f"{table.shape[1]} different names")
    if np.any(np.isinf(table)):
        raise InputError("values", "infinite", "finite numbers")
    present = ~np.isnan(table)
    table = table[present.any(axis=1)]
    if len(table) < _FEWEST_RUNS:
        raise InputError("values", f"{len(table)} runs", f"of at least {_FEWEST_RUNS} runs")
    if np.any(present.sum(axis=0) < 2):
        rare = labels[int(np.argmin(present.sum(axis=0)))]
        raise InputError("values", rare, "of quantizers that were seen in two runs or more")
    spread = np.nanmax(table, axis=0) - np.nanmin(table, axis=0)
    if not np.any(spread > 0.0):
        raise InputError("values", table, "varying between runs")
    if errors is not None:
        if errors.shape != present.shape:
            raise InputError("std_errors", errors.shape, f"of the shape of the values, {present.shape}")
        if not np.all(np.isfinite(errors[present]) & (errors[present] >= 0.0)):
            raise InputError("std_errors", errors, "finite and not negative")
        errors = errors[present.any(axis=1)]
    return RunTable(labels, table, errors)


def _numbers(field: str, value: ArrayLike) -> FloatArray:
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(field, value, "an array of numbers of shape (R, Q)") from None
    if array.ndim != 2 or array.size == 0:
        raise InputError(field, array.shape, "of shape (R, Q)")
    return array


def _from_frame(frame: Any) -> tuple[tuple[str, ...], FloatArray, FloatArray | None]:
    missing = [name for name in ("run", "quantizer", "value") if name not in frame.columns]
    if missing or len(frame) == 0:
        raise InputError("values", list(frame.columns), "a frame with the columns run, quantizer, value and some rows")
    if frame[["run", "quantizer"]].isna().to_numpy().any():
        raise InputError("values", "rows without run or quantizer", "a frame that names both in every row")
    if frame.duplicated(["run", "quantizer"]).any():
        twice = frame.loc[frame.duplicated(["run", "quantizer"]), ["run", "quantizer"]].iloc[0].tolist()
        raise InputError("values", twice, "a frame with one row for each run and quantizer")
    runs, quantizers = list(frame["run"].unique()), list(frame["quantizer"].unique())
    wide = [
        frame.pivot(index="run", columns="quantizer", values=name).reindex(index=runs, columns=quantizers)
        for name in ("value", "std_error")
        if name in frame.columns
    ]
    tables = [_numbers(name, table.to_numpy()) for name, table in zip(("value", "std_error"), wide, strict=False)]
    return tuple(str(name) for name in quantizers), tables[0], tables[1] if len(tables) > 1 else None
