"""Statement S9f: the likelihood ratio of least squares, against oracles that share no code with it."""

import math
from functools import partial

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import chi2, multivariate_normal, multivariate_t, t

import qmis_kernels
from qmis_stats import (
    DomainError,
    FixedThresholds,
    GaussianMean,
    InputError,
    LinearRegression,
    Problem,
    Sign,
    ThresholdPTQ,
    mis,
)
from qmis_stats.exact import exact
from qmis_stats.simulate import crude, likelihood_ratio, pooled, unquantized_leak
from qmis_stats.simulate.memory import pairs_bytes
from qmis_stats.simulate.regression_cells import EstimateCells, LatinDesign
from qmis_stats.simulate.regression_crude import crude_regression
from qmis_stats.simulate.regression_density import RegressionRatio
from qmis_stats.simulate.regression_pairs import regression_pairs
from qmis_stats.simulate.regression_ratio import quantized_leak
from qmis_stats.simulate.settings import Settings

pytestmark = pytest.mark.grid(2)

Z = 6.0  # two-sided false-alarm rate 2e-9 a check

SIZES = [(1, 3), (1, 10), (2, 4), (2, 9), (3, 20), (8, 12)]


def draws(d, n, count, seed):
    """Estimates and fresh points in whitened units, by NumPy: v = G/√C."""
    rng = np.random.default_rng(seed)
    v = rng.normal(size=(count, d)) / np.sqrt(rng.chisquare(n - d + 1, size=(count, 1)))
    return v, rng.normal(size=(count, d)), rng.normal(size=count)


def log_ratio(d, n, v, x, y):
    parts = (np.sum(v * v, axis=-1), np.sum(v * x, axis=-1), np.sum(x * x, axis=-1), y)
    return RegressionRatio(d, n).log_ratio(*parts)


def members(d, n, count, seed):
    """Estimates of whole simulated samples, solved as any user would, with their first point."""
    rng = np.random.default_rng(seed)
    design, noise = rng.normal(size=(count, n, d)), rng.normal(size=(count, n))
    moments = np.einsum("bni,bn->bi", design, noise)
    v = np.linalg.solve(np.einsum("bni,bnj->bij", design, design), moments[..., None])[..., 0]
    return v, design[:, 0], noise[:, 0]


def z_score(values, expected=0.0):
    return (np.mean(values) - expected) / (np.std(values, ddof=1) / math.sqrt(np.size(values)))


def conditional_density(d, n, v, x, y):
    """p(v | z) from the estimating equation, by quadrature over the chi-square number of squared residuals."""
    s2, r, m = 1.0 + v @ v, y - x @ v, n - 2
    cov = np.eye(d) - np.outer(v, v) / s2
    a = x @ np.linalg.solve(cov, x)

    def integrand(e):
        determinant = np.linalg.det(cov) * math.exp(math.lgamma(m + 1) - math.lgamma(m - d + 1))
        determinant *= 1.0 + (1.0 + r * r / e) * a / (m - d + 1)
        density = multivariate_normal(-v * e / s2, e * cov).pdf(-x * r)
        return density * determinant * chi2(n - 1).pdf(e / s2) / s2

    return quad(integrand, 0.0, np.inf, epsabs=0.0, epsrel=1e-10, limit=400)[0]


@pytest.mark.parametrize(
    ("d", "n"),
    [
        (1, 4),
        pytest.param(2, 5, marks=pytest.mark.long),
        (3, 9),
        pytest.param(4, 30, marks=pytest.mark.long),
    ],
)
def test_closed_form_is_the_quotient_of_the_densities(d, n):
    points = draws(d, n, 2, seed=1)
    found = np.exp(log_ratio(d, n, *points))
    marginal = multivariate_t(np.zeros(d), np.eye(d) / (n - d + 1), df=n - d + 1)
    for value, v, x, y in zip(found, *points, strict=True):
        assert value == pytest.approx(conditional_density(d, n, v, x, y) / marginal.pdf(v), rel=1e-8)


@pytest.mark.parametrize(("d", "n"), [(1, 3), (5, 40), (64, 66), (200, 1000)])
def test_closed_form_in_many_digits(d, n):
    v, x, y = draws(d, n, 4, seed=2)
    found = log_ratio(d, n, v, x, y)
    with mp.workdps(60):
        nu = mp.mpf(n - d - 1) / 2
        for k in range(4):
            vv, c, xx = (mp.mpf(float(p @ q)) for p, q in ((v[k], v[k]), (v[k], x[k]), (x[k], x[k])))
            r, a = mp.mpf(float(y[k])) - c, xx + c * c
            u = abs(r) * mp.sqrt(a)
            bessel = u ** (nu + 1) * mp.besselk(nu + 1, u) + a * u**nu * mp.besselk(nu, u)
            gammas = mp.gamma(mp.mpf(n) / 2) / mp.gamma(mp.mpf(n + 1) / 2) / mp.gamma(nu + mp.mpf(1) / 2)
            expected = mp.log(gammas * bessel * mp.sqrt(1 + vv)) - nu * mp.log(2) + r * c
            assert found[k] == pytest.approx(float(expected), abs=1e-9)


@pytest.mark.statistical
@pytest.mark.parametrize(("d", "n"), SIZES)
def test_mean_is_one_and_tilts_to_members(d, n):
    """E Λ = 1, and E Λ g = E_member g for samples that are really drawn and solved."""
    v, x, y = draws(d, n, 60_000, seed=3)
    ratio = np.exp(log_ratio(d, n, v, x, y))
    assert abs(z_score(ratio, 1.0)) < Z

    def statistic(v, x, y):
        return np.tanh(y * np.sum(v * x, axis=-1)) * np.exp(-np.sum(v * v, axis=-1))

    joint = statistic(*members(d, n, 20_000, seed=4))
    tilted = ratio * statistic(v, x, y)
    error = math.hypot(np.std(joint) / math.sqrt(joint.size), np.std(tilted) / math.sqrt(tilted.size))
    assert abs(np.mean(joint) - np.mean(tilted)) < Z * error
    # Negative controls: no tilt at all, and a ratio without the factor √(1 + |v|²).
    assert abs(np.mean(joint) - np.mean(statistic(v, x, y))) > Z * error
    assert abs(z_score(ratio / np.sqrt(1.0 + np.sum(v * v, axis=1)), 1.0)) > Z


@pytest.mark.parametrize("d", [1, 4])
def test_points_of_no_influence(d):
    """With x = 0 the other n − 1 points make the estimate: a quotient of two t densities."""
    n, v = 9, draws(d, 9, 6, seed=5)[0]
    found = log_ratio(d, n, v, np.zeros_like(v), np.linspace(-2.0, 2.0, 6))

    def log_density(size):
        dof = size - d + 1
        return multivariate_t(np.zeros(d), np.eye(d) / dof, df=dof).logpdf(v if d > 1 else v[:, 0])

    assert found == pytest.approx(log_density(n - 1) - log_density(n), abs=1e-10)


def test_beyond_the_splines():
    """Points whose Bessel argument exceeds every table are integrated one by one, and join smoothly."""
    ratio = RegressionRatio(1, 3)
    y = np.array([0.999e7, 1.001e7])
    values = ratio.log_ratio(np.array(1.0), np.array(0.0), np.array(1.0), y)
    expected = np.log(np.pi / 4) + 0.5 * np.log(2.0) - y + np.log(y + 2.0)  # ν = ½: K is elementary
    assert values == pytest.approx(expected, abs=1e-7)


def test_small_samples_are_refused():
    law = LinearRegression(np.zeros(3), np.eye(3), 1.0)
    problem = Problem(law, ThresholdPTQ(Sign()))
    for run in (partial(unquantized_leak, law), partial(likelihood_ratio, problem)):
        with pytest.raises(DomainError, match="d \\+ 2 = 5, not n = 4") as caught:
            run(4, replicates=200)
        assert "\n" not in str(caught.value)
    with pytest.raises(DomainError, match="n = 3 points do not determine 3 coefficients"):
        crude(problem, 3, replicates=200)
    with pytest.raises(InputError, match="law"):
        unquantized_leak(GaussianMean([0.0], [[1.0]]), 10)


def test_what_is_not_reached_is_refused():
    correlated = np.eye(2) + 0.5
    with pytest.raises(DomainError, match="diagonal covariance"):
        likelihood_ratio(Problem(LinearRegression([0.0, 0.0], correlated, 1.0), ThresholdPTQ(Sign())), 20)
    many = Problem(LinearRegression(np.zeros(13), np.eye(13), 1.0), ThresholdPTQ(Sign()))
    with pytest.raises(DomainError, match="8192 product cells"):
        crude(many, 40)


# The estimate given its cells.

EDGES = (np.array([0.1]), np.array([-0.3, 0.4]), np.array([-0.2, 0.0, 0.3]))


@pytest.mark.parametrize("n", [5, 8, 40])
def test_probabilities_of_cells_against_quadrature(n):
    cells = EstimateCells(EDGES, n)
    every = np.stack(np.unravel_index(np.arange(24), (2, 3, 4)), axis=1)
    found = np.exp(cells.log_probability(every))
    assert found.sum() == pytest.approx(1.0, abs=1e-9)
    ends = [np.concatenate(([-np.inf], e, [np.inf])) for e in EDGES]

    log_constant = math.lgamma(0.5 * n - 1.0) + (0.5 * n - 1.0) * math.log(2.0)

    def given(c, cell):
        parts = [ndtr(e[k + 1] * math.sqrt(c)) - ndtr(e[k] * math.sqrt(c)) for e, k in zip(ends, cell, strict=True)]
        return math.prod(parts) * math.exp((0.5 * n - 2.0) * math.log(c) - 0.5 * c - log_constant)

    for cell, value in zip(every, found, strict=True):
        assert value == pytest.approx(quad(given, 0.0, np.inf, args=(cell,), epsabs=1e-11, limit=200)[0], abs=1e-9)


def test_one_coordinate_is_students():
    n, edges = 12, np.array([-0.8, 0.3])
    found = np.exp(EstimateCells((edges,), n).log_probability(np.arange(3)[:, None]))
    assert found == pytest.approx(np.diff([0.0, *t(n).cdf(edges * math.sqrt(n)), 1.0]), abs=1e-9)


@pytest.mark.statistical
def test_draws_follow_the_law_given_the_cells():
    """Draws lie in their cells; their moments are those of free draws that happened to fall there."""
    n, rng = 8, np.random.default_rng(6)
    cells = EstimateCells(EDGES, n)
    free = draws(3, n, 400_000, seed=7)[0]
    which = cells.find(free)
    for cell in ([1, 0, 3], [0, 1, 1], [1, 2, 0]):
        kept = free[np.all(which == cell, axis=1)]
        drawn = cells.draws(np.array([cell]), rng.uniform(size=(1, 40_000, 4)))[0]
        assert np.all(cells.find(drawn) == cell)
        for f in (lambda v: v[:, 0], lambda v: np.abs(v).sum(axis=1) ** 0.5, lambda v: np.tanh(v[:, 1] * v[:, 2])):
            a, b = f(kept), f(drawn)
            error = math.hypot(np.std(a) / math.sqrt(a.size), np.std(b) / math.sqrt(b.size))
            assert abs(a.mean() - b.mean()) < Z * error
        # Negative control: normals whose scale is not updated by the cells.
        wrong = free[:, ::-1] if cell[0] else -free
        assert abs(np.mean(wrong[: a.size, 0]) - kept[:, 0].mean()) > Z * error


def test_far_tails_are_drawn_without_cancellation():
    """A cell far above the estimate's centre: no uniform leaves it, and none is lost to Φ = 1."""
    cells = EstimateCells((np.array([1.3, 1.31]),), 40)  # eight standard errors away
    u = np.linspace(0.001, 0.999, 101)
    drawn = cells.draws(np.array([[1]]), np.stack([u, np.full(101, 0.5)], axis=1)[None])[0, :, 0]
    assert np.all((drawn >= 1.3) & (drawn <= 1.31))
    assert np.ptp(drawn) > 1e-3


def test_shifted_hypercubes():
    rng = np.random.default_rng(8)
    design = LatinDesign(rng.uniform(size=(5, 16)))
    points = design.shifted(rng.uniform(size=(40, 5)))
    assert points.shape == (40, 16, 5)
    assert np.all((points >= 0.0) & (points < 1.0))
    # Each coordinate has one point in each sixteenth, whatever the shift.
    ordered = np.sort(points, axis=1)
    assert np.diff(ordered, axis=1) == pytest.approx(1 / 16)


# Pairs and Δ.


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_pairs_do_not_depend_on_blocks(backend):
    kernels = qmis_kernels.backend(backend)
    whole = next(regression_pairs(kernels, (3, 4), 0, 50, 9, 3))
    part = next(regression_pairs(kernels, (3, 4), 20, 10, 9, 3))
    for name in ("design", "response", "independent", "member"):
        assert np.array_equal(getattr(whole, name)[20:30], getattr(part, name))


@pytest.mark.statistical
@pytest.mark.parametrize(("d", "n"), [(1, 5), (3, 9)])
def test_pairs_have_the_laws_of_samples(d, n):
    kernels = qmis_kernels.backend("numba")
    pairs = list(regression_pairs(kernels, (5, 6), 0, 20_000, n, d))
    v, x, y = (np.concatenate([getattr(p, name) for p in pairs]) for name in ("member", "design", "response"))
    own, expected = (w * np.sum(u * f, axis=1) for u, f, w in ((v, x, y), members(d, n, 20_000, seed=9)))
    error = math.hypot(np.std(own), np.std(expected)) / math.sqrt(20_000)
    assert abs(np.mean(own) - np.mean(expected)) < Z * error
    free = np.concatenate([p.independent for p in pairs])
    assert abs(z_score(y * np.sum(free * x, axis=1))) < Z
    assert abs(z_score(y * np.sum(v * x, axis=1))) > Z  # members are not non-members


@pytest.mark.statistical
@pytest.mark.parametrize(("d", "n"), [(1, 6), (2, 5), (6, 30)])
def test_unquantized_against_the_definition(d, n):
    """Δ = E_member (1 − 1/Λ)_+ over samples that are drawn and solved, and no law matters but its dimension."""
    laws = (
        LinearRegression(np.zeros(d), np.eye(d), 1.0),
        LinearRegression(np.arange(d) + 1.0, 3.0 * np.eye(d) + 0.5, 0.1),
    )
    first, second = (unquantized_leak(law, n, replicates=20_000, seed=1) for law in laws)
    assert first.log_delta == second.log_delta
    gains = -np.expm1(np.minimum(-log_ratio(d, n, *members(d, n, 20_000, seed=10)), 0.0))
    error = math.hypot(first.delta * first.std_error, np.std(gains) / math.sqrt(gains.size))
    assert abs(first.delta - np.mean(gains)) < Z * error
    assert abs(first.delta - 2.0 * np.mean(gains)) > Z * error
    assert first.roc.auc == pytest.approx(0.5 + 0.5 * first.delta, abs=0.25)


@pytest.mark.statistical
@pytest.mark.parametrize(("n", "gap"), [(10, 0.1), (25, 0.0)])
def test_one_coefficient_against_the_exact_oracle(n, gap):
    problem = Problem(LinearRegression([1.0], [[2.0]], 0.5), ThresholdPTQ(FixedThresholds((1.0 + gap,))))
    log_delta = exact(problem, n).log_delta
    result = likelihood_ratio(problem, n, replicates=20_000, seed=3)
    assert result.in_domain
    assert abs(result.log_delta - log_delta) < Z * result.std_error
    assert abs(result.log_delta - log_delta - math.log(1.3)) > Z * result.std_error
    # An attack at its best between members and non-members: a concave curve with the greatest height Δ.
    spread = Z * result.delta * result.std_error
    area = result.roc.auc - 0.5
    assert 0.5 * result.delta - spread < area < result.delta - 0.5 * result.delta**2 + spread
    # Two cells: plug-in above, cross-fitted below, and close.
    assert result.details["log_cross_fitted"] <= result.log_delta <= result.details["log_plug_in"]


QUANTIZED = [
    (2, 6, (0.1,), 2_000),
    pytest.param(2, 6, (0.1,), 10_000, marks=pytest.mark.long),
    pytest.param(2, 20, (-0.2, 0.3), 10_000, marks=pytest.mark.long),
    pytest.param(3, 12, (0.0,), 10_000, marks=pytest.mark.long),
]


@pytest.mark.statistical
@pytest.mark.parametrize(("d", "n", "thresholds", "replicates"), QUANTIZED)
def test_oracle_against_crude(d, n, thresholds, replicates):
    law = LinearRegression(np.linspace(-0.2, 0.3, d), np.diag(1.0 + 0.3 * np.arange(d)), 0.6)
    problem = Problem(law, ThresholdPTQ(FixedThresholds(thresholds)))
    oracle = likelihood_ratio(problem, n, replicates=2 * replicates, seed=1)
    simulated = crude(problem, n, replicates=replicates, seed=1)
    assert oracle.in_domain
    error = math.hypot(oracle.std_error, simulated.std_error)
    assert abs(oracle.log_delta - simulated.log_delta) < Z * error
    # Negative control: a sample a third as large again.
    other = likelihood_ratio(problem, n + n // 3, replicates=2 * replicates, seed=1)
    assert abs(other.log_delta - simulated.log_delta) > Z * error


@pytest.mark.statistical
@pytest.mark.long
def test_few_draws_are_corrected(monkeypatch):
    """Eight draws a half: the plug-in is far off, the balanced estimate is not, and the gap is reported."""
    problem = Problem(LinearRegression(np.zeros(8), np.eye(8), 1.0), ThresholdPTQ(Sign()))
    many = likelihood_ratio(problem, 12, replicates=20_000, seed=1)
    monkeypatch.setattr("qmis_stats.simulate.regression_ratio._inner_draws", lambda *_: 8)
    few = likelihood_ratio(problem, 12, replicates=20_000, seed=1)
    error = math.hypot(few.std_error, many.std_error)
    assert abs(few.log_delta - many.log_delta) < Z * error
    assert few.details["log_plug_in"] - many.log_delta > Z * many.std_error
    assert not few.in_domain
    assert "log Δ lies between" in few.domain


@pytest.mark.long
@pytest.mark.statistical
def test_fine_cells_leak_what_the_estimate_leaks():
    law = LinearRegression(np.zeros(3), np.eye(3), 1.0)
    fine = Problem(law, ThresholdPTQ(FixedThresholds(tuple(np.linspace(-1.5, 1.5, 301)))))
    released = likelihood_ratio(fine, 12, replicates=20_000, seed=1)
    whole = unquantized_leak(law, 12, replicates=20_000, seed=1)
    assert abs(released.log_delta - whole.log_delta) < Z * math.hypot(released.std_error, whole.std_error)
    coarse = likelihood_ratio(Problem(law, ThresholdPTQ(Sign())), 12, replicates=20_000, seed=1)
    assert whole.log_delta - coarse.log_delta > Z * math.hypot(coarse.std_error, whole.std_error)


def test_rare_crossings_are_outside_the_domain():
    problem = Problem(LinearRegression([1.0, 1.0], np.eye(2), 0.5), ThresholdPTQ(Sign()))
    assert not likelihood_ratio(problem, 200, replicates=1000, seed=1).in_domain
    assert not crude(problem, 200, replicates=1000, seed=1).in_domain


def test_crude_does_not_depend_on_the_backend():
    law = LinearRegression([0.1, -0.1], [[1.0, 0.4], [0.4, 2.0]], 1.0)
    thresholds = (np.array([0.0]), np.array([-0.2, 0.2]))
    results = [crude_regression(law, thresholds, 15, Settings(300, 2, backend)) for backend in ("numba", "reference")]
    assert results[0].log_delta == results[1].log_delta
    assert results[0].std_error == results[1].std_error


def brute_force(law, thresholds, n, samples, points, seed):
    """Δ by definition, one least-squares problem a pair of a sample and a point."""
    rng = np.random.default_rng(seed)
    factor = np.linalg.cholesky(law.covariance)

    def draw(*shape):
        x = rng.normal(size=(*shape, law.dimension)) @ factor.T
        return x, x @ law.coefficients + law.noise_std * rng.normal(size=shape)

    x, y = draw(samples, n - 1)
    square, moment = np.einsum("sni,snj->sij", x, x), np.einsum("sni,sn->si", x, y)
    tables = []
    for new_x, new_y in zip(*draw(points), strict=True):
        estimate = np.linalg.solve(square + np.outer(new_x, new_x), (moment + new_x * new_y)[..., None])[..., 0]
        cell = np.zeros(samples, dtype=int)
        for i, t_i in enumerate(thresholds):
            cell = cell * (t_i.size + 1) + np.searchsorted(t_i, estimate[:, i])
        tables.append(np.bincount(cell, minlength=math.prod(t.size + 1 for t in thresholds)) / samples)
    leaks = 0.5 * np.abs(tables - np.mean(tables, axis=0)).sum(axis=1)
    return leaks.mean(), leaks.std() / math.sqrt(points)


@pytest.mark.long
@pytest.mark.statistical
def test_crude_of_a_correlated_design_by_brute_force():
    law = LinearRegression([0.1, -0.1], [[1.0, 0.8], [0.8, 2.0]], 1.0)
    thresholds = (np.array([0.0]), np.array([-0.2, 0.2]))
    problem = Problem(law, ThresholdPTQ(FixedThresholds((-0.2, 0.2))))
    found = crude_regression(law, thresholds, 10, Settings(10_000, 2))
    value, error = brute_force(law, thresholds, 10, 6_000, 400, seed=11)
    # With 6 000 samples the upward bias of the plain absolute value is below 1 % of Δ.
    spread = math.hypot(error, found.delta * found.std_error)
    assert abs(found.delta - value) < Z * spread + 0.01 * value
    assert abs(crude_regression(law, thresholds, 20, Settings(5_000, 2)).delta - value) > Z * spread + 0.01 * value
    assert mis(problem, 10, "crude", replicates=10_000).method == "crude"


@pytest.mark.statistical
@pytest.mark.parametrize("method", [crude, pytest.param(likelihood_ratio, marks=pytest.mark.long)])
def test_blocks_are_independent_and_pooled(method):
    problem = Problem(LinearRegression([0.0, 0.1], np.eye(2), 1.0), ThresholdPTQ(Sign()))
    blocks = [method(problem, 12, replicates=2000, seed=1, block=b) for b in range(4)]
    assert len({b.log_delta for b in blocks}) == 4
    mean = pooled(blocks)
    assert mean.in_domain
    spread = np.std([b.delta for b in blocks], ddof=1)
    typical = np.mean([b.delta * b.std_error for b in blocks])
    assert 0.1 < spread / typical < 3.0
    assert mean.delta == pytest.approx(np.mean([b.delta for b in blocks]))


@pytest.mark.parametrize(
    ("method", "count"), [(crude, 640), pytest.param(likelihood_ratio, 400, marks=pytest.mark.long)]
)
def test_standard_errors_are_those_of_repetitions(method, count):
    """Sixty seeds: the mean square of the z-scores about their mean is one, within its own error."""
    problem = Problem(LinearRegression([0.0, 0.1], np.eye(2), 1.0), ThresholdPTQ(Sign()))
    results = [method(problem, 12, replicates=count, seed=s) for s in range(60)]
    values = np.array([r.delta for r in results])
    errors = np.array([r.delta * r.std_error for r in results])
    ratio = values.var(ddof=1) / np.mean(errors**2)
    assert abs(math.log(ratio)) < Z * math.sqrt(2 / 59)


def test_memory_is_asked_for(monkeypatch):
    problem = Problem(LinearRegression(np.zeros(4), np.eye(4), 1.0), ThresholdPTQ(Sign()))
    monkeypatch.setattr("qmis_kernels.memory.available", lambda: 2**27)
    assert pairs_bytes(Settings(10**9, 1), halves=True) > pairs_bytes(Settings(10**9, 1))
    with pytest.raises(InputError, match="lower replicates"):
        likelihood_ratio(problem, 20, replicates=10**8)
    fine = Problem(
        LinearRegression(np.zeros(512), np.eye(512), 1.0), ThresholdPTQ(FixedThresholds(tuple(np.linspace(-1, 1, 255))))
    )
    with pytest.raises(InputError, match="the number of cells"):
        quantized_leak(fine.product, 1024, Settings(1000, 1))
