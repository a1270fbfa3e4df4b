"""What attacks measure of groups: whole and parts, intervals that hold together, and audits that theory leaves open."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import binom, norm

from qmis_stats.audit import MLP, audit
from qmis_stats.audit.answer import answer
from qmis_stats.audit.attacks import LossThreshold, audit_attacks
from qmis_stats.audit.attacks.attack_leak import attack_leak
from qmis_stats.audit.attacks.attack_result import AttackResult
from qmis_stats.audit.audit_page import report_data, report_html
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.group_lines import group_lines, shown_releases, who_leaks_most
from qmis_stats.display import group_table
from qmis_stats.errors import InputError
from qmis_stats.quantizers import quantizer
from tests.page import Page, check_offline

CUTS = ((0.1, 1.0, True), (0.01, 1.5, True), (0.001, 2.0, True))
RUNS, PAIRS, ROWS = 40, 10, 400
MEMBER = np.tile(np.r_[np.ones(PAIRS, bool), np.zeros(PAIRS, bool)], (RUNS, 1))
LABELS = np.where(np.arange(ROWS) % 4 == 0, "f", "m")
SHIFTS = {"f": 1.0, "m": 0.4}


def judged(rng, shifts=SHIFTS, spread=0.5, rehearsal=None):
    """Return scores that are larger for members, by more in one group, and by an amount of each training run."""
    rows = rng.integers(0, ROWS, MEMBER.shape)
    shift = np.vectorize(shifts.get)(LABELS[rows]) + spread * rng.normal(size=(RUNS, 1))
    scores = rng.normal(size=MEMBER.shape) + MEMBER * shift
    return AttackResult("drawn", scores, MEMBER, 0.5, CUTS, rows=rows, rehearsal=rehearsal)


def noisier(one, rng, noise=1.0):
    return dataclasses.replace(one, scores=one.scores + noise * rng.normal(size=MEMBER.shape))


def leak_of(one, other):
    return attack_leak({"sign": [one], "identity": [other]}, {}, 100, pool=ROWS)


@pytest.fixture(scope="module")
def leak():
    rng = np.random.default_rng(1)
    one = judged(rng)
    return leak_of(noisier(one, rng), one)


def test_one_group_of_all_leaks_what_all_leak(leak):
    whole = leak.by_group(["all"] * ROWS)
    np.testing.assert_allclose(whole.estimates[0], leak.estimates[:, :2], rtol=1e-12)
    np.testing.assert_allclose(whole.covariance, leak.covariance[:2], rtol=1e-9)
    assert whole.dof == leak.dof


def test_groups_add_up_to_the_whole(leak):
    """Members of one group less its non-members are a share of the whole, by how many were judged."""
    found = leak.by_group(LABELS)
    inside = LABELS[leak.results[0].rows] == "f"
    of_members, of_others = inside[MEMBER].mean(), inside[~MEMBER].mean()
    high = [r.scores >= r.threshold for r in leak.results]
    for q, called in enumerate(high):
        tpr = [called[MEMBER & side].mean() for side in (inside, ~inside)]
        fpr = [called[~MEMBER & side].mean() for side in (inside, ~inside)]
        np.testing.assert_allclose(found.delta[:, q], np.subtract(tpr, fpr), rtol=1e-12)
        whole = np.dot(tpr, [of_members, 1.0 - of_members]) - np.dot(fpr, [of_others, 1.0 - of_others])
        assert whole == pytest.approx(leak.delta[q])


def test_intervals_hold_together_and_narrower_ones_do_not():
    """AUCs and their differences, at a false alarm rate of 1e-9: intervals of half the width must be seen to fail."""
    rng, games = np.random.default_rng(2), 80
    truth = {kind: norm.cdf(np.array(list(SHIFTS.values())) / np.sqrt(2.25 + extra)) for kind, extra in GAPS.items()}
    areas = np.column_stack([truth["sign"], truth["identity"]])  # (groups, releases)
    gap = 2.0 * (areas[0] - areas[1])
    missed = np.zeros((2, 2), dtype=int)
    for _ in range(games):
        one = judged(rng)
        found = leak_of(noisier(one, rng), one).by_group(LABELS)
        for which, width in enumerate((1.0, 0.25)):
            narrow = dataclasses.replace(found, covariance=width * found.covariance)
            ends = narrow.conf_int(figure="auc")
            told = narrow.differences().loc["f"]
            missed[which] += [
                bool(np.any((areas < ends[:, :, 0]) | (areas > ends[:, :, 1]))),
                bool(np.any((gap < told["low"].to_numpy()) | (gap > told["high"].to_numpy()))),
            ]
    most = binom.ppf(1.0 - 1e-9, games, 0.05)
    assert (missed[0] <= most).all(), missed
    assert (missed[1] > most).all(), missed


GAPS = {"sign": 2.0, "identity": 0.0}
"""Variance that noise adds to the difference of two scores; without it this is 1 + 1 and that of the runs, 0.25."""


def test_random_labels_are_not_told_apart(leak):
    labels = np.random.default_rng(3).permutation(LABELS)
    gaps = leak.by_group(labels).differences(1.0 - 1e-9)
    assert ((gaps["low"] < 0.0) & (gaps["high"] > 0.0)).all()
    assert leak.by_group(LABELS).exposed("identity").index.tolist() == ["f"]


def test_thresholds_are_fixed_within_the_group_on_other_runs():
    """Where all scores of a group are larger, one threshold for all would call its members and non-members alike."""
    rng = np.random.default_rng(4)

    def lifted(one):
        return dataclasses.replace(one, scores=one.scores + 5.0 * (LABELS[one.rows] == "f"))

    one = lifted(judged(rng, {"f": 2.0, "m": 2.0}, rehearsal=lifted(judged(rng, {"f": 2.0, "m": 2.0}))))
    found = leak_of(one, one).by_group(LABELS)
    assert (found.delta > 0.5).all()
    alone = leak_of(*[dataclasses.replace(one, rehearsal=None)] * 2).by_group(LABELS)
    assert (alone.delta[0] == 0.0).all()
    assert alone.auc[0] == pytest.approx(found.auc[0])


def test_complete_exposure_is_not_certain():
    one = dataclasses.replace(judged(np.random.default_rng(5)), scores=MEMBER * 1.0)
    ends = leak_of(one, one).by_group(LABELS).conf_int()
    assert (ends[:, :, 1] == 1.0).all()
    assert (ends[:, :, 0] < 0.97).all()


def test_small_groups_are_named_and_bad_input_gets_one_line(leak):
    few = np.where(np.arange(ROWS) < 49, "few", "m")
    found = leak.by_group(few)
    assert (found.groups, found.small) == (("m",), {"few": 49})
    assert found.differences().empty
    none = leak.by_group(np.arange(ROWS) % 45)
    assert none.groups == ()
    assert none.to_frame().empty
    with pytest.raises(InputError, match=r"labels = \(3,\): must be one label per record, of shape \(400,\)"):
        leak.by_group([0, 1, 0])
    with pytest.raises(InputError, match="pool = None: must be that of attacks on a data set"):
        dataclasses.replace(leak, pool=None).by_group(LABELS)
    with pytest.raises(InputError, match=r"figure = 'tpr_0\.01': must be one of delta, auc"):
        leak.by_group(LABELS).conf_int(figure="tpr_0.01")


@pytest.fixture(scope="module")
def perceptron():
    """An audit of a perceptron: labels of one group are noise, which is learnt by heart."""
    rng = np.random.default_rng(6)
    site = np.where(rng.random(360) < 0.4, "<b>[red]", "south")
    X = rng.normal(size=(360, 30))
    y = np.where(site == "south", X[:, 0] > 0.0, rng.random(360) < 0.5)
    X[site == "south", 0] *= 20.0
    data = from_arrays(X, y.astype(int), name="sites", by={"site": site})
    model, chosen = MLP("binary", hidden=(8,), epochs=150), [quantizer("uniform-4")]
    result = audit(data, model, chosen, runs=2, seed=1, draws=199)
    attacks = audit_attacks(data, model, chosen, n=120, trainings=48, attacks=[LossThreshold()], seed=1)
    return data, result, attacks


@pytest.mark.usefixtures("undrawn")
def test_an_audit_without_theory_tells_groups_from_attacks(perceptron):
    data, result, attacks = perceptron
    assert "no attacks have measured it" in who_leaks_most(result, group_lines(result, ("identity",)))
    measured = result.with_attacks(attacks)
    frame = measured.by_group()
    noisy = frame.loc[("site", "<b>[red]", "identity")]
    assert noisy["difference_low"] > 0.0
    assert noisy["delta_low"] < noisy["delta"] < noisy["delta_high"]
    assert frame.groupby(["column", "quantizer"])["records"].sum().eq(data.rows).all()
    releases = shown_releases(answer(measured, attacks=attacks))
    said = who_leaks_most(measured, group_lines(measured, releases))
    assert said.startswith("Without quantization more leaks from site = <b>[red] (by 0.")

    console = Console(width=80, file=io.StringIO())
    console.print(group_table(measured, releases))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "rows: the pool of the attacks; more: 2·AUC − 1 less that of the rest" in " ".join(text.split())

    page = report_html(result, attacks=attacks)
    check_offline(Page(page))
    assert said in " ".join(Page(page).text().split())
    assert "<b>[red]" not in page
    rows = report_data(result, attacks=attacks)["groups"]
    assert {row["group"]: row["auc"] for row in rows if row["quantizer"] == "identity"}["<b>[red]"] > 0.6
