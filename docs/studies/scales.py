"""Scales of blocks, and two releases of one model: theory from one fit against the read-out attack (S16).

    python docs/studies/scales.py [--settings NAME ...] [--seed 1]

writes ``docs/studies/scales.csv`` and ``docs/studies/scales.md``; with ``--settings`` only these rows are replaced. The
attack knows means and second moments of the weights over training sets. Of each training it reads codes, weights that
scales give away, and combinations that scales are, with the precision that each has in this training.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from leakage import Setting, area, equivalents, forms
from scipy.special import ndtr
from scipy.stats import norm
from study_page import render
from study_rows import grouped, read_rows, write_rows

from qmis_kernels import backend
from qmis_stats import leakage
from qmis_stats.leak.fits import fit_from
from qmis_stats.leak.losses import loss_named
from qmis_stats.leak.retained import cell_share
from qmis_stats.leak.signal import PointSignal, best_direction
from qmis_stats.quantizers import quantizer

FOLDER = Path(__file__).parent
CODE = loss_named("squared").code
SHOWN = 128
FIELDS = ("setting", "quantizer", "attack", "attack_error", "theory", "theory_error", "codes", "retained")


@dataclass(frozen=True)
class Design:
    """Least squares with a ridge, features with correlation 0.3^|i − j|, a signal of some size, and quantizers."""

    d: int
    n: int
    size: float
    names: tuple[str, ...]
    runs: int
    data_sets: int
    setting: Setting = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "setting", Setting("squared", self.d, self.n, 0.3, 1.0))

    def weights(self, rng: np.random.Generator) -> np.ndarray:
        return self.setting.weights(rng) * (self.size / 1.5)


DESIGNS = {
    "two releases, d/n = 1/4, signal 1.5": Design(
        64, 256, 1.5, ("sign", "ternary-absmean", "sign+ternary-absmean", "nf4", "q8_0", "nf4+q8_0"), 400, 20
    ),
    "blocks, d/n = 1/2, signal 6": Design(
        128, 256, 6.0,
        (*(f"{kind}:g{size}" for kind in ("sign-scaled", "uniform-2", "nf4") for size in (32, 64, 128)),
         "q4_0", "q8_0"),
        200, 8,
    ),
}  # fmt: skip


class CodesAlone:
    """The theory of a quantizer whose scales were kept secret."""

    def __init__(self, name: str) -> None:
        self.whole, self.name = quantizer(name), f"codes of {name}"

    def quantize(self, weights):
        return self.whole.quantize(weights)

    def cells(self, weights):
        secret = {"known": np.zeros(0, dtype=np.int64), "bounds": (-np.inf, np.inf)}
        return [replace(cells, **secret) for cells in self.whole.cells(weights)]


def measured(name: str, theta: np.ndarray, mean: np.ndarray, errors: np.ndarray):
    """Return what a release tells of each weight about its mean, the shares retained, and the combinations it tells."""
    middle, share = np.zeros(mean.size), np.ones(mean.size)
    for cells in quantizer(name).cells(theta):
        m, e, t = mean[cells.inside], errors[cells.inside], theta[cells.inside]
        ends = np.clip(np.concatenate(([-np.inf], cells.edges, [np.inf])), *cells.bounds)
        place = np.searchsorted(cells.edges, t)
        a, b = ((ends[place + k] - m) / e for k in (0, 1))
        mass = np.where(a > 0.0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
        inner = np.clip((norm.pdf(a) - norm.pdf(b)) / np.maximum(mass, 1e-300), a, b) * e
        kept = cell_share(cells.edges, m[None], e, cells.bounds)[0]
        inner[cells.known], kept[cells.known] = (t - m)[cells.known], 1.0
        middle[cells.inside], share[cells.inside] = inner, kept
    found = quantizer(name).combinations(theta)
    rows, at = np.zeros((sum(len(part) for _, part in found), mean.size)), 0
    for inside, part in found:
        rows[at : at + len(part), inside] = part
        at += len(part)
    share = np.clip(share, 1e-9, 1.0 - 1e-9)
    return middle / share, share, rows


def attacked(design: Design, beta: np.ndarray, seed: int) -> dict[str, tuple[float, float]]:
    """Return the area of the attack on each quantizer, and its standard error."""
    setting, d, runs = design.setting, design.d, design.runs
    weights, response = np.empty((runs, d)), 0.0
    for r in range(runs):
        X, y = setting.draw(setting.n, beta, np.random.default_rng([seed, 1, r]))
        weights[r] = setting.trained(X, y).weights[0]
        inverse = np.linalg.inv(X[1:].T @ X[1:] + setting.ridge * np.eye(d))
        response += float(np.sum(setting.second_moment * inverse)) / runs
    mean = weights.mean(axis=0)
    C, G = equivalents(setting, response, float(np.sum(setting.second_moment * np.cov(weights.T))))
    errors = np.sqrt(np.diag(C))
    numbers, parts = ([], []), {name: ([], []) for name in design.names}
    for r in range(runs):
        rng = np.random.default_rng([seed, 1, r])
        X, y = setting.draw(setting.n, beta, rng)
        sides = ((X[:SHOWN], y[:SHOWN]), setting.draw(SHOWN, beta, rng))
        for kept, (points, targets) in zip(numbers, sides, strict=True):
            kept.append((points @ mean, np.sqrt(forms(points, C)), forms(points, G), targets))
        for name in design.names:
            z, share, rows = measured(name, weights[r], mean, errors)
            root = np.sqrt(share / (1.0 - share)) / errors
            rows = rows / np.sqrt(1e-9 * np.sum((rows @ C) * rows, axis=1))[:, None]
            R = np.concatenate([np.diag(root), rows])
            inner = np.linalg.solve(np.eye(len(R)) + R @ C @ R.T, R)
            inverse, told = R.T @ inner, inner.T @ np.concatenate([root * z, rows @ (weights[r] - mean)])
            for kept, (points, _) in zip(parts[name], sides, strict=True):
                k, g = points @ C, points @ G
                along = k @ inverse
                kd, dd = np.sum(along * g, axis=1), np.sum((g @ inverse) * g, axis=1)
                kept.append((np.sum(along * k, axis=1), kd, dd, k @ told, g @ told))
    kernels = backend()
    laws = [tuple(np.concatenate(part) for part in zip(*side, strict=True)) for side in numbers]
    moments = [kernels.proximal_moments(*law, CODE) for law in laws]
    found = {}
    for name in design.names:
        angle, scores = None, []
        for law, moment, side in zip(laws, moments, parts[name], strict=True):
            kk, kd, dd, by_k, by_d = (np.concatenate(part) for part in zip(*side, strict=True))
            gram = np.array([kk, kd, dd])[:, :, None, None]
            signal = PointSignal(gram, law[1][:, None, None] ** 2, law[2][:, None, None])
            c, first, second = signal.scalars()
            if angle is None:
                along, _ = best_direction(signal, moment, np.arange(c.size))
                angle = float(np.arccos(np.clip(along[0] / c[0], -1.0, 1.0)))
            turn = np.where(second > 0.0, np.sin(angle) / np.sqrt(np.maximum(dd - kd**2 / kk, 1e-300)), 0.0)
            read = by_k * (np.cos(angle) / np.sqrt(kk) - turn * kd / kk) + by_d * turn
            move = np.cos(angle) * first + np.sin(angle) * second
            scores.append(kernels.read_out_ratios(read, *law, CODE, moment, np.cos(angle) * c, move))
        found[name] = area(*(part.reshape(runs, SHOWN) for part in scores))
    return found


def rows_of(name: str, seed: int) -> list[dict]:
    design = DESIGNS[name]
    beta = design.weights(np.random.default_rng([seed, 0]))
    found, areas, retained = attacked(design, beta, seed), [], []
    chosen = [*design.names, *(CodesAlone(one) for one in design.names)]
    for k in range(design.data_sets):
        X, y = design.setting.draw(design.n, beta, np.random.default_rng([seed, 2, k]))
        fit = fit_from(X, y, design.setting.trained(X, y).weights[0], "squared", design.setting.ridge)
        result = leakage(fit, chosen)
        areas.append(result.auc)
        retained.append(result.retained)
    mean, error = np.mean(areas, axis=0), np.std(areas, axis=0, ddof=1) / np.sqrt(design.data_sets)
    return [
        {"setting": name, "quantizer": one, "attack": found[one][0], "attack_error": found[one][1], "theory": mean[q],
         "theory_error": error[q], "codes": mean[len(design.names) + q], "retained": np.mean(retained, axis=0)[q]}
        for q, one in enumerate(design.names)
    ]  # fmt: skip


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    rows = read_rows(folder / "scales.csv")

    def apart(row: dict[str, str]) -> float:
        return abs(float(row["theory"]) - float(row["attack"]))

    worst = max(rows, key=apart)
    return render("scales", worst=worst, apart=apart(worst), settings=grouped(rows, "setting"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    table = FOLDER / "scales.csv"
    rows = []
    if table.exists():
        rows = [row for row in read_rows(table) if row["setting"] not in chosen.settings]
    for name in chosen.settings:
        for row in rows_of(name, chosen.seed):
            rows.append({key: value if isinstance(value, str) else f"{value:.6g}" for key, value in row.items()})
            print(*rows[-1].values(), file=sys.stderr)
    rows.sort(key=lambda row: list(DESIGNS).index(row["setting"]))
    write_rows(table, FIELDS, rows)
    (FOLDER / "scales.md").write_text(page(FOLDER), encoding="utf-8")


if __name__ == "__main__":
    main()
