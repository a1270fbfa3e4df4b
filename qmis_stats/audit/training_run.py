"""One training run of an audit: train on a subset, quantize every checkpoint, keep losses of the codewords visited."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from qmis_stats.arrays import FloatArray, Indices
from qmis_stats.audit.calibration import CalibrationData, calibrated, released_weights
from qmis_stats.audit.codewords import Calibrate, Codewords
from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.models.calls import checkpoints_of, losses_of_each, mask_of, predictions_of
from qmis_stats.audit.quantizers import IDENTITY, Quantizer
from qmis_stats.audit.splits import GIVEN, subset
from qmis_stats.threads import one_thread

__all__ = [
    "Run",
    "RunPlan",
    "Visited",
    "calibration_points",
    "generator",
    "judged_of",
    "merged",
    "one_run",
    "probes",
    "shared",
]

_SPLIT, _DEAL, _SUBSET, _FIT, _CALIBRATION = range(5)
_JUDGE = 30  # beside the other streams of random numbers

_MOST_JUDGED = 10_000
"""Evaluation points on which the losses of all codewords are kept."""

_ROUNDING = 1e-12
"""Losses closer than this, relative to their size, tell no codewords apart."""


@dataclass(frozen=True)
class Visited:
    """The codewords of one quantizer that training visited.

    Attributes
    ----------
    losses : (K, N) ndarray
        Of the codewords kept, in the order of their first visit, on the evaluation points that are judged by.
    marks : (K,) ndarray
        Hashes that identify them.
    seen : (S,) ndarray
        Hashes of all different codewords that were visited, kept or not.
    prediction : ndarray
        Of the final quantized model on the evaluation points.
    """

    losses: FloatArray
    marks: np.ndarray[Any, np.dtype[np.bytes_]]
    seen: np.ndarray[Any, np.dtype[np.bytes_]]
    prediction: FloatArray

    @property
    def varied(self) -> bool:
        """Whether there are two codewords with different losses."""
        return bool(np.any(self.losses != self.losses[0]))


@dataclass(frozen=True)
class Run:
    """What one run left behind.

    Attributes
    ----------
    number : int
        Of the run, from 0.
    checkpoints : int
        How many the training had.
    distinct : int
        Different points in the training subset.
    seconds : float
        Wall time; not part of the result.
    visited : dict of str to Visited
        By quantizer, the last one the reference.
    with_scales : tuple of str
        Quantizers without codes, whose codewords are told apart by scales or levels too.
    bits : dict of str to float
        Mean bits per weight of quantizers that choose by layer.
    """

    number: int
    checkpoints: int
    distinct: int
    seconds: float
    visited: dict[str, Visited]
    with_scales: tuple[str, ...] = ()
    bits: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunPlan:
    """What all runs share: the settings of an audit, checked.

    Attributes
    ----------
    dataset, model, quantizers
        Of the audit.
    pool, held : ndarray
        Indices of the points that may be trained on, and of the evaluation points.
    subsets : {"bootstrap", "disjoint", "given"}
        How training subsets are drawn; none where the checkpoints were given.
    n : int
        Their size.
    candidates : int
        Most codewords kept a quantizer: those of smallest mean loss.
    identify : {"codes", "released"}
        Whether quantized weights alone, or everything released, tell codewords apart.
    seed : int
        Of the audit.
    judged : ndarray
        Evaluation points whose losses give the indicators: all, or a random part of very many.
    calibration : CalibrationData or None
        Whose points calibrate quantizers that see data, where there are any.
    specification : dict
        What the numbers of a run follow from, JSON-ready: with what the quantizers do, the key of a store.
    """

    dataset: Dataset
    model: Model
    quantizers: tuple[Quantizer, ...]
    pool: Indices
    held: Indices
    subsets: str
    n: int
    candidates: int
    identify: str
    seed: int
    judged: Indices
    calibration: CalibrationData | None = None
    specification: Mapping[str, Any] = field(default_factory=dict)


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of one purpose: it depends on the seed and the key alone.

    Examples
    --------
    >>> int(generator(1, 2, 3).integers(100)) == int(generator(1, 2, 3).integers(100))
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def judged_of(held: Indices, seed: int) -> Indices:
    """Return the evaluation points whose losses give the indicators: all, or a random part of very many."""
    if held.size <= _MOST_JUDGED:
        return held
    return np.sort(generator(seed, _JUDGE).choice(held, _MOST_JUDGED, replace=False))


class _Keeper:
    """Keeps the codewords of smallest mean loss; a codeword that is visited again has its latest losses."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: dict[bytes, tuple[float, FloatArray]] = {}
        self._seen: dict[bytes, None] = {}

    def add(self, mark: bytes, losses: FloatArray) -> None:
        if mark not in self._seen:
            mark = _twin(self._rows, losses) or mark
        self._seen[mark] = None
        self._rows[mark] = (float(losses.mean()), losses)
        if len(self._rows) > 2 * self._most:
            self._rows = _smallest(self._rows, self._most)

    def result(self, prediction: FloatArray) -> Visited:
        rows: dict[bytes, tuple[float, FloatArray]] = {}
        for mark, row in self._rows.items():  # latest losses may be those of another row
            if _twin(rows, row[1]):
                del self._seen[mark]
            else:
                rows[mark] = row
        return _visited(_smallest(rows, self._most), list(self._seen), prediction)


def _smallest(rows: dict[bytes, tuple[float, FloatArray]], most: int) -> dict[bytes, tuple[float, FloatArray]]:
    """Return the rows of smallest mean loss in their old order."""
    if len(rows) <= most:
        return rows
    chosen = set(sorted(rows, key=lambda mark: rows[mark][0])[:most])
    return {mark: row for mark, row in rows.items() if mark in chosen}


def _twin(rows: dict[bytes, tuple[float, FloatArray]], losses: FloatArray) -> bytes | None:
    """Return the row that these losses are but for rounding: one model, summed in another order.

    Rows that agree to the last bit are no twins: the ranking counts them as repetitions.
    """
    mean = float(losses.mean())
    bound = _ROUNDING * (np.abs(losses) + np.abs(losses).mean())
    close = float(bound.mean())
    for mark, (other, row) in rows.items():
        near = abs(mean - other) <= close and bool(np.all(np.abs(losses - row) <= bound))
        if near and not np.array_equal(losses, row):
            return mark
    return None


def _visited(rows: dict[bytes, tuple[float, FloatArray]], seen: Sequence[bytes], prediction: FloatArray) -> Visited:
    losses = np.vstack([row for _, row in rows.values()])
    return Visited(losses, np.array(list(rows), dtype="S32"), np.array(seen, dtype="S32"), prediction)


def merged(parts: Sequence[Visited], most: int) -> Visited:
    """Return the codewords of several runs; of one that several visited, the losses are those of the first run."""
    rows: dict[bytes, tuple[float, FloatArray]] = {}
    seen: dict[bytes, None] = {}
    for part in parts:
        seen |= dict.fromkeys(part.seen.tolist())
        for mark, row in zip(part.marks.tolist(), part.losses, strict=True):
            if mark not in rows and _twin(rows, row):
                del seen[mark]
            else:
                rows.setdefault(mark, (float(row.mean()), row))
    return _visited(_smallest(rows, most), list(seen), parts[0].prediction)


def shared(run: Run, name: str, whole: Visited) -> None:
    """Let a run have its losses under a quantizer where those of all runs hold them, in place of a copy."""
    own = run.visited[name]
    begin = int(np.argmax(whole.marks == own.marks[0]))
    part = slice(begin, begin + own.marks.size)
    if np.array_equal(whole.marks[part], own.marks) and np.array_equal(whole.losses[part], own.losses):
        run.visited[name] = replace(own, losses=whole.losses[part])


def one_run(plan: RunPlan, number: int, save: Callable[[Run], None] | None = None) -> Run:
    """Train on the subset of one run and return what it visited, saved; with one thread, so that no number changes."""
    begin = time.perf_counter()
    data, model = plan.dataset, plan.model
    rows = training_rows(plan, number)
    X, y = data.X[plan.judged], data.y[plan.judged]
    points = None if plan.calibration is None else calibration_points(plan, rows, number)

    def sees(quantizer: Quantizer) -> Calibrate:
        return lambda weights, mask: calibrated(quantizer, model, weights, mask, points)

    words = {q.name: Codewords(q, plan.identify, sees(q)) for q in plan.quantizers}
    words[IDENTITY] = Codewords(None)
    keepers = {name: _Keeper(plan.candidates) for name in words}
    latest: dict[str, Weights] = {}
    count = 0
    with one_thread():
        for weights in checkpoints_of(model, data.X[rows], data.y[rows], generator(plan.seed, _FIT, number)):
            mask = mask_of(model, weights)
            marks = {}
            for name, codewords in words.items():
                latest[name], marks[name] = codewords.of(weights, mask)
            where = [f" under {name!r}, run {number}, checkpoint {count}" for name in words]
            losses = losses_of_each(model, [latest[name] for name in words], X, y, where)
            for (name, mark), row in zip(marks.items(), losses, strict=True):
                keepers[name].add(mark, row.copy())  # a view would keep all the rows
            count += 1
        classes = data.outputs if data.task == "multiclass" else None
        if plan.judged.size < plan.held.size:
            X = data.X[plan.held]
        visited = {
            name: keepers[name].result(predictions_of(model, values, X, classes)) for name, values in latest.items()
        }
    with_scales = tuple(name for name, codewords in words.items() if codewords.with_scales)
    bits = {name: codewords.bits for name, codewords in words.items() if codewords.bits is not None}
    run = Run(number, count, int(np.unique(rows).size), time.perf_counter() - begin, visited, with_scales, bits)
    if save is not None:
        save(run)
    return run


def calibration_points(plan: RunPlan, rows: Indices, number: int) -> FloatArray | None:
    """Return the points that calibrate the quantizers of a run which was trained on some rows."""
    if plan.calibration is None:
        return None
    drawn = plan.calibration.draw(rows, plan.held, generator(plan.seed, _CALIBRATION, number))
    return plan.calibration.points(plan.dataset, drawn)


def training_rows(plan: RunPlan, number: int) -> Indices:
    """Return the points that a run is trained on; the pool where the checkpoints were given."""
    if plan.subsets == GIVEN:
        return plan.pool
    deal, draw = generator(plan.seed, _DEAL), generator(plan.seed, _SUBSET, number)
    return subset(plan.dataset, plan.pool, plan.subsets, plan.n, number, deal, draw)


def probes(plan: RunPlan) -> list[dict[str, Any]]:
    """Return name, bits and a hash of what each quantizer makes of fixed numbers: a changed one is another one.

    The numbers have the shapes of the weights, which a training run has to be begun for; of a model that was trained
    elsewhere they are its weights, which are always the same.
    """
    data, rows = plan.dataset, training_rows(plan, 0)
    weights = next(checkpoints_of(plan.model, data.X[rows], data.y[rows], generator(plan.seed, _FIT, 0)))
    mask = mask_of(plan.model, weights)
    numbers = weights
    if plan.subsets != GIVEN:
        numbers = tuple(
            np.random.default_rng(0).uniform(-1.0, 1.0, np.shape(w)) if use else w
            for w, use in zip(weights, mask, strict=True)
        )
    points = calibration_points(plan, rows, 0)
    found = []
    for quantizer in plan.quantizers:
        mark = hashlib.sha256()
        released = released_weights(quantizer, plan.model, numbers, mask, points)
        for array in (w for w, use in zip(released, mask, strict=True) if use):
            mark.update(array.round(12).tobytes())
        found.append({"name": quantizer.name, "bits": float(quantizer.bits), "probe": mark.hexdigest()[:16]})
    return found
