"""Audits under mixed precision: the quantizer of each layer, mean bits, codes by layer, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from qmis_stats.audit import MLP, Linear, audit, bundled
from qmis_stats.audit.attacks import LossThreshold, audit_attacks, play
from qmis_stats.audit.calibration import released_weights
from qmis_stats.audit.codewords import Codewords
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.quantizers import by_layer
from qmis_stats.errors import InputError
from qmis_stats.quantizers import quantizer
from qmis_stats.quantizers.weights import Mixed

ENDS = quantizer("mixed(first=uniform-8,last=uniform-8,*=uniform-4)")
RNG = np.random.default_rng(1)
W = (RNG.normal(size=(6, 3)), RNG.normal(size=6), RNG.normal(size=(6, 6)), RNG.normal(size=6), RNG.normal(size=(1, 6)))
MASK = (True, False, True, False, True)
DATA = from_arrays(RNG.normal(size=(120, 3)), RNG.normal(size=120), name="noise")
NETWORK = MLP("regression", hidden=(6, 6), epochs=3, checkpoints=2)


def test_each_layer_is_released_by_its_own_quantizer() -> None:
    released = released_weights(ENDS, NETWORK, W, MASK, None)
    for place, name in zip((0, 2, 4), ("uniform-8", "uniform-4", "uniform-8"), strict=True):
        np.testing.assert_array_equal(released[place], quantizer(name).quantize(W[place]))
    np.testing.assert_array_equal(released[1], W[1])


def test_codes_are_told_apart_by_layer() -> None:
    words = Codewords(ENDS, calibrate=lambda _, mask: by_layer(ENDS, NETWORK, sum(mask)))
    marks = [words.of(weights, MASK)[1] for weights in (W, _moved(0), _moved(2), _moved(4), W)]
    assert len(set(marks)) == 3  # the move is seen by eight bits alone
    assert marks[0] == marks[2] == marks[4]
    assert words.bits == pytest.approx((24 * np.log2(255) + 36 * np.log2(15)) / 60)


def _moved(place: int) -> tuple[np.ndarray, ...]:
    """Return weights one of which has moved by two steps of eight bits, within its cell of four bits."""
    array = W[place].copy()
    step = np.max(np.abs(array)) / 7.0
    away = np.abs(array / step - np.rint(array / step))
    away.flat[np.argmax(np.abs(array))] = 1.0  # the scale of all
    array.flat[np.argmin(away)] += step / 8.0
    return (*W[:place], array, *W[place + 1 :])


def test_an_audit_reports_the_mean_bits_of_the_weights(tmp_path) -> None:
    names = [ENDS, quantizer("mixed(last=identity,*=sign)"), quantizer("nf4")]
    found = [audit(DATA, NETWORK, names, runs=2, seed=1, store=tmp_path) for _ in range(2)]  # the second from the store
    for result in found:
        assert result.bits[ENDS.name] == pytest.approx((24 * np.log2(255) + 36 * np.log2(15)) / 60)
        assert result.bits["mixed(last=identity,*=sign)"] == pytest.approx((54 + 32 * 6) / 60)
        assert result.bits["nf4"] == 4.0


def test_a_part_may_see_data_or_be_an_object_of_ones_own() -> None:
    class Halves:
        name, bits = "halves", 8.0

        def quantize(self, weights):
            return np.rint(2.0 * weights) / 2.0

    mixed = [quantizer("mixed(first=uniform-8,*=gptq-4)"), Mixed({"layer 2": Halves(), "*": quantizer("sign")})]
    result = audit(DATA, NETWORK, mixed, runs=1, seed=1)
    assert result.bits["mixed(layer 2=halves,*=sign)"] == pytest.approx((8 * 36 + 24) / 60)
    assert any("gptq-4" in note and "calibrated" in note for note in result.notes)
    points = DATA.X[:50]
    first, _, second, *_ = released_weights(mixed[0], _Given(), W, MASK, points)
    np.testing.assert_array_equal(first, quantizer("uniform-8").quantize(W[0]))
    made = quantizer("gptq-4").calibrate(W[2], np.maximum(points @ first.T + W[1], 0.0))
    np.testing.assert_array_equal(second, made.quantize(W[2]))


class _Given:
    def layer_inputs(self, weights, X):
        one = np.maximum(X @ weights[0].T + weights[1], 0.0)
        return {"a": X, "b": one, "c": np.maximum(one @ weights[2].T + weights[3], 0.0)}


def test_attacks_play_against_a_mixture() -> None:
    attacks = [LossThreshold()]
    found = audit_attacks(DATA, NETWORK, [ENDS], trainings=16, attacks=attacks, seed=1)
    assert list(found.reports) == [ENDS.name, "identity"]
    head = audit(bundled("diabetes"), Linear(), [quantizer("mixed(*=sign)"), quantizer("sign")], runs=1, seed=1)
    assert "choose by layers" in head.no_leak
    losses = [head.visited[name].losses for name in ("mixed(*=sign)", "sign")]
    np.testing.assert_array_equal(*losses)


def test_what_does_not_fit_is_one_line_before_any_training() -> None:
    torch = pytest.importorskip("torch", reason="names of layers before training need PyTorch")
    from qmis_stats.audit.models import TorchModel

    def never(module, X, y, rng):
        raise AssertionError("trained")

    model = TorchModel(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)), never, task="regression")
    assert model.layer_names() == ("0.weight", "1.weight")
    wrong = quantizer("mixed(head.weight=nf4,*=sign)")
    for call in (
        lambda: audit(DATA, model, [wrong], runs=1),
        lambda: audit_attacks(DATA, model, [wrong], trainings=16),
        lambda: play(DATA, model, wrong, 20),
    ):
        with pytest.raises(InputError, match=r"'head\.weight'.*0\.weight, 1\.weight") as error:
            call()
        assert "\n" not in str(error.value)


def test_a_user_s_choice_of_another_number_of_layers_is_refused() -> None:
    class Short:
        name, bits = "short", 4.0

        def of_layers(self, names):
            return [quantizer("sign")]

    with pytest.raises(InputError, match=r"'short'.*one for each of 3"):
        audit(DATA, NETWORK, [Short()], runs=1)
