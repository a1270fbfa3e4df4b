"""Sums of powers, of values drawn with replacement and of deviations: eight interleaved sums a power, in registers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, parallel, prange
from qmis_kernels._constants import LANES, POWER_BLOCK
from qmis_kernels._vectors import add, load, multiply, spread, subtract, total
from qmis_kernels.uniform import Source, fill_uniforms

Vector = NDArray[np.float64]

POWERS = 6
TOGETHER = 8
"""Rows that meet a span of the reference while it is in a near cache."""
SPAN = 16
"""Blocks of a span: long enough that rows are read as streams."""


@inlined
def add_powers(x: Any, sums: Any) -> Any:
    """Return the sums of the powers 1 to 6 of all lanes, with those of ``x`` added."""
    x2 = multiply(x, x)
    x3 = multiply(x2, x)
    x4 = multiply(x2, x2)
    s1, s2, s3, s4, s5, s6 = sums
    return (
        add(s1, x),
        add(s2, x2),
        add(s3, x3),
        add(s4, x4),
        add(s5, multiply(x4, x)),
        add(s6, multiply(x3, x3)),
    )


@inlined
def no_powers() -> Any:
    """Return six sums of nothing."""
    zero = spread(0.0)
    return zero, zero, zero, zero, zero, zero


@compiled
def resampled_row(out: Vector, source: Source, replicate: np.uint64, values: Vector, drawn: Vector) -> None:
    """Write the sums of powers of one replicate's draws."""
    n = values.size
    out[:] = 0.0
    for begin in range(0, n, POWER_BLOCK):
        size = min(POWER_BLOCK, n - begin)
        fill_uniforms(drawn[:size], source, replicate, np.uint64(begin // 2))
        for t in range(size):
            drawn[t] = values[np.uint64(min(int(drawn[t] * n), n - 1))]  # no index counts from the end
        drawn[size : size + LANES] = 0.0  # lanes that are not full
        sums = no_powers()
        for t in range(0, size, LANES):
            sums = add_powers(load(drawn, t), sums)
        for power in range(POWERS):
            out[power] += total(sums[power])


@parallel
def resampled_rows(out: Vector, source: Source, first: np.uint64, values: Vector) -> None:
    """Write the sums of powers of every replicate's draws."""
    for r in prange(out.shape[0]):
        drawn = np.empty(POWER_BLOCK + LANES)
        resampled_row(out[r], source, first + np.uint64(r), values, drawn)


@compiled
def centred_block(out: Vector, values: Vector, reference: Vector, centre: float, last: Vector) -> None:
    """Write the sums of the powers 2 to 6 of a block's deviations; ``last`` is room for lanes that are not full."""
    shift = spread(centre)
    sums = no_powers()
    size = values.size
    whole = size // LANES * LANES
    for i in range(0, whole, LANES):
        sums = add_powers(subtract(subtract(load(values, i), load(reference, i)), shift), sums)
    if whole < size:
        last[:] = 0.0
        for i in range(whole, size):
            last[i - whole] = (values[i] - reference[i]) - centre
        sums = add_powers(load(last, 0), sums)
    for power in range(1, POWERS):
        out[power - 1] = total(sums[power])


@parallel
def centred_blocks(partial: Vector, values: Vector, reference: Vector, centres: Vector) -> None:
    """Write the sums of powers of every block of every row, shape (rows, blocks, 5)."""
    rows, points = values.shape
    blocks = partial.shape[1]
    spans = (blocks + SPAN - 1) // SPAN
    for task in prange((rows + TOGETHER - 1) // TOGETHER * spans):
        group = task // spans
        first = (task - group * spans) * SPAN
        last = np.empty(LANES)
        for k in range(group * TOGETHER, min(rows, (group + 1) * TOGETHER)):
            for block in range(first, min(blocks, first + SPAN)):
                begin = block * POWER_BLOCK
                end = min(points, begin + POWER_BLOCK)
                centred_block(partial[k, block], values[k, begin:end], reference[begin:end], centres[k], last)


@compiled
def add_blocks(out: Vector, partial: Vector) -> None:
    """Add up the blocks of every row in order."""
    out[:, :] = 0.0
    for k in range(out.shape[0]):
        for block in range(partial.shape[1]):
            for power in range(out.shape[1]):
                out[k, power] += partial[k, block, power]


def centred_rows(out: Vector, values: Vector, reference: Vector, centres: Vector) -> None:
    """Write the sums of powers of every row."""
    rows, points = values.shape
    partial = np.empty((rows, (points + POWER_BLOCK - 1) // POWER_BLOCK, POWERS - 1))
    centred_blocks(partial, values, reference, centres)
    add_blocks(out, partial)
