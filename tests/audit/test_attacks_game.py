"""The game: who is shown, who was trained on, which training runs serve what; attacks on a data set."""

import math

import numpy as np
import pytest

from qmis_stats.audit.attacks import Discriminator, LiRA, LossThreshold, play, run_attacks
from qmis_stats.audit.attacks.attacking import accuracy_threshold, rate_threshold
from qmis_stats.audit.attacks.solvable import MeanModel
from qmis_stats.audit.attacks.statistic import logit_confidence
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.models import Linear, Logistic, SklearnModel, Softmax
from qmis_stats.audit.tables import bundled
from qmis_stats.errors import InputError
from qmis_stats.quantizers import quantizer

SIGN = quantizer("sign")


def sampler(rng, k):
    return rng.normal(size=(k, 1)), np.zeros(k)


def regression(rows=80, columns=12, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns))
    noise = rng.normal(size=rows) * np.exp(1.2 * rng.normal(size=rows))  # some points are much harder than others
    return from_arrays(X, X @ rng.normal(size=columns) + noise, name="uneven")


def test_members_were_trained_on_and_non_members_were_not():
    data = regression()
    game = play(data, Linear(), quantizer("sign"), 30, trainings=12, shadows=5, calibrations=5, members=3, seed=2)
    for part in (game.known.shadow, game.calibration, game.target):
        rows = part.shown.rows
        assert np.array_equal(np.take_along_axis(part.trained, rows, axis=1), part.member)
        assert (part.trained.sum(axis=1) == 30).all()
        assert (part.member.sum(axis=1) == part.member.shape[1] // 2).all()
        assert np.array_equal(part.shown.X, data.X[rows])
        for i, weights in enumerate(part.shown.weights):
            assert np.unique(np.abs(weights[0])).size == 1  # one scale: the weights are quantized
            assert np.array_equal(part.shown.losses[i], Linear().losses(weights, data.X[rows[i]], data.y[rows[i]]))
    assert game.pairs == 3
    assert game.target.member[:, 0].any()
    assert not game.target.member[:, 0].all()  # the order tells nothing


def test_weights_follow_from_the_members_of_a_sampler():
    game = play(sampler, MeanModel(), None, 6, trainings=5, shadows=3, calibrations=3, members=6, seed=3)
    for weights, X, member in zip(game.target.shown.weights, game.target.shown.X, game.target.member, strict=True):
        assert weights[0] == pytest.approx(X[member].mean(axis=0))


def test_trainings_of_different_kinds_and_numbers_are_different():
    game = play(sampler, MeanModel(), None, 6, trainings=5, shadows=5, calibrations=5, seed=3)
    parts = (game.known.shadow, game.calibration, game.target)
    found = [float(w[0][0]) for part in parts for w in part.shown.weights]
    assert len(set(found)) == 15


def test_a_seed_gives_the_game_for_any_number_of_jobs_and_of_trainings():
    settings = {"trainings": 6, "shadows": 4, "calibrations": 4, "seed": 5}
    one = play(regression(), Linear(), SIGN, 30, **settings)
    two = play(regression(), Linear(), SIGN, 30, **settings, jobs=2)
    for a, b in ((one.known.shadow, two.known.shadow), (one.calibration, two.calibration), (one.target, two.target)):
        assert all(
            np.array_equal(x, y)
            for v, w in zip(a.shown.weights, b.shown.weights, strict=True)
            for x, y in zip(v, w, strict=True)
        )
        assert np.array_equal(a.member, b.member)
    more = play(regression(), Linear(), SIGN, 30, **(settings | {"trainings": 9}))
    assert np.array_equal(more.target.shown.losses[:6], one.target.shown.losses)
    other = play(regression(), Linear(), SIGN, 30, **(settings | {"seed": 6}))
    assert not np.array_equal(other.target.shown.losses, one.target.shown.losses)


def test_a_quantized_game_is_that_of_play():
    settings = {"trainings": 6, "shadows": 4, "calibrations": 4, "seed": 5}
    plain = play(regression(), Linear(), None, 30, **settings)
    found, played = plain.quantized(SIGN), play(regression(), Linear(), SIGN, 30, **settings)
    for a, b in (
        (found.known.shadow, played.known.shadow),
        (found.calibration, played.calibration),
        (found.target, played.target),
    ):
        assert np.array_equal(a.shown.losses, b.shown.losses)
        assert np.array_equal(a.member, b.member)
    assert found.describe() == played.describe()
    assert not np.array_equal(found.target.shown.losses, plain.target.shown.losses)
    for game in (found, plain.as_control()):
        with pytest.raises(InputError, match="without a quantizer"):
            game.quantized(SIGN)


def test_controls_change_what_they_say():
    game = play(regression(), Linear(), None, 30, trainings=20, shadows=5, calibrations=5, members=2, seed=6)
    labels, weights = game.as_control("labels", 1), game.as_control("weights")
    assert np.array_equal(labels.target.shown.losses, game.target.shown.losses)
    assert (labels.target.member.sum(axis=1) == 2).all()
    assert not np.array_equal(labels.target.member, game.target.member)
    assert (labels.known.shadow.trained.sum(axis=1) == 30).all()
    assert not np.array_equal(labels.known.shadow.trained, game.known.shadow.trained)
    assert np.array_equal(weights.target.member, game.target.member)
    assert weights.target.shown.weights[0] is game.target.shown.weights[1]
    assert not np.array_equal(weights.target.shown.losses, game.target.shown.losses)
    assert (game.control, labels.control, weights.describe()["control"]) == ("", "labels", "weights")
    with pytest.raises(InputError, match="kind"):
        game.as_control("both")


@pytest.mark.statistical
def test_lira_beats_one_threshold_where_points_are_unevenly_hard():
    data = regression()
    model = Linear(alpha=0.1, checkpoints=1)
    game = play(data, model, None, 30, trainings=600, shadows=80, calibrations=60, members=4, seed=7)
    attacks = [LossThreshold(), LiRA(), LiRA("offline"), Discriminator()]
    report = run_attacks(game, attacks, control="weights")
    for name, errors in (("LiRA online", 6.0), ("LiRA offline", 3.0), ("discriminator, logistic", 6.0)):
        difference, error = report[name].versus(report["loss threshold"])
        assert difference > errors * error, name
    assert report.off_chance() == ()
    assert report.delta is None
    assert "bound what leaks from below" in str(report)


@pytest.mark.statistical
def test_several_pairs_a_training_widen_intervals_as_they_must():
    data = regression()
    game = play(data, Linear(checkpoints=1), quantizer("sign"), 30, trainings=150, shadows=30, members=20, seed=8)
    report = run_attacks(game, [LossThreshold(), LiRA()])
    assert report.off_chance() == ()
    assert "adjusted for points that share a training run" in str(report)
    for result in report.results:
        assert result.pairs == 20
        low, high = result.auc_interval()
        assert 0.0 < high - low < 0.3


@pytest.mark.parametrize("model", [Logistic(checkpoints=1), Softmax(checkpoints=1)], ids=["binary", "multiclass"])
def test_classes_have_logits(model):
    rng = np.random.default_rng(9)
    X = rng.normal(size=(90, 4))
    scores = X @ rng.normal(size=(4, 3)) + rng.normal(size=(90, 3))
    y = np.argmax(scores[:, : 2 if model.task == "binary" else 3], axis=1)
    game = play(
        from_arrays(X, y, name="classes", task=model.task),
        model,
        quantizer("sign"),
        40,
        trainings=30,
        shadows=20,
        calibrations=10,
        seed=9,
    )
    report = run_attacks(game, [LiRA(), LiRA("offline"), Discriminator("boosting")], control=None)
    assert all(np.isfinite(r.scores).all() for r in report.results)


def test_logits_are_accurate_at_both_ends():
    p = np.array([1e-12, 0.25, 0.5])
    np.testing.assert_allclose(logit_confidence(-np.log(p)), np.log(p / (1.0 - p)), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(logit_confidence(np.array([1e-200, 800.0])), [200.0 * np.log(10.0), -800.0], rtol=1e-12)
    assert np.isfinite(logit_confidence(np.zeros(1))).all()


def test_thresholds():
    rng = np.random.default_rng(10)
    scores, member = rng.integers(0, 6, 200).astype(float), rng.random(200) < 0.5
    gains = {t: np.mean(scores[member] >= t) - np.mean(scores[~member] >= t) for t in range(7)}
    found = accuracy_threshold(scores, member)
    assert gains[math.ceil(found)] == pytest.approx(max(gains.values()))
    assert accuracy_threshold(-member.astype(float), member) == np.inf  # nobody is called a member
    for rate in (0.5, 0.1, 0.02):
        cut, resolved = rate_threshold(scores, rate)
        assert np.mean(scores >= cut) <= rate
        assert cut > 5.0 or np.mean(scores >= cut - 1.0) > rate
        assert cut % 1.0 == 0.5 or cut > 5.0
        assert resolved
    assert not rate_threshold(scores, 1e-3)[1]


def test_refused_games():
    data = regression()
    for source, model, n, settings in (
        (data, Linear(), 80, {}),
        (data, Linear(), 1, {}),
        (data, Logistic(), 30, {}),
        (data, Linear(), 30, {"members": 31}),
        (data, Linear(), 70, {"shown": 11}),
        (data, Linear(), 30, {"trainings": 1}),
        (data, Linear(), 30, {"seed": -1}),
        (data, Linear(), 30, {"jobs": 0}),
        ("data", MeanModel(), 30, {}),
        (lambda rng, k: (rng.normal(size=(k, 1)), np.zeros(k + 1)), MeanModel(), 30, {}),
        (lambda _, k: (np.full((k, 1), np.nan), np.zeros(k)), MeanModel(), 30, {}),
    ):
        with pytest.raises(InputError):
            play(source, model, None, n, **settings)


class Counted(Logistic):
    """A head that counts its trainings, and is interrupted at one of them."""

    fitted, last = 0, None

    def fit_path(self, X, y, rng):
        type(self).fitted += 1
        if type(self).fitted == type(self).last:
            raise KeyboardInterrupt
        return super().fit_path(X, y, rng)


def test_an_interrupted_game_goes_on_and_repeats_no_training(tmp_path):
    data, settings = bundled("breast_cancer"), {"trainings": 4, "shadows": 3, "calibrations": 3, "seed": 2}
    Counted.fitted, Counted.last = 0, 6
    with pytest.raises(KeyboardInterrupt):
        play(data, Counted(), None, 60, **settings, store=tmp_path)
    Counted.fitted, Counted.last = 0, None
    resumed = play(data, Counted(), None, 60, **settings, store=tmp_path)
    assert Counted.fitted == 5
    whole = play(data, Counted(), None, 60, **settings)
    for mine, theirs in zip(resumed.target.shown.weights, whole.target.shown.weights, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    assert np.array_equal(resumed.calibration.shown.losses, whole.calibration.shown.losses)
    Counted.fitted = 0
    more = play(data, Counted(), None, 60, **{**settings, "trainings": 6}, store=tmp_path)
    assert Counted.fitted == 2
    assert np.array_equal(more.target.shown.losses[:4], whole.target.shown.losses)


def test_the_store_of_another_game_is_refused(tmp_path):
    data = bundled("breast_cancer")
    play(data, Logistic(), None, 60, trainings=2, shadows=2, calibrations=2, store=tmp_path)
    with pytest.raises(InputError, match=r"store = .*a folder of the same specification \(n: 60 there, 50 here\)"):
        play(data, Logistic(), None, 50, trainings=2, shadows=2, calibrations=2, store=tmp_path)


def test_a_damaged_training_is_repeated(tmp_path):
    data, settings = bundled("breast_cancer"), {"trainings": 2, "shadows": 2, "calibrations": 2}
    first = play(data, Logistic(), None, 60, **settings, store=tmp_path)
    for file in tmp_path.glob("training-*.npz"):
        file.write_bytes(file.read_bytes()[:100])
    again = play(data, Logistic(), None, 60, **settings, store=tmp_path)
    assert np.array_equal(first.target.shown.losses, again.target.shown.losses)


def test_a_pipeline_is_trained_again_and_not_read_by_another_training(tmp_path):
    """What it is beside its arrays would be lost in a store."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    data, settings = bundled("breast_cancer"), {"trainings": 3, "shadows": 2, "calibrations": 2, "seed": 3}

    def losses(store):
        model = SklearnModel(make_pipeline(PCA(3), LogisticRegression()), checkpoints=1)
        return play(data, model, None, 80, **settings, store=store).target.shown.losses

    whole = losses(None)
    assert np.array_equal(losses(tmp_path), whole)
    assert np.array_equal(losses(tmp_path), whole)
