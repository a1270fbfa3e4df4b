"""The membership game: training runs that release quantized weights, each with points trained on and others (S1).

Three kinds of training runs, never the same: *shadow* runs, whose members the attacks know; *calibration* runs, on
which thresholds are fixed; *target* runs, on which attacks are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import numpy as np

from qmis_stats.arrays import Flags, FloatArray, Indices
from qmis_stats.audit.attacks.game_settings import Sampler
from qmis_stats.audit.attacks.lazy_weights import MadeAgain, is_large
from qmis_stats.audit.calibration import CalibrationData, released_weights
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.calls import description_of, last_weights, losses_of, mask_of
from qmis_stats.audit.quantizers import Quantizer
from qmis_stats.audit.training_run import generator
from qmis_stats.errors import InputError
from qmis_stats.quantizers.weights.base import to_be_calibrated
from qmis_stats.validation import checked_seed

__all__ = ["AttackGame", "Known", "Picked", "Shown", "Trainings", "losses_shown"]

_T = TypeVar("_T")

SHADOW, CALIBRATION, TARGET, INSIDE, CONTROL, POOL = range(10, 16)
"""Keys of random numbers: what is drawn for one purpose does not depend on the others."""
DRAW, FIT, INPUTS = range(3)
"""Of a training run: its points, its training, and those that calibrate its quantizer."""


@dataclass(frozen=True, eq=False)
class Picked(Sequence[FloatArray]):
    """Rows of a table that each training run shows, which are taken when they are asked for.

    Attributes
    ----------
    table : (N, ...) ndarray
        Features of all points.
    rows : (T, 2m) ndarray of int
        Those that each training run shows.

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
        """Return the points of a training run, (2m, ...)."""
        return self.table[self.rows[training]]


@dataclass(frozen=True, eq=False)
class Shown:
    """What an attack is shown: released weights, and points one of whose halves was trained on.

    Attributes
    ----------
    weights : sequence of Weights
        Released by each of the T training runs; of large models they are made again each time they are asked for.
    points : sequence of (2m, p) ndarray
        Features of the points of each training run, members and non-members in random order.
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
        Rows of the data set that each training run used; ``None`` in a game with a sampler.
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
        Points per training run.
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
        """Return the released weights of a training run on these points."""
        return self.release(last_weights(self.model, X, y, rng))

    def release(self, weights: Weights, points: FloatArray | None = None) -> Weights:
        """Return what is released of trained weights.

        Parameters
        ----------
        weights : Weights
            Of a training run.
        points : (N, ...) ndarray, optional
            What calibrates a quantizer that sees data, which has to be given: :meth:`calibrating` returns it.
        """
        return released_weights(self.quantizer, self.model, weights, mask_of(self.model, weights), points)

    def calibrating(self, part: Trainings) -> list[FloatArray | None]:
        """Return the points that calibrate a quantizer that sees data in each training run, none that is shown."""
        if self.calibration is None or not to_be_calibrated(self.quantizer):
            return [None] * part.shown.trainings
        assert isinstance(self.source, Dataset)
        assert part.trained is not None
        assert part.shown.rows is not None
        found: list[FloatArray | None] = []
        for number, (used, rows) in enumerate(zip(part.trained, part.shown.rows, strict=True)):
            outside = np.setdiff1d(np.flatnonzero(~used), rows)
            rng = generator(self.seed, part.shown.role, number, INPUTS)
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
        """Pairs of a member and a non-member in each target training run."""
        return int(self.target.member.shape[1]) // 2

    def as_control(self, kind: str = "labels", seed: int | None = None) -> AttackGame:
        """Return the game with membership that is independent of the released weights: every attack is at chance.

        Parameters
        ----------
        kind : {"labels", "weights"}
            Labels drawn anew in every training run; or true labels beside the weights of another training run. An
            attack that succeeds against the second tells members from non-members without looking at the weights: the
            two kinds of points differ by themselves, and the game is flawed.
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
        """Return the game of another quantizer on the same trainings.

        It is that of :func:`~qmis_stats.audit.attacks.playing.play` with this quantizer. Training is what costs time.
        The game must have been played without a quantizer, and not be a control.

        Raises
        ------
        InputError
            If the game has a quantizer or is a control, or the quantizer sees data in a game with a sampler.

        Examples
        --------
        >>> from qmis_stats.audit.attacks import play
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
            "rows": known.source.rows if isinstance(known.source, Dataset) else None,
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
    return replace(
        part, shown=replace(shown, weights=weights, losses=losses_shown(model, weights, shown.points, shown.y))
    )


def losses_shown(
    model: Model, weights: Sequence[Weights], points: Sequence[FloatArray] | FloatArray, y: FloatArray
) -> FloatArray:
    """Return the loss of each point under the weights of its training run, (T, 2m)."""
    return np.array([losses_of(model, w, a, b) for w, a, b in zip(weights, points, y, strict=True)])
