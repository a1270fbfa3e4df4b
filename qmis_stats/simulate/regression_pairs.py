"""Pairs of a least-squares estimate and a point, without and with membership (Statement S9f)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from qmis_stats.arrays import FloatArray

__all__ = ["RegressionPairs", "regression_pairs"]

_STREAM = 2_100_000
_INDEPENDENT, _OTHERS, _POINT = range(_STREAM, _STREAM + 3)
_NUMBERS = 1 << 20
_FEWEST, _MOST = 16, 1 << 14


@dataclass(frozen=True)
class RegressionPairs:
    """Some pairs, in whitened units: design N(0, I), coefficients 0, noise 1.

    Attributes
    ----------
    first : int
        Number of the first replicate.
    design : (R, d) array
        The designs x of the points, which both laws share.
    response : (R,) array
        Their responses y.
    independent, member : (R, d) arrays
        Estimates of n points that do not, and that do, include the point.
    """

    first: int
    design: FloatArray
    response: FloatArray
    independent: FloatArray
    member: FloatArray


def regression_pairs(
    kernels: ModuleType, key: tuple[int, int], first: int, count: int, n: int, dimension: int
) -> Iterator[RegressionPairs]:
    """Yield ``count`` pairs from number ``first`` on, a block at a time.

    Both estimates come from sufficient statistics: that of n points directly, that with the point from n − 1 others by
    a rank-one update. A pair depends on its own number only, however the blocks fall.

    Examples
    --------
    >>> import qmis_kernels
    >>> table = qmis_kernels.backend("reference")
    >>> pairs = next(regression_pairs(table, (1, 2), 0, 3, 10, 2))
    >>> pairs.design.shape, pairs.member.shape
    ((3, 2), (3, 2))
    """
    size = max(_FEWEST, min(_MOST, _NUMBERS // dimension**2))
    zero, identity = np.zeros(dimension), np.eye(dimension)
    for start in range(first, first + count, size):
        rows = min(size, first + count - start)
        points = kernels.normals(key, _POINT, start, rows, dimension + 1)
        design, response = np.ascontiguousarray(points[:, :dimension]), points[:, dimension]
        independent, _ = kernels.regression_sums(key, _INDEPENDENT, start, rows, n, zero, identity, 1.0)
        others, _, factors = kernels.regression_factors(key, _OTHERS, start, rows, n - 1, zero, identity, 1.0)
        updated, _, _ = kernels.rank_one_updates(factors, others, design[:, None, :], response[:, None], 1)
        yield RegressionPairs(start, design, response, independent, updated[:, 0, :])
