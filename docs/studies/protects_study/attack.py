"""Heads and fine-tuned perceptrons by attack: areas over pools of points, and errors on fresh points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from calibration import area
from protects_study.releases import COMPARED, DENSE, compared, made, releases
from protects_study.tally import Pairs
from protects_study.theory import molecules

from qmis_stats.audit.attacks import ReadOut, play, run_attacks
from qmis_stats.audit.attacks.game import AttackGame
from qmis_stats.audit.data import Dataset, from_arrays
from qmis_stats.audit.models.linear import Linear
from qmis_stats.audit.models.mlp import MLP

HEAD_KNOBS = ("scale precision", "rounding", "rounding at equal error")
NETWORK_KNOBS = tuple(COMPARED)
SHADOWS, CALIBRATIONS, MEMBERS, MEASURED = 64, 4, 16, 40
EPOCHS = (1, 2, 4, 6, 8)
PENALTIES = (1e5, 3000.0, 1000.0, 500.0, 250.0, 120.0, 60.0)


@dataclass(frozen=True)
class FineTuned(MLP):
    """A perceptron whose every training run starts from the same weights."""

    start: tuple[np.ndarray, ...] = ()

    def _start(self, inputs: int, outputs: int, rng: np.random.Generator) -> list[np.ndarray]:
        return [part.copy() for part in self.start]

    def describe(self) -> dict:
        return super().describe() | {"model": "FineTuned"}


@dataclass(frozen=True)
class Pool:
    """Points of which each training run takes a random half, and what is trained on it.

    ``models`` are trained less, or penalised more, than the last, which is released. Their errors are those on
    ``fresh`` points, or on points that a training run left out. ``published`` has the error of a model that saw no
    point.
    """

    data: Dataset
    models: tuple[Linear | FineTuned, ...]
    fresh: tuple[np.ndarray, np.ndarray] | None
    published: tuple[np.ndarray, ...] | None = None


def heads(alpha: float) -> tuple[Linear, ...]:
    return tuple(Linear(alpha=one) for one in (*(one for one in PENALTIES if one > alpha), alpha))


def fine_tuned(X: np.ndarray, y: np.ndarray, seed: list[int]) -> dict:
    """Return perceptrons that start from weights trained on public data, for some epochs each, and these weights."""
    plain = MLP("regression", hidden=(16,), epochs=20, standardise="none")
    *_, weights = plain.fit_path(X, y, np.random.default_rng(seed))
    start = tuple(part.T.copy() for part in weights[: 2 * len(plain.hidden) + 2])
    models = (FineTuned("regression", hidden=(16,), epochs=one, standardise="none", start=start) for one in EPOCHS)
    return {"models": tuple(models), "published": weights}


def head_pool(seed: list[int]) -> Pool:
    """Return half of 600 normal points with 64 features, of a law with weights of its own."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(0.5 ** np.abs(np.subtract.outer(np.arange(64), np.arange(64))))
    beta = rng.normal(size=64) / 4.0

    def draw(m: int) -> tuple[np.ndarray, np.ndarray]:
        X = rng.normal(size=(m, 64)) @ root.T
        return X, X @ beta + rng.normal(size=m)

    return Pool(from_arrays(*draw(600), name="normal rows"), heads(16.0), draw(4000))


def network_pool(seed: list[int]) -> Pool:
    """Return a perceptron fine-tuned to a response that differs from the public one by a linear part."""
    rng, p = np.random.default_rng(seed), 128
    inner, outer, shift = rng.normal(size=(p, 8)) / np.sqrt(p), rng.normal(size=8), rng.normal(size=p) / np.sqrt(p)

    def draw(m: int, moved: float) -> tuple[np.ndarray, np.ndarray]:
        X = rng.normal(size=(m, p))
        return X, np.tanh(2.0 * X @ inner) @ outer + moved * (X @ shift) + 0.5 * rng.normal(size=m)

    data = from_arrays(*draw(1000, 1.0), name="private rows")
    return Pool(data, fresh=draw(4000, 1.0), **fine_tuned(*draw(4000, 0.0), seed))


def caco2_head(data: Path) -> Pool:
    """Return half of Caco-2, 64 fingerprint bits."""
    X, y, _ = molecules(data, 64)
    return Pool(from_arrays(X, y, name="Caco-2"), heads(30.0), None)


def caco2_network(data: Path) -> Pool:
    """Return half of Caco-2, 128 fingerprint bits, and a perceptron that was trained on lipophilicity."""
    from qmis_stats.audit.tables import load_table

    X, y, bits = molecules(data, 128)
    public = load_table(data / "lipophilicity_astrazeneca.tab", "Y", smiles="Drug")
    return Pool(from_arrays(X, y, name="Caco-2"), fresh=None, **fine_tuned(public.X[:, bits], public.y, [7]))


POOLS: dict[str, Callable[[list[int]], Pool]] = {"ridge, by attack": head_pool, "perceptron": network_pool}
CACO2 = {"ridge, Caco-2, by attack": caco2_head, "perceptron, Caco-2": caco2_network}


def attacked(game: AttackGame) -> np.ndarray:
    """Return the AUC of the attack in every training run."""
    [result] = run_attacks(game, [ReadOut()], control=None).results
    return np.array([area(s[m], s[~m]) for s, m in zip(result.scores, result.member, strict=True)])


def errors(pool: Pool, game: AttackGame, weights: tuple | None = None) -> np.ndarray:
    """Return the mean squared error on fresh points of the first training runs, or of other weights in their place."""
    part, found = game.target, []
    for own, used in zip(part.shown.weights[:MEASURED], part.trained[:MEASURED], strict=True):
        X, y = pool.fresh or (pool.data.X[~used], pool.data.y[~used])
        found.append(float(np.mean(game.known.model.losses(own if weights is None else weights, X, y))))
    return np.array(found)


def measured(pool: Pool, knobs: tuple[str, ...], trainings: int, seed: int) -> tuple[dict, dict, tuple]:
    """Return AUCs by training run and errors of each release, and the same of the floats that were trained less."""
    settings = {"trainings": trainings, "shadows": SHADOWS, "calibrations": CALIBRATIONS, "members": MEMBERS,
                "seed": seed}  # fmt: skip
    games = [play(pool.data, model, None, pool.data.rows // 2, **settings) for model in pool.models]
    last = games[-1]
    less = [attacked(game) for game in games], [errors(pool, game).mean() for game in games]
    if pool.published is not None:
        less[0].insert(0, np.full(trainings, 0.5))
        less[1].insert(0, errors(pool, last, pool.published).mean())
    areas, error = {"identity": less[0][-1]}, {"identity": errors(pool, last)}
    for name in releases(knobs):
        game = last.quantized(made(name))
        areas[name], error[name] = attacked(game), errors(pool, game)
    return areas, error, less


def as_bad(error: float, less: tuple) -> np.ndarray:
    """Return AUCs by training run of the float with this error, between those of which one is trained a bit less.

    Errors fall with training; what is above all of them is taken for the largest.
    """
    areas, errors = less
    errors = np.minimum.accumulate(np.asarray(errors))
    place = np.interp(-error, -errors, np.arange(len(errors)))
    low = min(int(place), len(errors) - 2)
    return areas[low] + (place - low) * (areas[low + 1] - areas[low])


def of_pools(name: str, knobs: tuple[str, ...], pools: int, trainings: int, seed: int) -> Pairs:
    """Return AUCs and prices over independent pools."""
    pairs = Pairs(name, "attack")
    for k in range(pools):
        areas, error, less = measured(POOLS[name]([seed, len(name), k]), knobs, trainings, 1000 * seed + k)
        whole = error["identity"].mean()
        price = {one: 100.0 * (values.mean() / whole - 1.0) for one, values in error.items()}
        for knob, one, other in compared(knobs):
            if other == DENSE:
                areas[other], price[other] = as_bad(error[one].mean(), less), price[one]
            pairs.add(knob, one, other, areas[one].mean(), areas[other].mean(), price[one], price[other])
    return pairs


def of_one_pool(name: str, data: Path, knobs: tuple[str, ...], trainings: int, seed: int) -> Pairs:
    """Return AUCs and prices over training runs on halves of one pool: what is said is said of this pool."""
    pairs = Pairs(name, "attack")
    areas, error, less = measured(CACO2[name](data), knobs, trainings, seed)
    whole = error["identity"].mean()
    for knob, one, other in compared(knobs):
        second = as_bad(error[one].mean(), less) if other == DENSE else areas[other]
        cov = np.cov(areas[one], second) / trainings
        costs = 100.0 * (np.array([error[one], error.get(other, error[one])]) / whole - 1.0)
        both = (float(areas[one].mean()), float(second.mean()))
        pairs.add_once(knob, one, other, both, (cov[0, 0], cov[1, 1], cov[0, 1]), trainings - 1, costs)
    return pairs
