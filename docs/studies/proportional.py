"""Least squares with d comparable to n: the closed form of S16 against the attack on real trainings, and the oracle.

    python docs/studies/proportional.py [--members 200000] [--replicates 20000] [--seed 1]

writes ``docs/studies/proportional.csv`` and ``docs/studies/proportional.md``. The attack reads the residual and both
linear read-outs; its two normal laws are fitted on one half of the training runs and scored on the other.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from leakage import area
from scipy.special import ndtr
from study_page import render
from study_rows import how_close, read_rows, six_digits, with_scores, write_rows

from qmis_stats import LinearRegression, Problem, ThresholdPTQ, mis
from qmis_stats.errors import DomainWarning
from qmis_stats.quantizers import ScalarQuantizer, Sign, Ternary, Uniform
from qmis_stats.results import MISResult
from qmis_stats.simulate import unquantized_leak
from qmis_stats.theory import unquantized_fit
from qmis_stats.theory.state_evolution import estimate_law

FOLDER = Path(__file__).parent
SHOWN = 64
CELLS: dict[str, ScalarQuantizer | None] = {
    "sign": Sign(),
    "33 % zeros": Ternary(0.33),
    "90 % zeros": Ternary(0.9),
    "3 bits": Uniform(3),
    "none": None,
}
FIELDS = ("d", "n", "correlation", "ridge", "cells", "in_domain", "area", "attack", "attack_error",
          "delta", "oracle", "oracle_error")  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """Features with correlation r^|i − j|, coefficients of signal 1, noise 1."""

    d: int
    n: int
    correlation: float = 0.0
    ridge: float = 0.0

    @property
    def law(self) -> LinearRegression:
        sigma = self.correlation ** np.abs(np.subtract.outer(np.arange(self.d), np.arange(self.d)))
        beta = np.random.default_rng([7, self.d]).normal(size=self.d)
        return LinearRegression(beta / np.sqrt(beta @ sigma @ beta), sigma, 1.0)


SETTINGS = (
    *(Setting(128, n) for n in (192, 256, 512, 1024)),
    *(Setting(d, 2 * d) for d in (8, 16, 32, 64, 256)),
    *(Setting(128, 256, r, ridge) for r in (0.7, 0.95) for ridge in (0.0, 1.0, 10.0, 100.0)),
    Setting(128, 96, 0.7, 10.0),
    Setting(128, 64, 0.0, 30.0),
    Setting(128, 64, 0.95, 10.0),
)


def centroids(weights: np.ndarray, edges: list[np.ndarray], mean: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return E[θ | cell] − E θ of each weight, (R, d)."""
    found = np.empty_like(weights)
    for i, cut in enumerate(edges):
        ends = np.concatenate(([-np.inf], (cut - mean[i]) / errors[i], [np.inf]))
        a, b = ends[:-1], ends[1:]
        mass = np.where(a > 0.0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
        density = np.exp(-0.5 * ends**2) / np.sqrt(2.0 * np.pi)
        middle = np.divide(density[:-1] - density[1:], mass, out=np.zeros_like(mass), where=mass > 1e-12)
        found[:, i] = (middle * errors[i])[np.searchsorted(cut, weights[:, i])]
    return found


def trainings(setting: Setting, runs: int, seed: int) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Return estimates (R, d), and features and targets of members and of non-members, (R, m, d) and (R, m)."""
    law, shown = setting.law, min(SHOWN, setting.n)
    root = np.linalg.cholesky(law.covariance)
    weights = np.empty((runs, setting.d))
    X, y = (np.empty((2, runs, shown, setting.d)), np.empty((2, runs, shown)))
    for r in range(runs):
        rng = np.random.default_rng([seed, setting.d, setting.n, r])
        features = rng.normal(size=(setting.n + shown, setting.d)) @ root.T
        targets = features @ law.coefficients + rng.normal(size=len(features))
        own, answers = features[: setting.n], targets[: setting.n]
        gram = own.T @ own + setting.ridge * np.eye(setting.d)
        weights[r] = np.linalg.solve(gram, own.T @ answers)
        for side, rows in enumerate((slice(0, shown), slice(setting.n, setting.n + shown))):
            X[side, r], y[side, r] = features[rows], targets[rows]
    return weights, list(X), list(y)


def full(matrix: np.ndarray) -> np.ndarray:
    return np.diag(matrix) if matrix.ndim == 1 else matrix


def attacked(setting: Setting, cells: ScalarQuantizer | None, played: tuple) -> tuple[float, float]:
    """Return the AUC of the attack and its standard error over training runs."""
    weights, X, y = played
    law = estimate_law(setting.law, setting.n, setting.ridge)
    C, G, errors = full(law.covariance), full(law.response), law.standard_errors
    if cells is None:
        read, kept = weights - law.mean, np.eye(setting.d)
    else:
        procedure = ThresholdPTQ(cells, ridge=setting.ridge)
        edges = list(procedure.thresholds(setting.law, setting.n, law.mean, errors))
        read = centroids(weights, edges, law.mean, errors)
        kept = np.diag(np.sum(read * (weights - law.mean), axis=0) / np.sum((weights - law.mean) ** 2, axis=0))
    # Bussgang's covariance of the centroids; only the choice of the read-outs hangs on it.
    inverse = np.linalg.inv(kept @ C @ kept + kept * (1.0 - np.diag(kept)) * np.diag(C))
    vectors = [read @ (left @ kept @ inverse).T for left in (C, G)]
    numbers = [
        np.stack([targets - features @ law.mean, *(np.einsum("rmi,ri->rm", features, v) for v in vectors)], -1)
        for features, targets in zip(X, y, strict=True)
    ]
    half = len(weights) // 2
    parts = [slice(0, half), slice(half, None)]
    scores = [np.empty_like(side) for side in y]
    for train, test in (parts, parts[::-1]):
        logs = []
        for side in numbers:
            sample = side[train].reshape(-1, 3)
            middle, spread = sample.mean(axis=0), np.cov(sample.T)
            # Without a penalty the two read-outs are the same one.
            metric, size = np.linalg.pinv(spread, rcond=1e-9, hermitian=True), np.linalg.eigvalsh(spread)
            constant = 0.5 * np.sum(np.log(size[size > 1e-9 * size[-1]]))
            logs.append(
                [-0.5 * np.einsum("rmi,ij,rmj->rm", o - middle, metric, o - middle)[test] - constant for o in numbers]
            )
        for k in range(2):
            scores[k][test] = logs[0][k] - logs[1][k]
    return area(scores[0], scores[1])


def predicted(setting: Setting, cells: ScalarQuantizer | None) -> MISResult:
    if cells is None:
        return unquantized_fit(setting.law, setting.n, setting.ridge)
    return mis(Problem(setting.law, ThresholdPTQ(cells, ridge=setting.ridge)), setting.n, "proportional")


def oracle(setting: Setting, cells: ScalarQuantizer | None, replicates: int, seed: int) -> tuple[float, float]:
    """Return Δ by the exact likelihood ratio (S9f) and its standard error: independent features, no penalty, low d."""
    if setting.ridge > 0.0 or setting.correlation > 0.0 or setting.d > (128 if cells is None else 64):
        return float("nan"), float("nan")
    if cells is None:
        found = unquantized_leak(setting.law, setting.n, replicates=replicates, seed=seed)
    else:
        problem = Problem(setting.law, ThresholdPTQ(cells))
        found = mis(problem, setting.n, "likelihood_ratio", replicates=replicates, seed=seed)
    return float(found.delta), float(found.std_error or np.nan)


def rows_of(setting: Setting, members: int, replicates: int, seed: int) -> list[dict]:
    runs = members // min(SHOWN, setting.n)
    played = trainings(setting, runs, seed)
    rows = []
    for name, cells in CELLS.items():
        theory = predicted(setting, cells)
        assert theory.roc is not None
        reached, error = attacked(setting, cells, played)
        exact, exact_error = oracle(setting, cells, replicates, seed)
        rows.append(
            {
                "d": setting.d, "n": setting.n, "correlation": setting.correlation, "ridge": setting.ridge,
                "cells": name, "in_domain": theory.in_domain, "area": theory.roc.auc, "attack": reached,
                "attack_error": error, "delta": theory.delta, "oracle": exact, "oracle_error": exact_error,
            }
        )  # fmt: skip
    return rows


def page(folder: Path, members: int = 200_000, replicates: int = 20_000, seed: int = 1) -> str:
    """Return the page of the CSV file in a folder."""
    rows = with_scores(read_rows(folder / "proportional.csv"))
    command = {"members": members, "replicates": replicates, "seed": seed}
    return render("proportional", rows=rows, how_close=how_close(rows), **command)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=200_000)
    parser.add_argument("--replicates", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore", DomainWarning)  # the table has a column for it
    rows = []
    for setting in SETTINGS:
        rows += rows_of(setting, given.members, given.replicates, given.seed)
        print(setting, file=sys.stderr)
    write_rows(FOLDER / "proportional.csv", FIELDS, six_digits(rows))
    (FOLDER / "proportional.md").write_text(page(FOLDER, **vars(given)))


if __name__ == "__main__":
    main()
