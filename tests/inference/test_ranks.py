"""Rank sets: step-down by force, exact Studentisation, normal theory for two, families and levels."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, multivariate_normal, norm
from scipy.stats import t as student

from qmis_stats import InputError
from qmis_stats.inference.ranks import Comparisons, ranks_from

SHARE = 1e-4
"""Of the level, that the shift of far pairs costs."""


def grouped(seed, sizes, spread=2.0, draws=499):
    rng = np.random.default_rng(seed)
    estimates = [spread * rng.normal(size=m) for m in sizes]
    common = rng.normal(size=draws)
    errors = [0.5 * common + rng.normal(size=(m, draws)) for m in sizes]
    return estimates, errors


def decide_by_force(estimates, errors, level, screening=0.0, pairs=None):
    """Step-down with loops over pairs and members, sorting draws: the definition."""
    groups, draws = len(estimates), errors[0].shape[1]
    pairs = [p for p in itertools.permutations(range(groups), 2) if pairs is None or p in pairs]
    tail = 1.0 - level - SHARE - screening
    sure = norm.isf(SHARE / sum(len(estimates[g]) for g, _ in pairs))
    statistic, noise = {}, {}
    for g, h in pairs:
        rows, everything, maxima = [], [], np.full(draws, -np.inf)
        for a, e in zip(estimates[g], errors[g], strict=True):
            row = []
            for b, f in zip(estimates[h], errors[h], strict=True):
                scale = np.sqrt(np.mean((f - e) ** 2))
                row.append((b - a) / scale)
                maxima = np.maximum(maxima, (f - e) / scale)
            rows.append(min(row))
            everything += row
        statistic[g, h] = max(rows)
        noise[g, h] = maxima + min(0.0, max(everything) + sure)
    decided = set()
    while len(decided) < len(pairs):
        left = [p for p in pairs if p not in decided]
        largest = np.sort(np.max([noise[p] for p in left], axis=0))
        place = int(np.ceil((1.0 - tail) * (draws + 1) - 1e-9))
        critical = np.inf if place > draws else largest[place - 1]
        more = {p for p in left if statistic[p] > max(critical, 0.0)}
        if not more:
            break
        decided |= more
    result = np.zeros((groups, groups), dtype=bool)
    for p in decided:
        result[p] = True
    return result


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 4), min_size=2, max_size=5), st.sampled_from([0.6, 0.9, 0.95]))
def test_step_down_by_force(seed, sizes, level):
    estimates, errors = grouped(seed, sizes, 1.0 + seed % 5, 299)
    found = Comparisons.from_draws(estimates, errors)
    assert np.array_equal(found.below(level), decide_by_force(estimates, errors, level))
    screened = Comparisons.from_draws(estimates, errors, screening=0.02)
    assert np.array_equal(screened.below(level), decide_by_force(estimates, errors, level, 0.02))


def test_step_down_decides_more_than_one_step():
    """Some pairs are decided only after others, or because far pairs are shifted."""
    later = decided = 0
    for seed in range(60):
        estimates, errors = grouped(seed, [1] * 6, 2.0)
        found = Comparisons.from_draws(estimates, errors)
        single = found.maxima[~np.eye(6, dtype=bool)].max(axis=0)
        critical = np.sort(single)[int(np.ceil((0.95 + SHARE) * 500)) - 1]
        below = found.below(0.95)
        assert np.all(below >= (found.statistics > critical))
        later += int(below.sum() > (found.statistics > critical).sum())
        decided += int(below.sum())
    assert later > 0
    assert decided > later


@pytest.mark.parametrize("seed", range(3))
def test_marginal_sets_and_best_by_force(seed):
    estimates, errors = grouped(seed, [2, 1, 3, 1], 3.0)
    found = Comparisons.from_draws(estimates, errors)
    marginal = found.rank_sets(0.9, simultaneous=False)
    best = found.best(1, 0.9)
    for g in range(4):
        own = {(g, h) for h in range(4) if h != g}
        below = decide_by_force(estimates, errors, 0.9, pairs=own | {(h, g) for _, h in own})
        assert marginal[g].tolist() == [1 + below[g].sum(), 4 - below[:, g].sum()]
        assert best[g] == (not decide_by_force(estimates, errors, 0.9, pairs=own).any())


COVARIANCE = np.array([[2.0, 0.8, 0.0], [0.8, 1.0, -0.3], [0.0, -0.3, 0.5]])


@pytest.mark.parametrize("covariance", [COVARIANCE, 1e-8 * COVARIANCE, np.full((3, 3), 2.0) + np.diag([0.0, 1.0, 2.0])])
def test_studentisation_is_exact(covariance):
    """Statistics are those of the covariance itself, without simulation error, singular or not."""
    estimates = np.array([0.3, 1.0, -0.2]) * np.sqrt(covariance[1, 1])
    found = Comparisons.from_covariance(estimates, covariance, draws=300)
    for g, h in itertools.permutations(range(3), 2):
        scale = np.sqrt(covariance[g, g] + covariance[h, h] - 2.0 * covariance[g, h])
        assert found.statistics[g, h] == pytest.approx((estimates[h] - estimates[g]) / scale, rel=1e-10)
    assert np.mean(found.maxima[0, 1] ** 2) == pytest.approx(1.0, rel=1e-10)
    assert np.array_equal(found.statistics, found.largest)


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.5, 4.0])
def test_two_groups_against_normal_theory(distance):
    """|T| against the two-sided normal quantile while no pair is shifted, and the one-sided one once it is far."""
    found = Comparisons.from_covariance([0.0, distance * np.sqrt(2.0)], np.eye(2), draws=100_000, seed=2)
    critical = norm.isf(0.5 * (0.05 - SHARE))
    assert found.statistics[0, 1] == pytest.approx(distance)
    assert found.below(0.95)[0, 1] == (distance > critical)
    assert not found.below(0.95)[1, 0]
    family = np.array([[False, True], [False, False]])
    assert found.below(0.95, family)[0, 1] == (distance > norm.isf(0.05 - SHARE))


def test_critical_value_of_three_against_the_multivariate_normal():
    """All pairs of three equal independent estimates: the maximum is a Studentised range."""
    from scipy.stats import studentized_range

    found = Comparisons.from_covariance(np.zeros(3), np.eye(3), draws=200_000, seed=3)
    off = ~np.eye(3, dtype=bool)
    quantile = np.quantile(found.maxima[off].max(axis=0), 0.95)
    assert quantile == pytest.approx(studentized_range.ppf(0.95, 3, np.inf) / np.sqrt(2.0), abs=0.02)
    largest = np.quantile(found.maxima[0, 1:].max(axis=0), 0.95)
    pair = multivariate_normal(np.zeros(2), [[1.0, 0.5], [0.5, 1.0]])
    assert pair.cdf([largest, largest]) == pytest.approx(0.95, abs=0.003)


def test_students_errors():
    found = Comparisons.from_covariance([0.0, 0.0], np.eye(2), dof=5.0, draws=100_000, seed=4)
    quantile = np.quantile(found.maxima[0, 1], 0.975)
    assert quantile == pytest.approx(student.ppf(0.975, 5), abs=0.06)
    assert quantile != pytest.approx(norm.ppf(0.975), abs=0.3)


def test_equal_estimates_are_never_ordered():
    for covariance in (np.eye(4), np.eye(4) + 3.0, np.ones((4, 4))):
        found = Comparisons.from_covariance(np.full(4, 0.7), covariance)
        assert found.rank_sets(0.55).tolist() == [[1, 4]] * 4
        assert found.best(1, 0.55).all()
        assert not found.holm(0.55).any()


def test_identical_groups_are_never_ordered():
    estimates, errors = grouped(3, [3, 2])
    found = Comparisons.from_draws([estimates[0], estimates[1], estimates[0]], [errors[0], errors[1], errors[0]])
    below = found.below(0.6)
    assert not below[0, 2]
    assert not below[2, 0]
    assert np.array_equal(below[0], below[2][[2, 1, 0]])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_permutation(seed, order):
    estimates, errors = grouped(seed, [2, 1, 3, 1, 2])
    base = Comparisons.from_draws(estimates, errors)
    moved = Comparisons.from_draws([estimates[g] for g in order], [errors[g] for g in order])
    assert np.array_equal(moved.below(0.9), base.below(0.9)[np.ix_(order, order)])
    assert np.array_equal(moved.rank_sets(0.9), base.rank_sets(0.9)[list(order)])
    assert np.array_equal(moved.best(2, 0.9), base.best(2, 0.9)[list(order)])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_monotone_in_the_level_and_consistent(seed):
    estimates, errors = grouped(seed, [1, 2, 1, 2, 1], 3.0)
    found = Comparisons.from_draws(estimates, errors)
    smallest = np.array([np.min(e) for e in estimates])
    before = None
    for level in (0.6, 0.8, 0.9, 0.95, 0.99):
        below = found.below(level)
        assert not np.any(below & below.T)
        assert np.all(smallest[np.nonzero(below)[0]] < smallest[np.nonzero(below)[1]])
        sets = found.rank_sets(level)
        ranks = 1 + np.sum(smallest[None, :] > smallest[:, None], axis=1)
        assert np.all((sets[:, 0] <= ranks) & (ranks <= sets[:, 1]))
        for tau in range(1, 6):
            assert found.best(tau, level)[np.argsort(-smallest)[:tau]].all()
        assert found.best(5, level).all()
        if before is not None:
            assert np.all(below <= before)
        before = below


def test_marginal_sets_lie_mostly_within_simultaneous_ones():
    inside = total = 0
    for seed in range(40):
        found = Comparisons.from_draws(*grouped(seed, [1, 2, 1, 1, 2, 1], 3.0))
        together, alone = found.rank_sets(0.95), found.rank_sets(0.95, simultaneous=False)
        inside += int(np.sum((alone[:, 0] >= together[:, 0]) & (alone[:, 1] <= together[:, 1])))
        total += 6
    assert inside >= 0.98 * total


def test_screening_comes_off_the_level():
    """With all of the level used nothing is decided; Holm's procedure is charged too."""
    estimates, errors = grouped(1, [1, 1, 1], 30.0)
    plain = Comparisons.from_draws(estimates, errors)
    assert plain.below(0.95).any()
    assert plain.holm(0.95).any()
    spent = Comparisons.from_draws(estimates, errors, screening=0.05)
    assert not spent.below(0.95).any()
    assert not spent.holm(0.95).any()
    assert not plain.below(0.9999).any()


def test_holm_by_hand():
    found = Comparisons.from_covariance([0.0, 3.2, 9.0], 0.5 * np.eye(3))
    pvalues = sorted((norm.sf(found.statistics[p]), p) for p in itertools.permutations(range(3), 2))
    expected = set()
    for i, (pvalue, pair) in enumerate(pvalues):
        if pvalue > 0.05 / (6 - i):
            break
        expected.add(pair)
    assert {tuple(p) for p in np.argwhere(found.holm(0.95)).tolist()} == expected
    assert expected


def test_holm_pays_for_members():
    """A group of 40 has 40 chances to lie below: p-values are multiplied by its size."""
    draws = np.random.default_rng(0).normal(size=(41, 999))
    estimates = np.zeros(40)
    estimates[0] = -2.5 * np.sqrt(np.mean((draws[0] - draws[40]) ** 2))
    for members in (1, 40):
        found = Comparisons.from_draws([estimates[:members], np.zeros(1)], [draws[:members], draws[40:]])
        assert found.statistics[0, 1] == pytest.approx(2.5)
        assert found.holm(0.9)[0, 1] == (members == 1)


@pytest.mark.statistical
def test_false_decisions_are_as_rare_as_promised():
    """Six groups with the same minimum and a member far above: exact test at 1e-9, and pairs one by one fail it."""
    rng = np.random.default_rng(6)
    runs, members, draws = 300, 3, 299
    false = naive = 0
    truth = np.tile([0.0, 0.0, 6.0], (6, 1))
    for _ in range(runs):
        root = np.linalg.cholesky(0.3 + 0.7 * np.eye(18))
        estimates = truth + (root @ rng.normal(size=18)).reshape(6, members)
        errors = (root @ rng.normal(size=(18, draws))).reshape(6, members, draws)
        found = Comparisons.from_draws(list(estimates), list(errors))
        false += bool(found.below(0.9).any())
        naive += bool((found.statistics > norm.isf(0.1)).any())
    assert binom.sf(false - 1, runs, 0.1) > 1e-9
    assert binom.sf(naive - 1, runs, 0.1) < 1e-9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariance": np.eye(3)}, r"covariance = \(3, 3\): must be finite, of shape \(2, 2\)"),
        ({"covariance": [[1.0, 0.5], [0.2, 1.0]]}, "symmetric"),
        ({"covariance": [[1.0, 2.0], [2.0, 1.0]]}, "positive semidefinite"),
        ({"covariance": np.zeros((2, 2))}, "not zero"),
        ({"covariance": [[1.0, np.nan], [np.nan, 1.0]]}, "finite"),
        ({"draws": 100}, "draws = 100: must be an integer of at least 199"),
        ({"draws": 1e4}, "draws"),
        ({"seed": -1}, "seed = -1: must be an integer from 0"),
        ({"seed": 1.5}, "seed"),
        ({"dof": 0.5}, "dof = 0.5: must be a number of at least 1"),
        ({"dof": np.nan}, "dof"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(InputError, match=message) as caught:
        Comparisons.from_covariance([0.0, 1.0], **{"covariance": np.eye(2), **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tau", [0, 3, 1.0, True])
def test_bad_tau(tau):
    with pytest.raises(InputError, match="tau"):
        Comparisons.from_covariance([0.0, 1.0], np.eye(2)).best(tau, 0.95)


@pytest.mark.parametrize("level", [0.5, 1.0, 95, "0.9", None, True])
def test_bad_level(level):
    found = Comparisons.from_covariance([0.0, 1.0], np.eye(2))
    for call in (found.below, found.holm, found.rank_sets, lambda v: found.best(1, v)):
        with pytest.raises(InputError, match=r"^level = "):
            call(level)


def test_ranks_from_decisions():
    below = np.zeros((4, 4), dtype=bool)
    below[0, [1, 2]] = below[3, 2] = True
    assert ranks_from(below).tolist() == [[3, 4], [1, 3], [1, 2], [2, 4]]
