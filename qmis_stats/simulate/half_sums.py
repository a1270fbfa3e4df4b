"""Tilted simulation of two cells by all pairs of half sums (Statement S18).

Where no statistic of fixed size is sufficient a sum costs all of its points, and the weight e^{λS} of a crossing has a
relative variance of about ½λσ̃√(2πn). A sum of n − 1 points is a sum of two independent halves: every half of one pool
meets every half of another, a U-statistic, whose variance is that of the mean of *half* a sum over the other half and
does not grow with n. With F the distribution function of one increment, which quadrature gives, and x₀ the place where
P(S_{n−1} < −x₀) = P(S_n < 0),

    Δ_n = 2 e^{−(n−1)I} Ẽ J(S̃),   J(s) = e^{λs} [F(min(x₀, −s)) − F(x₀) F(−s)].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.results import LinearEstimate, MISResult
from qmis_stats.scores import CanonicalIncrement, CanonicalScores, Draw
from qmis_stats.simulate.design import SUMS_STREAM
from qmis_stats.simulate.settings import Settings
from qmis_stats.simulate.verdict import doubts

__all__ = ["half_sums"]

_BINS = 1 << 15
_REACH = 10.0
_FEWEST = 50
_LARGEST_EXPONENT = 600.0


@dataclass(frozen=True)
class _Law:
    """Distribution function of an increment as sorted nodes with cumulative weights."""

    nodes: FloatArray
    cumulative: FloatArray

    @classmethod
    def of(cls, increment: CanonicalIncrement) -> _Law:
        x, mass = increment.quadrature()
        order = np.argsort(x, kind="stable")
        return cls(x[order], np.concatenate(([0.0], np.cumsum(mass[order]))) / float(mass.sum()))

    def below(self, x: FloatArray) -> FloatArray:
        """Return F(x)."""
        return np.asarray(self.cumulative[np.searchsorted(self.nodes, x)])


def half_sums(scores: CanonicalScores, n: int, settings: Settings) -> MISResult:
    """Estimate Δ_n of two cells from pools of half sums, cross-fitted over two folds of either pool.

    Parameters
    ----------
    scores : CanonicalScores
        Two distinct cells with a proper tilt.
    n : int
        Sample size, at least 3.
    settings : Settings
        ``replicates`` is the number of half sums of both pools.

    Examples
    --------
    >>> from qmis_stats import CodebookERM, LogisticRegression, Problem, mis
    >>> problem = Problem(LogisticRegression([1.5], [[1.0]]), CodebookERM([[1.5], [-0.5]]))
    >>> found = half_sums(problem.scores, 60, Settings(4000, 1, "reference"))
    >>> abs(found.log_delta - mis(problem, 60, "exact").log_delta) < 6 * found.std_error < 0.2
    True
    """
    rival = 1 - scores.best
    increment = scores.increment(rival, scores.best)
    assert isinstance(increment, CanonicalIncrement)
    tilt, terms = increment.tilt(), n - 1
    given = (rival, tilt.lam) if tilt.lam > 0.0 else None
    size = max(_FEWEST, -(-settings.replicates // 4))
    kernels, key = settings.kernels(), settings.key("tilted", n)
    pools = []
    for i, count in enumerate((terms - terms // 2, terms // 2)):
        draw = Draw(kernels, key, SUMS_STREAM + i)
        sums = scores.sample(draw, 2 * size * settings.block, 2 * size, terms=count, tilt=given)
        pools.append(sums[:, rival].reshape(2, size))
    law, reach = _Law.of(increment), _REACH * math.sqrt(tilt.variance * terms)
    grid = np.linspace(-reach, reach, _BINS)
    sums = 2.0 * np.linspace(-reach, reach, 2 * _BINS - 1)
    places = [_turning_place(law, sums, grid, tilt.lam, pools[0][fold], pools[1][fold]) for fold in (0, 1)]
    values, variance, effective = [], 0.0, 0.0
    for fold in (0, 1):
        contribution = [_bump(law, sums, tilt.lam, place) for place in (places[1 - fold], places[fold])]
        parts = _projections(contribution[0], grid, pools[0][fold], pools[1][fold])
        plug_in = float(np.mean(_projections(contribution[1], grid, pools[0][fold], pools[1][fold])[0]))
        values.append((float(np.mean(parts[0])), plug_in))
        variance += 0.25 * sum(float(np.var(part, ddof=1)) / size for part in parts)
        effective += min(float(np.sum(part)) ** 2 / max(float(np.sum(part**2)), 1e-300) for part in parts)
    delta, plug_in = np.mean(values, axis=0).tolist()
    error, scale = math.sqrt(variance), math.log(2.0) - terms * tilt.exponent
    linear = LinearEstimate(delta, error, scale, gap=plug_in - delta, effective=effective)
    reasons = doubts(linear, "raise replicates", balanced=False)
    return MISResult(
        "tilted",
        n,
        math.log(delta) + scale if delta > 0.0 else -math.inf,
        error / delta if delta > 0.0 else math.inf,
        in_domain=not reasons,
        domain="; ".join(reasons) if reasons else "enough half sums meet beyond the face for a normal interval",
        seed=settings.seed,
        replicates=4 * size,
        details={
            "sampling": "half sums",
            "bias_correction": "two folds: signs from one, magnitudes from the other",
            "log_plug_in": math.log(plug_in) + scale if plug_in > 0.0 else None,
            "effective_sums": effective,
        },
        linear=linear,
    )


def _binned(pool: FloatArray, grid: FloatArray) -> FloatArray:
    """Return shares of a pool on a grid, each number shared by its two neighbours in proportion."""
    step = grid[1] - grid[0]
    place = np.clip((pool - grid[0]) / step, 0.0, grid.size - 1.000001)
    left = place.astype(np.int64)
    share = place - left
    total = np.bincount(left, 1.0 - share, grid.size) + np.bincount(left + 1, share, grid.size)
    return np.asarray(total / pool.size)


def _convolved(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the convolution of two vectors, of length |a| + |b| − 1."""
    size = a.size + b.size - 1
    length = 1 << (size - 1).bit_length()
    return np.asarray(np.fft.irfft(np.fft.rfft(a, length) * np.fft.rfft(b, length), length)[:size])


def _tilt_back(sums: FloatArray, lam: float) -> FloatArray:
    return np.asarray(np.exp(np.minimum(lam * sums, _LARGEST_EXPONENT)))


def _turning_place(
    law: _Law, sums: FloatArray, grid: FloatArray, lam: float, first: FloatArray, second: FloatArray
) -> float:
    """Return x₀ by the sums of all pairs: where the probability given x is the probability itself."""
    density = np.maximum(_convolved(_binned(first, grid), _binned(second, grid)), 0.0)
    # Beyond the largest increment nothing crosses: a weight there would only magnify the rounding of the transform.
    weights = np.where(-sums >= law.nodes[0], density * _tilt_back(sums, lam), 0.0)
    below = np.cumsum(weights)
    target = float(weights @ law.below(-sums))
    return -float(np.interp(target, below, sums))


def _bump(law: _Law, sums: FloatArray, lam: float, place: float) -> FloatArray:
    """Return J on the grid of sums."""
    here = float(law.below(np.array([place]))[0])
    return _tilt_back(sums, lam) * (law.below(np.minimum(place, -sums)) - here * law.below(-sums))


def _projections(
    bump: FloatArray, grid: FloatArray, first: FloatArray, second: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the mean of J(a + b) over b for each a, and over a for each b."""
    found = []
    for own, other in ((first, second), (second, first)):
        # Σ_b p_b J(s + s_b) on the grid: a correlation.
        mean = _convolved(bump, _binned(other, grid)[::-1])[grid.size - 1 : 2 * grid.size - 1]
        found.append(np.asarray(np.interp(own, grid, mean)))
    return found[0], found[1]
