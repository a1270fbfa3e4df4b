"""What is drawn: sums of n − 1 points and fresh points, plain or from a mixture of tilts (Statement S10)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import numpy as np

from qmis_stats.arrays import FloatArray, IntArray
from qmis_stats.scores import Draw, PointRule
from qmis_stats.scores.base import ScoreModel
from qmis_stats.simulate.estimator import SumSample
from qmis_stats.tilting import Tilt

__all__ = [
    "LAW",
    "POINTS_STREAM",
    "SUMS_STREAM",
    "Component",
    "Design",
    "TiltMixture",
    "draw_points",
    "draw_sums",
    "plain_design",
    "tilted_design",
]

SUMS_STREAM = 0
POINTS_STREAM = 1_000_000


class Component(NamedTuple):
    """A tilt; λ = 0 is the law itself.

    Attributes
    ----------
    cell : int
        The cell whose score is tilted.
    lam, cgf : float
        λ and K(−λ).
    spread : float
        σ̃, the tilted standard deviation of one point's score.
    """

    cell: int
    lam: float
    cgf: float
    spread: float

    @property
    def tilt(self) -> tuple[int, float] | None:
        """What score models are told: cell and λ, or nothing for the law itself."""
        return None if self.lam == 0.0 else (self.cell, self.lam)


LAW = Component(0, 0.0, 0.0, 0.0)

_COMMON = 5.0
_NEGLIGIBLE = 20.0


class TiltMixture:
    """An equal mixture of tilts (the law itself among them or not), with the balance heuristic for its weights.

    Parameters
    ----------
    components : sequence of (cell, λ, K(−λ))
        At least one; ``LAW`` is the untilted law.
    """

    def __init__(self, components: list[Component]) -> None:
        self.components = components

    @property
    def size(self) -> int:
        """Number of components."""
        return len(self.components)

    def log_weights(self, scores: FloatArray, terms: int, unit: float) -> FloatArray:
        """Return log dP/dQ of sums of ``terms`` points, Q the equal mixture; scores (..., K) in units of ``unit``."""
        densities = [log_density(component, scores, terms, unit) for component in self.components]
        # log-sum-exp by hand: SciPy's takes longer than everything else on short arrays.
        top = densities[0]
        for density in densities[1:]:
            top = np.maximum(top, density)
        total = np.zeros_like(top)
        for density in densities:
            total += np.exp(density - top)
        return np.asarray(np.log(self.size) - top - np.log(total), dtype=np.float64)


def log_density(component: Component, scores: FloatArray, terms: int, unit: float) -> FloatArray:
    """Return the log density of a tilt of ``terms`` points relative to the law, at sums (..., K) in units of ``unit``.

    λ = ∞ is the law given that every score is zero.
    """
    sums = unit * scores[..., component.cell]
    if np.isinf(component.lam):
        return np.where(sums == 0.0, -terms * component.cgf, -np.inf)
    return np.asarray(-component.lam * sums - terms * component.cgf, dtype=np.float64)


@dataclass(frozen=True)
class Design:
    """What a simulation draws, and what its draws have to reach.

    Attributes
    ----------
    sums, points : TiltMixture
        Mixtures for sums of n − 1 points and for fresh points.
    required : tuple of (cell, λ, K(−λ))
        Tilted laws of the sums whose mass the draws must recover: one for every rival that matters, and the law itself
        where it is drawn from.
    """

    sums: TiltMixture
    points: TiltMixture
    required: tuple[Component, ...] = ()


def plain_design() -> Design:
    """Return the design of crude simulation: the law itself."""
    return Design(TiltMixture([LAW]), TiltMixture([LAW]))


def tilted_design(scores: ScoreModel, n: int) -> Design:
    """Return the mixtures of the tilts.

    One tilt per rival: a sum that returns rival k has a weight bounded through k's own tilt, so no rival may be missing
    unless its crossings are rarer than the commonest by a factor e^−20. A face that only ties cross has the tilt λ = ∞,
    the law given a tie. The law itself joins the sums when crossings are common, or when a rival ties with the best;
    it always joins the fresh points.
    """
    tilts: dict[tuple[float, float, int], Tilt] = {}
    tied = False
    for cell in range(scores.cells):
        if cell == scores.best or scores.same(cell, scores.best):
            continue
        tilt = scores.increment(cell, scores.best).tilt()
        if tilt.exponent == 0.0:
            tied = True
        elif tilt.exponent < np.inf:
            tilts[(tilt.lam, tilt.exponent, cell)] = tilt
    commonest = min((t.exponent for t in tilts.values()), default=0.0)
    rivals: list[Component] = [
        Component(cell, t.lam, -t.exponent, math.sqrt(t.variance))
        for (_, _, cell), t in tilts.items()
        if n * (t.exponent - commonest) <= _NEGLIGIBLE
    ]
    drawn = [LAW, *rivals] if tied or n * commonest < _COMMON else rivals
    return Design(TiltMixture(drawn), TiltMixture([LAW, *rivals]), tuple(drawn))


def _component_layout(count: int, components: int) -> tuple[int, IntArray, IntArray]:
    """Return the number a component (even), and stratum and half of each of the replicates."""
    share = max(2, 2 * -(-count // (2 * components)))
    stratum = np.repeat(np.arange(components), share)
    half = np.tile(np.arange(share) % 2, components)
    return share, stratum.astype(np.int64), half.astype(np.int64)


def draw_sums(
    kernels: ModuleType,
    scores: ScoreModel,
    mixture: TiltMixture,
    key: tuple[int, int],
    *,
    terms: int,
    count: int,
    block: int = 0,
) -> SumSample:
    """Draw at least ``count`` sums of ``terms`` points, an equal even number from each component."""
    share, stratum, half = _component_layout(count, mixture.size)
    blocks = []
    for i, component in enumerate(mixture.components):
        draw = Draw(kernels, key, SUMS_STREAM + i)
        blocks.append(scores.sample(draw, block * share, share, terms=terms, tilt=component.tilt))
    values = np.concatenate(blocks)
    return SumSample(values, mixture.log_weights(values, terms, scores.unit_scale), stratum, half)


def draw_points(
    kernels: ModuleType,
    scores: ScoreModel,
    mixture: TiltMixture,
    key: tuple[int, int],
    *,
    count: int,
    block: int = 0,
) -> PointRule:
    """Return fresh points: the law's own atoms where it has them, else draws from the mixture with its weights."""
    enumerated = scores.enumerate_points()
    if enumerated is not None:
        return enumerated
    share, _, _ = _component_layout(count, mixture.size)
    blocks = []
    for i, component in enumerate(mixture.components):
        draw = Draw(kernels, key, POINTS_STREAM + i)
        blocks.append(scores.sample(draw, block * share, share, terms=1, tilt=component.tilt))
    values = np.concatenate(blocks)
    weights = np.exp(mixture.log_weights(values, 1, scores.unit_scale))
    return PointRule(values, weights / weights.sum(), exact=False)
