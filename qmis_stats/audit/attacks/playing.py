"""Playing a membership game: training runs on random points, which show members and non-members (S1)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from qmis_stats.arrays import Flags, FloatArray, Indices
from qmis_stats.audit.attacks.game import (
    CALIBRATION,
    DRAW,
    FIT,
    POOL,
    SHADOW,
    TARGET,
    AttackGame,
    Known,
    Picked,
    Shown,
    Trainings,
    losses_shown,
)
from qmis_stats.audit.attacks.game_settings import GameSettings, Sampler
from qmis_stats.audit.attacks.lazy_weights import MadeAgain, check_room, is_large
from qmis_stats.audit.attacks.training_store import TrainingStore
from qmis_stats.audit.calibration import ROWS, TRAINING, CalibrationSource, calibration_data
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.calls import last_weights
from qmis_stats.audit.models.linear import inner_products
from qmis_stats.audit.processes import in_processes
from qmis_stats.audit.quantizers import Quantizer, check_layers, checked_quantizers
from qmis_stats.audit.training_run import generator
from qmis_stats.errors import InputError, QmisError
from qmis_stats.foreign import raised_by
from qmis_stats.inference.ranking import Progress
from qmis_stats.threads import one_thread
from qmis_stats.validation import whole_number

__all__ = ["play"]

_MOST_SHOWN = 32
_POOLED_ROWS = 10_000
"""Rows of a data set that are enough to estimate laws over rows from."""
_TRIES = 200
_BLOCKS = 16
_WORTH = 16
"""Training runs from which on inner products of all points are worth their time."""


_One: TypeAlias = tuple[Weights | None, FloatArray | None, FloatArray, Flags, Indices | None, Flags | None]


def _from_data(game: GameSettings, data: Dataset, members: int, rng: np.random.Generator) -> tuple[Indices, ...]:
    """Return the rows that are trained on, and those that are shown: members, then non-members."""
    wanted = np.unique(data.y).size if data.task != "regression" else 2
    for _ in range(_TRIES):
        order = rng.permutation(data.rows)
        rows, rest = order[: game.n], order[game.n :]
        if np.unique(data.y[rows]).size >= wanted:
            return rows, np.concatenate([rows[:members], rest[:members]])
    raise InputError("n", game.n, "larger: a training subset has a class missing, or a constant target")


def _one(
    game: GameSettings,
    store: TrainingStore | None,
    products: FloatArray | None,
    role: int,
    number: int,
    members: int,
) -> _One:
    draw, fit = generator(game.seed, role, number, DRAW), generator(game.seed, role, number, FIT)
    rows: Indices | None = None
    trained: Flags | None = None
    points: FloatArray | None = None
    if isinstance(game.source, Dataset):
        used, rows = _from_data(game, game.source, members, draw)
        trained = np.zeros(game.source.rows, dtype=bool)
        trained[used] = True
        targets = game.source.y[rows]
    else:
        with raised_by("the sampler", but=(QmisError,)):
            X, y = (np.asarray(a, dtype=np.float64) for a in game.source(draw, game.n + members))
        if X.ndim != 2 or y.shape != (game.n + members,) or X.shape[0] != y.size:
            raise InputError("sampler", (X.shape, y.shape), "one that returns arrays (k, p) and (k,)")
        used, chosen = np.arange(game.n), np.r_[np.arange(members), game.n + np.arange(members)]
        points, targets = X[chosen], y[chosen]
    order = draw.permutation(2 * members)
    weights = store.load(role, number) if store is not None else None
    if weights is None:
        table, values = (game.source.X, game.source.y) if isinstance(game.source, Dataset) else (X, y)
        own = None if products is None else products[np.ix_(used, used)]
        weights = last_weights(game.model, table[used], values[used], fit, own)
        if store is not None:
            store.save(role, number, weights)
    if store is not None and is_large(weights) and store.has(role, number):
        weights = None
    shown = None if points is None else points[order]
    return weights, shown, targets[order], order < members, None if rows is None else rows[order], trained


_Training: TypeAlias = tuple[int, int, int]
"""Role, number, and how many members are shown."""


def _several(
    game: GameSettings, store: TrainingStore | None, products: FloatArray | None, wanted: list[_Training]
) -> list[_One]:
    with one_thread():
        return [_one(game, store, products, *training) for training in wanted]


def _products(game: GameSettings, store: TrainingStore | None, wanted: list[_Training]) -> FloatArray | None:
    """Return inner products of all points where they save more training runs time than they take."""
    new = sum(store is None or not store.has(role, number) for role, number, _ in wanted)
    if new < _WORTH or not isinstance(game.source, Dataset):
        return None
    return inner_products(game.model, game.source.X, game.n)


def _all(
    game: GameSettings, store: TrainingStore | None, counts: dict[int, tuple[int, int]], jobs: int, progress: Progress
) -> dict[int, Trainings]:
    """Return the training runs of each role; ``counts`` says how many, and how many members are shown."""
    wanted = [(role, number, members) for role, (count, members) in counts.items() for number in range(count)]
    size = -(-len(wanted) // (_BLOCKS * jobs))
    blocks = [wanted[begin : begin + size] for begin in range(0, len(wanted), size)]
    products = _products(game, store, wanted)
    results = in_processes(_several, [(game, store, products, block) for block in blocks], jobs)
    done: list[_One] = []
    for _ in progress(range(len(blocks))):
        done += next(results)
        if (weights := done[-1][0]) is not None:
            check_room(weights, len(wanted) - len(done))
    found = iter(done)
    some = {role: [next(found) for _ in range(count)] for role, (count, _) in counts.items()}
    return {role: _together(game, store, role, ones) for role, ones in some.items()}


def _together(game: GameSettings, store: TrainingStore | None, role: int, found: list[_One]) -> Trainings:
    y = np.array([one[2] for one in found])
    kept = tuple(one[0] for one in found if one[0] is not None)
    weights: Sequence[Weights] = kept
    if len(kept) < len(found):
        assert store is not None
        weights = MadeAgain(partial(store.again, role), (range(len(found)),))
    rows: Indices | None = None
    trained: Flags | None = None
    points: Sequence[FloatArray] | FloatArray
    if isinstance(game.source, Dataset):
        rows, trained = np.array([one[4] for one in found]), np.array([one[5] for one in found])
        points = Picked(game.source.X, rows)
    else:
        points = np.array([one[1] for one in found])
    shown = Shown(weights, points, y, losses_shown(game.model, weights, points, y), rows, role)
    return Trainings(shown, np.array([one[3] for one in found]), trained)


def _pooled(data: Dataset, shown: list[Indices | None], seed: int) -> Indices:
    """Return the rows that laws over rows are estimated from: those that are shown, and enough others."""
    if data.rows <= _POOLED_ROWS:
        return np.arange(data.rows)
    wanted = np.zeros(data.rows, dtype=bool)
    for rows in shown:
        wanted[rows] = True
    others = np.flatnonzero(~wanted)
    few = max(_POOLED_ROWS - (data.rows - others.size), 0)
    wanted[generator(seed, POOL).permutation(others)[:few]] = True
    return np.flatnonzero(wanted)


def play(
    source: Dataset | Sampler,
    model: Model,
    quantizer: Quantizer | None,
    n: int,
    *,
    trainings: int = 400,
    shadows: int = 100,
    calibrations: int = 200,
    members: int = 1,
    shown: int | None = None,
    calibrate: CalibrationSource = TRAINING,
    calibration_rows: int = ROWS,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
    store: str | os.PathLike[str] | None = None,
) -> AttackGame:
    """Train many times, and show of each training points that it used and points that it did not use.

    Parameters
    ----------
    source : Dataset or Sampler
        A data set, of which each training run uses a random n rows and shows others as non-members; or a function
        ``(rng, k)`` that draws k fresh points, for the game of Statement S1.
    model : Model
        The last weights of its training are released.
    quantizer : Quantizer or None
        Applied to them; ``None`` releases them as they are, and
        :meth:`~qmis_stats.audit.attacks.game.AttackGame.quantized` plays the same runs against as many quantizers as
        are wanted.
    n : int
        Points per training run.
    trainings, shadows, calibrations : int
        Independent training runs to score attacks on, to fit them on, and to fix thresholds on. A false positive rate
        of 1e-3 needs calibration runs that show 1000 non-members in all.
    members : int
        Members, and as many non-members, that each target training run shows. With one, all pairs are independent and
        intervals for true positive rates are exact.
    shown : int, optional
        The same for shadow and calibration training runs, where independence is not needed; by default up to 32.
    calibrate, calibration_rows
        Whose points calibrate a quantizer that sees data, and how many, as for
        :func:`~qmis_stats.audit.algorithm.audit`. Held-out ones are neither trained on nor shown.
    seed : int
        In [0, 2³²): a seed gives the same game for any number of jobs.
    jobs : int
        Processes.
    progress : callable, optional
        Wraps what is iterated over, as ``tqdm`` and ``rich.progress.track`` do.
    store : path, optional
        Folder for the training runs of a game with a data set: one that was interrupted goes on, and more can be added.
        Weights of large models are then read when they are needed, not kept in memory.

    Returns
    -------
    AttackGame

    Raises
    ------
    InputError
        If an argument is refused, the data set has too few rows, or training diverges.

    Examples
    --------
    >>> from qmis_stats.audit.models import Linear
    >>> from qmis_stats.audit.tables import bundled
    >>> from qmis_stats.quantizers import quantizer
    >>> game = play(bundled("diabetes"), Linear(), quantizer("sign"), 50, trainings=8, shadows=6, calibrations=6)
    >>> game.target.shown.losses.shape, game.known.shadow.member.sum(axis=1).tolist()
    ((8, 2), [32, 32, 32, 32, 32, 32])
    """
    settings = GameSettings(source, model, n, seed)
    check_layers([] if quantizer is None else checked_quantizers([quantizer]), model)
    whole_number("members", members, 1)
    whole_number("jobs", jobs, 1)
    for name, value in (("trainings", trainings), ("shadows", shadows), ("calibrations", calibrations)):
        whole_number(name, value, 2)
    room = settings.room
    wide = min(room, _MOST_SHOWN) if shown is None else whole_number("shown", shown, 1)
    for name, value in (("members", members), ("shown", wide)):
        if value > room:
            raise InputError(name, value, f"at most {room}: that many are members and that many non-members")
    kept = None
    if store is not None and isinstance(source, Dataset):
        kept = TrainingStore.opened(store, settings.specification)
    counts = {SHADOW: (shadows, wide), CALIBRATION: (calibrations, wide), TARGET: (trainings, members)}
    found = _all(settings, kept, counts, jobs, progress or iter)
    pooled, whose = None, None
    if isinstance(source, Dataset):
        pooled = _pooled(source, [part.shown.rows for part in found.values()], settings.seed)
        whose = calibration_data(calibrate, calibration_rows, source)
    known = Known(source, model, None, n, settings.seed, found[SHADOW], found[SHADOW], pooled, whose)
    game = AttackGame(known, found[CALIBRATION], found[TARGET])
    return game if quantizer is None else game.quantized(quantizer)
