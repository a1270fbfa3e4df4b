"""Who may be trained on: the held-out evaluation points, and the subsets that runs are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.audit.data import Dataset
from qmis_stats.errors import InputError
from qmis_stats.inference.losses import FEWEST_POINTS

__all__ = ["GIVEN", "SUBSETS", "further", "group_split", "held_out", "subset"]

SUBSETS = ("bootstrap", "disjoint")
"""How the training subsets of the runs are drawn from the pool."""

GIVEN = "given"
"""No subset is drawn: the checkpoints of the model were given."""

_TRIES = 200
_EVALUATION = "a share between 0 and 1, or different indices of points"


def further(subsets: str) -> str:
    """Return what may give an estimate where there is none, as the end of a sentence.

    Examples
    --------
    >>> further("bootstrap")
    'more runs may find further codewords'
    """
    if subsets == GIVEN:
        return "further checkpoints of its training would give rivals"
    return "more runs may find further codewords"


def group_split(groups: ArrayLike, fraction: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Return indices of the pool and of the held-out points; whole groups go to one side.

    Groups are visited in random order, and one that would make the held-out side too large stays in the pool: large
    groups, such as the molecules without a ring, are mostly trained on.

    Parameters
    ----------
    groups : (N,) array_like
        Group of each point, e.g. its scaffold.
    fraction : float
        Share of the points that are held out.
    rng : Generator
        Order of the groups.

    Examples
    --------
    >>> pool, held = group_split([0, 0, 0, 1, 1, 2, 3, 3], 0.4, np.random.default_rng(1))
    >>> pool.tolist(), held.tolist()
    ([3, 4, 5, 6, 7], [0, 1, 2])
    """
    _, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    room = round(fraction * codes.size)
    taken = np.zeros(sizes.size, dtype=bool)
    for group in rng.permutation(sizes.size):
        if sizes[group] <= room:
            taken[group] = True
            room -= int(sizes[group])
    return np.flatnonzero(~taken[codes]), np.flatnonzero(taken[codes])


def held_out(
    dataset: Dataset, evaluation: float | Sequence[int] | Indices, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """Return indices of the training pool and of the evaluation points.

    Parameters
    ----------
    dataset : Dataset
        Its groups are kept together; without groups the shares of classes are kept.
    evaluation : float or sequence of int
        Share of the points, or the points themselves.
    rng : Generator
        The draw.

    Raises
    ------
    InputError
        If either side would have too few points or a single class.
    """
    if isinstance(evaluation, (int, float)) and not isinstance(evaluation, bool):
        if not 0.0 < evaluation < 1.0:
            raise InputError("evaluation", evaluation, "a share between 0 and 1, or the indices of points")
        if dataset.groups is not None:
            pool, held = group_split(dataset.groups, evaluation, rng)
        else:
            rows = np.arange(dataset.rows)
            classes = None if dataset.task == "regression" else dataset.y[rows]
            order = _dealt(rows, classes, rng)
            count = round(evaluation * dataset.rows)
            held, pool = np.sort(order[:count]), np.sort(order[count:])
    else:
        try:
            held = np.asarray(evaluation)
        except ValueError:
            raise InputError("evaluation", evaluation, _EVALUATION) from None
        if held.dtype.kind not in "iu" or held.ndim != 1 or np.unique(held).size != held.size:
            raise InputError("evaluation", evaluation, _EVALUATION)
        if held.size and not 0 <= int(held.min()) <= int(held.max()) < dataset.rows:
            raise InputError("evaluation", evaluation, f"indices from 0 to {dataset.rows - 1}")
        held = held.astype(np.intp)
        pool = np.setdiff1d(np.arange(dataset.rows), held)
    if held.size < FEWEST_POINTS or pool.size < 2:
        raise InputError(
            "evaluation", f"{held.size} points, {pool.size} left", f"at least {FEWEST_POINTS} points and 2 left"
        )
    if dataset.task != "regression":
        for side, rows in (("evaluation points", held), ("training pool", pool)):
            if np.unique(dataset.y[rows]).size < 2:
                raise InputError(
                    side, f"{rows.size} points of one class", "of two classes or more; another seed may do"
                )
    return pool, held


def _dealt(rows: Indices, classes: FloatArray | None, rng: np.random.Generator) -> Indices:
    """Return rows in random order, so that every stretch has nearly the shares of all classes."""
    shuffled = rng.permutation(rows.size)
    if classes is None:
        return rows[shuffled]
    labels, place = classes[shuffled], np.empty(rows.size)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members] = (np.arange(members.size) + rng.random()) / members.size
    return rows[shuffled][np.argsort(place, kind="stable")]


def subset(
    dataset: Dataset, pool: Indices, kind: str, n: int, run: int, deal: np.random.Generator, rng: np.random.Generator
) -> Indices:
    """Return the points that a run is trained on.

    Parameters
    ----------
    dataset : Dataset
        For its classes: every class of the pool is in every subset.
    pool : (M,) ndarray
        Points that may be trained on.
    kind : {"bootstrap", "disjoint"}
        n points with replacement, or the run's own share of a random order.
    n : int
        Size.
    run : int
        Number of the run.
    deal : Generator
        For disjoint subsets, the same for every run.
    rng : Generator
        For bootstrap subsets, the run's own.

    Raises
    ------
    InputError
        If the pool has too few points, or a class too few for subsets of this size.
    """
    classes = None if dataset.task == "regression" else dataset.y[pool]
    wanted = 2 if classes is None else np.unique(classes).size
    for chosen in _draws(pool, classes, kind, n, run, deal, rng):
        if np.unique(dataset.y[chosen]).size >= wanted:
            return chosen
    short = "a constant target" if classes is None else "a class missing"
    raise InputError("n", n, f"larger: a training subset of {n} points has {short}")


def _draws(
    pool: Indices,
    classes: FloatArray | None,
    kind: str,
    n: int,
    run: int,
    deal: np.random.Generator,
    rng: np.random.Generator,
) -> Iterator[Indices]:
    if kind == "bootstrap":
        for _ in range(_TRIES):
            yield pool[rng.integers(pool.size, size=n)]
        return
    order = _dealt(pool, classes, deal)
    if (run + 1) * n > pool.size:
        raise InputError("n", n, f"at most {pool.size // (run + 1)} for {run + 1} disjoint subsets of {pool.size}")
    yield order[run * n : (run + 1) * n]
