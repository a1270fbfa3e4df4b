"""Leak of groups of records: predicted from one fit, and as an attack that knows the law achieves it (S17).

    python docs/studies/group_leak.py [--settings NAME ...] [--data-sets 24] [--runs 300] [--seed 1]

writes ``docs/studies/group_leak.csv`` and ``docs/studies/group_leak.md``; with ``--settings`` only these rows are
replaced. Of two groups B differs from A by the scale of its features, by the size of its noise, or in nothing; random
labels, in two and in four groups, differ in nothing in every setting.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from leakage import Setting, area, centroids, equivalents, forms, read_out
from scipy.special import expit
from study_page import render
from study_rows import grouped, read_rows, write_rows

from qmis_kernels import backend
from qmis_stats import leakage
from qmis_stats.leak.fits import fit_from
from qmis_stats.leak.group_results import GroupLeak
from qmis_stats.leak.law import figures
from qmis_stats.leak.losses import loss_named

FOLDER = Path(__file__).parent
QUANTIZERS = ("sign", "sparse-33", "nf4", "identity")
GROUPS = ("A", "B")
SHOWN = 32
FIELDS = (
    "setting", "group", "quantizer", "attack", "attack_error", "known", "auc_attack", "auc_attack_error", "auc_known",
    "predicted", "spread", "stated", "auc_predicted", "delta_holds", "auc_holds", "difference_holds", "false_two",
    "false_four", "found",
)  # fmt: skip


@dataclass(frozen=True)
class TwoGroups(Setting):
    """A law of two groups: every so many records B, with features and noise larger than those of A."""

    scale: float = 1.0
    noise: float = 1.0
    every: int = 4

    def labels(self, m: int) -> np.ndarray:
        return np.where(np.arange(m) % self.every == 0, 1, 0)

    @property
    def second_moment(self) -> np.ndarray:
        share = 1.0 / self.every
        return super().second_moment * (1.0 - share + share * self.scale**2)

    def weights(self, rng: np.random.Generator) -> np.ndarray:
        beta = rng.normal(size=self.d)
        return beta * 1.5 / np.sqrt(beta @ super().second_moment @ beta)

    def draw(self, m: int, beta: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        other = self.labels(m) == 1
        X = rng.normal(size=(m, self.d)) @ np.linalg.cholesky(super().second_moment).T
        X *= np.where(other, self.scale, 1.0)[:, None]
        noise = np.where(other, self.noise, 1.0)
        if self.loss == "squared":
            return X, X @ beta + noise * rng.normal(size=m)
        return X, (rng.random(m) < expit(X @ beta / noise)) * 1.0


SETTINGS = {
    "least squares, d/n = 1/4, A and B alike": TwoGroups("squared", 64, 256, 0.0, 0.0, every=2),
    "least squares, d/n = 1/4, noise of B half as large": TwoGroups("squared", 64, 256, 0.0, 0.0, noise=0.5, every=2),
    "ridge 10, r = 0.7, d/n = 1/4, features of B twice as large": TwoGroups("squared", 64, 256, 0.7, 10.0, scale=2.0),
    "logistic, ridge 1, r = 0.7, d/n = 1/8, features of B twice as large": TwoGroups(
        "logistic", 64, 512, 0.7, 1.0, scale=2.0
    ),
}


def attacked(setting: TwoGroups, beta: np.ndarray, runs: int, seed: int) -> dict[tuple[str, str], dict[str, float]]:
    """Return for each group and quantizer what the attack on the records of the group achieves, and S16 says of it."""
    weights, response, members, others = np.empty((runs, setting.d)), 0.0, [], []
    for r in range(runs):
        rng = np.random.default_rng([seed, 1, r])
        X, y = setting.draw(setting.n, beta, rng)
        fit = setting.trained(X, y)
        weights[r] = fit.weights[0]
        w = fit.loss.curvature(y, X @ fit.weights.T)[1:, 0, 0]
        inverse = np.linalg.inv((X[1:].T * w) @ X[1:] + setting.ridge * np.eye(setting.d))
        response += float(np.sum(setting.second_moment * inverse)) / runs
        members.append((X[:SHOWN], y[:SHOWN]))
        others.append(setting.draw(SHOWN, beta, rng))
    mean = weights.mean(axis=0)
    C, G = equivalents(setting, response, float(np.sum(setting.second_moment * np.cov(weights.T))))
    errors, code, kernels = np.sqrt(np.diag(C)), loss_named(setting.loss).code, backend()
    sides = []
    for points in (members, others):
        X, y = (np.concatenate(part) for part in zip(*points, strict=True))
        numbers = (X @ mean, np.sqrt(forms(X, C)), forms(X, G), y, code)
        sides.append((X, (*numbers, kernels.proximal_moments(*numbers))))
    of, found = setting.labels(SHOWN), {}
    for name in QUANTIZERS:
        middle, share = centroids(name, weights, mean, errors)
        inverse = np.linalg.inv(C + np.diag((1.0 - share) / share * np.diag(C)))
        read = np.repeat(middle / share, SHOWN, axis=0)
        scores, angle = [], None
        for X, law in sides:
            vectors, c, move, angle = read_out(X, C, G, inverse, law, angle)
            ratios = kernels.read_out_ratios(np.einsum("ij,ij->i", vectors, read), *law, c, move)
            scores.append(ratios.reshape(runs, SHOWN))
        some = slice(0, 16000)
        kept = [part[some] for part in law[:4]], [law[5][some], c[some, None], move[some, None]]
        group = np.tile(of, runs)[some].astype(np.int64)
        tv, inside, outside = kernels.exposure_integrals(*kept[0], code, *kept[1], np.ones(group.size), group, 2)
        for g, label in enumerate(GROUPS):
            mine = [part[:, of == g] for part in scores]
            known = figures(tv[group == g].mean(axis=0), inside[g] * 1.0, outside[g] * 1.0)[0]
            gained = np.mean(mine[0] > 0.0, axis=1) - np.mean(mine[1] > 0.0, axis=1)
            auc, error = area(*mine)
            found[label, name] = {
                "attack": gained.mean(), "attack_error": gained.std(ddof=1) / np.sqrt(runs), "known": known[0],
                "auc_attack": auc, "auc_attack_error": error, "auc_known": known[1],
            }  # fmt: skip
    return found


def predicted(setting: TwoGroups, beta: np.ndarray, data_sets: int, seed: int) -> tuple[list[GroupLeak], np.ndarray]:
    """Return what one fit says of A and B, and whether random labels in two and in four groups are told apart."""
    results, false = [], np.zeros((data_sets, 2), dtype=bool)
    for k in range(data_sets):
        X, y = setting.draw(setting.n, beta, np.random.default_rng([seed, 2, k]))
        fit = fit_from(X, y, setting.trained(X, y).weights[0], setting.loss, setting.ridge)
        found = leakage(fit, list(QUANTIZERS[:-1]), seed=k)
        results.append(found.by_group(np.array(GROUPS)[setting.labels(setting.n)]))
        rng = np.random.default_rng([seed, 3, k])
        for j, shares in enumerate(((0.7, 0.3), (0.4, 0.3, 0.2, 0.1))):
            gaps = found.by_group(rng.choice(len(shares), setting.n, p=shares)).differences()
            false[k, j] = bool(np.any((gaps["low"] > 0.0) | (gaps["high"] < 0.0)))
    return results, false


def rows_of(name: str, setting: TwoGroups, data_sets: int, runs: int, seed: int) -> list[dict[str, str]]:
    beta = setting.weights(np.random.default_rng([seed, 0]))
    known = attacked(setting, beta, runs, seed)
    results, false = predicted(setting, beta, data_sets, seed)
    truth = {k: np.array([[known[g, q][k] for q in QUANTIZERS] for g in GROUPS]) for k in ("known", "auc_known")}
    gap = np.array([truth["known"][0] - truth["known"][1], truth["known"][1] - truth["known"][0]]).ravel()

    def holds(result: GroupLeak, figure: str, value: np.ndarray) -> bool:
        ends = result.conf_int(figure=figure)
        return bool(np.all((ends[..., 0] <= value) & (value <= ends[..., 1])))

    gaps = [result.differences() for result in results]
    shared = {
        "delta_holds": np.mean([holds(r, "delta", truth["known"]) for r in results]),
        "auc_holds": np.mean([holds(r, "auc", truth["auc_known"]) for r in results]),
        "difference_holds": np.mean([np.all((d["low"] <= gap) & (gap <= d["high"])) for d in gaps]),
        "false_two": false[:, 0].mean(),
        "false_four": false[:, 1].mean(),
    }
    rows = []
    for g, group in enumerate(GROUPS):
        for q, quantizer in enumerate(QUANTIZERS):
            values = np.array([r.delta[g, q] for r in results])
            row = {
                **known[group, quantizer],
                "predicted": values.mean(),
                "spread": values.std(ddof=1),
                "stated": np.sqrt(np.mean([r.std_errors()[g, q] ** 2 for r in results])),
                "auc_predicted": np.mean([r.auc[g, q] for r in results]),
                **shared,
                "found": np.mean([len(r.exposed(quantizer)) for r in results]),
            }
            named = {"setting": name, "group": group, "quantizer": quantizer}
            rows.append(named | {key: f"{value:.6g}" for key, value in row.items()})
    return rows


def page(folder: Path, data_sets: int = 24, runs: int = 300, seed: int = 1) -> str:
    """Return the page of the CSV file in a folder."""
    rows = read_rows(folder / "group_leak.csv")
    known = np.array([float(row["known"]) for row in rows])
    off = np.array([float(row["predicted"]) for row in rows]) - known
    z = [(float(row["attack"]) - k) / float(row["attack_error"]) for row, k in zip(rows, known, strict=True)]
    whole = [row for row in rows if row["quantizer"] == "identity"]
    # What holds together is the same in both rows of a setting; shown is that of the group that leaks more.
    settings = [max(both, key=lambda row: float(row["known"])) for both in grouped(whole, "setting").values()]
    return render(
        "group_leak",
        **{"rows": rows, "settings": settings, "data_sets": data_sets, "runs": runs, "seed": seed},
        off=off,
        largest={"off": np.abs(off).max(), "z": np.abs(z).max()},
        random_labels={k: 100 * np.mean([float(row[f"false_{k}"]) for row in settings]) for k in ("two", "four")},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--data-sets", type=int, default=24)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    stored = given.out / "group_leak.csv"
    rows = read_rows(stored) if stored.exists() else []
    for name in given.settings:
        new = rows_of(name, SETTINGS[name], given.data_sets, given.runs, given.seed)
        rows = [row for row in rows if row["setting"] != name] + new
        rows.sort(key=lambda row: list(SETTINGS).index(row["setting"]))
        write_rows(stored, FIELDS, rows)
        print(f"{name}: done", file=sys.stderr)
    (given.out / "group_leak.md").write_text(page(given.out, given.data_sets, given.runs, given.seed))


if __name__ == "__main__":
    main()
