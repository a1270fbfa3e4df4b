"""Sums from random numbers: one sample, its estimate and what the result says about it (Statement S10)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from qmis_stats.json_values import json_ready
from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.scores import PointRule
from qmis_stats.scores.base import ScoreModel
from qmis_stats.simulate.design import Design, draw_points, draw_sums
from qmis_stats.simulate.estimator import Estimate, SumSample, cross_fitted_delta
from qmis_stats.simulate.settings import Settings
from qmis_stats.simulate.verdict import doubts

__all__ = ["PAIR_BUDGET", "RandomSums", "estimate_from_random_sums", "random_result"]

PAIR_BUDGET = 2_000_000_000
"""Most comparisons of a score in one estimate."""
_FEWEST_POINTS = 256
_MOST_POINTS = 50_000


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
    kernels, key, block = settings.kernels(), settings.key(method, n), settings.block
    sample = draw_sums(kernels, scores, design.sums, key, terms=n - 1, count=settings.replicates, block=block)
    points = draw_points(kernels, scores, design.points, key, count=_points(scores, len(sample.scores)), block=block)
    estimate = cross_fitted_delta(kernels, sample, points, scores.best)
    return RandomSums(kernels, sample, points, estimate, design.sums.size)


def _points(scores: ScoreModel, sums: int) -> int:
    """Return the number of fresh points: as many as sums while the pairing stays within its budget."""
    if scores.cells == 2:
        return sums
    affordable = PAIR_BUDGET // (sums * scores.cells)
    return max(_FEWEST_POINTS, min(sums, affordable, _MOST_POINTS))


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
    linear = replace(_linear(estimate), objections=objections)
    reasons = doubts(linear, remedy, balanced=False)
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
            "log_plug_in": json_ready(estimate.log_plug_in),
            "fresh_points": len(found.points.weights),
            "mixture_components": found.components,
            "effective_sums": estimate.effective_sums,
            "variance_share_of_sums": estimate.sums_share,
            **(details or {}),
        },
        linear=linear,
    )


def _linear(estimate: Estimate) -> LinearEstimate:
    if not math.isfinite(estimate.log_plug_in):
        return LinearEstimate.nothing_seen()
    return LinearEstimate(
        estimate.delta_scaled,
        estimate.std_error_scaled,
        estimate.log_scale,
        gap=math.exp(estimate.log_plug_in - estimate.log_scale) - estimate.delta_scaled,
        effective=estimate.effective_sums,
    )
