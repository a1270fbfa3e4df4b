"""Intervals of shares, means and areas: against scipy, brute force, enumeration and simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest, mannwhitneyu

from qmis_stats.audit.attacks.attack_intervals import (
    clustered_share,
    excess_p_value,
    mean_bounds,
    student,
)
from qmis_stats.errors import InputError
from qmis_stats.inference.areas import area_interval, delong
from qmis_stats.inference.shares import clopper_pearson

ALARM = 1e-9


@pytest.mark.parametrize("trials", [1, 7, 60, 4000])
def test_clopper_pearson_is_scipy_s(trials):
    for successes in {0, 1, trials // 3, trials - 1, trials}:
        for level in (0.9, 0.95, 1.0 - 1e-9):
            reference = binomtest(successes, trials).proportion_ci(level, method="exact")
            assert clopper_pearson(successes, trials, level) == pytest.approx((reference.low, reference.high), rel=1e-8)


@pytest.mark.parametrize("share", [0.001, 0.03, 0.2, 0.5, 0.97])
def test_limits_cover_at_least_at_the_level_by_enumeration(share):
    trials = 40
    weights = binom.pmf(np.arange(trials + 1), trials, share)
    for method in (
        lambda k: clopper_pearson(k, trials),
        lambda k: mean_bounds(k / trials, trials),
    ):
        covered = [low <= share <= high for low, high in map(method, range(trials + 1))]
        assert weights @ covered >= 0.95


def test_excess_p_values_are_valid_by_enumeration():
    trials, bound = 50, 0.55
    weights = binom.pmf(np.arange(trials + 1), trials, bound)
    p = np.array([excess_p_value(k / trials, trials, bound) for k in range(trials + 1)])
    for level in (0.5, 0.1, 1e-3, ALARM):
        assert weights[p <= level].sum() <= level
    assert p[-1] == pytest.approx(bound**trials)  # attained where all are right


def test_an_excess_over_certainty_is_impossible_and_bounds_stay_in_the_unit_interval():
    assert excess_p_value(1.0, 10, 1.0) == 1.0
    assert mean_bounds(1.0, 10)[1] == mean_bounds(0.0, 10)[0] + 1.0 == 1.0
    assert mean_bounds(1.0, 100)[0] == pytest.approx(0.025**0.01)


def test_one_trial_a_cluster_is_the_exact_interval_and_copies_count_once():
    hits = np.arange(90)[:, None] % 3 == 0
    assert clustered_share(hits)[1:] == clopper_pearson(30, 90)
    _, low, high = clustered_share(np.repeat(hits, 6, axis=1))
    assert low < clopper_pearson(30, 90)[0]
    assert high > clopper_pearson(30, 90)[1]
    assert clustered_share(np.zeros((40, 5)))[2] == clopper_pearson(0, 40)[1]


@pytest.mark.statistical
def test_clustered_shares_cover_and_pooling_would_not():
    rng = np.random.default_rng(1)
    rounds, clusters, width, share = 800, 60, 8, 0.3
    covered = pooled = 0
    for _ in range(rounds):
        chances = rng.beta(share * 2.0, (1.0 - share) * 2.0, size=(clusters, 1))
        hits = rng.random((clusters, width)) < chances
        _, low, high = clustered_share(hits)
        covered += low <= share <= high
        low, high = clopper_pearson(hits.sum(), hits.size)
        pooled += low <= share <= high
    assert binomtest(covered, rounds, 0.94, alternative="less").pvalue > ALARM
    assert binomtest(pooled, rounds, 0.94, alternative="less").pvalue < ALARM


def brute_force(members, non_members, member_clusters, non_member_clusters):
    """Obuchowski's covariance from the matrix of comparisons, written with loops."""
    kernel = np.array([(h[:, None] > w) + 0.5 * (h[:, None] == w) for h, w in zip(members, non_members, strict=True)])
    scores, m, n = kernel.shape
    areas = kernel.mean(axis=(1, 2))
    clusters = sorted({*member_clusters, *non_member_clusters})
    covariance = np.zeros((scores, scores))
    for a in range(scores):
        for b in range(scores):
            sums = {"mm": 0.0, "ss": 0.0, "ms": 0.0, "sm": 0.0}
            for c in clusters:
                part = {}
                for k, name in ((a, "a"), (b, "b")):
                    part["m" + name] = sum(kernel[k, i].mean() - areas[k] for i in range(m) if member_clusters[i] == c)
                    part["s" + name] = sum(
                        kernel[k, :, j].mean() - areas[k] for j in range(n) if non_member_clusters[j] == c
                    )
                for x in "ms":
                    for y in "ms":
                        sums[x + y] += part[x + "a"] * part[y + "b"]
            i10, i01, i = len(set(member_clusters)), len(set(non_member_clusters)), len(clusters)
            covariance[a, b] = (
                i10 / (i10 - 1) * sums["mm"] / m**2
                + i01 / (i01 - 1) * sums["ss"] / n**2
                + i / (i - 1) * (sums["ms"] + sums["sm"]) / (m * n)
            )
    return areas, covariance


@pytest.mark.parametrize("decimals", [8, 0], ids=["distinct", "ties"])
@pytest.mark.parametrize("clustered", [False, True])
def test_delong_is_the_covariance_of_the_u_statistic(decimals, clustered):
    rng = np.random.default_rng(2)
    members, non_members = rng.normal(1.0, 1.5, (3, 17)).round(decimals), rng.normal(0.0, 1.5, (3, 23)).round(decimals)
    of_members = rng.integers(0, 6, 17) if clustered else np.arange(17)
    of_non_members = rng.integers(0, 7, 23) if clustered else 17 + np.arange(23)
    expected = brute_force(members, non_members, of_members.tolist(), of_non_members.tolist())
    found = delong(members, non_members, *((of_members, of_non_members) if clustered else ()))
    for mine, reference in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-12, atol=1e-15)


def test_delong_without_clusters_is_the_sample_variance_of_placements():
    rng = np.random.default_rng(3)
    members, non_members = rng.normal(0.5, 1.0, 30), rng.normal(size=25)
    kernel = members[:, None] > non_members
    expected = np.var(kernel.mean(axis=1), ddof=1) / 30 + np.var(kernel.mean(axis=0), ddof=1) / 25
    assert delong(members, non_members)[1][0, 0] == pytest.approx(expected, rel=1e-12)


def test_the_area_is_mann_whitney_s_with_ties_and_infinities():
    rng = np.random.default_rng(4)
    members, non_members = rng.integers(0, 4, 50).astype(float), rng.integers(-1, 3, 40).astype(float)
    assert delong(members, non_members)[0][0] == mannwhitneyu(members, non_members).statistic / 2000.0
    assert delong(np.zeros(5), np.zeros(4))[0][0] == 0.5
    assert delong([math.inf, 1.0], [-math.inf, -math.inf])[0][0] == 1.0


def test_perfect_separation_has_an_interval():
    area, covariance = delong(np.arange(20.0) + 20.0, np.arange(20.0))
    assert area_interval(area[0], covariance[0, 0], 20) == (pytest.approx(clopper_pearson(20, 20)[0]), 1.0)
    assert area_interval(0.0, 0.0, 20) == (0.0, pytest.approx(clopper_pearson(0, 20)[1]))
    assert area_interval(0.5, 0.0, 20) == (0.5, 0.5)


@pytest.mark.statistical
def test_clustered_areas_cover_and_ignoring_clusters_would_not():
    rng = np.random.default_rng(5)
    rounds, clusters, width = 700, 60, 5
    # Every training run moves its members together: score = 1 + a + noise for members, noise for non-members.
    area = 0.5 * (1.0 + math.erf(1.0 / math.sqrt(3.0) / math.sqrt(2.0)))
    of = np.repeat(np.arange(clusters), width)
    covered = naive = 0
    found, variances = np.empty(rounds), np.empty(rounds)
    for i in range(rounds):
        moved = 1.0 + np.repeat(rng.normal(size=clusters), width)
        members, non_members = moved + rng.normal(size=of.size), rng.normal(size=of.size)
        (found[i],), ((variances[i],),) = delong(members, non_members, of, of)
        low, high = area_interval(found[i], variances[i], clusters)
        covered += low <= area <= high
        low, high = area_interval(found[i], delong(members, non_members)[1][0, 0], of.size)
        naive += low <= area <= high
    z = (found.mean() - area) / (found.std() / math.sqrt(rounds))
    assert abs(z) < 6.0
    assert abs(variances.mean() / found.var() - 1.0) < 6.0 * math.sqrt(2.0 / rounds) + 0.02
    assert binomtest(covered, rounds, 0.93, alternative="less").pvalue > ALARM
    assert binomtest(covered, rounds, 0.97, alternative="greater").pvalue > ALARM
    assert binomtest(naive, rounds, 0.93, alternative="less").pvalue < ALARM


@pytest.mark.statistical
def test_differences_of_areas_on_the_same_points_have_their_variance():
    rng = np.random.default_rng(6)
    rounds = 800
    differences, variances = np.empty(rounds), np.empty(rounds)
    for i in range(rounds):
        base = rng.normal(size=(2, 60))
        scores = base + 0.4 * rng.normal(size=(2, 2, 60)) + np.array([1.0, 0.0])[:, None]
        areas, covariance = delong(scores[:, 0], scores[:, 1], np.arange(60), np.arange(60))
        differences[i] = areas[0] - areas[1]
        variances[i] = covariance[0, 0] + covariance[1, 1] - 2.0 * covariance[0, 1]
    assert abs(differences.mean()) < 6.0 * differences.std() / math.sqrt(rounds)
    assert abs(variances.mean() / differences.var() - 1.0) < 6.0 * math.sqrt(2.0 / rounds) + 0.03


def test_student_is_scipy_s():
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(7).random(30)
    reference = ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert student(values, 0.9) == pytest.approx((reference.low, reference.high))
    assert student(np.ones(1)) == (-math.inf, math.inf)


def test_refusals():
    with pytest.raises(InputError, match="successes"):
        clopper_pearson(3, 2)
    with pytest.raises(InputError, match="level"):
        clopper_pearson(1, 2, 1.0)
    for members, non_members, clusters in (
        ([1.0], [1.0, 2.0], ()),
        ([1.0, math.nan], [1.0, 2.0], ()),
        (np.ones((2, 3)), np.ones((1, 3)), ()),
        ([1.0, 2.0], [1.0, 2.0], ([0, 1],)),
        ([1.0, 2.0], [1.0, 2.0], ([0, 1], [0, 1, 2])),
        ([1.0, 2.0], [1.0, 2.0], ([0, 0], [0, 1])),
    ):
        with pytest.raises(InputError):
            delong(members, non_members, *clusters)
