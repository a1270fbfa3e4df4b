"""A measure of releases: paired covariance, ranks, limits, exact ones; Pareto sets of any number of measures."""

import numpy as np
import pytest

from qmis_stats.errors import InputError
from qmis_stats.inference.measured import Measured, undominated

NAMES = ("a", "copy", "b", "identity")


def measured(shift=1.0, **options):
    rng = np.random.default_rng(3)
    shared = 5.0 * rng.normal(size=60)  # what all releases of one training run share
    rows = shared + 0.2 * rng.normal(size=(3, 60)) + np.array([[0.0], [shift], [shift]])
    options = {"less_is_better": True, **options}
    return Measured.over_trainings("gap", NAMES, np.vstack([rows[:1], rows]), **options), np.vstack([rows[:1], rows])


def test_releases_are_paired():
    found, rows = measured()
    gaps = found.differences(0.9)
    alone = rows[0] - rows[2]
    assert gaps.loc[("a", "b"), "difference"] == pytest.approx(alone.mean())
    assert gaps.loc[("a", "b"), "std_error"] == pytest.approx(alone.std(ddof=1) / np.sqrt(60))
    assert gaps.loc[("a", "copy"), ["difference", "std_error"]].tolist() == [0.0, 0.0]
    # By itself each is known worse than its difference from another.
    assert found.std_errors[0] > 10.0 * gaps.loc[("a", "b"), "std_error"]
    assert found.rank_sets().tolist() == [[1, 2], [1, 2], [3, 3]]
    assert found.told_apart() == (2, 3)


def test_the_direction_turns_ranks_and_merits():
    less, _ = measured()
    more, _ = measured(less_is_better=False)
    assert more.rank_sets().tolist() == [[2, 3], [2, 3], [1, 1]]
    assert more.better() == {name: -value for name, value in less.better().items()}
    assert "smallest has rank 1" in str(less)
    assert "largest has rank 1" in str(more)


def test_an_interval_ends_at_the_limits_and_holds_the_estimate():
    found, _ = measured(limits=(-5.0, 0.5))
    free, _ = measured()
    ends = found.conf_int(0.9)
    assert ends == pytest.approx(np.clip(free.conf_int(0.9), -5.0, 0.5))
    inside = found.values <= 0.5
    assert np.all((ends[inside, 0] <= found.values[inside]) & (found.values[inside] <= ends[inside, 1]))


def test_what_is_known_exactly_has_ranks_of_its_own():
    bits = Measured("bits", NAMES, np.array([1.0, 1.0, 4.0, 32.0]), np.zeros((4, 4)), np.inf, True)
    assert bits.rank_sets().tolist() == [[1, 2], [1, 2], [3, 3]]
    assert bits.conf_int().tolist() == [[1.0, 1.0], [1.0, 1.0], [4.0, 4.0], [32.0, 32.0]]


@pytest.mark.parametrize("values", [np.zeros((3, 9)), np.zeros((4, 1)), np.full((4, 9), np.nan)])
def test_refused(values):
    with pytest.raises(InputError, match=r"^gap"):
        Measured.over_trainings("gap", NAMES, values, less_is_better=True)


def test_pareto_sets():
    leak, score, bits = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 1.0}, {"a": 1.0, "b": 2.0, "c": 1.5, "d": 1.5}, {"c": 9.0}
    assert undominated(leak) == ("a",)
    assert undominated(leak, score) == ("a", "b")
    assert undominated(leak, score, {**dict.fromkeys("ab", 1.0), **dict.fromkeys("cd", 2.0)}) == ("a", "b", "c", "d")
    assert undominated(leak, bits) == ("c",)
    assert undominated({}, score) == ()
