"""Arguments of the functions that resample and rank, checked alike by every backend."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import _checks as checks
from qmis_kernels._model_checks import finite

Matrix = NDArray[np.float64]
Integers = NDArray[np.int64]

SIGNS_A_BLOCK = 128  # of the generator
LARGEST_DRAW = 2.0**500  # squares and their sums stay finite


def signed(values: ArrayLike, point: int) -> tuple[Matrix, int]:
    """Return the values and the number of the generator's block that holds the first sign."""
    matrix = finite("values", values, (None, None))
    last = SIGNS_A_BLOCK * 2**32
    number = checks.integer("point", point, 0, last)
    if number % SIGNS_A_BLOCK:
        raise ValueError(f"point = {number}: must be a multiple of {SIGNS_A_BLOCK}")
    if number + matrix.shape[1] > last:
        raise ValueError(f"point = {number}: point plus the number of columns must be at most {last}")
    return matrix, number // SIGNS_A_BLOCK


def resampled(values: ArrayLike) -> Matrix:
    """Return the values to draw from, of which there is at least one."""
    vector = finite("values", values, (None,))
    if not 0 < vector.size < 2**33:
        raise ValueError(f"values has {vector.size} entries: must have at least 1 and fewer than {2**33}")
    return vector


def centred(values: ArrayLike, reference: ArrayLike, centres: ArrayLike) -> tuple[Matrix, Matrix, Matrix]:
    """Return the rows, what is taken from each of them, and their centres."""
    rows = checks.array("values", values, (None, None))
    return (
        rows,
        checks.array("reference", reference, rows.shape[1:]),
        checks.array("centres", centres, rows.shape[:1]),
    )


def grouped(estimates: ArrayLike, draws: ArrayLike, offsets: ArrayLike) -> tuple[Matrix, Matrix, Integers]:
    """Return the estimates, their draws and the offsets of the groups."""
    centre = checks.array("estimates", estimates, (None,))
    rows = checks.array("draws", draws, (centre.size, None))
    if rows.shape[1] == 0:
        raise ValueError("draws has no columns: there must be at least one replicate")
    for name, numbers in (("estimates", centre), ("draws", rows)):
        # A NaN fails both comparisons.
        if numbers.size and not (numbers.max() < LARGEST_DRAW and numbers.min() > -LARGEST_DRAW):
            raise ValueError(f"{name}: must be finite and below 2^500 in size")
    parts = np.asarray(offsets)
    if parts.ndim != 1 or parts.size == 0 or not np.issubdtype(parts.dtype, np.integer):
        raise ValueError("offsets: must be a vector of integers")
    parts = np.ascontiguousarray(parts, dtype=np.int64)
    if parts[0] != 0 or parts[-1] != centre.size or (np.diff(parts) <= 0).any():
        raise ValueError(f"offsets: must increase strictly from 0 to the number of estimates, {centre.size}")
    return centre, rows, parts


def largest_pair(offsets: Integers) -> tuple[int, ...]:
    """Return the sizes of the two largest groups, whose pairs of rows are looked at together."""
    return tuple(np.sort(np.diff(offsets))[-2:].tolist())
