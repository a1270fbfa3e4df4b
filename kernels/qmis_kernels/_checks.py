"""Shapes and ranges of arguments, checked alike by every backend; one line names the argument at fault."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_kernels import memory

Matrix = NDArray[np.float64]
Key = tuple[int, int]


def integer(name: str, value: Any, smallest: int, beyond: int) -> int:
    """Return ``value`` as an integer in [smallest, beyond)."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} = {value!r}: must be an integer") from None
    if not smallest <= number < beyond:
        raise ValueError(f"{name} = {number}: must be at least {smallest} and below {beyond}")
    return number


def array(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Matrix:
    """Return ``value`` as contiguous float64 of the given shape; None stands for any length."""
    result = np.ascontiguousarray(value, dtype=np.float64)
    if result.ndim != len(shape) or any(
        want not in (None, have) for want, have in zip(shape, result.shape, strict=True)
    ):
        wanted = " x ".join("any" if length is None else str(length) for length in shape)
        raise ValueError(f"{name} has shape {result.shape}: must be an array of shape ({wanted})")
    return result


def source(key: Key, stream: int) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return the seed, the experiment and the stream as unsigned integers."""
    if len(key) != 2:
        raise ValueError(f"key has {len(key)} entries: must be (seed, experiment)")
    seed = integer("key[0]", key[0], 0, 2**32)
    experiment = integer("key[1]", key[1], 0, 2**32)
    return np.uint64(seed), np.uint64(experiment), np.uint64(integer("stream", stream, 0, 2**32))


def replicates(first: int, count: int) -> tuple[np.uint64, int]:
    """Return the number of the first replicate and how many there are."""
    return np.uint64(integer("first", first, 0, 2**63)), integer("count", count, 0, 2**63)


def room(function: str, shape: tuple[int, ...], lower: str) -> tuple[int, ...]:
    """Return the shape of a result of 8-byte numbers, or refuse it in one line when it would not fit in memory."""
    size = 8 * math.prod(shape)
    if not memory.fits(size):
        needed, free = memory.readable(size), memory.readable(memory.available())
        raise memory.OutOfMemory(
            f"{function}: a result of shape {shape} needs {needed}, {free} are available: lower {lower}"
        )
    return shape


def probabilities(name: str, value: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return p and its tails p[k] + p[k + 1] + ..., added from the end; the last tail is 0."""
    p = array(name, value, (None,))
    tails = np.zeros(p.size + 1)
    for k in range(p.size - 1, -1, -1):
        tails[k] = tails[k + 1] + p[k]
    if not (p >= 0.0).all() or not 0.0 < tails[0] < np.inf:
        raise ValueError(f"{name}: must be non-negative with a positive sum")
    return p, tails


def partition(edges: ArrayLike, offsets: ArrayLike) -> tuple[Matrix, NDArray[np.int64]]:
    """Return the edges and the offsets that divide them among coordinates."""
    flat = array("edges", edges, (None,))
    parts = np.ascontiguousarray(offsets, dtype=np.int64)
    if parts.ndim != 1 or parts.size == 0 or parts[0] != 0 or parts[-1] != flat.size or (np.diff(parts) < 0).any():
        raise ValueError(f"offsets: must increase from 0 to the number of edges, {flat.size}")
    return flat, parts


def pairs(sum_scores: ArrayLike, point_scores: ArrayLike) -> tuple[Matrix, Matrix]:
    """Return the two arrays of scores, which have one column for each cell."""
    sums = array("sum_scores", sum_scores, (None, None))
    if sums.shape[1] == 0:
        raise ValueError("sum_scores has no columns: there must be at least one cell")
    return sums, array("point_scores", point_scores, (None, sums.shape[1]))
