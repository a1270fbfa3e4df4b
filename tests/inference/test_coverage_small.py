"""Coverage in miniature: the measures of the coverage study with few replicates, exact binomial tests, and controls."""

import numpy as np
import pytest
from coverage_study import comparison, laws, one_rival, rank_sets, smallest_gap
from coverage_study.tally import Setting
from scipy.special import ndtri
from scipy.stats import binomtest

from qmis_stats.inference.gap_intervals import gap_interval
from qmis_stats.inference.indicator import indicator
from qmis_stats.inference.ranking import rank

FALSE_ALARM = 1e-9
QUANTILE = float(ndtri(0.975))

pytestmark = [pytest.mark.grid(2), pytest.mark.statistical]


def too_low(covered: int, replicates: int, coverage: float) -> bool:
    return binomtest(int(covered), int(replicates), coverage, alternative="less").pvalue < FALSE_ALARM


def too_high(covered: int, replicates: int, coverage: float) -> bool:
    return binomtest(int(covered), int(replicates), coverage, alternative="greater").pvalue < FALSE_ALARM


def covered(limits: tuple[np.ndarray, np.ndarray], s: float) -> int:
    return int(np.sum((limits[0] <= s) & (s <= limits[1])))


def setting(part: str, law: laws.Law, replicates: int, points: int, candidates: int, groups: int, **options) -> Setting:
    return Setting(part, law.name, options["structure"], points, candidates, groups, True, replicates, options)


def measured(module, chosen: Setting) -> dict[str, dict]:
    return {row["method"]: row for row in module.measure(chosen, np.random.default_rng(8))}


def count(row: dict) -> tuple[int, int]:
    return round(float(row["coverage"]) * row["replicates"]), row["replicates"]


@pytest.mark.parametrize(
    ("law", "s"),
    [
        (laws.GAUSSIAN, 0.5),
        (laws.EXPONENTIAL, 1.0),
        (laws.REVERSED, 1.0),
        (laws.DISCRETE, laws.DISCRETE.gap(0.5)),
        (laws.STUDENT5, 0.5),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_one_rival(law, s):
    """Between 93.5 and 96.5 % at N = 500; intervals of half the width are not."""
    x = law.increments(np.random.default_rng(5), np.full(4000, s), 500)
    found, _ = one_rival.statistics(x)
    low, high = found.limits(-QUANTILE), found.limits(QUANTILE)
    number = covered((low, high), s)
    assert not too_low(number, 4000, 0.935)
    assert not too_high(number, 4000, 0.965)
    middle = 0.5 * (low + high)
    assert too_low(covered((0.5 * (low + middle), 0.5 * (high + middle)), s), 4000, 0.935)


def test_many_samples_at_once_are_each_sample_by_itself():
    x = laws.EXPONENTIAL.increments(np.random.default_rng(6), np.full(4, 0.7), 200)
    found, error = one_rival.statistics(x)
    for i, row in enumerate(x):
        adjusted, delta = gap_interval(row), gap_interval(row, method="delta")
        assert found.limits(QUANTILE)[i] == pytest.approx(adjusted.high, rel=1e-12)
        assert found.limits(-QUANTILE)[i] == pytest.approx(adjusted.low, rel=1e-12)
        assert found.s[i] + QUANTILE * error[i] == pytest.approx(delta.high, rel=1e-9)


def test_normal_theory_is_rejected_where_increments_are_not_normal():
    """The negative control: 70 % instead of 95 for exponential increments with a long tail towards the best."""
    chosen = Setting(
        "one rival",
        laws.REVERSED.name,
        "",
        500,
        2,
        None,
        True,
        2000,
        {"law": laws.REVERSED.name, "s": 1.0, "bootstrap": 0},
    )
    rows = measured(one_rival, chosen)
    assert too_low(*count(rows["noncentral_t"]), 0.935)
    assert not too_low(*count(rows["adjusted"]), 0.935)


OTHERS = [pytest.param(law, marks=pytest.mark.long, id=law.name) for law in (laws.GAUSSIAN, laws.DISCRETE)]


@pytest.mark.parametrize("law", [pytest.param(laws.EXPONENTIAL, id=laws.EXPONENTIAL.name), *OTHERS])
@pytest.mark.parametrize("structure", ["unique minimum", "all rivals tied", "near ties"])
def test_minimum(law, structure):
    """At least 94.5 % with 19 rivals."""
    rows = measured(smallest_gap, setting("minimum", law, 200, 500, 20, 0, structure=structure, common=0.0))
    assert not too_low(*count(rows["Indicator.conf_int"]), 0.945)


def test_an_interval_for_the_smallest_estimate_is_rejected():
    """The negative control: the interval of the rival that looks closest, as if it had been chosen beforehand."""
    chosen = setting("minimum", laws.GAUSSIAN, 200, 500, 20, 0, structure="all rivals tied", common=0.0)
    assert too_low(*count(measured(smallest_gap, chosen)["as if the rival were known"]), 0.945)


def test_minimum_is_that_of_the_indicator():
    rng = np.random.default_rng(2)
    losses = smallest_gap.losses_on(np.zeros(300), laws.GAUSSIAN.increments(rng, np.full(5, 0.5), 300))
    assert indicator(losses, draws=2000, seed=3).conf_int() == smallest_gap.estimated(losses, 3).conf_int()


@pytest.mark.parametrize("law", [pytest.param(laws.EXPONENTIAL, id=laws.EXPONENTIAL.name), *OTHERS])
@pytest.mark.parametrize("common", [0.0, 0.8])
def test_rank_sets_under_the_null(law, common):
    """No false order in 94.5 % of samples at least; pairs that are each decided at 5 % are rejected."""
    chosen = setting("ranks", law, 120, 400, 2, 5, structure="all equal", common=common, rivals=1)
    rows = measured(rank_sets, chosen)
    for kind in ("simultaneous", "holm", "marginal", "best set 1", "best set 2"):
        assert not too_low(*count(rows[kind]), 0.945), kind
    assert too_low(*count(rows["unadjusted pairs"]), 0.945)


def test_rank_sets_with_several_rivals():
    chosen = setting("ranks", laws.EXPONENTIAL, 100, 500, 4, 4, structure="two clusters", common=0.5, rivals=3)
    rows = measured(rank_sets, chosen)
    assert not too_low(*count(rows["simultaneous"]), 0.945)
    assert float(rows["simultaneous"]["width"]) < 4.0


def test_comparisons_are_those_of_rank():
    rng = np.random.default_rng(4)
    chosen = setting("ranks", laws.GAUSSIAN, 1, 300, 3, 3, structure="one outlier", common=0.0, rivals=2)
    losses = rank_sets.draw(chosen, rank_sets.population("one outlier", 3, 300), rng)
    ours = rank_sets.compare(losses, 7)
    theirs = rank({str(i): entry for i, entry in enumerate(losses)}, draws=2000, seed=7).comparisons
    assert np.array_equal(ours.statistics, theirs.statistics)
    assert np.array_equal(ours.maxima, theirs.maxima)


def compared(structure: str, replicates: int) -> dict[str, dict]:
    chosen = Setting(
        "comparison", "normal", structure, None, None, 6, True, replicates, {"structure": structure, "kind": ""}
    )
    return measured(comparison, chosen)


@pytest.mark.parametrize("structure", [pytest.param("all equal", marks=pytest.mark.long), "equally spaced"])
def test_rank_sets_beside_multiple_inference(structure):
    """Not wider than the sets of multiple-inference, up to the errors of resampling, and not too often wrong."""
    pytest.importorskip("multiple_inference", reason="the package multiple-inference is not installed: extra 'test'")
    rows = compared(structure, 25)
    for ours, other in (
        ("simultaneous", "multiple-inference, simultaneous"),
        ("marginal", "multiple-inference, marginal"),
    ):
        assert float(rows[ours]["width"]) <= float(rows[other]["width"]) + 0.05
        assert not too_low(*count(rows[ours]), 0.945)


def test_rank_sets_beside_bonferroni(monkeypatch):
    """Narrower than pairwise tests at 5 % divided by the number of ordered pairs."""
    none = np.tile([1, 6], (6, 1))
    monkeypatch.setattr(comparison, "theirs", lambda *_: (none, none))
    difference = compared("equally spaced", 60)["difference to Bonferroni"]
    assert float(difference["width_high"]) < 0.0
