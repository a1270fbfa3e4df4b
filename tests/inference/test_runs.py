"""Means over runs against analysis of variance in closed form, coverage by simulation, refusals."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from qmis_stats import InputError
from qmis_stats.errors import DomainError, DomainWarning
from qmis_stats.inference import runs as module
from qmis_stats.inference.runs import run_means

TRUTH = np.array([1.0, 1.2, 0.7, 2.0])


def table(seed, runs=6, between=0.5, residual=0.2, scale=1.0):
    rng = np.random.default_rng(seed)
    shared = between * rng.normal(size=(runs, 1))
    return scale * (TRUTH + shared + residual * rng.normal(size=(runs, 4)))


def mean_squares(y):
    runs, quantizers = y.shape
    rest = y - y.mean(axis=1, keepdims=True) - y.mean(axis=0) + y.mean()
    return quantizers * np.var(y.mean(axis=1), ddof=1), np.sum(rest**2) / ((runs - 1) * (quantizers - 1))


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e5])
def test_mixed_model_is_analysis_of_variance_in_the_balanced_case(scale):
    y = table(1, scale=scale)
    found = run_means(y)
    between, within = mean_squares(y)
    run = (between - within) / 4
    assert not found.boundary
    assert found.method == "mixedlm"
    assert found.estimates == pytest.approx(y.mean(axis=0), rel=1e-9)
    assert found.run_effect_sd == pytest.approx(math.sqrt(run), rel=1e-5)
    assert found.residual_sd == pytest.approx(math.sqrt(within), rel=1e-5)
    assert found.between_run_sd == pytest.approx(np.full(4, math.sqrt(run + within)), rel=1e-5)
    assert found.covariance == pytest.approx((run * np.ones((4, 4)) + within * np.eye(4)) / 6, rel=1e-5)
    assert found.contrast_dof == 15.0
    assert found.dof == pytest.approx(5 * (between + 3 * within) ** 2 / (between**2 + 3 * within**2), rel=1e-4)


def test_boundary_is_the_pooled_variance():
    """Runs that differ less than chance: the closed restricted maximum is at zero, without a warning."""
    y = table(2, between=0.0)
    y -= 0.9 * (y.mean(axis=1, keepdims=True) - y.mean())
    between, within = mean_squares(y)
    assert between < within
    found = run_means(y)
    pooled = (between + 3 * within) / 4
    assert found.boundary
    assert found.run_effect_sd == 0.0
    assert found.residual_sd == pytest.approx(math.sqrt(pooled), rel=1e-12)
    assert found.covariance == pytest.approx(pooled * np.eye(4) / 6, rel=1e-12)
    assert found.dof == pytest.approx(20.0)
    assert "at its boundary" in str(found)


@pytest.mark.parametrize("between", [0.0, 0.05, 0.1])
def test_boundary_is_decided_as_in_the_closed_form(between):
    seen = set()
    for seed in range(30):
        y = table(100 + seed, runs=4, between=between)
        first, second = mean_squares(y)
        assert run_means(y).boundary == (first <= second)
        seen.add(first <= second)
    assert seen == {True, False}


def test_cluster_is_the_sample_covariance():
    y = table(3)
    found = run_means(y, method="cluster", names=list("abcd"))
    assert found.estimates == pytest.approx(y.mean(axis=0), rel=1e-12)
    assert found.covariance == pytest.approx(np.cov(y.T) / 6, rel=1e-9)
    assert (found.dof, found.contrast_dof) == (5.0, 5.0)
    assert found.between_run_sd == pytest.approx(np.std(y, axis=0, ddof=1), rel=1e-9)
    assert found.run_effect_sd is None
    half = student.ppf(0.95, 5) * np.std(y, axis=0, ddof=1) / math.sqrt(6)
    assert found.conf_int(0.9) == pytest.approx(np.column_stack((y.mean(0) - half, y.mean(0) + half)), rel=1e-9)
    assert list(found.to_frame()["quantizer"]) == ["a", "b", "c", "d"]
    assert run_means(y[:, :1], method="cluster").covariance.shape == (1, 1)


def test_evaluation_part_is_taken_out_of_the_spread():
    y, within = table(4), np.full((6, 4), 0.1)
    plain, split = run_means(y, method="cluster"), run_means(y, method="cluster", std_errors=within)
    assert split.between_run_sd**2 + 0.01 == pytest.approx(plain.between_run_sd**2)
    assert split.within_run_sd == pytest.approx(np.full(4, 0.1))
    assert np.array_equal(split.covariance, plain.covariance)
    assert np.all(run_means(y, std_errors=10.0 * np.ones((6, 4))).between_run_sd == 0.0)
    assert "eval. sd" in split.summary()
    assert list(split.to_frame().columns)[-1] == "within_run_sd"
    assert max(map(len, split.summary().splitlines())) <= 80


def long_frame(y, within=None):
    rows, columns = np.indices(y.shape)
    frame = pd.DataFrame(
        {"run": rows.ravel(), "quantizer": np.array(list("dbca"))[columns.ravel()], "value": y.ravel()}
    )
    return frame if within is None else frame.assign(std_error=within.ravel())


def test_a_frame_is_its_array():
    y = table(5)
    found, other = run_means(long_frame(y, np.full((6, 4), 0.1))), run_means(y, std_errors=np.full((6, 4), 0.1))
    assert found.names == ("d", "b", "c", "a")
    assert np.array_equal(found.estimates, other.estimates)
    assert np.array_equal(found.covariance, other.covariance)
    assert np.array_equal(found.within_run_sd, other.within_run_sd)
    shuffled = run_means(long_frame(y).sample(frac=1.0, random_state=1))
    order = [shuffled.names.index(name) for name in found.names]
    assert shuffled.estimates[order] == pytest.approx(found.estimates, rel=1e-9)


def restricted_likelihood(y, run, residual):
    """Minus twice the restricted log likelihood by dense linear algebra, with means and their covariance."""
    rows, columns = np.nonzero(~np.isnan(y))
    value, design = y[rows, columns], np.eye(y.shape[1])[columns]
    weight = np.linalg.inv(run * (rows[:, None] == rows) + residual * np.eye(rows.size))
    information = design.T @ weight @ design
    means = np.linalg.solve(information, design.T @ weight @ value)
    rest = value - design @ means
    deviance = rest @ weight @ rest - np.linalg.slogdet(weight)[1] + np.linalg.slogdet(information)[1]
    return deviance, means, np.linalg.inv(information)


def test_missing_cells_maximise_the_restricted_likelihood():
    y = table(6, runs=8)
    y[0, 0] = y[3, 2] = y[3, 1] = y[7, 3] = np.nan
    found = run_means(y)
    run, residual = found.run_effect_sd**2, found.residual_sd**2
    best, means, covariance = restricted_likelihood(y, run, residual)
    assert found.estimates == pytest.approx(means, rel=1e-6)
    # statsmodels inverts the observed information of means and variances together: equal to first order.
    assert found.covariance == pytest.approx(covariance, rel=1e-3)
    for a, b in ((1.02, 1.0), (0.98, 1.0), (1.0, 1.02), (1.0, 0.98)):
        assert restricted_likelihood(y, a * run, b * residual)[0] > best
    assert (found.dof, found.contrast_dof) == (7.0, 28.0 - 8.0 - 4.0 + 1.0)
    for frame in (long_frame(y), long_frame(y).dropna()):
        other = run_means(frame)
        order = [other.names.index(name) for name in "dbca"]
        assert other.estimates[order] == pytest.approx(found.estimates, rel=1e-6)
    naive = np.nanmean(y, axis=0)
    assert np.max(np.abs(naive - found.estimates)) > 1e-3  # the runs' effects are seen


def test_boundary_with_missing_cells():
    """Where the score at zero is negative the likelihood falls from there."""
    decided = set()
    for seed in range(20):
        y = table(300 + seed, runs=5, between=0.05)
        y[0, 0] = y[2, 3] = np.nan
        found = run_means(y)
        decided.add(found.boundary)
        residual = found.residual_sd**2
        step = restricted_likelihood(y, 1e-4 * residual, residual)[0] - restricted_likelihood(y, 0.0, residual)[0]
        assert (step > 0.0) == found.boundary
    assert decided == {True, False}


@pytest.mark.statistical
@pytest.mark.parametrize(("method", "runs"), [("mixedlm", 5), ("cluster", 3), ("cluster", 6)])
def test_coverage(method, runs):
    """Means and a difference at 95 %; counting cells as independent is far off.

    Satterthwaite's law is within one per cent with five runs.
    """
    hits = contrast = independent = 0
    trials = 300
    for seed in range(trials):
        y = table(1000 + seed, runs=runs, between=0.3)
        found = run_means(y, method=method)
        low, high = found.conf_int()[1]
        hits += low <= TRUTH[1] <= high
        difference = np.array([1.0, -1.0, 0.0, 0.0])
        error = math.sqrt(difference @ found.covariance @ difference)
        limit = student.ppf(0.975, found.contrast_dof)
        contrast += abs(difference @ (found.estimates - TRUTH)) <= limit * error
        # The error when every cell counts as independent and the grand mean is wanted.
        pooled = math.sqrt(np.mean(np.var(y, axis=0, ddof=1)) / y.size)
        independent += abs(np.mean(y) - TRUTH.mean()) <= student.ppf(0.975, y.size - 4) * pooled
    assert binomtest(hits, trials, 0.95).pvalue > 1e-9
    assert binomtest(contrast, trials, 0.95).pvalue > 1e-9
    assert binomtest(independent, trials, 0.95).pvalue < 1e-9


def test_no_convergence_is_announced(monkeypatch):
    monkeypatch.setattr(module, "_reml", lambda *_: None)
    y = table(7)
    with pytest.warns(DomainWarning, match="did not converge") as caught:
        found = run_means(y)
    assert len(caught) == 1
    assert found.method == "cluster"
    assert found.covariance == pytest.approx(run_means(y, method="cluster").covariance)
    y[0, 0] = np.nan
    with pytest.raises(DomainError, match="did not converge"):
        run_means(y)


def test_a_solver_that_returns_nan_or_stops_is_not_believed(monkeypatch):
    from statsmodels.regression.mixed_linear_model import MixedLM

    class Stopped:
        converged, cov_re, scale, fe_params = False, np.ones((1, 1)), 1.0, np.zeros(4)

        @staticmethod
        def cov_params():
            return np.eye(5)

    monkeypatch.setattr(MixedLM, "fit", lambda *_, **__: Stopped)
    with pytest.warns(DomainWarning):
        run_means(table(8))
    Stopped.converged, Stopped.scale = True, math.nan
    with pytest.warns(DomainWarning):
        run_means(table(8))


Y = table(9)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"values": Y, "method": "anova"}, "method"),
        ({"values": Y[:2]}, "values"),
        ({"values": Y[:, 0]}, "values"),
        ({"values": Y[:, :1]}, "values"),
        ({"values": "table"}, "values"),
        ({"values": np.where(Y > 1.5, np.inf, Y)}, "values"),
        ({"values": np.tile(TRUTH, (6, 1))}, "values"),
        ({"values": TRUTH + np.arange(6.0)[:, None]}, "values"),
        ({"values": np.where(np.arange(4) == 2, np.nan, Y)}, "values"),
        ({"values": np.where(np.eye(6, 4) > 0, np.nan, Y), "method": "cluster"}, "values"),
        ({"values": Y, "names": ["a"]}, "names"),
        ({"values": Y, "names": list("abca")}, "names"),
        ({"values": Y, "std_errors": np.ones((6, 3))}, "std_errors"),
        ({"values": Y, "std_errors": -np.ones((6, 4))}, "std_errors"),
        ({"values": Y, "std_errors": np.full((6, 4), np.nan)}, "std_errors"),
        ({"values": long_frame(Y), "names": list("abcd")}, "names"),
        ({"values": long_frame(Y).drop(columns="run")}, "values"),
        ({"values": long_frame(Y).iloc[:0]}, "values"),
        ({"values": pd.concat([long_frame(Y), long_frame(Y).iloc[:1]])}, "values"),
        ({"values": long_frame(Y).assign(run=np.nan)}, "values"),
        ({"values": long_frame(Y).assign(value="x")}, "value"),
        ({"values": [[1.0, np.nan], [np.nan, 2.0], [1.5, np.nan], [np.nan, 2.5]]}, "values"),
    ],
)
def test_bad_input(options, field):
    with pytest.raises(InputError) as caught:
        run_means(**options)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)


def test_bad_level():
    with pytest.raises(InputError):
        run_means(Y).conf_int(1.0)
