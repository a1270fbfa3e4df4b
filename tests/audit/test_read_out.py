"""The attack that reads fitted values out of quantized weights: it finds what attacks on losses miss, and only that."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from qmis_stats import leakage
from qmis_stats.audit import from_arrays
from qmis_stats.audit.attacks import AttackGame, LiRA, LossThreshold, ReadOut, play, run_attacks
from qmis_stats.audit.models import MLP, Linear, Logistic, Softmax
from qmis_stats.quantizers import quantizer


@cache
def game(kind: str = "squared", correlation: float = 0.7, alpha: float = 3.0, rows: int = 400) -> AttackGame:
    rng = np.random.default_rng(4)
    p = 40 if kind != "softmax" else 24
    factor = np.linalg.cholesky(correlation ** np.abs(np.subtract.outer(np.arange(p), np.arange(p))))
    X = rng.normal(size=(rows, p)) @ factor.T
    eta = X @ rng.normal(size=p) / 6.0
    if kind == "squared":
        data, model = from_arrays(X, eta + rng.normal(size=rows)), Linear(alpha=alpha, checkpoints=1)
    elif kind == "softmax":
        scores = X @ rng.normal(size=(p, 3)) / 3.0
        target = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1) * 1.0
        data, model = from_arrays(X, target), Softmax(alpha=alpha, checkpoints=1)
    else:
        target = (rng.random(rows) < 1.0 / (1.0 + np.exp(-2.0 * eta))) * 1.0
        data, model = from_arrays(X, target), Logistic(alpha=alpha, checkpoints=1)
    return play(data, model, None, 100, trainings=120, shadows=60, calibrations=30, members=16, seed=3)


@pytest.mark.statistical
@pytest.mark.parametrize(
    "kind", ["squared", *(pytest.param(k, marks=pytest.mark.long) for k in ("logistic", "softmax"))]
)
def test_signs_give_away_what_outputs_hide(kind: str) -> None:
    played = game(kind).quantized(quantizer("sign"))
    report = run_attacks(played, [ReadOut(), LiRA("online"), LossThreshold()], control=None)
    for other in ("LiRA online", "loss threshold"):
        gap, error = report["read-out"].versus(report[other])
        assert gap > 3.0 * error


@pytest.mark.statistical
@pytest.mark.parametrize("control", ["labels", "weights"])
@pytest.mark.parametrize("kind", ["squared", pytest.param("softmax", marks=pytest.mark.long)])
def test_where_membership_has_nothing_to_do_with_the_weights_nothing_is_found(kind: str, control: str) -> None:
    played = game(kind).quantized(quantizer("sign")).as_control(control)
    [null] = run_attacks(played, [ReadOut()], control=None).results
    assert abs(null.auc - 0.5) < 6.0 * null.auc_std_error


@pytest.mark.statistical
@pytest.mark.parametrize("kind", ["squared", "logistic", pytest.param("softmax", marks=pytest.mark.long)])
def test_without_quantization_it_finds_more_than_online_lira(kind: str) -> None:
    mine, theirs = run_attacks(game(kind), [ReadOut(), LiRA("online")], control=None).results
    assert mine.versus(theirs)[0] > 0.0
    assert mine.auc - 0.5 > 6.0 * mine.auc_std_error


@pytest.mark.long
@pytest.mark.statistical
def test_several_classes_leak_what_one_fit_predicts() -> None:
    played = game("softmax")
    known, data = played.known, played.known.source
    [found] = run_attacks(played.quantized(quantizer("sign")), [ReadOut()], control=None).results
    fits = [
        leakage(known.model, ["sign"], X=data.X[rows], y=data.y[rows], game="pool", fraction=0.25)
        for rows in known.shadow.trained[:2]
    ]
    predicted = np.mean([fit.auc[0] for fit in fits])
    error = np.hypot(found.auc_std_error, fits[0].std_errors("auc")[0])
    # The normal law of a member's read-outs costs about 0.01 for coarse codes.
    assert abs(found.auc - predicted) < 6.0 * error + 0.01


def test_other_models_are_attacked_by_their_outputs() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(80, 3))
    data = from_arrays(X, X[:, 0] + rng.normal(size=80))
    played = play(
        data,
        MLP(task="regression", hidden=(4,), epochs=5, checkpoints=1),
        None,
        30,
        trainings=6,
        shadows=6,
        calibrations=4,
    )
    mine = ReadOut().fit(played.known)(played.target.shown)
    np.testing.assert_array_equal(mine, LiRA("online").fit(played.known)(played.target.shown))


def test_fits_that_interpolate_are_attacked_by_their_outputs() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 80))
    data = from_arrays(X, rng.normal(size=60))
    played = play(data, Linear(alpha=0.0, checkpoints=1), None, 30, trainings=6, shadows=6, calibrations=4)
    mine = ReadOut().fit(played.known)(played.target.shown)
    np.testing.assert_array_equal(mine, LiRA("online").fit(played.known)(played.target.shown))
