"""Regressions with many weights: closed form against exact laws, an attack and limits; where it says that it fails."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.special import ndtri
from scipy.stats import beta as beta_law
from scipy.stats import betaprime, rankdata

from qmis_stats import (
    METHODS,
    CodebookERM,
    FixedThresholds,
    GaussianMean,
    LinearRegression,
    LloydMax,
    Problem,
    Sign,
    Ternary,
    ThresholdPTQ,
    mis,
)
from qmis_stats.cli import cli
from qmis_stats.errors import DomainError, DomainWarning, InputError
from qmis_stats.experiment import parse_experiment, run_experiment
from qmis_stats.simulate import tilted_series
from qmis_stats.theory import (
    BivariateRatio,
    certificate,
    coordinate_cells,
    estimate_law,
    high_dimension,
    moderate,
    proportional,
    shift_information,
    unquantized_fit,
)

D = 128
BETA = np.random.default_rng(0).normal(size=D) / np.sqrt(D)
SPREAD = float(np.std(BETA))


def ternary(zeros: float, spread: float = SPREAD) -> tuple[float, float]:
    t = spread * float(ndtri(0.5 + 0.5 * zeros))
    return -t, t


def decaying(correlation: float, d: int) -> np.ndarray:
    return correlation ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))


def quantized(thresholds: tuple[float, ...], sigma: np.ndarray | None = None, ridge: float = 0.0) -> Problem:
    law = LinearRegression(BETA, np.eye(D) if sigma is None else sigma, 1.0)
    return Problem(law, ThresholdPTQ(FixedThresholds(thresholds), ridge=ridge))


def pair_distance(plain: np.ndarray, member: np.ndarray) -> float:
    """Total variation of two centred bivariate normal laws by their covariances."""
    scale = np.diag(1.0 / np.sqrt(np.diag(plain)))
    low, high = np.linalg.eigvalsh(scale @ member @ scale)
    return BivariateRatio(high - 1.0, 1.0 - low).total_variation


@pytest.mark.parametrize(
    ("thresholds", "published"),
    [
        ((0.0,), {192: (0.6406, 0.2087), 256: (0.6164, 0.1672), 512: (0.5702, 0.0951), 1024: (0.5420, 0.0551)}),
        (ternary(0.33), {192: (0.6747, 0.2643), 256: (0.6485, 0.2179), 512: (0.5929, 0.1287), 1024: (0.5575, 0.0765)}),
        (ternary(0.9), {192: (0.6824, 0.2773), 256: (0.6295, 0.1877), 512: (0.5655, 0.0885), 1024: (0.5371, 0.0483)}),
        (None, {192: (0.8187, 0.5242), 256: (0.7454, 0.3825), 512: (0.6466, 0.2118), 1024: (0.5956, 0.1320)}),
    ],
)
def test_areas_and_distances_that_draws_of_the_form_gave(thresholds, published):
    """Two million draws each, standard errors of 4e-4 (5e-4 for the distance)."""
    law = LinearRegression(BETA, np.eye(D), 1.0)
    for n, (area, delta) in published.items():
        found = unquantized_fit(law, n) if thresholds is None else proportional(quantized(thresholds), n)
        assert found.roc.auc == pytest.approx(area, abs=6e-4)
        assert found.delta == pytest.approx(delta, abs=8e-4)
        assert found.in_domain


def exact_pair_distance(d: int, n: int, slices: int = 160, points: int = 601) -> float:
    """Total variation of noise and read-out without quantization: leverages are beta variables, exactly."""
    u = (np.arange(slices) + 0.5) / slices
    inside, outside = beta_law.ppf(u, d / 2, (n - d) / 2), betaprime.ppf(u, d / 2, (n - d + 1) / 2)
    e = np.linspace(-6.5, 6.5, points)[:, None]
    w = np.linspace(-8.0, 8.0, points)[None] * math.sqrt(d / (n - d - 1))
    non_member, member = np.zeros((1, points)), np.zeros((points, points))
    for h, g in zip(inside, outside, strict=True):
        non_member += np.exp(-0.5 * w * w / g) / math.sqrt(2.0 * math.pi * g) / slices
        v = h * (1.0 - h)
        member += np.exp(-0.5 * (w - h * e) ** 2 / v) / math.sqrt(2.0 * math.pi * v) / slices
    density = np.exp(-0.5 * e * e) / math.sqrt(2.0 * math.pi)
    return 0.5 * float(np.sum(density * np.abs(member - non_member))) * (e[1, 0] - e[0, 0]) * (w[0, 1] - w[0, 0])


@pytest.mark.parametrize(("d", "n"), [(64, 96), (64, 128), (64, 256)])
def test_without_quantization_and_penalty_against_the_exact_law(d, n):
    exact = exact_pair_distance(d, n)
    found = unquantized_fit(LinearRegression(np.zeros(d), np.eye(d), 1.0), n).delta
    assert found == pytest.approx(exact, rel=0.25 / d)
    # The exact second moments of members are not those of the normal law that is nearest.
    share, kappa = d / n, d / (n - d - 1)
    moments = pair_distance(np.diag([1.0, kappa]), np.array([[1.0, share], [share, share]]))
    assert abs(moments - exact) > 0.25 / d * exact


@pytest.mark.parametrize("ridge", [0.0, 40.0])
def test_isotropic_designs_are_one_pair_of_noise_and_read_out(ridge):
    """(e, W): a member's covariance ρ r v₀ and variance ρ²(r²v₀ + (1−r)²s²) + ρ(1−ρ)s²."""
    n = 256
    problem = quantized((0.0,), 2.0 * np.eye(D), ridge)
    found, law = proportional(problem, n), estimate_law(problem.law, n, ridge)
    rho, r, v, s2 = found.details["retained_information"], law.leverage, law.noise, law.spread
    inside = rho**2 * (r * r * v + (1.0 - r) ** 2 * s2) + rho * (1.0 - rho) * s2
    member = np.array([[v, rho * r * v], [rho * r * v, inside]])
    assert found.delta == pytest.approx(pair_distance(np.diag([v, rho * s2]), member), rel=1e-12)


def test_a_change_of_units_changes_nothing():
    sigma, ridge, n = decaying(0.7, D), 20.0, 200
    reference = proportional(quantized((0.0,), sigma, ridge), n)
    for unit in (1e-3, 1e3):
        law = LinearRegression(BETA / unit, unit**2 * sigma, 1.0)
        scaled = proportional(Problem(law, ThresholdPTQ(Sign(), ridge=ridge * unit**2)), n)
        assert scaled.log_delta == pytest.approx(reference.log_delta, rel=1e-9)
    law = LinearRegression(1e5 * BETA, sigma, 1e5)
    assert proportional(Problem(law, ThresholdPTQ(Sign(), ridge=ridge)), n).log_delta == pytest.approx(
        reference.log_delta, rel=1e-9
    )


def test_independent_coordinates_are_a_case_of_correlated_ones():
    sigma = np.diag(np.linspace(0.5, 2.0, D))
    almost = sigma.copy()
    almost[0, 1] = almost[1, 0] = 1e-13
    for ridge in (0.0, 30.0):
        exact, near = (proportional(quantized(ternary(0.33), s, ridge), 200) for s in (sigma, almost))
        assert near.delta == pytest.approx(exact.delta, rel=1e-9)
        assert near.details["excess_kurtosis"] == pytest.approx(exact.details["excess_kurtosis"], rel=1e-8)
        assert near.details["effective_coordinates"] == pytest.approx(exact.details["effective_coordinates"], rel=1e-8)
        assert "lower bound" in near.domain
        assert "lower bound" not in exact.domain


def test_fine_cells_are_no_cells():
    fine = FixedThresholds(tuple(np.linspace(-6.0, 6.0, 801)), "standard_error")
    for sigma, ridge, n in ((np.eye(D), 0.0, 192), (decaying(0.9, D), 50.0, 96)):
        law = LinearRegression(np.zeros(D), sigma, 1.0)
        found = proportional(Problem(law, ThresholdPTQ(fine, ridge=ridge)), n)
        assert found.delta == pytest.approx(unquantized_fit(law, n, ridge).delta, rel=1e-3)
        assert found.delta < found.details["delta_unquantized"]


@pytest.mark.parametrize("n", [20_000, 10**9, 10**15])
def test_few_weights_per_point_give_the_form_of_s8(n):
    problem = quantized((0.0,))
    found = proportional(problem, n)
    rate = D / n * found.details["retained_information"]
    assert found.delta == pytest.approx(2.0 / math.pi * math.atan(0.5 * math.sqrt(rate)), rel=D / n + 1e-12)
    if n == 20_000:
        assert found.delta == pytest.approx(high_dimension(problem, n).delta, rel=3.0 * D / n + 1e-3)


def areas(inside: np.ndarray, outside: np.ndarray, groups: int = 20) -> tuple[float, float]:
    """Area under the curve of scores, (trainings, points), with its standard error over groups of trainings."""
    found = []
    for g in range(groups):
        a, b = inside[g::groups].ravel(), outside[g::groups].ravel()
        ranks = rankdata(np.concatenate([a, b]))[: a.size]
        found.append((ranks.sum() - a.size * (a.size + 1) / 2) / (a.size * b.size))
    return float(np.mean(found)), float(np.std(found, ddof=1)) / math.sqrt(groups)


def attack(law: LinearRegression, n: int, ridge: float, edges: np.ndarray | None, runs: int) -> tuple[float, ...]:
    """Area of an attack that learns everything from shadow training runs; one that sees fitted values alone; its error.

    Half of the runs are shadows: they give the mean of the estimate, the regression of estimates on released levels,
    and the covariances of noise and read-outs of members and non-members. Nothing comes from the formulas but the two
    directions: those of Cov(θ̂)x and of the estimate's shift, (cΣ + ridge)⁻¹x with c from leverages.
    """
    d, rng = law.dimension, np.random.default_rng([5, n, int(ridge)])
    factor = np.linalg.cholesky(law.covariance).T
    data, estimates, leverages = [], [], []
    for _ in range(2 * runs):
        X, fresh = rng.normal(size=(n, d)) @ factor, rng.normal(size=(n, d)) @ factor
        y, other = (P @ law.coefficients + law.noise_std * rng.normal(size=n) for P in (X, fresh))
        hessian = X.T @ X + ridge * np.eye(d)
        estimates.append(np.linalg.solve(hessian, X.T @ y))
        leverages.append(np.trace(np.linalg.solve(hessian, X.T @ X)) / n)
        data.append(((X, y), (fresh, other)))
    weights = np.array(estimates)
    mean, covariance = weights[:runs].mean(axis=0), np.cov(weights[:runs].T)
    if edges is None:
        levels = weights - mean
    else:
        code = np.stack([np.searchsorted(edges, column) for column in weights.T], axis=1)
        levels = np.empty_like(weights)
        for i in range(d):
            for k in range(edges.size + 1):
                shadow = weights[:runs, i][code[:runs, i] == k]
                levels[code[:, i] == k, i] = shadow.mean() - mean[i] if shadow.size else 0.0
    precision = np.linalg.inv(np.cov(levels[:runs].T))
    slopes = np.mean(levels[:runs] * (weights[:runs] - mean), axis=0)
    signal = levels @ precision * slopes  # of a shift of the estimate
    c = n * (1.0 - np.mean(leverages[:runs]))
    response = np.linalg.inv(c * law.covariance + ridge * np.eye(d))
    sides = []
    for which in range(2):
        rows = [
            np.stack([z - P @ mean, P @ (covariance @ w), P @ (response @ w)], axis=1)
            for w, (P, z) in zip(signal, (pair[which] for pair in data), strict=True)
        ]
        sides.append(np.array(rows))
    found = []
    kept = [0, 1, 2] if ridge > 0.0 else [0, 1]  # without a penalty the directions are one
    for used in (kept, [0, 1]):
        shadows = [np.linalg.inv(np.cov(side[:runs][..., used].reshape(-1, len(used)).T)) for side in sides]
        form = shadows[1] - shadows[0]
        scores = [np.einsum("rij,jk,rik->ri", side[runs:][..., used], form, side[runs:][..., used]) for side in sides]
        found.append(areas(*scores))
    return found[0][0], found[1][0], found[0][1]


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("correlation", "n", "ridge", "thresholds"),
    [
        pytest.param(0.0, 64, 0.0, (0.0,), marks=pytest.mark.long),
        pytest.param(0.7, 64, 0.0, (0.0,), marks=pytest.mark.long),
        (0.95, 64, 20.0, (0.0,)),
        pytest.param(0.95, 64, 20.0, None, marks=pytest.mark.long),
        (0.7, 24, 5.0, "ternary"),  # more weights than points
    ],
)
def test_an_attack_that_learns_from_shadow_trainings_achieves_it(correlation, n, ridge, thresholds):
    d, runs = 32, 4000
    beta = np.random.default_rng(2).normal(size=d) / math.sqrt(d)
    law = LinearRegression(beta, decaying(correlation, d) if correlation else np.eye(d), 1.0)
    cells = ternary(0.33, float(np.std(beta))) if thresholds == "ternary" else thresholds
    area, fitted, error = attack(law, n, ridge, None if cells is None else np.array(cells), runs)
    whole = unquantized_fit(law, n, ridge).roc.auc
    theory = (
        whole
        if cells is None
        else proportional(Problem(law, ThresholdPTQ(FixedThresholds(cells), ridge=ridge)), n).roc.auc
    )
    assert error < 1.5e-3
    assert abs(area - theory) < 6.0 * error
    if cells is not None:  # what the codes hide is seen
        assert whole - area > 6.0 * error
    if correlation == 0.95:  # fitted values alone show less
        assert theory - fitted > 6.0 * error


@pytest.mark.parametrize("sigma", [np.eye(D), decaying(0.9, D)], ids=["independent", "correlated"])
def test_a_vanishing_penalty_is_none(sigma):
    for n in (192, 10_000):
        none = proportional(quantized((0.0,), sigma), n)
        assert proportional(quantized((0.0,), sigma, 1e-9), n).delta == pytest.approx(none.delta, rel=1e-8)


def test_an_overwhelming_penalty_hides_the_fitted_value():
    for sigma in (np.eye(D), decaying(0.9, D)):
        found = unquantized_fit(LinearRegression(BETA, sigma, 1.0), 64, 1e25)
        assert found.details["leverage"] < 1e-20
        # The weights are then Xᵀy/ridge: a mean, which leaks as in S8.
        assert found.delta == pytest.approx(2.0 / math.pi * math.atan(0.5 * math.sqrt(D / 63)), rel=0.02)


def test_cells_that_tell_nothing():
    found = proportional(quantized((1e6,)), 256)
    assert found.log_delta == -math.inf
    assert found.roc.auc == 0.5
    assert not found.in_domain


def test_thresholds_set_from_the_estimate_use_its_law_at_this_dimension():
    law, n = LinearRegression(np.zeros(D), np.eye(D), 1.0), 200
    errors = 1.0 / math.sqrt(n - D - 1)
    same = FixedThresholds(tuple(errors * ndtri([0.05, 0.95])))
    found = proportional(Problem(law, ThresholdPTQ(Ternary(0.9))), n)
    assert found.delta == pytest.approx(proportional(Problem(law, ThresholdPTQ(same)), n).delta, rel=1e-9)
    free, given = (proportional(Problem(law, ThresholdPTQ(LloydMax(2, s))), n) for s in (None, errors))
    assert free.delta == pytest.approx(given.delta, rel=1e-9)


def test_the_whole_curve():
    roc = proportional(quantized((0.0,)), 192).roc
    fpr, tpr = np.array(roc.fpr), np.array(roc.tpr)
    assert np.all(np.diff(fpr) >= 0.0)
    assert np.all(np.diff(tpr) >= 0.0)
    assert np.max(tpr - fpr) == pytest.approx(proportional(quantized((0.0,)), 192).delta, rel=1e-12)
    assert np.trapezoid(tpr, fpr) == pytest.approx(roc.auc, abs=1e-4)
    assert list(roc.tpr_at) == [1e-1, 1e-2, 1e-3, 1e-4]
    assert all(value > rate for rate, (value, _, _) in roc.tpr_at.items())


def test_domain():
    assert proportional(quantized((0.0,)), 148).in_domain
    assert "residual degrees" in proportional(quantized((0.0,)), 140).domain
    assert "kurtosis" in proportional(quantized(ternary(0.9), ridge=100.0), 64).domain
    assert "moves a coordinate" in proportional(quantized(ternary(0.9), ridge=30.0), 64).domain
    few = Problem(LinearRegression(np.zeros(4), np.eye(4), 1.0), ThresholdPTQ(Sign()))
    with pytest.warns(DomainWarning, match="effective coordinates, fewer than 16"):
        assert not mis(few, 40, "proportional").in_domain
    # One coordinate carries nearly all of the signal.
    uneven = np.diag([1e4, *np.ones(D - 1)])
    assert not proportional(quantized((0.0,), uneven, 1e4), 64).in_domain


def test_what_it_is_not_for():
    with pytest.raises(DomainError, match="the law is gaussian_mean"):
        proportional(Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign())), 50)
    law = LinearRegression([0.0], [[1.0]], 1.0)
    with pytest.raises(DomainError, match="does not quantize an estimate"):
        proportional(Problem(law, CodebookERM([[0.0], [1.0]])), 50)
    for n in (100, D, D + 1):
        with pytest.raises(DomainError, match=f"no finite variance at n = {n} .* ridge > 0"):
            proportional(quantized((0.0,)), n)
    assert proportional(quantized((0.0,), ridge=20.0), 100).in_domain
    with pytest.raises(DomainError, match="interpolates"):
        proportional(quantized((0.0,), ridge=1e-9), D)
    with pytest.raises(InputError, match="ridge = -1"):
        unquantized_fit(law, 50, -1.0)
    with pytest.raises(InputError, match="law"):
        unquantized_fit(GaussianMean([0.0], [[1.0]]), 50)


def test_no_other_route_takes_a_penalised_estimate_for_another():
    problem = Problem(LinearRegression([0.1], [[1.0]], 1.0), ThresholdPTQ(Sign(), ridge=2.0))
    for method in METHODS:
        if method in ("auto", "proportional"):
            with pytest.warns(DomainWarning):
                assert mis(problem, 40, method, replicates=1000).method == "proportional"
        else:
            with pytest.raises(DomainError, match="ridge penalty"):
                mis(problem, 40, method, replicates=1000)
    for route in (moderate, certificate, high_dimension):
        with pytest.raises(DomainError, match="ridge penalty"):
            route(problem, 40)
    with pytest.raises(DomainError, match="ridge penalty"):
        tilted_series(problem, [40, 80], replicates=1000, seed=1)
    for name in ("scores", "product", "faces", "indicator", "exponent", "chain", "line_thresholds"):
        with pytest.raises(DomainError, match="ridge penalty"):
            getattr(problem, name)


def test_ridge_belongs_to_linear_regression():
    with pytest.raises(InputError, match=r"procedure.ridge = 1.0: must be left out under gaussian_mean"):
        Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign(), ridge=1.0))
    for bad in (-1.0, math.nan, math.inf, True, "1"):
        with pytest.raises(InputError, match=r"procedure.ridge"):
            ThresholdPTQ(Sign(), ridge=bad)


def test_a_penalty_in_an_experiment_file():
    data = {
        "law": {
            "kind": "linear_regression",
            "coefficients": 0.05,
            "covariance": 1.0,
            "dimension": 96,
            "noise_std": 1.0,
        },
        "procedure": {"kind": "ptq", "quantizer": "sign", "ridge": 10.0},
        "run": {"n": 64, "methods": ["proportional", "auto"]},
    }
    outcome = run_experiment(parse_experiment(data))
    first, second = outcome.to_dict()["results"]
    assert first["delta"] == second["delta"]
    assert first["in_domain"]
    assert outcome.to_dict()["rates"] == {"faces": [], "indicator": None, "exponent": None}
    assert outcome.remarks() == []
    data["run"]["methods"] = ["critical"]
    with pytest.raises(InputError, match="ridge penalty"):
        run_experiment(parse_experiment(data))


def test_the_experiment_of_the_documentation():
    """Attacks on 200000 members had these areas, with standard errors of 0.001."""
    path = Path(__file__).resolve().parents[2] / "docs" / "experiments" / "proportional.toml"
    shown = CliRunner().invoke(cli, ["evaluate", str(path)])
    assert shown.exit_code == 0, shown.stderr
    found = json.loads(CliRunner().invoke(cli, ["evaluate", str(path), "--json"]).stdout)
    assert [row["in_domain"] for row in found["results"]] == [True] * 3
    areas = [row["roc"]["auc"] for row in found["results"]]
    assert areas == pytest.approx([0.8139, 0.7638, 0.6816], abs=4e-3)


def test_information_of_a_single_coordinate():
    """One coordinate: the traces are products, and J = ρ/C."""
    estimate = estimate_law(LinearRegression([0.3], [[2.0]], 0.7), 12, 3.0)
    cells = coordinate_cells((np.array([0.1]),), estimate.mean, estimate.standard_errors)
    found, rho = shift_information(estimate, cells), float(cells.retained[0])
    g, c = float(estimate.response[0]), float(estimate.covariance[0])
    assert found.shift == pytest.approx(2.0 * g * g * rho / c, rel=1e-12)
    assert found.cross == pytest.approx(2.0 * g * rho, rel=1e-12)
    assert found.retained == pytest.approx(2.0 * c * rho, rel=1e-12)
    assert found.directions == pytest.approx(1.0)
