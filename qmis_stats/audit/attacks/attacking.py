"""Fit attacks on shadow runs, fix their thresholds on calibration training runs, score them on target runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qmis_stats.arrays import Flags, FloatArray
from qmis_stats.audit.attacks.attack_report import AttackReport
from qmis_stats.audit.attacks.attack_result import ATTACK_FPR, AttackResult
from qmis_stats.audit.attacks.base import Attack, Scorer
from qmis_stats.audit.attacks.game import AttackGame, Shown
from qmis_stats.errors import InputError, QmisError
from qmis_stats.foreign import raised_by
from qmis_stats.validation import checked_level, checked_share, instance_of, objects, real_number

__all__ = ["accuracy_threshold", "rate_threshold", "run_attacks", "together"]


def accuracy_threshold(scores: FloatArray, member: Flags) -> float:
    """Return the threshold of the largest accuracy on these points, midway between two scores.

    Scores of at least this much are members.

    Examples
    --------
    >>> accuracy_threshold(np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, False, True, True]))
    1.5
    """
    flat, answers = scores.ravel(), member.ravel()
    values, where = np.unique(flat, return_inverse=True)
    gains = np.bincount(where, weights=np.where(answers, 1.0 / answers.sum(), -1.0 / (~answers).sum()))
    found = np.cumsum(gains[::-1])[::-1]
    best = int(np.argmax(found))
    return _midway(values, best) if found[best] > 0.0 else math.inf


def _midway(values: FloatArray, place: int) -> float:
    """Return the middle between a score and the next smaller one, where this is finite."""
    if place == 0 or not math.isfinite(values[place - 1]) or not math.isfinite(values[place]):
        return float(values[place])
    return float(0.5 * (values[place - 1] + values[place]))


def rate_threshold(non_members: FloatArray, rate: float) -> tuple[float, bool]:
    """Return a threshold that at most this share of non-members reaches, and whether it is resolved.

    Of the smallest score that will do and the next one below, it is midway.

    Parameters
    ----------
    non_members : ndarray
        Scores of non-members.
    rate : float
        Share. It is resolved by at least 1/rate non-members; else the threshold lies above all of them.

    Examples
    --------
    >>> rate_threshold(np.arange(10.0), 0.2), rate_threshold(np.arange(10.0), 0.01)[1]
    ((7.5, True), False)
    """
    values, counts = np.unique(non_members, return_counts=True)
    reached = np.cumsum(counts[::-1])[::-1] / non_members.size
    fits = np.flatnonzero(reached <= rate * (1.0 + 1e-12))
    above = float(np.nextafter(values[-1], math.inf))
    return _midway(values, int(fits[0])) if fits.size else above, bool(non_members.size * rate >= 1.0 - 1e-12)


def _scored(attack: Attack, scorer: Scorer, shown: Shown) -> FloatArray:
    field = f"scores of {attack.name!r}"
    with raised_by(f"attack {attack.name!r}", but=(QmisError,)):
        scores = np.asarray(scorer(shown), dtype=np.float64)
    if scores.shape != shown.y.shape:
        raise InputError(field, f"of shape {scores.shape}", f"one per point that is shown, of shape {shown.y.shape}")
    if np.isnan(scores).any():
        raise InputError(field, float("nan"), "numbers; infinite ones are allowed")
    return scores


def _result(
    game: AttackGame, attack: Attack, rates: Sequence[float], delta: float | None, level: float
) -> AttackResult:
    with raised_by(f"attack {attack.name!r}", but=(QmisError,)):
        scorer = attack.fit(game.known)
    calibration, scores = (_scored(attack, scorer, part.shown) for part in (game.calibration, game.target))
    of = AttackResult(
        attack.name,
        calibration,
        game.calibration.member,
        math.nan,
        (),
        delta,
        game.control,
        level,
        rows=game.calibration.shown.rows,
    )
    return _judged(
        of, replace(of, scores=scores, member=game.target.member, rows=game.target.shown.rows), attack.threshold, rates
    )


def _judged(
    calibration: AttackResult, target: AttackResult, threshold: float | None, rates: Sequence[float]
) -> AttackResult:
    """Return the result on target runs, with thresholds fixed on the calibration training runs."""
    scores, member = calibration.scores, calibration.member
    cuts = tuple((rate, *rate_threshold(scores[~member], rate)) for rate in rates)
    chosen = accuracy_threshold(scores, member) if threshold is None else threshold
    rehearsal = replace(calibration, threshold=chosen, cuts=cuts)
    return replace(target, threshold=chosen, cuts=cuts, rehearsal=rehearsal)


def together(name: str, first: AttackReport, second: AttackReport) -> AttackReport:
    """Return the attack on what two attacks look at, by the sum of their log likelihood ratios.

    It is the ratio of both where what they see is independent given the point; elsewhere it is an attack all the same.

    Parameters
    ----------
    name : str
        Of the attack.
    first, second : AttackReport
        Of one attack each against the same training runs, whose scores are log likelihood ratios.
    """

    def summed(one: AttackResult, other: AttackResult) -> AttackResult:
        assert one.rehearsal is not None
        assert other.rehearsal is not None
        parts = [
            replace(mine, name=name, scores=_sum(mine.scores, theirs.scores), rehearsal=None)
            for mine, theirs in ((one.rehearsal, other.rehearsal), (one, other))
        ]
        return _judged(parts[0], parts[1], None, [nominal for nominal, *_ in one.cuts])

    pairs = ((first.results, second.results), (first.controls, second.controls))
    results, controls = (tuple(summed(*both) for both in zip(*kind, strict=True)) for kind in pairs)
    return replace(first, results=results, controls=controls, delta=None)


def _sum(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the sum of log ratios, where who cannot be a member for one is none."""
    never = np.isneginf(first) | np.isneginf(second)
    return np.where(never, -np.inf, np.where(never, 0.0, first) + np.where(never, 0.0, second))


def run_attacks(
    game: AttackGame,
    attacks: Sequence[Attack],
    *,
    delta: float | None = None,
    control: str | None = "labels",
    rates: Sequence[float] = ATTACK_FPR,
    level: float = 0.95,
) -> AttackReport:
    """Run attacks against a game, and against its control.

    Parameters
    ----------
    game : AttackGame
        From :func:`~qmis_stats.audit.attacks.playing.play`.
    attacks : sequence of Attack
        With different names.
    delta : float, optional
        Δ_n of the most powerful attack, where it is known; it must belong to the game, see ``docs/attacks.md``.
    control : {"labels", "weights"} or None
        Kind of control, see :meth:`~qmis_stats.audit.attacks.game.AttackGame.as_control`; ``None`` leaves it out.
    rates : sequence of float
        False positive rates at which true positive rates are reported.
    level : float
        Of the intervals.

    Returns
    -------
    AttackReport

    Raises
    ------
    InputError
        If an argument is refused or an attack gives scores that are NaN or of another shape.

    Examples
    --------
    >>> from qmis_stats import GaussianMean, Problem, Sign, ThresholdPTQ
    >>> from qmis_stats.audit.attacks import BayesOptimal, LossThreshold, play, solvable
    >>> case = solvable(Problem(GaussianMean([0.0], [[1.0]]), ThresholdPTQ(Sign())), 5)
    >>> game = play(case.sampler, case.model, case.quantizer, case.n, trainings=500, seed=1)
    >>> report = run_attacks(game, [BayesOptimal(case.log_ratio), LossThreshold()], delta=case.delta)
    >>> report.beating(), report.off_chance()
    ((), ())
    """
    instance_of(AttackGame, "game", game, "play plays one")
    attacks = objects(Attack, "attacks", attacks, "such as [ReadOut()]")
    names = objects(str, "name", [attack.name for attack in attacks])
    if not names or len(set(names)) < len(names):
        raise InputError("attacks", names, "at least one, with different names")
    for threshold in (attack.threshold for attack in attacks if attack.threshold is not None):
        real_number("threshold", threshold)
    if delta is not None and not 0.0 <= real_number("delta", delta, "a number from 0 to 1") <= 1.0:
        raise InputError("delta", delta, "a number from 0 to 1")
    rates = [checked_share("rates", rate) for rate in objects(object, "rates", rates, "such as [0.1, 0.01]")]
    level = checked_level(level)
    found = tuple(_result(game, attack, rates, delta, level) for attack in attacks)
    beside: tuple[AttackResult, ...] = ()
    if control is not None:
        null = game.as_control(control)
        beside = tuple(_result(null, attack, rates, None, level) for attack in attacks)
    return AttackReport(found, beside, delta, game.describe())
