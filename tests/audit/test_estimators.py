"""scikit-learn estimators: quantized weights predict as by hand, and what cannot be audited is refused by name.

The tables of docs/estimators.md are those of this file.
"""

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from scipy.special import expit, softmax
from sklearn import (
    calibration,
    ensemble,
    linear_model,
    metrics,
    model_selection,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    svm,
    tree,
)
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from qmis_stats import DomainError, InputError
from qmis_stats.audit import audit
from qmis_stats.audit.attacks import Discriminator, LossThreshold, play, run_attacks
from qmis_stats.audit.calibration import released_weights
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.head_leak import head_fit, head_leak
from qmis_stats.audit.models import SklearnModel
from qmis_stats.quantizers import quantizer
from tests.audit.grids import Grid

pytestmark = pytest.mark.grid(2)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators.md"
VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
GRID = Grid(0.25)
Q = GRID.quantize

RNG = np.random.default_rng(5)
X = RNG.normal(size=(150, 4)) * [1.0, 3.0, 0.5, 1.0] + [0.0, 1.0, 0.0, 0.0]
S = (X - X.mean(axis=0)) / X.std(axis=0) @ [1.0, -0.6, 0.4, 0.8]
DATA = {
    "numbers": from_arrays(X, 2.0 + S + 0.5 * RNG.normal(size=150), name="numbers"),
    "positive": from_arrays(X, np.exp(0.3 * S + 0.1 * RNG.normal(size=150)), name="positive"),
    "counts": from_arrays(X, RNG.poisson(np.exp(0.4 * S)), name="counts", task="regression"),
    "two classes": from_arrays(X, S + RNG.logistic(size=150) > 0.0, name="two"),
    "three classes": from_arrays(X, np.digitize(S + 0.5 * RNG.normal(size=150), [-0.7, 0.7]), name="three"),
}
LR, Ridge = linear_model.LogisticRegression, linear_model.Ridge


def linear(fitted, Z):
    """Scores of quantized coefficients, (N, K)."""
    return Z @ Q(np.atleast_2d(fitted.coef_)).T + fitted.intercept_


def value(fitted, Z):
    return linear(fitted, Z)[:, 0]


def chance(fitted, Z):
    scores = linear(fitted, Z)
    return expit(scores[:, 0]) if scores.shape[1] == 1 else softmax(scores, axis=1)


def of_last_step(of):
    return lambda fitted, Z: of(fitted[-1], fitted[:-1].transform(Z))


def of_best(of):
    return lambda fitted, Z: of(fitted.best_estimator_, Z)


def of_mean(of, members="estimators_"):
    return lambda fitted, Z: np.mean([of(one, Z) for one in getattr(fitted, members)], axis=0)


def one_against_the_rest(fitted, Z):
    each = expit(np.column_stack([value(one, Z) for one in fitted.estimators_]))
    return each / each.sum(axis=1, keepdims=True)


def scores_of_each(fitted, Z):
    return softmax(np.column_stack([value(one, Z) for one in fitted.estimators_]), axis=1)


def sigmoid(calibrated, Z):
    (curve,) = calibrated.calibrators
    return expit(-(curve.a_ * value(calibrated.estimator, Z) + curve.b_))


def isotonic(calibrated, Z):
    each = np.column_stack(
        [c.predict(s) for c, s in zip(calibrated.calibrators, linear(calibrated.estimator, Z).T, strict=True)]
    )
    total = each.sum(axis=1, keepdims=True)
    return np.where(total > 0.0, each / np.where(total > 0.0, total, 1.0), 1.0 / 3.0)


def stacked(fitted, Z):
    first = np.column_stack([chance(fitted.estimators_[0], Z), value(fitted.estimators_[1], Z)])
    return chance(fitted.final_estimator_, first)


def layered(link):
    def of(fitted, Z):
        (V, W), (b, c) = fitted.coefs_, fitted.intercepts_
        return link(np.tanh(Z @ Q(V) + b) @ Q(W) + c)[:, 0]

    return of


@dataclass
class Case:
    """An estimator with the prediction of its quantized weights."""

    estimator: Any
    data: str
    predicted: Any
    loss: str = ""


SVC = svm.LinearSVC(dual=False)
SGD = {"tol": None, "max_iter": 30, "random_state": 0}
MLP = {"hidden_layer_sizes": (3,), "activation": "tanh", "solver": "lbfgs", "max_iter": 30, "random_state": 0}
GRID_OF = {"param_grid": {"alpha": [0.5, 50.0]}}
CASES = {
    "LinearRegression": Case(linear_model.LinearRegression(), "numbers", value),
    "Ridge": Case(Ridge(), "numbers", value),
    "RidgeCV": Case(linear_model.RidgeCV(), "numbers", value),
    "Lasso": Case(linear_model.Lasso(0.1), "numbers", value),
    "LassoCV": Case(linear_model.LassoCV(cv=3, random_state=0), "numbers", value),
    "ElasticNet": Case(linear_model.ElasticNet(0.1), "numbers", value),
    "HuberRegressor": Case(linear_model.HuberRegressor(), "numbers", value),
    "BayesianRidge": Case(linear_model.BayesianRidge(), "numbers", value),
    "LinearSVR": Case(svm.LinearSVR(random_state=0), "numbers", value),
    "SVR(kernel='linear')": Case(svm.SVR(kernel="linear"), "numbers", value),
    "SGDRegressor": Case(linear_model.SGDRegressor(**SGD), "numbers", value),
    "PoissonRegressor": Case(
        linear_model.PoissonRegressor(alpha=0.01), "counts", lambda f, Z: np.exp(value(f, Z)), "deviance"
    ),
    "GammaRegressor": Case(
        linear_model.GammaRegressor(alpha=0.01), "positive", lambda f, Z: np.exp(value(f, Z)), "deviance"
    ),
    "TweedieRegressor(power=1.5)": Case(
        linear_model.TweedieRegressor(power=1.5, alpha=0.01), "positive", lambda f, Z: np.exp(value(f, Z)), "deviance"
    ),
    "TweedieRegressor(power=0)": Case(linear_model.TweedieRegressor(alpha=0.01), "numbers", value, "deviance"),
    "MLPRegressor": Case(MLPRegressor(**MLP), "numbers", layered(np.array)),
    "LogisticRegression": Case(LR(), "two classes", chance),
    "LogisticRegression, three classes": Case(LR(), "three classes", chance),
    "LogisticRegressionCV": Case(
        linear_model.LogisticRegressionCV(Cs=3, cv=3, l1_ratios=(0.0,), scoring="accuracy"), "two classes", chance
    ),
    "RidgeClassifier": Case(linear_model.RidgeClassifier(), "three classes", chance),
    "LinearDiscriminantAnalysis": Case(LinearDiscriminantAnalysis(), "three classes", chance),
    "Perceptron": Case(linear_model.Perceptron(tol=None, max_iter=5, random_state=0), "two classes", chance, "hinge"),
    "SGDClassifier": Case(linear_model.SGDClassifier(**SGD), "two classes", chance, "hinge"),
    "SGDClassifier(loss='log_loss')": Case(linear_model.SGDClassifier(loss="log_loss", **SGD), "two classes", chance),
    "LinearSVC": Case(SVC, "three classes", chance, "hinge"),
    "SVC(kernel='linear'), two classes": Case(svm.SVC(kernel="linear"), "two classes", chance, "hinge"),
    "MLPClassifier": Case(MLPClassifier(**MLP), "two classes", layered(expit)),
    "Pipeline": Case(
        make_pipeline(PolynomialFeatures(include_bias=False), StandardScaler(), LR()),
        "two classes",
        of_last_step(chance),
    ),
    "Pipeline of PCA and PoissonRegressor": Case(
        make_pipeline(PCA(3), linear_model.PoissonRegressor()),
        "counts",
        of_last_step(lambda f, Z: np.exp(value(f, Z))),
        "deviance",
    ),
    "GridSearchCV": Case(model_selection.GridSearchCV(Ridge(), cv=3, **GRID_OF), "numbers", of_best(value)),
    "GridSearchCV of a Pipeline": Case(
        model_selection.GridSearchCV(make_pipeline(StandardScaler(), SVC), {"linearsvc__C": [0.01, 1.0]}, cv=3),
        "two classes",
        of_best(of_last_step(chance)),
        "hinge",
    ),
    "RandomizedSearchCV": Case(
        model_selection.RandomizedSearchCV(Ridge(), {"alpha": [0.5, 50.0]}, n_iter=1, random_state=0),
        "numbers",
        of_best(value),
    ),
    "HalvingGridSearchCV": Case(
        model_selection.HalvingGridSearchCV(Ridge(), random_state=0, **GRID_OF), "numbers", of_best(value)
    ),
    "CalibratedClassifierCV": Case(
        calibration.CalibratedClassifierCV(LR(), cv=3), "two classes", of_mean(sigmoid, "calibrated_classifiers_")
    ),
    "CalibratedClassifierCV(ensemble=False)": Case(
        calibration.CalibratedClassifierCV(SVC, cv=3, ensemble=False),
        "two classes",
        of_mean(sigmoid, "calibrated_classifiers_"),
    ),
    "CalibratedClassifierCV(method='isotonic')": Case(
        calibration.CalibratedClassifierCV(SVC, cv=3, method="isotonic"),
        "three classes",
        of_mean(isotonic, "calibrated_classifiers_"),
    ),
    "OneVsRestClassifier, two classes": Case(
        multiclass.OneVsRestClassifier(LR()), "two classes", lambda f, Z: chance(f.estimators_[0], Z)
    ),
    "OneVsRestClassifier": Case(multiclass.OneVsRestClassifier(LR()), "three classes", one_against_the_rest),
    "OneVsRestClassifier of LinearSVC": Case(
        multiclass.OneVsRestClassifier(SVC), "three classes", scores_of_each, "hinge"
    ),
    "TransformedTargetRegressor": Case(
        TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp),
        "positive",
        lambda f, Z: np.exp(value(f.regressor_, Z)),
    ),
    "VotingRegressor": Case(
        ensemble.VotingRegressor([("a", Ridge()), ("b", linear_model.Lasso(0.1))]), "numbers", of_mean(value)
    ),
    "VotingClassifier(voting='soft')": Case(
        ensemble.VotingClassifier([("a", LR()), ("b", LinearDiscriminantAnalysis())], voting="soft"),
        "three classes",
        of_mean(chance),
    ),
    "StackingClassifier": Case(
        ensemble.StackingClassifier([("a", LR()), ("b", linear_model.RidgeClassifier())], cv=3), "two classes", stacked
    ),
    "BaggingRegressor": Case(ensemble.BaggingRegressor(Ridge(), 3, random_state=0), "numbers", of_mean(value)),
}


def modelled(case, **options):
    data = DATA[case.data]
    return data, SklearnModel(case.estimator, task=data.task, **options)


def standardised(model, data):
    if any(hasattr(part, "steps") for part in (model.estimator, *model.estimator.get_params().values())):
        return data.X
    return (data.X - data.X.mean(axis=0)) / data.X.std(axis=0)


def expected_losses(case, task, y, predicted, scores):
    if case.loss == "deviance":
        inside = case.estimator[-1] if hasattr(case.estimator, "steps") else case.estimator
        power = {"PoissonRegressor": 1, "GammaRegressor": 2}.get(type(inside).__name__, getattr(inside, "power", 0))
        return [metrics.mean_tweedie_deviance([a], [b], power=power) for a, b in zip(y, predicted, strict=True)]
    if task == "regression":
        return (y - predicted) ** 2
    chances = np.column_stack([1.0 - predicted, predicted]) if task == "binary" else predicted
    if case.loss != "hinge":
        return -np.log(np.clip(chances[np.arange(y.size), y.astype(int)], np.finfo(float).eps, 1.0))
    if task == "binary":
        return np.maximum(0.0, 1.0 - np.where(y == 1.0, 1.0, -1.0) * scores[:, 0])
    return np.maximum(0.0, 1.0 - np.where(y[:, None] == np.arange(3), 1.0, -1.0) * scores).sum(axis=1)


def theory(model, data):
    try:
        head_fit(model, data.X, data.y)
    except DomainError:
        return "no"
    return "yes"


@pytest.mark.filterwarnings("ignore")  # of convergence, and of what the next release of scikit-learn changes
@pytest.mark.parametrize("name", CASES)
def test_quantized_weights_predict_as_by_hand(name):
    case = CASES[name]
    data, model = modelled(case, checkpoints=1)
    (plain,) = model.fit_path(data.X, data.y, np.random.default_rng(0))
    mask = model.quantizable(plain)
    weights = released_weights(GRID, model, plain, mask, None)
    Z, target = standardised(model, data), data.y if data.task == "regression" else data.y.astype(int)
    fitted = clone(case.estimator).fit(Z, target)
    expected = case.predicted(fitted, Z)
    found = model.predict(weights, data.X)
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert np.max(np.abs(found - model.predict(plain, data.X))) > 1e-3
    losses = expected_losses(case, data.task, data.y, expected, model._scores(weights, data.X))
    assert np.allclose(model.losses(weights, data.X, data.y), losses, rtol=1e-6, atol=1e-7)
    # Unquantized it is the estimator itself, whatever was computed with other weights before.
    whole = np.mean(model.losses(plain, data.X, data.y))
    if data.task == "regression" and model.loss == "squared":
        assert whole == pytest.approx(metrics.mean_squared_error(target, fitted.predict(Z)), rel=1e-6)
    elif model.loss == "log" and hasattr(fitted, "predict_proba"):
        assert whole == pytest.approx(metrics.log_loss(target, fitted.predict_proba(Z)), rel=1e-6)
    assert model.loss == (case.loss or ("squared" if data.task == "regression" else "log"))
    assert f"| `{name}` | {sum(mask)} | {model.loss} | {theory(model, data)} |" in PAGE.read_text().splitlines()


SEVERAL = "one for a single target, as that of a data set is: give the estimator that it holds"
WEIGHTLESS = "one whose prediction is made of weights (coef_ or coefs_ after fit)"
DIFFER = "one whose classes are those of the largest decision_function: its own differ"
REFUSED = {
    "DecisionTreeClassifier": (lambda: tree.DecisionTreeClassifier(), WEIGHTLESS),
    "DecisionTreeClassifier in RandomForestClassifier": (lambda: ensemble.RandomForestClassifier(2), WEIGHTLESS),
    "DecisionTreeRegressor in GradientBoostingClassifier": (
        lambda: ensemble.GradientBoostingClassifier(n_estimators=2),
        WEIGHTLESS,
    ),
    "HistGradientBoostingClassifier": (lambda: ensemble.HistGradientBoostingClassifier(max_iter=2), WEIGHTLESS),
    "DecisionTreeClassifier in VotingClassifier": (
        lambda: ensemble.VotingClassifier([("a", LR()), ("b", tree.DecisionTreeClassifier())], voting="soft"),
        WEIGHTLESS,
    ),
    "KNeighborsClassifier": (lambda: neighbors.KNeighborsClassifier(), WEIGHTLESS),
    "GaussianNB": (lambda: naive_bayes.GaussianNB(), WEIGHTLESS),
    "SVC": (lambda: svm.SVC(), WEIGHTLESS),
    "SVC in CalibratedClassifierCV": (
        lambda: calibration.CalibratedClassifierCV(svm.SVC(kernel="linear"), cv=2),
        "one whose coef_ is what it predicts by: LinearSVC, LinearSVR and SGDClassifier are",
    ),
    "VotingClassifier": (
        lambda: ensemble.VotingClassifier([("a", LR())]),
        "one with voting='soft': votes are no scores",
    ),
    "OneVsOneClassifier": (
        lambda: multiclass.OneVsOneClassifier(LR()),
        "one with scores, not counts of votes: OneVsRestClassifier has scores",
    ),
    "OutputCodeClassifier": (
        lambda: multiclass.OutputCodeClassifier(LR()),
        "one with scores, not distances to codes: OneVsRestClassifier has scores",
    ),
    "MultiOutputClassifier": (lambda: multioutput.MultiOutputClassifier(LR()), SEVERAL),
    "ClassifierChain": (lambda: multioutput.ClassifierChain(LR()), SEVERAL),
    "MultiOutputRegressor": (lambda: multioutput.MultiOutputRegressor(Ridge()), SEVERAL),
    "RegressorChain": (lambda: multioutput.RegressorChain(Ridge()), SEVERAL),
    "MultiOutputRegressor in Pipeline": (
        lambda: make_pipeline(StandardScaler(), multioutput.MultiOutputRegressor(Ridge())),
        SEVERAL,
    ),
    "FixedThresholdClassifier": (lambda: model_selection.FixedThresholdClassifier(LR(), threshold=0.2), DIFFER),
    "GridSearchCV": (
        lambda: model_selection.GridSearchCV(LR(), {"C": [1.0]}, refit=False),
        "one with refit=True: the best estimator is what is released",
    ),
    "FrozenEstimator in CalibratedClassifierCV": (
        lambda: calibration.CalibratedClassifierCV(frozen()),
        "trained on the training subset: a FrozenEstimator keeps what it was fitted on before; give what it holds",
    ),
}
SINCE = {"FixedThresholdClassifier": (1, 5), "FrozenEstimator in CalibratedClassifierCV": (1, 6)}


def frozen():
    from sklearn.frozen import FrozenEstimator

    return FrozenEstimator(LR().fit(DATA["two classes"].X, DATA["two classes"].y))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_audited_is_refused_by_name(name):
    if SINCE.get(name, (0, 0)) > VERSION:
        pytest.skip(f"scikit-learn {sklearn.__version__} has no {name.split()[0]}")
    make, allowed = REFUSED[name]
    data = DATA["numbers" if "Regressor" in name and "Gradient" not in name else "two classes"]
    with pytest.raises(InputError) as error:
        list(SklearnModel(make(), task=data.task).fit_path(data.X, data.y, np.random.default_rng(0)))
    assert str(error.value) == f"estimator = '{name}': must be {allowed}"
    assert f"| `{name}` | {allowed.replace('coef_ or coefs_', '`coef_` or `coefs_`')} |" in PAGE.read_text()


def test_the_page_lists_no_other_estimators():
    rows = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted([*CASES, *REFUSED])


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("OneVsRestClassifier of LinearSVC", "LinearSVC"),
        ("OneVsRestClassifier, two classes", "LogisticRegression"),
    ],
)
def test_one_against_the_rest_is_the_same(name, same):
    found = []
    for case in (CASES[name], CASES[same]):
        data, model = modelled(case, checkpoints=3)
        path = model.fit_path(data.X, data.y, RNG)
        weights = [released_weights(GRID, model, w, model.quantizable(w), None) for w in path]
        found.append([model.losses(w, data.X, data.y) for w in weights])
    assert np.allclose(found[0], found[1], rtol=1e-6, atol=1e-7)


NESTED = {
    "search in calibration": calibration.CalibratedClassifierCV(
        model_selection.GridSearchCV(LR(), {"C": [0.1, 1.0]}, cv=model_selection.StratifiedKFold(2, shuffle=True)), cv=2
    ),
    "random search": model_selection.RandomizedSearchCV(
        make_pipeline(StandardScaler(), linear_model.SGDClassifier(tol=None, max_iter=5)),
        {"sgdclassifier__alpha": [1e-3, 1e-2, 1e-1]},
        n_iter=2,
        cv=2,
    ),
    "stacking": ensemble.StackingClassifier([("a", linear_model.Perceptron())], LR(), cv=2),
}


@pytest.mark.parametrize("name", NESTED)
def test_a_seed_gives_the_same_releases_in_any_process(name):
    data, model = DATA["two classes"], SklearnModel(NESTED[name], checkpoints=3)
    once, again = (list(model.fit_path(data.X, data.y, np.random.default_rng(7))) for _ in range(2))
    assert len(once) == len(again) > 1
    for ours, theirs in zip(once, pickle.loads(pickle.dumps(again)), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
        elsewhere = SklearnModel(NESTED[name], checkpoints=3)
        assert np.array_equal(elsewhere.losses(theirs, data.X, data.y), model.losses(ours, data.X, data.y))
    other = list(model.fit_path(data.X, data.y, np.random.default_rng(8)))
    assert any(not np.array_equal(a, b) for a, b in zip(once[-1], other[-1], strict=True))


def test_all_that_is_released_tells_releases_apart():
    """Two isotonic curves of the same coefficients are two releases."""
    data, model = modelled(CASES["CalibratedClassifierCV(method='isotonic')"], checkpoints=1)
    (whole,), (some,) = (model.fit_path(data.X, y, RNG) for y in (data.y, np.roll(data.y, 1)))
    assert whole[-3].shape == some[-3].shape == (4,)
    assert not np.array_equal(whole[-3], some[-3])


def test_class_weights_inside_are_checked():
    model = SklearnModel(make_pipeline(StandardScaler(), LR(class_weight={"no": 1, "yes": 2})))
    data = DATA["two classes"]
    with pytest.raises(InputError, match=r"^estimator: logisticregression__class_weight = .*: must be weights of 0, 1"):
        list(model.fit_path(data.X, data.y, RNG))


def test_a_class_without_points_is_named():
    data = DATA["three classes"]
    rows = data.y != 1.0
    with pytest.raises(InputError, match=r"^training subset = 'without class 1': must be one with every class"):
        list(SklearnModel(LR(), task="multiclass").fit_path(data.X[rows], data.y[rows], RNG))


@pytest.mark.parametrize(
    ("estimator", "loss", "words"),
    [
        (Ridge(), "hinge", "must be one of squared for Ridge"),
        (Ridge(), "deviance", "must be one of squared for Ridge"),
        (LR(), "squared", "must be one of log, hinge for LogisticRegression"),
    ],
)
def test_losses_belong_to_their_estimators(estimator, loss, words):
    with pytest.raises(InputError, match=words):
        SklearnModel(estimator, loss=loss)


def test_estimators_made_of_others_are_audited_by_theory():
    rng = np.random.default_rng(4)
    features = rng.normal(size=(240, 20))
    data = from_arrays(features, features @ rng.normal(size=20) + rng.logistic(size=240) > 0.0, name="wide")
    inside = make_pipeline(StandardScaler(), LR())
    searched = model_selection.GridSearchCV(inside, {"logisticregression__C": [1.0]}, cv=2)
    quantizers = [quantizer("sign")]
    result = audit(data, SklearnModel(searched, checkpoints=2), quantizers, runs=2, seed=1, draws=199)
    alone, _ = head_leak(data, SklearnModel(LR(), standardise="all"), quantizers, result.leak_rows, seed=1)
    assert np.allclose(result.leak.estimates, alone.estimates, rtol=1e-4)
    assert any(note.startswith("What the transformers of the pipeline learned") for note in result.notes)
    voting = SklearnModel(CASES["VotingClassifier(voting='soft')"].estimator)
    found, why = head_leak(data, voting, quantizers, np.arange(120))
    assert found is None
    assert why.startswith("the head is not the minimum of a penalised likelihood (fitted = 'VotingClassifier': must be")


def test_estimators_made_of_others_are_attacked():
    """The discriminator reads means over trainings, which carry no estimator."""
    model = SklearnModel(calibration.CalibratedClassifierCV(SVC, cv=2), checkpoints=1)
    game = play(DATA["two classes"], model, GRID, 60, trainings=8, shadows=6, calibrations=6, shown=8)
    report = run_attacks(game, [LossThreshold(), Discriminator()])
    assert all(np.isfinite(one.auc) for one in report.results)
