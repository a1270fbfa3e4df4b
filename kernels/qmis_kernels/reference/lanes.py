"""Sums over the last axis in eight interleaved partial sums."""

from __future__ import annotations

import numpy as np

from qmis_kernels._constants import LANES
from qmis_kernels.reference.arrays import Matrix


def lanes_sum(values: Matrix) -> Matrix:
    """Return sums over the last axis: eight interleaved partial sums, added in a fixed tree."""
    n = values.shape[-1]
    padded = np.zeros((*values.shape[:-1], (n + LANES - 1) // LANES * LANES))
    padded[..., :n] = values
    s = np.zeros((*values.shape[:-1], LANES))
    for begin in range(0, n, LANES):
        s += padded[..., begin : begin + LANES]
    s = s[..., :4] + s[..., 4:]
    s = s[..., :2] + s[..., 2:]
    total: Matrix = s[..., 0] + s[..., 1]
    return total
