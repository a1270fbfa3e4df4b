"""What notebooks show of results: well formed, escaped, the tables that are printed; plots on given axes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from qmis_stats import (
    CodebookERM,
    DomainWarning,
    GaussianMean,
    LinearRegression,
    Problem,
    ROCCurve,
    indicator,
    leakage,
    mis,
    rank,
)
from qmis_stats.audit.algorithm import audit, head_for
from qmis_stats.audit.attacks import Discriminator, LossThreshold, play, run_attacks
from qmis_stats.audit.attacks.attack_leak import attack_leak
from qmis_stats.audit.attacks.attack_result import AttackResult
from qmis_stats.audit.attacks.measured_groups import measured_groups
from qmis_stats.audit.attacks.side_by_side import AttackAudit
from qmis_stats.audit.data import from_arrays
from qmis_stats.audit.loss_leak import loss_leak
from qmis_stats.experiment import parse_experiment, run_experiment
from qmis_stats.inference.comparison import compare_exponents
from qmis_stats.inference.exponent_tests import exponent_against_indicator
from qmis_stats.inference.measured import Measured
from qmis_stats.inference.rank_results import rank_estimates
from qmis_stats.inference.rates import fit_exponent
from qmis_stats.inference.runs import run_means
from qmis_stats.leak import fit_from
from qmis_stats.quantizers import quantizer
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.results import MISSeries
from qmis_stats.simulate import tilted_series
from qmis_stats.verify import run_verification
from qmis_stats.verify.decisions import Exact
from qmis_stats.verify.evidence import Claim, Evidence, Row
from tests.page import Page, check_tables

HOSTILE = "<script>alert(1)</script> & $x_"
PROBLEM = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
SKEWED = Problem(LinearRegression([0.0], [[1.0]], 1.0), CodebookERM([[0.0], [4.0]]))
RNG = np.random.default_rng(1)
NOISE = RNG.normal(size=(4, 300))
SIZES = np.array([50.0, 100.0, 200.0, 400.0])


class Hostile:
    name, bits = HOSTILE, 1.0

    def quantize(self, weights):
        return 0.5 * np.round(weights / 0.5)


def outcome():
    run = {"n": [10, 20], "methods": ["exact", "crude"], "replicates": 200}
    law = {"kind": "gaussian_mean", "mean": [0.0], "covariance": [[1.0]]}
    procedure = {"kind": "erm", "codebook": [[0.0], [1.0]]}
    with pytest.warns(DomainWarning):
        return run_experiment(parse_experiment({"law": law, "procedure": procedure, "run": run}))


def losses(gap: float):
    return np.array([NOISE[0], NOISE[0] + NOISE[1] + gap, NOISE[0] + NOISE[2] + 1.5 * gap])


def fit(rate: float):
    return fit_exponent(SIZES, -rate * SIZES - 0.5 * np.log(SIZES), np.full(4, 0.01))


def audited():
    X = RNG.normal(size=(80, 3))
    data = dataclasses.replace(from_arrays(X, X @ [1.0, -0.5, 0.2] + 0.3 * RNG.normal(size=80)), name=HOSTILE)
    return audit(data, head_for(data), [Hostile(), quantizer("uniform-4")], runs=3, draws=199, seed=1)


def attacked():
    X = RNG.normal(size=(120, 3))
    data = from_arrays(X, X @ [1.0, -0.5, 0.2])
    game = play(data, head_for(data), Hostile(), 20, trainings=8, shadows=4, calibrations=8, seed=1)
    return run_attacks(game, [LossThreshold(), Discriminator()], delta=0.9)


def verified():
    claim = Claim("a.b", "S1", HOSTILE, "", "", "", "", lambda _: Evidence([Row(HOSTILE, Exact(True, ""))]))
    return run_verification(quick=True, claims=[claim])


def leaked():
    X = RNG.normal(size=(60, 20))
    y = X[:, 0] + RNG.normal(size=60)
    found = leakage(fit_from(X, y, np.linalg.lstsq(X, y)[0], "squared"), ["sign"])
    return dataclasses.replace(found, names=(HOSTILE, "identity"))


def grouped():
    X = RNG.normal(size=(120, 20))
    y = X[:, 0] + RNG.normal(size=120)
    found = leakage(fit_from(X, y, np.linalg.lstsq(X, y)[0], "squared"), ["sign"])
    return found.by_group([HOSTILE, "b"] * 60)


def from_attacks():
    report = attacked()
    return attack_leak({HOSTILE: report.results[:1], "identity": report.results[:1]}, {}, 20)


def grouped_by_attacks():
    member = np.tile([True, False], (120, 1))
    rows = np.arange(240).reshape(120, 2)
    one = AttackResult("drawn", RNG.normal(size=(120, 2)) + member, member, 0.5, (), rows=rows)
    return measured_groups([one, one], np.repeat([HOSTILE, "b"], 120), [HOSTILE, "identity"], 0.95)


def from_losses():
    return loss_leak(*({name: RNG.random(30) for name in (HOSTILE, "identity")} for _ in range(2)), {})


RESULTS = {
    "MISResult": lambda: dataclasses.replace(mis(PROBLEM, 10, "exact"), method=HOSTILE),
    "MISSeries": lambda: MISSeries((dataclasses.replace(mis(PROBLEM, 10, "exact"), method=HOSTILE),)),
    "Outcome": outcome,
    "Indicator": lambda: indicator(losses(0.4), HOSTILE, draws=199),
    "Ranking": lambda: rank({HOSTILE: losses(0.4), "other": losses(0.1)}, draws=199),
    "EstimateRanking": lambda: rank_estimates([1.0, 2.0], 0.1 * np.eye(2), [HOSTILE, "b"]),
    "AuditResult": audited,
    "AttackAudit": lambda: AttackAudit({HOSTILE: attacked()}, attacked(), 0.95),
    "AttackReport": attacked,
    "OverRuns": lambda: audited().over_runs,
    "AttackResult": lambda: dataclasses.replace(attacked().results[0], name=HOSTILE),
    "Report": verified,
    "SimulatedSeries": lambda: tilted_series(PROBLEM, [20, 40], replicates=1000, seed=1, backend="reference"),
    "RunMeans": lambda: run_means(RNG.normal(size=(6, 2)), names=[HOSTILE, "b"]),
    "ExponentComparison": lambda: compare_exponents([fit(0.125), fit(0.13)], [HOSTILE, "b"]),
    "LeakageResult": leaked,
    "GroupLeak": grouped,
    "MeasuredGroups": grouped_by_attacks,
    "AttackLeak": from_attacks,
    "LossLeak": from_losses,
    "Measured": lambda: Measured.over_trainings(
        "gap", [HOSTILE, "identity"], RNG.normal(size=(2, 9)), less_is_better=True
    ),
    "IndicatorTest": lambda: exponent_against_indicator(fit(0.8), SKEWED),
}
NAMELESS = {"Outcome", "SimulatedSeries", "IndicatorTest"}


def subclasses(kind: type) -> set[str]:
    return {name for sub in kind.__subclasses__() for name in ({sub.__name__} | subclasses(sub))}


def test_every_result_has_a_case() -> None:
    bases = {"RankResults", "ReleaseLeak", "MeasuredLeak", "Rate"}
    own = {name for name in subclasses(NotebookResult) if name not in bases}
    assert own == set(RESULTS)


@pytest.mark.parametrize("name", RESULTS)
def test_a_notebook_shows_the_tables_escaped(name: str) -> None:
    result = RESULTS[name]()
    source = result._repr_html_()
    page = Page(source)
    check_tables(page)
    assert "<script" not in source
    tables = result.tables()
    assert len(page.all("tr")) == sum(1 + len(table.rows) for table in tables)
    heads = [cell.text for cell in page.all("th") if cell.attributes["scope"] == "col"]
    assert heads == [head for table in tables for head in table.columns]
    assert [caption.text for caption in page.all("caption")] == [table.caption for table in tables]
    printed = " ".join(str(result).split())
    for text in (cell for table in tables for row in table.rows for cell in row):
        assert " ".join(text.split()) in printed
    assert name in NAMELESS or HOSTILE in page.text()
    assert all(" ".join(line.split()) in page.text() for line in result.remarks())
    if hasattr(result, "plot"):
        axes = Figure(layout="constrained").add_subplot()
        assert result.plot(axes) is axes
        assert axes.has_data()
        axes.figure.canvas.draw()


def test_a_curve_is_drawn_on_given_axes() -> None:
    curve = ROCCurve((0.0, 0.01, 1.0), (0.0, 0.2, 1.0), 0.595, {})
    axes = Figure().add_subplot()
    assert curve.plot(axes) is axes
    assert axes.get_lines()[1].get_ydata().tolist() == [0.0, 0.2, 1.0]


def test_without_axes_there_is_a_new_figure_that_notebooks_show() -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    axes = mis(PROBLEM, 10, "exact").plot()
    assert mis(PROBLEM, 20, "exact").plot(axes) is axes
    made = set(pyplot.get_fignums()) - set(before)
    assert made == {axes.figure.number}
    pyplot.close(axes.figure)
