"""The tracker: codewords are kept once, whatever is wrong changes nothing, files are complete or not there."""

import numpy as np
import pandas as pd
import pytest

from qmis_stats import InputError, Tracker, indicator, rank
from qmis_stats.inference.loss_file import load_losses

X = np.random.default_rng(5).normal(0.3, 1.0, size=1500)
PATH = (-0.6, -0.1, 0.2, 0.3, 0.2, 1.2)


def filled(with_parameters=True):
    tracker = Tracker()
    for step, w in enumerate(PATH):
        for name, q in (("sign", np.sign(w)), ("grid", round(2.0 * w) / 2.0)):
            tracker.record(name, (X - q) ** 2, parameters=[q] if with_parameters else None, step=10 * step)
    return tracker


@pytest.mark.parametrize("with_parameters", [True, False])
def test_codewords_are_kept_once(with_parameters):
    tracker = filled(with_parameters)
    assert {name: matrix.shape for name, matrix in tracker.losses.items()} == {"sign": (2, 1500), "grid": (4, 1500)}
    assert np.array_equal(tracker.losses["grid"][0], (X + 0.5) ** 2)
    assert np.array_equal(tracker.rank().params, rank(tracker.losses).params)
    assert tracker.indicator("grid", draws=300).indicator == indicator(tracker.losses["grid"], draws=300).indicator


def test_minus_zero_is_zero_and_shapes_count():
    tracker = Tracker()
    tracker.record("q", X, parameters=[0.0, 1.0])
    tracker.record("q", X, parameters=[-0.0, 1.0])
    assert len(tracker.losses["q"]) == 1
    tracker.record("q", X + 1.0, parameters=[[0.0, 1.0]])
    assert len(tracker.losses["q"]) == 2


def test_history():
    frame = filled().history("grid")
    assert list(frame["step"]) == [0, 10, 20, 30, 40, 50]
    assert list(frame["candidates"]) == [1, 2, 2, 3, 3, 4]
    assert frame["indicator"][0] is None
    assert frame["indicator"].iloc[-1] == indicator(filled().losses["grid"]).indicator
    assert isinstance(frame, pd.DataFrame)


def test_the_same_codeword_has_the_same_losses():
    tracker = filled()
    noisy = (X - 0.0) ** 2
    noisy[7] += 0.5
    with pytest.raises(InputError, match=r"losses of 'grid' at point 7 .* evaluate without randomness"):
        tracker.record("grid", noisy, parameters=[0.0])
    tracker.record("grid", (X - 0.0) ** 2 * (1.0 + 1e-9), parameters=[0.0])  # another order of additions is no error
    assert len(tracker.losses["grid"]) == 4


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("", X), {}, "quantizer"),
        ((3, X), {}, "quantizer"),
        (("q", X[:10]), {}, r"the same points at every call, \(1500,\)"),
        (("q", X[:, None]), {}, r"shape \(N,\)"),
        (("q", ["a"] * 1500), {}, "numbers"),
        (("q", np.where(X > 2.5, np.nan, X)), {}, r"at point \d+ = nan"),
        (("q", X), {"parameters": ["a"]}, "parameters"),
    ],
)
def test_bad_records_change_nothing(arguments, options, words):
    tracker = filled()
    with pytest.raises(InputError, match=words):
        tracker.record(*arguments, **options)
    assert set(tracker.losses) == {"sign", "grid"}
    assert len(tracker.history("sign")) == 6


def test_unknown_quantizers():
    for ask in (filled().indicator, filled().history, Tracker().history):
        with pytest.raises(InputError, match="quantizer = 'nf4'"):
            ask("nf4")


def test_files(tmp_path):
    tracker = filled()
    tracker.record("file", X, parameters=[0.0])
    tracker.record("file", X + 1.0, parameters=[1.0])
    file = tmp_path / "losses.npz"
    tracker.save(file)
    found = load_losses(file)
    assert {name: np.array_equal(found[name], matrix) for name, matrix in tracker.losses.items()} == dict.fromkeys(
        ("sign", "grid", "file"), True
    )
    assert sorted(np.load(file)) == ["file", "grid", "sign"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["losses.npz"]


def test_an_interrupted_save_keeps_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "losses.npz"
    filled().save(file)
    before = file.read_bytes()

    def fail(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(OSError, match="no space"):
        filled().save(file)
    assert file.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["losses.npz"]
