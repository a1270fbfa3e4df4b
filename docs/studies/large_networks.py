"""Is it worth reading the weights of a network? Attacks on outputs against linear read-outs of weights, and their cost.

    python docs/studies/large_networks.py [--parts compare size] [--networks NAME ...] [--sizes N ...] [--page-only]

writes ``docs/studies/large_networks.csv`` and ``docs/studies/large_networks.md`` and needs PyTorch. Rows that are not
computed stay. Processor seconds are those of one core.

Networks are pretrained on public digits and fine-tuned on a random half of private ones, 200 of 400, a tenth of whose
labels are noise. A read-out is what the release's way from the mean of the shadow runs does to the log-odds of a row's
label, to first order: the derivative at that mean. Its laws with and without the row are those of online LiRA, which
attacks the outputs themselves.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from study_page import interval, render
from study_rows import grouped, read_rows, six_digits, write_rows

FOLDER = Path(__file__).parent
NETWORKS = ("perceptron", "convolution")
RELEASES = ("sign-scaled", "nf4", "identity")
FIELDS = (
    "part", "network", "release", "what", "weights", "auc", "error", "more", "more_error", "training", "seconds",
    "mebibytes",
)  # fmt: skip
SHADOWS, TARGETS, N, ROWS = 48, 64, 200, 400
DRAWS, INFORMATIVE, STEP, RANK, SHARE = 64, 0.2, 0.02, 8, 10
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
RUNS, LARGE = 16, 2**22
LAYER, BEST_LAYER, KEPT, LAZY, STORED = "layer ", "best single layer", "kept", "quantized again", "read from a store"
OUTPUTS, WEIGHTS, READ, LAYERS, BOTH = (
    "outputs",
    "all weights",
    "de-quantized",
    "sum over layers",
    "outputs and weights",
)
LOW_RANK, PROJECTED = f"{RANK} directions of runs", f"random projection to 1/{SHARE}"
SHOWN = (OUTPUTS, WEIGHTS, READ, BEST_LAYER, LAYERS, LOW_RANK, PROJECTED, BOTH)


def network(name: str) -> tuple[object, Callable[[np.ndarray], np.ndarray]]:
    """Return a module, and the images of digits in its form."""
    from torch import nn

    if name == "perceptron":
        layers = (nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        return nn.Sequential(*layers), lambda images: images / 16.0
    layers = (nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 10))
    return nn.Sequential(*layers), lambda images: images.reshape(-1, 1, 8, 8) / 16.0


def fit(module: object, X: np.ndarray, y: np.ndarray, _rng: np.random.Generator) -> Iterator[None]:
    import torch

    inputs, target = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.long)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(30):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(inputs), target).backward()
        optimiser.step()
    yield


def flat(weights: tuple, mask: tuple[bool, ...]) -> np.ndarray:
    return np.concatenate([array.ravel() for array, use in zip(weights, mask, strict=True) if use])


class ReadOuts:
    """Releases of shadow and target runs as deviations from the mean release, and what these do to outputs."""

    def __init__(self, game: object, release: str) -> None:
        from qmis_stats.quantizers import quantizer

        chosen = None if release == "identity" else quantizer(release)
        self.model, self.data = game.known.model, game.known.source
        released = game.quantized(chosen)
        plain = game.known.plain.shown.weights
        self.mask = self.model.quantizable(plain[0])
        self.middle = tuple(np.mean(arrays, axis=0) for arrays in zip(*plain, strict=True))
        self.sizes = [array.size for array, use in zip(self.middle, self.mask, strict=True) if use]
        self.runs = [*released.known.shadow.shown.weights, *released.target.shown.weights]
        self.flat = np.array([flat(weights, self.mask) for weights in self.runs])
        self.trained = released.known.shadow.trained
        away = np.array([flat(weights, self.mask) for weights in plain])
        self.mean, self.spread = away.mean(axis=0), away.std(axis=0, ddof=1)
        self.chosen = chosen

    def scores(self) -> dict[str, np.ndarray]:
        """Return the log likelihood ratio of each row under each target run, (T, N), by what it is read from."""
        ends = np.cumsum([0, *self.sizes])
        away = self.flat - self.flat[:SHADOWS].mean(axis=0)
        layers = [self.ratio(self.moved(_part(away, slice(a, b)))) for a, b in pairwise(ends)]
        main = np.linalg.svd(away[:SHADOWS], full_matrices=False)[2][:RANK]
        random = np.random.default_rng(3).standard_normal((max(ends[-1] // SHARE, 1), ends[-1]))
        random /= np.sqrt(len(random))
        found = {
            OUTPUTS: self.ratio(np.array([self.confidence(weights) for weights in self.runs])),
            WEIGHTS: self.ratio(self.moved(away)),
            READ: self.ratio(self.moved(self.dequantized())),
            **{f"{LAYER}{place}": layer for place, layer in enumerate(layers, 1)},
            LAYERS: np.sum(layers, axis=0),
            LOW_RANK: self.ratio(self.moved(away @ main.T @ main)),
            PROJECTED: self.ratio(self.moved(away @ random.T @ random)),
        }
        return found | {BOTH: found[OUTPUTS] + found[WEIGHTS]}

    def dequantized(self) -> np.ndarray:
        """Return K⁻¹ times the measured deviations, K diagonal, as the read-out of linear heads has them (S16)."""
        if self.chosen is None:
            return (self.flat - self.mean) / np.maximum(self.spread, np.median(self.spread)) ** 2
        noise = np.random.default_rng(5).standard_normal((DRAWS, self.mean.size))
        noise -= noise.mean(axis=0)
        drawn = np.array([self.quantized(self.mean + self.spread * z) for z in noise])
        centre = drawn.mean(axis=0)
        gain = np.sum((drawn - centre) * noise, axis=0) / np.sum(noise**2, axis=0)
        rest = np.sum((drawn - centre - gain * noise) ** 2, axis=0) / (DRAWS - 2.0)
        told = np.abs(gain) > INFORMATIVE * np.sqrt(rest)
        # gain and error in units of the spread: K = 1 + rest/gain²
        deviation = np.divide(self.flat - centre, gain, out=np.zeros_like(self.flat), where=told)
        ratio = np.divide(rest, gain**2, out=np.zeros_like(rest), where=told)
        scale = np.maximum(self.spread, np.median(self.spread))
        return deviation / (1.0 + ratio) / scale

    def quantized(self, vector: np.ndarray) -> np.ndarray:
        parts = iter(np.split(vector, np.cumsum(self.sizes)[:-1]))
        arrays = [array for array, use in zip(self.middle, self.mask, strict=True) if use]
        return np.concatenate([self.chosen.quantize(next(parts).reshape(a.shape)).ravel() for a in arrays])

    def confidence(self, weights: tuple) -> np.ndarray:
        from qmis_stats.audit.attacks.statistic import logit_confidence

        return logit_confidence(self.model.losses(weights, self.data.X, self.data.y))

    def moved(self, directions: np.ndarray) -> np.ndarray:
        """Return the derivative of the log-odds of each row's label along each direction, (runs, N)."""
        size, found = np.sqrt(np.mean(self.mean**2)), np.zeros((len(directions), self.data.rows))
        for k, direction in enumerate(directions):
            length = np.sqrt(np.mean(direction**2))
            if length > 0.0:
                step = STEP * size / length
                ahead, behind = (self.confidence(self.at(sign * step * direction)) for sign in (1.0, -1.0))
                found[k] = (ahead - behind) / (2.0 * step)
        return found

    def at(self, move: np.ndarray) -> tuple:
        parts = iter(np.split(move, np.cumsum(self.sizes)[:-1]))
        both = zip(self.middle, self.mask, strict=True)
        return tuple(array + next(parts).reshape(array.shape) if use else array for array, use in both)

    def ratio(self, values: np.ndarray) -> np.ndarray:
        """Return the log likelihood ratio of online LiRA, its laws from the shadow runs."""
        from qmis_stats.audit.attacks.point_laws import Moments, point_laws

        kinds = [Moments.of(values[:SHADOWS], used) for used in (~self.trained, self.trained)]
        laws, _ = point_laws(kinds, [kind.prior(None) for kind in kinds])
        return laws[1].log_density(values[SHADOWS:]) - laws[0].log_density(values[SHADOWS:])


def _part(array: np.ndarray, columns: slice) -> np.ndarray:
    found = np.zeros_like(array)
    found[:, columns] = array[:, columns]
    return found


def compared(name: str, seed: int) -> Iterator[dict[str, object]]:
    """Yield the AUC of each attack on a network, its error with target runs as clusters."""
    import torch
    from sklearn.datasets import load_digits

    from qmis_stats.audit import TorchModel, from_arrays
    from qmis_stats.audit.attacks import play
    from qmis_stats.inference.areas import delong

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    private, public = order[:ROWS], order[ROWS:]
    module, form = network(name)
    X, y = form(images), labels.copy()
    noisy = private[: ROWS // 10]
    y[noisy] = rng.integers(0, 10, noisy.size)
    list(fit(module, X[public], y[public], rng))
    data = from_arrays(X[private], y[private], name=name)
    model = TorchModel(module, fit, task="multiclass")
    game = play(data, model, None, N, trainings=TARGETS, shadows=SHADOWS, calibrations=2, members=1, seed=seed)
    member = game.target.trained
    where = [np.nonzero(kind)[0] for kind in (member, ~member)]
    for release in RELEASES:
        read = ReadOuts(game, release)
        scores = read.scores()
        print(name, release, file=sys.stderr)
        for what, score in scores.items():
            pair = [[one[kind] for one in (score, scores[OUTPUTS])] for kind in (member, ~member)]
            areas, covariance = delong(np.array(pair[0]), np.array(pair[1]), *where)
            size = read.sizes[int(what.removeprefix(LAYER)) - 1] if what.startswith(LAYER) else sum(read.sizes)
            yield {
                "part": "compare", "network": name, "release": release, "what": what, "weights": size,
                "auc": float(areas[0]), "error": float(np.sqrt(covariance[0, 0])), "more": float(areas[0] - areas[1]),
                "more_error": float(np.sqrt(max(np.array([1, -1]) @ covariance @ np.array([1, -1]), 0.0))),
            }  # fmt: skip


def measured(size: int, way: str) -> dict[str, object]:
    """Return what attacks on a generated network under one quantizer take, in a process of its own."""
    import tempfile

    import torch

    from qmis_stats.audit import TorchModel, from_arrays
    from qmis_stats.audit.attacks import ATTACKS, lazy_weights, play, run_attacks
    from qmis_stats.quantizers import quantizer

    def one_step(module: object, X: np.ndarray, y: np.ndarray, _rng: np.random.Generator) -> Iterator[None]:
        inputs, target = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
        torch.nn.functional.binary_cross_entropy_with_logits(module(inputs)[:, 0], target).backward()
        torch.optim.SGD(module.parameters(), lr=0.1).step()
        yield

    if way == KEPT:
        lazy_weights._LARGE = 2**60
    torch.set_num_threads(1)
    torch.manual_seed(1)
    rng, width = np.random.default_rng(1), round(size**0.5)
    X = rng.normal(size=(ROWS, 16))
    data = from_arrays(X, (X[:, 0] + rng.normal(size=ROWS) > 0.0).astype(float), name="generated")
    layers = (torch.nn.Linear(16, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU())
    module = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))
    weights = width * (width + 17)
    run_attacks(play(data, TorchModel(torch.nn.Linear(16, 1), one_step, task="binary"), quantizer("sign"), N,
                     trainings=2, shadows=4, calibrations=2, members=8), ATTACKS)  # fmt: skip  # compiled, imported
    model = TorchModel(module, one_step, task="binary")
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        game = play(data, model, None, N, trainings=RUNS // 2, shadows=RUNS // 4, calibrations=RUNS // 4, members=16,
                    store=folder if way == STORED else None)  # fmt: skip
        middle = time.process_time()
        run_attacks(game.quantized(quantizer("uniform-4")), ATTACKS)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "part": "size", "network": "generated", "release": "uniform-4", "what": way, "weights": weights,
        "training": middle - begin, "seconds": time.process_time() - middle, "mebibytes": (most - before) / 1024.0,
    }  # fmt: skip


def alone(size: int, way: str) -> dict[str, object]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, size, way).result()


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    parts = grouped(read_rows(folder / "large_networks.csv"), "part")
    tables = {}
    for release, rows in grouped(parts["compare"], "release").items():
        by = {name: {row["what"]: row for row in own} for name, own in grouped(rows, "network").items()}
        for own in by.values():
            layers = [row for what, row in own.items() if what.startswith(LAYER)]
            own[BEST_LAYER] = max(layers, key=lambda row: float(row["auc"]))
        tables[release] = {what: [_shown(by[name][what], what) for name in NETWORKS] for what in SHOWN}
    ahead = [row for row in parts["compare"] if row["what"] in SHOWN and row["what"] != OUTPUTS]
    sizes = [{row["what"]: row for row in rows} for rows in grouped(parts["size"], "weights").values()]
    return render(
        "large_networks", tables=tables, networks=NETWORKS, sizes=sizes, most=max(ahead, key=_more),
        least=min((row for row in ahead if row["what"] == WEIGHTS), key=_more), with_interval=with_interval,
        shadows=SHADOWS, targets=TARGETS, runs=RUNS, directions=RANK, share=SHARE, ways=(KEPT, LAZY, STORED),
    )  # fmt: skip


def _more(row: dict[str, str]) -> float:
    return float(row["more"])


def _shown(row: dict[str, str], what: str) -> str:
    """Return an AUC, and how much more it is than that of outputs where that is another one."""
    more = "" if what == OUTPUTS else f", {float(row['more']):+.3f}"
    return f"{float(row['auc']):.3f} ({float(row['error']):.3f}){more}"


def with_interval(row: dict[str, str]) -> str:
    """Return how much more than that of outputs an AUC is, with its 95 % interval."""
    reach = 1.96 * float(row["more_error"])
    return interval(_more(row), _more(row) - reach, _more(row) + reach, "+.3f")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="*", choices=("compare", "size"), default=("compare", "size"))
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page-only", action="store_true", help="the page of the CSV file that is there")
    chosen = parser.parse_args()
    if not chosen.page_only:
        if "compare" in chosen.parts:
            for name in chosen.networks:
                keep(list(compared(name, chosen.seed)))
        if "size" in chosen.parts:
            for size in chosen.sizes:
                keep([alone(size, way) for way in ((KEPT, LAZY, STORED) if 8 * size >= LARGE else (KEPT,))])
    (FOLDER / "large_networks.md").write_text(page(FOLDER), encoding="utf-8")


def keep(rows: list[dict[str, object]]) -> None:
    """Write rows in the place of those of the same networks and numbers of weights."""
    table, new = FOLDER / "large_networks.csv", six_digits(rows)
    names = {_kind(row) for row in new}
    old = [row for row in read_rows(table) if _kind(row) not in names] if table.exists() else []
    write_rows(table, FIELDS, sorted([*old, *new], key=_kind))


def _kind(row: dict[str, str]) -> tuple[str, int, int]:
    """Return the order of tables: by part, then networks as they are listed and numbers of weights."""
    if row["part"] == "size":
        return row["part"], 0, int(row["weights"])
    return row["part"], NETWORKS.index(row["network"]), 0


if __name__ == "__main__":
    main()
