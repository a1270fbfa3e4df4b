"""Attacks on one model under several quantizers, which all act on the weights of the same training runs (S1)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial
from types import FunctionType, NoneType
from typing import Any

import numpy as np

from qmis_stats.audit.attacks.attack_report import AttackReport
from qmis_stats.audit.attacks.attacking import run_attacks, together
from qmis_stats.audit.attacks.base import Attack, Preparable
from qmis_stats.audit.attacks.discriminator import Discriminator
from qmis_stats.audit.attacks.game import AttackGame
from qmis_stats.audit.attacks.lira import LiRA
from qmis_stats.audit.attacks.playing import play
from qmis_stats.audit.attacks.read_out import ReadOut
from qmis_stats.audit.attacks.side_by_side import AttackAudit
from qmis_stats.audit.attacks.simple import BayesOptimal, LossThreshold
from qmis_stats.audit.attacks.solvable import solvable
from qmis_stats.audit.attacks.unit_attack import LocationsAndScales
from qmis_stats.audit.calibration import ROWS, TRAINING, CalibrationSource
from qmis_stats.audit.data import READ_BY, Dataset
from qmis_stats.audit.head_leak import head_leak
from qmis_stats.audit.models.base import Model
from qmis_stats.audit.models.units import Standardising
from qmis_stats.audit.processes import end_processes, in_processes
from qmis_stats.audit.quantizers import IDENTITY, Quantizer, check_layers, checked_quantizers
from qmis_stats.inference.ranking import Progress
from qmis_stats.laws import GaussianMean
from qmis_stats.leak.leakage_result import LeakageResult
from qmis_stats.problem import Problem
from qmis_stats.procedures import ThresholdPTQ
from qmis_stats.quantizers import Sign
from qmis_stats.threads import one_thread
from qmis_stats.validation import checked_level, checked_seed, instance_of, objects, whole_number

__all__ = ["ATTACKS", "audit_attacks", "self_check"]

ATTACKS: tuple[Attack, ...] = (ReadOut(), LossThreshold(), LiRA("offline"), Discriminator())
"""Attacks of an audit unless told otherwise."""

_WHOLE = "all that is released"
_FEWEST, _MEMBERS = 16, 16
_CHECK_SIZE, _CHECK_TRAININGS, _CHECK_SHADOWS = 5, 2000, 50


def audit_attacks(
    dataset: Dataset,
    model: Model,
    quantizers: Sequence[Quantizer],
    *,
    n: int | None = None,
    trainings: int = 128,
    members: int = _MEMBERS,
    attacks: Sequence[Attack] = ATTACKS,
    level: float = 0.95,
    calibrate: CalibrationSource = TRAINING,
    calibration_rows: int = ROWS,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
    store: str | os.PathLike[str] | None = None,
) -> AttackAudit:
    """Attack a model under each quantizer and without one, beside two checks of the attacks themselves.

    The model is trained ``trainings`` times, each time on a random n rows; each quantizer is applied to the last
    weights of every training run, the shadow runs of the attacks included. The same attacks are run where membership
    is drawn at random, and on a problem whose optimum is known (:func:`self_check`).

    Parameters
    ----------
    dataset : Dataset
        All of its rows play, in training or as non-members.
    model : Model
        For the task of the data set; it must be possible to train it again.
    quantizers : sequence of Quantizer
        With different names; the model without quantization, ``"identity"``, is always attacked.
    n : int, optional
        Points per training run, at most half of the rows; by default half of them.
    trainings : int
        In all, at least 16: a quarter are shadow runs, a quarter fix thresholds, half are attacked.
    members : int
        Members, and as many non-members, that each attacked training run shows, as far as there are so many.
    attacks : sequence of Attack
        With different names; by default the read-out, loss threshold, offline LiRA and a logistic discriminator.
    level : float
        Of the intervals.
    calibrate, calibration_rows
        Whose points calibrate quantizers that see data, and how many, as for
        :func:`~qmis_stats.audit.algorithm.audit`.
    seed : int
        In [0, 2³²): a seed gives the same numbers for any number of jobs.
    jobs : int
        Processes.
    progress : callable, optional
        Wraps what is iterated over: first training runs, then quantizers.
    store : path, optional
        Folder for finished training runs. Weights of large models are then read from it when they are needed: memory
        is that of a few models, whatever the number of training runs.

    Returns
    -------
    AttackAudit

    Raises
    ------
    InputError
        If an argument is refused, the model cannot be trained again, or training diverges.

    Examples
    --------
    >>> from qmis_stats.audit import bundled, head_for
    >>> from qmis_stats.audit.attacks import LossThreshold
    >>> from qmis_stats.quantizers import quantizer
    >>> data, attacks = bundled("diabetes"), [LossThreshold()]
    >>> found = audit_attacks(data, head_for(data), [quantizer("sign")], n=60, trainings=24, attacks=attacks, seed=1)
    >>> list(found.reports), found.off_chance(), found.check.beating()
    (['sign', 'identity'], (), ())
    """
    instance_of(Dataset, "dataset", dataset, READ_BY)
    checked_level(level)
    whole_number("jobs", jobs, 1)
    chosen = checked_quantizers(quantizers)
    check_layers(chosen, model)
    names = [q.name for q in chosen]
    quarter = whole_number("trainings", trainings, _FEWEST) // 4
    half = dataset.rows // 2
    size = half if n is None else min(whole_number("n", n, 2), half)
    game = play(
        dataset,
        model,
        None,
        size,
        trainings=trainings - 2 * quarter,
        shadows=quarter,
        calibrations=quarter,
        members=min(whole_number("members", members, 1), size),
        calibrate=calibrate,
        calibration_rows=calibration_rows,
        seed=seed,
        jobs=jobs,
        progress=progress,
        store=store,
    )
    wanted: list[Quantizer | None] = [*chosen, None]
    ready = [attack.prepared(game.known) if isinstance(attack, Preparable) else attack for attack in attacks]
    work: list[tuple[Any, ...]] = [(_attacked, game, quantizer, ready, level) for quantizer in wanted]
    sizes = {"trainings": _CHECK_TRAININGS, "shadows": _CHECK_SHADOWS}
    check_work = (partial(self_check, attacks, **sizes, seed=seed, level=level),)
    results = in_processes(_called, [check_work, *work], jobs)  # the longest first
    check, *reports = [next(results) for _ in (progress or iter)(range(len(wanted) + 1))]
    if jobs > 1:
        end_processes()
    predicted = _predicted(dataset, model, chosen, game, seed)
    found = dict(zip([*names, IDENTITY], reports, strict=True))
    beside = _beside(game, level)
    whole = {} if beside is None else _whole(found, beside)
    return AttackAudit(found, check, level, dataset.groups is not None, predicted, dataset.subgroups, beside, whole)


def _predicted(
    dataset: Dataset, model: Model, quantizers: Sequence[Quantizer], game: AttackGame, seed: int
) -> LeakageResult | None:
    """Return what theory says of the game that is played, from its first shadow training run."""
    trained = game.known.shadow.trained
    assert trained is not None
    return head_leak(dataset, model, quantizers, np.flatnonzero(trained[0]), pool=True, seed=seed)[0]


def _beside(game: AttackGame, level: float) -> AttackReport | None:
    """Return what the attack on locations and scales finds, where they are made of the training points."""
    model, first = game.known.model, game.known.shadow.shown.weights[0]
    if not isinstance(model, Standardising) or not model.released_units(first).made.any():
        return None
    return run_attacks(game, [LocationsAndScales()], level=level)


def _whole(found: Mapping[str, AttackReport], beside: AttackReport) -> dict[str, AttackReport]:
    """Return what the read-out of each release finds together with the locations and scales."""
    alone = {name: report.only(ReadOut.name) for name, report in found.items()}
    return {name: together(_WHOLE, report, beside) for name, report in alone.items() if report is not None}


def _called(function: Callable[..., AttackReport], *arguments: Any) -> AttackReport:
    return function(*arguments)


def _attacked(game: AttackGame, quantizer: Quantizer | None, attacks: Sequence[Attack], level: float) -> AttackReport:
    with one_thread():
        return run_attacks(game.quantized(quantizer), attacks, level=level)


def self_check(
    attacks: Sequence[Attack] = ATTACKS,
    *,
    trainings: int = _CHECK_TRAININGS,
    shadows: int = _CHECK_SHADOWS,
    seed: int = 0,
    level: float = 0.95,
) -> AttackReport:
    """Run attacks, and the optimal one, where the optimum is exact: the sign of the mean of five normal numbers (S9a).

    Where attacks are frozen dataclasses of names and numbers, a report is kept: equal calls in one process return it.

    Parameters
    ----------
    attacks : sequence of Attack
        Beside the optimal one.
    trainings : int
        Target training runs, each with one member and one non-member.
    shadows : int
        Training runs that attacks learn from; twice as many fix thresholds.
    seed : int
        In [0, 2³²).
    level : float
        Of the intervals.

    Returns
    -------
    AttackReport
        No attack may beat the optimum, (1 + Δ)/2.

    Examples
    --------
    >>> report = self_check([LossThreshold()], trainings=100, seed=1)
    >>> round(0.5 * (1.0 + report.delta), 4), report.beating()
    (0.5738, ())
    """
    attacks = objects(Attack, "attacks", attacks, "such as [ReadOut()]")
    trainings, shadows = whole_number("trainings", trainings, 1), whole_number("shadows", shadows, 0)
    check = _kept_check if all(map(_is_its_settings, attacks)) else _check
    return check(attacks, trainings, shadows, checked_seed(seed), checked_level(level))


def _is_its_settings(attack: object) -> bool:
    """Return whether two attacks that are equal, now or later, find the same."""
    kind: Any = type(attack)
    if not is_dataclass(attack) or not kind.__dataclass_params__.frozen:
        return False
    return all(
        isinstance(getattr(attack, one.name), (str, int, float, NoneType, FunctionType)) for one in fields(attack)
    )


def _check(attacks: tuple[Attack, ...], trainings: int, shadows: int, seed: int, level: float) -> AttackReport:
    case = solvable(Problem(GaussianMean(np.zeros(1), np.eye(1)), ThresholdPTQ(Sign())), _CHECK_SIZE)
    game = play(
        case.sampler,
        case.model,
        case.quantizer,
        case.n,
        trainings=trainings,
        shadows=shadows,
        calibrations=2 * shadows,
        seed=seed,
    )
    return run_attacks(game, [BayesOptimal(case.log_ratio), *attacks], delta=case.delta, level=level)


_kept_check = lru_cache(maxsize=8)(_check)
"""It knows no data: audits in one process that run the same attacks check them once."""
