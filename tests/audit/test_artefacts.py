"""Models that are quantized already: read as the numbers that they stand for, audited beside their float model."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from qmis_stats.audit import TorchModel, audit, bundled
from qmis_stats.audit.models.stored_release import StoredRelease
from qmis_stats.audit.models.torch_artefacts import dense, read_gguf
from qmis_stats.errors import InputError
from qmis_stats.quantizers import quantizer

SHAPES = {"0.weight": (32, 64), "0.bias": (32,), "2.weight": (2, 32), "2.bias": (2,)}


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def module(torch):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))


def dynamic(module):
    import torch

    return torch.ao.quantization.quantize_dynamic(module, {torch.nn.Linear}, dtype=torch.qint8)


def torchao(module):
    quantization = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    made = copy.deepcopy(module)
    quantization.quantize_(made, quantization.Int8WeightOnlyConfig())
    return made


def quanto(module):
    library = pytest.importorskip("optimum.quanto", reason="optimum-quanto is not installed")
    made = copy.deepcopy(module)
    library.quantize(made, weights=library.qint4)
    library.freeze(made)
    return made


def replaced(module, first):
    import torch

    return torch.nn.Sequential(first, torch.nn.ReLU(), copy.deepcopy(module[2]))


def four_bits(module):
    library = pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    made = replaced(module, library.nn.Linear4bit(64, 32, quant_type="nf4"))
    made.load_state_dict(module.state_dict())
    return made.to("cpu")


def eight_bits(module):
    library = pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    made = replaced(module, library.nn.Linear8bitLt(64, 32, has_fp16_weights=False))
    made.load_state_dict(module.state_dict())
    return made.to("cpu")


def hqq(module):
    import torch

    library = pytest.importorskip("hqq.core.quantize", reason="HQQ is not installed")
    settings = library.BaseQuantizeConfig(nbits=4, group_size=64)
    return replaced(
        module, library.HQQLinear(copy.deepcopy(module[0]), settings, compute_dtype=torch.float32, device="cpu")
    )


def own_weights(made):
    """Return what the first layer itself multiplies by: its outputs of unit vectors."""
    import torch

    with torch.no_grad():
        first = made[0]
        bias = first(torch.zeros(1, 64))
        return (first(torch.eye(64)) - bias).T.double().numpy()


# bitsandbytes multiplies 8-bit weights by inputs that it rounds to 8 bits, and torch's dynamic layers do too
LIBRARIES = {
    "dynamic": (dynamic, 0.01),
    "torchao": (torchao, 1e-6),
    "quanto": (quanto, 1e-6),
    "bitsandbytes 4": (four_bits, 1e-6),
    "bitsandbytes 8": (eight_bits, 0.01),
    "hqq": (hqq, 1e-6),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", LIBRARIES)
def test_quantized_modules_are_read_as_what_they_multiply_by(library, module):
    make, tolerance = LIBRARIES[library]
    made = make(module)
    found = dense(made)
    assert {name: tuple(value.shape) for name, value in found.items()} == SHAPES
    weights = found["0.weight"].detach().double().numpy()
    np.testing.assert_allclose(weights, own_weights(made), atol=tolerance * np.abs(weights).max())
    assert not np.array_equal(weights, module[0].weight.detach().double().numpy())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["dynamic", "torchao", "bitsandbytes 4", "bitsandbytes 8"])
def test_state_dicts_hold_as_much(library, module):
    made = LIBRARIES[library][0](module)
    whole, states = dense(made), dense(made.state_dict())
    assert states.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(states[name].detach().numpy(), value.detach().numpy(), err_msg=name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["quanto", "hqq"])
def test_packed_state_dicts_say_what_to_do(library, module):
    state = LIBRARIES[library][0](module).state_dict()
    with pytest.raises(InputError, match=r"these entries are missing; its codes are packed: give the quantized module"):
        TorchModel(module, [state], task="binary").fit_path(np.zeros((3, 64)), np.zeros(3), None).__next__()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_quantized_module_is_no_architecture(library, module):
    made = LIBRARIES[library][0](module)
    with pytest.raises(InputError, match=r"module = 'with codes in 0.*': must be the architecture with float weights"):
        TorchModel(made, [made], task="binary")


SCALES = {
    "of the array": ("_scale", lambda W: np.abs(W).max().reshape(())),
    "of rows": ("_scale", lambda W: np.abs(W).max(axis=1)),
    "of rows, a column": (".scales", lambda W: np.abs(W).max(axis=1)[:, None]),
    "of groups": ("_scales", lambda W: np.abs(W).reshape(32, 4, 16).max(axis=2)),
}


@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("zero", [False, True])
def test_integers_beside_scales(kind, zero, torch, tmp_path):
    save = pytest.importorskip("safetensors.torch", reason="safetensors is not installed").save_file
    end, of = SCALES[kind]
    W = np.random.default_rng(0).normal(size=(32, 64))
    scale = (of(W) / 127.0).astype(np.float32)
    full = scale.reshape(-1, 1) if scale.ndim < 2 else np.repeat(scale, 64 // scale.shape[1], axis=1)
    shift = 3 if zero else 0
    codes = (np.clip(np.round(W / full), -124, 124) + shift).astype(np.int8)
    state = {"weight": codes, f"weight{end}": scale, "bias": np.zeros(32, dtype=np.float32)}
    if zero:
        state["weight_zero_point"] = np.full(scale.shape, shift, dtype=np.int8)
    save({name: torch.as_tensor(np.array(value)) for name, value in state.items()}, tmp_path / "m.safetensors")
    model = TorchModel(torch.nn.Linear(64, 32), [tmp_path / "m.safetensors"], task="multiclass")
    (weights, bias), *_ = model.fit_path(np.zeros((3, 64)), np.zeros(3), np.random.default_rng(0))
    np.testing.assert_array_equal(weights, (codes.astype(float) - shift) * full)
    assert not bias.any()


def test_scales_of_columns_are_not_those_of_rows(torch):
    codes = torch.arange(-8, 8, dtype=torch.int8).reshape(4, 4)
    scale = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    for given, wanted in ((scale, codes * scale), (scale.T, codes * scale.T), (scale[0], codes * scale.T)):
        found = dense({"weight": codes, "weight_scale": given})["weight"]
        np.testing.assert_array_equal(found.numpy(), wanted.double().numpy())
    found = dense({"weight": codes.numpy(), "weight_scale": scale.numpy()})["weight"]
    np.testing.assert_array_equal(found.numpy(), (codes * scale).numpy())


def test_codes_alone_are_no_weights(torch):
    state = {"weight": torch.ones(2, 3, dtype=torch.int8), "bias": torch.zeros(2)}
    model = TorchModel(torch.nn.Linear(3, 2), [state], task="multiclass")
    with pytest.raises(InputError, match=r"weight = .torch.int8.: must be numbers, or codes beside their scales"):
        next(model.fit_path(np.zeros((3, 3)), np.zeros(3), None))


def test_a_release_is_checked(torch):
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    with torch.no_grad():
        module[1].weight.mul_(1e-4)
    state = module.state_dict()
    model = TorchModel(module, [state], task="regression", quantize=["0.*"])
    for name, moved, line in (
        ("x", {"1.weight": -state["1.weight"]}, r"x: 1.weight = 'another': must be that of the float model"),
        ("x", {"0.weight": state["0.weight"] * float("nan")}, r"released as 'x' = nan: must be finite weights"),
        ("", {}, "name = '': must be a text"),
        ("identity", {}, "name = 'identity': must be a text"),
    ):
        with pytest.raises(InputError, match=line):
            model.released(state | moved, name)
    with pytest.raises(InputError, match=r"bits = -1"):
        model.released(state, "x", bits=-1)
    for given in ("0.weight", [3]):
        with pytest.raises(InputError, match=r"quantize = .*must be a list of names of parameters"):
            TorchModel(module, [state], task="regression", quantize=given)


def test_scales_that_fit_nothing_are_one_line(torch):
    state = {"weight": torch.ones(4, 6, dtype=torch.int8), "weight_scale": torch.ones(5)}
    with pytest.raises(InputError, match=r"weight: shape of the scales = .*must be one for the array \(4, 6\)"):
        dense(state)


@pytest.fixture
def gguf_file(tmp_path):
    gguf = pytest.importorskip("gguf", reason="gguf is not installed")

    def write(state, kind="Q8_0"):
        writer = gguf.GGUFWriter(tmp_path / "m.gguf", "none")
        for name, array in state.items():
            array = np.asarray(array, dtype=np.float32)
            if array.ndim == 2 and array.shape[1] % 32 == 0:
                type_ = getattr(gguf.GGMLQuantizationType, kind)
                writer.add_tensor(name, gguf.quants.quantize(array, type_), raw_dtype=type_)
            else:
                writer.add_tensor(name, array)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return tmp_path / "m.gguf"

    return write


@pytest.mark.parametrize(("kind", "name"), [("Q8_0", "gguf:Q8_0"), ("Q4_0", "gguf:Q4_0")])
def test_gguf_files_hold_what_the_quantizer_makes(kind, name, gguf_file):
    rng = np.random.default_rng(1)
    state = {"w": rng.normal(size=(8, 64)).astype(np.float32), "b": rng.normal(size=8).astype(np.float32)}
    found = read_gguf(gguf_file(state, kind), "state dict 0")
    np.testing.assert_array_equal(found["w"], quantizer(name).quantize(state["w"]).astype(np.float32))
    np.testing.assert_array_equal(found["b"], state["b"])


def test_a_damaged_gguf_file_is_one_line(tmp_path):
    pytest.importorskip("gguf", reason="gguf is not installed")
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(20))
    with pytest.raises(InputError, match=r"state dict 0 = .*must be a GGUF file that the library gguf reads"):
        read_gguf(tmp_path / "m.gguf", "state dict 0")


def test_a_stored_release_is_that_of_its_model_alone():
    W = np.random.default_rng(0).normal(size=(3, 4))
    release = StoredRelease.of("signs", [W], [np.sign(W)])
    assert math.isnan(release.bits)
    np.testing.assert_array_equal(release.quantize(W), np.sign(W))
    release.quantize(W)[:] = 7.0
    np.testing.assert_array_equal(release.quantize(W), np.sign(W))
    with pytest.raises(InputError, match="must be those of the model that 'signs' was made of"):
        release.quantize(W + 1e-12)
    with pytest.raises(InputError, match="the same where the arrays of the float model are the same"):
        StoredRelease.of("two", [W, W], [np.sign(W), W])


def trained(torch, data, rows):
    """Return a perceptron that has learnt these rows by heart."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(30, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
    X = torch.tensor((data.X[rows] - data.X.mean(0)) / data.X.std(0), dtype=torch.float32)
    y = torch.tensor(data.y[rows], dtype=torch.float32)
    optimiser = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(200):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(module(X)[:, 0], y).backward()
        optimiser.step()
    return module


@pytest.mark.filterwarnings("ignore")
def test_releases_are_audited_beside_quantizers(torch, gguf_file):
    data = bundled("breast_cancer")
    data = type(data)(**{**vars(data), "X": (data.X - data.X.mean(0)) / data.X.std(0)})
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data.y))
    members, others = np.sort(order[:280]), np.sort(order[280:])
    module = trained(torch, data, members)
    model = TorchModel(module, [module.state_dict()], task="binary")
    releases = [model.released(dynamic(module), "int8 file", bits=8.0), quantizer("sign")]
    result = audit(data, model, releases, runs=1, evaluation=others)
    assert result.leak.names == ("int8 file", "sign", "identity")
    assert result.leak.bits[0] == 8.0
    assert abs(result.leak.auc[0] - result.leak.auc[2]) < 0.02  # int8 changes hardly a loss
    with pytest.raises(InputError, match=r"released = 'x': must be asked of a model with one checkpoint"):
        TorchModel(module, [module.state_dict()] * 2, task="binary").released(module, "x")
    changed = {name: value + 1.0 for name, value in module.state_dict().items()}
    with pytest.raises(InputError, match=r"x: 0.bias = 'another': must be that of the float model, or named"):
        model.released(changed, "x")
