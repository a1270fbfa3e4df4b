"""Exposures of records from several training runs: the mean fitted value of a record is known better."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, Ridge

from qmis_stats import leakage
from qmis_stats.errors import InputError
from qmis_stats.leak.fits import Fit, fit_from

D, N, RUNS = 50, 250, 200
NAMES = ["sign", "uniform-4"]


def drawn(loss: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    X = rng.normal(size=(N, D))
    eta = X @ np.linspace(-1.0, 1.0, D) / 3.0
    return X, eta + rng.normal(size=N) if loss == "squared" else (rng.random(N) < expit(eta)) * 1.0


def trained(loss: str, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    if loss == "squared":
        return Ridge(alpha=3.0, fit_intercept=False).fit(X, y).coef_
    return LogisticRegression(C=1.0 / 3.0, fit_intercept=False, tol=1e-10, max_iter=1000).fit(X, y).coef_[0]


@pytest.fixture(scope="module", params=["squared", "logistic"])
def runs(request: pytest.FixtureRequest) -> tuple[Fit, np.ndarray]:
    """One run of fresh samples, and the fitted values that others gave its records."""
    rng = np.random.default_rng(5)
    X, y = drawn(request.param, rng)
    values = np.array([X @ trained(request.param, *drawn(request.param, rng)) for _ in range(RUNS)])
    return fit_from(X, y, trained(request.param, X, y), request.param, 3.0), values


def test_more_runs_rank_records_better_and_say_how_sure(runs: tuple[Fit, np.ndarray]) -> None:
    """Truth is the exposure with means over 200 runs; of 250 records the error of Spearman's correlation is 0.07."""
    fit, values = runs
    truth = leakage(fit, NAMES, left_out=values).exposure
    found = [leakage(fit, NAMES, left_out=values[:few]) for few in (1, 12)]
    alone = leakage(fit, NAMES)
    close = [[spearmanr(one.exposure[:, q], truth[:, q])[0] for one in (alone, *found)] for q in range(3)]
    assert np.all(np.diff(close, axis=1) > 0.0)
    assert np.all(np.array(close)[:, 2] > 0.93)
    for one in (alone, *found):
        sure = one.exposure_error > 0.0
        off = (one.exposure - truth)[sure] / one.exposure_error[sure]
        # Standardised errors of 250 records, alike over releases: the spread of their root mean square is below 0.06.
        assert 0.7 < np.sqrt(np.mean(off**2)) < 1.4
    assert np.mean(found[1].exposure_error) < 0.5 * np.mean(alone.exposure_error)


def test_runs_that_were_all_trained_on_a_record_tell_nothing_of_it(runs: tuple[Fit, np.ndarray]) -> None:
    fit, values = runs
    nothing = np.full((3, N), np.nan)
    assert np.array_equal(leakage(fit, NAMES, left_out=nothing).exposure, leakage(fit, NAMES).exposure)
    some = np.where(np.arange(N) < N // 2, values[:3], nothing)
    changed = leakage(fit, NAMES, left_out=some).exposure_error / leakage(fit, NAMES).exposure_error
    told, untold = np.median(changed[: N // 2]), np.median(changed[N // 2 :])
    assert told < 0.7 < 0.9 < untold  # a half of the error is left by four runs


def test_what_all_classes_have_in_common_does_not_count() -> None:
    rng = np.random.default_rng(6)
    X = rng.normal(size=(80, 10))
    y = rng.integers(0, 3, size=80).astype(float)
    model = LogisticRegression(C=0.2, tol=1e-8, max_iter=1000).fit(X, y)
    values = rng.normal(size=(4, 80, 3))
    found = [leakage(model, ["sign"], X=X, y=y, left_out=values + common).exposure for common in (0.0, 7.0)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)
    assert not np.allclose(found[0], leakage(model, ["sign"], X=X, y=y).exposure)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (np.zeros((2, N - 1)), rf"left_out = \(2, {N - 1}\): must be of shape \(training runs, {N}\)"),
        (np.zeros(N), rf"left_out = \({N},\): must be of shape \(training runs, {N}\)"),
        (np.full((1, N), np.inf), "left_out = inf: must be finite, or NaN where a record was trained on"),
        ("values", "left_out = 'values': must be of shape"),
    ],
)
def test_wrong_values_are_refused_in_one_line(runs: tuple[Fit, np.ndarray], given: object, line: str) -> None:
    with pytest.raises(InputError, match=line):
        leakage(runs[0], NAMES, left_out=given)
