"""Quantizers of weight tensors: values, levels, ties, and the properties that each class claims."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from qmis_stats.errors import DomainError, InputError
from qmis_stats.quantizers.weights import (
    DEFAULT_QUANTIZERS,
    NF4_LEVELS,
    AbsmeanTernary,
    IdentityWeights,
    KMeansCodebook,
    LloydMaxCodebook,
    NormalFloat4,
    PowersOfTwo,
    SparseTernary,
    TernaryWeightNetwork,
    UniformAsymmetric,
    UniformSymmetric,
    quantizer,
)

pytestmark = pytest.mark.grid(3)

NAMES = (*DEFAULT_QUANTIZERS, "twn-0.75", "uniform-2", "uniform-asym-2", "lloyd-max-1", "kmeans-1", "log2-3", "log2-6")
QUICK = settings(deadline=None, max_examples=20)


def tensors(most: int = 24):
    """Vectors with ties, zeros and neighbours, or of any numbers."""
    coarse = st.lists(st.integers(-12, 12).map(lambda k: k / 8), min_size=1, max_size=most)
    any_number = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=most)
    return st.one_of(coarse, any_number).map(lambda x: np.array(x, dtype=np.float64))


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


# --- values


def test_absmean_by_hand():
    """γ = (1.5 + 0.5 + 0.25 + 0.75)/4 = 0.75; w/γ = 2, −0.67, 0.33, 1."""
    np.testing.assert_array_equal(
        quantizer("ternary-absmean").quantize([1.5, -0.5, 0.25, 0.75]), [0.75, -0.75, 0.0, 0.75]
    )


@QUICK
@given(tensors())
def test_absmean_is_the_published_formula(w):
    gamma = math.fsum(abs(w)) / w.size
    if gamma > 0.0 and np.all(np.abs(np.abs(w) / gamma - 0.5) > 1e-9):
        expected = gamma * np.clip(np.round(w / gamma), -1, 1)
        np.testing.assert_allclose(AbsmeanTernary().quantize(w), expected, rtol=1e-14)


def test_ties_of_ternary_quantizers_become_zero():
    """Mean magnitudes 1 and 5/8: thresholds 1/2 and 0.4·5/8 = 1/4 are met exactly."""
    np.testing.assert_array_equal(AbsmeanTernary().codes([0.5, -0.5, 2.0]), [0, 0, 1])
    np.testing.assert_array_equal(TernaryWeightNetwork(0.4).codes([0.25, -0.25, 1.0, 1.0]), [0, 0, 1, 1])


def test_twn_by_hand():
    """Mean 0.8, threshold 0.56; the kept 1.6 and 0.9 have mean 1.25."""
    np.testing.assert_allclose(quantizer("twn-0.7").quantize([1.6, 0.3, -0.9, 0.4]), [1.25, 0.0, -1.25, 0.0])


@pytest.mark.parametrize(
    ("name", "zeros"), [("sparse-33", 33), ("sparse-29", 29), ("sparse-50", 50), ("sparse-90", 90)]
)
def test_sparsity_is_met_exactly(name, zeros):
    w = normal(3, 100)
    q = quantizer(name)
    kept = np.sort(np.abs(w))[zeros:]
    assert q.sparsity(w) == zeros / 100
    np.testing.assert_allclose(np.unique(np.abs(q.quantize(w))), [0.0, kept.mean()], rtol=1e-14)


def test_ties_of_sparsity_are_kept():
    np.testing.assert_array_equal(SparseTernary(0.5).codes([1.0, -1.0, 0.5, 1.0]), [1, -1, 0, 1])
    np.testing.assert_array_equal(SparseTernary(0.5).codes([0.0, 0.0, 0.0, 1.0]), [0, 0, 0, 1])
    np.testing.assert_array_equal(SparseTernary(0.9).quantize([3.0]), [3.0])


@pytest.mark.parametrize("bits", range(2, 9))
def test_uniform_is_the_nearest_of_its_levels(bits):
    w = normal(bits, 200)
    top = 2 ** (bits - 1) - 1
    grid = np.abs(w).max() * np.arange(-top, top + 1) / top
    np.testing.assert_allclose(UniformSymmetric(bits).quantize(w), nearest(w, grid), atol=1e-14)
    assert UniformSymmetric(bits).bits == math.log2(2**bits - 1)


def nearest(w, grid):
    return grid[np.argmin(np.abs(w[:, None] - grid), axis=1)]


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("shift", [-9.0, 0.4, 9.0])
def test_uniform_asymmetric_is_the_nearest_of_its_levels(bits, shift):
    w = normal(bits, 200) + shift
    low, high = min(0.0, w.min()), max(0.0, w.max())
    steps = 2**bits - 1
    scale = (high - low) / steps
    grid = scale * (np.arange(steps + 1) - round(-low / scale))
    found = UniformAsymmetric(bits).quantize(w)
    np.testing.assert_allclose(found, nearest(w, grid), atol=1e-13)
    assert np.any(np.isclose(grid, 0.0, atol=1e-15))
    if abs(shift) == 9.0:
        assert np.isin([high, low], np.append(found, 0.0)).all()


def test_ties_of_uniform_quantizers_go_to_the_even_code():
    np.testing.assert_array_equal(UniformSymmetric(3).codes([3.0, 0.5, 1.5, 2.5, -0.5, -1.5]), [3, 0, 2, 2, 0, -2])


def test_nf4_levels_are_the_published_construction():
    """Quantiles of both halves of a normal law between ½ and the mean of 1 − 1/32 and 1 − 1/30, over the largest."""
    offset = 0.5 * (1.0 - 1.0 / 32.0 + 1.0 - 1.0 / 30.0)
    positive = ndtri(np.linspace(offset, 0.5, 9)[:-1])
    negative = -ndtri(np.linspace(offset, 0.5, 8)[:-1])
    levels = np.sort(np.concatenate((positive, [0.0], negative))) / positive[0]
    np.testing.assert_allclose(NF4_LEVELS, levels, atol=2e-7)
    assert len(NF4_LEVELS) == 16
    assert all(float(np.float32(x)) == x for x in NF4_LEVELS)


@pytest.mark.parametrize("block", [None, 64, 7])
def test_nf4_is_the_nearest_of_its_levels(block):
    w = normal(8, 200)
    found = NormalFloat4(block).quantize(w)
    for start in range(0, 200, block or 200):
        part = w[start : start + (block or 200)]
        np.testing.assert_array_equal(
            found[start : start + part.size], nearest(part, np.array(NF4_LEVELS) * abs(part).max())
        )


def test_ties_of_nf4_go_to_the_lower_level():
    w = np.array([1.0, 0.5 * (NF4_LEVELS[3] + NF4_LEVELS[4]), 0.5 * NF4_LEVELS[8]])
    np.testing.assert_array_equal(NormalFloat4().codes(w), [15, 3, 7])


@pytest.mark.parametrize("bits", range(3, 8))
def test_powers_of_two_are_the_published_rule(bits):
    w = np.concatenate((normal(bits, 300), normal(bits, 100) / 50))
    top = math.floor(math.log2(4.0 * np.abs(w).max() / 3.0))
    bottom = top + 1 - 2 ** (bits - 1) // 2
    powers = 2.0 ** np.arange(bottom, top + 1)
    np.testing.assert_array_equal(PowersOfTwo(bits).quantize(w), nearest(w, np.concatenate((-powers, [0.0], powers))))
    assert PowersOfTwo(bits).levels == 2 * powers.size + 1


def test_ties_of_powers_of_two_go_to_the_larger_magnitude():
    np.testing.assert_array_equal(PowersOfTwo(3).quantize([1.0, 0.75, -0.375, 0.25, 0.2499]), [1, 1, -0.5, 0.5, 0])
    np.testing.assert_array_equal(PowersOfTwo(3).quantize([1.5]), [2.0])


@QUICK
@given(tensors(9), st.integers(1, 2))
def test_k_means_is_the_optimum_over_all_intervals(w, bits):
    def error(cells):
        return sum(((c - c.mean()) ** 2).sum() for c in cells)

    ordered = np.sort(w)
    splits = combinations(range(1, w.size), min(2**bits, w.size) - 1)
    best = min(error(np.split(ordered, list(s))) for s in splits)
    found = ((KMeansCodebook(bits).quantize(w) - w) ** 2).sum()
    assert found <= best * (1.0 + 1e-9) + 1e-12 * (w**2).sum()


@QUICK
@given(tensors(), st.integers(1, 3))
def test_lloyd_max_ends_at_a_fixed_point(w, bits):
    found = LloydMaxCodebook(bits).quantize(w)
    levels = np.unique(found)
    slack = 1e-9 * np.abs(w).max()
    assert np.all(np.abs(w - found) <= np.min(np.abs(w[:, None] - levels), axis=1) + slack)
    for level in levels:
        assert abs(w[found == level].mean() - level) <= slack
    best = ((KMeansCodebook(bits).quantize(w) - w) ** 2).sum()
    assert best <= ((found - w) ** 2).sum() * (1.0 + 1e-9) + 1e-12 * (w**2).sum()


def test_k_means_beats_a_local_optimum():
    """Control for the comparison above: quantiles start Lloyd's iteration badly when most weights are in one clump."""
    w = np.concatenate((normal(1, 500), [50.0, 100.0]))
    errors = [((q(2).quantize(w) - w) ** 2).sum() for q in (KMeansCodebook, LloydMaxCodebook)]
    assert errors[0] < 0.5 * errors[1]


def test_lloyd_max_of_normal_weights_is_the_classical_quantizer():
    w = ndtri((np.arange(20_000) + 0.5) / 20_000)
    levels = np.unique(LloydMaxCodebook(2).quantize(w))
    np.testing.assert_allclose(levels, [-1.510, -0.4528, 0.4528, 1.510], atol=2e-3)


def test_a_programme_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("qmis_stats.quantizers.weights.codebooks._MAX_CELLS", 100)
    with pytest.raises(DomainError, match="lloyd-max-2"):
        KMeansCodebook(2).quantize(np.arange(30.0))


# --- properties of all


@pytest.mark.parametrize("name", NAMES)
@QUICK
@given(w=tensors())
def test_levels_are_few_and_monotone(name, w):
    q = quantizer(name)
    before = w.copy()
    found, codes = q.quantize(w), None if name == "identity" else q.codes(w)
    np.testing.assert_array_equal(w, before)
    assert found.dtype == np.float64
    assert found.shape == w.shape
    assert np.unique(found).size <= q.levels
    order = np.argsort(w, kind="stable")
    assert np.all(np.diff(found[order]) >= 0.0)
    if codes is not None:
        assert np.all(np.diff(codes[order]) >= 0)
        assert np.unique(codes).size <= q.levels
        for code in np.unique(codes):
            if not isinstance(q, (KMeansCodebook, LloydMaxCodebook)) or np.unique(w).size > q.levels:
                assert np.unique(found[codes == code]).size == 1


@pytest.mark.parametrize("name", NAMES)
@QUICK
@given(w=tensors(), power=st.integers(-30, 30))
def test_scaling_by_a_power_of_two_is_exact(name, w, power):
    q = quantizer(name)
    expected = q.quantize(w) if name == "sign" else np.ldexp(q.quantize(w), power)
    np.testing.assert_array_equal(q.quantize(np.ldexp(w, power)), expected)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "sign" and not n.startswith("log2")])
def test_scaling_is_equivariant(name):
    w = normal(11, 400)
    np.testing.assert_allclose(quantizer(name).quantize(0.3 * w), 0.3 * quantizer(name).quantize(w), rtol=1e-12)


def test_powers_of_two_do_not_scale():
    """The control: levels that are powers of two follow powers of two only."""
    assert not np.allclose(PowersOfTwo(4).quantize([0.3 * 1.0]), 0.3 * PowersOfTwo(4).quantize([1.0]))


@pytest.mark.parametrize("name", NAMES)
@QUICK
@given(w=tensors(), seed=st.integers(0, 99))
def test_permuting_is_equivariant(name, w, seed):
    order = np.random.default_rng(seed).permutation(w.size)
    np.testing.assert_array_equal(quantizer(name).quantize(w[order]), quantizer(name).quantize(w)[order])


@pytest.mark.parametrize("name", NAMES)
def test_odd_symmetry(name):
    w = normal(12, 300)
    q = quantizer(name)
    same = np.allclose(q.quantize(-w), -q.quantize(w), rtol=1e-12, atol=1e-14)
    assert same == (name != "nf4")


@pytest.mark.parametrize("name", ["ternary-absmean", "twn-0.7", "sparse-50", "uniform-2", "uniform-4", "log2-4"])
@QUICK
@given(w=tensors())
def test_odd_symmetry_holds_at_ties_too(name, w):
    np.testing.assert_array_equal(quantizer(name).quantize(-w), -quantizer(name).quantize(w))


@pytest.mark.parametrize("name", [n for n in NAMES if n != "ternary-absmean" and not n.startswith("uniform-asym")])
@QUICK
@given(w=tensors())
def test_idempotent(name, w):
    once = quantizer(name).quantize(w)
    np.testing.assert_array_equal(quantizer(name).quantize(once), once)


@pytest.mark.parametrize("name", ["uniform-asym-2", "uniform-asym-4"])
def test_asymmetric_is_idempotent_up_to_rounding(name):
    for seed in range(20):
        once = quantizer(name).quantize(normal(seed, 50) + 0.1 * seed)
        np.testing.assert_allclose(quantizer(name).quantize(once), once, rtol=1e-12, atol=1e-14)


@QUICK
@given(w=tensors())
def test_absmean_shrinks_by_its_share_of_zeros(w):
    q = AbsmeanTernary()
    once = q.quantize(w)
    if np.any(once):
        np.testing.assert_array_equal(q.codes(once), q.codes(w))
        np.testing.assert_allclose(q.quantize(once), (1.0 - q.sparsity(w)) * once, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_zeros_stay_zero(name):
    expected = -1.0 if name == "sign" else 0.0
    np.testing.assert_array_equal(quantizer(name).quantize(np.zeros((2, 3))), np.full((2, 3), expected))


@pytest.mark.parametrize("name", [n for n in NAMES if n != "sign" and not n.startswith("log2")])
@pytest.mark.parametrize("value", [0.1, -1.0 / 3.0, 7e40])
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_constants_are_kept_exactly(name, value, size):
    w = np.full(size, value)
    np.testing.assert_array_equal(quantizer(name).quantize(w), w)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1e308, 1e-300, 1e-320])
def test_extreme_sizes(name, size):
    """Sums of large weights do not overflow, and small ones are not lost."""
    found = quantizer(name).quantize(np.array([1.0, 0.9, -0.5, -1.0, 0.01]) * size)
    assert np.all(np.isfinite(found))
    assert found[0] > 0.0 > found[3]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(4, 6), (3, 2, 3, 3)])
def test_channels_are_rows_by_themselves(name, shape):
    w = normal(21, *shape) * np.exp(normal(22, shape[0])).reshape(-1, *[1] * (len(shape) - 1))
    q, by_row = quantizer(name), quantizer(f"{name}:channel")
    found = by_row.quantize(w)
    assert found.shape == shape
    for row, expected in zip(found, w, strict=True):
        np.testing.assert_array_equal(row, q.quantize(expected))
    np.testing.assert_array_equal(by_row.quantize(w[0].ravel()), q.quantize(w[0].ravel()))
    np.testing.assert_array_equal(by_row.quantize(2.0), q.quantize(2.0))
    assert q.quantize(2.0).shape == ()


@pytest.mark.parametrize("bad", [[], [np.nan, 1.0], [np.inf], ["a"], [1j], [[1.0], [1.0, 2.0]], [True], None])
def test_unusable_weights_are_refused(bad):
    with pytest.raises(InputError, match="weights"):
        quantizer("sign").quantize(bad)


def test_single_precision_is_taken_as_it_is():
    w = np.linspace(-1, 1, 9, dtype=np.float32)[::-1]
    np.testing.assert_array_equal(quantizer("nf4").quantize(w), quantizer("nf4").quantize(w.astype(np.float64)))
    np.testing.assert_array_equal(quantizer("identity").quantize(w), w)


# --- names


def test_names_are_exported_on_first_use():
    import qmis_stats.quantizers as package
    from qmis_stats.quantizers import weights

    for name in package.__all__:
        assert getattr(package, name) is not None
    assert package.quantizer is weights.quantizer
    with pytest.raises(AttributeError, match="no attribute"):
        _ = package.nothing


@pytest.mark.parametrize("name", [*NAMES, "nf4-64", "sparse-12.5", "twn-0.05"])
def test_names_are_canonical(name):
    q = quantizer(name)
    assert q.name == name
    assert quantizer(name) == q
    assert hash(quantizer(name)) == hash(q)
    assert not q.per_channel
    if not name.startswith("nf4-"):
        by_row = quantizer(f"{name}:channel")
        assert by_row.name == f"{name}:channel"
        assert by_row.per_channel
        assert by_row != q


@pytest.mark.parametrize(
    "name",
    [
        *("", "signs", "uniform", "uniform-1", "uniform-9", "uniform-04", "uniform-4.0", "uniform--4", "twn-", "twn-1"),
        *(
            "twn-0.70",
            "sparse-0",
            "sparse-100",
            "sparse-1e1",
            "nf4-0",
            "nf4-64:channel",
            "sign:channel:channel",
            "SIGN",
        ),
        *("uniform-4 ", "uniform-²", "identity\n", "twn-0.5.5", "kmeans-" + "9" * 5000, "log2-2", None, 4),
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="one of identity, sign, ") as caught:
        quantizer(name)
    assert len(str(caught.value).splitlines()) == 1


def test_every_quantizer_that_has_a_name_of_its_own_spells_it():
    for q in (SparseTernary(0.29), SparseTernary(0.07), TernaryWeightNetwork(0.1 + 0.2), NormalFloat4(64)):
        assert quantizer(q.name).name == q.name


@pytest.mark.parametrize(
    "make",
    [
        lambda: UniformSymmetric(1),
        lambda: UniformAsymmetric(9),
        lambda: UniformSymmetric(2.0),
        lambda: LloydMaxCodebook(0),
        lambda: PowersOfTwo(True),
        lambda: NormalFloat4(0),
        lambda: NormalFloat4(64, per_channel=True),
        lambda: TernaryWeightNetwork(1.0),
        lambda: SparseTernary(0.0),
        lambda: SparseTernary("half"),
    ],
)
def test_unusable_parameters_are_refused(make):
    with pytest.raises(InputError):
        make()


def test_bits_and_defaults():
    assert len(set(DEFAULT_QUANTIZERS)) == len(DEFAULT_QUANTIZERS) >= 10
    bits = {n: quantizer(n).bits for n in DEFAULT_QUANTIZERS}
    assert bits["identity"] == 32.0
    assert bits["sign"] == bits["sign-scaled"] == 1.0
    assert bits["ternary-absmean"] == bits["sparse-90"] == math.log2(3)
    assert bits["lloyd-max-2"] == 2.0
    assert bits["kmeans-3"] == 3.0
    assert bits["nf4"] == bits["uniform-asym-4"] == 4.0
    assert bits["log2-4"] == math.log2(9)
    with pytest.raises(DomainError, match="no cells"):
        IdentityWeights().codes([1.0])
