"""Models with many weights: the same numbers whether weights are kept or made again, and memory that does not grow."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest

from qmis_kernels import memory
from qmis_stats.audit import MLP, Linear, bundled
from qmis_stats.audit.attacks import Discriminator, LiRA, LossThreshold, ReadOut, lazy_weights, play, run_attacks
from qmis_stats.audit.attacks.lazy_weights import MadeAgain
from qmis_stats.audit.data import from_arrays
from qmis_stats.errors import InputError
from qmis_stats.quantizers import quantizer

DATA = bundled("diabetes")
ATTACKS = (ReadOut(), LossThreshold(), LiRA("offline"), Discriminator())
MODELS = (Linear(), MLP("regression", hidden=(4,), epochs=2, checkpoints=1))


def played(model, store=None):
    return play(DATA, model, None, 60, trainings=6, shadows=6, calibrations=4, members=4, seed=1, store=store)


def scores(game):
    report = run_attacks(game, ATTACKS, control="weights")
    return np.array([result.scores for result in report.results + report.controls])


@pytest.mark.parametrize(
    "model", [MODELS[0], pytest.param(MODELS[1], marks=pytest.mark.long)], ids=["linear", "perceptron"]
)
def test_weights_that_are_made_again_give_the_same_scores(model, tmp_path, monkeypatch) -> None:
    kept = played(model)
    expected = {chosen: scores(kept.quantized(chosen)) for chosen in (None, quantizer("uniform-3"))}
    monkeypatch.setattr(lazy_weights, "_LARGE", 1)
    for store in (None, tmp_path, tmp_path):  # the last time from the folder alone
        again = played(model, store)
        assert isinstance(again.target.shown.weights, tuple if store is None else MadeAgain)
        for chosen, first in expected.items():
            other = again.quantized(chosen)
            assert isinstance(other.known.shadow.shown.weights, MadeAgain)
            np.testing.assert_array_equal(scores(other), first)


def test_processes_get_weights_that_are_made_again(tmp_path, monkeypatch) -> None:
    """What travels is the way to the weights, not the weights."""
    monkeypatch.setattr(lazy_weights, "_LARGE", 1)
    game = played(Linear(), tmp_path).quantized(quantizer("sign"))
    far = pickle.loads(pickle.dumps(game))
    assert isinstance(far.target.shown.weights, MadeAgain)
    np.testing.assert_array_equal(far.target.shown.weights[0][0], game.target.shown.weights[0][0])


class Wide:
    """A regression with a matrix that training only moves at random."""

    task = "regression"
    size = 100_000

    def fit_path(self, X, y, rng):
        yield (rng.normal(size=(2, self.size // 2)), np.array([y.mean()]))

    def quantizable(self, weights):
        return (True, False)

    def losses(self, weights, X, y):
        return (y - weights[1][0] - weights[0][0, :3] @ X[:, :3].T) ** 2

    def predict(self, weights, X):
        return weights[1][0] + X[:, :3] @ weights[0][0, :3]

    def describe(self):
        return {"model": "wide"}


def peak(runs: int, folder) -> float:
    """Return the most memory that a quantized game takes, in models."""
    rng = np.random.default_rng(1)
    data = from_arrays(rng.normal(size=(40, 3)), rng.normal(size=40), name="noise")
    tracemalloc.start()
    game = play(data, Wide(), None, 20, trainings=runs, shadows=runs, calibrations=2, seed=1, store=folder)
    run_attacks(
        game.quantized(quantizer("uniform-4")), [LossThreshold(), LiRA("offline"), Discriminator()], control=None
    )
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / (8 * Wide.size)


def test_memory_is_that_of_a_few_models_whatever_the_number_of_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(lazy_weights, "_LARGE", 8 * Wide.size)
    few, many = peak(4, tmp_path / "few"), peak(12, tmp_path / "many")
    assert many < few + 2.0  # 16 further training runs
    assert many < 16.0


def test_weights_that_would_not_fit_are_refused_in_one_line(monkeypatch) -> None:
    monkeypatch.setattr(memory, "fits", lambda size: size < 8 * Wide.size)
    data = from_arrays(np.eye(40, 3), np.arange(40.0), name="noise")
    with pytest.raises(InputError, match=r"trainings.*fewer, or with a store.*bytes") as error:
        play(data, Wide(), None, 20, trainings=20, shadows=20, calibrations=20, seed=1)
    assert "\n" not in str(error.value)


def test_a_training_run_that_was_taken_away_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(lazy_weights, "_LARGE", 1)
    game = played(Linear(), tmp_path)
    next(tmp_path.glob("training-*-00000.npz")).unlink()
    with pytest.raises(InputError, match=r"store.*training-.*-00000"):
        [list(part.shown.weights) for part in (game.known.shadow, game.calibration, game.target)]
