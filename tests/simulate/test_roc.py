"""The empirical ROC against two normal laws and a discrete pair of laws, where every rate is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qmis_stats.simulate import empirical_roc

ALPHA = 1e-9


def normal_ratios(mu: float, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return log ratios of N(mu, 1) against N(0, 1), without and with membership."""
    return rng.normal(-0.5 * mu**2, mu, size), rng.normal(0.5 * mu**2, mu, size)


def exact_rate(mu: float, fpr: float) -> float:
    return float(stats.norm.cdf(stats.norm.ppf(fpr) + mu))


@pytest.mark.statistical
@pytest.mark.parametrize(("mu", "size"), [pytest.param(0.4, 100_000, marks=pytest.mark.long), (2.0, 4_000)])
def test_coverage_of_the_intervals(mu: float, size: int) -> None:
    """The share of 150 intervals that hold the truth is compatible with at least 0.93; 1.05 times the truth is not."""
    rng = np.random.default_rng(3)
    repeats, hits, wrong = 150, 0, 0
    for _ in range(repeats):
        roc = empirical_roc(*normal_ratios(mu, size, rng))
        for fpr, (tpr, low, high) in roc.tpr_at.items():
            assert fpr <= low <= tpr <= high <= 1.0
            truth = exact_rate(mu, fpr)
            hits += low <= truth <= high
            wrong += low <= 1.05 * truth <= high
    total = repeats * len(roc.tpr_at)
    assert stats.binomtest(hits, total, 0.93, alternative="less").pvalue > ALPHA
    assert stats.binomtest(hits, total, 0.99, alternative="greater").pvalue > ALPHA
    assert stats.binomtest(wrong, total, 0.93, alternative="less").pvalue < ALPHA


FEW = [(2, 3.0), (31, 3.0), (300, 0.5)]


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("size", "mu"),
    [
        pytest.param(size, mu, marks=[] if (size, mu) in FEW else pytest.mark.long)
        for size in (2, 31, 300)
        for mu in (0.01, 0.5, 3.0)
    ],
)
def test_few_members_give_a_wide_interval_that_holds_the_truth(size: int, mu: float) -> None:
    rng = np.random.default_rng(5)
    misses = 0
    for _ in range(200):
        _, low, high = empirical_roc(*normal_ratios(mu, size, rng)).tpr_at[1e-4]
        misses += not low <= exact_rate(mu, 1e-4) <= high
    assert stats.binomtest(misses, 200, 0.07, alternative="greater").pvalue > ALPHA


def test_smaller_error_than_counting_members() -> None:
    """The width at 1e-4 is a fraction of that of the share of members above a known threshold."""
    roc = empirical_roc(*normal_ratios(0.4, 100_000, np.random.default_rng(1)))
    tpr, low, high = roc.tpr_at[1e-4]
    counting = 2 * 1.96 * np.sqrt(tpr * (1 - tpr) / 100_000)
    assert high - low < counting / 5


def test_discrete_ratios_give_the_concave_curve() -> None:
    """Two outcomes, 0.2 against 0.1 and 0.8 against 0.9: TPR = 2 FPR up to 0.1, then a straight line to (1, 1)."""
    member = np.log(np.repeat([2.0, 8 / 9], [2000, 8000]))
    independent = np.log(np.repeat([2.0, 8 / 9], [1000, 9000]))
    roc = empirical_roc(independent, member)
    grid, tpr = np.array(roc.fpr), np.array(roc.tpr)
    np.testing.assert_allclose(tpr, np.interp(grid, [0.0, 0.1, 1.0], [0.0, 0.2, 1.0]), atol=1e-12)
    assert roc.auc == pytest.approx(0.55)
    assert (np.diff(tpr) >= 0).all()


def test_ratios_beyond_the_range_of_floats() -> None:
    member = np.concatenate([np.full(50, 2000.0), np.full(50, -2000.0)])
    roc = empirical_roc(-member, member)
    assert all(np.isfinite(roc.tpr))
    assert roc.tpr_at[1e-4][0] == pytest.approx(0.5)


def test_empty_ratios_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        empirical_roc(np.empty(0), np.empty(0))
