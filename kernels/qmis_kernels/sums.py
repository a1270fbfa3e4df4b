"""Sums of independent draws, without drawing them one by one: one row of output for each replicate.

Every accumulation runs in the order of its index, so that a row depends on its replicate alone.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from qmis_kernels._compile import compiled, parallel, prange, wide
from qmis_kernels._constants import LANES
from qmis_kernels._vectors import add, load, multiply, spread, store
from qmis_kernels.binomial import search, value_after
from qmis_kernels.chi_square import fill_chi_square_columns
from qmis_kernels.normal import fill_normal_columns, fill_normals
from qmis_kernels.uniform import GROUP, Source, fill_uniform_columns

Vector = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROWS = 16  # replicates that share one set of work arrays
_MANY_COLUMNS = 12  # from here on a replicate's entries fill vectors by themselves
_GROUPED_ROWS = 128  # replicates that are drawn together, entry by entry
_LONGEST_TASK = 4096  # replicates that share what searches add up
_MEMORY = 2**22  # bytes of that
_NUMBERS = 8192  # normals that are drawn together


@compiled
def add_product(out: Vector, columns: Vector, z: Vector) -> None:
    """Add the sum over k of z[k] columns[k] to ``out``, k in increasing order, four at a time to spare memory."""
    fours = z.size // 4 * 4
    for k in range(0, fours, 4):
        z0, z1, z2, z3 = z[k], z[k + 1], z[k + 2], z[k + 3]
        c0, c1, c2, c3 = columns[k], columns[k + 1], columns[k + 2], columns[k + 3]
        for i in range(out.size):
            out[i] = (((out[i] + c0[i] * z0) + c1[i] * z1) + c2[i] * z2) + c3[i] * z3
    for k in range(fours, z.size):
        weight = z[k]
        for i in range(out.size):
            out[i] += columns[k, i] * weight


@compiled
def gaussian_group(out: Vector, mean: Vector, factor: Vector, z: Vector, total: Vector) -> None:
    """Write the rows of one group: eight replicates and four coordinates at a time, their sums in registers.

    ``z`` has a row for each draw and a column for each replicate, up to a multiple of eight.
    """
    wide()
    count, d = out.shape
    draws, width = z.shape
    for r in range(0, count, LANES):
        for i in range(0, d, 4):
            i1, i2, i3 = min(i + 1, d - 1), min(i + 2, d - 1), min(i + 3, d - 1)
            t0, t1, t2, t3 = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
            for k in range(draws):
                c = load(z, k * width + r)
                t0 = add(t0, multiply(c, spread(factor[i, k])))
                t1 = add(t1, multiply(c, spread(factor[i1, k])))
                t2 = add(t2, multiply(c, spread(factor[i2, k])))
                t3 = add(t3, multiply(c, spread(factor[i3, k])))
            store(total, 0, t0)
            store(total, LANES, t1)
            store(total, 2 * LANES, t2)
            store(total, 3 * LANES, t3)
            for j in range(min(4, d - i)):
                for lane in range(min(LANES, count - r)):
                    out[r + lane, i + j] = mean[i + j] + total[LANES * j + lane]


@parallel
def gaussian_rows(out: Vector, source: Source, first: np.uint64, mean: Vector, factor: Vector) -> None:
    """Write mean + sum over k of z[k] factor[:, k], k in increasing order, z[k] the normal of draw k."""
    count = out.shape[0]
    draws = factor.shape[1]
    rows = max(LANES, min(GROUP, _NUMBERS // max(1, draws)))
    for group in prange((count + rows - 1) // rows):
        start = group * rows
        size = min(rows, count - start)
        z = np.empty((draws, (size + LANES - 1) // LANES * LANES))
        fill_normal_columns(z, source, first + np.uint64(start), np.uint64(0))
        gaussian_group(out[start : start + size], mean, factor, z, np.empty(4 * LANES))


@compiled
def wishart(
    out: Vector,
    a: Vector,
    b: Vector,
    z: Vector,
    roots: Vector,
    source: Source,
    replicate: np.uint64,
    columns: Vector,
) -> None:
    """Write one Wishart matrix: W = B Bᵀ, B = F A, A the lower trapezoid of Bartlett's decomposition.

    The entries of A below its diagonal are, row by row, the normals of the draws 0, 1, ...; the blocks after
    those hold the attempts at the chi-square numbers on the diagonal, interleaved: attempt a at A[i, i] has
    block (first + i) + a * width.  ``roots`` is the diagonal.
    """
    q, width = b.shape
    fill_normals(z, source, replicate, np.uint64(0))
    used = 0
    a[:, :] = 0.0
    for i in range(q):
        below = min(i, width)
        for j in range(below):
            a[i, j] = z[used + j]
        used += below
        if i < width:
            a[i, i] = roots[i]
    b[:, :] = 0.0
    for k in range(q):
        for i in range(q):
            weight = columns[k, i]
            for j in range(min(k + 1, width)):
                b[i, j] += weight * a[k, j]
    for i in range(q):
        for j in range(i + 1):
            total = 0.0
            for k in range(width):
                total += b[i, k] * b[j, k]
            out[i, j] = total
            out[j, i] = total


@compiled
def wishart_group(
    out: Vector, b: Vector, z: Vector, roots: Vector, source: Source, first: np.uint64, columns: Vector
) -> None:
    """Write the matrices of one group of replicates, entry by entry: the loops over replicates run on vectors.

    ``z`` and ``roots`` hold the entries of the trapezoids A below and on the diagonal, ``b`` the products F A, each
    with one column a replicate.
    """
    q, width, count = b.shape
    fill_normal_columns(z, source, first, np.uint64(0))
    for i in range(q):
        for j in range(width):
            for r in range(count):
                b[i, j, r] = 0.0
    used = 0
    for k in range(q):
        for j in range(min(k + 1, width)):
            entry = roots[k] if j == k else z[used + j]
            for i in range(q):
                weight = columns[k, i]
                for r in range(count):
                    b[i, j, r] += weight * entry[r]
        used += min(k, width)
    total = np.empty(count)
    for i in range(q):
        for j in range(i + 1):
            total[:] = 0.0
            for k in range(width):
                for r in range(count):
                    total[r] += b[i, k, r] * b[j, k, r]
            for r in range(count):
                out[r, i, j] = total[r]
                out[r, j, i] = total[r]


@parallel
def wishart_rows(out: Vector, source: Source, first: np.uint64, dof: int, columns: Vector) -> None:
    """Write one Wishart matrix with ``dof`` degrees of freedom for each replicate."""
    count, q, _ = out.shape
    width = min(q, dof)
    normals = width * (width - 1) // 2 + (q - width) * width
    freedom = np.float64(dof) - np.arange(width)
    rows = _GROUPED_ROWS if q < _MANY_COLUMNS else _ROWS
    for group in prange((count + rows - 1) // rows):
        start = group * rows
        size = min(rows, count - start)
        begin = first + np.uint64(start)
        roots = np.empty((width, size))
        fill_chi_square_columns(roots, freedom, source, begin, (normals + 1) // 2, width)
        for i in range(width):
            for r in range(size):
                roots[i, r] = np.sqrt(roots[i, r])
        if q < _MANY_COLUMNS:
            b, z = np.empty((q, width, size)), np.empty((normals, size))
            wishart_group(out[start : start + size], b, z, roots, source, begin, columns)
        else:
            a, b2, row = np.empty((q, width)), np.empty((q, width)), np.empty(normals)
            for r in range(size):
                wishart(out[start + r], a, b2, row, roots[:, r], source, begin + np.uint64(r), columns)


@compiled
def room(categories: int, trials: int, rows: int) -> int:
    """Return for how many sizes of binomials and steps to keep what searches add up: about four deviations.

    Few replicates are not worth much room, and many categories share what a near cache holds.
    """
    size = 1
    while size < 4.0 * np.sqrt(trials) and 16 * size <= rows and 32 * size * size * categories <= _MEMORY:
        size *= 2
    return size


@compiled
def multinomial_group(
    out: Integers,
    u: Vector,
    rest: Integers,
    source: Source,
    first: np.uint64,
    trials: int,
    law: Vector,
    sizes: Integers,
    sums: Vector,
    states: Vector,
) -> None:
    """Write multinomial counts: binomials given the counts before, category k from the uniform of draw k.

    The row k of ``law`` holds P(category k given none before), and the rest; the last category with positive
    probability takes what is left.  A search finds in ``sums`` and ``states`` what the last one of its category and
    size has added up; ``sizes`` tells whether that was a search of this size.
    """
    count, categories = out.shape
    fill_uniform_columns(u, source, first, np.uint64(0))
    slots = sizes.size // categories
    rest[:] = trials
    for k in range(categories):
        p, q = law[k, 0], law[k, 1]
        for r in range(count):
            size = rest[r]
            number = size
            if size == 0 or p == 0.0:
                number = 0
            elif q > 0.0:
                place = k * slots + (size & (slots - 1))
                if sizes[place] != size:
                    sizes[place] = size
                    states[place, 0] = 0.0
                known, step = int(states[place, 0]), 0
                if known > 0 and u[k, r] < sums[place, known - 1]:
                    for j in range(known):  # all of them: that runs on vectors
                        step += 1 if sums[place, j] <= u[k, r] else 0
                else:
                    step = search(size, p, q, u[k, r], sums, states, place)
                number = value_after(step, size, p, q)
            out[r, k] = number
            rest[r] = size - number


@compiled
def conditional(p: Vector, tails: Vector) -> Vector:
    """Return P(category k given none before), and the rest, for each k; ``tails[k]`` is p[k] + p[k + 1] + ..."""
    law = np.zeros((p.size, 2))
    for k in range(p.size):
        if p[k] > 0.0:
            law[k, 0] = p[k] / tails[k]
            law[k, 1] = tails[k + 1] / tails[k]
    return law


def rows_a_task(count: int) -> int:
    """Return how many replicates share what searches add up: many, but some tasks for every thread."""
    return max(_ROWS, min(_LONGEST_TASK, count // (2 * numba.get_num_threads())))


@parallel
def multinomial_rows(
    out: Integers, source: Source, first: np.uint64, trials: int, p: Vector, tails: Vector, rows: int
) -> None:
    """Write multinomial counts for each replicate; ``rows`` of them make a task."""
    count = out.shape[0]
    law = conditional(p, tails)
    for group in prange((count + rows - 1) // rows):
        size = room(p.size, trials, rows)
        sizes = np.full(p.size * size, -1)
        sums, states = np.empty((p.size * size, size)), np.empty((p.size * size, 3))
        stop = min(count, (group + 1) * rows)
        for start in range(group * rows, stop, _GROUPED_ROWS):
            part = out[start : min(stop, start + _GROUPED_ROWS)]
            u, rest = np.empty((p.size, part.shape[0])), np.empty(part.shape[0], dtype=np.int64)
            multinomial_group(part, u, rest, source, first + np.uint64(start), trials, law, sizes, sums, states)


@parallel
def mixture_rows(
    out: Vector,
    source: Source,
    first: np.uint64,
    trials: int,
    p: Vector,
    tails: Vector,
    means: Vector,
    columns: Vector,
    rows: int,
) -> None:
    """Write sums of draws of a Gaussian mixture: given the counts N, sum of N_c mean_c + sqrt(N_c) F_c z_c.

    With C components and dimension d, the counts use blocks 0 to ceil(C / 2) - 1, component c the ceil(d / 2)
    blocks after ceil(C / 2) + c ceil(d / 2).
    """
    count, d = out.shape
    components = p.size
    block = (components + 1) // 2
    stride = (d + 1) // 2
    law = conditional(p, tails)
    for group in prange((count + rows - 1) // rows):
        size = room(components, trials, rows)
        sizes = np.full(components * size, -1)
        sums, states = np.empty((components * size, size)), np.empty((components * size, 3))
        z = np.empty(d)
        total = np.empty(d)
        stop = min(count, (group + 1) * rows)
        for start in range(group * rows, stop, _GROUPED_ROWS):
            begin = first + np.uint64(start)
            many = min(stop - start, _GROUPED_ROWS)
            counts = np.empty((many, components), dtype=np.int64)
            u, rest = np.empty((components, many)), np.empty(many, dtype=np.int64)
            multinomial_group(counts, u, rest, source, begin, trials, law, sizes, sums, states)
            for r in range(many):
                total[:] = 0.0
                for c in range(components):
                    if counts[r, c] == 0:
                        continue
                    fill_normals(z, source, begin + np.uint64(r), np.uint64(block + c * stride))
                    number = np.float64(counts[r, c])
                    root = np.sqrt(number)
                    for i in range(d):
                        total[i] += number * means[c, i]
                        z[i] *= root
                    add_product(total, columns[c], z)
                for i in range(d):
                    out[start + r, i] = total[i]
