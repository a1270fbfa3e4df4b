"""Fitted values that records had in further training runs without them, for their means (Statement S17)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qmis_stats.errors import InputError
from qmis_stats.leak.leave_one_out import LeaveOneOut
from qmis_stats.validation import float_array

__all__ = ["averaged"]


def averaged(found: LeaveOneOut, left_out: Any) -> LeaveOneOut:
    """Return leave-one-out quantities of which the values are means over several training runs.

    Runs are independent draws of the same game: each value errs about the mean of its record by S, and the mean of
    1 + M of them by S/(1 + M).

    Parameters
    ----------
    found : LeaveOneOut
        Of one training run.
    left_out : (M, n) or (M, n, K) array_like
        Fitted values, before any link, of its records in M others; NaN where a record was trained on.

    Raises
    ------
    InputError
        If the shape is another one, or a value is infinite.

    Examples
    --------
    >>> from qmis_stats.leak import fit_from, leave_one_out
    >>> fit = fit_from([[1.0], [1.0], [1.0]], [0.0, 1.0, 2.0], [1.0], "squared")
    >>> seen = averaged(leave_one_out(fit), [[1.1, np.nan, 0.9]])
    >>> seen.value.ravel(), seen.value_error
    (array([1.3, 1. , 0.7]), array([0.5, 1. , 0.5]))
    """
    n, outputs = found.value.shape
    allowed = f"of shape (training runs, {n}" + (")" if outputs == 1 else f", {outputs})")
    given = float_array("left_out", left_out, allowed)
    if given.ndim < 2 or given.shape[1:] != ((n,) if outputs == 1 else (n, outputs)):
        raise InputError("left_out", given.shape, allowed)
    if np.any(np.isinf(given)):
        raise InputError("left_out", float(given[np.isinf(given)][0]), "finite, or NaN where a record was trained on")
    given = given.reshape(len(given), n, outputs)
    without = ~np.any(np.isnan(given), axis=2)
    if outputs > 1:  # only differences of classes count
        given = given - given.mean(axis=2, keepdims=True) + found.value.mean(axis=1, keepdims=True)
    runs = 1.0 + without.sum(axis=0)
    total = found.value + np.sum(np.where(without[:, :, None], given, 0.0), axis=0)
    return replace(found, value=total / runs[:, None], value_error=found.value_error / runs)
