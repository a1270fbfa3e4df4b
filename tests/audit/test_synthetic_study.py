"""The synthetic study: its committed numbers are complete and consistent, and its formulas agree with closed forms."""

import csv
import importlib
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer

STUDIES = Path(__file__).resolve().parents[2] / "docs" / "studies"


@pytest.fixture(scope="module")
def study():
    return importlib.import_module("synthetic")


def test_committed_rows_are_complete_and_intervals_hold_their_estimates():
    with (STUDIES / "synthetic.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    settings = {(row["head"], row["modes"], row["n"]) for row in rows}
    assert {head for head, _, _ in settings} == {"linear", "logistic", "mlp"}
    assert len(rows) == len(settings) * len(DEFAULT_QUANTIZERS)
    for setting in settings:
        names = [row["quantizer"] for row in rows if (row["head"], row["modes"], row["n"]) == setting]
        assert sorted(names) == sorted(DEFAULT_QUANTIZERS)
    for row in rows:
        for key in ("indicator", "rank", "score", "price", "lira_auc", "loss_auc", "learned_auc", "learned_tpr_0.01"):
            if row["quantizer"] == "identity" and key in ("indicator", "rank"):
                assert row[key] == ""
                continue
            assert float(row[f"{key}_low"]) <= float(row[key]) <= float(row[f"{key}_high"])


@pytest.mark.long
def test_the_page_is_made_from_the_committed_rows(tmp_path):
    """Running ``--page-only`` on the committed CSV file gives the committed page."""
    (tmp_path / "synthetic.csv").write_bytes((STUDIES / "synthetic.csv").read_bytes())
    importlib.import_module("write_synthetic").write(tmp_path / "synthetic.csv")
    assert (tmp_path / "synthetic.md").read_text() == (STUDIES / "synthetic.md").read_text()


@pytest.mark.parametrize("ratio", [0.01, 0.3, 2.0])
def test_predicted_areas_have_their_closed_form(study, ratio):
    """With residuals of one size all points have the same effect: the area is Φ(μ/√2)."""
    found = study.predicted_area(np.full(1000, -3.0), ratio)
    assert found == pytest.approx(ndtr(math.sqrt(0.5 * ratio)), abs=1e-4)


@pytest.mark.statistical
@pytest.mark.parametrize("distance", [0.0, 1.0])
def test_retained_information_of_a_sign(study, distance):
    """Against φ²/(Φ(1 − Φ)); standard errors from 40 independent coordinates."""
    rng = np.random.default_rng(7)
    found = [study.codes_retain(distance + rng.normal(size=(500, 1, 1)), quantizer("sign")) for _ in range(40)]
    exact = math.exp(-(distance**2)) / (2 * math.pi * ndtr(distance) * ndtr(-distance))
    changed = 2 * ndtr(distance) * ndtr(-distance)
    for values, expected in zip(zip(*found, strict=True), (exact, changed), strict=True):
        assert np.mean(values) == pytest.approx(expected, abs=6.0 * np.std(values, ddof=1) / math.sqrt(40))


def test_codes_that_say_nothing_retain_nothing(study):
    """The bias is removed: codes that are independent of the weights."""
    rng = np.random.default_rng(8)

    class Noise:
        def codes(self, weights):
            return rng.integers(0, 4, size=weights.shape)

    found = [study.codes_retain(rng.normal(size=(100, 1, 20)), Noise())[0] for _ in range(20)]
    assert np.mean(found) < 0.02  # cut at zero; without the correction it is 3/99
