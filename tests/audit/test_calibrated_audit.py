"""Quantizers that see data in audits and attacks: whose points they see, what each layer is given, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline

from qmis_stats.audit import MLP, SklearnModel, audit, bundled, from_arrays, head_for
from qmis_stats.audit.attacks import LossThreshold, audit_attacks, play
from qmis_stats.audit.attacks.measured_weights import MeasuredWeights
from qmis_stats.audit.attacks.shadow_fits import ShadowFits
from qmis_stats.audit.calibration import CalibrationData, calibrated, calibration_data, released_weights, seeing
from qmis_stats.audit.models.calls import last_weights
from qmis_stats.audit.models.linear import Linear, Logistic, Softmax
from qmis_stats.audit.public_rows import public_rows
from qmis_stats.audit.tables import load_table
from qmis_stats.cli import cli
from qmis_stats.errors import InputError
from qmis_stats.quantizers import quantizer

DATA = bundled("diabetes")
GPTQ = quantizer("gptq-3")
SEEING = [quantizer(name) for name in ("gptq-3", "adaround-3", "awq-3:g5")]


class Seen:
    """A user's quantizer that sees data, and keeps what it was given."""

    name, bits = "seen", 3.0

    def __init__(self):
        self.given = []

    def calibrate(self, weights, inputs):
        self.given.append((np.array(weights), np.array(inputs)))
        return quantizer("uniform-3")


def trained(model, data=DATA):
    weights = last_weights(model, data.X, data.y, np.random.default_rng(0))
    return weights, model.quantizable(weights)


BINARY = from_arrays(DATA.X, DATA.y > np.median(DATA.y), name="binary")
THREE = from_arrays(DATA.X, np.digitize(DATA.y, np.quantile(DATA.y, [0.3, 0.6])), name="three", task="multiclass")


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (Linear(), DATA),
        (Logistic(), BINARY),
        (Softmax(), THREE),
        (MLP("regression", hidden=(6, 4), epochs=3), DATA),
        (SklearnModel(Ridge()), DATA),
        (SklearnModel(LogisticRegression()), BINARY),
        (SklearnModel(MLPRegressor(hidden_layer_sizes=(5,), max_iter=5)), DATA),
    ],
    ids=lambda one: getattr(one, "name", type(one).__name__),
)
def test_a_layer_is_given_what_the_layers_before_it_release(model, data) -> None:
    weights, mask = trained(model, data)
    seen = Seen()
    each = calibrated(seen, model, weights, mask, data.X[:40])
    assert len(each) == len(seen.given) == sum(mask)
    released = released_weights(seen, model, weights, mask, data.X[:40])
    active = seen.given[0][1]
    np.testing.assert_allclose(
        active.mean(axis=0), ((data.X[:40] - data.X.mean(axis=0)) / data.X.std(axis=0)).mean(axis=0)
    )
    places = np.flatnonzero(mask)
    for k, place in enumerate(places):
        np.testing.assert_array_equal(seen.given[k][0], weights[place])
        np.testing.assert_allclose(seen.given[k][1], active, atol=1e-12)
        active = np.maximum(active @ released[place].T + released[place + 1], 0.0)
    outputs = seen.given[-1][1] @ released[places[-1]].T + released[places[-1] + 1]
    if data is DATA and not isinstance(model, (Linear, SklearnModel)):  # the last layer is read as the model reads it
        centre, unit = weights[-1]
        np.testing.assert_allclose(model.predict(released, data.X[:40]), centre + unit * outputs[:, 0])
    if isinstance(model, SklearnModel) and data is DATA:
        np.testing.assert_allclose(model.predict(released, data.X[:40]), outputs[:, 0])


def test_gptq_in_a_game_is_gptq_on_the_points_of_each_training() -> None:
    for whose in ("training", "held-out", DATA.X[5:90]):
        game = play(DATA, Linear(), None, 100, trainings=6, shadows=4, calibrations=4, members=3, calibrate=whose,
                    calibration_rows=30, seed=2)  # fmt: skip
        found = game.quantized(GPTQ)
        known, part = found.known, found.target
        points = known.calibrating(part)
        assert all(len(one) == 30 for one in points)
        plain = game.target.shown.weights
        for t, one in enumerate(points):
            rows = {row.tobytes(): i for i, row in enumerate(DATA.X)}
            chosen = np.array([rows[row.tobytes()] for row in one])
            if isinstance(whose, str):
                assert np.all(part.trained[t, chosen] == (whose == "training"))
                non_members = part.shown.rows[t][~part.member[t]]
                assert not set(chosen) & set(non_members)
            else:
                assert np.all((chosen >= 5) & (chosen < 90))
            W, _, location, scale = plain[t][:4]
            expected = GPTQ.calibrate(W, (one - location) / scale).quantize(W)
            np.testing.assert_array_equal(part.shown.weights[t][0], expected)
        assert found.describe()["calibration"]["rows"] == 30
        again = play(DATA, Linear(), GPTQ, 100, trainings=6, shadows=4, calibrations=4, members=3, calibrate=whose,
                     calibration_rows=30, seed=2)  # fmt: skip
        np.testing.assert_array_equal(again.target.shown.losses, found.target.shown.losses)


def test_an_audit_says_whose_points_calibrated() -> None:
    said = {}
    for whose in ("training", "held-out", DATA.X[:50]):
        result = audit(DATA, head_for(DATA), [*SEEING, quantizer("sign")], runs=2, calibrate=whose, draws=199)
        said[str(whose)[:8]] = " ".join(result.notes)
        assert result.leak is None
        assert "quantizers that see data (gptq-3, adaround-3, awq-3:g5)" in result.no_leak
        assert result.specification["calibration"]["quantizers"] == ["gptq-3", "adaround-3", "awq-3:g5"]
        assert np.isfinite(result.performance["r2"]).all()
    texts = list(said.values())
    assert "at most 128 of its own training points" in texts[0]
    assert "at most 128 held-out points" in texts[1]
    assert "50 of 50 public rows" in texts[2]
    plain = audit(DATA, head_for(DATA), [quantizer("sign")], runs=2, draws=199)
    assert "calibration" not in plain.specification
    assert plain.leak is not None or "see data" not in plain.no_leak


def test_an_audit_is_the_same_from_the_store_and_from_any_processes(tmp_path) -> None:
    given = {"runs": 2, "draws": 199, "calibration_rows": 40, "seed": 3}
    once = audit(DATA, head_for(DATA), [GPTQ], store=tmp_path, **given)
    again = audit(DATA, head_for(DATA), [GPTQ], store=tmp_path, jobs=2, **given)
    np.testing.assert_array_equal(once.visited["gptq-3"].losses, again.visited["gptq-3"].losses)
    with pytest.raises(InputError, match="store"):
        audit(DATA, head_for(DATA), [GPTQ], store=tmp_path, **{**given, "calibration_rows": 41})


def test_an_audit_by_attacks() -> None:
    found = audit_attacks(DATA, Linear(), [GPTQ], n=60, trainings=16, seed=1, attacks=[LossThreshold()])
    assert found.predicted is None
    assert found.reports["gptq-3"].game["calibration"] == {"source": "training", "rows": 128}
    assert "calibration" not in found.reports["identity"].game


def test_the_read_out_knows_how_errors_are_correlated() -> None:
    """GPTQ trades errors of neighbours that are alike: by draws of its shadow trainings, as by its own factor U."""
    rng = np.random.default_rng(7)
    X = np.linalg.cholesky(0.9 ** np.abs(np.subtract.outer(np.arange(12), np.arange(12))))
    X = rng.normal(size=(240, 12)) @ X.T
    data = from_arrays(X, X @ rng.normal(size=12) / 4.0 + rng.normal(size=240), name="alike")
    game = play(data, Linear(), None, 100, trainings=2, shadows=16, calibrations=2, members=2, seed=1)
    found = {}
    for name in ("uniform-5", "gptq-5"):
        known = game.quantized(quantizer(name)).known
        found[name] = MeasuredWeights(known, ShadowFits.of(known, data)).alike
    np.testing.assert_array_equal(found["uniform-5"], np.eye(13))
    factor = np.linalg.cholesky(np.linalg.inv(X.T @ X / 240.0)).T
    spread = factor / np.diag(factor)[:, None]  # errors are its columns' combinations, of independent roundings
    expected = spread.T @ spread
    expected /= np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    got = found["gptq-5"][:12, :12]
    assert np.sum((got - expected) ** 2) < 0.2 * np.sum((np.eye(12) - expected) ** 2)


def test_a_draw_of_rows() -> None:
    rng = np.random.default_rng(0)
    chosen = CalibrationData("training", 5)
    rows = chosen.draw(np.array([3, 3, 4, 9]), np.array([1]), rng)
    assert rows.tolist() == [3, 4, 9]
    assert CalibrationData("held-out", 5).draw(np.array([3]), np.array([1, 2]), rng).tolist() == [1, 2]
    with pytest.raises(InputError, match="calibrate = 'held-out'"):
        CalibrationData("held-out", 5).draw(np.array([3]), np.array([], dtype=int), rng)
    assert seeing([quantizer("sign")]) == ()


@pytest.mark.parametrize(
    ("whose", "rows", "said"),
    [
        ("validation", 128, "must be training, held-out, or public rows of 10 features"),
        (np.zeros((5, 3)), 128, "an array of shape"),
        (np.full((5, 10), np.nan), 128, "finite numbers"),
        ("training", 0, "calibration_rows = 0"),
        ("training", True, "calibration_rows = True"),
        (bundled("breast_cancer"), 128, "which has no feature 'age'"),
    ],
)
def test_calibration_data_that_cannot_be_used(whose, rows, said) -> None:
    with pytest.raises(InputError, match=said):
        calibration_data(whose, rows, DATA)
    with pytest.raises(InputError, match=said):
        audit(DATA, head_for(DATA), [GPTQ], runs=2, calibrate=whose, calibration_rows=rows)


def test_what_cannot_be_calibrated_is_refused_in_one_line() -> None:
    class Bare:
        """A model without layer_inputs."""

        def __getattr__(self, name):
            if name == "layer_inputs":
                raise AttributeError(name)
            return getattr(Linear(), name)

    with pytest.raises(InputError, match="model = 'Bare': must be one with a method layer_inputs"):
        audit(DATA, Bare(), [GPTQ], runs=2)
    inside = SklearnModel(make_pipeline(PCA(3), Ridge()))
    with pytest.raises(InputError, match="estimator = 'Pipeline': must be a linear model or a perceptron by itself"):
        audit(DATA, inside, [GPTQ], runs=2)
    with pytest.raises(InputError, match="a sampler has no rows"):
        play(lambda rng, k: (rng.normal(size=(k, 3)), rng.normal(size=k)), Linear(), GPTQ, 20, trainings=2, shadows=2,
             calibrations=2)  # fmt: skip

    class Wrong(Seen):
        name = "wrong"

        def calibrate(self, weights, inputs):
            return weights

    with pytest.raises(InputError, match="calibrate of quantizer 'wrong'"):
        audit(DATA, head_for(DATA), [Wrong()], runs=2)

    class Raising(Seen):
        name = "raising"

        def calibrate(self, weights, inputs):
            raise ValueError("no")

    with pytest.raises(
        InputError, match="quantizer 'raising' in the calibration of coefficients raised ValueError: no"
    ):
        audit(DATA, head_for(DATA), [Raising()], runs=2)


def test_one_that_is_calibrated_already_is_audited_without_theory() -> None:
    weights, _ = trained(Linear())
    ready = GPTQ.calibrate(weights[0], (DATA.X - weights[2]) / weights[3])
    result = audit(DATA, head_for(DATA), [ready], runs=2, draws=199)
    assert result.leak is None
    assert "see data (gptq-3)" in result.no_leak
    assert "calibration" not in result.specification


def test_a_users_quantizer_that_sees_data_is_audited() -> None:
    result = audit(DATA, head_for(DATA), [Seen()], runs=2, draws=199)
    alone = audit(DATA, head_for(DATA), [quantizer("uniform-3")], runs=2, draws=199)
    np.testing.assert_array_equal(result.visited["seen"].losses, alone.visited["uniform-3"].losses)


def test_the_command(tmp_path) -> None:
    rng = np.random.default_rng(1)
    rows = [[*map(float, row)] for row in rng.normal(size=(60, 3)).round(3)]
    text = "a,b,c,y\n" + "".join(",".join(map(str, [*row, sum(row)])) + "\n" for row in rows[:40])
    (tmp_path / "data.csv").write_text(text)
    public = "c;a;b\n" + "".join(f"{c};{a};{b}\n" for a, b, c in rows[48:])  # few rows, no target, another order
    (tmp_path / "public.csv").write_text(public)
    given = [
        str(tmp_path / "data.csv"),
        "--target",
        "y",
        "--quantizers",
        "gptq-3,sign",
        "--runs",
        "2",
        "--attacks",
        "0",
    ]
    for whose, said in (("training", "own training points"), (str(tmp_path / "public.csv"), "12 of 12 public rows")):
        ran = CliRunner().invoke(cli, ["audit", *given, "--json", "--jobs", "1", "--calibrate", whose])
        assert ran.exit_code == 0, ran.output
        assert said in " ".join(json.loads(ran.stdout)["notes"])
    for whose, said in (
        ("nobody", "--calibrate = 'nobody': must be training, held-out, or a file that exists"),
        (str(tmp_path), "must be training, held-out, or a file that exists"),
        (str(tmp_path / "less.csv"), "--calibrate = \"less.csv, which has no 'c'\": must be rows with the features of"),
    ):
        (tmp_path / "less.csv").write_text(public.replace("c;", "d;", 1))
        ran = CliRunner().invoke(cli, ["audit", *given, "--jobs", "1", "--calibrate", whose])
        assert ran.exit_code == 2
        assert said in ran.stderr


def test_public_rows(tmp_path) -> None:
    pytest.importorskip("pyarrow", reason="Parquet needs the extra 'parquet'")
    texts = np.array(["red", "blue", "green"])[np.arange(30) % 3]
    frame = pd.DataFrame({"hue": texts, "a=b": np.arange(30.0), "y": np.arange(30) % 2})
    frame.to_csv(tmp_path / "data.csv", index=False)
    data = load_table(tmp_path / "data.csv", "y")
    assert np.array_equal(public_rows(tmp_path / "data.csv", data), data.X)
    some = frame.drop(columns="y").iloc[[4, 2]].assign(hue=["pink", None])
    some.to_parquet(tmp_path / "some.parquet")
    assert public_rows(tmp_path / "some.parquet", data, missing="drop").tolist() == [[0.0, 0.0, 0.0, 4.0]]
    np.savez(tmp_path / "some.npz", points=data.X[:3], label=data.y[:3])
    assert np.array_equal(public_rows(tmp_path / "some.npz", data), data.X[:3])
    (tmp_path / "none.csv").write_text("hue,a=b\n")
    frame.assign(**{"a=b": "text"}).to_csv(tmp_path / "text.csv")
    for name, said in (
        ("some.parquet", "column 'hue=blue', row 2 = 'missing'"),
        ("none.csv", "calibrate = 'none.csv, which has no rows': must be at least one row"),
        ("text.csv", "column 'a=b' = 'text': must be numbers, as in data"),
        ("no.csv", "must be a file that exists"),
    ):
        with pytest.raises(InputError, match=said):
            public_rows(tmp_path / name, data)


def test_public_molecules(tmp_path) -> None:
    pytest.importorskip("rdkit")
    made = pd.DataFrame({"SMILES": ["C" * k + end for k in range(1, 27) for end in ("O", "N", "Cl")]})
    made["y"] = np.arange(len(made)) % 2
    made.to_csv(tmp_path / "data.csv", index=False)
    data = load_table(tmp_path / "data.csv", "y", smiles="SMILES")
    made.drop(columns="y").iloc[:4].to_csv(tmp_path / "some.csv", index=False)
    assert np.array_equal(public_rows(tmp_path / "some.csv", data, smiles="SMILES"), data.X[:4])
