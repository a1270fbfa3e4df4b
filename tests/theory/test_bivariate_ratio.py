"""The likelihood ratio of two normal laws against high precision, draws and limits."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from scipy.stats import rankdata

from qmis_stats.theory import BivariateRatio

pytestmark = pytest.mark.grid(2)


def distance(gain: float, loss: float, shift: float = 0.0) -> mpmath.mpf:
    """P(L > shift) with the second law less that with the first, each from its own integral over an angle."""
    with mpmath.workdps(40):
        g, s = mpmath.mpf(gain), mpmath.mpf(loss)
        level = shift + mpmath.log((1 + g) * (1 - s)) / 2

        def above(high: mpmath.mpf, low: mpmath.mpf) -> mpmath.mpf:
            first, second = (high, low) if level >= 0 else (low, high)
            arc = mpmath.atan(mpmath.sqrt(first / second))

            def tail(x: mpmath.mpf) -> mpmath.mpf:
                form = (first + second) * mpmath.sin(x) * mpmath.sin(2 * arc - x)
                return mpmath.exp(-abs(level) / form)

            # The layer at the arc's end is as wide as the level is small.
            ends = [0, *(arc * mpmath.mpf(10) ** -k for k in range(18, 0, -1)), arc]
            share = 2 / mpmath.pi * mpmath.quad(tail, ends)
            return share if level >= 0 else 1 - share

        return above(g, s) - above(g / (1 + g), s / (1 - s))


@pytest.mark.parametrize(
    ("gain", "loss"), [(0.3, 0.2), (0.31, 0.81), (3.0, 0.01), (1e-3, 1e-3), (1e-6, 1.1e-6), (1e-9, 1e-9), (40.0, 0.999)]
)
def test_total_variation_to_twelve_digits(gain, loss):
    found = BivariateRatio(gain, loss).total_variation
    assert abs(found / distance(gain, loss) - 1) < 1e-12
    # A threshold other than one separates less.
    assert found > float(distance(gain, loss, 0.1 * math.sqrt(gain * loss)))


def test_small_changes_have_the_arctangent():
    for rate in (1e-2, 1e-6, 1e-12, 1e-60):
        root = math.sqrt(rate)
        ratio = BivariateRatio(root - 0.5 * rate, root + 0.5 * rate)
        assert ratio.total_variation == pytest.approx(
            2.0 / math.pi * math.atan(0.5 * root), rel=rate * (3.0 - math.log(rate)) + 1e-12
        )
        # A quarter of the mean difference of two log ratios; squares of two normals make an exponential variable.
        assert ratio.auc - 0.5 == pytest.approx(0.25 * root, rel=root, abs=1e-15)


@pytest.mark.statistical
@pytest.mark.parametrize(("gain", "loss"), [(0.3, 0.2), (0.31, 0.81), (2.0, 0.05)])
def test_rates_and_area_against_draws(gain, loss):
    ratio, count = BivariateRatio(gain, loss), 400_000
    z = np.random.default_rng(1).normal(size=(2, count, 2)) ** 2
    outside, inside = (
        ratio.constant + 0.5 * (a * x[:, 0] - b * x[:, 1])
        for x, a, b in ((z[0], gain / (1 + gain), loss / (1 - loss)), (z[1], gain, loss))
    )
    for cut in (-1.0, -0.05, 0.0, 0.05, 0.4):
        for rate, scores in ((ratio.false_positive_rate(cut), outside), (ratio.true_positive_rate(cut), inside)):
            p = float(rate)
            assert abs(np.mean(scores > cut) - p) < 6.0 * math.sqrt(p * (1.0 - p) / count)
    ranks = rankdata(np.concatenate([inside, outside]))[:count]
    area = (ranks.sum() - count * (count + 1) / 2) / count**2
    error = math.sqrt(1.0 / (6.0 * count))
    assert abs(area - ratio.auc) < 6.0 * error
    assert abs(area - BivariateRatio(1.5 * gain, loss).auc) > 6.0 * error


def test_thresholds_invert_rates():
    ratio = BivariateRatio(0.31, 0.81)
    for rate in (1e-8, 1e-4, 0.1, 0.5, 0.9, 0.999):
        assert float(ratio.false_positive_rate(ratio.threshold(rate))) == pytest.approx(rate, rel=1e-10)
    roc = ratio.roc()
    assert np.trapezoid(roc.tpr, roc.fpr) == pytest.approx(ratio.auc, abs=1e-4)


def test_the_curve_is_that_of_likelihood_ratios():
    """Its slope at the threshold t is e^t."""
    ratio = BivariateRatio(0.5, 0.4)
    for t in (-0.4, 0.1, 0.6):
        step = 1e-4
        (f1, f2), (t1, t2) = (rate(np.array([t - step, t + step])) for rate in _rates(ratio))
        assert (t1 - t2) / (f1 - f2) == pytest.approx(math.exp(t), rel=1e-6)


def _rates(ratio):
    return ratio.false_positive_rate, ratio.true_positive_rate
