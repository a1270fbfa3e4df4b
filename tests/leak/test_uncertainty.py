"""Errors of what all points share (S17)."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from qmis_stats.leak import fit_from
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.leak.retained import scatter

FITS = 500
ALARM = 1e-9


def test_the_scale_of_the_covariance_varies_as_it_says() -> None:
    """Least squares, d/n = 1/2: residuals have n − d degrees of freedom, and the scale varies by 1/(1 − φ) more."""
    d, n = 32, 64
    rng = np.random.default_rng(8)
    scales, stated, inflation = np.empty(FITS), np.empty(FITS), np.empty(FITS)
    for k in range(FITS):
        X = rng.normal(size=(n, d))
        y = rng.normal(size=n)
        fit = fit_from(X, y, np.linalg.lstsq(X, y)[0], "squared")
        found = leave_one_out(fit)
        scales[k], inflation[k] = np.log(found.variance.mean()), found.inflation
        stated[k] = scatter(fit, found).scale_error
    # The log of a scaled chi-square is a little wider than its first-order error.
    wider = 1.1
    spread, mean = scales.var(ddof=1) * (FITS - 1.0), float(np.mean(stated))
    assert chi2.cdf(spread / mean**2, FITS - 1) > ALARM
    assert chi2.sf(spread / (wider * mean) ** 2, FITS - 1) > ALARM
    plain = mean * np.sqrt(1.0 - inflation.mean())
    assert chi2.sf(spread / (wider * plain) ** 2, FITS - 1) < ALARM
