"""Leak of groups of records: what it adds up to, what an attack on a group achieves, and that nothing is made up."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.special import stdtrit
from sklearn.linear_model import LogisticRegression, Ridge

from qmis_stats import leakage
from qmis_stats.errors import InputError
from qmis_stats.leak import fit_from, near

SURE = 1.0 - 1e-9


@pytest.fixture(scope="module")
def found():
    """Two groups, of which one has features twice as large."""
    rng = np.random.default_rng(3)
    sex = np.where(np.arange(320) % 3 == 0, "f", "m")
    X = rng.normal(size=(320, 40)) * np.where(sex == "f", 2.0, 1.0)[:, None]
    y = X @ rng.normal(size=40) / 6.0 + rng.normal(size=320)
    return leakage(Ridge(alpha=1.0).fit(X, y), ["sign"], X=X, y=y), sex


@pytest.fixture(scope="module")
def by_sex(found):
    result, sex = found
    return result.by_group(sex)


def test_one_group_of_all_leaks_what_all_leak(found):
    result, _ = found
    whole = result.by_group(["all"] * 320)
    np.testing.assert_allclose(whole.estimates[0], result.estimates, rtol=1e-12)
    assert whole.differences().empty
    assert whole.to_frame()["difference"].isna().all()


def test_classes_add_up_to_the_whole():
    """The law over points is read class by class anyway: the mean over classes is the leak of all.

    But for leverages, which are smoothed within each class.
    """
    rng = np.random.default_rng(4)
    X = rng.normal(size=(400, 30))
    y = (X @ rng.normal(size=30) / 3.0 + rng.logistic(size=400) > 0.5) * 1.0
    result = leakage(LogisticRegression(tol=1e-10, max_iter=2000).fit(X, y), ["sign"], X=X, y=y)
    by_class = result.by_group(y)
    assert by_class.groups == ("0", "1")
    assert by_class.records == (int(np.sum(y == 0)), int(np.sum(y == 1)))
    whole = np.average(by_class.delta, axis=0, weights=by_class.records)
    assert np.abs(whole - result.delta).max() < 0.5 * result.std_errors().min()


def test_a_group_with_larger_leverages_is_shown_and_random_labels_are_not(found, by_sex):
    result, sex = found
    shown = by_sex.exposed("identity", SURE)
    assert shown.index.tolist() == ["f"]
    rng = np.random.default_rng(5)
    for labels in (rng.permutation(sex), rng.integers(0, 4, 320)):
        gaps = result.by_group(labels).differences(SURE)
        assert ((gaps["low"] < 0.0) & (gaps["high"] > 0.0)).all()


def test_of_two_groups_the_differences_are_one(by_sex):
    gaps = by_sex.differences()
    np.testing.assert_allclose(gaps.loc["f", "difference"], -gaps.loc["m", "difference"])
    np.testing.assert_allclose(gaps.loc["f", "low"], -gaps.loc["m", "high"])
    np.testing.assert_allclose(gaps.loc["f", "difference"], by_sex.delta[0] - by_sex.delta[1])
    # Errors in the worst case, of groups that err against each other.
    assert (gaps.loc["f", "std_error"] < by_sex.std_errors().sum(axis=0)).all()


def test_intervals_hold_together(by_sex):
    """Bonferroni over two groups and two quantizers; a single difference for each quantizer."""
    ends, errors = by_sex.conf_int(0.95), by_sex.std_errors()
    np.testing.assert_allclose(ends[..., 1] - ends[..., 0], 2.0 * stdtrit(by_sex.dof, 1.0 - 0.025 / 4) * errors)
    gaps = by_sex.differences(0.95)
    half = stdtrit(by_sex.dof, 1.0 - 0.025 / 2) * gaps["std_error"]
    np.testing.assert_allclose(gaps["high"] - gaps["difference"], half)
    assert (by_sex.conf_int(figure="auc") >= 0.5).all()


def test_small_groups_are_named_and_have_no_numbers(found):
    result, sex = found
    labels = sex.astype(object)
    labels[:49] = "few"
    labels[60] = None
    by_group = result.by_group(labels)
    assert by_group.groups == ("f", "m")
    assert by_group.small == {"few": 49, "missing": 1}
    assert set(by_group.to_frame().index.get_level_values("group")) == {"f", "m"}
    assert "Too few records for figures of their own: few (49), missing (1)." in by_group.remarks()
    none = result.by_group(np.arange(320) % 12)
    assert none.groups == ()
    assert none.to_frame().empty
    with pytest.raises(InputError, match="a group that is large enough"):
        none.conf_int()


def test_groups_of_few_independent_records_are_small(found):
    result, sex = found
    families = np.where(sex == "f", np.arange(320) // 32, np.arange(320))
    basis = result.basis
    again = leakage(basis.fit, ["sign"], groups=families).by_group(sex)
    assert again.groups == ("m",)
    assert again.small == {"f": 107}


def test_a_class_that_a_group_hardly_has_is_read_from_all():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(160, 12))
    y = (X @ rng.normal(size=12) + rng.logistic(size=160) > 0.0) * 1.0
    y[:80] = np.arange(80) == 5
    result = leakage(LogisticRegression(tol=1e-10, max_iter=2000).fit(X, y), [], X=X, y=y)
    found = result.by_group(np.arange(160) < 80)
    assert found.groups == ("False", "True")
    assert np.isfinite(found.estimates).all()
    assert np.isfinite(found.covariance).all()


def test_what_comes_out(by_sex):
    frame = by_sex.to_frame()
    assert list(frame.index) == [("f", "sign"), ("f", "identity"), ("m", "sign"), ("m", "identity")]
    assert (frame["auc"] > 0.5).all()
    assert (frame["tpr_0.01"] > 0.01).all()
    data = json.loads(json.dumps(by_sex.to_dict(), allow_nan=False))
    assert data["groups"][1]["difference"] == pytest.approx(frame.loc[("f", "identity"), "difference"])
    assert "Without quantization more leaks from f (by 0." in str(by_sex)
    assert "<table" in by_sex._repr_html_()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["f"] * 3, r"labels = \(3,\): must be one label per record"),
        (np.arange(320), "labels = '320 different values': must be at most 50 of them; cut numbers"),
    ],
)
def test_bad_labels_get_one_line(found, labels, message):
    with pytest.raises(InputError, match=message) as caught:
        found[0].by_group(labels)
    assert "\n" not in str(caught.value)


def test_bad_figures_and_quantizers_get_one_line(found, by_sex):
    result, sex = found
    with pytest.raises(InputError, match="figure = 'accuracy'"):
        by_sex.conf_int(figure="accuracy")
    with pytest.raises(InputError, match="quantizer = 'nf4': must be one of sign, identity"):
        by_sex.exposed("nf4")
    with pytest.raises(InputError, match="that of a result of leakage"):
        dataclasses.replace(result, basis=None).by_group(sex)


@pytest.mark.statistical
def test_one_fit_predicts_the_attack_on_each_group():
    """Least squares, a quarter of the records with features twice as large: the game with many trainings.

    The attack knows the law: coefficients, and the variance and leverage of each fitted value. Groups whose
    predictions are exchanged fail.
    """
    d, n, runs, shown = 48, 224, 300, 64
    rng = np.random.default_rng(8)
    beta = rng.normal(size=d) / np.sqrt(d)
    larger = np.arange(n) % 4 == 0
    scale = np.where(larger, 2.0, 1.0)[:, None]
    fits, errors, traces, games = [], [], [], []
    for r in range(runs):
        X, noise = rng.normal(size=(n, d)) * scale, rng.normal(size=n)
        inverse = np.linalg.inv(X.T @ X)
        error = inverse @ (X.T @ noise)
        other, fresh = rng.normal(size=(shown, d)) * scale[:shown], rng.normal(size=shown)
        games.append([(X[:shown], noise[:shown], X[:shown] @ error), (other, fresh, other @ error)])
        errors.append(np.mean(error**2))
        traces.append(np.trace(np.linalg.inv(X[1:].T @ X[1:])) / d)
        if r < 6:
            fits.append(leakage(fit_from(X, X @ beta + noise, beta + error, "squared"), []).by_group(larger))
    variance, response = np.mean(errors), np.mean(traces)

    def log_ratio(X: np.ndarray, e: np.ndarray, v: np.ndarray) -> np.ndarray:
        s2, q = variance * np.sum(X**2, axis=1), response * np.sum(X**2, axis=1)
        moved = (v - q / (1.0 + q) * e) * (1.0 + q)
        return np.log1p(q) - 0.5 * moved**2 / s2 + 0.5 * v**2 / s2

    gained = np.array([[log_ratio(*side) > 0.0 for side in game] for game in games])
    gained = gained[:, 0].astype(float) - gained[:, 1]
    predicted = np.array([one.delta[:, 0] for one in fits])
    truth, off = [], []
    for g, mine in enumerate((~larger[:shown], larger[:shown])):
        each = gained[:, mine].mean(axis=1)
        truth.append((each.mean(), each.std() / np.sqrt(runs), predicted[:, g].std() / np.sqrt(len(fits))))
        off.append((predicted[:, g].mean() - truth[g][0]) / np.hypot(*truth[g][1:]))
    assert np.abs(off).max() < 6.0
    exchanged = predicted[:, 1].mean() - truth[0][0]
    assert exchanged > 6.0 * np.hypot(truth[0][1], truth[1][2])


def test_near_duplicates(found, monkeypatch):
    result, _ = found
    assert (result.near_duplicates == -1).all()
    rng = np.random.default_rng(6)
    X = rng.normal(size=(200, 20)) * np.logspace(-3, 3, 20)
    X[150] = X[20] * (1.0 + 1e-3)
    X[151] = X[21]
    y = X[:, 0] * 1e3 + rng.normal(size=200)
    again = leakage(Ridge(alpha=1.0).fit(X, y), [], X=X, y=y)
    pairs = {20: 150, 150: 20, 21: 151, 151: 21}
    assert {int(row): int(again.near_duplicates[row]) for row in np.flatnonzero(again.near_duplicates >= 0)} == pairs
    records = again.records()
    assert records["near_duplicate_of"].dropna().to_dict() == pairs
    assert near.near_duplicates(np.ones((5, 2))).tolist() == [-1] * 5
    monkeypatch.setattr(near, "_MOST_WORK", 10.0)
    assert near.near_duplicates(X) is None
