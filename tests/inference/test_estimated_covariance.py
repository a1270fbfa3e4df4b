"""Fits with a covariance estimated by the simulation: closed forms by linear algebra, exact laws by Wishart draws."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, chi2, kstest, norm
from scipy.stats import f as f_law
from scipy.stats import t as student

from qmis_stats import InputError
from qmis_stats.inference.rates import (
    fit_dof,
    fit_exponent,
    fit_power,
    lack_of_fit,
    slope_interval,
    slope_test,
    wald_test,
)

N = np.array([50.0, 80.0, 120.0, 180.0, 260.0, 400.0])
DESIGN = np.column_stack([np.ones(6), N, 1.0 / N])
TRUTH = np.array([0.7, -0.1, 3.0])
ROOT = 0.02 * (0.8 + np.tril(np.random.default_rng(5).normal(size=(6, 6))) + np.eye(6))
OMEGA = ROOT @ ROOT.T
DOF = 12


def draw(rng):
    """Estimates with covariance OMEGA and an independent estimate of it with DOF degrees of freedom."""
    rows = rng.normal(size=(DOF, 6)) @ ROOT.T
    return DESIGN @ TRUTH - 0.5 * np.log(N) + ROOT @ rng.normal(size=6), rows.T @ rows / DOF


def closed_form(y, covariance):
    weight = np.linalg.inv(covariance)
    normal = np.linalg.inv(DESIGN.T @ weight @ DESIGN)
    response = y + 0.5 * np.log(N)
    beta = normal @ DESIGN.T @ weight @ response
    rest = response - DESIGN @ beta
    return beta, normal, rest @ weight @ rest


def test_closed_form():
    """Estimates, standard errors, intervals and p-values by numpy.linalg and the laws of Student and Fisher."""
    y, covariance = draw(np.random.default_rng(1))
    fit = fit_exponent(N, y, covariance=covariance, dof=DOF)
    beta, normal, squares = closed_form(y, covariance)
    scaled = normal * (DOF + squares) / (DOF - 3)
    assert np.asarray(fit.params) == pytest.approx(beta, rel=1e-8)
    assert np.asarray(fit.cov_params()) == pytest.approx(scaled, rel=1e-7)
    assert fit_dof(fit) == DOF - 3
    t = (beta[1] + 0.11) / math.sqrt(scaled[1, 1])
    assert slope_test(fit, 0.11) == pytest.approx((t, 2.0 * student.sf(abs(t), DOF - 3)), rel=1e-6)
    half = student.ppf(0.975, DOF - 3) * math.sqrt(scaled[1, 1])
    assert slope_interval(fit) == pytest.approx((beta[1] - half, beta[1] + half), rel=1e-8)
    found = lack_of_fit(fit)
    statistic = squares * (DOF - 2) / (DOF * 3)
    assert found == pytest.approx((statistic, 3, f_law.sf(statistic, 3, DOF - 2), DOF - 2), rel=1e-7)


@pytest.mark.parametrize("dof", [None, DOF])
def test_wald_of_several_parameters(dof):
    y, covariance = draw(np.random.default_rng(2))
    fit = fit_exponent(N, y, covariance=covariance, dof=dof)
    found = wald_test(fit, {"n": -0.1, "const": 0.7})
    beta, normal, squares = closed_form(y, covariance)
    off = beta[[1, 0]] - np.array([-0.1, 0.7])
    wald = off @ np.linalg.solve(normal[np.ix_([1, 0], [1, 0])], off)
    if dof is None:
        assert found.statistic == pytest.approx(wald, rel=1e-7)
        assert found.pvalue == pytest.approx(chi2.sf(wald, 2), rel=1e-6)
    else:
        t_squared = wald * (dof - 3) / (dof + squares)
        assert found.fvalue == pytest.approx(t_squared * (dof - 4) / (2 * (dof - 3)), rel=1e-7)
        assert (found.df_num, found.df_denom) == (2, dof - 4)
        assert found.pvalue == pytest.approx(f_law.sf(found.fvalue, 2, dof - 4), rel=1e-9)
    same = wald_test(fit, ([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [-0.1, 0.7]))
    assert same.pvalue == pytest.approx(found.pvalue, rel=1e-9)
    one = wald_test(fit, {"n": -0.1})
    assert one.pvalue == pytest.approx(slope_test(fit, 0.1)[1], rel=1e-7)


@pytest.fixture(scope="module")
def p_values():
    """P-values of true hypotheses over 700 data sets, exact laws and the ones that take the covariance as known."""
    rng = np.random.default_rng(3)
    found = {"slope": [], "joint": [], "form": [], "naive slope": [], "naive joint": [], "naive form": []}
    for _ in range(700):
        y, covariance = draw(rng)
        for prefix, dof in (("", DOF), ("naive ", None)):
            fit = fit_exponent(N, y, covariance=covariance, dof=dof)
            found[f"{prefix}slope"].append(slope_test(fit, 0.1)[1])
            found[f"{prefix}joint"].append(float(wald_test(fit, {"const": 0.7, "n": -0.1, "1/n": 3.0}).pvalue))
            found[f"{prefix}form"].append(lack_of_fit(fit).pvalue)
    return found


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["slope", "joint", "form"])
def test_laws_are_exact_for_normal_errors(p_values, name):
    """12 degrees of freedom for a (6, 6) covariance: p-values uniform, by Kolmogorov's and by the binomial test."""
    assert kstest(p_values[name], "uniform").pvalue > 1e-9
    for level in (0.05, 0.01):
        hits = sum(p < level for p in p_values[name])
        assert binomtest(hits, 700, level).pvalue > 1e-9
    # The same tests see that taking the covariance as known is wrong.
    naive = p_values[f"naive {name}"]
    assert kstest(naive, "uniform").pvalue < 1e-9
    assert binomtest(sum(p < 0.05 for p in naive), 700, 0.05).pvalue < 1e-9


def test_many_degrees_of_freedom_are_a_known_covariance():
    y, covariance = draw(np.random.default_rng(4))
    known, nearly = (fit_exponent(N, y, covariance=covariance, dof=dof) for dof in (None, 10**7))
    assert slope_test(known, 0.1) == pytest.approx(slope_test(nearly, 0.1), rel=1e-4)
    assert slope_test(known, 0.1)[1] == pytest.approx(2 * norm.sf(abs(slope_test(known, 0.1)[0])), rel=1e-9)
    assert lack_of_fit(known).pvalue == pytest.approx(lack_of_fit(nearly).pvalue, rel=1e-4)


def test_no_residual_degrees_of_freedom():
    """As many points as parameters: Student's law keeps all degrees of freedom of the covariance."""
    y, covariance = draw(np.random.default_rng(6))
    fit = fit_exponent(N[:3], y[:3], covariance=covariance[:3, :3], dof=DOF)
    assert fit_dof(fit) == DOF
    assert lack_of_fit(fit).pvalue == 1.0
    errors = np.sqrt(np.diag(np.linalg.inv(DESIGN[:3].T @ np.linalg.inv(covariance[:3, :3]) @ DESIGN[:3])))
    assert np.asarray(fit.bse) == pytest.approx(errors, rel=1e-6)


def test_second_correction_and_power():
    y = 1.0 - 0.1 * N + 2.0 / N - 30.0 / N**2 - 0.5 * np.log(N)
    fit = fit_exponent(N, y, covariance=1e-8 * np.eye(6), dof=31, correction=2)
    assert np.asarray(fit.params) == pytest.approx([1.0, -0.1, 2.0, -30.0], rel=1e-6)
    assert fit.model.exog_names == ["const", "n", "1/n", "1/n^2"]
    assert lack_of_fit(fit_exponent(N, y, covariance=1e-8 * np.eye(6), dof=31)).pvalue < 1e-9
    power = fit_power(N, 0.3 - 0.5 * np.log(N), covariance=1e-4 * np.eye(6), dof=31)
    assert fit_dof(power) == 28.0


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"covariance": np.eye(6), "dof": 5}, "dof"),
        ({"std_error": np.ones(6), "dof": 31}, "dof"),
        ({"covariance": np.eye(6) + np.eye(6, k=1), "dof": 31}, "covariance"),
        ({"covariance": np.ones((6, 6)), "dof": 31}, "covariance"),
        ({"covariance": np.eye(6), "correction": 3}, "correction"),
    ],
)
def test_bad_input(options, field):
    with pytest.raises(InputError) as caught:
        fit_exponent(N, -N, **options)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "hypothesis",
    [
        {"slope": 0.1},
        {},
        ([[0.0, 1.0]], [0.1]),
        ([[0.0, 1.0, 0.0], [0.0, 2.0, 0.0]], [0.1, 0.2]),
        ([[0.0, 1.0, 0.0]], [0.1, 0.2]),
    ],
)
def test_bad_hypotheses(hypothesis):
    fit = fit_exponent(N, -N, covariance=np.eye(6), dof=31)
    with pytest.raises(InputError) as caught:
        wald_test(fit, hypothesis)
    assert caught.value.field == "hypothesis"


def test_too_many_hypotheses_for_the_degrees_of_freedom():
    fit = fit_exponent(N, -N, covariance=np.eye(6), dof=6)
    assert fit_dof(fit) == 3.0
    assert wald_test(fit, {"const": 0.0, "n": -1.0, "1/n": 0.0}).df_denom == 1
    fit = fit_exponent(N[:5], -N[:5], covariance=np.eye(5), dof=5, correction=1)
    fit._results.df_resid_inference = 2
    with pytest.raises(InputError):
        wald_test(fit, {"const": 0.0, "n": -1.0, "1/n": 0.0})
