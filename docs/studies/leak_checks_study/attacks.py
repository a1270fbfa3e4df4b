"""Part 3: is the read-out beaten by another attack of the package, anywhere? All attacks see the same training runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from leak_checks_study.rows import Row
from molecules import SETS
from scipy.special import stdtr

from qmis_stats import leakage
from qmis_stats.audit import Dataset, bundled, head_for
from qmis_stats.audit.attacks import ATTACKS, LiRA, ReadOut, play, run_attacks
from qmis_stats.audit.tables import BUNDLED
from qmis_stats.quantizers import quantizer

CHOSEN = (*BUNDLED, *(entry.name for entry in SETS))
NAMES = ("sign", "sparse-33", "nf4", "identity")
OTHERS = (*(attack for attack in ATTACKS if not isinstance(attack, ReadOut)), LiRA("online"))
MEMBERS = 16
MOST = 1000
"""Records of a set that play; of larger sets a random choice does."""


def load(name: str, folder: Path, rng: np.random.Generator) -> Dataset:
    """Return one of the data sets, at most ``MOST`` of its records."""
    [whole] = [bundled(name)] if name in BUNDLED else [one.load(folder) for one in SETS if one.name == name]
    rows = rng.permutation(whole.rows)[:MOST]
    return replace(whole, X=whole.X[rows], y=whole.y[rows], groups=None, origin=None)


def two_sided(difference: float, error: float, trainings: int) -> float:
    """Return Student's p-value of a difference of areas, with training runs as clusters."""
    return float(2.0 * stdtr(trainings - 1.0, -abs(difference) / max(error, 1e-12)))


def checked(name: str, folder: Path, trainings: int, shadows: int, seed: int) -> Iterator[Row]:
    """Yield AUCs of all attacks on one data set, their differences from the read-out's, and what one fit predicts."""
    rng = np.random.default_rng([seed, 5, CHOSEN.index(name)])
    data = load(name, folder, rng)
    head, n = replace(head_for(data), checkpoints=1), data.rows // 2
    rows, others = np.split(rng.permutation(data.rows), [n])
    X, y = data.X, data.y
    said = leakage(head, NAMES[:-1], X=X[rows], y=y[rows], pool=(X[others], y[others]))
    for k, one in enumerate(NAMES):
        yield Row("attacks", name, one, "leakage", said.auc[k], said.std_errors("auc")[k])
        yield Row("attacks", name, one, "in domain", said.in_domain[k])
    game = play(data, head, None, n, trainings=trainings, shadows=shadows, calibrations=2, members=MEMBERS, seed=seed)
    for one in NAMES:
        played = game if one == "identity" else game.quantized(quantizer(one))
        first, *rest = run_attacks(played, [ReadOut(), *OTHERS], control=None).results
        yield Row("attacks", name, one, first.name, first.auc, first.auc_std_error)
        for other in rest:
            yield Row("attacks", name, one, other.name, other.auc, other.auc_std_error)
            yield Row("attacks", name, one, f"read-out less {other.name}", *first.versus(other))
