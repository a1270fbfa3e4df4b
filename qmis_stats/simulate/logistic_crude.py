"""Crude simulation of logistic regressions under product cells: every fit is made (Statement S18)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from qmis_stats.errors import DomainError
from qmis_stats.laws import LogisticRegression, Thresholds
from qmis_stats.results import MISResult
from qmis_stats.simulate.memory import fit_regressions
from qmis_stats.simulate.regression_crude import BATCHES, countable_cells, cross_fitted_counts
from qmis_stats.simulate.settings import Settings

__all__ = ["crude_logistic"]

_STREAM = 2_410_000
_DESIGN, _RESPONSE, _POINTS, _LABELS = range(_STREAM, _STREAM + 4)
_TOLERANCE, _ITERATIONS = 1e-8, 50
_FEWEST_POINTS = 64


def crude_logistic(law: LogisticRegression, thresholds: Thresholds, n: int, settings: Settings) -> MISResult:
    """Estimate Δ_n by fitting n − 1 simulated points with each of several fresh ones.

    Every data set meets every fresh point, ``replicates`` fits in all, by the compiled ``logistic_fits``. A data set
    without a maximum of the likelihood is an outcome of its own: that no estimate exists is seen by the attacker.

    Parameters
    ----------
    law : LogisticRegression
        Without an intercept, which the compiled fits do not know.
    thresholds : tuple of d arrays
        Thresholds of the coefficients, at most 4096 cells in all.
    n : int
        Sample size, above d.
    settings : Settings
        Replicates, seed, backend and block.

    Raises
    ------
    DomainError
        If the law has an intercept, there are too many cells, or n ≤ d.

    Examples
    --------
    >>> law = LogisticRegression([1.0, 0.0], np.eye(2))
    >>> r = crude_logistic(law, (np.array([0.0]), np.array([0.0])), 30, Settings(4000, 1, "numba"))
    >>> 0.02 < r.delta < 0.09
    True
    """
    if law.intercept != 0.0:
        raise DomainError("crude", "the compiled fits know no intercept", "use intercept = 0, critical or erm")
    d, cells = law.dimension, countable_cells(thresholds, n)
    share = max(1, round(4.0 * math.sqrt(settings.replicates) / (2 * BATCHES)))
    points = max(_FEWEST_POINTS, settings.replicates // (2 * BATCHES * share))
    fit_regressions(settings, 2 * BATCHES * points * (cells + 1), points * n * (d + 1))
    counts = _counts(law, thresholds, n, settings, share, points)
    found = cross_fitted_counts(counts, share, n, settings, "raise replicates or use method = critical")
    found.details["without_estimate"] = float(counts[:, :, -1].sum()) / float(counts.sum())
    return found


def _counts(
    law: LogisticRegression, thresholds: Thresholds, n: int, settings: Settings, share: int, points: int
) -> NDArray[np.int32]:
    """Return how many data sets of each batch each point moves into each cell, (2 · 32, M, K + 1)."""
    kernels, key, d = settings.kernels(), settings.key("crude", n), law.dimension
    factor = np.linalg.cholesky(law.covariance)
    fresh = kernels.normals(key, _POINTS, settings.block * points, points, d) @ factor.T
    labels = kernels.uniforms(key, _LABELS, settings.block * points, points, 1)[:, 0] < expit(fresh @ law.coefficients)
    cells = math.prod(t.size + 1 for t in thresholds)
    counts = np.zeros((2 * BATCHES, points, cells + 1), dtype=np.int32)
    design, response = np.empty((points, n, d)), np.empty((points, n))
    design[:, -1], response[:, -1] = fresh, labels
    for batch in range(2 * BATCHES):
        first = (2 * BATCHES * settings.block + batch) * share
        x = kernels.normals(key, _DESIGN, first, share, (n - 1) * d).reshape(share, n - 1, d) @ factor.T
        y = kernels.uniforms(key, _RESPONSE, first, share, n - 1) < expit(x @ law.coefficients)
        for others, answers in zip(x, y, strict=True):
            design[:, :-1], response[:, :-1] = others, answers
            estimates, status = kernels.logistic_fits(design, response, _TOLERANCE, _ITERATIONS)
            index = [np.searchsorted(t, e) for t, e in zip(thresholds, np.nan_to_num(estimates).T, strict=True)]
            cell = np.ravel_multi_index(index, [t.size + 1 for t in thresholds])
            counts[batch, np.arange(points), np.where(status == 0, cell, cells)] += 1
    return counts
