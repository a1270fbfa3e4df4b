"""Odd arrays and numbers given to quantizers, fits, leaks and sums: one line, or finite numbers, and no warning."""

import warnings
from dataclasses import astuple
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from qmis_stats import (
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    InputError,
    LossBlocks,
    Problem,
    QmisError,
    Sign,
    ThresholdPTQ,
    Tracker,
    gap_interval,
    leakage,
    mis,
    rank,
)
from qmis_stats.audit import load_table
from qmis_stats.inference.areas import area_interval, cluster_sums
from qmis_stats.inference.gap_intervals import INTERVALS
from qmis_stats.inference.rank_results import rank_estimates
from qmis_stats.inference.rates import fit_exponent, fit_power
from qmis_stats.inference.running import RunningMoments
from qmis_stats.leak.fits import fit_from
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer
from qmis_stats.validation import finite_array

LONG, TOO_LONG = 10**400, 10**5000
"""More than a float holds, and more than Python writes."""
ARRAYS = {
    "empty": [],
    "no rows": np.zeros((0, 3)),
    "no dimension": np.array(1.0),
    "NaN": [1.0, float("nan")],
    "infinite": [1.0, float("inf")],
    "complex": [1 + 2j, 3.0],
    "objects": np.array([object(), 1], dtype=object),
    "nothing": None,
    "words": ["a", "b"],
    "text": "sign",
    "bytes": b"ab",
    "mapping": {"a": 1},
    "set": {1.0, 2.0},
    "masked": np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
    "ragged": [[1.0], [1.0, 2.0]],
    "long": [1, LONG],
    "too long": [1, TOO_LONG],
    "huge": [1e308, -1e308, 1e308],
    "tiny": [5e-324, -5e-324, 0.0],
    "zeros": [0.0, 0.0, 0.0],
    "bools": np.array([True, False]),
    "dates": np.array([date(2020, 1, 1)], dtype="datetime64[D]"),
    "function": len,
    "records": np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    "bytes of numbers": np.array([1, -128], dtype=np.int8),
    "unsigned": np.array([1, 2**64 - 1], dtype=np.uint64),
    "half": np.array([1.0, 65504.0], dtype=np.float16),
    "decimals": [Decimal("1.5")],
    "fractions": [Fraction(1, 3)],
    "cube": np.ones((2, 2, 2)),
}
NUMBERS = [True, np.True_, 1.5, -1, float("nan"), float("inf"), LONG, -LONG, TOO_LONG, object(), "1", None, np.ones(2)]
"""None of them a seed."""
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
Y = X @ [1.0, 0.5, -0.2] + rng.normal(size=60)
RIDGE = Ridge(alpha=1.0).fit(X, Y)
WEIGHTS = np.linalg.lstsq(X, Y)[0]
LOSSES = rng.exponential(size=(3, 60))


def one_line_or_finite(call):
    """Fail unless a call returns finite numbers, or raises a line of the package's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = call()
        except QmisError as error:
            said, found = str(error), ()
        else:
            said = "must be"
    assert "\n" not in said
    assert "must be " in f"{said} " or "; " in said
    for part in found if isinstance(found, tuple) else (found,):
        if isinstance(part, np.ndarray):
            assert np.all(np.isfinite(part))


@pytest.mark.parametrize("name", [*DEFAULT_QUANTIZERS, "identity", "sparse-50", "nf4:channel", "q4_0", "q5_1", "q8_0"])
def test_quantizers(name):
    made = quantizer(name)
    for method in ("quantize", "codes", "encode", "cells", "sparsity", "faces", "combinations"):
        for array in ARRAYS.values():
            one_line_or_finite(lambda array=array, method=method: getattr(made, method)(array))


@pytest.mark.parametrize(
    "what", ["empty", "NaN", "infinite", "complex", "masked", "ragged", "long", "too long", "bools"]
)
def test_weights_that_are_refused(what):
    with pytest.raises(InputError, match=r"^weights = .*: must be "):
        quantizer("sign").quantize(ARRAYS[what])


def test_masks_are_not_dropped():
    """NumPy would go on with what is under the mask."""
    for call in (
        lambda: quantizer("sign").quantize(ARRAYS["masked"]),
        lambda: finite_array("mean", ARRAYS["masked"], 1, "(d,)"),
        lambda: GaussianMean(np.ma.array([0.0, 1.0], mask=[True, False]), np.eye(2)),
        lambda: leakage(RIDGE, ["sign"], X=np.ma.array(X, mask=X > 2.0), y=Y),
        lambda: leakage(RIDGE, ["sign"], X=X, y=np.ma.array(Y, mask=Y > 2.0)),
        lambda: leakage(RIDGE, ["sign"], X=X, y=Y, groups=np.ma.array(np.arange(60), mask=np.arange(60) == 3)),
    ):
        with pytest.raises(InputError, match="must be without masked entries"):
            call()
    assert finite_array("mean", np.ma.array([1.0, 2.0]), 1, "(d,)").tolist() == [1.0, 2.0]


@pytest.mark.parametrize("argument", ["X", "y", "groups", "quantizers", "game", "fraction", "pool", "level", "backend"])
def test_arguments_of_leakage(argument):
    for given in [*ARRAYS.values(), object(), (X,), (X, Y, Y), (X[:, :2], Y), (X[:0], Y[:0]), (X * np.nan, Y)]:
        left_out = given is None if argument in ("groups", "pool") else given is ARRAYS["empty"]
        if left_out and argument in ("groups", "pool", "quantizers"):
            continue
        with pytest.raises(QmisError) as caught:
            leakage(RIDGE, **{"quantizers": ["sign"], "X": X, "y": Y} | {argument: given})
        assert "\n" not in str(caught.value)


def test_seeds_of_leakage():
    for seed in (*NUMBERS, *ARRAYS.values()):
        with pytest.raises(InputError, match=r"^seed = .*: must be an integer from 0 to 4294967295$"):
            leakage(RIDGE, ["sign"], X=X, y=Y, seed=seed)


@pytest.mark.parametrize("argument", ["X", "y", "weights", "loss", "penalty", "intercept"])
def test_arguments_of_fit_from(argument):
    for given in [*ARRAYS.values(), *NUMBERS]:
        one_line_or_finite(
            lambda given=given: fit_from(**{"X": X, "y": Y, "weights": WEIGHTS, "loss": "squared"} | {argument: given})
        )


def test_sums_over_clusters():
    values, clusters = np.array([[1.0, 2.0, 4.0]]), np.array([0, 1, 0])
    for given in ARRAYS.values():
        one_line_or_finite(lambda given=given: cluster_sums(given, clusters, 3))
        one_line_or_finite(lambda given=given: cluster_sums(values, given, 3))
    for count in (*NUMBERS, 0, *ARRAYS.values()):
        with pytest.raises(InputError, match=r"^count = .*: must be an integer "):
            cluster_sums(values, clusters, count)
    for wrong in (np.array([0, -1, 0]), np.array([0, 3, 0])):
        with pytest.raises(InputError, match=r"^clusters = .*: must be from 0 to 2$"):
            cluster_sums(values, wrong, 3)


@pytest.mark.parametrize("method", INTERVALS)
def test_gap_intervals(method):
    shapes = (rng.choice([-1e308, 1e308], size=60), np.full(60, 1e308), 1e200 * LOSSES[0], 1e-300 * LOSSES[0])
    for given in (*ARRAYS.values(), *NUMBERS, *shapes):
        one_line_or_finite(lambda given=given: astuple(gap_interval(given, method=method))[:3])
    for argument in ("level", "method", "draws", "seed"):
        for given in (*ARRAYS.values(), *NUMBERS):
            one_line_or_finite(lambda given=given, name=argument: gap_interval(LOSSES[0], **{name: given}))


def record(losses):
    tracker = Tracker()
    tracker.record("sign", losses)
    return tracker.losses["sign"]


def one_pass(losses):
    running = RunningMoments(3)
    running.update(losses)
    running.update(LOSSES)
    found = running.indicator()
    return np.array([found.indicator, *found.conf_int()])


MATRICES = {
    "masked matrix": np.ma.array(LOSSES, mask=LOSSES > 2.0),
    "matrix": LOSSES.view(np.matrix),
    "signs of 1e308": np.sign(LOSSES - 1.0) * 1e308,
    "all 1e308": np.full((3, 60), 1e308),
    "1e200": 1e200 * LOSSES,
    "far from zero": 1e15 + LOSSES,
}


def test_losses():
    for given in (*ARRAYS.values(), *NUMBERS, *MATRICES.values()):
        for call in (
            lambda given=given: rank({"sign": given}).params,
            lambda given=given: rank({"sign": LossBlocks(lambda: [given])}).params,
            lambda given=given: record(given),
            lambda given=given: one_pass(given),
            lambda given=given: rank_estimates(given, np.eye(3)).params,
            lambda given=given: rank_estimates([1.0, 2.0, 3.0], given).params,
        ):
            one_line_or_finite(call)
    for refuse in (lambda losses: rank({"sign": losses}), one_pass, lambda losses: record(losses[0])):
        with pytest.raises(InputError, match="must be without masked entries"):
            refuse(MATRICES["masked matrix"])
    assert rank({"sign": MATRICES["matrix"]}) == rank({"sign": LOSSES})


@pytest.mark.parametrize("fit", [fit_exponent, fit_power])
def test_fits_of_rates(fit):
    """Sizes that do not tell the parameters apart, and errors whose squares no float holds, are refused."""
    right = {"n": [50.0, 100.0, 200.0, 400.0], "log_delta": [-5.0, -10.0, -20.0, -40.0], "std_error": [0.01] * 4}
    odd = [
        [1] * 4,
        [0, 1, 2, 3],
        [50, 50, 90, 90],
        [1e15, 2e15, 3e15, 4e15],
        [1e308] * 4,
        [1e-300] * 4,
        [1e-162, 1, 1, 1],
    ]
    for argument in right:
        for given in (*ARRAYS.values(), *NUMBERS, *odd):
            one_line_or_finite(lambda given=given, name=argument: fitted(fit(**right | {name: given})))
    for given in (*ARRAYS.values(), *(np.diag(one) for one in odd)):
        for dof in (None, 9):
            arguments = {"n": right["n"], "log_delta": right["log_delta"], "covariance": given, "dof": dof}
            one_line_or_finite(lambda arguments=arguments: fitted(fit(**arguments)))


def fitted(fit):
    return np.asarray(fit.params), np.asarray(fit.bse)


def test_thresholds():
    for given in (*ARRAYS.values(), *NUMBERS):
        one_line_or_finite(lambda given=given: FixedThresholds(given).thresholds(np.zeros(2), np.ones(2)))
        one_line_or_finite(lambda given=given: FixedThresholds((0.0, 1.0), given))
    assert hash(FixedThresholds([0, 1])) == hash(FixedThresholds(np.array([0.0, 1.0])))
    assert FixedThresholds([0, 1]) == FixedThresholds((0.0, 1.0))


def test_areas():
    for field in ("area", "variance", "clusters"):
        for given in (*ARRAYS.values(), *NUMBERS, 1e308, -1e308, 1.1):
            one_line_or_finite(
                lambda given=given, name=field: area_interval(
                    **{"area": 0.5, "variance": 0.01, "clusters": 9, name: given}
                )
            )
    with pytest.raises(InputError, match=r"^area = 1\.1: must be a number from 0 to 1$"):
        area_interval(1.1, 0.01, 9)


def test_columns(tmp_path):
    """What is no name of a column, and whether there is a line of names."""
    file = tmp_path / "t.csv"
    file.write_text("age,tall\n" + "".join(f"{i},{i % 2}\n" for i in range(30)))
    for given in (*ARRAYS.values(), *NUMBERS):
        with pytest.raises(InputError, match=r"^target = .*: must be "):
            load_table(file, given)
        if given is not True:
            with pytest.raises(InputError, match=r"^header = .*: must be a bool$"):
                load_table(file, "tall", header=given)


def test_sample_sizes():
    problem = Problem(GaussianMean([0.3], [[1.0]]), ThresholdPTQ(Sign()))
    for n in (*NUMBERS, np.array(50.0), np.ones((2, 2), dtype=int), np.ma.array([50, 60], mask=[0, 1])):
        with pytest.raises(InputError, match=r"^n = "):
            mis(problem, n, "sharp")


def test_rationals_that_python_does_not_write():
    with pytest.raises(InputError, match=r"numerator and denominator below 2\^10000$"):
        FiniteLaw([1, TOO_LONG])
