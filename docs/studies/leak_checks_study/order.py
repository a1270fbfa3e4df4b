"""Part 1: does one fit order quantizers as the optimal attack does? And what does this attack say of three claims?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from leak_checks_study.rows import Row
from leakage import SETTINGS, Setting, played
from scipy.stats import kendalltau

from qmis_stats import leakage
from qmis_stats.audit import audit, from_arrays
from qmis_stats.audit.models import Linear, Logistic
from qmis_stats.inference.areas import delong
from qmis_stats.leak import fit_from
from qmis_stats.quantizers import DEFAULT_QUANTIZERS, quantizer

NAMES = tuple(name for name in DEFAULT_QUANTIZERS if name != "identity")
SHOWN = 64
"""Members, and as many others, that each attacked training run shows."""

APART = 0.01
"""Areas that differ by more are told apart in practice."""


@dataclass(frozen=True)
class Modes(Setting):
    """The law of synthetic.py: k modes at distance 2.5 around which features are normal; heads have no intercept."""

    modes: int = 4

    @property
    def centres(self) -> np.ndarray:
        places = np.random.default_rng([self.modes, 128]).normal(size=(self.modes, self.d))
        return 2.5 * places / np.linalg.norm(places, axis=1, keepdims=True)

    @property
    def second_moment(self) -> np.ndarray:
        return np.eye(self.d) + self.centres.T @ self.centres / self.modes

    def weights(self, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=self.d) / np.sqrt(self.d)

    def draw(self, m: int, beta: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        mode = rng.integers(self.modes, size=m)
        X = self.centres[mode] + rng.normal(size=(m, self.d))
        return X, X @ beta + rng.normal(size=m) if self.loss == "squared" else mode % 2 * 1.0


CHECKED = SETTINGS | {
    f"{head}, ridge 1, 4 modes, d = 128, n = {n}": Modes(loss, 128, n, 0.0, 1.0)
    for head, loss in (("linear", "squared"), ("logistic", "logistic"))
    for n in (256, 1024)
}


def tau(first: np.ndarray, second: np.ndarray) -> float:
    """Return Kendall's τ-b; what differs by rounding alone is tied."""
    return float(kendalltau(np.round(first, 9), np.round(second, 9)).statistic)


def ordered_rightly(measured: np.ndarray, predicted: np.ndarray) -> tuple[int, int]:
    """Return how many pairs have measured areas more than ``APART`` apart, and how many of them are predicted so."""
    a, b = np.triu_indices(measured.size, 1)
    gap, said = measured[a] - measured[b], predicted[a] - predicted[b]
    apart = np.abs(gap) > APART
    return int(apart.sum()), int(np.sum(apart & (gap * said > 0.0)))


def contrasts() -> dict[str, list[np.ndarray]]:
    """Return differences of areas for each claim of the paper, weights over ``NAMES``; it holds where all are > 0."""
    unit = {name: np.eye(len(NAMES))[k] for k, name in enumerate(NAMES)}
    sparsity, bits = unit["sparse-33"] - unit["sparse-90"], unit["uniform-8"] - unit["uniform-3"]
    return {
        "most private": [unit[name] - unit["sparse-90"] for name in NAMES if name != "sparse-90"],
        "sign leaks more": [unit["sign"] - unit["sparse-33"]],
        "sparsity first": [sparsity - bits],
    }


def scored(setting: Setting, beta: np.ndarray, runs: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the scores of members and of others, (quantizers, runs, points), and the AUCs of S16, law known."""
    found = list(played(setting, beta, runs, seed, NAMES, SHOWN))
    sides = [np.array([scores[k] for _, scores, _ in found]) for k in (0, 1)]
    return sides, np.array([known for *_, (_, known) in found])


def areas(sides: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return AUCs of all quantizers and their covariance, with training runs as clusters."""
    count, runs, shown = sides[0].shape
    clusters = np.repeat(np.arange(runs), shown)
    return delong(*(side.reshape(count, -1) for side in sides), clusters, clusters)


def indicators(setting: Setting, beta: np.ndarray, runs: int, points: int, seed: int) -> np.ndarray | None:
    """Return the paper's indicator of each quantizer by an audit; None where the package has no such head."""
    heads = {"squared": Linear, "logistic": Logistic}
    if setting.loss not in heads:
        return None
    X, y = setting.draw(runs * setting.n + points, beta, np.random.default_rng([seed, 3]))
    found = audit(
        from_arrays(X, y, name="order", task="regression" if setting.loss == "squared" else "binary"),
        heads[setting.loss](alpha=setting.ridge, standardise="none"),
        [quantizer(name) for name in NAMES],
        runs=runs,
        n=setting.n,
        evaluation=np.arange(runs * setting.n, X.shape[0]),
        subsets="disjoint",
        seed=seed,
    )
    return found.to_frame()["estimate"].astype(float).reindex(list(NAMES)).to_numpy()


def predicted(setting: Setting, beta: np.ndarray, fits: int, seed: int) -> np.ndarray:
    """Return the areas that independent fits predict, (fits, quantizers)."""
    found = []
    for k in range(fits):
        X, y = setting.draw(setting.n, beta, np.random.default_rng([seed, 2, k]))
        fit = fit_from(X, y, setting.trained(X, y).weights[0], setting.loss, setting.ridge)
        found.append(leakage(fit, NAMES).auc[: len(NAMES)])
    return np.array(found)


def checked(name: str, runs: int, fits: int, points: int, seed: int) -> Iterator[Row]:
    """Yield what is measured in one setting."""
    setting = CHECKED[name]
    beta = setting.weights(np.random.default_rng([seed, 0]))
    sides, known = scored(setting, beta, runs, seed)
    measured, covariance = areas(sides)
    said = predicted(setting, beta, fits, seed)
    for k, one in enumerate(NAMES):
        yield Row("order", name, one, "attack", measured[k], np.sqrt(covariance[k, k]))
        yield Row("order", name, one, "law known", known[k])
        yield Row("order", name, one, "one fit", said[:, k].mean(), said[:, k].std(ddof=1))
    taus = np.array([tau(fit, measured) for fit in said])
    yield Row("order", name, "", "tau", taus.mean(), taus.std(ddof=1) / np.sqrt(fits))
    halves = [areas([side[:, k::2] for side in sides])[0] for k in (0, 1)]
    yield Row("order", name, "", "tau of halves", tau(*halves))
    yield Row("order", name, "", "tau of law known", tau(known, measured))
    yield Row("order", name, "", "tau with law known", np.mean([tau(fit, known) for fit in said]))
    indicator = indicators(setting, beta, 4, points, seed) if points else None
    if indicator is not None:
        there = np.isfinite(indicator)
        yield Row("order", name, "", "tau of indicator", tau(-indicator[there], measured[there]))
    apart = [ordered_rightly(measured, fit) for fit in said]
    yield Row("order", name, "", "pairs apart", apart[0][0])
    yield Row("order", name, "", "pairs right", np.mean([right for _, right in apart]))
    for claim, differences in contrasts().items():
        # The weakest difference, by its standard error.
        gaps = [(float(c @ measured), float(np.sqrt(c @ covariance @ c))) for c in differences]
        gap, error = min(gaps, key=lambda pair: pair[0] / max(pair[1], 1e-12))
        yield Row("order", name, "", claim, gap, error)
        holds = [all(c @ fit > 0.0 for c in differences) for fit in said]
        yield Row("order", name, "", f"{claim}, one fit", np.mean(holds))
