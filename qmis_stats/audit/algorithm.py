"""Algorithm 1: from a data set, a model and quantizers to a ranking by privacy with the performance of each (S13)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from qmis_kernels import memory
from qmis_stats.arrays import FloatArray, Indices, IntArray
from qmis_stats.audit.audit_result import AuditResult
from qmis_stats.audit.calibration import ROWS, TRAINING, CalibrationSource, calibration_data, seeing
from qmis_stats.audit.data import READ_BY, Dataset
from qmis_stats.audit.grouped import group_inflation
from qmis_stats.audit.head_leak import head_leak
from qmis_stats.audit.loss_leak import trained_leak
from qmis_stats.audit.models.base import Model, Standardise
from qmis_stats.audit.models.calls import checked_model, description_of
from qmis_stats.audit.models.linear import Linear, Logistic, Softmax
from qmis_stats.audit.models.mlp import MLP
from qmis_stats.audit.performance import measure
from qmis_stats.audit.processes import in_processes
from qmis_stats.audit.quantizers import IDENTITY, Quantizer, check_layers, checked_quantizers
from qmis_stats.audit.run_store import RunStore
from qmis_stats.audit.splits import GIVEN, SUBSETS, further, held_out
from qmis_stats.audit.subgroups import Subgroups, group_performance
from qmis_stats.audit.training_run import Run, RunPlan, Visited, generator, judged_of, merged, one_run, probes, shared
from qmis_stats.audit.unit_moments import units_leak
from qmis_stats.errors import InputError
from qmis_stats.foreign import raised_by
from qmis_stats.inference.indicator import DRAWS, checked_draws, indicator
from qmis_stats.inference.ranking import Progress, Ranking, rank
from qmis_stats.leak.leakage_result import LeakageResult
from qmis_stats.validation import instance_of, one_of, whole_number

__all__ = ["IDENTIFY", "audit", "head_for"]

IDENTIFY = ("codes", "released")
"""What tells codewords apart: the quantized weights alone, or everything that is released."""

_FORMAT = 2
_REFERENCE_BITS = 32.0
_LEAK = 20  # beside the other streams of random numbers


def head_for(dataset: Dataset, kind: str = "linear", *, standardise: Standardise = "auto") -> Model:
    """Return a model with default settings for the task of a data set.

    Parameters
    ----------
    dataset : Dataset
        Its task decides between ridge, logistic and softmax regression.
    kind : {"linear", "mlp"}
        A linear head, or one hidden layer of 64 units.
    standardise : {"auto", "all", "none", "public"}
        As for the models: by the training points, or not.

    Raises
    ------
    InputError
        If ``dataset`` is no data set, or the kind is unknown.

    Examples
    --------
    >>> from qmis_stats.audit.tables import bundled
    >>> head_for(bundled("diabetes"))
    Linear(alpha=1.0, iterations=200, checkpoints=20, batch=None, standardise='auto')
    """
    instance_of(Dataset, "dataset", dataset, READ_BY)
    if kind == "mlp":
        return MLP(dataset.task, standardise=standardise)
    if kind != "linear":
        raise InputError("kind", kind, "'linear' or 'mlp'")
    return {"regression": Linear, "binary": Logistic, "multiclass": Softmax}[dataset.task](standardise=standardise)


def audit(
    dataset: Dataset,
    model: Model,
    quantizers: Sequence[Quantizer],
    *,
    runs: int = 10,
    n: int | None = None,
    evaluation: float | Sequence[int] | Indices = 0.5,
    subsets: str = "bootstrap",
    candidates: int = 200,
    identify: str = "codes",
    draws: int = DRAWS,
    calibrate: CalibrationSource = TRAINING,
    calibration_rows: int = ROWS,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
    store: str | os.PathLike[str] | None = None,
) -> AuditResult:
    """Rank quantizers of a trained model by privacy, and measure what each costs in performance.

    The points are split into a training pool and held-out evaluation points. In each run the model is trained on a
    subset of the pool, and each quantizer is applied at every checkpoint. The codewords visited in all runs, with their
    losses on the evaluation points, give the indicators and the ranking; the last checkpoint of each run gives the
    performance. The model without quantization is the reference, ``"identity"``: a quantizer of this name is left out.

    Parameters
    ----------
    dataset : Dataset
        From :func:`~qmis_stats.audit.tables.load_table`, :func:`~qmis_stats.audit.tables.bundled` or
        :func:`~qmis_stats.audit.data.from_arrays`.
    model : Model
        For instance that of :func:`head_for`; it must be for the task of the data set.
    quantizers : sequence of Quantizer
        With different names.
    runs : int
        Independent training runs.
    n : int, optional
        Size of the training subsets; by default that of the pool, or its share for disjoint subsets.
    evaluation : float or sequence of int
        Share of the points that is held out, by whole groups where the data set has groups; or the indices of the
        evaluation points.
    subsets : {"bootstrap", "disjoint"}
        Training subsets with replacement from the pool, or disjoint parts of it.
    candidates : int
        Most codewords kept a quantizer, those of smallest mean loss: the indicator is attained close to the best.
    identify : {"codes", "released"}
        Two checkpoints share a codeword when their quantized weights (their codes, where scales depend continuously on
        the weights) agree; the losses are then those of the last visit in the first run that made one. Codes of a
        quantizer that gives none are derived from its values, where these allow it
        (:mod:`qmis_stats.audit.derived_codes`); the notes say where not. Or only when everything released agrees,
        intercepts and scales included.
    draws : int
        Of the bootstrap of the ranking.
    calibrate : {"training", "held-out"}, Dataset or array_like
        Whose points calibrate quantizers that see data, such as GPTQ: those of each training run, held-out ones, or
        public rows with the same features.
    calibration_rows : int
        At most so many of them, drawn at random in each run.
    seed : int
        In [0, 2³²): a seed gives the same numbers for any number of jobs.
    jobs : int
        Processes.
    progress : callable, optional
        Wraps what is iterated over, as ``tqdm`` and ``rich.progress.track`` do: first the runs, then the ranked
        quantizers.
    store : path, optional
        Folder for finished runs: an audit of the same specification goes on where it was interrupted, and more runs
        can be added later.

    Returns
    -------
    AuditResult

    Raises
    ------
    InputError
        If an argument is refused, the store belongs to another specification, losses are not finite, or the model or a
        quantizer raises an exception, which is then the cause.

    Examples
    --------
    >>> from qmis_stats.audit.tables import bundled
    >>> class Rounded:
    ...     def __init__(self, step):
    ...         self.name, self.bits, self.step = f"round-{step:g}", 4.0, step
    ...     def quantize(self, weights):
    ...         return self.step * np.round(weights / self.step)
    >>> data = bundled("diabetes")
    >>> result = audit(data, head_for(data), [Rounded(0.4), Rounded(0.1)], runs=3, seed=1)
    >>> result.ranking.names[int(np.argmax(result.ranking.params))]
    'round-0.4'
    >>> result.performance.index.tolist()
    ['round-0.4', 'round-0.1', 'identity']
    """
    plan = _planned(
        dataset, model, quantizers, runs, n, evaluation, subsets, candidates, identify, checked_draws(draws, seed)[1]
    )
    if seen := seeing(plan.quantizers):
        chosen = calibration_data(calibrate, calibration_rows, dataset)
        told = {"quantizers": list(seen), **chosen.describe()}
        plan = replace(plan, calibration=chosen, specification={**plan.specification, "calibration": told})
    whole_number("jobs", jobs, 1)
    keeper = None if store is None else RunStore.opened(store, {**plan.specification, "quantizers": probes(plan)})
    found = _all_runs(plan, runs, jobs, keeper, progress or iter)
    return _result(plan, found, draws, progress)


def _planned(
    dataset: Dataset,
    model: Model,
    quantizers: Sequence[Quantizer],
    runs: int,
    n: int | None,
    evaluation: float | Sequence[int] | Indices,
    subsets: str,
    candidates: int,
    identify: str,
    seed: int,
) -> RunPlan:
    """Return the checked plan; the number of runs is not part of it."""
    whole_number("runs", runs, 1)
    whole_number("candidates", candidates, 2)
    for field, value, allowed in (("subsets", subsets, SUBSETS), ("identify", identify, IDENTIFY)):
        one_of(field, value, allowed)
    checked_model(model, dataset)
    with raised_by(f"model {type(model).__name__}"):
        elsewhere = bool(getattr(model, "trained_elsewhere", False))
    if elsewhere and (runs != 1 or isinstance(evaluation, (int, float))):
        raise InputError(
            "runs, evaluation",
            (runs, evaluation),
            "1 and the indices of points that were not trained on: the checkpoints of the model were given",
        )
    chosen = checked_quantizers(quantizers)
    if not chosen:
        raise InputError("quantizers", [one.name for one in quantizers], "at least one beside the reference, identity")
    check_layers(chosen, model)
    pool, held = held_out(dataset, evaluation, generator(seed, 0))
    if elsewhere:
        subsets, n = GIVEN, pool.size
    elif n is None:
        n = pool.size if subsets == "bootstrap" else pool.size // runs
    whole_number("n", n, 2)
    if subsets == "disjoint" and n * runs > pool.size:
        raise InputError("n", n, f"at most {pool.size // runs} for {runs} disjoint subsets of {pool.size} points")
    judged = judged_of(held, seed)
    specification = {
        "format": _FORMAT,
        "dataset": dataset.name,
        "data": dataset.digest(),
        "model": description_of(model),
        "quantizers": [{"name": q.name, "bits": float(q.bits)} for q in chosen],
        "evaluation": hashlib.sha256(np.asarray(held, dtype=np.int64).tobytes()).hexdigest(),
        "subsets": subsets,
        "n": None if elsewhere else int(n),
        "candidates": candidates,
        "identify": identify,
        "seed": seed,
        **({"judged": judged.size} if judged.size < held.size else {}),
    }
    return RunPlan(
        dataset, model, chosen, pool, held, subsets, n, candidates, identify, seed, judged, specification=specification
    )


def _all_runs(plan: RunPlan, runs: int, jobs: int, keeper: RunStore | None, progress: Progress) -> tuple[Run, ...]:
    found: dict[int, Run] = {}
    if keeper is not None:
        found = {number: run for number in range(runs) if (run := keeper.load(number)) is not None}
    wanted = [number for number in range(runs) if number not in found]
    save = None if keeper is None else keeper.save
    results = in_processes(one_run, [(plan, number, save) for number in wanted], jobs, ordered=False)
    for _ in progress(range(len(wanted))):
        run = next(results)
        found[run.number] = run
        _check_memory(run, runs - len(found))
    return tuple(found[number] for number in range(runs))


def _check_memory(run: Run, left: int) -> None:
    """Refuse to go on when the losses of the runs that are left would not fit, going by one run."""
    needed = left * sum(visited.losses.nbytes for visited in run.visited.values())
    if not memory.fits(needed):
        free = memory.readable(memory.available())
        raise InputError(
            "runs",
            f"{left} more",
            f"fewer, or with fewer candidates or evaluation points: their losses need {memory.readable(needed)} and "
            f"{free} are free",
        )


def _result(plan: RunPlan, runs: tuple[Run, ...], draws: int, progress: Progress | None) -> AuditResult:
    names = [*(q.name for q in plan.quantizers), IDENTITY]
    visited = {}
    for name in names:
        visited[name] = merged([run.visited[name] for run in runs], plan.candidates)
        for run in runs:
            shared(run, name, visited[name])
    losses = {name: v.losses for name, v in visited.items() if name != IDENTITY and v.varied}
    ranking = rank(losses, draws=draws, seed=plan.seed, check_axes=False, progress=progress) if losses else None
    reference = None
    if visited[IDENTITY].varied:
        reference = indicator(visited[IDENTITY].losses, IDENTITY, draws=draws, seed=plan.seed, check_axes=False)
    data = plan.dataset
    predictions: dict[str, Sequence[FloatArray]] = {
        name: [run.visited[name].prediction for run in runs] for name in names
    }
    y, clusters = data.y[plan.held], None if data.groups is None else data.groups[plan.held]
    scores = measure(data.task, y, predictions, clusters)
    bits = {**{q.name: float(q.bits) for q in plan.quantizers}, **runs[0].bits, IDENTITY: _REFERENCE_BITS}
    notes = tuple(_notes(plan, runs, visited, ranking))
    specification = {**plan.specification, "runs": len(runs), "draws": draws}
    result = AuditResult(data.name, ranking, reference, scores, bits, visited, runs, notes, specification)
    rows = plan.pool  # of the head that is released
    if plan.n < rows.size:
        rows = np.sort(generator(plan.seed, _LEAK).choice(rows, plan.n, replace=False))
    elsewhere = bool(getattr(plan.model, "trained_elsewhere", False))
    leak, no_leak = (
        (None, "the model was trained elsewhere")
        if elsewhere
        else head_leak(data, plan.model, plan.quantizers, rows, seed=plan.seed)
    )
    metric = "mae" if data.task == "regression" else "accuracy"
    groups = tuple(
        Subgroups(
            name, labels[rows], leak, *group_performance(data.task, y, predictions, labels[plan.held], clusters), metric
        )
        for name, labels in data.subgroups.items()
    )
    return replace(
        result,
        leak=trained_leak(plan, bits) if elsewhere else leak,
        no_leak=no_leak,
        units=None if elsewhere else units_leak(plan.model, data.X[rows], data.y[rows]),
        leak_rows=rows if data.origin is None else data.origin[rows],
        groups=groups,
        notes=(*notes, *_near_note(leak)),
    )


def _near_note(leak: LeakageResult | None) -> Iterator[str]:
    if leak is None:
        return
    near = leak.near_duplicates
    if near is None:
        yield (
            "Near duplicates among the training records were not looked for, there are too many; what such records "
            "leak is understated."
        )
    elif np.any(near >= 0):
        yield (
            f"{np.sum(near >= 0)} of {near.size} training records nearly repeat another one; what they leak is "
            "understated. The file of records names them."
        )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _apart(groups: IntArray, plan: RunPlan) -> bool:
    """Return whether no group has points on both sides of the split."""
    return np.intersect1d(groups[plan.pool], groups[plan.held]).size == 0


def _notes(plan: RunPlan, runs: tuple[Run, ...], visited: dict[str, Visited], ranking: Ranking | None) -> Iterator[str]:
    data = plan.dataset
    ranked = set() if ranking is None else set(ranking.names)
    yield from data.notes
    if plan.calibration is not None:
        yield plan.calibration.note(seeing(plan.quantizers))
    if getattr(plan.model, "transforms", False):
        yield (
            "What the transformers of the pipeline learned from the training points, such as means and scales, is "
            "released beside the weights, and what it leaks is not counted."
        )
    steps = sum(run.checkpoints for run in runs)
    if plan.subsets == GIVEN:
        yield (
            f"The model was trained before: {_counted(steps, 'checkpoint')} {'was' if steps == 1 else 'were'} given, "
            f"and no training subset was drawn. {plan.held.size} points that were named are held out."
        )
    else:
        distinct = np.mean([run.distinct for run in runs])
        by = " by whole groups" if data.groups is not None and _apart(data.groups, plan) else ""
        yield (
            f"{data.rows} points are split{by} into a training pool of {plan.pool.size} and {plan.held.size} held out."
        )
        yield (
            f"{_counted(len(runs), 'run')} on {plan.subsets} subsets of {plan.n} points ({distinct:.0f} different ones "
            f"on average), {_counted(steps, 'checkpoint')} in all."
        )
    if plan.judged.size < plan.held.size:
        yield (
            f"Indicators are of {plan.judged.size} of the points held out, chosen at random, and so are their "
            "intervals; performance is of all."
        )
    for name, entry in visited.items():
        if entry.seen.size > len(entry.losses):
            yield (
                f"{name}: {entry.seen.size} different codewords were visited; "
                f"the {len(entry.losses)} of smallest mean loss are kept."
            )
        if name != IDENTITY and name not in ranked:
            seen = "a single codeword" if len(entry.losses) < 2 else f"{len(entry.losses)} codewords of equal losses"
            yield (
                f"{name}: training visited {seen}. No rival was seen, so its indicator is unknown; it is left out of "
                f"the ranking and of the Pareto set; {further(plan.subsets)}."
            )
    if plan.identify == "codes":
        yield (
            "Intercepts, biases and scales are released as they are and do not tell codewords apart: "
            "indicators are about the quantized weights."
        )
    for name in runs[0].with_scales:
        yield (
            f"{name}: it gives no codes, and none can be derived from what it releases. Its codewords are told apart "
            "by scales or levels too: training visits more of them, and its indicator tends to be smaller than that of "
            "codes."
        )
    yield (
        f"{IDENTITY}: no quantization. Every checkpoint is a codeword of its own, so its indicator says how close "
        "checkpoints are, not how far the cells of a codebook are apart, and falls with their number."
    )
    if len(runs) == 1:
        yield "One run: intervals contain the error of the evaluation points only."
    else:
        yield (
            "Intervals of indicators contain the error of the evaluation points; those of performance also the spread "
            "between runs."
        )
    if data.groups is not None:
        yield "Intervals of performance treat whole groups as independent, those of indicators single points."
        if ranking is not None:
            groups = data.groups[plan.judged]
            found = [group_inflation(visited[e.name].losses, e.gaps, groups) for e in ranking.indicators]
            yield (
                "With whole groups as units, standard errors of the smallest standardised gaps would be "
                f"{min(found):.2g} to {max(found):.2g} times as large."
            )
