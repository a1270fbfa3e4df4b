"""Retained Fisher information of a quantized normal coordinate (Statement S8)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from qmis_stats.arrays import FloatArray
from qmis_stats.by_value import ByValue
from qmis_stats.validation import threshold_array

__all__ = ["CellMoments", "cell_moments", "retained_information"]


@dataclass(frozen=True, eq=False, repr=False)
class CellMoments(ByValue):
    """Cells of one standard normal coordinate.

    Attributes
    ----------
    probability : (K,) array
        P_k, computed from the nearer tail.
    centroid : (K,) array
        m_k = E[G | cell k]; zero for a cell of probability zero.
    second : (K,) array
        h_k = E[G² − 1 | cell k]; zero for a cell of probability zero.
    """

    probability: FloatArray
    centroid: FloatArray
    second: FloatArray

    @property
    def retained(self) -> float:
        """E m_T² = Σ_k (φ(a_k) − φ(b_k))²/P_k in [0, 1]."""
        return min(1.0, float(self.probability @ self.centroid**2))


def cell_moments(edges: ArrayLike) -> CellMoments:
    """Return probabilities and centroids of the cells of N(0, 1) cut at sorted ``edges``.

    Examples
    --------
    >>> cell_moments(np.array([0.0])).centroid.round(6)
    array([-0.797885,  0.797885])
    """
    edges = threshold_array("edges", edges)
    lower, upper = np.concatenate(([-np.inf], edges)), np.concatenate((edges, [np.inf]))
    # Both cell ends on the same side: take the difference of the smaller tails.
    mass = np.where(lower > 0.0, ndtr(-lower) - ndtr(-upper), ndtr(upper) - ndtr(lower))
    density = np.exp(-0.5 * np.concatenate(([np.inf], edges, [np.inf])) ** 2) / math.sqrt(2.0 * math.pi)
    moment = -np.diff(density)
    centroid = np.divide(moment, mass, out=np.zeros_like(moment), where=mass > 0.0)
    ends = np.concatenate(([0.0], edges * density[1:-1], [0.0]))
    second = np.divide(-np.diff(ends), mass, out=np.zeros_like(mass), where=mass > 0.0)
    return CellMoments(mass, np.clip(centroid, lower, upper), second)


def retained_information(edges: ArrayLike) -> float:
    """Return the share of Fisher information about the mean that a quantized normal coordinate keeps (Statement S8).

    Parameters
    ----------
    edges : (m,) array
        Sorted thresholds in standard errors of the estimate.

    Returns
    -------
    float
        In [0, 1]; 2/π for the sign of a centred coordinate.

    Examples
    --------
    >>> round(retained_information(np.array([0.0])) * math.pi, 12)
    2.0
    """
    return cell_moments(edges).retained
