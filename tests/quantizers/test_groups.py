"""Blocks with scales of their own: what happens to a block, which format scales have, and what libraries make of it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qmis_stats.errors import InputError
from qmis_stats.quantizers import quantizer
from qmis_stats.quantizers.weights import FP4_LEVELS, GgmlBlocks, Grouped, KMeansCodebook, NormalFloat4, SignWeights
from qmis_stats.quantizers.weights.scales import kept

GGML = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0")
INNER = (
    "sign-scaled",
    "ternary-absmean",
    "twn-0.7",
    "sparse-50",
    "uniform-4",
    "uniform-asym-4",
    "nf4",
    "fp4",
    "kmeans-2",
)
FROZEN = json.loads((Path(__file__).parent / "data" / "library_vectors.json").read_text())


def weights(seed: int = 0, shape: tuple[int, ...] = (3, 50)) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(4, size=shape)


def imported(name: str, purpose: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed: {purpose}")


@pytest.mark.parametrize("name", INNER)
def test_a_block_is_quantized_by_itself(name: str) -> None:
    w = weights()
    codes, values = quantizer(f"{name}:g16").encode(w)
    for row in range(3):
        for start in (0, 16, 32, 48):  # the last block of a row has two weights
            alone = quantizer(name).encode(w[row, start : start + 16])
            np.testing.assert_array_equal(codes[row, start : start + 16], alone[0])
            np.testing.assert_array_equal(values[row, start : start + 16], alone[1])


def test_a_vector_is_one_row_and_kernels_of_a_convolution_are_flat_in_theirs() -> None:
    w = weights(1, (2, 3, 2, 2))
    q = quantizer("uniform-4:g5")
    np.testing.assert_array_equal(q.quantize(w), q.quantize(w.reshape(2, 12)).reshape(w.shape))
    np.testing.assert_array_equal(q.quantize(w[0].ravel()), q.quantize(w)[0].ravel())
    assert not np.array_equal(q.quantize(w.ravel()), q.quantize(w).ravel())  # blocks would reach into the next row


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize(("suffix", "kind"), [("f16", np.float16), ("f32", np.float32)])
def test_scales_are_in_their_format(name: str, suffix: str, kind: type) -> None:
    w = weights(2, (64,))
    exact, kept = quantizer(f"{name}:g64"), quantizer(f"{name}:g64:{suffix}")
    assert isinstance(kept, Grouped)
    np.testing.assert_array_equal(kept.codes(w), exact.codes(w))
    # A block of 64 is the whole vector: its scale is that of the quantizer without blocks.
    group, exponent = np.ldexp(w, -(shift := int(np.frexp(np.max(np.abs(w)))[1]))), shift
    if kept.inner._absolute:
        group, exponent = w, 0
    step = kept.inner._scale(group)
    if step is None:
        expected = exact.quantize(w).astype(kind).astype(float)
    else:
        step = np.ldexp(step, exponent)
        expected = exact.quantize(w) * (float(kind(step)) / step)
    np.testing.assert_allclose(kept.quantize(w), expected, rtol=1e-15)
    assert not np.array_equal(kept.quantize(w), exact.quantize(w))
    np.testing.assert_allclose(kept.quantize(w), exact.quantize(w), rtol=np.finfo(kind).eps)


def test_double_quantization_of_scales() -> None:
    w = weights(6, (64, 320)) * np.geomspace(1.0, 2.0, 64)[:, None]
    plain, double = quantizer("uniform-4:g16"), quantizer("uniform-4:g16:double")
    np.testing.assert_array_equal(double.codes(w), plain.codes(w))
    largest = np.abs(w.reshape(-1, 16)).max(axis=1)
    scale = np.abs(double.quantize(w).reshape(-1, 16)).max(axis=1)  # of the weight that sets it
    middle, runs = np.float32(np.mean(largest / 7.0)), [slice(k, k + 256) for k in range(0, 1280, 256)]
    for run in runs:
        away, kept = largest[run] / 7.0 - middle, scale[run] / 7.0 - middle
        size = np.max(np.abs(away))
        assert np.unique(np.round(kept / size, 9)).size <= 256
        assert np.max(np.abs(kept - away)) < 0.0071 * size  # half a step of 64 between 0.1 and 1
    assert len(runs) == 5
    np.testing.assert_allclose(double.quantize(np.ones((2, 64))), np.ones((2, 64)), rtol=1e-7)  # all scales alike
    for one, other in zip(double.cells(w), plain.cells(w), strict=True):
        np.testing.assert_array_equal(one.edges, other.edges)
        np.testing.assert_array_equal(one.known, other.known)


def test_levels_of_the_second_quantization() -> None:
    """Seven decades, in each twice as many levels as in the one below, then 0 and 1."""
    places = np.linspace(-1.0, 1.0, 255 * 100).reshape(100, 255)
    runs = np.column_stack([places[:, :127], -places[:, :127], np.ones(100), -np.ones(100)])  # their mean is 0
    levels = kept(runs.ravel(), "double")
    found = np.unique(np.round(levels[levels > 0.1], 9))
    assert found.size == 65
    np.testing.assert_allclose(np.diff(found[:-1]), 0.9 / 64.0, rtol=1e-6)
    assert found[-1] == 1.0
    assert np.unique(np.round(levels[(levels > 0.01) & (levels < 0.1)], 9)).size == 32
    assert levels.min() == pytest.approx(-1.0 + 0.45 / 64.0)


@pytest.mark.parametrize("name", ["sign-scaled", "ternary-absmean", "twn-0.7", "sparse-50"])
def test_mean_scales_are_combinations_of_their_block(name: str) -> None:
    w = weights(3)
    q = quantizer(f"{name}:g16")
    values = q.quantize(w).ravel()
    found = q.combinations(w)
    assert len(found) == 12
    for inside, [row] in found:
        np.testing.assert_allclose(row @ w.ravel()[inside], np.max(np.abs(values[inside])), rtol=1e-13)
    assert quantizer(name).combinations(w) == []  # one number among all weights
    assert quantizer(f"{name}:g16").combinations(np.zeros((2, 16))) == []


def test_levels_that_are_means_are_combinations() -> None:
    w = weights(4)
    for inside, rows in quantizer("kmeans-2:g16").combinations(w):
        levels = np.unique(quantizer("kmeans-2:g16").quantize(w).ravel()[inside])
        np.testing.assert_allclose(np.sort(rows @ w.ravel()[inside]), levels, rtol=1e-12)


@pytest.mark.parametrize("name", [*GGML, "nf4", "fp4", "nf4:double", "fp4:double"])
def test_built_ins_are_what_libraries_made(name: str) -> None:
    given, expected = np.array(FROZEN["weights"]), np.array(FROZEN["released"][name])
    kind, _, scale = name.partition(":")
    q = quantizer(name if name in GGML else f"{kind}:g64:{scale or 'f32'}")
    codes, values = q.encode(given)
    if name in GGML:  # every operation in single precision, as there
        np.testing.assert_array_equal(values, expected)
    else:
        np.testing.assert_allclose(values, expected, rtol=2e-7, atol=0.0)
    for block in q.cells(given):
        pairs = set(zip(codes.ravel()[block.inside].tolist(), expected.ravel()[block.inside].tolist(), strict=True))
        assert len({code for code, _ in pairs}) == len({value for _, value in pairs}) == len(pairs)
        assert [code for code, _ in sorted(pairs)] == [code for code, _ in sorted(pairs, key=lambda pair: pair[1])]


@pytest.mark.parametrize("name", GGML)
def test_built_ins_are_gguf(name: str) -> None:
    gguf = imported("gguf", "its block types are compared with the frozen values only")
    quants, kind = importlib.import_module("gguf.quants"), gguf.GGMLQuantizationType[name.upper()]
    for seed in range(10):
        w = (10.0 ** (seed % 5 - 2) * weights(seed, (8, 96))).astype(np.float32)
        np.testing.assert_array_equal(quantizer(name).quantize(w), quants.dequantize(quants.quantize(w, kind), kind))


def bitsandbytes() -> tuple[Any, Any]:
    torch = imported("torch", "bitsandbytes cannot be asked")
    imported("bitsandbytes", "what is built in is compared with frozen values only")
    return torch, importlib.import_module("bitsandbytes.functional")


@pytest.mark.parametrize("name", ["nf4", "fp4"])
def test_built_ins_are_bitsandbytes(name: str) -> None:
    torch, functional = bitsandbytes()
    for seed in range(5):
        w = weights(seed, (16, 128)).astype(np.float32)
        packed, state = functional.quantize_4bit(torch.tensor(w), blocksize=64, quant_type=name)
        pairs = packed.numpy().reshape(-1, 1) >> np.array([4, 0]) & 15
        levels = state.code.numpy()[pairs.reshape(w.shape)]
        mine = quantizer(f"{name}:g64:f32").codes(w)
        order = np.unique(levels, return_inverse=True)[1].reshape(w.shape)
        assert np.unique(np.stack([mine.ravel(), order.ravel()], axis=1), axis=0).shape[0] == np.unique(mine).size


@pytest.mark.parametrize("name", ["nf4", "fp4"])
def test_double_quantization_is_that_of_bitsandbytes(name: str) -> None:
    """The library looks its nearest level up in a table with steps of 2⁻¹⁵: it misses by no more than that."""
    torch, functional = bitsandbytes()
    for seed in range(5):
        w = weights(seed, (64, 1024)).astype(np.float32)
        packed, state = functional.quantize_4bit(
            torch.tensor(w), blocksize=64, quant_type=name, compress_statistics=True
        )
        theirs = (functional.dequantize_blockwise(state.absmax, state.state2) + state.offset).numpy()
        exact = np.abs(w.reshape(-1, 64)).max(axis=1).astype(float)
        mine = kept(exact, "double")
        sizes = np.repeat(state.state2.absmax.numpy(), 256)
        further = (np.abs(theirs - exact) - np.abs(mine - exact)) / sizes
        assert np.max(np.abs(further)) < 2.0**-14
        same = np.abs(theirs - mine) < 1e-6 * sizes
        assert np.mean(same) > 0.98
        values, expected = (
            quantizer(f"{name}:g64:double").quantize(w),
            functional.dequantize_4bit(packed, state).numpy(),
        )
        blocks = np.repeat(same, 64).reshape(w.shape)
        np.testing.assert_allclose(values[blocks], expected[blocks], rtol=2e-6, atol=0.0)


def test_a_type_by_hand() -> None:
    """d = −1/8 · 4 = −½ for the first block; the smallest magnitude of the second is its code 0."""
    w = np.zeros(34)
    w[:4] = [4.0, -1.1, 0.2, -4.0]
    w[32:] = [-2.0, 0.3]
    codes, values = quantizer("q4_0").encode(w)
    assert codes[:4].tolist() == [8, -2, 0, -7]
    assert values[:4].tolist() == [4.0, -1.0, 0.0, -3.5]
    assert codes[32:].tolist() == [-8, 1]
    assert quantizer("q8_0").codes([127.0, 0.5, -0.5, 1.4]).tolist() == [127, 1, -1, 1]


def test_fp4_levels() -> None:
    """±(1 + m/2)·2^e over 12 with e from 1 to 3, and 1/16 in the place of a subnormal."""
    positive = [0.0625, *((1.0 + m / 2.0) * 2.0**e for e in (1, 2) for m in (0, 1)), 8.0, 12.0]
    np.testing.assert_allclose(sorted(x for x in FP4_LEVELS if x > 0.0), np.array(positive) / 12.0, rtol=1e-15)
    assert len(FP4_LEVELS) == 15
    assert quantizer("fp4").bits < 4.0


@pytest.mark.parametrize("name", ["uniform-4:g32", "nf4:g64:f16", "sparse-33:g16:f32", "sign-scaled:g64",
                                  "nf4:g64:double", *GGML])  # fmt: skip
def test_names_are_canonical(name: str) -> None:
    assert quantizer(name).name == name
    assert quantizer(name) == quantizer(name)


@pytest.mark.parametrize(
    "name",
    ["uniform-4:g0", "uniform-4:g032", "uniform-4:g", "nf4-64:g32", "uniform-4:channel:g32", "uniform-4:g32:channel",
     "uniform-4:g8:g8", "uniform-4:g8:f64", "uniform-4:f16", "q4_0:g32", "q4_0:channel", "Q4_0", "g32", ":g32"],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="one of identity, sign, "):
        quantizer(name)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Grouped(NormalFloat4(64), 32),
        lambda: Grouped(SignWeights(), 0),
        lambda: Grouped(SignWeights(True), 8, "f8"),
        lambda: Grouped(SignWeights(True, per_channel=True), 8),
        lambda: GgmlBlocks("q3_k"),
        lambda: GgmlBlocks("q8_0", per_channel=True),
        lambda: quantizer("uniform-4:g2:f16").quantize([1e9, 1.0]),
        lambda: quantizer("uniform-4:g2:double").quantize([1e300, 1.0]),
        lambda: Grouped(KMeansCodebook(2), 8, "double"),
        lambda: quantizer("kmeans-1:g4:f16").quantize([1e9, 1.0, 2.0]),
        *(lambda name=name: quantizer(name).quantize([1e9, 1.0]) for name in GGML),
        *(lambda name=name: quantizer(name).quantize([1e300, 1.0]) for name in GGML),
    ],
)
def test_what_cannot_be_quantized_is_refused(make) -> None:
    with pytest.raises(InputError):
        make()


@pytest.mark.parametrize("name", GGML)
def test_zeros_and_tiny_weights(name: str) -> None:
    np.testing.assert_array_equal(quantizer(name).quantize(np.zeros((2, 40))), np.zeros((2, 40)))
    assert np.all(np.isfinite(quantizer(name).quantize([1e-300, 1e-45, -1e-40])))
    assert all(np.all(np.isfinite(cells.edges)) for cells in quantizer(name).cells(np.zeros(3)))


# --- several releases


def test_joint_codes_are_pairs_of_codes_and_joint_cells_are_their_intersections() -> None:
    w = weights(5)
    joint = quantizer("nf4:g16+q8_0+sign-scaled:channel")
    codes = [part.codes(w).ravel() for part in joint.parts]
    pairs = np.unique(np.stack(codes), axis=1, return_inverse=True)[1].ravel()
    assert np.unique(np.stack([pairs, joint.codes(w).ravel()]), axis=1).shape[1] == np.unique(pairs).size
    covered = 0
    for cells in joint.cells(w):
        group, own = w.ravel()[cells.inside], joint.codes(w).ravel()[cells.inside]
        places = np.searchsorted(cells.edges, group)
        assert np.unique(np.stack([places, own]), axis=1).shape[1] == np.unique(own).size
        covered += group.size
    assert covered == w.size
    for part in joint.parts:  # what one part gives away, all do
        known = {i for c in part.cells(w) for i in (c.known + c.inside.start).tolist()}
        assert known <= {i for c in joint.cells(w) for i in (c.known + c.inside.start).tolist()}
    assert len(joint.combinations(w)) == 3
    assert joint.bits == pytest.approx(sum(part.bits for part in joint.parts))


@pytest.mark.parametrize("name", ["nf4+q8_0", "sign+ternary-absmean", "sign-scaled+uniform-3", "log2-4+sign"])
def test_joint_values_are_closer_than_those_of_any_part(name: str) -> None:
    """By the best straight line, which is what a reader of measurements can make of them."""
    w = np.random.default_rng(6).normal(size=4000)

    def missed(values: np.ndarray) -> float:
        return 1.0 - np.corrcoef(values, w)[0, 1] ** 2

    joint = quantizer(name)
    assert joint.name == name
    assert missed(joint.quantize(w)) < 1.01 * min(missed(part.quantize(w)) for part in joint.parts)


@pytest.mark.parametrize("name", ["nf4+", "+nf4", "nf4+nf4", "nf4+identity", "nf4+sign+q8_0+q4_0", "nf4+what"])
def test_what_is_no_joint_release_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        quantizer(name)
