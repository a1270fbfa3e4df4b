"""Losses: what is wrong is said in one line with its place, and where numbers are kept changes no bit."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmis_stats import InputError, indicator, rank
from qmis_stats.inference.losses import LossBlocks, Losses, losses_of
from qmis_stats.inference.moments import gaps

RNG = np.random.default_rng(3)
GOOD = np.round(RNG.exponential(size=(4, 700)) * 256.0) / 256.0  # exact in float32
GOOD[1:] += 0.25


def spoiled(value, row=2, column=577):
    losses = GOOD.copy()
    losses[row, column] = value
    return losses


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (spoiled(np.nan), "losses['q'][2, 577] = nan: must be finite, not NaN or infinite"),
        (spoiled(np.inf), "losses['q'][2, 577] = inf: must be finite, not NaN or infinite"),
        (spoiled(-np.inf, 0, 0), "losses['q'][0, 0] = -inf: must be finite, not NaN or infinite"),
        (GOOD[:1], "losses['q'] = (1, 700): must be of at least two candidates: the best is compared with the others"),
        (GOOD[:, :9], "losses['q'] = (4, 9): must be on at least 10 evaluation points"),
        (GOOD[0], "losses['q'] = (700,): must be of shape (K, N): candidates by evaluation points"),
        (GOOD[None], "losses['q'] = (1, 4, 700): must be of shape (K, N): candidates by evaluation points"),
        (3.0, "losses['q'] = (): must be of shape (K, N): candidates by evaluation points"),
        (GOOD.astype(str), "must be an array of real numbers of shape (K, N)"),
        (GOOD.astype(object), "losses['q'] = 'array of object': must be an array of real numbers of shape (K, N)"),
        (GOOD + 0j, "losses['q'] = 'array of complex128': must be an array of real numbers of shape (K, N)"),
        ([[1.0, 2.0], [3.0]], "losses['q'] = [[1.0, 2.0], [3.0]]: must be an array of numbers of shape (K, N)"),
        (None, "losses['q'] = 'array of object': must be an array of real numbers of shape (K, N)"),
        (np.ones((3, 50)), "losses['q'] = '3 equal rows': must be of at least two different candidates"),
        (
            np.vstack([GOOD, GOOD[0] + 0.5]),
            "losses['q']: row 4 minus row 0 = '0.5 at every point': must be a difference that varies from point to "
            "point",
        ),
        (np.full((2, 50), 1e308) * [[1.0], [0.5]], "must be of magnitudes whose sum is a finite number"),
        (
            GOOD.T,
            "losses['q'] = (700, 4): must be of shape (K, N), candidates by points: more rows than columns are "
            "probably (N, K), to be transposed; check_axes=False allows them",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_one_line_that_says_what_is_wrong(losses, message):
    for call in (lambda: indicator(losses, "q"), lambda: rank({"q": losses})):
        with pytest.raises(InputError) as caught:
            call()
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({}, "losses = {}: must be a mapping from names of quantizers to arrays of shape (K, N), not empty"),
        ([GOOD], "must be a mapping from names of quantizers"),
        ({"": GOOD}, "losses = '': must be named by strings that are not empty"),
        ({" \t": GOOD}, "must be named by strings that are not empty"),
        ({3: GOOD}, "losses = 3: must be named by strings that are not empty"),
        ({"a": GOOD, "b": GOOD[:, :699]}, "must be on the same number of points N, in shapes (K, N)"),
        ({"a": GOOD, "b": spoiled(np.nan, 3, 5)}, "losses['b'][3, 5] = nan"),
        ({"a": GOOD, "b": GOOD.T}, "losses['b'] = (700, 4): must be of shape (K, N), candidates by points"),
        (
            {"a": np.ones((3, 100)), "b": np.ones((3, 90))},
            "losses['a'] has 100 points (columns), losses['b'] has 90: all must be on the same number of points N",
        ),
    ],
)
def test_mappings(losses, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        rank(losses)
    assert "\n" not in str(caught.value)


def test_more_candidates_than_points_on_request():
    many = RNG.exponential(size=(30, 20))
    assert indicator(many, check_axes=False, draws=300).candidates == 30
    assert rank({"a": many, "b": many[:25]}, check_axes=False, draws=300).points == 20


@pytest.mark.parametrize("name", ["draws", "seed"])
@pytest.mark.parametrize("value", [-1, 2.5, True, "3", 2**40])
def test_draws_and_seed(name, value):
    with pytest.raises(InputError, match=f"^{name} = .* must be an integer from"):
        indicator(GOOD, **{name: value})


def bits(found):
    """Everything of an indicator that could depend on how points were read."""
    near = found.near
    arrays = (found.gaps.delta, found.gaps.sigma, found.gaps.kurtosis, found.gaps.mean_loss)
    parts = (*arrays, near.draws, near.statistics.std_error, near.statistics.slope, near.statistics.shift)
    return (found.chernoff.exponent, found.rival, *(part.tobytes() for part in parts))


WIDE = RNG.exponential(size=(2, 9000)) + np.array([[0.0], [0.3]])  # more than one block


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 9000), max_size=6))
def test_any_cut_of_a_stream_gives_the_same_bits(cuts):
    stream = LossBlocks(lambda: np.split(WIDE, sorted(cuts), axis=1))
    assert bits(indicator(stream, draws=200)) == bits(indicator(WIDE, draws=200))


def test_recut_blocks_are_those_of_the_array():
    stream = Losses("q", LossBlocks(lambda: (WIDE[:, i : i + 1000] for i in range(0, 9000, 1000))))
    blocks = list(stream.blocks())
    assert [block.shape[1] for block in blocks] == [4096, 4096, 808]
    assert np.array_equal(np.hstack(blocks), WIDE)
    assert all(block.flags.c_contiguous for block in blocks)


def test_streams_that_change():
    calls = []

    def shrinking():
        calls.append(0)
        return [GOOD[:, : 700 - len(calls)]]

    with pytest.raises(InputError, match=r"losses\['q'\]: number of points = 698: must be the same at every pass, 699"):
        indicator(LossBlocks(shrinking), "q")
    with pytest.raises(InputError, match=r"losses\['q'\] = \(3, 100\): must be a block of shape \(4, n\)"):
        indicator(LossBlocks(lambda: [GOOD[:, :600], GOOD[:3, 600:]]), "q")
    with pytest.raises(InputError, match=r"losses\['q'\] = \(700,\): must be a block of shape \(K, n\)"):
        indicator(LossBlocks(lambda: [GOOD[0]]), "q")
    with pytest.raises(InputError, match=r"at least two candidates"):
        indicator(LossBlocks(lambda: []), "q")
    with pytest.raises(InputError, match="a function without arguments"):
        LossBlocks([GOOD])
    with pytest.raises(InputError, match=r"losses\['q'\]\[2, 577\] = nan"):
        indicator(LossBlocks(lambda: np.split(spoiled(np.nan), [10, 300], axis=1)), "q")


def test_kinds_of_arrays(tmp_path):
    file = np.memmap(tmp_path / "losses.bin", np.float64, "w+", shape=GOOD.shape)
    file[:] = GOOD
    expected = bits(indicator(GOOD, draws=200))
    for same in (file, GOOD.astype(np.float32), np.asfortranarray(GOOD), GOOD.tolist(), GOOD[:, ::-1][:, ::-1]):
        assert bits(indicator(same, draws=200)) == expected
    whole = np.array(256.0 * GOOD, dtype=np.int32)
    assert bits(indicator(whole, draws=200)) == bits(indicator(256.0 * GOOD, draws=200))
    coins = GOOD > [[0.5], [0.6], [0.7], [0.8]]
    assert bits(indicator(coins, draws=200)) == bits(indicator(coins.astype(float), draws=200))
    assert bits(indicator(GOOD[::-1], draws=200)) != expected  # the control: another order of candidates


def test_nothing_is_read_before_shapes_are_checked():
    """A NaN in the first quantizer is not what is wrong when the second has another number of points."""
    with pytest.raises(InputError, match="the same number of points"):
        losses_of({"a": spoiled(np.nan), "b": GOOD[:, :600]})
    with pytest.raises(InputError, match="nan"):
        gaps(Losses("a", spoiled(np.nan)))
