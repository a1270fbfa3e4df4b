"""Monte Carlo estimators: against exact values, against brute force, and bit for bit against themselves."""

import math
from functools import partial

import numba
import numpy as np
import pytest
from scipy.stats import chi2, norm
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
    Sign,
    ThresholdPTQ,
)
from qmis_stats.exact import exact
from qmis_stats.scores.base import PointRule
from qmis_stats.simulate import conditional, crude, likelihood_ratio, tilted
from qmis_stats.simulate.design import LAW, TiltMixture, draw_sums
from qmis_stats.simulate.estimator import SumSample, cross_fitted_delta
from qmis_stats.simulate.settings import Settings

Z = 6.0  # two-sided false-alarm rate 2e-9 a check; the suite makes a few hundred

LINE = Problem(GaussianMean([0.07], [[1.69]]), CodebookERM([[-0.8], [-0.1], [0.35], [1.4]]))
ONE = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
REVERSED = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[1.0], [0.0]]))
REGRESSION = Problem(LinearRegression([1.0, 0.0], np.eye(2), 0.5), CodebookERM([[1.0, 0.0], [1.3, 0.2]]))
REGRESSION_PTQ = Problem(LinearRegression([1.0], [[2.0]], 0.5), ThresholdPTQ(FixedThresholds((0.8,))))
FINITE = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 1, 1]]))


def z_score(result, log_delta):
    """The normal score of the same p-value: the standard error of nets has 31 degrees of freedom."""
    assert result.std_error > 0
    score = (result.log_delta - log_delta) / result.std_error
    if result.dof is None:
        return score
    return math.copysign(float(norm.isf(student.sf(abs(score), result.dof))), score)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("problem", "n", "methods"),
    [
        (LINE, 7, (crude, tilted, conditional)),
        (LINE, 40, (crude, tilted, conditional)),
        (LINE, 333, (tilted, conditional)),
        (ONE, 2, (crude, tilted, conditional)),
        (ONE, 1800, (tilted, conditional)),
        (REVERSED, 60, (tilted, conditional)),
        (REGRESSION, 2, (crude, tilted)),
        (REGRESSION, 30, (crude, tilted)),
        (REGRESSION, 3500, (tilted,)),
        (REGRESSION_PTQ, 25, (crude, tilted)),
        (FINITE, 5, (crude, tilted)),
        (FINITE, 60, (crude, tilted)),
    ],
)
def test_agreement_with_exact(problem, n, methods):
    log_delta = exact(problem, n).log_delta
    for method in methods:
        result = method(problem, n, replicates=20_000, seed=3)
        assert abs(z_score(result, log_delta)) < Z
        # Negative control: a claim off by twenty standard errors is rejected.
        assert abs(z_score(result, log_delta + 20 * result.std_error)) > Z


@pytest.mark.long
@pytest.mark.statistical
def test_one_in_1e100_to_one_per_cent():
    for problem, n in ((ONE, 1800), (REGRESSION, 3700)):
        log_delta = exact(problem, n).log_delta
        assert -240 < log_delta < -225
        result = tilted(problem, n, replicates=700_000, seed=5, sampling="random")
        assert result.std_error <= 0.01
        assert abs(z_score(result, log_delta)) < Z
        assert crude(problem, n, replicates=10_000).log_delta == -math.inf


@pytest.mark.statistical
@pytest.mark.parametrize("replicates", [3_000, pytest.param(60_000, marks=pytest.mark.long)])
def test_tilted_agrees_with_crude_where_no_oracle_is_known(replicates):
    mixture = GaussianMixture([0.3, 0.7], [[-1.0, 0.0], [1.0, 0.5]], [np.eye(2), 0.5 * np.eye(2)])
    for problem in (
        Problem(mixture, CodebookERM([[0.4, 0.4], [1.4, 1.0], [-1.0, 0.0]])),
        Problem(GaussianMean([0, 0], np.eye(2)), CodebookERM([[0, 0], [0.9, 0.2], [0, -0.8], [2, 2]])),
        Problem(GaussianMean([0.1, 0], np.eye(2)), ThresholdPTQ(FixedThresholds((-0.5, 0.4)))),
    ):
        a, b = (f(problem, 20, replicates=replicates, seed=9) for f in (crude, tilted))
        assert abs(a.log_delta - b.log_delta) < Z * math.hypot(a.std_error, b.std_error)


@pytest.mark.statistical
@pytest.mark.parametrize("d", [1, 3])
def test_likelihood_ratio_against_exact_and_tilted(d):
    problem = Problem(GaussianMean([0.1] * d, np.eye(d)), ThresholdPTQ(FixedThresholds((-0.2, 0.3))))
    result = likelihood_ratio(problem, 30, replicates=60_000, seed=1)
    reference = exact(problem, 30) if d == 1 else tilted(problem, 30, replicates=60_000, seed=2)
    spread = math.hypot(result.std_error, reference.std_error or 0.0)
    assert abs(result.log_delta - reference.log_delta) < Z * spread
    # The ROC's largest advantage is Δ itself.
    advantage = np.max(np.array(result.roc.tpr) - np.array(result.roc.fpr))
    assert advantage == pytest.approx(result.delta, rel=0.1)
    for fpr, (tpr, low, high) in result.roc.tpr_at.items():
        assert fpr <= low <= tpr <= high
        assert fpr < low or fpr < 1e-3


def brute_force(sums, weights, points, q, best):
    """Δ̂ by three loops, straight from the definition of the cross-fitted estimate."""
    k = sums.shape[1]
    halves = np.arange(len(sums)) % 2
    p = np.zeros((2, len(points), k))
    for r, s in enumerate(sums):
        for m, x in enumerate(points):
            p[halves[r], m, int(np.argmin(s + x))] += weights[r]
    # The best cell's deviation is minus the others': with importance weights this is not its plug-in value.
    deviations = []
    for h in (0, 1):
        rate = p[h] / np.sum(halves == h)
        d = rate - q @ rate
        d[:, best] = 0.0
        d[:, best] = -d.sum(axis=1)
        deviations.append(d)
    return 0.25 * sum(q @ (np.sign(deviations[1 - h]) * deviations[h]).sum(axis=1) for h in (0, 1))


@pytest.mark.parametrize(("cells", "best"), [(2, 0), (2, 1), (4, 0), (4, 1), (4, 2)])
def test_estimator_against_brute_force(cells, best):
    rng = np.random.default_rng(4)
    sums = np.round(rng.normal(size=(60, cells)) * 2)  # rounded, so that ties happen
    points = np.round(rng.normal(size=(25, cells)))
    sums[:, best] = points[:, best] = 0.0
    weights, q = rng.uniform(0.5, 2.0, size=60), rng.dirichlet(np.ones(25))
    sample = SumSample(sums, np.log(weights), np.zeros(60, dtype=np.int64), np.arange(60) % 2)
    kernels = qmis_kernels.backend("reference")
    found = cross_fitted_delta(kernels, sample, PointRule(points, q, exact=False), best)
    expected = brute_force(sums, weights, points, q, best)
    assert found.delta_scaled * math.exp(found.log_scale) == pytest.approx(expected, rel=1e-12)


@pytest.mark.statistical
def test_plug_in_is_biased_upwards_and_the_correction_removes_it():
    """Nothing leaks when the fresh point cannot matter: the plug-in sees noise, the cross-fit averages to zero."""
    kernels = qmis_kernels.backend("reference")
    rng = np.random.default_rng(12)
    values, plug_in, errors = [], [], []
    for _ in range(200):
        gap = rng.normal(size=400)
        sums = np.column_stack([np.zeros(400), gap])
        # Fresh points of both signs around zero whose effect is nil on average but random in every half.
        points = np.column_stack([np.zeros(40), rng.choice([-1e-9, 1e-9], size=40)])
        sample = SumSample(sums, np.zeros(400), np.zeros(400, dtype=np.int64), np.arange(400) % 2)
        e = cross_fitted_delta(kernels, sample, PointRule(points, np.full(40, 1 / 40), exact=True), 0)
        values.append(e.delta_scaled)
        plug_in.append(math.exp(e.log_plug_in) if math.isfinite(e.log_plug_in) else 0.0)
        errors.append(e.std_error_scaled if math.isfinite(e.std_error_scaled) else 0.0)
    assert abs(np.mean(values)) < Z * max(np.std(values), 1e-12) / math.sqrt(200)
    assert np.mean(plug_in) >= np.mean(values)


RANDOM = partial(tilted, sampling="random")


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("problem", "n", "method"),
    [
        (ONE, 60, RANDOM),
        (FINITE, 20, crude),
        pytest.param(REGRESSION, 40, RANDOM, marks=pytest.mark.long),
        pytest.param(LINE, 20, RANDOM, marks=pytest.mark.long),
    ],
)
def test_z_scores_are_standard_normal(problem, n, method):
    """χ² of 60 z-scores and their mean, each at 1e-9."""
    exact_value = exact(problem, n).log_delta
    scores = []
    for seed in range(60):
        r = method(problem, n, replicates=4000, seed=seed)
        scores.append(math.expm1(r.log_delta - exact_value) / (r.std_error * math.exp(r.log_delta - exact_value)))
    statistic = float(np.sum(np.square(scores)))
    assert 1e-9 < chi2.sf(statistic, 60) < 1 - 1e-9
    assert abs(np.mean(scores)) * math.sqrt(60) < Z
    assert chi2.sf(4.0 * statistic, 60) < 1e-9  # errors half as large would be seen


@pytest.mark.parametrize("method", [crude, tilted, conditional, likelihood_ratio])
def test_same_bits_for_one_and_two_threads(method):
    problem = Problem(GaussianMean([0.1], [[1.0]]), ThresholdPTQ(FixedThresholds((-0.3, 0.2, 0.5))))
    largest = int(numba.config.NUMBA_NUM_THREADS)
    if largest == 1:
        pytest.skip("one core: nothing to compare")
    before = qmis_kernels.threads()
    results = []
    try:
        for count in (1, largest):
            qmis_kernels.set_threads(count)
            results.append(method(problem, 25, replicates=3000, seed=8).to_dict())
    finally:
        qmis_kernels.set_threads(before)
    assert results[0] == results[1]


def test_sums_do_not_depend_on_the_split_into_blocks():
    kernels = qmis_kernels.backend("numba")
    for problem in (LINE, REGRESSION, FINITE):
        whole = draw_sums(kernels, problem.scores, TiltMixture([LAW]), (1, 2), terms=9, count=1000).scores
        parts = [
            draw_sums(kernels, problem.scores, TiltMixture([LAW]), (1, 2), terms=9, count=200, block=block).scores
            for block in range(5)
        ]
        assert np.array_equal(whole, np.concatenate(parts))


def test_backends_agree_bit_for_bit():
    for problem in (LINE, REGRESSION, FINITE):
        a, b = (tilted(problem, 20, replicates=500, seed=3, backend=name).to_dict() for name in ("numba", "reference"))
        assert a == b


def test_the_cuda_backend_agrees_bit_for_bit(monkeypatch):
    """The CUDA sources, run on this processor in place of a GPU, through a whole simulation."""
    try:
        kernels = qmis_kernels.backend("host")
    except qmis_kernels.BackendUnavailable as reason:
        pytest.skip(str(reason))
    for problem in (LINE, REGRESSION, FINITE):
        expected = tilted(problem, 20, replicates=500, seed=3, backend="numba").to_dict()
        with monkeypatch.context() as patched:
            patched.setattr(qmis_kernels, "backend", lambda name: kernels if name == "cupy" else pytest.fail(name))
            assert tilted(problem, 20, replicates=500, seed=3, backend="cupy").to_dict() == expected


def test_seeds_methods_and_sizes_use_different_numbers():
    keys = {Settings(1000, seed).key(method, n) for seed in (0, 1) for method in ("crude", "tilted") for n in (5, 6)}
    assert len(keys) == 8


def test_nothing_leaks_exactly():
    single = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.5], [0.5]]))
    for method in (crude, tilted):
        assert method(single, 10).log_delta == -math.inf
        assert method(single, 10).std_error == 0.0
    assert conditional(single, 10).log_delta == -math.inf


def test_refusals():
    big = Problem(GaussianMean(np.zeros(30), np.eye(30)), ThresholdPTQ(Sign()))
    for method in (crude, tilted):
        with pytest.raises(DomainError, match="likelihood_ratio"):
            method(big, 10)
    with pytest.raises(DomainError, match="conditional"):
        conditional(REGRESSION, 10)
    with pytest.raises(DomainError, match="likelihood_ratio"):
        likelihood_ratio(LINE, 10)
    huge = Problem(FiniteLaw(["1/2", "1/2"]), LossTable([["1/3000000019", "1/7"], ["2/5000000029", 0]]))
    with pytest.raises(DomainError, match="64-bit"):
        crude(huge, 10)
    for settings, field in (
        ({"replicates": 10}, "replicates"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"replicates": 1.5}, "replicates"),
        ({"backend": "fpga"}, "backend"),
    ):
        with pytest.raises(InputError) as caught:
            crude(LINE, 10, **settings)
        assert caught.value.field == field


def test_too_few_crossings_a_cell_are_announced():
    """With a thousand cells the signs are guesses: the estimate is low, the plug-in high, and the result says so."""
    fine = Problem(GaussianMean([0.07], [[1.0]]), CodebookERM(np.linspace(-3, 3, 1000)[:, None]))
    truth = exact(fine, 20).log_delta
    found = crude(fine, 20, replicates=2000, seed=1)
    assert not found.in_domain
    assert "signs" in found.domain
    assert found.log_delta < truth < found.details["log_plug_in"]
    assert crude(LINE, 20, replicates=20_000, seed=1).in_domain


def test_a_tie_up_to_rounding_is_simulated():
    """A rival as good as the best, whose gap is a rounding error below zero, has no window and no error."""
    codebook = [[-0.11259118421170518, 0.27078941638132137], [0.2034932749053429, -0.21117331709908166], [1.0, 0.8]]
    problem = Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM(codebook))
    assert min(face.delta for face in problem.faces) < 0.0
    result = tilted(problem, 100, replicates=4_000, seed=1)
    assert result.delta == pytest.approx(1.0 / (math.pi * 10.0), rel=0.1)
