"""Losses, faces with a covariance, and exact exponents give the rates that Proposition S13e relates."""

import math
from dataclasses import replace

import numpy as np
import pytest
from agreement import SETTINGS, SPACE, grid, sampled, slope_of, weights
from scipy.stats import binom

from qmis_stats import CodebookERM, Problem
from qmis_stats.inference.indicator import indicator
from qmis_stats.inference.rates import slope_test
from qmis_stats.quantizers import ptq_indicator, quantizer

pytestmark = pytest.mark.grid(4)

SAMPLES, POINTS = 100, 2000
Z = 8.0  # Student's law with 99 degrees of freedom: 2e-12 a test
NAMES = [setting.name for setting in SETTINGS]


def of(relation):
    chosen = [setting for setting in SETTINGS if setting.relation == relation]
    return pytest.mark.parametrize("setting", chosen, ids=[setting.name for setting in chosen])


def distance(indicators, rate):
    """Return how many standard errors the mean of √(2r̂) is from √(2r)."""
    values = np.sqrt(2.0 * indicators) - math.sqrt(2.0 * rate)
    return values.mean() / (values.std(ddof=1) / math.sqrt(values.size))


@of("equal")
def test_three_equal_rates(setting):
    np.testing.assert_allclose([setting.analytic_rate, setting.exponent], setting.rate, rtol=1e-9)


@of("line")
def test_least_squares_on_a_line(setting):
    r, a = setting.rate, setting.analytic_rate
    assert r == pytest.approx(a / (1.0 + 4.0 * a), rel=1e-9)
    assert setting.exponent == pytest.approx(0.5 * math.log1p(2.0 * a), rel=1e-9)
    assert r < setting.exponent < a


@of("below")
def test_least_squares_over_a_codebook(setting):
    r, a = setting.rate, setting.analytic_rate
    assert setting.exponent == pytest.approx(0.5 * math.log((1.0 - 2.0 * r) / (1.0 - 4.0 * r)), rel=1e-9)
    assert r < a / (1.0 + 4.0 * a)


def test_levels_that_are_not_nearest():
    far, near = (s for s in SETTINGS if s.relation == "apart" and "Gaussian" in s.name)
    for setting, midpoint in ((far, 1.0), (near, 0.35)):
        assert setting.rate == pytest.approx(0.5 * (midpoint - 0.3) ** 2)
        assert setting.exponent == pytest.approx(0.5 * (0.5 - 0.3) ** 2)
        assert setting.analytic_rate == pytest.approx(setting.exponent)


def test_signs_of_least_squares():
    plain, twins = (s for s in SETTINGS if s.procedure is None)
    # Coordinate 0 is 0.4 from its threshold; the codeword (1, 1, -1) errs by 0.1 in the two others.
    q = 0.4**2 / (0.8**2 + 0.1**2 + 0.1**2)
    assert plain.rate == pytest.approx(q / (2.0 + 4.0 * q), rel=1e-9)
    assert plain.rate < plain.exponent < plain.analytic_rate
    inflation = 1.0 / (1.0 - 0.8**2)
    assert twins.analytic_rate == pytest.approx(0.4**2 / (2.0 * 0.8**2 * inflation), rel=1e-9)
    assert twins.rate > twins.analytic_rate > twins.exponent
    for setting in (plain, twins):
        assert setting.exponent == pytest.approx(0.5 * math.log1p(2.0 * setting.analytic_rate), rel=1e-9)


def test_a_scale_that_moves():
    """Codewords of one scale do not see that a mean magnitude moves with the weights."""
    w, v = SPACE.mean, SPACE.covariance
    losses = Problem(SPACE, CodebookERM(np.mean(np.abs(w)) * grid(-1.0, 0.0, 1.0, dimension=3))).indicator
    faces = quantizer("ternary-absmean").faces(w)
    frozen = replace(faces, slope=np.zeros(len(faces)))
    assert losses == pytest.approx(np.min(frozen.margins**2 / (2.0 * frozen.variances(v))), rel=1e-9)
    assert losses < 0.95 * ptq_indicator(quantizer("ternary-absmean"), w, v).indicator


def test_an_identity_of_every_sample():
    """Squared loss: r̂ of nearest codewords is the analytic indicator at the sample's mean and covariance."""
    z = (
        np.random.default_rng(3).standard_t(3, size=(500, 3)) @ [[1.0, 0.2, 0.0], [0.0, 1.0, 0.4], [0.3, 0.0, 0.5]]
        + 0.2
    )
    losses = ((z[None, :, :] - grid(-1.0, 1.0, dimension=3)[:, None, :]) ** 2).sum(axis=2)
    analytic = weights("sign")(z.mean(axis=0), np.cov(z, rowvar=False))
    assert indicator(losses).indicator == pytest.approx(analytic, rel=1e-9)


@pytest.mark.statistical
@pytest.mark.parametrize("place", range(len(SETTINGS)), ids=NAMES)
def test_samples_agree(place):
    setting = SETTINGS[place]
    found = sampled(setting, SAMPLES, POINTS, place)
    assert abs(distance(found.indicators, setting.rate)) < Z
    assert abs(distance(found.analytic, setting.analytic_rate)) < Z
    assert binom.cdf(found.covered.sum(), SAMPLES, 0.95) > 1e-9


@pytest.mark.statistical
def test_a_wrong_covariance_does_not():
    setting = SETTINGS[NAMES.index("Gaussian mean, d = 3, sign")]
    wrong = setting.analytic(setting.law.mean, np.eye(3))
    found = sampled(setting, SAMPLES, POINTS, NAMES.index(setting.name))
    assert abs(distance(found.indicators, wrong)) > Z
    assert abs(distance(found.analytic, wrong)) > Z


@pytest.mark.statistical
@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_slopes_are_exponents(setting):
    found = slope_of(setting)
    if found.interval is None:
        assert found.value == pytest.approx(setting.exponent, rel=1e-3)
    else:
        assert slope_test(found.fit, setting.exponent)[1] > 1e-9


@pytest.mark.statistical
def test_a_slope_is_not_the_indicator():
    setting = SETTINGS[NAMES.index("regression, d = 1, codebook of 4")]
    assert slope_test(slope_of(setting).fit, setting.rate)[1] < 1e-9
