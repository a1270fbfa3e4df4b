from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmis_stats import (
    METHODS,
    CodebookERM,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    GaussianMixture,
    InputError,
    LinearRegression,
    LloydMax,
    LossTable,
    ReleasedHistogram,
    Sign,
    Ternary,
    ThresholdPTQ,
    Uniform,
    load_experiment,
)
from qmis_stats.experiment import Experiment, ExperimentError, parse_experiment, run_experiment

GAUSS = {"kind": "gaussian_mean", "mean": [0.1, 0.2], "covariance": [[2.0, 0.5], [0.5, 1.0]]}
REGRESSION = {"kind": "linear_regression", "coefficients": [0.3], "covariance": [[2.0]], "noise_std": 0.5}
FINITE = {"kind": "finite", "probabilities": ["1/2", 0.3, "0.2"]}
MIXTURE = {
    "kind": "gaussian_mixture",
    "weights": [0.25, 0.75],
    "means": [[0.0], [1.0]],
    "covariances": [[[1.0]], [[2.0]]],
}
LAWS = {"gauss": GAUSS, "regression": REGRESSION, "finite": FINITE, "mixture": MIXTURE}
ERM = {"kind": "erm", "codebook": [[0.0, 0.0], [1.0, 1.0]]}
LINE = {"kind": "erm", "codebook": [[0.0], [1.0]], "exponent": 0.25, "center": [0.0]}
LOSSES = {"kind": "erm", "losses": [[0, 0.1, "1/3"], [1, 0.2, 0]]}
THRESHOLDS = {"kind": "ptq", "quantizer": "thresholds", "thresholds": [-0.5, 0.5], "levels": [-1, 0, 1]}
UNIFORM = {"kind": "ptq", "quantizer": "uniform", "bits": 3, "scale": 0.5}
RUN = {"n": [5, 8], "methods": ["exact", "crude"], "replicates": 1000, "seed": 3, "backend": "reference"}


def spelt(law: dict[str, Any] = GAUSS, procedure: dict[str, Any] = ERM, **run: Any) -> Experiment:
    return parse_experiment({"law": law, "procedure": procedure, "run": {**RUN, **run}})


# --- every kind of law, procedure and run ---


def test_gaussian_mean() -> None:
    law = spelt().problem.law
    assert isinstance(law, GaussianMean)
    assert law.mean.tolist() == GAUSS["mean"]
    assert law.covariance.tolist() == GAUSS["covariance"]


@pytest.mark.parametrize(
    ("law", "mean", "covariance"),
    [
        ({"mean": 0.5, "covariance": 2.0, "dimension": 2}, [0.5, 0.5], np.diag([2.0, 2.0])),
        ({"mean": [0.5, 1.0], "covariance": 2, "dimension": 2}, [0.5, 1.0], np.diag([2.0, 2.0])),
        ({"mean": 0, "covariance": [1.0, 3.0], "dimension": 2}, [0.0, 0.0], np.diag([1.0, 3.0])),
        ({"mean": [0.5, 1.0], "covariance": [1.0, 3.0]}, [0.5, 1.0], np.diag([1.0, 3.0])),
        ({"mean": 1.0, "covariance": [[2.0, 1.0], [1.0, 2.0]], "dimension": 2}, [1.0, 1.0], [[2.0, 1.0], [1.0, 2.0]]),
    ],
)
@pytest.mark.parametrize("kind", ["gaussian_mean", "linear_regression"])
def test_shorthands_mean_the_full_arrays(kind: str, law: dict[str, Any], mean: Any, covariance: Any) -> None:
    table = {"kind": kind, **law}
    if kind == "linear_regression":
        table |= {"coefficients": table.pop("mean"), "noise_std": 1.0}
    built = spelt(table).problem.law
    assert isinstance(built, (GaussianMean, LinearRegression))
    assert np.array_equal(built.parameter, mean)
    assert np.array_equal(built.covariance, covariance)


def test_linear_regression() -> None:
    law = spelt(REGRESSION, LINE).problem.law
    assert isinstance(law, LinearRegression)
    assert (law.coefficients.tolist(), law.covariance.tolist(), law.noise_std) == ([0.3], [[2.0]], 0.5)


def test_gaussian_mixture() -> None:
    law = spelt(MIXTURE, LINE).problem.law
    assert isinstance(law, GaussianMixture)
    assert law.weights.tolist() == [0.25, 0.75]
    assert law.means.tolist() == [[0.0], [1.0]]
    assert law.covariances.tolist() == [[[1.0]], [[2.0]]]


def test_finite_law_keeps_decimals_as_written() -> None:
    experiment = spelt(FINITE, LOSSES)
    assert isinstance(experiment.problem.law, FiniteLaw)
    assert experiment.problem.law.probabilities == (Fraction(1, 2), Fraction(3, 10), Fraction(1, 5))
    assert isinstance(experiment.problem.procedure, LossTable)
    assert experiment.problem.procedure.losses == ((0, Fraction(1, 10), Fraction(1, 3)), (1, Fraction(1, 5), 0))


def test_toml_decimals_keep_more_digits_than_a_float(tmp_path: Path) -> None:
    file = tmp_path / "thirds.toml"
    file.write_text(
        """
        [law]
        kind = "finite"
        probabilities = [0.333333333333333333333, 0.333333333333333333333, 0.333333333333333333334]
        [procedure]
        kind = "erm"
        losses = [[0.1, 1e-3, 1_0.5], [1, 2, 3]]
        [run]
        n = 5
        """
    )
    problem = load_experiment(file).problem
    assert isinstance(problem.law, FiniteLaw)
    assert problem.law.probabilities[2] == Fraction(333333333333333333334, 10**21)
    assert isinstance(problem.procedure, LossTable)
    assert problem.procedure.losses[0] == (Fraction(1, 10), Fraction(1, 1000), Fraction(21, 2))


def test_erm_with_a_codebook() -> None:
    procedure = spelt(REGRESSION, LINE).problem.procedure
    assert isinstance(procedure, CodebookERM)
    assert procedure.codebook.tolist() == [[0.0], [1.0]]
    assert procedure.exponent == 0.25
    assert procedure.center is not None
    assert procedure.center.tolist() == [0.0]


def test_histogram() -> None:
    assert isinstance(spelt(FINITE, {"kind": "histogram"}).problem.procedure, ReleasedHistogram)


@pytest.mark.parametrize(
    ("table", "quantizer"),
    [
        ({"quantizer": "thresholds", "thresholds": [0]}, FixedThresholds((0.0,))),
        ({"quantizer": "thresholds", "thresholds": [-1, 1], "levels": [0, 1, 5]}, FixedThresholds((-1.0, 1.0))),
        (
            {"quantizer": "thresholds", "thresholds": [0.0], "unit": "standard_error"},
            FixedThresholds((0.0,), "standard_error"),
        ),
        ({"quantizer": "sign"}, Sign()),
        ({"quantizer": "ternary", "sparsity": 0.9}, Ternary(0.9)),
        ({"quantizer": "uniform", "bits": 3}, Uniform(3)),
        ({"quantizer": "uniform", "bits": 3, "scale": 2}, Uniform(3, 2.0)),
        ({"quantizer": "lloyd_max", "bits": 2}, LloydMax(2)),
        ({"quantizer": "lloyd_max", "bits": 2, "scale": 0.5}, LloydMax(2, 0.5)),
    ],
)
def test_quantizers(table: dict[str, Any], quantizer: object) -> None:
    procedure = spelt(procedure={"kind": "ptq", **table}).problem.procedure
    assert isinstance(procedure, ThresholdPTQ)
    assert procedure.quantizer == quantizer


def test_shrinking_thresholds_with_one_number_as_center() -> None:
    table = {"kind": "ptq", "quantizer": "sign", "exponent": 0.5, "center": 1}
    procedure = spelt(procedure=table).problem.procedure
    assert isinstance(procedure, ThresholdPTQ)
    assert procedure.exponent == 0.5
    assert procedure.center is not None
    assert procedure.center.tolist() == [1.0, 1.0]


def test_run_and_its_defaults() -> None:
    experiment = spelt()
    assert (experiment.n, experiment.methods) == ((5, 8), ("exact", "crude"))
    assert (experiment.replicates, experiment.seed, experiment.backend) == (1000, 3, "reference")
    assert experiment.path == "<memory>"
    least = parse_experiment({"law": GAUSS, "procedure": ERM, "run": {"n": 10**15}})
    assert (least.n, least.methods) == ((10**15,), ("auto",))
    assert (least.replicates, least.seed, least.backend) == (100_000, 0, "auto")
    assert spelt(methods=list(METHODS), seed=2**32 - 1, replicates=100, n=[2, 2]).methods == METHODS


def test_experiment_is_frozen() -> None:
    with pytest.raises(AttributeError):
        spelt().seed = 4  # type: ignore[misc]


def test_data_are_left_alone() -> None:
    data = {"law": copy.deepcopy(GAUSS), "procedure": copy.deepcopy(ERM), "run": copy.deepcopy(RUN)}
    before = copy.deepcopy(data)
    parse_experiment(data)
    assert data == before


@pytest.mark.parametrize("text", ["\ufeff", "\r\n"])
def test_byte_order_mark_and_windows_line_ends(text: str, tmp_path: Path) -> None:
    lines = [
        "[law]",
        'kind = "gaussian_mean"',
        "mean = [0.0]",
        "covariance = [[1.0]]",
        "[procedure]",
        'kind = "erm"',
        "codebook = [[0.0], [1.0]]",
        "[run]",
        "n = 5",
    ]
    file = tmp_path / "windows.toml"
    file.write_bytes((text + "\r\n".join(lines)).encode())
    assert load_experiment(str(file)).n == (5,)


def test_error_carries_field_value_and_path() -> None:
    with pytest.raises(ExperimentError) as caught:
        parse_experiment({"law": GAUSS, "procedure": ERM, "run": {"n": [5, 1]}}, "some.toml")
    error = caught.value
    assert isinstance(error, InputError)
    assert (error.path, error.field, error.value) == ("some.toml", "run.n[1]", 1)
    assert str(error) == f"some.toml: run.n[1] = 1: must be {error.allowed}"


# --- nothing but an experiment or one line, whatever the data ---

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**4500),
    st.floats(allow_nan=True, allow_infinity=True),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.sampled_from(["1/3", "1/0", "1e9999999", "auto", "erm", "ptq", "sign", "finite", "logistic_regression"]),
    st.binary(max_size=3),
    st.just(Decimal("1e-999999999")),
    st.just(0.1),
    st.tuples(st.integers(), st.integers()),
)
NESTED = st.recursive(
    JUNK,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers(), st.tuples(st.integers())), inner, max_size=3),
    ),
    max_leaves=8,
)
NAMES = sorted(
    {key for table in (*LAWS.values(), ERM, LINE, LOSSES, THRESHOLDS, UNIFORM, RUN) for key in table}
    | {"dimension", "unit", "sparsity", "scale"}
)


def _places(data: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, entry in entries:
        yield from _places(entry, (*place, key))


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    law = draw(st.sampled_from(list(LAWS.values())))
    procedure = draw(st.sampled_from([ERM, LINE, LOSSES, THRESHOLDS, UNIFORM, {"kind": "histogram"}]))
    data: Any = copy.deepcopy({"law": law, "procedure": procedure, "run": RUN})
    for _ in range(draw(st.integers(0, 3))):
        *path, last = draw(st.sampled_from([place for place in _places(data) if place]))
        holder = data
        for key in path:
            holder = holder[key]
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "replace":
            holder[last] = draw(NESTED)
        elif action == "remove":
            del holder[last]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(NAMES))] = draw(NESTED)
        if not data:
            break
    return data


def _experiment_or_one_line(data: Any) -> None:
    try:
        experiment = parse_experiment(data, "fuzz.toml")
    except InputError as error:
        line = str(error)
        assert line.startswith("fuzz.toml: ")
        assert "must be" in line
        assert len(line.splitlines()) == 1
        assert len(line) < 700
    else:
        assert isinstance(experiment, Experiment)
        assert all(n >= 2 for n in experiment.n)
        assert all(method in METHODS for method in experiment.methods)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(damaged())
def test_damaged_experiments(data: Any) -> None:
    _experiment_or_one_line(data)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(NESTED)
def test_arbitrary_data(data: Any) -> None:
    _experiment_or_one_line(data)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_arbitrary_files(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "arbitrary.toml"
    file.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        load_experiment(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert len(str(caught.value).splitlines()) == 1


@given(st.floats(1e-6, 1.0 - 1e-6))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_decimal_probabilities_mean_what_is_written(p: float) -> None:
    rest = str(1 - Fraction(repr(p)))
    law = spelt({"kind": "finite", "probabilities": [p, rest]}, {"kind": "histogram"}).problem.law
    assert isinstance(law, FiniteLaw)
    assert law.probabilities[0] == Fraction(repr(p))
    assert math.isclose(float(law.probabilities[0]), p, rel_tol=0.0, abs_tol=0.0)


def test_a_detail_that_is_not_a_number_is_never_told_as_unknown() -> None:
    found = run_experiment(spelt(GAUSS, {"kind": "erm", "codebook": [[0.0, 0.0], [1.0, 0.0]]}))
    told = dataclasses.replace(found.results[0], details={"sizes": [1.0, -math.inf]})
    assert dataclasses.replace(found, results=(told,)).to_dict()["results"][0]["details"] == {"sizes": [1.0, None]}
    wrong = dataclasses.replace(told, details={"sizes": [1.0, math.nan]})
    with pytest.raises(ArithmeticError, match="not a number"):
        dataclasses.replace(found, results=(wrong,)).to_dict()
