"""Low-rank adapters: what is released is the sum of weight and adapter, and nothing else has moved."""

import warnings

import numpy as np
import pytest

from qmis_stats import InputError
from qmis_stats.audit.models import TorchModel
from qmis_stats.audit.models.low_rank import low_rank

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch", reason="PyTorch modules need the extra 'torch'")

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 6))
Y = X @ RNG.normal(size=6)


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4), torch.nn.Linear(4, 1))


def steps(module, X, y, rng=None):
    inputs, target = (torch.tensor(part, dtype=torch.float32) for part in (X, y))
    optimiser = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.05)
    for _ in range(3):
        optimiser.zero_grad()
        ((module(inputs)[:, 0] - target) ** 2).mean().backward()
        optimiser.step()
        yield


def moved(module, train):
    """Return by how much each array moves in training, at every checkpoint."""
    model = TorchModel(module, train, task="regression")
    before = {name: p.detach().double().numpy() for name, p in module.named_parameters()}
    for weights in model.fit_path(X, Y, np.random.default_rng(2)):
        yield {name: after - before[name] for name, after in zip(before, weights, strict=True)}


def test_released_is_the_sum_and_the_rest_is_frozen():
    def train(module, X, y, rng):
        low_rank(module, 2, adapted=["0.weight", "2.weight"], trained=["3.*"])
        yield from steps(module, X, y)

    checkpoints = list(moved(network(), train))
    assert len(checkpoints) == 3
    last = checkpoints[-1]
    ranks = {name: np.linalg.matrix_rank(move, tol=1e-6) for name, move in last.items() if move.ndim == 2}
    assert ranks == {"0.weight": 2, "2.weight": 2, "3.weight": 1}
    assert {name for name, move in last.items() if np.any(move != 0.0)} == {*ranks, "3.bias"}


def test_an_adapter_begins_at_nothing():
    module = network()
    before = module(torch.tensor(X, dtype=torch.float32))
    low_rank(module, 3)
    assert torch.equal(module(torch.tensor(X, dtype=torch.float32)), before)


def test_adapters_that_are_published_apart_are_parameters():
    module = network()
    low_rank(module, 2, adapted=["0.weight"])
    model = TorchModel(module, steps, task="regression", quantize=["*.0.[AB]"])
    *_, last = model.fit_path(X, Y, np.random.default_rng(2))
    assert [array.shape for array, on in zip(last, model.quantizable(last), strict=True) if on] == [(2, 6), (5, 2)]


@pytest.mark.filterwarnings("ignore")
def test_adapters_of_peft_that_are_merged():
    peft = pytest.importorskip("peft", reason="not an extra")

    def train(module, X, y, rng):
        adapted = peft.get_peft_model(module, peft.LoraConfig(r=2, target_modules=["0"]))
        list(steps(adapted, X, y))
        adapted.merge_and_unload()
        yield

    [last] = moved(network(), train)
    assert {name for name, move in last.items() if np.any(move != 0.0)} == {"0.weight"}
    assert np.linalg.matrix_rank(last["0.weight"], tol=1e-6) == 2


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.head = torch.nn.Embedding(7, 3), torch.nn.Linear(3, 7)
        self.head.weight = self.token.weight


@pytest.mark.parametrize(
    ("module", "given", "match"),
    [
        (network, {"rank": 0}, "rank = 0"),
        (network, {"rank": 2, "adapted": ["1.*"]}, r"adapted = '1\.\*'.*0\.weight, 2\.weight, 3\.weight"),
        (network, {"rank": 2, "adapted": "0.weight"}, "a list"),
        (network, {"rank": 2, "trained": ["head"]}, "trained = 'head'"),
        (Tied, {"rank": 2}, r"head\.weight.*tied to others, such as token\.weight"),
    ],
)
def test_what_cannot_be_adapted_is_refused(module, given, match):
    with pytest.raises(InputError, match=match):
        low_rank(module(), **given)
