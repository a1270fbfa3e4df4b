"""Sums from random numbers: one sample, its estimate and what the result says about it (Statement S10)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from qmis_stats.results import MISResult
from qmis_stats.scores import PointRule
from qmis_stats.scores.base import ScoreModel
from qmis_stats.simulate.design import Design, draw_points, draw_sums
from qmis_stats.simulate.estimator import Estimate, SumSample, cross_fitted_delta
from qmis_stats.simulate.settings import Settings

__all__ = [
    "PAIR_BUDGET",
    "RandomSums",
    "doubts",
    "estimate_from_random_sums",
    "random_result",
]

PAIR_BUDGET = 2_000_000_000
"""Most comparisons of a score in one estimate."""
_FEWEST_EFFECTIVE = 50.0
_LARGEST_RELATIVE_ERROR = 0.3
_FEWEST_POINTS = 256
_MOST_POINTS = 50_000
_LARGEST_BIAS = 0.5


@dataclass(frozen=True)
class RandomSums:
    """A sample of sums with its fresh points and its estimate."""

    kernels: ModuleType
    sample: SumSample
    points: PointRule
    estimate: Estimate
    components: int


def estimate_from_random_sums(
    method: str, scores: ScoreModel, n: int, design: Design, settings: Settings
) -> RandomSums:
    """Draw sums and points of a design and estimate Δ_n from them."""
    kernels, key = settings.kernels(), settings.key(method, n)
    sample = draw_sums(kernels, scores, design.sums, key, terms=n - 1, count=settings.replicates)
    points = draw_points(kernels, scores, design.points, key, count=_points(scores, len(sample.scores)))
    estimate = cross_fitted_delta(kernels, sample, points, scores.best)
    return RandomSums(kernels, sample, points, estimate, design.sums.size)


def _points(scores: ScoreModel, sums: int) -> int:
    """Return the number of fresh points: as many as sums while the pairing stays within its budget."""
    if scores.cells == 2:
        return sums
    affordable = PAIR_BUDGET // (sums * scores.cells)
    return max(_FEWEST_POINTS, min(sums, affordable, _MOST_POINTS))


def doubts(
    objections: tuple[str, ...],
    effective_sums: float,
    std_error: float,
    bracket: tuple[float, float],
    *,
    signs_uncertain: bool,
    remedy: str,
) -> list[str]:
    """Return why a simulated result should not be trusted, and what to do; empty when nothing speaks against it.

    ``bracket`` holds the logarithms of the cross-fitted and of the plug-in estimate.
    """
    reasons = list(objections)
    if effective_sums < _FEWEST_EFFECTIVE:
        reasons.append(f"only {effective_sums:.3g} effective sums cross a face")
    if signs_uncertain:
        reasons.append(
            f"too few crossings a cell to tell the signs: log delta lies between {bracket[0]:.4g} and the "
            f"plug-in {bracket[1]:.4g}"
        )
    if std_error > _LARGEST_RELATIVE_ERROR:
        reasons.append("the relative standard error is above 0.3")
    return [*reasons, remedy] if reasons else []


def random_result(
    method: str,
    n: int,
    settings: Settings,
    found: RandomSums,
    remedy: str,
    objections: tuple[str, ...] = (),
    details: dict[str, Any] | None = None,
) -> MISResult:
    """Return the result with its domain; ``objections`` are further reasons not to trust it."""
    estimate = found.estimate
    gap = math.exp(estimate.log_plug_in - estimate.log_scale) - estimate.delta_scaled
    reasons = doubts(
        objections,
        estimate.effective_sums,
        estimate.std_error,
        (estimate.log_delta, estimate.log_plug_in),
        signs_uncertain=gap > _LARGEST_BIAS * estimate.std_error_scaled,
        remedy=remedy,
    )
    return MISResult(
        method,
        n,
        estimate.log_delta,
        estimate.std_error,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else "enough sums cross a face for a normal interval",
        seed=settings.seed,
        replicates=len(found.sample.scores),
        details={
            "bias_correction": "two halves: signs from one, magnitudes from the other",
            "log_plug_in": estimate.log_plug_in if math.isfinite(estimate.log_plug_in) else None,
            "fresh_points": len(found.points.weights),
            "mixture_components": found.components,
            "effective_sums": estimate.effective_sums,
            "variance_share_of_sums": estimate.sums_share,
            **(details or {}),
        },
    )
