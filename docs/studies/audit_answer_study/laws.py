"""Laws of the data under which the true leaks are known, and releases of which some leak exactly alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from leakage import Setting, attacked
from numpy.typing import ArrayLike
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from qmis_stats.audit import AuditResult, SklearnModel, audit, from_arrays
from qmis_stats.quantizers import quantizer
from qmis_stats.quantizers.weights.base import GroupCells

HELD_OUT = 2000
BATCHES = 4
FIGURES = ("delta", "attack")
"""What is known of a release: Δ with the law known (S16), and the area that the attack achieves."""


@dataclass(frozen=True)
class Parts:
    """Equal parts of the weights, one after the other, each under a quantizer of its own."""

    name: str
    stems: tuple[str, ...]

    @property
    def bits(self) -> float:
        return float(np.mean([quantizer(stem).bits for stem in self.stems]))

    def quantize(self, weights: ArrayLike) -> np.ndarray:
        parts = [quantizer(stem).quantize(part) for stem, part in self._split(weights)]
        return np.concatenate(parts).reshape(np.shape(weights))

    def cells(self, weights: ArrayLike) -> list[GroupCells]:
        found, start = [], 0
        for stem, part in self._split(weights):
            [one] = quantizer(stem).cells(part)
            found.append(GroupCells(slice(start, start + part.size), one.edges, one.known))
            start += part.size
        return found

    def _split(self, weights: ArrayLike) -> Iterator[tuple[str, np.ndarray]]:
        return zip(self.stems, np.split(np.ravel(weights), len(self.stems)), strict=True)


COPIES = {"sign-scaled": "its copy", "identity": "as it is"}
"""Releases, and the same ones under other names."""
TWINS = ("sparse, then sign", "sign, then sparse")
"""Mirror images: under a law that is its own mirror image they leak alike, but no data set shows them alike."""
RELEASES = (
    *(quantizer(name) for name in ("sign-scaled", "sparse-33", "uniform-3", "nf4")),
    *(Parts(copy, (name,)) for name, copy in COPIES.items()),
    *(Parts(name, stems) for name, stems in zip(TWINS, (("sparse-90", "sign"), ("sign", "sparse-90")), strict=True)),
)
NAMES = tuple(one.name for one in RELEASES)


@dataclass(frozen=True)
class Mirrored(Setting):
    """A law that is the same when features are read backwards."""

    def weights(self, rng: np.random.Generator) -> np.ndarray:
        half = rng.normal(size=self.d // 2)
        beta = np.concatenate([half, half[::-1]])
        return beta * 1.5 / np.sqrt(beta @ self.second_moment @ beta)

    @property
    def estimator(self) -> LinearRegression | Ridge | LogisticRegression:
        """What is trained, as an estimator."""
        if self.loss == "logistic":
            return LogisticRegression(C=1.0 / self.ridge, fit_intercept=False, tol=1e-8, max_iter=1000)
        return Ridge(alpha=self.ridge, fit_intercept=False) if self.ridge else LinearRegression(fit_intercept=False)


SETTINGS = {
    "least squares, d/n = 1/4": Mirrored("squared", 64, 256, 0.0, 0.0),
    "ridge 10, r = 0.7, d/n = 1/2": Mirrored("squared", 64, 128, 0.7, 10.0),
    "logistic, ridge 1, binary, d/n = 1/4": Mirrored("logistic", 60, 240, 0.0, 1.0, "binary"),
}


def beta_of(setting: Mirrored, law: int, seed: int) -> np.ndarray:
    """Return the weights of a law."""
    return setting.weights(np.random.default_rng([seed, 0, law]))


def known(setting: Mirrored, law: int, runs: int, seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Return the figures of each release and of no quantization, from independent batches of training runs each.

    A copy has those of what it copies, and each twin the mean of both.
    """
    beta, own = beta_of(setting, law, seed), [one for one in RELEASES if one.name not in COPIES.values()]
    found: dict[str, dict[str, list[float]]] = {}
    for batch in range(BATCHES):
        of_runs = attacked(setting, beta, runs // BATCHES, 1000 * seed + 10 * law + batch, [*own, "identity"])
        for release, figures in of_runs.items():
            into = found.setdefault(getattr(release, "name", release), {key: [] for key in FIGURES})
            into["delta"].append(figures["delta_known"])
            into["attack"].append(figures["attack"])
    values = {name: {key: np.array(of) for key, of in into.items()} for name, into in found.items()}
    mean = {key: np.mean([values[name][key] for name in TWINS], axis=0) for key in FIGURES}
    values |= dict.fromkeys(TWINS, mean) | {copy: values[name] for name, copy in COPIES.items()}
    return {name: values[name] for name in (*NAMES, "identity")}


def audited(setting: Mirrored, law: int, number: int, seed: int) -> AuditResult:
    """Return the audit of one data set of a law: what `qmis audit` computes before attacks, from two training runs."""
    n, place = setting.n, [seed, 2, law, number]
    X, y = setting.draw(n + HELD_OUT, beta_of(setting, law, seed), np.random.default_rng(place))
    task = "binary" if setting.loss == "logistic" else "regression"
    return audit(
        from_arrays(X, y, name="simulated", task=task),
        SklearnModel(setting.estimator, task=task, checkpoints=2, standardise="none"),
        RELEASES,
        runs=2,
        evaluation=np.arange(n, n + HELD_OUT),
        draws=199,
        seed=int(np.random.default_rng(place).integers(2**32)),
    )
