"""Softmax regressions: what the read-out attack achieves, online LiRA beside it, and what `leakage` says from one fit.

    python docs/studies/softmax.py [--pools 3] [--targets 300] [--shadows 80] [--seed 100]

writes ``docs/studies/softmax.csv`` and ``docs/studies/softmax.md``. In each pool of 4n points every training run draws
n.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from study_page import render
from study_rows import read_rows, six_digits, write_rows

from qmis_stats import leakage
from qmis_stats.audit import from_arrays
from qmis_stats.audit.attacks import AttackGame, LiRA, ReadOut, play, run_attacks
from qmis_stats.audit.head_leak import head_fit
from qmis_stats.audit.models import Softmax
from qmis_stats.quantizers import quantizer

FOLDER = Path(__file__).parent
QUANTIZERS = ("sign", "sparse-90", "nf4", "identity")
CLASSES, SHARE, FITS, MEMBERS = 3, 0.25, 8, 32
FIELDS = (
    "d",
    "n",
    "correlation",
    "ridge",
    "quantizer",
    "attack",
    "attack_error",
    "lira",
    "fit",
    "fit_error",
    "in_domain",
)


class Setting(NamedTuple):
    """Normal features with correlation r^|i − j|, scores of standard deviation 1.5 and Gumbel noise, a ridge."""

    d: int
    n: int
    correlation: float
    ridge: float


SETTINGS = (
    Setting(64, 512, 0.7, 3.0),
    Setting(64, 256, 0.7, 3.0),
    Setting(64, 256, 0.0, 1.0),
    Setting(64, 128, 0.0, 1.0),
)


def game(setting: Setting, targets: int, shadows: int, seed: int) -> AttackGame:
    rng = np.random.default_rng(seed)
    distance = np.abs(np.subtract.outer(np.arange(setting.d), np.arange(setting.d)))
    rows = int(setting.n / SHARE)
    X = rng.normal(size=(rows, setting.d)) @ np.linalg.cholesky(setting.correlation**distance).T
    beta = rng.normal(size=(setting.d, CLASSES))
    y = np.argmax(X @ (1.5 * beta / np.linalg.norm(beta, axis=0)) + rng.gumbel(size=(rows, CLASSES)), axis=1)
    model = Softmax(alpha=setting.ridge, checkpoints=1, standardise="none")
    numbers = {"trainings": targets, "shadows": shadows, "calibrations": 30, "members": MEMBERS, "seed": seed}
    return play(from_arrays(X, y * 1.0), model, None, setting.n, **numbers)


def rows_of(setting: Setting, pools: int, targets: int, shadows: int, seed: int) -> list[dict]:
    attacked: dict[str, list[tuple[float, float]]] = {name: [] for name in QUANTIZERS}
    fits = []
    for pool in range(pools):
        plain = game(setting, targets, shadows, seed + pool)
        for name in QUANTIZERS:
            chosen = plain if name == "identity" else plain.quantized(quantizer(name))
            found = {
                result.name: result.auc
                for result in run_attacks(chosen, [ReadOut(), LiRA("online")], control=None).results
            }
            attacked[name].append((found["read-out"], found["LiRA online"]))
        data, trained = plain.known.source, plain.known.shadow.trained
        for rows in trained[:FITS]:
            fit = head_fit(plain.known.model, data.X[rows], data.y[rows])
            fits.append(leakage(fit, QUANTIZERS[:-1], game="pool", fraction=SHARE))
    made = []
    for q, name in enumerate(QUANTIZERS):
        areas, one = np.array(attacked[name]), np.array([fit.auc[q] for fit in fits])
        made.append(
            {
                **setting._asdict(),
                "quantizer": name,
                "attack": areas[:, 0].mean(),
                "attack_error": areas[:, 0].std(ddof=1) / np.sqrt(pools),
                "lira": areas[:, 1].mean(),
                "fit": one.mean(),
                "fit_error": one.reshape(pools, -1).mean(axis=1).std(ddof=1) / np.sqrt(pools),
                "in_domain": np.mean([fit.in_domain[q] for fit in fits]),
            }
        )
    return made


OPTIONS = {"pools": 3, "targets": 300, "shadows": 80, "seed": 100}


def page(folder: Path, **options: int) -> str:
    """Return the page of the CSV file in a folder; options are those of the command."""
    return render("softmax", rows=read_rows(folder / "softmax.csv"), classes=CLASSES, options=OPTIONS | options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option, value in OPTIONS.items():
        parser.add_argument(f"--{option}", type=int, default=value)
    given = vars(parser.parse_args())
    rows = []
    for setting in SETTINGS:
        rows += rows_of(setting, **given)
        print(setting, file=sys.stderr)
    write_rows(FOLDER / "softmax.csv", FIELDS, six_digits(rows))
    (FOLDER / "softmax.md").write_text(page(FOLDER, **given), encoding="utf-8")


if __name__ == "__main__":
    main()
