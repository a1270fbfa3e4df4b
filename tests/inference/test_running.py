"""One pass: the same gaps as two passes, however the stream is cut and however large the losses are."""

import numpy as np
import pytest

from qmis_stats import InputError, indicator
from qmis_stats.inference.running import RunningMoments

RNG = np.random.default_rng(8)
LOSSES = RNG.exponential(size=900) + np.vstack([np.zeros(900), RNG.normal(0.2, 1.0, (4, 900))])


def one_pass(losses, cuts=(100, 101, 450)):
    running = RunningMoments(len(losses))
    for block in np.split(losses, cuts, axis=1):
        running.update(block)
    return running


def test_agrees_with_two_passes():
    found, both = one_pass(LOSSES).indicator(), indicator(LOSSES)
    assert (found.best, found.rival, found.points) == (both.gaps.best, both.rival, both.points)
    assert found.indicator == pytest.approx(both.indicator, rel=1e-12)
    assert found.s[both.gaps.rivals] == pytest.approx(both.gaps.s, rel=1e-12)
    assert one_pass(LOSSES).mean_loss == pytest.approx(LOSSES.mean(axis=1), rel=1e-13)


@pytest.mark.parametrize("cuts", [(), (1,), tuple(range(1, 900)), (0, 0, 899)])
def test_cuts_do_not_matter(cuts):
    assert one_pass(LOSSES, cuts).indicator().s == pytest.approx(one_pass(LOSSES).indicator().s, rel=1e-11)


def test_small_differences_of_large_losses():
    """With raw second moments the variance of these differences would drown: 1e-16 * 1e12 against 1."""
    large = np.round((1e6 + LOSSES) * 2**20) / 2**20
    exact = indicator(large - large[0]).indicator
    assert one_pass(large).indicator().indicator == pytest.approx(exact, rel=1e-9)
    raw = np.mean(large**2, axis=1) - np.mean(large, axis=1) ** 2
    assert not np.allclose(raw, large.var(axis=1), rtol=1e-6)  # the control: the textbook formula fails


def test_equal_rows_are_not_rivals():
    found = one_pass(np.vstack([LOSSES, LOSSES[0]])).indicator()
    assert np.isinf(found.s[[0, 5]]).all() if found.best in (0, 5) else np.isfinite(found.s[[0, 5]]).all()
    assert found.indicator == pytest.approx(one_pass(LOSSES).indicator().indicator, rel=1e-12)


@pytest.mark.statistical
def test_interval_covers_normal_gaps():
    """At least 95 % for normal increments: the number of misses in 400 runs is tested at 1e-9."""
    from scipy.stats import binom

    misses = 0
    for _ in range(400):
        base = RNG.normal(size=300)
        losses = np.vstack([base, base + RNG.normal(size=(3, 300)) + np.array([[0.3], [0.3], [0.6]])])
        low, high = one_pass(losses).indicator().conf_int()
        misses += not low <= 0.045 <= high
    assert binom.sf(misses - 1, 400, 0.05) > 1e-9


def test_bad_blocks_change_nothing():
    running = one_pass(LOSSES)
    before = running.indicator().s
    spoiled = LOSSES[:, :5].copy()
    spoiled[2, 3] = np.nan
    for block, words in (
        (spoiled, r"block\[2, 3\] = nan"),
        (LOSSES[:3], r"of shape \(5, n\)"),
        (LOSSES[0], r"of shape \(5, n\)"),
        ([["a"]] * 5, "numbers"),
    ):
        with pytest.raises(InputError, match=words):
            running.update(block)
    running.update(np.empty((5, 0)))
    assert np.array_equal(running.indicator().s, before)


def test_refusals():
    for candidates in (1, 2.0, True):
        with pytest.raises(InputError, match="candidates"):
            RunningMoments(candidates)
    with pytest.raises(InputError, match="at least 10"):
        one_pass(LOSSES[:, :9], ()).indicator()
    with pytest.raises(InputError, match="two different candidates"):
        one_pass(np.ones((3, 50)), ()).indicator()
    with pytest.raises(InputError, match=r"row 1 minus row 0 = '0\.5 at every point'"):
        one_pass(np.vstack([LOSSES[0], LOSSES[0] + 0.5]), ()).indicator()
