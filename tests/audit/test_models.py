"""Models against closed forms, finite differences, statsmodels and scikit-learn."""

import copy
import warnings

import numpy as np
import pytest
from sklearn import (
    linear_model,
    metrics,
    naive_bayes,
    neural_network,
    semi_supervised,
    svm,
)
from sklearn.preprocessing import StandardScaler

from qmis_stats import InputError
from qmis_stats.audit.models import MLP, Linear, Logistic, Model, SklearnModel, Softmax, TorchModel
from qmis_stats.audit.models.base import checkpoint_steps, output_losses, scaling


def final(model, data, seed=0):
    *_, last = model.fit_path(data.X, data.y, np.random.default_rng(seed))
    return last


def numerical(function, flat, step=1e-6):
    basis = step * np.eye(flat.size)
    return np.array([(function(flat + e) - function(flat - e)) / (2.0 * step) for e in basis])


def test_ridge_solves_the_normal_equations(regression):
    weights = final(Linear(alpha=3.0), regression)
    Z = StandardScaler().fit_transform(regression.X)
    t = (regression.y - regression.y.mean()) / regression.y.std()
    expected = np.linalg.solve(Z.T @ Z + 3.0 * np.eye(5), Z.T @ t)
    assert np.allclose(weights[0][0], expected, rtol=1e-10)
    other = linear_model.Ridge(alpha=3.0).fit(Z, regression.y)
    assert np.allclose(Linear().predict(weights, regression.X), other.predict(Z), rtol=1e-10)


def test_blocks_of_points_change_no_checkpoint(binary, monkeypatch):
    whole = list(Logistic(checkpoints=5).fit_path(binary.X, binary.y, np.random.default_rng(0)))
    monkeypatch.setattr("qmis_stats.audit.models.linear._CACHED", 3 * binary.columns + 1)
    parts = Logistic(checkpoints=5).fit_path(binary.X, binary.y, np.random.default_rng(0))
    for one, other in zip(whole, parts, strict=True):
        assert np.allclose(one[0], other[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 7), (7, 20)])
def test_the_step_of_the_descent_is_that_of_the_largest_eigenvalue(shape):
    rng = np.random.default_rng(1)
    Z, y = rng.normal(size=shape), rng.normal(size=shape[0])
    first = next(iter(Linear(alpha=0.0, standardise="none", checkpoints=5).fit_path(Z, y, rng)))
    gradient = Z.T @ ((y - y.mean()) / y.std()) / len(Z)
    largest = np.linalg.norm(np.column_stack([Z, np.ones(len(Z))]), 2) ** 2 / len(Z)
    step = first[0][0] / gradient
    assert np.allclose(step, step[0])
    assert largest <= 1.0 / step[0] <= 1.1 * largest * (1.0 + 1e-12)


def test_ridge_in_the_dual_is_the_same(regression):
    X, y = regression.X[:4], regression.y[:4]
    *_, last = Linear(alpha=2.0).fit_path(X, y, np.random.default_rng(0))
    other = linear_model.Ridge(alpha=2.0).fit(StandardScaler().fit_transform(X), y)
    assert np.allclose(Linear().predict(last, X), other.predict(StandardScaler().fit_transform(X)))


def test_ordinary_least_squares_agrees_with_statsmodels(regression):
    import statsmodels.api as sm

    fitted = sm.OLS(regression.y, sm.add_constant(regression.X)).fit()
    assert np.allclose(Linear().predict(final(Linear(alpha=0.0), regression), regression.X), fitted.fittedvalues)


def test_logistic_regression_agrees_with_statsmodels(binary):
    import statsmodels.api as sm

    fitted = sm.Logit(binary.y, sm.add_constant(binary.X)).fit(disp=False)
    W, b, location, scale = final(Logistic(alpha=0.0), binary)
    assert np.allclose(W[0] / scale, fitted.params[1:], atol=1e-5)
    assert b[0] - location @ (W[0] / scale) == pytest.approx(fitted.params[0], abs=1e-5)


@pytest.mark.parametrize(("kind", "name"), [(Logistic, "binary"), (Softmax, "multiclass")])
def test_penalised_classifiers_agree_with_sklearn(kind, name, request):
    data = request.getfixturevalue(name)
    model = kind(alpha=2.0)
    Z = StandardScaler().fit_transform(data.X)
    other = linear_model.LogisticRegression(C=0.5, tol=1e-10, max_iter=5000).fit(Z, data.y)
    expected = other.predict_proba(Z)
    found = model.predict(final(model, data), data.X)
    assert np.allclose(found, expected[:, 1] if name == "binary" else expected, atol=1e-5)


@pytest.mark.parametrize(("kind", "name"), [(Linear, "regression"), (Logistic, "binary"), (Softmax, "multiclass")])
def test_gradients_of_linear_heads(kind, name, request):
    data = request.getfixturevalue(name)
    model = kind()
    Z, y = data.X[:30] / data.X.std(axis=0), data.y[:30]
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(Z.shape[1], model._outputs(data.y))), rng.normal(size=model._outputs(data.y))
    half = 0.5 if name == "regression" else 1.0

    def value(flat):
        outputs = Z @ flat[: W.size].reshape(W.shape) + flat[W.size :]
        return half * output_losses(outputs, y, data.task).mean() + 0.15 * np.sum(flat[: W.size] ** 2)

    dW, db = model._gradient(Z, y, W, b, 0.3)
    flat = np.concatenate([W.ravel(), b])
    assert np.allclose(np.concatenate([dW.ravel(), db]), numerical(value, flat), atol=1e-6)


@pytest.mark.parametrize("hidden", [(5,), (4, 3)])
@pytest.mark.parametrize("name", ["regression", "binary", "multiclass"])
def test_gradients_of_perceptrons(hidden, name, request):
    data = request.getfixturevalue(name)
    model = MLP(data.task, hidden=hidden)
    Z, y = data.X[:25] / data.X.std(axis=0), data.y[:25]
    rng = np.random.default_rng(1)
    start = model._start(Z.shape[1], 3 if name == "multiclass" else 1, rng)
    parameters = [p + 0.1 * rng.normal(size=p.shape) for p in start]
    splits = np.cumsum([p.size for p in parameters])[:-1]

    def value(flat):
        shaped = [part.reshape(p.shape) for part, p in zip(np.split(flat, splits), parameters, strict=True)]
        return model.value_and_gradient(shaped, Z, y, 0.2)[0]

    _, gradient = model.value_and_gradient(parameters, Z, y, 0.2)
    flat = np.concatenate([p.ravel() for p in parameters])
    assert np.allclose(np.concatenate([g.ravel() for g in gradient]), numerical(value, flat), atol=1e-5)


@pytest.mark.parametrize("batch", [None, 16])
@pytest.mark.parametrize(("kind", "name"), [(Linear, "regression"), (Logistic, "binary"), (Softmax, "multiclass")])
def test_paths_of_linear_heads(kind, name, batch, request):
    data = request.getfixturevalue(name)
    model = kind(batch=batch, checkpoints=8, iterations=100)
    path = list(model.fit_path(data.X, data.y, np.random.default_rng(5)))
    again = list(model.fit_path(data.X, data.y, np.random.default_rng(5)))
    assert all(np.array_equal(a, b) for w, v in zip(path, again, strict=True) for a, b in zip(w, v, strict=True))
    assert len(path) == 8
    means = [model.losses(weights, data.X, data.y).mean() for weights in path]
    assert means[-1] <= means[0]
    best = model.losses(final(kind(), data), data.X, data.y).mean()
    assert means[-1] == pytest.approx(best, rel=0.02)
    assert isinstance(model, Model)
    assert model.quantizable(path[0])[:2] == (True, False)


def test_a_single_checkpoint_is_the_final_one(regression):
    one = list(Linear(checkpoints=1).fit_path(regression.X, regression.y, np.random.default_rng(0)))
    assert len(one) == 1
    assert np.array_equal(one[0][0], final(Linear(), regression)[0])
    assert checkpoint_steps(7, 1) == [7]
    assert checkpoint_steps(3, 20) == [1, 2, 3]


@pytest.mark.parametrize("name", ["regression", "binary", "multiclass"])
def test_losses_agree_with_sklearn(name, request):
    data = request.getfixturevalue(name)
    model = MLP(data.task, hidden=(8, 6), epochs=10)
    weights = final(model, data)
    losses, prediction = model.losses(weights, data.X, data.y), model.predict(weights, data.X)
    assert losses.shape == data.y.shape
    if name == "regression":
        assert losses.mean() == pytest.approx(metrics.mean_squared_error(data.y, prediction))
    else:
        assert losses.mean() == pytest.approx(metrics.log_loss(data.y, prediction))


def test_features_of_zeros_and_ones_are_not_standardised():
    X = np.column_stack([[0.0, 1.0, 1.0, 1.0], [2.0, 4.0, 6.0, 8.0], [3.0, 3.0, 3.0, 3.0]])
    location, scale = scaling(X, "auto")
    assert location.tolist() == [0.0, 5.0, 3.0]
    assert scale.tolist() == [1.0, np.std(X[:, 1]), 1.0]
    assert scaling(X, "all")[0][0] == 0.75
    assert scaling(X, "none")[1].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Linear(alpha=-1.0),
        lambda: Linear(checkpoints=0),
        lambda: Logistic(standardise="some"),
        lambda: MLP("binary", hidden=(3, 3, 3)),
        lambda: MLP("binary", hidden=(0,)),
        lambda: MLP("ranking"),
        lambda: MLP("binary", learning_rate=0.0),
        lambda: SklearnModel(linear_model.Ridge),
        lambda: SklearnModel(StandardScaler()),
        lambda: SklearnModel(object()),
        lambda: SklearnModel(semi_supervised.SelfTrainingClassifier(None)),
        lambda: SklearnModel(linear_model.Ridge(), task="binary"),
        lambda: SklearnModel(linear_model.LogisticRegression(), loss="exponential"),
    ],
)
def test_settings_are_checked(make):
    with pytest.raises(InputError):
        make()


SKLEARN = [
    (linear_model.Ridge(), "regression", "regularisation"),
    (linear_model.LinearRegression(), "regression", "growing"),
    (linear_model.Lasso(alpha=0.1), "regression", "max_iter"),
    (linear_model.SGDRegressor(), "regression", "partial_fit"),
    (svm.SVR(kernel="linear"), "regression", "regularisation"),
    (neural_network.MLPRegressor(hidden_layer_sizes=(6,), max_iter=40), "regression", "partial_fit"),
    (linear_model.LogisticRegression(), "binary", "max_iter"),
    (linear_model.SGDClassifier(loss="log_loss"), "binary", "partial_fit"),
    (svm.LinearSVC(dual="auto"), "binary", "max_iter"),
    (neural_network.MLPRegressor(hidden_layer_sizes=(6,), early_stopping=True, max_iter=30), "regression", "max_iter"),
    (neural_network.MLPClassifier((6,), early_stopping=True, max_iter=30), "binary", "max_iter"),
    (linear_model.SGDClassifier(loss="log_loss", early_stopping=True), "binary", "max_iter"),
    (linear_model.SGDClassifier(loss="log_loss", class_weight="balanced"), "binary", "max_iter"),
    (linear_model.LogisticRegression(class_weight={0: 1.0, 1: 1.1}), "binary", "max_iter"),
    (linear_model.HuberRegressor(), "regression", "max_iter"),
    (neural_network.MLPClassifier((5, 4), activation="tanh", max_iter=30), "binary", "partial_fit"),
    (linear_model.LogisticRegression(), "multiclass", "max_iter"),
    (linear_model.RidgeClassifier(), "multiclass", "regularisation"),
    (neural_network.MLPClassifier((6,), max_iter=30), "multiclass", "partial_fit"),
]


@pytest.mark.grid(2)
@pytest.mark.parametrize(
    ("estimator", "name", "path"), SKLEARN, ids=[f"{type(e).__name__}-{name}" for e, name, _ in SKLEARN]
)
def test_sklearn_estimators(estimator, name, path, request):
    data = request.getfixturevalue(name)
    model = SklearnModel(estimator, task=data.task, checkpoints=5, epochs=20)
    before = copy.deepcopy(vars(estimator))
    weights = list(model.fit_path(data.X, data.y, np.random.default_rng(0)))
    assert str(vars(estimator)) == str(before)
    assert model.path == path
    assert 3 <= len(weights) <= 5
    losses = [model.losses(w, data.X, data.y) for w in weights]
    assert all(np.isfinite(values).all() for values in losses)
    assert losses[-1].mean() <= losses[0].mean() * 1.05
    assert all(w[0].shape[1] == data.columns for w in weights)
    again = list(model.fit_path(data.X, data.y, np.random.default_rng(0)))
    assert all(np.array_equal(a, b) for w, v in zip(weights, again, strict=True) for a, b in zip(w, v, strict=True))


def test_the_last_checkpoint_is_what_fit_returns(binary):
    Z = StandardScaler().fit_transform(binary.X)
    model = SklearnModel(linear_model.LogisticRegression(C=0.3))
    found = model.predict(final(model, binary), binary.X)
    assert np.allclose(found, linear_model.LogisticRegression(C=0.3).fit(Z, binary.y).predict_proba(Z)[:, 1])


def test_hinge_loss_agrees_with_sklearn(binary):
    model = SklearnModel(svm.LinearSVC(dual="auto"))
    weights = final(model, binary)
    assert model.loss == "hinge"
    expected = metrics.hinge_loss(binary.y, model._scores(weights, binary.X)[:, 0])
    assert model.losses(weights, binary.X, binary.y).mean() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("estimator", "task"),
    [
        (svm.SVC(), "binary"),
        (svm.SVC(kernel="linear"), "multiclass"),
    ],
)
def test_what_is_not_linear_in_its_coefficients_is_refused(estimator, task, binary, multiclass):
    data = {"binary": binary, "multiclass": multiclass}[task]
    with pytest.raises(InputError):
        list(SklearnModel(estimator, task=task, checkpoints=1).fit_path(data.X, data.y, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("estimator", "name", "words"),
    [
        (linear_model.LogisticRegression(class_weight={"no": 1, "yes": 3}), "binary", "weights of 0, 1: classes are"),
        (linear_model.SGDClassifier(class_weight={-1: 1, 1: 3}), "binary", "weights of 0, 1: classes are numbered"),
        (naive_bayes.GaussianNB(), "binary", "coef_ or coefs_ after fit"),
        (linear_model.Ridge(alpha=-1.0), "regression", "'alpha' parameter of Ridge must be"),
        (linear_model.PoissonRegressor(), "regression", "can be fitted to a training subset"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_sklearn_refusals_are_one_line(estimator, name, words, request):
    data = request.getfixturevalue(name)
    y = data.y if name == "binary" else data.y - data.y.max()
    with pytest.raises(InputError, match=words) as error:
        list(SklearnModel(estimator, task=data.task).fit_path(data.X, y, np.random.default_rng(0)))
    assert "\n" not in str(error.value)


@pytest.fixture
def torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch", reason="PyTorch modules need the extra 'torch'")


def trained(module, X, y, rng):
    import torch

    optimiser = torch.optim.SGD(module.parameters(), lr=0.05)
    features, target = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    for _ in range(6):
        order = torch.randperm(len(features))
        optimiser.zero_grad()
        functional = torch.nn.functional
        functional.binary_cross_entropy_with_logits(module(features[order])[:, 0], target[order]).backward()
        optimiser.step()
        yield


def squared(output, y):
    return (output[:, 0] - y) ** 2


def mean_output(output, _):
    return output.mean()


def network(torch):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(5, 1)
    )


def test_torch_modules_are_never_changed(torch, binary):
    module = network(torch)
    before = copy.deepcopy(module.state_dict())
    model = TorchModel(module, trained, task="binary")
    outside = torch.random.get_rng_state()
    path = list(model.fit_path(binary.X, binary.y, np.random.default_rng(1)))
    again = list(model.fit_path(binary.X, binary.y, np.random.default_rng(1)))
    assert torch.equal(torch.random.get_rng_state(), outside)
    assert all(np.array_equal(a, b) for w, v in zip(path, again, strict=True) for a, b in zip(w, v, strict=True))
    mask = model.quantizable(path[0])
    assert [n for n, use in zip(module.state_dict(), mask, strict=True) if use] == ["0.weight", "4.weight"]
    signs = tuple(np.sign(w) if use else w for w, use in zip(path[-1], mask, strict=True))
    losses, chance = model.losses(signs, binary.X, binary.y), model.predict(signs, binary.X)
    assert losses.mean() == pytest.approx(metrics.log_loss(binary.y, chance), rel=1e-5)
    assert np.array_equal(model.losses(signs, binary.X, binary.y), losses)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_torch_state_dicts(torch, binary):
    module = network(torch)
    states = [copy.deepcopy(module.state_dict()), network(torch).state_dict()]
    model = TorchModel(module, states, task="binary", quantize=["0.weight"], loss=squared)
    assert model.trained_elsewhere
    weights = list(model.fit_path(binary.X, binary.y, np.random.default_rng(0)))
    assert len(weights) == 2
    assert model.losses(weights[0], binary.X, binary.y).shape == (240,)
    for options, match in (({"quantize": ["bias"]}, "names of parameters"), ({"quantize": []}, "at least one")):
        with pytest.raises(InputError, match=match):
            TorchModel(module, states, task="binary", **options)
    with pytest.raises(InputError, match="entries are missing"):
        list(TorchModel(module, [{}], task="binary").fit_path(binary.X, binary.y, np.random.default_rng(0)))
    bad = TorchModel(module, states, task="binary", loss=mean_output)
    with pytest.raises(InputError, match="one number per point"):
        bad.losses(weights[0], binary.X, binary.y)
    with pytest.raises(InputError, match=r"torch\.nn\.Module"):
        TorchModel(object(), states, task="binary")
