"""Quantizers that see data: against references that share no code, and what each promises of the layer's error."""

from __future__ import annotations

import pickle
from itertools import product

import numpy as np
import pytest

from qmis_stats.errors import DomainError, InputError
from qmis_stats.leak import leakage
from qmis_stats.quantizers import ptq_indicator, quantizer
from qmis_stats.quantizers.calibrated import GPTQ, CalibratedQuantizer

METHODS = ("gptq", "adaround", "awq")
NAMES = [f"{method}-{rest}" for method in METHODS for rest in ("2", "4", "3:channel", "3:g8")]


def layer(seed: int, outputs: int = 3, features: int = 12, rows: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and inputs that are correlated and of different sizes."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(rows, features)) @ (np.eye(features) + 0.5 * rng.normal(size=(features, features)))
    return rng.normal(size=(outputs, features)), mixed * np.exp(rng.normal(size=features))


def nearest(name: str) -> str:
    return "uniform-" + name.partition("-")[2]


def error(released: np.ndarray, weights: np.ndarray, inputs: np.ndarray) -> float:
    return float(np.sum(((released - weights) @ inputs.T) ** 2))


def made(name: str, weights: np.ndarray, inputs: np.ndarray):
    chosen = quantizer(name)
    assert isinstance(chosen, CalibratedQuantizer)
    return chosen.calibrate(weights, inputs)


def surgeon(weights: np.ndarray, inputs: np.ndarray, top: int, damping: float) -> np.ndarray:
    """Optimal brain surgeon, one column after the other: each inverse is made anew, of the columns that are left."""
    hessian = inputs.T @ inputs
    hessian = hessian + damping * np.mean(np.diag(hessian)) * np.eye(len(hessian))
    step = np.abs(weights).max() / top
    left, done = weights.astype(float).copy(), np.zeros_like(weights)
    for j in range(weights.shape[1]):
        inverse = np.linalg.inv(hessian[j:, j:])
        done[:, j] = step * np.clip(np.round(left[:, j] / step), -top, top)
        for row in range(len(weights)):
            left[row, j:] -= (left[row, j] - done[row, j]) / inverse[0, 0] * inverse[:, 0]
    return done


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("rows", [6, 40])
def test_gptq_is_the_surgeon_in_fixed_order(bits: int, rows: int) -> None:
    for seed in range(5):
        weights, inputs = layer(seed, rows=rows)
        found = made(f"gptq-{bits}", weights, inputs).quantize(weights)
        np.testing.assert_allclose(found, surgeon(weights, inputs, 2 ** (bits - 1) - 1, 0.01), atol=1e-9)
        assert not np.array_equal(found, quantizer(f"uniform-{bits}").quantize(weights))


@pytest.mark.parametrize("rest", ["2", "4", "4:channel", "4:g5"])
def test_orthogonal_inputs_leave_rounding_to_nearest(rest: str) -> None:
    weights = layer(1)[0]
    inputs = np.vstack([np.diag(np.arange(1.0, 13.0)), np.zeros((3, 12))])
    expected = quantizer(f"uniform-{rest}").encode(weights)
    for method in ("gptq", "adaround"):
        codes, values = made(f"{method}-{rest}", weights, inputs).encode(weights)
        np.testing.assert_array_equal(codes, expected[0])
        np.testing.assert_allclose(values, expected[1], rtol=1e-15)
    alike = np.vstack([np.eye(12), -np.eye(12)])  # of one size too: nothing to scale
    np.testing.assert_allclose(made(f"awq-{rest}", weights, alike).quantize(weights), expected[1], rtol=1e-15)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("gptq")])
def test_never_worse_than_rounding_on_the_inputs(name: str) -> None:
    better = 0
    for seed in range(30):
        weights, inputs = layer(seed, rows=5 + seed)
        plain = error(quantizer(nearest(name)).quantize(weights), weights, inputs)
        found = error(made(name, weights, inputs).quantize(weights), weights, inputs)
        assert found <= plain * (1.0 + 1e-12)
        better += found < 0.999 * plain
    assert better > 10


def test_gptq_is_mostly_better_than_rounding_on_the_inputs_and_says_so_only() -> None:
    better = []
    for seed in range(60):
        weights, inputs = layer(seed)
        plain = error(quantizer("uniform-4").quantize(weights), weights, inputs)
        better.append(error(made("gptq-4", weights, inputs).quantize(weights), weights, inputs) < plain)
    assert sum(better) > 50


def test_adaround_stops_where_no_single_change_helps_and_between_rounding_and_the_optimum() -> None:
    for seed in range(8):
        weights, inputs = layer(seed, outputs=1, features=8)
        step = np.abs(weights).max() / 3
        low = np.floor(weights[0] / step - 1e-12)
        choices = [step * np.clip(low + ups, -3, 3) for ups in product((0, 1), repeat=8)]
        optimum = min(error(one[None], weights, inputs) for one in choices)
        found = made("adaround-3", weights, inputs).quantize(weights)
        reached = error(found, weights, inputs)
        assert optimum * (1.0 - 1e-9) <= reached <= error(quantizer("uniform-3").quantize(weights), weights, inputs)
        for j in range(8):
            for moved in (found[0, j] - step, found[0, j] + step):
                if abs(moved - weights[0, j]) < step and abs(moved) <= 3.001 * step:
                    other = found.copy()
                    other[0, j] = moved
                    assert error(other, weights, inputs) >= reached * (1.0 - 1e-9)


def test_awq_is_the_best_power_of_mean_magnitudes() -> None:
    weights, inputs = layer(3, rows=30)
    size = np.abs(inputs).mean(axis=0)
    tried = []
    for power in np.linspace(0.0, 1.0, 21):
        scaled = weights * size**power
        step = np.abs(scaled).max(axis=1, keepdims=True) / 3
        tried.append(step * np.round(scaled / step) / size**power)
    errors = [error(one, weights, inputs) for one in tried]
    found = made("awq-3:channel", weights, inputs)
    np.testing.assert_allclose(found.quantize(weights), tried[int(np.argmin(errors))], rtol=1e-9, atol=1e-12)
    other = 2.0 * weights[::-1]  # scales of columns stay as they are for other weights
    power = np.linspace(0.0, 1.0, 21)[int(np.argmin(errors))]
    scaled = other * size**power
    step = np.abs(scaled).max(axis=1, keepdims=True) / 3
    np.testing.assert_allclose(found.quantize(other), step * np.round(scaled / step) / size**power, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_what_changes_nothing(name: str) -> None:
    weights, inputs = layer(4)
    codes, values = made(name, weights, inputs).encode(weights)
    rows = np.random.default_rng(0).permutation(len(inputs))
    for same in (inputs[rows], -inputs, 2.0**40 * inputs, np.vstack([inputs, inputs])):
        np.testing.assert_array_equal(made(name, weights, same).codes(weights), codes)
    twice = made(name, 4.0 * weights, inputs).encode(4.0 * weights)
    np.testing.assert_array_equal(twice[0], codes)
    np.testing.assert_allclose(twice[1], 4.0 * values, rtol=1e-14)
    np.testing.assert_array_equal(made(name, -weights, inputs).codes(-weights), -codes)


@pytest.mark.parametrize("name", ["gptq-3:channel", "adaround-3", "gptq-3:g4"])
def test_outputs_are_quantized_by_themselves(name: str) -> None:
    weights, inputs = layer(5)
    order = [2, 0, 1]
    codes = made(name, weights, inputs).codes(weights)
    np.testing.assert_array_equal(made(name, weights[order], inputs).codes(weights[order]), codes[order])


@pytest.mark.parametrize("name", ["adaround-3:channel", "awq-3"])
def test_the_order_of_inputs_does_not_matter(name: str) -> None:
    weights, inputs = layer(6)
    order = np.random.default_rng(1).permutation(12)
    codes = made(name, weights, inputs).codes(weights)
    np.testing.assert_array_equal(
        made(name, weights[:, order], inputs[:, order]).codes(weights[:, order]), codes[:, order]
    )


@pytest.mark.parametrize("name", NAMES)
def test_degenerate_layers(name: str) -> None:
    weights, inputs = layer(7)
    assert not made(name, np.zeros((3, 12)), inputs).quantize(np.zeros((3, 12))).any()
    plain = quantizer(nearest(name)).quantize(weights)
    np.testing.assert_allclose(made(name, weights, np.zeros((2, 12))).quantize(weights), plain, rtol=1e-15)
    dead = inputs.copy()
    dead[:, 4] = 0.0
    found = made(name, weights, dead)
    assert np.all(np.isfinite(found.quantize(weights)))
    row = made(name, weights[0], inputs)
    assert row.quantize(weights[0]).shape == (12,)
    kernels = weights.reshape(3, 3, 2, 2)
    found = made(name, kernels, inputs)
    np.testing.assert_array_equal(found.quantize(kernels).reshape(3, 12), made(name, weights, inputs).quantize(weights))
    given = weights.copy()
    made(name, weights, inputs).quantize(weights)
    np.testing.assert_array_equal(given, weights)


@pytest.mark.parametrize("name", NAMES)
def test_names_bits_and_values(name: str) -> None:
    chosen = quantizer(name)
    assert (chosen.name, chosen.bits) == (name, quantizer(nearest(name)).bits)
    assert chosen == quantizer(name) == pickle.loads(pickle.dumps(chosen))
    assert hash(chosen) == hash(quantizer(name))
    weights, inputs = layer(8)
    found = made(name, weights, inputs)
    assert (found.name, found.bits, found.discrete) == (name, chosen.bits, False)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).codes(weights), found.codes(weights))


@pytest.mark.parametrize(
    "name", ["gptq", "gptq-1", "gptq-9", "gptq-asym-4", "awq-4:g32:f16", "adaround-4:g", "gptq-04"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="quantizer = "):
        quantizer(name)
    with pytest.raises(InputError, match="none identity, mixed or one that sees data"):
        quantizer("gptq-4+nf4")


@pytest.mark.parametrize("grid", ["nf4", "uniform-4:g32:f16", "uniform-asym-4"])
def test_other_grids_are_refused(grid: str) -> None:
    with pytest.raises(InputError, match="grid = "):
        GPTQ(quantizer(grid))


def test_without_inputs_everything_refuses_in_one_line() -> None:
    weights, inputs = layer(9)
    chosen = quantizer("gptq-4")
    for call in (chosen.quantize, chosen.codes, chosen.encode, chosen.sparsity, chosen.cells, chosen.faces):
        with pytest.raises(DomainError, match="'gptq-4'") as caught:
            call(weights)
        assert "\n" not in str(caught.value)
    with pytest.raises(DomainError, match="faces"):
        ptq_indicator(chosen, weights[0], np.eye(12))
    with pytest.raises(InputError, match="quantizers = 'gptq-4': must be without those that see data"):
        leakage(None, ["sign", "gptq-4"], X=inputs, y=inputs[:, 0])
    with pytest.raises(InputError, match="quantizers = 'gptq-4': must be without those that see data"):
        leakage(None, [made("gptq-4", weights, inputs)], X=inputs, y=inputs[:, 0])


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (np.zeros((3, 4)), "of shape"),
        (np.zeros(12), "of shape"),
        (np.zeros((0, 12)), "of shape"),
        (np.full((2, 12), np.nan), "finite"),
        ([["a"] * 12], "real numbers"),
    ],
)
def test_inputs_that_cannot_be_used(inputs: object, said: str) -> None:
    weights = layer(1)[0]
    with pytest.raises(InputError, match=said):
        made("gptq-4", weights, inputs)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="as in the calibration of gptq-4"):
        made("gptq-4", weights, np.eye(12)).quantize(weights[0])
