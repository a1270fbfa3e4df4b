"""State evolution of logistic and Poisson fits: published values, another form of the equations, fits, existence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq, linprog
from scipy.special import expit, roots_hermitenorm

from qmis_stats import LogisticRegression, PoissonRegression
from qmis_stats.errors import DomainError
from qmis_stats.scores.families import BERNOULLI, POISSON
from qmis_stats.theory import canonical_evolution, canonical_law, largest_share

pytestmark = pytest.mark.grid(3)

LAWS = (LogisticRegression, PoissonRegression)


def signal(d: int, size: float, seed: int = 0) -> np.ndarray:
    beta = np.random.default_rng(seed).normal(size=d)
    return size * beta / np.linalg.norm(beta)


def test_the_example_of_sur_and_candes():
    """κ = 0.2, γ² = 5: α = 1.4994, σ = 4.7436, λ = 3.0269."""
    found = canonical_law(LogisticRegression(signal(200, math.sqrt(5.0)), np.eye(200)), 1000)
    assert found.factor == pytest.approx(1.4994, abs=1e-4)
    assert math.sqrt(found.spread / 0.2) == pytest.approx(4.7436, abs=1e-4)
    assert found.proximity == pytest.approx(3.0269, abs=1e-4)


@pytest.mark.parametrize(("size", "n"), [(1.0, 800), (1.0, 300), (2.0, 600)])
def test_another_form_of_the_equations(size, n):
    """Theirs: one response only, reflected predictors, the middle equation without a derivative; roots by bisection."""
    d = 100
    found = canonical_law(LogisticRegression(signal(d, size), np.eye(d)), n)
    alpha, s, q, share = found.factor, math.sqrt(found.spread), found.proximity, d / n
    z, w = roots_hermitenorm(70)
    weight = np.outer(w, w) / (2.0 * math.pi)
    first = size * z[:, None] + 0.0 * z
    second = -alpha * first + s * z
    fitted = np.array(
        [brentq(lambda v, u=u: v + q * expit(v) - u, u - q - 1.0, u + 1.0, xtol=1e-13) for u in second.ravel()]
    ).reshape(second.shape)
    response, slope = 2.0 * expit(first) * weight, expit(fitted) * expit(-fitted)
    assert np.sum(response * (q * expit(fitted)) ** 2) == pytest.approx(share * found.spread, rel=1e-7)
    assert np.sum(response * first * q * expit(fitted)) == pytest.approx(0.0, abs=1e-7)
    assert np.sum(response / (1.0 + q * slope)) == pytest.approx(1.0 - share, rel=1e-7)


@pytest.mark.parametrize("kind", LAWS)
@pytest.mark.parametrize("intercept", [0.0, -1.0])
def test_many_points_give_the_information(kind, intercept):
    d, n = 50, 10**8
    law = kind(signal(d, 0.8), np.diag(np.linspace(0.5, 1.5, d)), intercept)
    found = canonical_law(law, n)
    eta, weights = law.predictor_rule()
    curvature = float(weights @ law.family.cumulants(eta)[0])
    assert found.factor == pytest.approx(1.0, abs=1e-5)
    assert n * found.covariance == pytest.approx(1.0 / (curvature * np.diag(law.covariance)), rel=1e-5)
    assert found.proximity == pytest.approx(d / n / curvature, rel=1e-5)


@pytest.mark.parametrize("kind", LAWS)
def test_units_and_rotations_change_nothing(kind):
    d, n, ridge = 40, 160, 3.0
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(d, d)))[0]
    stretch = np.diag(np.linspace(0.5, 2.0, d)) @ turn
    beta = signal(d, 0.7)
    plain = canonical_law(kind(beta, np.eye(d), 0.2), n)
    sigma = stretch.T @ stretch
    other = canonical_law(kind(np.linalg.solve(stretch, beta), 0.5 * (sigma + sigma.T), 0.2), n)
    back = stretch @ other.covariance @ stretch.T
    assert back == pytest.approx(np.diag(plain.covariance), abs=1e-9 * plain.covariance.max())
    assert other.factor == pytest.approx(plain.factor, rel=1e-9)
    penalised = canonical_law(kind(beta, np.eye(d), 0.2), n, ridge)
    scaled = canonical_law(kind(beta / 5.0, 25.0 * np.eye(d), 0.2), n, 25.0 * ridge)
    assert scaled.factor == pytest.approx(penalised.factor, rel=1e-9)
    assert scaled.spread == pytest.approx(penalised.spread, rel=1e-9)


def fits(law, n: int, ridge: float, runs: int, seed: int) -> np.ndarray:
    rng, d = np.random.default_rng(seed), law.dimension
    found = np.empty((runs, d))
    for r in range(runs):
        X = rng.normal(size=(n, d))
        eta = law.intercept + X @ law.coefficients
        logistic = law.kind == "logistic_regression"
        y = (rng.random(n) < expit(eta)).astype(float) if logistic else rng.poisson(np.exp(eta)).astype(float)
        theta = law.coefficients.copy()
        for _ in range(50):
            v = law.intercept + X @ theta
            mean = expit(v) if logistic else np.exp(v)
            w = mean * (1.0 - mean) if logistic else mean
            step = np.linalg.solve((X.T * w) @ X + ridge * np.eye(d), X.T @ (mean - y) + ridge * theta)
            theta = theta - step / max(1.0, 0.2 * float(np.max(np.abs(X @ step))))
            if np.max(np.abs(step)) < 1e-8:
                break
        else:
            raise AssertionError("no convergence")
        found[r] = theta
    return found


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("kind", "n", "ridge", "intercept"),
    [
        (LogisticRegression, 300, 0.0, 0.5),
        (LogisticRegression, 80, 5.0, 0.0),
        (PoissonRegression, 120, 0.0, 0.0),
        (PoissonRegression, 80, 5.0, -0.5),
    ],
)
def test_fits(kind, n, ridge, intercept):
    d, runs = 60, 100
    beta = signal(d, 0.7)
    law = kind(beta, np.eye(d), intercept)
    found, weights = canonical_law(law, n, ridge), fits(law, n, ridge, runs, 11)
    factors = weights @ beta / (beta @ beta)
    error = float(factors.std(ddof=1)) / math.sqrt(runs)
    # Equations of the limit: errors of order 1/d beside those of the simulation.
    assert abs(factors.mean() - found.factor) < 6.0 * error + 2.0 / d * found.factor
    squares = np.sum((weights - found.mean) ** 2, axis=1)
    error = float(squares.std(ddof=1)) / math.sqrt(runs)
    assert abs(squares.mean() - found.spread) < 6.0 * error + 6.0 / d * found.spread
    # The values for fixed d are seen to be wrong.
    fixed = float(np.trace(law.parameter_covariance)) / n
    assert abs(squares.mean() - fixed) > 6.0 * error + 6.0 / d * fixed


def test_the_largest_share_where_it_is_known():
    for intercept in (0.0, 1.5):
        assert largest_share(LogisticRegression([0.0], [[1.0]], intercept)) == pytest.approx(0.5, abs=1e-12)
        none = math.exp(-math.exp(intercept))
        share = largest_share(PoissonRegression([0.0], [[1.0]], intercept))
        assert share == pytest.approx(1.0 - 0.5 * none, abs=1e-12)
    sizes = [largest_share(LogisticRegression([t], [[1.0]])) for t in (0.0, 0.5, 1.0, 2.0, 5.0, 20.0)]
    assert np.all(np.diff(sizes) < 0.0)


def has_no_maximum(law, n: int, rng: np.random.Generator) -> bool:
    """Return whether some direction lowers the loss for ever, by a linear programme."""
    X = rng.normal(size=(n, law.dimension))
    eta = law.intercept + X @ law.coefficients
    if law.kind == "logistic_regression":
        sign = np.where(rng.random(n) < expit(eta), 1.0, -1.0)
        rows, fixed = sign[:, None] * X, np.empty((0, law.dimension))
    else:
        zero = rng.poisson(np.exp(eta)) == 0
        rows, fixed = -X[zero], X[~zero]
    # rows @ b >= 0 and fixed @ b = 0 with a positive sum somewhere.
    result = linprog(
        -rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(len(rows)), A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None, bounds=(-1.0, 1.0), method="highs",
    )  # fmt: skip
    return bool(-result.fun > 1e-7)


@pytest.mark.statistical
@pytest.mark.parametrize(
    "law",
    [
        LogisticRegression(signal(60, 2.0), np.eye(60)),
        LogisticRegression(signal(60, 1.0), np.eye(60), 1.5),
        PoissonRegression(signal(60, 1.0), np.eye(60), -1.0),
    ],
    ids=["logistic", "intercept", "poisson"],
)
def test_separation_begins_at_the_largest_share(law):
    """The transition is a few times n^(−1/2) wide: a quarter below and above it is decided in every draw."""
    rng, edge = np.random.default_rng(1), law.dimension / largest_share(law)
    for factor, expected in ((1.35, False), (0.74, True)):
        assert [has_no_maximum(law, round(factor * edge), rng) for _ in range(2)] == [expected] * 2


def test_where_the_likelihood_has_no_maximum():
    law = LogisticRegression(signal(100, 1.0), np.eye(100))
    limit = largest_share(law)
    n = math.floor(100 / limit)
    with pytest.raises(DomainError, match=rf"no maximum with d/n = .* n above {n + 1}"):
        canonical_law(law, n)
    near = canonical_law(law, n + 25)
    assert near.factor > 2.0
    assert near.limit == limit
    assert canonical_law(law, n, 1.0).limit == math.inf


@pytest.mark.long
@pytest.mark.statistical
def test_how_wide_the_transition_is():
    """Two and a half deviations of a binomial variable below it nearly all samples have an estimate, near it half."""
    law, rng = LogisticRegression(signal(64, 1.0), np.eye(64)), np.random.default_rng(5)
    found = {n: sum(not has_no_maximum(law, n, rng) for _ in range(60)) for n in (150, 185)}
    assert found[185] >= 43  # 0.96 of 60 and fewer than 43: below 1e-9
    assert found[150] <= 54  # 0.5 of 60 and more than 54: below 1e-9


@pytest.mark.parametrize("intercept", [6.0, 7.0, 8.0, -6.0])
def test_nearly_certain_responses_are_solved(intercept):
    law = LogisticRegression(signal(64, 0.1), np.eye(64), intercept)
    found, n, ridge = canonical_law(law, 256, 1.0), 256, 1.0
    x, w = roots_hermitenorm(60)
    w = w / w.sum()
    u = intercept + found.factor * 0.1 * x[:, None] + math.sqrt(found.spread) * x
    slope = square = 0.0
    for y in (0.0, 1.0):
        chance = expit((2.0 * y - 1.0) * (intercept + 0.1 * x)) * w
        v = BERNOULLI.proximal(u, found.proximity, np.array(y))
        c = expit(v) * expit(-v)
        slope += chance @ (c / (1.0 + found.proximity * c)) @ w
        square += chance @ (y - expit(v)) ** 2 @ w
    total = slope + ridge / n
    assert found.proximity == pytest.approx(64 / n / total, rel=1e-6)
    assert found.spread == pytest.approx(64 / n * square / total**2, rel=1e-6)


def test_what_is_not_a_separation_is_not_called_one(monkeypatch):
    for intercept, ridge in ((0.0, 1e300), (-100.0, 1.0)):
        with pytest.raises(DomainError, match=r"tell nothing beside a penalty.* use a smaller procedure\.ridge"):
            canonical_law(LogisticRegression(signal(64, 0.1), np.eye(64), intercept), 256, ridge)
    with pytest.raises(DomainError, match="all but separates"):
        canonical_law(LogisticRegression(signal(40, 0.5), np.eye(40)), 40, 1e-4)
    monkeypatch.setattr(canonical_evolution, "_MOST_TRIALS", 5)
    with pytest.raises(DomainError, match=r"not solved with d/n = 0\.25"):
        canonical_law(LogisticRegression(signal(64, 0.1), np.eye(64), 3.0), 256, 1.0)


@pytest.mark.parametrize(("size", "n", "ridge"), [(1.0, 507, 0.0), (1.0, 434, 1.0), (0.0, 445, 0.0)])
def test_the_path_of_wider_fitted_values_leads_to_the_same_solution(monkeypatch, size, n, ridge):
    law = LogisticRegression(np.full(200, size / math.sqrt(200)), np.eye(200))
    found, roots, root = canonical_law(law, n, ridge), [], canonical_evolution._root

    def fails_at_first(*arguments):
        roots.append(arguments)
        return None if len(roots) == 1 else root(*arguments)

    monkeypatch.setattr(canonical_evolution, "_root", fails_at_first)
    other = canonical_law(law, n, ridge)
    assert len(roots) == 3
    assert other.factor == pytest.approx(found.factor, rel=1e-8)
    assert other.spread == pytest.approx(found.spread, rel=1e-8)
    assert other.proximity == pytest.approx(found.proximity, rel=1e-8)


@pytest.mark.parametrize(("n", "ridge"), [(457, 0.0), (434, 0.01), (304, 1e-3)])
def test_a_refusal_near_the_edge_costs_few_moments(monkeypatch, n, ridge):
    """They were 430 to 484 with the fine rule."""
    law, fine, moments = LogisticRegression(np.full(200, 1.0 / math.sqrt(200)), np.eye(200)), [], []
    plain = canonical_evolution._moments

    def counted(*arguments):
        (moments if len(arguments) > 3 else fine).append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(canonical_evolution, "_moments", counted)
    with pytest.raises(DomainError, match="all but separates"):
        canonical_law(law, n, ridge)
    assert len(fine) <= 60
    assert len(moments) <= 180


def test_what_is_not_known(monkeypatch):
    skewed = LogisticRegression(signal(3, 1.0), np.diag([1.0, 1.0, 2.0]))
    with pytest.raises(DomainError, match="isotropic designs only"):
        canonical_law(skewed, 50, 1.0)
    with pytest.raises(DomainError, match="standard deviation of 30"):
        canonical_law(LogisticRegression([30.0], [[1.0]]), 50, 1.0)
    monkeypatch.setattr(canonical_evolution, "_LARGEST", 3.0)
    with pytest.raises(DomainError, match="all but separates"):
        canonical_law(LogisticRegression(signal(40, 1.0), np.eye(40)), 40, 1e-3)


@pytest.mark.parametrize("family", [BERNOULLI, POISSON])
@pytest.mark.parametrize("q", [1e-6, 0.3, 5.0, 1e4])
def test_the_proximal_map_solves_its_equation(family, q):
    u = np.linspace(-30.0, 30.0, 601)
    for y in (0.0, 1.0) if family is BERNOULLI else (0.0, 1.0, 40.0):
        v = family.proximal(u, q, np.array(y))
        missed = v - u + q * (family.mean(v) - y)
        assert np.max(np.abs(missed) / (1.0 + q * family.cumulants(v)[0]) / (1.0 + np.abs(v))) < 1e-11
