"""The least-squares estimate given its product cell: independent normals given one scale (Statement S9f)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammainccinv, gammaincinv, ndtr, ndtri

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.laws import Thresholds
from qmis_stats.numerics import log_ndtr_difference

__all__ = ["EstimateCells", "LatinDesign"]

_OMITTED = 1e-10
_SPACING = 0.65
_BELOW_ONE = 1.0 - 2.0**-53
_LEAST = 1e-300
_TABLES = 8


class LatinDesign:
    """One Latin hypercube that every replicate shifts at random, modulo one.

    A shifted point is uniform on the cube, so that means over the points are unbiased, one replicate at a time; each
    coordinate alone runs through equally spaced points, which integrates sums of functions of single coordinates almost
    without error.

    Parameters
    ----------
    ranks : (q, N) array
        Numbers whose order along the rows makes the hypercube, such as uniforms.

    Examples
    --------
    >>> design = LatinDesign(np.array([[0.9, 0.2, 0.4, 0.3, 0.7]]))
    >>> design.shifted(np.array([[0.5]]))[0, :, 0].round(6)
    array([0.3, 0.5, 0.9, 0.7, 0.1])
    """

    def __init__(self, ranks: FloatArray) -> None:
        order = np.argsort(np.argsort(ranks, axis=1, kind="stable"), axis=1, kind="stable")
        self.base: FloatArray = order.T / ranks.shape[1]

    def shifted(self, shifts: FloatArray) -> FloatArray:
        """Return the points of each replicate, shape (R, N, q), from shifts of shape (R, q)."""
        points = self.base + shifts[:, None, :]
        points -= points >= 1.0
        return np.asarray(points, dtype=np.float64)


class EstimateCells:
    """The law of v = (θ̂ − β)Σ^{1/2}/τ given its product cell, for a diagonal Σ.

    v = G/√C with G ~ N(0, I) and C chi-square with n − d + 1 degrees of freedom: given C the coordinates are
    independent normals, restricted to their cells. The law of C given the cells is a density in log C times a product
    of normal probabilities, integrated by the trapezoidal rule. Its error falls like exp(−2π²σ²/h²), h the step, when
    log C given the cells has variance σ²; the cells tell no more than v itself, which leaves σ² of about 2/(n + 1).

    Parameters
    ----------
    edges : tuple of d arrays
        Thresholds of v, increasing.
    n : int
        Sample size, at least d + 2.

    Examples
    --------
    >>> cells = EstimateCells((np.array([0.0]), np.array([-0.5, 0.5])), 8)
    >>> cells.find(np.array([[0.3, 0.1]])).tolist()
    [[1, 1]]
    """

    def __init__(self, edges: Thresholds, n: int) -> None:
        self.edges, self.n = edges, n
        self.dimension = len(edges)
        log_scales, log_density = _scale_rule(n - self.dimension + 1, n)
        self._root = np.exp(0.5 * log_scales)
        self._log_density = log_density
        sizes = np.array([e.size + 1 for e in edges])
        self._start = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
        lower = np.concatenate([np.concatenate(([-np.inf], e)) for e in edges])
        upper = np.concatenate([np.concatenate((e, [np.inf])) for e in edges])
        # Every cell is moved to the side where its lower end is in the lower tail: no probability is a difference of
        # two numbers close to one.
        mirrored = lower + upper > 0.0
        lower, upper = np.where(mirrored, -upper, lower), np.where(mirrored, -lower, upper)
        self._sign = np.where(mirrored, -1.0, 1.0)
        a, b = lower[:, None] * self._root, upper[:, None] * self._root
        self._log_mass = log_ndtr_difference(a, b)
        self._below = ndtr(a)
        self._mass = np.exp(self._log_mass)

    @staticmethod
    def numbers(edges: Thresholds, n: int) -> int:
        """Return how many numbers the tables and their making hold at once."""
        cells = sum(e.size + 1 for e in edges)
        return _TABLES * cells * _scale_rule(n - len(edges) + 1, n)[0].size

    def find(self, estimates: FloatArray) -> IntArray:
        """Return the cells of estimates v, shape (R, d): how many of a coordinate's thresholds are at most v_i."""
        columns = [np.searchsorted(e, estimates[:, i], side="right") for i, e in enumerate(self.edges)]
        return np.stack(columns, axis=1).astype(np.int64)

    def log_probability(self, cells: IntArray) -> FloatArray:
        """Return the logarithms of P(T = cells), shape (R,).

        Examples
        --------
        >>> cells = EstimateCells((np.array([0.0]),) * 3, 9)
        >>> round(float(np.exp(cells.log_probability(np.zeros((1, 3), dtype=np.int64))[0])), 9)
        0.125
        """
        joint = self._log_joint(cells + self._start)
        top = joint.max(axis=1)
        return np.asarray(top + np.log(np.sum(np.exp(joint - top[:, None]), axis=1)), dtype=np.float64)

    def draws(self, cells: IntArray, uniforms: FloatArray) -> FloatArray:
        """Return estimates v given their cells, shape (R, N, d), from uniforms of shape (R, N, d + 1).

        The last uniform chooses the scale, the others the normals by inversion from the nearer tail.
        """
        flat = cells + self._start
        node = self._scales(flat, uniforms[:, :, -1])
        index = flat[:, None, :] * self._root.size + node[:, :, None]
        p = self._mass.ravel()[index]
        p *= uniforms[:, :, :-1]
        p += self._below.ravel()[index]
        normals: FloatArray = ndtri(np.clip(p, _LEAST, _BELOW_ONE, out=p), out=p)
        normals *= self._sign[flat][:, None, :]
        normals /= self._root[node][:, :, None]
        return normals

    def _log_joint(self, flat: IntArray) -> FloatArray:
        """Return log P(C at a node, T = cells) for every node, shape (R, G)."""
        total = np.repeat(self._log_density[None, :], len(flat), axis=0)
        for i in range(self.dimension):
            total += self._log_mass[flat[:, i]]
        return total

    def _scales(self, flat: IntArray, uniforms: FloatArray) -> IntArray:
        """Return nodes of the scale given the cells, shape (R, N), by inversion of their distribution function."""
        joint = self._log_joint(flat)
        cumulative = np.cumsum(np.exp(joint - joint.max(axis=1, keepdims=True)), axis=1)
        levels = uniforms * cumulative[:, -1:]
        node = np.zeros(uniforms.shape, dtype=np.int64)
        for g in range(self._root.size - 1):
            node += levels > cumulative[:, g, None]
        return node


def _scale_rule(dof: int, n: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes of log C, C chi-square, and the logarithms of their probabilities."""
    half = 0.5 * dof
    first, last = (math.log(2.0 * float(f(half, _OMITTED))) for f in (gammaincinv, gammainccinv))
    step = _SPACING * math.sqrt(2.0 / (n + 1.0))
    nodes = np.linspace(first, last, math.ceil((last - first) / step) + 1)
    log_density = half * nodes - 0.5 * np.exp(nodes)
    log_density -= log_density.max()
    return nodes, log_density - math.log(float(np.sum(np.exp(log_density))))
