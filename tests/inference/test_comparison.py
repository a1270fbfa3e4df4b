"""Equal exponents: Wald and Welch against other code, levels by simulation, Holm by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest, chi2, norm
from statsmodels.stats.oneway import anova_generic

from qmis_stats import InputError
from qmis_stats.inference.comparison import compare_exponents
from qmis_stats.inference.rates import fit_exponent

N = np.array([50.0, 100.0, 180.0, 300.0])


def known(rate, error=0.01, noise=None):
    noise = np.zeros(4) if noise is None else noise
    return fit_exponent(N, 1.0 - rate * N - 0.5 * np.log(N) + error * noise, np.full(4, error))


def estimated(rng, rate, scale, dof=12):
    rows = scale * rng.normal(size=(dof, 4))
    y = 1.0 - rate * N - 0.5 * np.log(N) + scale * rng.normal(size=4)
    return fit_exponent(N, y, covariance=rows.T @ rows / dof, dof=dof)


def test_known_covariances_give_walds_chi_square():
    fits = [known(0.1), known(0.1001, 0.02), known(0.0999, 0.03)]
    found = compare_exponents(fits, ["a", "b", "c"])
    slopes = np.array([f.params[1] for f in fits])
    contrast = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]])
    covariance = contrast @ np.diag([f.bse[1] ** 2 for f in fits]) @ contrast.T
    wald = (contrast @ slopes) @ np.linalg.solve(covariance, contrast @ slopes)
    assert found.statistic == pytest.approx(wald, rel=1e-9)
    assert found.pvalue == pytest.approx(chi2.sf(wald, 2), rel=1e-9)
    assert np.isinf(found.df_denom)
    assert found.test == "chi2(2)"
    z = found.differences / found.difference_errors
    assert found.pvalues == pytest.approx(2.0 * norm.sf(np.abs(z)), rel=1e-9)


def test_estimated_covariances_give_welchs_f():
    rng = np.random.default_rng(1)
    fits = [estimated(rng, 0.1, scale) for scale in (0.01, 0.03, 0.02)]
    found = compare_exponents(fits)
    size = found.dofs + 1.0
    other = anova_generic(found.exponents, found.std_errors**2 * size, size, use_var="unequal")
    assert found.statistic == pytest.approx(other.statistic, rel=1e-9)
    assert (found.df_num, found.df_denom) == pytest.approx((other.df_num, other.df_denom), rel=1e-9)
    assert found.pvalue == pytest.approx(other.pvalue, rel=1e-9)
    assert found.names == ("fit 1", "fit 2", "fit 3")
    assert found.test.startswith("F(2, ")


def test_two_fits_joint_and_pair_agree():
    rng = np.random.default_rng(2)
    found = compare_exponents([estimated(rng, 0.1, 0.01), estimated(rng, 0.1, 0.05)])
    assert found.pvalue == pytest.approx(found.pvalues[0], rel=1e-9)
    assert found.holm_pvalues[0] == found.pvalues[0]


def test_one_known_and_one_estimated():
    rng = np.random.default_rng(3)
    found = compare_exponents([known(0.1), estimated(rng, 0.1, 0.05)])
    assert 10.0 < found.df_denom < 20.0
    assert np.isinf(found.dofs[0])
    assert found.pvalue == pytest.approx(found.pvalues[0], rel=1e-9)


def test_holm_by_hand():
    found = compare_exponents([known(rate) for rate in (0.1, 0.10015, 0.1005)])
    order = np.argsort(found.pvalues)
    by_hand = np.maximum.accumulate(found.pvalues[order] * [3, 2, 1])
    assert found.holm_pvalues[order] == pytest.approx(np.minimum(by_hand, 1.0), rel=1e-12)


@pytest.mark.statistical
def test_level_and_control():
    """At 5 % Welch's test rejects 5 % of equal exponents; the χ² test with the same numbers rejects many more."""
    rng = np.random.default_rng(4)
    hits = naive = 0
    for _ in range(600):
        found = compare_exponents([estimated(rng, 0.1, scale, dof=6) for scale in (0.01, 0.03, 0.02, 0.02)])
        hits += found.pvalue < 0.05
        w = found.std_errors**-2.0
        naive += chi2.sf(np.sum(w * (found.exponents - np.sum(w * found.exponents) / w.sum()) ** 2), 3) < 0.05
    assert binomtest(hits, 600, 0.05).pvalue > 1e-9
    assert binomtest(naive, 600, 0.05).pvalue < 1e-9


def test_different_exponents_are_found():
    found = compare_exponents([known(0.1), known(0.1), known(0.102)], ["a", "b", "c"])
    assert found.pvalue < 1e-9
    assert list(found.holm_pvalues < 1e-6) == [False, True, True]
    frame = found.to_frame()
    assert list(frame["first"]) == ["a", "a", "b"]
    assert list(frame["second"]) == ["b", "c", "c"]
    assert "H0: all exponents equal" in str(found)
    assert max(map(len, found.summary().splitlines())) <= 80


@pytest.mark.parametrize(
    ("count", "names", "field"), [(1, None, "fits"), (2, ["a"], "names"), (2, ["a", "a"], "names")]
)
def test_bad_input(count, names, field):
    with pytest.raises(InputError) as caught:
        compare_exponents([known(0.1)] * count, names)
    assert caught.value.field == field
