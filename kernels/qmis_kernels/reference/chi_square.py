"""Chi-square and gamma numbers by rejection with addressed attempts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_kernels import _checks as checks
from qmis_kernels import _model_checks as model_checks
from qmis_kernels._constants import SQUEEZE
from qmis_kernels.reference.arrays import Key, Matrix, Words
from qmis_kernels.reference.elementary import exp, log, log1p
from qmis_kernels.reference.generator import draws_from, replicate_numbers, uniforms
from qmis_kernels.reference.normal import quantile


def chi_square_numbers(key: Key, stream: int, numbers: Words, dof: float, block: int, stride: int) -> Matrix:
    """Return one chi-square number a replicate: ``dof`` is 1, or any number from 2 on.

    The first half of an attempt's block makes a normal x, the second, u, decides: u < 1 - 0.0331 x^4 accepts at once,
    otherwise log u < x²/2 + d (1 - v + log v).  One degree of freedom is x².
    """
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
        square = x * x
        accepted = (u[:, 1] < 1.0 - SQUEEZE * square * square) | ((c * x > -1.0) & (log(u[:, 1].copy()) < bound))
        result[waiting[accepted]] = 2.0 * d * v[accepted]
        waiting = waiting[~accepted]
        block += stride
    return result


def gammas(key: Key, stream: int, first: int, count: int, shape: ArrayLike) -> Matrix:
    """Return gamma numbers of scale 1, one for each entry of ``shape`` in each replicate.

    A gamma number of shape a >= 1 is half a chi-square number with 2 a degrees of freedom, integer or not, by exact
    rejection (G. Marsaglia and W. W. Tsang, A simple method for generating gamma variables, ACM Trans. Math. Software
    26 (2000)): the first half of an attempt makes a normal x, the second decides.  For a < 1 it is G U^(1/a), G of
    shape a + 1, with the power taken as exp(log(U) / a).  Draws 0 to m - 1 are the U of the entries, whether used or
    not; attempt k at entry i uses block ceil(m / 2) + i + k m.

    Parameters
    ----------
    key, stream, first, count
        See the module.
    shape : array_like, shape (m,)
        Each in [1/16, 2^52).  U is at least 2^-53 and G at least 10^-48, so that no number is below 10^-304: none
        underflows.  A shape below 1/16 is an error, because its numbers would.

    Returns
    -------
    ndarray of float64, shape (count, m)
        Positive; independent.

    Raises
    ------
    ValueError
        If an entry of ``shape`` is out of its range.

    Examples
    --------
    >>> gammas((0, 0), 0, 0, 1, [0.5, 3.0]).round(4)
    array([[2.926 , 3.6936]])
    """
    shapes = model_checks.shapes("shape", shape)
    _, count = checks.replicates(first, count)
    checks.room("gammas", (count, shapes.size), "count")
    numbers = replicate_numbers(first, count)
    m = shapes.size
    boosts = uniforms(key, stream, first, count, m)
    result = np.empty((count, m))
    for i in range(m):
        a = float(shapes[i])
        dof = 2.0 * (a + 1.0 if a < 1.0 else a)
        result[:, i] = 0.5 * chi_square_numbers(key, stream, numbers, dof, (m + 1) // 2 + i, m)
        if a < 1.0:
            result[:, i] *= exp(log(boosts[:, i].copy()) / a)
    return result
