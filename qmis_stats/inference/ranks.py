"""Rank confidence sets from one-sided comparisons of all pairs, with step-down (Statement S14).

Mogstad, Romano, Shaikh and Wilhelm (2024): the rank of j is 1 + #{k: k above j}; with every comparison decided at a
family-wise level, 1 + #{significantly above} .. G − #{significantly below} holds the rank at that level, for all j at
once. The critical value is that of the largest error over the comparisons that are not decided yet (Romano and Wolf
2005), errors of comparisons that surely go the other way being shifted down by how surely they do (Romano, Shaikh and
Wolf 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from qmis_kernels import backend
from qmis_stats.arrays import Flags, FloatArray, IntArray
from qmis_stats.by_value import ByValue
from qmis_stats.errors import InputError
from qmis_stats.inference.holm import decided as holm_decided
from qmis_stats.inference.minimum import ROUNDING, bootstrap_quantile
from qmis_stats.validation import checked_level, checked_seed, instance_of, real_number, whole_number

__all__ = ["Comparisons"]

_LARGEST = 1e150
"""Kernels compare numbers below 2^500."""
_SHIFT_SHARE = 1e-4
"""Probability with which errors may be shifted too far: taken off the level, and too little to widen sets of ranks."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparisons(ByValue):
    """Studentised comparisons of G groups, each represented by the smallest of its statistics.

    The comparison (g, h) has the null hypothesis "g is not below h"; a large statistic decides for "g is below h".

    Attributes
    ----------
    statistics : (G, G) ndarray
        Evidence that g is below h; zero on the diagonal.
    largest : (G, G) ndarray
        The same with the most favourable member of h: an upper estimate of what the errors are centred at.
    maxima : (G, G, B) ndarray
        Largest Studentised errors of the members of g against those of h, in B draws.
    sizes : tuple of int
        Numbers of members of the groups.
    estimates : (G,) ndarray
        The smallest statistic of each group.
    screening : float
        Bound on the probability that screening left out the smallest member of some group: taken off the level.
    dof : float
        Degrees of freedom of the standard errors; infinite where they are known or come from many points.

    Examples
    --------
    >>> found = Comparisons.from_covariance([0.0, 0.1, 5.0], np.eye(3))
    >>> found.rank_sets(0.95)
    array([[2, 3],
           [2, 3],
           [1, 1]])
    """

    statistics: FloatArray
    largest: FloatArray
    maxima: FloatArray
    sizes: tuple[int, ...]
    estimates: FloatArray
    screening: float = 0.0
    dof: float = np.inf

    @classmethod
    def from_draws(
        cls,
        estimates: Sequence[FloatArray],
        draws: Sequence[FloatArray],
        *,
        screening: float = 0.0,
        unsettled: Sequence[Flags] | None = None,
    ) -> Comparisons:
        """Compare groups of statistics through draws of their errors.

        Parameters
        ----------
        estimates : sequence of (M_g,) ndarray
            Statistics of the members of each group.
        draws : sequence of (M_g, B) ndarray
            Their errors in B draws, which all groups share.
        screening : float
            Bound on the probability that the smallest member of some group was left out.
        unsettled : sequence of (M_g,) ndarray of bool, optional
            Members whose statistic may have the wrong sign, because what they are measured from may be another one:
            the smallest of their group is then only known to lie between zero and the size of one of theirs.
        """
        offsets = np.concatenate([[0], np.cumsum([e.size for e in estimates])])
        statistics, maxima = backend("numba").group_contrasts(np.concatenate(estimates), np.vstack(draws), offsets)
        smallest = np.array([np.min(e) for e in estimates])
        sizes = tuple(int(e.size) for e in estimates)
        found = cls(statistics[:, :, 0], statistics[:, :, 1], maxima, sizes, smallest, screening)
        if unsettled is not None:
            _bound_unsettled(found, estimates, draws, unsettled)
        return found

    @classmethod
    def from_covariance(
        cls,
        estimates: Sequence[float] | FloatArray,
        covariance: FloatArray,
        *,
        dof: float = np.inf,
        draws: int = 10_000,
        seed: int = 0,
    ) -> Comparisons:
        """Compare estimates with a normal error of known covariance.

        The normal draws are transformed to have exactly this covariance, so that Studentised differences are exact.

        Parameters
        ----------
        estimates : (G,) array_like
        covariance : (G, G) array_like
            Positive semidefinite.
        dof : float
            Degrees of freedom of the covariance, at least 1: the errors are Student's then.
        draws, seed : int
            Number of draws, more than G, and their seed.
        """
        values = np.asarray(estimates, dtype=np.float64)
        root = _root(np.asarray(covariance, dtype=np.float64), values.size)
        least = max(199, 2 * values.size)
        draws, seed = whole_number("draws", draws, least), checked_seed(seed)
        normals = backend("numba").normals((seed, 0), 13, 0, draws, values.size).T
        normals = np.linalg.solve(np.linalg.cholesky(normals @ normals.T / draws), normals)
        errors = root @ normals
        if not max(np.max(np.abs(values)), np.max(np.abs(errors))) < _LARGEST:
            raise InputError("estimates", values, f"below {_LARGEST:g} in size, and so their errors")
        found = cls.from_draws([values[g : g + 1] for g in range(values.size)], list(errors[:, None, :]))
        if not real_number("dof", dof) >= 1.0:
            raise InputError("dof", dof, "a number of at least 1")
        if np.isinf(dof):
            return found
        gammas = backend("numba").gammas((seed, 0), 14, 0, int(draws), [0.5 * dof])[:, 0]
        spread = np.sqrt(2.0 * gammas / dof)
        return replace(found, maxima=found.maxima / spread, dof=float(dof))

    def below(self, level: float, family: Flags | None = None) -> Flags:
        """Return which comparisons (g, h) are decided for "g is below h", all of them right at the level.

        Parameters
        ----------
        level : float
            Probability that no decision is wrong.
        family : (G, G) ndarray of bool, optional
            The comparisons to be decided together; by default all.
        """
        groups = len(self.sizes)
        chosen = ~np.eye(groups, dtype=bool)
        if family is not None:
            chosen &= family
        error = 1.0 - checked_level(level) - _SHIFT_SHARE - self.screening
        statistics = self.statistics[chosen]
        members = np.broadcast_to(np.array(self.sizes)[:, None], chosen.shape)[chosen]
        # Bounds on what each error is centred at, all right with probability 1 - _SHIFT_SHARE.
        sure = self._quantile(_SHIFT_SHARE / max(1, int(members.sum())))
        maxima = self.maxima[chosen] + np.minimum(self.largest[chosen] + sure, 0.0)[:, None]
        decided = np.zeros(statistics.size, dtype=bool)
        while not decided.all():
            critical = bootstrap_quantile(maxima[~decided].max(axis=0), error)
            more = (statistics > max(critical, 0.0)) & ~decided
            if not more.any():
                break
            decided |= more
        result = np.zeros((groups, groups), dtype=bool)
        result[chosen] = decided
        return result

    def holm(self, level: float) -> Flags:
        """Return the decisions of Holm's procedure on normal p-values: cheap, and blind to dependence."""
        error = 1.0 - checked_level(level) - self.screening
        chosen = ~np.eye(len(self.sizes), dtype=bool)
        members = np.broadcast_to(np.array(self.sizes)[:, None], chosen.shape)[chosen]
        statistics = self.statistics[chosen]
        tails = ndtr(-statistics) if np.isinf(self.dof) else stdtr(self.dof, -statistics)
        pvalues = np.minimum(1.0, members * tails)
        result = np.zeros_like(chosen)
        if error > ROUNDING and pvalues.size:
            result[chosen] = holm_decided(pvalues, error)
        return result

    def _quantile(self, tail: float) -> float:
        return float(-ndtri(tail) if np.isinf(self.dof) else -stdtrit(self.dof, tail))

    def rank_sets(self, level: float, *, simultaneous: bool = True) -> IntArray:
        """Return the confidence set of every rank, (G, 2): rank 1 is the largest.

        Parameters
        ----------
        level : float
            Confidence level.
        simultaneous : bool
            Of all sets together; else of each by itself, which gives smaller sets.
        """
        instance_of(bool, "simultaneous", simultaneous)
        if simultaneous:
            return ranks_from(self.below(level))
        rows = []
        for g in range(len(self.sizes)):
            family = np.zeros_like(self.statistics, dtype=bool)
            family[g, :] = family[:, g] = True
            rows.append(ranks_from(self.below(level, family))[g])
        return np.array(rows)

    def best(self, tau: int, level: float) -> Flags:
        """Return a set of groups that contains the ``tau`` largest at the level.

        For ``tau`` = 1 only comparisons of the truly largest group can be wrong, so that each group's are judged by
        themselves; for more, the simultaneous comparisons are used.
        """
        whole_number("tau", tau, 1, len(self.sizes))
        if tau > 1:
            return np.asarray(self.below(level).sum(axis=1) < tau)
        kept = []
        for g in range(len(self.sizes)):
            family = np.zeros_like(self.statistics, dtype=bool)
            family[g, :] = True
            kept.append(not self.below(level, family).any())
        return np.array(kept)


def _bound_unsettled(
    found: Comparisons, estimates: Sequence[FloatArray], draws: Sequence[FloatArray], unsettled: Sequence[Flags]
) -> None:
    """Compare groups with unsettled members by limits of their own, unpaired: signs that are not known forbid pairing.

    Such a group is below a settled one if the upper limits of its unsettled members lie below the lower limits of all
    members of the other; nothing is below it, for its smallest statistic may be zero.
    """
    scales = [np.sqrt(np.mean(d**2, axis=1)) for d in draws]
    largest = [np.max(np.abs(d) / s[:, None], axis=0) for d, s in zip(draws, scales, strict=True)]
    for g, own in enumerate(unsettled):
        if not own.any():
            continue
        errors = np.max(np.abs(draws[g][own]) / scales[g][own, None], axis=0)
        for h, other in enumerate(unsettled):
            if h == g:
                continue
            found.statistics[h, g] = -np.inf
            if other.any():
                found.statistics[g, h] = -np.inf
                continue
            gaps = estimates[h][:, None] - estimates[g][own]
            ratios = gaps / (scales[h][:, None] + scales[g][own])
            found.statistics[g, h], found.largest[g, h] = np.min(ratios), np.max(ratios)
            found.maxima[g, h] = np.maximum(errors, largest[h])


def ranks_from(below: Flags) -> IntArray:
    """Return 1 + #{above} and G − #{below} from decided comparisons.

    Examples
    --------
    >>> ranks_from(np.array([[False, True], [False, False]]))
    array([[2, 2],
           [1, 1]])
    """
    groups = below.shape[0]
    return np.column_stack([1 + below.sum(axis=1), groups - below.sum(axis=0)]).astype(np.int64)


def _root(covariance: FloatArray, size: int) -> FloatArray:
    """Return R with R Rᵀ = covariance, which may be singular."""
    if covariance.shape != (size, size) or not np.isfinite(covariance).all():
        raise InputError("covariance", covariance.shape, f"finite, of shape ({size}, {size})")
    if not np.allclose(covariance, covariance.T, rtol=1e-9, atol=0.0):
        raise InputError("covariance", covariance, "symmetric")
    values, vectors = np.linalg.eigh(covariance)
    if values.min() < -1e-9 * max(values.max(), 0.0) or values.max() <= 0.0:
        raise InputError("covariance", covariance, "positive semidefinite and not zero")
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
