"""What equations tell of members that are 0 or 1: the read-out of exact weights against memberships as normal numbers.

    python docs/studies/memberships.py [--targets 1000] [--shadows 60] [--seed 100]

writes ``docs/studies/memberships.csv`` and ``docs/studies/memberships.md``. In one pool each every training run draws a
share, and releases its weights without quantization.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from unittest import mock

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.special import expit
from study_page import render
from study_rows import read_rows, six_digits, write_rows

from qmis_stats import leakage
from qmis_stats.audit import Dataset, Linear, Logistic, bundled, from_arrays, head_for
from qmis_stats.audit.attacks import LiRA, ReadOut, play, run_attacks, score_equations
from qmis_stats.audit.head_leak import head_fit
from qmis_stats.audit.models.base import Model
from qmis_stats.leak.equations import told_memberships
from qmis_stats.leak.leave_one_out import leave_one_out

FOLDER = Path(__file__).parent
FITS, MEMBERS = 8, 32
FIELDS = (
    *("head", "d", "n", "pool", "ridge", "equations", "told", "attack", "attack_error", "one_round", "lira"),
    *("fit", "fit_error", "solved", "in_domain"),
)


class Setting(NamedTuple):
    """Standard normal features, coefficients of length 1.5, normal or Bernoulli targets, a ridge."""

    head: str
    d: int
    n: int
    pool: int
    ridge: float


SETTINGS = (
    Setting("linear", 32, 128, 512, 1.0),
    Setting("linear", 48, 256, 512, 1.0),
    Setting("linear", 72, 256, 512, 1.0),
    Setting("linear", 96, 256, 512, 1.0),
    Setting("linear", 100, 400, 1600, 1.0),
    Setting("logistic", 16, 128, 512, 1.0),
    Setting("logistic", 32, 128, 512, 1.0),
    Setting("logistic", 32, 256, 512, 1.0),
    Setting("logistic", 48, 256, 512, 0.3),
    Setting("logistic", 40, 128, 512, 0.1),
    Setting("logistic", 64, 128, 512, 0.1),
    Setting("breast_cancer", 30, 284, 569, 1.0),
    Setting("diabetes", 10, 221, 442, 1.0),
)


def drawn(setting: Setting, seed: int) -> tuple[Dataset, Model]:
    """Return a pool and the head that is trained on parts of it."""
    if setting.head not in ("linear", "logistic"):
        data = bundled(setting.head)
        return data, replace(head_for(data), checkpoints=1)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(setting.pool, setting.d))
    beta = rng.normal(size=setting.d)
    eta = 1.5 * X @ beta / np.linalg.norm(beta)
    numbers = {"alpha": setting.ridge, "checkpoints": 1, "standardise": "none"}
    if setting.head == "linear":
        return from_arrays(X, eta + rng.normal(size=setting.pool)), Linear(**numbers)
    return from_arrays(X, (rng.random(setting.pool) < expit(eta)) * 1.0), Logistic(**numbers)


def row_of(setting: Setting, targets: int, shadows: int, seed: int) -> dict:
    data, model = drawn(setting, seed)
    numbers = {"trainings": targets, "shadows": shadows, "calibrations": 8, "members": MEMBERS, "seed": seed}
    played = play(data, model, None, setting.n, **numbers)
    found, lira = run_attacks(played, [ReadOut(), LiRA("online")], control=None).results
    with mock.patch.object(score_equations, "ROUNDS", (1,)):
        [once] = run_attacks(played, [ReadOut()], control=None).results
    fraction, told, fits = setting.n / data.rows, [], []
    for rows in played.known.shadow.trained[:FITS]:
        fit = head_fit(model, data.X[rows], data.y[rows])
        told.append(told_memberships(fit, leave_one_out(fit), fraction))
        fits.append(leakage(fit, [], game="pool", fraction=fraction))
    auc = np.array([fit.auc[-1] for fit in fits])
    return {
        **setting._asdict(),
        "equations": fits[0].weights / data.rows,
        "told": np.mean(told),
        "attack": found.auc,
        "attack_error": found.auc_std_error,
        "one_round": once.auc,
        "lira": lira.auc,
        "fit": auc.mean(),
        "fit_error": auc.std(ddof=1) / np.sqrt(FITS),
        "solved": np.mean([fit.solved_auc[-1] for fit in fits]),
        "in_domain": np.mean([fit.in_domain[-1] for fit in fits]),
    }


OPTIONS = {"targets": 1000, "shadows": 60, "seed": 100}


def page(folder: Path, **options: int) -> str:
    """Return the page of the CSV file in a folder; options are those of the command."""
    rows = sorted(read_rows(folder / "memberships.csv"), key=lambda row: float(row["told"]))
    return render("memberships", rows=rows, fits=FITS, options=OPTIONS | options)


def rows_of(**given: int) -> Iterator[dict]:
    """Yield a row for each setting."""
    for setting in SETTINGS:
        yield row_of(setting, **given)
        print(setting, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, value in OPTIONS.items():
        parser.add_argument(f"--{option}", type=int, default=value)
    given = vars(parser.parse_args())
    write_rows(FOLDER / "memberships.csv", FIELDS, six_digits(rows_of(**given)))
    (FOLDER / "memberships.md").write_text(page(FOLDER, **given), encoding="utf-8")


if __name__ == "__main__":
    main()
