"""Quantizers whose best candidate is not settled: signs of gaps may be wrong, and pairing would trust them."""

import numpy as np
import pytest
from scipy.stats import binom

from qmis_stats.inference.indicator import indicator
from qmis_stats.inference.losses import Losses
from qmis_stats.inference.ranking import rank, ranking_of
from qmis_stats.inference.ranks import Comparisons

POINTS, RUNS, MEAN = 400, 150, 0.37
RNG = np.random.default_rng(31)
MIDPOINTS = (0.03, -0.04, 0.05, -0.06, 0.09)
"""To both sides of the mean, within two standard errors: which codeword looks best is decided by the sample."""
CODEBOOKS = [MEAN + m + np.array([-2.0, -0.5, 0.5, 2.0]) for m in MIDPOINTS]


def squared(x, codebook):
    return (x[None, :] - codebook[:, None]) ** 2


def true_gap(codebook):
    """The smallest standardised gap: the distance of the mean from the nearest midpoint next to the best codeword."""
    best = np.argmin(np.abs(codebook - MEAN))
    return min(abs(0.5 * (codebook[best] + other) - MEAN) for k, other in enumerate(codebook) if k != best)


TRUTH = np.array([true_gap(c) for c in CODEBOOKS])
RANKS = 1 + np.sum(TRUTH[None, :] > TRUTH[:, None], axis=1)


def test_the_gap_is_that_of_the_definition():
    x = RNG.normal(MEAN, 1.0, size=2_000_000)
    for codebook, s in zip(CODEBOOKS, TRUTH, strict=True):
        losses = squared(x, codebook)
        gaps = losses - losses[np.argmin(np.abs(codebook - MEAN))]
        found = [g.mean() / g.std() for g in gaps if g.any()]
        assert min(found) == pytest.approx(s, abs=6 / np.sqrt(x.size))


@pytest.mark.statistical
def test_ranks_and_intervals_hold_near_ties():
    """At least 95 % together at 1e-9; the control, pairing whatever looks best, is far below."""
    joint, paired, interval = 0, 0, 0
    for run in range(RUNS):
        x = RNG.normal(MEAN, 1.0, size=POINTS)
        found = rank({str(q): squared(x, c) for q, c in enumerate(CODEBOOKS)}, draws=499, seed=run)
        near = [entry.near for entry in found.indicators]
        naive = Comparisons.from_draws([e.statistics.s for e in near], [e.draws for e in near])
        for k, comparisons in enumerate((found.comparisons, naive)):
            low, high = comparisons.rank_sets(0.95).T
            hold = bool(np.all((low <= RANKS) & (high >= RANKS)))
            joint, paired = joint + hold * (k == 0), paired + hold * (k == 1)
        limits = found.conf_int()
        interval += bool(limits[0, 0] <= 0.5 * TRUTH[0] ** 2 <= limits[0, 1])
    assert binom.cdf(joint, RUNS, 0.95) > 1e-9
    assert binom.cdf(interval, RUNS, 0.95) > 1e-9
    assert binom.cdf(paired, RUNS, 0.95) < 1e-9


def losses_at(gaps, seed=3):
    rng = np.random.default_rng(seed)
    base = rng.exponential(size=2000)
    noise = rng.normal(size=(len(gaps), 2000))
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, ddof=1, keepdims=True)
    return np.vstack([base, base + noise + np.array(gaps)[:, None]])


def test_nothing_is_decided_below_a_quantizer_that_is_not_settled():
    found = rank({"open": losses_at([0.02, 0.8]), "low": losses_at([0.1, 0.9], 4), "high": losses_at([0.7, 0.9], 5)})
    assert [bool(entry.near_ties) for entry in found.indicators] == [True, False, False]
    statistics = found.comparisons.statistics
    assert np.isneginf(statistics[1:, 0]).all()
    below = found.significantly_below()
    assert below[0, 2]
    assert not below[:, 0].any()


def test_the_unpaired_statistic_by_hand():
    found = rank({"open": losses_at([0.02, 0.03]), "high": losses_at([0.3, 0.31], 5)}, draws=499)
    ours, theirs = (entry.near for entry in found.indicators)
    scales = [np.sqrt(np.mean(e.draws**2, axis=1)) for e in (ours, theirs)]
    assert ours.unsettled.all()
    expected = min(
        (t - o) / (st + so)
        for o, so in zip(ours.statistics.s, scales[0], strict=True)
        for t, st in zip(theirs.statistics.s, scales[1], strict=True)
    )
    assert found.comparisons.statistics[0, 1] == pytest.approx(expected, rel=1e-13)
    errors = np.max(np.abs(np.vstack([ours.draws, theirs.draws])) / np.concatenate(scales)[:, None], axis=0)
    assert np.allclose(found.comparisons.maxima[0, 1], errors, rtol=1e-13)


def test_settled_quantizers_are_compared_as_before():
    entries = [indicator(losses_at([0.3, 0.5], k), str(k)) for k in range(3)]
    near = [entry.near for entry in entries]
    plain = Comparisons.from_draws([e.statistics.s for e in near], [e.draws for e in near])
    found = ranking_of(entries, 2000, 0).comparisons
    assert np.array_equal(found.statistics, plain.statistics)
    assert np.array_equal(found.maxima, plain.maxima)


def test_upper_limit_is_the_largest_of_the_unsettled():
    entry = indicator(losses_at([0.01, 0.04, 0.6]))
    near = entry.near
    assert list(near.unsettled[:2]) == [True, True]
    tail = 0.5 * (0.05 - near.share)
    limits = near.statistics.limits(near.upper_quantile(tail))
    assert near.interval(0.95)[1] == np.max(limits[near.unsettled])
    assert Losses("q", losses_at([0.01])).candidates == 2
