"""Regressions with many weights: closed form against an attack, limits, and where it says that it fails."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import norm, rankdata

from qmis_stats import FixedThresholds, GaussianMean, LinearRegression, Problem, Sign, ThresholdPTQ, mis
from qmis_stats.errors import DomainError, DomainWarning, InputError
from qmis_stats.theory import high_dimension, proportional, unquantized_fit
from qmis_stats.theory.bivariate_ratio import NormalPair
from qmis_stats.theory.proportional import fit_law

D = 128
BETA = np.random.default_rng(0).normal(size=D) / np.sqrt(D)
SPREAD = float(np.std(BETA))
CELLS = {"sign": [0.0]} | {
    name: [-SPREAD * float(ndtri(0.5 + 0.5 * zeros)), SPREAD * float(ndtri(0.5 + 0.5 * zeros))]
    for name, zeros in {"ternary 33": 0.33, "ternary 90": 0.9}.items()
}


def quantized(name: str, covariance: np.ndarray | None = None) -> Problem:
    law = LinearRegression(BETA, np.eye(D) if covariance is None else covariance, 1.0)
    return Problem(law, ThresholdPTQ(FixedThresholds(CELLS[name])))


def test_total_variation_and_area_against_draws() -> None:
    covariance = np.array([[1.0, 0.4], [0.4, 0.7]])
    z = np.random.default_rng(1).normal(size=(400_000, 2))
    member = z @ np.linalg.cholesky(covariance).T
    form = 0.5 * (np.eye(2) - np.linalg.inv(covariance))
    inside, outside = (
        np.einsum("ij,jk,ik->i", x, form, x) - 0.5 * math.log(np.linalg.det(covariance)) for x in (member, z)
    )
    pair = NormalPair.of(covariance)
    gaps = (inside > 0.0) * 1.0 - (outside > 0.0)
    assert abs(gaps.mean() - pair.total_variation) < 6.0 * gaps.std() / math.sqrt(gaps.size)
    ranks = rankdata(np.concatenate([inside, outside]))[: inside.size]
    area = (ranks.sum() - inside.size * (inside.size + 1) / 2) / inside.size**2
    assert abs(area - pair.roc().auc) < 6.0 * math.sqrt(1.0 / (6.0 * inside.size))
    for rate, (value, _, _) in pair.roc().tpr_at.items():
        cut = np.quantile(outside, 1.0 - rate)
        error = math.sqrt(value / inside.size) + math.sqrt(rate / inside.size) * value / rate
        assert abs(np.mean(inside > cut) - value) < 6.0 * error


@pytest.mark.parametrize(
    ("n", "expected"),
    [(192, (0.6406, 0.6747, 0.6824)), (512, (0.5702, 0.5929, 0.5655))],
)
def test_areas_of_the_design(n: int, expected: tuple[float, ...]) -> None:
    """Areas that were computed by 2e6 draws of the quadratic form, with standard errors of 4e-4."""
    for name, area in zip(CELLS, expected, strict=True):
        assert proportional(quantized(name), n).roc.auc == pytest.approx(area, abs=2.4e-3)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("name", "correlation", "ridge"), [("sign", 0.0, 0.0), ("ternary 90", 0.0, 0.0), ("sign", 0.7, 10.0)]
)
def test_closed_form_is_what_the_attack_achieves(name: str, correlation: float, ridge: float) -> None:
    n, runs, shown = 256, 160, 32
    sigma = correlation ** np.abs(np.subtract.outer(np.arange(D), np.arange(D)))
    law = LinearRegression(BETA, sigma, 1.0)
    fit = fit_law(law, n, ridge)
    errors = np.sqrt(np.diag(fit.covariance))
    edges = np.array(CELLS[name])
    a, b = (np.concatenate(part) for part in (([-np.inf], edges), (edges, [np.inf])))
    low, high = ((ends[:, None] - fit.mean) / errors for ends in (a, b))
    mass = np.where(low > 0.0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    middle = np.clip((norm.pdf(low) - norm.pdf(high)) / np.maximum(mass, 1e-300), low, high) * errors
    share = np.sum(mass * (middle / errors) ** 2, axis=0)
    inverse = np.linalg.inv(fit.covariance + np.diag((1.0 - share) / share * errors**2))
    found = proportional(Problem(law, ThresholdPTQ(FixedThresholds(CELLS[name]))), n, ridge)
    rho, r = found.details["retained_information"], fit.shift
    factor = np.linalg.cholesky(sigma).T
    pairs: list[list[np.ndarray]] = [[], []]
    for k in range(runs):
        rng = np.random.default_rng([3, k])
        X, fresh = rng.normal(size=(n, D)) @ factor, rng.normal(size=(shown, D)) @ factor
        y, other = X @ BETA + rng.normal(size=n), fresh @ BETA + rng.normal(size=shown)
        theta = np.linalg.solve(X.T @ X + ridge * np.eye(D), X.T @ y)
        read = inverse @ (middle[np.searchsorted(edges, theta), np.arange(D)] / share)
        for side, (points, target) in zip(pairs, ((X[:shown], y[:shown]), (fresh, other)), strict=True):
            scale = np.sqrt(np.einsum("ij,jk,ik->i", points @ fit.covariance, inverse, points @ fit.covariance))
            side.append(np.column_stack([target - points @ fit.mean, points @ (fit.covariance @ read) / scale]))
    inside, outside = (np.stack(side) for side in pairs)
    inside[..., 0] /= np.sqrt(fit.residual)
    outside[..., 0] /= np.sqrt(fit.residual)
    # The ratio of the two normal laws that the pairs are found to have: the best quadratic attack.
    form = np.linalg.inv(np.cov(outside.reshape(-1, 2).T)) - np.linalg.inv(np.cov(inside.reshape(-1, 2).T))
    scores = [np.einsum("rij,jk,rik->ri", side, form, side) for side in (inside, outside)]
    areas = np.array([np.mean(s[:, None] > t) for s, t in zip(scores[0], np.roll(scores[1], 1, axis=0), strict=True)])
    error = areas.std() / math.sqrt(runs)
    assert abs(areas.mean() - found.roc.auc) < 6.0 * error
    # Forgetting what the codes hide is seen.
    assert unquantized_fit(law, n, ridge).roc.auc - areas.mean() > 6.0 * error
    assert 0.0 < rho < 1.0
    assert 0.0 < r < 1.0


def test_few_weights_per_point_give_the_form_of_s8() -> None:
    problem = quantized("sign")
    for n in (20_000, 200_000):
        here, there = proportional(problem, n), high_dimension(problem, n)
        assert here.delta == pytest.approx(there.delta, rel=3.0 * D / n + 1e-3)


def test_a_small_penalty_changes_little() -> None:
    problem = quantized("sign")
    assert proportional(problem, 256, 1e-6).delta == pytest.approx(proportional(problem, 256).delta, rel=0.01)


def test_more_weights_than_points_need_a_penalty() -> None:
    problem = quantized("sign")
    with pytest.raises(DomainError, match="no finite variance with n = 100"):
        proportional(problem, 100)
    found = proportional(problem, 100, 20.0)
    assert found.in_domain
    assert 0.0 < found.delta < found.details["delta_unquantized"] < 1.0
    with pytest.raises(InputError, match="ridge = -1"):
        proportional(problem, 256, -1.0)


def test_what_it_is_not_for() -> None:
    with pytest.raises(DomainError, match="linear regressions"):
        proportional(Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign())), 50)
    few = Problem(LinearRegression(np.zeros(4), np.eye(4), 1.0), ThresholdPTQ(Sign()))
    with pytest.warns(DomainWarning, match="4 coordinates carry the signal"):
        assert not mis(few, 40, "proportional").in_domain


def test_read_outs_of_correlated_features_need_the_second_direction() -> None:
    """With a penalty and correlated features the fitted value alone shows less than the weights do."""
    d, n = 64, 128
    sigma = 0.95 ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    beta = np.random.default_rng(1).normal(size=d)
    beta *= 1.5 / math.sqrt(beta @ sigma @ beta)
    law = LinearRegression(beta, sigma, 1.0)
    fit = fit_law(law, n, 10.0)
    alone = NormalPair.of(
        np.array(
            [
                [1.0, fit.shift * math.sqrt(fit.residual / fit.variance)],
                [
                    fit.shift * math.sqrt(fit.residual / fit.variance),
                    (1.0 - fit.shift) ** 2 + fit.shift**2 * fit.residual / fit.variance,
                ],
            ]
        )
    )
    assert unquantized_fit(law, n, 10.0).delta > 1.08 * alone.total_variation
