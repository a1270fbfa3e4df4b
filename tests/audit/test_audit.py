"""The algorithm as a whole: split, runs, codewords, ranking, performance, store."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn import metrics
from sklearn.neural_network import MLPClassifier, MLPRegressor

from qmis_stats import InputError, rank
from qmis_stats.audit.algorithm import audit, head_for
from qmis_stats.audit.answer import answer
from qmis_stats.audit.audit_page import report_html
from qmis_stats.audit.codewords import Codewords
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.models import MLP, Linear, Logistic, SklearnModel, Softmax, TorchModel
from qmis_stats.audit.performance import measure, scores
from qmis_stats.audit.splits import held_out, subset
from qmis_stats.audit.training_run import Visited, _Keeper, generator, merged
from tests.audit.grids import Grid, ScaledSign

QUANTIZERS = (Grid(0.5), Grid(0.1), ScaledSign())


def same(first, second):
    assert first.ranking.names == second.ranking.names
    assert np.array_equal(first.ranking.params, second.ranking.params)
    assert np.array_equal(first.scores.values, second.scores.values)
    for name, visited in first.visited.items():
        assert np.array_equal(visited.losses, second.visited[name].losses)
    left, right = first.to_dict(), second.to_dict()
    for entry in (left, right):
        del entry["wall_seconds"]
    assert left == right


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("binary", Logistic),
        pytest.param("multiclass", Softmax, marks=pytest.mark.long),
        pytest.param("regression", Linear, marks=pytest.mark.long),
    ],
)
def test_an_audit(name, head, request):
    data = request.getfixturevalue(name)
    model = head_for(data)
    assert type(model) is head
    result = audit(data, model, QUANTIZERS, runs=3, seed=1)
    assert result.metric == {"binary": "auroc", "multiclass": "accuracy", "regression": "r2"}[name]
    frame = result.to_frame()
    assert sorted(frame.index) == sorted([*(q.name for q in QUANTIZERS), "identity"])
    assert frame.index[-1] == "identity"
    assert frame.loc["identity", f"{result.metric}_price"] == 0.0
    assert {"rank", "estimate", "bits", "seen", "candidates"} <= set(frame)
    losses = {q: visited.losses for q, visited in result.visited.items() if q in result.ranking.names}
    assert np.array_equal(rank(losses, seed=1).params, result.ranking.params)
    assert "Not dominated" in str(result.summary())
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["dataset"] == name
    assert result.run_indicators().shape == (3, 4)
    assert set(result.pareto()) <= {q.name for q in QUANTIZERS}
    assert result.performance.shape[0] == 4


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_checkpoints_that_agree_to_rounding_are_one_codeword(kind, binary, regression):
    """In full batches the last epoch of the path is the final fit, summed in another order."""
    data = binary if kind is MLPClassifier else regression
    model = SklearnModel(kind(hidden_layer_sizes=(8,), max_iter=50), task=data.task)
    result = audit(data, model, QUANTIZERS, runs=2, n=60, seed=1, draws=199)
    visited = result.visited["identity"]
    assert len(visited.losses) == len(visited.marks) == len(visited.seen) == 2 * 9
    assert not any("smallest mean loss" in note for note in result.notes)


def test_losses_that_agree_to_rounding():
    a = np.array([1.0, 2.0, 0.0])
    rows = {b"a": a, b"far": a + 1e-9, b"near": a * (1 + 1e-14), b"same": a.copy(), b"nearer": a * (1 - 1e-15)}
    part = Visited(np.array(list(rows.values())), np.array(list(rows)), np.array(list(rows)), a)
    found = merged([part], 10)
    assert found.marks.tolist() == found.seen.tolist() == [b"a", b"far", b"same"]


def test_members_are_never_evaluated(binary):
    seen = []

    class Spy(Logistic):
        def fit_path(self, X, y, rng):
            seen.append({row.tobytes() for row in X})
            yield from super().fit_path(X, y, rng)

        def losses(self, weights, X, y):
            assert not {row.tobytes() for row in X} & seen[-1]
            return super().losses(weights, X, y)

    audit(binary, Spy(checkpoints=3), QUANTIZERS, runs=2)
    assert len(seen) == 2
    assert seen[0] != seen[1]


@pytest.mark.parametrize("subsets", ["bootstrap", "disjoint"])
def test_jobs_do_not_change_a_number(binary, subsets):
    model = MLP("binary", hidden=(6,), epochs=8, checkpoints=4)
    options = {"runs": 4, "seed": 3, "subsets": subsets, "draws": 199}
    same(audit(binary, model, QUANTIZERS, **options), audit(binary, model, QUANTIZERS, jobs=2, **options))


class CrashError(RuntimeError):
    pass


class Fragile(Logistic):
    """Fails in its fourth training, unless mended: the first is begun to find the shapes of the weights."""

    count = 0
    mended = False

    def fit_path(self, X, y, rng):
        Fragile.count += 1
        for step, weights in enumerate(super().fit_path(X, y, rng)):
            if Fragile.count == 4 and step == 2 and not Fragile.mended:
                raise CrashError("power is off")
            yield weights


def test_an_interrupted_audit_goes_on(binary, tmp_path):
    model, options = Fragile(checkpoints=4), {"runs": 4, "seed": 5, "draws": 199}
    Fragile.count, Fragile.mended = 0, False
    with pytest.raises(InputError, match="fit_path of model Fragile raised CrashError: power is off") as caught:
        audit(binary, model, QUANTIZERS, store=tmp_path / "store", **options)
    assert isinstance(caught.value.__cause__, CrashError)
    assert len(list((tmp_path / "store").glob("run-*.json"))) == 2
    Fragile.count, Fragile.mended = 0, True
    resumed = audit(binary, model, QUANTIZERS, store=tmp_path / "store", **options)
    assert Fragile.count == 3
    Fragile.count = 0
    assert audit(binary, model, QUANTIZERS, store=tmp_path / "store", **options).runs[3].seconds > 0.0
    assert Fragile.count == 1
    same(resumed, audit(binary, model, QUANTIZERS, **options))
    assert not list((tmp_path / "store").glob("*.part"))


@pytest.mark.long
def test_runs_can_be_added_and_damaged_ones_are_computed_again(binary, tmp_path):
    model, options = Logistic(checkpoints=3), {"seed": 5, "draws": 199}
    audit(binary, model, QUANTIZERS, store=tmp_path, runs=2, **options)
    (tmp_path / "run-00000.npz").write_bytes(b"PK damaged")
    (tmp_path / "run-00001.json").write_text("{")
    same(
        audit(binary, model, QUANTIZERS, store=tmp_path, runs=3, **options),
        audit(binary, model, QUANTIZERS, runs=3, **options),
    )


def test_a_store_of_something_else_is_refused(binary, regression, tmp_path):
    audit(binary, Logistic(checkpoints=3), QUANTIZERS, runs=1, store=tmp_path)
    for data, model, quantizers, options, match in (
        (binary, Logistic(checkpoints=4), QUANTIZERS, {}, "model: .* there, .* here"),
        (binary, Logistic(checkpoints=3), QUANTIZERS[:2], {}, "quantizers"),
        (binary, Logistic(checkpoints=3), QUANTIZERS, {"seed": 1}, "evaluation|seed"),
        (regression, Linear(checkpoints=3), QUANTIZERS, {}, "data"),
    ):
        with pytest.raises(InputError, match=match) as error:
            audit(data, model, quantizers, runs=1, store=tmp_path, **options)
        assert "\n" not in str(error.value)
    (tmp_path / "specification.json").write_text("?")
    with pytest.raises(InputError, match="damaged"):
        audit(binary, Logistic(checkpoints=3), QUANTIZERS, runs=1, store=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written: "):
        audit(binary, Logistic(checkpoints=3), QUANTIZERS, runs=1, store=tmp_path / "file")


def test_codewords_are_counted_once(regression):
    weights = (np.array([[0.26, -0.7]]), np.array([1.0]))
    mask = (True, False)
    moved = (weights[0] + 0.01, weights[1] + 1.0)

    def same_word(*settings):
        words = Codewords(*settings)
        return words.of(weights, mask)[1] == words.of(moved, mask)[1]

    assert same_word(Grid(0.5))
    assert not same_word(Grid(0.5), "released")
    assert same_word(ScaledSign())
    assert Codewords(Grid(0.5)).of(weights, mask)[0][1] is weights[1]
    assert Codewords(None).of(weights, mask)[0] is weights
    result = audit(regression, Linear(), QUANTIZERS, runs=3, seed=1)
    seen = {name: visited.seen.size for name, visited in result.visited.items()}
    assert seen["grid-0.5"] < seen["grid-0.1"] <= seen["identity"]


def test_the_candidates_of_smallest_mean_loss_are_kept(regression):
    whole = audit(regression, Linear(), QUANTIZERS, runs=3, seed=1)
    few = audit(regression, Linear(), QUANTIZERS, runs=3, seed=1, candidates=5)
    for name in ("grid-0.1", "identity"):
        means = np.sort(whole.visited[name].losses.mean(axis=1))[:5]
        assert np.allclose(np.sort(few.visited[name].losses.mean(axis=1)), means)
        assert few.visited[name].seen.size == whole.visited[name].seen.size
        assert any(f"{name}: " in note and "5 of smallest mean loss" in note for note in few.notes)
    assert np.array_equal(merged([whole.visited["grid-0.5"]] * 2, 200).losses, whole.visited["grid-0.5"].losses)


def test_a_single_codeword_has_no_indicator(regression):
    result = audit(regression, Linear(), [Grid(100.0), Grid(0.1)], runs=2, seed=1)
    assert result.single == ("grid-100",)
    assert np.isnan(result.indicators()["grid-100"])
    assert any("single codeword" in note for note in result.notes)
    assert result.to_frame().index.tolist() == ["grid-0.1", "grid-100", "identity"]
    assert result.pareto() == ("grid-0.1",)
    assert "Left out of ranking and Pareto set, without an estimate: grid-100." in result.remarks()
    axes = result.plot(Figure().add_subplot())
    assert [text.xy[0] for text in axes.texts if text.get_text() == "?"] == [axes.get_xlim()[0]]
    alone = audit(regression, Linear(), [Grid(100.0)], runs=2, seed=1)
    assert alone.ranking is None
    assert "grid-100" in str(alone)
    json.dumps(alone.to_dict(), allow_nan=False)


def test_codewords_of_equal_losses_are_no_estimate_either(binary):
    class Deaf(Logistic):
        def losses(self, weights, X, y):
            return 1.0 + y

    result = audit(binary, Deaf(), [Grid(0.1), Grid(100.0)], runs=2)
    assert result.ranking is None
    assert result.visited["grid-0.1"].seen.size > 1
    assert result.single == ("grid-0.1", "grid-100")
    assert [line.name for line in result.table_lines()] == ["grid-0.1", "grid-100", "identity"]
    assert result.pareto() == ()
    assert sum("codewords of equal losses" in note for note in result.notes) == 1


class Ready(Logistic):
    """A model that was trained before."""

    trained_elsewhere = True


def test_a_trained_model_is_not_said_to_be_trained_again(binary):
    """One final model: no indicator, what its losses tell, and no word of subsets that nobody drew."""
    given = {"runs": 1, "evaluation": range(100)}
    result = audit(binary, Ready(checkpoints=1), QUANTIZERS, **given)
    assert result.ranking is None
    assert set(result.pareto()) <= {q.name for q in QUANTIZERS}
    assert all(np.isnan(value) for value in result.indicators().values())
    assert result.notes[0].startswith("The model was trained before: 1 checkpoint was given, and no training subset")
    found, page = answer(result), report_html(result)
    assert found.choice is None
    assert found.sure.startswith(
        "Theory has no answer: the model was trained elsewhere. Measured on this one model by the losses of its 140 "
        "training points and of 100 held-out ones, a weak lower bound"
    )
    for text in (str(result), page, json.dumps(result.to_dict()), *vars(found).values()):
        assert "bootstrap subsets" not in str(text)
        assert "more runs" not in str(text).replace("more runs can only lower it", "")
    assert "<td>bootstrap</td>" not in page
    assert "<td>None</td>" not in page
    several = audit(binary, Ready(checkpoints=5), QUANTIZERS, **given)
    assert several.ranking is not None
    assert "5 checkpoints were given" in several.notes[0]


def test_groups_are_only_said_to_be_whole_where_they_are(binary):
    grouped = from_arrays(binary.X, binary.y, groups=np.arange(240) // 2)
    for points, whole in ((range(100), True), (range(101), False)):
        result = audit(grouped, Logistic(checkpoints=2), QUANTIZERS, runs=1, evaluation=points)
        assert any("by whole groups" in note for note in result.notes) == whole


def test_sklearn_models_are_audited(binary):
    from sklearn.linear_model import LogisticRegression

    result = audit(binary, SklearnModel(LogisticRegression(), checkpoints=5), QUANTIZERS, runs=2)
    assert result.performance.loc["identity", "auroc"] > 0.6


def test_state_dicts_need_named_points(binary):
    with pytest.raises(InputError, match="checkpoints of the model were given"):
        audit(binary, Ready(), QUANTIZERS, runs=2)
    assert audit(binary, Ready(), QUANTIZERS, runs=1, evaluation=range(100)).runs[0].checkpoints == 18


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"runs": 0}, "runs = 0"),
        ({"n": 1}, "n = 1"),
        ({"evaluation": 1.5}, "evaluation = 1.5"),
        ({"evaluation": 0.01}, "at least 10 points"),
        ({"evaluation": [0, 0, 1]}, "different indices"),
        ({"evaluation": [500]}, "from 0 to 239"),
        ({"subsets": "jackknife"}, "bootstrap, disjoint"),
        ({"subsets": "disjoint", "n": 100}, "at most 12 for 10 disjoint subsets"),
        ({"candidates": 1}, "candidates"),
        ({"identify": "hash"}, "codes, released"),
        ({"seed": -1}, "seed"),
        ({"jobs": 0}, "jobs"),
        ({"quantizers": []}, "at least one"),
        ({"quantizers": [Grid(0.1), Grid(0.1)]}, "different names"),
        ({"model": Linear()}, "a binary task"),
    ],
)
def test_arguments_are_checked(binary, options, match):
    given = {"model": Logistic(), "quantizers": QUANTIZERS, **options}
    with pytest.raises(InputError, match=match):
        audit(binary, given.pop("model"), given.pop("quantizers"), **given)


def test_bad_quantizers_and_diverged_training_are_named(binary):
    class Random(Grid):
        def quantize(self, weights):
            return weights + np.random.default_rng().normal(size=weights.shape)

    class Flat(Grid):
        def quantize(self, weights):
            return np.full(weights.shape, np.nan) if weights.shape[0] == 1 else weights

    class Diverging(Logistic):
        def losses(self, weights, X, y):
            return super().losses(weights, X, y) / 0.0

    with pytest.raises(InputError, match="deterministic"):
        audit(binary, Logistic(), [Random(0.1)])
    with pytest.raises(
        InputError, match=r"^quantizer 'grid-0.1' on weights of shape \(1, 4\), at \[0, 0\] = nan: must be finite$"
    ):
        audit(binary, Logistic(), [Flat(0.1)])
    with np.errstate(all="ignore"), pytest.raises(InputError, match=r"run 0, checkpoint 0, at \[0\] = inf"):
        audit(binary, Diverging(), QUANTIZERS)


def test_splits(binary, multiclass):
    pool, held = held_out(multiclass, 0.4, generator(1, 0))
    assert held.size == 120
    shares = [np.mean(multiclass.y[side, None] == np.arange(3), axis=0) for side in (pool, held)]
    assert np.abs(shares[0] - shares[1]).max() < 0.02
    parts = [subset(binary, np.arange(240), "disjoint", 60, run, generator(1, 1), generator(1, 2)) for run in range(4)]
    assert sorted(np.concatenate(parts)) == list(range(240))
    whole = binary.y.mean()
    assert all(abs(binary.y[part].mean() - whole) < 0.05 for part in parts)
    rare = from_arrays(binary.X, (np.arange(240) == 7).astype(float), task="binary")
    with pytest.raises(InputError, match="one class"):
        held_out(rare, 0.5, generator(1, 0))
    with pytest.raises(InputError, match="a class missing"):
        subset(rare, np.arange(240), "disjoint", 60, 0 if 7 not in parts[0] else 1, generator(1, 1), generator(1, 2))


def test_groups_stay_together_and_are_resampled(binary):
    grouped = from_arrays(binary.X, binary.y, groups=np.arange(240) // 8, name="grouped")
    result = audit(grouped, Logistic(), QUANTIZERS, runs=2, seed=2)
    assert any("by whole groups" in note for note in result.notes)
    assert any("those of indicators single points" in note for note in result.notes)


def predictions_of(task, rng, points=200):
    """Targets and imperfect predictions with ties, and scikit-learn's scores of them."""
    if task == "regression":
        y, p = rng.normal(size=points), rng.normal(size=points)
        return y, p, (metrics.r2_score, metrics.mean_absolute_error)
    if task == "binary":
        y = (rng.random(points) > 0.4).astype(float)
        p = np.round(np.clip(0.3 * y + rng.random(points) * 0.7, 0, 1), 2)
        return y, p, (metrics.roc_auc_score, lambda y, p, **w: metrics.accuracy_score(y, p > 0.5, **w))

    def area(y, p, sample_weight=None):
        areas = [metrics.roc_auc_score(y == c, p[:, c], sample_weight=sample_weight) for c in range(3)]
        return float(np.mean(areas))

    y, p = rng.integers(0, 3, size=points).astype(float), rng.dirichlet([1, 1, 1], size=points)
    return y, p, (lambda y, p, **w: metrics.accuracy_score(y, p.argmax(axis=1), **w), area)


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_scores_and_influences_agree_with_sklearn(task):
    y, p, oracles = predictions_of(task, np.random.default_rng(0))
    found, influence = scores(task, y, p)
    step = 1e-6
    for m, oracle in enumerate(oracles):
        assert found[m] == pytest.approx(oracle(y, p), abs=1e-12)
        assert influence[m].sum() == pytest.approx(0.0, abs=1e-9)
        for i in (0, 17, 199):
            # The derivative towards point i of the score under weights (1 - t)/N + t at i.
            weights = np.full(200, (1.0 - step) / 200)
            weights[i] += step
            slope = (oracle(y, p, sample_weight=weights) - found[m]) / step
            assert influence[m, i] == pytest.approx(slope, abs=1e-3)


@pytest.mark.statistical
@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_standard_errors_of_scores_are_those_of_new_points(task):
    """Spread of the scores over 2000 samples against the standard error; and groups of four equal points count once."""
    rng = np.random.default_rng(1)
    found = np.array([scores(task, *predictions_of(task, rng)[:2])[0] for _ in range(2000)])
    y, p, _ = predictions_of(task, rng, 4000)
    large = measure(task, y, {"identity": [p]})
    for m in range(2):
        expected = large.points_se[0, m] * np.sqrt(4000 / 200)
        # Relative standard errors: 1/sqrt(2·2000) of the spread; of 4000 influences, and a term of order 1/200.
        assert found[:, m].std() == pytest.approx(expected, rel=6.0 * np.sqrt(1 / 4000 + 2 / 4000) + 0.01)
    paired = measure(task, y, {"turned": [p[::-1]], "identity": [p]})
    for m, matrix in enumerate(paired.points_covariance):
        difference = np.sqrt(matrix[0, 0] + matrix[1, 1] - 2.0 * matrix[0, 1])
        assert paired.price_points_se[0, m] == pytest.approx(difference)
        assert paired.measured_as(paired.metrics[m]).differences().iloc[0]["std_error"] == pytest.approx(difference)
    small, few = (y[:500], p[:500]), measure(task, y[:500], {"identity": [p[:500]]})
    repeated = [np.repeat(a, 4, axis=0) for a in small]
    grouped = measure(task, repeated[0], {"identity": [repeated[1]]}, np.repeat(np.arange(500), 4))
    assert grouped.points_se == pytest.approx(few.points_se, rel=2e-3)


def test_losses_that_do_not_fit_are_refused(binary, monkeypatch):
    monkeypatch.setattr("qmis_kernels.memory.fits", lambda size: size == 0)
    with pytest.raises(InputError, match="their losses need"):
        audit(binary, Logistic(checkpoints=2), QUANTIZERS, runs=3)
    monkeypatch.setattr("qmis_stats.audit.algorithm.head_leak", lambda *_, **__: (None, "not asked for"))
    assert len(audit(binary, Logistic(checkpoints=2), QUANTIZERS, runs=1).runs) == 1


def test_torch_modules_are_audited(binary):
    torch = pytest.importorskip("torch", reason="PyTorch modules need the extra 'torch'")
    torch.manual_seed(0)

    def train(module, X, y, rng):
        optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
        features, target = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
        for _ in range(12):
            optimiser.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(module(features)[:, 0], target).backward()
            optimiser.step()
            yield

    model = TorchModel(
        torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)), train, task="binary"
    )
    options = {"runs": 2, "seed": 1, "draws": 199}
    first = audit(binary, model, QUANTIZERS, **options)
    assert first.runs[0].checkpoints == 12
    same(first, audit(binary, model, QUANTIZERS, **options))


def test_progress_wraps_the_runs_and_the_ranking(binary):
    seen = []

    def progress(items):
        for item in items:
            seen.append(getattr(item, "name", item))
            yield item

    result = audit(binary, Logistic(checkpoints=2), QUANTIZERS, runs=3, progress=progress)
    assert seen == [0, 1, 2, *result.ranking.names]


def test_levels_are_searched_once(binary):
    class Counting(ScaledSign):
        calls = 0

        def encode(self, weights):
            type(self).calls += 1
            return super().codes(weights), super().quantize(weights)

        def codes(self, weights):
            raise AssertionError

    plain = audit(binary, Logistic(checkpoints=3), [ScaledSign(), Grid(0.1)], runs=1, seed=1)
    found = audit(binary, Logistic(checkpoints=3), [Counting(), Grid(0.1)], runs=1, seed=1)
    same(plain, found)
    assert Counting.calls == found.runs[0].checkpoints


def test_codewords_that_come_to_agree_are_one():
    """A codeword that is visited again has its latest losses, which may be those of another one but for rounding."""
    losses = np.linspace(0.1, 0.9, 20)
    keeper = _Keeper(10)
    for mark, row in ((b"a", losses), (b"b", losses**2), (b"b", losses * (1.0 + 1e-15))):
        keeper.add(mark, row)
    found = keeper.result(losses)
    assert found.losses.shape == (1, 20)
    assert found.seen.tolist() == [b"a"]
