"""Leak as attacks measure it: its covariance, the choice of the attack, and audits that theory has no answer for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qmis_stats.audit import MLP, audit, bundled, head_for
from qmis_stats.audit.answer import answer
from qmis_stats.audit.attacks import LossThreshold, audit_attacks, per_release, play
from qmis_stats.audit.attacks.attack_leak import attack_leak
from qmis_stats.audit.attacks.attack_result import AttackResult
from qmis_stats.audit.audit_page import report_data
from qmis_stats.audit.leak_answer import leak_sure
from qmis_stats.audit.leak_lines import leak_lines
from qmis_stats.audit.loss_leak import loss_leak
from qmis_stats.errors import InputError
from qmis_stats.inference.measured import Measured
from qmis_stats.quantizers import quantizer

CUTS = ((0.1, 1.0, True), (0.01, 1.5, True), (0.001, 2.0, True))
TRAININGS, PAIRS = 40, 4
MEMBER = np.tile(np.r_[np.ones(PAIRS, bool), np.zeros(PAIRS, bool)], (TRAININGS, 1))


def result(scores, name="first", rehearsal=None):
    return AttackResult(name, scores, MEMBER, 0.5, CUTS, rehearsal=rehearsal)


def drawn(rng, shifts):
    """Return scores of releases that share the trainings: an effect of each, and noise that half is common."""
    effect = rng.normal(size=(TRAININGS, 1))
    common = rng.normal(size=MEMBER.shape)
    for shift in shifts:
        yield 0.5 * effect + common + rng.normal(size=MEMBER.shape) + shift * MEMBER


def measured(scores):
    found = {f"q{k}": [result(one)] for k, one in enumerate(scores)}
    return attack_leak(dict(zip([*list(found)[:-1], "identity"], found.values(), strict=True)), {}, 100)


def test_the_covariance_is_that_of_repeated_games():
    rng = np.random.default_rng(5)
    games = 400
    found = [measured(drawn(rng, (0.5, 1.0, 1.5))) for _ in range(games)]
    estimates = np.array([one.estimates for one in found])
    reported = np.mean([one.covariance for one in found], axis=0)
    for f in range(3):  # the smaller rates have too few events for a normal law
        for contrast in (np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, -1.0, 0.0])):
            variance = np.var(estimates[:, :, f] @ contrast, ddof=1)
            z = (variance / (contrast @ reported[f] @ contrast) - 1.0) / np.sqrt(2.0 / (games - 1.0))
            assert abs(z) < 6.0, (f, contrast)


def test_pairing_sharpens_differences():
    paired = measured(drawn(np.random.default_rng(5), (0.5, 1.0, 1.5)))
    matrix = paired.covariance[1]
    assert matrix[0, 1] > 0.2 * matrix[0, 0]


def test_a_copy_is_never_told_apart():
    one, other = drawn(np.random.default_rng(2), (0.2, 1.5))
    leak = measured([one, one, other])
    assert leak.told_apart() == (0, 1)
    assert leak.rank_sets().tolist() == [[1, 2], [1, 2]]
    assert leak.reductions().loc["q0"].low > 0.0


def test_an_advantage_is_a_measure_of_trainings():
    rng = np.random.default_rng(7)
    results = [result(one) for one in drawn(rng, (0.5, 1.0))]
    leak = attack_leak({"sign": results[:1], "identity": results[1:]}, {}, 100).measured_as()
    advantages = [2.0 * one.correct - 1.0 for one in results]
    found = Measured.over_trainings("delta", leak.names, advantages, less_is_better=True, limits=(-1.0, 1.0))
    np.testing.assert_allclose(found.to_frame().iloc[:, :3].astype(float), leak.to_frame().iloc[:, :3].astype(float))


def test_a_measure_is_one_number_of_each_training():
    data = bundled("breast_cancer")
    trainings = play(data, head_for(data), None, 60, trainings=12, shadows=2, calibrations=2, seed=1)

    def measure(statistic):
        return per_release(trainings, [quantizer("sign")], statistic, figure="luck", less_is_better=False)

    found = measure(lambda released: released.target.shown.losses[:, 0])
    assert found.values[1] == trainings.target.shown.losses[:, 0].mean()
    assert found.values[0] == trainings.quantized(quantizer("sign")).target.shown.losses[:, 0].mean()
    with pytest.raises(InputError, match=r"measure 'luck' = \(12, 2\): must be a finite number of each of 12 target"):
        measure(lambda released: released.target.shown.losses)
    with pytest.raises(InputError, match="measure 'luck' = nan: must be a finite number"):
        measure(lambda _: np.full(12, np.nan))
    with pytest.raises(InputError, match=r"measure 'luck'.*ZeroDivisionError"):
        measure(lambda _: 1 / 0)


@pytest.mark.parametrize(("ahead", "chosen"), [(0.1, "first"), (3.0, "other")])
def test_another_attack_counts_where_it_was_ahead_on_other_trainings(ahead, chosen):
    """Whatever it reaches on the training runs that are attacked."""
    rng = np.random.default_rng(3)
    plain, better, weak, strong = drawn(rng, (0.5, 0.5 + ahead, 0.2, 4.0))
    attacks = [result(strong, "first", result(plain)), result(weak, "other", result(better))]
    leak = attack_leak({"sign": attacks, "identity": attacks}, {"sign": 1.0}, 50)
    assert leak.attacks == (chosen, chosen)
    assert leak.auc[0] == {"first": attacks[0], "other": attacks[1]}[chosen].auc
    assert leak.bits[0] == 1.0
    assert np.isnan(leak.bits[1])


def test_no_interval_has_width_zero_because_all_trainings_agree():
    constant = np.zeros(MEMBER.shape)
    leak = measured([constant, constant])
    for figure in leak.figures:
        low, high = leak.conf_int(0.95, figure)[0]
        assert low <= leak.estimates[0, leak.figures.index(figure)] <= high
        # Hoeffding's limit for 40 training runs without an event is 1 − 0.025^(1/40) = 0.088.
        assert high > low + 0.08
    assert leak.delta[0] == 0.0


def test_an_attack_that_does_worse_than_chance_lies_in_its_interval():
    """An end that is cut where the estimate is not would leave it outside."""
    rng = np.random.default_rng(1)
    attacks = measured(drawn(rng, (-1.5, -1.5, 0.5)))
    members = {name: rng.normal(size=60) + 1.0 for name in ("sign", "identity")}
    for leak in (attacks, loss_leak(members, {name: rng.normal(size=60) for name in members}, {})):
        assert leak.auc[0] < 0.4
        for figure in leak.figures:
            ends = leak.conf_int(0.95, figure)
            values = leak.estimates[:, leak.figures.index(figure)]
            assert np.all((ends[:, 0] <= values) & (values <= ends[:, 1])), figure
        less = leak.reductions()
        inside = (less["low"] <= less["reduction"]) & (less["reduction"] <= less["high"])
        assert (inside | less["reduction"].isna()).all()
    assert attacks.delta[0] < -0.2
    assert attacks.reductions().loc["q0"].tolist() == [1.0, 1.0, 1.0]


def test_thresholds_of_other_rates_are_refused():
    one = dataclasses.replace(result(np.zeros(MEMBER.shape)), cuts=CUTS[:2])
    with pytest.raises(InputError, match=r"rates = \[0.1, 0.01\]: must be 0.1, 0.01, 0.001"):
        attack_leak({"identity": [one]}, {}, 10)


@pytest.fixture(scope="module")
def perceptron():
    data, model, names = bundled("breast_cancer"), MLP("binary", hidden=(4,), epochs=10), [quantizer("sign")]
    found = audit(data, model, names, n=60, runs=3, seed=1)
    return found, audit_attacks(data, model, names, n=60, trainings=16, attacks=[LossThreshold()], seed=1)


def test_a_model_without_a_theory_is_answered_by_attacks(perceptron):
    found, attacks = perceptron
    assert found.leak is None
    assert "Measured" not in answer(found).sure
    said = answer(found, attacks=attacks)
    assert "Δ = " in said.which
    assert "more may leak, under each of them." in said.which
    assert "By themselves they gave an attack an AUC of " in said.which
    assert said.sure.startswith("Theory has no answer: it is for linear, logistic and softmax heads. Measured by ")
    assert "attacks (loss threshold) on 8 training runs with 60 rows of a known pool, a lower bound" in said.sure
    data = report_data(found, attacks=attacks)
    assert data["leak"]["measured"]
    assert data["leak"]["quantizers"][0]["attack"] == "loss threshold"
    with_attacks = found.with_attacks(attacks)
    assert with_attacks.privacy_ranking.names == ("sign",)
    assert "Δ: advantage of the strongest attack that was run" in str(with_attacks)
    with pytest.raises(InputError, match="no records: theory has no answer"):
        with_attacks.records()


def test_attacks_on_some_of_the_quantizers_do_not_answer(perceptron):
    found, attacks = perceptron
    some = dataclasses.replace(attacks, reports={"identity": attacks.reports["identity"]})
    assert found.with_attacks(some) is found
    assert found.with_attacks(None) is found


def test_theory_comes_first():
    data = bundled("breast_cancer")
    found = audit(data, head_for(data), [quantizer("sign")], runs=2, seed=1)
    assert found.leak is not None
    assert found.with_attacks(object()) is found


def test_attacks_that_find_nothing_are_not_said_to_show_protection():
    """Neither a share of nothing, nor of what is less than nothing, is a number."""
    rng = np.random.default_rng(1)
    for shifts in ((-0.3, 0.0), (-0.3, -0.3)):
        leak = measured(drawn(rng, shifts))
        assert not leak.found
        assert "tells nothing of what quantization protects" in " ".join(leak_sure(leak, (), 0.95, None, "of reasons"))
        assert not leak_lines(leak, 0.95)["q0"].protects
    assert leak_lines(leak, 0.95)["q0"].reduction is None
    assert leak.to_dict()["quantizers"][0]["reduction"] is None
    assert measured(drawn(rng, (1.0, 2.0))).found
