"""The membership game: trainings that release quantized weights, each with points that were trained on and others (S1).

Three kinds of trainings, never the same: *shadow* trainings, whose members the attacks know; *calibration* trainings,
on which thresholds are fixed; *target* trainings, on which attacks are scored.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qmis_stats.audit.attacks.training_store import TrainingStore
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Model, Weights, checked_count
from qmis_stats.audit.models.calls import checked_model, description_of, last_weights, losses_of, mask_of
from qmis_stats.audit.processes import in_processes
from qmis_stats.audit.quantizers import Quantizer, quantized_weights
from qmis_stats.audit.run import generator
from qmis_stats.errors import InputError, QmisError
from qmis_stats.foreign import raised_by
from qmis_stats.inference.ranking import Progress
from qmis_stats.scores.base import FloatArray
from qmis_stats.validation import checked_seed

__all__ = ["AttackGame", "Known", "Sampler", "Shown", "Trainings", "play"]

Sampler: TypeAlias = Callable[[np.random.Generator, int], tuple[FloatArray, FloatArray]]
"""``sampler(rng, k)`` draws k independent points: features (k, p) and targets (k,)."""

Flags = NDArray[np.bool_]

_SHADOW, _CALIBRATION, _TARGET, INSIDE, CONTROL = range(10, 15)
_MOST_SHOWN = 32
_TRIES = 200
_BLOCKS = 16


@dataclass(frozen=True, eq=False)
class Shown:
    """What an attack is shown: released weights, and points one of whose halves was trained on.

    Attributes
    ----------
    weights : tuple of Weights
        Released by each of the T trainings.
    X : (T, 2m, p) ndarray
        Features of the points, members and strangers in random order.
    y : (T, 2m) ndarray
        Their targets.
    losses : (T, 2m) ndarray
        Loss of each point under the released weights.
    rows : (T, 2m) ndarray of int or None
        Rows of the data set; ``None`` in a game with a sampler.
    role : int
        Identifies the kind of trainings, for random numbers.
    """

    weights: tuple[Weights, ...]
    X: FloatArray
    y: FloatArray
    losses: FloatArray
    rows: NDArray[np.intp] | None
    role: int

    @property
    def trainings(self) -> int:
        """Number T."""
        return len(self.weights)


@dataclass(frozen=True, eq=False)
class Trainings:
    """Trainings with the answers.

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
    """What an attacker knows: everything but the target trainings' members.

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
        The attacker's own trainings.
    plain : Trainings
        The same before quantization, with the true labels in a control too.
    """

    source: Dataset | Sampler
    model: Model
    quantizer: Quantizer | None
    n: int
    seed: int
    shadow: Trainings
    plain: Trainings

    def train(self, X: FloatArray, y: FloatArray, rng: np.random.Generator) -> Weights:
        """Return the released weights of a training on these points."""
        return self.release(last_weights(self.model, X, y, rng))

    def release(self, weights: Weights) -> Weights:
        """Return what is released of trained weights."""
        return quantized_weights(weights, mask_of(self.model, weights), self.quantizer)


@dataclass(frozen=True, eq=False)
class AttackGame:
    """Trainings to fit attacks, to fix thresholds, and to score attacks.

    Attributes
    ----------
    known : Known
        Model, quantizer, source and shadow trainings.
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
        """Pairs of a member and a stranger in each target training."""
        return int(self.target.member.shape[1]) // 2

    def as_control(self, kind: str = "labels", seed: int | None = None) -> AttackGame:
        """Return the game with membership that is independent of the released weights: every attack is at chance.

        Parameters
        ----------
        kind : {"labels", "weights"}
            Labels drawn anew in every training; or true labels beside the weights of another training. An attack that
            succeeds against the second tells members from strangers without looking at the weights: the two kinds of
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
            If the game has a quantizer or is a control.

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

        def change(part: Trainings) -> Trainings:
            return _reweighted(known.model, part, tuple(map(known.release, part.shown.weights)))

        shadow = change(self.known.shadow)
        return AttackGame(replace(known, shadow=shadow), change(self.calibration), change(self.target))

    def describe(self) -> dict[str, Any]:
        """Return JSON-ready data that says what was played."""
        known = self.known
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
        }


def _relabelled(part: Trainings, rng: np.random.Generator) -> Trainings:
    trained = None if part.trained is None else rng.permuted(part.trained, axis=1)
    return Trainings(part.shown, rng.permuted(part.member, axis=1), trained)


def _exchanged(model: Model, part: Trainings) -> Trainings:
    """Return the trainings with the weights of the next one."""
    return _reweighted(model, part, (*part.shown.weights[1:], part.shown.weights[0]))


def _reweighted(model: Model, part: Trainings, weights: tuple[Weights, ...]) -> Trainings:
    """Return the trainings with other released weights."""
    shown = part.shown
    return replace(part, shown=replace(shown, weights=weights, losses=_losses(model, weights, shown.X, shown.y)))


def _losses(model: Model, weights: tuple[Weights, ...], X: FloatArray, y: FloatArray) -> FloatArray:
    return np.array([losses_of(model, w, a, b) for w, a, b in zip(weights, X, y, strict=True)])


@dataclass(frozen=True)
class _Plan:
    source: Dataset | Sampler
    model: Model
    n: int
    seed: int
    store: TrainingStore | None = None


_One = tuple[Weights, FloatArray, FloatArray, Flags, NDArray[np.intp] | None, Flags | None]


def _from_data(plan: _Plan, data: Dataset, members: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], ...]:
    """Return the rows that are trained on, and those that are shown: members, then strangers."""
    wanted = np.unique(data.y).size if data.task != "regression" else 2
    for _ in range(_TRIES):
        order = rng.permutation(data.rows)
        rows, rest = order[: plan.n], order[plan.n :]
        if np.unique(data.y[rows]).size >= wanted:
            return rows, np.concatenate([rows[:members], rest[:members]])
    raise InputError("n", plan.n, "larger: a training subset has a class missing, or a constant target")


def _one(plan: _Plan, role: int, number: int, members: int) -> _One:
    draw, fit = generator(plan.seed, role, number, 0), generator(plan.seed, role, number, 1)
    rows: NDArray[np.intp] | None = None
    trained: Flags | None = None
    if isinstance(plan.source, Dataset):
        used, rows = _from_data(plan, plan.source, members, draw)
        trained = np.zeros(plan.source.rows, dtype=bool)
        trained[used] = True
        X, y, shown_X, shown_y = plan.source.X[used], plan.source.y[used], plan.source.X[rows], plan.source.y[rows]
    else:
        with raised_by("the sampler", but=(QmisError,)):
            points, targets = (np.asarray(a, dtype=np.float64) for a in plan.source(draw, plan.n + members))
        if points.ndim != 2 or targets.shape != (plan.n + members,) or points.shape[0] != targets.size:
            raise InputError("sampler", (points.shape, targets.shape), "one that returns arrays (k, p) and (k,)")
        X, y = points[: plan.n], targets[: plan.n]
        chosen = np.r_[np.arange(members), plan.n + np.arange(members)]
        shown_X, shown_y = points[chosen], targets[chosen]
    order = draw.permutation(2 * members)
    weights = plan.store.load(role, number) if plan.store is not None else None
    if weights is None:
        weights = last_weights(plan.model, X, y, fit)
        if plan.store is not None:
            plan.store.save(role, number, weights)
    return weights, shown_X[order], shown_y[order], order < members, None if rows is None else rows[order], trained


_Training = tuple[int, int, int]
"""Role, number, and how many members are shown."""


def _several(plan: _Plan, wanted: list[_Training]) -> list[_One]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        return [_one(plan, role, number, members) for role, number, members in wanted]


def _blocks(plan: _Plan, blocks: list[list[_Training]], jobs: int) -> Iterator[list[_One]]:
    yield from in_processes(_several, [(plan, block) for block in blocks], jobs)


def _all(plan: _Plan, counts: dict[int, tuple[int, int]], jobs: int, progress: Progress) -> dict[int, Trainings]:
    """Return the trainings of each role; ``counts`` says how many, and how many members are shown."""
    wanted = [(role, number, members) for role, (count, members) in counts.items() for number in range(count)]
    size = -(-len(wanted) // (_BLOCKS * jobs))
    blocks = [wanted[begin : begin + size] for begin in range(0, len(wanted), size)]
    results = _blocks(plan, blocks, jobs)
    found = iter([one for _ in progress(range(len(blocks))) for one in next(results)])
    return {role: _together(plan, role, [next(found) for _ in range(count)]) for role, (count, _) in counts.items()}


def _together(plan: _Plan, role: int, found: list[_One]) -> Trainings:
    weights = tuple(one[0] for one in found)
    X, y = np.array([one[1] for one in found]), np.array([one[2] for one in found])
    with_rows = isinstance(plan.source, Dataset)
    shown = Shown(
        weights,
        X,
        y,
        _losses(plan.model, weights, X, y),
        np.array([one[4] for one in found]) if with_rows else None,
        role,
    )
    trained = np.array([one[5] for one in found]) if with_rows else None
    return Trainings(shown, np.array([one[3] for one in found]), trained)


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
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
    store: str | os.PathLike[str] | None = None,
) -> AttackGame:
    """Train many times, and show of each training points that it used and points that it did not use.

    Parameters
    ----------
    source : Dataset or Sampler
        A data set, of which each training uses a random n rows and shows others as strangers; or a function
        ``(rng, k)`` that draws k fresh points, for the game of Statement S1.
    model : Model
        The last weights of its training are released.
    quantizer : Quantizer or None
        Applied to them; ``None`` releases them as they are, and :meth:`AttackGame.quantized` plays the same trainings
        against as many quantizers as are wanted.
    n : int
        Points a training.
    trainings, shadows, calibrations : int
        Independent trainings to score attacks on, to fit them on, and to fix thresholds on. A false positive rate of
        1e-3 needs calibration trainings that show 1000 strangers in all.
    members : int
        Members, and as many strangers, that each target training shows. With one, all pairs are independent and
        intervals for true positive rates are exact.
    shown : int, optional
        The same for shadow and calibration trainings, where independence is not needed; by default up to 32.
    seed : int
        In [0, 2³²): a seed gives the same game for any number of jobs.
    jobs : int
        Processes.
    progress : callable, optional
        Wraps what is iterated over, as ``tqdm`` and ``rich.progress.track`` do.
    store : path, optional
        Folder for the trainings of a game with a data set: one that was interrupted goes on, and more can be added.

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
    checked_count("n", n, 2)
    checked_count("members", members)
    checked_count("jobs", jobs)
    for field, value in (("trainings", trainings), ("shadows", shadows), ("calibrations", calibrations)):
        checked_count(field, value, 2)
    room = n
    if isinstance(source, Dataset):
        checked_model(model, source)
        room = min(n, source.rows - n)
        if room < 1:
            raise InputError("n", n, f"below {source.rows}, the rows of {source.name}: non-members are needed")
    elif not callable(source):
        raise InputError("source", source, "a Dataset or a function (rng, k)")
    wide = min(room, _MOST_SHOWN) if shown is None else checked_count("shown", shown)
    for field, value in (("members", members), ("shown", wide)):
        if value > room:
            raise InputError(field, value, f"at most {room}: that many are members and that many non-members")
    seed = checked_seed(seed)
    kept = (
        TrainingStore.of(store, source, model, n, seed) if store is not None and isinstance(source, Dataset) else None
    )
    plan = _Plan(source, model, n, seed, kept)
    counts = {_SHADOW: (shadows, wide), _CALIBRATION: (calibrations, wide), _TARGET: (trainings, members)}
    found = _all(plan, counts, jobs, progress or iter)
    known = Known(source, model, None, n, plan.seed, found[_SHADOW], found[_SHADOW])
    game = AttackGame(known, found[_CALIBRATION], found[_TARGET])
    return game if quantizer is None else game.quantized(quantizer)
