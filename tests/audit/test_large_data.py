"""What is done otherwise where data are large: it says the same, or says of which part it is."""

import tracemalloc

import numpy as np
import pytest

from qmis_stats.audit import audit, head_for, training_run
from qmis_stats.audit.attacks import (
    Discriminator,
    LiRA,
    LocationsAndScales,
    LossThreshold,
    ReadOut,
    play,
    playing,
    run_attacks,
)
from qmis_stats.audit.attacks.shadow_fits import ShadowFits
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.models import Linear, Logistic, Softmax, calls, linear
from qmis_stats.audit.models.base import scaling
from qmis_stats.audit.models.calls import last_weights, losses_of, losses_of_each
from qmis_stats.errors import InputError
from qmis_stats.leak import fits
from qmis_stats.quantizers import quantizer
from tests.audit.grids import Grid

HEADS = [Linear, Logistic, Softmax]


def data_for(head, rows=60, columns=12, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns))
    eta = X @ rng.normal(size=(columns, 3)) / np.sqrt(columns) + 0.5 * rng.normal(size=(rows, 3))
    y = {Linear: eta[:, 0], Logistic: (eta[:, 0] > 0.0) * 1.0, Softmax: np.argmax(eta, axis=1) * 1.0}[head]
    return from_arrays(X, y, name="some")


@pytest.mark.parametrize("head", HEADS)
def test_losses_under_several_weights_are_those_under_each(head, monkeypatch):
    data = data_for(head, 300)
    weights = list(head(checkpoints=5).fit_path(data.X[:100], data.y[:100], np.random.default_rng(0)))
    monkeypatch.setattr(linear, "_AT_ONCE", 700)  # several blocks of points
    found = losses_of_each(head(), weights, data.X, data.y)
    each = np.array([losses_of(head(), one, data.X, data.y) for one in weights])
    np.testing.assert_allclose(found, each, rtol=1e-11, atol=1e-13)


def test_a_head_of_ones_own_is_asked_for_its_losses():
    class Doubled(Logistic):
        def losses(self, weights, X, y):
            return 2.0 * super().losses(weights, X, y)

    data = data_for(Logistic)
    weights = list(Doubled(checkpoints=3).fit_path(data.X, data.y, np.random.default_rng(0)))
    once, twice = (losses_of_each(head, weights, data.X, data.y) for head in (Logistic(), Doubled()))
    np.testing.assert_allclose(twice, 2.0 * once, rtol=1e-12)


def test_losses_that_are_not_finite_name_the_weights():
    data = data_for(Logistic)
    good = (np.zeros((1, 12)), np.zeros(1), np.zeros(12), np.ones(12))
    with np.errstate(invalid="ignore"), pytest.raises(InputError, match=r"model Logistic of the second, at .0. = nan"):
        losses_of_each(
            Logistic(), [good, (np.full((1, 12), np.nan), *good[1:])], data.X, data.y, ["", " of the second"]
        )


@pytest.mark.parametrize("head", HEADS)
def test_wide_heads_take_the_same_path_in_the_space_of_their_rows(head, monkeypatch):
    data = data_for(head, 40, 200)
    rows = np.r_[np.arange(40), np.arange(15)]  # repetitions, as a bootstrap has them
    X, y = data.X[rows], data.y[rows]
    short = list(head(alpha=2.0).fit_path(X, y, np.random.default_rng(0)))
    monkeypatch.setattr(linear, "_WIDE", 10**9)
    plain = list(head(alpha=2.0).fit_path(X, y, np.random.default_rng(0)))
    monkeypatch.undo()
    assert len(short) == len(plain)
    for one, other in zip(short[:-1], plain[:-1], strict=True):
        np.testing.assert_allclose(one[0], other[0], rtol=1e-9, atol=1e-12)
    # The minimum is what quasi-Newton steps end at: the objective is as small.
    objective = [
        np.mean(losses_of(head(), w, X, y)) + 2.0 / (2 * y.size) * np.sum(w[0] ** 2) for w in (short[-1], plain[-1])
    ]
    if head is not Linear:  # whose losses are in the units of the target
        assert objective[0] == pytest.approx(objective[1], rel=1e-10)
    np.testing.assert_allclose(short[-1][0], plain[-1][0], atol=1e-5)


def stationary(head, weights, X, y):
    """Return the largest slope of the objective at the weights, as a share of that at zero."""
    Z, t = (X - weights[2]) / weights[3], y
    if head is Linear:
        t = (y - weights[4][0]) / weights[4][1]

    def slope(W, b):
        residual = head()._residual(Z @ W.T + b, t)
        return np.append(Z.T @ residual + 2.0 * W.T, residual.sum())

    return np.abs(slope(weights[0], weights[1])).max() / np.abs(slope(0.0 * weights[0], 0.0)).max()


@pytest.mark.parametrize("head", [Linear, Logistic])
@pytest.mark.parametrize("factors", [0.0, 3.0])
def test_inner_products_in_other_units_lead_to_the_same_minimum(head, factors):
    data, rng = data_for(head, 90, 800), np.random.default_rng(2)
    X = 5.0 + data.X + factors * rng.normal(size=(90, 2)) @ rng.normal(size=(2, 800))
    X[:, :100] = X[:, :100] > 5.0  # not standardised
    model, some = head(alpha=2.0), rng.permutation(90)[:60]
    products = linear.inner_products(model, X, 60)
    own = X[some], data.y[some]
    found = linear.last_by(model, products[np.ix_(some, some)], *own)
    *_, trained = model.fit_path(*own, rng)
    np.testing.assert_allclose(found[0], trained[0], atol=1e-5 * np.abs(trained[0]).max())
    for one, other in zip(found[2:], trained[2:], strict=True):
        assert np.array_equal(one, other)
    assert stationary(head, found, *own) < 1e-7


def test_inner_products_far_from_those_of_the_training_points_are_no_help():
    data, rng = data_for(Logistic, 90, 800), np.random.default_rng(2)
    X, model, some = np.exp(2.0 * data.X), Logistic(), rng.permutation(90)[:60]
    products = linear.inner_products(model, X, 60)[np.ix_(some, some)]
    assert linear.last_by(model, products, X[some], data.y[some]) is None
    assert linear.last_by(model, np.ones((60, 60)), data.X[some], data.y[some]) is None
    by_products, plain = (
        last_weights(model, X[some], data.y[some], np.random.default_rng(0), own) for own in (products, None)
    )
    assert all(np.array_equal(one, other) for one, other in zip(by_products, plain, strict=True))


class Own(Logistic):
    """Trains in its own way."""


@pytest.mark.parametrize("model", [Softmax(), Logistic(batch=8), Linear(alpha=0.0), Own()], ids=repr)
def test_inner_products_are_made_for_heads_that_use_them(model):
    X = np.random.default_rng(1).normal(size=(30, 200))
    assert linear.inner_products(model, X, 15) is None
    assert linear.inner_products(Logistic(), X, 15) is not None
    assert linear.inner_products(Logistic(), X, 60) is None  # not wide


def test_a_wide_game_is_the_same_with_inner_products_of_all_points(monkeypatch):
    data, used = data_for(Logistic, 160, 400), []

    def counted(*given):
        used.append(found := linear.last_by(*given))
        return found

    monkeypatch.setattr(calls, "last_by", counted)
    played = play(data, Logistic(), None, 80, trainings=8, shadows=4, calibrations=4)
    assert len(used) == 16
    assert all(found is not None for found in used)
    monkeypatch.setattr(playing, "_WORTH", 17)
    plain = play(data, Logistic(), None, 80, trainings=8, shadows=4, calibrations=4)
    assert len(used) == 16
    np.testing.assert_allclose(played.target.shown.losses, plain.target.shown.losses, rtol=1e-5)


def test_training_runs_that_are_kept_need_no_inner_products(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(playing, "inner_products", lambda *given: made.append(linear.inner_products(*given)))
    data, counts = data_for(Logistic, 40, 120), {"shadows": 4, "calibrations": 4, "store": tmp_path}
    play(data, Logistic(), None, 20, trainings=8, **counts)
    assert len(made) == 1
    play(data, Logistic(), None, 20, trainings=10, **counts)
    assert len(made) == 1


def test_location_and_scale_are_those_of_the_columns():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(50, 70))
    X[:, 33], X[:, 40], X[:, 69] = rng.integers(0, 2, 50), 5.0, 0.0
    X[0, [50, 66]] = 0.0, 1.0  # the first of other numbers
    location, scale = scaling(X, "auto")
    plain = np.ones(70, dtype=bool)
    plain[[33, 69]] = False
    np.testing.assert_allclose(location, np.where(plain, X.mean(axis=0), 0.0), rtol=1e-12, atol=1e-15)
    expected = np.where(plain, X.std(axis=0), 1.0)
    expected[40] = 1.0
    np.testing.assert_allclose(scale, expected, rtol=1e-12)


def test_rows_that_laws_are_pooled_over_hold_all_that_are_shown(monkeypatch):
    data = data_for(Logistic, 400)
    settings = {"trainings": 6, "shadows": 8, "calibrations": 6, "members": 4, "shown": 4, "seed": 2}
    assert play(data, Logistic(), None, 60, **settings).known.rows.tolist() == list(range(400))
    monkeypatch.setattr(playing, "_POOLED_ROWS", 200)
    played = play(data, Logistic(), quantizer("sign"), 60, **settings)
    known = played.known
    assert known.rows.size == 200
    assert np.all(np.diff(known.rows) > 0)
    for part in (known.shadow, played.calibration, played.target):
        assert np.array_equal(known.rows[known.places(part.shown.rows)], part.shown.rows)
    with pytest.raises(InputError, match="rows that are shown in the game"):
        known.places(np.setdiff1d(np.arange(400), known.rows)[:3])
    report = run_attacks(played, [ReadOut(), LiRA("online"), LiRA("offline")])
    assert all(np.isfinite(result.scores).all() for result in report.results)
    monkeypatch.setattr(playing, "_POOLED_ROWS", 10)  # fewer than are shown: these alone
    few = play(data, Logistic(), None, 60, **settings).known
    shown = np.unique(
        np.concatenate([part.shown.rows.ravel() for part in (known.shadow, played.calibration, played.target)])
    )
    assert np.array_equal(few.rows, shown)


class Counting(Logistic):
    """Counts how often it is asked for losses."""

    calls = 0

    def losses(self, weights, X, y):
        type(self).calls += 1
        return super().losses(weights, X, y)


@pytest.mark.grid(2)
@pytest.mark.parametrize(
    "attack", [LiRA("online"), LiRA("offline"), Discriminator(), LossThreshold()], ids=lambda a: a.name
)
def test_the_control_repeats_nothing_that_does_not_depend_on_members(attack):
    played = play(data_for(Logistic, 120), Counting(), quantizer("sign"), 40, trainings=6, shadows=8, calibrations=6)
    Counting.calls = 0
    alone = run_attacks(played, [attack])
    spent = Counting.calls
    Counting.calls = 0
    fresh = play(data_for(Logistic, 120), Counting(), quantizer("sign"), 40, trainings=6, shadows=8, calibrations=6)
    Counting.calls = 0
    without = run_attacks(fresh, [attack], control=None)
    assert Counting.calls == spent
    assert np.array_equal(without.results[0].scores, alone.results[0].scores)
    fresh = play(data_for(Logistic, 120), Counting(), quantizer("sign"), 40, trainings=6, shadows=8, calibrations=6)
    control = run_attacks(fresh.as_control(), [attack], control=None)  # as it is without anything to share
    assert np.array_equal(control.results[0].scores, alone.controls[0].scores)


def test_equations_of_many_points_are_set_up_and_solved_by_parts(monkeypatch):
    data = data_for(Logistic, 6000, 24)
    played = play(data, Logistic(), None, 3000, trainings=2, shadows=2, calibrations=2, members=16)
    fresh = play(data, Logistic(), None, 3000, trainings=2, shadows=2, calibrations=2, members=16)
    whole = run_attacks(played, [LocationsAndScales()])
    monkeypatch.setattr(fits, "_BLOCK", 500)
    tracemalloc.start()
    parts = run_attacks(fresh, [LocationsAndScales()])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4.0 * data.X.nbytes  # the equations are two times as large
    np.testing.assert_allclose(parts.results[0].scores, whole.results[0].scores, rtol=1e-9, atol=1e-12)


class Unit(Logistic):
    """Counts how often it is asked for the units of a training run."""

    calls = 0

    def released_units(self, weights):
        type(self).calls += 1
        return super().released_units(weights)


def test_the_control_reads_locations_and_scales_once():
    played = play(data_for(Logistic, 120), Unit(), None, 40, trainings=6, shadows=8, calibrations=6)
    found = run_attacks(played, [LocationsAndScales()])
    assert Unit.calls == 12
    assert np.array_equal(found.results[0].scores, found.controls[0].scores)
    assert not np.array_equal(found.results[0].member, found.controls[0].member)


def test_the_covariance_of_weights_is_known_from_a_part_of_a_large_pool(monkeypatch):
    def of() -> ShadowFits:
        played = play(data_for(Linear, 4000), Linear(), None, 1600, trainings=2, shadows=4, calibrations=2)
        return ShadowFits.of(played.known, played.known.source)

    every = of()
    monkeypatch.setattr(playing, "_POOLED_ROWS", 2000)
    part = of()
    assert len(part.y) == 2000 < len(every.y)
    one, other = np.diag(part.covariance), np.diag(every.covariance)
    assert np.max(np.abs(np.log(one / other))) < 5.0 * np.sqrt(2.0 / 2000 * 3.0)


def test_very_many_evaluation_points_are_judged_by_a_part_of_them(monkeypatch, tmp_path):
    data = data_for(Logistic, 300)
    quantizers = [Grid(0.5), Grid(0.1)]
    whole = audit(data, head_for(data), quantizers, runs=2, seed=1)
    monkeypatch.setattr(training_run, "_MOST_JUDGED", 100)
    part = audit(data, head_for(data), quantizers, runs=2, seed=1, store=tmp_path)
    assert any("Indicators are of 100 of the points held out, chosen at random" in note for note in part.notes)
    assert not any("chosen at random" in note for note in whole.notes)
    assert {visited.losses.shape[1] for visited in part.visited.values()} == {100}
    assert part.ranking.points == 100
    assert np.array_equal(part.scores.values, whole.scores.values)
    again = audit(data, head_for(data), quantizers, runs=2, seed=1, store=tmp_path)
    assert np.array_equal(again.ranking.params, part.ranking.params)
    monkeypatch.setattr(training_run, "_MOST_JUDGED", 120)
    with pytest.raises(InputError, match="judged: 100 there, 120 here"):
        audit(data, head_for(data), quantizers, runs=2, seed=1, store=tmp_path)


def test_runs_and_result_hold_the_same_losses_once():
    data = data_for(Logistic)
    found = audit(data, head_for(data), [Grid(0.5)], runs=3, seed=1)
    for name, visited in found.visited.items():
        for one in found.runs:
            own = one.visited[name]
            position = np.argmax(visited.marks == own.marks[0])
            if np.array_equal(visited.marks[position : position + own.marks.size], own.marks):
                same = np.array_equal(visited.losses[position : position + own.marks.size], own.losses)
                assert same == np.shares_memory(visited.losses, own.losses)
    assert np.shares_memory(found.visited["identity"].losses, found.runs[2].visited["identity"].losses)
