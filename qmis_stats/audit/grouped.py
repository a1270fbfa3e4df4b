"""How much evaluation points of one group move together: what independence of the points leaves out of an interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.inference.losses import Losses
from qmis_stats.inference.moments import Gaps, influences

__all__ = ["group_inflation"]


def group_inflation(losses: ArrayLike, found: Gaps, groups: ArrayLike) -> float:
    """Return the standard error of the smallest standardised gap by whole groups, as a multiple of that by points.

    Influences are summed within groups: √(Σ_g (Σ_{i∈g} ψ_i)² / Σ_i ψ_i²). Averaging *losses* within groups would
    change the standard deviation of the increments, and with it the indicator itself.

    Parameters
    ----------
    losses : (K, N) array_like
        What ``found`` was computed from.
    found : Gaps
        From :func:`~qmis_stats.inference.moments.gaps`.
    groups : (N,) array_like
        Group of each point.

    Examples
    --------
    >>> from qmis_stats.inference.moments import gaps
    >>> rng = np.random.default_rng(1)
    >>> table = np.array([np.zeros(200), 0.3 + rng.normal(size=200)]).repeat(3, axis=1)
    >>> found = gaps(Losses("sign", table))
    >>> round(group_inflation(table, found, np.arange(200).repeat(3)), 6), group_inflation(table, found, np.arange(600))
    (1.732051, 1.0)
    """
    smallest = np.array([int(np.argmin(found.s))])
    psi = np.hstack(list(influences(Losses("groups", losses), found, smallest)))[0]
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    sums = np.bincount(codes, weights=psi)
    return float(np.sqrt(np.sum(sums**2) / np.sum(psi**2)))
