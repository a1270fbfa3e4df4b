"""The membership game: training runs that release quantized weights, each with points trained on and others (S1).

Three kinds of training runs, never the same: *shadow* runs, whose members the attacks know; *calibration* runs, on
which thresholds are fixed; *target* runs, on which attacks are scored.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from qmis_stats.arrays import Flags, FloatArray, Indices
from qmis_stats.audit.attacks.lazy_weights import MadeAgain, check_room, is_large
from qmis_stats.audit.attacks.training_store import TrainingStore
from qmis_stats.audit.calibration import (
    ROWS,
    TRAINING,
    CalibrationData,
    CalibrationSource,
    calibration_data,
    released_weights,
)
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.calls import checked_model, description_of, last_weights, losses_of, mask_of
from qmis_stats.audit.processes import in_processes
from qmis_stats.audit.quantizers import Quantizer, check_layers
from qmis_stats.audit.training_run import generator
from qmis_stats.errors import InputError, QmisError
from qmis_stats.foreign import raised_by
from qmis_stats.inference.ranking import Progress
from qmis_stats.quantizers.weights.base import to_be_calibrated
from qmis_stats.validation import checked_seed, whole_number

__all__ = ["AttackGame", "Known", "Picked", "Sampler", "Shown", "Trainings", "play"]

Sampler: TypeAlias = Callable[[np.random.Generator, int], tuple[FloatArray, FloatArray]]
"""``sampler(rng, k)`` draws k independent points: features (k, p) and targets (k,)."""

_T = TypeVar("_T")

_SHADOW, _CALIBRATION, _TARGET, INSIDE, CONTROL, _POOL = range(10, 16)
_DRAW, _FIT, _INPUTS = range(3)
_MOST_SHOWN = 32
_POOLED_ROWS = 10_000
"""Rows of a data set that are enough to estimate laws over rows from."""
_TRIES = 200
_BLOCKS = 16


@dataclass(frozen=True, eq=False)
class Picked(Sequence[FloatArray]):
    """Rows of a table that each training shows, which are taken when they are asked for.

    Attributes
    ----------
    table : (N, ...) ndarray
        Features of all points.
    rows : (T, 2m) ndarray of int
        Those that each training shows.

    Examples
    --------
    >>> Picked(np.eye(3), np.array([[2, 0], [1, 1]]))[0]
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """

    table: FloatArray
    rows: Indices

    def __len__(self) -> int:
        """Return the number of training runs."""
        return len(self.rows)

    def __getitem__(self, training: Any) -> Any:
        """Return the points of a training, (2m, ...)."""
        return self.table[self.rows[training]]


@dataclass(frozen=True, eq=False)
class Shown:
    """What an attack is shown: released weights, and points one of whose halves was trained on.

    Attributes
    ----------
    weights : sequence of Weights
        Released by each of the T training runs; of large models they are made again each time they are asked for.
    points : sequence of (2m, p) ndarray
        Features of the points of each training, members and non-members in random order.
    y : (T, 2m) ndarray
        Their targets.
    losses : (T, 2m) ndarray
        Loss of each point under the released weights.
    rows : (T, 2m) ndarray of int or None
        Rows of the data set; ``None`` in a game with a sampler.
    role : int
        Identifies the kind of training runs, for random numbers.
    """

    weights: Sequence[Weights]
    points: Sequence[FloatArray] | FloatArray
    y: FloatArray
    losses: FloatArray
    rows: Indices | None
    role: int
    _found: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def trainings(self) -> int:
        """Number T."""
        return len(self.weights)

    @property
    def X(self) -> FloatArray:
        """Features of all points, shape (T, 2m, p)."""
        return np.asarray([self.points[t] for t in range(self.trainings)])

    def once(self, key: Hashable, made: Callable[[], _T]) -> _T:
        """Return what is made of these weights and points, made once: a control shows the same ones.

        It must not depend on who was trained on.
        """
        if key not in self._found:
            self._found[key] = made()
        return cast("_T", self._found[key])


@dataclass(frozen=True, eq=False)
class Trainings:
    """Training runs with the answers.

    Attributes
    ----------
    shown : Shown
        What an attack may see.
    member : (T, 2m) ndarray of bool
        Who was trained on, m in each row.
    trained : (T, N) ndarray of bool or None
        Rows of the data set that each training used; ``None`` in a game with a sampler.
    """

    shown: Shown
    member: Flags
    trained: Flags | None


@dataclass(frozen=True, eq=False)
class Known:
    """What an attacker knows: everything but the target runs' members.

    Attributes
    ----------
    source : Dataset or Sampler
        Where points come from.
    model, quantizer
        Training procedure; a quantizer of ``None`` releases weights as they are.
    n : int
        Points a training.
    seed : int
        Of the game.
    shadow : Trainings
        The attacker's own training runs.
    plain : Trainings
        The same before quantization, with the true labels in a control too.
    rows : (R,) ndarray of int or None
        Rows of the data set that laws over rows are estimated from, in order: all of them, or those that some training
        shows and others at random. ``None`` in a game with a sampler.
    calibration : CalibrationData or None
        Whose points calibrate a quantizer that sees data; ``None`` in a game with a sampler.
    """

    source: Dataset | Sampler
    model: Model
    quantizer: Quantizer | None
    n: int
    seed: int
    shadow: Trainings
    plain: Trainings
    rows: Indices | None = None
    calibration: CalibrationData | None = None

    def places(self, rows: Indices) -> Indices:
        """Return where rows of the data set are among ``rows``.

        Raises
        ------
        InputError
            If one is not there.
        """
        assert self.rows is not None
        found = np.minimum(np.searchsorted(self.rows, rows), self.rows.size - 1)
        if not np.array_equal(self.rows[found], rows):
            raise InputError("rows", "others", "rows that are shown in the game that the attack was fitted on")
        return found

    def train(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Weights:
        """Return the released weights of a training on these points."""
        return self.release(last_weights(self.model, X, y, rng))

    def release(self, weights: Weights, points: FloatArray | None = None) -> Weights:
        """Return what is released of trained weights.

        Parameters
        ----------
        weights : Weights
            Of a training.
        points : (N, ...) ndarray, optional
            What calibrates a quantizer that sees data, which has to be given: :meth:`calibrating` returns it.
        """
        return released_weights(self.quantizer, self.model, weights, mask_of(self.model, weights), points)

    def calibrating(self, part: Trainings) -> list[FloatArray | None]:
        """Return the points that calibrate a quantizer that sees data in each training, none that is shown."""
        if self.calibration is None or not to_be_calibrated(self.quantizer):
            return [None] * part.shown.trainings
        assert isinstance(self.source, Dataset)
        assert part.trained is not None
        assert part.shown.rows is not None
        found: list[FloatArray | None] = []
        for number, (used, rows) in enumerate(zip(part.trained, part.shown.rows, strict=True)):
            outside = np.setdiff1d(np.flatnonzero(~used), rows)
            rng = generator(self.seed, part.shown.role, number, _INPUTS)
            drawn = self.calibration.draw(np.flatnonzero(used), outside, rng)
            found.append(self.calibration.points(self.source, drawn))
        return found


@dataclass(frozen=True, eq=False)
class AttackGame:
    """Trainings to fit attacks, to fix thresholds, and to score attacks.

    Attributes
    ----------
    known : Known
        Model, quantizer, source and shadow runs.
    calibration, target : Trainings
        For thresholds; for scores.
    control : str
        ``""``, or the kind of control: see :meth:`as_control`.
    """

    known: Known
    calibration: Trainings
    target: Trainings
    control: str = ""

    @property
    def pairs(self) -> int:
        """Pairs of a member and a non-member in each target training."""
        return int(self.target.member.shape[1]) // 2

    def as_control(self, kind: str = "labels", seed: int | None = None) -> AttackGame:
        """Return the game with membership that is independent of the released weights: every attack is at chance.

        Parameters
        ----------
        kind : {"labels", "weights"}
            Labels drawn anew in every training; or true labels beside the weights of another training. An attack that
            succeeds against the second tells members from non-members without looking at the weights: the two kinds of
            points differ by themselves, and the game is flawed.
        seed : int, optional
            Of the labels; by default that of the game.

        Raises
        ------
        InputError
            If the kind is unknown.
        """
        if kind not in ("labels", "weights"):
            raise InputError("kind", kind, "'labels' or 'weights'")
        if kind == "weights":

            def change(part: Trainings) -> Trainings:
                return _exchanged(self.known.model, part)
        else:
            number = self.known.seed if seed is None else checked_seed(seed)

            def change(part: Trainings) -> Trainings:
                return _relabelled(part, generator(number, CONTROL, part.shown.role))

        known = replace(self.known, shadow=change(self.known.shadow))
        return AttackGame(known, change(self.calibration), change(self.target), kind)

    def quantized(self, quantizer: Quantizer | None) -> AttackGame:
        """Return the game of another quantizer on the same trainings: it is that of :func:`play` with this quantizer.

        Training is what costs time. The game must have been played without a quantizer, and not be a control.

        Raises
        ------
        InputError
            If the game has a quantizer or is a control, or the quantizer sees data in a game with a sampler.

        Examples
        --------
        >>> from qmis_stats.audit.models import Linear
        >>> from qmis_stats.audit.tables import bundled
        >>> from qmis_stats.quantizers import quantizer
        >>> plain = play(bundled("diabetes"), Linear(), None, 50, trainings=8, shadows=6, calibrations=6)
        >>> sorted({abs(v) for v in plain.quantized(quantizer("sign")).target.shown.weights[0][0].ravel().tolist()})
        [1.0]
        """
        if self.known.quantizer is not None or self.control:
            raise InputError("game", self.control or "quantized", "one played without a quantizer, and not a control")
        known = replace(self.known, quantizer=quantizer)
        if quantizer is not None and to_be_calibrated(quantizer) and known.calibration is None:
            raise InputError("quantizer", quantizer.name, "one that sees no data: a sampler has no rows for it")

        def change(part: Trainings) -> Trainings:
            plain = part.shown.weights
            released = MadeAgain(known.release, (plain, known.calibrating(part)))
            return _reweighted(known.model, part, released if is_large(plain[0]) else tuple(released))

        shadow = change(self.known.shadow)
        return AttackGame(replace(known, shadow=shadow), change(self.calibration), change(self.target))

    def describe(self) -> dict[str, Any]:
        """Return JSON-ready data that says what was played."""
        known = self.known
        whose = known.calibration if to_be_calibrated(known.quantizer) else None
        return {
            "source": known.source.name if isinstance(known.source, Dataset) else "sampler",
            "model": description_of(known.model),
            "quantizer": None if known.quantizer is None else known.quantizer.name,
            "n": known.n,
            "trainings": self.target.shown.trainings,
            "pairs": self.pairs,
            "shadows": known.shadow.shown.trainings,
            "calibrations": self.calibration.shown.trainings,
            "control": self.control or None,
            "seed": known.seed,
            **({} if whose is None else {"calibration": whose.describe()}),
        }


def _relabelled(part: Trainings, rng: np.random.Generator) -> Trainings:
    trained = None if part.trained is None else rng.permuted(part.trained, axis=1)
    return Trainings(part.shown, rng.permuted(part.member, axis=1), trained)


def _exchanged(model: Model, part: Trainings) -> Trainings:
    """Return the training runs with the weights of the next one."""
    weights = part.shown.weights
    return _reweighted(model, part, MadeAgain(weights.__getitem__, ([*range(1, len(weights)), 0],)))


def _reweighted(model: Model, part: Trainings, weights: Sequence[Weights]) -> Trainings:
    """Return the training runs with other released weights."""
    shown = part.shown
    return replace(part, shown=replace(shown, weights=weights, losses=_losses(model, weights, shown.points, shown.y)))


def _losses(
    model: Model, weights: Sequence[Weights], points: Sequence[FloatArray] | FloatArray, y: FloatArray
) -> FloatArray:
    return np.array([losses_of(model, w, a, b) for w, a, b in zip(weights, points, y, strict=True)])


@dataclass(frozen=True)
class _Plan:
    source: Dataset | Sampler
    model: Model
    n: int
    seed: int
    store: TrainingStore | None = None


_One = tuple[Weights | None, FloatArray | None, FloatArray, Flags, Indices | None, Flags | None]


def _from_data(plan: _Plan, data: Dataset, members: int, rng: np.random.Generator) -> tuple[Indices, ...]:
    """Return the rows that are trained on, and those that are shown: members, then non-members."""
    wanted = np.unique(data.y).size if data.task != "regression" else 2
    for _ in range(_TRIES):
        order = rng.permutation(data.rows)
        rows, rest = order[: plan.n], order[plan.n :]
        if np.unique(data.y[rows]).size >= wanted:
            return rows, np.concatenate([rows[:members], rest[:members]])
    raise InputError("n", plan.n, "larger: a training subset has a class missing, or a constant target")


def _one(plan: _Plan, role: int, number: int, members: int) -> _One:
    draw, fit = generator(plan.seed, role, number, _DRAW), generator(plan.seed, role, number, _FIT)
    rows: Indices | None = None
    trained: Flags | None = None
    points: FloatArray | None = None
    if isinstance(plan.source, Dataset):
        used, rows = _from_data(plan, plan.source, members, draw)
        trained = np.zeros(plan.source.rows, dtype=bool)
        trained[used] = True
        targets = plan.source.y[rows]
    else:
        with raised_by("the sampler", but=(QmisError,)):
            X, y = (np.asarray(a, dtype=np.float64) for a in plan.source(draw, plan.n + members))
        if X.ndim != 2 or y.shape != (plan.n + members,) or X.shape[0] != y.size:
            raise InputError("sampler", (X.shape, y.shape), "one that returns arrays (k, p) and (k,)")
        used, chosen = np.arange(plan.n), np.r_[np.arange(members), plan.n + np.arange(members)]
        points, targets = X[chosen], y[chosen]
    order = draw.permutation(2 * members)
    weights = plan.store.load(role, number) if plan.store is not None else None
    if weights is None:
        table, values = (plan.source.X, plan.source.y) if isinstance(plan.source, Dataset) else (X, y)
        weights = last_weights(plan.model, table[used], values[used], fit)
        if plan.store is not None:
            plan.store.save(role, number, weights)
    if plan.store is not None and is_large(weights) and plan.store.has(role, number):
        weights = None
    shown = None if points is None else points[order]
    return weights, shown, targets[order], order < members, None if rows is None else rows[order], trained


_Training = tuple[int, int, int]
"""Role, number, and how many members are shown."""


def _several(plan: _Plan, wanted: list[_Training]) -> list[_One]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return [_one(plan, role, number, members) for role, number, members in wanted]


def _blocks(plan: _Plan, blocks: list[list[_Training]], jobs: int) -> Iterator[list[_One]]:
    yield from in_processes(_several, [(plan, block) for block in blocks], jobs)


def _all(plan: _Plan, counts: dict[int, tuple[int, int]], jobs: int, progress: Progress) -> dict[int, Trainings]:
    """Return the training runs of each role; ``counts`` says how many, and how many members are shown."""
    wanted = [(role, number, members) for role, (count, members) in counts.items() for number in range(count)]
    size = -(-len(wanted) // (_BLOCKS * jobs))
    blocks = [wanted[begin : begin + size] for begin in range(0, len(wanted), size)]
    results = _blocks(plan, blocks, jobs)
    done: list[_One] = []
    for _ in progress(range(len(blocks))):
        done += next(results)
        if (weights := done[-1][0]) is not None:
            check_room(weights, len(wanted) - len(done))
    found = iter(done)
    return {role: _together(plan, role, [next(found) for _ in range(count)]) for role, (count, _) in counts.items()}


def _together(plan: _Plan, role: int, found: list[_One]) -> Trainings:
    y = np.array([one[2] for one in found])
    kept = tuple(one[0] for one in found if one[0] is not None)
    weights: Sequence[Weights] = kept
    if len(kept) < len(found):
        assert plan.store is not None
        weights = MadeAgain(partial(plan.store.again, role), (range(len(found)),))
    rows: Indices | None = None
    trained: Flags | None = None
    points: Sequence[FloatArray] | FloatArray
    if isinstance(plan.source, Dataset):
        rows, trained = np.array([one[4] for one in found]), np.array([one[5] for one in found])
        points = Picked(plan.source.X, rows)
    else:
        points = np.array([one[1] for one in found])
    shown = Shown(weights, points, y, _losses(plan.model, weights, points, y), rows, role)
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
    wanted[generator(seed, _POOL).permutation(others)[:few]] = True
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
        A data set, of which each training uses a random n rows and shows others as non-members; or a function
        ``(rng, k)`` that draws k fresh points, for the game of Statement S1.
    model : Model
        The last weights of its training are released.
    quantizer : Quantizer or None
        Applied to them; ``None`` releases them as they are, and :meth:`AttackGame.quantized` plays the same runs
        against as many quantizers as are wanted.
    n : int
        Points a training.
    trainings, shadows, calibrations : int
        Independent training runs to score attacks on, to fit them on, and to fix thresholds on. A false positive rate
        of 1e-3 needs calibration runs that show 1000 non-members in all.
    members : int
        Members, and as many non-members, that each target training shows. With one, all pairs are independent and
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
    if bool(getattr(model, "trained_elsewhere", False)):
        raise InputError("model", type(model).__name__, "one that can be trained again")
    check_layers([] if quantizer is None else [quantizer], model)
    whole_number("n", n, 2)
    whole_number("members", members, 1)
    whole_number("jobs", jobs, 1)
    for name, value in (("trainings", trainings), ("shadows", shadows), ("calibrations", calibrations)):
        whole_number(name, value, 2)
    room = n
    if isinstance(source, Dataset):
        checked_model(model, source)
        room = min(n, source.rows - n)
        if room < 1:
            raise InputError("n", n, f"below {source.rows}, the rows of {source.name}: non-members are needed")
    elif not callable(source):
        raise InputError("source", source, "a Dataset or a function (rng, k)")
    wide = min(room, _MOST_SHOWN) if shown is None else whole_number("shown", shown, 1)
    for name, value in (("members", members), ("shown", wide)):
        if value > room:
            raise InputError(name, value, f"at most {room}: that many are members and that many non-members")
    seed = checked_seed(seed)
    kept = (
        TrainingStore.of(store, source, model, n, seed) if store is not None and isinstance(source, Dataset) else None
    )
    plan = _Plan(source, model, n, seed, kept)
    counts = {_SHADOW: (shadows, wide), _CALIBRATION: (calibrations, wide), _TARGET: (trainings, members)}
    found = _all(plan, counts, jobs, progress or iter)
    pooled, whose = None, None
    if isinstance(source, Dataset):
        pooled = _pooled(source, [part.shown.rows for part in found.values()], seed)
        whose = calibration_data(calibrate, calibration_rows, source)
    known = Known(source, model, None, n, plan.seed, found[_SHADOW], found[_SHADOW], pooled, whose)
    game = AttackGame(known, found[_CALIBRATION], found[_TARGET])
    return game if quantizer is None else game.quantized(quantizer)
