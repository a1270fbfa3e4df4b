"""Moments of increments: against exact rational arithmetic, leave-one-out by force, and what must not change them."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmis_stats import InputError
from qmis_stats.inference.losses import Losses
from qmis_stats.inference.moments import gap_statistics, gaps, influences, mean_losses

RNG = np.random.default_rng(11)
LOSSES = RNG.gamma(2.0, size=(6, 5000)) + 0.1 * np.arange(6)[:, None]


def gaps_of(losses):
    return gaps(Losses("q", losses))


def statistics_of(losses):
    entry = Losses("q", losses)
    found = gaps(entry)
    return gap_statistics(entry, found, np.arange(found.rivals.size))


def exact(losses):
    """Best row and, of every other row that varies, s, standardised third and fourth moments, in 50 digits."""
    rows = [[Fraction(int(v)) for v in row] for row in losses]
    n = len(rows[0])
    means = [sum(row) / n for row in rows]
    best = means.index(min(means))
    found = {}
    with mpmath.workdps(50):
        for k, row in enumerate(rows):
            x = [a - b for a, b in zip(row, rows[best], strict=True)]
            delta = sum(x) / n
            m2, m3, m4 = (sum((v - delta) ** p for v in x) / n for p in (2, 3, 4))
            if k == best or not m2:
                continue
            number = [mpmath.mpf(v.numerator) / v.denominator for v in (delta, m2 * n / (n - 1), m2, m3, m4)]
            delta, variance, m2, m3, m4 = number
            found[k] = (
                float(delta / mpmath.sqrt(variance)),
                float(m3 / m2 ** mpmath.mpf("1.5")),
                float(m4 / m2**2),
            )
    return best, found


small = st.lists(st.lists(st.integers(0, 6), min_size=12, max_size=12), min_size=2, max_size=5)


@settings(max_examples=150, deadline=None)
@given(small)
def test_against_rational_arithmetic(rows):
    losses = np.array(rows)
    best, expected = exact(losses)
    distinct = [
        k
        for k in range(len(rows))
        if k != best and rows[k] != rows[best] and not any(rows[k] == rows[j] for j in range(k))
    ]
    constant = [k for k in distinct if k not in expected]
    if constant or not distinct:
        words = "varies from point to point" if constant else "two different candidates"
        with pytest.raises(InputError, match=words):
            gaps_of(losses)
        return
    found = gaps_of(losses)
    assert found.best == best
    assert found.rivals.tolist() == distinct
    for place, k in enumerate(distinct):
        s, skewness, kurtosis = expected[k]
        assert found.s[place] == pytest.approx(s, rel=1e-13, abs=1e-15)
        assert found.skewness[place] == pytest.approx(skewness, rel=1e-12, abs=1e-13)
        assert found.kurtosis[place] == pytest.approx(kurtosis, rel=1e-13)


@pytest.mark.parametrize("points", [10, 11, 40])
@pytest.mark.parametrize("shift", [0.0, 0.4, 3.0])
def test_jackknife_by_leaving_out_each_point(points, shift):
    rng = np.random.default_rng(points)
    x = rng.exponential(size=points) + shift
    x *= np.sign(x.mean())
    found, _ = statistics_of(np.vstack([np.zeros(points), x]))
    left_out = np.array([np.mean(y := np.delete(x, i)) / np.std(y, ddof=1) for i in range(points)])
    expected = np.sqrt((points - 1) / points * np.sum((left_out - left_out.mean()) ** 2))
    assert found.std_error[0] == pytest.approx(expected, rel=1e-11)
    assert found.std_error[0] != pytest.approx(np.std(left_out), rel=1e-3)  # the control


def test_one_point_that_carries_everything_has_an_infinite_error():
    x = np.zeros(50)
    x[17] = 1.0
    found, _ = statistics_of(np.vstack([np.zeros(50), x]))
    assert found.std_error[0] == np.inf
    assert found.limits(1.96)[0] == np.inf
    assert found.limits(-1.96)[0] == -np.inf
    x[18] = 1.0
    assert np.isfinite(statistics_of(np.vstack([np.zeros(50), x]))[0].std_error[0])


def test_influences_are_centred_with_the_variance_of_the_formula():
    entry = Losses("q", LOSSES)
    found = gaps(entry)
    psi = np.hstack(list(influences(entry, found, np.arange(5))))
    assert psi.mean(axis=1) == pytest.approx(np.zeros(5), abs=1e-12)
    second = np.mean(psi**2, axis=1)
    assert np.sqrt(second / 5000) == pytest.approx(found.std_error, rel=1e-12)
    _, covariances = statistics_of(LOSSES)
    assert covariances == pytest.approx(psi @ psi[np.argmin(found.s)] / 5000, rel=1e-11)


def test_duplicates_and_ties():
    doubled = np.vstack([LOSSES, LOSSES[2], LOSSES[0], LOSSES[2]])
    found, once = gaps_of(doubled), gaps_of(LOSSES)
    assert found.duplicates == ((6, 2), (7, 0), (8, 2))
    assert found.rivals.tolist() == once.rivals.tolist()
    assert np.array_equal(found.s, once.s)
    # The same numbers in another order have the same mean: a tie, and no repetition.
    tie = np.vstack([np.tile([0.0, 1.0], 20), np.tile([1.0, 0.0], 20), np.tile([2.0, 0.5], 20)])
    tied = gaps_of(tie)
    assert (tied.best, tied.duplicates, tied.delta[0]) == (0, (), 0.0)
    # A repetition of the best that comes first is the best.
    assert gaps_of(np.vstack([LOSSES[1], LOSSES[0], LOSSES[0]])).best == 1


@pytest.mark.parametrize("power", [-300, -40, 1, 60, 300])
def test_powers_of_two_change_nothing(power):
    """s, skewness and kurtosis have no unit. Far scales are near the limits of squares and fourth powers."""
    scale = 2.0**power
    if abs(power) > 100:  # sums of sixth powers leave the range of numbers
        scale = 2.0 ** (power // 10)
    found, base = gaps_of(scale * LOSSES), gaps_of(LOSSES)
    assert found.best == base.best
    assert np.array_equal(found.delta, scale * base.delta)
    for name in ("s", "skewness", "kurtosis"):
        assert getattr(found, name) == pytest.approx(getattr(base, name), rel=1e-13)
    statistics, expected = statistics_of(scale * LOSSES)[0], statistics_of(LOSSES)[0]
    for name in ("s", "std_error", "slope", "shift", "dof"):
        assert getattr(statistics, name) == pytest.approx(getattr(expected, name), rel=1e-12)


def test_a_constant_and_the_order_of_points_change_nothing():
    losses = np.round(LOSSES * 2**20) / 2**20
    expected = statistics_of(losses)[0]
    for same in (losses + 64.0, losses - 1000.0, losses + RNG.integers(-5, 5, 5000)):
        found = statistics_of(same)[0]
        assert found.s == pytest.approx(expected.s, rel=1e-12)
        assert found.std_error == pytest.approx(expected.std_error, rel=1e-12)
    found = statistics_of(losses[:, RNG.permutation(5000)])[0]
    assert found.s == pytest.approx(expected.s, rel=1e-12)
    assert found.shift == pytest.approx(expected.shift, rel=1e-10)
    assert statistics_of(np.vstack([losses[0], losses[1:] + 0.01]))[0].s != pytest.approx(expected.s, rel=1e-3)


def test_order_of_candidates_is_carried_along():
    order = RNG.permutation(6)
    found, base = gaps_of(LOSSES[order]), gaps_of(LOSSES)
    assert order[found.best] == base.best
    assert dict(zip(order[found.rivals].tolist(), found.s.tolist(), strict=True)) == dict(
        zip(base.rivals.tolist(), base.s.tolist(), strict=True)
    )


def test_means_that_agree_to_rounding():
    """The best is found from differences: means of losses near 1e13 have errors of the size of these gaps."""
    wrong = 0
    for step_sum in (1, 3, 5, 7):
        large = np.floor(2.0**44 * (1.0 + RNG.random(3001)))
        step = np.repeat([1.0, -1.0], [(3001 + step_sum) // 2, (3001 - step_sum) // 2])
        losses = np.vstack([large, large + RNG.permutation(step)])
        for rows in (losses, losses[::-1]):
            found = gaps_of(rows)
            assert np.array_equal(rows[found.best], large)
            assert found.delta[0] == pytest.approx(step_sum / 3001, rel=1e-13)
            wrong += found.mean_loss[found.best] >= np.max(found.mean_loss)
    assert wrong > 0  # the control: means alone would have failed


def test_mean_losses_over_several_blocks():
    wide = RNG.normal(size=(3, 200_003))
    assert mean_losses(Losses("q", wide)) == pytest.approx(wide.mean(axis=1), abs=1e-15)
    wide[1, 150_001] = np.nan
    with pytest.raises(InputError, match=r"losses\['q'\]\[1, 150001\] = nan"):
        mean_losses(Losses("q", wide))
