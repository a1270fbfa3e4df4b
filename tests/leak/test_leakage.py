"""The public verb: what goes in, what comes out, and that it is what an attack achieves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qmis_kernels import exposure_bins
from qmis_stats import leakage
from qmis_stats.errors import DomainError, InputError
from qmis_stats.leak import fit_from
from qmis_stats.leak.domain import repeated_rows
from qmis_stats.leak.game import Game
from qmis_stats.leak.law import exposures
from qmis_stats.leak.leave_one_out import leave_one_out
from qmis_stats.leak.posterior import points_of
from qmis_stats.leak.retained import read_out, retained, scatter
from qmis_stats.leak.signal import Directions
from qmis_stats.leak.sources import fit_of
from qmis_stats.quantizers import quantizer

NAMES = ["sign", "sparse-33", "uniform-4"]


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 40))
    return X, X @ rng.normal(size=40) / np.sqrt(40.0) + rng.normal(size=300)


def classes(data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return (np.random.default_rng(4).random(300) < expit(data[1])) * 1.0


def test_every_source_gives_the_fit_of_its_arrays(data) -> None:
    import statsmodels.api as sm

    X, y = data
    c, counts = classes(data), np.random.default_rng(5).poisson(np.exp(0.3 * y)) * 1.0
    cases = [
        (LinearRegression().fit(X, y), y, "squared", 0.0),
        (Ridge(alpha=3.0).fit(X, y), y, "squared", 3.0),
        (Ridge(alpha=3.0, fit_intercept=False).fit(X, y), y, "squared", 3.0),
        (LogisticRegression(C=0.5, tol=1e-10, max_iter=2000).fit(X, c), c, "logistic", 2.0),
        (PoissonRegressor(alpha=0.01, tol=1e-10, max_iter=2000).fit(X, counts), counts, "poisson", 3.0),
    ]
    for model, target, loss, penalty in cases:
        fit = fit_of(model, X, target)
        assert (fit.loss.name, fit.penalty[0]) == (loss, penalty)
        np.testing.assert_allclose(fit.weights[0], model.coef_.ravel(), atol=1e-4)
        assert (fit.intercept is None) == (not model.fit_intercept)
    design = sm.add_constant(X)
    for results, target, loss in (
        (sm.OLS(y, design).fit(), y, "squared"),
        (sm.GLM(c, design, family=sm.families.Binomial()).fit(), c, "logistic"),
        (sm.GLM(counts, design, family=sm.families.Poisson()).fit(), counts, "poisson"),
    ):
        fit = fit_of(results)
        assert fit.loss.name == loss
        np.testing.assert_allclose(fit.weights[0], results.params[1:], atol=1e-4)
        np.testing.assert_array_equal(fit.y, target)


@pytest.mark.long
def test_classes_by_any_label_and_several_classes(data) -> None:
    X, y = data
    words = np.where(classes(data) > 0.0, "yes", "no")
    model = LogisticRegression(tol=1e-9, max_iter=2000).fit(X, words)
    assert fit_of(model, X, words).loss.name == "logistic"
    three = np.digitize(y, [-0.7, 0.7])
    model = LogisticRegression(tol=1e-9, max_iter=2000).fit(X, three)
    found = leakage(model, ["sign"], X=X, y=three)
    assert found.weights == 120
    assert 0.0 < found.delta[0] < found.delta[1] < 1.0


@pytest.mark.long
def test_two_classes_by_softmax_leak_what_the_logistic_fit_leaks(data) -> None:
    """The two parametrisations of one model, each weight of two classes half of the logistic one."""
    X, _ = data
    c = classes(data)
    model = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-11, max_iter=5000).fit(X, c)
    half = 0.5 * np.vstack([-model.coef_, model.coef_])
    one = leakage(model, ["uniform-8"], X=X, y=c)
    two = leakage(fit_from(X, c, half, "softmax", 4.0), ["uniform-8"])
    np.testing.assert_allclose(two.delta[1], one.delta[1], rtol=0.06)
    np.testing.assert_allclose(two.auc[1], one.auc[1], atol=0.008)


def test_both_sides_of_the_likelihood_ratio_of_several_classes_tell_the_same() -> None:
    """E_in (1 − 1/Λ)₊ and E_out (1 − Λ)₊ are both the total variation."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(200, 40))
    y = np.argmax(X @ rng.normal(size=(40, 3)) / 4.0 + rng.gumbel(size=(200, 3)), axis=1)
    fit = fit_of(LogisticRegression(tol=1e-9, max_iter=2000).fit(X, y), X, y)
    found = leave_one_out(fit)
    spread = scatter(fit, found)
    reading = read_out(spread, retained(fit, spread, [quantizer("sign")])[0])
    signal = Directions.of(fit, spread, found).signal(reading)
    law = exposures(fit, points_of(fit, found, Game()), [signal], np.zeros(200, dtype=np.int64))
    edges = exposure_bins()
    middle = 0.5 * (edges[1:] + edges[:-1])
    outside = np.sum(law.non_members[0, 0] * np.maximum(-np.expm1(middle), 0.0)) / law.non_members.sum()
    assert outside == pytest.approx(law.exposure.mean(), abs=0.01)


def test_the_order_of_arrays_in_memory_is_nothing_to_a_fit(data) -> None:
    X, y = data
    model = Ridge(alpha=1.0).fit(X, y)
    one, two = (leakage(model, NAMES, X=array, y=y) for array in (X, np.asfortranarray(X)))
    np.testing.assert_allclose(two.estimates, one.estimates, rtol=1e-6)
    assert repeated_rows(np.asfortranarray([[1.0, 2.0], [-0.0, 3.0], [0.0, 3.0]]), np.zeros(3)) == pytest.approx(1 / 3)


def test_pipelines_and_stochastic_gradients(data) -> None:
    X, y = data
    model = make_pipeline(StandardScaler(), Ridge(alpha=2.0)).fit(X, y)
    assert fit_of(model, X, y).X.std(axis=0) == pytest.approx(np.ones(40))
    c = classes(data)
    noisy = SGDClassifier(loss="log_loss", alpha=0.01, random_state=0).fit(X, c)
    fit = fit_of(noisy, X, c)
    assert "exact fit" in fit.notes[0]


def test_what_comes_out(data) -> None:
    X, y = data
    found = leakage(Ridge(alpha=1.0).fit(X, y), NAMES, X=X, y=y)
    frame = found.to_frame()
    assert list(frame.index) == [*NAMES, "identity"]
    assert (frame["delta_low"] <= frame["delta"]).all()
    assert (frame["delta"] <= frame["delta_high"]).all()
    assert (frame["auc"] > 0.5).all()
    np.testing.assert_allclose(found.mis, 1.0 - found.delta)
    assert found.conf_int(0.99)[0, 0] < found.conf_int(0.9)[0, 0]
    assert list(found.in_domain) == [True] * 4
    records = found.records()
    assert len(records) == 300 * 4
    assert records["exposure"].between(0.0, 1.0).all()
    np.testing.assert_allclose(records.groupby("quantizer")["exposure"].mean()[frame.index], frame["delta"])
    gaps = found.differences()
    assert gaps.loc[("sign", "identity"), "high"] < 0.0
    assert found.ranking().names == tuple(NAMES)
    assert found.rank_sets().shape == (3, 2)
    assert "sign" in found.summary()
    assert "<table" in found._repr_html_()
    from matplotlib.figure import Figure

    assert len(found.plot(Figure().add_subplot()).get_yticklabels()) == 4


def test_a_quantizer_and_its_copy_are_not_told_apart(data) -> None:
    """Scaled and plain signs have the same codes, and so the same leak; their difference is zero with error zero."""
    X, y = data
    found = leakage(Ridge(alpha=1.0).fit(X, y), ["sign", "sign-scaled"], X=X, y=y)
    gap = found.differences().loc[("sign", "sign-scaled")]
    assert gap["difference"] == pytest.approx(0.0, abs=1e-12)
    assert gap["std_error"] == pytest.approx(0.0, abs=1e-9)


def test_a_pool_leaks_more_than_a_population(data) -> None:
    X, y = data
    model = Ridge(alpha=1.0).fit(X, y)
    fresh, pool = (leakage(model, ["sign"], X=X, y=y, **game) for game in ({}, {"game": "pool", "fraction": 0.5}))
    assert (pool.delta > fresh.delta).all()


def test_codes_retain_less_within_a_pool(data) -> None:
    """Fits vary less there, so that fewer weights are near a threshold by their standard errors."""
    X, y = data
    model = Ridge(alpha=1.0).fit(X, y)
    fresh, pool = (leakage(model, NAMES, X=X, y=y, **game) for game in ({}, {"game": "pool", "fraction": 0.5}))
    assert (pool.retained[:2] < 0.9 * fresh.retained[:2]).all()
    assert pool.retained[-1] == pytest.approx(1.0)


def test_quantizers_of_the_user(data) -> None:
    class Coarse:
        name = "coarse"

        def quantize(self, weights):
            return np.round(np.asarray(weights), 1)

    class Broken(Coarse):
        name = "broken"

        def quantize(self, weights):
            raise RuntimeError("no")

    X, y = data
    model = Ridge(alpha=1.0).fit(X, y)
    found = leakage(model, [Coarse(), "sign"], X=X, y=y)
    assert 0.3 < found.retained[0] <= 1.0
    with pytest.raises(InputError, match=r"^quantizer 'broken' on weights of shape \(.*\) raised RuntimeError: no$"):
        leakage(model, [Broken()], X=X, y=y)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"quantizers": "sign"}, "quantizers = 'sign'"),
        ({"quantizers": ["sign", "sign"]}, "of different names"),
        ({"quantizers": ["nothing"]}, "quantizer = 'nothing'"),
        ({"game": "pool"}, "fraction = 0.0"),
        ({"game": "lottery"}, "game = 'lottery'"),
        ({"level": 95}, "level"),
        ({"X": None}, "X = None"),
        ({"groups": [1, 2]}, "groups"),
    ],
)
def test_bad_arguments_get_one_line(data, keywords: dict, message: str) -> None:
    X, y = data
    with pytest.raises(InputError, match=message) as caught:
        leakage(Ridge(alpha=1.0).fit(X, y), **({"X": X, "y": y} | keywords))
    assert "\n" not in str(caught.value)


def test_features_that_are_all_zero_are_refused() -> None:
    """Weights of them do not vary; the matrices of three classes had no factor."""
    X, y = np.zeros((60, 1)), np.arange(60) % 3
    with pytest.raises(InputError, match=r"^X = 'all zero': must be features of which some are not$"):
        leakage(LogisticRegression().fit(X, y), [], X=X, y=y)


def test_models_of_another_kind_are_refused_by_name(data) -> None:
    X, y = data
    with pytest.raises(InputError, match="fitted = 'Lasso'"):
        leakage(Lasso().fit(X, y), X=X, y=y)
    with pytest.raises(InputError, match=r"fitted = 'Ridge': must be fitted"):
        leakage(Ridge(), X=X, y=y)
    c = classes(data)
    weighted = LogisticRegression(class_weight="balanced").fit(X, c)
    with pytest.raises(InputError, match="class_weight"):
        leakage(weighted, X=X, y=c)
    with pytest.raises(DomainError, match=r"320 weights without a penalty"):
        leakage(LinearRegression().fit(np.tile(X, 8), y), X=np.tile(X, 8), y=y)


def test_outside_of_the_domain_it_says_so(data) -> None:
    X, y = data
    few = leakage(LinearRegression().fit(X[:, :3], y), ["sign"], X=X[:, :3], y=y)
    assert not any(few.in_domain)
    assert any("directions" in line for line in few.remarks())
    twice = np.tile(X, (2, 1))
    again = leakage(Ridge(alpha=1.0).fit(twice, np.tile(y, 2)), ["sign"], X=twice, y=np.tile(y, 2))
    assert any("repeat another" in line for line in again.remarks())
    assert repeated_rows(twice, np.tile(y, 2)) == 0.5


class FirstAsItIs:
    """The first weight to all digits, and of the others which of many cells in turn they are in."""

    name = "first as it is"

    def quantize(self, weights: np.ndarray) -> np.ndarray:
        return np.append(weights[:1], np.sign(np.sin(45.0 * weights[1:])))


def test_a_weight_that_carries_most_of_what_codes_tell_is_outside_of_the_domain():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 60))
    y = X @ rng.normal(size=60) + rng.normal(size=400)
    found = leakage(LinearRegression().fit(X, y), [FirstAsItIs()], X=X, y=y)
    assert found.in_domain == (False, True)
    assert any("one weight carries" in line for line in found.remarks())


@pytest.mark.parametrize("game", ["population", "pool"])
def test_blocks_of_rows_change_nothing(data, game, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = data[0], classes(data)
    fit = fit_of(LogisticRegression(C=0.5, tol=1e-10, max_iter=2000).fit(X, y), X, y)
    drawn = {} if game == "population" else {"fraction": 0.5}
    whole = leakage(fit, ["sign"], game=game, **drawn)
    monkeypatch.setattr("qmis_stats.leak.fits._BLOCK", 77)
    parts = leakage(fit, ["sign"], game=game, **drawn)
    assert np.allclose(parts.estimates, whole.estimates, rtol=1e-7, atol=0.0)
    assert np.allclose(parts.exposure, whole.exposure, rtol=1e-6, atol=1e-9)


@pytest.mark.statistical
def test_one_fit_predicts_the_attack() -> None:
    """Least squares with d/n = 1/2: the area that the attack of S16 has over training sets.

    The attack knows the law: it measures, S17 does not enter. A prediction that forgets what the signs hide fails.
    """
    d, n, runs, shown = 64, 128, 400, 16
    rng = np.random.default_rng(8)
    beta = rng.normal(size=d) / np.sqrt(d)
    kappa = d / (n - d - 1.0)
    error = np.sqrt(1.0 / (n - d - 1.0))
    centroid = np.exp(-0.5 * (beta / error) ** 2) / np.sqrt(2.0 * np.pi)
    from scipy.special import ndtr

    up, down = error * centroid / ndtr(beta / error), -error * centroid / ndtr(-beta / error)
    rho = float(np.mean(centroid**2 / (ndtr(beta / error) * ndtr(-beta / error))))
    inside = np.linalg.inv([[1.0, rho * d / n], [rho * d / n, rho**2 * d / n + rho * (1.0 - rho) * kappa]])
    outside = np.diag([1.0, 1.0 / (rho * kappa)])
    areas, predicted, unread = [], [], []
    for r in range(runs):
        X = rng.normal(size=(n, d))
        noise = rng.normal(size=n)
        theta = beta + np.linalg.lstsq(X, noise)[0]
        read = np.where(theta > 0.0, up, down)
        fresh, other = rng.normal(size=(shown, d)), rng.normal(size=shown)
        scores = []
        for points, residuals in ((X[:shown], noise[:shown]), (fresh, other)):
            pair = np.column_stack([residuals, points @ read])
            scores.append(0.5 * np.einsum("ij,jk,ik->i", pair, outside - inside, pair))
        areas.append(np.mean(scores[0][:, None] > scores[1]))
        if r < 8:
            found = leakage(fit_from(X, X @ beta + noise, theta, "squared"), ["sign"])
            predicted.append(found.auc[0])
            unread.append(found.auc[1])
    spread = np.hypot(np.std(areas) / np.sqrt(runs), np.std(predicted) / np.sqrt(8))
    assert abs(np.mean(areas) - np.mean(predicted)) < 6.0 * spread
    assert np.mean(unread) - np.mean(areas) > 6.0 * spread


def test_many_features_and_few_give_the_same_by_other_algebra(data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Averages over probes stand for traces where matrices are large; many points share the ratio of directions."""
    from qmis_stats.leak import retained

    X, y = data
    model = Ridge(alpha=1.0).fit(X, y)
    usual = leakage(model, NAMES, X=X, y=y)
    for name, value in (("_DENSE", 10), ("MANY", 100)):
        monkeypatch.setattr(retained, name, value)
        other = leakage(model, NAMES, X=X, y=y)
        np.testing.assert_allclose(other.delta, usual.delta, rtol=0.04)
        np.testing.assert_allclose(other.retained, usual.retained, atol=0.02)
        monkeypatch.undo()


def test_a_quantizer_that_tells_nothing_leaks_nothing(data) -> None:
    class Constant:
        name = "constant"

        def quantize(self, weights):
            return np.zeros(np.shape(weights))

    X, y = data
    found = leakage(Ridge(alpha=1.0, fit_intercept=False).fit(X, y), [Constant()], X=X, y=y)
    assert found.delta[0] == pytest.approx(0.0, abs=1e-3)
    assert found.auc[0] == pytest.approx(0.5, abs=1e-3)


def test_exact_weights_give_a_small_pool_away() -> None:
    """As many features as the pool has points: the score equations are solved for each point's coefficient."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(60, 130))
    y = X[:, :10].sum(axis=1) + rng.normal(size=60)
    fit = fit_of(Ridge(alpha=20.0).fit(X, y), X, y)
    found = leakage(fit, ["sign"], game="pool", fraction=0.5)
    assert "read off exactly" in " ".join(found.reasons[-1])
    assert "read off exactly" not in " ".join(found.reasons[0])
    for other in (leakage(fit, ["sign"]), leakage(fit, ["sign"], game="pool", fraction=0.4)):
        assert "read off exactly" not in " ".join(other.reasons[-1])
    # It is so: the coefficients of members are their residuals, those of the others are zero.
    pool = np.vstack([X, rng.normal(size=(60, 130))])
    centred = X - X.mean(axis=0)
    theta = np.linalg.solve(centred.T @ centred + 20.0 * np.eye(130), centred.T @ (y - y.mean()))
    coefficients = np.linalg.lstsq(np.vstack([pool - X.mean(axis=0)]).T, theta)[0]
    assert np.abs(coefficients[:60]).min() > 1e3 * np.abs(coefficients[60:]).max()


@pytest.mark.long
@pytest.mark.parametrize(("n", "inside"), [(800, True), (120, False)])
def test_several_classes_say_where_members_are_not_normal(n: int, inside: bool) -> None:
    rng = np.random.default_rng(12)
    d = 40
    X = rng.normal(size=(n, d))
    y = np.argmax(X @ rng.normal(size=(d, 3)) / 4.0 + rng.gumbel(size=(n, 3)), axis=1)
    found = leakage(LogisticRegression(C=1.0, tol=1e-8, max_iter=2000).fit(X, y), ["sign"], X=X, y=y)
    assert ("with several classes" not in " ".join(found.reasons[-1])) == inside


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_cross_validation_chose_and_tweedie_with_a_canonical_link_are_taken_as_they_are() -> None:
    from sklearn.linear_model import LogisticRegressionCV, PoissonRegressor, TweedieRegressor

    rng = np.random.default_rng(4)
    X = rng.normal(size=(120, 5))
    labels = (X[:, 0] + rng.logistic(size=120) > 0.0).astype(float)
    searched = LogisticRegressionCV(Cs=[0.1, 1.0], cv=3, tol=1e-9, max_iter=5000).fit(X, labels)
    plain = LogisticRegression(C=float(np.ravel(searched.C_)[0]), tol=1e-9, max_iter=5000).fit(X, labels)
    assert fit_of(searched, X, labels).penalty == pytest.approx(fit_of(plain, X, labels).penalty)
    counts = rng.poisson(np.exp(0.3 * X[:, 0])).astype(float)
    tweedie = TweedieRegressor(power=1, alpha=0.1, tol=1e-9, max_iter=5000).fit(X, counts)
    poisson = PoissonRegressor(alpha=0.1, tol=1e-9, max_iter=5000).fit(X, counts)
    assert fit_of(tweedie, X, counts).weights == pytest.approx(fit_of(poisson, X, counts).weights, abs=1e-5)
    with pytest.raises(InputError, match="fitted = 'TweedieRegressor'"):
        fit_of(TweedieRegressor(power=1.5, alpha=0.1).fit(X, counts), X, counts)
