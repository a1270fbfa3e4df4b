"""Situations of public trackers, as docs/situations.md lists them: each is tried, and what failed stays mended."""

import re
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import ensemble, linear_model, model_selection
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from qmis_stats import DomainError, InputError
from qmis_stats.audit import audit
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.models import SklearnModel
from qmis_stats.audit.tables import load_table
from qmis_stats.leak.estimate import leakage
from qmis_stats.quantizers import quantizer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "situations.md"
COUNT = range(60)


def last(model, data):
    *_, weights = model.fit_path(data.X, data.y, np.random.default_rng(0))
    return model.losses(weights, data.X, data.y)


THOUSANDS = {
    "quoted": ("t.csv", "pay,y", [f'"{1000 + 37 * i:,}",{i % 2}' for i in COUNT]),
    "some": ("t.tsv", "pay\ty", [f"{500 + 37 * i:,}\t{i % 2}" for i in COUNT]),
    "with decimals": ("t.tsv", "pay\ty", [f"{1000.5 + 37 * i:,}\t{i % 2}" for i in COUNT]),
    "apostrophes": ("t.csv", "pay,y", [f"{500 + 37 * i:_},{i % 2}".replace("_", "'") for i in COUNT]),
    "spaces": ("t.csv", "pay,y", [f"{500 + 37 * i:_},{i % 2}".replace("_", " ") for i in COUNT]),
    "target": ("t.csv", "x,y", [f'{i},"{1000 + 37 * i:,}"' for i in COUNT]),
    "target with decimals": ("t.csv", "x,y", [f'{i},"{1000.5 + 37 * i:,}"' for i in COUNT]),
    "the other way round": ("t.csv", "x;y", [f"{i};{1 + i}.{200 + i},5" for i in COUNT]),
}


@pytest.mark.parametrize("name", THOUSANDS)
def test_marks_between_thousands_are_no_decimal_marks(name, tmp_path):
    file, header, rows = THOUSANDS[name]
    (tmp_path / file).write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(InputError, match=r"must be a number without marks between thousands, and with decimals after"):
        load_table(tmp_path / file, "y")


@pytest.mark.parametrize("target", ["x", "y"])
def test_marks_between_thousands_beside_decimal_commas(target, tmp_path):
    (tmp_path / "t.csv").write_text("\n".join(["x;y", *(f"{i};{1 + i}.{200 + i},5" for i in COUNT)]) + "\n")
    with pytest.raises(InputError, match=r"row 1 = '1.200,5': must be a number without marks between thousands"):
        load_table(tmp_path / "t.csv", target, decimal=",")


def test_a_target_of_thousands_is_not_read_a_thousand_times_too_small(tmp_path):
    (tmp_path / "t.csv").write_text("\n".join(["x;y", *(f"{i};{1 + i}.{200 + i}" for i in COUNT)]) + "\n")
    with pytest.raises(InputError, match=r"target, row 1 = '1.200': must be a number without marks between thousands"):
        load_table(tmp_path / "t.csv", "y", decimal=",")


def test_three_decimals_are_no_thousands(tmp_path):
    (tmp_path / "t.csv").write_text("\n".join(["a;y", *(f"0,{100 + i};{i % 2}" for i in COUNT)]) + "\n")
    with pytest.raises(InputError, match=r"decimal=',' reads the other mark"):
        load_table(tmp_path / "t.csv", "y")


LARGE = 2**53 + 1


def test_integers_that_floats_do_not_tell_apart_are_refused(tmp_path):
    ids, y = [LARGE + i for i in COUNT], [i % 2 for i in COUNT]
    (tmp_path / "t.csv").write_text("\n".join(["id,y", *(f"{i},{v}" for i, v in zip(ids, y, strict=True))]) + "\n")
    gaps = [f"{'' if i % 5 == 0 else ids[i]},{y[i]}" for i in COUNT]
    (tmp_path / "gaps.csv").write_text("\n".join(["id,y", *gaps]) + "\n")
    np.save(tmp_path / "t.npy", np.column_stack([ids, y]))
    pytest.importorskip("pyarrow", reason="Parquet needs the extra 'parquet'")
    pd.DataFrame({"id": list(map(str, ids)), "y": y}).to_parquet(tmp_path / "t.parquet")
    for load in (
        lambda: load_table(tmp_path / "t.csv", "y"),
        lambda: load_table(tmp_path / "gaps.csv", "y", missing="drop"),
        lambda: load_table(tmp_path / "gaps.csv", "id", missing="drop"),
        lambda: load_table(tmp_path / "t.npy", 1),
        lambda: load_table(tmp_path / "t.parquet", "y"),
        lambda: from_arrays(ids, y),
        lambda: from_arrays(pd.DataFrame({"id": ids, "x": np.linspace(0.0, 1.0, 60)}), y),
        lambda: from_arrays(pd.DataFrame({"id": pd.array([None, *ids[1:]], dtype="Int64")}), y, missing="drop"),
        lambda: from_arrays(np.linspace(0.0, 1.0, 60), ids, task="regression"),
    ):
        with pytest.raises(InputError, match=r"must be integers of at most 2⁵³ in size, which floats tell apart"):
            load()
    assert from_arrays([LARGE - 1 - i for i in COUNT], y).rows == 60


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(FunctionTransformer(lambda X: np.tanh(X)), linear_model.Ridge()),
        TransformedTargetRegressor(linear_model.Ridge(), func=lambda y: y / 2.0, inverse_func=lambda y: 2.0 * y),
    ],
    ids=["in a pipeline", "of the target"],
)
def test_lambdas_are_audited(estimator, regression):
    assert np.isfinite(last(SklearnModel(estimator, checkpoints=2), regression)).all()


def searching(low):
    distribution = {"C": stats.loguniform(low, 1.0)}
    return model_selection.RandomizedSearchCV(linear_model.LogisticRegression(), distribution, n_iter=2, cv=2)


def shifted(by):
    return make_pipeline(FunctionTransformer(lambda X: X + by), linear_model.LogisticRegression())


@pytest.mark.parametrize("make", [searching, shifted])
def test_a_store_knows_parameters_that_are_objects(make, binary, tmp_path):
    """Their address in memory, which is all that their text tells, is another one every time."""
    settings = {"runs": 2, "seed": 1, "draws": 199, "store": tmp_path / "store"}
    once, again = (
        audit(binary, SklearnModel(make(0.01), checkpoints=2), [quantizer("sign")], **settings) for _ in range(2)
    )
    assert " at 0x" not in str(once.specification)
    assert [run.seconds for run in once.runs] == [run.seconds for run in again.runs]
    with pytest.raises(InputError, match="must be a folder of the same specification"):
        audit(binary, SklearnModel(make(0.1), checkpoints=2), [quantizer("sign")], **settings)


def test_early_stopping_inside_of_ensembles_and_parallel_searches(binary):
    stopping = linear_model.SGDClassifier(loss="log_loss", early_stopping=True)
    for estimator in (
        ensemble.BaggingClassifier(stopping, 3),
        model_selection.GridSearchCV(stopping, {"alpha": [1e-3, 1e-2]}, cv=2, n_jobs=2),
    ):
        with joblib.parallel_config("threading"):
            assert np.isfinite(last(SklearnModel(estimator, checkpoints=1), binary)).all()


@pytest.mark.filterwarnings("ignore")  # of statsmodels, which goes on
def test_separable_classes_have_no_fit():
    import statsmodels.api as sm

    features = np.random.default_rng(1).normal(size=(80, 3))
    fitted = sm.Logit((features[:, 0] > 0.0).astype(float), features).fit(disp=0, maxiter=20)
    with pytest.raises(DomainError, match="separable classes have no minimum; use a penalty"):
        leakage(fitted, ["sign"])


def test_weighted_points_are_another_objective():
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    features = sm.add_constant(rng.normal(size=(80, 3)))
    fitted = sm.GLM(rng.normal(size=80), features, var_weights=rng.random(80)).fit()
    with pytest.raises(InputError, match="those that minimise the objective of this loss and penalty on X and y"):
        leakage(fitted, ["sign"])


def test_many_purchases_in_many_classes():
    """Zeros and ones, twenty classes, and buyers who come twice."""
    rng = np.random.default_rng(1)
    bought, kind = (rng.random((300, 240)) < 0.1).astype(float), np.arange(300) % 20
    data = from_arrays(np.vstack([bought, bought[:40]]), np.r_[kind, kind[:40]], task="multiclass")
    assert data.rows == 300
    model = SklearnModel(linear_model.LogisticRegression(max_iter=20), task="multiclass", checkpoints=2)
    result = audit(data, model, [quantizer("sign")], runs=1, draws=199)
    assert result.no_leak == "the head has 4800 weights, more than the 4096 that it is computed for"


def test_the_page_lists_what_is_tried():
    rows = re.findall(r"^\| \[.*?\]\((https://github\.com/[^)]+)\) \|.*\| .+ \| .+ \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == len(set(rows)) >= 10
