"""Locations and scales that are released beside weights: what they leak, by theory and by the attack (S17.4)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logsumexp, ndtr
from scipy.stats import multivariate_normal

from qmis_stats.audit import MLP, SklearnModel, audit, bundled, from_arrays, head_for, in_units, public_units
from qmis_stats.audit.answer import answer
from qmis_stats.audit.attacks import LocationsAndScales, LossThreshold, ReadOut, audit_attacks, play, run_attacks
from qmis_stats.audit.leak_answer import beside_weights
from qmis_stats.audit.models.units import Units
from qmis_stats.audit.unit_moments import UnitMoments, UnitsLeak, units_leak
from qmis_stats.errors import InputError
from qmis_stats.leak.memberships import Memberships
from qmis_stats.leak.shifts import shift_figures
from qmis_stats.quantizers import quantizer
from qmis_stats.results import REPORTED_FPR


@pytest.mark.parametrize("sizes", [(0.1, 0.1), (0.02, 3.0), (0.5, 1.5), (4.0, 0.0)])
def test_figures_of_shifts_are_those_of_the_mixture_of_two_normal_ratios(sizes):
    s = np.array(sizes)
    delta, auc, *rates = shift_figures(s)
    assert delta == pytest.approx(np.mean(2.0 * ndtr(s / 2.0) - 1.0), abs=1e-12)
    assert auc == pytest.approx(ndtr(0.5 * np.hypot.outer(s, s)).mean(), abs=2e-5)
    if min(sizes) == 0.0:
        return

    def above(cut, side):
        return float(np.mean(ndtr((side * 0.5 * s**2 - cut) / s)))

    for rate, found in zip(REPORTED_FPR, rates, strict=True):
        cut = brentq(lambda c, rate=rate: above(c, -1.0) - rate, -60.0, 60.0)
        assert found == pytest.approx(above(cut, 1.0), rel=2e-3)


@pytest.mark.parametrize("shape", [(3, 8), (9, 6)])
def test_the_ratio_of_a_membership_is_that_of_the_two_normal_laws_of_what_is_seen(shape):
    rng, f = np.random.default_rng(1), 0.3
    moves, seen = rng.normal(size=shape), rng.normal(size=shape[0]) * 2.0
    everyone = np.arange(shape[1])
    _, [found] = Memberships(moves, np.full(shape[1], f)).read(seen, everyone)
    for i in everyone:
        others = np.delete(moves, i, axis=1)
        law = multivariate_normal(f * others.sum(axis=1), np.eye(shape[0]) + f * (1.0 - f) * others @ others.T)
        assert found[i] == pytest.approx(law.logpdf(seen - moves[:, i]) - law.logpdf(seen), rel=1e-9, abs=1e-9)


def test_memberships_that_are_0_or_1_are_found_by_more_rounds():
    """Against all 4096 sets of members, one after the other."""
    rng = np.random.default_rng(3)
    sets = (np.arange(4096)[:, None] >> np.arange(12)) & 1
    missed = []
    for _ in range(20):
        moves, chance = 2.0 * rng.normal(size=(8, 12)), rng.uniform(0.1, 0.6, size=12)
        seen = moves @ (rng.random(12) < chance) + rng.normal(size=8)
        logs = (
            sets @ np.log(chance) + (1 - sets) @ np.log1p(-chance) - 0.5 * np.sum((seen - sets @ moves.T) ** 2, axis=1)
        )
        odds = [logsumexp(logs[sets[:, i] == 1]) - logsumexp(logs[sets[:, i] == 0]) for i in range(12)]
        true = expit(odds)
        _, found = Memberships(moves, chance).read(seen, np.arange(12), (1, 20))
        missed.append(np.abs(expit(found + np.log(chance / (1.0 - chance))) - true).mean(axis=1))
    normal, binary = np.mean(missed, axis=0)
    assert binary < 0.5 * normal


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test_in_a_known_pool_theory_is_what_the_attack_attains(name):
    data = bundled(name)
    head, n = dataclasses.replace(head_for(data), checkpoints=1), data.rows // 2
    game = play(data, head, None, n, trainings=100, shadows=4, calibrations=8, members=16, seed=2)
    report = run_attacks(game, [LocationsAndScales()])
    [found], [control] = report.results, report.controls
    theory = units_leak(head, data.X, data.y, n / data.rows)
    assert abs(found.auc - theory.auc) < 5.5 * found.auc_std_error
    assert found.auc - 0.5 > 8.0 * found.auc_std_error
    assert abs(control.auc - 0.5) < 5.5 * control.auc_std_error


@pytest.mark.statistical
def test_against_fresh_points_theory_is_the_ratio_of_an_attacker_who_knows_the_population():
    """Normal features, whose sums of values and of squares have independent laws: no pool, no estimate enters."""
    rng, n, p, draws = np.random.default_rng(3), 200, 8, 6000
    member, strange = np.empty(draws), np.empty(draws)
    for t in range(draws):
        X, fresh = rng.normal(size=(n, p)), rng.normal(size=p)
        mean, square = X.mean(axis=0), np.mean(X**2, axis=0) - 1.0
        for z, out in ((X[0], member), (fresh, strange)):
            # N(0, 1/n) and N(0, 2/n) without the point, moved by a share 1/n of it with it.
            out[t] = np.sum(z * mean - z**2 / (2.0 * n))
            out[t] += np.sum((z**2 - 1.0) * square / 2.0 - (z**2 - 1.0) ** 2 / (4.0 * n))
    order = np.argsort(np.concatenate([strange, member]))
    ranks = np.empty(2 * draws)
    ranks[order] = np.arange(1, 2 * draws + 1)
    area = (ranks[draws:].sum() - draws * (draws + 1) / 2.0) / draws**2
    y = rng.normal(size=n) > 0.0
    theory = np.mean([units_leak(head_for_classes(), rng.normal(size=(n, p)), y * 1.0).auc for _ in range(20)])
    # The exact law of n - 1 others differs by a share 1/n; the bound on the error of an AUC is that of equal variances.
    assert abs(area - theory) < 5.5 * np.sqrt(1.0 / (6.0 * draws)) + 1.0 / n


def head_for_classes():
    return head_for(bundled("breast_cancer"))


def test_units_that_change_between_training_runs_are_told_apart():
    """A column that a run sees as 0 and 1 throughout is not standardised: who has another value is no member."""
    rng = np.random.default_rng(5)
    rare, flags = np.zeros(60), (rng.random(60) < 0.5) * 1.0
    rare[:3], flags[0] = 7.0, 2.0
    data = from_arrays(np.column_stack([rng.normal(size=60), rare, flags]), np.arange(60) % 2)
    head = dataclasses.replace(head_for(data), checkpoints=1)
    game = play(data, head, None, 20, trainings=60, shadows=4, calibrations=8, members=4, seed=1)
    kinds = {tuple(np.concatenate([w[2] != 0.0, w[3] != 1.0]).tolist()) for w in game.target.shown.weights}
    assert len(kinds) == 3
    report = run_attacks(game, [LocationsAndScales()], control=None)
    assert not np.isnan(report.results[0].scores).any()
    for t, weights in enumerate(game.target.shown.weights):
        seen = np.isin(game.target.shown.rows[t], (0, 1, 2))
        if weights[2][1] == 0.0:
            assert not game.target.member[t][seen].any()
            assert (report.results[0].scores[t][seen] == -np.inf).all()


def test_averages_are_those_of_the_columns():
    rng = np.random.default_rng(7)
    X, y = rng.gamma(2.0, size=(90, 3)), rng.normal(size=90) * 30.0
    some = rng.permutation(90)[:40]
    model = MLP("regression")
    units = model.units(X[some], y[some])
    moments = UnitMoments.of(units, X, y, 90)
    assert moments.columns(X, y).shape == (90, 8)
    np.testing.assert_allclose(moments.columns(X[some], y[some]).mean(axis=0), moments.averages(units), rtol=1e-12)
    assert UnitMoments.of(units, X, y, 5).columns(X, y).shape == (90, 5)


def test_what_was_not_made_of_points_leaks_nothing():
    data = bundled("diabetes")
    flags = from_arrays((np.median(data.X, axis=0) < data.X) * 1.0, data.y)
    left = units_leak(head_for(flags), flags.X, flags.y)
    assert (left.features, left.target, left.equations) == (0, True, 2)
    public = in_units(data, public_units(data))
    for model in (head_for(public, standardise="public"), head_for(public, "mlp", standardise="public")):
        assert units_leak(model, public.X, public.y) is None
        [*_, weights] = model.fit_path(public.X[:100], public.y[:100], np.random.default_rng(1))
        assert not model.released_units(weights).made.any()
    assert not Units(np.zeros(2), np.ones(2)).made.any()


def test_more_moments_than_half_of_the_points_are_not_used():
    data = from_arrays(np.random.default_rng(1).normal(size=(40, 200)), np.arange(40) % 2)
    assert units_leak(head_for(data), data.X, data.y).equations == 20


def test_an_estimator_is_attacked_through_the_units_it_is_given():
    from sklearn.linear_model import LogisticRegression

    data = bundled("breast_cancer")
    model = SklearnModel(LogisticRegression(), checkpoints=1)
    game = play(data, model, None, 284, trainings=16, shadows=4, calibrations=8, members=16, seed=1)
    own = dataclasses.replace(head_for(data), checkpoints=1)
    same = play(data, own, None, 284, trainings=16, shadows=4, calibrations=8, members=16, seed=1)
    found, other = (run_attacks(g, [LocationsAndScales()], control=None).results[0] for g in (game, same))
    np.testing.assert_allclose(found.scores, other.scores, rtol=1e-9)


def test_it_is_refused_where_there_is_nothing_to_look_at():
    from qmis_stats import GaussianMean, Problem, Sign, ThresholdPTQ
    from qmis_stats.audit.attacks import solvable

    case = solvable(Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign())), 5)
    game = play(case.sampler, case.model, case.quantizer, case.n, trainings=16, seed=1)
    with pytest.raises(InputError, match="must be for a model that standardises the points of a data set"):
        run_attacks(game, [LocationsAndScales()])


@pytest.mark.statistical
def test_an_audit_says_what_is_released_beside_the_weights():
    data, signs = bundled("diabetes"), [quantizer("sign")]
    found = audit(data, head_for(data), signs, runs=2, draws=199, seed=1)
    said = answer(found).which
    assert "Not counted: locations and scales of 10 features and the target, which every release holds" in said
    assert f"Δ = {found.units.delta:.3f} (AUC {found.units.auc:.3f})" in said
    assert found.to_dict()["units"]["equations"] == 22
    public = in_units(data, public_units(data))
    head = head_for(public, standardise="public")
    found = audit(public, head, signs, runs=2, draws=199, seed=1)
    assert found.units is None
    assert "Not counted" not in answer(found).which


def test_attacks_of_an_audit_look_beside_the_weights_where_there_is_something():
    data = bundled("diabetes")
    public = in_units(data, public_units(data))
    options = {"n": 60, "trainings": 16, "attacks": [LossThreshold()], "seed": 1}
    found = audit_attacks(data, head_for(data), [], **options)
    assert found.beside["locations and scales"].auc > 0.5
    assert "every release" in str(found)
    assert audit_attacks(public, head_for(public, standardise="public"), [], **options).beside is None


def test_an_attack_on_all_that_is_released_adds_up_what_weights_and_units_tell():
    data = bundled("breast_cancer")
    options = {"trainings": 64, "members": 32, "attacks": [ReadOut(), LossThreshold()], "seed": 1}
    found = audit_attacks(data, head_for(data), [quantizer("sign")], **options)
    assert list(found.whole) == ["sign", "identity"]
    whole, units = found.whole["identity"], found.beside["locations and scales"]
    [result] = whole.results
    weights = found.reports["identity"]["read-out"]
    assert [one.name for one in found.reports["identity"].results] == ["read-out", "loss threshold"]
    never = np.isneginf(units.scores)
    np.testing.assert_array_equal(result.scores, np.where(never, -np.inf, weights.scores + units.scores))
    np.testing.assert_array_equal(result.member, weights.member)
    # Two standard errors of differences between paired AUCs are about 0.02.
    assert result.auc > max(weights.auc, units.auc) + 0.02
    assert found.whole["sign"].results[0].auc < result.auc
    # Thresholds are those of the calibration training runs.
    assert result.rehearsal.scores.shape != result.scores.shape
    assert abs(result.accuracy - 0.5) > abs(whole.controls[0].accuracy - 0.5)
    assert found.off_chance() == ()
    table = str(found)
    assert table.count("all that is released") == 2
    assert found.to_dict()["whole"]["sign"]["results"][0]["attack"] == "all that is released"
    # Comparison with theory and the measured leak are of the weights alone.
    assert {one.attacked for one in found.compared()} == {
        report["read-out"].auc for name, report in found.reports.items() if name in {c.name for c in found.compared()}
    }
    said = beside_weights(UnitsLeak(30, True, 61, 0.17, 0.62, 0.2), None, found)[0]
    least = found.whole["sign"].results[0].auc
    assert f"knows the pool an AUC of {least:.3f} (sign) to {result.auc:.3f} (no quantization)" in said
