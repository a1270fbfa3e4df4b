"""Attacks: none beats the optimum where it is known, the optimal one reaches it, all are at chance in the control."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import f, norm

from qmis_stats import CodebookERM, FiniteLaw, GaussianMean, LossTable, Problem, Sign, ThresholdPTQ, Uniform
from qmis_stats.audit.attacks import (
    BayesOptimal,
    Discriminator,
    LiRA,
    LossThreshold,
    play,
    run_attacks,
    self_check,
    solvable,
)
from qmis_stats.audit.attacks.solvable import MeanModel
from qmis_stats.errors import DomainError, InputError
from qmis_stats.exact import exact, finite, gaussian_line
from qmis_stats.quantizers import FixedThresholds
from qmis_stats.simulate.likelihood_ratio import likelihood_ratio

LINE = Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign()))
CELLS = Problem(GaussianMean([0.3], [[4.0]]), ThresholdPTQ(FixedThresholds((-0.5, 0.4, 1.5))))
CODEBOOK = Problem(GaussianMean([0.2], [[1.0]]), CodebookERM([[1.0], [-0.4], [0.3]]))
FINITE = Problem(FiniteLaw(["1/2", "1/3", "1/6"]), LossTable([[0, 1, 2], [1, 0, 1], [2, 1, 0]]))
CASES = {"sign": (LINE, 5), "cells": (CELLS, 4), "codebook": (CODEBOOK, 3), "finite": (FINITE, 4)}


def z_score(estimate, std_error, value):
    return abs(estimate - value) / std_error


@pytest.fixture(scope="module")
def reports():
    found = {}
    for name, (problem, n) in CASES.items():
        case = solvable(problem, n)
        sizes = {"trainings": 600, "shadows": 60, "calibrations": 60}
        game = play(case.sampler, case.model, case.quantizer, n, **sizes, seed=1)
        attacks = [BayesOptimal(case.log_ratio), LossThreshold(), LiRA("offline"), Discriminator()]
        if name == "sign":
            attacks.append(Discriminator("boosting"))
        found[name] = run_attacks(game, attacks, delta=case.delta)
    return found


@pytest.mark.statistical
@pytest.mark.parametrize("name", CASES)
def test_no_attack_beats_the_optimum_and_the_optimal_one_reaches_it(reports, name):
    report = reports[name]
    problem, n = CASES[name]
    assert report.delta == pytest.approx(exact(problem, n).delta, rel=1e-12)
    assert report.beating(1e-9) == ()
    best = report["optimal"]
    error = best.correct.std(ddof=1) / math.sqrt(best.trainings)
    assert z_score(best.accuracy, error, 0.5 * (1.0 + report.delta)) < 6.0
    low, high = best.accuracy_interval(1.0 - 1e-9)
    assert low <= 0.5 * (1.0 + report.delta) <= high
    for result in report.results:
        assert result.accuracy_interval(1.0 - 1e-9)[0] <= 0.5 * (1.0 + report.delta)
        # Nor in area, nor anywhere on the curve: TPR ≤ FPR + Δ.
        assert result.auc - 6.0 * result.auc_std_error <= 0.5 + report.delta - 0.5 * report.delta**2
        for rate in replace(result, level=1.0 - 1e-9).rates:
            assert rate.tpr[1] <= rate.fpr[2] + report.delta


@pytest.mark.statistical
@pytest.mark.parametrize("name", CASES)
def test_every_attack_is_at_chance_in_the_control(reports, name):
    report = reports[name]
    assert report.off_chance(1e-9) == ()
    for result in report.controls:
        error = result.correct.std(ddof=1) / math.sqrt(result.trainings)
        assert error == 0.0 or z_score(result.accuracy, error, 0.5) < 6.0
        assert result.auc_std_error == 0.0 or z_score(result.auc, result.auc_std_error, 0.5) < 6.0


@pytest.mark.long
@pytest.mark.statistical
def test_no_attack_of_an_audit_exceeds_the_optimum():
    check = self_check(seed=2)
    assert check.results[0].trainings == 2000
    assert check.beating(1e-9) == check.off_chance(1e-9) == ()


@pytest.mark.statistical
def test_the_optimal_area_is_the_exact_one(reports):
    best = reports["finite"]["optimal"]
    assert z_score(best.auc, best.auc_std_error, exact(*CASES["finite"]).roc.auc) < 6.0


@pytest.mark.statistical
def test_learned_attacks_come_close_to_the_optimum_in_one_dimension(reports):
    for name in ("LiRA offline", "discriminator, logistic"):
        difference, error = reports["sign"]["optimal"].versus(reports["sign"][name])
        assert difference < 0.03 + 6.0 * error
    # On the same points: of two copies neither differs, and no error is left.
    assert reports["sign"]["optimal"].versus(reports["sign"]["optimal"]) == pytest.approx((0.0, 0.0), abs=1e-7)


class Leaky:
    """An attack that was given the answers of the target trainings."""

    name, threshold = "leaky", 0.5

    def __init__(self, game):
        self.answers = {id(part.shown): part.member for part in (game.calibration, game.target)}

    def fit(self, known):
        return lambda shown: self.answers[id(shown)].astype(float)


@pytest.mark.statistical
def test_an_attack_with_the_answers_is_caught():
    case = solvable(LINE, 5)
    game = play(case.sampler, case.model, case.quantizer, 5, trainings=60, shadows=4, calibrations=4, seed=2)
    report = run_attacks(game, [Leaky(game), LossThreshold()], delta=case.delta, control=None)
    assert report.beating(1e-9) == ("leaky",)
    assert "EXCEEDED by leaky" in str(report)
    assert report["leaky"].accuracy_interval(1.0 - 1e-9)[0] > 0.5 * (1.0 + case.delta)
    assert report["leaky"].auc_interval()[1] == 1.0
    # Weaker leaks are caught with more training runs; here one answer in three is known.
    assert report["loss threshold"].excess_p_value() > 1e-9


class Peeking:
    """An attack that knows which points are non-members without looking at the weights."""

    name, threshold = "peeking", None

    def fit(self, known):
        return lambda shown: -np.abs(shown.X[..., 0])


@pytest.mark.statistical
def test_the_control_with_exchanged_weights_finds_a_flawed_game():
    calls = []

    def sampler(rng, k):
        points = rng.normal(size=(k, 1))
        points[20:] *= 3.0  # non-members come from another law
        calls.append(k)
        return points, np.zeros(k)

    game = play(sampler, MeanModel(), None, 20, trainings=400, shadows=4, calibrations=30, seed=3)
    assert run_attacks(game, [Peeking()], control="weights").off_chance() == ("peeking",)
    assert run_attacks(game, [Peeking()], control="labels").off_chance() == ()


@pytest.mark.statistical
def test_calibration_by_point_beats_one_threshold_where_theory_says_so():
    d, n = 32, 16
    problem = Problem(GaussianMean(np.zeros(d), np.eye(d)), ThresholdPTQ(Uniform(4, scale=0.25)))
    case = solvable(problem, n)
    delta = likelihood_ratio(problem, n, replicates=20_000, seed=3)
    game = play(case.sampler, case.model, case.quantizer, n, trainings=500, shadows=60, seed=4)
    attacks = [BayesOptimal(case.log_ratio), LossThreshold(), LiRA("offline"), Discriminator()]
    report = run_attacks(game, attacks, delta=delta.delta * math.exp(6.0 * delta.std_error), control=None)
    loss, lira, best = report["loss threshold"], report["LiRA offline"], report["optimal"]
    # Squared distances are (1 ∓ 1/n) χ²_d: the area of one threshold is that of an F ratio; LiRA's d′ is √(d/n).
    assert z_score(loss.auc, loss.auc_std_error, f.cdf((n + 1.0) / (n - 1.0), d, d)) < 6.0 + 0.02 / loss.auc_std_error
    assert abs(lira.auc - norm.cdf(math.sqrt(d / n / 2.0))) < 6.0 * lira.auc_std_error + 0.02
    difference, error = lira.versus(loss)
    assert difference > 6.0 * error
    assert report.beating() == ()
    spread = best.correct.std(ddof=1) / math.sqrt(best.trainings)
    assert z_score(best.accuracy, math.hypot(spread, 0.5 * delta.delta * delta.std_error), delta.accuracy) < 6.0
    # The optimum is not known for attackers of several coordinates without simulation.
    assert case.delta is None


@pytest.mark.statistical
def test_online_lira_trains_on_the_points_of_a_sampler():
    case = solvable(LINE, 3)
    game = play(case.sampler, case.model, case.quantizer, 3, trainings=300, calibrations=30, shadows=60, seed=5)
    report = run_attacks(game, [LiRA(inside=24)], delta=case.delta, control=None)
    online = report["LiRA online"]
    assert report.beating() == ()
    assert online.auc - 0.5 > 3.0 * online.auc_std_error
    again = run_attacks(game, [LiRA(inside=24)], delta=case.delta, control=None)["LiRA online"]
    assert np.array_equal(online.scores, again.scores)


@pytest.mark.parametrize(
    "attack", [LossThreshold(), LiRA("offline"), LiRA(inside=3), Discriminator()], ids=lambda attack: attack.name
)
def test_the_score_of_a_point_does_not_depend_on_the_others(attack):
    """The optimum is that of attacks that see one point: the others may be anything."""
    case = solvable(LINE, 6)
    game = play(case.sampler, case.model, case.quantizer, 6, trainings=10, calibrations=3, shadows=10, seed=6)
    scorer, shown = attack.fit(game.known), game.target.shown
    X = shown.X.copy()
    X[:, 1] += 3.0
    losses = np.array([case.model.losses(w, x, y) for w, x, y in zip(shown.weights, X, shown.y, strict=True)])
    other = scorer(replace(shown, points=X, losses=losses))
    np.testing.assert_allclose(other[:, 0], scorer(shown)[:, 0], rtol=1e-12)
    assert not np.allclose(other[:, 1], scorer(shown)[:, 1])


def test_log_ratios_are_those_of_the_oracles():
    rng = np.random.default_rng(6)
    X = 0.3 + 2.0 * rng.normal(size=(7, 1))
    case = solvable(CELLS, 9)
    table = gaussian_line.log_likelihood_ratio((np.array([-0.5, 0.4, 1.5]) - 0.3) / 2.0, 9, (X[:, 0] - 0.3) / 2.0)
    for cell, level in enumerate(case.quantizer.levels[0]):
        np.testing.assert_allclose(
            case.log_ratio((np.array([level]),), X, None), table[:, cell], rtol=1e-10, atol=1e-13
        )
    # Coordinates add up.
    plane = Problem(GaussianMean([0.3, 0.0], np.diag([4.0, 1.0])), CELLS.procedure)
    both = solvable(plane, 9)
    Y = np.column_stack([X, rng.normal(size=7)])
    level = [levels[2] for levels in both.quantizer.levels]
    other = gaussian_line.log_likelihood_ratio([-0.5, 0.4, 1.5], 9, Y[:, 1])[:, 2]
    np.testing.assert_allclose(both.log_ratio((np.array(level),), Y, None), table[:, 2] + other, rtol=1e-10, atol=1e-13)
    law, losses = FINITE.law.probabilities, FINITE.procedure.losses
    given, average = finite.conditional_cell_probabilities(law, losses, 4), finite.cell_probabilities(law, losses, 4)
    found = solvable(FINITE, 4).log_ratio((np.array([1.0]),), np.array([[0.0], [2.0]]), None)
    assert np.exp(found) == pytest.approx([float(given[a][1] / average[1]) for a in (0, 2)], rel=1e-13)
    with pytest.raises(DomainError, match="solvable"):
        solvable(Problem(GaussianMean([0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]]), ThresholdPTQ(Sign())), 5)


def test_a_codebook_is_learnt_as_the_nearest_codeword():
    case = solvable(CODEBOOK, 5)
    means = np.linspace(-1.0, 1.5, 41)[:, None]
    for mean in means:
        nearest = CODEBOOK.codebook[np.argmin((CODEBOOK.codebook[:, 0] - mean) ** 2), 0]
        assert case.quantizer.quantize(mean)[0] == nearest


def test_one_codeword_in_all_shadow_models_tells_nothing():
    case = solvable(Problem(GaussianMean([9.0], [[1.0]]), ThresholdPTQ(Sign())), 10)
    game = play(case.sampler, case.model, case.quantizer, 10, trainings=50, shadows=5, calibrations=5, seed=1)
    report = run_attacks(game, [BayesOptimal(case.log_ratio), LiRA("offline"), LiRA(inside=2)], delta=case.delta)
    for result in (*report.results, *report.controls):
        assert np.isfinite(result.scores).all()
        assert np.ptp(result.scores) == pytest.approx(0.0, abs=1e-5)
        assert result.auc == pytest.approx(0.5, abs=0.5)


def test_a_report_can_be_read_and_stored(reports):
    report = reports["sign"]
    text = str(report)
    assert "no attack exceeds it" in text
    assert "every attack is at chance" in text
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["beating_the_optimum"] == data["off_chance_in_control"] == []
    assert data["results"][0]["optimal_accuracy"] == pytest.approx(0.5 * (1.0 + report.delta))
    frame = report.to_frame()
    assert list(frame["control"].unique()) == ["", "labels"]
    assert (frame["accuracy_low"] <= frame["accuracy"]).all()
    assert (frame["tpr_0.1"] <= frame["tpr_0.1_high"]).all()
    assert len(report.comparison()) == 10
    assert "optimal accuracy" in report["optimal"].summary()
    with pytest.raises(InputError, match="attack"):
        report["other"]


def test_refused_attacks():
    case = solvable(LINE, 5)
    game = play(case.sampler, case.model, case.quantizer, 5, trainings=4, shadows=4, calibrations=4)
    for attacks, settings in (
        ([], {}),
        ([LossThreshold(), LossThreshold()], {}),
        ([LossThreshold()], {"delta": 2.0}),
        ([LossThreshold()], {"rates": [0.0]}),
        ([LossThreshold()], {"level": 1.0}),
        ([LossThreshold()], {"control": "none"}),
        ([BayesOptimal(lambda *given: np.full(given[2].shape, np.nan))], {}),
        ([BayesOptimal(lambda *_: 1.0)], {}),
        ([LiRA(statistic="logit")], {}),
        ([LiRA(statistic="other")], {}),
    ):
        with pytest.raises(InputError):
            run_attacks(game, attacks, **settings)
    for wrong in (
        lambda: LiRA("both"),
        lambda: LiRA(shrinkage=-1.0),
        lambda: LiRA(inside=1),
        lambda: Discriminator("forest"),
    ):
        with pytest.raises(InputError):
            wrong()
