"""Chi-square numbers by rejection with addressed attempts.

G. Marsaglia and W. W. Tsang, A simple method for generating gamma variables, ACM Trans. Math. Software 26
(2000).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined
from qmis_kernels.elementary import log, log1p
from qmis_kernels.normal import near_normal, normal
from qmis_kernels.uniform import Source, uniform_pair

Vector = NDArray[np.float64]

_REJECTED = -1.0


@compiled
def chi_square(dof: float, source: Source, replicate: np.uint64, block: int, stride: int) -> float:
    """Return one chi-square number with ``dof`` degrees of freedom: 1, or any real number from 2 on.

    Attempt a uses block ``block + a * stride``: its first uniform makes the normal x of the proposal d (1 + c
    x)³, its second decides.  ``stride`` numbers drawn from the blocks b, ..., b + stride - 1 therefore never
    share a block. The distribution is exact: accept when log u < x²/2 + d (1 - v + log v), v = (1 + c x)³, d
    = dof/2 - 1/3, c = (9 d)^(-1/2).  One degree of freedom is the square of a normal.
    """
    if dof == 1:
        x = normal(uniform_pair(source, replicate, np.uint64(block))[0])
        return x * x
    d = 0.5 * dof - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    while True:
        u0, u1 = uniform_pair(source, replicate, np.uint64(block))
        x = normal(u0)
        y = c * x
        if y > -1.0:
            v = (1.0 + y) * (1.0 + y) * (1.0 + y)
            one_minus_v = -y * (3.0 + y * (3.0 + y))
            if log(u1) < 0.5 * x * x + d * (one_minus_v + 3.0 * log1p(y)):
                return 2.0 * d * v  # type: ignore[no-any-return]
        block += stride


@inlined
def first_attempt(dof: float, source: Source, replicate: np.uint64, block: np.uint64) -> float:
    """Return the chi-square number of the attempt at ``block`` if it is accepted, else a negative mark.

    The formulas of :func:`chi_square` without branches, so that a loop over attempts runs on vectors.  One degree of
    freedom and far tails are marked too: they are left to :func:`chi_square`.
    """
    u0, u1 = uniform_pair(source, replicate, block)
    x, reached = near_normal(u0)
    d = 0.5 * dof - 1.0 / 3.0
    y = 1.0 / np.sqrt(9.0 * d) * x
    v = (1.0 + y) * (1.0 + y) * (1.0 + y)
    one_minus_v = -y * (3.0 + y * (3.0 + y))
    accepted = log(u1) < 0.5 * x * x + d * (one_minus_v + 3.0 * log1p(y))
    return 2.0 * d * v if accepted & (y > -1.0) & reached & (dof > 1.0) else _REJECTED


@compiled
def fill_chi_squares(out: Vector, dof: Vector, source: Source, replicate: np.uint64, block: int, stride: int) -> None:
    """Write chi-square numbers with dof[i] degrees of freedom; attempt a at out[i] uses block + i + a stride."""
    for i in range(out.size):
        out[i] = first_attempt(dof[i], source, replicate, np.uint64(block + i))
    for i in range(out.size):
        if out[i] < 0.0:
            out[i] = chi_square(dof[i], source, replicate, block + i, stride)


@compiled
def fill_chi_square_columns(
    out: Vector, dof: Vector, source: Source, first: np.uint64, block: int, stride: int
) -> None:
    """Write the numbers of :func:`fill_chi_squares` for replicate first + r to ``out[:, r]``."""
    for i in range(out.shape[0]):
        for r in range(out.shape[1]):
            out[i, r] = first_attempt(dof[i], source, first + np.uint64(r), np.uint64(block + i))
        for r in range(out.shape[1]):
            if out[i, r] < 0.0:
                out[i, r] = chi_square(dof[i], source, first + np.uint64(r), block + i, stride)


@compiled
def fill_chi_square_rows(out: Vector, dof: Vector, source: Source, first: np.uint64, block: int, stride: int) -> None:
    """Fill each row of ``out`` with the chi-square numbers of its replicate, along whichever axis is longer."""
    if out.shape[1] < out.shape[0]:
        columns = np.empty((out.shape[1], out.shape[0]))
        fill_chi_square_columns(columns, dof, source, first, block, stride)
        for r in range(out.shape[0]):
            for i in range(out.shape[1]):
                out[r, i] = columns[i, r]
    else:
        for r in range(out.shape[0]):
            fill_chi_squares(out[r], dof, source, first + np.uint64(r), block, stride)
