"""The membership likelihood ratio of a read-out when the proximal map is curved (Statement S16, Proposition S18.8).

A non-member's read-out is w ~ N(0, 1). A member's is ``w = c·M + √(1 − c²)·ξ`` with c² the retained information ρ, ξ
standard normal and ``M = (prox_q(a + sτ) − a)/s``. Everything is integrated on grids; no point is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.by_value import ByValue
from qmis_stats.errors import InputError
from qmis_stats.numerics import normal_trapezoid
from qmis_stats.results import REPORTED_FPR, ROCCurve
from qmis_stats.scores.families import Family
from qmis_stats.validation import finite_array, instance_of, nonnegative_number, positive_number, real_number

__all__ = ["MemberPoints", "ReadOutLaw", "read_out_law"]

_REACH = 8.6
_GRID = 0.1
_FINE = 0.25
_NEARLY_ALL = 0.999
"""Beyond it the noise of a read-out is so small that a rule of few nodes sees it."""
_NOISE_NODES, _NOISE_WEIGHTS = np.polynomial.hermite_e.hermegauss(11)
_NOISE_WEIGHTS = _NOISE_WEIGHTS / _NOISE_WEIGHTS.sum()
_NUMBERS = 4_000_000
_CURVE_POINTS = 400
_LEAST = 1e-300


@dataclass(frozen=True, eq=False, repr=False)
class MemberPoints(ByValue):
    """Points of a generalized linear law with their probabilities, and what a fit makes of them.

    Attributes
    ----------
    centre, response, weight : (N,) arrays
        Mean a of the fitted value without the point, response, and probability; weights sum to one.
    spread, proximity : float
        The standard deviation s of the fitted value and the parameter q of the proximal map.
    """

    centre: FloatArray
    response: FloatArray
    weight: FloatArray
    spread: float
    proximity: float

    def __post_init__(self) -> None:
        size = finite_array("centre", self.centre, 1, "(N,)").size
        for name in ("response", "weight"):
            if finite_array(name, getattr(self, name), 1, "(N,)").size != size:
                raise InputError(name, getattr(self, name), f"{size} numbers, one per centre")
        positive_number("spread", self.spread)
        nonnegative_number("proximity", self.proximity)


@dataclass(frozen=True, eq=False, repr=False)
class ReadOutLaw(ByValue):
    """Δ and the ROC curve of the most powerful test on the read-out of a known point."""

    delta: float
    roc: ROCCurve


def read_out_law(family: Family, points: MemberPoints, retained: float) -> ReadOutLaw:
    """Return Δ and the ROC of the likelihood ratio of a read-out that retains a share of the fitted value's variance.

    Parameters
    ----------
    family : Family
        The law of the response, whose loss was fitted.
    points : MemberPoints
        The points.
    retained : float
        ρ in (0, 1].

    Examples
    --------
    >>> from qmis_stats.scores.families import BERNOULLI
    >>> points = MemberPoints(np.zeros(2), np.array([0.0, 1.0]), np.array([0.5, 0.5]), 1.0, 1.0)
    >>> found = read_out_law(BERNOULLI, points, 1.0)
    >>> round(found.delta, 4), round(found.roc.auc, 4)
    (0.1945, 0.6254)
    """
    if not hasattr(family, "proximal"):
        raise InputError("family", family, "a Family; such as qmis_stats.scores.families.BERNOULLI")
    instance_of(MemberPoints, "points", points)
    if not 0.0 < real_number("retained", retained) <= 1.0:
        raise InputError("retained", retained, "above 0 and at most 1")
    c = math.sqrt(retained)
    moved, masses = _members(family, points, c)
    mean = moved @ masses
    variance = (moved - mean[:, None]) ** 2 @ masses
    deviation = np.sqrt(retained * variance + 1.0 - retained)
    count = math.ceil(_REACH / _GRID)
    w = c * mean[:, None] + deviation[:, None] * np.linspace(-_REACH, _REACH, 2 * count + 1)
    width = _REACH / count * deviation
    density = np.empty_like(w)
    rows = max(1, _NUMBERS // (w.shape[1] * moved.shape[1]))
    for start in range(0, len(w), rows):
        part = slice(start, start + rows)
        if retained > _NEARLY_ALL:
            density[part] = _read_off(family, points, part, w[part], c)
        else:
            missed = (w[part, :, None] - c * moved[part, None, :]) ** 2
            density[part] = np.exp(-0.5 / (1.0 - retained) * missed) @ masses / math.sqrt(1.0 - retained)
    non_member = np.exp(-0.5 * w * w)
    ratio = np.log(np.maximum(density, _LEAST)) + 0.5 * w * w
    scale = (points.weight * width / math.sqrt(2.0 * math.pi))[:, None]
    delta = float(np.sum(scale[:, 0] * _excess(density - non_member)))
    return ReadOutLaw(delta, _roc(ratio.ravel(), (scale * density).ravel(), (scale * non_member).ravel()))


def _members(family: Family, points: MemberPoints, c: float) -> tuple[FloatArray, FloatArray]:
    """Return M at nodes of τ, (N, nodes), and the nodes' weights; steps are well below the noise of a read-out."""
    # Where nearly all is retained the nodes give mean and variance only, of maps that may be steep.
    noise = math.sqrt(1.0 - c * c) / c if c * c <= _NEARLY_ALL else 0.25
    count = math.ceil(_REACH / (_FINE * min(1.0, noise)))
    nodes, weights = normal_trapezoid(_REACH, 2 * count + 1)
    u = points.centre[:, None] + points.spread * nodes
    fitted = family.proximal(u, points.proximity, points.response[:, None])
    return (fitted - points.centre[:, None]) / points.spread, weights


def _read_off(family: Family, points: MemberPoints, part: slice, w: FloatArray, c: float) -> FloatArray:
    """Return √(2π) times a member's density where the read-out is the fitted value but for little noise."""
    a, y = points.centre[part, None], points.response[part, None]
    noise, density = math.sqrt(1.0 - c * c), np.zeros_like(w)
    for node, weight in zip(_NOISE_NODES, _NOISE_WEIGHTS, strict=True):
        fitted = a + points.spread * (w - noise * node) / c
        tau = (fitted - a + points.proximity * (family.mean(fitted) - y)) / points.spread
        rise = 1.0 + points.proximity * family.cumulants(fitted)[0]
        density += weight * rise * np.exp(-0.5 * tau * tau) / c
    return density


def _excess(gap: FloatArray) -> FloatArray:
    """Return the sums over the last axis of the positive part, a straight line where it begins or ends."""
    before, after = gap[:, :-1], gap[:, 1:]
    crossed = before * after < 0.0
    step = np.where(crossed, np.abs(after - before), 1.0)
    # The trapezium over a kink is too large by a triangle, and ends on a slope that does not vanish.
    kinks = np.where(crossed, step / 12.0 - 0.5 * np.abs(before * after) / step, 0.0)
    return np.asarray(np.sum(np.maximum(gap, 0.0), axis=1) + np.sum(kinks, axis=1))


def _roc(ratio: FloatArray, members: FloatArray, non_members: FloatArray) -> ROCCurve:
    order = np.argsort(-ratio)
    inside, outside = members[order] / members.sum(), non_members[order]
    left = max(1.0 - float(outside.sum()), 0.0)  # non-members where no member is
    # Half of a node's mass lies on either side of it.
    tpr, fpr = np.cumsum(inside) - 0.5 * inside, np.cumsum(outside) - 0.5 * outside
    area = 1.0 - float(np.sum(inside * fpr))
    chosen = np.unique(np.searchsorted(fpr, (fpr[-1] + left) * np.linspace(0.0, 1.0, _CURVE_POINTS + 1)[1:-1] ** 2))
    chosen = chosen[chosen < fpr.size]
    seen = fpr > 0.0
    at = {f: math.exp(np.interp(math.log(f), np.log(fpr[seen]), np.log(tpr[seen]))) for f in REPORTED_FPR}
    shown = [(0.0, *(float(min(v, 1.0)) for v in rate[chosen]), 1.0) for rate in (fpr, tpr)]
    return ROCCurve(shown[0], shown[1], area, {f: (v, v, v) for f, v in at.items()})
