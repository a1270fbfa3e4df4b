"""The tilted estimator: rare crossings made common and weighted back (Statement S10)."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.json_values import json_ready
from qmis_stats.problem import Problem
from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.scores import CanonicalScores
from qmis_stats.scores.base import ScoreModel
from qmis_stats.simulate.admission import admit, nothing_leaks
from qmis_stats.simulate.design import Design, tilted_design
from qmis_stats.simulate.estimator import log_crossing_probability
from qmis_stats.simulate.half_sums import half_sums
from qmis_stats.simulate.mass import Mass, recovered_masses
from qmis_stats.simulate.memory import fit_sums
from qmis_stats.simulate.nets import MAX_DIMENSION
from qmis_stats.simulate.random_sums import PAIR_BUDGET, estimate_from_random_sums, random_result
from qmis_stats.simulate.scramblings import (
    SCRAMBLINGS,
    SMALLEST_LOG2,
    ScrambledEstimates,
    draw_nets,
    log2_size,
    scrambled_estimates,
)
from qmis_stats.simulate.settings import Settings
from qmis_stats.simulate.verdict import doubts
from qmis_stats.validation import instance_of, one_of, sample_size

__all__ = ["Sampling", "nets_pay", "result_and_scramblings", "simulate_design", "tilted"]

Sampling = Literal["auto", "sobol", "random"]

_FEW_SUMS = 16_384
_FEWEST_LOG2_POINTS = 3
_REMEDY = "raise replicates"


def tilted(
    problem: Problem,
    n: int,
    *,
    replicates: int = 100_000,
    seed: int = 0,
    backend: str = "auto",
    block: int = 0,
    sampling: Sampling = "auto",
) -> MISResult:
    """Estimate Δ_n by tilted simulation: rare crossings made common and weighted back (Statement S10).

    Sums and fresh points come from a mixture of the tilts of the rivals (and of the law where crossings are common),
    weighted in log space, so that Δ = 1e−200 costs what Δ = 1e−6 does.

    Parameters
    ----------
    problem, n, seed, backend, block
        As in :func:`~qmis_stats.simulate.crude.crude`.
    replicates : int
        Number of sums. Nets have 2^k points, at least 16: their total is the nearest that this allows, and at least
        1024 a component of the mixture. With several rivals ask for 4096 a component or more: on nets of 16 points
        95 % intervals covered 91 times in 100.
    sampling : {"auto", "sobol", "random"}
        ``"sobol"``: 32 independently scrambled Sobol' nets, for Gaussian means and regressions, with sums drawn mostly
        near the faces; the standard error has 31 degrees of freedom. ``"random"``: random numbers, for every law.
        ``"auto"``: nets where they exist, unless there are so many rivals that the smallest are too large, and all
        pairs of half sums for two cells of a generalized linear law (Statement S18).

    Returns
    -------
    MISResult
        ``in_domain`` is false when few sums carry the estimate, the signs of too many deviations are uncertain, the
        relative error exceeds 0.3, or the draws fail to recover the mass of a rival's tilted law: a region was missed.
        ``details`` has log P(T_n ≠ θ_1) from the same draws, ``log_crossing``.

    Raises
    ------
    DomainError
        If the cells are not an argmin of enumerable sums, or ``"sobol"`` is asked of a law without nets.

    Examples
    --------
    >>> from qmis_stats import CodebookERM, GaussianMean, Problem
    >>> problem = Problem(GaussianMean([0.0], [[1.0]]), CodebookERM([[0.0], [1.0]]))
    >>> r = tilted(problem, 1800, replicates=2000, seed=1, backend="reference")
    >>> round(r.log_delta / math.log(10), 1), r.std_error < 0.01
    (-99.8, True)
    """
    instance_of(Problem, "problem", problem)
    n, settings = sample_size(n), Settings(replicates, seed, backend, block=block)
    one_of("sampling", sampling, get_args(Sampling))
    scores = admit("tilted", problem.at(n), n)
    if scores is None:
        return nothing_leaks("tilted", n, settings)
    fit_sums("tilted", scores, settings, tilt=True)
    if isinstance(scores, CanonicalScores) and scores.cells == 2 and n > 2 and sampling == "auto":
        return half_sums(scores, n, settings)
    return simulate_design(scores, n, tilted_design(scores, n), settings, sampling)


def simulate_design(
    scores: ScoreModel, n: int, design: Design, settings: Settings, sampling: Sampling = "auto"
) -> MISResult:
    """Estimate Δ_n from draws of any design, and test that they reach what the design requires."""
    if sampling == "random" or (sampling == "auto" and not nets_pay(scores, n, design, settings.replicates)):
        return _from_random(scores, n, design, settings)
    return result_and_scramblings(scores, n, design, settings)[0]


def result_and_scramblings(
    scores: ScoreModel, n: int, design: Design, settings: Settings
) -> tuple[MISResult, FloatArray]:
    """Return the result of nets, and the estimates of the scramblings divided by their mean, shape (32,).

    Raises
    ------
    DomainError
        If the law has no nets.
    """
    if not _has_nets(scores, n):
        raise DomainError(
            "tilted",
            f"the sums of this law are not made of at most {MAX_DIMENSION} normals",
            "use sampling = random",
        )
    return _from_nets(scores, n, design, settings)


def _has_nets(scores: ScoreModel, n: int) -> bool:
    return 0 < scores.sum_normals(n - 1) <= MAX_DIMENSION


def _net_sizes(scores: ScoreModel, design: Design, replicates: int) -> tuple[int, int]:
    """Return binary logarithms of the nets of sums and of points, the latter small enough for the pairing's budget."""
    log2_sums = log2_size(replicates / (2 * SCRAMBLINGS * design.sums.size))
    if scores.cells == 2:
        return log2_sums, log2_sums
    comparisons = 2 * SCRAMBLINGS * design.sums.size * 2**log2_sums * scores.cells * design.points.size
    return log2_sums, min(log2_sums, math.floor(math.log2(PAIR_BUDGET / comparisons)))


def nets_pay(scores: ScoreModel, n: int, design: Design, replicates: int) -> bool:
    """Return whether nets exist, their points are affordable, and the smallest are not far beyond the replicates."""
    if not _has_nets(scores, n):
        return False
    smallest = 2 * SCRAMBLINGS * design.sums.size * 2**SMALLEST_LOG2
    affordable = _net_sizes(scores, design, replicates)[1] >= _FEWEST_LOG2_POINTS
    return affordable and smallest <= max(math.sqrt(2.0) * replicates, _FEW_SUMS)


def _from_random(scores: ScoreModel, n: int, design: Design, settings: Settings) -> MISResult:
    found = estimate_from_random_sums("tilted", scores, n, design, settings)
    sample = found.sample
    by_component = (design.sums.size, -1)
    masses = recovered_masses(
        design,
        sample.scores.reshape(*by_component, scores.cells),
        sample.log_weights.reshape(by_component),
        n - 1,
        scores.unit_scale,
        strata=True,
    )
    crossing, error = log_crossing_probability(
        found.kernels, sample, found.points, scores.best, found.estimate.crossings
    )
    details = {"sampling": "random", **_crossing_details(crossing, error), **_mass_details(masses)}
    return random_result("tilted", n, settings, found, _REMEDY, _objections(masses), details)


def _from_nets(scores: ScoreModel, n: int, design: Design, settings: Settings) -> tuple[MISResult, FloatArray]:
    kernels = settings.kernels()
    log2_sums, log2_points = _net_sizes(scores, design, settings.replicates)
    nets = draw_nets(
        kernels,
        scores,
        design,
        settings.key("tilted", n),
        terms=n - 1,
        log2_sums=log2_sums,
        log2_points=max(_FEWEST_LOG2_POINTS, log2_points),
        block=settings.block,
    )
    masses = recovered_masses(
        design,
        nets.sums.reshape(2 * SCRAMBLINGS, -1, scores.cells),
        nets.log_weights.reshape(2 * SCRAMBLINGS, -1),
        n - 1,
        scores.unit_scale,
        strata=False,
    )
    found = scrambled_estimates(kernels, nets, scores.best)
    points = nets.points.shape[1] * SCRAMBLINGS
    result = _net_result(n, settings, found, masses, nets.log_weights.size, points, design)
    mean = float(np.mean(found.delta))
    return result, found.delta / mean if mean > 0.0 else np.full(SCRAMBLINGS, np.nan)


def _net_result(
    n: int,
    settings: Settings,
    found: ScrambledEstimates,
    masses: tuple[Mass, ...],
    sums: int,
    points: int,
    design: Design,
) -> MISResult:
    log_delta, error = _log_mean(found.delta, found.log_scale)
    crossing, crossing_error = _log_mean(found.crossing, found.log_scale)
    log_plug_in, _ = _log_mean(found.plug_in, found.log_scale)
    log_cross_fitted, _ = _log_mean(found.cross_fitted, found.log_scale)
    linear = LinearEstimate(
        float(np.mean(found.delta)),
        float(np.std(found.delta, ddof=1)) / math.sqrt(SCRAMBLINGS),
        found.log_scale,
        gap=float(np.mean(found.plug_in) - np.mean(found.cross_fitted)),
        effective=found.effective_sums,
        objections=_objections(masses),
    )
    reasons = doubts(linear, _REMEDY, balanced=True)
    return MISResult(
        "tilted",
        n,
        log_delta,
        error,
        dof=SCRAMBLINGS - 1,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else "the scramblings agree and reach every face",
        seed=settings.seed,
        replicates=sums,
        details={
            "sampling": "sobol",
            "scramblings": SCRAMBLINGS,
            "bias_correction": "one third cross-fitted, two thirds plug-in: their biases cancel to second order",
            "log_plug_in": json_ready(log_plug_in),
            "log_cross_fitted": json_ready(log_cross_fitted),
            "fresh_points": points,
            "mixture_components": design.sums.size,
            "effective_sums": found.effective_sums,
            **_crossing_details(crossing, crossing_error),
            **_mass_details(masses),
        },
        linear=linear,
    )


def _log_mean(values: np.ndarray, log_scale: float) -> tuple[float, float]:
    """Return the log of exp(log_scale) times the mean, and its relative standard error."""
    mean = float(np.mean(values))
    if not mean > 0.0:
        return -math.inf, math.inf
    return math.log(mean) + log_scale, float(np.std(values, ddof=1)) / math.sqrt(values.size) / mean


def _crossing_details(value: float, error: float) -> dict[str, Any]:
    return {"log_crossing": json_ready(value), "log_crossing_std_error": json_ready(error)}


def _objections(masses: tuple[Mass, ...]) -> tuple[str, ...]:
    return tuple(mass.objection for mass in masses if mass.objection)


def _mass_details(masses: tuple[Mass, ...]) -> dict[str, Any]:
    """Return the smallest recovered mass with its error."""
    if not masses:
        return {}
    least = min(masses, key=lambda mass: mass.value)
    return {"recovered_mass": least.value, "recovered_mass_std_error": least.std_error}
