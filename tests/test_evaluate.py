"""The public verb and the result type."""

import json
import math
import warnings

import numpy as np
import pytest

import qmis_kernels
from qmis_stats import (
    METHODS,
    BackendUnavailableError,
    CodebookERM,
    DomainError,
    DomainWarning,
    FiniteLaw,
    GaussianMean,
    InputError,
    LinearRegression,
    LossTable,
    MISResult,
    Problem,
    ReleasedHistogram,
    Sign,
    ThresholdPTQ,
    mis,
)

LINE = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (LINE, "exact"),
        (Problem(FiniteLaw(["1/2", "1/2"]), LossTable([[0, 1], [1, 0]])), "exact"),
        (Problem(FiniteLaw(["1/2", "1/2"]), ReleasedHistogram()), "exact"),
        (Problem(GaussianMean(np.zeros(40), np.eye(40)), ThresholdPTQ(Sign())), "likelihood_ratio"),
        (Problem(GaussianMean([0, 0], np.eye(2)), CodebookERM([[0, 0], [0.4, 0], [0, 0.4]])), "tilted"),
        (Problem(LinearRegression(np.zeros(200), np.eye(200), 1.0), ThresholdPTQ(Sign())), "critical"),
    ],
)
def test_auto_takes_the_first_method_in_reach(problem, expected):
    assert mis(problem, 20, replicates=2000).method == expected


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_or_refuses_in_one_line(method):
    if method in ("likelihood_ratio", "high_dimension", "mixed", "proportional"):
        with pytest.raises(DomainError) as caught:
            mis(LINE, 40, method)
        assert "\n" not in str(caught.value)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        result = mis(LINE, 40, method, replicates=2000)
    assert json.dumps(result.to_dict(), allow_nan=False)
    assert result.n == 40


def test_auto_prefers_a_result_inside_its_domain():
    """Three coordinates are too few for the high-dimensional form: the critical form is inside its domain."""
    p = Problem(LinearRegression([0.1, -0.2, 0.0], np.eye(3), 1.0), ThresholdPTQ(Sign()))
    assert mis(p, 100).method == "critical"
    assert mis(p, 100).in_domain
    # The likelihood ratio of a regression costs more than the others together: it is computed for those who ask.
    assert mis(p, 100, "likelihood_ratio", replicates=2000).in_domain


def test_a_backend_that_cannot_run_is_refused_whatever_the_method(monkeypatch):
    def no_gpu(name):
        raise qmis_kernels.BackendUnavailable(f"backend {name!r}: no GPU")

    monkeypatch.setattr(qmis_kernels, "backend", no_gpu)
    with pytest.raises(BackendUnavailableError, match="cupy"):
        mis(LINE, 10, "exact", backend="cupy")
    with pytest.raises(InputError, match="backend"):
        mis(LINE, 10, "exact", backend="fpga")


def test_a_misspelt_method():
    with pytest.raises(InputError, match=r"^method = 'exct': must be one of auto, .*; did you mean exact\?$"):
        mis(LINE, 20, "exct")


def test_things_that_are_not_problems():
    for build, field in (
        (lambda: mis(None, 5), "problem"),
        (lambda: Problem(LINE.law, None), "procedure"),
        (lambda: Problem(None, LINE.procedure), "law"),
    ):
        with pytest.raises(InputError) as caught:
            build()
        assert caught.value.field == field


def test_outside_the_domain_warns():
    with pytest.warns(DomainWarning, match="critical"):
        result = mis(Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [2.0]])), 100, "critical")
    assert not result.in_domain


def test_bad_arguments():
    for arguments, field in (((LINE, 1), "n"), ((LINE, 10.0), "n"), ((LINE, 10, "magic"), "method")):
        with pytest.raises(InputError) as caught:
            mis(*arguments)
        assert caught.value.field == field


def test_results_of_one_seed_are_identical():
    a, b = (mis(LINE, 40, "tilted", replicates=2000, seed=4).to_dict() for _ in range(2))
    assert a == b
    assert mis(LINE, 40, "tilted", replicates=2000, seed=5).log_delta != a["log_delta"]


def test_result_type():
    r = MISResult("tilted", 10, math.log(0.5), 0.1, seed=1, replicates=100)
    assert r.delta == pytest.approx(0.5)
    assert r.mis == pytest.approx(0.5)
    assert r.accuracy == pytest.approx(0.75)
    low, high = r.conf_int()
    assert low < r.log_delta < high
    assert high - low == pytest.approx(2 * 1.959963984540054 * 0.1)
    assert r.conf_int(0.6)[1] < high
    assert r.to_frame().loc[0, "n"] == 10
    assert "MIS" in r.summary()
    tiny = MISResult("exact", 10, -1e5)
    assert tiny.delta == 0.0
    assert tiny.mis == 1.0
    assert MISResult("exact", 10, -1e-20).mis == pytest.approx(1e-20)
    nothing = MISResult("crude", 10, -math.inf, math.inf)
    assert nothing.to_dict()["log_delta"] is None
    assert nothing.conf_int() == (-math.inf, 0.0)
    with pytest.raises(ArithmeticError, match="NaN"):
        MISResult("crude", 10, math.nan)


def test_a_series_is_numbers_in_its_frame_and_distinct_in_print():
    series = mis(Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]])), [10, 1800, 180_000], "sharp")
    kinds = series.to_frame().dtypes
    assert [kinds[name].kind for name in ("n", "log_delta", "delta", "mis", "std_error", "in_domain")] == list("iffffb")
    lines = str(series).splitlines()
    assert [line.split()[3:-1] for line in lines[2:4]] == [
        ["0.0285415", "0.971458"],
        ["1.42709e-100", "1", "−", "1.43e-100"],
    ]
    assert "1.75738e-9775  1 − 1.76e-9775" in lines[4]
