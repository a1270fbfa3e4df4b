"""The study of molecular sets: its parts, one audit end to end, and the results that are published."""

import itertools
from pathlib import Path

import molecules as study
import numpy as np
import pandas as pd
import pytest
import write_molecules
from scipy.stats import kendalltau

CSV = Path(study.__file__).with_name("molecules.csv")


def test_one_set_end_to_end(tdc, tmp_path, monkeypatch):
    pytest.importorskip("rdkit", reason="SMILES need RDKit, the extra 'molecules'")
    monkeypatch.setattr(study, "RUNS", 3)
    monkeypatch.setattr(study, "DEFAULT_QUANTIZERS", ("sign", "sparse-90", "uniform-4"))
    (entry,) = (s for s in study.SETS if s.name.startswith("cyp3a4"))
    data = entry.load(tdc)
    result = study.audited(data, "linear", 4, tmp_path, jobs=1)
    found = {row["quantizer"]: row for row in study.rows(result, data, "linear", 4, 1)}
    assert set(found) == {"sign", "sparse-90", "uniform-4", "identity"}
    gaps = result.run_indicators()
    for name, row in found.items():
        assert row["evaluation"] + result.specification["n"] == data.rows
        assert row["gap"] == pytest.approx(np.sqrt(2.0 * gaps[name]).mean())
        assert 0.4 < row["score_low"] <= row["score"] <= row["score_high"] < 0.8
    again = study.audited(data, "linear", 4, tmp_path, jobs=1)
    assert [run.seconds for run in again.runs] == [run.seconds for run in result.runs]
    assert again.run_indicators().equals(gaps)


def test_published_results():
    table = pd.read_csv(CSV)
    audits = table.groupby(["set", "head", "checkpoints"])
    wanted = {(entry.name, head, 4) for entry in study.SETS for head in study.SCHEDULES}
    assert wanted <= set(audits.groups)
    assert len(wanted) == 12
    for _, rows in audits:
        assert set(rows["quantizer"]) == set(study.DEFAULT_QUANTIZERS)
        assert (rows["runs"] >= 8).all()
        assert (rows["seconds"] > 0.0).all()
        ranked = rows[rows["quantizer"] != "identity"]
        assert sorted(ranked["rank"]) == list(range(1, len(ranked) + 1))
        assert sorted(rows["gap_rank"]) == list(range(1, len(rows) + 1))
    for value in ("indicator", "gap", "score", "price", "rank", "gap_rank"):
        columns = table[[f"{value}_low", value, f"{value}_high"]]
        columns = columns[table["quantizer"] != "identity"] if value == "rank" else columns
        assert np.isfinite(columns).all(axis=None)
        assert (columns[f"{value}_low"] <= columns[value]).all()
        assert (columns[value] <= columns[f"{value}_high"]).all()


def test_orders_are_compared_by_kendalls_tau(monkeypatch):
    monkeypatch.setattr(write_molecules, "DRAWS", 199)
    values = np.random.default_rng(1).normal(size=(4, 9))
    pairs = list(itertools.combinations(range(4), 2))
    expected = np.mean([kendalltau(values[i], values[j]).statistic for i, j in pairs])
    found, p = write_molecules.agreement(values, pairs, np.random.default_rng(2))
    assert found == pytest.approx(expected)
    assert 0.01 < p < 1.0
    same, p = write_molecules.agreement(np.tile(values[0], (4, 1)), pairs, np.random.default_rng(2))
    assert (same, p) == (1.0, 1.0 / (write_molecules.DRAWS + 1))


def test_what_is_dominated():
    rows = pd.DataFrame(
        {"gap": [0.3, 0.2, 0.1, 0.1, 0.9], "score": [0.5, 0.6, 0.6, 0.7, 0.9]}, index=["a", "b", "c", "d", "identity"]
    )
    assert write_molecules.pareto(rows) == {"a", "b", "d"}
