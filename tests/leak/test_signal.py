"""The best single statistic of S16 beside the pair of them."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_kernels import backend
from qmis_stats import LinearRegression
from qmis_stats.leak.signal import PointSignal, best_direction
from qmis_stats.theory import unquantized_fit
from qmis_stats.theory.state_evolution import estimate_law

POINTS = 20_000
SIGMAS = 6.5  # a false alarm of 1e-10 for each comparison


D, N = 64, 128
LOST = {(0.95, 10.0): 0.93, (0.95, 100.0): 0.65}
"""Shares of the pair's Δ that the fitted value alone does not reach."""


def leaks(correlation: float, ridge: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Return Δ of the pair, and of the best direction and of the fitted value with standard errors, d/n = 1/2."""
    sigma = correlation ** np.abs(np.subtract.outer(np.arange(D), np.arange(D)))
    rng = np.random.default_rng(5)
    beta = rng.normal(size=D)
    beta *= 1.5 / np.sqrt(beta @ sigma @ beta)
    law = LinearRegression(beta, sigma, 1.0)
    estimate, pair = estimate_law(law, N, ridge), unquantized_fit(law, N, ridge).delta
    C, G = (np.diag(m) if m.ndim == 1 else m for m in (estimate.covariance, estimate.response))
    x = rng.normal(size=(POINTS, D)) @ np.linalg.cholesky(sigma).T
    y = x @ beta + rng.normal(size=POINTS)
    variance, leverage, square = (np.einsum("ij,ij->i", x @ m, x) for m in (C, G, G @ np.linalg.solve(C, G)))
    signal = PointSignal(
        np.array([variance, leverage, square])[:, :, None, None], variance[:, None, None], leverage[:, None, None]
    )
    numbers = (x @ estimate.mean, np.sqrt(variance), leverage, y, 0)
    moments = backend().proximal_moments(*numbers)
    plain, moved, _ = signal.scalars()
    best = best_direction(signal, moments, np.arange(POINTS))
    c, e = (np.column_stack(parts) for parts in zip(best, (plain, moved), strict=True))
    tv, *_ = backend().exposure_integrals(*numbers, moments, c, e, np.ones(POINTS), np.zeros(POINTS, dtype=np.int64), 1)
    assert tv.shape == (POINTS, 2)
    return pair, tv.mean(axis=0), tv.std(axis=0) / np.sqrt(POINTS)


@pytest.mark.grid(3)
@pytest.mark.parametrize("ridge", [0.0, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("correlation", [0.0, 0.7, 0.95])
def test_one_direction_loses_little_where_the_fitted_value_alone_loses_much(correlation: float, ridge: float) -> None:
    pair, (single, value), errors = leaks(correlation, ridge)
    # Deterministic equivalents of the pair and of the points differ by 1/d at most.
    assert single > (1.0 - 1.0 / D) * pair - SIGMAS * errors[0]
    assert single < (1.0 + 1.0 / D) * pair + SIGMAS * errors[0]
    if (correlation, ridge) in LOST:
        assert value < LOST[correlation, ridge] * pair - SIGMAS * errors[1]
