"""Simulations that would not fit in memory are refused at once; the estimates are not below the truth."""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from qmis_kernels import memory
from qmis_stats import (
    CodebookERM,
    DomainWarning,
    FiniteLaw,
    FixedThresholds,
    GaussianMean,
    GaussianMixture,
    InputError,
    LinearRegression,
    LossTable,
    MISResult,
    Problem,
    Sign,
    ThresholdPTQ,
    mis,
)
from qmis_stats.simulate import conditional, crude, likelihood_ratio, tilted
from qmis_stats.simulate.memory import pairs_bytes, points_bytes, sums_bytes
from qmis_stats.simulate.settings import Settings

pytestmark = pytest.mark.grid(2)

RNG = np.random.default_rng(0)
LINE = Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(FixedThresholds((-0.5, 0.2, 0.6))))
SIGNS = Problem(GaussianMean([0.0] * 4, np.eye(4)), ThresholdPTQ(Sign()))
SUMS = {
    "two cells": Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]])),
    "nine cells": Problem(GaussianMean([0.0] * 8, np.eye(8)), CodebookERM(RNG.normal(size=(9, 8)))),
    "regression": Problem(LinearRegression([1.0] * 3, np.eye(3), 1.0), CodebookERM(RNG.normal(size=(5, 3)))),
    "forty atoms": Problem(FiniteLaw(["1/40"] * 40), LossTable(RNG.integers(0, 9, (4, 40)).tolist())),
    "mixture": Problem(
        GaussianMixture([0.5, 0.5], [[0.0], [1.0]], [[[1.0]], [[2.0]]]), CodebookERM([[0.0], [1.0], [3.0]])
    ),
}
NAMES = [
    "two cells",
    "mixture",
    *(pytest.param(name, marks=pytest.mark.long) for name in ("nine cells", "regression", "forty atoms")),
]
METHODS: list[tuple[Callable[..., MISResult], Problem]] = [
    (crude, SUMS["nine cells"]),
    (tilted, SUMS["nine cells"]),
    (conditional, LINE),
    (likelihood_ratio, SIGNS),
]


def peak(run: Callable[[], object]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DomainWarning)
        tracemalloc.start()
        try:
            run()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(("method", "problem"), METHODS)
def test_refused_at_once(method: Callable[..., MISResult], problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 2**33)
    problem.at(20)  # built once, whatever the method
    begin = time.process_time()
    with pytest.raises(InputError) as caught:
        method(problem, 20, replicates=10**9, seed=1)
    assert time.process_time() - begin < 0.1
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("replicates = 1000000000: must be at most about ")
    assert f"{method.__name__} needs " in line
    assert "8589934592 bytes (8.0 GiB) are available; lower replicates" in line


def test_the_advice_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number that the refusal names is accepted, the next round number is not."""
    size = sums_bytes(SUMS["two cells"].scores, Settings(500_000, 1), tilt=False)
    monkeypatch.setattr(memory, "available", lambda: size)
    assert crude(SUMS["two cells"], 20, replicates=500_000, seed=1).replicates == 500_000
    with pytest.raises(InputError, match=r"at most about 500000 to fit"):
        crude(SUMS["two cells"], 20, replicates=500_001, seed=1)


def test_a_refusal_is_not_taken_for_a_method_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` must not fall back to a formula because a simulation was asked for too much."""
    monkeypatch.setattr(memory, "available", lambda: 2**33)
    with pytest.raises(InputError, match="lower replicates"):
        mis(SUMS["regression"], 20, replicates=10**9)


@pytest.mark.parametrize("tilt", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_estimate_of_sums(name: str, tilt: bool) -> None:
    problem, method = SUMS[name], tilted if tilt else crude
    method(problem, 20, replicates=100, seed=1)  # compiles
    taken = peak(lambda: method(problem, 20, replicates=60_000, seed=1))
    estimate = sums_bytes(problem.at(20).scores, Settings(60_000, 1), tilt=tilt)
    assert 0.9 * taken <= estimate <= 4.0 * taken


@pytest.mark.parametrize("name", NAMES)
def test_estimate_of_sums_by_the_reference(name: str) -> None:
    crude(SUMS[name], 20, replicates=100, seed=1, backend="reference")  # imports
    taken = peak(lambda: crude(SUMS[name], 20, replicates=4000, seed=1, backend="reference"))
    estimate = sums_bytes(SUMS[name].at(20).scores, Settings(4000, 1, "reference"), tilt=False)
    assert 0.9 * taken <= estimate <= 4.0 * taken


@pytest.mark.parametrize(
    ("method", "problem", "estimate"), [(conditional, LINE, points_bytes), (likelihood_ratio, SIGNS, pairs_bytes)]
)
def test_estimate_of_points_and_pairs(
    method: Callable[..., MISResult], problem: Problem, estimate: Callable[[Settings], int]
) -> None:
    method(problem, 20, replicates=100, seed=1)
    taken = peak(lambda: method(problem, 20, replicates=200_000, seed=1))
    assert 0.9 * taken <= estimate(Settings(200_000, 1)) <= 4.0 * taken
