"""Formats that the scales of blocks are kept in: floats of 16 or 32 bits, or eight bits for runs of 256 scales."""

from __future__ import annotations

import math

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import midpoints

__all__ = ["DOUBLE", "SCALES", "kept"]

DOUBLE = "double"

SCALES = ("f16", "f32", DOUBLE)
"""Formats that scales are kept in, by the suffix of the name."""

_RUN = 256


def _dynamic() -> FloatArray:
    """Return the 256 levels of bitsandbytes: in each of seven decades twice as many as in the one below, 0, and 1."""
    decades = [10.0 ** (k - 6) * midpoints(np.linspace(0.1, 1.0, 2**k + 1)) for k in range(7)]
    positive = np.concatenate(decades)
    return np.sort(np.concatenate((-positive, [0.0], positive, [1.0])))


_LEVELS = _dynamic()
_ENDS = midpoints(_LEVELS)


def kept(scales: FloatArray, form: str) -> FloatArray:
    """Return scales as they are kept in a format.

    ``"double"`` is the second quantization of QLoRA: their mean in float32, and for each run of 256 of them the largest
    distance from it in float32 and eight bits for each distance, nearest of 256 levels that are finer towards 0. A
    scale far below the others may become 0 or negative by that.

    Parameters
    ----------
    scales : (m,) ndarray
        Finite.
    form : {"f16", "f32", "double"}
        The format.

    Raises
    ------
    InputError
        If one is too large for the format.

    Examples
    --------
    >>> kept(np.array([1.0, 2.0, 2.1, 2.4]), "double").round(4)
    array([1.0062, 2.0056, 2.104 , 2.3993])
    """
    kind = np.float16 if form == "f16" else np.float32
    with np.errstate(over="ignore", under="ignore"):
        single = scales.astype(kind)
    if not np.all(np.isfinite(single)):
        largest = float(np.max(np.abs(scales)))
        raise InputError("weights", f"a scale of {largest:g}", f"with scales up to {np.finfo(kind).max:g}")
    exact = single.astype(np.float64)
    if form != DOUBLE:
        return exact
    middle = float(np.float32(math.fsum(exact.tolist()) / exact.size))
    found = np.empty_like(exact)
    for start in range(0, exact.size, _RUN):
        away = exact[start : start + _RUN] - middle
        size = float(np.max(np.abs(away)))
        if size > 0.0:
            away = size * _LEVELS[np.searchsorted(_ENDS, away / size)]
        found[start : start + _RUN] = middle + away
    return found
