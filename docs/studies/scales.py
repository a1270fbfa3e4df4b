"""Scales of blocks, and two releases of one model: theory from one fit against the read-out attack (S16).

    python docs/studies/scales.py [--data FOLDER] [--settings NAME ...] [--seed 1]

writes ``docs/studies/scales.csv`` and ``docs/studies/scales.md``, in about 15 minutes on one core; settings that are
run replace their rows, and Caco-2 needs the folder of the molecular sets. The attack knows the mean weights over
training sets and their second moments as the theory has them, from those of the features. Of each training run it reads
what is released and nothing else: codes, scales in their format, which weights a scale that is a largest magnitude may
be, and combinations that scales are; on Caco-2, a known pool, it reads both directions. There a second attack knows the
covariance of the weights over halves of this very pool.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from leakage import Setting, area, equivalents, forms, within
from scipy.stats import norm
from study_page import render
from study_rows import grouped, read_rows, write_rows

from qmis_kernels import backend
from qmis_stats import leakage
from qmis_stats.leak.fits import Fit, fit_from
from qmis_stats.leak.losses import loss_named
from qmis_stats.leak.retained import cell_share
from qmis_stats.leak.signal import PointSignal, best_direction
from qmis_stats.quantizers import quantizer
from qmis_stats.quantizers.weights.scales import kept

FOLDER = Path(__file__).parent
CODE = loss_named("squared").code
SHOWN = 256
CLEAR = 3.0
"""Standard errors of the attack by which codes alone are seen to fall short."""
FIELDS = (
    "setting", "quantizer", "attack", "attack_error", "theory", "theory_error", "codes", "retained", "pool",
    "pool_error", "missed",
)  # fmt: skip
RELEASES = ("sign", "ternary-absmean", "sign+ternary-absmean", "nf4", "q8_0", "nf4+q8_0")
BLOCKS = (
    *(f"{kind}:g{size}:{form}" for kind in ("sign-scaled", "nf4") for size in (32, 64, 128) for form in ("f16", "f32")),
    "sign-scaled:g16:f16", "uniform-2:g32:f16", "uniform-4:g32:f16", "nf4:g32:double", "q4_0", "q8_0",
)  # fmt: skip
ENDS = ("sign-scaled:g32:f16", "nf4:g32:f16", "q8_0")


@dataclass(frozen=True)
class Side:
    """Points that one training run shows: their means and what the mean weights of those without them differ by."""

    points: np.ndarray
    targets: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Played:
    """Training runs that are attacked, and what the attacker knows of their law.

    ``sides`` are members and non-members of each training run. ``of_pool`` is what C and G are in this very pool, where
    C depends on the residuals of its points, and not on the second moments of the features alone. ``missed`` is the
    mean square of what training runs miss on non-members of the pool.
    """

    mean: np.ndarray
    C: np.ndarray
    G: np.ndarray
    weights: np.ndarray
    sides: list[tuple[Side, Side]]
    of_pool: tuple[np.ndarray, np.ndarray] | None = None
    missed: float | str = ""


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

    game = ("population", 0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "setting", Setting("squared", self.d, self.n, 0.3, 1.0))

    def weights(self, seed: int) -> np.ndarray:
        return self.setting.weights(np.random.default_rng([seed, 0])) * (self.size / 1.5)

    def played(self, seed: int, _: Path | None) -> Played:
        """Return training runs on fresh samples."""
        setting, beta, d = self.setting, self.weights(seed), self.d
        weights, response, sides = np.empty((self.runs, d)), 0.0, []
        for r in range(self.runs):
            rng = np.random.default_rng([seed, 1, r])
            X, y = setting.draw(setting.n, beta, rng)
            weights[r] = setting.trained(X, y).weights[0]
            inverse = np.linalg.inv(X[1:].T @ X[1:] + setting.ridge * np.eye(d))
            response += float(np.sum(setting.second_moment * inverse)) / self.runs
            nothing = np.zeros((SHOWN, d))
            sides.append((Side(X[:SHOWN], y[:SHOWN], nothing), Side(*setting.draw(SHOWN, beta, rng), nothing)))
        C, G = equivalents(setting, response, float(np.sum(setting.second_moment * np.cov(weights.T))))
        return Played(weights.mean(axis=0), C, G, weights, sides)

    def fits(self, seed: int, _: Path | None) -> Iterator[Fit]:
        """Yield fits to independent data sets."""
        beta = self.weights(seed)
        for k in range(self.data_sets):
            X, y = self.setting.draw(self.n, beta, np.random.default_rng([seed, 2, k]))
            yield fit_from(X, y, self.setting.trained(X, y).weights[0], "squared", self.setting.ridge)


@dataclass(frozen=True)
class Caco2:
    """Ridge regression on random halves of Caco-2, its fingerprint bits that vary most."""

    d: int
    ridge: float
    names: tuple[str, ...]
    runs: int
    data_sets: int
    shadows: int = 3000

    game = ("pool", 0.5)

    def pool(self, data: Path) -> tuple[np.ndarray, np.ndarray]:
        from qmis_stats.audit.tables import load_table

        found = load_table(data / "caco2_wang.tab", "Y", smiles="Drug")
        X = found.X[:, np.argsort(-found.X.var(axis=0), kind="stable")[: self.d]]
        return X - X.mean(axis=0), found.y - found.y.mean()

    def trained(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weights, and the inverse Hessian of all points but the first."""
        gram = X.T @ X + self.ridge * np.eye(self.d)
        return np.linalg.solve(gram, X.T @ y), np.linalg.inv(gram - np.outer(X[0], X[0]))

    def played(self, seed: int, data: Path | None) -> Played:
        """Return training runs on halves of the pool; means and moments are those of other halves."""
        X, y = self.pool(data)
        half = len(X) // 2
        total, inside, G = np.zeros(self.d), np.zeros(len(X)), np.zeros((self.d, self.d))
        of_members, all_weights = np.zeros((len(X), self.d)), np.empty((self.shadows, self.d))
        for k in range(self.shadows):
            mine = np.random.default_rng([seed, 3, k]).permutation(len(X))[:half]
            all_weights[k], inverse = self.trained(X[mine], y[mine])
            G += inverse / self.shadows
            total += all_weights[k]
            of_members[mine] += all_weights[k]
            inside[mine] += 1.0
        mean = total / self.shadows
        shift = (total - of_members) / (self.shadows - inside)[:, None] - mean
        weights, sides = np.empty((self.runs, self.d)), []
        for r in range(self.runs):
            order = np.random.default_rng([seed, 1, r]).permutation(len(X))
            weights[r] = self.trained(X[order[:half]], y[order[:half]])[0]
            sides.append(tuple(Side(X[k], y[k], shift[k]) for k in (order[:SHOWN], order[half : half + SHOWN])))
        sigma, C = X.T @ X / len(X), np.cov(all_weights.T)
        law = SimpleNamespace(second_moment=sigma, d=self.d, ridge=self.ridge)
        missed = np.mean([(out.targets - out.points @ one) ** 2 for one, (_, out) in zip(weights, sides, strict=True)])
        known = equivalents(law, np.sum(sigma * G), np.sum(sigma * C))
        return Played(mean, *known, weights, sides, (C, G), float(missed))

    def fits(self, seed: int, data: Path | None) -> Iterator[Fit]:
        """Yield fits to independent halves of the pool."""
        X, y = self.pool(data)
        for k in range(self.data_sets):
            mine = np.random.default_rng([seed, 2, k]).permutation(len(X))[: len(X) // 2]
            yield fit_from(X[mine], y[mine], self.trained(X[mine], y[mine])[0], "squared", self.ridge)


DESIGNS = {
    "two releases, d/n = 1/4, signal 1.5": Design(64, 256, 1.5, RELEASES, 400, 24),
    "blocks, d/n = 1/2, signal 6": Design(128, 256, 6.0, BLOCKS, 400, 24),
    "blocks, Caco-2, 128 bits, penalty 10": Caco2(128, 10.0, (*BLOCKS[:12], "q8_0"), 250, 12),
    "blocks, Caco-2, 128 bits, penalty 1": Caco2(128, 1.0, ENDS, 250, 12),
    "blocks, Caco-2, 128 bits, penalty 30": Caco2(128, 30.0, ENDS, 250, 12),
    "two releases, Caco-2, 64 bits, penalty 10": Caco2(64, 10.0, RELEASES, 250, 12),
}


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
    chosen = quantizer(name)
    released, middle, share = chosen.quantize(theta), np.zeros(mean.size), np.ones(mean.size)
    for cells in chosen.cells(theta):
        m, e, t, seen = (part[cells.inside] for part in (mean, errors, theta, released))
        # Of a scale in few bits the attacker knows the rounded one.
        rounded = abs(seen[cells.known[0]] / t[cells.known[0]]) if cells.known.size else 1.0
        ends = rounded * np.clip(np.concatenate(([-np.inf], cells.edges, [np.inf])), *cells.bounds)
        inner, mass = within(ends, np.searchsorted(cells.edges, t), m, e)
        told = cell_share(cells.edges, m[None], e, cells.bounds)[0]
        for known in cells.known:  # one of those with this level sets the scale: which one, codes do not say
            alike = np.flatnonzero(np.isclose(np.abs(seen), abs(seen[known]), rtol=1e-9))
            chance = norm.pdf((seen[alike] - m[alike]) / e[alike]) / e[alike] / mass[alike] + 1e-300
            chance /= chance.sum()
            inner[alike] += chance * (seen[alike] - m[alike] - inner[alike])
            told[alike] += chance * (1.0 - told[alike])
        middle[cells.inside], share[cells.inside] = inner, told
    found = chosen.combinations(theta)
    rows, at = np.zeros((sum(len(part) for _, part in found), mean.size)), 0
    for inside, part in found:
        rows[at : at + len(part), inside] = part
        at += len(part)
    scales, form = rows @ theta, getattr(chosen, "scale", None)
    share = np.clip(share, 1e-9, 1.0 - 1e-9)
    return middle / share, share, rows, (kept(scales, form) if form and len(rows) else scales) - rows @ mean


def of_pairs(
    v: np.ndarray, w: np.ndarray, moments: np.ndarray, c: np.ndarray, e: np.ndarray, f: np.ndarray
) -> np.ndarray:
    """Return the log likelihood ratios of pairs of read-outs: as the proximal map is linear, a member's are normal."""
    mean, cross, square = moments.T
    first, both, second = 1.0 + 2.0 * c * e * cross + e**2 * square, f * (c * cross + e * square), 1.0 + f**2 * square
    a, b, size = v - e * mean, w - f * mean, first * second - both**2
    return 0.5 * (v**2 + w**2 - (second * a**2 - 2.0 * both * a * b + first * b**2) / size - np.log(size))


def attacked(played: Played, names: tuple[str, ...], pair: bool) -> dict[str, tuple[float, float]]:
    """Return the AUC of the attack on each quantizer, and its standard error: by one read-out, or by both."""
    runs = len(played.weights)
    mean, C, G = played.mean, played.C, played.G
    errors = np.sqrt(np.diag(C))
    numbers, parts = ([], []), {name: ([], []) for name in names}
    for theta, sides in zip(played.weights, played.sides, strict=True):
        for taken, side in zip(numbers, sides, strict=True):
            X = side.points
            middle = X @ mean + np.sum(X * side.shift, axis=1)
            taken.append((middle, np.sqrt(forms(X, C)), forms(X, G), side.targets))
        for name in names:
            z, share, rows, scales = measured(name, theta, mean, errors)
            root = np.sqrt(share / (1.0 - share)) / errors
            size = np.sqrt(1e-9 * np.sum((rows @ C) * rows, axis=1))
            R = np.concatenate([np.diag(root), rows / size[:, None]])
            inner = np.linalg.solve(np.eye(len(R)) + R @ C @ R.T, R)
            inverse, told = R.T @ inner, inner.T @ np.concatenate([root * z, scales / size])
            for taken, side in zip(parts[name], sides, strict=True):
                k, g = side.points @ C, side.points @ G
                along, across = k @ inverse, g @ inverse
                away = told - side.shift @ inverse
                kd, dd = np.sum(along * g, axis=1), np.sum(across * g, axis=1)
                taken.append((np.sum(along * k, axis=1), kd, dd, np.sum(k * away, axis=1), np.sum(g * away, axis=1)))
    kernels = backend()
    laws = [tuple(np.concatenate(part) for part in zip(*side, strict=True)) for side in numbers]
    moments = [kernels.proximal_moments(*law, CODE) for law in laws]
    found = {}
    for name in names:
        angle, scores = None, []
        for law, moment, side in zip(laws, moments, parts[name], strict=True):
            kk, kd, dd, by_k, by_d = (np.concatenate(part) for part in zip(*side, strict=True))
            gram = np.array([kk, kd, dd])[:, :, None, None]
            signal = PointSignal(gram, law[1][:, None, None] ** 2, law[2][:, None, None])
            c, first, second = signal.scalars()
            beside = np.where(second > 0.0, 1.0 / np.sqrt(np.maximum(dd - kd**2 / kk, 1e-300)), 0.0)
            reads = by_k / np.sqrt(kk), (by_d - by_k * kd / kk) * beside
            if pair:
                scores.append(of_pairs(*reads, moment, c, first, second))
                continue
            if angle is None:
                along, _ = best_direction(signal, moment, np.arange(c.size))
                angle = float(np.arccos(np.clip(along[0] / c[0], -1.0, 1.0)))
            read, move = (np.cos(angle) * one + np.sin(angle) * other for one, other in (reads, (first, second)))
            scores.append(kernels.read_out_ratios(read, *law, CODE, moment, np.cos(angle) * c, move))
        found[name] = area(*(part.reshape(runs, SHOWN) for part in scores))
    return found


def rows_of(name: str, seed: int, data: Path | None) -> list[dict]:
    design = DESIGNS[name]
    played, areas, retained = design.played(seed, data), [], []
    chosen, (game, fraction) = [*design.names, *(CodesAlone(one) for one in design.names)], design.game
    pair = game == "pool"
    found, of_pool = attacked(played, design.names, pair), dict.fromkeys(design.names, ("", ""))
    if played.of_pool:
        C, G = played.of_pool
        of_pool = attacked(replace(played, C=C, G=G), design.names, pair)
    for fit in design.fits(seed, data):
        result = leakage(fit, chosen, game=game, fraction=fraction)
        areas.append(result.auc)
        retained.append(result.retained)
    mean, error = np.mean(areas, axis=0), np.std(areas, axis=0, ddof=1) / np.sqrt(design.data_sets)
    return [
        dict(zip(FIELDS, (
            name, one, *found[one], mean[q], error[q], mean[len(design.names) + q], np.mean(retained, axis=0)[q],
            *of_pool[one], played.missed,
        ), strict=True))
        for q, one in enumerate(design.names)
    ]  # fmt: skip


def page(folder: Path) -> str:
    """Return the page of the CSV file in a folder."""
    rows = read_rows(folder / "scales.csv")

    def apart(row: dict[str, str]) -> float:
        return abs(float(row["theory"]) - float(row["pool"] or row["attack"]))

    short = [row for row in rows if float(row["codes"]) < float(row["attack"]) - CLEAR * float(row["attack_error"])]
    of_pool = [row for row in rows if row["pool"]]
    return render(
        "scales",
        worst=max(rows, key=apart),
        apart=apart,
        error=max(float(row["attack_error"]) for row in rows),
        of_pool=max(of_pool, key=lambda row: float(row["theory"]) - float(row["attack"]), default=None),
        missed={row["setting"]: float(row["missed"]) for row in of_pool},
        short=grouped(short, "setting"),
        shadows=Caco2.shadows,
        settings=grouped(rows, "setting"),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="folder of the molecular sets")
    parser.add_argument(
        "--settings", nargs="+", choices=DESIGNS, help="by default all that need no data that is missing"
    )
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    possible = [name for name, design in DESIGNS.items() if chosen.data or isinstance(design, Design)]
    settings = chosen.settings or possible
    if missing := [name for name in settings if name not in possible]:
        parser.error(f"--data is needed for {', '.join(missing)}")
    table = FOLDER / "scales.csv"
    rows = []
    if table.exists():
        rows = [row for row in read_rows(table) if row["setting"] not in settings]
    for name in settings:
        for row in rows_of(name, chosen.seed, chosen.data):
            rows.append({key: value if isinstance(value, str) else f"{value:.6g}" for key, value in row.items()})
            print(*rows[-1].values(), file=sys.stderr)
        rows.sort(key=lambda row: list(DESIGNS).index(row["setting"]))
        write_rows(table, FIELDS, rows)
        (FOLDER / "scales.md").write_text(page(FOLDER), encoding="utf-8")


if __name__ == "__main__":
    main()
