"""Logistic and Poisson regressions with d comparable to n: the closed form of S18.8 against an attack on real fits.

    python docs/studies/generalized_proportional.py [--members 160000] [--seed 1]

writes ``docs/studies/generalized_proportional.csv`` and ``docs/studies/generalized_proportional.md``. Fits are made by
Newton's method in NumPy. The attack learns what it needs from a quarter of the fits, mean factor, spread and proximal
parameter included, and takes nothing from the package but the number that it is compared with.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from leakage import area
from scipy.special import expit
from scipy.stats import norm
from study_page import render
from study_rows import how_close, read_rows, six_digits, with_scores, write_rows

from qmis_stats import FixedThresholds, LogisticRegression, PoissonRegression, Problem, ThresholdPTQ, mis
from qmis_stats.errors import DomainError, DomainWarning
from qmis_stats.theory import unquantized_fit

FOLDER = Path(__file__).parent
CELLS = ("sign", "33 % zeros", "3 bits", "none")
FIELDS = ("law", "d", "n", "signal", "intercept", "correlation", "ridge", "cells", "in_domain", "area", "attack",
          "attack_error", "uncorrected", "delta", "factor", "factor_seen")  # fmt: skip
NODES = np.arange(-6.5, 6.51, 0.25)


@dataclass(frozen=True)
class Setting:
    """Features with correlation r^|i − j|; the predictor has a standard deviation of ``signal``."""

    law: str
    n: int
    ridge: float = 0.0
    signal: float = 1.0
    intercept: float = 0.0
    correlation: float = 0.0
    d: int = 100

    @property
    def covariance(self) -> np.ndarray:
        return self.correlation ** np.abs(np.subtract.outer(np.arange(self.d), np.arange(self.d)))

    @property
    def coefficients(self) -> np.ndarray:
        beta = np.random.default_rng([7, self.d]).normal(size=self.d)
        return self.signal * beta / np.sqrt(beta @ self.covariance @ beta)

    def mean(self, v: np.ndarray) -> np.ndarray:
        return expit(v) if self.law == "logistic" else np.exp(np.minimum(v, 30.0))

    def curvature(self, v: np.ndarray) -> np.ndarray:
        return expit(v) * expit(-v) if self.law == "logistic" else self.mean(v)


SETTINGS = (
    *(Setting("logistic", n, ridge) for n in (1600, 800, 400) for ridge in (0.0, 10.0)),
    Setting("logistic", 200),
    *(Setting("logistic", 200, ridge) for ridge in (1.0, 10.0)),
    Setting("logistic", 400, intercept=1.0),
    Setting("logistic", 800, signal=2.0),
    Setting("logistic", 400, correlation=0.7),
    *(Setting("Poisson", n, signal=0.5) for n in (1600, 400, 200)),
    Setting("Poisson", 200, 10.0, 0.5),
)


def drawn(setting: Setting, rng: np.random.Generator, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = rng.normal(size=(setting.n, setting.d)) @ root
    mean = setting.mean(setting.intercept + features @ setting.coefficients)
    answers = rng.random(setting.n) < mean if setting.law == "logistic" else rng.poisson(mean)
    return features, answers.astype(np.float64)


def fitted(setting: Setting, features: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Return the weights and the mean of q = xᵀH⁻¹x without each point; ``None`` if the likelihood has no maximum."""
    weights = np.zeros(setting.d)
    penalty = setting.ridge * np.eye(setting.d)

    def loss(weights: np.ndarray) -> float:
        v = setting.intercept + features @ weights
        partition = np.logaddexp(0.0, v) if setting.law == "logistic" else setting.mean(v)
        return float(np.sum(partition - answers * v) + 0.5 * setting.ridge * weights @ weights)

    for _ in range(60):
        v = setting.intercept + features @ weights
        w = setting.curvature(v)
        hessian = (features.T * w) @ features + penalty
        gradient = features.T @ (setting.mean(v) - answers) + setting.ridge * weights
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            return None
        decrement = float(gradient @ step)
        size, here = 1.0, loss(weights)
        if setting.law == "logistic" and here < 1e-6 * setting.n:
            return None  # separable
        while size > 1e-6 and loss(weights - size * step) > here - 0.1 * size * decrement + 1e-9:
            size *= 0.5
        weights = weights - size * step
        if decrement < 1e-10:
            h = np.einsum("ij,ij->i", features, np.linalg.solve(hessian, features.T).T)
            return weights, float(np.mean(h / (1.0 - w * h)))
    return None


@dataclass
class Played:
    """Fits, and the true predictors, features and answers of members and non-members."""

    weights: np.ndarray
    proximity: np.ndarray
    sides: list[list[tuple[np.ndarray, np.ndarray]]]


def trainings(setting: Setting, runs: int, seed: int) -> Played | None:
    root = np.linalg.cholesky(setting.covariance).T
    weights, proximity, sides = [], [], []
    for r in range(runs):
        rng = np.random.default_rng([seed, setting.d, setting.n, r])
        own, fresh = drawn(setting, rng, root), drawn(setting, rng, root)
        found = fitted(setting, *own)
        if found is None:
            return None
        weights.append(found[0])
        proximity.append(found[1])
        sides.append([own, fresh])
    return Played(np.array(weights), np.array(proximity), sides)


def levels(weights: np.ndarray, cut: np.ndarray, mean: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return E[θ | cell] − E θ of each weight, normal about its mean, (R, d)."""
    ends = (np.concatenate(([-np.inf], cut, [np.inf]))[:, None] - mean) / errors
    mass = norm.cdf(ends[1:]) - norm.cdf(ends[:-1])
    middle = (norm.pdf(ends[:-1]) - norm.pdf(ends[1:])) / np.maximum(mass, 1e-12) * errors
    return np.take_along_axis(middle, np.searchsorted(cut, weights), axis=0)


def log_ratio(setting: Setting, w, a, y, s, q, c) -> np.ndarray:
    """Return log likelihood ratios: E over u ~ N(a, s²) of the normal law about c(prox(u) − a)/s, against N(0, 1)."""
    v = np.linspace(-60.0, 60.0, 60_001)
    moved = v + q * setting.mean(v)  # the proximal point of (u, y) is where this is u + qy
    if c > 0.9995:  # the fitted value itself
        value = a + s * w
        tau = w + q * (setting.mean(value) - y) / s
        return np.log1p(q * setting.curvature(value)) - 0.5 * tau**2 + 0.5 * w**2
    masses = np.exp(-0.5 * NODES**2)
    masses /= masses.sum()
    out = np.empty(w.size)
    for start in range(0, w.size, 40_000):
        part = slice(start, start + 40_000)
        u = a[part, None] + s * NODES
        m = (np.interp(u + q * y[part, None], moved, v) - a[part, None]) / s
        heights = np.exp(-0.5 * (w[part, None] - c * m) ** 2 / (1.0 - c * c)) @ masses
        out[part] = np.log(np.maximum(heights, 1e-300)) - 0.5 * np.log(1.0 - c * c) + 0.5 * w[part] ** 2
    return out


def attacked(setting: Setting, cut: np.ndarray | None, played: Played, corrected: bool = True) -> tuple[float, float]:
    """Return the AUC of the attack and its standard error; uncorrected, without mean factor and proximal map."""
    runs = len(played.weights)
    shadows = runs // 4
    beta, precision = setting.coefficients, np.linalg.inv(setting.covariance)
    factor = float(np.mean(played.weights[:shadows] @ setting.covariance @ beta) / (beta @ setting.covariance @ beta))
    mean = factor * beta
    off = played.weights[:shadows] - mean
    s = float(np.sqrt(np.mean(np.einsum("ri,ij,rj->r", off, setting.covariance, off))))
    q = float(np.mean(played.proximity[:shadows]))
    C = s * s / setting.d * precision
    errors = np.sqrt(np.diag(C))
    if cut is None:
        signal = played.weights - mean
    else:
        read = levels(played.weights, cut, mean, errors)
        kept = np.mean(read[:shadows] ** 2, axis=0) / errors**2
        kept = np.clip(kept, 1e-6, 1.0)
        # Bussgang's covariance of the centroids; only the choice of the read-out hangs on it.
        spread = kept[:, None] * C * kept
        np.fill_diagonal(spread, kept * errors**2)
        signal = read @ np.linalg.solve(spread, kept[:, None] * C)
    numbers = []
    for side in range(2):
        x_w = np.array([X @ v for (X, _), v in zip((g[side] for g in played.sides), signal, strict=True)])
        a = np.array([setting.intercept + X @ mean for X, _ in (g[side] for g in played.sides)])
        y = np.array([answers for _, answers in (g[side] for g in played.sides)])
        u = np.array([X @ v for (X, _), v in zip((g[side] for g in played.sides), played.weights - mean, strict=True)])
        numbers.append((x_w, a, y, u))
    plain = numbers[1]
    size = float(np.std(plain[0][:shadows]))
    c = min(1.0, float(np.mean(plain[0][:shadows] * plain[3][:shadows]) / size / np.std(plain[3][:shadows])))
    scores = []
    for x_w, a, y, _ in numbers:
        w, centre, answers = (part[shadows:].ravel() for part in (x_w / size, a, y))
        if corrected:
            score = log_ratio(setting, w, centre, answers, s, q, c)
        else:  # as if few weights were fitted: the mean is the truth, and a member moves by its residual
            truth = setting.intercept + (centre - setting.intercept) / factor
            score = w * (answers - setting.mean(truth))
        scores.append(score.reshape(runs - shadows, -1))
    return area(*scores)


def thresholds(name: str, weights: np.ndarray) -> np.ndarray | None:
    """Return thresholds from the sizes of fitted weights; the procedure is told them as fixed numbers."""
    if name == "none":
        return None
    if name == "sign":
        return np.zeros(1)
    if name == "33 % zeros":
        t = float(np.quantile(np.abs(weights), 0.33))
        return np.array([-t, t])
    return np.linspace(-1.8, 1.8, 7) * float(weights.std())


def rows_of(setting: Setting, members: int, seed: int) -> list[dict]:
    kind = LogisticRegression if setting.law == "logistic" else PoissonRegression
    law = kind(setting.coefficients, setting.covariance, setting.intercept)
    shown = {key: getattr(setting, key) for key in ("law", "d", "n", "signal", "intercept", "correlation", "ridge")}
    runs = max(40, members // setting.n * 4 // 3)
    try:
        unquantized_fit(law, setting.n, setting.ridge)
    except DomainError:
        missing = trainings(setting, 20, seed) is None
        return [{**shown, "cells": "refused, and no fit" if missing else "refused", "in_domain": False}]
    played = trainings(setting, runs, seed)
    assert played is not None, "a fit has no maximum"
    beta = setting.coefficients
    seen = float(np.mean(played.weights @ setting.covariance @ beta) / (beta @ setting.covariance @ beta))
    rows = []
    for name in CELLS:
        cut = thresholds(name, played.weights[: runs // 4])
        if cut is None:
            theory = unquantized_fit(law, setting.n, setting.ridge)
        else:
            quantizer = FixedThresholds(tuple(float(t) for t in cut))
            theory = mis(Problem(law, ThresholdPTQ(quantizer, ridge=setting.ridge)), setting.n, "proportional")
        assert theory.roc is not None
        reached, error = attacked(setting, cut, played)
        rows.append(
            {
                **shown, "cells": name, "in_domain": theory.in_domain, "area": theory.roc.auc, "attack": reached,
                "attack_error": error, "uncorrected": attacked(setting, cut, played, False)[0], "delta": theory.delta,
                "factor": float(theory.details["mean_factor"]), "factor_seen": seen,
            }
        )  # fmt: skip
    return rows


def page(folder: Path, members: int = 160_000, seed: int = 1) -> str:
    """Return the page of the CSV file in a folder."""
    rows = with_scores(read_rows(folder / "generalized_proportional.csv"))
    return render("generalized_proportional", rows=rows, how_close=how_close(rows), members=members, seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=160_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    warnings.simplefilter("ignore", DomainWarning)  # the table has a column for it
    rows = []
    for setting in SETTINGS:
        started = time.perf_counter()
        rows += rows_of(setting, given.members, given.seed)
        print(setting, f"{time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    write_rows(FOLDER / "generalized_proportional.csv", FIELDS, six_digits(rows))
    (FOLDER / "generalized_proportional.md").write_text(page(FOLDER, **vars(given)))


if __name__ == "__main__":
    main()
