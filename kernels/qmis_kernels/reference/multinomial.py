"""Multinomial counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels.reference.arrays import Integers, Key
from qmis_kernels.reference.binomial import binomials
from qmis_kernels.reference.generator import uniforms


def multinomial_sums(key: Key, stream: int, first: int, count: int, trials: int, probabilities: ArrayLike) -> Integers:
    """Return multinomial counts, by binomials given the counts before them.

    Category k is decided by draw k: inversion, searching outwards from the mode.  The law is exact up to
    rounding (about 1e-12 in total variation at 1e7 trials); the search takes about √trials steps.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    trials : int
        At least 0.
    probabilities : array_like, shape (m,)
        Non-negative; divided by their sum.

    Returns
    -------
    ndarray of int64, shape (count, m)
        Each row sums to ``trials``.

    Examples
    --------
    >>> multinomial_sums((0, 0), 0, 0, 2, 10, [0.5, 0.5, 0.0])
    array([[3, 7, 0],
           [6, 4, 0]])
    """
    p, tails = checks.probabilities("probabilities", probabilities)
    _, count = checks.replicates(first, count)
    checks.room("multinomial_sums", (count, p.size), "count")
    u = uniforms(key, stream, first, count, p.size)
    rest = np.full(count, checks.integer("trials", trials, 0, 2**53), dtype=np.int64)
    counts = np.zeros((count, p.size), dtype=np.int64)
    for k in range(p.size):
        if p[k] == 0.0:
            continue
        if tails[k + 1] == 0.0:
            counts[:, k] = rest
        else:
            some = rest > 0
            counts[some, k] = binomials(rest[some], p[k] / tails[k], tails[k + 1] / tails[k], u[some, k])
        rest -= counts[:, k]
    return counts
