"""The stages of ``qmis audit``, and roughly how long those that have not begun take."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from qmis_stats.audit.data import Dataset
from qmis_stats.audit.head_leak import no_theory
from qmis_stats.audit.models.base import Model
from qmis_stats.audit.models.calls import last_weights
from qmis_stats.audit.quantizers import IDENTITY, Quantizer
from qmis_stats.errors import QmisError
from qmis_stats.reporting.time_left import Stage, TimeLeft
from qmis_stats.threads import one_thread

__all__ = ["RANKING", "RELEASES", "RUNS", "TO_ATTACK", "audit_time"]

RUNS, RANKING, THEORY = "training runs", "ranking", "theory"
TO_ATTACK, RELEASES, CHECK = "training runs to attack", "releases", "theory of what was attacked"

_RANKING = 0.1
_THEORY, _THEORY_OF_A_MILLION = 5.0, 6.0
_AGAIN = 0.4
_RELEASE = 1.2 / 128
"""Seconds: of a ranked quantizer; of theory, and what each million numbers of the training points adds to it; the part
of it that is done again; of a release for each training run, on one core. Rough: from one audit with 15 quantizers
of each of 569 x 30, 20 000 x 100 and (theory) 100 000 x 200 numbers on two busy cores, off by a factor of two or
three."""


def audit_time(
    dataset: Dataset,
    model: Model,
    quantizers: Sequence[Quantizer],
    *,
    runs: int,
    n: int | None,
    evaluation: float,
    attacks: int,
    jobs: int,
) -> TimeLeft:
    """Return the estimate for an audit and the attacks after it; arguments are those of the two.

    When the first unit is done one training run to attack is timed, whose weights are not used.

    Examples
    --------
    >>> from qmis_stats.audit import bundled, head_for
    >>> from qmis_stats.quantizers import quantizer
    >>> data = bundled("diabetes")
    >>> options = {"runs": 10, "n": None, "evaluation": 0.5, "attacks": 0, "jobs": 2}
    >>> [s.title for s in audit_time(data, head_for(data), [quantizer("sign")], **options).stages if s.units]
    ['10 training runs', 'ranking', 'theory']
    """
    count = sum(one.name != IDENTITY for one in quantizers)
    size = round((1.0 - evaluation) * dataset.rows) if n is None else n
    by_theory = int(no_theory(model, quantizers, size, dataset.columns * dataset.outputs) == "")
    stages = [
        Stage(RUNS, runs, jobs),
        Stage(RANKING, count, counted=False),
        Stage(THEORY, by_theory, counted=False),
    ]
    if attacks:
        stages += [
            Stage(TO_ATTACK, attacks, jobs, in_blocks=True),
            Stage(RELEASES, count + 1, jobs, in_blocks=True),  # the check of the attacks is iterated over beside them
            Stage(CHECK, by_theory, counted=False),
        ]

    def rough() -> dict[str, float]:
        theory = _THEORY + _THEORY_OF_A_MILLION * size * dataset.X[0].size / 1e6
        found = {RANKING: _RANKING, THEORY: theory, CHECK: _AGAIN * theory, RELEASES: _RELEASE * attacks / jobs}
        if attacks and (one := _one_training(dataset, model, min(size, dataset.rows // 2))) is not None:
            found[TO_ATTACK] = one / jobs
        return found

    return TimeLeft(stages, rough)


def _one_training(dataset: Dataset, model: Model, n: int) -> float | None:
    """Return the seconds of a training run to attack, ``None`` where these points cannot be trained on."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(dataset.rows)[:n]
    begin = time.perf_counter()
    try:
        with one_thread():
            last_weights(model, dataset.X[rows], dataset.y[rows], rng)
    except QmisError:
        return None
    return time.perf_counter() - begin
