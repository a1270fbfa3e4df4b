"""Problems: faces, ties, duplicates, chains, and the argmin representation against the procedures themselves."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import qmis_kernels
from qmis_stats import (
    CodebookERM,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    GaussianMixture,
    InputError,
    LinearRegression,
    LloydMax,
    LossTable,
    Problem,
    ReleasedHistogram,
    Sign,
    Ternary,
    ThresholdPTQ,
)
from qmis_stats.scores import Draw

COVARIANCE = np.array([[1.0, 0.4], [0.4, 0.7]])


def test_gaussian_mean_faces_follow_the_closed_forms():
    mean = np.array([0.3, -0.2])
    codebook = np.array([[0.2, 0.0], [1.0, -1.0], [-1.0, 0.5]])
    p = Problem(GaussianMean(mean, COVARIANCE), CodebookERM(codebook))
    assert p.best == 0
    for face in p.faces:
        theta, best = codebook[face.cell], codebook[0]
        delta = np.sum((theta - mean) ** 2) - np.sum((best - mean) ** 2)
        sigma2 = 4 * (theta - best) @ COVARIANCE @ (theta - best)
        assert face.delta == pytest.approx(delta, rel=1e-12)
        assert face.sigma2 == pytest.approx(sigma2, rel=1e-12)
        assert face.chernoff_exponent == pytest.approx(delta**2 / (2 * sigma2), rel=1e-12)
        assert face.chernoff_exponent == face.moderate_deviation_rate
    assert p.indicator == min(f.moderate_deviation_rate for f in p.faces)


def test_linear_regression_faces_follow_the_closed_forms():
    beta, tau = np.array([1.0, 0.5]), 0.7
    codebook = np.array([[1.1, 0.4], [0.0, 0.0], [2.0, 1.0]])
    p = Problem(LinearRegression(beta, COVARIANCE, tau), CodebookERM(codebook))
    b = codebook[p.best] - beta
    for face in p.faces:
        a = codebook[face.cell] - beta
        cuu, cvv, cuv = (tau**2 + u @ COVARIANCE @ v for u, v in ((a, a), (b, b), (a, b)))
        delta, big = cuu - cvv, cuu * cvv - cuv**2
        assert face.delta == pytest.approx(delta, rel=1e-11)
        assert face.sigma2 == pytest.approx(4 * big + 2 * delta**2, rel=1e-11)
        assert face.chernoff_exponent == pytest.approx(0.5 * math.log1p(delta**2 / (4 * big)), rel=1e-10)
        assert face.tilt.lam == pytest.approx(delta / (4 * big), rel=1e-10)


def test_regression_threshold_follows_the_closed_form():
    beta, s2, tau, h = 1.0, 2.0, 0.5, 0.2
    p = Problem(LinearRegression([beta], [[s2]], tau), ThresholdPTQ(FixedThresholds((beta + h,))))
    face = p.faces[0]
    assert face.exact
    assert face.chernoff_exponent == pytest.approx(0.5 * math.log1p(s2 * h**2 / tau**2), rel=1e-12)
    assert face.moderate_deviation_rate == pytest.approx(
        h**2 * s2**2 / (2 * (2 * h**2 * s2**2 + s2 * tau**2)), rel=1e-12
    )


def test_regression_coordinate_is_linearised_in_higher_dimension():
    p = Problem(LinearRegression([0.0, 0.0], COVARIANCE, 0.5), ThresholdPTQ(FixedThresholds((0.3,))))
    assert [f.exact for f in p.faces] == [False, False]
    v = 0.25 * np.linalg.inv(COVARIANCE)
    for i, face in enumerate(p.faces):
        assert face.delta == pytest.approx(0.3)
        assert face.sigma2 == pytest.approx(v[i, i], rel=1e-12)
    assert p.scores is None


def test_ties_duplicates_and_unreachable_faces():
    law = FiniteLaw(["1/2", "1/2"])
    p = Problem(law, LossTable([[0, 1], [1, 0], [0, 1], [1, 2]]))
    assert [f.kind for f in p.faces] == ["tie", "duplicate", "unreachable"]
    assert p.best == 0
    assert p.indicator == 0.0
    assert p.exponent == 0.0
    alone = Problem(law, LossTable([[0, 1], [1, 2]]))
    assert alone.exponent == math.inf
    assert alone.crossable_faces == ()


def test_rival_of_lower_index_wins_ties():
    p = Problem(FiniteLaw(["1/3", "2/3"]), LossTable([[0, 2], [0, 1]]))
    assert p.best == 1
    assert p.faces[0].kind == "regular"
    assert p.faces[0].chernoff_exponent == pytest.approx(math.log(3))


def test_gaussian_tie_and_duplicate_codewords():
    p = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[-1.0], [1.0], [-1.0]]))
    assert p.best == 0
    assert [f.kind for f in p.faces] == ["tie", "duplicate"]
    assert p.chain == (0, 1)
    np.testing.assert_allclose(p.line_thresholds, [0.0], atol=1e-15)


def test_line_thresholds_of_a_collinear_codebook():
    direction = np.array([1.0, 2.0])
    mean = np.array([0.2, -0.1])
    positions = np.array([-1.0, 0.1, 0.9, 2.0])
    codebook = positions[:, None] * direction
    p = Problem(GaussianMean(mean, COVARIANCE), CodebookERM(codebook))
    unit = direction / np.linalg.norm(direction)
    midpoints = 0.5 * (positions[1:] + positions[:-1]) * np.linalg.norm(direction)
    expected = (midpoints - unit @ mean) / math.sqrt(unit @ COVARIANCE @ unit)
    found = p.line_thresholds
    if abs(found[0] - expected[0]) > 1e-9:
        found = -found[::-1]  # the line's orientation is free: Δ does not see it
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_size_adaptive_codebook_shrinks_to_the_parameter():
    p = Problem(GaussianMean([0.5], [[1.0]]), CodebookERM([[0.5], [1.5]], exponent=0.25))
    with pytest.raises(InputError, match=r"problem\.at"):
        _ = p.faces
    at = p.at(16)
    np.testing.assert_allclose(at.codebook[:, 0], [0.5, 1.0])
    assert at.at(16) is at
    np.testing.assert_allclose(p.at(81).codebook[1, 0], 0.5 + 1 / 3)


def test_fixed_problem_does_not_depend_on_n():
    p = Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign()))
    assert p.at(10) is p
    assert Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Ternary(0.5))).procedure.size_adaptive


def test_ternary_threshold_is_a_population_quantile():
    p = Problem(GaussianMean(np.zeros(3), np.eye(3)), ThresholdPTQ(Ternary(0.9))).at(100)
    np.testing.assert_allclose(p.thresholds[0], np.array([-1.6448536269514722, 1.6448536269514722]) / 10, rtol=1e-10)


def brute_force_cells(problem, rng, n, replicates):
    """T and its argmin representation from the same raw samples."""
    law = problem.law
    if isinstance(law, LinearRegression):
        x = rng.multivariate_normal(np.zeros(law.dimension), law.covariance, size=(replicates, n))
        y = x @ law.coefficients + law.noise_std * rng.normal(size=(replicates, n))
        if problem.codebook is not None:
            losses = ((y[:, :, None] - x @ problem.codebook.T) ** 2).sum(axis=1)
            return losses.argmin(axis=1)
        estimate = (x[:, :, 0] * y).sum(axis=1) / (x[:, :, 0] ** 2).sum(axis=1)
        return np.searchsorted(problem.thresholds[0], estimate)
    z = rng.multivariate_normal(law.mean, law.covariance, size=(replicates, n))
    if problem.codebook is not None:
        losses = ((z[:, :, None, :] - problem.codebook) ** 2).sum(axis=(1, 3))
        return losses.argmin(axis=1)
    mean = z.mean(axis=1)
    index = [np.searchsorted(t, mean[:, i]) for i, t in enumerate(problem.thresholds)]
    return np.ravel_multi_index(index, [t.size + 1 for t in problem.thresholds])


@pytest.mark.statistical
@pytest.mark.parametrize(
    "problem",
    [
        Problem(GaussianMean([0.1, 0.2], COVARIANCE), CodebookERM([[0, 0], [0.6, 0.1], [-0.4, 0.5], [0.0, 0.9]])),
        Problem(GaussianMean([0.1, 0.2], COVARIANCE), ThresholdPTQ(FixedThresholds((-0.1, 0.3)))),
        Problem(LinearRegression([0.5, -0.3], COVARIANCE, 0.8), CodebookERM([[0.5, 0], [0.9, -0.6], [0, 0]])),
        Problem(LinearRegression([0.5], [[1.7]], 0.8), ThresholdPTQ(FixedThresholds((0.3, 0.7)))),
    ],
    ids=["gaussian-erm", "gaussian-ptq", "regression-erm", "regression-ptq"],
)
def test_argmin_of_sums_is_the_procedure(problem):
    """Cell frequencies of sums drawn by the kernels equal those of raw samples: χ² at 1e-9."""
    from scipy.stats import chi2_contingency

    n, replicates = 7, 20000
    kernels = qmis_kernels.backend("reference")
    sums = problem.scores.sample(Draw(kernels, (5, 6), 0), 0, replicates, terms=n)
    from_sums = np.bincount(sums.argmin(axis=1), minlength=problem.scores.cells)
    raw = brute_force_cells(problem, np.random.default_rng(2), n, replicates)
    from_raw = np.bincount(raw, minlength=problem.scores.cells)
    seen = from_sums + from_raw > 0
    assert seen.sum() > 1
    assert chi2_contingency(np.stack([from_sums[seen], from_raw[seen]])).pvalue > 1e-9
    # A shifted table must be seen by the same test.
    wrong = np.roll(from_raw, 1)
    assert chi2_contingency(np.stack([from_sums[seen], wrong[seen] + 1])).pvalue < 1e-9


@pytest.mark.statistical
@pytest.mark.parametrize(
    "problem",
    [
        Problem(GaussianMean([0.1, 0.2], COVARIANCE), CodebookERM([[0, 0], [0.6, 0.1], [-0.4, 0.5]])),
        Problem(LinearRegression([0.5, -0.3], COVARIANCE, 0.8), CodebookERM([[0.5, 0], [0.9, -0.6], [0, 0]])),
        Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([["0", "1/2", 1], [1, 0, "3/4"], [1, 1, 0]])),
        Problem(
            GaussianMixture([0.3, 0.7], [[-1.0, 0.0], [1.0, 0.5]], [np.eye(2), COVARIANCE]),
            CodebookERM([[0.4, 0.4], [1.0, 1.0], [-1.0, 0.0]]),
        ),
    ],
    ids=["gaussian", "regression", "finite", "mixture"],
)
@pytest.mark.parametrize("tilted", [False, True])
def test_sampled_moments_under_the_law_and_the_tilt(problem, tilted):
    scores = problem.scores
    face = problem.crossable_faces[0]
    tilt = (face.cell, face.tilt.lam) if tilted else None
    count, terms = 40000, 3
    draw = Draw(qmis_kernels.backend("reference"), (9, 1), 4)
    sample = scores.sample(draw, 0, count, terms=terms, tilt=tilt) * scores.unit_scale
    if tilted:
        means, deviations = scores.tilted_moments(*tilt)
        assert abs(means[face.cell]) < 1e-9 * max(deviations.max(), 1.0)
    else:
        means = scores.means()
        deviations = np.array([math.sqrt(scores.increment(k, scores.best).variance) for k in range(scores.cells)])
    z = (sample.mean(axis=0) - terms * means) / np.maximum(deviations * math.sqrt(terms / count), 1e-300)
    z[scores.best] = 0.0
    assert np.all(np.abs(z) < 6.0)
    spread = sample.std(axis=0)
    kurtosis_bound = 12.0  # standard error of a variance: at most √((kurtosis − 1)/count)
    for k in range(scores.cells):
        if k != scores.best:
            ratio = (spread[k] / (deviations[k] * math.sqrt(terms))) ** 2 - 1.0
            assert abs(ratio) < 6.0 * math.sqrt(kurtosis_bound / count)


def test_product_faces_name_their_neighbouring_cells():
    p = Problem(GaussianMean([0.0, 0.4], np.eye(2)), ThresholdPTQ(FixedThresholds((-0.5, 0.2))))
    for face in p.faces:
        increment = p.scores.increment(face.cell, p.best)
        assert increment.mean == pytest.approx(face.delta, rel=1e-12)
        assert increment.variance == pytest.approx(face.sigma2, rel=1e-12)


def test_too_many_product_cells_are_not_enumerated():
    p = Problem(GaussianMean(np.zeros(20), np.eye(20)), ThresholdPTQ(Sign()))
    assert p.scores is None
    assert len(p.faces) == 20
    assert p.product.independent


def test_finite_scores_are_exact_integers():
    p = Problem(FiniteLaw(["1/2", "1/2"]), LossTable([["1/3", "1/7"], ["2/3", 0]]))
    assert p.scores.unit == Fraction(1, 21)
    np.testing.assert_array_equal(p.scores.integers, [[0, 0], [7, -3]] if p.best == 0 else [[-7, 3], [0, 0]])


def test_lloyd_max_satisfies_its_conditions():
    from scipy.integrate import quad

    def density(x):
        return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)

    for bits in (1, 2, 4, 8):
        edges = LloydMax(bits, 1.0).thresholds(np.zeros(1), np.ones(1))[0]
        padded = np.concatenate(([-np.inf], edges, [np.inf]))
        levels = np.array(
            [
                quad(lambda x: x * density(x), a, b, epsabs=1e-15)[0] / quad(density, a, b, epsabs=1e-15)[0]
                for a, b in itertools.pairwise(padded)
            ]
        )
        np.testing.assert_allclose(edges, 0.5 * (levels[1:] + levels[:-1]), atol=2e-7)


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: GaussianMean([0.0], [[-1.0]]), "law.covariance"),
        (lambda: GaussianMean([0.0, 1.0], [[1.0]]), "law.covariance"),
        (lambda: GaussianMean([0.0, 1.0], [[1.0, 0.5], [0.4, 1.0]]), "law.covariance"),
        (lambda: GaussianMean([math.nan], [[1.0]]), "law.mean"),
        (lambda: GaussianMean([], [[1.0]]), "law.mean"),
        (lambda: GaussianMean(["a"], [[1.0]]), "law.mean"),
        (lambda: LinearRegression([0.0], [[1.0]], 0.0), "law.noise_std"),
        (lambda: LinearRegression([0.0], [[1.0]], math.inf), "law.noise_std"),
        (lambda: FiniteLaw(["1/2", "1/3"]), "law.probabilities"),
        (lambda: FiniteLaw(["1", "0"]), "law.probabilities"),
        (lambda: FiniteLaw([0.5, math.nan]), "law.probabilities"),
        (lambda: FiniteLaw("1"), "law.probabilities"),
        (lambda: GaussianMixture([0.5, 0.6], [[0.0], [1.0]], [[[1.0]], [[1.0]]]), "law.weights"),
        (lambda: GaussianMixture([0.5, 0.5], [[0.0]], [[[1.0]], [[1.0]]]), "law.means"),
        (lambda: GaussianMixture([1.0], [[0.0]], [[[0.0]]]), "law.covariances"),
        (lambda: CodebookERM([[0.0], [math.inf]]), "procedure.codebook"),
        (lambda: CodebookERM([0.0, 1.0]), "procedure.codebook"),
        (lambda: CodebookERM([[0.0]], exponent=-1), "procedure.exponent"),
        (lambda: LossTable([]), "procedure.losses"),
        (lambda: LossTable([["x"]]), "procedure.losses"),
        (lambda: FixedThresholds((1.0, 1.0)), "procedure.thresholds"),
        (lambda: FixedThresholds((1.0,), "errors"), "procedure.unit"),
        (lambda: Ternary(1.0), "procedure.sparsity"),
        (lambda: LloydMax(0), "procedure.bits"),
        (lambda: LloydMax(2, -1.0), "procedure.scale"),
        (lambda: Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0, 1.0]])), "procedure.codebook"),
        (lambda: Problem(FiniteLaw([1]), CodebookERM([[0.0]])), "procedure.kind"),
        (lambda: Problem(FiniteLaw([1]), LossTable([[1, 2]])), "procedure.losses"),
        (lambda: Problem(GaussianMean([0.0], [[1.0]]), LossTable([[1]])), "procedure.losses"),
        (lambda: Problem(GaussianMean([0.0], [[1.0]]), ReleasedHistogram()), "procedure.kind"),
        (lambda: Problem(FiniteLaw([1]), ThresholdPTQ(Sign())), "procedure.kind"),
        (lambda: Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign())).at(1), "n"),
        (lambda: Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign())).at(True), "n"),
    ],
)
def test_bad_input_is_one_line_with_its_field(build, field):
    with pytest.raises(InputError) as caught:
        build()
    assert caught.value.field == field
    assert "\n" not in str(caught.value)
