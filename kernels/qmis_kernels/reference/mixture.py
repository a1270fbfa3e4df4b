"""Sums of draws of a Gaussian mixture."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels.reference.arrays import Key, Matrix
from qmis_kernels.reference.gaussian import add_product
from qmis_kernels.reference.generator import draws_from, replicate_numbers
from qmis_kernels.reference.multinomial import multinomial_sums
from qmis_kernels.reference.normal import quantile


def mixture_sums(
    key: Key,
    stream: int,
    first: int,
    count: int,
    trials: int,
    weights: ArrayLike,
    means: ArrayLike,
    factors: ArrayLike,
) -> Matrix:
    """Return sums of ``trials`` independent draws of a Gaussian mixture.

    Given its component counts N, a sum is the total over c of N_c mean_c + √N_c F_c z_c.  With C components
    in dimension d the counts are :func:`multinomial_sums` (blocks 0 to ceil(C / 2) - 1) and z_c the normals
    from block ceil(C / 2) + c ceil(d / 2) on.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    trials : int
        At least 0.
    weights : array_like, shape (C,)
        Non-negative; divided by their sum.
    means : array_like, shape (C, d)
    factors : array_like, shape (C, d, d)
        Component c has covariance F_c F_cᵀ.

    Returns
    -------
    ndarray of float64, shape (count, d)

    Examples
    --------
    >>> mixture_sums((0, 0), 0, 0, 1, 10, [0.5, 0.5], [[0.0], [1.0]], [[[0.0]], [[0.0]]])
    array([[7.]])
    """
    p, _ = checks.probabilities("weights", weights)
    centres = checks.array("means", means, (p.size, None))
    d = centres.shape[1]
    matrices = checks.array("factors", factors, (p.size, d, d))
    _, count = checks.replicates(first, count)
    checks.room("mixture_sums", (count, d), "count")
    counts = multinomial_sums(key, stream, first, count, trials, p)
    numbers = replicate_numbers(first, count)
    total = np.zeros((count, d))
    for c in range(p.size):
        some = counts[:, c] > 0
        size = counts[some, c, None].astype(np.float64)
        z = quantile(draws_from(key, stream, numbers[some], (p.size + 1) // 2 + c * ((d + 1) // 2), d))
        part = total[some] + size * centres[c]
        add_product(part, matrices[c], z * np.sqrt(size))
        total[some] = part
    return total
