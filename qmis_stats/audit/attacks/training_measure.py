"""A measure of releases is a number of each training run: all quantizers act on the same runs, and are compared so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from qmis_stats.arrays import FloatArray
from qmis_stats.audit.attacks.game import AttackGame
from qmis_stats.audit.quantizers import IDENTITY, Quantizer, checked_quantizers
from qmis_stats.errors import InputError, QmisError
from qmis_stats.foreign import raised_by
from qmis_stats.inference.measured import Measured

__all__ = ["Statistic", "per_release"]

Statistic: TypeAlias = Callable[[AttackGame], FloatArray]
"""Of the training runs under one release to a number of each target training run, shape (T,)."""


def per_release(
    trainings: AttackGame,
    quantizers: Sequence[Quantizer],
    statistic: Statistic,
    *,
    figure: str,
    less_is_better: bool,
    limits: tuple[float, float] = (-np.inf, np.inf),
    level: float = 0.95,
) -> Measured:
    """Return the mean of a statistic over the target training runs under each quantizer and without one.

    Parameters
    ----------
    trainings : AttackGame
        From :func:`~qmis_stats.audit.attacks.playing.play`, without a quantizer.
    quantizers : sequence of Quantizer
        With different names.
    statistic : callable
        Takes the training runs as one of them releases them, returns a number of each target training run, shape (T,).
    figure : str
        What it is, for captions and messages.
    less_is_better : bool
        The direction.
    limits : (float, float)
        Between which it lies.
    level : float
        Of intervals.

    Returns
    -------
    Measured
        With the covariance over the trainings, which all releases share.

    Raises
    ------
    InputError
        If the statistic raises an exception, or does not return a finite number of each training run.

    Examples
    --------
    >>> from qmis_stats.audit import bundled, head_for
    >>> from qmis_stats.audit.attacks import play
    >>> from qmis_stats.quantizers import quantizer
    >>> data = bundled("diabetes")
    >>> trainings = play(data, head_for(data), None, 60, trainings=16, shadows=2, calibrations=2, members=16)
    >>> def loss(released):
    ...     return released.target.shown.losses.mean(axis=1)
    >>> found = per_release(trainings, [quantizer("sign")], loss, figure="loss", less_is_better=True)
    >>> found.names, found.dof, bool(found.values[0] > found.values[1])
    (('sign', 'identity'), 15.0, True)
    """
    chosen = checked_quantizers(quantizers)
    rows = []
    for quantizer in (*chosen, None):
        released = trainings if quantizer is None else trainings.quantized(quantizer)
        with raised_by(f"measure {figure!r}", but=(QmisError,)):
            row = np.asarray(statistic(released), dtype=np.float64)
        count = trainings.target.shown.trainings
        if row.shape != (count,) or not np.isfinite(row).all():
            given = row.shape if row.shape != (count,) else float("nan")
            raise InputError(f"measure {figure!r}", given, f"a finite number of each of {count} target training runs")
        rows.append(row)
    names = [*(quantizer.name for quantizer in chosen), IDENTITY]
    return Measured.over_trainings(figure, names, rows, less_is_better=less_is_better, limits=limits, level=level)
