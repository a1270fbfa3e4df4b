"""A pool whose points are given: whoever has the fit, its other points come in the units of its weights."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qmis_stats import leakage
from qmis_stats.audit import Linear, Logistic, SklearnModel, bundled, from_arrays, head_for
from qmis_stats.audit.head_leak import head_leak
from qmis_stats.errors import InputError
from qmis_stats.leak import estimate, fits, retained
from qmis_stats.leak.fits import fit_from
from qmis_stats.leak.game import Game
from qmis_stats.leak.known_pool import KnownPool, pool_points
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.leak.losses import LOSSES, Loss, proximal
from qmis_stats.leak.retained import scatter
from qmis_stats.leak.sources import fit_of, points_like
from qmis_stats.quantizers import quantizer

RNG = np.random.default_rng(1)
X = RNG.normal(size=(120, 12)) * 3.0 + 1.0
SCORE = X @ RNG.normal(size=12) / 10.0
LABELS = np.where(SCORE - SCORE.mean() + RNG.logistic(size=120) > 0.0, "yes", "no")
COUNTS = RNG.poisson(np.exp(0.3 * (SCORE - SCORE.mean()))).astype(float)
NUMBERS = SCORE + RNG.normal(size=120)

MADE = {
    "Ridge": (Ridge(alpha=2.0).fit(X, NUMBERS), NUMBERS),
    "pipeline with words": (make_pipeline(StandardScaler(), LogisticRegression(tol=1e-9)).fit(X, LABELS), LABELS),
    "Poisson": (PoissonRegressor(alpha=0.1, tol=1e-9, max_iter=2000).fit(X, COUNTS), COUNTS),
    "a head with its units": (Linear(alpha=1.0), NUMBERS),
    "a head for classes": (Logistic(alpha=1.0), (LABELS == "yes").astype(float)),
}


@pytest.mark.parametrize("kind", MADE)
def test_points_come_in_the_units_of_the_weights(kind: str) -> None:
    model, y = MADE[kind]
    fit = fit_of(model, X, y)
    features, targets = points_like(model, X, y, (X, y))
    np.testing.assert_allclose(features, fit.X)
    np.testing.assert_allclose(targets, fit.y)


def test_the_constant_of_statsmodels_is_no_feature() -> None:
    exog = sm.add_constant(X)
    results = sm.OLS(NUMBERS, exog).fit()
    np.testing.assert_array_equal(points_like(results, exog, NUMBERS, (None, None))[0], fit_of(results).X)
    with pytest.raises(InputError, match=r"X = \(120, 12\): must be of 13 columns"):
        points_like(results, X, NUMBERS, (None, None))


def test_an_audit_knows_the_other_points_whatever_the_head() -> None:
    data = from_arrays(X, NUMBERS, name="numbers")
    rows, chosen = np.arange(60), [quantizer("sign"), quantizer("uniform-4")]
    found = [
        head_leak(data, model, chosen, rows, pool=True)[0]
        for model in (Linear(alpha=1.0), SklearnModel(Ridge(alpha=1.0), standardise="all"))
    ]
    assert all(one is not None and one.game == Game("pool", 0.5) for one in found)
    # The target is not standardised by the estimator: its weights are the same up to a factor.
    np.testing.assert_allclose(found[0].auc, found[1].auc, atol=1e-3)


def test_a_feature_that_no_point_has_changes_nothing() -> None:
    """Fingerprints have such bits."""
    y, rows = NUMBERS - NUMBERS.mean(), np.arange(60)
    found = []
    for features in (X, np.column_stack([X, np.zeros(120)])):
        A, b = features[rows], y[rows]
        fit = fit_from(A, b, np.linalg.solve(A.T @ A + np.eye(A.shape[1]), A.T @ b), "squared", 1.0)
        found.append(leakage(fit, [], pool=(features[60:], y[60:])).auc[0])
    assert found[1] == pytest.approx(found[0], abs=2e-3)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_proximal_values_are_fitted_values_with_the_point(loss: Loss) -> None:
    rng, size = np.random.default_rng(2), 3 if loss.name == "softmax" else 1
    root = rng.normal(size=(200, size, size)) * 3.0
    q, u = root @ root.transpose(0, 2, 1), rng.normal(size=(4, 200, size)) * 4.0
    y = rng.integers(2 if loss.name == "logistic" else 3, size=200).astype(float)
    v = proximal(loss, y, u, q)
    np.testing.assert_allclose(v - u, -np.einsum("nab,...nb->...na", q, loss.gradient(y, v)), atol=1e-7)


def test_two_classes_are_one_fitted_value() -> None:
    """Classes 0 and 1 of a softmax with penalty λ are a logistic regression with penalty λ/2."""
    y = (LABELS == "yes").astype(float)
    rows, others = np.arange(60), np.arange(60, 120)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    w = LogisticRegression(C=0.5, tol=1e-10, fit_intercept=False, max_iter=2000).fit(Z[rows], y[rows]).coef_[0]
    one = fit_from(Z[rows], y[rows], w, "logistic", 2.0)
    two = fit_from(Z[rows], y[rows], np.array([-0.5 * w, 0.5 * w]), "softmax", 4.0)
    laws = []
    for fit in (one, two):
        found, game = leave_one_out(fit), Game("pool", 0.5)
        laws.append(KnownPool.of(fit, scatter(fit, found), found, game, pool_points(fit, Z[others], y[others])).law)
    for field in ("variance", "leverage"):
        logistic, softmax = (getattr(law.left_out, field)[:, 0, 0] for law in laws)
        np.testing.assert_allclose(2.0 * softmax, logistic, rtol=0.03)


def test_of_very_many_points_of_several_classes_only_the_number_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.digitize(SCORE, np.quantile(SCORE, [0.3, 0.6]))
    model = LogisticRegression(C=0.1, tol=1e-9, max_iter=2000).fit(X[:60], y[:60])
    given = {"X": X[:60], "y": y[:60]}
    known = leakage(model, ["sign"], **given, pool=(X[60:], y[60:]))
    monkeypatch.setattr(estimate, "MANY", 119)
    some, drawn = (
        leakage(model, ["sign"], **given, **more)
        for more in ({"pool": (X[60:], y[60:])}, {"game": "pool", "fraction": 0.5})
    )
    assert some.auc.tolist() == drawn.auc.tolist()
    assert some.auc.tolist() != known.auc.tolist()
    assert known.auc == pytest.approx(drawn.auc, abs=0.03)


def test_probes_stand_for_the_points_of_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where matrices are large: others that are far from the training points make another second moment."""
    model, y = MADE["Ridge"]
    far = X * np.linspace(0.2, 4.0, 12)
    given = {"X": X, "y": y, "pool": (far, NUMBERS)}
    usual = leakage(model, ["sign", "uniform-4"], **given)
    monkeypatch.setattr(retained, "_DENSE", 5)
    other = leakage(model, ["sign", "uniform-4"], **given)
    np.testing.assert_allclose(other.retained, usual.retained, atol=0.02)


@pytest.mark.parametrize(("together", "same"), [(0.0, False), (1e8, True)])
def test_single_precision_reads_what_double_does(monkeypatch: pytest.MonkeyPatch, together: float, same: bool) -> None:
    """Where matrices are large: to four digits, and not where all weights vary together."""
    fit = fit_of(MADE["Ridge"][0], X, NUMBERS)
    spread = scatter(fit, leave_one_out(fit))
    spread = replace(spread, covariance=spread.covariance + together * np.mean(np.diag(spread.covariance)))
    [kept] = retained.retained(fit, spread, [quantizer("identity")], 0)
    monkeypatch.setattr(retained, "_DENSE", 5)
    single = retained.read_out(spread, kept)
    monkeypatch.setattr(retained, "_WELL", 2.0)
    double = retained.read_out(spread, kept)
    np.testing.assert_allclose(single.along, double.along, rtol=1e-4)
    assert np.array_equal(single.along, double.along) == same


def test_the_game_may_be_named_where_the_pool_is_given() -> None:
    model, y = MADE["Ridge"]
    found = [leakage(model, [], X=X, y=y, pool=(X[:60], y[:60]), **more) for more in ({}, {"game": "pool"})]
    assert found[0].game == found[1].game == Game("pool", 2.0 / 3.0)


def test_coarse_codes_of_the_bundled_set_are_in_the_domain_of_both_games() -> None:
    """Attacks on them are compared with the theory of their pool; equations of exact weights tell more than it."""
    data = bundled("breast_cancer")
    population, pool = (
        head_leak(data, head_for(data), [quantizer("sign")], np.arange(284), pool=known)[0] for known in (False, True)
    )
    assert population is not None
    assert pool is not None
    assert (population.in_domain, pool.in_domain) == ((True, True), (True, False))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pool": X}, "pool = 'ndarray': must be a tuple of features and targets"),
        ({"pool": (X[:, :3], NUMBERS)}, r"pool = \(\(120, 3\), \(120,\)\): must be of shapes \(m, 12\)"),
        ({"pool": (X * np.nan, NUMBERS)}, "finite, without NaN"),
        ({"pool": (X, "a")}, "pool, y = "),
        ({"pool": (X, NUMBERS[:5])}, r"pool, y = \(5,\): must be one target per row of X"),
        ({"pool": (X, NUMBERS), "fraction": 0.5, "game": "pool"}, "fraction = 0.5: must be left out where the pool"),
    ],
)
def test_bad_pools_get_one_line(given: dict, words: str) -> None:
    model, y = MADE["Ridge"]
    with pytest.raises(InputError, match=words):
        leakage(model, [], X=X, y=y, **given)


def test_a_class_that_no_training_point_has_is_refused() -> None:
    model, y = MADE["pipeline with words"]
    with pytest.raises(InputError, match=r"pool, y = \['maybe'\]: must be the classes \['no', 'yes'\] of the fit"):
        leakage(model, [], X=X, y=y, pool=(X[:2], np.array(["yes", "maybe"])))


def test_few_copies_of_the_pool_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, n = np.random.default_rng(5), 6000
    X = rng.normal(size=(2 * n, 64))
    y = X @ rng.normal(size=64) / 8.0 + rng.normal(size=2 * n)
    fit, others = Ridge(alpha=1.0).fit(X[:n], y[:n]), (X[n:], y[n:])
    found = leakage(fit, ["uniform-4"], X=X[:n], y=y[:n], pool=others)
    monkeypatch.setattr(fits, "_BLOCK", 512)
    tracemalloc.start()
    by_parts = leakage(fit, ["uniform-4"], X=X[:n], y=y[:n], pool=others)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5.0 * X.nbytes  # design, what the covariance and the response make of it, the fit
    np.testing.assert_allclose(by_parts.estimates, found.estimates, rtol=1e-9)
