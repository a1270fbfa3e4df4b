"""What is drawn: sums of n − 1 points and fresh points, plain or from a mixture of tilts (Statement S10)."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from qmis_stats.scores import Draw, PointRule
from qmis_stats.scores.base import FloatArray, ScoreModel
from qmis_stats.simulate.estimator import SumSample
from qmis_stats.tilting import Tilt

__all__ = ["LAW", "TiltMixture", "draw_points", "draw_sums", "tilt_mixtures"]

SUMS_STREAM = 0
POINTS_STREAM = 1_000_000

TiltedComponent = tuple[int, float, float]
"""A tilt: cell, λ and K(−λ); λ = 0 is the law itself."""

LAW: TiltedComponent = (0, 0.0, 0.0)

_COMMON = 5.0
_NEGLIGIBLE = 20.0


class TiltMixture:
    """An equal mixture of tilts (the law itself among them or not), with the balance heuristic for its weights.

    Parameters
    ----------
    components : sequence of (cell, λ, K(−λ))
        At least one; ``LAW`` is the untilted law.
    """

    def __init__(self, components: list[TiltedComponent]) -> None:
        self.components = components

    @property
    def size(self) -> int:
        """Number of components."""
        return len(self.components)

    def log_weights(self, scores: FloatArray, terms: int, unit: float) -> FloatArray:
        """Return log dP/dQ of sums of ``terms`` points, Q the equal mixture; scores in units of ``unit``."""
        columns = [_log_density(unit * scores[:, cell], lam, terms * cgf) for cell, lam, cgf in self.components]
        return np.asarray(np.log(self.size) - logsumexp(np.stack(columns), axis=0), dtype=np.float64)


def _log_density(sums: FloatArray, lam: float, log_mean: float) -> FloatArray:
    """Return the log density of a tilt relative to the law; λ = ∞ is the law given that every score is zero."""
    if np.isinf(lam):
        return np.where(sums == 0.0, -log_mean, -np.inf)
    return np.asarray(-lam * sums - log_mean, dtype=np.float64)


def tilt_mixtures(scores: ScoreModel, n: int) -> tuple[TiltMixture, TiltMixture]:
    """Return the mixtures for sums of n − 1 points and for fresh points.

    One tilt a rival: a sum that returns rival k has a weight bounded through k's own tilt, so no rival may be missing
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
    components: list[TiltedComponent] = [
        (cell, t.lam, -t.exponent) for (_, _, cell), t in tilts.items() if n * (t.exponent - commonest) <= _NEGLIGIBLE
    ]
    with_law = tied or n * commonest < _COMMON
    return TiltMixture([LAW, *components] if with_law else components), TiltMixture([LAW, *components])


def _component_layout(count: int, components: int) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
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
    first: int = 0,
) -> SumSample:
    """Draw at least ``count`` sums of ``terms`` points, an equal even number from each component."""
    share, stratum, half = _component_layout(count, mixture.size)
    blocks = []
    for i, (cell, lam, _) in enumerate(mixture.components):
        draw = Draw(kernels, key, SUMS_STREAM + i)
        tilt = None if lam == 0.0 else (cell, lam)
        blocks.append(scores.sample(draw, first, share, terms=terms, tilt=tilt))
    values = np.concatenate(blocks)
    return SumSample(values, mixture.log_weights(values, terms, scores.unit_scale), stratum, half)


def draw_points(
    kernels: ModuleType,
    scores: ScoreModel,
    mixture: TiltMixture,
    key: tuple[int, int],
    *,
    count: int,
) -> PointRule:
    """Return fresh points: the law's own atoms where it has them, else draws from the mixture with its weights."""
    enumerated = scores.enumerate_points()
    if enumerated is not None:
        return enumerated
    share, _, _ = _component_layout(count, mixture.size)
    blocks = []
    for i, (cell, lam, _) in enumerate(mixture.components):
        draw = Draw(kernels, key, POINTS_STREAM + i)
        blocks.append(scores.sample(draw, 0, share, terms=1, tilt=None if lam == 0.0 else (cell, lam)))
    values = np.concatenate(blocks)
    weights = np.exp(mixture.log_weights(values, 1, scores.unit_scale))
    return PointRule(values, weights / weights.sum(), exact=False)
