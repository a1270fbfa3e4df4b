"""The study of order, records and attacks: its statistics are right, and its page is that of the committed table."""

from pathlib import Path

import numpy as np
import pytest
from leak_checks_study import order, records
from leak_checks_study.rows import load, save
from scipy.special import expit
from scipy.stats import kendalltau

STUDIES = Path(records.__file__).resolve().parents[1]


def test_orders_and_pairs_of_known_areas():
    measured = np.array([0.50, 0.52, 0.525, 0.60])
    predicted = np.array([0.52, 0.51, 0.53, 0.70])
    assert order.tau(measured, predicted) == pytest.approx(kendalltau(measured, predicted).statistic)
    assert order.tau(measured, measured + 1e-12 * np.array([0, 1, -1, 0])) == pytest.approx(1.0)
    assert order.ordered_rightly(measured, predicted) == (5, 4)  # the pair of 0.52 and 0.525 does not count


@pytest.mark.parametrize(
    ("area", "holds"),
    [
        ({"sparse-90": 0.4, "sign": 0.7, "sparse-33": 0.6, "uniform-8": 0.8, "uniform-3": 0.75}, (True, True, True)),
        ({"sparse-90": 0.55, "sign": 0.5, "sparse-33": 0.6, "uniform-8": 0.9, "uniform-3": 0.6}, (False, False, False)),
    ],
)
def test_claims_of_known_areas(area, holds):
    values = np.array([area.get(name, 0.65) for name in order.NAMES])
    assert tuple(all(c @ values > 0.0 for c in claim) for claim in order.contrasts().values()) == holds


@pytest.mark.statistical
def test_modes_have_the_stated_second_moment():
    """Quadratic forms of 4000 points in random directions, against seven standard errors."""
    setting, rng = order.Modes("squared", 128, 256, 0.0, 1.0), np.random.default_rng(1)
    X, _ = setting.draw(4000, setting.weights(rng), rng)
    for direction in (setting.centres[0], rng.normal(size=128)):
        squares = (X @ direction) ** 2
        expected = direction @ setting.second_moment @ direction
        assert np.mean(squares) == pytest.approx(expected, abs=7.0 * np.std(squares) / np.sqrt(4000))


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_runs_are_at_their_minimum(loss):
    rng = np.random.default_rng(2)
    X = (rng.random((60, 90)) < 0.3) * 1.0
    y = rng.normal(size=60) if loss == "squared" else (rng.random(60) < 0.4) * 1.0
    pool = records.Pool(X, y, loss)
    [member] = pool.halves(1, rng)
    assert member.sum() == 30
    [theta] = pool.trained(member[None])
    value = X[member] @ theta[:-1] + theta[-1]
    gradient = (value if loss == "squared" else expit(value)) - y[member]
    np.testing.assert_allclose(X[member].T @ gradient + records.RIDGE * theta[:-1], 0.0, atol=1e-6)
    assert gradient.sum() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.statistical
@pytest.mark.parametrize("tv", [0.0, 0.3, 0.8])
def test_advantages_are_at_most_the_total_variation_and_close(tv):
    """1600 records of 400 training runs; nine standard errors of Student's law with 39 degrees of freedom are 2e-11."""
    rng = np.random.default_rng(3)
    found = [records.bias(tv, 400, rng, records=40) for _ in range(40)]
    error = np.std(found, ddof=1) / np.sqrt(40)
    assert -0.02 - 9.0 * error < np.mean(found) < 9.0 * error


def test_advantages_see_what_a_shift_and_a_spread_tell():
    member = np.arange(400) % 2 == 1
    noise = np.random.default_rng(4).normal(size=400)
    apart, narrow, same = noise + 50.0 * member, np.where(member, 1e-3, 1.0) * noise, noise
    read = np.stack([apart, narrow, same], axis=1)[:, :, None]
    found = records.halves(read, np.tile(member[:, None], (1, 3))).mean(axis=0)
    assert found[0] == 1.0
    assert found[1] > 0.9
    assert abs(found[2]) < 0.4  # eight standard errors


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_one_fit_ranks_records_by_what_it_sees(loss):
    """With means that vary much more than fits the ceiling is near one; with means that do not vary there is none."""
    rng, ones = np.random.default_rng(6), np.ones(200)
    y = np.arange(200) % 2 * 1.0
    for spread, low, high in ((20.0, 0.9, 1.0), (1e-6, -0.4, 0.4)):
        centre = rng.normal(size=200) * spread * 0.1 + (y if loss == "squared" else 0.0)
        law = records.Law(centre, 0.1 * ones, 0.2 * ones, y, loss, 0.7 * ones, 0.7 * ones, 0.0 * ones)
        assert low < law.ceiling(np.random.default_rng(7)) <= high


def test_reliability_and_deciles_by_hand():
    one, two = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])
    assert records.reliability(np.array([one, two])) == pytest.approx(2 * 0.8 / 1.8)
    predicted = np.random.default_rng(5).permutation(40) / 40.0
    table = records.deciles(predicted, 2.0 * predicted)
    np.testing.assert_allclose(table[:, 1], 2.0 * table[:, 0])
    assert table[0, 0] == pytest.approx(np.mean([0, 1, 2, 3]) / 40.0)


def test_a_file_that_is_read_and_saved_is_the_same(tmp_path):
    save(tmp_path / "leak_checks.csv", load(STUDIES / "leak_checks.csv"))
    assert (tmp_path / "leak_checks.csv").read_text() == (STUDIES / "leak_checks.csv").read_text()
