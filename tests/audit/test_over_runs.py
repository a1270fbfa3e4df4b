"""Indicators over runs: estimand, intervals, rank sets, and what the answer says of them."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, t

from qmis_stats.audit.algorithm import audit, head_for
from qmis_stats.audit.answer import answer
from qmis_stats.audit.audit_page import report_html
from qmis_stats.audit.over_runs import over_runs
from qmis_stats.inference.runs import run_means
from tests.audit.grids import Grid, ScaledSign

ALARM = 1e-9


def table(gaps, names=None):
    names = [f"q{i}" for i in range(gaps.shape[1])] if names is None else names
    return pd.DataFrame(0.5 * gaps**2, columns=names)


def test_it_is_the_mean_gap_with_student_s_interval():
    gaps = np.abs(np.random.default_rng(1).normal(size=(6, 3))) + np.array([0.0, 1.0, 3.0])
    frame = over_runs(table(gaps)).to_frame(0.9)
    assert frame.index.tolist() == ["q2", "q1", "q0"]
    for name, row in frame.iterrows():
        values = gaps[:, int(name[1])]
        half = t.ppf(0.95, 5) * values.std(ddof=1) / np.sqrt(6.0)
        ends = np.maximum([values.mean() - half, values.mean() + half], 0.0)
        assert [row["indicator"], row["low"], row["high"]] == pytest.approx([0.5 * values.mean() ** 2, *0.5 * ends**2])
        assert [row["gap"], row["gap_sd"]] == pytest.approx([values.mean(), values.std(ddof=1)])


def test_ranks_and_pairs_count_what_is_decided():
    rng = np.random.default_rng(2)
    common = rng.normal(size=(8, 1))
    gaps = 5.0 + common + [0.0, 0.01, 2.0] + 0.05 * rng.normal(size=(8, 3))
    found = over_runs(table(gaps, ["a", "b", "c"]))
    assert found.rank_sets().tolist() == [[2, 3], [2, 3], [1, 1]]
    assert found.told_apart() == 2
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (data["runs"], data["pairs"], data["pairs_told_apart"]) == (8, 3, 2)
    assert data["quantizers"][0]["quantizer"] == "c"


def test_without_enough_there_is_nothing():
    gaps = np.arange(8.0).reshape(4, 2)
    assert over_runs(table(gaps)) is not None
    assert over_runs(table(gaps[:2])) is None
    assert over_runs(table(gaps[:, :1])) is None
    assert over_runs(table(np.ones((4, 2)))) is None
    holes = table(np.arange(12.0).reshape(4, 3))
    holes.iloc[1, 2] = np.nan
    assert over_runs(holes).left_out == ("q2",)
    assert over_runs(holes).means.names == ("q0", "q1")


@pytest.mark.long
@pytest.mark.statistical
@pytest.mark.parametrize(("rounds", "runs", "quantizers"), [(30, 3, 10), (100, 5, 15)])
def test_rank_sets_hold_with_fewer_runs_than_quantizers(rounds, runs, quantizers):
    rng = np.random.default_rng(3)
    held = {"holm": 0, "simultaneous": 0}
    for seed in range(rounds):
        gaps = 20.0 + rng.normal(size=(runs, 1)) + rng.normal(size=(runs, quantizers))
        ranking = run_means(gaps, method="cluster").rank(draws=199, seed=seed)
        for kind in held:
            held[kind] += bool(np.all(ranking.rank_sets(kind=kind) == [1, quantizers]))
    assert binomtest(held["holm"], rounds, 0.95, alternative="less").pvalue > ALARM
    # Critical values from the singular covariance are too small.
    assert binomtest(held["simultaneous"], rounds, 0.95, alternative="less").pvalue < ALARM


@pytest.mark.statistical
def test_means_of_gaps_are_covered_where_means_of_indicators_are_not():
    rounds, runs = 20_000, 10
    gaps = np.abs(np.random.default_rng(4).normal(size=(rounds, runs)))
    covered = {}
    for name, values, truth in (("gap", gaps, np.sqrt(2.0 / np.pi)), ("indicator", 0.5 * gaps**2, 0.5)):
        half = t.ppf(0.975, runs - 1) * values.std(axis=1, ddof=1) / np.sqrt(runs)
        covered[name] = int(np.sum(np.abs(values.mean(axis=1) - truth) <= half))
    assert binomtest(covered["gap"], rounds, 0.925, alternative="less").pvalue > ALARM
    assert binomtest(covered["indicator"], rounds, 0.88).pvalue < ALARM
    assert covered["indicator"] < 0.88 * rounds


@pytest.mark.usefixtures("undrawn")
def test_an_audit_says_whether_runs_agree(binary):
    found = audit(binary, head_for(binary), (Grid(0.5), Grid(0.1), ScaledSign()), runs=3, seed=1)
    runs = found.over_runs
    expected = np.sqrt(2.0 * found.run_indicators()["grid-0.1"]).mean()
    assert runs.to_frame().loc["grid-0.1", "gap"] == pytest.approx(expected)
    count = len(runs.means.names)
    assert f"3 runs agree on the order of {runs.told_apart()} of {count * (count - 1) // 2} pairs" in answer(found).sure
    assert "Do the runs agree?" in report_html(found)
    assert "over 3 runs on the same evaluation points" in str(found.summary())
    assert found.to_dict()["over_runs"] == runs.to_dict()
    single = audit(binary, head_for(binary), (Grid(0.5), Grid(0.1)), runs=1, seed=1)
    assert single.over_runs is None
    assert single.to_dict()["over_runs"] is None
    assert "runs agree" not in answer(single).sure
    assert "Do the runs agree?" not in report_html(single)
