"""Places for labels of points that lie close together: apart, inside the axes, and near their points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray

__all__ = ["apart"]

_ROUNDS = 300


def apart(points: ArrayLike, distance: float, width: float, height: float) -> FloatArray:
    """Return a place for the label of each point, such that two places are about ``distance`` apart.

    Places that are too near push each other away in rounds; a label that is alone stays on its point.

    Parameters
    ----------
    points : array_like, shape (k, 2)
        In the unit of the other arguments, from the lower left corner.
    distance : float
        Between two labels: their diameter.
    width, height : float
        Of the axes. Places are at least half a distance inside.

    Returns
    -------
    ndarray, shape (k, 2)

    Examples
    --------
    >>> placed = apart([[5.0, 5.0], [5.0, 5.0], [50.0, 50.0]], 10.0, 100.0, 100.0)
    >>> bool(np.hypot(*(placed[0] - placed[1])) > 9.9), placed[2].tolist()
    (True, [50.0, 50.0])
    """
    found = np.array(points, dtype=float).reshape(-1, 2)
    count = len(found)
    edge = 0.5 * distance
    turns = 2.399963 * np.arange(count)  # golden angles: points at one place leave it in different directions
    for place in range(_ROUNDS):
        difference = found[:, None] - found[None]
        gap = np.hypot(difference[..., 0], difference[..., 1])
        near = (gap < distance - 1e-6) & ~np.eye(count, dtype=bool)
        if not near.any():
            break
        push = np.where(near, (distance - gap) / np.maximum(gap, 1e-9), 0.0)
        crowd = np.maximum(near.sum(axis=1), 1)[:, None]
        nudge = np.column_stack((np.cos(turns + place), np.sin(turns + place)))
        found += 0.5 * np.sum(push[..., None] * difference, axis=1) / crowd
        found += 1e-2 * distance * nudge * near.any(axis=1)[:, None]
        found = np.clip(found, edge, [max(width - edge, edge), max(height - edge, edge)])
    start = np.array(points, dtype=float).reshape(-1, 2)
    moved = np.hypot(*(found - start).T) > 0.01 * distance
    return np.where(moved[:, None], found, start)
