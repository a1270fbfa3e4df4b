"""Recipes of studies choose the right rows of a study's CSV; the rows here are invented."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from paper_figures import molecules, runner, studies, synthetic


@pytest.fixture
def study_of(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "STUDIES", tmp_path)
    return lambda name, rows: pd.DataFrame(rows).to_csv(tmp_path / name, index=False)


def bounds(name: str, value: float, half: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def drawn(name: str, frame: pd.DataFrame) -> bool:
    stream = io.BytesIO()
    runner.save(name, frame, stream, format="pdf")
    return stream.getvalue().startswith(b"%PDF")


def test_synthetic_shows_one_setting_a_head(study_of):
    rows = [
        {"head": head, "modes": modes, "n": n, "quantizer": quantizer}
        | bounds("indicator", indicator, 1e-4)
        | bounds("learned_auc", 0.7, 0.02)
        for head in synthetic.HEADS
        for modes, n in ((synthetic.MODES, synthetic.N), (2, 256))
        for quantizer, indicator in (
            ("sign", 5e-4),
            ("uniform-4", 2e-3),
            ("nf4", float("nan")),
            ("identity", float("nan")),
        )
    ]
    study_of("synthetic.csv", rows)
    frame = synthetic.compute(quick=True)
    assert set(zip(frame.modes, frame.n, strict=True)) == {(synthetic.MODES, synthetic.N)}
    assert frame.quantizer.tolist() == ["sign", "uniform-4", "identity"] * len(synthetic.HEADS)
    assert frame.gap[0] ** 2 / 2.0 == pytest.approx(5e-4)
    assert drawn("synthetic", frame)


@pytest.mark.long
def test_molecules_shows_one_head_and_schedule(study_of):
    points = {
        "identity": (0.0, 0.9),
        "sign": (0.1, -40.0),
        "sparse-90": (0.2, 0.7),
        "nf4": (0.05, 0.8),
        "uniform-3": (0.05, 0.7),
    }
    rows = [
        {"set": name, "head": head, "checkpoints": checkpoints, "quantizer": quantizer, "metric": "auroc"}
        | bounds("gap", gap, 0.01)
        | bounds("score", score, 0.02)
        for name in molecules.SETS
        for head, checkpoints in (("linear", 4), ("linear", 20), ("mlp", 4))
        for quantizer, (gap, score) in points.items()
    ]
    study_of("molecules.csv", rows)
    frame = molecules.compute(quick=True)
    assert len(frame) == len(molecules.SETS) * len(points)
    assert frame.gap.notna().all()
    assert drawn("molecules", frame)
