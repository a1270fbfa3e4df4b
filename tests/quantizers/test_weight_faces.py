"""Faces of the cells of weight tensors, and the indicator from an estimate and its covariance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qmis_stats import CodebookERM, FixedThresholds, GaussianMean, Problem, Sign, ThresholdPTQ
from qmis_stats.errors import DomainError, InputError
from qmis_stats.quantizers.weights import DEFAULT_QUANTIZERS, SparseTernary, ptq_indicator, quantizer, swaps

pytestmark = pytest.mark.grid(3)

WITHOUT = ("identity", "lloyd-max-2", "kmeans-3")
NAMES = (
    *(n for n in DEFAULT_QUANTIZERS if n not in WITHOUT),
    *("twn-0.75", "uniform-2", "uniform-asym-2", "log2-3", "log2-6", "nf4-7", "sparse-5"),
    *("sign-scaled:channel", "ternary-absmean:channel", "sparse-33:channel", "uniform-asym-3:channel", "nf4:channel"),
)
ALL = 10**6


def tensor(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3, 6))


def covariance(seed: int, d: int) -> np.ndarray:
    """A covariance with standard deviations that differ by orders of magnitude."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(d, d)) + 2.0 * rng.normal(size=(d, 1))
    scale = np.exp(rng.normal(size=d))
    return scale[:, None] * (factor @ factor.T) * scale / d


def brute_rates(name: str, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    faces = quantizer(name).faces(w, nearest=ALL)
    full = np.diag(v) if v.ndim == 1 else v
    return faces.margins**2 / (2.0 * np.einsum("fi,ij,fj->f", faces.gradients, full, faces.gradients))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_those_of_the_margins(name, seed):
    w = tensor(seed)
    q = quantizer(name)
    faces = q.faces(w, nearest=ALL)
    assert len(faces) > 0
    assert np.all(faces.margins >= 0.0)
    order = faces_in_order(faces)
    step = 1e-3 * faces.margins.min()
    for i in range(w.size):
        moved = []
        for sign in (1.0, -1.0):
            shifted = w.copy()
            shifted.flat[i] += sign * step
            other = q.faces(shifted, nearest=ALL)
            moved.append(other.margins[faces_in_order(other)])
        slopes = (moved[0] - moved[1]) / (2.0 * step)
        np.testing.assert_allclose(slopes, faces.gradients[order, i], atol=1e-6)


def faces_in_order(faces):
    return np.lexsort((faces.second_coefficient, faces.first_coefficient, faces.second, faces.first))


@pytest.mark.parametrize("name", NAMES)
def test_margins_and_gradients_agree_with_the_degree_of_the_cells(name):
    """Cells that scale with the weights have margins of degree one: g = ∇g·w (Euler); fixed thresholds do not."""
    w = tensor(5)
    faces = quantizer(name).faces(w, nearest=ALL)
    same = np.allclose(faces.margins, faces.gradients @ w.ravel(), atol=1e-12)
    assert same == (not name.startswith("log2"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(6))
def test_codes_change_on_the_nearest_face_and_not_before(name, seed):
    """From the estimate to the most likely point of the nearest face, in the metric of a covariance."""
    w = tensor(seed)
    q = quantizer(name)
    v = covariance(seed, w.size)
    faces = q.faces(w, nearest=ALL)
    variances = faces.variances(v)
    at = int(np.argmin(faces.margins**2 / variances))
    step = (-faces.margins[at] / variances[at] * (v @ faces.gradients[at])).reshape(w.shape)
    codes = q.codes(w)
    if piecewise_smooth(name, w, step):
        for share in (0.25, 0.75, 1.0 - 1e-9):
            np.testing.assert_array_equal(q.codes(w + share * step), codes)
        assert np.any(q.codes(w + (1.0 + 1e-9) * step) != codes)


def piecewise_smooth(name: str, w: np.ndarray, step: np.ndarray) -> bool:
    """Whether no weight changes its sign, and no other one becomes an extreme, on the way to a crossing."""
    after = w + (1.0 + 1e-9) * step
    if name.startswith(("sign", "sparse", "log2")):
        return True
    if name.startswith(("ternary", "twn")):
        return bool(np.all(np.sign(after) == np.sign(w)))
    groups = np.split(np.arange(w.size), range(7, w.size, 7)) if name == "nf4-7" else None
    groups = groups or (np.arange(w.size).reshape(3, -1) if name.endswith("channel") else [np.arange(w.size)])
    before, later = w.ravel(), after.ravel()
    extremes = [
        (f(before[g]), f(later[g])) for g in groups for f in (np.argmax, np.argmin, lambda x: np.argmax(abs(x)))
    ]
    asymmetric_side = np.sign([np.ptp(np.append(x[g], 0.0)) - np.ptp(x[g]) for x in (before, later) for g in groups])
    return all(a == b for a, b in extremes) and np.array_equal(*np.split(asymmetric_side, 2))


def test_most_of_the_crossings_are_smooth():
    """The check above looks at most cases."""
    looked = []
    for name, seed in itertools.product(NAMES, range(6)):
        w, v = tensor(seed), covariance(seed, 18)
        faces = quantizer(name).faces(w, nearest=ALL)
        variances = faces.variances(v)
        at = int(np.argmin(faces.margins**2 / variances))
        step = (-faces.margins[at] / variances[at] * (v @ faces.gradients[at])).reshape(w.shape)
        looked.append(piecewise_smooth(name, w, step))
    assert np.mean(looked) > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_no_code_changes_before_the_first_face_in_any_direction(name):
    """Completeness: the first change of a code along a random line is where the faces say."""
    rng = np.random.default_rng(7)
    q = quantizer(name)
    looked = 0
    for _ in range(40):
        w = rng.normal(size=(3, 6))
        u = rng.normal(size=w.shape)
        faces = q.faces(w, nearest=ALL)
        speed = faces.gradients @ u.ravel()
        first = np.min(np.where(speed < 0.0, faces.margins / np.where(speed < 0.0, -speed, 1.0), np.inf))
        if not piecewise_smooth(name, w, first * u):
            continue
        looked += 1
        codes = q.codes(w)
        for share in (*np.linspace(0.05, 0.95, 7), 1.0 - 1e-9):
            np.testing.assert_array_equal(q.codes(w + share * first * u), codes)
        assert np.any(q.codes(w + (1.0 + 1e-9) * first * u) != codes)
    assert looked >= 20


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("diagonal", [False, True])
def test_variances_are_quadratic_forms(name, diagonal):
    faces = quantizer(name).faces(tensor(3), nearest=ALL)
    v = covariance(3, 18)
    v = np.diag(v).copy() if diagonal else v
    full = np.diag(v) if diagonal else v
    expected = np.einsum("fi,ij,fj->f", faces.gradients, full, faces.gradients)
    np.testing.assert_allclose(faces.variances(v), expected, rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("diagonal", [False, True])
def test_the_indicator_is_the_smallest_rate_of_all_faces(name, seed, diagonal):
    w, v = tensor(seed), covariance(seed + 50, 18)
    v = np.diag(v).copy() if diagonal else v
    found = ptq_indicator(quantizer(name), w, v)
    np.testing.assert_allclose(found.indicator, brute_rates(name, w, v).min(), rtol=1e-10)
    np.testing.assert_allclose(found.margin**2 / (2.0 * found.std**2), found.indicator, rtol=1e-12)
    assert found.faces_considered >= 1
    assert found.codes_only == (not name.startswith(("sign", "log2")) or name.startswith("sign-scaled"))


# --- the theory


@pytest.mark.parametrize("seed", range(5))
def test_sign_is_the_indicator_of_the_theory(seed):
    mean, v = tensor(seed).ravel()[:5], covariance(seed, 5)
    expected = Problem(GaussianMean(mean, v), ThresholdPTQ(Sign())).indicator
    for name in ("sign", "sign-scaled"):
        np.testing.assert_allclose(ptq_indicator(quantizer(name), mean, v).indicator, expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_powers_of_two_are_the_indicator_of_the_theory(seed):
    """The thresholds are fixed: 1.5·2^e, and half of the smallest level."""
    mean, v = tensor(seed).ravel()[:5], covariance(seed, 5)
    levels = 2.0 ** (np.floor(np.log2(4.0 * np.abs(mean).max() / 3.0)) - np.arange(4.0))
    positive = np.concatenate(([levels.min() / 2.0], 1.5 * np.sort(levels)))
    thresholds = tuple(np.concatenate((-positive[::-1], positive)))
    expected = Problem(GaussianMean(mean, v), ThresholdPTQ(FixedThresholds(thresholds))).indicator
    np.testing.assert_allclose(ptq_indicator(quantizer("log2-4"), mean, v).indicator, expected, rtol=1e-12)


@pytest.mark.parametrize(("d", "kept"), [(2, 1), (3, 1), (3, 2)])
@pytest.mark.parametrize("seed", range(8))
def test_sparsity_is_the_indicator_of_a_codebook(d, kept, seed):
    """All patterns of signs on the kept weights as a codebook: its nearest codeword is magnitude pruning."""
    codebook = [
        [dict(zip(place, signs, strict=True)).get(i, 0.0) for i in range(d)]
        for place in itertools.combinations(range(d), kept)
        for signs in itertools.product((-1.0, 1.0), repeat=kept)
    ]
    mean, v = tensor(seed).ravel()[:d], covariance(seed, d)
    expected = Problem(GaussianMean(mean, v), CodebookERM(codebook)).indicator
    found = ptq_indicator(SparseTernary(1.0 - (kept - 0.5) / d if kept > 1 else 1.0 - kept / d), mean, v)
    np.testing.assert_allclose(found.indicator, expected, rtol=1e-10)


def test_the_far_side_of_a_swap_matters():
    """Weights that move together rarely change places, but their sum can pass zero."""
    v = np.array([[1.0, 0.99], [0.99, 1.0]])
    expected = Problem(GaussianMean([1.0, 0.5], v), CodebookERM([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    found = ptq_indicator(quantizer("sparse-50"), [1.0, 0.5], v)
    np.testing.assert_allclose(found.indicator, 1.5**2 / (2.0 * 3.98), rtol=1e-12)
    np.testing.assert_allclose(found.indicator, expected.indicator, rtol=1e-12)
    assert found.indicator < 0.1 * 0.5**2 / (2.0 * 0.02)


# --- pairs


@pytest.mark.parametrize("first", [1, 64])
@pytest.mark.parametrize("at_once", [1, 50, 1 << 18])
@pytest.mark.parametrize("spread", [0.0, 3.0])
def test_pruned_search_finds_the_smallest_rate(monkeypatch, first, at_once, spread):
    monkeypatch.setattr(swaps, "_FIRST", first)
    monkeypatch.setattr(swaps, "_AT_ONCE", at_once)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        w, v = rng.normal(size=24), np.exp(spread * rng.normal(size=24))
        if seed % 2:
            root = rng.normal(size=(24, 3)) * np.sqrt(v)[:, None]
            v = root @ root.T + 0.01 * np.diag(v)
        name = ("sparse-33", "sparse-50", "sparse-90")[seed % 3]
        found = ptq_indicator(quantizer(name), w, v)
        np.testing.assert_allclose(found.indicator, brute_rates(name, w, v).min(), rtol=1e-10)
        assert found.faces_total == len(quantizer(name).faces(w, nearest=ALL))


def test_the_smallest_rate_is_not_always_near():
    """The control: with unequal variances the nearest face is not the one that is crossed."""
    w, v = np.array([1.0, 1.1, 5.0, 0.5]), np.array([1e-6, 1e-6, 100.0, 1e-6])
    near = quantizer("sparse-50").faces(w, nearest=1)
    assert (
        near.margins[0] ** 2 / (2.0 * near.variances(v)[0])
        > 100.0 * ptq_indicator(quantizer("sparse-50"), w, v).indicator
    )


@pytest.mark.parametrize("nearest", [1, 2, 7, 30, 10**6])
def test_the_nearest_pairs(nearest):
    w = np.random.default_rng(5).normal(size=15)
    everything = quantizer("sparse-33").faces(w, nearest=ALL)
    assert len(everything) == 2 * 4 * 11
    kept, dropped = np.argsort(np.abs(w))[4:], np.argsort(np.abs(w))[:4]
    expected = sorted(abs(w[j]) + s * w[i] for j in kept for i in dropped for s in (-1, 1))
    np.testing.assert_allclose(quantizer("sparse-33").faces(w, nearest=nearest).margins, expected[:nearest], atol=1e-15)


def test_large_tensors_need_few_pairs():
    rng = np.random.default_rng(9)
    w = rng.normal(size=20_000)
    found = ptq_indicator(quantizer("sparse-50"), w, np.exp(rng.normal(size=w.size)))
    assert found.faces_total == 2 * 10_000**2
    assert found.faces_considered < 10**6


# --- edges


def test_a_weight_on_a_face_has_indicator_zero():
    v = np.ones(4)
    for name, w in (
        ("sign", [1.0, 0.0, 2.0, 3.0]),
        ("log2-4", [1.0, 0.75, 2.0, 3.5]),
        ("ternary-absmean", [0.5, 1.5, 1.0, -1.0]),
        ("sparse-50", [1.0, -1.0, 2.0, 0.1]),
        ("sparse-50", [0.0, 0.0, 0.0, 1.0]),
        ("uniform-3", [3.0, 0.5, 1.0, 2.0]),
    ):
        assert ptq_indicator(quantizer(name), w, v).indicator == 0.0


def test_a_face_that_cannot_be_crossed_does_not_count():
    """Two weights that move together never change places; a weight without variance stays."""
    assert ptq_indicator(quantizer("sign"), [1.0, 2.0], [0.0, 1.0]).indicator == 2.0
    assert ptq_indicator(quantizer("sign"), [1.0, 2.0], [0.0, 0.0]).indicator == np.inf
    found = ptq_indicator(quantizer("sparse-50"), [2.0, 1.0], np.ones((2, 2)))
    np.testing.assert_allclose(found.indicator, 9.0 / 8.0)


def test_rates_too_large_for_a_number_are_infinite():
    assert ptq_indicator(quantizer("sign"), [1e10], [1e-300]).indicator == np.inf


@pytest.mark.parametrize("name", ["uniform-4", "uniform-asym-4", "nf4", "nf4-1"])
@pytest.mark.parametrize("weight", [2.0, -2.0])
def test_codes_that_never_change(name, weight):
    """A weight that is its own scale."""
    found = ptq_indicator(quantizer(name), [weight], [1.0])
    assert found.indicator == np.inf
    assert "no face" in str(found)


def test_what_is_said_of_the_face():
    found = ptq_indicator(quantizer("sparse-50"), [[2.0, 0.3], [1.0, -0.9]], np.ones(4))
    assert "weight 2, kept, changes places with weight 3, dropped" in str(found)
    assert "of the codes" in str(found)
    assert "of the codes" not in str(ptq_indicator(quantizer("log2-3"), [1.0, 0.3], np.ones(2)))
    assert ptq_indicator(quantizer("ternary-absmean"), [2.0, 0.5], np.ones(2)).face == "weight 1 above 0.625"


@pytest.mark.parametrize("power", [-1060, -300, 300, 1000])
def test_margins_follow_the_scale(power):
    w = tensor(1)
    for name in ("twn-0.7", "uniform-4", "nf4", "sparse-33"):
        a, b = quantizer(name).faces(w), quantizer(name).faces(np.ldexp(w, power))
        np.testing.assert_allclose(b.margins, np.ldexp(a.margins, power), rtol=1e-2 if power == -1060 else 1e-12)
        if power > -1000:
            np.testing.assert_array_equal(a.gradients, b.gradients)


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("sign")])
def test_zeros_have_no_cell(name):
    w = tensor(2)
    w[1] = 0.0
    with pytest.raises(DomainError, match="all zero"):
        quantizer(name).faces(w if name.endswith("channel") else np.zeros(14))
    if name.endswith("channel"):
        assert len(quantizer(name.removesuffix(":channel")).faces(w)) > 0


@pytest.mark.parametrize("name", WITHOUT)
def test_faces_that_are_not_known(name):
    with pytest.raises(DomainError, match=name):
        quantizer(name).faces([1.0, 2.0])
    with pytest.raises(DomainError, match=name):
        ptq_indicator(quantizer(name), [1.0, 2.0], np.ones(2))


@pytest.mark.parametrize(
    "bad",
    [
        *(
            np.ones(2),
            np.ones((3, 2)),
            np.ones((2, 2)),
            [1.0, np.nan, 1.0],
            [1.0, -1.0, 1.0],
            1.0,
            np.diag([1.0, -1, 1]),
        ),
        np.triu(np.ones((3, 3))),
    ],
)
def test_unusable_covariances_are_refused(bad):
    with pytest.raises(InputError, match="covariance"):
        ptq_indicator(quantizer("sign"), [1.0, 2.0, 3.0], bad)


def test_a_matrix_that_is_no_covariance_is_seen_where_it_matters():
    with pytest.raises(InputError, match="semi-definite"):
        ptq_indicator(quantizer("sparse-50"), [1.0, 2.0], [[1.0, 5.0], [5.0, 1.0]])


def test_other_unusable_arguments():
    with pytest.raises(InputError, match="quantizer"):
        ptq_indicator("sign", [1.0], [1.0])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nearest"):
        quantizer("sparse-50").faces([1.0, 2.0], nearest=0)
