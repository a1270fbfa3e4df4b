"""A user's quantizer or model that raises, or returns what cannot be used, is one line that names it, at every door."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from qmis_stats import InputError, rank
from qmis_stats.audit.algorithm import audit
from qmis_stats.audit.attacks import LossThreshold, audit_attacks, play, run_attacks
from qmis_stats.audit.models import Logistic
from qmis_stats.inference.losses import LossBlocks
from qmis_stats.leak import leakage
from tests.audit.grids import Grid, GroupsOf64

MODEL = Logistic(checkpoints=3)


class Mine(Grid):
    """A grid that does with its values what it is told."""

    def __init__(self, change):
        super().__init__(0.5)
        object.__setattr__(self, "change", change)

    name = "mine"

    def quantize(self, weights):
        return self.change(super().quantize(weights))


def by_audit(data, quantizer):
    audit(data, MODEL, [quantizer], runs=1)


def by_store(data, quantizer, tmp_path):
    audit(data, MODEL, [quantizer], runs=1, store=tmp_path / "store")


def by_processes(data, quantizer):
    audit(data, MODEL, [quantizer], runs=2, jobs=2)


def by_attacks(data, quantizer):
    audit_attacks(data, MODEL, [quantizer], n=40, trainings=16, attacks=[LossThreshold()])


def by_leakage(data, quantizer):
    leakage(LogisticRegression().fit(data.X, data.y), [quantizer], X=data.X, y=data.y)


def two_lines(values):
    raise ValueError("one line\nand another")


QUANTIZERS = {
    "raises lines": (two_lines, "raised ValueError: one line and another"),
    "raises": (lambda q: q.reshape(3, 100), "raised ValueError: cannot reshape array of size 4 into shape (3,100)"),
    "another shape": (lambda q: q.ravel()[:2], "of shape (2,)': must be weights of the shape that it was given"),
    "NaN": (lambda q: q * np.nan, "= nan: must be finite"),
    "infinite": (lambda q: q + np.inf, "= inf: must be finite"),
    "complex": (lambda q: q + 1j, "of type complex128': must be weights of the shape that it was given, real numbers"),
    "text": (lambda q: q.astype(str), "of type <U32': must be weights of the shape"),
    "nothing": (lambda _: None, "of type object': must be weights of the shape"),
}


@pytest.mark.grid(2)
@pytest.mark.parametrize("door", [by_audit, by_attacks, by_leakage], ids=lambda door: door.__name__)
@pytest.mark.parametrize("kind", QUANTIZERS)
def test_quantizers(binary, door, kind):
    change, said = QUANTIZERS[kind]
    with pytest.raises(InputError) as caught:
        door(binary, Mine(change))
    assert str(caught.value).startswith("quantizer 'mine' on weights of shape (")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "deterministic" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError) == kind.startswith("raises")


def test_processes_and_stores_hand_the_cause_on(binary, tmp_path):
    for door in (by_processes, lambda data, q: by_store(data, q, tmp_path)):
        with pytest.raises(InputError, match=r"^quantizer 'groups-64' on weights of shape \(1, 4\) raised") as caught:
            door(binary, GroupsOf64())
        assert type(caught.value.__cause__) is ValueError
        assert caught.value.field == "quantizer 'groups-64' on weights of shape (1, 4)"


def test_weights_are_probed_in_their_own_shape(tmp_path):
    """A quantizer that works for the weights of the model is audited, and one that changes has another store."""
    from qmis_stats.audit.data import from_arrays

    rng = np.random.default_rng(4)
    X = rng.normal(size=(200, 64))
    data = from_arrays(X, (X[:, 0] > 0.0).astype(float))
    result = audit(data, MODEL, [GroupsOf64()], runs=1, store=tmp_path)
    assert result.visited["groups-64"].seen.size >= 1

    class Other(GroupsOf64):
        def quantize(self, weights):
            return 2.0 * super().quantize(weights)

    with pytest.raises(InputError, match=r"store = .*quantizers: .* there, .* here"):
        audit(data, MODEL, [Other()], runs=1, store=tmp_path)


def test_what_is_no_quantizer_or_no_model_is_refused(binary):
    class Nameless:
        bits = 1.0

        def quantize(self, weights):
            return weights

    for wrong in ("sign", ["sign"], [Nameless()], [Grid], 3):
        for door in (audit, audit_attacks):
            with pytest.raises(InputError, match=r"^quantizers = "):
                door(binary, MODEL, wrong)
    for wrong in (Ridge(), Logistic, None):
        for door in (audit, audit_attacks):
            with pytest.raises(InputError, match=r"^model = .*fit_path"):
                door(binary, wrong, [Grid(0.5)])


def spoilt(**methods):
    """Return a model some of whose methods are others."""
    return type("Own", (Logistic,), methods)(checkpoints=3)


def fails(*arguments):
    raise KeyError("w")


def fit_of(weights):
    def fit_path(self, X, y, rng):
        yield weights

    return fit_path


MODELS = {
    "fit_path": ({"fit_path": fails}, "fit_path of model Own raised KeyError: 'w'"),
    "fit_path none": ({"fit_path": lambda *_: None}, "fit_path of model Own raised TypeError"),
    "fit_path empty": ({"fit_path": lambda *_: iter(())}, "model = 'Own without checkpoints'"),
    "fit_path array": ({"fit_path": fit_of(np.ones((1, 4)))}, "fit_path of model Own, checkpoint 0 = 'ndarray'"),
    "fit_path text": ({"fit_path": fit_of(("w",))}, "fit_path of model Own, checkpoint 0 = 'tuple'"),
    "weights nan": (
        {"fit_path": fit_of((np.full((1, 4), np.nan), np.zeros(1), np.zeros(4), np.ones(4)))},
        "weights of model Own, checkpoint 0 = nan: must be finite: did training diverge?",
    ),
    "quantizable": ({"quantizable": fails}, "quantizable of model Own raised KeyError: 'w'"),
    "quantizable short": ({"quantizable": lambda *_: (True,)}, "quantizable of model Own = (True,): must be 4 truth"),
    "nothing": ({"quantizable": lambda *_: (False,) * 4}, "quantizable = (False, False, False, False): must be true"),
    "losses": ({"losses": fails}, "losses of model Own"),
    "losses column": ({"losses": lambda *of: of[3][:, None]}, "losses of model Own"),
    "losses complex": ({"losses": lambda *of: of[3] + 1j}, "must be one number per point, real numbers"),
    "losses nan": ({"losses": lambda *of: of[3] * np.nan}, "= nan: must be finite: did training diverge?"),
    "predict": ({"predict": fails}, "predictions of model Own raised KeyError: 'w'"),
    "predict wide": ({"predict": lambda *of: of[2]}, "predictions of model Own = 'of shape (120, 4)'"),
    "predict nan": ({"predict": lambda *of: of[2][:, 0] * np.nan}, "predictions of model Own, at [0] = nan"),
    "describe": ({"describe": fails}, "describe of model Own raised KeyError: 'w'"),
    "task": ({"task": property(fails)}, "model Own raised KeyError: 'w'"),
}


@pytest.mark.grid(2)
@pytest.mark.parametrize("kind", MODELS)
def test_models(binary, kind):
    methods, said = MODELS[kind]
    with pytest.raises(InputError) as caught:
        audit(binary, spoilt(**methods), [Grid(0.5)], runs=1)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError) == ("KeyError" in str(caught.value))
    if "predict" in kind or kind == "nothing":
        return  # attacks ask for neither
    with pytest.raises(InputError) as caught:
        audit_attacks(binary, spoilt(**methods), [Grid(0.5)], n=40, trainings=16, attacks=[LossThreshold()])
    assert said.partition(" under")[0] in str(caught.value)


def test_attacks_and_streams(binary):
    class Attack:
        name, threshold = "mine", None

        def fit(self, known):
            return fails

    game = play(binary, MODEL, None, 40, trainings=8, shadows=4, calibrations=4)
    with pytest.raises(InputError, match=r"^attack 'mine' raised KeyError: 'w'") as caught:
        run_attacks(game, [Attack()])
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(InputError, match=r"^losses\['mine'\]: the function of its blocks raised KeyError: 'w'"):
        rank({"mine": LossBlocks(fails)})


def test_fits_of_a_pipeline_and_cells_of_a_quantizer(binary):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    class WithCells(Grid):
        def cells(self, weights):
            return [weights.shape]

    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(binary.X, binary.y)
    with pytest.raises(InputError, match=r"^fitted, a Pipeline, raised ValueError: X has 3 features") as caught:
        leakage(fitted, ["sign"], X=binary.X[:, :3], y=binary.y)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(InputError, match=r"^quantizer 'grid-0.5' on weights of shape \(4,\) raised AttributeError"):
        leakage(fitted, [WithCells(0.5)], X=binary.X, y=binary.y)
