"""The best single statistic of S16 beside the pair of them."""

from __future__ import annotations

import numpy as np

from qmis_kernels import backend
from qmis_stats import LinearRegression
from qmis_stats.leak.signal import PointSignal, best_direction
from qmis_stats.theory import unquantized_fit
from qmis_stats.theory.state_evolution import estimate_law

POINTS = 20_000
SIGMAS = 6.5  # a false alarm of 1e-10 for each comparison


def test_one_direction_loses_little_where_the_fitted_value_alone_loses_much() -> None:
    """Correlation 0.95, ridge 10, d/n = 1/2: Δ of the pair, of the best direction, and of the fitted value."""
    d, n, ridge = 64, 128, 10.0
    sigma = 0.95 ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    rng = np.random.default_rng(5)
    beta = rng.normal(size=d)
    beta *= 1.5 / np.sqrt(beta @ sigma @ beta)
    law = LinearRegression(beta, sigma, 1.0)
    estimate, pair = estimate_law(law, n, ridge), unquantized_fit(law, n, ridge).delta
    x = rng.normal(size=(POINTS, d)) @ np.linalg.cholesky(sigma).T
    y = x @ beta + rng.normal(size=POINTS)
    C, G = estimate.covariance, estimate.response
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
    (single, value), errors = tv.mean(axis=0), tv.std(axis=0) / np.sqrt(POINTS)
    # Deterministic equivalents of the pair and of the points differ by 1/d at most.
    assert single > (1.0 - 1.0 / d) * pair - SIGMAS * errors[0]
    assert single < (1.0 + 1.0 / d) * pair + SIGMAS * errors[0]
    assert value < 0.93 * pair - SIGMAS * errors[1]
