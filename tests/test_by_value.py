"""Problems, laws, quantizers and results compare, pickle and print by value; none that is public is left out."""

import dataclasses
import doctest
import functools
import importlib
import inspect
import pickle
import pkgutil
import runpy
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import qmis_stats
import qmis_stats.laws
import qmis_stats.procedures
import qmis_stats.quantizers
from qmis_stats import (
    CodebookERM,
    FiniteLaw,
    GaussianMean,
    LinearRegression,
    LossTable,
    Problem,
    Sign,
    ThresholdPTQ,
)
from qmis_stats.audit.loss_leak import loss_leak
from qmis_stats.audit.tables import bundled
from qmis_stats.by_value import ByValue, same
from qmis_stats.errors import MissingExtraError
from qmis_stats.experiment import parse_experiment
from qmis_stats.experiment.outcome import run_experiment
from qmis_stats.inference.comparison import compare_exponents
from qmis_stats.inference.exponent_tests import exponent_against_indicator
from qmis_stats.inference.rates import fit_exponent
from qmis_stats.inference.running import RunningMoments
from qmis_stats.inference.runs import run_means
from qmis_stats.laws import Law
from qmis_stats.leak import calibration_leak, fit_from, leakage, leave_one_out
from qmis_stats.procedures import Procedure
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, ScalarQuantizer, quantizer
from qmis_stats.quantizers.libraries import LIBRARIES
from qmis_stats.quantizers.libraries.base import LibraryQuantizer
from qmis_stats.quantizers.weights.base import WeightQuantizer
from qmis_stats.reporting.notebook import NotebookResult
from qmis_stats.reporting.summary import Summary
from qmis_stats.scores import ScoreModel
from qmis_stats.simulate import tilted_series
from qmis_stats.theory import estimate_law
from qmis_stats.verify import run_verification
from qmis_stats.verify.registry import chosen_claims
from tests.audit.conftest import shorten_check


def below(kind):
    return {kind} | {deeper for child in kind.__subclasses__() for deeper in below(child)}


def of_the_package(kind):
    """Return the classes below one that can be made, by name."""
    found = [sub for sub in below(kind) if sub.__module__.startswith("qmis_stats.") and not inspect.isabstract(sub)]
    return {sub.__name__: sub for sub in sorted(found, key=lambda sub: sub.__name__) if not sub.__subclasses__()}


def in_its_example(kind):
    """Return the objects of a class that the example in its documentation makes."""
    made, begin = [], kind.__init__

    @functools.wraps(begin)
    def begun(self, *given, **named):
        begin(self, *given, **named)
        made.append(self)

    kind.__init__ = begun
    try:
        names = dict(vars(sys.modules[kind.__module__]))
        for example in doctest.DocTestParser().get_examples(kind.__doc__):
            exec(example.source, names)
    finally:
        kind.__init__ = begin
    return made


KINDS = {**of_the_package(Law), **of_the_package(Procedure), **of_the_package(ScalarQuantizer)}
SKEWED = LinearRegression([0.0], [[1.0]], 2.0)
FINITE = Problem(FiniteLaw(["1/2", "1/2"]), LossTable([[0, 1], [1, 0]]))
LINE = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
REGRESSION = Problem(SKEWED, CodebookERM([[0.0], [4.0]]))
EXPERIMENT = parse_experiment(
    {
        "law": {"kind": "finite", "probabilities": ["1/2", "1/2"]},
        "procedure": {"kind": "erm", "losses": [[0, 1], [1, 0]]},
        "run": {"n": 3, "methods": ["exact"]},
    }
)
PROBLEMS = [REGRESSION, FINITE, LINE, LINE.at(9), Problem(SKEWED, ThresholdPTQ(Sign(), ridge=0.5))]


def test_none_is_left_out():
    assert {"FiniteLaw", "GaussianMean", "GaussianMixture", "LinearRegression", "LossTable", "Uniform"} <= set(KINDS)
    assert {kind.__name__ for kind in below(NotebookResult)} & set(dir(qmis_stats)) <= set(results())


@cache
def results():
    """Return one of each result."""
    from sklearn.linear_model import Ridge

    from qmis_stats.audit.algorithm import audit, head_for
    from qmis_stats.audit.attacks import LossThreshold, audit_attacks

    rng = np.random.default_rng(1)
    data = bundled("diabetes")
    n = np.array([50.0, 100.0, 200.0, 400.0])
    fit = fit_exponent(n, -0.125 * n - 0.5 * np.log(n), np.full(4, 0.01))
    X = rng.normal(size=(200, 3))
    leak = leakage(Ridge().fit(X, X[:, 0]), ["sign"], X=X, y=X[:, 0])
    ranking = qmis_stats.rank({"a": rng.exponential(size=(3, 200)), "b": rng.exponential(size=(2, 200))}, draws=199)
    audited = audit(data, head_for(data), [quantizer("sign"), quantizer("uniform-3")], runs=3, draws=199)
    with pytest.MonkeyPatch.context() as patched:
        shorten_check(patched)
        head, given = head_for(data), {"n": 20, "trainings": 16, "attacks": [LossThreshold()]}
        attacks = audit_attacks(data, head, [quantizer("sign")], **given)
    return {
        "MISResult": qmis_stats.mis(LINE, 50, "tilted", replicates=400, seed=1),
        "MISSeries": qmis_stats.mis(LINE, [50, 100], "sharp"),
        "Outcome": run_experiment(EXPERIMENT),
        "SimulatedSeries": tilted_series(LINE, (50, 100), replicates=400, seed=1),
        "Ranking": ranking,
        "Indicator": ranking.indicators[0],
        "RunMeans": run_means(rng.normal(size=(6, 2))),
        "EstimateRanking": run_means(rng.normal(size=(6, 2))).rank(),
        "ExponentComparison": compare_exponents([fit, fit]),
        "IndicatorTest": exponent_against_indicator(fit, REGRESSION),
        "LeakageResult": leak,
        "GroupLeak": leak.by_group(["a", "b"] * 100),
        "AttackLeak": attacks.leak(),
        "MeasuredGroups": attacks.leak().by_group(data.y > 140.0),
        "LossLeak": loss_leak(*({name: rng.random(30) for name in ("sign", "identity")} for _ in range(2)), {}),
        "AuditResult": audited,
        "OverRuns": audited.over_runs,
        "Measured": leak.measured_as(),
        "AttackAudit": attacks,
        "AttackReport": attacks.check,
        "AttackResult": attacks.check.results[0],
        "Report": run_verification(quick=True, claims=chosen_claims(keys=["definition.range"])),
    }


RESULTS = sorted(kind.__name__ for kind in below(NotebookResult) if not kind.__subclasses__())


def check(value):
    again = pickle.loads(pickle.dumps(value))
    assert again == value
    assert value == value
    assert value != 1
    return again


@pytest.mark.parametrize("name", KINDS)
def test_laws_procedures_and_quantizers(name):
    made = [value for value in in_its_example(KINDS[name]) if type(value) is KINDS[name]]
    assert made, "the example in its documentation makes none"
    for value in made:
        check_described(value)


@pytest.mark.parametrize("value", PROBLEMS, ids=repr)
def test_problems(value):
    check_described(value)


def check_described(value):
    assert hash(check(value)) == hash(value)
    text = repr(value)
    assert len(text) <= 250
    assert text.startswith(type(value).__name__ + "(")
    assert "object at" not in text


OF_WEIGHTS = [
    *DEFAULT_QUANTIZERS,
    *(
        "uniform-4:channel",
        "nf4-64",
        "fp4",
        "q4_0",
        "uniform-4:g32:f16",
        "nf4+sign",
        "gptq-4:g32",
        "adaround-4",
        "awq-4",
        "mixed(first=uniform-8,*=nf4)",
    ),
]
OF_LIBRARIES = [
    *("gguf:Q4_0", "bitsandbytes:nf4", "torchao:int4-g32", "quanto:qint4", "hqq:2-g64", "torch:per-channel"),
    "onnxruntime:dynamic",
]


@pytest.mark.parametrize("name", [*OF_WEIGHTS, *OF_LIBRARIES])
def test_quantizers_of_weights(name):
    try:
        made = quantizer(name)
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert hash(check(made)) == hash(made)
    assert made != quantizer("uniform-6")


def test_no_quantizer_of_weights_is_left_out():
    kinds = set(of_the_package(WeightQuantizer)) - {"Calibrated"} - {kind.__name__ for kind in below(LibraryQuantizer)}
    assert {type(quantizer(name)).__name__ for name in OF_WEIGHTS} == kinds
    assert {name.partition(":")[0] for name in OF_LIBRARIES} == set(LIBRARIES)


@pytest.mark.parametrize("name", ["gptq-4", "adaround-4", "awq-4:g4"])
def test_what_quantizers_saw_is_a_part_of_them(name):
    rng = np.random.default_rng(1)
    weights, inputs = rng.normal(size=(2, 8)), rng.normal(size=(50, 8))
    seen = quantizer(name).calibrate(weights, inputs)
    check_described(seen)
    assert seen == quantizer(name).calibrate(weights, inputs)
    assert seen != quantizer(name).calibrate(weights, inputs[:, ::-1])


def test_data_sets_experiments_and_smaller_results():
    rng = np.random.default_rng(1)
    moments = RunningMoments(3)
    moments.update(rng.exponential(size=(3, 60)))
    leak = calibration_leak(quantizer("gptq-4"), rng.normal(size=(6, 8)), rng.normal(size=(50, 8)))
    for value in (bundled("diabetes"), moments.indicator(), leak):
        check_described(value)
    check(EXPERIMENT)
    assert bundled("diabetes") != bundled("breast_cancer")


@pytest.mark.parametrize("name", RESULTS)
def test_results(name):
    value = results()[name]
    check(value)
    assert len(repr(value)) <= 500, repr(value)
    assert repr(value).startswith(name + "(")
    summary = value.summary()
    assert type(summary) is Summary
    assert str(value) == summary == repr(summary) == summary.as_text()
    assert "<" in summary.as_html()
    check(summary)


NOT_VALUES = {
    **dict.fromkeys(("Model", "SklearnModel", "TorchModel"), "what they adapt decides"),
    **dict.fromkeys(("LossBlocks", "Store", "Tracker"), "they hold files, or go on"),
    "CanonicalIncrement": "it holds functions",
}


def test_what_packages_offer_is_compared_by_value():
    packages = [f"qmis_stats.{found.name}" for found in pkgutil.iter_modules(qmis_stats.__path__) if found.ispkg]
    offered = {
        name: kind
        for package in map(importlib.import_module, ("qmis_stats", *packages))
        for name, kind in inspect.getmembers(package, inspect.isclass)
        if kind.__module__.startswith("qmis_stats.")
        and not issubclass(kind, Exception)
        and not inspect.isabstract(kind)
    }
    by_identity = {name for name, kind in offered.items() if kind.__eq__ is object.__eq__}
    assert by_identity - {name for name in by_identity if issubclass(offered[name], ScoreModel)} == set(NOT_VALUES)


def parts():
    """Yield what problems and forms are made of."""
    for problem in (REGRESSION, FINITE, LINE):
        yield from problem.faces
        yield problem.faces[0].increment
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3))
    fit = fit_from(
        X, X @ [1.0, 0.5, 0.0], np.linalg.solve(X.T @ X + np.eye(3), X.T @ X @ [1.0, 0.5, 0.0]), "squared", 1.0
    )
    yield fit
    yield leave_one_out(fit)
    yield estimate_law(LinearRegression([0.0, 0.0], np.eye(2), 1.0), 50, 0.0)


def test_parts_of_problems_and_fits():
    for part, again in zip(parts(), parts(), strict=True):
        check(part)
        assert part == again
        assert hash(part) == hash(again)
        assert "object at" not in repr(part)


def test_derived_numbers_are_neither_compared_nor_pickled():
    problem = Problem(GaussianMean(np.zeros(40), np.eye(40)), CodebookERM(np.eye(40)))
    before = len(pickle.dumps(problem))
    assert len(problem.faces) == 39
    assert len(pickle.dumps(problem)) == before
    assert problem == Problem(GaussianMean(np.zeros(40), np.eye(40)), CodebookERM(np.eye(40)))


def test_others_differ():
    assert GaussianMean([0.0], [[1.0]]) != GaussianMean([0.0], [[1.1]])
    assert GaussianMean([-0.0], [[1.0]]) == GaussianMean([0.0], [[1.0]])
    assert hash(GaussianMean([-0.0], [[1.0]])) == hash(GaussianMean([0.0], [[1.0]]))
    assert LINE.at(9) != LINE or not LINE.procedure.size_adaptive
    assert FINITE != LINE
    first = results()["Ranking"]
    assert dataclasses.replace(first, seed=1) != first
    assert dataclasses.replace(first, params=first.params + 1e-16) != first
    assert not same(np.array([1.0]), np.array([1]))
    assert same({"a": [float("nan")]}, {"a": (float("nan"),)})
    assert not same(float("nan"), 1.0)


def test_long_parameters_are_shortened():
    law = GaussianMean(np.zeros(100), np.eye(100))
    assert repr(law) == "GaussianMean(mean=<array of shape (100,)>, covariance=<array of shape (100, 100)>)"
    assert repr(FiniteLaw(["1/3", "2/3"])) == "FiniteLaw(probabilities=['1/3', '2/3'])"
    assert repr(Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign()))) == (
        "Problem(law=GaussianMean(mean=[0.0], covariance=[[1.0]]), procedure=ThresholdPTQ(quantizer=Sign()))"
    )


def test_a_class_may_be_written_by_a_user():
    class Law(ByValue):
        def __init__(self, mean, *, unit=1.0):
            self.mean, self.unit = np.array(mean), unit
            self.derived = object()

    assert Law([0.0]) == Law([0.0])
    assert repr(Law([0.0], unit=2.0)) == "Law(mean=[0.0], unit=2.0)"


def test_the_script_of_a_user_runs(capsys):
    runpy.run_path(str(Path(__file__).with_name("user_script.py")))
    assert "log Δ between" in capsys.readouterr().out
