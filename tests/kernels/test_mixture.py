"""Sums of draws of a Gaussian mixture against the exact law and exact moments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qmis_kernels import backend

COUNT = 100_000


@pytest.mark.statistical
def test_distribution_on_the_line(alpha: float) -> None:
    trials, weights, means, scales = 4, np.array([0.3, 0.7]), np.array([-1.0, 2.0]), np.array([0.5, 1.5])

    def cdf(x: np.ndarray, power: float = 0.5) -> np.ndarray:
        total = np.zeros_like(x)
        for k in range(trials + 1):
            sizes = np.array([k, trials - k])
            spread = np.sqrt(np.sum((sizes**power * scales) ** 2))
            total += stats.binom.pmf(k, trials, weights[0]) * stats.norm.cdf((x - sizes @ means) / spread)
        return total

    draws = backend().mixture_sums((1, 0), 0, 0, COUNT, trials, weights, means[:, None], scales[:, None, None])
    assert stats.kstest(draws[:, 0], cdf).pvalue > alpha
    assert stats.kstest(draws[:, 0], cdf, args=(1.0,)).pvalue < alpha


@pytest.mark.statistical
@pytest.mark.parametrize("trials", [1, 25])
def test_mean_and_covariance(trials: int, largest_z: float) -> None:
    weights = np.array([0.2, 0.5, 0.3])
    means = np.array([[0.0, 1.0], [2.0, -1.0], [-3.0, 0.5]])
    factors = np.array([[[1.0, 0.0], [0.5, 1.0]], [[2.0, 0.3], [0.0, 3.0]], [[0.0, 0.0], [0.0, 0.1]]])
    centre = weights @ means
    within = np.einsum("c,cij,ckj->ik", weights, factors, factors)
    between = np.einsum("c,ci,cj->ij", weights, means, means) - np.outer(centre, centre)
    errors = backend().mixture_sums((2, 0), 0, 0, COUNT, trials, weights, means, factors) - trials * centre

    def z(covariance: np.ndarray) -> float:
        products = errors[:, :, None] * errors[:, None, :] - trials * covariance
        terms = np.concatenate([errors, products.reshape(COUNT, 4)], axis=1)
        return np.abs(terms.mean(axis=0) / (terms.std(axis=0) / np.sqrt(COUNT))).max()

    assert z(within + between) < largest_z
    assert z(within) > largest_z


def test_without_spread_it_is_the_counts_times_the_means() -> None:
    table = backend()
    weights, means = [0.25, 0.5, 0.25], np.array([[1.0, 0.0], [0.0, 1.0], [10.0, 100.0]])
    counts = table.multinomial_sums((3, 0), 0, 0, 50, 12, weights)
    sums = table.mixture_sums((3, 0), 0, 0, 50, 12, weights, means, np.zeros((3, 2, 2)))
    np.testing.assert_array_equal(sums, counts @ means)
