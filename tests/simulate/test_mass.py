"""The mass test: raised when a mixture misses a rival's region, silent when it does not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from qmis_stats import CodebookERM, GaussianMean, LinearRegression, Problem
from qmis_stats.simulate.design import Design, TiltMixture, tilted_design
from qmis_stats.simulate.settings import Settings
from qmis_stats.simulate.tilted import simulate_design

PROBLEMS = 30


def random_problem(rng):
    """Three separate rivals of nearly the same exponent: each carries a large share of Δ."""
    angles = rng.uniform(0, 2 * np.pi) + np.array([0.0, 2.0, 4.0]) + rng.uniform(-0.2, 0.2, 3)
    radii = rng.uniform(0.5, 1.0) * rng.uniform(0.97, 1.03, 3)
    book = np.vstack([np.zeros(2), np.column_stack([np.cos(angles), np.sin(angles)]) * radii[:, None]])
    if rng.integers(2):
        problem = Problem(GaussianMean([0.0, 0.0], np.eye(2)), CodebookERM(book))
    else:
        problem = Problem(LinearRegression([0.0, 0.0], np.eye(2), 1.0), CodebookERM(book))
    return problem, int(rng.uniform(40, 150) / problem.exponent)


def with_component(design, index, component):
    """The same requirements, with one component of the sums dropped or replaced."""
    components = [c if i != index else component for i, c in enumerate(design.sums.components)]
    return Design(TiltMixture([c for c in components if c is not None]), design.points, design.required)


def scaled(scores, component, factor):
    lam = factor * component.lam
    return component._replace(lam=lam, cgf=scores.increment(component.cell, scores.best).cgf(-lam)[0])


def missed(result):
    return "recover" in result.domain


@pytest.fixture(scope="module")
def cases():
    rng = np.random.default_rng(8)
    made = []
    for i in range(PROBLEMS):
        problem, n = random_problem(rng)
        design = tilted_design(problem.scores, n)
        assert design.sums.size == 3
        commonest = int(np.argmax([c.cgf for c in design.sums.components]))
        made.append((problem.scores, n, design, commonest, Settings(4000, i, "numba")))
    return made


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("sampling", "seeds"), [("sobol", 2), ("random", 1), pytest.param("random", 4, marks=pytest.mark.long)]
)
def test_good_mixtures_raise_nothing(cases, sampling, seeds):
    """The stated rate is 1e-6 a result, so that not one alarm is expected."""
    for scores, n, design, _, settings in cases:
        for seed in range(seeds):
            result = simulate_design(scores, n, design, replace(settings, seed=seed), sampling)
            assert not missed(result)
            assert abs(result.details["recovered_mass"] - 1.0) < 0.3


@pytest.mark.statistical
@pytest.mark.parametrize("sampling", ["sobol", pytest.param("random", marks=pytest.mark.long)])
def test_a_dropped_component_is_seen(cases, sampling):
    for scores, n, design, which, settings in cases:
        whole = simulate_design(scores, n, design, settings, "sobol")
        broken = simulate_design(scores, n, with_component(design, which, None), settings, sampling)
        cell = design.sums.components[which].cell
        assert missed(broken)
        assert not broken.in_domain
        assert f"cell {cell}" in broken.domain
        assert broken.details["recovered_mass"] < 0.5
        # The danger: a small standard error about a value that is far too low.
        if sampling == "sobol":
            assert broken.log_delta + 5.0 * broken.std_error < whole.log_delta


@pytest.mark.statistical
@pytest.mark.parametrize("factor", [0.0, 0.3, 0.5, 2.0])
def test_a_shifted_or_weak_tilt_is_seen(cases, factor):
    for scores, n, design, which, settings in cases:
        wrong = scaled(scores, design.sums.components[which], factor)
        assert missed(simulate_design(scores, n, with_component(design, which, wrong), settings, "sobol"))


@pytest.mark.statistical
def test_a_slightly_wrong_tilt_is_harmless_and_raises_nothing(cases):
    for scores, n, design, which, settings in cases:
        near = scaled(scores, design.sums.components[which], 0.98)
        result = simulate_design(scores, n, with_component(design, which, near), settings, "sobol")
        whole = simulate_design(scores, n, design, replace(settings, seed=99), "sobol")
        assert not missed(result)
        assert abs(result.log_delta - whole.log_delta) < 8.0 * math.hypot(result.std_error, whole.std_error)


def test_a_wrong_cumulant_function_is_seen(cases):
    for scores, n, design, which, settings in cases:
        component = design.sums.components[which]
        wrong = component._replace(cgf=component.cgf * (1.0 + 2.0 / (n * abs(component.cgf))))
        required = tuple(wrong if c == component else c for c in design.required)
        broken = Design(design.sums, design.points, required)
        assert missed(simulate_design(scores, n, broken, settings, "sobol"))
