"""Chi-square numbers by rejection with addressed attempts."""

from __future__ import annotations

import numpy as np

from qmis_kernels.reference.arrays import Key, Matrix, Words
from qmis_kernels.reference.elementary import log, log1p
from qmis_kernels.reference.generator import draws_from
from qmis_kernels.reference.normal import quantile


def chi_square_numbers(key: Key, stream: int, numbers: Words, dof: int, block: int, stride: int) -> Matrix:
    """Return one chi-square number a replicate; attempt a uses block ``block + a * stride``."""
    if dof == 1:
        return quantile(draws_from(key, stream, numbers, block, 1)[:, 0]) ** 2
    d = 0.5 * dof - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    result = np.empty(numbers.size)
    waiting = np.arange(numbers.size)
    while waiting.size:
        u = draws_from(key, stream, numbers[waiting], block, 2)
        x = quantile(u[:, 0])
        y = np.maximum(c * x, -1.0 + 2.0**-50)
        v = (1.0 + y) * (1.0 + y) * (1.0 + y)
        bound = 0.5 * x * x + d * (-y * (3.0 + y * (3.0 + y)) + 3.0 * log1p(y))
        accepted = (c * x > -1.0) & (log(u[:, 1].copy()) < bound)
        result[waiting[accepted]] = 2.0 * d * v[accepted]
        waiting = waiting[~accepted]
        block += stride
    return result
