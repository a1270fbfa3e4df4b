"""Every public method and function with a level refuses what is none, in one line; none is left out of this table."""

import dataclasses
import importlib
import inspect
import pkgutil
from functools import cache
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest

import qmis_stats
from qmis_stats import CodebookERM, GaussianMean, InputError, LinearRegression, Problem, Sign, ThresholdPTQ, mis, rank
from qmis_stats.audit.algorithm import audit, head_for
from qmis_stats.audit.answer import answer
from qmis_stats.audit.attacks import LossThreshold, audit_attacks, per_release, play, run_attacks, self_check
from qmis_stats.audit.attacks.attack_intervals import clustered_share, mean_bounds, student
from qmis_stats.audit.attacks.attack_leak import attack_leak
from qmis_stats.audit.attacks.measured_groups import measured_groups
from qmis_stats.audit.attacks.measured_leak import MeasuredLeak
from qmis_stats.audit.audit_page import report_data, report_html, write_report
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.first_table import first_table, whole_table
from qmis_stats.audit.group_lines import group_lines
from qmis_stats.audit.group_lines import group_table as group_rows
from qmis_stats.audit.leak_answer import attacks_and_theory, leak_sure, may_leak_least
from qmis_stats.audit.leak_lines import leak_lines
from qmis_stats.audit.loss_leak import loss_leak
from qmis_stats.audit.subgroups import family_level
from qmis_stats.audit.tables import bundled
from qmis_stats.display import audit_table, group_table
from qmis_stats.inference.areas import area_interval
from qmis_stats.inference.exponent_tests import exponent_against_indicator
from qmis_stats.inference.gap_intervals import gap_interval
from qmis_stats.inference.rates import fit_exponent, slope_interval
from qmis_stats.inference.running import RunningMoments
from qmis_stats.inference.runs import run_means
from qmis_stats.inference.shares import clopper_pearson
from qmis_stats.leak import leakage
from qmis_stats.leak.groups import group_leak
from qmis_stats.leak.releases import ReleaseLeak
from qmis_stats.quantizers import quantizer
from qmis_stats.results import error_interval
from qmis_stats.simulate.roc import empirical_roc
from qmis_stats.validation import checked_level, checked_significance
from tests.audit.conftest import shorten_check

mpl.use("agg")

SOME = (95, 0.5, None, float("nan"))
NOT_CONFIDENCE = (90, 95, 1.5, -0.1, 0.0, 0.5, 1.0, True, None, "a", float("nan"), [0.9])
NOT_OF_A_TEST = (5, 1.5, -0.1, 0.0, 1.0, True, None, "a", float("nan"), [0.05])
LEFT_OUT = ("qmis_stats.verify.", "qmis_stats.inference.gap_plot", "qmis_stats.inference.rank_plot")
"""Levels of claims, which the run sets itself, and plots, which write in a legend what a result has checked."""


@cache
def have():
    """Return one of each result."""
    rng = np.random.default_rng(1)
    data = bundled("diabetes")
    losses = np.vstack([np.zeros(200), rng.normal(0.5, 1.0, 200), rng.normal(0.9, 1.0, 200)])
    running = RunningMoments(3)
    running.update(losses)
    game = play(data, head_for(data), None, 50, trainings=8, shadows=6, calibrations=6)
    X, half = rng.normal(size=(120, 3)), np.arange(120) % 2
    from sklearn.linear_model import Ridge

    n = np.array([50.0, 100.0, 200.0, 400.0])
    problem = Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign()))
    by_half = from_arrays(data.X, data.y, by={"half": np.arange(data.rows) % 2})
    audited = audit(by_half, head_for(data), [quantizer("sign"), quantizer("uniform-3")], runs=3, draws=199)
    with pytest.MonkeyPatch.context() as patched:
        shorten_check(patched)
        head, given = head_for(data), {"n": 20, "trainings": 16, "attacks": [LossThreshold()]}
        attacks = audit_attacks(data, head, [quantizer("sign")], **given)
    leak = leakage(Ridge().fit(X, X[:, 0]), ["sign"], X=X, y=X[:, 0])
    return SimpleNamespace(
        data=data,
        losses=losses,
        game=game,
        X=X,
        ridge=Ridge().fit(X, X[:, 0]),
        ranking=rank({"a": losses, "b": losses[:2]}, draws=199),
        audited=audited,
        attacks=attacks,
        attacked=attacks.leak(),
        measured=leak.measured_as(),
        one_pass=running.indicator(),
        means=run_means(rng.normal(size=(6, 2))),
        leak=leak,
        half=half,
        halves=leak.by_group(half),
        fit=fit_exponent(n, -0.125 * n - 0.5 * np.log(n), np.full(4, 0.01)),
        exact=mis(problem, 9),
        tilted=mis(problem, 9, method="tilted", replicates=400, seed=1),
        several=mis(problem, [9, 16]),
        regression=Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [4.0]])),
    )


def of(path, *before):
    """Return what calls a method of a result."""
    first, *rest, name = path.split(".")

    def call(level):
        found = getattr(have(), first)
        for part in rest:
            found = found[int(part)] if part.isdigit() else getattr(found, part)
        return getattr(found, name)(*before, level=level)

    return call


def model():
    return have().data, head_for(have().data)


CONFIDENCE = {
    "audit.answer.answer": lambda level: answer(have().audited, level),
    "audit.attacks.attack_leak.AttackLeak.by_group": of("attacked.by_group", np.arange(442) % 2),
    "audit.attacks.attack_leak.AttackLeak.to_dict": of("attacked.to_dict"),
    "audit.attacks.attack_leak.attack_leak": lambda level: attack_leak(
        {name: report.results for name, report in have().attacks.reports.items()}, {}, 20, level
    ),
    "audit.attacks.measured_groups.measured_groups": lambda level: measured_groups(
        have().attacked.results, np.repeat(["a", "b"], 221), have().attacked.names, level
    ),
    "audit.attacks.audited.audit_attacks": lambda level: audit_attacks(*model(), [], level=level, trainings=16),
    "audit.attacks.audited.self_check": lambda level: self_check([LossThreshold()], trainings=10, level=level),
    "audit.attacks.attack_intervals.clustered_share": lambda level: clustered_share([[True], [False]], level),
    "audit.attacks.attack_intervals.mean_bounds": lambda level: mean_bounds(0.5, 10, level),
    "audit.attacks.attack_intervals.student": lambda level: student(np.arange(4.0), level),
    "audit.attacks.attack_result.AttackResult.accuracy_interval": of("attacks.check.results.0.accuracy_interval"),
    "audit.attacks.attack_result.AttackResult.auc_interval": of("attacks.check.results.0.auc_interval"),
    "audit.attacks.attack_result.AttackResult.guaranteed_accuracy": of("attacks.check.results.0.guaranteed_accuracy"),
    "audit.attacks.attacking.run_attacks": lambda level: run_attacks(have().game, [LossThreshold()], level=level),
    "audit.attacks.side_by_side.AttackAudit.compared": lambda level: dataclasses.replace(
        have().attacks, predicted=have().leak
    ).compared(level),
    "audit.first_table.first_table": lambda level: first_table(have().audited.table_lines(), "diabetes", "r2", level),
    "audit.attacks.training_measure.per_release": lambda level: per_release(
        have().game, [], lambda one: one.target.shown.losses[:, 0], figure="loss", less_is_better=True, level=level
    ),
    "audit.group_lines.group_table": lambda level: group_rows(have().audited, ("sign",), level),
    "audit.group_lines.group_lines": lambda level: group_lines(have().audited, ("sign",), level),
    "audit.first_table.whole_table": lambda level: whole_table(have().audited.table_lines(), "diabetes", "r2", level),
    "audit.leak_answer.may_leak_least": lambda level: may_leak_least(have().ranking, ["a"], ["a"], level),
    "audit.leak_answer.attacks_and_theory": lambda level: attacks_and_theory(have().attacks, level),
    "audit.leak_answer.leak_sure": lambda level: leak_sure(have().leak, (), level),
    "audit.leak_lines.leak_lines": lambda level: leak_lines(have().leak, level),
    "audit.loss_leak.loss_leak": lambda level: loss_leak(
        {"identity": have().losses[1]}, {"identity": have().losses[2]}, {}, level=level
    ),
    "audit.attacks.measured_leak.MeasuredLeak.conf_int": of("attacked.conf_int"),
    "audit.attacks.measured_leak.MeasuredLeak.to_dict": lambda level: MeasuredLeak.to_dict(have().attacked, level),
    "audit.over_runs.OverRuns.conf_int": of("audited.over_runs.conf_int"),
    "audit.over_runs.OverRuns.rank_sets": of("audited.over_runs.rank_sets"),
    "audit.over_runs.OverRuns.tables": of("audited.over_runs.tables"),
    "audit.over_runs.OverRuns.to_dict": of("audited.over_runs.to_dict"),
    "audit.over_runs.OverRuns.to_frame": of("audited.over_runs.to_frame"),
    "audit.over_runs.OverRuns.told_apart": of("audited.over_runs.told_apart"),
    "audit.performance.Performance.conf_int": of("audited.scores.conf_int"),
    "audit.performance.Performance.price_conf_int": of("audited.scores.price_conf_int"),
    "audit.performance.Performance.to_frame": of("audited.scores.to_frame"),
    "audit.audit_page.report_data": lambda level: report_data(have().audited, level),
    "audit.audit_page.report_html": lambda level: report_html(have().audited, level),
    "audit.audit_page.write_report": lambda level: write_report(have().audited, "/nowhere", level),
    "audit.audit_result.AuditResult.by_group": of("audited.by_group"),
    "audit.audit_result.AuditResult.plot": of("audited.plot"),
    "audit.audit_result.AuditResult.table_lines": of("audited.table_lines"),
    "audit.audit_result.AuditResult.summary": of("audited.summary"),
    "audit.audit_result.AuditResult.tables": of("audited.tables"),
    "audit.audit_result.AuditResult.to_dict": of("audited.to_dict"),
    "audit.audit_result.AuditResult.to_frame": of("audited.to_frame"),
    "audit.subgroups.family_level": lambda level: family_level(have().audited.groups, level),
    "audit.subgroups.Subgroups.score": of("audited.groups.0.score", "0", "sign"),
    "audit.subgroups.Subgroups.to_frame": of("audited.groups.0.to_frame"),
    "display.audit_table": lambda level: audit_table(have().audited, level),
    "display.group_table": lambda level: group_table(have().audited, ("sign",), level),
    "inference.areas.area_interval": lambda level: area_interval(0.6, 0.01, 20, level),
    "inference.chernoff.ChernoffEstimate.interval": of("ranking.indicators.0.chernoff.interval"),
    "inference.indicator.Indicator.points_needed": of("ranking.indicators.0.points_needed"),
    "inference.indicator.Indicator.conf_int": of("ranking.indicators.0.conf_int"),
    "inference.indicator.Indicator.plot": of("ranking.indicators.0.plot"),
    "inference.indicator.Indicator.to_dict": of("ranking.indicators.0.to_dict"),
    "inference.indicator.Indicator.to_frame": of("ranking.indicators.0.to_frame"),
    "inference.gap_intervals.gap_interval": lambda level: gap_interval(have().losses[1], level),
    "inference.measured.Measured.conf_int": of("measured.conf_int"),
    "inference.measured.Measured.differences": of("measured.differences"),
    "inference.measured.Measured.rank_sets": of("measured.rank_sets"),
    "inference.measured.Measured.to_frame": of("measured.to_frame"),
    "inference.measured.Measured.told_apart": of("measured.told_apart"),
    "inference.minimum.NearMinimum.interval": of("ranking.indicators.0.near.interval"),
    "inference.rank_results.EstimateRanking.conf_int": lambda level: have().means.rank().conf_int(level),
    "inference.rank_results.RankResults.best_set": of("ranking.best_set"),
    "inference.rank_results.RankResults.conf_int": of("ranking.conf_int"),
    "inference.rank_results.RankResults.plot": of("ranking.plot"),
    "inference.rank_results.RankResults.rank_sets": of("ranking.rank_sets"),
    "inference.rank_results.RankResults.remarks": lambda level: have().means.rank().remarks(level),
    "inference.rank_results.RankResults.significantly_below": of("ranking.significantly_below"),
    "inference.rank_results.RankResults.summary": of("ranking.summary"),
    "inference.rank_results.RankResults.tables": of("ranking.tables"),
    "inference.rank_results.RankResults.to_frame": of("ranking.to_frame"),
    "inference.ranking.Ranking.conf_int": of("ranking.conf_int"),
    "inference.ranking.Ranking.remarks": of("ranking.remarks"),
    "inference.ranking.Ranking.to_dict": of("ranking.to_dict"),
    "inference.ranks.Comparisons.below": of("ranking.comparisons.below"),
    "inference.ranks.Comparisons.best": of("ranking.comparisons.best", 1),
    "inference.ranks.Comparisons.holm": of("ranking.comparisons.holm"),
    "inference.ranks.Comparisons.rank_sets": of("ranking.comparisons.rank_sets"),
    "inference.rates.slope_interval": lambda level: slope_interval(have().fit, level),
    "inference.running.OnePassIndicator.conf_int": of("one_pass.conf_int"),
    "inference.runs.RunMeans.conf_int": of("means.conf_int"),
    "inference.shares.clopper_pearson": lambda level: clopper_pearson(1, 3, level),
    "leak.estimate.leakage": lambda level: leakage(have().ridge, ["sign"], X=have().X, y=have().X[:, 0], level=level),
    "leak.group_results.GroupLeak.conf_int": of("halves.conf_int"),
    "leak.group_results.GroupLeak.differences": of("halves.differences"),
    "leak.group_results.GroupLeak.exposed": of("halves.exposed", "sign"),
    "leak.group_results.GroupLeak.to_dict": of("halves.to_dict"),
    "leak.group_results.GroupLeak.to_frame": of("halves.to_frame"),
    "leak.groups.group_leak": lambda level: group_leak(
        have().leak.basis, have().half, have().leak.names, have().leak.in_domain, level
    ),
    "leak.releases.ReleaseLeak.conf_int": of("leak.conf_int"),
    "leak.releases.ReleaseLeak.differences": of("leak.differences"),
    "leak.releases.ReleaseLeak.rank_sets": of("leak.rank_sets"),
    "leak.releases.ReleaseLeak.reductions": of("leak.reductions"),
    "leak.releases.ReleaseLeak.to_dict": lambda level: ReleaseLeak.to_dict(have().leak, level),
    "leak.releases.ReleaseLeak.to_frame": lambda level: ReleaseLeak.to_frame(have().leak, level),
    "leak.releases.ReleaseLeak.told_apart": of("leak.told_apart"),
    "leak.leakage_result.LeakageResult.by_group": of("leak.by_group", np.arange(120) % 2),
    "leak.leakage_result.LeakageResult.to_dict": of("leak.to_dict"),
    "leak.leakage_result.LeakageResult.to_frame": of("leak.to_frame"),
    "results.MISResult.conf_int": of("tilted.conf_int"),
    "results.MISSeries.conf_int": of("several.conf_int"),
    "results.error_interval": lambda level: error_interval(0.0, 1.0, level=level),
    "simulate.roc.empirical_roc": lambda level: empirical_roc(np.arange(50.0), np.arange(50.0), level),
    "validation.checked_level": checked_level,
}
OF_A_TEST = {
    "audit.attacks.attack_report.AttackReport.beating": of("attacks.check.beating"),
    "audit.attacks.attack_report.AttackReport.off_chance": of("attacks.check.off_chance"),
    "audit.attacks.side_by_side.AttackAudit.off_chance": of("attacks.off_chance"),
    "inference.exponent_tests.exponent_against_indicator": lambda level: exponent_against_indicator(
        have().fit, have().regression, level=level
    ),
    "validation.checked_significance": checked_significance,
}
OPTIONAL = [
    name
    for name in CONFIDENCE
    if {"AttackResult", "AttackAudit", "Measured"} & {*name.split(".")} or "Leak" in name.split(".")[-2]
]
"""``None`` stands for the level of the result."""


def with_level():
    """Return the public functions and methods that take a level."""
    names = set()
    for info in pkgutil.walk_packages(qmis_stats.__path__, "qmis_stats."):
        if info.name.endswith("__main__") or info.name.startswith(LEFT_OUT):
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", ()):
            found = getattr(module, name)
            if getattr(found, "__module__", "") != info.name:
                continue
            parts = {f"{name}.{key}": value for key, value in vars(found).items()} if inspect.isclass(found) else {}
            for path, part in {name: found, **parts}.items():
                public = inspect.isfunction(part) and not path.rpartition(".")[2].startswith("_")
                if public and "level" in inspect.signature(part).parameters:
                    names.add(f"{info.name}.{path}".removeprefix("qmis_stats."))
    return names


def test_none_is_left_out():
    assert with_level() == {*CONFIDENCE, *OF_A_TEST}


def test_the_check_refuses_whatever_is_none():
    for level in NOT_CONFIDENCE:
        with pytest.raises(InputError, match=r"^level = .*: must be a confidence level above 0\.5 and below 1"):
            checked_level(level)


@pytest.mark.parametrize(
    "levels", [SOME, pytest.param(NOT_CONFIDENCE, marks=pytest.mark.long)], ids=["some levels", "all levels"]
)
@pytest.mark.parametrize("name", CONFIDENCE)
def test_confidence_levels(name, levels):
    from matplotlib import pyplot

    pyplot.close("all")  # those of other tests
    call = CONFIDENCE[name]
    for level in levels:
        if level is None and name in OPTIONAL:
            continue
        with pytest.raises(InputError) as caught:
            call(level)
        assert str(caught.value) == f"level = {level!r}: must be a confidence level above 0.5 and below 1, such as 0.95"
    assert not pyplot.get_fignums()
    if not name.startswith(("audit.audit_page", "audit.attacks.audited")):  # tests of their own call these
        call(0.9)
        pyplot.close("all")


@pytest.mark.parametrize("name", OF_A_TEST)
def test_levels_of_tests(name):
    for level in NOT_OF_A_TEST:
        with pytest.raises(InputError, match=r"^level = .*: must be the level of a test, above 0 and below 1"):
            OF_A_TEST[name](level)
    OF_A_TEST[name](0.05)


def test_a_result_without_an_error_checks_the_level_too():
    assert have().exact.conf_int(0.9) == (have().exact.log_delta, have().exact.log_delta)
    with pytest.raises(InputError, match="level = 95"):
        have().exact.conf_int(95)
