"""Tilted simulation on scrambled nets: exact values, coverage of its intervals, rare events, what it says of itself."""

import math

import numba
import numpy as np
import pytest
from scipy.special import log_ndtr
from scipy.stats import binomtest, chi2, kstest, norm
from scipy.stats import t as student

import qmis_kernels
from qmis_stats import (
    CodebookERM,
    DomainError,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    GaussianMixture,
    InputError,
    LinearRegression,
    LossTable,
    Problem,
    ThresholdPTQ,
)
from qmis_stats.exact import exact, quadratic_form
from qmis_stats.exact.finite import cell_probabilities
from qmis_stats.simulate import crude, tilted

pytestmark = pytest.mark.grid(2)

LEVEL = 1e-9

LINE = Problem(GaussianMean([0.07], [[1.69]]), CodebookERM([[-0.8], [-0.1], [0.35], [1.4]]))
ONE = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
REGRESSION = Problem(LinearRegression([1.0, 0.0], np.eye(2), 0.5), CodebookERM([[1.0, 0.0], [1.3, 0.2]]))
COLLINEAR = Problem(GaussianMean([0, 0, 0], np.eye(3)), CodebookERM(np.outer([0.0, 0.5, -0.6, 1.1], [0.8, -0.6, 0.1])))
REGRESSION_PTQ = Problem(LinearRegression([1.0], [[2.0]], 0.5), ThresholdPTQ(FixedThresholds((0.8,))))
SHRINKING = Problem(GaussianMean([0.1], [[1.0]]), CodebookERM([[0.0], [1.0], [-1.2]], exponent=0.3))


def p_value(result, log_delta):
    """Two-sided p-value of Student's test of Δ itself."""
    deviation = -math.expm1(log_delta - result.log_delta)
    return 2.0 * student.sf(abs(deviation) / result.std_error, result.dof)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("problem", "n"),
    [
        (LINE, 7),
        pytest.param(LINE, 333, marks=pytest.mark.long),
        (ONE, 2),
        (ONE, 90),
        pytest.param(ONE, 3600, marks=pytest.mark.long),
        (COLLINEAR, 5),
        pytest.param(COLLINEAR, 400, marks=pytest.mark.long),
        (REGRESSION, 2),
        pytest.param(REGRESSION, 3, marks=pytest.mark.long),
        (REGRESSION, 30),
        pytest.param(REGRESSION, 7400, marks=pytest.mark.long),
        (REGRESSION_PTQ, 2),
        (REGRESSION_PTQ, 25),
        pytest.param(REGRESSION_PTQ, 900, marks=pytest.mark.long),
        (SHRINKING, 30),
        pytest.param(SHRINKING, 3000, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("replicates", [3000, 40_000])
def test_agreement_with_exact(problem, n, replicates):
    truth = exact(problem, n).log_delta
    found = tilted(problem, n, replicates=replicates, seed=3)
    assert found.details["sampling"] == "sobol"
    assert found.dof == 31
    assert p_value(found, truth) > LEVEL
    assert p_value(found, truth + 15.0 * found.std_error) < LEVEL
    if replicates == 40_000:
        assert found.in_domain
        assert found.std_error < 0.02


SEEDS = 200


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("problem", "n", "replicates"),
    [
        (ONE, 90, 4000),
        (ONE, 1800, 2000),
        pytest.param(REGRESSION, 60, 4000, marks=pytest.mark.long),
        pytest.param(LINE, 20, 6000, marks=pytest.mark.long),
        pytest.param(REGRESSION_PTQ, 40, 4000, marks=pytest.mark.long),
    ],
)
def test_coverage_of_the_interval(problem, n, replicates):
    """Exact binomial test of the 95 % interval over 200 seeds, and the law of the t statistics."""
    truth = exact(problem, n).log_delta
    found = [tilted(problem, n, replicates=replicates, seed=seed) for seed in range(SEEDS)]
    assert all(r.in_domain for r in found)
    inside = sum(r.conf_int()[0] <= truth <= r.conf_int()[1] for r in found)
    assert binomtest(inside, SEEDS, 0.95).pvalue > LEVEL
    t = np.array([-math.expm1(truth - r.log_delta) / r.std_error for r in found])
    scores = norm.ppf(student.cdf(t, 31))
    assert kstest(scores, "norm").pvalue > LEVEL
    assert LEVEL < chi2.sf(np.sum(scores**2), SEEDS) < 1.0 - LEVEL
    # Negative controls: intervals half as wide, and a value shifted by one standard error.
    narrow = sum(abs(truth - r.log_delta) <= 0.5 * (r.conf_int()[1] - r.log_delta) for r in found)
    assert binomtest(narrow, SEEDS, 0.95).pvalue < LEVEL
    assert kstest(scores + 1.0, "norm").pvalue < LEVEL


def random_problem(rng):
    kind = rng.integers(3)
    if kind == 0:
        book = rng.normal(size=(int(rng.integers(2, 6)), 1)) * rng.choice([0.3, 1.0])
        problem = Problem(GaussianMean([0.2 * rng.normal()], [[rng.uniform(0.3, 3.0)]]), CodebookERM(book))
    elif kind == 1:
        d = int(rng.integers(1, 4))
        root, best = rng.normal(size=(d, d)), rng.normal(size=d)
        book = best + rng.normal(size=(2, d)) * rng.choice([0.3, 1.0])
        law = LinearRegression(best, root @ root.T + 0.3 * np.eye(d), rng.uniform(0.2, 2.0))
        problem = Problem(law, CodebookERM(book))
    else:
        law = LinearRegression([rng.normal()], [[rng.uniform(0.3, 3.0)]], rng.uniform(0.2, 2.0))
        problem = Problem(law, ThresholdPTQ(FixedThresholds((rng.normal(),))))
    return problem, int(np.clip(10.0 ** rng.uniform(0.0, 2.5) / max(problem.exponent, 1e-9), 2, 20_000))


@pytest.mark.statistical
@pytest.mark.parametrize(("count", "shift"), [(70, 1.5), pytest.param(250, 1.0, marks=pytest.mark.long)])
def test_random_problems_have_student_scores(count, shift):
    rng = np.random.default_rng(21)
    scores, trusted = [], 0
    for seed in range(count):
        problem, n = random_problem(rng)
        truth = exact(problem, n).log_delta
        found = tilted(problem, n, replicates=int(10.0 ** rng.uniform(3.3, 4.2)), seed=seed)
        assert "recover" not in found.domain, found.domain
        if found.in_domain and math.isfinite(truth):
            trusted += 1
            scores.append(norm.ppf(student.cdf(-math.expm1(truth - found.log_delta) / found.std_error, found.dof)))
    z = np.array(scores)
    assert trusted > 0.72 * count
    assert np.abs(z).max() < 6.5
    assert kstest(z, "norm").pvalue > LEVEL
    assert LEVEL < chi2.sf(np.sum(z**2), z.size) < 1.0 - LEVEL
    assert chi2.sf(np.sum((2.0 * z) ** 2), z.size) < LEVEL
    assert kstest(z + shift, "norm").pvalue < LEVEL


def polygon(cells, dimension=2):
    angles = np.linspace(0.0, 2.0 * np.pi, cells - 1, endpoint=False) + 0.3
    book = np.zeros((cells, dimension))
    book[1:, :2] = np.column_stack([np.cos(angles), np.sin(angles)])
    return book


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("problem", "n"),
    [
        (ONE, 1800),
        (ONE, 3620),
        (REGRESSION, 3700),
        (REGRESSION, 7400),
        (Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM(polygon(4))), 1800),
        (Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM(polygon(8))), 3620),
        (Problem(GaussianMean([0.0] * 3, np.eye(3)), CodebookERM(polygon(8, 3) + 0.01 * np.eye(8, 3))), 1800),
        (
            Problem(
                LinearRegression([1.0, 0.0], np.eye(2), 0.5),
                CodebookERM([[1.0, 0.0], [1.3, 0.2], [0.7, 0.2], [1.0, -0.36]]),
            ),
            3700,
        ),
    ],
)
def test_one_in_1e100_and_1e200_to_one_per_cent(problem, n):
    found = tilted(problem, n, replicates=30_000, seed=5)
    assert found.log_delta < -220.0
    assert found.std_error < 0.01
    assert found.in_domain
    try:
        assert p_value(found, exact(problem, n).log_delta) > LEVEL
    except DomainError:
        # No oracle: other random numbers without nets or windows.
        other = tilted(problem, n, replicates=40_000, seed=6, sampling="random")
        assert abs(found.log_delta - other.log_delta) < 6.5 * math.hypot(found.std_error, other.std_error)
        assert other.std_error > 3.0 * found.std_error


@pytest.mark.statistical
@pytest.mark.parametrize("sampling", ["sobol", "random"])
def test_crossing_probability(sampling):
    """From the same draws: Φ for a threshold, Fisher's F for two codewords."""
    low, high = REGRESSION.faces[0].increment.eigenvalues
    for n in (2, 60, 1800):
        for problem, truth in (
            (ONE, float(log_ndtr(-0.5 * math.sqrt(n)))),
            (REGRESSION, quadratic_form.log_crossing_probability(high, -low, n)),
        ):
            details = tilted(problem, n, replicates=20_000, seed=4, sampling=sampling).details
            z = (details["log_crossing"] - truth) / details["log_crossing_std_error"]
            assert abs(z) < 8.0  # Student with 31 degrees of freedom: 5e-9
            assert abs(z + 20.0) > 8.0
            assert details["log_crossing_std_error"] < 0.1


@pytest.mark.statistical
def test_crossing_probability_of_a_finite_law():
    problem = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 1, 1]]))
    scores = problem.scores
    for n in (5, 40):
        truth = 1 - cell_probabilities(scores.probabilities, scores.losses, n)[scores.best]
        details = tilted(problem, n, replicates=20_000, seed=4).details
        assert details["sampling"] == "random"
        assert abs(math.expm1(details["log_crossing"] - math.log(truth))) < 6.0 * details["log_crossing_std_error"]


def test_sampling_keyword():
    mixture = Problem(GaussianMixture([0.3, 0.7], [[-1.4], [0.6]], [[[0.5]], [[0.3]]]), CodebookERM([[0.0], [0.9]]))
    assert tilted(ONE, 50, replicates=2000).details["sampling"] == "sobol"
    assert tilted(ONE, 50, replicates=2000, sampling="random").details["sampling"] == "random"
    assert tilted(ONE, 50, replicates=2000, sampling="random").dof is None
    assert tilted(mixture, 50, replicates=2000).details["sampling"] == "random"
    with pytest.raises(DomainError, match="sampling = random"):
        tilted(mixture, 50, replicates=2000, sampling="sobol")
    with pytest.raises(InputError, match="sampling"):
        tilted(ONE, 50, replicates=2000, sampling="halton")
    # Replicates are met as nearly as powers of two allow; the smallest nets hold 1024 a component.
    for replicates in (100, 1000, 5000, 100_000):
        used = tilted(ONE, 50, replicates=replicates).replicates
        assert used == 1024 if replicates < 1024 else 0.7 < used / replicates < 1.42


def test_the_seed_decides_and_nothing_else():
    for problem in (ONE, LINE, REGRESSION):
        first, again, other = (tilted(problem, 30, replicates=1500, seed=s).to_dict() for s in (3, 3, 4))
        assert first == again
        assert first["log_delta"] != other["log_delta"]
        assert first == tilted(problem, 30, replicates=1500, seed=3, backend="reference").to_dict()


@pytest.mark.skipif(int(numba.config.NUMBA_NUM_THREADS) == 1, reason="one core: nothing to compare")
def test_same_bits_on_any_number_of_threads():
    before, found = qmis_kernels.threads(), []
    try:
        for count in (1, int(numba.config.NUMBA_NUM_THREADS)):
            qmis_kernels.set_threads(count)
            found.append([tilted(p, 30, replicates=5000, seed=3).to_dict() for p in (LINE, REGRESSION)])
    finally:
        qmis_kernels.set_threads(before)
    assert found[0] == found[1]


def test_interval_is_students():
    found = tilted(ONE, 50, replicates=2000)
    low, high = found.conf_int(0.95)
    assert (high - low) / (2.0 * found.std_error) == pytest.approx(student.ppf(0.975, 31))
    assert found.to_dict()["dof"] == 31
    assert "dof" not in crude(ONE, 5, replicates=2000).to_dict()


def test_uncertain_signs_are_announced():
    """Many cells, each crossed by few sums: the cross-fitted value is low, the plug-in high, and the result says so."""
    fine = Problem(GaussianMean([0.07], [[1.0]]), CodebookERM(np.linspace(-3, 3, 300)[:, None]))
    truth = exact(fine, 20).log_delta
    found = tilted(fine, 20, replicates=1000, seed=1, sampling="random")
    assert not found.in_domain
    assert "signs" in found.domain
    # Close to a tie Δ is far below the probability of a crossing.
    near = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[-1e-3], [1e-3 + 1e-5]]))
    found = tilted(near, 1_000_000, replicates=1000, seed=1, sampling="sobol")
    assert not found.in_domain
    assert "signs" in found.domain
    assert found.details["log_cross_fitted"] is None or found.details["log_cross_fitted"] < truth


def test_many_rivals_go_to_random_numbers():
    """Hundreds of components would make the smallest nets too large."""
    fine = Problem(GaussianMean([0.07], [[1.0]]), CodebookERM(np.linspace(-3, 3, 300)[:, None]))
    assert tilted(fine, 20, replicates=1000, seed=1).details["sampling"] == "random"
