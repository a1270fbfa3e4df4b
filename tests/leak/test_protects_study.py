"""The study of what protects: its page is that of the committed table, and its tools do what they say."""

import csv
import importlib
import math
from pathlib import Path

import numpy as np
import pytest
from protects_study.answers import Row, answers, headline
from protects_study.attack import as_bad
from protects_study.releases import COMPARED, Pruned, Stochastic, made
from protects_study.tally import Pairs, holm

from qmis_stats.quantizers import quantizer

STUDIES = Path(__file__).resolve().parents[2] / "docs" / "studies"


def test_the_committed_rows_are_of_every_knob_and_of_known_settings():
    study = importlib.import_module("protects")
    with (STUDIES / "protects.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["knob"] for row in rows} == set(COMPARED)
    assert {row["setting"] for row in rows} <= set(study.STUDIES)


def test_holm_and_what_is_no_test():
    found = holm(np.array([0.04, math.nan, 0.01, 0.03]))
    np.testing.assert_allclose(found[[0, 2, 3]], [0.06, 0.03, 0.06])
    assert math.isnan(found[1])


def test_pairs_are_paired():
    """Areas that move together by far more than they differ."""
    pairs, rng = Pairs("some", "attack"), np.random.default_rng(1)
    for _ in range(12):
        level = rng.normal()
        pairs.add("bits", "a", "b", level + 0.01 + 1e-4 * rng.normal(), level, 3.0, 3.0)
    [row] = pairs.rows()
    assert row["more"] == pytest.approx(0.01, abs=1e-3)
    assert row["more_p"] < 1e-6
    assert math.isnan(row["cost_p"])


def test_nothing_is_said_that_is_not_shown():
    def row(p: float, gap: float) -> Row:
        numbers = dict.fromkeys(("sets", "area", "reference_area", "price", "reference_price", "cost_error"), 8.0)
        numbers |= {"more": gap, "more_p": p, "more_error": 0.01, "cost": 0.0, "cost_p": math.nan}
        return Row("some", "attack", "bits", "a", "b", numbers, True)

    [said] = answers([row(0.06, -0.1)])
    assert "not shown to leak differently in any" in said
    assert "Not settled: few bits." in headline([row(0.06, -0.1), row(0.04, -0.1)])
    assert "Leak less: few bits." in headline([row(0.04, -0.1)])
    [said] = answers([row(0.04, -0.1)])
    assert "leak less in 1, by 0.100 in AUC" in said


def test_pruning_keeps_the_largest_and_bounds_the_others():
    w = np.array([0.1, -0.5, 0.3, 2.0])
    assert Pruned(0.5).quantize(w).tolist() == [0.0, -0.5, 0.0, 2.0]
    [cells] = Pruned(0.5).cells(w)
    assert cells.bounds == (-0.3, 0.3)
    assert made("prune-50").name == "prune-50"


@pytest.mark.statistical
def test_stochastic_rounding_is_right_on_average_and_reproducible():
    """The mean of 40 000 roundings of one number within six standard errors, at most half a step each."""
    q, w = Stochastic(3, 20_000), np.full(40_000, 0.3)
    w[::20_000] = 1.0
    found = q.quantize(w)
    np.testing.assert_array_equal(found, q.quantize(w))
    rest = found[w < 1.0]
    assert abs(rest.mean() - 0.3) < 6.0 * (1.0 / 3.0) / 2.0 / np.sqrt(rest.size)
    assert np.unique(rest.round(12)).tolist() == [0.0, round(1.0 / 3.0, 12)]
    assert np.max(np.abs(Stochastic(3, 16).quantize(w) - quantizer("uniform-3:g16").quantize(w))) <= 1.0 / 3.0 + 1e-12


def test_the_float_of_equal_error_is_between_two_trainings():
    areas = [np.full(2, value) for value in (0.5, 0.6, 0.8)]
    np.testing.assert_allclose(as_bad(1.5, (areas, [2.0, 1.0, 0.5])), 0.55)
    np.testing.assert_allclose(as_bad(9.0, (areas, [2.0, 1.0, 0.5])), 0.5)
    np.testing.assert_allclose(as_bad(0.1, (areas, [2.0, 1.0, 0.5])), 0.8)
