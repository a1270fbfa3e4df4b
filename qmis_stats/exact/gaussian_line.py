"""Exact Δ_n for the mean of n Gaussians on a line cut by thresholds (Statement S9a).

With the observations standardised, the mean is N(0, 1/n), and given one observation w it is
N(w/n, (n−1)/n²). A cell's conditional probability p_k(w) is log-concave in w and symmetric about n times
the cell's midpoint, so it exceeds its average p_k exactly on one interval (r1, r2). Since E p_k(w) = p_k,

    Δ_n = Σ_k ∫_{r1}^{r2} (p_k(w) − p_k) φ(w) dw,

where the integrand is the difference of the changes that w makes to the two thresholds' tail probabilities.
Each change is a tail probability times ``expm1`` of a log ratio obtained without cancellation, and each
cell carries its own logarithmic scale: nothing underflows however small Δ_n is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import InputError
from qmis_stats.numerics import gauss_legendre_panels, log_ndtr_difference, tail_changes
from qmis_stats.validation import sample_size, score_array, threshold_array

__all__ = ["log_cell_probabilities", "log_delta", "log_likelihood_ratio"]


# Given the cell, the observation is within this many standard deviations of the cell's likeliest mean, up to
# a share exp(-REACH²/2) of what is integrated.
_REACH = 10.0
_PANELS = 12
_ORDER = 16
# An endpoint is a zero of the integrand: its error enters squared, and SECTIONS^(-STEPS) = 2^(-40) is ample.
_SECTIONS = 16
_INNER = np.arange(1.0, _SECTIONS)
_STEPS = 10
_LARGEST_STANDARDISED = 1e150


def _checked(thresholds: ArrayLike, n: int) -> tuple[FloatArray, int]:
    """Return the thresholds as a sorted 1-D float array and n as an int."""
    n = sample_size(n, 2)
    t = threshold_array("thresholds", thresholds)
    if t.size == 0 or not np.all(np.abs(t) * math.sqrt(n) <= _LARGEST_STANDARDISED):
        raise InputError("thresholds", thresholds, "a non-empty list of finite standardised numbers")
    return t, n


def _cell_changes(thresholds: FloatArray, n: int, w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return p_k(w) − p_k as (logarithmic scale, factor), for ``w`` of shape (m + 1, points)."""
    edges = np.concatenate([thresholds, thresholds])[:, None]
    scales, factors = tail_changes(edges, n, np.concatenate([w[:-1], w[1:]]))
    upper_scale, lower_scale = scales.reshape(2, *w[:-1].shape)
    upper, lower = factors.reshape(2, *w[:-1].shape)
    scale = np.full(w.shape, -np.inf)
    scale[:-1] = upper_scale
    scale[1:] = np.maximum(scale[1:], lower_scale)
    change = np.zeros(w.shape)
    change[:-1] = upper * np.exp(upper_scale - scale[:-1])
    change[1:] -= lower * np.exp(lower_scale - scale[1:])
    return scale, change


def _turning_points(
    thresholds: FloatArray, n: int, low: FloatArray, centre: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return where each cell's change turns positive on [low, centre], and where it ends on [centre, high]."""
    # All cells at once; a bracket without a turning point leads to its end, where SciPy's find_root would refuse it.
    rising = np.array([[True], [False]])
    start, stop = np.stack([low, centre], axis=1), np.stack([centre, high], axis=1)
    for _ in range(_STEPS):
        step = (stop - start) / _SECTIONS
        inner = start[..., None] + step[..., None] * _INNER
        positive = _cell_changes(thresholds, n, inner.reshape(len(inner), -1))[1].reshape(inner.shape) > 0.0
        before = np.count_nonzero(positive != rising, axis=-1)
        stop = np.where(before + 1 < _SECTIONS, start + step * (before + 1), stop)
        start = start + step * before
    first, last = (0.5 * (start + stop)).T
    return first, last


def log_delta(thresholds: ArrayLike, n: int) -> float:
    """Natural logarithm of Δ_n for a quantized Gaussian mean on a line (Statement S9a).

    Parameters
    ----------
    thresholds : array_like, shape (m,)
        Cell boundaries (t − μ)/σ, standardised with the law of *one* observation, in increasing order.
        Equal thresholds enclose an empty cell.
    n : int
        Sample size, at least 2.

    Returns
    -------
    float
        log Δ_n, with a relative error of Δ_n below 1e-12 + 1e-15 |log Δ_n|.

    Raises
    ------
    InputError
        If n is not an integer of at least 2, or the thresholds are not finite and sorted.

    Examples
    --------
    A sign bit leaks about 1/(π √n), and a threshold far from the mean hardly anything:

    >>> round(math.exp(log_delta([0.0], 100)) * math.pi * 10.0, 3)
    1.002
    >>> round(log_delta([2.0], 100_000), 3)
    -200007.057
    """
    t, n = _checked(thresholds, n)
    padded = np.concatenate([[-np.inf], t, [np.inf]])
    anchor = np.clip(0.0, padded[:-1], padded[1:])  # the likeliest mean in each cell
    low, high = anchor - _REACH, anchor + _REACH
    # The outer cells' centres are infinite; clipping turns each centre into a bracket of its cell's window.
    centre = np.clip(0.5 * n * (padded[:-1] + padded[1:]), low, high)
    first, last = _turning_points(t, n, low, centre, high)
    nodes, weights = gauss_legendre_panels(np.linspace(first, last, _PANELS + 1, axis=-1), _ORDER)
    scale, change = _cell_changes(t, n, nodes)
    return float(logsumexp(scale - 0.5 * nodes**2, b=weights * change)) - 0.5 * math.log(2.0 * math.pi)


def _log_probabilities(thresholds: FloatArray, precision: float, means: FloatArray) -> FloatArray:
    """Return log P(cell k) under N(mean, precision⁻²) for each mean, shape (means, m + 1)."""
    edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
    # The widths are taken before the scaling, whose rounding would show in narrow cells.
    width = precision * np.diff(edges)
    place = precision * (edges - means[:, None])
    return log_ndtr_difference(place[:, :-1], place[:, 1:], width)


def log_cell_probabilities(thresholds: ArrayLike, n: int) -> FloatArray:
    """Natural logarithm of P(T_n = k) for a quantized Gaussian mean on a line (Statement S9a).

    Parameters
    ----------
    thresholds : array_like, shape (m,)
        Sorted cell boundaries, standardised with the law of one observation.
    n : int
        Sample size, at least 2.

    Returns
    -------
    ndarray, shape (m + 1,)
        ``-inf`` for empty cells.

    Raises
    ------
    InputError
        As :func:`log_delta`.

    Examples
    --------
    >>> np.exp(log_cell_probabilities([-0.1, 0.2], 100)).round(4).tolist()
    [0.1587, 0.8186, 0.0228]
    """
    t, n = _checked(thresholds, n)
    return _log_probabilities(t, math.sqrt(n), np.zeros(1)).ravel()


def log_likelihood_ratio(thresholds: ArrayLike, n: int, points: ArrayLike) -> FloatArray:
    """Natural logarithm of Λ(k, w) = P(T_n = k | Z_1 = w) / P(T_n = k) (Statements S1 and S9a).

    Parameters
    ----------
    thresholds : array_like, shape (m,)
        Sorted cell boundaries, standardised with the law of one observation.
    n : int
        Sample size, at least 2.
    points : array_like, shape (M,)
        Observations (z − μ)/σ.

    Returns
    -------
    ndarray, shape (M, m + 1)
        With an absolute error near the machine precision times the larger log probability; ``nan`` never
        occurs: an empty cell, which is never output, has ratio one.

    Raises
    ------
    InputError
        As :func:`log_delta`, or if a point is not finite.

    Examples
    --------
    >>> np.exp(log_likelihood_ratio([0.0], 10, [-1.0, 0.0, 1.0])).round(3).tolist()
    [[1.261, 0.739], [1.0, 1.0], [0.739, 1.261]]
    """
    t, n = _checked(thresholds, n)
    w = np.atleast_1d(score_array("points", points))
    if w.ndim != 1 or not np.all(np.isfinite(w)):
        raise InputError("points", points, "a list of finite standardised numbers")
    average = log_cell_probabilities(t, n)
    empty = np.isneginf(average)
    ratio = _log_probabilities(t, n / math.sqrt(n - 1.0), w / n)
    ratio -= np.where(empty, 0.0, average)
    ratio[:, empty] = 0.0
    return ratio
