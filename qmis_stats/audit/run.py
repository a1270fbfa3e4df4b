"""One training run of an audit: train on a subset, quantize every checkpoint, keep losses of the codewords visited."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from qmis_stats.audit.data import Dataset
from qmis_stats.audit.models.base import Model, Weights
from qmis_stats.audit.splits import Indices, subset
from qmis_stats.errors import InputError
from qmis_stats.scores.base import FloatArray

__all__ = ["IDENTITY", "Quantizer", "Run", "RunPlan", "Visited", "generator", "merged", "one_run", "released"]

IDENTITY = "identity"
"""Name of the reference without quantization."""

_SPLIT, _DEAL, _SUBSET, _FIT = range(4)

_ROUNDING = 1e-12
"""Losses closer than this, relative to their size, tell no codewords apart."""


class Quantizer(Protocol):
    """What an audit needs of a quantizer of weight arrays.

    If it also has ``codes(array)`` (integers) and a false ``discrete``, its scales depend continuously on the weights,
    and codewords are told apart by their codes. A method ``encode(array)`` that returns codes and quantized weights is
    then called instead of both: levels that are searched are searched once.
    """

    @property
    def name(self) -> str:
        """Its name in tables."""
        ...

    @property
    def bits(self) -> float:
        """Bits a weight."""
        ...

    def quantize(self, weights: ArrayLike, /) -> FloatArray:
        """Return an array of the same shape; the argument is not changed."""
        ...


@dataclass(frozen=True)
class Visited:
    """The codewords of one quantizer that training visited.

    Attributes
    ----------
    losses : (K, N) ndarray
        Of the codewords kept, in the order of their first visit.
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
    """

    number: int
    checkpoints: int
    distinct: int
    seconds: float
    visited: dict[str, Visited]


@dataclass(frozen=True)
class RunPlan:
    """What all runs share.

    Attributes
    ----------
    dataset, model, quantizers
        Of the audit.
    pool, held : ndarray
        Indices of the points that may be trained on, and of the evaluation points.
    subsets : {"bootstrap", "disjoint"}
        How training subsets are drawn.
    n : int
        Their size.
    candidates : int
        Most codewords kept a quantizer: those of smallest mean loss.
    identify : {"codes", "released"}
        Whether quantized weights alone, or everything released, tell codewords apart.
    seed : int
        Of the audit.
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


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of one purpose: it depends on the seed and the key alone.

    Examples
    --------
    >>> int(generator(1, 2, 3).integers(100)) == int(generator(1, 2, 3).integers(100))
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


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
        return _visited(_smallest(self._rows, self._most), list(self._seen), prediction)


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
    for mark, (other, row) in rows.items():
        near = abs(mean - other) <= float(bound.mean()) and bool(np.all(np.abs(losses - row) <= bound))
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


def _mark(arrays: Sequence[ArrayLike]) -> bytes:
    """Return a hash of arrays; minus zero is zero, and the shapes count."""
    found = hashlib.sha256()
    for array in map(np.asarray, arrays):
        found.update(repr((array.shape, array.dtype.kind)).encode() + np.ascontiguousarray(array + 0).tobytes())
    return found.hexdigest()[:32].encode()


def released(
    weights: Weights, mask: Sequence[bool], quantizer: Quantizer | None, identify: str = "codes"
) -> tuple[Weights, bytes]:
    """Return the weights with the quantizable arrays quantized, and the mark of the codeword.

    Raises
    ------
    InputError
        If a quantizer returns another shape or numbers that are not finite.
    """
    if quantizer is None:
        return weights, _mark(weights)
    by_codes = identify == "codes" and hasattr(quantizer, "codes") and not getattr(quantizer, "discrete", True)
    chosen = [w for w, use in zip(weights, mask, strict=True) if use]
    values, codes = [], []
    for array in chosen:
        value, code = _applied(quantizer, array.copy(), by_codes)
        if value.shape != array.shape or not np.isfinite(value).all():
            raise InputError(f"quantizer {quantizer.name!r}", value.shape, f"finite weights of shape {array.shape}")
        values.append(value)
        codes.append(code)
    rest = iter(values)
    result = tuple(next(rest) if use else w for w, use in zip(weights, mask, strict=True))
    return result, _mark(result if identify == "released" else codes)


def _applied(quantizer: Any, array: FloatArray, by_codes: bool) -> tuple[FloatArray, ArrayLike]:
    """Return the quantized weights and what tells them apart: their codes, or themselves."""
    if by_codes and hasattr(quantizer, "encode"):
        code, value = quantizer.encode(array)
        return np.asarray(value, dtype=np.float64), code
    code = quantizer.codes(array) if by_codes else None
    value = np.asarray(quantizer.quantize(array), dtype=np.float64)
    return value, value if code is None else code


def one_run(plan: RunPlan, number: int) -> Run:
    """Train on the subset of one run and return what it visited; with one thread, so that numbers do not change."""
    from threadpoolctl import threadpool_limits

    begin = time.perf_counter()
    data, model = plan.dataset, plan.model
    rows = subset(
        data,
        plan.pool,
        plan.subsets,
        plan.n,
        number,
        generator(plan.seed, _DEAL),
        generator(plan.seed, _SUBSET, number),
    )
    X, y = data.X[plan.held], data.y[plan.held]
    named: dict[str, Quantizer | None] = {q.name: q for q in plan.quantizers}
    named[IDENTITY] = None
    keepers = {name: _Keeper(plan.candidates) for name in named}
    latest: dict[str, Weights] = {}
    count = 0
    with threadpool_limits(limits=1):
        for weights in model.fit_path(data.X[rows], data.y[rows], generator(plan.seed, _FIT, number)):
            mask = model.quantizable(weights)
            for name, quantizer in named.items():
                values, mark = released(weights, mask, quantizer, plan.identify)
                losses = np.asarray(model.losses(values, X, y), dtype=np.float64)
                latest[name] = values
                _check(losses, y, name, number, count)
                keepers[name].add(mark, losses)
            count += 1
        if not latest:
            raise InputError(
                "model", f"{type(model).__name__} without checkpoints", "one whose fit_path yields weights"
            )
        visited = {
            name: keepers[name].result(np.asarray(model.predict(values, X), dtype=np.float64))
            for name, values in latest.items()
        }
    return Run(number, count, int(np.unique(rows).size), time.perf_counter() - begin, visited)


def _check(losses: FloatArray, y: FloatArray, name: str, run: int, checkpoint: int) -> None:
    where = f"losses of {name!r}, run {run}, checkpoint {checkpoint}"
    if losses.shape != y.shape:
        raise InputError(where, losses.shape, f"one a point, of shape {y.shape}")
    if not np.isfinite(losses).all():
        point = int(np.argmin(np.isfinite(losses)))
        raise InputError(f"{where}, point {point}", float(losses[point]), "finite: did training diverge?")
