"""Generalized linear laws: rates against mpmath, heavy tails, information, and sums against raw samples."""

import importlib.util
import itertools
import math
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit

import qmis_kernels
from qmis_stats import (
    CodebookERM,
    DomainError,
    FixedThresholds,
    InputError,
    LogisticRegression,
    PoissonRegression,
    Problem,
    ThresholdPTQ,
    mis,
)
from qmis_stats.scores import Draw
from qmis_stats.scores.canonical_faces import codeword_increment, codeword_reach
from qmis_stats.scores.families import BERNOULLI, POISSON

pytestmark = pytest.mark.grid(2)

STUDY = Path(__file__).resolve().parents[2] / "docs" / "studies" / "generalized_linear.py"
spec = importlib.util.spec_from_file_location("generalized_linear_study", STUDY)
study = importlib.util.module_from_spec(spec)
spec.loader.exec_module(study)

LAWS = (LogisticRegression, PoissonRegression)
PLANE = np.array([[1.0, 0.3], [0.3, 0.5]])


@pytest.fixture(scope="module")
def nodes():
    with mp.workdps(25):
        return study.rule(1)


@pytest.mark.parametrize("law", LAWS)
def test_rates_against_mpmath(law, nodes):
    rng = np.random.default_rng(7)
    with mp.workdps(25):
        for number in range(3):
            made, _, problem = study.random_problem(law, number, rng)
            face = problem.faces[0]
            assert (face.kind, made.dimension) == ("regular", 1)
            tilt = face.tilt
            found = face.delta, face.sigma2, tilt.exponent, tilt.lam, tilt.variance
            for value, exact in zip(found, study.reference(problem, face, nodes), strict=True):
                assert abs(mp.mpf(value) / exact - 1) < 1e-11
                assert abs(mp.mpf(value * (1 + 1e-9)) / exact - 1) > 1e-11  # a wrong number would be seen


@pytest.mark.parametrize("family", [BERNOULLI, POISSON])
def test_differences_of_families_keep_their_digits(family):
    with mp.workdps(40):
        for eta in (-3.0, 0.2, 2.5):
            for step in (-2.0, -0.03, -1e-4, 1e-9, 0.015, 0.7):
                e, t = mp.mpf(eta), mp.mpf(step)
                a = (lambda u: mp.exp(u)) if family is POISSON else (lambda u: mp.log(1 + mp.exp(u)))
                slope = mp.exp(e) if family is POISSON else 1 / (1 + mp.exp(-e))
                end = mp.exp(e + t) if family is POISSON else 1 / (1 + mp.exp(-e - t))
                args = np.array(eta), np.array(step)
                assert float(family.divergence(*args)) == pytest.approx(float(a(e + t) - a(e) - t * slope), rel=1e-12)
                assert float(family.mean_step(*args)) == pytest.approx(float(end - slope), rel=1e-13)


@pytest.mark.parametrize("family", [BERNOULLI, POISSON])
def test_enumerated_responses_are_the_law(family):
    eta = np.array([-2.0, 0.5, 3.0])
    rows, y, p = family.enumerate(eta)
    assert np.bincount(rows, p) == pytest.approx(np.ones(3), abs=1e-13)
    assert np.bincount(rows, p * y) == pytest.approx(family.mean(eta), rel=1e-13)
    deviation = np.bincount(rows, p * np.abs(y - family.mean(eta)[rows]))
    assert deviation == pytest.approx(family.absolute_deviation(eta), rel=1e-12)
    ratio = np.bincount(rows, p * np.exp(0.3 * y))
    assert ratio == pytest.approx(family.ratio(eta, np.full(3, 0.3 + 0j)).real, rel=1e-12)


def test_quantiles_of_counts():
    from scipy.stats import poisson

    rng = np.random.default_rng(3)
    u, eta = rng.uniform(size=4000), rng.uniform(-3.0, 6.0, size=4000)
    np.testing.assert_array_equal(POISSON.draw(eta, u), poisson.ppf(u, np.exp(eta)))


def test_poisson_moments_are_those_of_lognormal_variables():
    """Closed forms for codewords in general position in space, where no tilt exists but every moment does."""
    best, step, truth = np.array([0.2, 0.1, 0.0]), np.array([0.3, -0.2, 0.1]), np.array([0.1, 0.05, 0.3])
    x = codeword_increment(POISSON, 0.3, best, step, truth)
    u, v, eta = best + step, best, best + truth

    def moment(*vectors):
        total = sum(vectors)
        return math.exp(0.3 * len(vectors) + 0.5 * float(total @ total))

    delta = moment(u) - moment(v) - moment(eta) * float(eta @ step)
    assert x.mean == pytest.approx(delta, rel=1e-11)
    # E X² = E (e^u − e^v)² − 2 E e^η a (e^u − e^v) + E (e^η + e^{2η}) a²
    square = moment(u, u) - 2.0 * moment(u, v) + moment(v, v)
    square -= 2.0 * (moment(eta, u) * float((eta + u) @ step) - moment(eta, v) * float((eta + v) @ step))
    a2 = float(step @ step)
    square += moment(eta) * (a2 + float(eta @ step) ** 2) + moment(eta, eta) * (a2 + 4.0 * float(eta @ step) ** 2)
    assert x.variance == pytest.approx(square - delta**2, rel=1e-11)
    assert (x.tilt().lam, x.tilt().exponent, x.tilt().variance) == (0.0, 0.0, math.inf)


def test_three_directions_of_a_logistic_codebook():
    """Predictors of rank three, integrated as two normals and a Bernoulli mixture: against a rule in three."""
    law = LogisticRegression([1.0, -0.5, 0.8], np.diag([1.0, 0.5, 2.0]), 0.4)
    problem = Problem(law, CodebookERM([[1.0, 0.0, 0.6], [1.6, -1.0, 0.3]]))
    face = problem.faces[0]
    assert face.increment.rank == 2
    axis = np.arange(-8.0, 8.01, 0.25)
    z = np.stack([a.ravel() for a in np.meshgrid(axis, axis, axis)], axis=1)
    mass = np.exp(-0.5 * np.sum(z**2, axis=1)) * (0.25 / math.sqrt(2.0 * math.pi)) ** 3
    x = z * np.sqrt([1.0, 0.5, 2.0])
    u, v = (0.4 + x @ problem.codebook[k] for k in (face.cell, problem.best))
    p = expit(0.4 + x @ law.coefficients)
    base = np.logaddexp(0.0, u) - np.logaddexp(0.0, v)
    lam = face.tilt.lam
    total = mass @ ((1.0 - p) * np.exp(-lam * base) + p * np.exp(-lam * (base - u + v)))
    assert face.chernoff_exponent == pytest.approx(-math.log(total), rel=1e-10)
    assert face.delta == pytest.approx(float(mass @ (base - p * (u - v))), rel=1e-10)


@pytest.mark.parametrize("law", LAWS)
def test_tilts_that_are_known(law):
    made = law([0.5], [[1.3]], 0.2)
    for threshold in (-0.3, 0.9):
        increment, exact = made.threshold_increment(0, threshold, threshold > 0.5)
        assert exact
        assert increment.tilt().lam == pytest.approx(abs(threshold - 0.5), rel=1e-15)
        assert abs(increment.cgf(-increment.tilt().lam)[1]) < 1e-12 * math.sqrt(increment.variance)
    rival = Problem(made, CodebookERM([[0.5], [1.0]])).faces[0].increment
    assert abs(rival.cgf(-1.0)[0]) < 1e-13


@pytest.mark.parametrize("law", LAWS)
def test_derivatives_of_the_generating_function(law):
    increment = Problem(law([0.5, 0.2], PLANE), CodebookERM([[0.5, 0.2], [0.1, 0.8]])).faces[0].increment
    s, h = -0.4, 1e-4
    k = [increment.cgf(s + j * h)[0] for j in (-1, 0, 1)]
    first, second = increment.cgf(s)[1:]
    assert (k[2] - k[0]) / (2 * h) == pytest.approx(first, rel=1e-6)
    assert (k[2] - 2 * k[1] + k[0]) / h**2 == pytest.approx(second, rel=1e-5)
    slopes = [increment.cgf(s + j * 0.01)[2] for j in (-2, -1, 0, 1, 2)]
    third = (slopes[0] - 8 * slopes[1] + 8 * slopes[3] - slopes[4]) / 0.12
    fourth = (-slopes[0] + 16 * slopes[1] - 30 * slopes[2] + 16 * slopes[3] - slopes[4]) / 12e-4
    skewness, kurtosis = increment.shape(s)
    assert skewness == pytest.approx(third / second**1.5, rel=1e-5)
    assert kurtosis == pytest.approx(fourth / second**2, rel=1e-4)


def test_reach_of_poisson_codewords_is_where_the_integrand_grows():
    """Against the exponent itself far out on a ring of directions."""
    rng = np.random.default_rng(5)
    angles = np.linspace(0.0, 2.0 * math.pi, 4001)
    ring = np.stack((np.cos(angles), np.sin(angles)), axis=1)

    def grows(best, step, truth, lam, far):
        gains = np.logaddexp(math.log(lam) + far * ring @ best, far * ring @ (best + truth + lam * step))
        costs = np.logaddexp(math.log(lam) + far * ring @ (best + step), far * ring @ (best + truth))
        return bool(np.any((gains > costs + 1e-6) & (gains > 3.0 * math.log(far))))

    for trial in range(40):
        rival, true = rng.normal(size=(2, 2))
        share = rng.uniform(0.05, 0.9)
        best = share * rival + (1.0 - share) * true if trial % 2 else rng.normal(size=2)
        step, truth = rival - best, true - best
        reach = codeword_reach(best, step, truth)
        assert (reach == pytest.approx(1.0 / (1.0 - share))) if trial % 2 else (reach == 0.0)
        if trial % 2:
            assert not grows(best, step, truth, 0.95 * reach, 3000.0)
            assert grows(best, step, truth, 1.05 * reach, 3000.0)
        else:
            assert grows(best, step, truth, 0.5, 3000.0)


@pytest.mark.parametrize(
    ("best", "step", "truth", "reach"),
    [(0.6, 0.3, -0.1, 4.0 / 3.0), (0.6, -0.5, -0.1, 0.0), (0.5, 0.4, 0.0, 1.0), (0.4, 0.5, 0.1, 0.8)],
)
def test_reach_on_a_line(best, step, truth, reach):
    assert codeword_reach(*(np.array([v]) for v in (best, step, truth))) == pytest.approx(reach, abs=1e-14)


def test_heavy_faces_are_named_and_refused():
    problem = Problem(PoissonRegression([0.5, 0.2], np.eye(2)), CodebookERM([[0.5, 0.25], [1.0, 0.1]]))
    face = problem.faces[0]
    assert (face.kind, face.chernoff_exponent, problem.exponent) == ("heavy", 0.0, 0.0)
    assert face.delta > 0.0
    for method in ("sharp", "sharp2", "moderate", "tilted", "exact"):
        with pytest.raises(DomainError, match="heavy"):
            mis(problem, 20, method)
    assert mis(problem, 20, "certificate").log_delta == 0.0
    assert mis(problem, 20, "crude", replicates=2000, seed=1, backend="reference").delta > 0.0


@pytest.mark.parametrize("law", LAWS)
def test_information_by_quadrature(law):
    made = law([0.6, -0.4], PLANE, 0.3)
    weight = {
        "logistic_regression": lambda eta: expit(eta) * expit(-eta),
        "poisson_regression": np.exp,
    }[made.kind]
    z = np.linspace(-9.0, 9.0, 181)
    w = np.stack([a.ravel() for a in np.meshgrid(z, z)], axis=1)
    mass = np.exp(-0.5 * np.sum(w**2, axis=1)) * 0.01 / (2.0 * math.pi)
    x = w @ np.linalg.cholesky(PLANE).T
    expected = (x * (mass * weight(0.3 + x @ made.coefficients))[:, None]).T @ x
    np.testing.assert_allclose(made.information, expected, rtol=1e-10)
    np.testing.assert_allclose(made.parameter_covariance @ expected, np.eye(2), atol=1e-9)


def test_least_favourable_face_is_the_linearised_one_to_first_order():
    law = LogisticRegression([0.6, -0.4], PLANE, 0.3)
    v = law.parameter_covariance
    for gap, tolerance in ((0.1, 0.2), (1e-3, 2e-3)):
        increment, exact = law.threshold_increment(1, -0.4 + gap, True)
        assert not exact
        assert increment.mean == pytest.approx(gap, rel=tolerance)
        assert increment.variance == pytest.approx(v[1, 1], rel=tolerance)


def raw_cells(problem, n, replicates, rng):
    """Cells of the procedure from raw samples: the losses themselves, and the root of the score function."""
    law = problem.law
    x = rng.multivariate_normal(np.zeros(law.dimension), law.covariance, size=(replicates, n))
    eta = law.intercept + x @ law.coefficients
    poisson = law.kind == "poisson_regression"
    y = rng.poisson(np.exp(eta)) if poisson else rng.uniform(size=eta.shape) < expit(eta)
    if problem.codebook is not None:
        u = law.intercept + x @ problem.codebook.T
        loss = (np.exp(u) if poisson else np.logaddexp(0.0, u)) - y[:, :, None] * u
        return loss.sum(axis=1).argmin(axis=1)
    low, high = np.full(replicates, -30.0), np.full(replicates, 30.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        u = np.minimum(law.intercept + x[:, :, 0] * middle[:, None], 700.0)
        rising = (((np.exp(u) if poisson else expit(u)) - y) * x[:, :, 0]).sum(axis=1) < 0.0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return np.searchsorted(problem.thresholds[0], 0.5 * (low + high))


@pytest.mark.statistical
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("kind", ["erm", "ptq"])
def test_argmin_of_sums_is_the_procedure(law, kind):
    from scipy.stats import chi2_contingency

    if kind == "erm":
        problem = Problem(law([0.5, -0.3], PLANE, 0.2), CodebookERM([[0.5, 0.0], [0.9, -0.6], [0.0, 0.0]]))
    else:
        problem = Problem(law([0.5], [[1.7]], 0.2), ThresholdPTQ(FixedThresholds((0.3, 0.7))))
    n, replicates = 9, 10000
    draw = Draw(qmis_kernels.backend("reference"), (5, 6), 0)
    sums = problem.scores.sample(draw, 0, replicates, terms=n)
    from_sums = np.bincount(sums.argmin(axis=1), minlength=problem.scores.cells)
    from_raw = np.bincount(raw_cells(problem, n, replicates, np.random.default_rng(2)), minlength=problem.scores.cells)
    assert chi2_contingency(np.stack([from_sums, from_raw])).pvalue > 1e-9
    assert chi2_contingency(np.stack([from_sums, np.roll(from_raw, 1) + 1])).pvalue < 1e-9


TILTED = [
    Problem(LogisticRegression([1.2, -0.3], PLANE, 0.2), CodebookERM([[1.2, -0.3], [0.2, 0.6]])),
    Problem(LogisticRegression([1.2, -0.3], PLANE, 0.2), CodebookERM([[1.0, -0.2], [0.2, 0.6]])),
    Problem(PoissonRegression([0.6, -0.3], PLANE, 0.2), CodebookERM([[0.6, -0.3], [0.2, 0.6]])),
    Problem(PoissonRegression([0.5], [[1.0]]), CodebookERM([[0.6], [0.9]])),
    Problem(LogisticRegression([0.5], [[1.0]]), ThresholdPTQ(FixedThresholds((1.2, 1.6)))),
    Problem(PoissonRegression([0.5], [[1.0]]), ThresholdPTQ(FixedThresholds((0.1,)))),
]


@pytest.mark.statistical
@pytest.mark.parametrize("problem", TILTED)
def test_moments_of_tilted_draws(problem):
    """Mean and variance of the tilted score, and those of every score, at |z| < 6.2."""
    scores = problem.scores
    count, terms = 8000, 2
    for k in range(scores.cells):
        if k == scores.best:
            continue
        tilt = scores.increment(k, scores.best).tilt()
        sample = scores.sample(
            Draw(qmis_kernels.backend("numba"), (3, k), 5), 0, count, terms=terms, tilt=(k, tilt.lam)
        )
        means, deviations = scores.tilted_moments(k, tilt.lam)
        assert abs(means[k]) < 1e-6 * deviations[k]
        assert deviations[k] == pytest.approx(math.sqrt(tilt.variance), rel=1e-6)
        z = (sample.mean(axis=0) - terms * means) / np.maximum(deviations * math.sqrt(terms / count), 1e-300)
        assert np.abs(np.delete(z, scores.best)).max() < 6.2
        squares = (sample[:, k] - sample[:, k].mean()) ** 2
        error = squares.std() / math.sqrt(count)
        assert abs(squares.mean() - terms * tilt.variance) < 6.2 * error
        plain = scores.sample(Draw(qmis_kernels.backend("numba"), (3, k), 5), 0, count, terms=terms)
        assert abs(plain[:, k].mean()) > 6.2 * plain[:, k].std() / math.sqrt(count)  # the law itself is told apart


@pytest.mark.parametrize("problem", TILTED[1:4:2])
def test_draws_do_not_depend_on_blocks_or_backends(problem):
    scores, tilt = problem.scores, (1 - problem.best, problem.faces[0].tilt.lam)
    for given in (None, tilt):
        whole = scores.sample(Draw(qmis_kernels.backend("numba"), (1, 2), 3), 0, 70, terms=9, tilt=given)
        for backend, starts in (("numba", (0, *range(41, 70))), ("reference", (0, 41, 42, 43))):  # the slow one last
            draw = Draw(qmis_kernels.backend(backend), (1, 2), 3)
            parts = [
                scores.sample(draw, first, after - first, terms=9, tilt=given)
                for first, after in itertools.pairwise((*starts, 70))
            ]
            np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_points_carry_the_tilted_law():
    scores = TILTED[2].scores
    tilt = scores.increment(1, 0).tilt()
    axis = np.arange(-9.0, 9.01, 0.15)
    nodes = np.stack([a.ravel() for a in np.meshgrid(axis, axis)], axis=1)
    weights = np.exp(-0.5 * np.sum(nodes**2, axis=1)) * 0.15**2 / (2.0 * math.pi)
    plain, tilted = (scores.points_from_normals(nodes, weights, t) for t in (None, (1, tilt.lam)))
    assert plain.weights.sum() == pytest.approx(1.0, abs=1e-9)
    assert plain.weights @ plain.scores[:, 1] == pytest.approx(scores.increment(1, 0).mean, rel=1e-8)
    assert tilted.weights.sum() == pytest.approx(1.0, abs=1e-8)
    assert abs(tilted.weights @ tilted.scores[:, 1]) < 1e-7 * math.sqrt(tilt.variance)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [[1.0]], math.nan), "law.intercept = nan: must be a number from -100 to 100"),
        (([1.0], [[1.0]], "0"), "law.intercept = '0': must be a number"),
        (([200.0], [[1.0]]), "law.coefficients = .* must be such that the standard deviation"),
        (([1.0], [[-1.0]]), "law.covariance"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(InputError, match=message):
        LogisticRegression(*arguments)


def test_codewords_too_close_or_too_large():
    law = LogisticRegression([1.0], [[1.0]])
    with pytest.raises(DomainError, match="two codewords differ"):
        _ = Problem(law, CodebookERM([[1.0], [1.0 + 1e-9]])).scores
    with pytest.raises(DomainError, match="varies too much"):
        _ = Problem(law, CodebookERM([[1.0], [1e4]])).scores
    same = Problem(law, CodebookERM([[1.0], [1.0], [2.0]]))
    assert [f.kind for f in same.faces] == ["duplicate", "regular"]


def test_threshold_exponent_is_a_mean_of_divergences():
    """I = −log E exp(−KL(p_t ‖ p_β)), by SciPy's quadrature of the divergence itself."""
    law = LogisticRegression([0.7], [[1.0]], -0.2)

    def integrand(x):
        p, q = expit(-0.2 + 1.5 * x), expit(-0.2 + 0.7 * x)
        kl = p * math.log(p / q) + (1.0 - p) * math.log((1.0 - p) / (1.0 - q))
        return math.exp(-kl - 0.5 * x * x) / math.sqrt(2.0 * math.pi)

    total = quad(integrand, -8.0, 8.0, epsabs=1e-14, epsrel=1e-13)[0]
    assert law.threshold_increment(0, 1.5, True)[0].tilt().exponent == pytest.approx(-math.log(total), rel=1e-9)
