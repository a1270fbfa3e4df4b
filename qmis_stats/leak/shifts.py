"""Figures of the best attack where membership moves a normal statistic, more for some records than for others."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from qmis_stats.arrays import FloatArray
from qmis_stats.leak.law import figures

__all__ = ["shift_figures"]

_SIZES = 512
_BINS = 4000
_LARGEST = 60.0
"""Standard deviations beyond which a shift is as good as seen."""


def shift_figures(sizes: FloatArray) -> FloatArray:
    """Return Δ, AUC, and true positive rates at the reported false ones, where record i moves a normal number by sᵢ.

    Given the record, a member has the log likelihood ratio N(s²/2, s²), a non-member N(−s²/2, s²). The attack calls
    members the records of the largest ratios, over all records together (Neyman and Pearson).

    Parameters
    ----------
    sizes : (n,) ndarray
        sᵢ ≥ 0, in standard deviations; of many records, means of those of like size stand for them.

    Returns
    -------
    (2 + F,) ndarray

    Examples
    --------
    >>> shift_figures(np.ones(3))[:2].round(4)
    array([0.3829, 0.7602])
    """
    given = np.minimum(np.asarray(sizes, dtype=np.float64), _LARGEST)
    parts = np.array_split(np.sort(given), min(given.size, _SIZES))
    s, weight = np.array([part.mean() for part in parts]), np.array([part.size for part in parts]) / given.size
    moved = s[s > 0.0]
    if moved.size == 0:
        moved = np.ones(1)
    # Bins are narrow where the ratios of the smallest shifts are, and reach as far as those of the largest.
    unit, end = 0.02 * float(moved.min()), 0.5 * float(moved.max()) ** 2 + 9.0 * float(moved.max())
    edges = unit * np.sinh(np.linspace(-1.0, 1.0, _BINS + 1) * np.arcsinh(end / unit))
    width = np.where(s > 0.0, s, 1e-300)[:, None]
    inside, outside = (np.diff(ndtr((edges - side * 0.5 * s[:, None] ** 2) / width), axis=1) for side in (1.0, -1.0))
    delta = np.asarray(np.mean(2.0 * ndtr(0.5 * given) - 1.0))
    return np.asarray(figures(delta, weight @ inside, weight @ outside))
