"""PyTorch modules as people have them: each gives the right losses, or one line that says what is wrong."""

import copy
import warnings
from collections import OrderedDict

import numpy as np
import pytest

from qmis_stats import InputError
from qmis_stats.audit.algorithm import audit
from qmis_stats.audit.calibration import released_weights
from qmis_stats.audit.codewords import Codewords
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.models import TorchModel
from qmis_stats.quantizers import quantizer
from tests.audit.grids import Grid

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch", reason="PyTorch modules need the extra 'torch'")
nn = torch.nn

W = [[0.9, 0.2, -0.4], [0.3, -1.1, 0.6], [-0.2, 0.5, 0.8]]
X3 = np.array([[1.0, 2.0, 3.0]])


class Sign:
    name, bits = "sign", 1.0

    def quantize(self, weights):
        return np.sign(weights)


def rng():
    return np.random.default_rng(0)


def untrained(module, X, y, rng):
    yield


def linear(inputs=3, outputs=1, dtype=torch.float32, value=None):
    layer = nn.Linear(inputs, outputs, dtype=dtype)
    if value is not None:
        with torch.no_grad():
            layer.weight.fill_(value)
            layer.bias.zero_()
    return layer


def refused(match, call):
    with pytest.raises(InputError, match=match) as error:
        call()
    assert "\n" not in str(error.value)


def weights_of(model, X=X3, y=None):
    *_, last = model.fit_path(X, np.zeros(len(X)) if y is None else y, rng())
    return last


class First(nn.Module):
    """The first of the outputs of another module."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)[:, 0]


def twice(tie):
    a, b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    a.weight.data = torch.tensor(W)
    tie(a, b)
    return First(nn.Sequential(a, b))


def tied(a, b):
    b.weight = a.weight


def test_tied_weights_are_quantized_together():
    module = twice(tied)
    for quantize in (None, ["inner.0.weight"], ["inner.1.weight"]):
        model = TorchModel(module, untrained, task="regression", quantize=quantize)
        weights = weights_of(model)
        assert len(weights) == 1
        mask = model.quantizable(weights)
        assert mask == (True,)
        signs, _ = Codewords(Sign()).of(weights, mask)
        assert model.losses(signs, X3, np.zeros(1)).tolist() == [4.0]
    state = module.state_dict()
    given = TorchModel(module, [state, {"inner.0.weight": state["inner.0.weight"]}], task="regression")
    first, second = given.fit_path(X3, np.zeros(1), rng())
    assert np.array_equal(first[0], second[0])
    other = {name: value + place for place, (name, value) in enumerate(state.items())}
    refused(
        "those of inner.0.weight: the module has them",
        lambda: list(TorchModel(module, [other], task="regression").fit_path(X3, np.zeros(1), rng())),
    )


@pytest.mark.parametrize(
    "tie",
    [
        lambda a, b: setattr(b.weight, "data", a.weight.data),
        lambda a, b: setattr(b, "weight", nn.Parameter(a.weight.data.t())),
        lambda a, b: b.register_buffer("part", a.weight.data[1]),
    ],
    ids=["one memory", "transposed", "a row"],
)
def test_memory_that_is_shared_without_a_tie_is_refused(tie):
    refused("one parameter with it", lambda: TorchModel(twice(tie), untrained, task="regression"))


class Scaled(nn.Module):
    """Standardises its inputs by numbers that training finds."""

    def __init__(self, kind):
        super().__init__()
        self.layer, self.kind = linear(value=1.0), kind
        if kind == "attribute":
            self.mean = torch.zeros(3)
        else:
            self.register_buffer("mean", torch.zeros(3), persistent=kind == "buffer")

    def forward(self, x):
        return self.layer(x - self.mean)


def centred(module, X, y, rng):
    module.mean = torch.tensor(X, dtype=torch.float32).mean(dim=0)
    yield
    yield


@pytest.mark.parametrize("kind", ["buffer", "not persistent", "attribute"])
def test_what_training_sets_is_part_of_the_model(kind):
    X = np.full((1, 3), 100.0 / 3.0)
    model = TorchModel(Scaled(kind), centred, task="regression")
    if kind == "attribute":
        refused("changes parameters and buffers only", lambda: weights_of(model, X))
        return
    assert model.losses(weights_of(model, X), X, np.zeros(1)).tolist() == pytest.approx([0.0], abs=1e-8)
    fresh = TorchModel(Scaled(kind), [Scaled(kind).state_dict()], task="regression")
    assert fresh.losses(weights_of(fresh, X), X, np.zeros(1)).tolist() == pytest.approx([1e4], rel=1e-6)


class Late(nn.Module):
    """Cannot be called before training has set something."""

    def __init__(self):
        super().__init__()
        self.layer = linear(value=1.0)

    def forward(self, x):
        return self.layer(x / self.sd)


def scaled(module, X, y, rng):
    module.sd = 2.0
    yield


def diverged(module, X, y, rng):
    with torch.no_grad():
        module.weight.fill_(float("inf"))
    yield


class Noisy(nn.Module):
    """Draws at random, in eval mode too."""

    def __init__(self):
        super().__init__()
        self.layer = linear(value=1.0)

    def forward(self, x):
        return nn.functional.dropout(self.layer(x))


def test_random_outputs_are_refused():
    X = np.ones((16, 3))
    refused("at random in eval mode", lambda: weights_of(TorchModel(Noisy(), untrained, task="regression"), X))


def test_what_training_adds_is_refused_and_what_diverges_is_not():
    refused("changes parameters and buffers only", lambda: weights_of(TorchModel(Late(), scaled, task="regression")))
    model = TorchModel(linear(), diverged, task="regression")
    assert np.isinf(model.losses(weights_of(model), X3, np.zeros(1))).all()


def grown(module, X, y, rng):
    module.append(nn.ReLU())
    yield


def widened(module, X, y, rng):
    module[0] = nn.Linear(3, 2)
    yield


def test_training_keeps_the_structure():
    for train, match in ((grown, "structure does not change"), (widened, "shape")):
        layer = nn.Sequential(linear(value=-1.0))
        refused(match, lambda train=train, layer=layer: weights_of(TorchModel(layer, train, task="regression")))


def frozen(module, X, y, rng):
    module[1].eval()
    yield
    assert module[0].training
    assert not module[1].training
    yield


def test_the_modes_of_the_layers_are_left_to_training():
    module = nn.Sequential(linear(3, 3), nn.BatchNorm1d(3), linear(3, 1))
    assert len(list(TorchModel(module, frozen, task="regression").fit_path(X3, np.zeros(1), rng()))) == 2


SCORES = np.array([[0.3, -1.2], [2.0, 0.5], [0.0, 4.0]])


def test_two_logits_are_a_binary_task():
    layer = nn.Linear(2, 2, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2))
        layer.bias.zero_()
    model = TorchModel(layer, untrained, task="binary")
    weights = weights_of(model, SCORES)
    y = np.array([0.0, 1.0, 1.0])
    expected = nn.functional.cross_entropy(torch.tensor(SCORES), torch.tensor(y).long(), reduction="none")
    assert np.allclose(model.losses(weights, SCORES, y), expected.numpy(), rtol=1e-14)
    assert np.allclose(model.predict(weights, SCORES), torch.tensor(SCORES).softmax(dim=1)[:, 1].numpy(), rtol=1e-14)


STATE = {"weight": torch.full((1, 3), 2.0), "bias": torch.zeros(1)}


def saved(write):
    def path(folder):
        file = folder / ("m.safetensors" if write == "safetensors" else "m.pt")
        if write == "safetensors":
            pytest.importorskip("safetensors.torch", reason="needs safetensors").save_file(STATE, file)
        else:
            torch.save(write, file)
        return file

    return path


CHECKPOINTS = {
    "state dict": lambda _: STATE,
    "ordered": lambda _: OrderedDict(STATE),
    "wrapped": lambda _: {"model": STATE, "epoch": 3},
    "with an optimiser": lambda _: {"state_dict": STATE, "optimizer": {"state": {}, "param_groups": []}, "epoch": 3},
    "parallel": lambda _: {f"module.{name}": value for name, value in STATE.items()},
    "compiled, wrapped": lambda _: {"model": {f"_orig_mod.{name}": value for name, value in STATE.items()}},
    "NumPy": lambda _: {name: value.numpy() for name, value in STATE.items()},
    "half": lambda _: {name: value.to(torch.bfloat16) for name, value in STATE.items()},
    "torch.save": saved(STATE),
    "torch.save, wrapped": saved({"model": STATE, "epoch": 3}),
    "path as text": lambda folder: str(saved(STATE)(folder)),
    "safetensors": saved("safetensors"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints_that_are_given(name, tmp_path):
    model = TorchModel(linear(value=1.0), [CHECKPOINTS[name](tmp_path)], task="regression")
    assert model.losses(weights_of(model), X3, np.ones(1)).tolist() == [121.0]
    plain = TorchModel(linear(value=1.0), iter([STATE]), task="regression")
    assert model.describe() == plain.describe()


def damaged(folder):
    (folder / "m.pt").write_bytes(b"nothing")
    return folder / "m.pt"


class Anything:
    pass


def with_objects(folder):
    torch.save({"model": STATE, "args": Anything()}, folder / "m.pt")
    return folder / "m.pt"


BAD_CHECKPOINTS = {
    "an entry too many": (lambda _: {**STATE, "extra.weight": torch.zeros(2)}, "no such entries"),
    "an entry too few": (lambda _: {"bias": STATE["bias"]}, "entries are missing"),
    "shape": (lambda _: {**STATE, "weight": torch.zeros(3, 1)}, r"of shape \(1, 3\)"),
    "two states": (lambda _: {"model": STATE, "ema": STATE}, "several of these fit"),
    "no state": (lambda _: 7, "a state dict, the path of one, or a module"),
    "text for an array": (lambda _: {**STATE, "bias": "zero"}, "an array of real numbers"),
    "complex": (lambda _: {**STATE, "bias": torch.zeros(1, dtype=torch.complex64)}, "a dense tensor of real numbers"),
    "sparse": (lambda _: {**STATE, "weight": torch.eye(3)[:1].to_sparse()}, "a dense tensor of real numbers"),
    "no file": (lambda folder: folder / "absent.pt", "a file that exists"),
    "damaged": (damaged, "a file of tensors"),
    "objects": (with_objects, "a file of tensors"),
}


@pytest.mark.parametrize("name", BAD_CHECKPOINTS)
def test_checkpoints_that_are_refused(name, tmp_path):
    make, match = BAD_CHECKPOINTS[name]
    model = TorchModel(linear(), [STATE, make(tmp_path)], task="regression")
    refused(f"state dict 1.*{match}", lambda: list(model.fit_path(X3, np.zeros(1), rng())))


class Returns(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.layer, self.make = linear(value=1.0), make

    def forward(self, x):
        return self.make(self.layer(x))


def returns_none(module, X, y, rng):
    return None


BAD_MODULES = {
    "tuple": (lambda: Returns(lambda out: (out, None)), "regression", "module: output = 'tuple'"),
    "dictionary": (lambda: Returns(lambda out: {"logits": out}), "regression", "module: output = 'dict'"),
    "complex": (lambda: Returns(lambda out: out.to(torch.complex64)), "regression", "one tensor of real numbers"),
    "two numbers": (lambda: linear(3, 2), "regression", r"\(1,\) or \(1, 1\) for a regression task"),
    "three logits": (lambda: linear(3, 3), "binary", r"or \(1, 2\) logits for a binary task"),
    "log-odds": (lambda: linear(), "multiclass", r"\(1, classes\): logits of every class"),
    "a class without a logit": (lambda: linear(3, 2), "multiclass", "logits of at least 3 classes"),
    "width": (lambda: linear(4), "regression", r"takes torch.float32 of shape \(1, 3\)"),
}


@pytest.mark.parametrize("name", BAD_MODULES)
def test_modules_that_are_refused(name):
    make, task, match = BAD_MODULES[name]
    model = TorchModel(make(), [make().state_dict()], task=task)
    refused(match, lambda: model.losses(weights_of(model), X3, np.full(1, 2.0)))


def test_what_is_refused_at_once():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        old = nn.utils.weight_norm(linear())
    refused("parametrizations.weight_norm can", lambda: TorchModel(old, untrained, task="regression"))
    new = nn.utils.parametrizations.weight_norm(linear(value=1.0))
    assert TorchModel(new, untrained, task="regression").losses(
        weights_of(TorchModel(new, untrained, task="regression")), X3, np.zeros(1)
    ) == pytest.approx([36.0], rel=1e-6)
    expanded = linear()
    expanded.register_buffer("ones", torch.ones(1).expand(3))
    refused("ones = 'expanded'", lambda: TorchModel(expanded, untrained, task="regression"))
    meta = nn.Linear(3, 1, device="meta")
    refused("a tensor with data", lambda: TorchModel(meta, untrained, task="regression"))
    lazy = nn.LazyLinear(1)
    refused("one batch through lazy", lambda: TorchModel(lazy, untrained, task="regression"))
    refused("yields at each checkpoint", lambda: weights_of(TorchModel(linear(), returns_none, task="regression")))
    for train in (STATE, "model.pt", [], 7):
        refused("list of state dicts or paths", lambda train=train: TorchModel(linear(), train, task="regression"))
    refused("'common' or 'fresh'", lambda: TorchModel(linear(), untrained, task="regression", initial="new"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
def test_losses_are_computed_in_float64(dtype):
    X, y = np.zeros((3, 3)), np.array([300.0, 300.9, 301.0])
    for loss in (None, lambda output, y: (output[:, 0] - y) ** 2):
        model = TorchModel(linear(dtype=dtype, value=1.0), untrained, task="regression", loss=loss)
        assert np.allclose(model.losses(weights_of(model, X), X, y), [90000.0, 90540.81, 90601.0], rtol=1e-15)
    assert model.predict(weights_of(model, X), X).dtype == np.float64


class Tokens(nn.Module):
    """The mean of the embeddings of token ids."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.table, self.head = nn.Embedding(1000, 1, dtype=dtype), linear(1, dtype=dtype, value=1.0)
        with torch.no_grad():
            self.table.weight.copy_(torch.arange(1000.0)[:, None] % 7)

    def forward(self, ids):
        return self.head(self.table(ids).mean(dim=1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_token_ids_stay_integers(dtype):
    ids = np.array([[999, 998], [7, 257]])
    expected = [(999 % 7 + 998 % 7) / 2, (0 + 257 % 7) / 2]
    kinds = []

    def train(module, X, y, rng):
        kinds.append(X.dtype)
        yield

    for X in (ids, ids.astype(np.float64)):
        model = TorchModel(Tokens(dtype), train, task="regression")
        assert model.predict(weights_of(model, X), X).tolist() == expected
    assert kinds == [np.int64, np.int64]
    wrong = TorchModel(Tokens(), untrained, task="regression", integers=True)
    refused("X = 0.5: must be whole numbers", lambda: weights_of(wrong, np.array([[0.5, 1.0]])))
    other = TorchModel(Tokens(), untrained, task="regression", integers=False)
    refused(r"takes torch.float32 of shape \(2, 2\)", lambda: weights_of(other, ids))
    assert weights_of(TorchModel(linear(2), untrained, task="regression"), ids)  # no embedding: integers are numbers


class Mixed(nn.Module):
    """An embedding of the first feature, and the second as a number."""

    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(3, 1), linear(1, value=1.0)

    def forward(self, x):
        assert x.is_floating_point()
        return self.head(self.table(x[:, 0].long()) + x[:, 1:])


def test_an_embedding_beside_numbers():
    """Whole numbers are asked for in all points at once: the first batches are whole here, the last point is not."""
    X = np.zeros((5000, 2))
    X[-1, 1] = 0.5
    model = TorchModel(Mixed(), untrained, task="regression")
    found = model.predict(weights_of(model, X), X)
    assert found[-1] - found[0] == pytest.approx(0.5)


def test_features_of_more_than_two_dimensions():
    images = np.random.default_rng(1).normal(size=(30, 1, 4, 4))
    data = from_arrays(
        np.concatenate([images, images[:2]]), np.append(images.mean((1, 2, 3)), images[:2].mean((1, 2, 3)))
    )
    assert (data.X.shape, data.columns, len(data.features)) == ((30, 1, 4, 4), 16, 16)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), linear(8))
    result = audit(data, TorchModel(net, drawn, task="regression"), [Grid(0.5)], runs=2, draws=199)
    assert result.visited["identity"].losses.shape[1] == 15


def drawn(module, X, y, rng):
    for _ in range(3):
        with torch.no_grad():
            for p in module.parameters():
                p.add_(0.1 * torch.randn_like(p))
        yield


def test_initial_weights_are_common_or_fresh():
    module = nn.Sequential(linear(3, 2), nn.BatchNorm1d(2), nn.MultiheadAttention(2, 1), linear(2))
    module[2].forward = None  # never called: only its weights are of interest
    starts = {}
    for initial in ("common", "fresh"):
        model = TorchModel(
            nn.Sequential(module[0], module[1], module[3]), untrained, task="regression", initial=initial
        )
        paths = [next(iter(model.fit_path(X3, np.zeros(1), np.random.default_rng(run))))[0] for run in (1, 1, 2)]
        assert np.array_equal(paths[0], paths[1])
        starts[initial] = paths
    assert np.array_equal(starts["common"][0], starts["common"][2])
    assert not np.array_equal(starts["fresh"][0], starts["fresh"][2])
    assert TorchModel(module[2], untrained, task="regression", initial="fresh").describe()["starts"] == "fresh"
    alone = First(nn.Sequential(linear(2)))
    alone.free = nn.Parameter(torch.zeros(2))
    refused("free in a layer with", lambda: TorchModel(alone, untrained, task="regression", initial="fresh"))


def test_the_module_that_is_given_stays_as_it_is():
    module = Scaled("not persistent")
    before = copy.deepcopy([*module.parameters(), *module.buffers()])
    weights_of(TorchModel(module, centred, task="regression"))
    assert all(torch.equal(a, b) for a, b in zip(before, [*module.parameters(), *module.buffers()], strict=True))


def test_linear_layers_tell_what_they_are_given():
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    model = TorchModel(module, untrained, task="regression")
    X = np.random.default_rng(4).normal(size=(30, 3))
    weights = weights_of(model, X)
    found = model.layer_inputs(weights, X)
    assert list(found) == ["0.weight", "2.weight"]
    np.testing.assert_allclose(found["0.weight"], X, rtol=1e-6)
    np.testing.assert_allclose(found["2.weight"], np.maximum(X @ weights[0].T + weights[1], 0.0), rtol=1e-4, atol=1e-6)
    released = released_weights(quantizer("gptq-3"), model, weights, model.quantizable(weights), X)
    first = quantizer("gptq-3").calibrate(weights[0], found["0.weight"]).quantize(weights[0])
    np.testing.assert_array_equal(released[0], first)
    active = model.layer_inputs((first, *weights[1:]), X)["2.weight"]  # after the layer before it was quantized
    np.testing.assert_array_equal(released[2], quantizer("gptq-3").calibrate(weights[2], active).quantize(weights[2]))


def test_layers_of_a_transformer_are_given_tokens():
    block = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    module = nn.Sequential(nn.Unflatten(1, (5, 4)), block, nn.Flatten(), nn.Linear(20, 1))
    X = np.random.default_rng(5).normal(size=(6, 20))
    named = ["1.linear1.weight", "1.linear2.weight", "3.weight"]
    model = TorchModel(module, untrained, task="regression", quantize=named)
    shapes = {name: part.shape for name, part in model.layer_inputs(weights_of(model, X), X).items()}
    assert shapes == {"1.linear1.weight": (30, 4), "1.linear2.weight": (30, 8), "3.weight": (6, 20)}
    for packed in ("1.self_attn.in_proj_weight", "1.self_attn.out_proj.weight"):
        model = TorchModel(module, untrained, task="regression", quantize=[packed, "3.weight"])
        refused(
            "weights of torch.nn.Linear layers that the module calls",
            lambda m=model: m.layer_inputs(weights_of(m, X), X),
        )


def test_tied_layers_are_calibrated_on_what_both_are_given():
    model = TorchModel(twice(tied), untrained, task="regression")
    X = np.random.default_rng(6).normal(size=(7, 3))
    [given] = model.layer_inputs(weights_of(model, X), X).values()
    np.testing.assert_allclose(given[:7], X, rtol=1e-6)
    np.testing.assert_allclose(given[7:], X @ np.array(W).T, rtol=1e-5, atol=1e-6)


def test_gptq_is_audited_on_a_module():
    def train(module, X, y, rng):
        optimiser = torch.optim.Adam(module.parameters(), lr=0.05)
        for _ in range(30):
            optimiser.zero_grad()
            ((module(torch.tensor(X, dtype=torch.float32))[:, 0] - torch.tensor(y)) ** 2).mean().backward()
            optimiser.step()
        yield

    X = np.random.default_rng(7).normal(size=(60, 3))
    data = from_arrays(X, X[:, 0] - X[:, 1], name="rows")
    model = TorchModel(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), train, task="regression")
    found = audit(data, model, [quantizer("gptq-4"), quantizer("uniform-4")], runs=2, draws=199, seed=1)
    assert np.isfinite(found.performance.loc["gptq-4", "r2"]).all()
    assert "gptq-4: calibrated in every training run on" in " ".join(found.notes)
