"""What the losses of one trained model tell: thresholds that are fixed on other points, covariances, few points."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_stats.audit import audit
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.loss_leak import loss_leak
from qmis_stats.audit.models import Logistic
from qmis_stats.errors import InputError
from qmis_stats.quantizers import quantizer


def drawn(rng, n=60, m=80, shifts=(0.5, 1.0)):
    """Return losses under two releases, half of whose noise is common; members have the smaller ones."""
    inside, outside = rng.normal(size=n), rng.normal(size=m)
    names = ("sign", "identity")
    return (
        {name: inside + rng.normal(size=n) - shift for name, shift in zip(names, shifts, strict=True)},
        {name: outside + rng.normal(size=m) for name in names},
    )


def test_estimates_and_covariance_are_those_of_repeated_models():
    rng, models = np.random.default_rng(4), 500
    found = [loss_leak(*drawn(rng), {}) for _ in range(models)]
    estimates = np.array([one.estimates for one in found])
    reported = np.mean([one.covariance for one in found], axis=0)
    from scipy.stats import norm

    area = norm.cdf(np.array([0.5, 1.0]) / 2.0)
    error = estimates[:, :, 1].std(axis=0, ddof=1) / np.sqrt(models)
    assert np.all(np.abs(estimates[:, :, 1].mean(axis=0) - area) < 6.0 * error)
    # Halves fix thresholds: the advantage is below that of the best threshold, never above it.
    best = 2.0 * norm.cdf(np.array([0.5, 1.0]) / np.sqrt(8.0)) - 1.0
    error = estimates[:, :, 0].std(axis=0, ddof=1) / np.sqrt(models)
    assert np.all(estimates[:, :, 0].mean(axis=0) < best + 6.0 * error)
    for contrast in (np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([1.0, -1.0])):
        variance = np.var(estimates[:, :, 1] @ contrast, ddof=1)
        z = (variance / (contrast @ reported[1] @ contrast) - 1.0) / np.sqrt(2.0 / (models - 1.0))
        assert abs(z) < 6.0


def test_groups_widen_intervals():
    inside, outside = drawn(np.random.default_rng(1), 40, 40)
    twice = [{name: np.repeat(values, 4) for name, values in part.items()} for part in (inside, outside)]
    own = np.repeat(np.arange(40), 4)
    alone = loss_leak(inside, outside, {})
    grouped = loss_leak(*twice, {}, groups=(own, 100 + own))
    assert grouped.covariance[1] == pytest.approx(alone.covariance[1], rel=1e-12)
    assert grouped.dof == 39
    assert loss_leak(*twice, {}).covariance[1, 0, 0] < 0.3 * alone.covariance[1, 0, 0]


def test_losses_that_tell_nothing_are_not_said_to_be_safe():
    flat = {"sign": np.ones(50), "identity": np.ones(50)}
    leak = loss_leak(flat, flat, {})
    assert leak.delta.tolist() == [0.0, 0.0]
    assert leak.conf_int()[0, 1] > 0.05


def test_few_points_are_refused():
    inside, outside = drawn(np.random.default_rng(1), 19, 40)
    with pytest.raises(InputError, match="points = 19: must be at least 20 independent training points"):
        loss_leak(inside, outside, {})


class Ready(Logistic):
    trained_elsewhere = True


@pytest.mark.parametrize("held", [10, 30])
def test_an_audit_measures_a_model_that_was_trained_elsewhere(held):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(70, 30))
    data = from_arrays(X, (X[:, 0] + rng.normal(size=70) > 0.0).astype(float))
    result = audit(data, Ready(alpha=0.1), [quantizer("sign")], runs=1, evaluation=range(held))
    if held < 20:
        assert result.leak is None
        return
    model = Ready(alpha=0.1)
    *_, weights = model.fit_path(data.X[held:], data.y[held:], rng)
    inside, outside = (model.losses(weights, data.X[rows], data.y[rows]) for rows in (slice(held, None), slice(held)))
    assert result.leak.auc[-1] == pytest.approx(np.mean(inside[:, None] < outside), abs=1e-12)
    assert result.leak.points == 40
    assert result.leak.non_members == 30
    assert result.to_dict()["leak"]["measured"]
    with pytest.raises(InputError, match="no records: theory has no answer, the model was trained elsewhere"):
        result.records()
