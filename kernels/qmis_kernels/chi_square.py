"""Chi-square numbers by rejection with addressed attempts.

G. Marsaglia and W. W. Tsang, A simple method for generating gamma variables, ACM Trans. Math. Software 26
(2000).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, inlined, wide
from qmis_kernels._constants import SQUEEZE
from qmis_kernels.elementary import log, log1p
from qmis_kernels.normal import normal, uniforms_to_normals
from qmis_kernels.uniform import Source, fill_uniform_columns, uniform_pair, write_rows

Vector = NDArray[np.float64]


@inlined
def squeeze(x: float) -> float:
    """Return 1 - 0.0331 x^4: every uniform below accepts the proposal made of the normal x."""
    square = x * x
    return 1.0 - SQUEEZE * square * square


@inlined
def accepted(x: float, u: float, d: float, y: float) -> bool:
    """Tell whether the uniform u accepts the proposal d (1 + y)^3 made of the normal x, y = c x."""
    one_minus_v = -y * (3.0 + y * (3.0 + y))
    return (y > -1.0) & (log(u) < 0.5 * x * x + d * (one_minus_v + 3.0 * log1p(y)))


@compiled
def chi_square(dof: float, source: Source, replicate: np.uint64, block: int, stride: int) -> float:
    """Return one chi-square number with ``dof`` degrees of freedom: 1, or any real number from 2 on.

    Attempt a uses block ``block + a * stride``: its first uniform makes the normal x of the proposal d (1 + c
    x)³, its second decides.  ``stride`` numbers drawn from the blocks b, ..., b + stride - 1 therefore never
    share a block. The distribution is exact: accept when log u < x²/2 + d (1 - v + log v), v = (1 + c x)³, d
    = dof/2 - 1/3, c = (9 d)^(-1/2), which u < 1 - 0.0331 x^4 implies.  One degree of freedom is the square of a normal.
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
        if u1 < squeeze(x) or accepted(x, u1, d, y):
            return 2.0 * d * ((1.0 + y) * (1.0 + y) * (1.0 + y))  # type: ignore[no-any-return]
        block += stride


@compiled
def propose(out: Vector, x: Vector, u: Vector, dof: float, room: Vector, undecided: NDArray[np.int64]) -> int:
    """Write the proposal made of each normal x, and list those that the uniform u does not accept at once.

    Their number is returned; ``undecided`` has room for all, and so has ``room``, for how far u is from the squeeze.
    """
    wide()
    d = 0.5 * dof - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    for r in range(x.size):
        y = c * x[r]
        out[r] = 2.0 * d * ((1.0 + y) * (1.0 + y) * (1.0 + y))
        room[r] = squeeze(x[r]) - u[r]
    found = 0
    for r in range(x.size):
        undecided[found] = r
        found += 0 if room[r] > 0.0 else 1
    return found


@compiled
def decide(x: Vector, u: Vector, dof: float, rejected: Vector) -> None:
    """Write 0 for each proposal that the uniform u accepts, and 1 for each that it does not."""
    wide()
    d = 0.5 * dof - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    for j in range(rejected.size):
        rejected[j] = 0.0 if accepted(x[j], u[j], d, c * x[j]) else 1.0


@compiled
def fill_chi_square_columns(
    out: Vector, dof: Vector, source: Source, first: np.uint64, block: int, stride: int
) -> None:
    """Write a chi-square number with dof[i] degrees of freedom for replicate first + r to ``out[i, r]``.

    Attempt a at entry i uses block + i + a stride.  In stages over all replicates, each a loop that runs on vectors:
    proposals, and the criterion for the tenth of them that the squeeze leaves open; the few that are rejected go on
    by themselves.
    """
    count = out.shape[1]
    draws = np.empty((2, count))
    open_ = np.empty((3, count))
    undecided = np.empty(count, dtype=np.int64)
    for i in range(out.shape[0]):
        fill_uniform_columns(draws, source, first, np.uint64(block + i))
        x, u = draws[0], draws[1]
        uniforms_to_normals(x)
        if dof[i] == 1.0:
            for r in range(count):
                out[i, r] = x[r] * x[r]
            continue
        found = propose(out[i], x, u, dof[i], open_[2], undecided)
        for j in range(found):
            open_[0, j] = x[undecided[j]]
            open_[1, j] = u[undecided[j]]
        rejected = open_[2, :found]
        decide(open_[0], open_[1], dof[i], rejected)
        for j in range(found):
            if rejected[j] > 0.0:
                r = undecided[j]
                out[i, r] = chi_square(dof[i], source, first + np.uint64(r), block + i + stride, stride)


@compiled
def fill_chi_square_rows(out: Vector, dof: Vector, source: Source, first: np.uint64, block: int, stride: int) -> None:
    """Fill each row of ``out`` with the chi-square numbers of its replicate."""
    columns = np.empty((out.shape[1], out.shape[0]))
    fill_chi_square_columns(columns, dof, source, first, block, stride)
    write_rows(out, columns)
