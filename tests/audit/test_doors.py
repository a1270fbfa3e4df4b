"""The ways in: every file kind, dialect, type and estimator against the same numbers. A new door is one line."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn import ensemble, feature_selection, linear_model, model_selection, multiclass
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.models import Linear, Logistic, SklearnModel, TorchModel
from qmis_stats.audit.tables import load_table

pytestmark = pytest.mark.grid(3)

ROWS = 60
RNG = np.random.default_rng(11)
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(18, 90, ROWS),
        "height": 150.0 + RNG.integers(0, 80, ROWS) / 2.0,
        "member": RNG.random(ROWS) < 0.5,
        "city": RNG.choice(["Bern", "Oslo", "Rome"], ROWS),
        "sex": RNG.choice(["female", "male"], ROWS),
        "rich": RNG.choice(["<=50K", ">50K"], ROWS),
    }
)
NAMES = ("age", "height", "member", "city=Bern", "city=Oslo", "city=Rome", "sex=male")
X = np.column_stack(
    [
        FRAME.age,
        FRAME.height,
        FRAME.member,
        *(FRAME.city == city for city in ("Bern", "Oslo", "Rome")),
        FRAME.sex == "male",
    ]
).astype(np.float64)
LABELS = FRAME.rich.to_numpy(dtype=str)
Y = (LABELS == ">50K").astype(np.float64)
HOLES = pd.concat(
    [FRAME, FRAME.assign(age=pd.NA).head(3), FRAME.assign(rich=None).head(2), FRAME.assign(city=None).head(1)]
)


MARKS = {"age": -999, "city": "?", "rich": "?"}


def text(name, frame=FRAME, change=lambda lines: lines, target="rich", encoding="utf-8", end="\n", **reading):
    """A text table: written by pandas, its lines changed, and read."""
    writing = {key: reading.pop(key) for key in ("sep", "index", "decimal", "na_rep", "quoting") if key in reading}
    if "decimal" in writing:
        reading["decimal"] = writing["decimal"]

    def door(folder):
        lines = frame.to_csv(**{"index": False, **writing}).splitlines()
        (folder / name).write_bytes((end.join(change(lines)) + end).encode(encoding))
        return load_table(folder / name, target, **reading)

    return door


def parquet(frame=FRAME, **reading):
    def door(folder):
        pytest.importorskip("pyarrow", reason="Parquet needs the extra 'parquet'")
        frame.to_parquet(folder / "t.parquet")
        return load_table(folder / "t.parquet", "rich", **reading)

    return door


def npy(features=X, labels=LABELS):
    def door(folder):
        np.save(folder / "x.npy", features)
        np.save(folder / "y.npy", labels)
        return load_table(folder / "x.npy", "y.npy")

    return door


def npz(labels=LABELS):
    def door(folder):
        np.savez(folder / "t.npz", X=X, label=labels)
        return load_table(folder / "t.npz", "label")

    return door


def beside(name, lines):
    def door(folder):
        np.save(folder / "x.npy", X)
        (folder / name).write_text("\n".join(lines) + "\n")
        return load_table(folder / "x.npy", name)

    return door


def in_a_column(folder):
    np.save(folder / "x.npy", np.column_stack([Y, X]))
    return load_table(folder / "x.npy", 0)


def arrays(features=X, labels=LABELS):
    return lambda _: from_arrays(features, labels)


class Table:
    """A table whose methods are those of polars, not of pandas."""

    def __init__(self, values):
        self.columns = [f"x{i}" for i in range(values.shape[1])]
        self._values = values

    def __getitem__(self, name):
        return self._values[:, self.columns.index(name)]

    def to_numpy(self):
        return self._values


DOORS = {
    "csv": text("t.csv"),
    "csv, no target by chance": text("t.csv", target=" rich "),
    "txt": text("t.txt"),
    "tsv": text("t.tsv", sep="\t"),
    "tab": text("t.tab", sep="\t"),
    "tabs in a csv": text("t.csv", sep="\t"),
    "semicolons": text("t.csv", sep=";"),
    "semicolons, decimal commas": text("t.csv", sep=";", decimal=","),
    "tsv, decimal commas": text("t.tsv", sep="\t", decimal=","),
    "bars": text("t.data", sep="|"),
    "named separator": text("t.txt", sep=":", separator=":"),
    "named tab": text("t.csv", sep="\t", separator="tab"),
    "spaces": text(
        "t.data", sep=" ", change=lambda lines: [f"  {line.replace(' ', '   ')} " for line in lines], separator=" "
    ),
    "spaces after commas": text("t.csv", change=lambda lines: [line.replace(",", ", ") for line in lines]),
    "spaces before commas": text("t.csv", change=lambda lines: [line.replace(",", " ,") for line in lines]),
    "quoted spaces": text("t.csv", FRAME.assign(rich=" " + FRAME.rich, city=FRAME.city + " "), quoting=1),
    "commas after the last field": text("t.csv", change=lambda lines: [lines[0], *(f"{line}," for line in lines[1:])]),
    "commas after every line": text("t.csv", change=lambda lines: [f"{line}," for line in lines]),
    "a comma after the header": text("t.csv", change=lambda lines: [f"{lines[0]},", *lines[1:]]),
    "index": text("t.csv", index=True),
    "index of text": text("t.csv", FRAME.set_index("r" + FRAME.index.astype(str)).rename_axis(None), index=True),
    "two indices": text("t.csv", FRAME.assign(**{"Unnamed: 0": range(ROWS)}), index=True),
    "empty lines": text("t.csv", change=lambda lines: ["", lines[0], "", *lines[1:], "", ""]),
    "Windows": text("t.csv", end="\r\n", encoding="utf-8-sig"),
    "UTF-16": text("t.tsv", sep="\t", encoding="utf-16"),
    "a separator told to Excel": text("t.csv", sep=";", change=lambda lines: ["sep=;", *lines]),
    "a separator told to Excel, Windows": text(
        "t.csv", sep="|", change=lambda lines: ['"sep=|"', *lines], end="\r\n", encoding="utf-8-sig"
    ),
    "all quoted": text("t.csv", quoting=1),
    "yes and no": text("t.csv", FRAME.assign(member=FRAME.member.astype(int))),
    "other spellings": text(
        "t.csv", FRAME.assign(height=[f"{h / 100:.4e}".replace("e+00", "e+02") for h in FRAME.height])
    ),
    "constant text": text("t.csv", FRAME.assign(planet="earth")),
    "no header": text("t.csv", change=lambda lines: lines[1:], target=6, header=False),
    "no header, by text": text("t.data", change=lambda lines: lines[1:], target="6", header=False),
    "question marks": text("t.csv", HOLES, na_rep=" ?", missing_values=["?"], missing="drop"),
    "-999": text("t.csv", HOLES, na_rep="-999", missing_values=[-999], missing="drop"),
    "empty fields": text("t.csv", HOLES, missing="drop"),
    "repeated rows": text("t.csv", pd.concat([FRAME, FRAME.head(30)]), index=True),
    "parquet": parquet(),
    "parquet with an index": parquet(FRAME.set_index(FRAME.index[::-1])),
    "parquet, categories": parquet(FRAME.astype({"city": "category", "rich": "category", "age": "category"})),
    "parquet, short types": parquet(FRAME.astype({"age": "int8", "height": "float32"})),
    "parquet, nullable types": parquet(HOLES.astype({"age": "Int64", "member": "boolean"}), missing="drop"),
    "parquet, decimals": parquet(FRAME.assign(height=[Decimal(str(h)) for h in FRAME.height])),
    "parquet, text": parquet(FRAME.assign(age=FRAME.age.astype(str), city=" " + FRAME.city)),
    "parquet, texts of booleans": parquet(FRAME.assign(member=FRAME.member.astype(str))),
    "parquet, bytes": parquet(FRAME.assign(city=FRAME.city.map(str.encode), rich=FRAME.rich.map(str.encode))),
    "parquet, marks": parquet(
        HOLES.assign(**{c: [mark if pd.isna(v) else v for v in HOLES[c]] for c, mark in MARKS.items()}),
        missing="drop",
        missing_values=["?", "-999"],
    ),
    "npy": npy(),
    "npy, float32": npy(X.astype(np.float32)),
    "npy, float16": npy(X.astype(np.float16)),
    "npy, big-endian, columns first": npy(np.asfortranarray(X.astype(">f8"))),
    "npy, labels in a column": npy(labels=LABELS[:, None]),
    "npy, labels of bytes": npy(labels=LABELS.astype("S5")),
    "npy, booleans": npy(labels=Y.astype(bool)),
    "npy, a column": in_a_column,
    "npz": npz(),
    "npz, labels in a column": npz(LABELS[:, None]),
    "npz, numbers": npz(Y.astype(np.int8)),
    "npz, numerals": npz(Y.astype(int).astype(str)),
    "npz, True and False": npz((Y == 1).astype(str)),
    "labels in a csv": beside("y.csv", LABELS),
    "labels in a csv, named": beside("y.csv", ["rich", *LABELS]),
    "labels in a csv with commas": beside("y.csv", [f"{label}," for label in LABELS]),
    "labels in a txt": beside("y.txt", LABELS),
    "arrays": arrays(),
    "lists": arrays(X.tolist(), LABELS.tolist()),
    "objects": arrays(X.astype(object), LABELS.astype(object)),
    "pandas": arrays(pd.DataFrame(X), FRAME.rich),
    "another library": arrays(Table(X), LABELS),
    "pandas, nullable": arrays(pd.DataFrame(X).convert_dtypes(), FRAME.rich.astype("string")),
    "pandas, categories": arrays(pd.DataFrame(X), FRAME.rich.astype("category")),
}


def solved(features, target, alpha):
    """Ridge regression in closed form."""
    centre, mean = features.mean(axis=0), target.mean()
    Z = features - centre
    w = np.linalg.solve(Z.T @ Z + alpha * np.eye(Z.shape[1]), Z.T @ (target - mean))
    return w, mean - centre @ w


EXPECTED = (Y - X @ (found := solved(X, Y, 2.0))[0] - found[1]) ** 2


def torch_module(**options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch", reason="PyTorch modules need the extra 'torch'")

    def train(module, features, target, rng):
        w, b = solved(features, target, 2.0)
        module.load_state_dict({"weight": torch.tensor(w[None]), "bias": torch.tensor([b])})
        yield

    given = {"weight": found[0][None], "bias": np.array([found[1]])}
    module = torch.nn.Linear(X.shape[1], 1, dtype=torch.float64)
    return TorchModel(module, [{"model": given, "epoch": 1}] if options else train, task="regression")


def sklearn(estimator):
    return lambda: SklearnModel(estimator, standardise="none")


RIDGE = linear_model.Ridge(alpha=2.0)
ALPHAS = {"alpha": [2.0]}
MODELS = {
    "Linear": lambda: Linear(alpha=2.0, standardise="none"),
    "Ridge": sklearn(RIDGE),
    "Ridge, solved otherwise": sklearn(linear_model.Ridge(2.0, solver="svd")),
    "RidgeCV": sklearn(linear_model.RidgeCV([2.0])),
    "TweedieRegressor": sklearn(linear_model.TweedieRegressor(power=0, alpha=2.0 / ROWS, solver="newton-cholesky")),
    "ElasticNet": sklearn(linear_model.ElasticNet(2.0 / ROWS, l1_ratio=0.0, tol=1e-12, max_iter=10**6)),
    "Pipeline": sklearn(make_pipeline(RIDGE)),
    "Pipeline, rotated": sklearn(make_pipeline(PCA(), RIDGE)),
    "GridSearchCV": sklearn(model_selection.GridSearchCV(RIDGE, ALPHAS)),
    "RandomizedSearchCV": sklearn(model_selection.RandomizedSearchCV(RIDGE, ALPHAS, n_iter=1)),
    "HalvingGridSearchCV": sklearn(model_selection.HalvingGridSearchCV(RIDGE, ALPHAS)),
    "GridSearchCV of a Pipeline": sklearn(model_selection.GridSearchCV(make_pipeline(RIDGE), {"ridge__alpha": [2.0]})),
    "TransformedTargetRegressor": sklearn(TransformedTargetRegressor(RIDGE)),
    "TransformedTargetRegressor, scaled": sklearn(TransformedTargetRegressor(RIDGE, transformer=StandardScaler())),
    "VotingRegressor": sklearn(ensemble.VotingRegressor([("a", RIDGE), ("b", RIDGE)])),
    "BaggingRegressor": sklearn(ensemble.BaggingRegressor(RIDGE, 2, bootstrap=False)),
    "RANSACRegressor": sklearn(linear_model.RANSACRegressor(RIDGE, min_samples=ROWS, residual_threshold=10.0)),
    "torch": torch_module,
    "torch, given": lambda: torch_module(given=True),
}


def logistic(features, labels, alpha):
    """Penalised logistic regression by Newton's method."""
    Z = np.column_stack([features, np.ones(len(features))])
    penalty = np.append(np.full(features.shape[1], alpha), 0.0)
    theta = np.zeros(Z.shape[1])
    for _ in range(30):
        mean = expit(Z @ theta)
        hessian = (Z.T * (mean * (1.0 - mean))) @ Z + np.diag(penalty)
        theta -= np.linalg.solve(hessian, Z.T @ (mean - labels) + penalty * theta)
    return Z @ theta


SCORES = logistic((X - X.mean(axis=0)) / X.std(axis=0), Y, 2.0)
LOG = {"C": 0.5, "solver": "newton-cholesky", "tol": 1e-10}
CLASSIFIER = linear_model.LogisticRegression(**LOG)
INSIDE = make_pipeline(StandardScaler(), CLASSIFIER)


def classifier(estimator):
    return lambda: SklearnModel(estimator, standardise="all")


CLASSIFIERS = {
    "Logistic": lambda: Logistic(alpha=2.0, iterations=2000, standardise="all"),
    "LogisticRegression": classifier(CLASSIFIER),
    "LogisticRegressionCV": classifier(
        linear_model.LogisticRegressionCV(Cs=[0.5], cv=3, solver="newton-cholesky", tol=1e-10)
    ),
    "Pipeline": lambda: SklearnModel(INSIDE),
    "GridSearchCV of a Pipeline": lambda: SklearnModel(
        model_selection.GridSearchCV(INSIDE, {"logisticregression__C": [0.5]})
    ),
    "GridSearchCV": classifier(model_selection.GridSearchCV(CLASSIFIER, {"C": [0.5]})),
    "OneVsRestClassifier": classifier(multiclass.OneVsRestClassifier(CLASSIFIER)),
    "OneVsRestClassifier of a GridSearchCV": classifier(
        multiclass.OneVsRestClassifier(model_selection.GridSearchCV(CLASSIFIER, {"C": [0.5]}))
    ),
    "VotingClassifier": classifier(ensemble.VotingClassifier([("a", CLASSIFIER), ("b", CLASSIFIER)], voting="soft")),
    "BaggingClassifier": classifier(ensemble.BaggingClassifier(CLASSIFIER, 2, bootstrap=False)),
    "RFE": classifier(feature_selection.RFE(CLASSIFIER, n_features_to_select=X.shape[1])),
}


# Doors give the same data set to the last bit, so that each is tried with one estimator, and each estimator with one.
WAYS = [*((door, "Linear") for door in DOORS), *(("csv", model) for model in MODELS if model != "Linear")]


@pytest.mark.parametrize(("door", "model"), WAYS)
def test_doors(door, model, tmp_path):
    data = DOORS[door](tmp_path)
    assert np.array_equal(data.X, X)
    assert np.array_equal(data.y, Y)
    assert data.task == "binary"
    assert data.classes in {("<=50K", ">50K"), ("0", "1"), ("False", "True")}
    if data.features[0] not in ("x0", "1"):
        assert data.features == NAMES
    estimator = MODELS[model]()
    *_, weights = estimator.fit_path(data.X, data.y, np.random.default_rng(0))
    assert np.allclose(estimator.losses(weights, data.X, data.y), EXPECTED, rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore")  # of what the next release of scikit-learn changes
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name):
    estimator = CLASSIFIERS[name]()
    *_, weights = estimator.fit_path(X, Y, np.random.default_rng(0))
    assert np.allclose(
        estimator.losses(weights, X, Y), np.logaddexp(0.0, np.where(Y == 1.0, -SCORES, SCORES)), atol=1e-6
    )
    assert np.allclose(estimator.predict(weights, X), expit(SCORES), atol=1e-6)
