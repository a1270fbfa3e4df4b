"""What each group of records leaks, from the quantities of one fit (Statement S17, groups)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qmis_stats.arrays import Flags, FloatArray, Indices
from qmis_stats.errors import InputError
from qmis_stats.leak.fits import Fit
from qmis_stats.leak.game import Game
from qmis_stats.leak.group_results import GroupLeak
from qmis_stats.leak.influence import Influence, left_out, main_moves, unexplained
from qmis_stats.leak.law import exposures, figures_without_each, whole_figures
from qmis_stats.leak.leave_one_out import LeaveOneOut
from qmis_stats.leak.posterior import Points, points_of
from qmis_stats.leak.retained import ReadOut, share_covariance, share_moves
from qmis_stats.leak.signal import Directions, PointSignal
from qmis_stats.leak.smoothed import smoothed
from qmis_stats.validation import checked_level

__all__ = ["FEWEST_PARTS", "FEWEST_RECORDS", "MOST_GROUPS", "Basis", "group_leak", "group_names"]

FEWEST_RECORDS = 50
"""A group with fewer records is too small for figures of its own."""

FEWEST_PARTS = 20
"""Nor has a group figures whose records belong to fewer independent units of the jackknife."""

MOST_GROUPS = 50
"""More different labels than this are no groups."""

_MOST_RECORDS = 5000
_SLOPE_RECORDS = 250
_OWN_LAW = 25
_PARTS = 40
_MOVES = 6
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class Basis:
    """What the figures of a fit were computed from, and those of its groups are.

    Attributes
    ----------
    fit : Fit
        The fit.
    found : LeaveOneOut
        Its leave-one-out quantities, not smoothed.
    game : Game
        The membership game.
    influence : Influence
        Of each point on what all points share.
    directions : Directions
        Of the points.
    readings : sequence of ReadOut
        What is read of each quantizer.
    parts : (n,) ndarray of int or None
        Parts of the jackknife where records come in groups that are independent of each other; ``None`` where single
        records are.
    seed : int
        Of draws.
    backend : str
        Of the kernels.
    """

    fit: Fit
    found: LeaveOneOut
    game: Game
    influence: Influence
    directions: Directions
    readings: Sequence[ReadOut]
    parts: Indices | None
    seed: int
    backend: str

    def some(self, rows: Indices) -> tuple[Fit, LeaveOneOut]:
        """Return the fit and the leave-one-out quantities of some points."""
        found = self.found
        fields = ("value", "value_error", "leverage", "variance", "gradient", "curvature", "relative")
        return self.fit.some(rows), replace(found, **{name: getattr(found, name)[rows] for name in fields})


def group_names(field: str, labels: ArrayLike, points: int) -> NDArray[np.str_]:
    """Return the group of each record as text; a missing one is a group of its own, ``"missing"``.

    Raises
    ------
    InputError
        If there is not one label per record, or there are more than ``MOST_GROUPS`` different ones.

    Examples
    --------
    >>> group_names("sex", ["f", None, "m", "f"], 4).tolist(), group_names("age", [1.0, 2.0], 2).tolist()
    (['f', 'missing', 'm', 'f'], ['1', '2'])
    """
    import pandas as pd

    given = np.asarray(labels, dtype=object)
    if given.shape != (points,):
        raise InputError(field, given.shape, f"one label per record, of shape ({points},)")
    gone = pd.isna(given)
    names = np.array(["missing" if absent else _name(one) for one, absent in zip(given.tolist(), gone, strict=True)])
    count = np.unique(names).size
    if count > MOST_GROUPS:
        allowed = f"at most {MOST_GROUPS} of them; cut numbers into classes first"
        raise InputError(field, f"{count} different values", allowed)
    return names


def _name(label: Any) -> str:
    if isinstance(label, (float, np.floating)) and float(label).is_integer():
        return str(int(label))
    return str(label)


class _Of(NamedTuple):
    """Figures of one group, (Q, F), their deviations without each part, (J, Q, F), and their slopes in ρ, (Q, F)."""

    figures: FloatArray
    deviations: FloatArray
    slopes: FloatArray


def group_leak(
    basis: Basis, labels: ArrayLike, quantizers: Sequence[str], in_domain: Sequence[bool], level: float
) -> GroupLeak:
    """Return what each group leaks; see :meth:`~qmis_stats.leak.leakage_result.LeakageResult.by_group`."""
    names = group_names("labels", labels, basis.fit.points)
    known, codes, sizes = np.unique(names, return_inverse=True, return_counts=True)
    parts = _dealt(codes, basis.seed) if basis.parts is None else basis.parts
    units = np.array([np.unique(parts[codes == g]).size for g in range(known.size)])
    large = np.flatnonzero((sizes >= FEWEST_RECORDS) & (units >= FEWEST_PARTS))
    steps = np.array([-0.05 if one.share > 0.5 else 0.05 for one in basis.readings])
    steps = steps * np.array([one.share for one in basis.readings])
    here = [basis.directions.signal(one) for one in basis.readings]
    moved = [basis.directions.signal(one, step) for one, step in zip(basis.readings, steps, strict=True)]
    found = [
        _one_group(basis, _drawn(np.flatnonzero(codes == g), basis.seed, _MOST_RECORDS), parts, here, moved, steps)
        for g in large
    ]
    return GroupLeak(
        groups=tuple(map(str, known[large])),
        records=tuple(map(int, sizes[large])),
        small={str(known[g]): int(sizes[g]) for g in range(known.size) if g not in large},
        quantizers=tuple(quantizers),
        in_domain=tuple(in_domain),
        level=checked_level(level),
        **_joined(basis, found, parts),
    )


def _dealt(codes: Indices, seed: int) -> Indices:
    """Return parts of nearly equal size, each with its share of every group."""
    order = np.random.default_rng([seed, 0x6A0C]).permutation(codes.size)
    order = order[np.argsort(codes[order], kind="stable")]
    parts = np.empty(codes.size, dtype=np.int64)
    parts[order] = np.arange(codes.size) % _PARTS
    return parts


def _drawn(rows: Indices, seed: int, most: int) -> Indices:
    """Return rows, or a random choice of them where there are more."""
    if rows.size <= most:
        return rows
    return np.sort(np.random.default_rng([seed, 0x51CE]).permutation(rows)[:most])


def _law_rows(fit: Fit, rows: Indices, seed: int) -> Indices:
    """Return the records from which the law over the points of a group is read.

    They are its own, with all records of a class of which the group has too few.
    """
    if fit.loss.name not in ("logistic", "softmax"):
        return rows
    own = fit.y[rows]
    fewest = max(_OWN_LAW, 5 * fit.outputs)
    chosen = [
        rows[own == value]
        if np.sum(own == value) >= fewest
        else _drawn(np.flatnonzero(fit.y == value), seed, _MOST_RECORDS)
        for value in np.unique(fit.y)
    ]
    return np.sort(np.concatenate(chosen))


def _one_group(
    basis: Basis,
    rows: Indices,
    parts: Indices,
    here: Sequence[PointSignal],
    moved: Sequence[PointSignal],
    steps: FloatArray,
) -> _Of:
    law_rows = _law_rows(basis.fit, rows, basis.seed)
    chosen = _drawn(rows, basis.seed + 1, max(_SLOPE_RECORDS // basis.fit.outputs, FEWEST_RECORDS))
    known = np.union1d(law_rows, rows)
    fit, found = basis.some(known)
    law_places, places, few = (np.searchsorted(known, one) for one in (law_rows, rows, chosen))
    if fit.outputs == 1:
        found = _smoothed_within(basis, found, rows, places)
    points = points_of(fit, found, basis.game, law_places)

    present, local = np.unique(parts[rows], return_inverse=True)
    law = exposures(fit.some(places), points.some(places), [one.some(rows) for one in here], local, basis.backend)
    whole = whole_figures(law)
    replicates = np.broadcast_to(whole, (int(parts.max()) + 1, *whole.shape)).copy()
    replicates[present] = figures_without_each(law, local)

    def at(some: Points, signals: Sequence[PointSignal]) -> FloatArray:
        nobody = np.zeros(chosen.size, dtype=np.int64)
        return whole_figures(
            exposures(fit.some(few), some, [one.some(chosen) for one in signals], nobody, basis.backend)
        )

    base = points.some(few)
    start = at(base, here)
    sure = np.array([one.share >= 1.0 - _NOTHING for one in basis.readings])
    change = (at(base, moved) - start) / np.where(np.abs(steps) > 0.0, steps, _NOTHING)[:, None]
    slopes = np.where(sure[:, None], 0.0, change)

    # What all points of the group share: the law that their means are read from, and what every point moves.
    without, others = _without_each(basis, parts), []
    for part, scale in enumerate(without[:, 0]):
        kept = _kept(fit, law_places, parts[law_rows] != part)
        others.append(points_of(fit, found, basis.game, kept, float(scale)).some(few))
    coordinates, after = main_moves(base, others, without, _MOVES)
    deviations = replicates - replicates.mean(axis=0)
    for along, one in zip(coordinates.T, after, strict=True):
        deviations += along[:, None, None] * (at(one, here) - start)
    return _Of(whole, deviations, slopes)


def _smoothed_within(basis: Basis, found: LeaveOneOut, rows: Indices, places: Indices) -> LeaveOneOut:
    """Return the quantities with those of a group smoothed within it: what it has on average stays."""
    own = basis.some(rows)[1]
    made = smoothed(own, basis.directions.leverage[rows], basis.directions.variance[rows])
    leverage, variance = found.leverage.copy(), found.variance.copy()
    leverage[places], variance[places] = made.leverage, made.variance
    return replace(found, leverage=leverage, variance=variance)


def _kept(fit: Fit, rows: Indices, stay: Flags) -> Indices:
    """Return the rows that stay, and those of a class of which none would."""
    if fit.loss.name not in ("logistic", "softmax"):
        return rows[stay]
    own = fit.y[rows]
    return rows[stay | ~np.isin(own, own[stay])]


def _without_each(basis: Basis, parts: Indices) -> FloatArray:
    """Return log tr ΣC, log leverage and relative length without each part, less those with all, (J, 3).

    The gradient of a record enters C along its own direction: where leverages differ between groups, those of records
    with large ones count more, in proportion to xᵀCx.
    """
    strength = np.sum(basis.found.gradient**2, axis=1)
    along = strength * np.trace(basis.directions.variance, axis1=1, axis2=2)
    shift = (along / along.mean() - strength / strength.mean()) / np.sqrt(1.0 - basis.found.inflation)
    without = basis.influence.without_each(parts)
    without[:, 0] += left_out(shift, parts)
    return without


def _joined(basis: Basis, found: Sequence[_Of], parts: Indices) -> dict[str, Any]:
    """Return the figures of all groups, their joint covariances, and the degrees of freedom of these."""
    count = int(parts.max()) + 1
    dof = count - 2
    if not found:
        empty = len(basis.readings)
        return {"estimates": np.zeros((0, empty, 0)), "covariance": np.zeros((0, 0, 0)), "dof": dof}
    deviations = np.stack([one.deviations for one in found], axis=1)  # (J, L, Q, F)
    groups, quantizers, width = deviations.shape[1:]
    shares = share_moves(basis.readings, _without_each(basis, parts))
    known = np.array([basis.found.pull, basis.found.pull_lost])
    sums = np.column_stack([np.bincount(parts, one - one.mean()) / np.bincount(parts) for one in known])
    sums -= sums.mean(axis=0)
    first = 0 if basis.fit.loss.name == "squared" else 1
    deviations[..., first:] = unexplained(deviations[..., first:], sums[:, :1], sums[:, 1:])
    deviations += shares[:, None, :, None] * np.stack([one.slopes for one in found])
    flat = deviations.reshape(count, groups * quantizers, width)
    covariance = np.einsum("jaf,jbf->fab", flat, flat) * (count - 1.0) ** 2 / (count * dof)
    slopes = np.stack([one.slopes for one in found])
    codes = np.einsum("gqf,hrf,qr->fgqhr", slopes, slopes, share_covariance(basis.readings))
    return {
        "estimates": np.stack([one.figures for one in found]),
        "covariance": covariance + codes.reshape(width, groups * quantizers, groups * quantizers),
        "dof": dof,
    }
