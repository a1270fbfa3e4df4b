"""Sums of points of a generalized linear law, from the law or from its tilt by rejection (Statement S18)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import logsumexp

from qmis_stats.arrays import FloatArray
from qmis_stats.errors import DomainError
from qmis_stats.scores.base import Draw, fixed_order_dot
from qmis_stats.scores.families import Family

__all__ = ["Envelope", "accepted_sums"]

_UNIFORMS = 400_000
_NUMBERS = 1 << 21
_SPARE = 7.0
_ROUNDING = 1e-9
_LEAST_ACCEPTANCE = 1e-3


@dataclass(frozen=True)
class Envelope:
    """``exp(constant) Σ_s exp(sᵀw)`` over shifts: above the density ratio of a tilted law, and a mixture of normals.

    Parameters
    ----------
    shifts : (S, q) array
        Means of the normal laws.
    constant : float
        A logarithm.
    """

    shifts: FloatArray
    constant: float

    @property
    def log_weights(self) -> FloatArray:
        """Logarithms of the masses of the normal laws, shape (S,)."""
        return np.asarray(self.constant + 0.5 * np.sum(self.shifts**2, axis=1))

    @property
    def log_mass(self) -> float:
        """Logarithm of the whole mass."""
        return float(logsumexp(self.log_weights))

    def centres(self, uniforms: FloatArray) -> FloatArray:
        """Return the mean of a normal law chosen with its share, shape (M, q)."""
        shares = np.cumsum(np.exp(self.log_weights - self.log_mass))[:-1]
        return np.asarray(self.shifts[np.searchsorted(shares, uniforms)])

    def log_density(self, w: FloatArray) -> FloatArray:
        """Return the logarithm of the envelope at points (M, q)."""
        return np.asarray(self.constant + logsumexp(fixed_order_dot(w, self.shifts), axis=1))


class Drawn(Protocol):
    """What is drawn here: scores of points whose target has an exponential family given q standard normals."""

    @property
    def family(self) -> Family:
        """The law of a target."""
        ...

    @property
    def cells(self) -> int:
        """Number K."""
        ...

    @property
    def rank(self) -> int:
        """Number q of normals."""
        ...

    def eta(self, w: FloatArray) -> FloatArray:
        """Return the natural parameter at (M, q) normals."""
        ...

    def values(self, w: FloatArray, y: FloatArray) -> FloatArray:
        """Return the scores, (M, K)."""
        ...

    def conditional(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return expected scores and slopes given the normals, (M, K) each."""
        ...

    def tilted_exponent(self, w: FloatArray, cell: int, lam: float) -> FloatArray:
        """Return the logarithm of the tilted density ratio at the normals."""
        ...

    def envelope(self, cell: int, lam: float) -> Envelope:
        """Return what lies above it."""
        ...

    def log_acceptance(self, cell: int, lam: float) -> float:
        """Return the logarithm of the probability that a candidate is accepted."""
        ...


def accepted_sums(
    scores: Drawn, draw: Draw, first: int, count: int, terms: int, tilt: tuple[int, float] | None
) -> FloatArray:
    """Return sums of ``terms`` points, shape (count, K).

    A replicate has its own sequence of candidates, and its points are the first that are accepted: the numbers depend
    on neither the blocks nor the number of candidates drawn at once.

    Raises
    ------
    DomainError
        If fewer than one candidate in a thousand would be accepted, or one contradicts the bound on the density ratio.
    """
    if tilt is None:
        return _in_blocks(scores, draw, first, count, terms, terms, None)
    log_rate = scores.log_acceptance(*tilt)
    if log_rate < math.log(_LEAST_ACCEPTANCE):
        raise DomainError(
            "tilted", "the tilted law is too far from the law for rejection", "use method = exact or sharp"
        )
    rate = min(math.exp(log_rate), 1.0)
    spare = _SPARE * math.sqrt(terms * (1.0 - rate)) + 10.0
    return _in_blocks(scores, draw, first, count, terms, math.ceil((terms + spare) / rate), tilt)


def _in_blocks(
    scores: Drawn,
    draw: Draw,
    first: int,
    count: int,
    terms: int,
    candidates: int,
    tilt: tuple[int, float] | None,
) -> FloatArray:
    out = np.empty((count, scores.cells))
    rows = max(1, _NUMBERS // (candidates * (scores.rank + scores.cells + 3)))
    for start in range(0, count, rows):
        size = min(rows, count - start)
        sums, complete = _sums(scores, draw, first + start, size, terms, candidates, tilt)
        out[start : start + size] = sums
        for row in np.flatnonzero(~complete):
            # Longer sequences of the same candidates, until enough are accepted.
            out[start + row] = _in_blocks(scores, draw, first + start + int(row), 1, terms, 2 * candidates, tilt)[0]
    return out


def _sums(
    scores: Drawn,
    draw: Draw,
    first: int,
    count: int,
    terms: int,
    candidates: int,
    tilt: tuple[int, float] | None,
) -> tuple[FloatArray, np.ndarray]:
    """Return sums of the first ``terms`` accepted candidates, and whether there were so many."""
    q, each = scores.rank, 1 if tilt is None else 3
    normals = draw.kernels.normals(draw.key, draw.stream, first, count, candidates * q)
    uniforms = draw.kernels.uniforms(draw.key, draw.stream + _UNIFORMS, first, count, candidates * each)
    w, u = normals.reshape(-1, q), uniforms.reshape(-1, each)
    if tilt is None:
        values = scores.values(w, scores.family.draw(scores.eta(w), u[:, 0]))
        return _totals(values, count, candidates), np.ones(count, dtype=np.bool_)
    envelope = scores.envelope(*tilt)
    if len(envelope.shifts) > 1:
        w = w + envelope.centres(u[:, 2])
    excess = scores.tilted_exponent(w, *tilt) - envelope.log_density(w)
    if excess.max() > _ROUNDING:
        raise DomainError(
            "tilted", "the bound on the density ratio of the tilted law fails", "use method = exact or sharp"
        )
    accepted = (np.log(u[:, 1]) <= excess).reshape(count, candidates)
    order = np.cumsum(accepted, axis=1)
    used = (accepted & (order <= terms)).ravel()
    eta = scores.eta(w[used]) + tilt[1] * scores.conditional(w[used])[1][:, tilt[0]]
    values = np.zeros((used.size, scores.cells))
    values[used] = scores.values(w[used], scores.family.draw(eta, u[used, 0]))
    return _totals(values, count, candidates), order[:, -1] >= terms


def _totals(values: FloatArray, count: int, candidates: int) -> FloatArray:
    """Return the sums over each replicate's candidates, which are added in their order."""
    return np.asarray(values.reshape(count, candidates, -1).sum(axis=1))
